"""What the hub returns, as bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from knowhub.core.ports import ContainerCoverage, DirectoryState
from knowhub.core.types import (
    Answer,
    Citation,
    ContainerId,
    Document,
    Filters,
    Hit,
    SearchMode,
    SourceName,
    Turn,
)
from knowhub.entrypoints.rest.bodies import (
    AnswerBody,
    CitationBody,
    ClaimBody,
    ContainerBody,
    CoverageBody,
    DirectoryBody,
    DocumentBody,
    HitBody,
    HitsBody,
    Narrowed,
    QuerySent,
    SearchSent,
    SectionBody,
    SourceBody,
    SourceCoverageBody,
    SourcesBody,
)
from knowhub.wiring.reporting import SourceOverview
from knowhub.wiring.settings import Settings

_BEST_FUSED = 1.5
"""What a chunk scores that is first by words and by meaning; see `index.fusion`."""
_USUAL_BM25 = 8.0
Types = Mapping[SourceName, str]


def now() -> datetime:
    return datetime.now(UTC)


def source_types(settings: Settings) -> Types:
    return {SourceName(name): str(table.get("type", "")) for name, table in settings.sources.items()}


# ── what was sent ────────────────────────────────────────────────────────────────────────────────────


def filters_of(sent: Narrowed) -> Filters:
    return Filters(
        sources=tuple(SourceName(name) for name in sent.source_filter),
        kinds=tuple(sent.kinds),
        containers=tuple(ContainerId(name) for name in sent.containers),
        authors=tuple(sent.authors),
        since=sent.since,
        until=sent.until,
    )


def turns_of(sent: QuerySent) -> tuple[Turn, ...]:
    return tuple(Turn(turn.question, turn.answer) for turn in sent.conversation)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Seen:
    """What is the same for all that one request shows: types of sources, and the version that was searched."""

    types: Types
    version: str


def answer_body(answer: Answer, seen: Seen) -> AnswerBody:
    types = seen.types
    return AnswerBody(
        id=answer.id,
        query=answer.question,
        answer=answer.text,
        found=answer.found,
        sources=citation_bodies(answer.citations, types),
        elsewhere=citation_bodies(answer.elsewhere, types),
        nearest=[_nearest(hit, types) for hit in answer.nearest],
        claims=[
            ClaimBody(text=claim.text, citations=list(claim.citations), doubt=claim.doubt) for claim in answer.claims
        ],
        conflict=answer.conflict,
        confidence=answer.confidence,
        searched=answer.searched,
        notice=answer.notice,
        coverage=[
            CoverageBody(
                source=state.source,
                source_type=types.get(state.source, ""),
                read_at=state.read_at,
                problem=state.problem,
            )
            for state in answer.sources
        ],
        generated=bool(answer.claims),
        timestamp=now(),
        index_version=seen.version,
    )


def citation_bodies(citations: Iterable[Citation], types: Types) -> list[CitationBody]:
    return [
        CitationBody(
            number=one.number,
            document=one.document,
            title=one.title,
            url=one.link,
            source=one.source,
            source_type=types.get(one.source, ""),
            relevance_score=relevance(one.score, "hybrid"),
            snippet=one.quote,
            start=one.start,
            end=one.end,
            author=one.author,
            time=one.time,
            kind=one.kind,
        )
        for one in citations
    ]


def _nearest(hit: Hit, types: Types) -> CitationBody:
    chunk = hit.chunk
    return CitationBody(
        number=0,
        document=chunk.document,
        title=hit.title,
        url=hit.link,
        source=hit.source,
        source_type=types.get(hit.source, ""),
        relevance_score=relevance(hit.score, "hybrid"),
        snippet=chunk.text,
        start=chunk.start,
        end=chunk.end,
        author=chunk.author,
        time=chunk.time,
        kind=hit.kind,
    )


def relevance(score: float, mode: SearchMode) -> float:
    """A hit's score between 0 and 1, in the same order."""
    share = {"hybrid": score / _BEST_FUSED, "vector": score, "lexical": score / (abs(score) + _USUAL_BM25)}[mode]
    return round(min(1.0, max(0.0, share)), 4)


def hits_body(
    sent: SearchSent, hits: Sequence[Hit], seen: Seen, containers: Mapping[tuple[SourceName, ContainerId], str]
) -> HitsBody:
    return HitsBody(
        query=sent.query,
        hits=[_hit(hit, sent.mode, seen.types, containers) for hit in hits],
        timestamp=now(),
        index_version=seen.version,
    )


def _hit(hit: Hit, mode: SearchMode, types: Types, containers: Mapping[tuple[SourceName, ContainerId], str]) -> HitBody:
    chunk = hit.chunk
    return HitBody(
        document=chunk.document,
        ordinal=chunk.ordinal,
        title=hit.title,
        url=hit.link,
        source=hit.source,
        source_type=types.get(hit.source, ""),
        kind=hit.kind,
        container=hit.container,
        container_name=containers.get((hit.source, hit.container), ""),
        authors=list(hit.authors),
        author=chunk.author,
        time=chunk.time,
        updated_at=hit.updated_at,
        relevance_score=relevance(hit.score, mode),
        text=chunk.text,
        context=chunk.context,
        start=chunk.start,
        end=chunk.end,
        duplicates=list(hit.duplicates),
    )


# ── documents and sources ────────────────────────────────────────────────────────────────────────────


def document_body(document: Document, types: Types) -> DocumentBody:
    return DocumentBody(
        document=document.id,
        title=document.title,
        url=document.url,
        source=document.source,
        source_type=types.get(document.source, ""),
        container=document.container,
        kind=document.kind,
        authors=list(document.authors),
        created_at=document.created_at,
        updated_at=document.updated_at,
        language=document.language,
        state=document.state,
        text=document.text,
        sections=[
            SectionBody(
                start=one.start,
                end=one.end,
                role=one.role,
                label=one.label,
                author=one.author,
                time=one.time,
                anchor=one.anchor,
                level=one.level,
            )
            for one in document.sections
        ],
    )


NextSync = Callable[[SourceName], datetime | None]


def sources_body(overviews: Sequence[SourceOverview], next_sync_at: NextSync | None) -> SourcesBody:
    """`next_sync_at` is for administrators, as is what it stands beside; None for all others."""
    counts = {str(one.source): one.documents for one in overviews}
    return SourcesBody(
        sources=counts,
        total_documents=sum(counts.values()),
        details=[_source(one, next_sync_at) for one in overviews],
        timestamp=now(),
    )


def _source(one: SourceOverview, next_sync_at: NextSync | None) -> SourceBody:
    admin = next_sync_at is not None
    return SourceBody(
        source=one.source,
        source_type=one.type,
        documents=one.documents,
        read_at=one.state.read_at,
        problem=one.state.problem,
        coverage=_coverage(one.status.coverage) if admin and one.status else None,
        paused=one.paused if admin else None,
        next_sync_at=next_sync_at(one.source) if next_sync_at and not one.paused else None,
        directory=directory_body(one.directory, one.directory_is_stale) if admin and one.directory else None,
    )


def _coverage(rows: Sequence[ContainerCoverage]) -> SourceCoverageBody:
    expected = [row.expected for row in rows]
    return SourceCoverageBody(
        expected=None if None in expected else sum(count or 0 for count in expected),
        searchable=sum(row.searchable for row in rows),
        filtered=sum(sum(row.filtered.values()) for row in rows),
        failed=sum(sum(row.failed.values()) for row in rows),
        pending=sum(row.pending for row in rows),
        whole=all(row.whole for row in rows),
        containers=[_container(row) for row in rows],
    )


def _container(row: ContainerCoverage) -> ContainerBody:
    return ContainerBody(
        container=row.container,
        name=row.name,
        expected=row.expected,
        searchable=row.searchable,
        filtered=dict(row.filtered),
        failed=dict(row.failed),
        pending=row.pending,
        gap=row.gap,
        seen_at=row.seen_at,
        whole=row.whole,
    )


def directory_body(state: DirectoryState, stale: bool) -> DirectoryBody:
    return DirectoryBody(
        source=state.source,
        people=state.people,
        memberships=state.memberships,
        read_at=state.read_at,
        tried_at=state.tried_at,
        error=state.error,
        stale=stale,
    )
