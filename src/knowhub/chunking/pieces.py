"""What every strategy works with: stretches of a document in, pieces of it out.

document.sections ──stretches()──▶ Stretch, Stretch, … ──a strategy──▶ Piece, Piece, …

A piece begins and ends with a character that is not white space, except that code keeps its indentation.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from knowhub.core.types import Document, Section

if TYPE_CHECKING:
    from semantic_text_splitter import MarkdownSplitter, TextSplitter

SEPARATOR = " › "


class Piece(NamedTuple):
    """A chunk before it has its text and its number."""

    start: int
    end: int
    context: str = ""
    anchor: str = ""
    author: str = ""
    time: datetime | None = None


class Stretch(NamedTuple):
    """A section with the text up to the next one, or (section None) the text before the first one."""

    start: int
    end: int
    section: Section | None


def stretches(document: Document, roles: Container[str]) -> list[Stretch]:
    """The whole text, cut where a section of these roles starts. Of sections that start together the last counts."""
    length = len(document.text)
    by_start = {min(max(s.start, 0), length): s for s in document.sections if s.role in roles}
    starts = sorted(by_start)
    if not starts:
        return [Stretch(0, length, None)]
    ends = [*starts[1:], length]
    found = [Stretch(start, end, by_start[start]) for start, end in zip(starts, ends, strict=True)]
    return [Stretch(0, starts[0], None), *found] if starts[0] else found


def is_blank(text: str, stretch: Stretch) -> bool:
    """Nothing to see: a chunk that began with it would have the wrong anchor."""
    start, end, _ = stretch
    return start == end or (text[start].isspace() and text[start:end].isspace())


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """The same span without white space at its ends; empty if there is nothing else."""
    part = text[start:end]
    kept = part.lstrip()
    start = end - len(kept)
    return start, start + len(kept.rstrip())


def trim_lines(text: str, start: int, end: int) -> tuple[int, int]:
    """Like `trim`, but the first line keeps its indentation, also if it stands before `start`."""
    first, last = trim(text, start, end)
    line = text.rfind("\n", 0, first) + 1
    indented = first < last and text[line:first].isspace()
    return (line if indented else first), last


def context_of(*parts: str, limit: int) -> str:
    """Parts on one line, from general to special; one that the next already begins with is left out."""
    kept: list[str] = []
    for part in parts:
        clean = " ".join(part.split())
        if kept and _begins_with(clean, kept[-1]):
            kept.pop()
        if clean:
            kept.append(clean)
    return shorten(SEPARATOR.join(kept), limit)


def _begins_with(path: str, head: str) -> bool:
    return path.startswith(head) and path[len(head) :].lstrip()[:1] in ("", "›", ">", "/")


def shorten(line: str, limit: int) -> str:
    """At most `limit` characters: its beginning and its end are what says most of a path."""
    if len(line) <= limit:
        return line
    head = (limit - 1) // 2
    return f"{line[:head]}…{line[head + 1 - limit :]}"


def split_prose(text: str, start: int, end: int, max_chars: int, *, overlap: int = 0) -> Iterator[tuple[int, int]]:
    """Spans of at most `max_chars`, cut between paragraphs, else lines, sentences, words, graphemes, characters.

    Fenced code is cut between its lines only where it is too long by itself. A short beginning (a heading)
    stays with what follows. The library's boundaries are those of Unicode Standard Annex 29.
    """
    start, end = trim(text, start, end)
    if end - start <= max_chars:
        if start < end:
            yield start, end
        return
    part = _encodable(text[start:end])
    cuts = _cuts(part, max_chars, overlap)
    lead = cuts[1][0] if len(cuts) > 1 else 0
    if 0 < lead <= max_chars // 5 and not overlap:
        cuts = [(offset + lead, size) for offset, size in _cuts(part[lead:], max_chars - lead, 0)]
        first, size = cuts[0]
        cuts[0] = (0, first + size)
    for offset, size in cuts:
        piece = trim(text, start + offset, start + offset + size)
        if piece[0] < piece[1]:
            yield piece


def _cuts(part: str, max_chars: int, overlap: int) -> list[tuple[int, int]]:
    # Parsing Markdown costs five times as much, and only keeps blank lines within a fence from being cut at.
    spaced = "```" in part and any("\n\n" in code for code in part.split("```")[1::2])
    splitter = _markdown_splitter(max_chars, overlap) if spaced else _text_splitter(max_chars, overlap)
    return [(offset, len(piece)) for offset, piece in splitter.chunk_indices(part)]


def _encodable(part: str) -> str:
    """Half a surrogate pair cannot be given to a library; a question mark takes its place, at its place."""
    try:
        part.encode()
    except UnicodeEncodeError:
        return part.encode(errors="replace").decode()
    return part


@lru_cache(maxsize=1024)
def _text_splitter(max_chars: int, overlap: int) -> TextSplitter:
    from semantic_text_splitter import TextSplitter

    return TextSplitter(max_chars, overlap=overlap)


@lru_cache(maxsize=1024)
def _markdown_splitter(max_chars: int, overlap: int) -> MarkdownSplitter:
    from semantic_text_splitter import MarkdownSplitter

    return MarkdownSplitter(max_chars, overlap=overlap)


def split_lines(text: str, start: int, end: int, max_chars: int, *, overlap: int = 0) -> Iterator[tuple[int, int]]:
    """Spans of at most `max_chars` with their indentation, cut between lines, a blank one if there is a late one.

    Every span but the first begins up to `overlap` characters, in whole lines, before the last one's end.
    A line that is longer is cut between words or, without any, between characters.
    """
    start, end = trim_lines(text, start, end)
    while end - start > max_chars:
        cut = _line_cut(text, start, start + max_chars)
        piece = trim_lines(text, start, cut)
        if piece[0] < piece[1]:
            yield max(piece[0], start), piece[1]
        start = _step_back(text, start, cut, end, max_chars, overlap)
    piece = trim_lines(text, start, end)
    if piece[0] < piece[1]:
        yield max(piece[0], start), piece[1]


def _line_cut(text: str, start: int, stop: int) -> int:
    blank = text.rfind("\n\n", start + (stop - start) // 2, stop)
    if blank > 0:
        return blank + 1
    line = text.rfind("\n", start, stop) + 1
    if line > start and not text[start:line].isspace():
        return line
    word = text.rfind(" ", start + (stop - start) // 2, stop) + 1
    return word or stop


def _step_back(text: str, start: int, cut: int, end: int, max_chars: int, overlap: int) -> int:
    if not overlap or text[cut - 1] != "\n":
        return cut
    back = text.find("\n", max(cut - overlap - 1, start), cut - 1) + 1
    # A next piece that would end where this one did says nothing new.
    if not back or (end - back > max_chars and text.find("\n", cut, back + max_chars) < 0):
        return cut
    return back
