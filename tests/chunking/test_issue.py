from __future__ import annotations

from dataclasses import replace

from knowhub.chunking.router import Chunker
from knowhub.core.types import Chunk, Document
from tests.chunking.documents import joined, make


def issue(body: str, *comments: str) -> Document:
    parts = [("title", "", "", "Login fails"), ("body", "", "#description", body)]
    parts += [("comment", f"Ann, {i}", f"#note_{i}", text) for i, text in enumerate(comments)]
    return replace(joined("issue", *parts, title="PROJ-7: Login fails"), state="open")


def anchors(chunks: tuple[Chunk, ...]) -> list[str]:
    return [chunk.anchor for chunk in chunks]


def test_every_chunk_says_which_issue_it_is_and_its_state() -> None:
    chunks = Chunker()(issue("word " * 400, "Me too.", "Fixed."))
    assert all(chunk.context.startswith("PROJ-7: Login fails [open]") for chunk in chunks)


def test_the_title_stands_with_the_description() -> None:
    first = Chunker()(issue("It says 500."))[0]
    assert (first.text, first.anchor) == ("Login fails\nIt says 500.", "#description")


def test_short_comments_share_a_chunk_that_opens_at_the_first() -> None:
    chunks = Chunker()(issue("It says 500.", "Me too.", "And me.", "Fixed."))
    assert [(c.text, c.anchor, c.author) for c in chunks[1:]] == [("Me too.\nAnd me.\nFixed.", "#note_0", "author 2")]


def test_a_short_comment_is_never_cut() -> None:
    comments = [f"{i} " + "word " * 80 for i in range(7)]
    chunks = Chunker()(issue("It says 500.", *comments))
    assert all(any(comment.strip() in chunk.text for chunk in chunks) for comment in comments)
    assert anchors(chunks) == ["#description", "#note_0", "#note_2", "#note_4", "#note_6"]


def test_a_long_comment_is_cut_and_each_part_names_who_wrote_it() -> None:
    chunks = Chunker()(issue("It says 500.", "word " * 400, "Fixed."))
    assert anchors(chunks) == ["#description", "#note_0", "#note_0", "#note_0", "#note_1"]
    assert chunks[2].context == "PROJ-7: Login fails [open] › Ann, 0"


def test_an_issue_of_one_text_needs_no_sections() -> None:
    assert [c.text for c in Chunker()(make("issue", "It says 500."))] == ["It says 500."]
