from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.office import parse_docx
from tests.formats.samples import repacked, word, zipped


def test_headings_lists_and_paragraphs_become_markdown() -> None:
    def build(document: Any) -> None:
        document.add_heading("Handbook", level=0)
        document.add_heading("Travel", level=1)
        document.add_paragraph("Book early.")
        document.add_paragraph("Trains", style="List Bullet")
        document.add_paragraph("Night trains", style="List Bullet 2")
        document.add_paragraph("Ask", style="List Number")
        document.add_paragraph("Book", style="List Number")

    parsed = parse_docx(word(build))
    assert parsed.text == ("# Handbook\n\n# Travel\n\nBook early.\n\n- Trains\n- Night trains\n1. Ask\n2. Book")
    assert [s.label for s in parsed.sections] == ["Handbook", "Travel"]


def test_title_author_and_dates_come_from_the_document() -> None:
    parsed = parse_docx(word(lambda document: document.add_paragraph("x")))
    assert (parsed.title, parsed.authors) == ("Properties' title", ("Ana",))
    assert parsed.created_at == datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_tables_keep_rows_columns_and_spans() -> None:
    def build(document: Any) -> None:
        table = document.add_table(rows=3, cols=2)
        for row, texts in zip(table.rows, (("Region", "Town"), ("North", "Kiel"), ("", "Bremen|Nord")), strict=True):
            for cell, text in zip(row.cells, texts, strict=True):
                cell.text = text
        table.cell(1, 0).merge(table.cell(2, 0))

    assert parse_docx(word(build)).text == (
        "| Region | Town |\n| --- | --- |\n| North | Kiel |\n| North | Bremen\\|Nord |"
    )


def test_comments_and_links_are_kept() -> None:
    def build(document: Any) -> None:
        paragraph = document.add_paragraph("The budget is 5000.")
        document.add_comment(paragraph.runs, text="Now 6000", author="Bo", initials="B")

    assert parse_docx(word(build)).text == "The budget is 5000.[1]\n\n[1] Comment by Bo: Now 6000"


def test_tracked_changes_are_read_as_accepted() -> None:
    def change(content: bytes) -> bytes:
        run = b"<w:r><w:t>%s</w:t></w:r>"
        new = b"<w:del><w:r><w:delText>old</w:delText></w:r></w:del><w:ins>" + run % b"new" + b"</w:ins>"
        return content.replace(run % b"X", new)

    data = word(lambda document: document.add_paragraph("X"))
    assert parse_docx(repacked(data, {"word/document.xml": change})).text == "new"


def test_a_package_without_its_document_is_refused() -> None:
    with pytest.raises(UnreadableContent, match="incomplete"):
        parse_docx(zipped({"word/other.xml": "<x/>"}))


def test_entities_are_refused() -> None:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<!DOCTYPE x [<!ENTITY l0 "lol">{levels}]><x>&l11;</x>'
    with pytest.raises(UnreadableContent, match="entities"):
        parse_docx(repacked(word(), {"word/document.xml": lambda _: bomb.encode()}))


def test_entities_hidden_by_utf_16_do_not_expand() -> None:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    bomb = f'<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x [<!ENTITY l0 "lol">{levels}]><x>&l11;</x>'
    with pytest.raises(UnreadableContent):
        parse_docx(repacked(word(), {"_rels/.rels": lambda _: bomb.encode("utf-16")}))
