from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.facts import facts, negated


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("up to 140 EUR a night", {"money:eur": {"140"}}),
        ("€1,200.50 or $3k", {"money:eur": {"1200.5"}, "money:usd": {"3000"}}),
        ("cuesta 1.200 euros", {"money:eur": {"1200"}}),
        ("一泊15,000円です", {"money:jpy": {"15000"}}),
        ("予算は3万円", {"money:jpy": {"30000"}}),
        ("99.5 % of the time", {"percent": {"99.5"}}),
        ("in 30 working days", {"count:day": {"30"}}),
        ("30日以内に、3人で", {"count:day": {"30"}, "count:person": {"3"}}),
        ("en 30 días", {"count:day": {"30"}}),
        ("two people and 5 GB", {"count:person": {"2"}, "count:gb": {"5"}}),
        ("on 12 May 2026", {"date": {"05-12"}}),
        ("May 12th, 2026-06-01", {"date": {"05-12", "06-01"}}),
        ("5月22日に", {"date": {"05-22"}}),
        ("el 3 de abril", {"date": {"04-03"}}),
        ("at 14:30, not 2 pm", {"clock": {"14:30", "14:00"}}),
        ("every Friday", {"weekday": {"4"}}),
        ("金曜日に", {"weekday": {"4"}}),
        ("los lunes", {"weekday": {"0"}}),
        ("we use 3.12 of it", {"decimal": {"3.12"}}),
        ("nothing to see", {}),
    ],
)
def test_values_are_read_with_their_kind_and_unit(text: str, expected: dict[str, set[str]]) -> None:
    assert facts(text) == expected


@given(st.text(max_size=200))
def test_no_text_breaks_the_reading(text: str) -> None:
    assert all(values for values in facts(text).values())
    negated(text)


@pytest.mark.parametrize(
    "text", ["It is not allowed", "no longer", "You can't", "ya no se paga", "利用できません", "禁止です"]
)
def test_a_denial_is_seen(text: str) -> None:
    assert negated(text)


@pytest.mark.parametrize("text", ["See no. 5", "It is allowed", "Nota: sí", "the knot"])
def test_what_only_looks_like_a_denial_is_none(text: str) -> None:
    assert not negated(text)
