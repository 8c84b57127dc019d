"""When two sentences from different places say different things of one subject, and which of them leads.

They must speak of the same thing (shared content words, no name that only one has against one that only the other
has), state a value of the same kind and unit, and disagree in it; or one must deny what the other affirms.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from textwrap import shorten

from knowhub.answering.candidates import Candidate
from knowhub.answering.facts import Facts, facts, negated
from knowhub.answering.lexical import Terms
from knowhub.answering.question import content_terms, folded, names_in
from knowhub.answering.vocabulary import BOUNDS, CHANGES, CHANGES_WIDE, CURRENCIES, MONTHS, WEEKDAYS
from knowhub.core.types import Hit

MIN_COSINE, MIN_COSINE_UNMARKED = 0.5, 0.7
"""Between the sentences, where the newer says that something changes and where it does not."""
MIN_COSINE_DENIAL = 0.6
_WORD = re.compile(r"\w+")
_CALENDAR = frozenset({*MONTHS, *WEEKDAYS, *CURRENCIES, "i", "ok"})
_SAME_MOMENT = timedelta(seconds=1)
_CHANNEL = re.compile(r"#[^\s:,]+")
_NAME_CHARS = 60


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence as far as it can be contradicted. `words` are its content terms with its heading's and title's,
    `passage` all of its chunk, folded. `authority` orders those that dates cannot: what is kept is above talk."""

    text: str
    words: frozenset[str]
    names: frozenset[str]
    passage: str
    time: datetime | None
    place: str
    author: str = ""
    authority: int = 0

    @property
    def facts(self) -> Facts:
        return facts(self.text)


def stated(candidate: Candidate, terms: Terms) -> Statement:
    """What a sentence says, by whom and where. A message speaks for itself: its thread's title is the first one's."""
    hit, text = candidate.hit, candidate.sentence.text
    is_message = candidate.sentence.role == "message"
    about = text if is_message else f"{hit.title}\n{hit.chunk.context}\n{candidate.sentence.lead}\n{text}"
    return Statement(
        text=text,
        words=frozenset(content_terms(about, terms)),
        names=names_in(text),
        passage=folded(passage(hit)),
        time=candidate.time,
        place=_place(hit),
        author=shorten(candidate.author, _NAME_CHARS, placeholder="…"),
        authority=int(hit.kind != "conversation"),
    )


def passage(hit: Hit) -> str:
    """All that a reader of the hit sees of it."""
    return "\n".join((hit.title, hit.chunk.embedded_text, hit.chunk.author, *hit.authors, str(hit.container)))


def leads(one: Statement, other: Statement) -> bool:
    """Whether `one` is newer or, where their dates cannot tell, of more authority."""
    if one.time and other.time and abs(one.time - other.time) >= _SAME_MOMENT:
        return one.time > other.time
    return one.authority > other.authority


def contradict(newer: Statement, older: Statement, *, asked: Collection[str], cosine: float) -> bool:
    """Whether `newer` overrides `older` on what was `asked` (the question's content terms).

    `cosine` is between the two sentences. What does not lead overrides nothing.
    """
    if not leads(newer, older):
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
    if not newer.time or not older.time or newer.time - older.time < _SAME_MOMENT:
        return f"Two sources differ: {_source(newer, '%Y-%m-%d')} and {_source(older, '%Y-%m-%d')}; talk comes second"
    style = "%Y-%m-%d" if newer.time.date() != older.time.date() else "%Y-%m-%d %H:%M"
    return f"A newer source ({_source(newer, style)}) differs from an older one ({_source(older, style)})"


def _source(statement: Statement, style: str) -> str:
    """When, where and by whom, as far as it is known."""
    when = statement.time.strftime(style) if statement.time else "undated"
    return ", ".join((when, statement.place, *([f"by {statement.author}"] if statement.author else [])))


def _place(hit: Hit) -> str:
    """What people call it: a chat's channel, a page's title."""
    title = hit.title or str(hit.container)
    channel = _CHANNEL.match(title) if hit.kind == "conversation" else None
    return channel.group() if channel else shorten(title, _NAME_CHARS, placeholder="…")


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
