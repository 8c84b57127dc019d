"""WordPress items as CSV files: names, columns, and cells that come back as they went in."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.core.types import Acl, ContainerId, Document, ItemId, RawRecord, SourceName, document_id
from knowhub.formats.wordpress_csv import Table, csv_files, encoded, flattened, plain_text, safe

NAME = SourceName("mall")
AT = datetime(2026, 10, 24, 9, 30, 5, tzinfo=UTC)


def record(number: int, kind: str = "event", **item: Any) -> RawRecord:
    names = {"author": "Ann", "terms": [{"field": "floors", "label": "Floors", "names": ["Ground", ""]}]}
    payload = {"item": {"id": number, **item}, "names": names, "comments": []}
    return RawRecord(NAME, ContainerId(kind), ItemId(f"post:{number}"), kind, "1", Acl.of("owner"), payload)


def document(number: int, text: str) -> Document:
    item = ItemId(f"post:{number}")
    return Document(
        document_id(NAME, item), NAME, ContainerId("event"), "markdown", "Ice rink", text, "https://x.example/ice",
        Acl.of("owner"), "1", 1, updated_at=AT,
    )  # fmt: skip


def rows(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_each_type_has_a_raw_and_a_vectorial_file_named_by_type_and_time() -> None:
    files = dict(csv_files([record(2), record(3, "stores/../x")], [document(2, "body")], at=AT))
    assert sorted(files) == [
        "raw/event_20261024_093005.csv",
        "raw/stores_x_20261024_093005.csv",
        "vectorial/event_vectorial_20261024_093005.csv",
        "vectorial/stores_x_vectorial_20261024_093005.csv",
    ]


def test_raw_has_a_column_for_every_field_of_any_item() -> None:
    items = [
        record(10, title={"rendered": "Ice &#8211; rink"}, acf={"hours": {"mon": "10-20"}, "tags": [1, "b"]}),
        record(9, title={"rendered": "Gala"}, sticky=False, content={"rendered": "<p>a,\n\"b\"</p>"}),
    ]  # fmt: skip
    head, first, second = rows(dict(csv_files(items, [], at=AT))["raw/event_20261024_093005.csv"])
    assert head[:2] == ["id", "title.rendered"]
    assert dict(zip(head, first, strict=True))["content.rendered"] == '<p>a,\n"b"</p>'
    told = dict(zip(head, second, strict=True))
    assert told["id"] == "10"
    assert told["title.rendered"] == "Ice – rink"
    assert told["acf.hours.mon"] == "10-20"
    assert json.loads(told["acf.tags"]) == [1, "b"]
    assert told["sticky"] == ""
    assert (told["author.name"], told["floors.names"]) == ("Ann", '["Ground"]')


def test_vectorial_has_one_text_to_embed() -> None:
    text = (
        "**Floors:** Ground\n\n## When\n\n- [Monday](https://x.example)\n\n| Day | Open |\n| --- | --- |\n| Mon | 10 |"
    )
    files = dict(csv_files([record(2)], [document(2, text)], at=AT))
    head, row = rows(files["vectorial/event_vectorial_20261024_093005.csv"])
    assert head == ["id", "url", "title", "modified", "type", "language", "text"]
    assert row[:4] == ["2", "https://x.example/ice", "Ice rink", "2026-10-24T09:30:05+00:00"]
    assert row[-1] == "Ice rink\n\nFloors: Ground\n\nWhen\n\nMonday\n\nDay, Open\n\nMon, 10"


def test_an_item_without_a_document_is_in_the_raw_file_only() -> None:
    files = dict(csv_files([record(2), record(3)], [document(3, "x")], at=AT))
    assert len(rows(files["raw/event_20261024_093005.csv"])) == 3
    assert [row[0] for row in rows(files["vectorial/event_vectorial_20261024_093005.csv"])] == ["id", "3"]


@pytest.mark.parametrize("cell", ["=1+1", "+cmd|'/C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1"])
def test_a_cell_is_never_a_formula(cell: str) -> None:
    assert safe(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-5", "+4.5", "-12,5%", "a=b", "", "'x", "10 - 12"])
def test_other_cells_stay_as_they_are(cell: str) -> None:
    assert safe(cell) == cell


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=4), st.booleans())
def test_whatever_is_written_is_read_back(table: list[tuple[str, str]], bom: bool) -> None:
    data = encoded(Table(("a", "b"), tuple({"a": a, "b": b} for a, b in table)), bom=bom)
    assert data.startswith(b"\xef\xbb\xbf") == bom
    assert rows(data) == [["a", "b"], *([safe(a), safe(b)] for a, b in table)]


def test_odd_values_have_a_cell() -> None:
    told = flattened({"a": None, "b": True, "c": {}, "d": [], "e": 1.5, "f": {"g": {"h": [{"i": 1}]}}})
    assert told == {"a": "", "b": "true", "c": "", "d": "", "e": "1.5", "f.g.h": '[{"i": 1}]'}
    assert safe("a\0b\ud800") == "a\ufffdb\ufffd"


def test_plain_text_keeps_what_only_looks_like_markup() -> None:
    assert plain_text("2 * 3 * 4 and snake_case\n\n```py\nx = 1\n```\n\n> quoted **bold** `code`") == (
        "2 * 3 * 4 and snake_case\n\nx = 1\n\nquoted bold code"
    )
