"""From fused scores to hits: read the best rows, fold copies, prefer the newer copy, apply recency."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from knowhub.core.ports import SearchQuery
from knowhub.core.types import DocumentId, Hit
from knowhub.index import rows
from knowhub.index.fusion import Matches, Ranking, Text, recent, same

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Fetch = Callable[[Sequence[int]], tuple[list[dict[str, Any]], "NDArray[np.float32]"]]
_SPARE = 20


def select(
    scores: Mapping[int, float], matches: Matches, query: SearchQuery, ranking: Ranking, *, fetch: Fetch
) -> list[Hit]:
    """The best `top_k` of what `fetch` gives for the rows of `scores`, fewer if folding leaves fewer."""
    page = query.top_k + max(_SPARE, query.top_k // 2)
    while True:
        numbers = list(islice(scores, page))
        if not numbers:
            return []
        found, vectors = fetch(numbers)
        hits = _hits(numbers, found, vectors, scores, matches, query, ranking)
        if len(hits) >= query.top_k or len(numbers) == len(scores):
            return hits[: query.top_k]
        page *= 4


def _hits(
    numbers: Sequence[int],
    found: Sequence[Mapping[str, Any]],
    vectors: NDArray[np.float32],
    scores: Mapping[int, float],
    matches: Matches,
    query: SearchQuery,
    ranking: Ranking,
) -> list[Hit]:
    # Row by row: a matrix product adds up in an order that depends on how many rows there are.
    cosines = None if query.vector is None else (vectors * query.vector).sum(axis=1).tolist()
    hits = []
    for group in _groups(found, vectors):
        shown = max(group, key=lambda index: (found[index]["moment"] or 0, -index))
        row, number = found[shown], numbers[shown]
        score = scores[numbers[group[0]]]
        if query.mode == "hybrid":
            score = recent(score, rows.moment(row["moment"]), query.now, ranking)
        hit = rows.hit(
            row,
            score=score,
            cosine=None if cosines is None else cosines[shown],
            bm25=matches.words.get(number, matches.names.get(number, 0.0)),
        )
        hits.append(replace(hit, duplicates=_others(row, [found[index] for index in group])))
    return sorted(hits, key=lambda hit: (-hit.score, hit.chunk.document, hit.chunk.ordinal))


def _groups(found: Sequence[Mapping[str, Any]], vectors: NDArray[np.float32]) -> list[list[int]]:
    """Indices of rows that say the same, each group and the groups in order of their best."""
    groups: dict[int, list[int]] = {}
    for index, leader in enumerate(same([Text(row["text"], row["print"]) for row in found], vectors)):
        groups.setdefault(leader, []).append(index)
    return list(groups.values())


def _others(shown: Mapping[str, Any], group: Sequence[Mapping[str, Any]]) -> tuple[DocumentId, ...]:
    documents = dict.fromkeys(DocumentId(row["document"]) for row in group)
    documents.pop(DocumentId(shown["document"]), None)
    return tuple(documents)
