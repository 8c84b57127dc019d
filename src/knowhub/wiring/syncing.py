"""The moves that write: sync, hand in, reindex."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.core.errors import ConfigurationError, KnowhubError, NotFound
from knowhub.core.types import ObjectKey, SourceName
from knowhub.formats.batches import source_of
from knowhub.pipelines.chunk import StageReport
from knowhub.pipelines.fetch import FetchLimits, FetchReport, sweep
from knowhub.pipelines.hand_in import hand_in
from knowhub.pipelines.reindex import Reindexing, reindex, write_off_source
from knowhub.pipelines.retention import prune
from knowhub.pipelines.sync import STAGES, Syncing, SyncReport, leased, sync
from knowhub.wiring.catalog import Connected
from knowhub.wiring.hub import REINDEX, Hub

if TYPE_CHECKING:
    from knowhub.core.ports import Index

log = logging.getLogger(__name__)


class SyncMoves(Hub):
    """Bring sources into the hub."""

    def sync(
        self,
        names: Sequence[str] = (),
        *,
        stages: Collection[str] = STAGES,
        confirm_deletes: bool = False,
        retry_failed: bool = False,
    ) -> Iterator[SyncReport]:
        """Run the stages for the named sources, or all, one after the other."""
        chosen = [(name, self._adapters.connect(name)) for name in self._chosen(names)]
        for name, connected in chosen:
            try:
                report = sync(
                    self._syncing(connected), stages=stages, confirm_deletes=confirm_deletes, retry_failed=retry_failed
                )
            except KnowhubError as error:
                if len(chosen) == 1:
                    raise
                # What is wrong with one source, or held by another process, must not keep the others waiting.
                report = _failed(name, str(error))
            except Exception as error:
                if len(chosen) == 1:
                    raise
                log.exception("fault in a sync", extra={"source": name})
                report = _failed(name, f"Unexpected {type(error).__name__}: {error}")
            else:
                report = self._pruned(report)
            yield self._judged(report, "embed" in stages)

    def _pruned(self, report: SyncReport) -> SyncReport:
        try:
            self._prune(report.source)
        except KnowhubError as error:
            return replace(report, holes=(*report.holes, f"old versions were not dropped from the lake: {error}"))
        return report

    def _judged(self, report: SyncReport, complete: bool) -> SyncReport:
        """The report, and what is wrong with the index as a whole."""
        holes = report.holes + (self._index_holes(report.source) if complete else ())
        state = "incomplete" if report.state == "ok" and holes else report.state
        return replace(report, holes=holes, state=state)

    def _syncing(self, connected: Connected) -> Syncing:
        adapters, settings = self._adapters, self._settings.sync
        return Syncing(
            source=connected.source,
            parse=connected.parse,
            chunking=adapters.chunking,
            lake=adapters.lake,
            ledgers=adapters.ledgers,
            retention=adapters.retention,
            embedder=lambda: adapters.document_embedder,
            index=lambda: adapters.index,
            acl=connected.acl,
            clock=adapters.clock,
            progress=self._progress,
            limits=FetchLimits(
                batch_records=settings.batch_records,
                batch_bytes=settings.batch_bytes,
                delete_share=settings.delete_share,
                delete_items=settings.delete_items,
            ),
        )

    def _prune(self, name: SourceName) -> None:
        keep_days = self._settings.lake.keep_days
        today = self._adapters.clock().date().isoformat()
        fact = f"pruned/{name}"
        if keep_days is None or self._adapters.database.fact(fact) == today:
            return
        with leased(self._adapters.ledgers.leases, name):
            prune(
                name,
                keep_days=keep_days,
                now=self._adapters.clock(),
                lake=self._adapters.lake,
                items=self._adapters.ledgers.items,
                ledger=self._adapters.retention,
            )
        self._adapters.database.set_fact(fact, today)

    def hand_in(self, file: Path) -> ObjectKey:
        """Take in a chunked batch that was written elsewhere; `embed` makes it searchable. Returns its key.

        Documents that were forgotten stay out. Raises ConfigurationError unless its source is of type imported.
        """
        try:
            data = file.read_bytes()
        except OSError as error:
            raise NotFound(f"{file} cannot be read: {error.strerror}") from error
        if not data.startswith(b"\x1f\x8b"):
            data = gzip.compress(data)
        name = source_of(data, ObjectKey(str(file)))
        connected = self._adapters.connect(name)
        if self._adapters.configuration.settings.sources[name].get("type") != "imported":
            raise ConfigurationError(
                f"{name} fetches its documents itself: the next sync would delete what is handed in",
                cure='Hand in for a source of type = "imported".',
            )
        return hand_in(
            name,
            data,
            called=str(file),
            acl=connected.acl,
            lake=self._adapters.lake,
            ledgers=self._adapters.ledgers,
            clock=self._adapters.clock,
        )

    def reindex(self) -> StageReport:
        """Build the next generation of the index from the lake and switch to it when it is whole."""
        adapters = self._adapters
        total = StageReport()
        removed = sorted(set(adapters.retention.sources()) - set(adapters.source_names))
        with ExitStack() as held:
            for name in sorted({REINDEX, *adapters.source_names, *removed}):
                held.enter_context(leased(adapters.ledgers.leases, name))
            generation = adapters.begin_reindex()
            index = adapters.open_index(generation)
            for name in adapters.source_names:
                sweep(name, lake=adapters.lake, ledger=adapters.ledgers.fetching)
                _add(total, self._reindex(name, index))
            for name in removed:
                write_off_source(adapters.ledgers.items, name)
            index.maintain(purge=False)
            adapters.switch_index(generation)
        return total

    def _reindex(self, name: SourceName, index: Index) -> StageReport:
        connected = self._adapters.connect(name)
        return reindex(
            Reindexing(
                source=name,
                parse=connected.parse,
                chunking=self._adapters.chunking,
                lake=self._adapters.lake,
                items=self._adapters.ledgers.items,
                embedder=self._adapters.document_embedder,
                index=index,
                acl=connected.acl,
                progress=self._progress,
            )
        )


def _failed(name: SourceName, error: str) -> SyncReport:
    return SyncReport(name, "failed", FetchReport(), StageReport(), StageReport(), (), error)


def _add(total: StageReport, part: StageReport) -> None:
    total.documents += part.documents
    total.chunks += part.chunks
    total.failed += part.failed
    total.errors += part.errors
