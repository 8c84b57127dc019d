from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.files import parse_file
from knowhub.formats.spreadsheet import anchor, parse_spreadsheet
from tests.formats.samples import repacked, workbook


def test_rows_are_found_where_they_stand() -> None:
    def build(book: Any) -> None:
        plan = book.create_sheet("Q1 plan")
        plan["B3"], plan["C3"], plan["B4"], plan["C4"] = "Goal", "Due", "Ship", dt.date(2024, 5, 1)

    parsed = parse_spreadsheet(workbook(build=build))
    rows = [(s.anchor, s.label, parsed.text[s.start : s.end]) for s in parsed.sections if s.role == "row"]
    assert rows[0] == ("#Sheet!A2", "Sheet, row 2", "Item: Bolt; Price: 1.5")
    assert rows[-1] == ("#'Q1%20plan'!B4", "Q1 plan, row 4", "Goal: Ship; Due: 2024-05-01")


def test_a_value_that_spans_rows_is_repeated_in_each() -> None:
    def build(book: Any) -> None:
        book.active.merge_cells("A2:A3")

    text = parse_spreadsheet(workbook([("Region", "Town"), ("North", "Kiel"), (None, "Bremen")], build)).text
    assert text.endswith("Region: North; Town: Kiel\nRegion: North; Town: Bremen")


def test_properties_name_title_and_author() -> None:
    def build(book: Any) -> None:
        book.properties.title, book.properties.creator = "Stock list", "Ana"

    parsed = parse_spreadsheet(workbook(build=build))
    assert (parsed.title, parsed.authors) == ("Stock list", ("Ana",))


def test_hidden_sheets_are_read() -> None:
    def build(book: Any) -> None:
        hidden = book.create_sheet("Prices")
        hidden.append(["Code", "Net"])
        hidden.append(["X1", 7])
        hidden.sheet_state = "hidden"

    assert "Code: X1; Net: 7" in parse_spreadsheet(workbook(build=build)).text


@pytest.mark.parametrize(
    ("sheet", "expected"), [("Data", "#Data!A1"), ("Bob's", "#'Bob''s'!A1"), ("売上", "#'%E5%A3%B2%E4%B8%8A'!A1")]
)
def test_anchors_are_written_as_spreadsheets_write_references(sheet: str, expected: str) -> None:
    assert anchor(sheet, 0, 0) == expected


def test_an_export_in_html_or_csv_under_a_spreadsheet_name_is_read_as_what_it_is() -> None:
    assert "| A | B |" in parse_file(b"<table><tr><th>A<th>B<tr><td>1<td>2</table>", "export.xls").text
    assert "A: 1; B: 2" in parse_file(b"A\tB\n1\t2\n", "export.xls").text


def test_a_broken_workbook_says_so() -> None:
    with pytest.raises(UnreadableContent, match="broken workbook"):
        parse_spreadsheet(repacked(workbook(), {"xl/workbook.xml": lambda content: content[:50]}))
