"""Search and ask: a question ▸ a query vector ▸ hits that the viewer may read ▸ an answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

from knowhub.core.ports import Embedder, Index, SearchQuery
from knowhub.core.types import Answer, Filters, Hit, SearchMode, Viewer


class Answerer(Protocol):
    """Turns hits into an answer that quotes them."""

    def answer(
        self, question: str, hits: Sequence[Hit], *, neighbours: Callable[[Hit], Sequence[Hit]] | None = None
    ) -> Answer: ...


def search(
    text: str,
    *,
    mode: SearchMode,
    top_k: int,
    filters: Filters,
    viewer: Viewer,
    now: datetime,
    embedder: Callable[[], Embedder],
    index: Index,
) -> list[Hit]:
    """The best chunks that `viewer` may read, best first."""
    vector = None if mode == "lexical" else embedder().embed([text], purpose="query")[0]
    return index.search(SearchQuery(text, vector, mode, top_k, now, filters), viewer=viewer)


def ask(
    question: str,
    *,
    candidates: int,
    filters: Filters,
    viewer: Viewer,
    now: datetime,
    embedder: Callable[[], Embedder],
    index: Index,
    answerer: Answerer,
) -> Answer:
    """An answer made of quotes from what `viewer` may read, or an honest "not found"."""
    hits = search(
        question,
        mode="hybrid",
        top_k=candidates,
        filters=filters,
        viewer=viewer,
        now=now,
        embedder=embedder,
        index=index,
    )
    return answerer.answer(question, hits, neighbours=lambda hit: index.read(hit.chunk.document, viewer=viewer))
