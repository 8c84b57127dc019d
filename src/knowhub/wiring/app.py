"""The moves that a person can make. Entry points translate to and from these; nothing else decides."""

from __future__ import annotations

import gzip
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.core.errors import ConfigurationError, KnowhubError, NotFound
from knowhub.core.ports import (
    FetchCommit,
    ItemChange,
    Progress,
    Run,
    StoredBatch,
    StoredItem,
)
from knowhub.core.types import (
    Answer,
    ChunkedDocument,
    ContainerId,
    Filters,
    Hit,
    ObjectKey,
    Principal,
    SearchMode,
    SourceName,
    Viewer,
    document_id,
)
from knowhub.formats.batches import chunked_key, decode_chunked, encode_chunked, source_of
from knowhub.pipelines.ask import ask, search
from knowhub.pipelines.chunk import StageReport, item_of
from knowhub.pipelines.fetch import FetchLimits
from knowhub.pipelines.reindex import Reindexing, reindex
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

if TYPE_CHECKING:
    from knowhub.core.ports import ContainerCoverage, Index
    from knowhub.pipelines.evaluate import Evaluation
    from knowhub.pipelines.evaluate_questions import QuestionEvaluation


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
            yield sync(
                self._syncing(connected), stages=stages, confirm_deletes=confirm_deletes, retry_failed=retry_failed
            )
            self._prune(name)

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
        """Take in a chunked batch that was written elsewhere; `embed` makes it searchable. Returns its key."""
        try:
            data = file.read_bytes()
        except OSError as error:
            raise NotFound(f"{file} cannot be read: {error.strerror}") from error
        if not data.startswith(b"\x1f\x8b"):
            data = gzip.compress(data)
        name = source_of(data, ObjectKey(str(file)))
        connected = self._adapters.connect(name)
        fetching, clock = self._adapters.ledgers.fetching, self._adapters.clock
        with leased(self._adapters.ledgers.leases, name) as lease:
            opened = fetching.open_batch(name, lease, clock())
            batch = decode_chunked(data, ObjectKey(str(file)), default_acl=connected.acl, sequence=opened.sequence)
            key = chunked_key(name, opened.id, opened.timestamp)
            documents = [document for document in batch.documents if document.document]
            # Under the id that the ledger gave it: ids of other systems may repeat.
            self._adapters.lake.put(key, encode_chunked(replace(batch, id=opened.id)))
            fetching.commit_fetch(
                lease,
                FetchCommit(
                    source=name,
                    batch=opened,
                    key=key,
                    stage="embed",
                    items=[_handed_in(d) for d in documents],
                    counts=(),
                    gone=(),
                    cursor=None,
                    revision=fetching.cursor(name).revision,
                    at=clock(),
                ),
            )
        return key

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
            filters=filters or Filters(),
            viewer=viewer,
            now=self._adapters.clock(),
            embedder=lambda: self._adapters.query_embedder,
            index=self._adapters.index,
        )

    def ask(self, question: str, *, viewer: Viewer, filters: Filters | None = None) -> Answer:
        return ask(
            question,
            candidates=self._settings.search.candidates,
            filters=filters or Filters(),
            viewer=viewer,
            now=self._adapters.clock(),
            embedder=lambda: self._adapters.query_embedder,
            index=self._adapters.index,
            answerer=self._adapters.answerer,
        )

    # ── status and repair ────────────────────────────────────────────────────────────────────────────

    def status(self, names: Sequence[str] = (), *, problems: int = 20, verify: bool = False) -> list[SourceStatus]:
        """Coverage as the ledger knows it; `verify` also compares the index with the ledger."""
        for name in names:
            self._adapters.connect(SourceName(name))
        configured = set(self._adapters.source_names)
        return [
            self._status(name, name in configured, problems, verify)
            for name in ([SourceName(name) for name in names] or self._adapters.source_names)
        ]

    def _status(self, name: SourceName, configured: bool, problems: int, verify: bool) -> SourceStatus:
        reports = self._adapters.ledgers.reports
        coverage = reports.coverage(name)
        holes = find_holes(coverage)
        if verify:
            holes += find_differences(self._adapters.index, self._adapters.ledgers.items, name)
        dead = [batch for batch in self._adapters.retention.batches(name) if batch.dead and batch.newest]
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
                problems = adapters.connect(name).source.check()
            except KnowhubError as error:
                problems = [str(error)]
            yield from [Finding(f"source {name}", problem) for problem in problems] or [Finding(f"source {name}")]

    def _check_lake(self) -> None:
        key = ObjectKey("knowhub-check")
        self._adapters.lake.put(key, b"")
        self._adapters.lake.delete([key])

    def reindex(self) -> StageReport:
        """Build the next generation of the index from the lake and switch to it when it is whole."""
        adapters = self._adapters
        generation = adapters.generation + 1
        adapters.clear_index(generation)
        index = adapters.open_index(generation)
        total = StageReport()
        with ExitStack() as held:
            for name in adapters.source_names:
                held.enter_context(leased(adapters.ledgers.leases, name))
            for name in adapters.source_names:
                _add(total, self._reindex(name, index))
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

    def find(self, name: str) -> StoredItem:
        """The one item of that document id, location or title. Raises NotFound."""
        found = self._adapters.ledgers.items.find(name)
        living = [item for item in found if not item.deleted] or found
        if not living:
            raise NotFound(f"there is no document {name}", cure="`knowhub search` shows ids.")
        if len(living) > 1:
            ids = ", ".join(document_id(item.source, item.item) for item in living[:5])
            raise NotFound(f"{name} could be {len(living)} documents", cure=f"Name one of {ids}.")
        return living[0]

    def show(self, name: str, *, viewer: Viewer) -> Shown:
        """What is stored of a document. Raises NotFound, also for what `viewer` may not read."""
        item = self.find(name)
        chunked = next((d for d in self._stored(item.source, item.sequence) if item_of(d) == item.item), None)
        if chunked and chunked.document and not chunked.document.acl.admits(viewer):
            raise NotFound(f"there is no document {name}", cure="`knowhub search` shows ids.")
        return Shown(item, chunked)

    def documents(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[ChunkedDocument]:
        """Every searchable document that `viewer` may read, newest version, a batch at a time."""
        for name in self._chosen(names):
            wanted: dict[int, set[str]] = defaultdict(set)
            for item in self._adapters.ledgers.items.stored(name):
                if item.indexed:
                    wanted[item.indexed_sequence].add(item.item)
            for sequence in sorted(wanted):
                for chunked in self._stored(name, sequence):
                    readable = chunked.document and chunked.document.acl.admits(viewer)
                    if readable and item_of(chunked) in wanted[sequence]:
                        yield chunked

    def _stored(self, source: SourceName, sequence: int) -> tuple[ChunkedDocument, ...]:
        batch = self._adapters.retention.batch(source, sequence)
        if batch is None or batch.stage == "chunk":
            return ()
        connected = self._adapters.connect(source)
        data = self._adapters.lake.get(batch.key)
        return decode_chunked(data, batch.key, default_acl=connected.acl, sequence=sequence).documents

    def forget(self, name: str) -> int:
        """Erase a source (by its name) or a document for good; return how many objects of the lake changed."""
        stored = SourceName(name)
        known = stored in self._adapters.source_names or any(self._adapters.ledgers.items.stored(stored))
        item = None if known else self.find(name)
        source = item.source if item else stored
        parts = Forgetting(
            source=source,
            lake=self._adapters.lake,
            items=self._adapters.ledgers.items,
            ledger=self._adapters.retention,
            index=self._adapters.index,
            forget_texts=self._adapters.forget_texts,
        )
        with leased(self._adapters.ledgers.leases, source):
            return forget_items(parts, [item.item]) if item else forget_source(parts)


def _handed_in(chunked: ChunkedDocument) -> ItemChange:
    document = chunked.document
    return ItemChange(
        item=item_of(chunked),
        container=document.container if document else ContainerId(""),
        version="handed in",
        location=document.location if document else "",
        parts=1,
        state="pending",
        in_batch=True,
    )


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
