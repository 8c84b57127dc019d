"""Text that arrives in pieces to whole sentences, each as soon as it is known to have ended.

    "The limit is 150" "EUR. [1] Ask" " Ana." ──▶ "The limit is 150 EUR. [1]"   "Ask Ana."

A heading, a table row and a block of code come whole. What joins two sentences (white space, list markers) goes with
the second as its `lead`, so that leads and texts in order are what was fed, up to white space at the very end.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from knowhub.answering.boundaries import sentences

PieceRole = Literal["prose", "item", "heading", "row", "rule", "code"]

MARK = re.compile(r"[\[【]\d{1,4}(?:\s?[,;、]\s?\d{1,4})*[\]】](?![(:\[]?\()")
_MARKS_AFTER_END = re.compile(rf"(?<=[.!?…。！？｡\"”’)*_`])(?:\s?{MARK.pattern})+")
_UNFINISHED_MARK = re.compile(r"[\[【][\d\s,;、]*$")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")
_MARKER = re.compile(
    r"[ \t]*(?:>[ \t]?)*(?P<item>(?:[-*+•・]|(?P<number>\d{1,3})[.)])[ \t]+(?:\[[ xX]\][ \t]+)?)?"
    r"(?P<heading>#{1,6}[ \t]+)?"
)
_MAYBE_MARKER = re.compile(
    r"[ \t]*(?:>[ \t]?)*(?:[-*+•・]|\d{1,3}[.)]?|[`~]{1,2})?[ \t]*(?:\[[ xX]?\]?)?[ \t]*(?:#{1,6})?[ \t]*"
)
_RULERS = " \t-=*_:|"
"""A line that has nothing else so far may become a rule."""
_RULE = re.compile(r"[ \t]*(?:(?:[-=*_][ \t]*){3,}|\|?[ \t]*:?-{2,}:?[ \t]*(?:\|[ \t]*:?-*:?[ \t]*)*)$")
_COUNTED = re.compile(r"(?<!\S)(\d{1,2})\.$")
_BARE = re.compile(r"(?:yes|no|sí|correct|はい|いいえ)[.,!。！]*", re.IGNORECASE)
_NEXT_BLOCK = re.compile(r"\n[ \t]*(?=\n|$)|\n(?=[ \t]*(?:>|[-*+•・][ \t]|\d{1,3}[.)][ \t]|#{1,6}[ \t]|\||```|~~~))")


@dataclass(frozen=True, slots=True)
class Piece:
    """`text` without the white space and markers before it, which are `lead`."""

    lead: str
    text: str
    role: PieceRole


class Sentences:
    """Feed it; it gives what is complete. `close` gives the rest."""

    def __init__(self) -> None:
        self._waiting = ""
        self._lead = ""
        self._role: PieceRole | None = None
        self._counted = 0
        self._inline = 0
        self._in_table = False

    def feed(self, text: str) -> Iterator[Piece]:
        self._waiting += text
        return self._complete(last=False)

    def close(self) -> Iterator[Piece]:
        return self._complete(last=True)

    def _complete(self, last: bool) -> Iterator[Piece]:
        while self._waiting:
            found = self._in_block(last) if self._role else self._begin(last)
            if found is None:
                return
            yield from found

    # ── a line begins ────────────────────────────────────────────────────────────────────────────────

    def _begin(self, last: bool) -> list[Piece] | None:
        """Take white space, then decide by the line what it is; None: too little has come."""
        self._take_space()
        line, newline, _ = self._waiting.partition("\n")
        whole = bool(newline) or last
        if not line or (not whole and (_MAYBE_MARKER.fullmatch(line) or not line.strip(_RULERS))):
            return None
        if _FENCE.match(line):
            return self._fenced(last)
        if line.lstrip().startswith("|") or _RULE.match(line):
            return self._table_line(line, last) if whole else None
        self._in_table = False
        marker = _MARKER.match(line)
        assert marker is not None  # it matches the empty string
        if marker["number"] and not self._counts(int(marker["number"])):
            self._role = "prose"
            return []
        if marker["heading"]:
            return [self._marked(marker.end(), len(line), "heading")] if whole else None
        self._role = "item" if marker["item"] else "prose"
        self._shift(marker.end())
        return []

    def _table_line(self, line: str, last: bool) -> list[Piece] | None:
        """The first row of a table is its heading if a rule follows, which is waited for."""
        if _RULE.match(line):
            return [self._whole(len(line), "rule")]
        below, newline, _ = self._waiting[len(line) + 1 :].partition("\n")
        if not self._in_table and not newline and not last and not below.strip(_RULERS):
            return None
        heads = not self._in_table and _RULE.match(below) is not None and bool(below.strip())
        self._in_table = True
        return [self._whole(len(line), "heading" if heads else "row")]

    def _counts(self, number: int) -> bool:
        """A list's number begins at one or follows the last; any other is something said."""
        if number not in (1, self._counted + 1):
            return False
        self._counted = number
        return True

    def _take_space(self) -> None:
        stripped = self._waiting.lstrip("\n\r")
        blank = len(self._waiting) - len(stripped)
        self._shift(blank)

    def _shift(self, count: int) -> None:
        self._lead += self._waiting[:count]
        self._waiting = self._waiting[count:]

    def _whole(self, length: int, role: PieceRole) -> Piece:
        text, self._waiting = self._waiting[:length], self._waiting[length:]
        lead, self._lead = self._lead, ""
        return Piece(lead, text, role)

    def _marked(self, marker: int, length: int, role: PieceRole) -> Piece:
        self._shift(marker)
        return self._whole(length - marker, role)

    def _fenced(self, last: bool) -> list[Piece] | None:
        fence = _FENCE.match(self._waiting)
        assert fence is not None
        closing = re.compile(rf"\n[ \t]*{re.escape(fence[1])}[`~]*[ \t]*(?=\n|$)")
        end = closing.search(self._waiting, fence.end())
        if end is None or (not last and end.end() == len(self._waiting)):
            return [self._whole(len(self._waiting), "code")] if last else None
        return [self._whole(end.end(), "code")]

    # ── prose ────────────────────────────────────────────────────────────────────────────────────────

    def _in_block(self, last: bool) -> list[Piece] | None:
        """Sentences of the run that is being read; the last of them only when the run has ended."""
        block = _NEXT_BLOCK.search(self._waiting)
        if block and not last and not self._waiting[block.end() :].strip(" \t"):
            block = None if "\n" not in self._waiting[block.end() :] else block
        run = self._waiting[: block.start()] if block else self._waiting
        role = self._role or "prose"
        spans = _spans(run, self._inline)
        if not block and not last:
            spans = _settled(run, spans)
        elif not spans and not run.strip():
            self._shift(len(run))
        found = []
        at = 0
        for start, stop in spans:
            lead = run[at:start]
            number = re.search(r"\d+", lead)
            self._inline = int(number.group()) if number else self._inline
            found.append(Piece(self._lead + lead, run[start:stop], role))
            self._lead, at = "", stop
        self._waiting = self._waiting[at:]
        if block or last:
            self._role = None
            self._inline = 0
            return found if found or self._waiting else None
        return found or None


def _spans(run: str, counted: int) -> list[tuple[int, int]]:
    """Sentences with their marks. A list's number at the end of one (`first thing 2. Second thing`) belongs to none."""
    hidden = _MARKS_AFTER_END.sub(lambda match: " " * len(match.group()), run)
    spans = list(sentences(hidden, 0, len(run)))
    found: list[tuple[int, int]] = []
    begun: int | None = None
    for i, (start, end) in enumerate(spans):
        start = start if begun is None else begun
        begun = None
        following = spans[i + 1][0] if i + 1 < len(spans) else len(run)
        if i + 1 < len(spans) and _BARE.fullmatch(run[start:end]):
            begun = start
            continue
        stop = end + len(run[end:following].rstrip())
        number = _COUNTED.search(run[:stop], start)
        begins = number is not None and number[1] == "1" and run[: number.start()].rstrip().endswith((":", "："))
        if number and i + 1 < len(spans) and (begins or (counted and int(number[1]) == counted + 1)):
            counted = int(number[1])
            stop = start + len(run[start : number.start()].rstrip())
        if stop > start:
            found.append((start, stop))
    return found


def _settled(run: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Those after whose end something else has begun that cannot be one of their marks."""
    kept = [span for span in spans[:-1] if run[span[1] :].strip()]
    if kept and _UNFINISHED_MARK.match(run[kept[-1][1] :].lstrip()):
        kept.pop()
    return kept
