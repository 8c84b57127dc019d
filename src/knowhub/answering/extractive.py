"""Answers without a language model: the best sentence of each of the best passages, verbatim.

    hits ──▶ sentences, ranked ──sure enough?──▶ up to three quotes, each of another passage
                                     └─no──────▶ "not found" with the nearest

Nothing is generated: every quote is a slice of a document.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from knowhub.answering.candidates import Candidate, candidates
from knowhub.answering.conflict import Statement, contradict, describe, leads, passage, stated
from knowhub.answering.evidence import REFUSED, confidence, covered
from knowhub.answering.lexical import Terms, weighted
from knowhub.answering.question import Question, folded, is_small_talk, missing, understand
from knowhub.answering.quoting import as_markdown
from knowhub.answering.ranking import Ranked, Scored, Weights, ranked
from knowhub.core.types import Answer, AnswerEvent, Citation, Delta, Done, Hit, Retrieved

if TYPE_CHECKING:
    from knowhub.core.ports import Embedder, Neighbours

_WIDENED = 2
_SAME = 0.9
"""Two sentences with a higher cosine say one thing."""


@dataclass(frozen=True, slots=True)
class ExtractiveOptions:
    """What is quoted and when the answer is "not found".

    A further quote scores at most `within` less than the first (`within_by_words` where words alone are compared).
    `reads_cjk` True: the model understands Japanese, Chinese and Korean, which are otherwise judged by words.
    `min_cosine` is for what the model does read.
    """

    weights: Weights = field(default_factory=Weights)
    min_cosine: float = 0.35
    min_confidence: float = 0.5
    within: float = 0.5
    within_by_words: float = 0.3
    quotes: int = 3
    max_hits: int = 20
    nearest: int = 3
    elsewhere: int = 3
    reads_cjk: bool = False


class ExtractiveAnswerer:
    """Answers from hits alone. `terms` is how the index reads words."""

    def __init__(self, embedder: Embedder, options: ExtractiveOptions | None = None, *, terms: Terms) -> None:
        self._embedder = embedder
        self._options = options or ExtractiveOptions()
        self._terms = terms

    def stream(
        self, question: str, hits: Sequence[Hit], *, neighbours: Neighbours
    ) -> Generator[AnswerEvent, None, None]:
        """`Retrieved` with the quotes' places, one `Delta` a quote, `Done`; nothing is shown before all is chosen."""
        answer = self.answer(question, hits, neighbours=neighbours)
        yield Retrieved(answer.citations)
        yield from map(Delta, as_markdown(answer.conflict, answer.citations))
        yield Done(answer)

    def answer(self, question: str, hits: Sequence[Hit], *, neighbours: Neighbours | None = None) -> Answer:
        """Quotes from `hits` (best first), or `found` False and what came nearest; nothing at all for small talk.

        `neighbours` adds the chunks beside the best two hits. Costs one embedding of the question and one
        batch of at most `weights.sentences`. Raises what the embedder raises.
        """
        if is_small_talk(question):
            return Answer(question, found=False)
        asked = understand(question, self._terms)
        hits = hits[: self._options.max_hits]
        # A sheet's summary is this hub's own text, and no quote of anybody.
        quotable = [one for one in candidates(_widened(hits, neighbours)) if not one.is_overview]
        ranking = self._ranked(asked, quotable)
        sure = self._confidence(asked, ranking, hits)
        if not ranking.scored or sure < self._options.min_confidence:
            return Answer(question, found=False, nearest=_documents(hits, self._options.nearest), confidence=sure)
        return self._quoted(asked, ranking, sure)

    def _ranked(self, asked: Question, found: Sequence[Candidate]) -> Ranked:
        return ranked(
            asked,
            found,
            embedder=self._embedder,
            terms=self._terms,
            weights=self._options.weights,
            by_words=self._by_words(asked),
        )

    def _by_words(self, asked: Question) -> bool:
        return asked.cjk and not self._options.reads_cjk

    def _confidence(self, asked: Question, ranking: Ranked, hits: Sequence[Hit]) -> float:
        if not ranking.scored:
            return 0.0
        best = ranking.scored[0]
        quoted = passage(best.candidate.hit)
        same = [passage(hit) for hit in hits if hit.chunk.document == best.candidate.hit.chunk.document]
        demanded = {term: rarity for term, rarity in ranking.rarities.items() if term in asked.demanded}
        by_words = self._by_words(asked)
        sure = confidence(
            asked,
            cosine=None if by_words else best.cosine,
            coverage=covered(weighted(demanded), self._terms(quoted)),
            document="\n".join([quoted, *same]),
            everything="\n".join([quoted, *map(passage, hits)]),
        )
        by_name = bool(asked.identifiers) and not missing(asked.identifiers, folded(quoted))
        too_far = not by_words and not by_name and best.cosine < self._options.min_cosine
        return min(sure, REFUSED) if too_far or best.candidate.sentence.asks else sure

    # ── quote ────────────────────────────────────────────────────────────────────────────────────────

    def _quoted(self, asked: Question, ranking: Ranked, sure: float) -> Answer:
        close = self._close(asked, ranking)
        leading, conflict = self._leading(asked, close)
        quoted = [scored.candidate for scored in leading]
        citations = _numbered(quoted, 1)
        elsewhere = _other_documents(close, quoted)[: self._options.elsewhere]
        return Answer(
            asked.text,
            found=True,
            text="".join(as_markdown(conflict, citations)),
            citations=citations,
            conflict=conflict,
            confidence=sure,
            elsewhere=_numbered(elsewhere, len(quoted) + 1),
        )

    def _close(self, asked: Question, ranking: Ranked) -> list[Scored]:
        """The best, then those nearly as good that state something."""
        best = ranking.scored[0]
        within = self._options.within_by_words if self._by_words(asked) else self._options.within
        return [best] + [
            each
            for each in ranking.scored[1:]
            if each.score >= best.score - within and not each.candidate.sentence.asks
        ]

    def _leading(self, asked: Question, close: Sequence[Scored]) -> tuple[list[Scored], str]:
        """What to quote: of two that contradict the one that leads and the other, else the best of each passage."""
        best = close[0]
        statements = {id(each): stated(each.candidate, self._terms) for each in close}

        rivals = [each for each in close[1:] if _apart(best, each) and _contradict(asked, best, each, statements)]
        if not rivals:
            return self._of_each_passage(close), ""
        first = best
        for rival in rivals:
            first = rival if leads(statements[id(rival)], statements[id(first)]) else first
        second = rivals[0] if first is best else best
        return [first, second], describe(statements[id(first)], statements[id(second)])

    def _of_each_passage(self, close: Sequence[Scored]) -> list[Scored]:
        """The best sentence of each passage, none of which says again what was said."""
        chosen: list[Scored] = []
        for each in close:
            passages = {other.candidate.hit.chunk.id for other in chosen}
            repeats = any(float(other.vector @ each.vector) >= _SAME for other in chosen)
            if each.candidate.hit.chunk.id not in passages and not repeats:
                chosen.append(each)
        return chosen[: self._options.quotes]


def _contradict(asked: Question, a: Scored, b: Scored, statements: dict[int, Statement]) -> bool:
    one, other = statements[id(a)], statements[id(b)]
    newer, older = (one, other) if leads(one, other) else (other, one)
    return contradict(newer, older, asked=asked.terms, cosine=float(a.vector @ b.vector))


def _apart(a: Scored, b: Scored) -> bool:
    """From different documents, or from messages of different times."""
    if a.candidate.hit.chunk.document != b.candidate.hit.chunk.document:
        return True
    messages = a.candidate.sentence.role == b.candidate.sentence.role == "message"
    return messages and a.candidate.start != b.candidate.start


def _other_documents(close: Sequence[Scored], quoted: Sequence[Candidate]) -> list[Candidate]:
    """The best sentence of each document that is not quoted."""
    first: dict[str, Candidate] = {}
    for each in close:
        if not each.candidate.sentence.asks:
            first.setdefault(each.candidate.hit.chunk.document, each.candidate)
    documents = {candidate.hit.chunk.document for candidate in quoted}
    return [candidate for document, candidate in first.items() if document not in documents]


def _numbered(quoted: Sequence[Candidate], first: int) -> tuple[Citation, ...]:
    return tuple(candidate.cite(number) for number, candidate in enumerate(quoted, start=first))


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
