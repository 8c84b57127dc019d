from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.question import folded, is_small_talk, missing, understand
from tests.answering.memory_index import terms


def test_identifiers_numbers_and_names_are_told_apart() -> None:
    asked = understand("Why did Anna close PROJ-123 in parse_file on 29 March 2026 for 4,500 EUR?", terms)
    assert set(asked.identifiers) == {"proj-123", "parse_file"}
    assert set(asked.numbers) == {"29", "4500"}
    assert {"anna", "march"} <= set(asked.names)
    assert asked.expects == "reason"


@pytest.mark.parametrize(
    ("text", "expects"),
    [
        ("How many people work here?", "number"),
        ("¿Cuánto cuesta?", "number"),
        ("いくらですか", "number"),
        ("When is it?", "date"),
        ("¿Quién recoge las boyas?", "person"),
        ("原因は何ですか", "reason"),
        ("What is a buoy?", "text"),
    ],
)
def test_what_a_question_expects_is_known(text: str, expects: str) -> None:
    assert understand(text, terms).expects == expects


def test_words_that_every_question_has_are_not_content() -> None:
    assert understand("What is the limit for a hotel?", terms).terms == ("limit", "hotel")


def test_japanese_content_is_what_is_not_hiragana() -> None:
    asked = understand("台風訓練はいつですか。", terms)
    assert asked.cjk
    assert asked.terms == ("台風", "風訓", "訓練")


@pytest.mark.parametrize(
    ("wanted", "evidence"),
    [
        ("brazil", "The Brazilian office"),
        ("4500", "costs 4,500 EUR"),
        ("3", "three weeks"),
        ("company's", "the company"),
    ],
)
def test_inflections_and_spellings_of_numbers_are_forgiven(wanted: str, evidence: str) -> None:
    assert missing([wanted], folded(evidence)) == []


@pytest.mark.parametrize(("wanted", "evidence"), [("e-417", "E-418"), ("45", "in 450 days"), ("lisbon", "Galway")])
def test_what_is_spoken_of_nowhere_is_missing(wanted: str, evidence: str) -> None:
    assert missing([wanted], folded(evidence)) == [wanted]


@given(st.text(max_size=200))
def test_no_question_breaks_the_reading(text: str) -> None:
    understand(text, terms)


@pytest.mark.parametrize("said", ["OK", "ok bye", "Thank you very much!", "hi, can you help me", "omg. ", "ありがとう"])
def test_greetings_and_thanks_are_small_talk(said: str) -> None:
    assert is_small_talk(said)


@pytest.mark.parametrize("asked", ["", "?", "what is it", "Thanks, and the hotel limit?", "Is the office good?", "42"])
def test_what_names_anything_is_not(asked: str) -> None:
    assert not is_small_talk(asked)


def test_the_words_of_a_closing_aside_are_looked_for_and_not_demanded() -> None:
    asked = understand("And for interns in Vigo? (hotel, Galway, PROJ-7)", terms)
    assert {"hotel", "intern"} <= set(asked.terms)
    assert "intern" in asked.demanded
    assert "hotel" not in asked.demanded
    assert asked.names == ("vigo",)
    assert asked.identifiers == ("proj-7",)
    assert understand("(hotel)", terms).demanded == {"hotel"}
