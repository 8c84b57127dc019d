"""Atlassian Document Format ▸ Markdown, for Jira's and Confluence's Cloud.

Nodes and marks: https://developer.atlassian.com/cloud/jira/platform/apis/document/structure/
Full schema: http://go.atlassian.com/adf-json-schema
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

from knowhub.formats import markdown_pieces as md

Node = Mapping[str, Any]
Extension = Callable[[Node], str | None]
"""What a macro shows, from its node; None: its own text and content."""

_MAX_DEPTH = 60
_MAX_SPAN = 200
_WRAPS = {"strong": "**", "em": "*", "strike": "~~"}
_MARKS = ("link", "strong", "em", "strike", "code")
"""From outside to inside. Underline, colours, sizes, alignment and anchors of comments change no word."""
_INLINE = frozenset(
    {"text", "hardBreak", "mention", "emoji", "date", "status", "inlineCard", "inlineExtension", "placeholder",
     "mediaInline", "image"}
)  # fmt: skip
_PANELS = {"info": "Info", "note": "Note", "tip": "Tip", "success": "Success", "warning": "Warning", "error": "Error"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def adf_to_markdown(
    document: object,
    *,
    names: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    extension: Extension | None = None,
) -> str:
    """The document, or a JSON text of it, as Markdown. Never raises: what has an odd shape keeps its text.

    `names` tells people by account id where a mention does not, `files` file names by media id, `extension` what
    a macro shows. Text is not escaped. Media without a name or a caption leave nothing.
    """
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            return str(document).strip()
    writer = _Writer(names or {}, files or {}, extension or (lambda _: None))
    return "\n\n".join(writer.blocks(_nodes(document), 0)).strip()


class _Writer:
    def __init__(self, names: Mapping[str, str], files: Mapping[str, str], extension: Extension) -> None:
        self._names = names
        self._files = files
        self._extension = extension

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────

    def blocks(self, nodes: Sequence[Node], depth: int) -> list[str]:
        """Blocks in order; text that lies bare between blocks is a paragraph."""
        if depth > _MAX_DEPTH:
            text = " ".join(filter(None, map(_all_text, nodes)))
            return [text] if text else []
        found: list[str] = []
        for inline, group in groupby(nodes, key=_is_inline):
            if inline:
                found.append(md.paragraph(self.line(list(group), depth)))
            else:
                for node in group:
                    found.extend(self._block(node, depth + 1))
        return [block for block in found if block]

    def _block(self, node: Node, depth: int) -> list[str]:
        content, attrs = _content(node), _attrs(node)
        match node.get("type"):
            case "heading":
                text = " ".join(self.line(content, depth).split())
                return [f"{'#' * _number(attrs.get('level'), 1, 6)} {text}"] if text else []
            case "bulletList" | "orderedList" | "taskList" | "decisionList":
                return self._list(node, depth)
            case "codeBlock":
                return [md.fenced(code, _text(attrs, "language"))] if (code := _code(content)) else []
            case "blockquote":
                return self._quote("", content, depth)
            case "panel":
                kind = _text(attrs, "panelType")
                return self._quote(_PANELS.get(kind) or _text(attrs, "panelIconText"), content, depth)
            case "rule":
                return ["---"]
            case "table":
                return self._table(content, depth)
        return self._holder(node, depth)

    def _holder(self, node: Node, depth: int) -> list[str]:
        """Blocks that put a frame around others, or something from elsewhere among them."""
        content, attrs = _content(node), _attrs(node)
        match node.get("type"):
            case "expand" | "nestedExpand":
                title = _text(attrs, "title").strip()
                return [*([f"**{title}**"] if title else []), *self.blocks(content, depth)]
            case "mediaGroup":
                return [" ".join(filter(None, (self._media(one) for one in content)))]
            case "media":
                return [self._media(node)]
            case "blockCard" | "embedCard":
                return [_card(attrs)]
            case "extension" | "bodiedExtension" | "multiBodiedExtension":
                return self._macro(node, depth)
        # paragraph, layouts, captions, synced blocks, and whatever comes next: their own text, then what they hold
        own = node.get("text") if isinstance(node.get("text"), str) else _text(attrs, "text")
        return [*([own] if own else []), *self.blocks(content, depth)]

    def _quote(self, label: str, content: Sequence[Node], depth: int) -> list[str]:
        blocks = self.blocks(content, depth)
        if not blocks:
            return []
        return [md.quoted("\n\n".join([*([f"**{label}**"] if label else []), *blocks]))]

    def _macro(self, node: Node, depth: int) -> list[str]:
        shown = self._extension(node)
        if shown is not None:
            return [shown]
        return [_text(_attrs(node), "text"), *self.blocks(_content(node), depth)]

    def _list(self, node: Node, depth: int) -> list[str]:
        lines: list[str] = []
        number = _number(_attrs(node).get("order"), 0, 1_000_000, default=1)
        for item in _content(node):
            if item.get("type") in ("bulletList", "orderedList", "taskList", "decisionList"):
                nested = self._list(item, depth + 1) if depth < _MAX_DEPTH else [_all_text(item)]
                lines.extend(md.indented(block, "  ", "  ") for block in nested)
                continue
            blocks = self.blocks(_content(item), depth + 1) or self._leaf(item, depth)
            mark = f"{number}. " if node.get("type") == "orderedList" else "- "
            number += 1
            if blocks:
                state = _state(item)
                lines.append(md.list_item([state + blocks[0], *blocks[1:]], mark))
        return ["\n".join(lines)] if lines else []

    def _leaf(self, item: Node, depth: int) -> list[str]:
        text = self.line([item], depth) if _is_inline(item) else _text(item, "text")
        return [text] if text.strip() else []

    def _table(self, rows: Sequence[Node], depth: int) -> list[str]:
        """What spans rows is repeated in each, what spans columns stands in the first."""
        grid: list[list[str]] = []
        reaching: dict[int, tuple[int, str]] = {}
        for row in rows:
            line: list[str] = []
            for one in _content(row) if row.get("type") == "tableRow" else [row]:
                _fill_from_above(line, reaching)
                text = self._cell(one, depth, head=not grid)
                attrs = _attrs(one)
                below = _number(attrs.get("rowspan"), 1, _MAX_SPAN, default=1) - 1
                for i in range(_number(attrs.get("colspan"), 1, _MAX_SPAN, default=1)):
                    if below:
                        reaching[len(line)] = (below, "" if i else text)
                    line.append("" if i else text)
            _fill_from_above(line, reaching)
            grid.append(line)
        return [md.table(grid)]

    def _cell(self, node: Node, depth: int, *, head: bool) -> str:
        blocks: list[str] = []
        for child in _content(node):
            if child.get("type") == "codeBlock":
                blocks.extend(md.code_span(line) for line in _code(_content(child)).split("\n"))
            else:
                blocks.extend(self.blocks([child], depth))
        text = md.cell(blocks or self._leaf(node, depth))
        return md.wrapped(text, "**") if node.get("type") == "tableHeader" and not head else text

    # ── within a line ────────────────────────────────────────────────────────────────────────────────

    def line(self, nodes: Sequence[Node], depth: int) -> str:
        """Neighbours under the same mark are marked together."""
        return self._marked(nodes, _MARKS, depth)

    def _marked(self, nodes: Sequence[Node], marks: tuple[str, ...], depth: int) -> str:
        if not marks:
            return "".join(self._inline(node, depth) for node in nodes)
        outer, *inner = marks
        parts = []
        for mark, group in groupby(nodes, key=lambda node: _mark(node, outer)):
            text = self._marked(list(group), tuple(inner), depth)
            parts.append(text if mark is None else _wrap(text, outer, mark))
        return "".join(parts)

    def _inline(self, node: Node, depth: int) -> str:
        attrs = _attrs(node)
        match node.get("type"):
            case "text":
                return _subsup(_text(node, "text"), node)
            case "hardBreak":
                return "\n"
            case "mention":
                name = _text(attrs, "text") or self._names.get(_text(attrs, "id"), "") or _text(attrs, "id")
                return f"@{name.lstrip('@')}" if name else ""
            case "emoji":
                return _text(attrs, "text") or _text(attrs, "shortName")
            case "date":
                return _date(attrs.get("timestamp"))
            case "inlineCard":
                return _card(attrs)
            case "media" | "mediaInline" | "image":
                return self._media(node)
            case "inlineExtension":
                shown = self._extension(node)
                return _text(attrs, "text") if shown is None else shown
        own = _text(node, "text") or _text(attrs, "text")  # status, placeholder, and what is not known yet
        return own + (self.line(_content(node), depth + 1) if depth < _MAX_DEPTH else _all_text(node))

    def _media(self, node: Node) -> str:
        attrs = _attrs(node)
        if node.get("type") == "caption":
            return self.line(_content(node), _MAX_DEPTH)
        alt = _text(attrs, "alt").strip()
        name = _text(attrs, "url") or self._files.get(_text(attrs, "id"), "")
        target = next((_text(_attrs(mark), "href") for mark in _marks(node) if mark.get("type") == "link"), "")
        shown = f"![{alt}]({md.address(name)})" if name else alt
        return md.link(shown, target) if target else shown


def _fill_from_above(line: list[str], reaching: dict[int, tuple[int, str]]) -> None:
    while len(line) in reaching:
        left, text = reaching.pop(len(line))
        if left > 1:
            reaching[len(line)] = (left - 1, text)
        line.append(text)


# ── nodes, whatever their shape ──────────────────────────────────────────────────────────────────────


def _nodes(value: object) -> list[Node]:
    if isinstance(value, Mapping):
        return [value]
    if not isinstance(value, list | tuple):
        return [{"type": "text", "text": str(value)}] if isinstance(value, int | float) else []
    return [
        one if isinstance(one, Mapping) else {"type": "text", "text": one}
        for one in value
        if isinstance(one, Mapping | str)
    ]


def _content(node: Node) -> list[Node]:
    content = node.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else _nodes(content)


def _attrs(node: Node) -> Node:
    attrs = node.get("attrs")
    return attrs if isinstance(attrs, Mapping) else {}


def _marks(node: Node) -> list[Node]:
    return [mark for mark in _nodes(node.get("marks")) if mark.get("type") != "text"]


def _text(node: Node, key: str) -> str:
    value = node.get(key)
    return value if isinstance(value, str) else ""


def _number(value: object, least: int, most: int, *, default: int | None = None) -> int:
    number = value if isinstance(value, int) else int(value) if isinstance(value, float) and value == value else None
    if number is None:
        return least if default is None else default
    return min(max(number, least), most)


def _is_inline(node: Node) -> bool:
    return _text(node, "type") in _INLINE or (isinstance(node.get("text"), str) and "content" not in node)


def _state(item: Node) -> str:
    state = _text(_attrs(item), "state")
    if item.get("type") in ("taskItem", "blockTaskItem"):
        return "[x] " if state == "DONE" else "[ ] "
    if item.get("type") == "decisionItem":
        return "Decision: " if state == "DECIDED" else "Undecided: "
    return ""


def _code(content: Sequence[Node]) -> str:
    return "".join("\n" if node.get("type") == "hardBreak" else _all_text(node) for node in content).strip("\n")


def _all_text(node: Node) -> str:
    """Every text below, without recursion: for what is nested too deeply to be laid out."""
    found, waiting = [], [node]
    while waiting:
        one = waiting.pop()
        found.append(_text(one, "text") or _text(_attrs(one), "text"))
        waiting.extend(reversed(_content(one)))
    return " ".join(filter(None, found)) if len(found) > 1 else found[0]


def _mark(node: Node, kind: str) -> str | None:
    """What neighbours must share to stand under one mark: a link's address, else ""."""
    for mark in _marks(node):
        if mark.get("type") == kind:
            return _text(_attrs(mark), "href")
    return None


def _wrap(text: str, kind: str, mark: str) -> str:
    if kind == "link":
        return md.link(text, mark)
    return md.code_span(text) if kind == "code" else md.wrapped(text, _WRAPS[kind])


def _subsup(text: str, node: Node) -> str:
    for mark in _marks(node):
        if mark.get("type") == "subsup" and text.strip():
            return f"^{text}" if _text(_attrs(mark), "type") == "sup" else f"_{text}"
    return text


def _card(attrs: Node) -> str:
    """A card shows the title of what it links to, where the document has it (JSON-LD)."""
    data = attrs.get("data")
    data = data if isinstance(data, Mapping) else {}
    url = _text(attrs, "url") or _text(data, "url") or _text(data, "@id")
    return md.link(_text(data, "name"), url)


def _date(timestamp: object) -> str:
    """Milliseconds since 1970, as text or number, ▸ the day in UTC, as Atlassian's editor shows it."""
    if not isinstance(timestamp, str | int | float):
        return ""
    try:
        return f"{_EPOCH + timedelta(milliseconds=float(timestamp)):%Y-%m-%d}"
    except (ValueError, OverflowError):
        return str(timestamp)
