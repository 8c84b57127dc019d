"""Confluence's storage format as text ▸ an lxml tree, whatever the text is like.

Storage format is XHTML with undeclared prefixes and HTML's entities, and old or foreign pages break its rules. So this
reads it as a browser would: what is never closed ends with its parent, what was never opened is passed over, and no
text is lost. Names lose their colon (`ac:link` ▸ `ac-link`), since lxml wants prefixes declared.
"""

from __future__ import annotations

import re
from html import unescape
from typing import Any

Element = Any
"""lxml.etree._Element; lxml ships no types."""

# Attribute values hold no raw `<`, so that an unclosed quote ends the search at the next tag: linear on any input.
_TOKEN = re.compile(
    r"<!\[CDATA\[(?P<cdata>.*?)(?:\]\]>|\Z)|<!--.*?(?:-->|\Z)|<[?!](?!\[CDATA\[|--)[^<>]*>"
    r"|</(?P<close>[A-Za-z][A-Za-z0-9:._-]*)[^<>]*>"
    r"""|<(?P<open>[A-Za-z][A-Za-z0-9:._-]*)(?P<attributes>(?>[^<>"']+|"[^"<]*"|'[^'<]*')*)>""",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r"""([A-Za-z_][A-Za-z0-9:._-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset(("br", "hr", "img", "col", "input"))
_MAX_DEPTH = 48
"""Deeper elements lose their mark-up, not their text; people's pages stay below 30."""


def parse_storage(storage: str) -> Element:
    """The elements of `storage` under one `<div>`. Never raises."""
    from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

    root = etree.Element("div")
    path = [root]
    end = 0
    for token in _TOKEN.finditer(storage):
        append_text(path[-1], unescape(storage[end : token.start()]))
        end = token.end()
        if token["cdata"] is not None:
            append_text(path[-1], token["cdata"])
        elif token["close"]:
            _close(path, _name(token["close"]))
        elif token["open"]:
            _open(path, _name(token["open"]), token["attributes"])
    append_text(path[-1], unescape(storage[end:]))
    return root


def append_text(element: Element, text: str) -> None:
    """Put `text` behind all that `element` holds."""
    # \ue000 is the mark that the Markdown writer uses for line breaks.
    text = _NOT_XML.sub("", text).replace("\ue000", " ").replace("\r\n", "\n").replace("\r", "\n")
    if not text:
        return
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text


def text_of(element: Element | None) -> str:
    """All text of an element, as it stands."""
    return "" if element is None else "".join(element.itertext())


def _name(name: str) -> str:
    return name.lower().replace(":", "-")


def _open(path: list[Element], name: str, attributes: str) -> None:
    empty = attributes.rstrip().endswith("/") or name in _VOID
    if len(path) > _MAX_DEPTH and not empty:
        append_text(path[-1], " ")
        return
    element = path[-1].makeelement(name, _attributes(attributes))
    path[-1].append(element)
    if not empty:
        path.append(element)


def _close(path: list[Element], name: str) -> None:
    for depth in range(len(path) - 1, 0, -1):
        if path[depth].tag == name:
            del path[depth:]
            return


def _attributes(text: str) -> dict[str, str]:
    found = _ATTRIBUTE.findall(text)
    return {_name(name): _NOT_XML.sub("", unescape(double or single)) for name, double, single in found}
