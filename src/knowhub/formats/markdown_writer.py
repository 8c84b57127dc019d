"""An lxml tree of HTML to Markdown text: headings, lists, tables, code, quotes and links; no scripts, no images' bytes.

Text is not escaped (a quote must be found as its author wrote it), but for what would begin a heading or a fence.
The depth of a tree is bounded by libxml2's HTML parser (256), so recursion is safe.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Element = Any
"""lxml.etree._Element; lxml ships no types."""

_DROPPED = frozenset(
    {"script", "style", "noscript", "template", "svg", "iframe", "object", "embed", "video", "audio", "canvas", "map",
     "head", "title", "button", "select", "textarea", "datalist", "dialog", "link", "meta"}
)  # fmt: skip
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog", "dir", "div",
     "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header",
     "hgroup", "hr", "html", "legend", "li", "main", "menu", "nav", "ol", "p", "pre", "section", "summary", "table",
     "tbody", "td", "tfoot", "th", "thead", "tr", "ul"}
)  # fmt: skip
_HEADINGS = {f"h{n}": "#" * n for n in range(1, 7)}
_MARKS = {"strong": "**", "b": "**", "em": "*", "i": "*", "del": "~~", "s": "~~", "strike": "~~"}
_CODE = frozenset(("code", "kbd", "samp", "tt"))
_SPACE = re.compile(r"[ \t\n\f\r]+")
_BREAKS = re.compile(r" *\n *")
_LANGUAGE = re.compile(r"(?:^|\s)(?:language-|lang-|highlight-source-|brush:\s*)([\w+#.-]+)")
_WOULD_BE_MARKUP = re.compile(r"^(?=#{1,6}(?:\s|$)|`{3}|~{3}|=+[ \t]*$|-+[ \t]*$|<!--)", re.MULTILINE)
_LIST_ITEM = re.compile(r"- |\d+\. ")
_BACKTICKS = re.compile(r"`+")
_MAX_SPAN = 200


def to_markdown(root: Element) -> str:
    """The whole element as Markdown, blocks separated by one empty line."""
    return "\n\n".join(MarkdownWriter(root).blocks(root))


def plain_text(element: Element) -> str:
    """All text of an element on one line."""
    return _SPACE.sub(" ", "".join(element.itertext())).strip()


class MarkdownWriter:
    """Writes elements of the tree that `root` is the top of."""

    def __init__(self, root: Element) -> None:
        self._holds_blocks: set[Element] = set()
        for block in root.iter(*_BLOCKS):
            parent = block.getparent()
            while parent is not None and parent not in self._holds_blocks:
                self._holds_blocks.add(parent)
                parent = parent.getparent()

    def blocks(self, element: Element) -> list[str]:
        """The content of `element` as Markdown blocks."""
        out: list[str] = []
        line: list[str] = [element.text or ""]
        for child in element:
            if self._is_block(child):
                _end_paragraph(line, out)
                out.extend(self._block(child))
            else:
                line.append(self._inline(child))
            line.append(child.tail or "")
        _end_paragraph(line, out)
        return out

    def line(self, element: Element) -> str:
        """The content of `element` as one line."""
        return _SPACE.sub(" ", self._inlines(element).replace("\ue000", " ")).strip()

    def _is_block(self, element: Element) -> bool:
        tag = element.tag
        return isinstance(tag, str) and tag not in _DROPPED and (tag in _BLOCKS or element in self._holds_blocks)

    def _block(self, element: Element) -> list[str]:
        tag = element.tag
        if _hidden(element):
            return []
        if tag in _HEADINGS:
            text = self.line(element)
            return [f"{_HEADINGS[tag]} {text}"] if text else []
        if tag in ("ul", "ol", "menu", "dir"):
            return self._list(element)
        if tag == "pre":
            return _fenced(element)
        if tag == "table":
            return self._table(element)
        if tag == "blockquote":
            quoted = "\n\n".join(self.blocks(element))
            return [_indent(quoted, "> ", "> ")] if quoted else []
        if tag == "hr":
            return ["---"]
        if tag in ("summary", "dt", "caption", "legend") and element not in self._holds_blocks:
            text = self.line(element)
            return [f"**{text}**"] if text else []
        return self.blocks(element)

    # ── within a line ────────────────────────────────────────────────────────────────────────────────

    def _inlines(self, element: Element) -> str:
        parts = [element.text or ""]
        for child in element:
            parts.append(self._inline(child))
            parts.append(child.tail or "")
        return "".join(parts)

    def _inline(self, element: Element) -> str:
        tag = element.tag
        if not isinstance(tag, str) or tag in _DROPPED or _hidden(element):
            return ""
        if tag == "br":
            return "\ue000"  # survives the collapsing of white space, then becomes a line end
        if tag == "img":
            return f" {alt} " if (alt := (element.get("alt") or "").strip()) else ""
        if tag == "input":
            checked = "x" if element.get("checked") is not None else " "
            return f"[{checked}] " if element.get("type") == "checkbox" else ""
        if tag == "math":
            return element.get("alttext") or plain_text(element)
        text = self._inlines(element)
        if tag == "a":
            return _link(text, (element.get("href") or "").strip())
        if tag in _CODE:
            return _code(text)
        if tag in _MARKS:
            return _wrap(text, _MARKS[tag])
        if tag == "sup" and text.strip().isdigit():
            return f"^{text.strip()}"
        return f" {text} " if tag in _BLOCKS else text

    # ── lists and tables ─────────────────────────────────────────────────────────────────────────────

    def _list(self, element: Element) -> list[str]:
        items: list[str] = []
        number = _small_int(element.get("start"), default=1, limit=1_000_000)
        for child in element:
            if not self._is_block(child):
                continue
            blocks = self._block(child)
            if child.tag != "li":  # a list that lies directly in a list belongs to the item before it
                items.extend(_indent("\n".join(blocks), "  ", "  ") for _ in blocks[:1])
                continue
            mark = f"{number}. " if element.tag == "ol" else "- "
            number += 1
            if blocks:
                items.append(_indent(_item(blocks), mark, " " * len(mark)))
        return ["\n".join(items)] if items else []

    def _table(self, table: Element) -> list[str]:
        captions = [block for child in table if child.tag == "caption" for block in self._block(child)]
        rows = list(_rows(table))
        if _is_layout(table, rows):
            return captions + [block for row in rows for cell in row for block in self.blocks(cell)]
        grid = self._grid(rows)
        if not grid:
            return captions
        width = max(map(len, grid))
        lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in grid]
        lines.insert(1, "|" + " --- |" * width)
        return [*captions, "\n".join(lines)]

    def _grid(self, rows: list[list[Element]]) -> list[list[str]]:
        """Cells as text; what spans rows is repeated in each, what spans columns stands in the first."""
        grid: list[list[str]] = []
        reaching: dict[int, tuple[int, str]] = {}
        for row in rows:
            line: list[str] = []
            for cell in row:
                _fill_from_above(line, reaching)
                text = self.line(cell).replace("|", "\\|")
                below = _small_int(cell.get("rowspan"), default=1, limit=_MAX_SPAN) - 1
                for i in range(_small_int(cell.get("colspan"), default=1, limit=_MAX_SPAN)):
                    if below > 0:
                        reaching[len(line)] = (below, "" if i else text)
                    line.append("" if i else text)
            _fill_from_above(line, reaching)
            if any(line):
                grid.append(line)
        return grid


def _fill_from_above(line: list[str], reaching: dict[int, tuple[int, str]]) -> None:
    while len(line) in reaching:
        left, text = reaching.pop(len(line))
        if left > 1:
            reaching[len(line)] = (left - 1, text)
            line.append(text)
            continue
        line.append(text)


def _item(blocks: list[str]) -> str:
    """A list's item: lists within it follow closely, paragraphs and code after an empty line."""
    return "".join(
        block if i == 0 else f"\n{block}" if _LIST_ITEM.match(block) else f"\n\n{block}"
        for i, block in enumerate(blocks)
    )


def _rows(table: Element) -> Iterator[list[Element]]:
    for child in table:
        if child.tag == "tr":
            yield [cell for cell in child if cell.tag in ("td", "th")]
        elif child.tag in ("thead", "tbody", "tfoot"):
            yield from _rows(child)


def _is_layout(table: Element, rows: list[list[Element]]) -> bool:
    """Tables that only place things: one column, or cells that hold tables, headings or long lists."""
    if all(len(row) <= 1 for row in rows):
        return True
    return next(table.iterdescendants("table", "h1", "h2", "h3"), None) is not None


def _hidden(element: Element) -> bool:
    return element.get("hidden") is not None or element.get("aria-hidden") == "true"


def _end_paragraph(line: list[str], out: list[str]) -> None:
    text = _SPACE.sub(" ", "".join(line))
    line.clear()
    text = _BREAKS.sub("\n", text.replace("\ue000", "\n")).strip()
    if text:
        out.append(_WOULD_BE_MARKUP.sub(r"\\", text))


def _indent(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join(
        [first + lines[0], *((rest + line).rstrip() if line or rest.strip() else "" for line in lines[1:])]
    )


def _fenced(element: Element) -> list[str]:
    for br in element.iter("br"):
        br.tail = "\n" + (br.tail or "")
    code = "".join(element.itertext()).strip("\n")
    if not code.strip():
        return []
    classes = [element.get("class") or "", *((e.get("class") or "") for e in element.iter("code"))]
    parent = element.getparent()
    if parent is not None:
        classes.append(parent.get("class") or "")
    language = next((m.group(1) for c in classes if (m := _LANGUAGE.search(c))), "")
    fence = "`" * max(3, _longest_backticks(code) + 1)
    return [f"{fence}{language}\n{code}\n{fence}"]


def _longest_backticks(text: str) -> int:
    return max((len(run) for run in _BACKTICKS.findall(text)), default=0)


def _code(text: str) -> str:
    if not text.strip():
        return text
    tick = "`" * (_longest_backticks(text) + 1)
    space = " " if "`" in text else ""
    return f"{tick}{space}{text}{space}{tick}"


def _wrap(text: str, mark: str) -> str:
    inner = text.strip()
    if not inner or inner.startswith(mark):
        return text
    start = text.index(inner)
    return f"{text[:start]}{mark}{inner}{mark}{text[start + len(inner) :]}"


def _link(text: str, href: str) -> str:
    inner = text.strip()
    if not inner or not href or href.startswith(("#", "javascript:", "data:")) or inner == href:
        return text
    start = text.index(inner)
    target = f"<{href}>" if re.search(r"[\s()]", href) else href
    label = _SPACE.sub(" ", inner.replace("\ue000", " "))
    return f"{text[:start]}[{label}]({target}){text[start + len(inner) :]}"


def _small_int(value: str | None, *, default: int, limit: int) -> int:
    return min(int(value), limit) if value and value.isdecimal() and len(value) < 10 else default
