"""What WordPress renders, as Markdown: by example, and without losing a word."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.formats.wordpress import plain_title, rendered_to_markdown


@pytest.mark.parametrize(
    ("rendered", "title"),
    [
        ("It&#8217;s Caf&eacute; &#8211; <em>open</em>", "It’s Café – open"),
        ("R &amp; D", "R & D"),
        ("R &amp;amp; D", "R & D"),
        ("5 < 6", "5 < 6"),
        ("  Two\nlines ", "Two lines"),
        ("", ""),
    ],
)
def test_titles_are_what_a_reader_sees(rendered: str, title: str) -> None:
    assert plain_title(rendered) == title


@pytest.mark.parametrize(
    ("rendered", "markdown"),
    [
        # shortcodes that nobody expanded
        ('<p>See [gallery ids="1,2,3" columns=2]</p>', "See"),
        ("<p>See [gallery ids=&#8221;1,2&#8243;] here</p>", "See here"),
        ('<p>[contact-form-7 id="12" title="Write to us"]</p>', "Write to us"),
        ("<p>[contact-form-7 id=&#8221;12&#8243; title=&#8221;Write to us&#8221;]</p>", "Write to us"),
        ('<p>[vc_row][vc_column width="1/2"]Two halves[/vc_column][/vc_row]</p>', "Two halves"),
        ('<p>[button link="https://x.example/book"]Book now[/button]</p>', "https://x.example/book Book now"),
        (
            '[caption id="a1" width="300"]<img src="m.jpg" alt="The hall"> The hall at night[/caption]',
            "The hall The hall at night",
        ),
        ("<p>He said so [sic], see [note 3] and [1].</p>", "He said so [sic], see [note 3] and [1]."),
        ("<pre>[gallery ids=1]</pre>", "```\n[gallery ids=1]\n```"),
        ('<p><a href="/x[y=1]">link</a></p>', "[link](/x[y=1])"),
        # blocks
        ("<!-- wp:paragraph --><p>Text</p><!-- /wp:paragraph -->", "Text"),
        ('<iframe title="Our film" src="https://v.example/e/1"></iframe>', "[Our film](https://v.example/e/1)"),
        ('<video controls><source src="https://v.example/tour.mp4"></video>', "[tour.mp4](https://v.example/tour.mp4)"),
        ("<button>When do you open?</button>", "When do you open?"),
        ('<div hidden="until-found"><p>At ten.</p></div>', "At ten."),
        ('<div class="panel" aria-hidden="true" hidden><p>At ten.</p></div>', "At ten."),
        (
            '<figure class="wp-block-gallery"><figure><img alt="Ice" src="1.jpg"><figcaption>Ice rink</figcaption>'
            '</figure><figure><img src="2.jpg"><figcaption>Santa</figcaption></figure></figure>',
            "Ice\n\nIce rink\n\nSanta",
        ),
        (
            '<figure class="wp-block-table"><table><thead><tr><th>Day</th><th>Open</th></tr></thead>'
            "<tbody><tr><td>Mon</td><td>10&#8211;20</td></tr></tbody></table></figure>",
            "| Day | Open |\n| --- | --- |\n| Mon | 10–20 |",
        ),
        (
            "<h2>Where</h2><ul><li>Ground floor<ul><li>Shop 3</li></ul></li></ul>",
            "## Where\n\n- Ground floor\n  - Shop 3",
        ),
    ],
)
def test_rendered_content_is_readable_markdown(rendered: str, markdown: str) -> None:
    assert rendered_to_markdown(rendered) == markdown


def test_links_are_made_whole_from_the_page_that_they_stand_on() -> None:
    rendered = '<a href="/stores/">a</a> <a href="more/">b</a> <a href="#top">c</a> <a href="https://y.example">d</a>'
    assert rendered_to_markdown(rendered, "https://x.example/event/ice/") == (
        "[a](https://x.example/stores/) [b](https://x.example/event/ice/more/) c [d](https://y.example)"
    )


WORDS = st.lists(st.from_regex(r"[a-z]{3,9}q", fullmatch=True), min_size=1, max_size=5).map(" ".join)
PIECES = st.recursive(
    WORDS,
    lambda inner: st.one_of(
        inner.map(lambda x: f"<p>{x}</p>"),
        inner.map(lambda x: f"<div aria-hidden='true'>{x}</div>"),
        inner.map(lambda x: f"<ul><li>{x}</li></ul>"),
        inner.map(lambda x: f'[vc_column width="1/2"]{x}[/vc_column]'),
        inner.map(lambda x: f"<!-- wp:group --><div>{x}</div><!-- /wp:group -->"),
        inner.map(lambda x: f"<table><tr><td>{x}</td><td>2</td></tr></table>"),
        inner.map(lambda x: f"<button>{x}</button>"),
        inner.map(lambda x: f"<blockquote>{x}</blockquote>"),
        inner.map(lambda x: f"<span>[{x}]</span>"),
        st.tuples(inner, inner).map(lambda two: f"{two[0]} {two[1]}"),
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(PIECES)
def test_no_word_is_lost(rendered: str) -> None:
    words = re.findall(r"\b[a-z]{3,9}q\b", rendered)
    assert sorted(re.findall(r"\b[a-z]{3,9}q\b", rendered_to_markdown(rendered))) == sorted(words)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from(list("<>[]/=\"'&;! -abgp\n\0\ud800")), max_size=80))
def test_odd_input_never_raises(rendered: str) -> None:
    rendered_to_markdown(rendered, "https://x.example")
    plain_title(rendered)


def test_hostile_input_takes_linear_time() -> None:
    for piece in ("<code>", "[a b=", "<iframe ", "<iframe>", "[a]", "<div hidden", "&#", "<a href='"):
        rendered_to_markdown(piece * 3000)
