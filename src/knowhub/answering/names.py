"""Names of a sentence that stand in no passage, or beside whose words another one stands."""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.answering.alignment import Alignment, share
from knowhub.answering.reading import Reading, Word

ALIASES = {
    "usa": "us",
    "america": "us",
    "american": "us",
    "americans": "us",
    "britain": "uk",
    "british": "uk",
    "tv": "television",
}
"""Names that people use for one another."""


def plain(word: str) -> str:
    """A name's one spelling: folded, without possessive and dots."""
    folded = word.casefold()
    folded = folded[:-2] if folded.endswith(("'s", "’s")) else folded
    return folded.replace(".", "").rstrip("'’-")


def stray_names(alignment: Alignment, *, initials: bool = True) -> Iterator[Word]:
    """Names that no passage holds, or only elsewhere, while beside the same words stands another.

    `initials`: a capitalised first word that seems to act is taken for one.
    """
    for word in alignment.sentence.words:
        if word.is_name or (word.is_initial and initials):
            own, rival = _name_places(alignment, word)
            stray = own < alignment.limits.name_alignment or rival > own + alignment.limits.name_margin
            if stray and not (word.is_name and _explains_itself(alignment.sentence, word)):
                yield word


def _name_places(alignment: Alignment, word: Word) -> tuple[float, float]:
    near = alignment.near(word.start)
    said = {plain(other.text) for other in alignment.sentence.words}
    short = _shortened(alignment.sentence, word)
    own = rival = -1.0
    for passage in alignment.passages:
        if any(_same_name(word, other) for other in passage.about.words):
            own = max(own, *(0.7 * share(near, window.held, 1.0) for window in alignment.windows), 0.0)
        for i, stretch in enumerate(passage.stretches):
            beside = alignment.beside(passage, i)
            for other in stretch.reading.words:
                if _same_name(word, other) or (short and plain(other.text) == short):
                    score = alignment.around(near, stretch.reading, other.start, beside)
                    own = max(own, score if other.text[:1].isupper() else 0.5 * score)
                elif other.is_name and plain(other.text) not in said:
                    rival = max(rival, alignment.around(near, stretch.reading, other.start, beside))
        if own < 0 and plain(word.text) in passage.acronyms:
            own = max(share(near, window.held, 0.5) for window in alignment.windows)
    return own, rival


def _shortened(sentence: Reading, word: Word) -> str:
    """`us` for either word of `United States`; "" where no names stand side by side."""
    first = last = word.at
    while first and sentence.words[first - 1].is_name:
        first -= 1
    while last + 1 < len(sentence.words) and sentence.words[last + 1].is_name:
        last += 1
    return "".join(other.text[0].casefold() for other in sentence.words[first : last + 1]) if last > first else ""


def _explains_itself(sentence: Reading, word: Word) -> bool:
    """An abbreviation in brackets behind the words that it is short for."""
    letters = plain(word.text)
    before = sentence.words[max(0, word.at - len(letters)) : word.at]
    return len(letters) > 1 and "".join(other.text[0].casefold() for other in before) == letters


def _same_name(word: Word, other: Word) -> bool:
    """Equal but for inflection: `Japan` and `Japanese`, `U.S.` and `US`, `Ana` and `Ana's`."""
    one, two = plain(word.text), plain(other.text)
    if one == two or ALIASES.get(one, one) == ALIASES.get(two, two):
        return True
    if not set(word.terms).isdisjoint(other.terms):
        return True
    short, long = sorted((one, two), key=len)
    return len(short) > 3 and long.startswith(short[: max(4, len(short) - 2)]) and len(long) - len(short) <= 4
