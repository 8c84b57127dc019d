"""Wiki pages, releases and snippets: short lists that are read whole, conditionally where GitLab gives an ETag."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from knowhub.core.errors import KnowhubError
from knowhub.core.types import Acl, Fetched, ItemId, Principal
from knowhub.formats.contents import pack
from knowhub.formats.gitlab_documents import moment
from knowhub.http import Reply, TooLarge
from knowhub.sources.gitlab.api import PER_PAGE, Json, ends_everything, objects, total, touched
from knowhub.sources.gitlab.progress import State
from knowhub.sources.gitlab.records import Desk, still


class Listing:
    """One kind in one place, for one fetch. `state`: {"etag": …} of a list that was one page long."""

    kind: str

    def __init__(self, desk: Desk, state: State) -> None:
        self._desk = desk
        self._state = state

    def fetch(self, *, full: bool) -> Iterator[Fetched]:
        etag = "" if full or self._desk.tally.wanted(self.kind) else self._state.pop("etag", "")
        reply = self._asked(etag)
        if reply.status == 304:
            self._state["etag"] = etag
            return
        there: list[ItemId] = []
        for one in self._all(reply):
            if not self._old(one):
                there.append(self._item(one))
                yield from self._one(one)
        self._desk.tally.recount(self.kind, there)
        if not reply.link("next"):
            self._state["etag"] = reply.etag

    def _path(self) -> tuple[str, dict[str, Any]]:
        raise NotImplementedError

    def _item(self, one: Json) -> ItemId:
        raise NotImplementedError

    def _one(self, one: Json) -> Iterator[Fetched]:
        raise NotImplementedError

    def _asked(self, etag: str) -> Reply:
        path, params = self._path()
        return self._desk.api.http.get(f"{self._desk.place.api}/{path}", params, etag=etag)

    def _all(self, first: Reply) -> list[Json]:
        if not first.link("next") and total(first) in (None, len(objects(first))):
            return objects(first)
        path, params = self._path()
        return self._desk.api.listed(f"{self._desk.place.api}/{path}", params)

    def _old(self, _one: Json, /) -> bool:
        return False


class Wikis(Listing):
    """GitLab gives all pages of a wiki at once, without dates and ids: a page is known by its slug."""

    kind = "wikis"

    def _path(self) -> tuple[str, dict[str, Any]]:
        return "wikis", {"with_content": True}

    def _item(self, one: Json) -> ItemId:
        return self._desk.item("wiki", self._desk.place.id, one["slug"])

    def _one(self, one: Json) -> Iterator[Fetched]:
        location = f"{self._desk.place.path}/-/wikis/{one['slug']}"
        yield self._desk.record(
            self._item(one), "wiki", self._desk.acl("wikis"), {"page": still(one)}, location=location
        )


class Releases(Listing):
    """A release is known by its tag."""

    kind = "releases"

    def _path(self) -> tuple[str, dict[str, Any]]:
        return "releases", {"order_by": "created_at", "sort": "asc", "per_page": PER_PAGE}

    def _item(self, one: Json) -> ItemId:
        return self._desk.item("release", self._desk.place.id, one["tag_name"])

    def _old(self, one: Json, /) -> bool:
        since = self._desk.options.since
        at = moment(one.get("released_at")) or moment(one.get("created_at"))
        return since is not None and at is not None and at < since

    def _one(self, one: Json) -> Iterator[Fetched]:
        location = f"{self._desk.place.path}/-/releases/{one['tag_name']}"
        stored = {"release": {key: still(value) for key, value in one.items() if key != "evidences"}}
        # The page of a release is what its `self` says, also where the tag's name needs quoting.
        stored["release"]["_links"] = {"self": (one.get("_links") or {}).get("self")}
        yield self._desk.record(self._item(one), "release", self._desk.acl("releases"), stored, location=location)


class Snippets(Listing):
    """A snippet may be narrower than its project: `private` is for members, `internal` for all who sign in."""

    kind = "snippets"

    def _path(self) -> tuple[str, dict[str, Any]]:
        return "snippets", {"per_page": PER_PAGE}

    def _item(self, one: Json) -> ItemId:
        return self._desk.item("snippet", one["id"])

    def _old(self, one: Json, /) -> bool:
        return self._desk.options.since is not None and touched(one) < self._desk.options.since

    def _one(self, one: Json) -> Iterator[Fetched]:
        item, location = self._item(one), f"{self._desk.place.path}${one['id']}"
        acl = self._acl(one)
        stamp = f"{self._desk.shape[:8]}/{one.get('updated_at')}/{one.get('visibility')}/"
        known = self._desk.known.get(item)
        if known and known.version.startswith(stamp):
            self._desk.tally.add(item)
            return
        try:
            payload = {"snippet": still(one), "files": [self._file(one, *place) for place in _files(one)]}
        except KnowhubError as error:
            if ends_everything(error):
                raise
            yield self._desk.failed(item, error.message, location)
            return
        yield self._desk.record(item, "snippet", acl, payload, location=location, stamp=stamp)

    def _file(self, one: Json, name: str, raw: str) -> dict[str, Any]:
        limit = self._desk.options.max_file_bytes
        path = f"{self._desk.place.api}/snippets/{one['id']}/{raw}"
        try:
            return {"path": name, "content": pack(self._desk.api.raw(path, name, max_bytes=limit))}
        except TooLarge:
            return {"path": name}

    def _acl(self, one: Json) -> Acl:
        place, visibility = self._desk.place, one.get("visibility")
        author = place.user(one.get("author"))
        if visibility == "public":
            return self._desk.acl("snippets")
        signed_in = {Principal(f"{place.source}:users")} if visibility == "internal" else set()
        return self._desk.acl("snippets", frozenset({place.principal("members"), *signed_in, *author}))


def _files(one: Json) -> list[tuple[str, str]]:
    """(name, path below the snippet) of each file; the branch stands in the address that GitLab gives."""
    files = [file for file in one.get("files") or [] if isinstance(file, dict) and file.get("path")]
    if not files:
        return [(str(one.get("file_name") or "snippet"), "raw")]
    return [(str(file["path"]), f"files/{_branch(file)}/{quote(str(file['path']), safe='')}/raw") for file in files]


def _branch(file: Json) -> str:
    path = unquote(urlsplit(str(file.get("raw_url") or "")).path)
    _, found, rest = path.partition("/raw/")
    branch = rest.removesuffix(f"/{file['path']}") if found else ""
    return quote(branch or "HEAD", safe="")


LISTINGS: dict[str, type[Listing]] = {"wikis": Wikis, "releases": Releases, "snippets": Snippets}
