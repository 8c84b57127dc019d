from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import UnreadableContent
from knowhub.formats.html import html_to_markdown, parse_html
from tests.formats.samples import PAGE


def test_a_page_is_its_main_content_with_title_author_and_language() -> None:
    parsed = parse_html(PAGE)
    assert parsed.text == "# Leave\n\nEveryone has 30 days."
    assert (parsed.title, parsed.authors, parsed.language, parsed.kind) == ("Leave", ("Ana",), "en", "markdown")
    assert [(s.label, s.anchor) for s in parsed.sections] == [("Leave", "#leave")]


def test_a_page_without_main_loses_only_what_surrounds_it() -> None:
    page = b"<body><header>Logo</header><div><p>Kept</p></div><nav>Menu</nav><footer>Imprint</footer></body>"
    assert parse_html(page).text == "Kept"


def test_a_tiny_main_does_not_hide_the_rest() -> None:
    assert "The long rest" in parse_html(b"<main>x</main><p>The long rest of the page is here.</p>").text


def test_the_title_falls_back_to_the_title_element() -> None:
    assert parse_html(b"<title>A &amp; B</title><p>x</p>").title == "A & B"


def test_dates_come_from_metadata() -> None:
    page = b'<head><meta property="article:published_time" content="2024-01-31T09:00:00Z"></head><p>x'
    assert parse_html(page).created_at == datetime(2024, 1, 31, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    ("source", "markdown"),
    [
        ("<h2>Hi <code>x</code></h2>", "## Hi `x`"),
        ("<p>a<b> bold </b>b <em>c</em></p>", "a **bold** b *c*"),
        ('<a href="https://x.y/(z)"> li nk </a>', "[li nk](<https://x.y/(z)>)"),
        ('<a href="#top">up</a> <a href="javascript:x()">js</a>', "up js"),
        ('<a href="https://x.y">https://x.y</a>', "https://x.y"),
        ("line<br>break", "line\nbreak"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>", "- a\n  - b\n- c"),
        ("<ol start=3><li>x<li><p>y</p><p>z</p></ol>", "3. x\n4. y\n\n   z"),
        ('<pre class="language-py">def f():\n    pass\n</pre>', "```py\ndef f():\n    pass\n```"),
        ("<pre>```</pre>", "````\n```\n````"),
        ("<blockquote><p>a<p>b</blockquote>", "> a\n>\n> b"),
        ("<p># not a heading</p>", "\\# not a heading"),
        ("<p>a<br>---</p>", "a\n\\---"),
        ("E = mc<sup>2</sup>", "E = mc^2"),
        ("<span><p>a</p></span>b", "a\n\nb"),
        ("<p hidden>a</p><p aria-hidden=true>b</p>c", "c"),
        ("<script>a</script><style>b</style><noscript>c</noscript><template>d</template>e", "e"),
        ('<img src="x.png" alt="A chart">', "A chart"),
        ("<ul><li><input type=checkbox checked> done<li><input type=checkbox> open</ul>", "- [x] done\n- [ ] open"),
        ("a &lt;b&gt; &amp; c", "a <b> & c"),
        ("", ""),
        ("<?xml version='1.0' encoding='utf-8'?><p>x</p>", "x"),
    ],
)
def test_elements_become_markdown(source: str, markdown: str) -> None:
    assert html_to_markdown(source) == markdown


def test_tables_keep_their_grid() -> None:
    source = (
        "<table><caption>Sizes</caption><thead><tr><th>A<th>B|C</tr></thead>"
        "<tr><td rowspan=2>1<td>2</tr><tr><td>3</tr><tr><td colspan=2>wide</table>"
    )
    assert html_to_markdown(source) == ("**Sizes**\n\n| A | B\\|C |\n| --- | --- |\n| 1 | 2 |\n| 1 | 3 |\n| wide |  |")


def test_tables_that_only_lay_out_are_read_as_text() -> None:
    assert html_to_markdown("<table><tr><td><h2>Head</h2><p>a<td><p>b</table>") == "## Head\n\na\n\nb"


@pytest.mark.parametrize(("charset", "encoding"), [("Shift_JIS", "cp932"), ("EUC-JP", "euc_jp"), ("no-such", "utf-8")])
def test_the_declared_character_set_is_used_if_it_is_true(charset: str, encoding: str) -> None:
    page = f'<html><head><meta charset="{charset}"></head><body><p>東京本社の地図</p></body></html>'
    assert parse_html(page.encode(encoding)).text == "東京本社の地図"


def test_nesting_without_end_is_refused() -> None:
    with pytest.raises(UnreadableContent, match="nested too deeply"):
        parse_html(b"<div>" * 100_000 + b"x")


TAGS = st.sampled_from(
    ["p", "div", "b", "a", "table", "tr", "td", "ul", "ol", "li", "h1", "pre", "code", "br", "main", "dl"]
)
PIECES = st.one_of(
    st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=8),
    TAGS.map("<{}>".format),
    TAGS.map("</{}>".format),
)


@given(st.lists(PIECES, max_size=40).map("".join))
def test_any_tag_soup_is_read(soup: str) -> None:
    parsed = parse_html(soup.encode("utf-8", "replace"))
    assert all(0 <= s.start <= s.end <= len(parsed.text) for s in parsed.sections)


@given(
    st.lists(st.from_regex(r"[a-z]{3,9}", fullmatch=True), min_size=1, max_size=20), st.randoms(use_true_random=False)
)
def test_no_word_of_well_formed_content_is_lost(words: list[str], random: object) -> None:
    page = "".join(
        f"<{t}>{w}</{t}>" for w, t in zip(words, ["p", "h2", "b", "li", "td", "blockquote", "a"] * 3, strict=False)
    )
    text = html_to_markdown(f"<div>{page}</div>")
    assert all(word in text for word in words)
