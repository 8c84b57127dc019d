"""Reads the little Markdown that the office documents are written in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Heading:
    level: int
    text: str


@dataclass(frozen=True, slots=True)
class Paragraph:
    text: str


@dataclass(frozen=True, slots=True)
class Bullet:
    text: str


@dataclass(frozen=True, slots=True)
class Table:
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class PageBreak:
    pass


Block = Heading | Paragraph | Bullet | Table | PageBreak


def blocks(text: str) -> Iterator[Block]:
    """Headings, one-line paragraphs, bullets, pipe tables, and `---` as a page break."""
    for stretch in text.strip().split("\n\n"):
        lines = stretch.splitlines()
        if lines[0].startswith("|"):
            yield Table(tuple(_cells(line) for line in lines if not line.startswith("|---")))
        else:
            yield from map(_line, lines)


def _line(line: str) -> Block:
    if line == "---":
        return PageBreak()
    if line.startswith("#"):
        marks, text = line.split(" ", 1)
        return Heading(len(marks), text)
    return Bullet(line[2:]) if line.startswith("- ") else Paragraph(line)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.strip("|").split("|"))
