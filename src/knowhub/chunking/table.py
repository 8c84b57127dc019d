"""Tables: what a sheet is about in one chunk, then as many whole rows to a chunk as fit."""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import Piece, Stretch, context_of, is_blank, split_prose, stretches, trim
from knowhub.core.types import Document


def chunk_table(document: Document, options: ChunkingOptions) -> Iterator[Piece]:
    """The text of a section with role `sheet` up to its first `row` is the sheet's summary.

    Rows of two sheets never share a chunk. A row longer than a chunk is cut with an overlap; otherwise
    nothing overlaps. The anchor is the first row's.
    """
    sheet = ""
    rows: list[Stretch] = []
    for part in stretches(document, ("sheet", "row")):
        if part.section is not None and part.section.role == "row":
            if not is_blank(document.text, part):
                rows.append(part)
            continue
        yield from _packed(document, rows, sheet, options)
        rows = []
        sheet = part.section.label if part.section else ""
        yield from _pieces(document, part, part.end, sheet, options)
    yield from _packed(document, rows, sheet, options)


def _packed(document: Document, rows: list[Stretch], sheet: str, options: ChunkingOptions) -> Iterator[Piece]:
    at = 0
    while at < len(rows):
        first = at
        at += 1
        while at < len(rows) and _length(document.text, rows[first], rows[at]) <= options.table_chars:
            at += 1
        yield from _pieces(document, rows[first], rows[at - 1].end, sheet, options)


def _length(text: str, first: Stretch, last: Stretch) -> int:
    start, end = trim(text, first.start, last.end)
    return end - start


def _pieces(document: Document, first: Stretch, end: int, sheet: str, options: ChunkingOptions) -> Iterator[Piece]:
    context = context_of(document.title, sheet, limit=options.context_chars)
    anchor = first.section.anchor if first.section else ""
    spans = split_prose(document.text, first.start, end, options.table_chars, overlap=options.table_overlap_chars)
    for start, stop in spans:
        yield Piece(start, stop, context, anchor)
