"""Hits in the order of a reranker: hits, scores ▸ the same hits, best first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Reranker
from knowhub.core.types import Hit

log = logging.getLogger(__name__)

UNRANKED = "The reranker gave no answer: passages are in the order of the search."


def reorder(hits: Sequence[Hit], scores: Sequence[float]) -> list[Hit]:
    """`hits` by descending score, equals as they were.

    Only the order is the reranker's. The hits' own scores are handed out anew along it, so that they mean to whoever
    reads them what a search's scores mean.
    """
    order = sorted(range(len(hits)), key=lambda place: -scores[place])
    own = sorted((hit.score for hit in hits), reverse=True)
    return [replace(hits[place], score=score) for place, score in zip(order, own, strict=True)]


def reranked(question: str, hits: Sequence[Hit], reranker: Reranker) -> tuple[Sequence[Hit], str]:
    """Reordered hits and "", or `hits` as they are and what a reader must know of it."""
    try:
        scores = reranker.scores(question, [hit.chunk.embedded_text for hit in hits])
    except KnowhubError as error:
        log.warning("reranking failed", extra={"passages": len(hits), "error": type(error).__name__})
        return hits, UNRANKED
    return reorder(hits, scores), ""
