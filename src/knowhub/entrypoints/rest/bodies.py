"""What is sent and what comes back, as the OpenAPI document describes it. Times are UTC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from knowhub.core.types import DocumentKind, SearchMode

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d)))?", re.ASCII
)
_EXAMPLE = "What is the limit for a hotel per night?"


def _moment(given: object) -> datetime:
    """RFC 3339: a time with its offset, or a day, which is its beginning in UTC. Years at the edge are cut to fit."""
    found = _MOMENT.fullmatch(given) if isinstance(given, str) else None
    if found is None:
        raise ValueError("is no time like 2026-05-31T12:00:00Z or 2026-05-31")
    day, clock, fraction, sign, hours, minutes = found.groups()
    if day.startswith("0000"):
        return datetime.min.replace(tzinfo=UTC)
    moment = datetime.combine(date.fromisoformat(day), _clock(clock, fraction), UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        return moment + offset if sign == "-" else moment - offset
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC) if sign == "-" else datetime.min.replace(tzinfo=UTC)


def _clock(clock: str | None, fraction: str | None) -> time:
    if clock is None:
        return time()
    # Second 60 is a leap second.
    whole = time.fromisoformat(clock[:6] + "59" if clock.endswith(":60") else clock)
    return whole.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))


def _whole(given: object) -> object:
    """5.0 is an integer to JSON Schema."""
    return int(given) if isinstance(given, float) and given.is_integer() else given


_MOMENT_SCHEMA = {"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema(_MOMENT_SCHEMA)]
Words = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"\S")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Names = Annotated[list[Name], Field(max_length=100)]


class Sent(BaseModel):
    """A request's body: types as they are, no field that is not known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Body(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True)


class Narrowed(Sent):
    """What a search may be narrowed to. All that is given must hold; within one list any value does."""

    source_filter: Names = Field([], description="Names of sources.", examples=[[]])
    kinds: list[DocumentKind] = Field([], max_length=20, description="Kinds of documents.", examples=[[]])
    containers: Names = Field([], description="Channels, projects, spaces or folders, by id or name.", examples=[[]])
    authors: Names = Field([], description="Names of people.", examples=[[]])
    since: Moment | None = Field(None, description="From this time on.", examples=["2026-01-01T00:00:00Z"])
    until: Moment | None = Field(None, description="Before this time.", examples=[None])


class TurnSent(Sent):
    """An earlier question of the same conversation, with its answer."""

    question: Words
    answer: str = Field("", max_length=20_000)


class QuerySent(Narrowed):
    """A question."""

    query: Words = Field(description="The question, as a person would ask it.", examples=[_EXAMPLE])
    top_k: Annotated[int, Field(ge=1, le=50), BeforeValidator(_whole)] | None = Field(
        None, description="Passages that the answer is looked for in; null: as the hub is set up."
    )
    conversation: list[TurnSent] = Field(
        [], max_length=20, description="What was asked and answered before, oldest first.", examples=[[]]
    )


class SearchSent(Narrowed):
    """Words to look for."""

    query: Words = Field(description="Words, or a question.", examples=["hotel limit"])
    mode: SearchMode = Field("hybrid", description="By words, by meaning, or both.")
    top_k: Annotated[int, Field(ge=1, le=100), BeforeValidator(_whole)] = Field(10, description="How many passages.")


class FeedbackSent(Sent):
    """What somebody thinks of an answer of theirs."""

    id: str = Field(min_length=1, max_length=100, description="The answer's id.", examples=["Zx3kq0…"])
    useful: bool
    reason: str = Field("", max_length=1000)


class CitationBody(Body):
    """A place where it stands: `snippet` is the document's text from `start` to `end`."""

    number: int = Field(description="The mark [n] in the answer; 0: it has none.")
    document: str
    title: str
    url: str = Field(description="Opens the document at this place.")
    source: str
    source_type: str
    relevance_score: float = Field(ge=0, le=1, description="Orders what one question found; no probability.")
    snippet: str
    start: int
    end: int
    author: str
    time: datetime | None
    kind: DocumentKind


class ClaimBody(Body):
    """A sentence of a generated answer."""

    text: str
    citations: list[int]
    doubt: str = Field(description="What of it stands in no citation; empty: all does.")


class CoverageBody(Body):
    """How fresh a source is."""

    source: str
    source_type: str
    read_at: datetime | None = Field(description="When it was last read to its end.")
    problem: str = Field(description="Why not since; empty: it was.")


class AnswerBody(Body):
    """What the hub found. `found` false: it is not written down, and `nearest` is what came closest."""

    id: str = Field(description="For feedback.")
    query: str
    answer: str = Field(description="Markdown; [1] is the source of that number.")
    found: bool
    sources: list[CitationBody]
    elsewhere: list[CitationBody] = Field(description="Where else it stands.")
    nearest: list[CitationBody]
    claims: list[ClaimBody] = Field(description="The sentences of a generated answer; none where it is quotes.")
    conflict: str = Field(description="How sources contradict one another; empty: they do not.")
    confidence: float
    searched: str = Field(description="The question as the conversation completed it; empty: as it was asked.")
    notice: str = Field(description="What a reader must know of how it came about.")
    coverage: list[CoverageBody]
    generated: bool = Field(description="A language model wrote it, and each sentence was checked against the sources.")
    timestamp: datetime
    index_version: str


class HitBody(Body):
    """A passage: `text` is the document's from `start` to `end`."""

    document: str
    ordinal: int
    title: str
    url: str
    source: str
    source_type: str
    kind: DocumentKind
    container: str
    container_name: str
    authors: list[str]
    author: str
    time: datetime | None
    updated_at: datetime | None
    relevance_score: float = Field(ge=0, le=1, description="Orders what one search found; no probability.")
    text: str
    context: str
    start: int
    end: int
    duplicates: list[str] = Field(description="Documents that say the same.")


class HitsBody(Body):
    """Passages, best first."""

    query: str
    hits: list[HitBody]
    timestamp: datetime
    index_version: str


class SectionBody(Body):
    """A stretch of a document."""

    start: int
    end: int
    role: str
    label: str
    author: str
    time: datetime | None
    anchor: str
    level: int


class DocumentBody(Body):
    """A document as it is searched."""

    document: str
    title: str
    url: str
    source: str
    source_type: str
    container: str
    kind: DocumentKind
    authors: list[str]
    created_at: datetime | None
    updated_at: datetime | None
    language: str
    state: str
    text: str
    sections: list[SectionBody]


class ContainerBody(Body):
    """A channel, project, space or folder, counted in parts. Whole: expected is the sum of the other four."""

    container: str
    name: str
    expected: int | None
    searchable: int
    filtered: dict[str, int]
    failed: dict[str, int]
    pending: int
    gap: str
    seen_at: datetime | None
    whole: bool


class SourceCoverageBody(Body):
    """What exists in a source and what became of it. `expected` null: a container could not say."""

    expected: int | None
    searchable: int
    filtered: int
    failed: int
    pending: int
    whole: bool
    containers: list[ContainerBody]


class DirectoryBody(Body):
    """How much is known of who may read what in a source."""

    source: str
    people: int
    memberships: int
    read_at: datetime | None
    tried_at: datetime
    error: str
    stale: bool = Field(description="Too old: it grants nothing.")


class SourceBody(Body):
    """A source. The last four are for administrators, and null for others."""

    source: str
    source_type: str
    documents: int
    read_at: datetime | None
    problem: str
    coverage: SourceCoverageBody | None
    paused: bool | None
    next_sync_at: datetime | None
    directory: DirectoryBody | None


class SourcesBody(Body):
    """What you may read, by source."""

    sources: dict[str, int]
    total_documents: int
    details: list[SourceBody]
    timestamp: datetime


class MeBody(Body):
    """Who you are to the hub."""

    name: str
    scopes: list[Literal["read", "admin"]]
    mode: Literal["local", "key", "oidc", "public"]
    sign_in: str | None = Field(description="Where to sign in; null: not this way.")
    language_model: bool = Field(description="Answers are written by a language model.")
    version: str


class HealthBody(Body):
    """The server runs."""

    status: Literal["ok"]
    timestamp: datetime


class CheckBody(Body):
    """Something that the hub stands on."""

    name: str
    ok: bool


class ReadyBody(Body):
    """Whether questions can be answered."""

    status: Literal["ready", "not ready"]
    checks: list[CheckBody]
    timestamp: datetime


# ── for administrators ───────────────────────────────────────────────────────────────────────────────


class StartedBody(Body):
    """A sync that was asked for."""

    run: int | None = Field(description="Its number; null until it has begun: /api/runs will show it.")


class RunBody(Body):
    """One sync of one source."""

    id: int
    source: str
    what: str
    state: Literal["running", "ok", "incomplete", "failed"]
    started_at: datetime
    finished_at: datetime | None
    summary: str


class RunsBody(Body):
    """Newest first."""

    runs: list[RunBody]


class BatchBody(Body):
    """Documents that could not be processed, again and again."""

    id: str
    source: str
    sequence: int
    stage: str
    timestamp: datetime
    documents: int
    attempts: int
    error: str


class BatchesBody(Body):
    """What waits for somebody to look at it."""

    batches: list[BatchBody]


class ReprocessSent(Sent):
    """Which batches to try again."""

    source: Name | None = Field(None, description="Of this source; null: of all.", examples=[None])


class RevivedBody(Body):
    """How many batches the next sync tries again."""

    revived: int


class DirectoriesBody(Body):
    """What is known of people and memberships, by source."""

    directories: list[DirectoryBody]


class QueuedBody(Body):
    """It happens next."""

    queued: Literal[True] = True


class KeySent(Sent):
    """An API key to be made: it acts as a person (`email`), or holds just `principals`."""

    name: Name = Field(description="What it is for.", examples=["intranet search"])
    scopes: list[Literal["read", "admin"]] = Field(["read"], min_length=1, max_length=2)
    email: str = Field("", max_length=320, description="Whose permissions it has.", examples=["ana@example.com"])
    principals: Names = Field([], description="What it holds instead: `anyone`, `group:staff`.", examples=[[]])
    days: Annotated[int, Field(ge=1, le=3650), BeforeValidator(_whole)] | None = Field(
        90, description="Until it expires; null: it does not."
    )


class KeyBody(Body):
    """An API key, without its secret."""

    id: str
    name: str
    scopes: list[Literal["read", "admin"]]
    email: str
    principals: list[str]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None


class NewKeyBody(KeyBody):
    """A key that was just made."""

    secret: str = Field(description="The key itself. It is shown this once.")


class KeysBody(Body):
    """All API keys."""

    keys: list[KeyBody]


class OwnerBody(Body):
    """Somebody who writes about such things."""

    name: str
    documents: int


class GapBody(Body):
    """A question that nobody could answer, in several wordings."""

    question: str
    asked: int
    last_asked: datetime
    examples: list[str]
    owners: list[OwnerBody]


class GapsBody(Body):
    """What is not written down, most wanted first."""

    gaps: list[GapBody]


class AuditEntryBody(Body):
    """Who was shown what, and when."""

    at: datetime
    viewer: str
    action: str
    surface: str
    documents: list[str]


class AuditBody(Body):
    """Newest first."""

    entries: list[AuditEntryBody]


class LayerBody(Body):
    """One layer of a document's permissions."""

    passed: bool
    wanted: list[str]
    chain: list[str] = Field(description="From the principal that admits to one that the viewer holds.")
    ground: str


class VisibilityBody(Body):
    """Why somebody may read a document, or may not."""

    viewer: str
    document: str
    visible: bool
    layers: list[LayerBody]
    explained: list[str]
