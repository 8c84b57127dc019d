"""Pieces of Markdown that renderers of other notations put together: marks, links, code, lists, tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

_BACKTICKS = re.compile(r"`+")
_WOULD_BE_MARKUP = re.compile(r"^(?=#{1,6}(?:\s|$)|`{3}|~{3}|=+[ \t]*$|-+[ \t]*$|<!--)", re.MULTILINE)
_LIST_ITEM = re.compile(r"- |\d+\. ")
_SPACE = re.compile(r"\s+")
_LANGUAGE = re.compile(r"[\w+#.-]{1,40}")


def paragraph(text: str) -> str:
    """Text that would begin a heading, a rule or a fence is escaped; nothing else is, so that quotes are found."""
    return _WOULD_BE_MARKUP.sub(r"\\", "\n".join(line.strip() for line in text.strip().split("\n")))


def wrapped(text: str, mark: str) -> str:
    """`mark` around the text but not around the white space at its ends."""
    inner = text.strip()
    if not inner:
        return text
    start = text.index(inner)
    return f"{text[:start]}{mark}{inner}{mark}{text[start + len(inner) :]}"


def code_span(text: str) -> str:
    if not text.strip():
        return text
    tick = "`" * (_longest_backticks(text) + 1)
    space = " " if "`" in text else ""
    return f"{tick}{space}{text}{space}{tick}"


def fenced(code: str, language: str = "") -> str:
    """A code block whose fence is longer than any in it."""
    fence = "`" * max(3, _longest_backticks(code) + 1)
    name = language if _LANGUAGE.fullmatch(language) else ""
    return f"{fence}{name}\n{code}\n{fence}"


def link(label: str, target: str) -> str:
    """`[label](target)`, or what there is of the two."""
    inner = label.strip()
    if not target or inner in ("", target, target.removeprefix("mailto:")):
        return label if inner else target
    start = label.index(inner)
    text = _SPACE.sub(" ", inner)
    return f"{label[:start]}[{text}]({address(target)}){label[start + len(inner) :]}"


def address(target: str) -> str:
    """An address as it stands between a link's brackets."""
    return f"<{target}>" if re.search(r"[\s()]", target) else target


def indented(text: str, first: str, rest: str) -> str:
    """`first` before the first line and `rest` before every other one."""
    head, *tail = text.split("\n")
    return "\n".join([first + head, *((rest + line).rstrip() if line or rest.strip() else "" for line in tail)])


def quoted(text: str) -> str:
    return indented(text, "> ", "> ")


def list_item(blocks: Sequence[str], mark: str) -> str:
    """Lists within an item follow closely, paragraphs and code after an empty line."""
    text = "".join(
        block if i == 0 else f"\n{block}" if _LIST_ITEM.match(block) else f"\n\n{block}"
        for i, block in enumerate(blocks)
    )
    return indented(text, mark, " " * len(mark)).rstrip()


def cell(blocks: Sequence[str]) -> str:
    """Blocks as one line of a table."""
    lines = [line.strip() for block in blocks for line in block.split("\n") if line.strip()]
    return "<br>".join(lines).replace("|", "\\|")


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells that are one line each; the first row is the head. "" if there is nothing in any of them."""
    filled = [row for row in rows if any(row)]
    if not filled:
        return ""
    width = max(map(len, filled))
    lines = ["| " + " | ".join([*row, *[""] * (width - len(row))]) + " |" for row in filled]
    lines.insert(1, "|" + " --- |" * width)
    return "\n".join(lines)


def _longest_backticks(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)
