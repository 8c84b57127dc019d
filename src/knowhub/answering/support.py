"""Where in the retrieved passages a sentence stands, and what of it stands nowhere.

    passage ──split──▶ stretches ──words, values, denials──▶ windows ──▶ the few that cover the sentence ──▶ checks

A value or a name counts only where it stands beside the same words as in the sentence, not anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from knowhub.answering.alignment import Alignment, Thresholds, share
from knowhub.answering.denying import overlooked_denial, stray_denial
from knowhub.answering.names import stray_names
from knowhub.answering.prepared import Place, Prepared, Stretch, squashed
from knowhub.answering.reading import Denial, Reading, Word
from knowhub.answering.values import Value


class Support:
    """Checks one sentence against prepared passages."""

    def __init__(
        self,
        sentence: Reading,
        passages: Sequence[Prepared],
        limits: Thresholds,
        cosines: Callable[[Prepared], Sequence[float]] | None,
    ) -> None:
        self.sentence = sentence
        self._alignment = Alignment(sentence, passages, limits, cosines)
        self._value_places: list[Place] = []

    @property
    def content(self) -> float:
        """Below 0: too few of its words stand in the passages."""
        return self._alignment.content

    @property
    def known_terms(self) -> frozenset[str]:
        return self._alignment.known_terms

    @property
    def known_values(self) -> frozenset[tuple[str, str]]:
        return self._alignment.known_values

    def stray_names(self, *, initials: bool = True) -> Iterator[Word]:
        return stray_names(self._alignment, initials=initials)

    def stray_denial(self) -> Denial | None:
        return stray_denial(self._alignment)

    def overlooked_denial(self) -> Denial | None:
        return overlooked_denial(self._alignment)

    def places(self) -> tuple[Place, ...]:
        """Where the sentence stands, one place a passage, best first; after `stray_values`, its values' places too."""
        found: dict[int, Place] = {}
        for window in self._alignment.found.windows:
            stretch = window.stretch
            found.setdefault(window.passage.number, Place(window.passage.number, stretch.start, stretch.end))
        for place in self._value_places:
            if not any(place.number == number for number in found):
                found[place.number] = place
        return tuple(found.values())

    def stray_values(self) -> Iterator[Value]:
        """Values of the sentence that stand nowhere beside its words, or where another one stands."""
        said = {value.key for value in self._alignment.sentence.values}
        for value in self._alignment.sentence.values:
            near = self._alignment.near(value.start)
            own, rival = -1.0, -1.0
            place: Place | None = None
            for passage in self._alignment.passages:
                for found, score, stretch in self._occurrences(passage, near, value):
                    if value.same_as(found):
                        if score > own and stretch is not None:
                            place = Place(passage.number, stretch.start, stretch.end)
                        own = max(own, score)
                    elif found.key not in said and _comparable(value, found):
                        rival = max(rival, score)
            if own < self._alignment.limits.value_alignment or rival > own + self._alignment.limits.value_margin:
                yield value
            elif place is not None:
                self._value_places.append(place)

    def _occurrences(
        self, passage: Prepared, near: dict[int, float], value: Value
    ) -> Iterator[tuple[Value, float, Stretch | None]]:
        about = self._alignment.held(passage.about.terms)
        for found in passage.about.values:
            yield found, share(near, about, 0.7), None
        for i, stretch in enumerate(passage.stretches):
            if not stretch.reading.values:
                continue
            beside = self._alignment.beside(passage, i)
            for found in stretch.reading.values:
                if found.kind == value.kind:
                    yield found, self._alignment.around(near, stretch.reading, found.start, beside), stretch

    def stray_identifiers(self) -> Iterator[str]:
        for word in self._alignment.sentence.identifiers:
            if not any(f" {squashed(word.text)} " in f" {passage.folded} " for passage in self._alignment.passages):
                yield word.text

    def stray_quotations(self) -> Iterator[str]:
        for quotation in self._alignment.sentence.quotations:
            pieces = [squashed(piece) for piece in re.split(r"…|\.\.\.", quotation)]
            if not any(all(piece in passage.folded for piece in pieces) for passage in self._alignment.passages):
                yield quotation


def _comparable(value: Value, other: Value) -> bool:
    """Whether one may have been written for the other."""
    if value.kind != other.kind or value.key == other.key:
        return False
    if value.unit or other.unit:
        return value.unit == other.unit
    return _is_year(value) == _is_year(other)


def _is_year(value: Value) -> bool:
    return value.kind == "number" and value.amount.isdigit() and 1000 <= int(value.amount) <= 2100
