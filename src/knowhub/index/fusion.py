"""Lists of what matched, by words and by vectors, become one order; what says the same becomes one hit.

A chunk's hybrid score is the sum of
  * its BM25 and its cosine, each as a share of the best one and weighted (the part that measures best:
    Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2022),
  * its reciprocal ranks (Cormack, Clarke, Büttcher, "Reciprocal Rank Fusion", 2009), which hold where scores
    mislead,
  * a bounded part for the query's identifiers that it contains,
and is then raised by a few percent if it is recent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from knowhub.index.rows import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Ranking:
    """Weights of one fusion; the defaults were tuned on SciFact, MTRAG, QMSum and a commit-to-file set.

    `recency` is how much a chunk of this moment gains over a very old one; it halves every `half_life_days`.
    """

    words: float = 0.5
    vectors: float = 0.5
    names: float = 0.5
    ranks: float = 0.25
    ranks_k: int = 10
    recency: float = 0.03
    half_life_days: float = 180.0


@dataclass(frozen=True, slots=True)
class Matches:
    """Row to score, best first: BM25 of all words, BM25 of identifiers alone, cosine.

    `only_names` says that the query has no words but its identifiers.
    """

    words: Mapping[int, float] = field(default_factory=dict)
    names: Mapping[int, float] = field(default_factory=dict)
    vectors: Mapping[int, float] = field(default_factory=dict)
    cosines: Mapping[int, float] = field(default_factory=dict)
    only_names: bool = False


def fuse(matches: Matches, ranking: Ranking) -> dict[int, float]:
    """Score of each row that matched anything, best first; equal scores in order of row."""
    if not matches.words and not matches.names:
        return ordered(matches.vectors)
    if not matches.vectors:
        scores = {row: matches.names[row] for row in matches.names} | dict(matches.words)
        return ordered(_lifted(scores, matches))
    scores = dict.fromkeys([*matches.words, *matches.names, *matches.vectors], 0.0)
    _add_shares(scores, matches.words, ranking.words)
    _add_shares(scores, matches.cosines, ranking.vectors)
    _add_shares(scores, matches.names, ranking.names)
    _add_ranks(scores, matches.words, ranking)
    _add_ranks(scores, matches.vectors, ranking)
    return ordered(_lifted(scores, matches))


def ordered(scores: Mapping[int, float]) -> dict[int, float]:
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))


def recent(score: float, moment: datetime | None, now: datetime, ranking: Ranking) -> float:
    """The score with the recency prior: unchanged where no time is known, never above that of this moment."""
    if moment is None:
        return score
    age_days = max(0.0, (now - moment).total_seconds() / DAY_S)
    return float(score + abs(score) * ranking.recency * 0.5 ** (age_days / ranking.half_life_days))


def _add_shares(scores: dict[int, float], found: Mapping[int, float], weight: float) -> None:
    best = max(found.values(), default=0.0)
    if best <= 0:
        return
    for row, score in found.items():
        scores[row] += weight * max(0.0, score) / best


def _add_ranks(scores: dict[int, float], found: Mapping[int, float], ranking: Ranking) -> None:
    """Equal scores share the better place, so that the order of rows says nothing."""
    place, above = 0, None
    for index, (row, score) in enumerate(found.items()):
        if score != above:
            place, above = index, score
        scores[row] += ranking.ranks * (ranking.ranks_k + 1) / (ranking.ranks_k + place + 1)


def _lifted(scores: dict[int, float], matches: Matches) -> dict[int, float]:
    """Who asks for `PROJ-777` and nothing else wants what names it before what resembles it."""
    if not matches.only_names:
        return scores
    top = max(scores.values(), default=0.0)
    return {row: score + (top if row in matches.names else 0.0) for row, score in scores.items()}


# ── near-duplicates ──────────────────────────────────────────────────────────────────────────────────

_SAME_MEANING = 0.95
_DIFFERENT_WORDS = 0.05


@dataclass(frozen=True, slots=True)
class Text:
    """What is needed to tell whether two chunks say the same: `fingerprint` is equal for equal words."""

    content: str
    fingerprint: int


def same(texts: Sequence[Text], vectors: NDArray[np.float32]) -> list[int]:
    """For each text the index of the first one that says the same (its own if it is the first).

    Same are equal words, or vectors of cosine ≥ 0.95 over words of which at most one in twenty differs, none of
    them with a digit: a page on which one figure changed is another statement, not a copy.
    """
    import numpy as np

    close = (vectors @ vectors.T) >= _SAME_MEANING
    first: dict[int, int] = {}
    leaders: list[int] = []
    counted: dict[int, list[str]] = {}
    for index, text in enumerate(texts):
        leader = first.setdefault(text.fingerprint, index)
        if leader == index:
            near = (other for other in np.flatnonzero(close[index, :index]).tolist() if leaders[other] == other)
            leader = next((other for other in near if _near(texts, other, index, counted)), index)
            first[text.fingerprint] = leader
        leaders.append(leader)
    return leaders


def _near(texts: Sequence[Text], one: int, other: int, seen: dict[int, list[str]]) -> bool:
    from collections import Counter

    for index in (one, other):
        if index not in seen:
            seen[index] = words(texts[index].content)
    left, right = Counter(seen[one]), Counter(seen[other])
    differing = (left - right) + (right - left)
    if differing.total() > _DIFFERENT_WORDS * (left.total() + right.total()) / 2:
        return False
    return not any(character.isdigit() for word in differing for character in word)
