"""Whether a sentence denies what the passages do, and nothing that they affirm; and affirms nothing that they deny."""

from __future__ import annotations

from collections.abc import Sequence

from knowhub.answering.alignment import Alignment
from knowhub.answering.reading import Denial, Reading
from knowhub.answering.wording import Wording

_TOGETHER_CHARS = 60
_LEAST = 4
"""Words of a denial's clause that, repeated in a row without it, affirm what it denies."""


def stray_denial(alignment: Alignment) -> Denial | None:
    """A denial of the sentence that no passage makes of the same thing, or that a nearer place affirms."""
    for denial in alignment.sentence.denials:
        if denial.soft:
            continue
        near = alignment.near(denial.start)
        denies = affirms = -1.0
        for window in alignment.windows:
            reading = window.stretch.reading
            beside = window.held - window.exact
            meaning = alignment.limits.denial_cosine * max(0.0, window.cosine)
            for other in reading.denials:
                if _shares_focus(denial, other):
                    denies = max(denies, meaning + alignment.around(near, reading, other.start, beside))
            for place in _affirmed_places(reading, frozenset().union(*denial.focus[:2])):
                affirms = max(affirms, meaning + alignment.around(near, reading, place, beside))
        if denies < alignment.limits.denial_nearness or affirms > denies + alignment.limits.denial_margin:
            return denial
    return None


def _overlooked_by_words(alignment: Alignment) -> Denial | None:
    """A denial in a passage of what the sentence affirms, where no other place affirms it as well."""
    best = max(map(alignment.nearness, alignment.windows), default=0.0)
    for window in alignment.windows:
        if alignment.nearness(window) < best - alignment.limits.affirm_reach:
            continue
        reading = window.stretch.reading
        for denial in reading.denials:
            if denial.soft or not any(alignment.sentence.terms & word for word in denial.focus[:2]):
                continue
            around = _around(denial)
            said = _share_said(around, alignment.sentence.terms)
            if said < alignment.limits.affirm_nearness or _restates(alignment.sentence, denial, reading):
                continue
            focus = next(word for word in denial.focus if alignment.sentence.terms & word)
            least = alignment.nearness(window) - alignment.limits.affirm_margin
            near = (w for w in alignment.windows if alignment.nearness(w) >= least)
            if max((_affirmation(around, w.stretch.reading, focus) for w in near), default=0.0) < said:
                return denial
    return None


def _restates(sentence: Reading, denial: Denial, source: Reading) -> bool:
    """Whether a denial of the sentence is this one of the source's, rather than another."""
    for own in sentence.denials:
        if not _shares_focus(own, denial) or (own.soft and own.soft in {other.soft for other in source.denials}):
            continue
        hard = [other for other in source.denials if not other.soft]
        if max(hard, key=lambda other: _likeness(own, other), default=denial) is denial:
            return True
    return False


def _likeness(one: Denial, other: Denial) -> float:
    """How many words two denials have around them in common, in the same order or not."""
    after = sum(bool(a & b) / (1 + abs(i - j)) for i, a in enumerate(one.after) for j, b in enumerate(other.after))
    before = sum(bool(a & b) / (1 + abs(i - j)) for i, a in enumerate(one.before) for j, b in enumerate(other.before))
    return after + 0.7 * before


def _shares_focus(one: Denial, other: Denial) -> bool:
    return (
        _overlap(one.focus, (*other.after, *other.before[:2]))
        or _overlap(one.before[:1], other.after[:2])
        or (_overlap(one.before[:3], other.before[:3]) and (one.soft == "") == (other.soft == ""))
    )


def _overlap(one: Sequence[frozenset[str]], other: Sequence[frozenset[str]]) -> bool:
    return any(a & b for a in one for b in other)


def _affirmed_places(reading: Reading, wanted: frozenset[str]) -> list[int]:
    """Where the stretch says any of these outside of a denial."""
    return [
        word.start
        for word in reading.words
        if not wanted.isdisjoint(word.terms) and not any(word.at in other.scope for other in reading.denials)
    ]


def _around(denial: Denial) -> list[tuple[frozenset[str], float]]:
    """The words of a denial's clause, nearer ones weighing more."""
    after = [(word, 1 / (1 + i / 3)) for i, word in enumerate(denial.after)]
    return after + [(word, 0.7 / (1 + i / 2)) for i, word in enumerate(denial.before[:3])]


def _share_said(around: Sequence[tuple[frozenset[str], float]], terms: frozenset[str]) -> float:
    total = sum(weight for _, weight in around) or 1.0
    return sum(weight for word, weight in around if word & terms) / total


def _affirmation(around: Sequence[tuple[frozenset[str], float]], reading: Reading, focus: frozenset[str]) -> float:
    """The most of a denial's words that stand together in a stretch around its focus, undenied."""
    return max(
        (
            _share_said(
                around, frozenset(t for w in reading.words for t in w.terms if abs(w.start - place) <= _TOGETHER_CHARS)
            )
            for place in _affirmed_places(reading, focus)
        ),
        default=0.0,
    )


# ── word by word ─────────────────────────────────────────────────────────────────────────────────────


def overlooked_denial(alignment: Alignment) -> Denial | None:
    """A denial in a passage of what the sentence affirms, where no other place affirms it as well."""
    return _overlooked_by_words(alignment) or _left_out(alignment)


def _left_out(alignment: Alignment) -> Denial | None:
    """A denial whose very words the sentence repeats without it, more of them than any place affirms."""
    said = Wording(alignment.sentence)
    sources = [wording for passage in alignment.passages for wording in passage.wordings]
    for source in sources:
        for gap, denial in source.denied:
            if denial.soft:
                continue
            alike = said.affirms(source, gap)
            if alike >= _LEAST and max(other.affirms(source, gap) for other in sources) < alike:
                return denial
    return None
