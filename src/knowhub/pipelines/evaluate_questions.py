"""A project's own questions, asked of the hub as it is.

QuestionSet ─▶ search in every mode ─▶ is the document named among the first hits
            └▶ ask ─▶ is the expected text quoted, is what nothing answers refused
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from knowhub.core.ports import Progress
from knowhub.core.types import Answer, Hit, SearchMode
from knowhub.pipelines.datasets import Question, QuestionSet
from knowhub.pipelines.evaluate import MODES, p50_p99

Search = Callable[[str, SearchMode], Sequence[Hit]]
"""What a person's own search does: a text and a mode to hits, best first."""
Ask = Callable[[str], Answer]


@dataclass(frozen=True, slots=True)
class QuestionModeFigures:
    """Share of the questions that name a document for which it is among the first hits; latency of one search."""

    hit_at_1: float
    hit_at_5: float
    hit_at_10: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class QuestionOutcome:
    """One question: `right` is the expected quote, or a refusal where nothing answers. `rank` from 1, 0: not found."""

    question: str
    right: bool
    found: bool
    quote: str = ""
    rank: int = 0


@dataclass(frozen=True, slots=True)
class QuestionEvaluation:
    """Shares, 0 to 1; None where no question of the file asks for the figure.

    `answered` of the answerable; `answer_first` and `answer_quoted`: the answer's text in the first quote, in any;
    `refused` of the unanswerable.
    """

    modes: Mapping[SearchMode, QuestionModeFigures]
    dataset: str
    questions: int
    answered: float | None
    answer_first: float | None
    answer_quoted: float | None
    document_quoted: float | None
    refused: float | None
    p50_ms: float
    p99_ms: float
    outcomes: tuple[QuestionOutcome, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate_questions(questions: QuestionSet, *, search: Search, ask: Ask, progress: Progress) -> QuestionEvaluation:
    """Ask the hub as it is: `search` in every mode for the documents named, `ask` for quotes and refusals."""
    total = len(questions.questions)
    modes: dict[SearchMode, QuestionModeFigures] = {}
    ranks: dict[str, int] = {}
    for mode in MODES:
        located = [question for question in questions.questions if question.documents]
        found, taken_ms = [], []
        for number, question in enumerate(located):
            began = time.perf_counter()
            hits = search(question.text, mode)
            taken_ms.append((time.perf_counter() - began) * 1000)
            found.append(_rank(question, hits))
            progress.update("search", mode, number + 1, len(located))
        ranks = {question.text: rank for question, rank in zip(located, found, strict=True)}
        modes[mode] = _mode_figures(found, taken_ms)
    answers, taken_ms = [], []
    for number, question in enumerate(questions.questions):
        began = time.perf_counter()
        answers.append(ask(question.text))
        taken_ms.append((time.perf_counter() - began) * 1000)
        progress.update("ask", questions.name, number + 1, total)
    return _judged(questions, modes, answers, ranks, taken_ms)


def _judged(
    questions: QuestionSet,
    modes: Mapping[SearchMode, QuestionModeFigures],
    answers: Sequence[Answer],
    ranks: Mapping[str, int],
    taken_ms: Sequence[float],
) -> QuestionEvaluation:
    pairs = list(zip(questions.questions, answers, strict=True))
    answerable = [(question, answer) for question, answer in pairs if question.answerable]
    hopeless = [answer for question, answer in pairs if not (question.answerable or question.undecided)]
    worded = [(question, answer) for question, answer in answerable if question.answers]
    located = [(question, answer) for question, answer in answerable if question.documents]
    return QuestionEvaluation(
        modes=modes,
        dataset=questions.name,
        questions=len(pairs),
        answered=_share([answer.found for _, answer in answerable]),
        answer_first=_share([_says(question, answer, 1) for question, answer in worded]),
        answer_quoted=_share([_says(question, answer) for question, answer in worded]),
        document_quoted=_share([_cites(question, answer) for question, answer in located]),
        refused=_share([not answer.found for answer in hopeless]),
        outcomes=tuple(_outcome(question, answer, ranks.get(question.text, 0)) for question, answer in pairs),
        **dict(zip(("p50_ms", "p99_ms"), p50_p99(taken_ms), strict=True)),
    )


def _mode_figures(ranks: Sequence[int], taken_ms: Sequence[float]) -> QuestionModeFigures:
    at_1, at_5, at_10 = (_share([0 < rank <= depth for rank in ranks]) or 0.0 for depth in (1, 5, 10))
    return QuestionModeFigures(at_1, at_5, at_10, *p50_p99(taken_ms))


def _outcome(question: Question, answer: Answer, rank: int) -> QuestionOutcome:
    right = (question.undecided or answer.found is question.answerable) and _meets(question, answer)
    quote = answer.citations[0].quote if answer.citations else ""
    return QuestionOutcome(question.text, right, answer.found, quote, rank)


def _meets(question: Question, answer: Answer) -> bool:
    """Whether what is quoted is what the file asks for, as far as it does."""
    quotes = [_plain(citation.quote) for citation in answer.citations]
    if any(_plain(text) in quote for text in question.wrong for quote in quotes):
        return False
    if question.answers:
        return _says(question, answer)
    return not question.documents or _cites(question, answer)


def _says(question: Question, answer: Answer, first: int | None = None) -> bool:
    quotes = [_plain(citation.quote) for citation in answer.citations[:first]]
    return any(_plain(text) in quote for text in question.answers for quote in quotes)


def _cites(question: Question, answer: Answer) -> bool:
    return any(_names(question, citation.document, citation.title) for citation in answer.citations)


def _rank(question: Question, hits: Sequence[Hit]) -> int:
    documents = dict.fromkeys((hit.chunk.document, hit.title) for hit in hits)
    places = (place for place, document in enumerate(documents, 1) if _names(question, *document))
    return next(places, 0)


def _names(question: Question, document: str, title: str) -> bool:
    return any(
        name == title or document == name or document.endswith((f":{name}", f"/{name}")) for name in question.documents
    )


def _plain(text: str) -> str:
    return " ".join(text.split()).casefold()


def _share(outcomes: Sequence[bool]) -> float | None:
    return sum(outcomes) / len(outcomes) if outcomes else None
