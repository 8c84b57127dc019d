"""Small valid files of each format, made here."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from typing import Any

import docx
import openpyxl  # type: ignore[import-untyped]  # openpyxl ships no types
import pptx

from knowhub.core.errors import UnreadableContent
from knowhub.formats.parsed import Parsed


def pdf(*pages: Sequence[str], title: str = "") -> bytes:
    """Pages of lines in Helvetica (ISO 32000-1, annex H.3)."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for i, lines in enumerate(pages):
        shown = " ".join(f"({line}) Tj 0 -14 Td" for line in lines)
        stream = f"BT /F1 12 Tf 72 720 Td {shown} ET"
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * i} 0 R"
            " /Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({title}) /Author (Ana) /CreationDate (D:20240131093000+09'00') >>")
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(f"{offset:010} 00000 n \n".encode() for offset in offsets)
    out += f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n".encode()
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def saved(document: Any) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def word(build: Callable[[Any], None] | None = None) -> bytes:
    document = docx.Document()
    document.core_properties.author = "Ana"
    document.core_properties.title = "Properties' title"
    document.core_properties.created = dt.datetime(2024, 1, 2, 3, 4, 5)
    if build is None:
        document.add_heading("Travel", level=1)
        document.add_paragraph("Book trains early.")
    else:
        build(document)
    return saved(document)


def slides(build: Callable[[Any], None] | None = None) -> bytes:
    deck = pptx.Presentation()
    if build is None:
        slide = deck.slides.add_slide(deck.slide_layouts[1])
        slide.shapes.title.text = "Roadmap"
        slide.placeholders[1].text = "Ship the hub"
        slide.notes_slide.notes_text_frame.text = "Mention the deadline"
    else:
        build(deck)
    return saved(deck)


def workbook(rows: Sequence[Sequence[Any]] = (), build: Callable[[Any], None] | None = None) -> bytes:
    book = openpyxl.Workbook()
    for row in rows or (("Item", "Price"), ("Bolt", 1.5), ("Nut", 3)):
        book.active.append(list(row))
    if build is not None:
        build(book)
    return saved(book)


def mail(**headers: str) -> EmailMessage:
    message = EmailMessage()
    for name, value in {"From": "Ana <ana@example.com>", "To": "bo@example.com", "Subject": "Lunch", **headers}.items():
        message[name] = value
    message["Date"] = "Wed, 31 Jan 2024 09:30:00 +0900"
    message.set_content("At noon?\n")
    return message


def outcome(parse: Callable[[bytes, str], Parsed], data: bytes, name: str) -> Parsed | UnreadableContent:
    """What becomes of a file: nothing else may."""
    try:
        parsed = parse(data, name)
    except UnreadableContent as error:
        return error
    parsed.text.encode()
    return parsed


def zipped(parts: dict[str, str | bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def repacked(data: bytes, changes: dict[str, Callable[[bytes], bytes]]) -> bytes:
    """A ZIP with some of its parts changed."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return zipped({name: changes.get(name, bytes)(content) for name, content in parts.items()})


def epub() -> bytes:
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
            '<rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
            "OEBPS/book.opf": '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            "<metadata><dc:title>The Manual</dc:title><dc:creator>Bo</dc:creator><dc:language>en-GB</dc:language>"
            '</metadata><manifest><item id="b" href="two.xhtml"/><item id="a" href="one%20a.xhtml"/></manifest>'
            '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>',
            "OEBPS/one a.xhtml": "<html><body><h1>First</h1><p>Begin.</p></body></html>",
            "OEBPS/two.xhtml": "<html><body><h1>Second</h1><p>End.</p></body></html>",
        }
    )


NOTEBOOK = b"""{"nbformat": 4, "metadata": {"kernelspec": {"language": "python"}}, "cells": [
 {"cell_type": "markdown", "source": ["# Sales\\n", "By month."]},
 {"cell_type": "code", "source": "print(6 * 7)", "outputs": [{"output_type": "stream", "text": ["42\\n"]}]}]}"""

FEED = b"""<?xml version="1.0"?><rss version="2.0" xmlns:dc="http://purl.org/dc/elements/1.1/"><channel>
<title>News</title><item><title>Hub ships</title><link>https://example.com/1</link><dc:creator>Ana</dc:creator>
<pubDate>Wed, 31 Jan 2024 09:30:00 GMT</pubDate>
<description>&lt;p&gt;At &lt;b&gt;last&lt;/b&gt;.&lt;/p&gt;</description>
</item></channel></rss>"""

PAGE = b"""<!doctype html><html lang="en"><head><title>Leave | Handbook</title>
<meta name="author" content="Ana"></head><body>
<nav>Home</nav><main><h1>Leave</h1><p>Everyone has 30 days.</p></main><script>alert(1)</script></body></html>"""


def each() -> dict[str, bytes]:
    """One file of every format that is parsed, by name."""
    return {
        "page.md": b"---\ntitle: Leave\n---\n# Leave\n\nEveryone has 30 days.\n",
        "note.txt": "Kaffee für alle".encode("cp1252"),
        "page.html": PAGE,
        "report.pdf": pdf(["Quarterly report", "Sales grew."]),
        "travel.docx": word(),
        "deck.pptx": slides(),
        "stock.xlsx": workbook(),
        "stock.csv": b"Item;Price\nBolt;1.5\nNut;3\n",
        "lunch.eml": mail().as_bytes(),
        "sales.ipynb": NOTEBOOK,
        "manual.epub": epub(),
        "news.rss": FEED,
        "main.py": b"def main():\n    return 42\n",
    }
