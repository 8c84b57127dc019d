from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from knowhub.index.postings import MOST, Postings, packed

TERMS = ["fix", "proj-777", "北村", "ñreunion", "x"]


def postings(rows: Sequence[Sequence[str]], first: int = 0) -> Postings:
    sizes, hashes, counts = packed(rows)
    return Postings(hashes, counts, sizes, first=first)


def held(found: Postings, term: str) -> dict[int, float]:
    rows, counts = found.of(term)
    return dict(zip(rows.tolist(), counts.tolist(), strict=True))


@given(st.lists(st.lists(st.sampled_from(TERMS), max_size=6), max_size=12), st.integers(0, 1000))
def test_each_row_that_holds_a_term_is_found_with_its_count_before_and_after_sorting(
    rows: list[list[str]], first: int
) -> None:
    found = postings(rows, first)
    expected = {
        term: {first + row: float(Counter(terms)[term]) for row, terms in enumerate(rows) if term in terms}
        for term in [*TERMS, "never"]
    }
    for _ in range(20):
        assert {term: held(found, term) for term in expected} == expected


def test_a_term_said_more_often_than_is_counted_does_not_become_another() -> None:
    assert held(postings([["x"] * (MOST + 50), ["fix"]]), "x") == {0: float(MOST)}


def test_two_terms_whose_first_32_bits_are_equal_are_kept_apart() -> None:
    sizes, hashes, counts = packed([["fix"], ["fix"]])
    counts = counts ^ np.array([0, 1 << 5], np.uint8)
    assert held(Postings(hashes, counts, sizes, first=0), "fix") == {0: 1.0}
