"""The architecture: one small Protocol per stage. An adapter is one class in one file.

Source ──▶ Lake ──▶ Parser + chunking ──▶ Lake ──▶ Embedder ──▶ Index ──▶ answering
             all of them accounted for in the Ledger (Cursors, Batches, Coverage, Runs, Leases)
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from knowhub.core.types import (
    AnswerEvent,
    ChunkedDocument,
    ContainerId,
    Cursor,
    Document,
    DocumentId,
    Fetched,
    Filters,
    Hit,
    ItemId,
    Membership,
    ModelId,
    ObjectKey,
    Person,
    Principal,
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
    """What the ledger holds of an item. `version` "" asks for it to be fetched again (as failed ones do).

    An item that was skipped has a version that no source gives.
    """

    item: ItemId
    container: ContainerId
    version: str
    location: str


class Known(Protocol):
    """What was stored of a source before this fetch. Deleted items are not in it."""

    def items(self) -> Iterator[KnownItem]: ...

    def in_container(self, container: ContainerId) -> Sequence[KnownItem]: ...

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


@runtime_checkable
class Directory(Protocol):
    """Who holds a source's principals. A source with permissions of its own implements it beside `Source`."""

    def people(self) -> Iterator[Person]:
        """Accounts that exist now. Raises TransientError or PermanentError when they cannot be listed."""
        ...

    def memberships(self) -> Iterator[Membership]:
        """What is true now, one a principal. A principal whose holders cannot be read is left out: nobody holds it."""
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
"""`pending` is on its way; every other state is where an item came to rest."""


@dataclass(frozen=True, slots=True)
class StoredCursor:
    """A cursor with the revision that the next compare-and-set must name."""

    value: Cursor | None
    revision: int


@dataclass(frozen=True, slots=True)
class ItemChange:
    """What a fetch found of one item. `state` None keeps the stored one; `deleted`: gone at the source.

    `in_batch` says that a record of it lies in the batch being committed, so that later stages will see it.
    """

    item: ItemId
    container: ContainerId
    version: str
    location: str
    parts: int
    state: ItemState | None
    reason: str = ""
    deleted: bool = False
    in_batch: bool = False


@dataclass(frozen=True, slots=True)
class ContainerCount:
    """What the source says of a container: how many parts exist, or why it cannot be said."""

    container: ContainerId
    name: str
    expected: int | None
    gap: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an item left a stage. Its `state` counts only if `sequence` is still the item's newest.

    `indexed` is what the index now holds of it: True its chunks, False its removal, None untouched.
    """

    item: ItemId
    sequence: int
    state: ItemState | None
    reason: str = ""
    title: str = ""
    indexed: bool | None = None


FORGOTTEN = "forgotten"
"""The reason of items that a person had erased: no fetch brings them back."""


@dataclass(frozen=True, slots=True)
class StoredItem:
    """An item's row. `indexed`: the index holds chunks of it, at `indexed_sequence`."""

    source: SourceName
    item: ItemId
    container: ContainerId
    location: str
    version: str
    parts: int
    sequence: int
    state: ItemState
    reason: str
    title: str
    deleted: bool
    indexed: bool
    indexed_sequence: int


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """A committed batch. `records` lie in it, of which `newest` are the newest version of their item.

    A deletion is one while the index does not know of it.
    """

    id: str
    source: SourceName
    sequence: int
    timestamp: datetime
    stage: Literal["chunk", "embed", "done"]
    key: ObjectKey
    records: int
    newest: int
    attempts: int
    dead: bool
    error: str

    @property
    def set_aside(self) -> bool:
        """A dead letter that still holds an item's newest version, or a deletion that the index has not seen."""
        return self.dead and self.newest > 0


@dataclass(frozen=True, slots=True)
class ContainerCoverage:
    """One row of `knowhub status`, in parts. Whole when `expected` is the sum of the other four and no gap is open.

    `expected` None: the source could not say.
    """

    container: ContainerId
    name: str
    expected: int | None
    searchable: int
    filtered: Mapping[str, int]
    failed: Mapping[str, int]
    pending: int
    gap: str
    seen_at: datetime | None

    @property
    def accounted(self) -> int:
        return self.searchable + sum(self.filtered.values()) + sum(self.failed.values()) + self.pending

    @property
    def whole(self) -> bool:
        return not (self.gap or self.failed or self.pending) and self.expected in (None, self.accounted)


RunState = Literal["running", "ok", "incomplete", "failed"]


@dataclass(frozen=True, slots=True)
class Run:
    """One run of some stages over one source."""

    id: int
    source: SourceName
    what: str
    state: RunState
    started_at: datetime
    finished_at: datetime | None
    summary: str


@dataclass(frozen=True, slots=True)
class FetchCommit:
    """All that one commit of a fetch changes. `cursor` None keeps the stored one.

    `key` is the object written for `batch`, offered to `stage`; both None when there was nothing to store.
    `complete`: the fetch came to its end, so that every container without a gap is known as of `at`.
    """

    source: SourceName
    batch: OpenBatch | None
    key: ObjectKey | None
    stage: Stage
    items: Sequence[ItemChange]
    counts: Sequence[ContainerCount]
    gone: Sequence[ContainerId]
    cursor: Cursor | None
    revision: int
    at: datetime
    complete: bool = False


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
    timestamp: datetime


@dataclass(frozen=True, slots=True)
class LeaseToken:
    """Proof of a lease; every commit names it, so that a writer who lost it changes nothing."""

    name: str
    owner: str


class FetchLedger(Protocol):
    """What fetching writes down. All methods are one transaction each."""

    def cursor(self, source: SourceName) -> StoredCursor: ...

    def open_batch(self, source: SourceName, lease: LeaseToken, timestamp: datetime) -> OpenBatch:
        """Reserve the next sequence number of the source. Numbers never repeat and never go back."""
        ...

    def commit_fetch(self, lease: LeaseToken, commit: FetchCommit) -> int:
        """Make a written batch, its items and the cursor visible together; return the new revision.

        Raises CursorMoved if `commit.revision` is not the stored one, LeaseHeld if the lease is lost; then
        nothing was changed.
        """
        ...

    def abandoned(self, source: SourceName) -> list[OpenBatch]:
        """Batches opened and never committed by a run that is over, and unreadable ones that newer ones replaced."""
        ...

    def drop(self, source: SourceName, batch: OpenBatch) -> None:
        """Forget an abandoned batch; its object must be gone from the lake before."""
        ...


class StageLedger(Protocol):
    """What chunking and embedding write down."""

    def pending(self, stage: Stage, source: SourceName) -> list[PendingBatch]:
        """Unfinished work in order of sequence, without dead letters."""
        ...

    def finish(
        self, stage: Stage, batch: PendingBatch, outcomes: Sequence[Outcome], *, next_key: ObjectKey | None
    ) -> None:
        """Record outcomes, close the batch, and hand `next_key` to the stage after this one: one transaction."""
        ...

    def fail(self, batch: PendingBatch, error: str, *, dead: bool, lost: bool) -> None:
        """Count an attempt. A dead letter is not offered again until `revive`.

        `lost`: the object itself cannot be read; its items are marked failed and to be fetched again.
        """
        ...

    def revive(self, source: SourceName) -> int:
        """Offer dead letters again with their attempts forgotten; return how many."""
        ...

    def indexed(self, source: SourceName, items: Sequence[ItemId]) -> Mapping[ItemId, int]:
        """The sequence that the index holds (or holds the removal of) per item; absent if never indexed."""
        ...


class ItemLedger(Protocol):
    """Items as they stand, for those who report, repair and forget."""

    def stored(self, source: SourceName) -> Iterator[StoredItem]: ...

    def get(self, source: SourceName, items: Sequence[ItemId]) -> list[StoredItem]:
        """Those of `items` that are known, in any order."""
        ...

    def find(self, name: str) -> list[StoredItem]:
        """Items whose document id, location or title is `name` (then: ends with it); deleted ones last."""
        ...

    def rebuild(self, items: Sequence[StoredItem], *, batch: OpenBatch | None, key: ObjectKey | None) -> None:
        """Write items as they stand in a rebuilt index, and the batch of one source that they lie in (at `key`)."""
        ...

    def forget(self, source: SourceName, items: Sequence[ItemId]) -> None:
        """Keep nothing of these items but id, place and fingerprint: what it takes to keep them away."""
        ...

    def forget_source(self, source: SourceName) -> None:
        """Keep nothing of a source but its sequence number."""
        ...


class RetentionLedger(Protocol):
    """Which objects of the lake hold what."""

    def sources(self) -> list[SourceName]:
        """All of which anything is held, configured or not."""
        ...

    def batch(self, source: SourceName, sequence: int) -> StoredBatch | None: ...

    def batches(self, source: SourceName) -> list[StoredBatch]:
        """All committed batches in order of sequence."""
        ...

    def rewritten(self, source: SourceName, sequence: int, *, records: int) -> None:
        """A batch now holds so many records; 0: both its objects are gone and so is its row."""
        ...


class Reports(Protocol):
    """What a person is shown, and the history of runs."""

    def coverage(self, source: SourceName) -> list[ContainerCoverage]: ...

    def container_names(self, source: SourceName) -> Mapping[ContainerId, str]: ...

    def read_at(self, source: SourceName) -> datetime | None:
        """When the source was last read to its end; None: never."""
        ...

    def problems(self, source: SourceName, limit: int) -> list[StoredItem]:
        """Failed items, newest first."""
        ...

    def start_run(self, source: SourceName, what: str, at: datetime) -> int: ...

    def finish_run(self, run: int, state: RunState, summary: str, at: datetime) -> None: ...

    def runs(self, source: SourceName, limit: int) -> list[Run]:
        """Newest first."""
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
        """The best `top_k` chunks that `viewer` may read, best first, near-duplicates folded into one.

        The same to the last digit whatever else is stored that they may not read.
        """
        ...

    def read(self, document: DocumentId, *, viewer: Viewer) -> list[Hit]:
        """All chunks of a document in order, with score 0; [] if there is none or the viewer may not read it."""
        ...

    def contents(self, source: SourceName) -> Mapping[DocumentId, int]:
        """Document ids to the sequence they were indexed at: what verification compares with the ledger."""
        ...

    def counts(self, *, viewer: Viewer) -> Mapping[SourceName, int]:
        """How many documents of each source `viewer` may read; sources with none are absent."""
        ...

    def version(self, *, viewer: Viewer) -> str:
        """Opaque; changes whenever what `viewer` can find does, and not with what they may not read."""
        ...

    def maintain(self, *, purge: bool) -> None:
        """Bring indices up to date and compact. `purge` also destroys all earlier versions of the data."""
        ...


# ── ask ──────────────────────────────────────────────────────────────────────────────────────────────

Neighbours = Callable[[Hit], Sequence[Hit]]
"""A hit to all chunks of its document that the same viewer may read, in order."""


class Answerer(Protocol):
    """Hits to an answer that stands in them."""

    def stream(
        self, question: str, hits: Sequence[Hit], *, neighbours: Neighbours
    ) -> Generator[AnswerEvent, None, None]:
        """Events that end with one `Done`. Closing it stops the work. Only hits and neighbours are cited."""
        ...


class Reranker(Protocol):
    """A second, more careful look at a few passages."""

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One a passage, higher is better, comparable within this call. Raises TransientError or PermanentError."""
        ...


@dataclass(frozen=True, slots=True)
class Said:
    """A piece of what a language model writes. `restart`: what it said before is void (a retry in mid-stream)."""

    text: str
    restart: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """The last thing that a language model yields: tokens of this call."""

    input_tokens: int
    output_tokens: int


class LanguageModel(Protocol):
    """Text to text. What it writes is believed only where it is verified."""

    def write(self, instructions: str, message: str, *, max_tokens: int) -> Generator[Said | Usage, None, None]:
        """Raises TransientError or PermanentError, also in mid-stream. Closing it ends the call."""
        ...


# ── access ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class DirectoryState:
    """How much of a source's directory is stored, since when, and why the last attempt failed ("": it did not)."""

    source: SourceName
    people: int
    memberships: int
    read_at: datetime | None
    tried_at: datetime
    error: str = ""


class DirectoryLedger(Protocol):
    """Who holds which principals, by source. All methods are one transaction each."""

    def replace(
        self, source: SourceName, people: Sequence[Person], memberships: Sequence[Membership], at: datetime
    ) -> None:
        """All of a source's directory for all that was stored of it."""
        ...

    def note_failure(self, source: SourceName, error: str, at: datetime) -> None:
        """What is stored stays, and grows old."""
        ...

    def states(self) -> list[DirectoryState]: ...

    def accounts(self, email: str) -> list[Principal]:
        """Persons whom a source knows under this address, whatever its case."""
        ...

    def held_by(self, principals: Collection[Principal], *, sources: Collection[SourceName]) -> frozenset[Principal]:
        """`principals` and all that they hold through memberships of these sources, however deep."""
        ...

    def members(self, principal: Principal) -> list[Principal]:
        """Whoever holds it directly."""
        ...

    def forget(self, source: SourceName) -> None: ...


Scope = Literal["read", "admin"]


@dataclass(frozen=True, slots=True)
class StoredKey:
    """An API key without its secret: `digest` is the SHA-256 of it. It acts as `email`, or holds just `principals`."""

    id: str
    name: str
    digest: str
    scopes: frozenset[Scope]
    email: str
    principals: tuple[Principal, ...]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None = None


class KeyLedger(Protocol):
    """API keys."""

    def add(self, key: StoredKey) -> None: ...

    def get(self, id: str) -> StoredKey | None: ...

    def all(self) -> list[StoredKey]: ...

    def used(self, id: str, at: datetime) -> None: ...

    def revoke(self, id: str) -> bool:
        """Whether there was one."""
        ...


@dataclass(frozen=True, slots=True)
class Login:
    """A browser that signed in through OIDC. `digest` is the SHA-256 of its cookie."""

    digest: str
    email: str
    groups: tuple[str, ...]
    expires_at: datetime


class LoginLedger(Protocol):
    """Browsers' sessions."""

    def put(self, login: Login) -> None: ...

    def get(self, digest: str) -> Login | None: ...

    def delete(self, digest: str) -> None: ...

    def sweep(self, at: datetime) -> None:
        """Remove what has expired by then."""
        ...


AuditAction = Literal["search", "ask", "read", "export"]


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who was shown which documents, by which way. No texts."""

    at: datetime
    viewer: str
    action: AuditAction
    surface: str
    documents: tuple[DocumentId, ...]


class AuditLedger(Protocol):
    """What was read by whom."""

    def record(self, entry: AuditEntry) -> None: ...

    def entries(
        self, *, viewer: str = "", document: str = "", since: datetime | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Newest first."""
        ...

    def sweep(self, before: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question as it was answered. `useful` and `reason` are what its asker said of the answer, if anything."""

    id: str
    at: datetime
    viewer: str
    question: str
    found: bool
    documents: tuple[DocumentId, ...]
    quote: str = ""
    useful: bool | None = None
    reason: str = ""


class QuestionLedger(Protocol):
    """Questions, for those who write what is missing."""

    def record(self, asked: AskedQuestion) -> None: ...

    def judge(self, id: str, viewer: str, *, useful: bool, reason: str) -> AskedQuestion | None:
        """Write feedback to a question that this viewer asked; None where there is none."""
        ...

    def unanswered(self, since: datetime) -> list[AskedQuestion]:
        """Not found, or found and not useful; newest first."""
        ...

    def sweep(self, before: datetime) -> None: ...


class Progress(Protocol):
    """Where long work says how far it is. `total` None: unknown."""

    def update(self, stage: str, label: str, done: int, total: int | None) -> None: ...
