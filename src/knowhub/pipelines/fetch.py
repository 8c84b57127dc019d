"""Fetch: what a source yields ▸ raw batches in the lake, items and cursor in the ledger.

Order of one commit: reserve a batch in the ledger, write its object, then make object, items and cursor visible
in one transaction. A kill between any two of them leaves a reserved batch, which the next fetch sweeps away, and
an old cursor, which makes it read the same again. Commits are written one after the other while the source is read on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Self

from knowhub.core.errors import CorruptObject
from knowhub.core.ports import (
    FORGOTTEN,
    ContainerCount,
    FetchCommit,
    FetchLedger,
    ItemChange,
    KnownItem,
    Lake,
    LeaseToken,
    Progress,
    Source,
    StoredItem,
)
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Counted,
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
from knowhub.formats.batches import chunked_key, encode_raw, encode_record, raw_key

LEFT_OUT = "left out"
"""The version of an item that was skipped: not "", which would ask for it to be fetched again."""


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """A batch is closed at either limit. Deletions beyond both guards at once wait for a person."""

    batch_records: int = 256
    batch_bytes: int = 4 * 1024 * 1024
    delete_share: float = 0.3
    delete_items: int = 10


@dataclass(slots=True)
class FetchReport:
    """What one fetch found, in items."""

    changed: int = 0
    unchanged: int = 0
    skipped: int = 0
    failed: int = 0
    deleted: int = 0
    held: int = 0
    gaps: list[str] = field(default_factory=list)


class KnownItems:
    """Implements `Known` over what the ledger holds, and remembers what this fetch has met.

    `forgotten` has deleted ones too: what comes back at the source stays away here.
    """

    def __init__(self, stored: Iterable[StoredItem]) -> None:
        everything = list(stored)
        self.empty = not everything
        self.stored = {item.item: item for item in everything if not item.deleted}
        self.forgotten = {item.item: item for item in everything if item.reason == FORGOTTEN}
        self.met: set[ItemId] = set()
        self._by_container: dict[ContainerId, list[KnownItem]] = {}

    def items(self) -> Iterator[KnownItem]:
        return (_known(item) for item in self.stored.values())

    def in_container(self, container: ContainerId) -> list[KnownItem]:
        if not self._by_container:
            for item in self.stored.values():
                self._by_container.setdefault(item.container, []).append(_known(item))
        return self._by_container.get(container, [])

    def get(self, item: ItemId) -> KnownItem | None:
        stored = self.stored.get(item)
        return _known(stored) if stored else None


def sweep(source: SourceName, *, lake: Lake, ledger: FetchLedger) -> None:
    """Undo what a killed process wrote and never committed. Under the lease only."""
    for batch in ledger.abandoned(source):
        lake.delete([key(source, batch.id, batch.timestamp) for key in (raw_key, chunked_key)])
        ledger.drop(source, batch)


def require_ledger(source: SourceName, known: KnownItems, *, lake: Lake, ledger: FetchLedger) -> None:
    """Raises CorruptObject where the lake holds what the ledger has never heard of: numbering batches from 1 again
    would let old versions, and deleted documents, win over new ones in the next reindex."""
    if known.empty and ledger.cursor(source).revision == 0 and next(lake.list(f"{source}/"), None):
        raise CorruptObject(
            f"the lake holds documents of {source} that the ledger does not know",
            cure="Run `knowhub reindex`: it rebuilds the ledger from the lake.",
        )


def _told(item: StoredItem) -> tuple[str, str, int, str, str]:
    return item.container, item.location, item.parts, item.state, item.reason


def _in_lake(item: StoredItem) -> bool:
    """The newest that the lake holds of it is no removal: without one, a rebuild would find it there again."""
    return item.sequence > 0 and item.version != LEFT_OUT and item.reason != FORGOTTEN


def _known(item: StoredItem) -> KnownItem:
    return KnownItem(item.item, item.container, item.version, item.location)


class Fetch:
    """One fetch of one source under its lease."""

    def __init__(
        self,
        source: Source,
        *,
        lake: Lake,
        ledger: FetchLedger,
        lease: LeaseToken,
        known: KnownItems,
        clock: Callable[[], datetime],
        progress: Progress,
        limits: FetchLimits,
        confirm_deletes: bool = False,
    ) -> None:
        self._source = source
        self._lake = lake
        self._ledger = ledger
        self._lease = lease
        self._known = known
        self._clock = clock
        self._progress = progress
        self._limits = limits
        self._confirm_deletes = confirm_deletes
        self._revision = 0
        self._written: set[ItemId] = set()
        self._lines: list[bytes] = []
        self._bytes = 0
        self._changes: dict[ItemId, ItemChange] = {}
        self._censuses: dict[ContainerId, Census] = {}
        self._counted: dict[ContainerId, Counted] = {}
        self._gone: set[ContainerId] = set()
        self._gaps: dict[ContainerId, Gap] = {}
        self._report = FetchReport()
        self._commits = _OneAhead()

    def run(self) -> FetchReport:
        """Read the source to its end. What was committed before an error stays; the error is raised."""
        sweep(self._source.name, lake=self._lake, ledger=self._ledger)
        require_ledger(self._source.name, self._known, lake=self._lake, ledger=self._ledger)
        stored = self._ledger.cursor(self._source.name)
        self._revision = stored.revision
        with self._commits:
            self._settle(self._read(stored.value))
        return self._report

    def _read(self, stored: Cursor | None) -> Cursor | None:
        """Take all that the source yields; return the cursor that is to be saved with the deletions."""
        last: Cursor | None = None
        for fetched in self._source.fetch(stored, self._known):
            if isinstance(fetched, Checkpoint) and fetched.last:
                last = fetched.cursor
            elif isinstance(fetched, Checkpoint):
                # Censuses are settled at the end: a cursor that is ahead of them only costs a look next time.
                self._commit(fetched.cursor)
            else:
                self._take(fetched)
                if len(self._changes) >= self._limits.batch_records or self._bytes >= self._limits.batch_bytes:
                    self._commit(None)
        return last

    # ── what the source yields ───────────────────────────────────────────────────────────────────────

    def _take(self, fetched: Fetched) -> None:
        match fetched:
            case RawRecord():
                self._take_record(fetched)
            case Skipped():
                self._take_absent(fetched, "filtered", fetched.reason)
                self._report.skipped += 1
            case Failed():
                self._take_failed(fetched)
            case Unchanged():
                self._take_unchanged(fetched)
            case Census():
                self._censuses[fetched.container] = fetched
            case Counted():
                self._counted[fetched.container] = fetched
            case ContainerGone():
                self._gone.add(fetched.container)
            case Gap():
                self._gaps[fetched.container] = fetched
                self._report.gaps.append(f"{fetched.name}: {fetched.error}")
            case Checkpoint():
                raise AssertionError("checkpoints are taken by run")
        seen = self._report.changed + self._report.unchanged + self._report.skipped + self._report.failed
        self._progress.update("fetch", self._source.name, seen, None)

    def _take_record(self, record: RawRecord) -> None:
        self._known.met.add(record.item)
        deleted = record.payload is None
        if record.item in self._known.forgotten:
            self._keep_away(record, record.version, deleted=deleted)
            self._report.skipped += 1
            return
        self._store(record)
        self._changes[record.item] = ItemChange(
            item=record.item,
            container=record.container,
            version=record.version,
            location=record.location,
            parts=record.parts,
            state="pending",
            deleted=deleted,
            in_batch=True,
        )
        if deleted:
            self._report.deleted += 1
        else:
            self._report.changed += 1

    def _keep_away(self, met: RawRecord | Skipped | Failed, version: str, *, deleted: bool = False) -> None:
        """Of a forgotten item, follow place, size and fingerprint alone: what recognises it after its next move."""
        stored = self._known.forgotten[met.item]
        told = (met.container, met.location, met.parts, version, deleted)
        if told != (stored.container, stored.location, stored.parts, stored.version, stored.deleted):
            self._changes[met.item] = ItemChange(
                item=met.item,
                container=met.container,
                version=version,
                location=met.location,
                parts=met.parts,
                state="filtered",
                reason=FORGOTTEN,
                deleted=deleted,
            )

    def _take_absent(self, fetched: Skipped, state: str, reason: str) -> None:
        """An item that is there and shall not be searchable: what the index holds of it must go."""
        stored = self._known.stored.get(fetched.item)
        self._known.met.add(fetched.item)
        if fetched.item in self._known.forgotten:
            return self._keep_away(fetched, LEFT_OUT)
        before = self._changes.pop(fetched.item, None)
        in_lake = before is not None or fetched.item in self._written or (stored is not None and _in_lake(stored))
        if in_lake:
            self._store(self._removal(fetched.item, fetched.container))
        elif stored and _told(stored) == (fetched.container, fetched.location, fetched.parts, state, reason):
            return None
        self._changes[fetched.item] = ItemChange(
            item=fetched.item,
            container=fetched.container,
            version=LEFT_OUT,
            location=fetched.location,
            parts=fetched.parts,
            state="filtered",
            reason=reason,
            in_batch=in_lake,
        )
        return None

    def _take_failed(self, fetched: Failed) -> None:
        """Unknown is not empty: what the index holds of it stays until it can be read again."""
        self._known.met.add(fetched.item)
        self._report.failed += 1
        if fetched.item in self._known.forgotten:
            return self._keep_away(fetched, self._known.forgotten[fetched.item].version)
        stored = self._known.stored.get(fetched.item)
        told = (fetched.container, fetched.location, fetched.parts, "failed", fetched.error)
        if stored and not stored.version and _told(stored) == told:
            return None
        self._changes.setdefault(
            fetched.item,
            ItemChange(
                item=fetched.item,
                container=fetched.container,
                version="",
                location=fetched.location,
                parts=fetched.parts,
                state="failed",
                reason=fetched.error,
            ),
        )
        return None

    def _take_unchanged(self, fetched: Unchanged) -> None:
        self._known.met.add(fetched.item)
        self._report.unchanged += 1
        stored = self._known.stored.get(fetched.item)
        told = (fetched.container, fetched.version)
        if stored and (stored.container, stored.version) != told:
            self._changes[fetched.item] = ItemChange(
                item=stored.item,
                container=fetched.container,
                version=fetched.version,
                location=stored.location,
                parts=stored.parts,
                state=None,
            )

    def _removal(self, item: ItemId, container: ContainerId) -> RawRecord:
        return RawRecord(self._source.name, container, item, "removal", "", Acl(), None)

    def _store(self, record: RawRecord) -> None:
        line = encode_record(record)
        self._lines.append(line)
        self._bytes += len(line)

    # ── what is gone ─────────────────────────────────────────────────────────────────────────────────

    def _settle(self, cursor: Cursor | None) -> None:
        """Delete what complete listings no longer name, and write down what the source says exists."""
        missing = self._missing()
        held = self._held(missing)
        if not held:
            for stored in missing:
                self._delete(stored)
        counts = [ContainerCount(c.container, c.name, c.expected) for c in self._censuses.values()]
        counts += [ContainerCount(g.container, g.name, None, g.error) for g in self._gaps.values()]
        if held:
            self._report.held = len(missing)
            counts = self._with_held(counts, missing)
        self._commit(None if held else cursor, counts, () if held else tuple(self._gone), last=True)

    def _missing(self) -> list[StoredItem]:
        listed = {item for census in self._censuses.values() for item in census.items} | self._known.met
        complete = (self._censuses.keys() | self._gone) - self._gaps.keys()
        return [
            stored
            for stored in self._known.stored.values()
            if stored.container in complete and stored.item not in listed
        ]

    def _held(self, missing: list[StoredItem]) -> bool:
        if self._confirm_deletes:
            return False
        share = len(missing) / max(1, len(self._known.stored))
        return len(missing) > self._limits.delete_items and share > self._limits.delete_share

    def _with_held(self, counts: list[ContainerCount], missing: list[StoredItem]) -> list[ContainerCount]:
        sentence = (
            f"{len(missing)} of {len(self._known.stored)} items are gone at the source at once; nothing was deleted."
            f" If that is right, run `knowhub sync {self._source.name} --confirm-deletes`"
        )
        self._report.gaps.append(sentence)
        affected = {stored.container for stored in missing}
        named = {count.container: count for count in counts}
        return [count for count in counts if count.container not in affected] + [
            ContainerCount(c, named[c].name if c in named else c, None, sentence) for c in sorted(affected)
        ]

    def _delete(self, stored: StoredItem) -> None:
        self._report.deleted += 1
        in_batch = _in_lake(stored)
        if in_batch:
            self._store(self._removal(stored.item, stored.container))
        self._changes[stored.item] = ItemChange(
            item=stored.item,
            container=stored.container,
            version="",
            location=stored.location,
            parts=stored.parts,
            state=None,
            deleted=True,
            in_batch=in_batch,
        )
        if len(self._changes) >= self._limits.batch_records:
            self._commit(None)

    # ── commits ──────────────────────────────────────────────────────────────────────────────────────

    def _commit(
        self,
        cursor: Cursor | None,
        counts: list[ContainerCount] | None = None,
        gone: tuple[ContainerId, ...] = (),
        *,
        last: bool = False,
    ) -> None:
        if not (self._changes or self._counted or counts or gone or cursor is not None) and not last:
            return
        counted = [ContainerCount(c.container, c.name, c.expected) for c in self._counted.values()]
        self._written |= {item for item, change in self._changes.items() if change.in_batch}
        write = partial(
            self._write,
            self._lines,
            self._clock(),
            items=tuple(self._changes.values()),
            counts=(*counted, *(counts or ())),
            gone=gone,
            cursor=cursor,
            complete=last,
        )
        self._lines, self._bytes, self._changes, self._counted = [], 0, {}, {}
        self._commits.run(write)

    def _write(
        self,
        lines: list[bytes],
        now: datetime,
        *,
        items: tuple[ItemChange, ...],
        counts: tuple[ContainerCount, ...],
        gone: tuple[ContainerId, ...],
        cursor: Cursor | None,
        complete: bool,
    ) -> None:
        name, batch, key = self._source.name, None, None
        if lines:
            batch = self._ledger.open_batch(name, self._lease, now)
            key = raw_key(name, batch.id, batch.timestamp)
            self._lake.put(key, encode_raw(batch.id, name, batch.sequence, batch.timestamp, lines))
        self._revision = self._ledger.commit_fetch(
            self._lease,
            FetchCommit(
                source=name,
                batch=batch,
                key=key,
                stage="chunk",
                items=items,
                counts=counts,
                gone=gone,
                cursor=cursor,
                revision=self._revision,
                at=now,
                complete=complete,
            ),
        )


class _OneAhead:
    """Writes in a thread of its own while the source is read on: in order, never more than one behind.

    An error of a write is raised by the next one, or at the end.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "commit")
        self._waiting: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        try:
            if kind is None or issubclass(kind, Exception):
                self._wait()
        finally:
            self._thread.shutdown()

    def run(self, write: Callable[[], None]) -> None:
        self._wait()
        self._waiting = self._thread.submit(write)

    def _wait(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting:
            waiting.result()
