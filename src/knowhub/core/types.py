"""What travels: one frozen dataclass per stage, never filled in later.

    source ─RawRecord─▶ Batch ─▶ lake raw/ ─Document─▶ Chunk ─▶ lake chunked/ ─▶ index ─Hit─▶ Citation ─▶ Answer

Offsets are characters of `Document.text`, end-exclusive. Times are timezone-aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NewType

SourceName = NewType("SourceName", str)
"""The name a person gave a configured source: `handbook`, `slack-eu`."""
ContainerId = NewType("ContainerId", str)
"""What a source keeps items in: a channel, a project, a space, a top folder."""
ItemId = NewType("ItemId", str)
"""The source's own id of an item, stable for life."""
DocumentId = NewType("DocumentId", str)
"""`{source}:{item}`."""
ChunkId = NewType("ChunkId", str)
"""`{document}#{ordinal}`."""
Principal = NewType("Principal", str)
"""Somebody who can be given access: `owner`, `group:staff`, `slack:C012`."""
ObjectKey = NewType("ObjectKey", str)
"""A key in the lake; the only thing that stages hand to one another."""
ModelId = NewType("ModelId", str)
"""Names an embedding space: two equal ids produce comparable vectors."""

Payload = Mapping[str, Any]
"""Vendor JSON as it was returned. Only the source that fetched it looks inside."""


ANYONE = Principal("anyone")
"""Held by everybody, signed in or not."""


def document_id(source: SourceName, item: ItemId) -> DocumentId:
    return DocumentId(f"{source}:{item}")


def source_and_item(id: DocumentId) -> tuple[SourceName, ItemId]:
    """What `document_id` put together: no source's name has a colon."""
    source, _, item = id.partition(":")
    return SourceName(source), ItemId(item)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who is asking, resolved to principals at the moment of the question."""

    name: str
    principals: frozenset[Principal]


@dataclass(frozen=True, slots=True)
class Acl:
    """Who may read: the viewer needs a principal in **every** layer. No layers, or an empty one, is nobody."""

    layers: tuple[frozenset[Principal], ...] = ()

    @classmethod
    def of(cls, *principals: str) -> Acl:
        """One layer that any of these principals passes."""
        return cls((frozenset(Principal(p) for p in principals),))

    def admits(self, viewer: Viewer) -> bool:
        return bool(self.layers) and all(layer & viewer.principals for layer in self.layers)

    def __and__(self, other: Acl) -> Acl:
        """Both must admit. Nobody and anybody is nobody."""
        if not self.layers or not other.layers:
            return Acl()
        return Acl(self.layers + tuple(layer for layer in other.layers if layer not in self.layers))

    def canonical(self) -> tuple[tuple[str, ...], ...]:
        """The same value for the same meaning: sorted, without repeated layers."""
        return tuple(sorted({tuple(sorted(layer)) for layer in self.layers}))


@dataclass(frozen=True, slots=True)
class Person:
    """An account at a source. `email` only where the source itself vouches for it."""

    principal: Principal
    name: str
    email: str = ""


@dataclass(frozen=True, slots=True)
class Membership:
    """Whoever holds one of `members` (persons, groups, `ANYONE`) holds `principal` too."""

    principal: Principal
    members: frozenset[Principal]


# ── fetch ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class RawRecord:
    """One item as the source returned it, or its deletion.

    `version` changes whenever the item does (a revision number, an edit time, a content hash): the item is
    not stored again while it stays equal. `parts` counts what a person would count inside it (the messages
    of a thread). `payload` None means: gone at the source.
    """

    source: SourceName
    container: ContainerId
    item: ItemId
    kind: str
    version: str
    acl: Acl
    payload: Payload | None
    location: str = ""
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Skipped:
    """An item that exists at the source and is left out on purpose; `reason` is a short constant phrase."""

    container: ContainerId
    item: ItemId
    reason: str
    location: str = ""
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Failed:
    """An item that exists at the source and could not be read. It is tried again at the next fetch."""

    container: ContainerId
    item: ItemId
    error: str
    location: str = ""
    parts: int = 1


@dataclass(frozen=True, slots=True)
class Unchanged:
    """An item that was seen and is as the ledger knows it. `version` may carry fresher hints (an mtime)."""

    container: ContainerId
    item: ItemId
    version: str


@dataclass(frozen=True, slots=True)
class Census:
    """Every id that exists in a container now, from a listing that was read to its end.

    What the ledger knows beyond it is gone at the source. A listing that broke off must yield a `Gap`.
    `expected` is the number of parts in the container by the source's own count.
    """

    container: ContainerId
    name: str
    items: frozenset[ItemId]
    expected: int


@dataclass(frozen=True, slots=True)
class Counted:
    """The number of parts in a container by the source's own count, which names no ids: nothing is deleted on it."""

    container: ContainerId
    name: str
    expected: int


@dataclass(frozen=True, slots=True)
class ContainerGone:
    """The source listed all its containers and this one is no longer among them."""

    container: ContainerId


@dataclass(frozen=True, slots=True)
class Gap:
    """Something of a container could not be listed; nothing in it is deleted on this evidence."""

    container: ContainerId
    name: str
    error: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All yielded before it may be committed together with `cursor`.

    `last`: nothing follows. It is committed together with the deletions that this fetch's listings imply, and not
    at all while those are held back; the time of a census belongs here, so that a lost one is made again.
    """

    cursor: Cursor
    last: bool = False


Cursor = Mapping[str, Any]
"""A source's own watermark over stored work; JSON, opaque to everyone else."""

Fetched = RawRecord | Skipped | Failed | Unchanged | Census | Counted | ContainerGone | Gap | Checkpoint


@dataclass(frozen=True, slots=True)
class Batch:
    """Records as they lie in the lake. `sequence` orders batches of one source, whatever clocks say."""

    id: str
    source: SourceName
    sequence: int
    timestamp: datetime
    records: tuple[RawRecord, ...]


# ── chunk ────────────────────────────────────────────────────────────────────────────────────────────

DocumentKind = Literal["text", "markdown", "code", "conversation", "issue", "table", "change"]


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a document that a link can open at.

    `anchor` is appended to the document's URL (`#L10`, `#page=3`, `?thread_ts=…`). `role` says what it is:
    heading, message, row, sheet, page, comment, body, file, title. `label` is its text for people (a heading
    path, a speaker and time). `time` and `author` where the source knows them.
    """

    start: int
    end: int
    role: str
    anchor: str = ""
    label: str = ""
    author: str = ""
    time: datetime | None = None
    level: int = 0


@dataclass(frozen=True, slots=True)
class Document:
    """One item as Markdown text.

    `sections` are in order of `start`; headings nest by `level` and reach to the next of the same or a lower
    level, all others do not overlap. `language` is a programming language for code, else an ISO 639-1 code or "".
    `url` opens the document where it lives. `state` is what a reader must know first (an issue's `open`).
    """

    id: DocumentId
    source: SourceName
    container: ContainerId
    kind: DocumentKind
    title: str
    text: str
    url: str
    acl: Acl
    version: str
    sequence: int
    authors: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    language: str = ""
    location: str = ""
    state: str = ""
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """From `start` (an offset in the document) on, a link opens at `anchor`, and this is who wrote it when."""

    start: int
    anchor: str
    author: str = ""
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Chunk:
    """`text == document.text[start:end]`. `context` is what a reader needs before it (title, heading path).

    `anchor`, `author` and `time` are those of its beginning; `places` are the further messages, rows or headings
    that begin inside it, in order, so that a quote from its middle opens where it stands.
    """

    id: ChunkId
    document: DocumentId
    ordinal: int
    text: str
    start: int
    end: int
    context: str = ""
    anchor: str = ""
    author: str = ""
    time: datetime | None = None
    places: tuple[Place, ...] = ()

    def place_at(self, offset: int) -> Place:
        """Where the character at `offset` of the document stands."""
        begun = (place for place in reversed(self.places) if place.start <= offset)
        return next(begun, Place(self.start, self.anchor, self.author, self.time))

    @property
    def embedded_text(self) -> str:
        """What is embedded and searched: the context, then the text."""
        return f"{self.context}\n{self.text}" if self.context else self.text


@dataclass(frozen=True, slots=True)
class ChunkedDocument:
    """A document with its chunks, or its removal: `document` None means gone (or not readable any more)."""

    id: DocumentId
    source: SourceName
    sequence: int
    document: Document | None
    chunks: tuple[Chunk, ...] = ()


@dataclass(frozen=True, slots=True)
class ChunkedBatch:
    """What lies under `chunked/`: the documents of one raw batch."""

    id: str
    source: SourceName
    sequence: int
    timestamp: datetime
    documents: tuple[ChunkedDocument, ...]


# ── ask ──────────────────────────────────────────────────────────────────────────────────────────────

SearchMode = Literal["lexical", "vector", "hybrid"]


@dataclass(frozen=True, slots=True)
class Filters:
    """All that is given must hold; within one tuple any value does. Times bound the chunk's own time.

    `places` are containers of one source each, where others may have one of the same id: one of them does as well as
    one of `containers`.
    """

    sources: tuple[SourceName, ...] = ()
    kinds: tuple[DocumentKind, ...] = ()
    containers: tuple[ContainerId, ...] = ()
    authors: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    places: tuple[tuple[SourceName, ContainerId], ...] = ()


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that matched, with what a reader needs to judge and open it.

    `score` orders hits of one search, higher first. `cosine` is against the query (None where no vector was
    used), `bm25` the lexical score (0.0 where no word matched).
    """

    chunk: Chunk
    source: SourceName
    container: ContainerId
    kind: DocumentKind
    title: str
    url: str
    authors: tuple[str, ...]
    updated_at: datetime | None
    score: float
    cosine: float | None = None
    bm25: float = 0.0
    duplicates: tuple[DocumentId, ...] = ()

    @property
    def link(self) -> str:
        return f"{self.url}{self.chunk.anchor}"


@dataclass(frozen=True, slots=True)
class Citation:
    """A place where a quote stands: `quote == document.text[start:end]`. `score` is that of its hit."""

    number: int
    document: DocumentId
    title: str
    link: str
    quote: str
    start: int
    end: int
    source: SourceName
    author: str = ""
    time: datetime | None = None
    kind: DocumentKind = "text"
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the same conversation with its answer."""

    question: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence of a generated answer. `citations` are the numbers of those it was found in.

    `doubt` says what of it was found in none, "" where all was; it is shown in doubt only where that is configured.
    """

    text: str
    citations: tuple[int, ...]
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source in the footer of an answer: when it was last read to its end, and why not since ("": it was)."""

    source: SourceName
    read_at: datetime | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the hub found. `found` False: nothing reached the threshold, and `nearest` names what came close.

    `text` is what a person reads: Markdown whose marks `[1]` are numbers of `citations`. `claims` are its sentences
    where a language model wrote it, none where it is made of quotes. `citations` are in order of preference; where two
    contradict, the newer leads and `conflict` says so. `searched` is the question as it was searched for, where a
    conversation completed it. `notice` is what a reader must know of how it came about, `id` what feedback names.
    """

    question: str
    found: bool
    citations: tuple[Citation, ...] = ()
    nearest: tuple[Hit, ...] = ()
    conflict: str = ""
    confidence: float = 0.0
    elsewhere: tuple[Citation, ...] = field(default=())
    text: str = ""
    claims: tuple[Claim, ...] = ()
    searched: str = ""
    notice: str = ""
    sources: tuple[SourceState, ...] = ()
    id: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """What is being done for an answer now."""

    stage: Literal["rewriting", "searching", "answering"]


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What the answer may cite, before its first word."""

    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Delta:
    """The next stretch of the answer's text; nothing that has not been verified."""

    text: str


@dataclass(frozen=True, slots=True)
class Reset:
    """All text until now is void: it comes again, or something else does."""

    reason: str


@dataclass(frozen=True, slots=True)
class Done:
    """The end. The deltas since the last reset are `answer.text`."""

    answer: Answer


AnswerEvent = Status | Retrieved | Delta | Reset | Done
"""An answer in the making: any number of others, then exactly one `Done`."""
