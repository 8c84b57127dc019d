"""Sync: fetch, chunk and embed of one source under one lease, and the proof that nothing is missing."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

from knowhub.core.errors import KnowhubError, LeaseHeld
from knowhub.core.ports import (
    ContainerCoverage,
    Embedder,
    FetchLedger,
    Index,
    ItemLedger,
    Lake,
    Leases,
    LeaseToken,
    Parser,
    Progress,
    Reports,
    RetentionLedger,
    RunState,
    Source,
    StageLedger,
    StoredItem,
)
from knowhub.core.types import Acl, SourceName, document_id
from knowhub.pipelines.chunk import Chunking, StageReport, chunk_pending
from knowhub.pipelines.embed import embed_pending
from knowhub.pipelines.fetch import Fetch, FetchLimits, FetchReport, KnownItems

log = logging.getLogger(__name__)

STAGES = ("fetch", "chunk", "embed")
_HEARTBEAT_S = 10.0


@dataclass(frozen=True, slots=True)
class Ledgers:
    """The ledger's ports as one thing to hand on."""

    fetching: FetchLedger
    stages: StageLedger
    items: ItemLedger
    leases: Leases
    reports: Reports


@dataclass(frozen=True, slots=True)
class Syncing:
    """Everything that the stages of one source need. `index` and `embedder` are made when first needed."""

    source: Source
    parse: Parser
    chunking: Chunking
    lake: Lake
    ledgers: Ledgers
    retention: RetentionLedger
    embedder: Callable[[], Embedder]
    index: Callable[[], Index]
    acl: Acl
    clock: Callable[[], datetime]
    progress: Progress
    limits: FetchLimits = field(default_factory=FetchLimits)


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a run did. `state` is ok only if everything the source says exists is accounted for and searchable."""

    source: SourceName
    state: RunState
    fetched: FetchReport
    chunked: StageReport
    embedded: StageReport
    holes: tuple[str, ...]
    error: str = ""


def sync(
    parts: Syncing, *, stages: Collection[str] = STAGES, confirm_deletes: bool = False, retry_failed: bool = False
) -> SyncReport:
    """Run the named stages in their order. Errors of the source as a whole end the run as `failed`.

    Raises LeaseHeld when another process is at it, and PermanentErrors of lake, embedder and index.
    """
    name = parts.source.name
    with leased(parts.ledgers.leases, name) as lease:
        run = parts.ledgers.reports.start_run(name, "+".join(s for s in STAGES if s in stages), parts.clock())
        state: RunState = "failed"
        summary = "stopped by an error"
        try:
            report = _run(parts, lease, stages, confirm_deletes=confirm_deletes, retry_failed=retry_failed)
            state, summary = report.state, report.error or "; ".join(report.holes)
        except KnowhubError as error:
            summary = error.message
            raise
        finally:
            parts.ledgers.reports.finish_run(run, state, summary, parts.clock())
        log.info("sync ended", extra={"source": name, "state": state, "documents": report.embedded.documents})
        return report


def _run(
    parts: Syncing, lease: LeaseToken, stages: Collection[str], *, confirm_deletes: bool, retry_failed: bool
) -> SyncReport:
    fetched, error = FetchReport(), ""
    name, ledgers = parts.source.name, parts.ledgers
    if retry_failed:
        ledgers.stages.revive(name)
    if "fetch" in stages:
        try:
            fetched = _fetch(parts, lease, confirm_deletes=confirm_deletes)
        except LeaseHeld as problem:
            # Another process works on this source now: its stages are its own.
            return SyncReport(name, "failed", fetched, StageReport(), StageReport(), (), str(problem))
        except KnowhubError as problem:
            # What was fetched before goes on to be searchable; the run says that it is not whole.
            error = str(problem)
    chunked = embedded = StageReport()
    if "chunk" in stages:
        ledgers.leases.renew(lease)
        chunked = chunk_pending(
            name, lake=parts.lake, ledger=ledgers.stages, parse=parts.parse, chunking=parts.chunking,
            progress=parts.progress,
        )  # fmt: skip
    if "embed" in stages and ledgers.stages.pending("embed", name):
        ledgers.leases.renew(lease)
        embedded = _embed(parts)
    holes = find_holes(ledgers.reports.coverage(name), stages)
    holes += chunked.errors + embedded.errors
    if "embed" in stages and not embedded.errors:
        holes += find_dead_letters(parts.retention, name)
    if embedded.documents or embedded.removed:
        holes += find_differences(parts.index(), ledgers.items, name)
    state: RunState = "failed" if error else "incomplete" if holes else "ok"
    return SyncReport(name, state, fetched, chunked, embedded, holes, error)


def _fetch(parts: Syncing, lease: LeaseToken, *, confirm_deletes: bool) -> FetchReport:
    known = KnownItems(parts.ledgers.items.stored(parts.source.name))
    fetch = Fetch(
        parts.source,
        lake=parts.lake,
        ledger=parts.ledgers.fetching,
        lease=lease,
        known=known,
        clock=parts.clock,
        progress=parts.progress,
        limits=parts.limits,
        confirm_deletes=confirm_deletes,
    )
    return fetch.run()


def _embed(parts: Syncing) -> StageReport:
    # The first time, the model is fetched: minutes in which nothing else can be said.
    parts.progress.update("get ready to embed", parts.source.name, 0, None)
    index = parts.index()
    report = embed_pending(
        parts.source.name,
        lake=parts.lake,
        ledger=parts.ledgers.stages,
        embedder=parts.embedder(),
        index=index,
        default_acl=parts.acl,
        progress=parts.progress,
    )
    if report.documents or report.removed:
        index.maintain(purge=False)
    return report


def find_holes(coverage: list[ContainerCoverage], stages: Collection[str] = STAGES) -> tuple[str, ...]:
    """One sentence for everything that keeps a source from being whole."""
    holes: list[str] = []
    for row in coverage:
        if row.gap:
            holes.append(f"{row.name}: {row.gap}")
        holes += [f"{row.name}: {count} failed: {error}" for error, count in row.failed.items()]
        if row.pending and "embed" in stages:
            holes.append(f"{row.name}: {row.pending} not searchable yet")
        if row.expected is not None and not row.gap and row.expected != row.accounted:
            holes.append(f"{row.name}: the source has {row.expected}, the ledger accounts for {row.accounted}")
    return tuple(holes)


def find_dead_letters(retention: RetentionLedger, source: SourceName) -> tuple[str, ...]:
    """One sentence for the batches that are set aside, if there are any."""
    dead = [batch for batch in retention.batches(source) if batch.set_aside]
    if not dead:
        return ()
    which = f"{dead[0].key} and {len(dead) - 1} more batches are" if dead[1:] else f"{dead[0].key} is"
    cure = f"after the cure run `knowhub sync {source} --retry-failed`"
    return (f"{which} set aside: {dead[-1].error}; {cure}",)


def find_differences(index: Index, items: ItemLedger, source: SourceName) -> tuple[str, ...]:
    """Where the index does not hold exactly what the ledger says it holds."""
    held = index.contents(source)
    said = {document_id(source, item.item): item.indexed_sequence for item in _indexed(items, source)}
    missing = len(said.keys() - held.keys())
    surplus = len(held.keys() - said.keys())
    other = sum(held[id] != sequence for id, sequence in said.items() if id in held)
    problems = {
        "documents are missing from the index": missing,
        "documents are in the index without being in the ledger": surplus,
        "documents are in the index in another version than the ledger says": other,
    }
    return tuple(f"{count} {what}; run `knowhub reindex`" for what, count in problems.items() if count)


def _indexed(items: ItemLedger, source: SourceName) -> Iterator[StoredItem]:
    return (item for item in items.stored(source) if item.indexed)


@contextmanager
def leased(leases: Leases, name: str) -> Iterator[LeaseToken]:
    """Hold the lease on `name`, renewing it from a thread; commits find out by themselves if it was lost."""
    token = leases.acquire(name)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(_HEARTBEAT_S):
            try:
                leases.renew(token)
            except KnowhubError as error:
                log.warning("lease not renewed", extra={"lease": name, "error": error.message})

    thread = threading.Thread(target=beat, name=f"lease-{name}", daemon=True)
    thread.start()
    try:
        yield token
    finally:
        done.set()
        thread.join()
        leases.release(token)
