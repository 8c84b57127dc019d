"""The files of a branch to records: what differs from the ledger is read, a renamed file stays the same item."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from knowhub.core.ports import KnownItem
from knowhub.core.types import Census, Failed, Fetched, ItemId, RawRecord, Skipped, Unchanged
from knowhub.formats.contents import pack
from knowhub.formats.files import unsupported_reason
from knowhub.formats.selection import LFS_POINTER, is_lfs_pointer
from knowhub.sources.git.commits import iso_time
from knowhub.sources.git.mirror import Entry, Touch
from knowhub.sources.git.options import FILES, Scope

_LFS_POINTER_BYTES = 1024
_MODES = {"120000": "symbolic link", "160000": "submodule"}


class FilesOfBranch:
    """One fetch. An item's version is `{blob}.{hash of readers, branch and path}`."""

    def __init__(self, scope: Scope, known: Iterable[KnownItem]) -> None:
        self._scope = scope
        self._vanished = {item.location: item for item in known}
        self._taken: set[str] = {item.item for item in self._vanished.values()}
        self._ids: set[ItemId] = set()
        self._left_out: set[str] = set()
        self._new: list[Entry] = []
        self._needed: list[tuple[Entry, ItemId]] = []

    def fetch(self) -> Iterator[Fetched]:
        for entry in self._scope.mirror.tree(self._scope.head.sha):
            yield from self._listed(entry)
        self._follow_renames()
        if self._needed:
            with self._scope.mirror.contents() as content:
                yield from self._read(content)
        yield Census(FILES, "files", frozenset(self._ids), len(self._ids))

    def _listed(self, entry: Entry) -> Iterator[Fetched]:
        """What can be told from names and blob ids; the rest is read later, or once renames are known."""
        path, reason = self._scope.selection.listed(entry.path)
        reason = reason or _MODES.get(entry.mode, "") or unsupported_reason(entry.path.rpartition("/")[2])
        if path in self._left_out:
            return
        known = self._vanished.pop(path, None)
        if reason:
            self._left_out.add(path)
            yield Skipped(FILES, self._met(path, known), reason, path)
        elif known is None:
            self._new.append(entry)
        elif known.version != self._version(entry):
            self._needed.append((entry, self._met(path, known)))
        elif self._met(path, known) and not self._scope.old_head:
            yield Unchanged(FILES, known.item, known.version)

    def _met(self, path: str, known: KnownItem | None) -> ItemId:
        item = known.item if known else self._new_id(path)
        self._ids.add(item)
        return item

    def _new_id(self, path: str) -> ItemId:
        """The path itself, unless an item that was first seen there lives on elsewhere."""
        name, count = f"file:{path}", 1
        while name in self._taken:
            count += 1
            name = f"file:{path}@{count}"
        self._taken.add(name)
        return ItemId(name)

    def _follow_renames(self) -> None:
        """Git's own judgement first, which survives edits; else the same blob under another path."""
        renames = self._renames()
        rest = []
        for entry in self._new:
            known = self._vanished.pop(renames.get(entry.path, ""), None)
            if known:
                self._needed.append((entry, self._met(entry.path, known)))
            else:
                rest.append(entry)
        moved: dict[str, list[KnownItem]] = defaultdict(list)
        for location in sorted(self._vanished, reverse=True):
            blob, dot, _ = self._vanished[location].version.partition(".")
            if dot:
                moved[blob].append(self._vanished[location])
        for entry in rest:
            candidates = moved[entry.oid]
            self._needed.append((entry, self._met(entry.path, candidates.pop() if candidates else None)))

    def _renames(self) -> dict[str, str]:
        old, new = self._scope.old_head, self._scope.head.sha
        return self._scope.mirror.renames(old, new) if old and old != new and self._new and self._vanished else {}

    def _read(self, content: Callable[[str], bytes | None]) -> Iterator[Fetched]:
        sizes = self._scope.mirror.sizes([entry.oid for entry, _ in self._needed])
        wanted: list[tuple[Entry, ItemId]] = []
        for entry, item in self._needed:
            size = sizes.get(entry.oid)
            if size is None:
                self._scope.mirror.distrust()
                yield Failed(FILES, item, "the object is missing in the repository", entry.path)
            elif reason := self._why_not(size, entry, content):
                yield Skipped(FILES, item, reason, entry.path)
            else:
                wanted.append((entry, item))
        touches = self._scope.mirror.last_touches(self._scope.head.sha, {e.path for e, _ in wanted}) if wanted else {}
        for entry, item in wanted:
            data = content(entry.oid)
            if data is None:
                self._scope.mirror.distrust()
                yield Failed(FILES, item, "the object could not be read", entry.path)
            else:
                yield self._record(entry, item, data, touches.get(entry.path))

    def _why_not(self, size: int, entry: Entry, content: Callable[[str], bytes | None]) -> str:
        if size == 0:
            return "empty file"
        if size > self._scope.options.max_file_bytes:
            return "larger than the limit"
        return LFS_POINTER if size < _LFS_POINTER_BYTES and is_lfs_pointer(content(entry.oid) or b"") else ""

    def _record(self, entry: Entry, item: ItemId, data: bytes, touch: Touch | None) -> RawRecord:
        payload: dict[str, object] = {
            "path": entry.path,
            "blob": entry.oid,
            "branch": self._scope.head.branch,
            "size": len(data),
        }
        if touch:
            payload |= {"commit": touch.sha, "author": touch.author, "modified": iso_time(touch.time)}
        return RawRecord(
            self._scope.name,
            FILES,
            item,
            "git.file",
            self._version(entry),
            self._scope.acl,
            payload | pack(data),
            entry.path,
        )

    def _version(self, entry: Entry) -> str:
        about = json.dumps([self._scope.acl.canonical(), self._scope.head.branch, entry.path])
        return f"{entry.oid}.{hashlib.sha256(about.encode()).hexdigest()[:16]}"
