"""HTML pages and fragments to Markdown: the page's main content, without navigation, scripts and styles."""

from __future__ import annotations

import re
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.formats.charset import decode, normalise_line_ends
from knowhub.formats.markdown import headings, parse_date
from knowhub.formats.markdown_writer import Element, plain_text, to_markdown
from knowhub.formats.parsed import Parsed

_DECLARED_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]{2,40})""", re.IGNORECASE)
_XML_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_MAIN = (
    "//*[@id='mw-content-text']",
    "//main",
    "//*[@role='main']",
    "//article[not(ancestor::article)]",
    "//*[@id='content' or @id='main-content' or @itemprop='articleBody']",
)
_AROUND = "//nav | //*[@role='navigation'] | //body/header | //body/footer | //*[@role='banner' or @role='contentinfo']"
_INVISIBLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MIN_MAIN_SHARE = 0.25


def parse_html(data: bytes) -> Parsed:
    """A whole page. The title is the first heading of level 1, else `<title>`."""
    root = _tree(_decode(data))
    if root is None:
        return Parsed("markdown", "")
    title, authors, created, updated = _metadata(root)
    text = to_markdown(_main(root))
    sections = headings(text)
    title = next((s.label for s in sections if s.level == 1), "") or _first_heading(root) or title
    language = (root.get("lang") or "")[:2].lower()
    return Parsed("markdown", text, title, language, authors, created, updated, sections)


def html_to_markdown(source: str) -> str:
    """A fragment of HTML (a mail's body, a feed's entry, a page's rendered content), all of it."""
    root = _tree(source)
    return "" if root is None else to_markdown(root)


def _decode(data: bytes) -> str:
    declared = _DECLARED_CHARSET.search(data[:4096])
    if declared and not data.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        name = {"shift_jis": "cp932", "x-sjis": "cp932", "iso-8859-1": "cp1252"}.get(
            declared.group(1).decode("ascii", "replace").lower(), declared.group(1).decode("ascii", "replace")
        )
        try:
            return normalise_line_ends(data.decode(name))
        except (LookupError, UnicodeDecodeError, ValueError):
            pass  # a false declaration: the bytes decide
    return decode(data)


def _tree(source: str) -> Element | None:
    from lxml import etree, html  # type: ignore[import-untyped]  # lxml ships no types

    source = _XML_DECLARATION.sub("", source, count=1)
    if not source.strip():
        return None
    parser = html.HTMLParser(remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = html.document_fromstring(source.replace("\0", ""), parser=parser)
    except (etree.LxmlError, ValueError) as error:
        if "empty" in str(error).lower():
            return None
        raise UnreadableContent("not readable as HTML") from error
    if any("xcessive depth" in entry.message for entry in parser.error_log):
        raise UnreadableContent("HTML nested too deeply")
    return root


def _main(root: Element) -> Element:
    for element in root.xpath("//*[@style]"):
        if _INVISIBLE.search(element.get("style")):
            element.set("hidden", "")
    for element in root.xpath(_AROUND):
        element.set("hidden", "")
    body = root.find("body")
    body = root if body is None else body
    whole = len(plain_text(body))
    for path in _MAIN:
        found = root.xpath(path)
        if len(found) == 1 and len(plain_text(found[0])) >= whole * _MIN_MAIN_SHARE:
            return found[0]
    return body


def _first_heading(root: Element) -> str:
    element = root.find(".//h1")
    return "" if element is None else plain_text(element)


def _metadata(root: Element) -> tuple[str, tuple[str, ...], Any, Any]:
    title = root.find("head/title")
    meta: dict[str, str] = {}
    for element in root.iterfind("head/meta"):
        key = element.get("name") or element.get("property") or element.get("itemprop") or ""
        meta.setdefault(key.lower(), (element.get("content") or "").strip())
    name = plain_text(title) if title is not None else ""
    author = meta.get("author", "")
    created = meta.get("article:published_time") or meta.get("date") or meta.get("datepublished") or ""
    updated = meta.get("article:modified_time") or meta.get("last-modified") or meta.get("datemodified") or ""
    authors = (author,) if author else ()
    return name or meta.get("og:title", ""), authors, parse_date(created), parse_date(updated)
