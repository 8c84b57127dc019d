"""A chunk's text to the sentences that can be quoted from it, with exact offsets.

    lines ──▶ blocks (prose, item, row, message, code; headings and questions lead) ──▶ sentences

A list item, a table row, a short message and a code block are quoted whole; prose sentence by sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from knowhub.answering.boundaries import MAX_CHARS, sentences, trimmed
from knowhub.core.types import DocumentKind

Role = Literal["prose", "item", "row", "message", "code", "heading"]

MESSAGE_CHARS = 240
"""A message this short is quoted whole: people write chat without full stops."""

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+")
_FENCE = re.compile(r"\s*(```|~~~)")
_RULE = re.compile(r"\s*(?:[-=*_][ \t]*){3,}$|\s*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*$|\s*<!--.*")
_ROW = re.compile(r"\s*\|.*\|\s*$|\s*[^:;\n]{1,60}: [^;\n]*;\s[^:;\n]{1,60}: ")
_ITEM = re.compile(r"\s*(?:[-*+•・]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_QUOTED = re.compile(r"\s*(?:>[ \t]?)+")
_PAIR = re.compile(r"[*_]{0,2}\w[^:.!?。！？\n]{0,40}[:：][*_]{0,2}\s\S")
_SPEAKER = re.compile(
    r"\s*(?:\[[^\]\n]{4,40}\]\s*)?[*_]{0,2}(?P<who>@?\w[^\n:：*_\[\]()]{0,60}?)[*_]{0,2}"
    r"(?:\s*[(\[](?P<when>[^)\]\n]{4,40})[)\]])?\s*[:：][*_]{0,2}(?=\s|$)\s*"
)
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?:[^\n]*\n){1,60}?---[ \t]*(?:\n|$)")
_STAMP = re.compile(r"\d{4}-\d{2}-\d{2}[ T]\d{2}:\d{2}")
_DIFF = re.compile(r"diff --git |@@ |index [0-9a-f]{6,}|--- |\+\+\+ ")
_ASKS = re.compile(r"[?？][\"'”’)*_`]*$|ですか。?$|ますか。?$")
_WORDLIKE = re.compile(r"\w")


@dataclass(frozen=True, slots=True)
class Sentence:
    """`text[start:end]` of the chunk it was split from.

    `lead` is what it follows from: the nearest heading above, a table's header row, or a question just asked.
    `speaker` and `time` are a message's own.
    """

    text: str
    start: int
    end: int
    role: Role
    lead: str = ""
    speaker: str = ""
    follows_question: bool = False
    time: datetime | None = None

    @property
    def asks(self) -> bool:
        return _ASKS.search(self.text) is not None


@dataclass(slots=True)
class _Block:
    role: Role
    start: int
    end: int
    speaker: str = ""
    time: datetime | None = None
    open: bool = True


def split(text: str, kind: DocumentKind) -> list[Sentence]:
    """Sentences in order, none overlapping; headings are not among them, but lead what follows."""
    heading = question = ""
    found: list[Sentence] = []
    for block in _blocks(text, kind):
        if block.role == "heading":
            heading, question = _plain(text[block.start : block.end]), ""
            if kind != "change":  # where a heading is the commit's own summary
                continue
        for start, end in _quotable(text, block):
            lead = question or heading
            sentence = Sentence(
                text[start:end], start, end, block.role, lead, block.speaker, bool(question), block.time
            )
            found.append(sentence)
            question = sentence.text if sentence.asks else (question if block.role == "item" else "")
    return found


def _quotable(text: str, block: _Block) -> Iterator[tuple[int, int]]:
    start, end = trimmed(text, block.start, block.end)
    if not _WORDLIKE.search(text, start, end):
        return
    size = end - start
    if block.role == "code":
        yield from _pieces(text, start, end)
    elif (block.role == "message" and size <= MESSAGE_CHARS) or (block.role == "row" and size <= MAX_CHARS):
        yield start, end
    else:
        yield from (span for span in sentences(text, start, end) if _WORDLIKE.search(text, *span))


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Code by runs of lines, no longer than a quote may be where lines allow."""
    at = start
    while end - at > MAX_CHARS:
        stop = text.rfind("\n\n", at + 1, at + MAX_CHARS)
        stop = stop if stop > at else text.rfind("\n", at + 1, at + MAX_CHARS)
        stop = stop if stop > at else at + MAX_CHARS
        piece = trimmed(text, at, stop)
        if piece[0] < piece[1]:
            yield piece
        at = stop
    piece = trimmed(text, at, end)
    if piece[0] < piece[1]:
        yield piece


def _blocks(text: str, kind: DocumentKind) -> list[_Block]:
    if kind == "code":
        return [_Block("code", 0, len(text))]
    blocks: list[_Block] = []
    fenced = False
    at = match.end() if kind == "markdown" and (match := _FRONT_MATTER.match(text)) else 0
    for line in text[at:].splitlines(keepends=True):
        start, at = at, at + len(line)
        if _FENCE.match(line):
            fenced = not fenced
            _close(blocks)
        elif fenced or (kind == "change" and _in_diff(blocks, line)):
            _extend(blocks, _Block("code", start, at))
        else:
            _add_line(blocks, _Block("prose", start, at), line, kind)
    return blocks


def _in_diff(blocks: list[_Block], line: str) -> bool:
    return bool(_DIFF.match(line)) or bool(blocks and blocks[-1].open and blocks[-1].role == "code" and line.strip())


def _extend(blocks: list[_Block], block: _Block) -> None:
    if blocks and blocks[-1].open and blocks[-1].role == block.role:
        blocks[-1].end = block.end
    else:
        blocks.append(block)


def _close(blocks: list[_Block]) -> None:
    if blocks:
        blocks[-1].open = False


def _add_line(blocks: list[_Block], block: _Block, line: str, kind: DocumentKind) -> None:
    """Give the line to the block it continues, or begin a block with it."""
    if not line.strip():
        if not (kind == "conversation" and blocks and blocks[-1].role == "message"):
            _close(blocks)
    elif _RULE.match(line.rstrip("\r\n")):
        _underline(blocks)
    elif match := _HEADING.match(line):
        blocks.append(_Block("heading", block.start + match.end(), block.end, open=False))
    elif _ROW.match(line):
        blocks.append(_Block("row", block.start, block.end, open=False))
    elif kind == "conversation" and (match := _SPEAKER.match(line)):
        said_at = block.start + match.end()
        blocks.append(_Block("message", said_at, block.end, match["who"].strip(), _moment(match["when"])))
    elif kind == "table":
        blocks.append(_Block("row", block.start, block.end, open=False))
    elif match := _ITEM.match(line):
        blocks.append(_Block("item", block.start + match.end(), block.end))
    elif blocks and blocks[-1].open and blocks[-1].role in ("prose", "item", "message") and not _breaks(blocks, line):
        blocks[-1].end = block.end
    else:
        quoted = _QUOTED.match(line)
        blocks.append(_Block("prose", block.start + (quoted.end() if quoted else 0), block.end))


def _moment(stamp: str | None) -> datetime | None:
    found = _STAMP.match(stamp or "")
    try:
        return datetime.fromisoformat(found.group()).replace(tzinfo=UTC) if found else None
    except ValueError:
        return None


def _underline(blocks: list[_Block]) -> None:
    """A rule under a line makes it a heading (setext, or a table's header row); elsewhere it only separates."""
    if blocks and (blocks[-1].role == "row" or (blocks[-1].open and blocks[-1].role == "prose")):
        blocks[-1].role = "heading"
    _close(blocks)


def _breaks(blocks: list[_Block], line: str) -> bool:
    """A line inside a paragraph that stands for itself: a `Name: value` pair, a quotation, after a short line."""
    if blocks[-1].role == "message":
        return False
    return bool(_PAIR.match(line) or _QUOTED.match(line))


def _plain(heading: str) -> str:
    return heading.strip().strip("#|").strip()
