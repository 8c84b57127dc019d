"""Issues: the description, then comments, several to a chunk where they are short.

Title and state stand in the context of every chunk: a comment without them says little.
"""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import Piece, Stretch, context_of, is_blank, split_prose, stretches
from knowhub.core.types import Document, Section

_ROLES = ("title", "body", "comment")


def chunk_issue(document: Document, options: ChunkingOptions) -> Iterator[Piece]:
    """A short comment is never cut; author, time and anchor are those of the first part of a chunk."""
    head = f"{document.title} [{document.state}]" if document.state else document.title
    for group in _groups(_parts(document), options.issue_chars):
        section = group[0].section
        label = section.label if section and section.role == "comment" and len(group) == 1 else ""
        context = context_of(head, label, limit=options.context_chars)
        for start, end in split_prose(document.text, group[0].start, group[-1].end, options.issue_chars):
            yield _piece(start, end, context, section)


def _piece(start: int, end: int, context: str, section: Section | None) -> Piece:
    if section is None:
        return Piece(start, end, context)
    return Piece(start, end, context, section.anchor, section.author, section.time)


def _parts(document: Document) -> list[Stretch]:
    """The title joined to the description: alone it would be a chunk that only repeats its context."""
    parts = [part for part in stretches(document, _ROLES) if not is_blank(document.text, part)]
    while len(parts) > 1 and not _is_comment(parts[0]) and not _is_comment(parts[1]):
        section = parts[1].section if parts[1].section and parts[1].section.anchor else parts[0].section
        parts[:2] = [Stretch(parts[0].start, parts[1].end, section)]
    return parts


def _is_comment(part: Stretch) -> bool:
    return part.section is not None and part.section.role == "comment"


def _groups(parts: list[Stretch], max_chars: int) -> Iterator[list[Stretch]]:
    group: list[Stretch] = []
    for part in parts:
        fits = group and _is_comment(group[0]) and part.end - group[0].start <= max_chars
        if group and not fits:
            yield group
            group = []
        group.append(part)
    yield group
