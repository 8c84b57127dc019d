"""The way from a question to an answer: order of events, permissions before and after, stopping."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from knowhub.core.ports import IndexEntry, Neighbours, SearchQuery
from knowhub.core.types import (
    ANYONE,
    Answer,
    AnswerEvent,
    Chunk,
    ChunkId,
    Citation,
    ContainerId,
    Delta,
    DocumentId,
    Done,
    Filters,
    Hit,
    ModelId,
    Reset,
    Retrieved,
    SourceName,
    Status,
    Turn,
    Viewer,
)
from knowhub.pipelines.ask import Asking, Ranked, Readable, Retrieval, Sought, ask, search

ANA = Viewer("ana", frozenset({ANYONE}))


def hit(document: str, score: float = 1.0) -> Hit:
    chunk = Chunk(ChunkId(f"{document}#0"), DocumentId(document), 0, document, 0, len(document))
    return Hit(chunk, SourceName("wiki"), ContainerId("c"), "text", document, "", (), None, score)


@dataclass
class Shelf:
    """An index that finds everything it holds, and remembers what it was asked."""

    hits: list[Hit]
    asked: list[SearchQuery] = field(default_factory=list)

    def search(self, query: SearchQuery, *, viewer: Viewer) -> list[Hit]:
        self.asked.append(query)
        return self.hits[: query.top_k]

    def read(self, document: DocumentId, *, viewer: Viewer) -> list[Hit]:
        return [one for one in self.hits if one.chunk.document == document]

    def replace(self, entries: Sequence[IndexEntry]) -> None:
        raise AssertionError("asking writes nothing")

    def contents(self, source: SourceName) -> Mapping[DocumentId, int]:
        return {}

    def counts(self, *, viewer: Viewer) -> Mapping[SourceName, int]:
        return {}

    def version(self, *, viewer: Viewer) -> str:
        return ""

    def maintain(self, *, purge: bool) -> None:
        raise AssertionError("asking writes nothing")


class Zeros:
    model = ModelId("zeros")
    dimensions = 2

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        return np.zeros((len(texts), 2), np.float32)


@dataclass
class QuotingFirst:
    """Answers with the text of the first hit, in two pieces."""

    questions: list[str] = field(default_factory=list)
    closed: bool = False

    def stream(
        self, question: str, hits: Sequence[Hit], *, neighbours: Neighbours
    ) -> Generator[AnswerEvent, None, None]:
        self.questions.append(question)
        cited = tuple(
            Citation(1, one.chunk.document, "", "", one.chunk.text, 0, one.chunk.end, one.source) for one in hits[:1]
        )
        text = cited[0].quote if cited else ""
        try:
            yield Retrieved(cited)
            yield Delta(text[:2])
            yield Delta(text[2:])
            yield Done(Answer(question, found=bool(cited), citations=cited, text=text, notice="quoted"))
        finally:
            self.closed = True


@dataclass
class Doors:
    """Which documents may be read, at each time that somebody asks; the last holds on."""

    open: list[set[str]]

    def __call__(self, viewer: Viewer) -> Readable:
        def may_read(documents: Sequence[DocumentId]) -> frozenset[DocumentId]:
            now = self.open.pop(0) if len(self.open) > 1 else self.open[0]
            return frozenset(one for one in documents if one in now)

        return may_read


def completed(question: str, turns: Sequence[Turn]) -> Sought:
    whole = f"{question} {turns[-1].question}"
    return Sought(whole, whole, lambda: np.zeros(2, np.float32))


def asking(hits: Sequence[Hit], doors: Doors, answerer: QuotingFirst | None = None, **given: object) -> Asking:
    retrieval = Retrieval(
        embedder=Zeros,
        index=Shelf(list(hits)),
        clock=lambda: datetime(2026, 11, 21, tzinfo=UTC),
        readable=doors,
        **given,  # type: ignore[arg-type]  # rerank by name
    )
    return Asking(retrieval, answerer or QuotingFirst(), completed)


def asked(parts: Asking, question: str = "where?", turns: Sequence[Turn] = ()) -> list[AnswerEvent]:
    return list(ask(question, turns=turns, candidates=5, filters=Filters(), viewer=ANA, asking=parts))


def text_of(events: Sequence[AnswerEvent]) -> str:
    text = ""
    for event in events:
        text = "" if isinstance(event, Reset) else text + (event.text if isinstance(event, Delta) else "")
    return text


def answer_of(events: Sequence[AnswerEvent]) -> Answer:
    assert [isinstance(event, Done) for event in events].index(True) == len(events) - 1
    last = events[-1]
    assert isinstance(last, Done)
    return last.answer


def test_what_is_shown_is_the_answer() -> None:
    events = asked(asking([hit("wiki:1"), hit("wiki:2")], Doors([{"wiki:1", "wiki:2"}])))
    answer = answer_of(events)
    assert [type(event) for event in events] == [Status, Status, Retrieved, Delta, Delta, Done]
    assert text_of(events) == answer.text == "wiki:1"
    assert (answer.question, answer.searched, answer.notice) == ("where?", "", "quoted")


def test_a_question_of_a_conversation_is_completed_and_says_how() -> None:
    answerer = QuotingFirst()
    events = asked(asking([hit("wiki:1")], Doors([{"wiki:1"}]), answerer), turns=[Turn("the key")])
    assert events[0] == Status("rewriting")
    assert answerer.questions == ["where? the key"]
    assert (answer_of(events).question, answer_of(events).searched) == ("where?", "where? the key")


def test_what_the_ledger_closed_is_not_answered_from_whatever_the_index_holds() -> None:
    answer = answer_of(asked(asking([hit("wiki:1"), hit("wiki:2")], Doors([{"wiki:2"}]))))
    assert [one.document for one in answer.citations] == ["wiki:2"]


def test_an_answer_is_void_when_its_document_is_closed_while_it_is_made() -> None:
    doors = Doors([{"wiki:1", "wiki:2"}, {"wiki:2"}])
    events = asked(asking([hit("wiki:1"), hit("wiki:2")], doors))
    assert sum(isinstance(event, Reset) for event in events) == 1
    assert text_of(events) == answer_of(events).text == "wiki:2"


def test_an_answer_whose_documents_keep_closing_is_not_found() -> None:
    doors = Doors([{"wiki:1"}, set(), {"wiki:1"}, set()])
    events = asked(asking([hit("wiki:1")], doors))
    answer = answer_of(events)
    assert (answer.found, answer.citations, text_of(events)) == (False, (), "")


def test_closing_the_events_stops_the_answerer() -> None:
    answerer = QuotingFirst()
    parts = asking([hit("wiki:1")], Doors([{"wiki:1"}]), answerer)
    events = ask("where?", turns=(), candidates=5, filters=Filters(), viewer=ANA, asking=parts)
    while not isinstance(next(events), Delta):
        pass
    assert not answerer.closed
    events.close()
    assert answerer.closed


def test_a_second_look_reorders_more_hits_than_are_wanted_and_says_what_it_could_not() -> None:
    def backwards(question: str, hits: Sequence[Hit]) -> Ranked:
        return Ranked(list(reversed(hits)), "looked twice")

    every = {f"wiki:{number}" for number in range(9)}
    parts = asking([hit(f"wiki:{n}") for n in range(9)], Doors([every]), rerank=backwards, rerank_candidates=7)
    answer = answer_of(asked(parts))
    assert [one.document for one in answer.citations] == ["wiki:6"]
    assert answer.notice == "quoted looked twice"


def test_a_search_by_words_alone_is_not_looked_at_again() -> None:
    def refuse(question: str, hits: Sequence[Hit]) -> Ranked:
        raise AssertionError("not by words")

    parts = asking([hit("wiki:1"), hit("wiki:2")], Doors([{"wiki:2"}]), rerank=refuse, rerank_candidates=7)
    found = search("key", mode="lexical", top_k=1, filters=Filters(), viewer=ANA, retrieval=parts.retrieval)
    assert found == []  # the one hit wanted is closed: the index knows less than the ledger
    found = search("key", mode="lexical", top_k=2, filters=Filters(), viewer=ANA, retrieval=parts.retrieval)
    assert [one.chunk.document for one in found] == ["wiki:2"]
