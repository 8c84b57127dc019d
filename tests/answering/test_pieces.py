from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from knowhub.answering.pieces import Piece, Sentences

ANSWER = (
    "The limit is 150 EUR. [1] Ask Ana, Dr. Smith, at 3.5 p.m. today.[2] Yes. It holds [1][3].\n\n"
    "## Steps to take\n- one item. Second.\n- two\n  continued\n1. first\n2. second [4]\n\n"
    "| what | limit |\n|---|---|\n| taxi | 40 |\n\n```py\nx = 1\n\ny[0]\n```\n予算は3万円です。承認「はい。」次。"
)


def pieces(text: str, size: int = 1000) -> list[Piece]:
    reader = Sentences()
    fed = [piece for at in range(0, len(text), size) for piece in reader.feed(text[at : at + size])]
    return [*fed, *reader.close()]


def texts(text: str, size: int = 1000) -> list[str]:
    return [piece.text for piece in pieces(text, size)]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_whole_sentences_come_out_however_the_text_comes_in(size: int) -> None:
    assert [(piece.role, piece.text) for piece in pieces(ANSWER, size)] == [
        ("prose", "The limit is 150 EUR. [1]"),
        ("prose", "Ask Ana, Dr. Smith, at 3.5 p.m. today.[2]"),
        ("prose", "Yes. It holds [1][3]."),
        ("heading", "Steps to take"),
        ("item", "one item."),
        ("item", "Second."),
        ("item", "two\n  continued"),
        ("item", "first"),
        ("item", "second [4]"),
        ("heading", "| what | limit |"),
        ("rule", "|---|---|"),
        ("row", "| taxi | 40 |"),
        ("code", "```py\nx = 1\n\ny[0]\n```"),
        ("prose", "予算は3万円です。"),
        ("prose", "承認「はい。」"),
        ("prose", "次。"),
    ]


def test_a_sentence_comes_as_soon_as_the_next_has_begun() -> None:
    reader = Sentences()
    assert list(reader.feed("It costs 5 EUR.")) == []
    assert list(reader.feed(" ")) == []
    assert [piece.text for piece in reader.feed("A")] == ["It costs 5 EUR."]
    assert [piece.text for piece in reader.close()] == ["A"]


def test_a_mark_that_is_still_coming_is_waited_for() -> None:
    reader = Sentences()
    assert list(reader.feed("It costs 5 EUR. [1")) == []
    assert [piece.text for piece in reader.feed("2] And")] == ["It costs 5 EUR. [12]"]


def test_a_number_at_a_lines_beginning_is_a_marker_only_if_it_counts() -> None:
    assert texts("1. one\n2. two\n3. three") == ["one", "two", "three"]
    assert texts("The limit is\n150. Ask Ana.")[0] == "The limit is"
    assert "150." in texts("The limit is\n150. Ask Ana.")


def test_a_list_in_running_text_is_counted_from_a_colon_on() -> None:
    assert texts("Causes: 1. Age. 2. Weight. 3. Luck. It was 2. Ask Ana.") == [
        *("Causes:", "Age.", "Weight.", "Luck.", "It was 2.", "Ask Ana."),
    ]
    assert texts("The limit is 1. Ask Ana.") == ["The limit is 1.", "Ask Ana."]


def test_an_open_block_of_code_comes_whole_at_the_end() -> None:
    assert texts("Run:\n```\na. B\n\nc") == ["Run:", "```\na. B\n\nc"]


@settings(deadline=None)
@given(st.text(alphabet="ab1 .!?\n-*|#`[]()。:>", max_size=60), st.integers(1, 9))
def test_leads_and_texts_are_what_was_fed(text: str, size: int) -> None:
    joined = "".join(piece.lead + piece.text for piece in pieces(text, size))
    assert text.startswith(joined)
    assert set(text[len(joined) :]) <= set(" \n-*>#1.")


FRAGMENTS = (
    "a",
    "Yes.",
    " A",
    "1",
    "2",
    ".",
    "。",
    " ",
    "  ",
    "\n",
    "\n\n",
    "*",
    "_",
    "-",
    "=",
    "|",
    "#",
    "`",
    "~",
    ":",
    ">",
)
TABLES = ("|---|---|\n", "| a | b |\n", "|-", "NOT FOUND", " ===x=== end\n", "```", "[1]", " [", "]", "(", ")", "!")


@settings(deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS + TABLES), max_size=10).map("".join), st.integers(1, 4))
@example("*_*", 1)
@example("===", 2)
@example("* # A", 3)
@example("NOT FOUND| hotel | 150 EUR |\n|---|---|\n| taxi | 9 EUR |\n ===x=== end of passage", 3)
def test_pieces_do_not_depend_on_the_cuts(text: str, size: int) -> None:
    assert pieces(text, size) == pieces(text)


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_letter_of_any_text_is_lost(text: str) -> None:
    joined = "".join(piece.lead + piece.text for piece in pieces(text, 5))
    assert [c for c in joined if c.isalpha()] == [c for c in text if c.isalpha()]


@settings(deadline=None)
@given(st.text(alphabet="a1 .\n-*#", max_size=40))
def test_no_number_hides_in_a_lead_but_one_that_counts(text: str) -> None:
    counted = 0
    for piece in pieces(text, 3):
        digits = "".join(c for c in piece.lead if c.isdigit())
        if digits:
            assert int(digits) in (1, counted + 1)
            counted = int(digits)
