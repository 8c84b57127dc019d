"""When two sentences from different places say different things of one subject, and which of them is newer.

They must speak of the same thing (shared content words, no name that only one has against one that only the other
has), state a value of the same kind and unit, and disagree in it; or one must deny what the other affirms.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from knowhub.answering.facts import Facts, facts, negated
from knowhub.answering.vocabulary import BOUNDS, CHANGES, CHANGES_WIDE, CURRENCIES, MONTHS, WEEKDAYS

MIN_COSINE, MIN_COSINE_UNMARKED = 0.5, 0.7
"""Between the sentences, where the newer says that something changes and where it does not."""
MIN_COSINE_DENIAL = 0.6
_WORD = re.compile(r"\w+")
_CALENDAR = frozenset({*MONTHS, *WEEKDAYS, *CURRENCIES, "i", "ok"})
_SAME_MOMENT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence as far as it can be contradicted. `words` are its content terms with its heading's and title's,
    `passage` all of its chunk, folded."""

    text: str
    words: frozenset[str]
    names: frozenset[str]
    passage: str
    time: datetime | None
    place: str

    @property
    def facts(self) -> Facts:
        return facts(self.text)


def contradict(newer: Statement, older: Statement, *, asked: Collection[str], cosine: float) -> bool:
    """Whether `newer` overrides `older` on what was `asked` (the question's content terms).

    `cosine` is between the two sentences. Statements of one moment, or without a time, override nothing.
    """
    if newer.time is None or older.time is None or newer.time - older.time < _SAME_MOMENT:
        return False
    marked = _marks_change(newer.text)
    if cosine < (MIN_COSINE if marked else MIN_COSINE_UNMARKED) and not negated(newer.text):
        return False
    if not _same_subject(newer, older, frozenset(asked), marked):
        return False
    if _values_differ(newer, older, marked):
        return True
    return cosine >= MIN_COSINE_DENIAL and negated(newer.text) != negated(older.text) and _alike(newer, older)


def describe(newer: Statement, older: Statement) -> str:
    """One sentence for people; times of day only where the dates are equal."""
    new, old = (f"{s.time:%Y-%m-%d}" if s.time else "undated" for s in (newer, older))
    if new == old:
        new, old = (f"{s.time:%Y-%m-%d %H:%M}" if s.time else "undated" for s in (newer, older))
    return f"A newer source ({new}, {newer.place}) differs from an older one ({old}, {older.place})"


def _same_subject(a: Statement, b: Statement, asked: Set[str], marked: bool) -> bool:
    """Half of what either takes up of the question is in both (more, unless a change is marked), and no two names."""
    shared, either = len(a.words & b.words & asked), len((a.words | b.words) & asked)
    if not shared or 2 * shared < either + (not marked):
        return False
    return not (_only(a, b) and _only(b, a))


def _only(a: Statement, b: Statement) -> list[str]:
    return [name for name in a.names - b.names if name not in b.passage and name not in _CALENDAR]


def _values_differ(newer: Statement, older: Statement, marked: bool) -> bool:
    """`marked`: the newer may repeat the old value, and a limit may replace a plain value."""
    if not marked and _bounded(newer.text) != _bounded(older.text):
        return False
    new, old = newer.facts, older.facts
    return any(new[key].isdisjoint(old[key]) or (marked and new[key] > old[key]) for key in new.keys() & old.keys())


def _marks_change(text: str) -> bool:
    return not CHANGES.isdisjoint(_words(text)) or any(mark in text for mark in CHANGES_WIDE)


def _bounded(text: str) -> bool:
    """Whether a value is a limit: `up to 5` does not contradict `25`."""
    return not BOUNDS.isdisjoint(_words(text)) or any(mark in text for mark in ("上限", "以内", "以下", "以上", "まで"))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _alike(a: Statement, b: Statement) -> bool:
    """Two shared content words, and half of the shorter statement's."""
    shared = len(a.words & b.words)
    return shared >= 2 and 2 * shared >= min(len(a.words), len(b.words))
