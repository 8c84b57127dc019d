"""The architecture: one small Protocol per stage. An adapter is one class in one file.

Source ──▶ Lake ──▶ Parser + chunking ──▶ Lake ──▶ Embedder ──▶ Index ──▶ answering
             all of them accounted for in the Ledger (Cursors, Batches, Coverage, Runs, Leases)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol

from knowhub.core.types import (
    ChunkedDocument,
    ContainerId,
    Cursor,
    Document,
    DocumentId,
    Fetched,
    Filters,
    Hit,
    ItemId,
    ModelId,
    ObjectKey,
    RawRecord,
    SearchMode,
    SourceName,
    Viewer,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# ── fetch ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class KnownItem:
    """What the ledger holds of an item. `version` "" asks for it to be fetched again."""

    item: ItemId
    container: ContainerId
    version: str
    location: str


class Known(Protocol):
    """What was stored of a source before this fetch. Deleted items are not in it."""

    def items(self) -> Iterator[KnownItem]: ...

    def get(self, item: ItemId) -> KnownItem | None: ...


class Source(Protocol):
    """A system that documents come from. `fetch` needs credentials and decides nothing."""

    name: SourceName

    def check(self) -> list[str]:
        """What is wrong with configuration, credentials or reach, one sentence with its cure each; [] if nothing."""
        ...

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        """What changed since `cursor` (None: everything), oldest first where the source has an order.

        Yields as it reads, holding no more than a few items. Every item that exists ends as exactly one of
        RawRecord, Skipped, Failed or Unchanged, or is covered by the cursor. Raises TransientError or
        PermanentError when the source as a whole cannot be read; one bad item or container never does.
        """
        ...


class Parser(Protocol):
    """Stored bytes to a document: pure, without network or credentials, repeatable over the whole lake."""

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        """Raises UnreadableContent when no document can be made of it."""
        ...


# ── lake ─────────────────────────────────────────────────────────────────────────────────────────────


class Lake(Protocol):
    """Objects by key. A key is written whole or not at all."""

    def put(self, key: ObjectKey, data: bytes) -> None: ...

    def get(self, key: ObjectKey) -> bytes:
        """Raises NotFound."""
        ...

    def list(self, prefix: str) -> Iterator[ObjectKey]:
        """Keys under `prefix` in lexical order."""
        ...

    def delete(self, keys: Sequence[ObjectKey]) -> None:
        """Idempotent."""
        ...


# ── ledger ───────────────────────────────────────────────────────────────────────────────────────────

Stage = Literal["chunk", "embed"]
ItemState = Literal["pending", "searchable", "filtered", "failed"]


@dataclass(frozen=True, slots=True)
class StoredCursor:
    """A cursor with the revision that the next compare-and-set must name."""

    value: Cursor | None
    revision: int


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What a fetch found of one item. `deleted` asks the later stages to take it out of the index."""

    item: ItemId
    container: ContainerId
    version: str
    location: str
    parts: int
    state: ItemState
    reason: str = ""
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class ContainerCount:
    """What the source says of a container: how many parts exist, or why it cannot be said."""

    container: ContainerId
    name: str
    expected: int | None
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item left a stage. It counts only if `sequence` is still the item's newest."""

    item: ItemId
    sequence: int
    state: ItemState
    reason: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class PendingBatch:
    """Work for a stage: an object of the lake that it has not finished."""

    key: ObjectKey
    source: SourceName
    sequence: int
    attempts: int


@dataclass(frozen=True, slots=True)
class OpenBatch:
    """Permission to write one raw batch. What is never committed is swept away by the next run."""

    id: str
    sequence: int


@dataclass(frozen=True, slots=True)
class LeaseToken:
    """Proof of a lease; every commit names it, so that a writer who lost it changes nothing."""

    name: str
    owner: str


class FetchLedger(Protocol):
    """What fetching writes down. All methods are one transaction each."""

    def cursor(self, source: SourceName) -> StoredCursor: ...

    def open_batch(self, source: SourceName, lease: LeaseToken) -> OpenBatch:
        """Reserve the next sequence number of the source. Numbers never repeat and never go back."""
        ...

    def commit_fetch(
        self,
        source: SourceName,
        lease: LeaseToken,
        *,
        batch: OpenBatch | None,
        key: ObjectKey | None,
        items: Sequence[ItemChange],
        counts: Sequence[ContainerCount],
        cursor: Cursor | None,
        revision: int,
    ) -> int:
        """Make a written batch, its items and the cursor visible together; return the new revision.

        `cursor` None keeps the stored one. Raises CursorMoved if `revision` is not the stored one, LeaseHeld
        if the lease is lost; then nothing was changed.
        """
        ...

    def abandoned(self, source: SourceName) -> list[OpenBatch]:
        """Batches opened and never committed by a run that is over."""
        ...

    def drop(self, source: SourceName, batch: OpenBatch) -> None: ...


class StageLedger(Protocol):
    """What chunking and embedding write down."""

    def pending(self, stage: Stage, sources: Sequence[SourceName]) -> list[PendingBatch]:
        """Unfinished work in order of sequence, without dead letters."""
        ...

    def finish(
        self, stage: Stage, batch: PendingBatch, outcomes: Sequence[Outcome], *, next_key: ObjectKey | None
    ) -> None:
        """Record outcomes, close the batch, and hand `next_key` to the stage after this one: one transaction."""
        ...

    def fail(self, stage: Stage, batch: PendingBatch, error: str, *, dead: bool) -> None:
        """Count an attempt. A dead letter is not offered again until `revive`."""
        ...

    def revive(self, sources: Sequence[SourceName]) -> int:
        """Offer dead letters again with their attempts forgotten; return how many."""
        ...

    def indexed_sequence(self, source: SourceName, items: Sequence[ItemId]) -> Mapping[ItemId, int]:
        """The sequence that the index holds (or holds the removal of) per item; absent if never indexed."""
        ...


class Leases(Protocol):
    """At most one holder a name. A holder that dies frees it; one that lost it cannot commit."""

    def acquire(self, name: str) -> LeaseToken:
        """Raises LeaseHeld naming the holder."""
        ...

    def renew(self, token: LeaseToken) -> None:
        """Raises LeaseHeld if it was lost."""
        ...

    def release(self, token: LeaseToken) -> None: ...


# ── chunk, embed ─────────────────────────────────────────────────────────────────────────────────────


class Embedder(Protocol):
    """Text to vectors."""

    model: ModelId
    dimensions: int

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        """float32 of shape (len(texts), dimensions), rows L2-normalised, in the order of `texts`.

        Empty texts have the vector that the model gives them. Raises TransientError or PermanentError.
        """
        ...


# ── index ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """A document's chunks with one vector each (float32, shape (len(chunks), dimensions)), or its removal."""

    chunked: ChunkedDocument
    vectors: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """`vector` is required by the modes vector and hybrid. `now` is what recency is measured from."""

    text: str
    vector: NDArray[np.float32] | None
    mode: SearchMode
    top_k: int
    now: datetime
    filters: Filters = field(default_factory=Filters)


class Index(Protocol):
    """Chunks by words and by meaning, under permissions. Disposable: lake and ledger rebuild it."""

    def replace(self, entries: Sequence[IndexEntry]) -> None:
        """Swap in each document's chunks for all it had, in one step: readers see the old or the new.

        Idempotent. Entries of one call have distinct ids. An entry without a document removes it.
        """
        ...

    def search(self, query: SearchQuery, *, viewer: Viewer) -> list[Hit]:
        """The best `top_k` chunks that `viewer` may read, best first, near-duplicates folded into one."""
        ...

    def read(self, document: DocumentId, *, viewer: Viewer) -> list[Hit]:
        """All chunks of a document in order, with score 0; [] if there is none or the viewer may not read it."""
        ...

    def contents(self, source: SourceName) -> Mapping[DocumentId, int]:
        """Document ids to the sequence they were indexed at: what verification compares with the ledger."""
        ...

    def maintain(self, *, purge: bool) -> None:
        """Bring indices up to date and compact. `purge` also destroys all earlier versions of the data."""
        ...


class Progress(Protocol):
    """Where long work says how far it is. `total` None: unknown."""

    def update(self, stage: str, label: str, done: int, total: int | None) -> None: ...
