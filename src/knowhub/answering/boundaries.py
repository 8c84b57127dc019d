"""Where a run of prose breaks into sentences: English, Spanish, and scripts that end them with 。！？.

A full stop inside a decimal, a version, a URL, an abbreviation or an initial does not end one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from knowhub.answering.vocabulary import ABBREVIATIONS, BEFORE_NUMBERS

MAX_CHARS = 600
"""Longer runs without an end (logs, minified text) are cut at a space, so that a quote stays a quote."""

_END = re.compile(r"(?P<wide>[。！？｡]+[」』）】〉》”’\"')\]]*)|(?P<narrow>[.!?…]+[\"'”’»)\]*_`]*)(?=\s|$)")
_LAST_WORD = re.compile(r"[^\s(\[\"'“‘«]*$")


def sentences(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Spans that together hold every character of `text[start:end]` that is not white space, in order."""
    at = start
    for stop in _stops(text, start, end):
        yield from _cut(text, at, stop)
        at = stop
    yield from _cut(text, at, end)


def _stops(text: str, start: int, end: int) -> Iterator[int]:
    at = start
    for match in _END.finditer(text, start, end):
        if match["wide"] or _ends_sentence(text, at, match, end):
            yield match.end()
            at = match.end()


def _ends_sentence(text: str, start: int, match: re.Match[str], end: int) -> bool:
    follows = text[match.end() : min(end, match.end() + 8)].lstrip()[:1]
    if not follows:
        return True
    if follows.islower():
        return False
    mark = match["narrow"]
    if mark[0] != ".":
        return True
    found = _LAST_WORD.search(text, max(start, match.start() - 24), match.start())
    word = found.group() if found else ""
    return not _abbreviates(word, follows)


def _abbreviates(word: str, follows: str) -> bool:
    bare = word.casefold().strip("*_`")
    if len(bare) == 1 and word.isalpha() and word.isupper() and follows.isalpha():
        return True
    if bare in BEFORE_NUMBERS:
        return follows.isdigit()
    return bare in ABBREVIATIONS


def _cut(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    start, end = trimmed(text, start, end)
    while end - start > MAX_CHARS:
        space = max(text.rfind(mark, start + MAX_CHARS // 2, start + MAX_CHARS) for mark in (" ", "\n", "、"))
        stop = space + 1 if space >= 0 else start + MAX_CHARS
        yield trimmed(text, start, stop)
        start, end = trimmed(text, stop, end)
    if start < end:
        yield start, end


def trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """The same span without white space at its ends."""
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end
