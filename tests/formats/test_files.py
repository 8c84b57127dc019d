from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import UnreadableContent
from knowhub.formats.files import extension, is_cheap, parse_file, supported, unsupported_reason
from knowhub.formats.parsed import Parsed
from tests.formats.samples import FEED, PAGE, each, mail, outcome, pdf, repacked, workbook, zipped


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("page.md", "markdown", "Everyone has 30 days."),
        ("note.txt", "text", "Kaffee für alle"),
        ("page.html", "markdown", "Everyone has 30 days."),
        ("report.pdf", "text", "Sales grew."),
        ("travel.docx", "markdown", "Book trains early."),
        ("deck.pptx", "markdown", "Ship the hub"),
        ("stock.xlsx", "table", "Item: Bolt; Price: 1.5"),
        ("stock.csv", "table", "Item: Bolt; Price: 1.5"),
        ("lunch.eml", "text", "At noon?"),
        ("sales.ipynb", "markdown", "print(6 * 7)"),
        ("manual.epub", "markdown", "Begin."),
        ("news.rss", "markdown", "At **last**."),
        ("main.py", "code", "return 42"),
    ],
)
def test_each_format_is_read_as_its_kind(name: str, kind: str, expected: str) -> None:
    parsed = parse_file(each()[name], name)
    assert parsed.kind == kind
    assert expected in parsed.text
    assert all(0 <= s.start <= s.end <= len(parsed.text) for s in parsed.sections)


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        (pdf(["Found"]), "report.docx", "Found"),
        (workbook(), "report.pdf", "Item: Bolt"),
        (workbook(), "report", "Item: Bolt"),
        (PAGE, "README", "# Leave"),
        (FEED, "feed.xml", "# News"),
        (mail().as_bytes(), "x.EML", "At noon?"),
        ("会議".encode("utf-16"), "note", "会議"),
    ],
)
def test_content_decides_where_it_proves_more_than_the_name(data: bytes, name: str, expected: str) -> None:
    assert expected in parse_file(data, name).text


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "chart.png", "no text in .png files"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "chart.txt", "no text in .png files"),
        (zipped({"a.txt": "x"}), "a", "no text in .zip files"),
        (b"x", "old.doc", "no reader for .doc files"),
        (b"{\\rtf1 x}", "note.txt", "no reader for .rtf files"),
        (b"hello", "a.docx", "not a valid ZIP"),
        (workbook()[:200], "a.xlsx", "not a valid ZIP"),
        (b"hello", "a.pdf", "not a PDF"),
        (b"", "a.pdf", "empty file"),
        (b"", "a.docx", "empty file"),
        (b"", "a.xlsx", "empty file"),
        (bytes(range(256)) * 10, "a.txt", "binary data, not text"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "a.xls", "broken OLE container"),
    ],
)
def test_what_cannot_be_read_has_a_reason(data: bytes, name: str, reason: str) -> None:
    with pytest.raises(UnreadableContent, match=reason):
        parse_file(data, name)


def test_encrypted_zips_are_told_apart() -> None:
    data = bytearray(workbook())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            data[at + offset] |= 1
            at = data.find(signature, at + 4)
    with pytest.raises(UnreadableContent, match="encrypted"):
        parse_file(bytes(data), "a.xlsx")


@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.csv", "a.py", "README"])
def test_an_empty_file_of_text_is_an_empty_document(name: str) -> None:
    assert parse_file(b"", name).text == ""


def test_an_empty_workbook_is_an_empty_document() -> None:
    assert parse_file(workbook([[None]]), "a.xlsx").text == ""


def test_names_tell_what_no_text_can_come_of() -> None:
    assert not supported("logo.PNG")
    assert unsupported_reason("folder.d/archive.tar.gz") == "no text in .gz files"
    assert unsupported_reason("memo.doc") == "no reader for .doc files"
    assert all(supported(name) for name in ("a.md", "Makefile", ".gitignore", "a.unknown", "x.png.txt"))


@pytest.mark.parametrize(("name", "expected"), [("a/b.TXT", "txt"), (".env", ""), ("a.b/c", ""), ("x.tar.gz", "gz")])
def test_an_extension_is_what_follows_the_last_dot(name: str, expected: str) -> None:
    assert extension(name) == expected


def test_lone_surrogates_do_not_leave() -> None:
    notebook = b'{"cells": [{"cell_type": "markdown", "source": "a\\ud800b\\u0000c"}]}'
    assert parse_file(notebook, "a.ipynb").text == "a\ufffdb\ufffdc"


def test_cheap_is_small_plain_and_utf_8() -> None:
    assert is_cheap(b"# x", "a.md")
    assert is_cheap(b"a,b", "a.csv")
    assert not is_cheap(b"x" * 1_000_001, "a.md")
    assert not is_cheap(b"caf\xe9", "a.md")
    assert not any(
        is_cheap(b"x", f"a.{ending}") for ending in ("html", "pdf", "docx", "xlsx", "ipynb", "eml", "xml", "")
    )


def test_properties_that_are_broken_do_not_take_the_document_with_them() -> None:
    data = repacked(workbook(), {"docProps/core.xml": lambda content: content[:30]})
    assert "Item: Bolt" in parse_file(data, "a.xlsx").text


@given(st.binary(max_size=200), st.sampled_from(["a", "a.md", "a.csv", "a.py", "a.txt", "a.ipynb", "a.eml", "a.xml"]))
def test_any_bytes_are_a_document_or_have_a_reason(data: bytes, name: str) -> None:
    result = outcome(parse_file, data, name)
    assert isinstance(result, Parsed) or result.message


def test_no_parser_is_imported_before_it_is_needed() -> None:
    heavy = ("lxml", "pypdfium2", "pptx", "python_calamine", "oxmsg", "charset_normalizer", "zipfile", "email", "csv")
    program = (
        "import sys; from knowhub.formats.files import parse_file; parse_file(b'# x', 'a.md')\n"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
