"""RSS and Atom: each entry a heading with its link, date, author and text."""

from __future__ import annotations

from typing import Any

from knowhub.formats.archive import parse_xml
from knowhub.formats.html import html_to_markdown
from knowhub.formats.markdown import headings
from knowhub.formats.markdown_writer import plain_text
from knowhub.formats.parsed import Parsed

_BODY = ("encoded", "content", "description", "summary")


def parse_feed(data: bytes) -> Parsed:
    root = parse_xml(data.lstrip())
    channel = next(iter(_children(root, "channel")), root)
    title = _text(channel, "title")
    entries = [*_children(channel, "item"), *_children(root, "item"), *_children(channel, "entry")]
    if channel is not root:
        entries = list(dict.fromkeys(entries))
    blocks = [f"# {title}"] if title else []
    blocks += [_text(channel, "description") or _text(channel, "subtitle")]
    blocks += [block for entry in entries for block in _entry(entry)]
    text = "\n\n".join(block for block in blocks if block)
    return Parsed("markdown", text, title, _text(channel, "language")[:2].lower(), sections=headings(text))


def _entry(entry: Any) -> list[str]:
    links = _children(entry, "link")
    link = next((found.get("href") or plain_text(found) for found in links), "")
    facts = [_text(entry, "pubDate") or _text(entry, "updated") or _text(entry, "date"), _author(entry), link]
    body = next((html for name in _BODY if (html := _content(entry, name))), "")
    return [f"## {_text(entry, 'title') or link}", " · ".join(f for f in facts if f), html_to_markdown(body)]


def _author(entry: Any) -> str:
    for author in _children(entry, "author"):
        return _text(author, "name") or plain_text(author)
    return _text(entry, "creator")


def _content(entry: Any, name: str) -> str:
    from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

    for child in _children(entry, name):
        if len(child):  # Atom may hold XHTML as elements
            return str(etree.tostring(child, encoding="unicode"))
        return str(child.text or "")
    return ""


def _text(element: Any, name: str) -> str:
    found = _children(element, name)
    return plain_text(found[0]) if found else ""


def _children(element: Any, name: str) -> list[Any]:
    """Direct children by local name, whatever their namespace."""
    return [c for c in element if isinstance(c.tag, str) and c.tag.rpartition("}")[2] == name]
