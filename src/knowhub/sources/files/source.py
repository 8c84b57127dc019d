"""A folder tree to records: size and times decide first, then the content's hash.

    walk ─▶ known path, same size and times ─▶ Unchanged, unread
         ─▶ known path, same hash           ─▶ Unchanged with fresher times
         ─▶ new path, hash of a vanished one ─▶ the same item at a new location
         ─▶ else                             ─▶ a record

An item's id is the location at which it was first seen; its version `{size}.{modified}.{changed}.{acl}.{hash}.{path}`,
times in ns, or `racy` for both where the file was written so shortly before it was read that a second write could
have left no trace in them (as in https://git-scm.com/docs/racy-git).
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from knowhub.core.errors import KnowhubError, TransientError
from knowhub.core.ports import Known, KnownItem
from knowhub.core.types import (
    Acl,
    Census,
    ContainerGone,
    ContainerId,
    Cursor,
    Failed,
    Fetched,
    Gap,
    ItemId,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
)
from knowhub.formats.contents import pack
from knowhub.formats.files import unsupported_reason
from knowhub.formats.selection import LFS_POINTER, TEMPORARY_FILE, Selection, is_lfs_pointer
from knowhub.sources.files.tree import (
    MOUNTED,
    Met,
    NotRegular,
    Tree,
    Unlisted,
    container_of,
    name_of,
    read_file,
    reason_of,
)

_RACY_NS = 2_000_000_000
"""The coarsest file times in use are FAT's, two seconds."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FilesOptions:
    """`readers` are the principals that may read all of it; none: nobody. `include` and `exclude` as in .gitignore.

    `url_base` is where the folder is served to people; without one, links are `file://`.
    """

    path: Path
    readers: tuple[str, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_file_bytes: int = 50 * 1024 * 1024
    follow_symlinks: bool = False
    url_base: str = ""


class FilesSource:
    """A folder tree. `unsupported` maps a file name to why no document can be made of such files, or ""."""

    def __init__(
        self,
        name: SourceName,
        options: FilesOptions,
        *,
        unsupported: Callable[[str], str] = unsupported_reason,
        now_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self.name = name
        self._options = options
        self._unsupported = unsupported
        self._now_ns = now_ns

    def check(self) -> list[str]:
        """Lists the root; opens nothing."""
        wrong = [] if self._options.readers else [f"{self.name} has no readers: nobody will find anything in it"]
        try:
            next(Tree(self._options.path, Selection()).walk(), None)
        except KnowhubError as error:
            wrong.append(str(error))
        return wrong

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:  # noqa: ARG002 the port's signature
        """Lists the whole tree each time, so `cursor` is not used and no Checkpoint is yielded."""
        sync = _Sync(self.name, self._options, known, self._unsupported, self._now_ns)
        yield from sync.run()


class _Sync:
    """One fetch: what is known, met so far, and not decided yet."""

    def __init__(
        self,
        name: SourceName,
        options: FilesOptions,
        known: Known,
        unsupported: Callable[[str], str],
        now_ns: Callable[[], int],
    ) -> None:
        self._name = name
        self._limit = options.max_file_bytes
        self._acl = Acl.of(*options.readers) if options.readers else Acl()
        self._acl_tag = _digest(json.dumps(self._acl.canonical()).encode(), 8)
        self._tree = Tree(
            options.path, Selection(options.include, options.exclude), follow_symlinks=options.follow_symlinks
        )
        self._unsupported = unsupported
        self._now_ns = now_ns
        self._vanished: dict[str, KnownItem] = {}
        self._taken: set[str] = set()
        self._containers: set[str] = set()
        for item in known.items():
            self._vanished[item.location or item.item] = item
            self._taken.add(item.item)
            self._containers.add(item.container)
        self._census: dict[str, set[ItemId]] = defaultdict(set)
        self._unlisted: list[Unlisted] = []
        self._new: list[Met] = []
        self._files = 0

    def run(self) -> Iterator[Fetched]:
        for met in self._tree.walk():
            if isinstance(met, Unlisted):
                self._unlisted.append(met)
            else:
                yield from self._met(met)
        self._unlisted += self._tree.doubtful
        yield from self._moved_or_new()
        if self._files or self._unlisted or not self._containers:
            yield from self._counts()
        else:
            for container in sorted(self._containers):
                yield Gap(ContainerId(container), name_of(container), f"the whole folder is empty. {MOUNTED}")

    def _met(self, met: Met) -> Iterator[Fetched]:
        reason = met.reason or ("" if met.error else self._reason(met))
        self._files += not met.location.endswith("/") and reason != TEMPORARY_FILE
        known = self._vanished.pop(met.location, None)
        if not reason and not met.error:
            if known is None:
                self._new.append(met)
            elif known.version.startswith(f"{met.size}.{met.modified}.{met.changed}.{self._acl_tag}."):
                yield Unchanged(self._count(met, known.item), known.item, known.version)
            else:
                yield from self._read(met, known)
            return
        item = known.item if known else self._new_id(met.location)
        container = self._count(met, item)
        yield (
            Failed(container, item, met.error, met.location)
            if met.error
            else Skipped(container, item, reason, met.location)
        )

    def _reason(self, met: Met) -> str:
        if met.size == 0:
            return "empty file"
        if met.size > self._limit:
            return "larger than the limit"
        return self._unsupported(met.location.rpartition("/")[2])

    def _moved_or_new(self) -> Iterator[Fetched]:
        """New paths wait for the end of the walk: only then is known which items have vanished from theirs."""
        moved = self._by_content()
        for met in self._new:
            yield from self._read(met, None, moved)

    def _by_content(self) -> dict[str, list[KnownItem]]:
        unlisted = tuple(folder.location for folder in self._unlisted)
        moved: dict[str, list[KnownItem]] = defaultdict(list)
        for location in sorted(self._vanished):
            item = self._vanished[location]
            if _hash_of(item.version) and not location.startswith(unlisted):
                moved[_hash_of(item.version)].append(item)
        return moved

    def _read(
        self, met: Met, known: KnownItem | None, moved: dict[str, list[KnownItem]] | None = None
    ) -> Iterator[Fetched]:
        try:
            read = self._stable(met)
        except FileNotFoundError:
            return  # deleted since it was listed: not in the census either
        except (OSError, NotRegular, TransientError) as error:
            item = known.item if known else self._new_id(met.location)
            text = reason_of(error) if isinstance(error, OSError) else error.message
            yield Failed(self._count(met, item), item, text, met.location)
            return
        content = _digest(read.data, 32)
        if known is None and moved and moved.get(content):
            known = _closest(moved[content], met.location)
        item = known.item if known else self._new_id(met.location)
        container = self._count(met, item)
        reason = self._reason(read.met) or (LFS_POINTER if is_lfs_pointer(read.data) else "")
        tail = f"{self._acl_tag}.{content}.{_digest(met.location.encode(), 8)}"
        version = f"{self._stamp(read.met, read.at_ns)}.{tail}"
        if reason:
            yield Skipped(container, item, reason, met.location)
        elif known and known.version.endswith(f".{tail}"):
            yield Unchanged(container, item, version)
        else:
            payload = _payload(read.met, read.data)
            yield RawRecord(self._name, container, item, "file", version, self._acl, payload, met.location)

    def _stable(self, met: Met) -> _Read:
        """Read again once if the file changed meanwhile. Raises TransientError if it did again, OSError, NotRegular."""
        for _ in range(2):
            at_ns = self._now_ns()
            data, before = read_file(met.path, self._limit)
            met = met._replace(size=before.st_size, modified=before.st_mtime_ns, changed=before.st_ctime_ns)
            if before.st_size > self._limit:
                return _Read(b"", met, at_ns)
            if len(data) == before.st_size and _same(before, os.stat(met.path, follow_symlinks=False)):
                return _Read(data, met, at_ns)
        raise TransientError("changed while it was read")

    def _stamp(self, met: Met, at_ns: int) -> str:
        racy = max(met.modified, met.changed) > at_ns - _RACY_NS
        return f"{met.size}.racy.racy" if racy else f"{met.size}.{met.modified}.{met.changed}"

    def _new_id(self, location: str) -> ItemId:
        """The location itself, unless an item that was first seen there lives on elsewhere."""
        name, count = location, 1
        while name in self._taken:
            count += 1
            name = f"{location}@{count}"
        self._taken.add(name)
        return ItemId(name)

    def _count(self, met: Met, item: ItemId) -> ContainerId:
        container = container_of(met.location)
        self._census[container].add(item)
        return ContainerId(container)

    def _counts(self) -> Iterator[Fetched]:
        """A census for every folder listed to its end, a gap for the others."""
        broken = {folder.location.partition("/")[0]: folder for folder in reversed(self._unlisted)}
        for container, folder in sorted(broken.items()):
            yield Gap(ContainerId(container), name_of(container), f"{folder.location}: {folder.error}")
        here = self._census.keys() | (self._containers & self._tree.folders)
        for container in sorted(here - broken.keys()):
            items = frozenset(self._census.get(container, ()))
            yield Census(ContainerId(container), name_of(container), items, len(items))
        for container in sorted(self._containers - here - broken.keys()):
            yield ContainerGone(ContainerId(container))


class _Read(NamedTuple):
    """Bytes with the status that they were read under, at a time (ns) before it."""

    data: bytes
    met: Met
    at_ns: int


def _same(before: os.stat_result, after: os.stat_result) -> bool:
    return (before.st_ino, before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
        (after.st_ino, after.st_size, after.st_mtime_ns, after.st_ctime_ns)
    )


def _closest(items: list[KnownItem], location: str) -> KnownItem:
    """Of vanished items with this content, the one of the same name, else the first."""
    name = location.rpartition("/")[2]
    same_name = [item for item in items if item.location.rpartition("/")[2] == name]
    chosen = same_name[0] if same_name else items[0]
    items.remove(chosen)
    return chosen


def _payload(met: Met, data: bytes) -> dict[str, object]:
    return {"path": met.location, "size": len(data), "modified": _iso(met.modified), **pack(data)}


def _iso(time_ns: int) -> str:
    """ "" for a time that no calendar holds: some drives make them up."""
    try:
        return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat()
    except OverflowError:
        return ""


def _digest(data: bytes, length: int) -> str:
    return hashlib.sha256(data).hexdigest()[:length]


def _hash_of(version: str) -> str:
    return version.split(".")[4] if version.count(".") == 5 else ""
