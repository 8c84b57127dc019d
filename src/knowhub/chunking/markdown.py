"""Markdown and plain text: by heading path, pages apart, long sections cut where the prose lets them.

document.sections ──_units()──▶ one unit a heading or page ──_groups()──▶ short ones joined ──▶ Piece, …
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import SEPARATOR, Piece, context_of, is_blank, split_prose, stretches
from knowhub.core.types import Document, Section


class _Unit(NamedTuple):
    """The text from one section's start to the next one's. Units of two pages never share a chunk."""

    start: int
    end: int
    path: str
    parent: str
    page: int
    section: Section | None
    anchor: str


class _Roles:
    """Every role cuts text: what a link can open at, a chunk can start at."""

    def __contains__(self, role: object) -> bool:
        return True


_EVERY_ROLE = _Roles()


def chunk_markdown(document: Document, options: ChunkingOptions) -> Iterator[Piece]:
    """A chunk's anchor is that of the heading or page that its first line stands under.

    Sections below `text_min_chars` are joined with the next one under the same parent while both fit into
    one chunk; the context is then the path that they share.
    """
    text, max_chars = document.text, options.text_chars
    contexts: dict[str, str] = {}
    for scope, first, end in _groups(_units(document), options):
        context = contexts.get(scope)
        if context is None:
            context = contexts[scope] = context_of(document.title, scope, limit=options.context_chars)
        section = first.section
        author, time = (section.author, section.time) if section is not None else ("", None)
        for start, stop in split_prose(text, first.start, end, max_chars):
            yield Piece(start, stop, context, first.anchor, author, time)


def _units(document: Document) -> Iterator[_Unit]:
    page, page_label, page_anchor = 0, "", ""
    above: list[tuple[int, str, str]] = []
    for stretch in stretches(document, _EVERY_ROLE):
        start, end, section = stretch
        path, parent, anchor = page_label, "", page_anchor
        if section is not None and section.role != "heading":
            page, above = start, []
            path, anchor = page_label, page_anchor = section.label, section.anchor
        elif section is not None:
            while above and above[-1][0] >= section.level:
                above.pop()
            _, parent, anchor = above[-1] if above else (0, page_label, page_anchor)
            path, anchor = _under(parent, section.label), section.anchor or anchor
            above.append((section.level, path, anchor))
        if not is_blank(document.text, stretch):
            yield _Unit(start, end, path, parent, page, section, anchor)


def _under(parent: str, label: str) -> str:
    """A label that is a path already stays as it is."""
    return label if not parent or label.startswith(parent + SEPARATOR) else f"{parent}{SEPARATOR}{label}"


def _groups(units: Iterator[_Unit], options: ChunkingOptions) -> Iterator[tuple[str, _Unit, int]]:
    """The path that a group shares, its first unit, its end."""
    first = next(units)
    scope, end = first.path, first.end
    for unit in units:
        if unit.end - first.start <= options.text_chars:
            short = min(end - first.start, unit.end - unit.start) < options.text_min_chars
            wider = _shared(scope, first, unit) if short else None
            if wider is not None:
                scope, end = wider, unit.end
                continue
        yield scope, first, end
        first, scope, end = unit, unit.path, unit.end
    yield scope, first, end


def _shared(scope: str, first: _Unit, unit: _Unit) -> str | None:
    """The path of the group with `unit` in it: under its scope, or beside its first. None: not related."""
    if unit.page != first.page:
        return None
    if not scope or unit.parent == scope or unit.parent.startswith(scope + SEPARATOR):
        return scope
    return unit.parent if unit.parent == first.parent else None
