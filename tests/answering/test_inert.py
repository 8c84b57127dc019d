from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from knowhub.answering.inert import inert, visible

CITED = "https://wiki.example/page(1)?a=b#c"
CITED_WRITTEN = "https://wiki.example/page%281%29?a=b#c"
LINKS = (CITED, "https://chat.example/archives/C1/p2")
PARTS = [
    *(
        "[",
        "]",
        "(",
        ")",
        "<",
        ">",
        "!",
        "`",
        "``",
        "```",
        "~~~",
        "\\",
        "\n",
        "\n\n",
        " ",
        "    ",
        ":",
        '"',
        "'",
        "|",
        "*",
    ),
    *("https://evil.example/x", "http://", "www.evil.example", "javascript:alert(1)", "data:text/html,<b>", "//evil"),
    *(
        "<img src=x onerror=y>",
        "<script>",
        "</script>",
        "<a href='x'>",
        "<!--",
        "-->",
        "<![CDATA[",
        "<?php",
        "&lt;b&gt;",
    ),
    *(
        "[a]",
        "[a]: https://evil.example",
        "[b]:\n/x",
        "(/api/logout)",
        "![i](https://evil.example/i.png)",
        "- ",
        "> ",
        "1. ",
    ),
    *(
        CITED,
        f"[ok]({LINKS[1]})",
        f"[ok](<{LINKS[1]}>)",
        "word",
        "[1]",
        "\u200b",
        "\u202e",
        "\x1b[31m",
        "\U000e0041",
        "\x00",
    ),
]
TEXTS = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)


def tokens(text: str) -> list[Token]:
    reader = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return [inner for token in reader.parse(text) for inner in (token, *(token.children or []))]


def addresses(text: str) -> set[str]:
    return {str(token.attrs["href"]) for token in tokens(text) if token.type == "link_open"}


@settings(max_examples=300, deadline=None)
@given(TEXTS)
def test_a_markdown_reader_finds_no_strange_link_no_image_and_no_html(text: str) -> None:
    made = inert(text, LINKS)
    assert not [token for token in tokens(made) if token.type in ("image", "html_inline", "html_block")]
    assert addresses(made) <= {CITED_WRITTEN, LINKS[1]}


@settings(max_examples=200, deadline=None)
@given(TEXTS)
def test_made_inert_twice_is_made_inert_once(text: str) -> None:
    once = inert(text, LINKS)
    assert inert(once, LINKS) == once


@settings(deadline=None)
@given(st.text(max_size=200))
def test_what_cannot_be_seen_is_gone(text: str) -> None:
    made = inert(text, ())
    assert visible(made) == made
    assert not any(c < " " and c not in "\n\t" for c in made)
    assert not any(
        0x200B <= ord(c) <= 0x200F or 0x202A <= ord(c) <= 0x202E or 0xE0000 <= ord(c) <= 0xE0FFF for c in made
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see [this](https://evil.example) now", "see this now"),
        (f"see [the page]({LINKS[1]}) now", f"see [the page]({LINKS[1]}) now"),
        (f"see {CITED}", f"see [{CITED_WRITTEN}]({CITED_WRITTEN})"),
        (f"see {LINKS[1]}.", f"see [{LINKS[1]}]({LINKS[1]})."),
        ("see https://evil.example/x.", "see `https://evil.example/x`."),
        ("![logo](https://evil.example/i.png)", "logo"),
        ("a <b onclick=x>bold</b> word", "a bold word"),
        ("<scr<b>ipt>alert(1)</script>", "alert(1)"),
        ("5 < 6 and a<b", "5 < 6 and a< b"),
        ("use `List<int>` here", "use `List<int>` here"),
        ("```html\n<b>\n", "```html\n<b>\n\n```"),
        ("hid\u200bden\u202e \x1b[31mred\x1b[0m \U000e0041", "hidden red "),
        ("**bold** and [1][2]", "**bold** and [1][2]"),
        ("予算は3万円です。", "予算は3万円です。"),
    ],
)
def test_a_text_keeps_its_words(text: str, expected: str) -> None:
    assert inert(text, LINKS) == expected
