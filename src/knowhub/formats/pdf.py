"""PDF to text by PDFium: one section a page, anchored `#page=N` as browsers open it."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Section
from knowhub.formats.charset import normalise_line_ends
from knowhub.formats.markdown import parse_date
from knowhub.formats.parsed import Parsed

MAX_CHARS = 16_000_000
_PASSWORD_NEEDED = "password"
# PDFium marks a hyphen that ends a line as U+FFFE or U+0002.
_LINE_HYPHEN = re.compile(r"(?P<head>[^\W\d_]+)(?:[-\u2010\u00ad]\n|[\ufffe\x02]\n?)(?P<tail>[^\W\d_]+)")
_HYPHENATED = re.compile(r"[^\W\d_]+-[^\W\d_]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\ufffe\uffff]")
_DATE = re.compile(r"D:(\d{4})(\d\d)?(\d\d)?(\d\d)?(\d\d)?(\d\d)?(?:(Z|[+-])(?:(\d\d)'?(\d\d)?)?)?")


def parse_pdf(data: bytes) -> Parsed:
    """Text in the order of the page's content. A word that a line end divides is made whole again.

    Raises UnreadableContent for an encrypted file, a broken one, and one whose pages are pictures.
    """
    document = _open(data)
    try:
        pages = _pages(document)
        properties = document.get_metadata_dict()
    finally:
        document.close()
    text, sections = _joined(pages)
    if not sections:
        raise UnreadableContent("no text layer")
    author, title = _given(properties.get("Author", "")), _given(properties.get("Title", ""))
    return Parsed(
        "text",
        text,
        title,
        "",
        (author,) if author else (),
        pdf_date(properties.get("CreationDate", "")),
        pdf_date(properties.get("ModDate", "")),
        sections,
    )


def pdf_date(value: str) -> datetime | None:
    """A date of ISO 32000 (`D:20240131093000+09'00'`) as UTC."""
    match = _DATE.match(value)
    if not match:
        return None
    year, month, day, hour, minute, second, sign, zone_hour, zone_minute = match.groups()
    zone = f"{sign}{zone_hour}:{zone_minute or '00'}" if sign in ("+", "-") and zone_hour else "+00:00"
    return parse_date(f"{year}-{month or '01'}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}")


def unhyphenated(text: str) -> str:
    """Words that a line end divides made whole; the hyphen stays where the text spells the word with one elsewhere."""
    if not _LINE_HYPHEN.search(text):
        return text
    spelled = {word.lower() for word in _HYPHENATED.findall(text)}

    def whole(match: re.Match[str]) -> str:
        head, tail = match["head"], match["tail"]
        keep = f"{head}-{tail}".lower() in spelled or not tail[0].islower()
        return f"{head}-{tail}" if keep else head + tail

    return _LINE_HYPHEN.sub(whole, text)


def _given(value: str) -> str:
    """A property that a person filled in, not the program's placeholder."""
    value = _CONTROL.sub("", value).strip()
    return "" if value.lower().strip("()") in ("untitled", "anonymous", "unknown", "unspecified") else value


def _open(data: bytes) -> Any:
    import pypdfium2  # type: ignore[import-untyped]  # pypdfium2 ships no types

    try:
        return pypdfium2.PdfDocument(data)
    except pypdfium2.PdfiumError as error:
        encrypted = _PASSWORD_NEEDED in str(error).lower()
        raise UnreadableContent("encrypted" if encrypted else "broken PDF") from error


def _pages(document: Any) -> list[str]:
    import pypdfium2

    pages, size = [], 0
    for index in range(len(document)):
        try:
            page = document[index]
            textpage = page.get_textpage()
        except pypdfium2.PdfiumError:
            pages.append("")  # one broken page does not take the others with it
            continue
        text = textpage.get_text_bounded(errors="replace")
        textpage.close()
        page.close()
        size += len(text)
        if size > MAX_CHARS:
            raise UnreadableContent(f"more than {MAX_CHARS:,} characters of text")
        pages.append(text)
    return pages


def _joined(pages: list[str]) -> tuple[str, tuple[Section, ...]]:
    marked = [_tidy(page) for page in pages]
    parts: list[str] = []
    sections: list[Section] = []
    at = 0
    for number, page in enumerate(marked, start=1):
        if not page:
            continue
        if parts:
            parts.append("\n\n")
            at += 2
        parts.append(page)
        sections.append(Section(at, at + len(page), "page", f"#page={number}", f"page {number}"))
        at += len(page)
    return "".join(parts), tuple(sections)


def _tidy(page: str) -> str:
    text = unhyphenated(normalise_line_ends(page))
    return "\n".join(line.rstrip() for line in _CONTROL.sub("", text).split("\n")).strip()
