"""Feedback as cases of an evaluation file that `knowhub eval` reads."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import TransientError
from knowhub.core.ports import AskedQuestion
from knowhub.core.types import Answer, Citation, DocumentId, SourceName
from knowhub.pipelines.datasets import read_questions
from knowhub.pipelines.evaluate_questions import evaluate_questions
from knowhub.pipelines.feedback import MOST_BYTES, append_case, case, erase_cases
from knowhub.wiring.hub import Silent

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def asked(text: str = "Where is the key?", **given: object) -> AskedQuestion:
    found = {"found": True, "documents": (DocumentId("chat:1"),), "quote": "Under the mat."} | given
    return AskedQuestion(id="q1", at=NOW, viewer="ana", question=text, **found)  # type: ignore[arg-type]  # fields by name


def quoting(quote: str) -> Answer:
    cited = Citation(1, DocumentId("chat:1"), "Keys", "", quote, 0, len(quote), SourceName("chat"))
    return Answer("", found=bool(quote), citations=(cited,) if quote else ())


def right(file: Path, answer: Answer) -> bool:
    found = evaluate_questions(
        read_questions(file), search=lambda text, mode: [], ask=lambda text: answer, progress=Silent()
    )
    return found.outcomes[0].right


def test_a_useful_answer_must_be_given_again(tmp_path: Path) -> None:
    file = tmp_path / "cases" / "feedback.toml"
    append_case(file, asked(useful=True))
    assert right(file, quoting("Under the mat."))
    assert not right(file, quoting("In the safe."))
    assert not right(file, quoting(""))


def test_a_useless_answer_must_not_be_given_again(tmp_path: Path) -> None:
    file = tmp_path / "feedback.toml"
    append_case(file, asked(useful=False, reason="moved last year"))
    assert not right(file, quoting("Under the mat."))
    assert right(file, quoting("In the safe."))
    assert right(file, quoting(""))


def test_a_refusal_that_was_not_useful_must_become_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "feedback.toml"
    append_case(file, asked(found=False, quote="", documents=(), useful=False))
    assert not right(file, quoting(""))
    assert right(file, quoting("In the safe."))


def test_a_refusal_that_was_useful_must_stay_one(tmp_path: Path) -> None:
    file = tmp_path / "feedback.toml"
    append_case(file, asked(found=False, quote="", documents=(), useful=True))
    assert right(file, quoting(""))
    assert not right(file, quoting("In the safe."))


def test_who_changes_their_mind_is_believed_the_last_time(tmp_path: Path) -> None:
    file = tmp_path / "feedback.toml"
    append_case(file, asked(useful=True))
    append_case(file, asked(useful=False))
    assert len(read_questions(file).questions) == 1
    assert not right(file, quoting("Under the mat."))


@given(text=st.text(min_size=1), reason=st.text(), quote=st.text(min_size=1))
def test_any_text_is_a_valid_case(text: str, reason: str, quote: str) -> None:
    import tomllib

    table = tomllib.loads(case(asked(text, useful=True, reason=reason, quote=quote)))["question"][0]
    assert (table["text"], table["reason"], table["answer"]) == (text, reason, quote)


def test_a_file_that_is_full_takes_no_more(tmp_path: Path) -> None:
    file = tmp_path / "feedback.toml"
    with file.open("wb") as full:
        full.truncate(MOST_BYTES + 1)
    with pytest.raises(TransientError, match="full of feedback"):
        append_case(file, asked(useful=True))
    assert file.stat().st_size == MOST_BYTES + 1


def test_half_an_emoji_does_not_break_the_file() -> None:
    import tomllib

    assert tomllib.loads(case(asked("a \ud83d b", useful=False)))["question"][0]["text"] == "a ? b"


def test_cases_that_quote_an_erased_document_go_and_all_else_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "feedback.toml"
    file.write_text('# ours\n\n[[question]]\ntext = "by hand"\nanswer = "x"\n')
    before = file.read_text()
    append_case(file, asked(useful=True))
    append_case(file, asked(useful=False))
    erase_cases(file, lambda document: document == "chat:2")
    assert file.read_text().count("[[question]]") == 3
    erase_cases(file, lambda document: document == "chat:1")
    assert file.read_text() == before


def test_nothing_is_erased_from_a_file_that_is_not_there(tmp_path: Path) -> None:
    erase_cases(tmp_path / "none.toml", lambda document: True)
    assert list(tmp_path.iterdir()) == []
