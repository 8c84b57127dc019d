"""Sentences of the hits in the order in which they answer a question.

hits ──split──▶ sentences ──the likeliest few──▶ embedded ──cosine + words + its chunk──▶ ranked
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowhub.answering.candidates import Candidate
from knowhub.answering.conflict import passage
from knowhub.answering.lexical import Terms, bm25, rarity
from knowhub.answering.question import Question, folded, missing, states

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from knowhub.core.ports import Embedder


@dataclass(frozen=True, slots=True)
class Weights:
    """How a sentence is scored. Its own cosine counts 1.

    Fitted by conditional logistic regression on one half of MTRAG's conversations and checked on the other (which
    passage did people use?), then rounded towards what XQuAD needs (which sentence holds the answer?).
    `sentences_per_hit` are embedded, those that share most words with the question, and `sentences` in all.
    """

    lexical: float = 0.3
    chunk: float = 1.5
    rank: float = 0.15
    expected: float = 0.05
    empty: float = 0.5
    identifier: float = 0.5
    sentences_per_hit: int = 4
    sentences: int = 48


@dataclass(frozen=True, slots=True)
class Scored:
    candidate: Candidate
    vector: NDArray[np.float32]
    cosine: float
    score: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """Best first, with the rarity of each of the question's content terms among all sentences."""

    scored: tuple[Scored, ...]
    rarities: dict[str, float]


def ranked(
    asked: Question,
    found: Sequence[Candidate],
    *,
    embedder: Embedder,
    terms: Terms,
    weights: Weights,
    by_words: bool,
) -> Ranked:
    """`by_words`: the model cannot read the question, so that cosines only break ties."""
    words = [terms(candidate.read_text) for candidate in found]
    rarities = rarity(asked.terms, words)
    lexical = bm25(rarities, words)
    kept = _likeliest(found, lexical, weights)
    if not kept:
        return Ranked((), rarities)
    vectors = embedder.embed([found[i].read_text for i in kept], purpose="document")
    cosines = vectors @ embedder.embed([asked.text], purpose="query")[0]
    scored = []
    for row, i in enumerate(kept):
        cosine, candidate = float(cosines[row]), found[i]
        nearness = _by_words(lexical[i], cosine) if by_words else _nearness(candidate, lexical[i], cosine, weights)
        score = nearness + _adjustment(asked, candidate, words[i], weights)
        scored.append(Scored(candidate, vectors[row], cosine, score))
    return Ranked(tuple(sorted(scored, key=lambda each: -each.score)), rarities)


def _likeliest(found: Sequence[Candidate], lexical: Sequence[float], weights: Weights) -> list[int]:
    """Those worth embedding: of each hit the few that share most words with the question, best hits first."""
    order = sorted(range(len(found)), key=lambda i: (found[i].rank, -lexical[i]))
    seen: Counter[int] = Counter()
    beyond: dict[int, bool] = {}
    for i in order:
        beyond[i] = seen[found[i].rank] >= weights.sentences_per_hit
        seen[found[i].rank] += 1
    return sorted(order, key=lambda i: (beyond[i], lexical[i] == 0, found[i].rank))[: weights.sentences]


def _by_words(lexical: float, cosine: float) -> float:
    return lexical + 0.1 * cosine


def _nearness(candidate: Candidate, lexical: float, cosine: float, weights: Weights) -> float:
    """How near the sentence is, and how near the chunk that it stands in."""
    near = cosine + weights.lexical * lexical + weights.chunk * (candidate.hit.cosine or 0.0)
    return near + weights.rank / (1 + candidate.rank / 2)


def _adjustment(asked: Question, candidate: Candidate, words: Sequence[str], weights: Weights) -> float:
    """Questions and sentences that only repeat the question say nothing, however near they are."""
    score = 0.0
    if states(candidate.sentence.text, asked.expects):
        score += weights.expected
    if candidate.sentence.asks or not set(words) - set(asked.terms):
        score -= weights.empty
    if missing(asked.identifiers, folded(passage(candidate.hit))):
        score -= weights.identifier
    return score
