"""How well a sentence's words stand in the passages: as a whole, and around one word of it.

sentence + passages ──▶ a window a stretch ──▶ the few that cover the sentence ──▶ content
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from knowhub.answering.prepared import Prepared, Stretch
from knowhub.answering.reading import Reading

_SHORT_WORDS = 3


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Fitted by `bench/verification.py` on one half of the conversations."""

    coverage_weight: float = 1.0
    cosine_weight: float = 0.6
    content_bias: float = -0.6
    short_penalty: float = 0.15
    value_alignment: float = 0.12
    value_margin: float = 0.12
    name_alignment: float = 0.06
    name_margin: float = 0.25
    windows: int = 3
    denial_nearness: float = 0.2
    denial_margin: float = 0.1
    denial_cosine: float = 0.3
    affirm_nearness: float = 0.5
    affirm_margin: float = 0.2
    affirm_reach: float = 0.4


@dataclass(frozen=True)
class Window:
    """A stretch with its neighbours. `held` are the sentence's word numbers that stand in it."""

    passage: Prepared
    middle: int
    held: frozenset[int]
    exact: frozenset[int]
    cosine: float = 0.0

    @property
    def stretch(self) -> Stretch:
        return self.passage.stretches[self.middle]


@dataclass(frozen=True)
class Found:
    """How much of a sentence the best windows hold, and in which."""

    windows: tuple[Window, ...]
    coverage: float
    cosine: float


class Alignment:
    """One sentence beside prepared passages; what is looked up in them is looked up here."""

    def __init__(
        self,
        sentence: Reading,
        passages: Sequence[Prepared],
        limits: Thresholds,
        cosines: Callable[[Prepared], Sequence[float]] | None,
    ) -> None:
        self.sentence = sentence
        self.passages = passages
        self.limits = limits
        self.words = tuple(word for word in sentence.words if word.terms)
        self.windows = [window for passage in passages for window in self._of(passage, cosines)]

    @cached_property
    def known_terms(self) -> frozenset[str]:
        return frozenset().union(
            *(p.about.terms for p in self.passages), *(w.stretch.reading.terms for w in self.windows)
        )

    @cached_property
    def known_values(self) -> frozenset[tuple[str, str]]:
        return frozenset(value.key for window in self.windows for value in window.stretch.reading.values)

    def _of(self, passage: Prepared, cosines: Callable[[Prepared], Sequence[float]] | None) -> Iterator[Window]:
        near = cosines(passage) if cosines else [0.0] * len(passage.stretches)
        held = [self.held(stretch.reading.terms | stretch.lead) for stretch in passage.stretches]
        about = self.held(passage.about.terms)
        for i in range(len(passage.stretches)):
            around = frozenset().union(about, *held[max(0, i - 1) : i + 2])
            yield Window(passage, i, around, held[i], near[i])

    def held(self, terms: frozenset[str]) -> frozenset[int]:
        return frozenset(word.at for word in self.words if not terms.isdisjoint(word.terms))

    @cached_property
    def found(self) -> Found:
        """The best window, then those that add most."""
        chosen: list[Window] = []
        held: frozenset[int] = frozenset()
        total = len(self.words) or 1
        while len(chosen) < self.limits.windows and self.windows:
            best = max(
                self.windows,
                key=lambda w: (len(w.held - held) + 0.5 * len(w.exact - held)) / total + 0.5 * w.cosine * (not chosen),
            )
            if chosen and len(best.held - held) < max(1.0, 0.1 * total):
                break
            chosen.append(best)
            held |= best.held
        cosine = max((window.cosine for window in self.windows), default=0.0)
        return Found(tuple(chosen), len(held) / total, cosine)

    @property
    def content(self) -> float:
        limits, found = self.limits, self.found
        short = len(self.words) <= _SHORT_WORDS and found.coverage < 1
        weighed = limits.coverage_weight * found.coverage + limits.cosine_weight * found.cosine
        return limits.content_bias + weighed - short * limits.short_penalty

    def near(self, offset: int) -> dict[int, float]:
        at = self.sentence.word_at(offset)
        return {word.at: 1 / (1 + abs(word.at - at) / 4) for word in self.words if abs(word.at - at) > 0}

    def around(self, near: dict[int, float], reading: Reading, offset: int, beside: frozenset[int]) -> float:
        """The share of the sentence's nearby words that stand near `offset` of the stretch, nearer ones for more."""
        at = reading.word_at(offset)
        total = sum(near.values()) or 1.0
        score = 0.0
        for word in self.words:
            weight = near.get(word.at)
            if weight is None:
                continue
            places = [place for term in word.terms for place in reading.places.get(term, ())]
            if places:
                score += weight / (1 + min(abs(place - at) for place in places) / 10)
            elif word.at in beside:
                score += 0.4 * weight
        return score / total

    def beside(self, passage: Prepared, i: int) -> frozenset[int]:
        """The sentence's words that stand around stretch `i`, but for those in it."""
        around = passage.stretches[max(0, i - 1) : i] + passage.stretches[i + 1 : i + 2]
        terms = frozenset().union(passage.stretches[i].lead, *(stretch.reading.terms for stretch in around))
        return self.held(terms) | self.held(passage.about.terms)

    def nearness(self, window: Window) -> float:
        """How much of the sentence one stretch holds, by words and by meaning."""
        return len(window.exact) / (len(self.words) or 1) + 0.5 * window.cosine


def share(near: dict[int, float], held: frozenset[int], weight: float) -> float:
    total = sum(near.values()) or 1.0
    return weight * sum(near[at] for at in held if at in near) / total
