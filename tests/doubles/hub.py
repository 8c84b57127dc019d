"""A whole hub of small real parts: a scripted source, an index in memory, an embedder that hashes words."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowhub.core.errors import KnowhubError, UnreadableContent
from knowhub.core.ports import IndexEntry, Known, SearchQuery
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    Chunk,
    ChunkId,
    ContainerId,
    Cursor,
    Document,
    DocumentId,
    Failed,
    Fetched,
    Gap,
    Hit,
    ItemId,
    ModelId,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
    Viewer,
    document_id,
)
from knowhub.lake.object_store import ObjectStoreLake
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.fetching import SqliteFetchLedger
from knowhub.ledger.sqlite.items import SqliteItemLedger, SqliteRetentionLedger
from knowhub.ledger.sqlite.leases import SqliteLeases
from knowhub.ledger.sqlite.reports import SqliteReports
from knowhub.ledger.sqlite.stages import SqliteStageLedger
from knowhub.pipelines.fetch import FetchLimits
from knowhub.pipelines.sync import Ledgers, Syncing, SyncReport, sync

DIMENSIONS = 16
ME = Viewer("me", frozenset(Acl.of("owner").layers[0]))
NAME = SourceName("notes")


class WordEmbedder:
    """Deterministic vectors from words; counts what it was asked for. Refuses texts that hold `unembeddable`."""

    model = ModelId("words")
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.texts = 0
        self.error: KnowhubError | None = None

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        if self.error:
            raise self.error
        if any("unembeddable" in text for text in texts):
            raise UnreadableContent("the model refuses this text")
        self.texts += len(texts)
        rows = np.zeros((len(texts), DIMENSIONS), np.float32)
        for row, text in enumerate(texts):
            for word in text.split() or [""]:
                rows[row, hashlib.sha256(word.encode("utf-8", "surrogatepass")).digest()[0] % DIMENSIONS] += 1
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


class MemoryIndex:
    """Implements `Index` by looking at everything."""

    def __init__(self) -> None:
        self.entries: dict[DocumentId, IndexEntry] = {}
        self.error: KnowhubError | None = None

    def replace(self, entries: Sequence[IndexEntry]) -> None:
        if self.error:
            raise self.error
        for entry in entries:
            if entry.chunked.document is None:
                self.entries.pop(entry.chunked.id, None)
            else:
                self.entries[entry.chunked.id] = entry

    def search(self, query: SearchQuery, *, viewer: Viewer) -> list[Hit]:
        words = set(query.text.split())
        readable = (hit for id in self.entries for hit in self.read(id, viewer=viewer))
        return [hit for hit in readable if words & set(hit.chunk.text.split())][: query.top_k]

    def read(self, document: DocumentId, *, viewer: Viewer) -> list[Hit]:
        entry = self.entries.get(document)
        if entry is None or entry.chunked.document is None or not entry.chunked.document.acl.admits(viewer):
            return []
        of = entry.chunked.document
        return [
            Hit(chunk, of.source, of.container, of.kind, of.title, of.url, of.authors, of.updated_at, 0)
            for chunk in entry.chunked.chunks
        ]

    def contents(self, source: SourceName) -> Mapping[DocumentId, int]:
        return {id: e.chunked.sequence for id, e in self.entries.items() if e.chunked.source == source}

    def counts(self, *, viewer: Viewer) -> Mapping[SourceName, int]:
        return Counter(e.chunked.source for id, e in self.entries.items() if self.read(id, viewer=viewer))

    def version(self, *, viewer: Viewer) -> str:
        read = sorted(id for id in self.entries if self.read(id, viewer=viewer))
        return repr([(id, self.entries[id].chunked.sequence) for id in read])

    def maintain(self, *, purge: bool) -> None: ...

    def texts(self) -> dict[str, str]:
        """Document id to its chunks' text, joined."""
        return {id: "".join(chunk.text for chunk in e.chunked.chunks) for id, e in self.entries.items()}


@dataclass
class Note:
    """An item of the scripted world. `text` None cannot be read at the source."""

    text: str | None
    container: str = "general"
    skip: str = ""


@dataclass
class NotesSource:
    """Implements `Source` over a dict, listing everything each time; can be cut short or lose a container."""

    world: dict[str, Note]
    name: SourceName = NAME
    gaps: set[str] = field(default_factory=set)
    stop_after: float = math.inf
    checkpoint_every: int = 3

    def check(self) -> list[str]:
        return []

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        yielded = 0
        for item, note in sorted(self.world.items()):
            if note.container in self.gaps:
                continue
            if yielded >= self.stop_after:
                raise SourceDown("the source went away")
            yield self._fetched(ItemId(item), note, known)
            yielded += 1
            if yielded % self.checkpoint_every == 0:
                yield Checkpoint({"seen": yielded})
        for container in {note.container for note in self.world.values()} | {k.container for k in known.items()}:
            yield self._listing(ContainerId(container))

    def _fetched(self, item: ItemId, note: Note, known: Known) -> Fetched:
        container = ContainerId(note.container)
        if note.skip:
            return Skipped(container, item, note.skip)
        if note.text is None:
            return Failed(container, item, "permission denied")
        version = hashlib.sha256(f"{note.container}/{note.text}".encode()).hexdigest()[:16]
        found = known.get(item)
        if found and found.version == version:
            return Unchanged(container, item, version)
        return RawRecord(self.name, container, item, "note", version, Acl.of("owner"), {"text": note.text}, item)

    def _listing(self, container: ContainerId) -> Fetched:
        if container in self.gaps:
            return Gap(container, container, "listing refused")
        items = frozenset(ItemId(item) for item, note in self.world.items() if note.container == container)
        return Census(container, container, items, len(items))


class SourceDown(KnowhubError):
    """What a source raises when it goes away."""


def parse_note(record: RawRecord, sequence: int) -> Document:
    text = str((record.payload or {})["text"])
    if "unreadable" in text:
        raise UnreadableContent("it is unreadable")
    return Document(
        document_id(record.source, record.item), record.source, record.container, "text", record.item, text, "note:",
        record.acl, record.version, sequence,
    )  # fmt: skip


def by_paragraph(document: Document) -> tuple[Chunk, ...]:
    chunks: list[Chunk] = []
    start = 0
    for part in document.text.split("\n"):
        if part.strip():
            id = ChunkId(f"{document.id}#{len(chunks)}")
            chunks.append(Chunk(id, document.id, len(chunks), part, start, start + len(part)))
        start += len(part) + 1
    return tuple(chunks)


class Quiet:
    """Implements `Progress`; remembers the stages."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def update(self, stage: str, label: str, done: int, total: int | None) -> None:
        self.stages.append(stage)


class Ticking:
    """A clock that goes on by a second a look, or jumps when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 5, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class Hub:
    """The parts of one hub on a folder, and the moves that tests make."""

    def __init__(self, folder: Path, world: dict[str, Note] | None = None) -> None:
        self.folder = folder
        self.world = {} if world is None else world
        self.source = NotesSource(self.world)
        self.lake = ObjectStoreLake(str(folder / "lake"))
        self.database = Database(folder / "ledger.db")
        self.ledgers = Ledgers(
            SqliteFetchLedger(self.database),
            SqliteStageLedger(self.database),
            SqliteItemLedger(self.database),
            SqliteLeases(self.database),
            SqliteReports(self.database),
        )
        self.retention = SqliteRetentionLedger(self.database)
        self.index = MemoryIndex()
        self.embedder = WordEmbedder()
        self.clock = Ticking()
        self.limits = FetchLimits(batch_records=4)

    def parts(self) -> Syncing:
        return Syncing(
            source=self.source,
            parse=parse_note,
            chunking=by_paragraph,
            lake=self.lake,
            ledgers=self.ledgers,
            retention=self.retention,
            embedder=lambda: self.embedder,
            index=lambda: self.index,
            acl=Acl.of("owner"),
            clock=self.clock,
            progress=Quiet(),
            limits=self.limits,
        )

    def sync(self, **options: object) -> SyncReport:
        return sync(self.parts(), **options)  # type: ignore[arg-type]  # tests pass what sync takes

    def expected(self) -> dict[str, str]:
        """What a reader of the source would find, as `index.texts()` shows it."""
        return {
            document_id(NAME, ItemId(item)): note.text.replace("\n", "")
            for item, note in self.world.items()
            if note.text and note.text.strip() and not note.skip and "unreadable" not in note.text
        }

    def write(self, **texts: str) -> None:
        for item, text in texts.items():
            self.world[item] = replace(self.world.get(item, Note("")), text=text)
