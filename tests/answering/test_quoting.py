from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowhub.answering.quoting import as_markdown, escaped
from knowhub.core.types import Citation, DocumentId, DocumentKind, SourceName
from knowhub.formats.visible import visible

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
HARMLESS = {"inline", "text", "text_special", "hardbreak", "softbreak", "fence"} | {
    f"{block}_{edge}" for block in ("blockquote", "paragraph") for edge in ("open", "close")
}
ACTING = "a 1 [ ]( ) ![ < > | --- === # ` ``` ~~ * _ \\ &lt; &#91; 1. - + [1] https://x.test <b> |-| :"
PIECES = st.lists(st.sampled_from([*ACTING.split(), " ", "\n", "\t", "    "])).map("".join)


def cited(quote: str, *, number: int = 1, kind: DocumentKind = "markdown") -> Citation:
    return Citation(number, DocumentId("s:d"), "T", "", quote, 0, len(quote), SourceName("s"), kind=kind)


def tokens(markdown: str) -> list[Token]:
    found = MARKDOWN.parse(markdown)
    return found + [child for token in found for child in token.children or ()]


def shown(markdown: str) -> str:
    """What a reader sees, white space as one space."""
    breaks = {"softbreak": "\n", "hardbreak": "\n"}
    return " ".join(
        "".join(
            breaks.get(token.type, token.content) + ("\n" if token.type == "fence" else "")
            for token in tokens(markdown)
            if token.type != "inline"
        ).split()
    )


@settings(deadline=None)
@given(quote=st.one_of(PIECES, st.text(max_size=80)), kind=st.sampled_from(("markdown", "code")))
def test_a_quote_shows_its_characters_and_does_nothing_else(quote: str, kind: DocumentKind) -> None:
    text = "".join(as_markdown("", [cited(quote, kind=kind)]))
    assert {token.type for token in tokens(text)} <= HARMLESS
    if visible(quote) == quote and all(character.isprintable() or character in "\n\t" for character in quote):
        assert shown(text) == " ".join([*quote.split(), "[1]"])


def test_only_the_mark_of_the_citation_itself_is_unescaped() -> None:
    text = "".join(as_markdown("", [cited("Yes [2][3].", number=7)]))
    assert text == "> Yes \\[2\\]\\[3\\]. [7]"


def test_quotes_are_one_piece_each_after_the_conflict() -> None:
    pieces = as_markdown("A newer source ([x](y)) differs", [cited("One."), cited("Two.", number=2)])
    assert pieces == ["A newer source (\\[x\\](y)) differs.\n\n> One. [1]", "\n\n> Two. [2]"]


def test_code_keeps_its_lines_and_cannot_leave_its_fence() -> None:
    (piece,) = as_markdown("", [cited("def f():\n    return '''\n````\n'''", kind="code")])
    assert piece == "> `````\n> def f():\n>     return '''\n> ````\n> '''\n> `````\n>\n> [1]"


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("see https://x.test/a", "see https\\://x.test/a"),
        ("www.x.test", "www\\.x.test"),
        ("mailto:a@b.test", "mailto\\:a\\@b.test"),
        ("at 09:15, 1.5 % of AT&T", "at 09:15, 1.5 % of AT&T"),
        ("2. then", "2\\. then"),
        ("snake_case", "snake\\_case"),
    ],
)
def test_only_what_would_act_is_escaped(text: str, safe: str) -> None:
    assert escaped(text) == safe


def test_what_no_reader_could_see_is_left_out() -> None:
    assert escaped("a\u202eb\u200bc\x1b[0m\U000e0041d\u2066e") == "abc\\[0mde"
