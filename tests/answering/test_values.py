from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.values import values


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("raised to $1.5 million on June 26th, 2015", ["1500000 usd", "06-26", "2015"]),
        ("101--104 °F", ["101", "104 fahrenheit"]),
        ("10-15 days", ["10", "15 day"]),
        ("two hundred people", ["200 person"]),
        ("twenty-five percent", ["25 percent"]),
        ("the third, in May 2015 on Friday at 2:30 pm", ["3", "5", "2015", "4", "14:30"]),
        ("the 21st century", ["21 century"]),
        ("予算は3万円、5月22日に", ["30000 jpy", "05-22"]),
        ("-5 °C or 1,200", ["-5 celsius", "1200"]),
        ("a 401(k), one of them", []),
        ("2024-03-01", ["03-01", "2024"]),
        ("in October", ["10"]),
    ],
)
def test_every_value_is_read_in_one_spelling(text: str, expected: list[str]) -> None:
    assert [f"{value.amount} {value.unit}".strip() for value in values(text)] == expected


@given(st.text(max_size=100))
def test_values_stand_where_they_say(text: str) -> None:
    assert all(text[value.start : value.end].strip() for value in values(text))


@given(st.integers(0, 10**9), st.sampled_from(["", "$", "€"]), st.sampled_from(["", " EUR", "%", " days", ".", ","]))
def test_no_plain_number_is_overlooked(number: int, before: str, after: str) -> None:
    amounts = [value.amount for value in values(f"it is {before}{number}{after}")]
    assert re.fullmatch(rf"{number}", amounts[0]) or float(amounts[0]) == number
