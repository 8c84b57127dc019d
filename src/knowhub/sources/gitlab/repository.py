"""A repository's files at the head of its default branch, and its commits.

Every listing names a commit, never a branch, so that nothing moves while pages are read. What changed between two heads
is asked of GitLab's compare; where it cannot tell (cut short, history rewritten), the whole tree is listed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from knowhub.connecting.versions import digest
from knowhub.core.errors import KnowhubError
from knowhub.core.types import Fetched, ItemId
from knowhub.formats.contents import pack
from knowhub.formats.files import unsupported_reason
from knowhub.formats.selection import LFS_POINTER, Selection, is_lfs_pointer
from knowhub.http import Missing, TooLarge, Undecodable, linked_pages
from knowhub.sources.gitlab.api import PER_PAGE, Json, ends_everything, iso, objects
from knowhub.sources.gitlab.progress import Cut, State
from knowhub.sources.gitlab.records import Desk, Outcome, still

_MODES = {"120000": "symbolic link", "160000": "submodule"}


def head_of(desk: Desk) -> str:
    """The commit that the default branch names now; "" where the repository is empty.

    Raises Undecodable where GitLab names no branch (a Guest is not told) and Missing where it is not there (renamed a
    moment ago): neither says that the files are gone.
    """
    if desk.place.vendor.get("empty_repo") is True:
        return ""
    if not desk.place.branch:
        raise Undecodable(f"GET /{desk.place.api}: the answer names no default branch")
    return str(
        desk.api.get(f"{desk.place.api}/repository/branches/{quote(desk.place.branch, safe='')}")["commit"]["id"]
    )


class Files:
    """`state`: {"sha", "branch"} of what was read whole, and "walk" {"sha", "token"} of a listing under way."""

    def __init__(self, desk: Desk, state: State, head: str) -> None:
        self._desk = desk
        self._state = state
        self._head = head
        self._api = f"{desk.place.api}/repository"
        self._acl = desk.acl("files")
        self._selection = Selection(desk.options.file_include, desk.options.file_exclude)
        self._shape = digest(desk.shape, desk.place.branch, self._acl)
        self._met: set[ItemId] = set()

    def fetch(self, *, full: bool, cut: Cut) -> Iterator[Fetched]:
        if not self._head:
            self._state.clear()
            self._desk.tally.recount("files", ())
            return
        if full or self._state.get("shape") != self._chosen():
            yield from self._all(None if "sha" in self._state else cut)
            return
        changes = self._changes() if "sha" in self._state else None
        if changes is None:
            yield from self._all(cut)
            return
        yield from self._changed(changes)
        self._state["sha"] = self._head
        yield from self._again()

    def _chosen(self) -> str:
        options = self._desk.options
        return digest(self._shape, list(options.file_include), list(options.file_exclude), options.max_file_bytes)

    # ── the whole tree ───────────────────────────────────────────────────────────────────────────────

    def _all(self, cut: Cut | None) -> Iterator[Fetched]:
        """Every file. With `cut`, a listing that was broken off goes on at its page, at the commit that it began at."""
        walk = self._state.get("walk") if cut and self._state.get("shape") == self._chosen() else None
        sha, token = (walk["sha"], walk["token"]) if walk else (self._head, "")
        try:
            for reply in self._pages(sha, token):
                for entry in objects(reply):
                    if entry.get("type") != "tree":
                        yield from self._one(str(entry["path"]), sha, str(entry.get("mode")), str(entry.get("id")))
                following = parse_qs(urlsplit(reply.link("next")).query).get("page_token", [""])[0]
                if cut and following:
                    self._state |= {"walk": {"sha": sha, "token": following}, "shape": self._chosen()}
                    yield cut()
        except Missing:
            if not walk:
                raise
            # The commit is gone (history was rewritten): begin anew.
            self._state.pop("walk")
            yield from self._all(cut)
            return
        self._state.pop("walk", None)
        self._state |= {"sha": sha, "shape": self._chosen()}
        if not walk:
            self._desk.tally.recount("files", self._met)
        elif cut and sha != self._head:
            self._met.clear()
            yield from self.fetch(full=False, cut=cut)

    def _pages(self, sha: str, token: str) -> Iterator[Any]:
        asked = {"ref": sha, "recursive": True, "pagination": "keyset", "per_page": PER_PAGE}
        return linked_pages(self._desk.api.http, f"{self._api}/tree", {**asked, "page_token": token or None})

    # ── what changed ─────────────────────────────────────────────────────────────────────────────────

    def _changes(self) -> list[Json] | None:
        """None: the whole tree must be listed."""
        if self._state["sha"] == self._head:
            return []
        asked = {"from": self._state["sha"], "to": self._head, "straight": True}
        found = self._desk.api.maybe(f"{self._api}/compare", asked)
        if not isinstance(found, dict) or found.get("compare_timeout") is not False:
            return None
        return [one for one in found.get("diffs") or [] if isinstance(one, dict)]

    def _changed(self, changes: list[Json]) -> Iterator[Fetched]:
        gone: set[ItemId] = set()
        there: set[ItemId] = set()
        for change in changes:
            old, new = str(change.get("old_path")), str(change.get("new_path"))
            if change.get("deleted_file") or change.get("renamed_file"):
                gone.add(self._item(old))
            if not change.get("deleted_file"):
                there.add(self._item(new))
                yield from self._one(new, self._head, str(change.get("b_mode")), "")
        yield from self._desk.removed(one for one in gone - there if one in self._desk.tally.items)

    def _again(self) -> Iterator[Fetched]:
        for item in self._desk.tally.wanted("files"):
            path = item.item.split(":", 2)[2]
            yield from self._one(path, self._head, "", "")

    # ── one file ─────────────────────────────────────────────────────────────────────────────────────

    def _item(self, path: str) -> ItemId:
        return self._desk.item("file", self._desk.place.id, path)

    def _one(self, path: str, sha: str, mode: str, blob: str) -> Iterator[Outcome]:
        item, location = self._item(path), f"{self._desk.place.path}/{path}"
        if item in self._met:
            return
        self._met.add(item)
        reason = self._selection.listed(path)[1] or _MODES.get(mode, "") or unsupported_reason(path)
        known = self._desk.known.get(item)
        if reason:
            yield self._desk.skipped(item, reason, location)
        elif known and blob and known.version.startswith(f"{blob}.") and known.version == self._version(blob):
            self._desk.tally.add(item)
        else:
            yield from self._read(item, path, sha, blob, location)

    def _read(self, item: ItemId, path: str, sha: str, blob: str, location: str) -> Iterator[Outcome]:
        desk = self._desk
        address = f"{self._api}/files/{quote(path, safe='')}/raw?ref={sha}"
        try:
            data = desk.api.raw(address, path, max_bytes=desk.options.max_file_bytes)
        except TooLarge:
            yield desk.skipped(item, "larger than the limit", location)
            return
        except Missing as error:
            if item in {one.item for one in desk.tally.wanted("files")}:
                yield from desk.removed([item])
            else:
                yield desk.failed(item, error.message, location)
            return
        except KnowhubError as error:
            if ends_everything(error):
                raise
            yield desk.failed(item, error.message, location)
            return
        found = _blob_id(data, sha)
        reason = LFS_POINTER if is_lfs_pointer(data) else "" if data else "empty file"
        if blob and blob != found:
            # A page of a proxy, or half a file: GitLab itself names what the content must hash to.
            yield desk.failed(item, "what came is not the file", location)
        elif reason:
            yield desk.skipped(item, reason, location)
        else:
            payload, version = {"path": path, "content": pack(data)}, self._version(found)
            yield desk.kept(item, "file", self._acl, payload, location=location, version=version)

    def _version(self, blob: str) -> str:
        return f"{blob}.{self._shape}"


def _blob_id(data: bytes, sha: str) -> str:
    """Git's own id of a file's content, by the hash that its repository uses (https://git-scm.com/docs/git-init)."""
    method = hashlib.sha256 if len(sha) == 64 else hashlib.sha1
    return method(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Commits:
    """`state`: {"sha"} of the head down from which all is known, and "walk" {"sha", "page"} of a listing under way."""

    def __init__(self, desk: Desk, state: State, head: str) -> None:
        self._desk = desk
        self._state = state
        self._head = head
        self._api = f"{desk.place.api}/repository/commits"
        self._acl = desk.acl("commits")
        self._version = digest(desk.shape, self._acl)

    def fetch(self, *, full: bool, cut: Cut) -> Iterator[Fetched]:
        if not self._head:
            self._state.clear()
            self._desk.tally.recount("commits", ())
            return
        if full or "sha" not in self._state:
            yield from self._all(None if "sha" in self._state else cut)
            return
        yield from self._again()
        if self._state["sha"] != self._head:
            try:
                yield from self._list(f"{self._state['sha']}..{self._head}", 1, None)
            except Missing:
                yield from self._all(None)
            self._state["sha"] = self._head

    def _all(self, cut: Cut | None) -> Iterator[Fetched]:
        walk = self._state.get("walk") if cut else None
        sha, page = (walk["sha"], int(walk["page"])) if walk else (self._head, 1)
        there: set[ItemId] = set()
        yield from self._list(sha, page, cut, there)
        self._state.pop("walk", None)
        self._state["sha"] = sha
        if not walk:
            self._desk.tally.recount("commits", there)
        elif cut and sha != self._head:
            yield from self.fetch(full=False, cut=cut)

    def _list(self, ref: str, page: int, cut: Cut | None, there: set[ItemId] | None = None) -> Iterator[Fetched]:
        since = self._desk.options.since
        asked = {"ref_name": ref, "since": iso(since) if since else None, "per_page": PER_PAGE}
        while True:
            reply = self._desk.api.http.get(self._api, {**asked, "page": page})
            for commit in objects(reply):
                item = self._item(str(commit["id"]))
                if there is not None:
                    there.add(item)
                yield from self._one(item, commit)
            if not reply.link("next") or not reply.data:
                return
            page += 1
            if cut:
                self._state["walk"] = {"sha": ref, "page": page}
                yield cut()

    def _again(self) -> Iterator[Fetched]:
        for known in self._desk.tally.wanted("commits"):
            commit = self._desk.api.maybe(f"{self._api}/{known.item.rpartition(':')[2]}")
            if isinstance(commit, dict):
                yield from self._one(known.item, commit)

    def _item(self, sha: str) -> ItemId:
        return self._desk.item("commit", self._desk.place.id, sha)

    def _one(self, item: ItemId, commit: Json) -> Iterator[Outcome]:
        known = self._desk.known.get(item)
        location = f"{self._desk.place.path}@{str(commit['id'])[:12]}"
        if known and known.version == self._version and known.location == location:
            self._desk.tally.add(item)
            return
        try:
            path = f"{self._api}/{commit['id']}/diff"
            pages = linked_pages(self._desk.api.http, path, {"per_page": PER_PAGE})
            diffs = [file for reply in pages for file in objects(reply)]
        except KnowhubError as error:
            if ends_everything(error):
                raise
            yield self._desk.failed(item, error.message, location)
            return
        payload = {"commit": still(commit), "diffs": diffs}
        yield self._desk.kept(item, "commit", self._acl, payload, location=location, version=self._version)
