from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats import table
from knowhub.formats.table import Cell, Row, Sheet, column_name, header_row, render, show


def sheet(*rows: Row, name: str = "Stock", omitted: int = 0) -> Sheet:
    return Sheet(name, rows, lambda i: (f"#R{i}", f"row {i}"), omitted=omitted)


def test_each_row_tells_its_headers_and_the_summary_tells_the_sheet() -> None:
    parsed = render(
        [sheet(["Item", "Price", "Since"], ["Bolt", 1.5, dt.date(2024, 1, 2)], ["Nut", 3.0, dt.date(2024, 5, 1)])]
    )
    assert parsed.kind == "table"
    assert parsed.text == (
        'Sheet "Stock": 2 rows, 3 columns. Item: Bolt, Nut. Price: 1.5 to 3. Since: 2024-01-02 to 2024-05-01.\n\n'
        "Item: Bolt; Price: 1.5; Since: 2024-01-02\nItem: Nut; Price: 3; Since: 2024-05-01"
    )
    assert [(s.role, s.anchor, s.label) for s in parsed.sections] == [
        ("sheet", "#R0", "Stock"),
        ("row", "#R1", "row 1"),
        ("row", "#R2", "row 2"),
    ]


def test_rows_without_a_header_are_named_by_their_columns() -> None:
    assert "\nA: 1; B: x\nA: 2; B: y" in render([sheet([1, "x"], [2, "y"])]).text


def test_a_single_column_without_a_header_is_shown_bare() -> None:
    assert render([sheet([1], [2])]).text.endswith("\n\n1\n2")


def test_a_preamble_above_the_header_is_part_of_the_summary() -> None:
    text = render([sheet(["Stock of May", "", ""], ["", "", ""], ["Item", "Price", "Unit"], ["Bolt", 1, "kg"])]).text
    assert text.startswith('Stock of May. Sheet "Stock": 1 row, 3 columns.')
    assert text.endswith("Item: Bolt; Price: 1; Unit: kg")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([["Item", "Price"], ["Bolt", 1]], 0),
        ([["Region", 2022, 2023], ["North", 5, 6]], 0),
        ([["Title", "", ""], ["a", "b", "c"], [1, 2, 3]], 1),
        ([[1, 2], [3, 4]], None),
        ([["a", "a"], ["b", 1]], None),
        ([["only", "header"]], None),
        ([], None),
        ([["", ""], ["", ""]], None),
        ([["x" * 200, "y"], ["a", "b"]], None),
    ],
)
def test_the_header_is_the_first_full_row_of_distinct_short_texts(rows: list[list[Cell]], expected: int | None) -> None:
    assert header_row(rows) == expected


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (30.0, "30"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        (True, "TRUE"),
        (None, ""),
        ("a\n  b\tc", "a b c"),
        ("a\0b", "ab"),
        (dt.datetime(2024, 1, 2), "2024-01-02"),
        (dt.datetime(2024, 1, 2, 3, 4), "2024-01-02 03:04:00"),
        (dt.time(3, 4), "03:04:00"),
        (dt.timedelta(days=1, hours=2, seconds=5), "26:00:05"),
    ],
)
def test_cells_are_shown_as_people_read_them(cell: Cell, text: str) -> None:
    assert show(cell) == text


def test_columns_are_counted_as_spreadsheets_do() -> None:
    assert [column_name(i) for i in (0, 25, 26, 701, 702, 16383)] == ["A", "Z", "AA", "ZZ", "AAA", "XFD"]


def test_empty_sheets_are_named_beside_full_ones_and_alone_make_no_text() -> None:
    assert render([sheet(), sheet(["", None])]).text == ""
    assert 'Sheet "Empty": empty.' in render([sheet([1, 2]), sheet(name="Empty")]).text


def test_rows_beyond_the_limit_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(table, "MAX_ROWS", 3)
    parsed = render([sheet(["n", "m"], *([i, i] for i in range(5)), omitted=7), sheet(["n", "m"], [1, 2], name="Next")])
    assert [s.role for s in parsed.sections] == ["sheet", "row", "row", "row", "sheet"]
    assert "12 rows, 2 columns" in parsed.text
    assert "9 rows are left out" in parsed.text
    assert "1 rows are left out" in parsed.text


CELLS = st.one_of(
    st.none(), st.text(max_size=5), st.integers(-9, 9), st.floats(), st.booleans(), st.datetimes(), st.timedeltas()
)


@given(st.lists(st.lists(st.lists(CELLS, max_size=4), max_size=6), max_size=3))
def test_sections_cover_their_lines_in_order_without_overlap(sheets: list[list[list[Cell]]]) -> None:
    parsed = render([sheet(*rows, name=f"S{i}") for i, rows in enumerate(sheets)])
    at = 0
    for section in parsed.sections:
        assert at <= section.start <= section.end <= len(parsed.text)
        assert "\n" not in parsed.text[section.start : section.end]
        at = section.end
    assert parsed.text.replace("\n", "") == "".join(parsed.text[s.start : s.end] for s in parsed.sections)
