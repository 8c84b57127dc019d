"""Whether two of the places that an answer cites say different things, and which of them is newer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from knowhub.answering.candidates import candidates
from knowhub.answering.conflict import Statement, contradict, describe, leads, stated
from knowhub.answering.lexical import Terms
from knowhub.answering.passages import Excerpt
from knowhub.answering.question import content_terms

if TYPE_CHECKING:
    from knowhub.core.ports import Embedder

Span = tuple[int, int]
_MOST = 16
"""Cited places that are compared with one another."""


@dataclass(frozen=True, slots=True)
class Conflict:
    """`sentence` says it to people; `newer` and `older` are numbers of citations."""

    sentence: str
    newer: int
    older: int


@dataclass(frozen=True, slots=True)
class _Cited:
    number: int
    document: str
    span: Span
    statement: Statement


class Disagreement:
    """The extractive answer's rule for contradictions, over the places of a generated one."""

    def __init__(self, embedder: Embedder, *, terms: Terms) -> None:
        self._embedder = embedder
        self._terms = terms

    def find(self, question: str, cited: Sequence[tuple[Excerpt, Sequence[Span]]]) -> Conflict | None:
        """The first pair of cited places that contradict. Costs one batch of embeddings where there are two."""
        places = [place for excerpt, spans in cited for place in self._places(excerpt, spans)][:_MOST]
        if len(places) < 2:
            return None
        vectors = self._embedder.embed([place.statement.text for place in places], purpose="document")
        asked = content_terms(question, self._terms)
        for (i, a), (j, b) in combinations(enumerate(places), 2):
            newer, older = (a, b) if leads(a.statement, b.statement) else (b, a)
            apart = a.document != b.document or a.span != b.span
            cosine = float(vectors[i] @ vectors[j])
            if apart and contradict(newer.statement, older.statement, asked=asked, cosine=cosine):
                return Conflict(describe(newer.statement, older.statement), newer.number, older.number)
        return None

    def _places(self, excerpt: Excerpt, spans: Sequence[Span]) -> Iterator[_Cited]:
        hit = excerpt.passage.hit
        found = candidates([hit])
        for start, end in spans:
            sentence = next((each for each in found if each.start < end and start < each.end), None)
            if sentence is not None:
                yield _Cited(
                    excerpt.number, hit.chunk.document, (sentence.start, sentence.end), stated(sentence, self._terms)
                )
