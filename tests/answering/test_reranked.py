from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from knowhub.answering.reranked import UNRANKED, reorder, reranked
from knowhub.core.errors import KnowhubError, PermanentError, TransientError
from knowhub.core.types import Chunk, ChunkId, ContainerId, DocumentId, Hit, SourceName


def hit(name: str, score: float) -> Hit:
    chunk = Chunk(ChunkId(f"{name}#0"), DocumentId(name), 0, f"text of {name}", 0, 9, context="Title")
    return Hit(chunk, SourceName("wiki"), ContainerId("c"), "text", name, "", (), None, score)


HITS = [hit("a", 0.9), hit("b", 0.7), hit("c", 0.2)]


def names(hits: Sequence[Hit]) -> list[str]:
    return [hit.title for hit in hits]


@dataclass
class Scripted:
    """Gives these scores, or fails with this."""

    answer: Sequence[float] | KnowhubError
    asked: list[tuple[str, Sequence[str]]] = field(default_factory=list)

    def scores(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        self.asked.append((question, passages))
        if isinstance(self.answer, KnowhubError):
            raise self.answer
        return self.answer


def test_hits_follow_the_scores_and_equals_stay_as_they_were() -> None:
    assert names(reorder(HITS, [0.1, 0.5, 0.9])) == ["c", "b", "a"]
    assert names(reorder(HITS, [0.5, 0.9, 0.5])) == ["b", "a", "c"]
    assert reorder([], []) == []


def test_a_rerankers_scale_does_not_become_the_searchs() -> None:
    assert [hit.score for hit in reorder(HITS, [-11.0, 4.0, 0.0])] == [0.9, 0.7, 0.2]


def test_a_reranker_sees_the_passages_with_their_context() -> None:
    reranker = Scripted([1.0, 2.0, 3.0])
    hits, notice = reranked("why?", HITS, reranker)
    assert (names(hits), notice) == (["c", "b", "a"], "")
    assert reranker.asked == [("why?", ["Title\ntext of a", "Title\ntext of b", "Title\ntext of c"])]


@pytest.mark.parametrize("error", [TransientError("down"), PermanentError("refused: why?")])
def test_a_reranker_that_fails_leaves_the_order_and_says_so(
    error: KnowhubError, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        hits, notice = reranked("why?", HITS, Scripted(error))
    assert list(hits) == HITS
    assert notice == UNRANKED
    assert "reranking failed" in caplog.text
    assert "why?" not in caplog.text
