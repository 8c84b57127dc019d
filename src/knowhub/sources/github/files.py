"""Files of the default branch: the tree of its newest commit against what is held, blob by blob.

https://docs.github.com/en/rest/git/trees
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from fnmatch import fnmatchcase

from knowhub.core.types import Failed, Fetched, Skipped, Unchanged
from knowhub.formats.files import unsupported_reason
from knowhub.formats.selection import LFS_POINTER, SECRETS_FILE, is_lfs_pointer, is_secret
from knowhub.http import Undecodable
from knowhub.sources.github.api import Json, must_stop, refusal
from knowhub.sources.github.stream import SAME, SAVE, UNREADABLE, Stream, head_of

_SAVE_EVERY = 50
_LINK = "120000"


class Files(Stream):
    name = "file"

    def sync(self) -> Iterator[Fetched]:
        state, held, repo = self._at.state, self._at.held, self._at.repo
        asked_again = any(item.startswith("file:") for item in held.wanted)
        same = state.get("branch") == repo.branch and state.get("count") == held.count(self.name)
        trusted = same and not asked_again and not self._at.census_due
        head = head_of(self._at, state.get("etag", "") if trusted else "")
        if head == SAME:
            return
        entries = [] if head is None else list(self._chosen(head[0]))
        for n, entry in enumerate(entries):
            yield self._file(entry)
            if n % _SAVE_EVERY == _SAVE_EVERY - 1:
                yield SAVE
        self.listed = {repo.file_item(entry["path"]) for entry in entries}
        state |= {"branch": repo.branch, "count": len(self.listed), "etag": head[1] if head else ""}
        yield SAVE

    def _chosen(self, sha: str) -> Iterator[Json]:
        for entry in self._tree(sha, ""):
            path, mode = entry["path"], entry.get("mode")
            if mode != _LINK and any(fnmatchcase(path, one) for one in self._at.options.files):
                yield entry

    def _tree(self, sha: str, prefix: str) -> Iterator[Json]:
        """All blobs below a tree. One that is too large to be sent whole is read folder by folder."""
        path = f"{self._at.repo.path}/git/trees/{sha}"
        found = self._at.api.get(path, {"recursive": "1"}).data
        if not found.get("truncated"):
            yield from ({**one, "path": prefix + one["path"]} for one in found["tree"] if one["type"] == "blob")
            return
        found = self._at.api.get(path).data
        if found.get("truncated"):
            raise Undecodable(f"GET {path}: GitHub cuts this folder short")
        for one in found["tree"]:
            if one["type"] == "tree":
                yield from self._tree(one["sha"], f"{prefix}{one['path']}/")
            elif one["type"] == "blob":
                yield {**one, "path": prefix + one["path"]}

    def _file(self, entry: Json) -> Fetched:
        repo, path = self._at.repo, entry["path"]
        item, version, location = repo.file_item(path), repo.file_version(entry), f"{repo.name}/{path}"
        if item not in self._at.held.wanted and self._at.held.version(item) == version:
            return Unchanged(repo.container, item, version)
        if reason := self._left_out(entry):
            return Skipped(repo.container, item, reason, location)
        try:
            data = self._blob(entry)
        except UNREADABLE as error:
            if must_stop(error):
                raise
            return Failed(repo.container, item, refusal(error), location)
        if is_lfs_pointer(data):
            return Skipped(repo.container, item, LFS_POINTER, location)
        return repo.file(entry, data)

    def _left_out(self, entry: Json) -> str:
        if int(entry.get("size") or 0) > self._at.options.max_attachment_bytes:
            return "file too large"
        path = str(entry["path"])
        return SECRETS_FILE if is_secret(path.rpartition("/")[2]) else unsupported_reason(path)

    def _blob(self, entry: Json) -> bytes:
        path = f"{self._at.repo.path}/git/blobs/{entry['sha']}"
        found = self._at.api.get(path).data
        try:
            return base64.b64decode(found["content"])
        except (KeyError, TypeError, binascii.Error) as error:
            raise Undecodable(f"GET {path}: the answer holds no file") from error
