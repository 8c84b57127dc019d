from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.answering.values import values
from knowhub.answering.verification import Passage, Verdict, Verifier, marked, marks, unmarked
from knowhub.core.types import Chunk, ChunkId, ContainerId, DocumentId, Hit, SourceName
from knowhub.formats.visible import visible
from knowhub.index.words import terms
from tests.answering.memory_index import WordEmbedder

TRAVEL = (
    "A hotel may cost up to 150 EUR per night. Anything above that is approved by Ana Gomez. "
    "A taxi costs up to 40 EUR and needs a receipt. Since 12 May 2024 trains in first class are not allowed."
)
REFUNDS = (
    "Refunds are not possible after 30 days. The error ERR_417 means that the card was refused.\n\n"
    "Run this before the release:\n\n```\nkh sync --all\nkh status\n```\n\nSee PROJ-12 for version 2.3.1."
)
JAPANESE = "出張の上限は一泊15000円です。タクシーは利用できません。"
OFFICE = "The office in Oslo has 45 desks. The office in Bergen has 12 desks. Lunch is served at 12:30."


def passage(number: int, text: str, title: str = "", *, start: int = 0, author: str = "") -> Passage:
    document = DocumentId(f"handbook:{number}")
    written = datetime(2026, 3, 2, tzinfo=UTC)
    chunk = Chunk(ChunkId(f"{document}#0"), document, 0, text, start, start + len(text), author=author, time=written)
    return Passage(
        number,
        Hit(chunk, SourceName("handbook"), ContainerId("c"), "text", title, f"https://h/{number}", (), None, 1.0),
    )


PASSAGES = (
    passage(1, TRAVEL, "Travel"),
    passage(2, REFUNDS, "Refunds", start=100),
    passage(3, JAPANESE, "出張"),
    passage(4, OFFICE, "Offices", author="Kari Dahl"),
)


VERIFIER = Verifier(terms)


def verdict(sentence: str, passages: Sequence[Passage] = PASSAGES, *, asked: str = "") -> Verdict:
    return VERIFIER.verify(sentence, passages, asked=asked)


@pytest.mark.parametrize(
    ("sentence", "number"),
    [
        ("The hotel may cost 150 EUR per night.", 1),
        ("Per night, hotels cost up to €150.", 1),
        ("Ana Gomez approves anything above that.", 1),
        ("A taxi needs a receipt.", 1),
        ("First class trains are not allowed since May 12, 2024.", 1),
        ("First class trains are not allowed in the 2020s.", 1),
        ("You cannot get refunds after thirty days.", 2),
        ("ERR_417 means the card was refused.", 2),
        ("The office in Bergen has twelve desks.", 4),
        ("Lunch in the office is served at half past, 12:30.", 4),
        ("出張は一泊15000円です。", 3),
        ("Kari Dahl wrote that the office in Oslo has 45 desks.", 4),
        ("On 2 March 2026 the office in Oslo had 45 desks.", 4),
    ],
)
def test_what_a_passage_says_in_other_words_is_supported_and_leads_there(sentence: str, number: int) -> None:
    found = verdict(sentence)
    assert found.supported, found.doubt
    assert found.citations[0] == number


@pytest.mark.parametrize(
    ("sentence", "flaw"),
    [
        ("The hotel may cost 160 EUR per night.", "number"),
        ("The hotel may cost 150 USD per night.", "number"),
        ("The hotel may cost 40 EUR per night.", "number"),
        ("A taxi costs up to 150 EUR.", "number"),
        ("The office in Oslo has 12 desks.", "number"),
        ("The office in Oslo has forty-six desks.", "number"),
        ("Refunds are not possible after 30 weeks.", "number"),
        ("First class trains are not allowed since 12 June 2024.", "number"),
        ("First class trains are not allowed since 12 May 2023.", "number"),
        ("First class trains are not allowed in the 2010s.", "number"),
        ("Lunch is served at 13:30.", "number"),
        ("出張は一泊16000円です。", "number"),
        ("Anything above that is approved by Bob Gomez.", "name"),
        ("The office in Tromsø has 45 desks.", "name"),
        ("Bob approves anything above that.", "name"),
        ("Bob also approved anything above that.", "name"),
        ("Globex hotels may cost up to 150 EUR per night.", "name"),
        ("Globex 's taxis need a receipt.", "name"),
        ("See PROJ-13 for the version.", "identifier"),
        ("ERR_418 means that the card was refused.", "identifier"),
        ("It says “the card was stolen”.", "quote"),
        ("Refunds are possible after 30 days.", "overlooked"),
        ("Trains in first class are allowed since 12 May 2024.", "overlooked"),
        ("A hotel may not cost up to 150 EUR per night.", "denial"),
        ("A taxi does not need a receipt.", "denial"),
        ("Employees receive generous holiday bonuses every winter.", "content"),
    ],
)
def test_a_sentence_with_one_thing_changed_is_refused_for_that(sentence: str, flaw: str) -> None:
    found = verdict(sentence)
    assert not found.supported
    assert found.flaw == flaw
    assert found.doubt
    assert found.citations == ()


def test_a_denial_that_is_left_out_of_the_very_words_is_missed_although_others_affirm_them() -> None:
    said = "You cannot deduct the value of your time or services. You can deduct services, and the time value of money."
    assert verdict("You can deduct the value of your time or services.", [passage(1, said)]).flaw == "overlooked"
    assert verdict("You cannot deduct the value of your time or services.", [passage(1, said)]).supported
    assert verdict("You can deduct services.", [passage(1, said)]).supported


def test_a_name_may_be_spelled_out_that_the_passage_shortens() -> None:
    said = passage(1, "Refunds in the US take 30 days.")
    assert verdict("Refunds in the United States take 30 days.", [said]).supported
    assert verdict("Refunds in the United Kingdom take 30 days.", [said]).flaw == "name"


def test_a_doubt_names_the_value_for_people() -> None:
    assert verdict("The hotel may cost 160 EUR per night.").doubt == "160 EUR stands in no source like this"


def test_the_span_is_the_best_stretch_in_the_document() -> None:
    start, end = verdict("Refunds are not possible after 30 days [2].").span
    assert REFUNDS[start - 100 : end - 100] == "Refunds are not possible after 30 days."


# ── marks ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_mark_of_the_wrong_passage_is_bound_to_the_right_one() -> None:
    assert verdict("A taxi costs up to 40 EUR [2].").citations == (1,)


def test_a_mark_of_a_right_passage_is_kept_although_another_says_it_too() -> None:
    twice = (*PASSAGES, passage(5, TRAVEL, "Travel, again"))
    assert verdict("A taxi costs up to 40 EUR [5].", twice).citations == (5,)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9999), max_size=4))
def test_no_number_that_is_not_a_passage_is_cited(numbers: list[int]) -> None:
    written = "A taxi costs up to 40 EUR" + "".join(f"[{number}]" for number in numbers) + "."
    assert set(verdict(written).citations) <= {1, 2, 3, 4}
    assert verdict(written).supported


def test_a_sentence_from_two_passages_cites_both() -> None:
    found = verdict("A taxi costs up to 40 EUR, and the office in Oslo has 45 desks.")
    assert set(found.citations) == {1, 4}


@pytest.mark.parametrize(
    ("sentence", "citations", "expected"),
    [
        ("A taxi [7] costs 40 EUR. [2][9]", (1,), "A taxi costs 40 EUR [1]."),
        ("| taxi | 40 |", (1, 3), "| taxi | 40 [1][3] |"),
        ("上限です【2】。", (3,), "上限です [3]。"),
        ("No mark", (), "No mark"),
        ("Dropped [4].", (), "Dropped."),
    ],
)
def test_marks_are_written_anew(sentence: str, citations: tuple[int, ...], expected: str) -> None:
    assert marked(sentence, citations) == expected


@given(st.text(alphabet="ab[]【】(),; 0123.!|", max_size=40), st.lists(st.integers(1, 9), unique=True, max_size=3))
def test_after_marking_no_other_mark_is_left(sentence: str, citations: list[int]) -> None:
    assert set(marks(marked(sentence, citations))) == set(citations)


# ── sentences that claim nothing ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "sentence", ["Here is what I found:", "Would you like to know more?", "I hope this helps!", "In summary:", "…", ""]
)
def test_a_sentence_that_claims_nothing_needs_no_source(sentence: str) -> None:
    found = verdict(sentence)
    assert found.supported
    assert not found.asserts
    assert found.citations == ()


@pytest.mark.parametrize("sentence", ["Would you like the 500 EUR bonus?", "Here is what Bob Miller said:"])
def test_a_courtesy_hides_no_number_and_no_name(sentence: str) -> None:
    assert not verdict(sentence).supported


def test_a_question_that_claims_something_is_verified_like_any_sentence() -> None:
    assert not verdict("Did you know that employees receive generous holiday bonuses?").supported


def test_a_hedge_excuses_nothing() -> None:
    assert not verdict("It might be that a hotel costs 160 EUR per night.").supported
    assert not verdict("Perhaps employees receive generous holiday bonuses.").supported


def test_it_may_be_admitted_that_what_was_asked_is_not_there() -> None:
    found = verdict("The documents do not say what Bob earned in 2019.", asked="What did Bob earn in 2019?")
    assert found.supported
    assert not found.asserts


@pytest.mark.parametrize(
    "sentence",
    [
        "The documents do not say it, but lunch costs 12 EUR.",
        "The documents do not mention it because Zed Corp pays for lunch.",
        "I could not find information about Zed Corp.",
    ],
)
def test_an_admission_hides_no_claim(sentence: str) -> None:
    assert not verdict(sentence, asked="Who pays for lunch?").supported


@pytest.mark.parametrize("sentence", ["Yes.", "No!", "**Yes**", "はい。"])
def test_a_bare_yes_is_no_answer(sentence: str) -> None:
    assert not verdict(sentence).supported


def test_nothing_is_supported_by_no_passages() -> None:
    assert not verdict("A taxi costs up to 40 EUR.", ()).supported
    assert not verdict("Taxis need receipts [1].", ()).supported


# ── code, headings, rows ─────────────────────────────────────────────────────────────────────────────


def test_code_is_supported_where_it_stands_word_for_word() -> None:
    assert VERIFIER.verify("```\nkh sync --all\nkh  status\n```", PASSAGES, role="code").citations == (2,)
    assert VERIFIER.verify("```\nkh sync --everything\n```", PASSAGES, role="code").flaw == "code"


def test_a_short_heading_may_use_its_own_words_but_no_strange_name_or_number() -> None:
    assert VERIFIER.verify("Overnight stays", PASSAGES, role="heading").supported
    assert not VERIFIER.verify("New limits of 2027", PASSAGES, role="heading").supported
    assert not VERIFIER.verify("Employees receive generous holiday bonuses.", PASSAGES, role="heading").supported


def test_a_row_is_verified_like_a_sentence() -> None:
    assert VERIFIER.verify("| Taxi | 40 EUR |", PASSAGES, role="row").citations == (1,)
    assert not VERIFIER.verify("| Taxi | 150 EUR |", PASSAGES, role="row").supported


def test_an_embedder_is_asked_once_a_passage() -> None:
    embedder = WordEmbedder()
    verifier = Verifier(terms, embedder)
    for _ in range(3):
        assert verifier.verify("A taxi costs up to 40 EUR.", PASSAGES).supported
    assert len(embedder.batches) == len(PASSAGES) + 3


# ── hostile texts ────────────────────────────────────────────────────────────────────────────────────

KNOWN = {value.amount for p in PASSAGES for value in values(p.hit.chunk.text)} | {"2026"}
WORDS = "A hotel may cost up to EUR per night taxi refunds office Oslo days not 150 40 30 999 7.5 77% [1] [2] , . : * |"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(WORDS.split()), min_size=1, max_size=14).map(" ".join))
def test_no_sentence_gets_a_number_through_that_no_source_states(sentence: str) -> None:
    found = verdict(sentence, asked="hotel?")
    if found.supported:
        assert {value.amount for value in values(unmarked(sentence))} <= KNOWN


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=120), st.sampled_from(["prose", "heading", "row", "item", "code", "rule"]))
def test_no_text_breaks_verification(sentence: str, role: str) -> None:
    found = VERIFIER.verify(visible(sentence), PASSAGES, role=role)  # type: ignore[arg-type]  # sampled
    assert set(found.citations) <= {1, 2, 3, 4}
    assert found.supported == (found.doubt == "")
