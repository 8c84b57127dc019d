from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from knowhub.answering.conflict import Statement, contradict, describe
from knowhub.answering.question import content_terms, folded, names_in
from tests.answering.memory_index import terms

JANUARY, MAY = datetime(2026, 1, 10, tzinfo=UTC), datetime(2026, 5, 12, 9, 30, tzinfo=UTC)
ASKED = content_terms("What is the hotel limit per night? Are dogs allowed? How long are backups kept?", terms)


def said(text: str, time: datetime | None = JANUARY, place: str = "Expenses") -> Statement:
    return Statement(text, frozenset(content_terms(text, terms)), names_in(text), folded(text), time, place)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("The hotel limit is 140 EUR per night.", "The hotel limit is 160 EUR per night."),
        ("The hotel limit is 140 EUR per night.", "Hotel limit: raised from 140 EUR to 160 EUR."),
        ("Backups are kept for 35 days.", "Backups are now kept for 90 days."),
        ("The hotel opens on Friday.", "The hotel opens on Monday."),
        ("Dogs are allowed in the office.", "Dogs are no longer allowed in the office."),
        ("Hotel rooms hold two people.", "Hotel rooms hold 3 people."),
    ],
)
def test_the_same_thing_said_differently_later_is_a_contradiction(older: str, newer: str) -> None:
    assert contradict(said(newer, MAY), said(older), asked=ASKED, cosine=0.8)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("The hotel limit is 140 EUR per night.", "The hotel limit is 140 euros per night."),
        ("The hotel limit is 140 EUR per night.", "The hotel limit holds for 3 nights."),
        ("Backups are kept for 35 days.", "Lunch is kept for 2 days."),
        ("A hotel in Madrid costs 140 EUR.", "A hotel in Tokyo costs 180 EUR."),
        ("Hotel guests get 25 days.", "Hotel guests can carry over up to 5 days."),
        ("The hotel costs 140 EUR and dinner 40 EUR.", "The hotel costs 140 EUR."),
        ("Dogs are allowed in the office.", "Dogs are welcome in the office."),
        ("Dogs are allowed.", "Cats are not allowed to chase the postman."),
    ],
)
def test_other_things_and_equal_values_are_none(older: str, newer: str) -> None:
    assert not contradict(said(newer, MAY), said(older), asked=ASKED, cosine=0.8)


def test_only_what_is_later_overrides() -> None:
    older, newer = said("The hotel limit is 140 EUR."), said("The hotel limit is 160 EUR.", MAY)
    assert contradict(newer, older, asked=ASKED, cosine=0.8)
    assert not contradict(older, newer, asked=ASKED, cosine=0.8)
    assert not contradict(replace(newer, time=None), older, asked=ASKED, cosine=0.8)
    assert not contradict(replace(newer, time=older.time), older, asked=ASKED, cosine=0.8)


def test_sentences_that_mean_different_things_do_not_contradict() -> None:
    older, newer = said("The hotel limit is 140 EUR."), said("The hotel limit is 160 EUR.", MAY)
    assert not contradict(newer, older, asked=ASKED, cosine=0.45)


def test_what_dates_cannot_tell_authority_does() -> None:
    page = replace(said("The hotel limit is 140 EUR.", None), authority=1)
    talk = said("The hotel limit is 160 EUR.", MAY)
    assert contradict(page, talk, asked=ASKED, cosine=0.8)
    assert not contradict(talk, page, asked=ASKED, cosine=0.8)
    dated = replace(page, time=JANUARY)
    assert contradict(talk, dated, asked=ASKED, cosine=0.8)


def test_the_description_names_dates_places_and_authors() -> None:
    newer = replace(said("", MAY, "#finance"), author="Ben")
    assert describe(newer, said("")) == (
        "A newer source (2026-05-12, #finance, by Ben) differs from an older one (2026-01-10, Expenses)"
    )
    assert describe(said("", None), newer) == (
        "Two sources differ: undated, Expenses and 2026-05-12, #finance, by Ben; talk comes second"
    )
    assert "2026-05-12 09:30, #finance" in describe(newer, said("", MAY.replace(hour=8)))
