from __future__ import annotations

import contextlib
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import UnreadableContent
from knowhub.formats.delimited import delimiter_of, parse_delimited


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(delimiter: str) -> None:
    text = "\n".join(delimiter.join(row) for row in (["Name", "Town"], ["Ana, B.", "Lyon"], ["Bo", "Bern"]))
    text = text.replace("Ana, B.", '"Ana, B."')
    assert delimiter_of(text) == delimiter
    assert "Name: Ana, B.; Town: Lyon" in parse_delimited(text).text


def test_decimal_commas_do_not_win_over_semicolons() -> None:
    assert delimiter_of("Item;Price;Tax\nBolt;1,5;0,2\nNut;3,0;0,4\n") == ";"


def test_a_row_is_found_at_its_line_also_after_fields_of_many_lines() -> None:
    parsed = parse_delimited('Item,Note\nBolt,"one\ntwo"\nNut,x\n')
    assert [(s.anchor, s.label) for s in parsed.sections if s.role == "row"] == [("#L2", "row 2"), ("#L4", "row 4")]
    assert "Item: Bolt; Note: one two" in parsed.text


def test_numbers_are_measured_but_never_rewritten() -> None:
    text = parse_delimited("Id,Price,Phone\n007,1.50,0301234\n008,2,0305678\n").text
    assert "Id: 007; Price: 1.50; Phone: 0301234" in text
    assert "Price: 1 to 3" in parse_delimited("Item,Price\na,1\nb,3\n").text


def test_one_column_is_a_table_too() -> None:
    assert parse_delimited("Town\nLyon\nBern\n").text.endswith("Town: Lyon\nTown: Bern")


def test_a_field_that_never_ends_is_refused() -> None:
    with pytest.raises(UnreadableContent, match="not separated values"):
        parse_delimited('a,b\n"' + "x" * 200_000)


FIELDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Zs", "Zl", "Zp")), min_size=1, max_size=6)


@given(st.lists(st.lists(FIELDS, min_size=3, max_size=3), min_size=2, max_size=6))
def test_every_field_of_written_csv_is_in_the_text(rows: list[list[str]]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["Ka", "Kb", "Kc"], *rows])
    text = parse_delimited(buffer.getvalue().replace("\r\n", "\n")).text
    for row in rows:
        assert "; ".join(f"{name}: {value}" for name, value in zip(("Ka", "Kb", "Kc"), row, strict=True)) in text


@given(st.text(max_size=200))
def test_any_text_is_a_table_or_refused(text: str) -> None:
    with contextlib.suppress(UnreadableContent):
        parse_delimited(text)
