from __future__ import annotations

from itertools import pairwise

from knowhub.chunking.router import Chunker
from knowhub.core.types import Document
from tests.chunking.documents import joined, make


def sheet(name: str, *rows: str) -> list[tuple[str, str, str, str]]:
    head = ("sheet", name, f"#{name}", f"Sheet {name}: {len(rows)} rows.")
    return [head, *(("row", f"row {i}", f"#{name}!A{i}", row) for i, row in enumerate(rows, start=2))]


def workbook(*parts: tuple[str, str, str, str]) -> Document:
    return joined("table", *parts, title="Stock.xlsx")


def test_a_sheet_begins_with_a_chunk_of_its_own() -> None:
    first, second = Chunker()(workbook(*sheet("Bolts", "Item: M4; Price: 1", "Item: M5; Price: 2")))
    assert (first.text, first.anchor) == ("Sheet Bolts: 2 rows.", "#Bolts")
    assert (second.text, second.anchor) == ("Item: M4; Price: 1\nItem: M5; Price: 2", "#Bolts!A2")
    assert second.context == "Stock.xlsx › Bolts"


def test_rows_are_packed_whole_and_without_overlap() -> None:
    rows = [f"Item: {i}; Note: {'word ' * 30}".strip() for i in range(40)]
    chunks = Chunker()(workbook(*sheet("Bolts", *rows)))[1:]
    assert [line for chunk in chunks for line in chunk.text.split("\n")] == rows
    assert all(600 < len(chunk.text) <= 800 for chunk in chunks[:-1])


def test_rows_of_two_sheets_never_share_a_chunk() -> None:
    chunks = Chunker()(workbook(*sheet("Bolts", "Item: M4"), *sheet("Nuts", "Item: M5")))
    assert [(c.anchor, c.context) for c in chunks] == [
        ("#Bolts", "Stock.xlsx › Bolts"),
        ("#Bolts!A2", "Stock.xlsx › Bolts"),
        ("#Nuts", "Stock.xlsx › Nuts"),
        ("#Nuts!A2", "Stock.xlsx › Nuts"),
    ]


def test_a_blank_row_is_not_what_a_chunk_opens_at() -> None:
    chunks = Chunker()(workbook(*sheet("Bolts", "   ", "Item: M5")))
    assert (chunks[1].text, chunks[1].anchor) == ("Item: M5", "#Bolts!A3")


def test_a_row_longer_than_a_chunk_is_cut_with_an_overlap_and_keeps_its_anchor() -> None:
    chunks = Chunker()(workbook(*sheet("Bolts", "Item: M4", " ".join(f"w{i}" for i in range(400)), "Item: M6")))
    cut = [chunk for chunk in chunks if chunk.anchor == "#Bolts!A3"]
    assert len(cut) == 3
    assert all(0 < before.end - after.start <= 100 for before, after in pairwise(cut))
    assert chunks[-1].text == "Item: M6"


def test_lines_without_sections_are_packed_as_rows() -> None:
    chunks = Chunker()(make("table", "Item: M4; Price: 1\n" * 100))
    assert all(set(chunk.text.split("\n")) == {"Item: M4; Price: 1"} for chunk in chunks)
