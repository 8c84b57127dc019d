from __future__ import annotations

from datetime import UTC, datetime
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.sentences import split
from knowhub.core.types import DocumentKind

LINES = st.lists(
    st.sampled_from(
        [
            "# Heading", "Text one. Text two?", "- item one", "  continued here", "1. first", "| a | b |", "|---|---|",
            "| 1 | 2 |", "```python", "x = 1", "```", "", "> quoted", "**Ana** (2026-05-12 09:14): Yes.", "===", "---",
            "Item: Bolt; Price: 3; Since: 2024", "diff --git a/x b/x", "@@ -1 +1 @@", "+added", "日本語です。二つ目。",
            "<!-- note -->", "Limit: 140 EUR", "\u2028", "\r",
        ]
    ),
    max_size=15,
).map("\n".join)  # fmt: skip
KINDS = st.sampled_from(get_args(DocumentKind))


def texts(text: str, kind: DocumentKind = "markdown") -> list[str]:
    return [sentence.text for sentence in split(text, kind)]


@given(st.one_of(st.text(max_size=300), LINES), KINDS)
def test_every_sentence_is_a_slice_of_the_text_in_order_and_apart(text: str, kind: DocumentKind) -> None:
    end = 0
    for sentence in split(text, kind):
        assert sentence.text == text[sentence.start : sentence.end]
        assert sentence.text.strip() == sentence.text != ""
        assert sentence.start >= end
        end = sentence.end


def test_a_heading_leads_what_follows_and_is_not_quoted_itself() -> None:
    found = split("# Travel\n\n## Hotels\nUp to 140 EUR a night. Book early.\n\nFlights\n=======\nEconomy.", "markdown")
    assert [(s.text, s.lead) for s in found] == [
        ("Up to 140 EUR a night.", "Hotels"),
        ("Book early.", "Hotels"),
        ("Economy.", "Flights"),
    ]


def test_list_items_are_quoted_without_their_markers() -> None:
    found = texts("We need:\n\n- [x] a passport\n- a visa,\n  stamped\n12. patience\n• 切符")
    assert found == ["We need:", "a passport", "a visa,\n  stamped", "patience", "切符"]


def test_a_table_is_quoted_by_the_row_and_led_by_its_header() -> None:
    found = split("| City | Limit |\n|---|---:|\n| Kobe | 150 |\n| Vigo | 120 |", "markdown")
    assert [(s.text, s.lead) for s in found] == [
        ("| Kobe | 150 |", "City | Limit"),
        ("| Vigo | 120 |", "City | Limit"),
    ]


def test_a_spreadsheet_row_is_one_quote_whatever_it_holds() -> None:
    row = "Item: Bolt No. 5. Long; Price: 1.50; Note: Ask. Then buy."
    assert texts(f"Sheet: 2 rows.\n\n{row}\nItem: Nut; Price: 3; Note: ", "table")[1:] == [
        row,
        "Item: Nut; Price: 3; Note:",
    ]


def test_a_message_is_quoted_without_its_speaker_but_knows_who_and_when() -> None:
    text = "**Ana Ruiz** (2026-05-12 09:14, edited): Ship it. Today!\nand tell Ben\n**Ben** (2026-05-12 09:20): はい。"
    first, second = split(text, "conversation")
    assert (first.text, first.speaker) == ("Ship it. Today!\nand tell Ben", "Ana Ruiz")
    assert first.time == datetime(2026, 5, 12, 9, 14, tzinfo=UTC)
    assert (second.text, second.speaker, second.role) == ("はい。", "Ben", "message")


def test_a_long_message_is_quoted_by_the_sentence() -> None:
    text = "Ana: " + "This is a sentence of some length. " * 12
    assert set(texts(text, "conversation")) == {"This is a sentence of some length."}


def test_what_answers_a_question_is_led_by_it() -> None:
    question, answer = split("Ana: How much may a hotel cost?\nBen: 150 from June.", "conversation")
    assert question.asks
    assert (answer.text, answer.lead, answer.follows_question) == ("150 from June.", "How much may a hotel cost?", True)


def test_code_is_quoted_by_the_block() -> None:
    code = "def f():\n    return 1. + 2.  # No. Not here.\n\nx = f()"
    assert texts(f"Run this:\n\n```python\n{code}\n```\nDone.") == ["Run this:", code, "Done."]
    assert texts(code, "code") == [code]


def test_a_diff_is_not_taken_for_prose() -> None:
    text = "Fix the rounding.\n\ndiff --git a/x b/x\n@@ -1 +1 @@\n-a. B\n+c. D"
    assert texts(text, "change") == ["Fix the rounding.", "diff --git a/x b/x\n@@ -1 +1 @@\n-a. B\n+c. D"]


def test_rules_comments_and_bare_markup_are_never_quoted() -> None:
    assert texts("---\n\n***\n\n<!-- draft -->\n\n>\n\n|  |\n\n- ") == []
