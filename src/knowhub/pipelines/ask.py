"""Search and ask: a question ▸ a query vector ▸ hits that the viewer may read ▸ an answer, as it comes about.

question + turns ──complete──▶ search ──rerank──▶ still readable? ──▶ answerer ──▶ still readable? ──▶ Done
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from knowhub.core.ports import Answerer, Embedder, Index, SearchQuery
from knowhub.core.types import (
    Answer,
    AnswerEvent,
    Citation,
    DocumentId,
    Done,
    Filters,
    Hit,
    Reset,
    SearchMode,
    Status,
    Turn,
    Viewer,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Readable = Callable[[Sequence[DocumentId]], frozenset[DocumentId]]
"""Which of these documents the viewer may read now, whatever the index still holds."""

_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Sought:
    """What is searched for a question: `words`, and a vector when one is needed. `text` says it to people."""

    text: str
    words: str
    vector: Callable[[], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Ranked:
    """Hits in the order in which they are to be believed, and what a reader must know of it ("" nothing)."""

    hits: Sequence[Hit]
    notice: str = ""


Rerank = Callable[[str, Sequence[Hit]], Ranked]
"""A question and its best hits to the same hits in a better order."""


@dataclass(frozen=True, slots=True)
class Retrieval:
    """What finding hits takes. `embedder` is made when first needed; `rerank` sees `rerank_candidates`."""

    embedder: Callable[[], Embedder]
    index: Index
    clock: Callable[[], datetime]
    readable: Callable[[Viewer], Readable]
    rerank: Rerank | None = None
    rerank_candidates: int = 0


def search(
    text: str, *, mode: SearchMode, top_k: int, filters: Filters, viewer: Viewer, retrieval: Retrieval
) -> list[Hit]:
    """The best chunks that `viewer` may read, best first."""
    return list(_ranked(as_asked(text, retrieval), mode, top_k, filters, viewer, retrieval).hits)


def as_asked(text: str, retrieval: Retrieval) -> Sought:
    return Sought(text, text, lambda: retrieval.embedder().embed([text], purpose="query")[0])


def _ranked(
    sought: Sought, mode: SearchMode, top_k: int, filters: Filters, viewer: Viewer, retrieval: Retrieval
) -> Ranked:
    rerank = retrieval.rerank if mode == "hybrid" else None
    deep = max(top_k, retrieval.rerank_candidates) if rerank else top_k
    vector = None if mode == "lexical" else sought.vector()
    query = SearchQuery(sought.words, vector, mode, deep, retrieval.clock(), filters)
    hits = retrieval.index.search(query, viewer=viewer)
    may_read = retrieval.readable(viewer)([id for hit in hits for id in (hit.chunk.document, *hit.duplicates)])
    hits = [
        replace(hit, duplicates=tuple(id for id in hit.duplicates if id in may_read))
        for hit in hits
        if hit.chunk.document in may_read
    ]
    ranked = rerank(sought.text, hits) if rerank and hits else Ranked(hits)
    return replace(ranked, hits=ranked.hits[:top_k])


@dataclass(frozen=True, slots=True)
class Asking:
    """What answering takes beyond finding. `complete` turns a question of a conversation into one that stands alone."""

    retrieval: Retrieval
    answerer: Answerer
    complete: Callable[[str, Sequence[Turn]], Sought]


def ask(
    question: str, *, turns: Sequence[Turn], candidates: int, filters: Filters, viewer: Viewer, asking: Asking
) -> Generator[AnswerEvent, None, None]:
    """An answer that stands in what `viewer` may read, or an honest "not found"; see `AnswerEvent` for the order.

    Documents that are gone, or closed to the viewer, while the answer is being made void it: it is made once more.
    """
    sought = as_asked(question, asking.retrieval)
    if turns:
        yield Status("rewriting")
        sought = asking.complete(question, turns)
    readable = asking.retrieval.readable(viewer)
    for _ in range(_ATTEMPTS):
        answer = yield from _attempt(sought, candidates, filters, viewer, asking)
        cited = shown_in(answer)
        if readable(cited) >= set(cited):
            break
        yield Reset("a document that it stands on was closed or removed meanwhile")
    else:
        answer = Answer(question, found=False)
    yield Done(replace(answer, question=question, searched="" if sought.text == question else sought.text))


def _attempt(
    sought: Sought, candidates: int, filters: Filters, viewer: Viewer, asking: Asking
) -> Generator[AnswerEvent, None, Answer]:
    """Yields all events but the last, and returns what that one holds."""
    yield Status("searching")
    index = asking.retrieval.index
    ranked = _ranked(sought, "hybrid", candidates, filters, viewer, asking.retrieval)
    yield Status("answering")
    events = asking.answerer.stream(
        sought.text, ranked.hits, neighbours=lambda hit: index.read(hit.chunk.document, viewer=viewer)
    )
    with closing(events):
        for event in events:
            if isinstance(event, Done):
                notice = " ".join(filter(None, (event.answer.notice, ranked.notice)))
                return replace(event.answer, notice=notice)
            yield event
    raise RuntimeError("an answerer ended without Done")


def shown_in(answer: Answer) -> list[DocumentId]:
    """Every document that the answer names, once."""
    shown: list[Citation] = [*answer.citations, *answer.elsewhere]
    return list(dict.fromkeys([*(one.document for one in shown), *(hit.chunk.document for hit in answer.nearest)]))


def answer_of(events: Iterator[AnswerEvent]) -> Answer:
    """The end of the events."""
    for event in events:
        if isinstance(event, Done):
            return event.answer
    raise RuntimeError("the events ended without Done")
