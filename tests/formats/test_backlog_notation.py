from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.backlog_notation import Places, link_keys, mentioned_keys, to_markdown

PLACES = Places("https://acme.backlog.com", "BLG", frozenset({"BLG", "OPS_2"}))
VIEW = "https://acme.backlog.com/view"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("* 見出し1\n** 見出し2\n***見出し3", "# 見出し1\n\n## 見出し2\n\n### 見出し3"),
        ("******** deep", "###### deep"),
        ("箇条書き\n- a\n-- b\n--- c\n- d", "箇条書き\n\n- a\n  - b\n    - c\n- d"),
        ("+ a\n+ b\n++ c\n++ d\n+ e", "1. a\n2. b\n   1. c\n   2. d\n3. e"),
        ("- a\n-+ b\n-+ c\n- d", "- a\n  1. b\n  2. c\n- d"),
        ("--- skipped a level", "- skipped a level"),
        ("- [ ] todo\n- [x] done", "- [ ] todo\n- [x] done"),
        (
            "|ホスト名|IP|備考|h\n|sun|192.168.100.1||\n|~earth|a\\|b|予備機です|",
            "| ホスト名 | IP | 備考 |\n| --- | --- | --- |\n| sun | 192.168.100.1 |  |\n| earth | a\\|b | 予備機です |",
        ),
        ("|Span two|>|\n|a|b|c|", "| Span two |  |  |\n| --- | --- | --- |\n| a | b | c |"),
        ("> 引用\n> 二行\nnot", "> 引用\n> 二行\n\nnot"),
        ("{quote}\nquoted\n* head\n{/quote}\nafter", "> quoted\n>\n> # head\n\nafter"),
        ("{code:java}\nint a = ''b'';\n* c\n{/code}", "```java\nint a = ''b'';\n* c\n```"),
        ("run {code}x = 1{/code} now", "run\n\n```\nx = 1\n```\n\nnow"),
        ("{code}```{/code}", "````\n```\n````"),
        ("{code} never closed", "{code} never closed"),
        ("{quote}{code}a{/code}{/quote}", "> ```\n> a\n> ```"),
        ("''太字'' '''斜体''' %%消%%", "**太字** *斜体* ~~消~~"),
        ("it's 5%% of ''all", "it's 5%% of ''all"),
        ("&color(red) { 赤 } &color(#fff, #333){''白''}", "赤 **白**"),
        ("&color(red){a &color(blue){b} c}", "a b c"),
        ("一行&br;二行", "一行\n二行"),
        ("- 一行&br;二行", "- 一行 二行"),
        ("#contents\n本文", "本文"),
        ("#image(shot.png) #thumbnail(https://x.test/a_b.png)", "[image: shot.png] https://x.test/a_b.png"),
        ("#attach(設計書.xlsx:123) #attach(a.txt)", "設計書.xlsx a.txt"),
        ("#cacoo(https://cacoo.com/diagrams/abc, 300)", "https://cacoo.com/diagrams/abc"),
        ("\\%\\%not struck\\%\\% \\[[a]]", "%%not struck%% [[a]]"),
        ("a &lt;b&gt; &amp;amp; &copy;", "a <b> &amp; &copy;"),
        ("# no heading\n#tag\n```", "\\# no heading\n#tag\n\\```"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("", ""),
    ],
)
def test_notation_becomes_markdown(text: str, markdown: str) -> None:
    assert to_markdown(text) == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("see BLG-104 or OPS_2-7。", f"see [BLG-104]({VIEW}/BLG-104) or [OPS_2-7]({VIEW}/OPS_2-7)。"),
        ("課題BLG-104です", f"課題[BLG-104]({VIEW}/BLG-104)です"),
        ("UTF-8 XBLG-1 BLG-0 BLG-1-2", "UTF-8 XBLG-1 BLG-0 BLG-1-2"),
        ("[[BLG-104]]と同じ", f"[BLG-104]({VIEW}/BLG-104)と同じ"),
        ("[[OLD-1]]", f"[OLD-1]({VIEW}/OLD-1)"),
        ("[[https://backlog.com/ja/]]", "https://backlog.com/ja/"),
        ("[[Backlog>https://x.test/a]]", "[Backlog](https://x.test/a)"),
        ("[[Backlog:https://x.test/a]]", "[Backlog](https://x.test/a)"),
        ("[[手順]]", "[手順](https://acme.backlog.com/wiki/BLG/%E6%89%8B%E9%A0%86)"),
        ("[[議事録/2024>設計/DB]]", "[議事録/2024](https://acme.backlog.com/wiki/BLG/%E8%A8%AD%E8%A8%88/DB)"),
        ("[[label>BLG-5]]", f"[label]({VIEW}/BLG-5)"),
        ("https://acme.backlog.com/view/BLG-1#comment-2", "https://acme.backlog.com/view/BLG-1#comment-2"),
        ("#rev(11)", "[rev 11](https://acme.backlog.com/rev/BLG/11)"),
        ("#rev(app:deadbeef)", "[rev app:deadbeef](https://acme.backlog.com/git/BLG/app/commit/deadbeef)"),
        ("|BLG-1|[[a>https://x.test]]|", f"| [BLG-1]({VIEW}/BLG-1) | [a](https://x.test) |\n| --- | --- |"),
    ],
)
def test_links_lead_into_the_space(text: str, markdown: str) -> None:
    assert to_markdown(text, PLACES) == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("see BLG-1", f"see [BLG-1]({VIEW}/BLG-1)"),
        ("`BLG-1` [BLG-2](https://x.test/BLG-2) <BLG-3>", "`BLG-1` [BLG-2](https://x.test/BLG-2) <BLG-3>"),
        ("```\nBLG-1\n```\nBLG-2", f"```\nBLG-1\n```\n[BLG-2]({VIEW}/BLG-2)"),
        ("```\nBLG-1 never closed", "```\nBLG-1 never closed"),
        ("# *a* | b\n[[BLG-1]]", f"# *a* | b\n[BLG-1]({VIEW}/BLG-1)"),
        ("https://acme.backlog.com/view/BLG-1", "https://acme.backlog.com/view/BLG-1"),
    ],
)
def test_markdown_is_kept_and_its_keys_are_linked(text: str, markdown: str) -> None:
    assert link_keys(text, PLACES) == markdown


def test_what_looks_like_a_key_is_found() -> None:
    assert mentioned_keys("BLG-12, (OPS_2-3) UTF-8 /view/X-1 a-1") == {"BLG-12", "OPS_2-3", "UTF-8"}


MARKS = (
    "* ", "** ", "- ", "--", "+", "++ ", "|", "|h", "> ", "''", "'''", "%%", "{code}", "{code:java}", "{/code}",
    "{quote}", "{/quote}", "&color(red){", "&color(#fff,#000) {", "}", "{", "&br;", "&lt;", "&amp;", "#contents",
    "#image(", "#thumbnail(", "#attach(", "#rev(", "#cacoo(", ")", "[[", "]]", ">", ":", "https://x.test/", "\\",
    "~", "BLG-1", "\n", "\n\n", " ", "`", "```", "# ", "\ue000", "\ue0000\ue001", "/", ",", "h", "\t",
)  # fmt: skip
WORDS = st.integers(1, 99).map(lambda n: f"語{n}語")
MESS = st.lists(st.sampled_from(MARKS) | WORDS, max_size=40).map("".join)


@given(MESS)
def test_no_word_is_lost_whatever_marks_surround_it(text: str) -> None:
    written = to_markdown(text) + to_markdown(text, PLACES)
    for word in re.findall(r"語\d+語", text):
        assert word in written


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    to_markdown(text, PLACES)
    link_keys(text, PLACES)


def test_openings_that_are_never_closed_cost_no_more_than_their_length() -> None:
    opened = "{code} {quote} ''a %%b &color(red){ [[c #rev( " * 5_000
    assert to_markdown(opened).count("{code}") == 5_000
