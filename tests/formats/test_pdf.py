from __future__ import annotations

from datetime import UTC, datetime

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.pdf import parse_pdf, pdf_date, unhyphenated
from tests.formats.samples import pdf


def test_each_page_with_text_is_a_section() -> None:
    parsed = parse_pdf(pdf(["First page", "second line"], [], ["Third page"], title="Report"))
    assert parsed.text == "First page\nsecond line\n\nThird page"
    assert [(s.role, s.anchor, s.label, parsed.text[s.start : s.end]) for s in parsed.sections] == [
        ("page", "#page=1", "page 1", "First page\nsecond line"),
        ("page", "#page=3", "page 3", "Third page"),
    ]
    assert (parsed.title, parsed.authors) == ("Report", ("Ana",))
    assert parsed.created_at == datetime(2024, 1, 31, 0, 30, tzinfo=UTC)


def test_placeholders_are_no_title() -> None:
    assert parse_pdf(pdf(["x"], title="untitled")).title == ""


def test_pages_without_text_are_refused() -> None:
    with pytest.raises(UnreadableContent, match="no text layer"):
        parse_pdf(pdf([], []))


def test_garbage_is_refused() -> None:
    with pytest.raises(UnreadableContent, match="broken PDF"):
        parse_pdf(b"%PDF-1.7\n" + bytes(range(256)) * 20)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("it was con-\nfirmed", "it was confirmed"),
        ("long-term goals, long-\nterm plans", "long-term goals, long-term plans"),
        ("the Franco-\nGerman line", "the Franco-German line"),
        ("pages 10-\n12", "pages 10-\n12"),
        ("soft\ufffe\nhyphen", "softhyphen"),
        ("no break", "no break"),
    ],
)
def test_words_divided_by_a_line_end_are_made_whole(text: str, expected: str) -> None:
    assert unhyphenated(text) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("D:20240131093000+09'00'", datetime(2024, 1, 31, 0, 30, tzinfo=UTC)),
        ("D:20240131093000Z", datetime(2024, 1, 31, 9, 30, tzinfo=UTC)),
        ("D:2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("D:20241399", None),
        ("January", None),
    ],
)
def test_dates_are_read_as_utc(value: str, expected: datetime | None) -> None:
    assert pdf_date(value) == expected


def test_pages_that_refer_to_themselves_end() -> None:
    looping = pdf(["x"]).replace(b"/Kids [4 0 R] /Count 1", b"/Kids [2 0 R] /Count 9")
    with pytest.raises(UnreadableContent):
        parse_pdf(looping)
