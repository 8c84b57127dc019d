from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.visible import visible


@pytest.mark.parametrize(
    "hidden",
    ["\u202e", "\u200b", "\ufeff", "\u2066", "\x1b", "\x00", "\x7f", "\U000e0041", "\u00ad", "\u061c"],
    ids=lambda one: f"U+{ord(one):04X}",
)
def test_what_no_reader_sees_is_taken_out(hidden: str) -> None:
    assert visible(f"pay{hidden} 5 EUR") == "pay 5 EUR"


@pytest.mark.parametrize("text", ["a\tb\r\nc", "می‌خواهم", "👩‍💻", "日本語、ですか？", "e\u0301", "😀"])
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


@given(st.text())
def test_nothing_is_left_to_take_out(text: str) -> None:
    assert visible(visible(text)) == visible(text)
