"""The project's Markdown pages, and what a reader would copy out of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_ASSIGNMENT = re.compile(r"[A-Z_]+=\S*$")


class Block(NamedTuple):
    page: Path
    language: str
    text: str


def pages() -> list[Path]:
    """What is published: the pages at the root, and all below docs and examples."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").glob("*/README.md")])


def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def blocks(language: str) -> list[Block]:
    found = ((page, match) for page in pages() for match in _FENCE.finditer(page.read_text("utf-8")))
    return [Block(page, match[2], match[3]) for page, match in found if match[2] == language]


def command_lines() -> Iterator[tuple[Path, str]]:
    """Everything that a shell is given: lines of blocks, parts between `&&`, and spans of code."""
    for page in pages():
        lines = [line for match in _FENCE.finditer(page.read_text("utf-8")) for line in match[3].splitlines()]
        lines += [line for line in prose_of(page).splitlines() if line.startswith("    ")]
        lines += _SPAN.findall(prose_of(page))
        for line in lines:
            for part in line.strip().removeprefix("$ ").split("&&"):
                yield page, part.strip()


def words_of(line: str) -> list[str]:
    """As the shell would split it, without comments, assignments before the command and what follows a pipe."""
    words = shlex.split(line.partition(" | ")[0], comments=True)
    while words and _ASSIGNMENT.match(words[0]):
        words.pop(0)
    return words


def table_under(page: Path, heading: str) -> dict[str, list[str]]:
    """The rows of the first table under `## heading`: the name in backticks in the first cell, to the other cells."""
    section = re.search(
        rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", page.read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    assert section, f"{page.name} has no section {heading}"
    rows: dict[str, list[str]] = {}
    for line in section[1].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            name = cells[0].strip("| `")
            assert name not in rows, f"{page.name}: {heading}.{name} stands there twice"
            rows[name] = [cell.removesuffix(" |") for cell in cells[1:]]
    return rows
