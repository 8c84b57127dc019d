"""Confluence Data Center (and Server): REST v1 alone. https://developer.atlassian.com/server/confluence/"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

from knowhub.core.errors import NotFound
from knowhub.http import Http
from knowhub.sources.confluence.wiki import (
    BATCH,
    READERS,
    Content,
    Described,
    Grants,
    Json,
    Kind,
    Listing,
    Named,
    Space,
    Wiki,
)  # fmt: skip

_EXPAND = f"version,history,space,ancestors,childTypes.comment,childTypes.attachment,{READERS}"
_COMMENT = "body.storage,version,history,ancestors,extensions.inlineProperties,extensions.resolution"
_MANY = 100


class DataCenter(Wiki):
    root = "rest/api"

    def __init__(self, http: Http, anonymous: Http, site: str) -> None:
        super().__init__(http, anonymous, site)
        self._names: dict[str, str] = {}

    def walk(self, path: str, params: Json) -> Iterator[Json]:
        """Pages are cut before what the user may not see is taken away: they may be short or empty in the middle.

        https://jira.atlassian.com/browse/CONFSERVER-52928 and its kin: `size` says nothing about the end.
        """
        start = 0
        while True:
            page = self.http.get(path, {**params, "start": start}).data
            if isinstance(page, list):
                yield from page
                return
            yield from page["results"]
            step = _step(page, int(params["limit"]))
            if not _goes_on(page, step):
                return
            start += step

    def spaces(self) -> Iterator[Space]:
        for raw in self.walk(f"{self.root}/space", {"limit": _MANY}):
            yield Space(str(raw["id"]), raw["key"], raw["name"], raw["type"] == "personal")

    def listing(self, space: Space, kind: Kind, token: str, *, bodies: bool) -> Listing:
        limit = BATCH if bodies else _MANY
        start = int(token or 0)
        params = {
            "spaceKey": space.key,
            "type": kind,
            "status": "current",
            "expand": f"{_EXPAND},body.storage" if bodies else _EXPAND,
            "start": start,
            "limit": limit,
        }
        page = self.http.get(f"{self.root}/content", params).data
        contents = tuple(self._content(raw) for raw in page["results"])
        step = _step(page, limit)
        return Listing(contents, str(start + step) if _goes_on(page, step) else "")

    def by_ids(self, kind: Kind, ids: Sequence[str]) -> list[Content]:
        found = []
        for id in ids:
            reply = self.http.get(f"{self.root}/content/{id}", {"expand": f"{_EXPAND},body.storage"}, allow=(404,))
            if reply.status == 200 and reply.data["type"] == kind:
                found.append(self._content(reply.data))
        return found

    def titled(self, space: Space, title: str) -> Content | None:
        params = {
            "spaceKey": space.key,
            "title": title,
            "type": "page",
            "expand": f"{_EXPAND},body.storage",
            "limit": 5,
        }
        found = (self._content(raw) for raw in self.walk(f"{self.root}/content", params))
        return next((content for content in found if content.title == title), None)

    def describe(self, contents: Sequence[Content]) -> dict[str, Described]:
        return {content.id: self.described(content.raw) for content in contents}

    def above(self, contents: Sequence[Content]) -> dict[str, tuple[str, ...] | None]:
        return {c.id: tuple(str(one["id"]) for one in c.raw.get("ancestors") or ()) for c in contents}

    def comments(self, content: Content) -> list[Json]:
        query = urlencode([("location", place) for place in ("footer", "inline", "resolved")])
        path = f"{self.root}/content/{content.id}/child/comment?{query}"
        found = self.walk(path, {"depth": "all", "expand": _COMMENT, "limit": BATCH})
        return list({comment["id"]: comment for comment in found}.values())

    def attachments(self, content: Content) -> list[Json]:
        path = f"{self.root}/content/{content.id}/child/attachment"
        return list(self.walk(path, {"expand": "version,history", "limit": BATCH}))

    def download_url(self, page: str, attachment: Json) -> str:  # noqa: ARG002  # Cloud's has the page in its path
        return str(attachment["_links"]["download"])

    def attached_to(self, attachment: str) -> str:
        reply = self.http.get(f"{self.root}/content/{attachment}", {"expand": "container"}, allow=(404,))
        return "" if reply.status == 404 else str((reply.data.get("container") or {}).get("id") or "")

    def names(self, people: Iterable[str]) -> dict[str, str]:
        wanted = sorted(set(people))
        for id in wanted:
            if id not in self._names:
                self._names[id] = self._name(id)
        return {id: self._names[id] for id in wanted if self._names[id]}

    def _name(self, id: str) -> str:
        try:
            return str(self.http.get(f"{self.root}/user", {"key": id}).data.get("displayName") or "")
        except NotFound:
            return ""

    def grants(self, space: Space) -> Grants:
        people, groups = set[str](), set[str]()
        for grant in self.walk(f"{self.root}/space/{quote(space.key)}/permissions", {"limit": _MANY}):
            if (grant["operation"]["operationKey"], grant["operation"]["targetType"]) == ("read", "space"):
                subject = grant.get("subject") or {}
                people |= {id for id in [self.person_id(subject)] if id}
                groups |= {id for id in [self.group_id(subject)] if id and subject.get("type") == "group"}
        anonymous = self.open_to_all(f"{self.root}/space/{quote(space.key)}")
        return Grants(Named(frozenset(people), frozenset(groups)), anonymous)

    def members(self, group: Json) -> Iterator[Json]:
        return self.walk(f"{self.root}/group/{quote(group['name'], safe='')}/member", {"limit": 200})

    def person_id(self, person: Json) -> str:
        return str(person.get("userKey") or person.get("username") or "")

    def group_id(self, group: Json) -> str:
        return str(group.get("name") or "")

    def _content(self, raw: Json) -> Content:
        version = raw.get("version") or {}
        parents = raw.get("ancestors") or []
        return Content(
            id=str(raw["id"]),
            kind="blogpost" if raw["type"] == "blogpost" else "page",
            space=str(raw["space"]["id"]),
            title=raw.get("title") or "",
            status=raw.get("status") or "current",
            number=int(version.get("number") or 0),
            edited_at=version.get("when") or "",
            parent=str(parents[-1]["id"]) if parents else "",
            parent_kind="page" if parents else "",
            raw=raw,
        )


def _step(page: Mapping[str, Any], asked: int) -> int:
    """How far the next page begins after this one: `limit` is what the server made of ours."""
    return max(1, int(page.get("limit") or asked))


def _goes_on(page: Mapping[str, Any], step: int) -> bool:
    return bool((page.get("_links") or {}).get("next")) or len(page["results"]) >= step
