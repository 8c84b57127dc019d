from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.answering.passages import Excerpt, PassageLimits, gather
from knowhub.core.types import Chunk, Document, Hit, Place
from tests.answering.memory_index import chunks_of, document, hit

TEXT = "Alpha is first. Beta is second. Gamma is third. Delta is fourth. Epsilon is fifth."
CUTS = (16, 32, 48, 65)


def hits_of(owner: Document, *cuts: int) -> list[Hit]:
    return [hit(owner, chunk) for chunk in chunks_of(owner, *cuts)]


def gathered(found: Sequence[Hit], *owners: Sequence[Hit], **limits: int) -> tuple[Excerpt, ...]:
    every = {each[0].chunk.document: each for each in (owners or (found,))}
    return gather(found, lambda hit: every[hit.chunk.document], PassageLimits(**limits))


def texts(excerpts: Sequence[Excerpt]) -> list[str]:
    return [excerpt.passage.hit.chunk.text for excerpt in excerpts]


def test_a_hit_brings_the_chunks_beside_it() -> None:
    parts = hits_of(document("greek", TEXT), *CUTS)
    (excerpt,) = gathered([parts[2]], parts)
    assert excerpt.passage.hit.chunk.text == TEXT[16:65]
    assert (excerpt.number, excerpt.best) == (1, parts[2])


def test_hits_beside_one_another_become_one_passage_and_others_do_not() -> None:
    parts = hits_of(document("greek", TEXT), *CUTS)
    assert texts(gathered([parts[4], parts[0], parts[1]], parts, widened=0)) == [TEXT[65:], TEXT[:32]]


def test_a_thread_comes_as_whole_as_a_passage_may_be() -> None:
    parts = hits_of(document("thread", TEXT, kind="conversation"), *CUTS)
    assert texts(gathered([parts[2]], parts)) == [TEXT]
    assert texts(gathered([parts[2]], parts, passage_bytes=50)) == [TEXT[16:65]]


def test_overlapping_chunks_are_joined_without_repetition() -> None:
    owner = document("greek", TEXT)
    first, second = chunks_of(owner, 40)
    wider = replace(second, start=16, text=TEXT[16:])
    (excerpt,) = gathered([hit(owner, first), hit(owner, wider)])
    assert excerpt.passage.hit.chunk.text == TEXT


def test_a_chunk_inside_another_adds_nothing() -> None:
    owner = document("greek", TEXT)
    whole, inner = chunks_of(owner)[0], replace(chunks_of(owner, 16, 32)[1], ordinal=1)
    for excerpt in gathered([hit(owner, whole), hit(owner, inner)]):
        chunk = excerpt.passage.hit.chunk
        assert chunk.text == TEXT[chunk.start : chunk.end]


def test_passages_come_in_the_order_of_their_best_hits_within_the_budget() -> None:
    many = [hits_of(document(f"d{n}", f"Text number {n}. " * 10))[0] for n in range(9)]
    found = gathered(many, *[[each] for each in many], size_bytes=500)
    assert [excerpt.best for excerpt in found] == many[:3]
    assert [excerpt.number for excerpt in found] == [1, 2, 3]
    assert len(gathered(many, *[[each] for each in many], passages=2)) == 2


def test_a_neighbour_that_does_not_fit_is_left_out_rather_than_the_hit() -> None:
    parts = hits_of(document("greek", TEXT), *CUTS)
    assert texts(gathered([parts[2]], parts, size_bytes=20)) == [TEXT[32:48]]


def test_a_quote_knows_its_own_place_author_and_time() -> None:
    at = datetime(2026, 3, 1, tzinfo=UTC)
    owner = document("chat", TEXT, kind="conversation")
    first, second = chunks_of(owner, 32)
    second = replace(second, author="Ben", time=at, places=(Place(48, "#delta", "Dana", at),))
    (excerpt,) = gathered([hit(owner, first), hit(owner, second)])
    beta, gamma, delta = (excerpt.cite(*span) for span in ((16, 31), (32, 47), (48, 64)))
    assert [each.quote for each in (beta, gamma, delta)] == ["Beta is second.", "Gamma is third.", "Delta is fourth."]
    assert [each.link.rpartition("#")[2] for each in (beta, gamma, delta)] == ["part-0", "part-1", "delta"]
    assert [each.author for each in (beta, gamma, delta)] == ["", "Ben", "Dana"]
    assert (beta.time, gamma.time) == (owner.updated_at, at)


def test_a_quote_of_several_places_reaches_over_them_or_is_the_first() -> None:
    (excerpt,) = gathered(hits_of(document("greek", TEXT)))
    assert excerpt.quote([(32, 47), (0, 15)], 100).quote == TEXT[:47]
    assert excerpt.quote([(32, 47), (0, 15)], 20).quote == "Gamma is third."


@settings(deadline=None)
@given(
    cuts=st.lists(st.integers(1, len(TEXT) - 1), unique=True, max_size=6).map(sorted),
    gaps=st.lists(st.integers(0, 12), min_size=8, max_size=8),
    span=st.tuples(st.integers(0, len(TEXT) - 1), st.integers(1, 40)),
)
def test_whatever_is_cited_stands_in_the_document(cuts: list[int], gaps: list[int], span: tuple[int, int]) -> None:
    """Chunks with gaps and overlaps between them: a quote is never made of what was filled in."""
    owner = document("greek", TEXT, kind="conversation")
    parts = [
        hit(owner, _moved(chunk, gap - 6 if chunk.ordinal else 0))
        for chunk, gap in zip(chunks_of(owner, *cuts), gaps, strict=False)
    ]
    for excerpt in gathered(parts):
        chunk = excerpt.passage.hit.chunk
        assert len(chunk.text) == chunk.end - chunk.start
        start = chunk.start + span[0] % len(chunk.text)
        for citation in (excerpt.cite(start, min(chunk.end, start + span[1])), excerpt.preview(30)):
            assert citation.quote == TEXT[citation.start : citation.end]


def _moved(chunk: Chunk, by: int) -> Chunk:
    """The chunk beginning later, or earlier."""
    start = max(0, min(chunk.start + by, chunk.end - 1))
    return replace(chunk, start=start, text=TEXT[start : chunk.end])
