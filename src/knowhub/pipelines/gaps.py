"""What the company has not written down: unanswered questions ▸ clusters, with those who write about such things.

questions ──vectors──▶ clusters of one meaning ──search──▶ who wrote what comes nearest
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from knowhub.core.ports import AskedQuestion, Embedder
from knowhub.core.types import DocumentId, Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAME_QUESTION = 0.72
"""Cosine to a cluster's centre from which a question belongs to it."""
_MOST_QUESTIONS = 2000
"""The newest: comparing each with each takes seconds for so many, and whoever may ask can ask without end."""
_EXAMPLES = 5
_OWNERS = 3


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody who wrote `documents` of those that come nearest."""

    name: str
    documents: int


@dataclass(frozen=True, slots=True)
class Gap:
    """A question that nobody could answer. `asked` times by `people`; `examples` are other wordings of it."""

    question: str
    asked: int
    people: int
    last_asked: datetime
    examples: tuple[str, ...]
    owners: tuple[Owner, ...]


@dataclass(slots=True)
class _Cluster:
    sum: NDArray[np.float32]
    questions: list[AskedQuestion] = field(default_factory=list)

    def cosine(self, vector: NDArray[np.float32]) -> float:
        length = float((self.sum @ self.sum) ** 0.5)
        return float(self.sum @ vector) / length if length else 0.0

    def add(self, question: AskedQuestion, vector: NDArray[np.float32]) -> None:
        self.sum = self.sum + vector if self.questions else vector
        self.questions.append(question)


def find_gaps(
    asked: Sequence[AskedQuestion], *, embedder: Embedder, search: Callable[[str], Sequence[Hit]], limit: int = 50
) -> list[Gap]:
    """The clusters that most people asked, `search` giving what comes nearest to a question. Newest wording first."""
    asked = sorted(asked, key=lambda one: one.at, reverse=True)[:_MOST_QUESTIONS]
    if not asked:
        return []
    vectors = embedder.embed([one.question for one in asked], purpose="query")
    clusters: list[_Cluster] = []
    for question, vector in zip(asked, vectors, strict=True):
        best = max(clusters, key=lambda cluster: cluster.cosine(vector), default=None)
        if best is None or best.cosine(vector) < SAME_QUESTION:
            best = _Cluster(vector)
            clusters.append(best)
        best.add(question, vector)
    gaps = [_gap(cluster.questions) for cluster in clusters]
    gaps.sort(key=lambda gap: (-gap.people, -gap.asked, -gap.last_asked.timestamp(), gap.question))
    return [_with_owners(gap, search) for gap in gaps[:limit]]


def _gap(questions: Sequence[AskedQuestion]) -> Gap:
    wordings = list(dict.fromkeys(one.question for one in sorted(questions, key=lambda one: one.at, reverse=True)))
    return Gap(
        question=wordings[0],
        asked=len(questions),
        people=len({one.viewer for one in questions}),
        last_asked=max(one.at for one in questions),
        examples=tuple(wordings[1 : 1 + _EXAMPLES]),
        owners=(),
    )


def _with_owners(gap: Gap, search: Callable[[str], Sequence[Hit]]) -> Gap:
    """Authors by how many of the nearest documents are theirs, nearer ones first among equals."""
    written = Counter(
        name
        for hit in _one_a_document(search(gap.question))
        for name in dict.fromkeys(filter(None, (hit.chunk.author, *hit.authors)))
    )
    return replace(gap, owners=tuple(Owner(name, documents) for name, documents in written.most_common(_OWNERS)))


def _one_a_document(hits: Sequence[Hit]) -> list[Hit]:
    """The best of each, in order."""
    first: dict[DocumentId, Hit] = {}
    for hit in hits:
        first.setdefault(hit.chunk.document, hit)
    return list(first.values())
