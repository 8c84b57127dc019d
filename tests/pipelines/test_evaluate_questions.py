from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from knowhub.core.types import Answer, Citation, Hit, SearchMode, SourceName
from knowhub.pipelines.datasets import Question, QuestionSet
from knowhub.pipelines.evaluate_questions import QuestionEvaluation, evaluate_questions
from tests.answering.memory_index import chunks_of, document, hit

PAGES = [document(name, f"About {name}.", title=name.title()) for name in ("leave", "hotels", "policies/boats.md")]
HITS = [hit(page, chunk) for page in PAGES for chunk in chunks_of(page)]


class Silent:
    def update(self, stage: str, label: str, done: int, total: int | None) -> None: ...


@dataclass
class Hub:
    """Finds the same hits for everything and quotes what it was given."""

    quotes: Sequence[str] = ()

    def search(self, text: str, mode: SearchMode) -> Sequence[Hit]:
        return HITS

    def ask(self, text: str) -> Answer:
        page = PAGES[0]
        citations = tuple(
            Citation(n, page.id, page.title, "", quote, 0, len(quote), SourceName("handbook"))
            for n, quote in enumerate(self.quotes, 1)
        )
        return Answer(text, found=bool(citations), citations=citations)


def run(hub: Hub, *questions: Question) -> QuestionEvaluation:
    return evaluate_questions(QuestionSet("own", questions), search=hub.search, ask=hub.ask, progress=Silent())


@pytest.mark.parametrize(
    ("name", "rank"),
    [("handbook:leave", 1), ("hotels", 2), ("Hotels", 2), ("boats.md", 3), ("policies/boats.md", 3), ("oats.md", 0)],
)
def test_a_document_is_named_by_its_id_the_end_of_it_or_its_title(name: str, rank: int) -> None:
    found = run(Hub(), Question("?", documents=(name,)))
    assert found.outcomes[0].rank == rank
    assert found.modes["hybrid"].hit_at_1 == (rank == 1)
    assert found.modes["lexical"].hit_at_5 == (rank > 0)


def test_a_quote_is_right_if_it_holds_the_expected_words_however_they_are_wrapped() -> None:
    found = run(Hub(["nothing of it", "It is\n 140  EUR a night"]), Question("?", answers=("is 140 eur",)))
    assert (found.answered, found.answer_first, found.answer_quoted) == (1, 0, 1)
    assert found.outcomes[0].right


def test_refusals_are_right_where_nothing_answers_and_only_there() -> None:
    unanswerable, answerable = Question("a?"), Question("b?", answers=("x",))
    silent, wordy = run(Hub(), unanswerable, answerable), run(Hub(["y"]), unanswerable, answerable)
    assert (silent.refused, silent.answered) == (1, 0)
    assert (wordy.refused, wordy.answered, wordy.answer_quoted) == (0, 1, 0)
    assert [outcome.right for outcome in silent.outcomes] == [True, False]
    assert [outcome.right for outcome in wordy.outcomes] == [False, False]


def test_what_no_question_asks_for_has_no_figure() -> None:
    found = run(Hub(), Question("?"))
    assert (found.answered, found.answer_first, found.document_quoted) == (None, None, None)
    assert json.loads(json.dumps(found.as_json()))["refused"] == 1
