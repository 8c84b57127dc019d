"""Answers without a language model: the best one or two sentences over the best chunks, verbatim.

    hits ──split──▶ sentences ──cosine + BM25 + chunk──▶ ranked ──▶ quotes, or "not found" with the nearest

Nothing is generated: every quote is a slice of a document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from textwrap import shorten
from typing import TYPE_CHECKING

from knowhub.answering.candidates import Candidate, candidates
from knowhub.answering.conflict import Statement, contradict, describe
from knowhub.answering.evidence import REFUSED, confidence, covered
from knowhub.answering.lexical import Terms, bm25, rarity, weighted
from knowhub.answering.question import Question, content_terms, folded, missing, names_in, states, understand
from knowhub.core.types import Answer, Citation, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from knowhub.core.ports import Embedder

Neighbours = Callable[[Hit], Sequence[Hit]]
"""A hit to chunks of its document that the same viewer may read; only those directly beside it are used."""


_WIDENED = 2
_SAME = 0.9
"""Two sentences with a higher cosine say one thing."""
_CHANNEL = re.compile(r"#[^\s:,]+")
_PLACE_CHARS = 60
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ExtractiveOptions:
    """How sentences are scored and when the answer is "not found".

    Weights and the confidence curve were fitted on XQuAD. `reads_cjk` True: the model understands Japanese,
    Chinese and Korean, which are otherwise judged by words. `min_cosine` is for what the model does read.
    """

    lexical_weight: float = 0.3
    chunk_weight: float = 0.5
    expected_weight: float = 0.05
    empty_penalty: float = 0.5
    overview_penalty: float = 0.25
    identifier_penalty: float = 0.5
    min_cosine: float = 0.35
    min_confidence: float = 0.5
    second_within: float = 0.2
    rival_within: float = 0.3
    max_hits: int = 20
    max_sentences: int = 40
    nearest: int = 3
    elsewhere: int = 3
    reads_cjk: bool = False


@dataclass(frozen=True, slots=True)
class _Scored:
    candidate: Candidate
    vector: NDArray[np.float32]
    cosine: float
    score: float


@dataclass(frozen=True, slots=True)
class _Ranking:
    """Candidates, best first, with the rarity of each of the question's content terms among them."""

    scored: tuple[_Scored, ...]
    weights: dict[str, float]


class ExtractiveAnswerer:
    """Answers from hits alone. `terms` is how the index reads words."""

    def __init__(self, embedder: Embedder, options: ExtractiveOptions | None = None, *, terms: Terms) -> None:
        self._embedder = embedder
        self._options = options or ExtractiveOptions()
        self._terms = terms

    def answer(self, question: str, hits: Sequence[Hit], *, neighbours: Neighbours | None = None) -> Answer:
        """The best one or two quotes of `hits` (best first), or `found` False and what came nearest.

        `neighbours` adds the chunks beside the best two hits. Costs one embedding of the question and one
        batch of at most `max_sentences`. Raises what the embedder raises.
        """
        asked = understand(question, self._terms)
        hits = hits[: self._options.max_hits]
        ranking = self._rank(asked, candidates(_widened(hits, neighbours)))
        sure = self._confidence(asked, ranking, hits)
        if not ranking.scored or sure < self._options.min_confidence:
            return Answer(question, found=False, nearest=_documents(hits, self._options.nearest), confidence=sure)
        return self._quoted(asked, ranking, sure)

    # ── score ────────────────────────────────────────────────────────────────────────────────────────

    def _rank(self, asked: Question, found: Sequence[Candidate]) -> _Ranking:
        words = [self._terms(candidate.read_text) for candidate in found]
        weights = rarity(asked.terms, words)
        lexical = bm25(weights, words)
        kept = sorted(range(len(found)), key=lambda i: (lexical[i] == 0, found[i].rank, -lexical[i]))
        kept = kept[: self._options.max_sentences]
        if not kept:
            return _Ranking((), weights)
        vectors = self._embedder.embed([found[i].read_text for i in kept], purpose="document")
        cosines = vectors @ self._embedder.embed([asked.text], purpose="query")[0]
        scored = [
            _Scored(
                found[i],
                vectors[row],
                float(cosines[row]),
                self._score(asked, found[i], words[i], lexical[i], cosines[row]),
            )
            for row, i in enumerate(kept)
        ]
        return _Ranking(tuple(sorted(scored, key=lambda s: -s.score)), weights)

    def _score(
        self, asked: Question, candidate: Candidate, words: Sequence[str], lexical: float, cosine: float
    ) -> float:
        """Questions and sentences that only repeat the question say nothing, however near they are."""
        options = self._options
        if self._by_words(asked):
            score = lexical + 0.1 * cosine
        else:
            score = cosine + options.lexical_weight * lexical + options.chunk_weight * (candidate.hit.cosine or 0.0)
        if states(candidate.sentence.text, asked.expects):
            score += options.expected_weight
        if candidate.sentence.asks or not set(words) - set(asked.terms):
            score -= options.empty_penalty
        if candidate.is_overview:
            score -= options.overview_penalty
        if missing(asked.identifiers, folded(_passage(candidate.hit))):
            score -= options.identifier_penalty
        return float(score)

    def _by_words(self, asked: Question) -> bool:
        return asked.cjk and not self._options.reads_cjk

    def _confidence(self, asked: Question, ranking: _Ranking, hits: Sequence[Hit]) -> float:
        if not ranking.scored:
            return 0.0
        best = ranking.scored[0]
        passage = _passage(best.candidate.hit)
        same = [_passage(hit) for hit in hits if hit.chunk.document == best.candidate.hit.chunk.document]
        by_words = self._by_words(asked)
        sure = confidence(
            asked,
            cosine=None if by_words else best.cosine,
            coverage=covered(weighted(ranking.weights), self._terms(passage)),
            document="\n".join([passage, *same]),
            everything="\n".join([passage, *map(_passage, hits)]),
        )
        too_far = not by_words and best.cosine < self._options.min_cosine
        return min(sure, REFUSED) if too_far or best.candidate.sentence.asks else sure

    # ── quote ────────────────────────────────────────────────────────────────────────────────────────

    def _quoted(self, asked: Question, ranking: _Ranking, sure: float) -> Answer:
        leading, conflict = self._newest(asked, ranking)
        quoted = [scored.candidate for scored in leading]
        documents = {candidate.hit.chunk.document for candidate in quoted}
        elsewhere: list[Candidate] = []
        for scored in ranking.scored:
            candidate = scored.candidate
            close = scored.score >= ranking.scored[0].score - self._options.second_within
            if close and candidate.hit.chunk.document not in documents and not candidate.sentence.asks:
                documents.add(candidate.hit.chunk.document)
                elsewhere.append(candidate)
        return Answer(
            asked.text,
            found=True,
            citations=_numbered(quoted, 1),
            conflict=conflict,
            confidence=sure,
            elsewhere=_numbered(elsewhere[: self._options.elsewhere], len(quoted) + 1),
        )

    def _newest(self, asked: Question, ranking: _Ranking) -> tuple[list[_Scored], str]:
        """What to quote: the newer of two that contradict and the older, else the best and what adds to it."""
        best = ranking.scored[0]
        near = [
            s
            for s in ranking.scored[1:]
            if s.score >= best.score - self._options.rival_within
            and not (s.candidate.sentence.asks or s.candidate.is_overview)
        ]
        stated = {id(s): self._statement(s.candidate) for s in (best, *near)}
        rivals = [s for s in near if self._apart(best, s) and self._contradict(asked, best, s, stated)]
        if rivals:
            newest = max((best, *rivals), key=lambda s: s.candidate.time or _NEVER)
            older = best if newest is not best else rivals[0]
            return [newest, older], describe(stated[id(newest)], stated[id(older)])
        return [best, *self._second(best, near)], ""

    def _contradict(self, asked: Question, a: _Scored, b: _Scored, stated: dict[int, Statement]) -> bool:
        newer, older = sorted((a, b), key=lambda s: s.candidate.time or _NEVER, reverse=True)
        cosine = float(a.vector @ b.vector)
        return contradict(stated[id(newer)], stated[id(older)], asked=asked.terms, cosine=cosine)

    def _apart(self, a: _Scored, b: _Scored) -> bool:
        """From different documents, or from messages of different times."""
        if a.candidate.hit.chunk.document != b.candidate.hit.chunk.document:
            return True
        return (
            a.candidate.sentence.role == b.candidate.sentence.role == "message"
            and a.candidate.start != b.candidate.start
        )

    def _second(self, best: _Scored, near: Sequence[_Scored]) -> list[_Scored]:
        """The next best that does not say the same again."""
        least = best.score - self._options.second_within
        return [s for s in near if s.score >= least and float(best.vector @ s.vector) < _SAME][:1]

    def _statement(self, candidate: Candidate) -> Statement:
        hit = candidate.hit
        about = candidate.sentence.text
        if candidate.sentence.role != "message":
            about = f"{hit.title}\n{hit.chunk.context}\n{candidate.sentence.lead}\n{about}"
        return Statement(
            text=candidate.sentence.text,
            words=frozenset(content_terms(about, self._terms)),
            names=names_in(candidate.sentence.text),
            passage=folded(_passage(hit)),
            time=candidate.time,
            place=_place(hit),
        )


def _numbered(quoted: Sequence[Candidate], first: int) -> tuple[Citation, ...]:
    return tuple(candidate.cite(number) for number, candidate in enumerate(quoted, start=first))


def _passage(hit: Hit) -> str:
    """All that a reader of the hit sees of it."""
    return "\n".join((hit.title, hit.chunk.embedded_text, hit.chunk.author, *hit.authors, str(hit.container)))


def _place(hit: Hit) -> str:
    """What people call it: a chat's channel, a page's title."""
    title = hit.title or str(hit.container)
    channel = _CHANNEL.match(title) if hit.kind == "conversation" else None
    return channel.group() if channel else shorten(title, _PLACE_CHARS, placeholder="…")


def _widened(hits: Sequence[Hit], neighbours: Neighbours | None) -> list[Hit]:
    """The hits, then the chunks beside the best two that are not among them, scored as if next to their hit."""
    wide = list(hits)
    if neighbours is None:
        return wide
    seen = {hit.chunk.id for hit in hits}
    for hit in hits[:_WIDENED]:
        for beside in neighbours(hit):
            if abs(beside.chunk.ordinal - hit.chunk.ordinal) == 1 and beside.chunk.id not in seen:
                seen.add(beside.chunk.id)
                wide.append(beside if beside.cosine is not None else replace(beside, cosine=hit.cosine))
    return wide


def _documents(hits: Sequence[Hit], count: int) -> tuple[Hit, ...]:
    """The best hit of each document."""
    first: dict[str, Hit] = {}
    for hit in hits:
        first.setdefault(hit.chunk.document, hit)
    return tuple(first.values())[:count]
