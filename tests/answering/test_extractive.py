from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.extractive import ExtractiveAnswerer, ExtractiveOptions
from knowhub.answering.ranking import Weights
from knowhub.core.ports import SearchQuery
from knowhub.core.types import Answer, Delta, Document, DocumentKind, Done, Hit, Place, Retrieved
from tests.answering.memory_index import VIEWER, MemoryIndex, WordEmbedder, chunks_of, document, hit, index_of, terms

NOW = datetime(2026, 6, 1, tzinfo=UTC)
EXPENSES = document(
    "expenses",
    "# Expenses\n\n## Hotels\n\nThe hotel limit is 140 EUR per night. Breakfast is included.\n\n"
    "## Meals\n\nA dinner may cost 40 EUR.\n",
    title="Expenses",
)
LEAVE = document("leave", "# Leave\n\nEverybody has 25 holiday days a year. Ask your lead first.\n", title="Leave")
DECISION = document(
    "C1:1",
    "**Ana** (2026-05-12 09:14): Is the hotel limit per night still meant seriously?\n"
    "**Ben** (2026-05-12 09:20): Decided: the hotel limit is now 180 EUR per night.",
    kind="conversation",
    title="#finance: Is the hotel limit",
    updated="2026-05-12",
)


def searched(question: str, *documents: Document, embedder: WordEmbedder | None = None) -> list[Hit]:
    embedder = embedder or WordEmbedder()
    vector = embedder.embed([question], purpose="query")[0]
    query = SearchQuery(question, vector, "hybrid", 20, NOW)
    return index_of(*documents, embedder=embedder).search(query, viewer=VIEWER)


def answered(question: str, *documents: Document) -> Answer:
    return ExtractiveAnswerer(WordEmbedder(), terms=terms).answer(question, searched(question, *documents))


def test_the_best_sentence_is_quoted_with_a_link_to_its_place() -> None:
    answer = answered("What is the hotel limit per night?", LEAVE, EXPENSES)
    assert answer.found
    first = answer.citations[0]
    assert first.quote == "The hotel limit is 140 EUR per night." == EXPENSES.text[first.start : first.end]
    assert (first.number, first.link, first.title) == (1, "https://example.test/expenses#part-0", "Expenses")


def test_at_most_three_passages_are_quoted_each_once() -> None:
    cities = ("Kobe", "Vigo", "Turku", "Galway", "Antwerp")
    texts = [f"The hotel limit per night in {city} follows rule {n}. {city} hotels" for n, city in enumerate(cities)]
    many = [document(city, f"{text} have a night porter.") for city, text in zip(cities, texts, strict=True)]
    answer = answered("What is the hotel limit per night?", *many)
    assert len(answer.citations) == 3 == len({citation.document for citation in answer.citations})
    page = document("page", " ".join(texts))
    assert len(answered("What is the hotel limit per night?", page).citations) == 1


def test_what_is_far_behind_the_best_is_not_quoted() -> None:
    answer = answered("What is the hotel limit per night?", EXPENSES, LEAVE)
    assert [citation.document for citation in answer.citations] == [EXPENSES.id]


@pytest.mark.parametrize("said", ["ok, thanks!", "Hi, can you help me?", "OK bye", "gracias", "ありがとうございます。"])
def test_small_talk_gets_no_quotes_and_costs_nothing(said: str) -> None:
    page, embedder = document("page", "Hi, thanks, bye. OK, I can help you."), WordEmbedder()
    answer = ExtractiveAnswerer(embedder, terms=terms).answer(said, searched(said, page))
    assert (answer.found, answer.citations, answer.nearest, embedder.batches) == (False, (), (), [])


@pytest.mark.parametrize("question", ["What is the hotel limit per night?", "Which company insures our boats?", "hi"])
def test_the_stream_ends_with_the_answer_that_its_pieces_spell(question: str) -> None:
    answerer, hits = ExtractiveAnswerer(WordEmbedder(), terms=terms), searched(question, EXPENSES, DECISION)
    first, *deltas, last = answerer.stream(question, hits, neighbours=lambda _: [])
    assert isinstance(last, Done)
    assert last.answer == answerer.answer(question, hits)
    assert first == Retrieved(last.answer.citations)
    assert len(deltas) == len(last.answer.citations)
    assert "".join(each.text for each in deltas if isinstance(each, Delta)) == last.answer.text


def test_a_citation_says_what_it_was_cut_from_and_how_well_it_matched() -> None:
    (best, *_) = hits = searched("What is the hotel limit per night?", DECISION)
    citation = ExtractiveAnswerer(WordEmbedder(), terms=terms).answer("What is the hotel limit per night?", hits)
    assert (citation.citations[0].kind, citation.citations[0].score) == ("conversation", best.score)


def test_where_dates_cannot_tell_a_page_goes_before_talk() -> None:
    page, talk = replace(EXPENSES, updated_at=None), replace(DECISION, updated_at=None)
    talk = replace(talk, text="**Ben**: The hotel limit is 180 EUR per night.")
    answer = answered("What is the hotel limit per night?", talk, page)
    assert [citation.document for citation in answer.citations] == [page.id, talk.id]
    assert answer.conflict == "Two sources differ: undated, Expenses and undated, #finance, by Ben; talk comes second"


def test_what_no_document_speaks_of_is_not_found_and_the_nearest_are_named() -> None:
    answer = answered("Which company insures our boats?", LEAVE, EXPENSES)
    assert not answer.found
    assert answer.citations == ()
    assert {near.chunk.document for near in answer.nearest} == {LEAVE.id, EXPENSES.id}


@pytest.mark.parametrize(
    "question",
    [
        "What is the hotel limit per night in PROJ-77?",
        "Is the hotel limit per night 999 EUR?",
        "The E-419 hotel limit per night?",
    ],
)
def test_a_number_or_identifier_that_stands_nowhere_is_never_answered(question: str) -> None:
    assert not answered(question, EXPENSES).found


def test_nothing_found_is_not_an_error() -> None:
    embedder = WordEmbedder()
    answer = ExtractiveAnswerer(embedder, terms=terms).answer("Anything?", [])
    assert (answer.found, answer.nearest, answer.confidence, embedder.batches) == (False, (), 0.0, [])


@pytest.mark.parametrize("documents", [(EXPENSES, DECISION), (DECISION, EXPENSES)])
def test_a_later_decision_leads_and_the_older_page_follows(documents: tuple[Document, ...]) -> None:
    answer = answered("What is the hotel limit per night?", *documents)
    newer, older = answer.citations
    assert newer.quote == "Decided: the hotel limit is now 180 EUR per night."
    assert newer.author == "Ben"
    assert newer.time == datetime(2026, 5, 12, 9, 20, tzinfo=UTC)
    assert older.document == EXPENSES.id
    assert answer.conflict == (
        "A newer source (2026-05-12, #finance, by Ben) differs from an older one (2026-01-10, Expenses)"
    )
    assert answer.text == (
        "A newer source (2026-05-12, #finance, by Ben) differs from an older one (2026-01-10, Expenses).\n\n"
        "> Decided: the hotel limit is now 180 EUR per night. [1]\n\n> The hotel limit is 140 EUR per night. [2]"
    )


def test_a_decision_from_before_the_page_leads_nothing() -> None:
    page = replace(EXPENSES, updated_at=NOW)
    answer = answered("What is the hotel limit per night?", page, DECISION)
    assert answer.citations[0].document == page.id


def test_sources_that_agree_are_no_conflict() -> None:
    recap = document("recap", "As you know the hotel limit is 140 euros per night.", updated="2026-05-12")
    answer = answered("What is the hotel limit per night?", EXPENSES, recap)
    assert answer.conflict == ""


def test_a_question_in_the_text_is_never_the_answer() -> None:
    faq = document("faq", "What is the hotel limit per night?")
    assert not answered("What is the hotel limit per night?", faq).found
    faq = document("faq", "## What is the hotel limit per night?\n\nIt depends on the city.")
    assert answered("What is the hotel limit per night?", faq).citations[0].quote == "It depends on the city."


def test_japanese_is_judged_by_words() -> None:
    page = document("kobe", "# 神戸\n\n来客用の駐車場は建物の北側にあります。受付は二階です。", title="神戸オフィス")
    answer = answered("来客用の駐車場はどこですか。", page, LEAVE)
    assert answer.citations[0].quote == "来客用の駐車場は建物の北側にあります。"
    assert not answered("健康診断はいつですか。", page, LEAVE).found


def test_a_neighbouring_chunk_may_hold_the_answer() -> None:
    page = document("page", "The hotel chapter begins. \nThe hotel limit is 140 EUR per night.")
    first, second = (replace(hit(page, chunk), cosine=0.5) for chunk in chunks_of(page, 27))
    answerer = ExtractiveAnswerer(WordEmbedder(), terms=terms)
    alone = answerer.answer("What is the hotel limit per night?", [first])
    beside = answerer.answer("What is the hotel limit per night?", [first], neighbours=lambda _: [first, second])
    assert not alone.found
    assert beside.citations[0].quote == page.text[27:]
    assert beside.citations[0].link.endswith("#part-1")


def test_chunks_further_away_are_not_drawn_in() -> None:
    page = document("page", "The hotel chapter begins. \n\nNothing here.\n\nThe hotel limit is 140 EUR per night.")
    first, _, last = (replace(hit(page, chunk), cosine=0.5) for chunk in chunks_of(page, 27, 43))
    answerer = ExtractiveAnswerer(WordEmbedder(), terms=terms)
    assert not answerer.answer("What is the hotel limit per night?", [first], neighbours=lambda _: [first, last]).found


def test_other_documents_that_say_so_too_are_listed_once_each() -> None:
    copies = [document(f"copy{n}", f"The hotel limit is 140 EUR per night, says page {n}.") for n in range(4)]
    answer = answered("What is the hotel limit per night?", *copies)
    documents = [citation.document for citation in (*answer.citations, *answer.elsewhere)]
    assert len(set(documents)) == len(documents)
    assert [citation.number for citation in (*answer.citations, *answer.elsewhere)] == list(
        range(1, len(documents) + 1)
    )


def test_sentences_are_embedded_in_one_batch_of_bounded_size() -> None:
    page = document("long", " ".join(f"The hotel number {n} is fine." for n in range(900)))
    embedder = WordEmbedder()
    ExtractiveAnswerer(embedder, ExtractiveOptions(Weights(sentences=50, sentences_per_hit=900)), terms=terms).answer(
        "Which hotel is fine?", searched("Which hotel is fine?", page)
    )
    assert sorted(embedder.batches) == [1, 50]


TEXTS = st.one_of(
    st.text(max_size=200),
    st.lists(
        st.sampled_from(["hotel limit ", "140 EUR. ", "\n", "# ", "- ", "| a ", "```", "Ana: ", "上限は。", "\u2028"])
    ).map("".join),
)


@given(
    texts=st.lists(st.tuples(TEXTS, st.sampled_from(get_args(DocumentKind)), st.integers(0, 50)), max_size=4),
    question=st.one_of(st.just("What is the hotel limit?"), st.just("上限は？"), st.text(max_size=60)),
)
def test_every_quote_is_a_slice_of_its_document_whatever_the_documents_are(
    texts: Sequence[tuple[str, DocumentKind, int]], question: str
) -> None:
    documents = {f"handbook:{n}": document(str(n), text, kind=kind) for n, (text, kind, _) in enumerate(texts)}
    hits = [
        replace(hit(owner, chunk), cosine=0.9)
        for owner, (_, _, cut) in zip(documents.values(), texts, strict=True)
        for chunk in chunks_of(owner, min(cut, len(owner.text)))
    ]
    options = ExtractiveOptions(min_confidence=0.0, min_cosine=-1.0)
    answer = ExtractiveAnswerer(WordEmbedder(), options, terms=terms).answer(question, hits)
    for citation in (*answer.citations, *answer.elsewhere):
        assert citation.quote == documents[citation.document].text[citation.start : citation.end] != ""


def test_the_memory_index_shows_nothing_to_strangers() -> None:
    stranger = replace(VIEWER, principals=frozenset())
    index: MemoryIndex = index_of(EXPENSES)
    assert index.read(EXPENSES.id, viewer=stranger) == []


def test_a_quote_from_the_middle_of_a_chunk_opens_at_its_own_message() -> None:
    (found,) = searched("What is the hotel limit per night?", DECISION)
    start = DECISION.text.index("**Ben**")
    written = datetime(2026, 5, 12, 9, 20, tzinfo=UTC)
    place = Place(start, "?message=2", "Ben", written)
    inside = replace(found, chunk=replace(found.chunk, places=(place,)))
    answer = ExtractiveAnswerer(WordEmbedder(), terms=terms).answer("What is the hotel limit per night?", [inside])
    citation = answer.citations[0]
    assert citation.quote.endswith("180 EUR per night.")
    assert (citation.link, citation.author, citation.time) == (f"{DECISION.url}?message=2", "Ben", written)


def test_a_row_says_more_than_the_summary_of_its_sheet() -> None:
    sheet = document(
        "prices",
        'Sheet "Prices": 2 rows, 2 columns. Product: e.g. Kettle, Toaster. Price: 20 to 35.\n\n'
        "Product: Kettle; Price: 20\nProduct: Toaster; Price: 35",
        kind="table",
    )
    answer = answered("What is the price of the Toaster product?", sheet)
    assert [citation.quote for citation in answer.citations][:1] == ["Product: Toaster; Price: 35"]
    assert not any("Sheet" in citation.quote for citation in answer.citations)


def test_what_a_conversation_adds_to_a_question_makes_no_refusal_of_it() -> None:
    page = document("interns", "Interns may spend 90 EUR per night.")
    asked = "What may interns spend?"
    assert answered(asked, page).found
    assert answered(f"{asked} (hotel, limit, breakfast, expenses)", page).found
    assert not answered(f"{asked} (PROJ-77)", page).found
