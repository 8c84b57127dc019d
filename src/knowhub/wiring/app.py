"""The moves that a person can make. Entry points translate to and from these; nothing else decides."""

from __future__ import annotations

import gzip
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.core.errors import ConfigurationError, CorruptObject, KnowhubError, NotFound
from knowhub.core.ports import (
    Progress,
    Run,
    StoredBatch,
    StoredItem,
)
from knowhub.core.types import (
    Acl,
    Answer,
    ChunkedDocument,
    Filters,
    Hit,
    ObjectKey,
    Principal,
    RawRecord,
    SearchMode,
    SourceName,
    Viewer,
    document_id,
)
from knowhub.formats.batches import (
    decode_chunked,
    decode_raw,
    raw_key,
    source_of,
)
from knowhub.pipelines.ask import ask, search
from knowhub.pipelines.chunk import StageReport, item_of
from knowhub.pipelines.fetch import FetchLimits, FetchReport, sweep
from knowhub.pipelines.hand_in import hand_in
from knowhub.pipelines.reindex import Reindexing, reindex, write_off_source
from knowhub.pipelines.retention import Forgetting, forget_items, forget_source, prune
from knowhub.pipelines.sync import (
    STAGES,
    Syncing,
    SyncReport,
    find_differences,
    find_holes,
    leased,
    sync,
)
from knowhub.wiring.catalog import Connected
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import is_source_name

if TYPE_CHECKING:
    from knowhub.core.ports import ContainerCoverage, Index
    from knowhub.pipelines.evaluate import Evaluation
    from knowhub.pipelines.evaluate_questions import QuestionEvaluation


REINDEX = "the index"
"""The lease that one rebuild holds at a time, and nothing is erased beside it; no source has such a name."""


log = logging.getLogger(__name__)


class Silent:
    """Implements `Progress` for those who do not want to know."""

    def update(self, stage: str, label: str, done: int, total: int | None) -> None: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` looked at; `problem` "" is good news."""

    subject: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What `status` shows of a source."""

    source: SourceName
    configured: bool
    coverage: tuple[ContainerCoverage, ...]
    holes: tuple[str, ...]
    problems: tuple[StoredItem, ...]
    dead_letters: tuple[StoredBatch, ...]
    run: Run | None


@dataclass(frozen=True, slots=True)
class Shown:
    """What `show` shows of one document; `chunked` is None while nothing of it is stored."""

    item: StoredItem
    chunked: ChunkedDocument | None


class App:
    """One hub. Close it when done; it is a context manager."""

    def __init__(self, adapters: Laptop, progress: Progress | None = None) -> None:
        self._adapters = adapters
        self._progress = progress or Silent()
        self._settings = adapters.configuration.settings

    def __enter__(self) -> App:
        return self

    def __exit__(self, *_: object) -> None:
        self._adapters.close()

    def me(self, principals: Sequence[str] = ()) -> Viewer:
        """Whoever uses this machine's command line, or somebody with just these principals."""
        chosen = principals or self._settings.access.me
        return Viewer("me" if not principals else ", ".join(principals), frozenset(Principal(p) for p in chosen))

    # ── sync ─────────────────────────────────────────────────────────────────────────────────────────

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

    def _index_holes(self, name: SourceName) -> tuple[str, ...]:
        if self._adapters.reindexing:
            return ("a rebuild of the index has not come to its end; if none is running, run `knowhub reindex`",)
        covered = self._adapters.ledgers.reports.coverage(name)
        if any(row.searchable for row in covered) and self._adapters.index_is_lost():
            return ("the index is gone from its folder; run `knowhub reindex`",)
        return ()

    def _chosen(self, names: Sequence[str]) -> list[SourceName]:
        chosen = [SourceName(name) for name in names] or self._adapters.source_names
        if not chosen:
            raise ConfigurationError(
                f"{self._adapters.configuration.file.name} names no sources", cure="Add a [sources.NAME] table to it."
            )
        return chosen

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

    # ── search and ask ───────────────────────────────────────────────────────────────────────────────

    def search(
        self,
        text: str,
        *,
        viewer: Viewer,
        mode: SearchMode = "hybrid",
        top_k: int = 10,
        filters: Filters | None = None,
    ) -> list[Hit]:
        return search(
            text,
            mode=mode,
            top_k=top_k,
            filters=self._resolved(filters or Filters()),
            viewer=viewer,
            now=self._adapters.clock(),
            embedder=lambda: self._adapters.query_embedder,
            index=self._adapters.index,
        )

    def around(self, hit: Hit, *, viewer: Viewer, radius: int) -> list[Hit]:
        """The chunks of a hit's document from `radius` before it to `radius` after it, itself included, in order."""
        chunks = self._adapters.index.read(hit.chunk.document, viewer=viewer)
        return [one for one in chunks if abs(one.chunk.ordinal - hit.chunk.ordinal) <= radius]

    def _resolved(self, filters: Filters) -> Filters:
        """Containers by the names that people know them by. Raises NotFound for a source that nobody knows."""
        known = self._known_sources()
        for name in filters.sources:
            self._require_known(name, known)
        if not filters.containers:
            return filters
        rows = [row for name in known for row in self._adapters.ledgers.reports.coverage(name)]
        meant = {_plain(name) for name in filters.containers}
        found = tuple(row.container for row in rows if {row.container, _plain(row.name)} & meant)
        return replace(filters, containers=found or filters.containers)

    def ask(self, question: str, *, viewer: Viewer, filters: Filters | None = None) -> Answer:
        return ask(
            question,
            candidates=self._settings.search.candidates,
            filters=self._resolved(filters or Filters()),
            viewer=viewer,
            now=self._adapters.clock(),
            embedder=lambda: self._adapters.query_embedder,
            index=self._adapters.index,
            answerer=self._adapters.answerer,
        )

    # ── status and repair ────────────────────────────────────────────────────────────────────────────

    def status(self, names: Sequence[str] = (), *, problems: int = 20, verify: bool = False) -> list[SourceStatus]:
        """Coverage as the ledger knows it; `verify` also compares the index with the ledger."""
        configured, known = self._adapters.source_names, self._known_sources()
        for name in names:
            self._require_known(name, known)
        return [
            self._status(name, name in configured, problems, verify)
            for name in ([SourceName(name) for name in names] or known)
        ]

    def _known_sources(self) -> list[SourceName]:
        """Those configured, then those that are not any more and have left something."""
        configured = self._adapters.source_names
        return configured + [name for name in self._adapters.retention.sources() if name not in configured]

    @staticmethod
    def _require_known(name: str, known: Sequence[str]) -> None:
        if name not in known:
            raise NotFound(f"there is no source {name}", cure=f"Known: {', '.join(known) or 'none'}.")

    def _status(self, name: SourceName, configured: bool, problems: int, verify: bool) -> SourceStatus:
        reports = self._adapters.ledgers.reports
        coverage = reports.coverage(name)
        holes = find_holes(coverage) + self._index_holes(name)
        if verify:
            holes += find_differences(self._adapters.index, self._adapters.ledgers.items, name)
        dead = [batch for batch in self._adapters.retention.batches(name) if batch.set_aside]
        runs = reports.runs(name, 1)
        return SourceStatus(
            name,
            configured,
            tuple(coverage),
            holes,
            tuple(reports.problems(name, problems)),
            tuple(dead),
            runs[0] if runs else None,
        )

    def check(self) -> Iterator[Finding]:
        """Look at everything that is configured, from the nearest to the farthest."""
        adapters = self._adapters
        yield _find("configuration", lambda: adapters.chunking)
        yield _find("ledger", lambda: adapters.database.fact("checked"))
        yield _find("lake", self._check_lake)
        yield _find("embedding model", lambda: adapters.query_embedder.embed(["ready?"], purpose="query"))
        yield _find("index", lambda: adapters.index.contents(SourceName("")))
        for name in adapters.source_names:
            try:
                connected = adapters.connect(name)
                problems = connected.source.check() + self._unseen(connected)
            except KnowhubError as error:
                problems = [str(error)]
            yield from [Finding(f"source {name}", problem) for problem in problems] or [Finding(f"source {name}")]

    def _unseen(self, connected: Connected) -> list[str]:
        """A source with permissions of its own, none of whose principals the command line's owner holds."""
        name, me = connected.source.name, self._settings.access.me
        if connected.acl.layers or not me or any(principal.startswith(f"{name}:") for principal in me):
            return []
        return [
            f"{name}: its documents are shown to those who may read them there, and nobody in access.me is known there."
            f' On a machine of your own set readers = ["{me[0]}"] in [sources.{name}];'
            f' else add who you are there to access.me ("{name}:user:ID").'
        ]

    def _check_lake(self) -> None:
        key = ObjectKey("knowhub-check")
        self._adapters.lake.put(key, b"")
        self._adapters.lake.delete([key])

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

    def evaluate(self, folder: Path, queries: Path | None) -> Evaluation:
        """Index a BEIR-style folder in a place of its own, and measure search in it."""
        from knowhub.pipelines.datasets import read_beir
        from knowhub.pipelines.evaluate import evaluate

        dataset = read_beir(folder, queries)
        with tempfile.TemporaryDirectory(prefix="knowhub-eval-") as place:
            return evaluate(
                dataset,
                index=self._adapters.index_at(place),
                embedder=self._adapters.document_embedder,
                viewer=self.me(),
                progress=self._progress,
                now=self._adapters.clock(),
            )

    def evaluate_questions(self, file: Path, *, viewer: Viewer) -> QuestionEvaluation:
        """Ask this hub the questions of a file, and measure what it says."""
        from knowhub.pipelines.datasets import read_questions
        from knowhub.pipelines.evaluate_questions import evaluate_questions

        return evaluate_questions(
            read_questions(file),
            search=lambda text, mode: self.search(text, viewer=viewer, mode=mode),
            ask=lambda text: self.ask(text, viewer=viewer),
            progress=self._progress,
        )

    # ── documents ────────────────────────────────────────────────────────────────────────────────────

    def find(self, name: str, *, viewer: Viewer | None = None) -> StoredItem:
        """The one item of that document id, location or title. Raises NotFound.

        With a `viewer`, what they may not read does not exist, nor is it named.
        """
        found = self._adapters.ledgers.items.find(name) if name else []
        if viewer:
            found = [item for item in found if self._acl(item).admits(viewer)]
        exact = [item for item in found if document_id(item.source, item.item) == name]
        living = exact or [item for item in found if not item.deleted] or found
        if not living:
            raise NotFound(f"there is no document {name}", cure="`knowhub search` shows ids.")
        if len(living) > 1:
            ids = ", ".join(document_id(item.source, item.item) for item in living[:5])
            raise NotFound(f"{name} could be {len(living)} documents", cure=f"Name one of {ids}.")
        return living[0]

    def show(self, name: str, *, viewer: Viewer) -> Shown:
        """What is stored of a document. Raises NotFound, also for what `viewer` may not read."""
        item = self.find(name, viewer=viewer)
        return Shown(item, self._chunked(item))

    def _chunked(self, item: StoredItem) -> ChunkedDocument | None:
        return next((d for d in self._stored(item.source, item.sequence) if item_of(d) == item.item), None)

    def _acl(self, item: StoredItem) -> Acl:
        """Of its newest version; of what is stored nowhere, that of its source; nobody's where that is unknown too."""
        try:
            chunked = self._chunked(item)
            if chunked and chunked.document:
                return chunked.document.acl
            for record in self._records(item.source, item.sequence):
                if record.item == item.item and record.payload is not None:
                    return record.acl
        except (CorruptObject, NotFound):
            return Acl()
        configured = item.source in self._adapters.source_names
        return self._adapters.connect(item.source).acl if configured else Acl()

    def _records(self, source: SourceName, sequence: int) -> tuple[RawRecord, ...]:
        batch = self._adapters.retention.batch(source, sequence)
        if batch is None:
            return ()
        key = raw_key(batch.source, batch.id, batch.timestamp)
        try:
            data = self._adapters.lake.get(key)
        except NotFound:
            return ()  # handed in as chunks
        return decode_raw(data, key).records

    def documents(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[ChunkedDocument]:
        """Every searchable document that `viewer` may read, newest version, a batch at a time."""
        for name in self._chosen(names):
            wanted: dict[int, set[str]] = defaultdict(set)
            for item in self._adapters.ledgers.items.stored(name):
                if item.indexed and not item.deleted:
                    wanted[item.indexed_sequence].add(item.item)
            for sequence in sorted(wanted):
                for chunked in self._stored(name, sequence):
                    readable = chunked.document and chunked.document.acl.admits(viewer)
                    if readable and item_of(chunked) in wanted[sequence]:
                        yield chunked

    def originals(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[RawRecord]:
        """The newest stored record of every document that `viewer` may read, a batch at a time."""
        for name in self._chosen(names):
            stored = self._adapters.ledgers.items.stored(name)
            wanted = {item.item: item.sequence for item in stored if item.sequence and not item.deleted}
            for sequence in sorted(set(wanted.values())):
                for record in self._records(name, sequence):
                    newest = wanted.get(record.item) == sequence and record.payload is not None
                    if newest and record.acl.admits(viewer):
                        yield record

    def wordpress_tables(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[tuple[str, bytes]]:
        """Relative path and content of a raw and a vector-ready CSV for each post type of WordPress sources."""
        from knowhub.formats.wordpress_csv import csv_files

        tables = self._settings.sources
        sites = [name for name in self._chosen(names) if tables.get(name, {}).get("type") == "wordpress"]
        if not sites:
            raise ConfigurationError(
                f"{', '.join(names) or 'this hub'} has no WordPress site", cure="Name a source of the type wordpress."
            )
        documents = (one.document for one in self.documents(sites, viewer=viewer) if one.document)
        records = self.originals(sites, viewer=viewer)
        yield from csv_files(records, documents, at=self._adapters.clock(), bom=True)

    def _stored(self, source: SourceName, sequence: int) -> tuple[ChunkedDocument, ...]:
        batch = self._adapters.retention.batch(source, sequence)
        if batch is None or batch.stage == "chunk":
            return ()
        data = self._adapters.lake.get(batch.key)
        return decode_chunked(data, batch.key, default_acl=Acl(), sequence=sequence).documents

    def forget(self, name: str) -> int:
        """Erase a source (by its name) or a document for good; return how many objects of the lake changed."""
        item = None if self._is_source(name) else self._to_forget(name)
        source = item.source if item else SourceName(name)
        parts = Forgetting(
            source=source,
            lake=self._adapters.lake,
            items=self._adapters.ledgers.items,
            ledger=self._adapters.retention,
            index=self._adapters.index,
            forget_texts=self._adapters.forget_texts,
        )
        with leased(self._adapters.ledgers.leases, REINDEX), leased(self._adapters.ledgers.leases, source):
            sweep(source, lake=parts.lake, ledger=self._adapters.ledgers.fetching)
            # What a rebuild that was stopped left lying there.
            self._adapters.clear_index(self._adapters.generation + 1)
            if item:
                return forget_items(parts, [item.item])
            self._adapters.clear_scratch(source)
            return forget_source(parts)

    def _is_source(self, name: str) -> bool:
        known = {*self._adapters.source_names, *self._adapters.retention.sources()}
        # The lake's own word too: its ledger may have been lost.
        return name in known or (is_source_name(name) and any(self._adapters.lake.list(f"{name}/")))

    def _to_forget(self, name: str) -> StoredItem:
        """What is erased has been named in full: an ending could mean something else than the person thinks."""
        item = self.find(name)
        id = document_id(item.source, item.item)
        if name not in (id, item.item, item.location, item.title):
            raise NotFound(f"{name} is only the end of a name", cure=f"Did you mean {id}?")
        return item


def _failed(name: SourceName, error: str) -> SyncReport:
    return SyncReport(name, "failed", FetchReport(), StageReport(), StageReport(), (), error)


def _plain(name: str) -> str:
    return name.removeprefix("#").casefold()


def _find(subject: str, look: Callable[[], object]) -> Finding:
    try:
        look()
    except KnowhubError as error:
        return Finding(subject, str(error))
    return Finding(subject)


def _add(total: StageReport, part: StageReport) -> None:
    total.documents += part.documents
    total.chunks += part.chunks
    total.failed += part.failed
    total.errors += part.errors
