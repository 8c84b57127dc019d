"""Changes: a commit or merge request, its message first, then what it does to each file."""

from __future__ import annotations

import re
from collections.abc import Iterator

from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import Piece, Stretch, context_of, is_blank, split_lines, split_prose, stretches, trim
from knowhub.core.types import Document

_HUNK = re.compile(r"^@@ ", re.MULTILINE)


def chunk_change(document: Document, options: ChunkingOptions) -> Iterator[Piece]:
    """Files (role `file`, the path as label) never share a chunk; a long diff is cut between its hunks.

    What is not a file's diff is the message and comments on it. The context is the title, then the path.
    """
    for part in _parts(document):
        section = part.section
        path = section.label if section and section.role in ("file", "comment") else ""
        context = context_of(document.title, path, limit=options.context_chars)
        if section is None:
            anchor, author, time = "", "", document.created_at
        else:
            anchor, author, time = section.anchor, section.author, section.time
        for start, end in _spans(document.text, part, options.change_chars):
            yield Piece(start, end, context, anchor, author, time)


def _parts(document: Document) -> list[Stretch]:
    """The title joined to the body: alone it would be a chunk that only repeats its context."""
    parts = [p for p in stretches(document, ("title", "body", "file", "comment")) if not is_blank(document.text, p)]
    while len(parts) > 1 and _is_message(parts[0]) and _is_message(parts[1]):
        parts[:2] = [Stretch(parts[0].start, parts[1].end, parts[0].section or parts[1].section)]
    return parts


def _is_message(part: Stretch) -> bool:
    return part.section is None or part.section.role in ("title", "body")


def _spans(text: str, part: Stretch, max_chars: int) -> Iterator[tuple[int, int]]:
    if part.section is None or part.section.role != "file":
        yield from split_prose(text, part.start, part.end, max_chars)
        return
    cuts = [part.start, *(hunk.start() for hunk in _HUNK.finditer(text, part.start, part.end)), part.end]
    at = 0
    while at < len(cuts) - 1:
        first = at
        at += 1
        while at < len(cuts) - 1 and cuts[at + 1] - cuts[first] <= max_chars:
            at += 1
        # A file's heading goes with its first hunk, however long that is.
        if first == 0 and at == 1 and len(cuts) > 2 and cuts[1] - cuts[0] < max_chars // 4:
            at += 1
        start, end = trim(text, cuts[first], cuts[at])
        yield from split_lines(text, start, end, max_chars)
