"""Jira's wiki markup by example, and on every issue of two public projects."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.jira_markup import jira_markup_to_markdown

EXAMPLES = [
    ("h2. Why *it* failed", "## Why **it** failed"),
    ("one\ntwo\n\nthree", "one\ntwo\n\nthree"),
    ("a\\\\\nb", "a\n\nb"),
    ("*bold* _em_ -gone- +new+ H~2~O x^2^ ??Knuth?? {{a b}}", "**bold** *em* ~~gone~~ new H~2~O x^2^ *Knuth* `a b`"),
    ("H{~}2{~}O x{^}2{^}", "H_2O x^2"),
    ("a ~sub~ and ^sup^", "a _sub and ^sup"),
    ("snake_case_name and 3*4*5 and a-b-c", "snake_case_name and 3*4*5 and a-b-c"),
    ("pre{*}fix{*}ed", "pre**fix**ed"),
    ("bq. They said so", "> They said so"),
    ("{quote}\none\n\ntwo\n{quote}\nafter", "> one\n>\n> two\n\nafter"),
    ("{panel:title=Note|borderColor=red}\n* a\n{panel}", "> **Note**\n>\n> - a"),
    ("{color:red}hot{color} and {color:#00f}\ncold{color}", "hot and\ncold"),
    ("{code:java}\nint *a* = 1; // [x|y]\n{code}", "```java\nint *a* = 1; // [x|y]\n```"),
    ("{code:title=A.py|language=python}x = 1{code}", "**A.py**\n\n```python\nx = 1\n```"),
    ("run {code}ls -l{code} now", "run `ls -l` now"),
    ("{noformat}\na | b\n{noformat}", "```\na | b\n```"),
    ("[https://a.example/x_y_z]", "https://a.example/x_y_z"),
    ("[the *page*|https://a.example/x|a tip]", "[the **page**](https://a.example/x)"),
    ("[mail us|mailto:a@b.example]", "[mail us](mailto:a@b.example)"),
    ("[page|https://a.example|smart-link]", "[page](https://a.example)"),
    ("[~ana] and [~accountid:5b1]: a[0], [sic]", "@Ana Lima and @Ben: a[0], [sic]"),
    ("[^log.txt] !shot 1.png|thumbnail,alt=\"The shot\"!", "[log.txt](/f/1) ![The shot](<shot 1.png>)"),
    ("see [#there] {anchor:there}", "see #there"),
    ("OPS-12, [OPS-13], [this|OPS-14], UTF-8", "[OPS-12](/b/OPS-12), [OPS-13](/b/OPS-13), [this](/b/OPS-14), UTF-8"),
    ("https://a.example/browse/OPS-12", "https://a.example/browse/OPS-12"),
    ("* a\n** b\n**# c\n**# d\n* e\n  goes on", "- a\n  - b\n    1. c\n    2. d\n- e\n  goes on"),
    ("# one\n# two\n\n- x\n- y", "1. one\n2. two\n\n- x\n- y"),
    ("* a\n{code}\nx\ny\n{code}\n* b", "- a\n\n  ```\n  x\n  y\n  ```\n- b"),
    ("||a||b||\n|1|*2*|\n||r|x \\| y|", "| a | b |\n| --- | --- |\n| 1 | **2** |\n| **r** | x \\| y |"),
    ("|a|b\nc|\n|[l|https://a.example]| |", "| a | b<br>c |\n| --- | --- |\n| [l](https://a.example) |  |"),
    ("|{code}\nx | y\nz\n{code}|", "| `x \\| y`<br>`z` |\n| --- |"),
    ("a\n----\nb", "a\n\n---\n\nb"),
    ("\\*not bold\\* \\{code}", "*not bold* {code}"),
    ("{unknown:x=1}kept{unknown}", "{unknown:x=1}kept{unknown}"),
    ("{code}never closed", "{code}never closed"),
    ("# ", "\\#"),
]  # fmt: skip


def issue_url(key: str) -> str:
    return f"/b/{key}" if key.startswith("OPS-") else ""


@pytest.mark.parametrize(("source", "expected"), EXAMPLES, ids=[source[:30] for source, _ in EXAMPLES])
def test_markup_becomes_markdown(source: str, expected: str) -> None:
    names = {"ana": "Ana Lima", "accountid:5b1": "Ben"}
    assert jira_markup_to_markdown(source, names=names, files={"log.txt": "/f/1"}, issue_url=issue_url) == expected


PIECES = st.one_of(
    st.from_regex(r"[a-z]{1,6}", fullmatch=True),
    st.sampled_from(
        ["*", "_", "-", "+", "^", "~", "??", "{{", "}}", "[", "]", "|", "||", "\n", "\n\n", " ", "h1. ", "bq. ", "* ",
         "## ", "----", "{code}", "{code:java}", "{noformat}", "{quote}", "{panel:title=t}", "{panel}", "!", ".png",
         "\\", "\\\\", "{*}", "[~", "[^", "https://", "{color:red}", "OPS-1", "\ue000", "\ue001", "\ue0020\ue002"]
    ),
)  # fmt: skip
_NOT_WORDS = re.compile(r"\{(code|panel|color)[^}]*\}|h1\. |bq\. |noformat|quote")


@given(st.lists(PIECES, max_size=30).map("".join))
def test_no_word_is_lost_whatever_stands_around_it(source: str) -> None:
    left = jira_markup_to_markdown(source)
    for word in re.findall(r"[a-z]{2,}", _NOT_WORDS.sub(" ", source)):
        assert word in left


def test_every_word_of_two_public_projects_is_kept(shared_data: Path) -> None:
    texts = 0
    for path in sorted((shared_data / "api" / "jira").glob("archive-*/*-*/*.json")):
        fields = json.loads(path.read_text("utf-8"))["fields"]
        for source in [fields.get("description"), *(one.get("body") for one in fields["comment"]["comments"])]:
            if source:
                texts += 1
                assert_words_kept(source, path.name)
    assert texts > 1000


_LEFT_OUT = re.compile(
    r"\{(?:code|noformat|panel|color|quote|anchor)[^}\n]*\}|\bh[1-6]\.|\bbq\.|\|(?:thumbnail|width|height|smart-link)[^!\]\n]*"
)


def assert_words_kept(source: str, where: str) -> None:
    left = jira_markup_to_markdown(source)
    assert [word for word in words_of(source) if word not in left] == [], where


def words_of(source: str) -> set[str]:
    """What a reader of wiki markup sees, without the words of the notation."""
    return set(re.findall(r"[^\W\d_]{2,}", _LEFT_OUT.sub(" ", source)))
