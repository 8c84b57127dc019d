"""GitLab's own Markdown, by example, and that no word of it is lost."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.formats.gitlab_markdown import Home, render_gitlab_markdown, upload_links

SITE = "https://gitlab.example.com"
HOME = Home.of(f"{SITE}/group/project", "group/project")
GROUP = Home.of(f"{SITE}/groups/group/sub", "group/sub")
SECRET = "0123456789abcdef0123456789abcdef"


def rendered(text: str, home: Home = HOME) -> str:
    return render_gitlab_markdown(text, home)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("#12", "group/project/-/issues/12"),
        ("!34", "group/project/-/merge_requests/34"),
        ("%6", "group/project/-/milestones/6"),
        ("&5", "groups/group/-/epics/5"),
        ("other/sub/tool#3", "other/sub/tool/-/issues/3"),
        ("other/tool!9", "other/tool/-/merge_requests/9"),
        ("other/tool$7", "other/tool/-/snippets/7"),
        ("other&5", "groups/other/-/epics/5"),
        ("@jane.doe", "jane.doe"),
        ("other/tool@0123abcdef", "other/tool/-/commit/0123abcdef"),
    ],
)
def test_references_open(text: str, path: str) -> None:
    assert rendered(f"See {text}, please.") == f"See [{text}]({SITE}/{path}), please."


def test_labels_open_the_list_of_what_carries_them() -> None:
    assert rendered('~bug ~"to do" ~type::fix') == (
        f"[~bug]({SITE}/group/project/-/issues?label_name=bug)"
        f" [~to do]({SITE}/group/project/-/issues?label_name=to%20do)"
        f" [~type::fix]({SITE}/group/project/-/issues?label_name=type%3A%3Afix)"
    )


@pytest.mark.parametrize(
    "text",
    ["$5 and ~5 and C#7", "a@b.example", "v1.2#3x", "&#39; &nbsp;", "~~gone~~", r"\#12", "#6.5", "https://x.y/a#12",
     "`#12 @ann`", "@all", "`` a `#1` b ``", "[see #1](https://x.y/)", "- [ ] open\n- [x] done\n- [~] not needed",
     "<your-token> List<T> a < b > c"],
)  # fmt: skip
def test_what_is_no_reference_stays(text: str) -> None:
    assert rendered(text) == text


def test_code_is_kept_as_it_was_written() -> None:
    text = "```ruby\n#12 @ann <b>x</b>\n<!-- kept -->\n```\n\n- item\n  ~~~\n  !3\n  ~~~"
    assert rendered(text) == text


def test_uploads_and_relative_links_open() -> None:
    assert rendered(f"![shot](/uploads/{SECRET}/a.png){{width=30}}") == (
        f"[shot]({SITE}/group/project/uploads/{SECRET}/a.png)"
    )
    assert rendered("[doc](docs/a.md#x) [top](/help) [mail](mailto:a@b.c)") == (
        f"[doc]({SITE}/group/project/-/blob/HEAD/docs/a.md#x) [top]({SITE}/help) [mail](mailto:a@b.c)"
    )
    assert rendered(f"[f](/uploads/{SECRET}/f.txt)", GROUP) == f"[f]({SITE}/groups/group/sub/-/uploads/{SECRET}/f.txt)"


def test_links_of_wiki_pages_open() -> None:
    wiki = Home.of(f"{SITE}/group/project", "group/project", wiki="guides/deploy")
    pages = f"{SITE}/group/project/-/wikis"
    assert rendered("[[Home]] [[the rest|guides/the rest]]", wiki) == (
        f"[Home]({pages}/Home) [the rest]({pages}/guides/the-rest)"
    )
    assert rendered("[a](other) [b](./near) [c](../top#x) ![d](uploads/d.png)", wiki) == (
        f"[a]({pages}/other) [b]({pages}/guides/near) [c]({pages}/top#x) [d]({pages}/uploads/d.png)"
    )
    assert rendered("[[_TOC_]]\n\nText", wiki) == "Text"


def test_html_becomes_markdown() -> None:
    assert rendered("<details><summary>Log</summary>\n\nline <b>one</b><br>two <kbd>Esc</kbd>\n\n</details>") == (
        "**Log**\n\n\nline **one**\ntwo `Esc`"
    )
    assert rendered('<a href="/help">the #1 help</a> <img src="/x/y.png" alt="why">') == (
        f"[the #1 help]({SITE}/help) [why]({SITE}/x/y.png)"
    )
    assert rendered("<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>") == (
        "| a | b |\n| --- | --- |\n| 1 | 2 |"
    )
    assert rendered("before <!-- hidden\n```\nin a template\n``` --> after") == "before  after"


def test_a_quote_over_several_lines() -> None:
    assert rendered(">>>\nFirst #1\n\nsecond\n>>>\nafter") == (
        f"> First [#1]({SITE}/group/project/-/issues/1)\n>\n> second\nafter"
    )


def test_a_gitlab_below_a_path_has_its_links_there() -> None:
    home = Home.of("https://example.com/git/group/project", "group/project")
    assert rendered("#1", home) == "[#1](https://example.com/git/group/project/-/issues/1)"


def test_uploads_are_found_once_and_not_in_code() -> None:
    link = f"/uploads/{SECRET}/a.txt"
    assert upload_links(f"[a]({link}) and {link}, https://x.y{link}\n```\n{link.replace('a.', 'b.')}\n```") == [link]


WORDS = st.text("abcäß日本", min_size=3, max_size=8)
MARKUP = st.sampled_from(
    ["#", "!", "&", "~", "@", "[", "](", ")", "`", "```\n", "\n", "\r\n", "|", "<br>", "<b>", "</b>", "<details>",
     "<summary>", "</summary>", ">>>\n", "> ", "- [ ] ", "$", "%", "/", ".", '"', "<", ">", "\\", "[[", "]]", "12",
     "![", "{", "}", "~~~\n", "<li>", "<h2>", "www.x.y", "https://x.y/"]
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(st.lists(st.one_of(WORDS, MARKUP, st.just(" ")), max_size=40))
def test_no_word_is_lost_and_nothing_raises(pieces: list[str]) -> None:
    text = "".join(pieces)
    shown = rendered(text) + unquote(rendered(text))
    assert [word for word in re.findall(r"[abcäß日本]{3,}", text) if word not in shown] == []


@given(st.text(max_size=300))
def test_odd_input_never_raises(text: str) -> None:
    assert isinstance(rendered(text), str)


HOSTILE = ["`" * 50_000, "[" * 50_000, "<a " * 20_000, "#1 " * 30_000, "<!--" * 20_000, "[a](" * 20_000,
           "![" * 30_000, "a/" * 40_000, "~a:" * 30_000, "<table>" * 5_000]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_read_to_its_end(text: str) -> None:
    rendered(text)
