"""Unanswered questions as gaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowhub.core.ports import AskedQuestion
from knowhub.core.types import Chunk, ChunkId, ContainerId, DocumentId, Hit, ModelId, SourceName
from knowhub.pipelines.gaps import Owner, find_gaps

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TOPICS = ("pension", "parking", "printer")


class ByTopic:
    """Texts that name the same topic have the same direction, a little off."""

    model = ModelId("topics")
    dimensions = 4

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        rows = np.zeros((len(texts), 4), np.float32)
        for row, text in enumerate(texts):
            rows[row, [topic in text for topic in TOPICS].index(True)] = 1.0
            rows[row, 3] = 0.01 * len(text)
        lengths: NDArray[np.float32] = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.divide(rows, lengths)


def asked(text: str, viewer: str, minutes: int) -> AskedQuestion:
    return AskedQuestion(f"{viewer}{minutes}", NOW + timedelta(minutes=minutes), viewer, text, False, ())


def hit(document: str, *authors: str) -> Hit:
    chunk = Chunk(ChunkId(f"{document}#0"), DocumentId(document), 0, "text", 0, 4, author=authors[0])
    return Hit(chunk, SourceName("wiki"), ContainerId("c"), "text", "", "", authors, None, 1.0)


QUESTIONS = [
    asked("Who pays the pension?", "ana", 1),
    asked("How does the pension work", "bo", 2),
    asked("Is there parking?", "ana", 3),
    asked("pension rules", "ana", 4),
    asked("printer broken", "cy", 5),
]


def test_questions_of_one_meaning_are_one_gap_and_most_wanted_ones_lead() -> None:
    gaps = find_gaps(QUESTIONS, embedder=ByTopic(), search=lambda text: [])
    assert [(gap.question, gap.asked, gap.people) for gap in gaps] == [
        ("pension rules", 3, 2),
        ("printer broken", 1, 1),
        ("Is there parking?", 1, 1),
    ]
    assert gaps[0].examples == ("How does the pension work", "Who pays the pension?")
    assert gaps[0].last_asked == NOW + timedelta(minutes=4)


def test_those_who_wrote_most_of_what_comes_near_are_likely_to_know() -> None:
    near = [hit("wiki:1", "Di"), hit("wiki:2", "Ed", "Flo"), hit("wiki:2", "Ed"), hit("wiki:3", "Flo")]
    (gap,) = find_gaps(QUESTIONS[:1], embedder=ByTopic(), search=lambda text: near)
    assert gap.owners == (Owner("Flo", 2), Owner("Di", 1), Owner("Ed", 1))


def test_of_very_many_questions_the_newest_are_looked_at() -> None:
    many = [asked("printer broken", "cy", -minute) for minute in range(3000)]
    (gap,) = find_gaps([asked("Is there parking?", "ana", -5000), *many], embedder=ByTopic(), search=lambda text: [])
    assert (gap.question, gap.asked) == ("printer broken", 2000)


def test_no_questions_are_no_gaps() -> None:
    assert find_gaps([], embedder=ByTopic(), search=lambda text: []) == []


def test_only_so_many_are_looked_into() -> None:
    searched: list[str] = []

    def nothing(text: str) -> list[Hit]:
        searched.append(text)
        return []

    gaps = find_gaps(QUESTIONS, embedder=ByTopic(), search=nothing, limit=2)
    assert len(gaps) == len(searched) == 2
