from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.chunking.router import Chunker, ChunkingOptions
from knowhub.core.errors import ConfigurationError
from knowhub.core.types import Document
from tests.chunking.documents import LANGUAGES, ROLES, TEXTS, conversation, documents, make

SMALL = ChunkingOptions(
    conversation_messages=3,
    conversation_overlap=1,
    conversation_chars=60,
    code_chars=60,
    code_overlap_chars=20,
    text_chars=50,
    text_min_chars=20,
    issue_chars=50,
    table_chars=40,
    table_overlap_chars=10,
    change_chars=60,
    context_chars=40,
)
LIMITS = {
    "text": "text_chars",
    "markdown": "text_chars",
    "code": "code_chars",
    "conversation": "conversation_chars",
    "issue": "issue_chars",
    "table": "table_chars",
    "change": "change_chars",
}
OPTIONS = st.sampled_from([SMALL, ChunkingOptions()])


@given(documents(), OPTIONS)
@settings(max_examples=120, deadline=None)
def test_chunks_are_numbered_slices_of_the_text_in_order(document: Document, options: ChunkingOptions) -> None:
    chunks = Chunker(options)(document)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.id for chunk in chunks] == [f"{document.id}#{n}" for n in range(len(chunks))]
    assert [chunk.start for chunk in chunks] == sorted(chunk.start for chunk in chunks)
    for chunk in chunks:
        assert chunk.document == document.id
        assert chunk.text == document.text[chunk.start : chunk.end]
        assert chunk.text.strip()


@given(documents(), OPTIONS)
@settings(max_examples=120, deadline=None)
def test_every_visible_character_is_in_a_chunk(document: Document, options: ChunkingOptions) -> None:
    covered = 0
    for chunk in Chunker(options)(document):
        assert not document.text[covered : chunk.start].strip()
        covered = max(covered, chunk.end)
    assert not document.text[covered:].strip()


@given(documents(), OPTIONS)
@settings(max_examples=120, deadline=None)
def test_no_chunk_and_no_context_is_longer_than_its_limit(document: Document, options: ChunkingOptions) -> None:
    for chunk in Chunker(options)(document):
        assert len(chunk.text) <= getattr(options, LIMITS[document.kind])
        assert len(chunk.context) <= options.context_chars
        assert "\n" not in chunk.context


@given(documents(), OPTIONS)
@settings(max_examples=80, deadline=None)
def test_no_chunk_lies_within_the_one_before_it(document: Document, options: ChunkingOptions) -> None:
    chunks = Chunker(options)(document)
    for before, after in pairwise(chunks):
        assert after.start > before.start
        assert after.end > before.end


@given(documents())
@settings(max_examples=100, deadline=None)
def test_a_chunk_names_the_section_that_it_starts_in(document: Document) -> None:
    if document.kind in ("code", "issue", "change"):
        return
    for chunk in Chunker(SMALL)(document):
        visible = [s for s in document.sections if s.start <= chunk.start]
        assert (
            chunk.anchor == (visible[-1].anchor if visible else "")
            or not document.text[visible[-1].start : visible[-1].end].strip()
        )


@given(documents())
@settings(max_examples=50, deadline=None)
def test_the_same_document_has_the_same_chunks_again(document: Document) -> None:
    assert Chunker()(document) == Chunker()(document)


@given(LANGUAGES, TEXTS)
@settings(max_examples=100, deadline=None)
def test_any_text_passes_for_code_of_any_language(language: str, text: str) -> None:
    chunks = Chunker(SMALL)(make("code", text, language=language))
    assert "".join("".join(c.text.split()) for c in chunks) or not text.strip()


@given(st.text(" \n\t\r\u3000\u2028\xa0", max_size=2000), st.sampled_from(sorted(ROLES)))
@settings(deadline=None)
def test_a_document_of_white_space_has_no_chunks(text: str, kind: str) -> None:
    assert Chunker()(replace(make("text", text), kind=kind)) == ()  # type: ignore[arg-type]  # a sampled literal


def test_half_a_surrogate_pair_does_no_harm() -> None:
    for kind in ROLES:
        document = make(kind, "\ud83d word " * 500, language="python")
        assert all(c.text == document.text[c.start : c.end] for c in Chunker()(document))


def test_context_stands_before_the_text_that_is_embedded() -> None:
    (chunk,) = Chunker()(make("text", "Ask first.", title="Holidays"))
    assert chunk.embedded_text == "Holidays\nAsk first."


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"code_overlap_chars": 700}, "code_overlap_chars"),
        ({"conversation_overlap": 10}, "conversation_overlap"),
        ({"table_overlap_chars": -1}, "table_overlap_chars"),
        ({"text_chars": 0}, "text_chars"),
    ],
)
def test_sizes_that_cannot_work_are_refused_by_name(wrong: dict[str, int], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        ChunkingOptions(**wrong)


def test_what_begins_inside_a_chunk_keeps_its_own_place() -> None:
    document = conversation("first words", "second words", "third words")
    (chunk,) = Chunker()(document)
    offset = document.text.index("third")
    message = next(s for s in document.sections if s.start <= offset < s.end)
    assert chunk.place_at(offset).anchor == message.anchor != chunk.anchor
    assert chunk.place_at(offset).time == message.time
    assert chunk.place_at(chunk.start).anchor == chunk.anchor
