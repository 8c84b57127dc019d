"""A ProseMirror document (the JSON of Tiptap editors, so of Backlog's Documents) to Markdown.

    `{"type": "doc", "content": [{"type": "heading", "attrs": {"level": 1}, "content": [{"type": "text", …}]}]}`

Node names are compared without case, `_` and `-`, as editors write both `bulletList` and `bullet_list`. A node that
is not known is read through: its content, else what its attributes call it. Reference: https://prosemirror.net/docs
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from knowhub.formats.slack_mrkdwn import code_span, fence, link, quote

Node = Mapping[str, Any]

_MAX_DEPTH = 60
_MAX_SPAN = 100
_MARKS = {"bold": "**", "strong": "**", "italic": "*", "em": "*", "strike": "~~", "strikethrough": "~~"}
_NAMES = ("label", "title", "name", "text", "alt", "value", "url", "href", "src", "id")
_WOULD_BE_MARKUP = re.compile(r"^(?=#{1,6}(?:\s|$)|`{3}|~{3}|=+[ \t]*$|-+[ \t]*$|<!--)", re.MULTILINE)
_INLINE = frozenset(("text", "hardbreak", "mention", "emoji", "inlineimage", "issuelink", "inlinecard", "math"))


def prosemirror_to_markdown(document: object) -> str:
    """Markdown of a document, given as JSON text or as what JSON text decodes to; "" for what is neither."""
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            return ""
    if not isinstance(document, Mapping):
        return ""
    return "\n\n".join(block for block in _blocks(document, 0) if block.strip())


def _kind(node: Node) -> str:
    kind = node.get("type")
    return re.sub(r"[_-]", "", kind).lower() if isinstance(kind, str) else ""


def _children(node: Node) -> list[Node]:
    content = node.get("content")
    return [child for child in content if isinstance(child, Mapping)] if isinstance(content, list) else []


def _attrs(node: Node) -> Node:
    attrs = node.get("attrs")
    return attrs if isinstance(attrs, Mapping) else {}


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else default


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────────


def _blocks(node: Node, depth: int) -> list[str]:
    """The content of a node as blocks; text that lies directly in it is a paragraph."""
    if depth > _MAX_DEPTH:
        return [_plain(node)]
    out: list[str] = []
    line: list[Node] = []
    for child in _children(node):
        if _is_inline(child):
            line.append(child)
            continue
        out.append(_paragraph(line))
        line = []
        out.extend(_block(child, depth))
    out.append(_paragraph(line))
    return [block for block in out if block]


def _is_inline(node: Node) -> bool:
    return _kind(node) in _INLINE or isinstance(node.get("text"), str)


def _block(node: Node, depth: int) -> list[str]:
    writer = _WRITERS.get(_kind(node))
    if writer:
        return writer(node, depth)
    return _blocks(node, depth + 1) or [_named(node)]


def _paragraph(nodes: Sequence[Node]) -> str:
    return _WOULD_BE_MARKUP.sub(r"\\", _inlines(nodes).strip())


def _heading(node: Node, _depth: int) -> list[str]:
    level = min(max(_number(_attrs(node).get("level"), 1), 1), 6)
    title = _one_line(node)
    return [f"{'#' * level} {title}"] if title else []


def _list(node: Node, depth: int) -> list[str]:
    ordered = _kind(node) == "orderedlist"
    number = _number(_attrs(node).get("start", _attrs(node).get("order")), 1)
    items: list[str] = []
    for child in _children(node):
        mark = f"{number}. " if ordered else "- "
        number += 1
        if _kind(child) in ("taskitem", "checklistitem"):
            mark += "[x] " if _attrs(child).get("checked") else "[ ] "
        inner = _paragraph([child]) if _is_inline(child) else _tight(_blocks(child, depth + 1))
        if inner:
            items.append(_hang(inner, mark, " " * (3 if ordered else 2)))
    return ["\n".join(items)] if items else []


def _tight(blocks: list[str]) -> str:
    return "".join(
        block if at == 0 else f"\n{block}" if re.match(r"- |\d+\. ", block) else f"\n\n{block}"
        for at, block in enumerate(blocks)
    )


def _hang(text: str, mark: str, indent: str) -> str:
    first, *rest = text.split("\n")
    return "\n".join([mark + first, *(indent + line if line else "" for line in rest)])


def _quoted(node: Node, depth: int) -> list[str]:
    inner = "\n\n".join(_blocks(node, depth + 1))
    return [quote(inner)] if inner else []


def _code(node: Node, _depth: int) -> list[str]:
    language = _attrs(node).get("language") or _attrs(node).get("params")
    code = _plain(node, "\n").strip("\n")
    return [fence(code, language.split()[0] if isinstance(language, str) and language.strip() else "")] if code else []


def _summary(node: Node, _depth: int) -> list[str]:
    title = _one_line(node)
    return [f"**{title}**"] if title else []


def _table(node: Node, depth: int) -> list[str]:
    grid = [row for row in (_row(child, depth) for child in _children(node)) if any(row)]
    if not grid:
        return []
    width = max(map(len, grid))
    lines = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in grid]
    lines.insert(1, "|" + " --- |" * width)
    return ["\n".join(lines)]


def _row(node: Node, depth: int) -> list[str]:
    if _is_inline(node):
        return [_inlines([node]).strip()]
    cells: list[str] = []
    for cell in _children(node):
        blocks = [_inlines([cell])] if _is_inline(cell) else _blocks(cell, depth + 1)
        cells.append(" ".join(" ".join(blocks).split()).replace("|", "\\|"))
        cells += [""] * (min(_number(_attrs(cell).get("colspan"), 1), _MAX_SPAN) - 1)
    return cells or [_one_line(node)]


def _rule(_node: Node, _depth: int) -> list[str]:
    return ["---"]


_WRITERS: dict[str, Callable[[Node, int], list[str]]] = {
    "heading": _heading,
    "bulletlist": _list,
    "orderedlist": _list,
    "tasklist": _list,
    "checklist": _list,
    "blockquote": _quoted,
    "codeblock": _code,
    "detailssummary": _summary,
    "table": _table,
    "horizontalrule": _rule,
}


# ── within a line ────────────────────────────────────────────────────────────────────────────────────


def _one_line(node: Node) -> str:
    return " ".join(_inlines(_children(node)).split())


def _inlines(nodes: Sequence[Node], depth: int = 0) -> str:
    return "".join(_inline(node, depth) for node in nodes)


def _inline(node: Node, depth: int) -> str:
    text = node.get("text")
    if isinstance(text, str):
        return _marked(text, node.get("marks"))
    kind = _kind(node)
    if kind == "hardbreak":
        return "\n"
    if kind == "mention":
        return f"@{_named(node).removeprefix('@')}"
    if depth > _MAX_DEPTH:
        return _plain(node)
    inner = _inlines(_children(node), depth + 1)
    return _marked(inner or _named(node), node.get("marks"))


def _marked(text: str, marks: object) -> str:
    inner = text.strip()
    if not inner or not isinstance(marks, list):
        return text
    start = text.index(inner)
    before, after = text[:start], text[start + len(inner) :]
    kinds = {_kind(mark): _attrs(mark) for mark in marks if isinstance(mark, Mapping)}
    if "code" in kinds:
        inner = code_span(inner)
    for kind in kinds:
        mark = _MARKS.get(kind, "")
        inner = f"{mark}{inner}{mark}"
    href = kinds.get("link", {}).get("href")
    if isinstance(href, str) and not href.lower().startswith(("javascript:", "data:")):
        inner = link(href, inner)
    return before + inner + after


def _named(node: Node) -> str:
    """What the attributes of a node without text call it: a mention's label, an image's alt text or address."""
    attrs = _attrs(node)
    found = (attrs.get(name) for name in _NAMES)
    name = next((value.strip() for value in found if isinstance(value, str) and value.strip()), "")
    return "" if name.startswith("data:") else name


def _plain(node: Node, line_end: str = " ") -> str:
    """All text below a node, however deep."""
    return "".join(_texts(node, line_end))


def _texts(node: Node, line_end: str) -> Iterator[str]:
    waiting = [node]
    while waiting:
        one = waiting.pop()
        text = one.get("text")
        if isinstance(text, str):
            yield text
        elif _kind(one) == "hardbreak":
            yield line_end
        waiting.extend(reversed(_children(one)))
