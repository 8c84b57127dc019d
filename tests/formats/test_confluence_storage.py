"""Confluence storage format ▸ Markdown: by example, over published pages, and by random trees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.formats.confluence_storage import (
    StorageContext,
    page_name,
    storage_references,
    storage_to_markdown,
)
from knowhub.formats.confluence_xml import parse_storage

HERE = StorageContext(
    site="https://acme.example/wiki",
    space="OPS",
    page="98",
    names={"5b10": "Aiko Tanaka", "bob": "Bob Stone"},
    included={page_name("OPS", "Steps"): "<p>Before</p>" + "<p>Step one</p>"},
)
WORD = re.compile(r"\w+")


def macro(kind: str, body: str = "", plain: str = "", **parameters: str) -> str:
    said = "".join(f'<ac:parameter ac:name="{key}">{value}</ac:parameter>' for key, value in parameters.items())
    rich = f"<ac:rich-text-body>{body}</ac:rich-text-body>" if body else ""
    text = f"<ac:plain-text-body><![CDATA[{plain}]]></ac:plain-text-body>" if plain else ""
    return f'<ac:structured-macro ac:name="{kind}">{said}{rich}{text}</ac:structured-macro>'


EXAMPLES = {
    "headings, marks and entities": (
        "<h2>Caf&eacute; &amp; bar</h2><p>a&nbsp;<strong>b</strong> <em>c</em> <del>d</del> <code>e</code></p>",
        "## Café & bar\n\na\xa0**b** *c* ~~d~~ `e`",
    ),
    "a code macro with language and title": (
        macro("code", plain="if a < b:\n    c", language="py", title="x.py"),
        "**x.py**\n\n```py\nif a < b:\n    c\n```",
    ),
    "noformat": (macro("noformat", plain="  two\n lines"), "```\n  two\n lines\n```"),
    "plantuml is code of that language": (macro("plantuml", plain="A -> B"), "```plantuml\nA -> B\n```"),
    "a note with title": (macro("note", "<p>Careful</p>", title="Mind"), "> **Note: Mind**\n>\n> Careful"),
    "a panel": (macro("panel", "<p>Inside</p>", bgColor="#fff"), "> Inside"),
    "an expand": (macro("expand", "<p>Hidden words</p>", title="More"), "**More**\n\nHidden words"),
    "a status": (f"<p>It is {macro('status', title='On track', colour='Green')} now</p>", "It is **On track** now"),
    "a table of contents says nothing": (f"{macro('toc', maxLevel='2')}<p>x</p>", "x"),
    "an excerpt and page properties show their body": (
        macro("excerpt", "<p>Short</p>", hidden="true") + macro("details", "<p>Owner</p>"),
        "Short\n\nOwner",
    ),
    "a Jira issue": (f"<p>See {macro('jira', key='OPS-7', serverId='x')}</p>", "See OPS-7"),
    "a Jira query": (f"<p>{macro('jira', jqlQuery='project = OPS')}</p>", "Jira project = OPS"),
    "an unknown macro keeps its parameters and body": (
        macro("decision-log", "<p>We chose Kyoto</p>", owner="Aiko", width="300"),
        "decision-log: owner Aiko\n\nWe chose Kyoto",
    ),
    "an unknown macro without body keeps its parameters": (macro("chart-of", source="Q3"), "(chart-of: source Q3)"),
    "a task list with assignee and date": (
        "<ac:task-list><ac:task><ac:task-id>1</ac:task-id><ac:task-status>complete</ac:task-status><ac:task-body>"
        '<ac:link><ri:user ri:account-id="5b10"/></ac:link> ship by <time datetime="2026-05-01"/>'
        "</ac:task-body></ac:task>"
        "<ac:task><ac:task-status>incomplete</ac:task-status><ac:task-body>rest</ac:task-body></ac:task></ac:task-list>",
        "- [x] @Aiko Tanaka ship by 2026-05-01\n- [ ] rest",
    ),
    "a nested list": (
        "<ul><li><p>a</p><ol><li>b</li><li>c</li></ol></li><li>d</li></ul>",
        "- a\n  1. b\n  2. c\n- d",
    ),
    "spans of a table": (
        '<table><tbody><tr><th rowspan="2">a|b</th><th colspan="2">c</th></tr>'
        "<tr><td>d</td><td>e</td></tr></tbody></table>",
        "| a\\|b | c |  |\n| --- | --- | --- |\n| a\\|b | d | e |",
    ),
    "a list, a status and code in a cell stay in their cell": (
        "<table><tbody><tr><td><ul><li>x</li><li>y</li></ul></td><td>"
        f"{macro('code', plain='a | b')}</td></tr></tbody></table>",
        "| • x • y | `a \\| b` |\n| --- | --- |",
    ),
    "a link to a page by title": (
        '<p><ac:link><ri:page ri:content-title="Run &amp; book" ri:space-key="DEV"/></ac:link></p>',
        "[Run & book](https://acme.example/wiki/display/DEV/Run+%26+book)",
    ),
    "a link with text and anchor to a page of this space": (
        '<p><ac:link ac:anchor="Deploy"><ri:page ri:content-title="Guide"/>'
        "<ac:plain-text-link-body><![CDATA[how <we> deploy]]></ac:plain-text-link-body></ac:link></p>",
        "[how <we> deploy](https://acme.example/wiki/display/OPS/Guide#Deploy)",
    ),
    "a link to an attachment": (
        '<p><ac:link><ri:attachment ri:filename="plan v2.pdf"/></ac:link></p>',
        "[plan v2.pdf](https://acme.example/wiki/download/attachments/98/plan%20v2.pdf)",
    ),
    "an anchor alone": ('<p><ac:link ac:anchor="top"><ac:link-body>Up</ac:link-body></ac:link></p>', "Up"),
    "a user whose name nobody knows": ('<p><ac:link><ri:user ri:userkey="ff80"/></ac:link></p>', "@ff80"),
    "an image with alternative text and caption": (
        '<ac:image ac:alt="Rack 4"><ri:attachment ri:filename="r.png"/>'
        "<ac:caption>After <em>the</em> move</ac:caption></ac:image>",
        "Rack 4 After *the* move",
    ),
    "emoticons": (
        '<p>ok <ac:emoticon ac:name="tick"/> <ac:emoticon ac:name="x" ac:emoji-fallback="🚀"/></p>', "ok ✅ 🚀"
    ),
    "what a template asks for is not shown": ("<p>a<ac:placeholder>Type here</ac:placeholder></p>", "a"),
    "a layout is its cells": (
        "<ac:layout><ac:layout-section ac:type='two_equal'><ac:layout-cell><p>l</p></ac:layout-cell>"
        "<ac:layout-cell><p>r</p></ac:layout-cell></ac:layout-section></ac:layout>",
        "l\n\nr",
    ),
    "what an inline comment marks": (
        '<p>a <ac:inline-comment-marker ac:ref="u">b</ac:inline-comment-marker></p>', "a b"
    ),
    "an adf extension by its content": (
        '<ac:adf-extension><ac:adf-node type="panel"><ac:adf-attribute key="panel-type">note</ac:adf-attribute>'
        "<ac:adf-content><p>Hello</p></ac:adf-content></ac:adf-node><ac:adf-fallback><div>Hello</div></ac:adf-fallback>"
        "</ac:adf-extension>",
        "Hello",
    ),
    "an adf extension by its fallback": (
        '<ac:adf-extension><ac:adf-node type="x"/><ac:adf-fallback><p>Instead</p></ac:adf-fallback></ac:adf-extension>',
        "Instead",
    ),
    "an included page": (
        '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page ri:content-title="Steps"/>'
        "</ac:link></ac:parameter></ac:structured-macro>",
        "[Steps](https://acme.example/wiki/display/OPS/Steps)\n\nBefore\n\nStep one",
    ),
    "an included page that may not be shown is a link": (
        '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page ri:content-title="Pay"/>'
        "</ac:link></ac:parameter></ac:structured-macro>",
        "[Pay](https://acme.example/wiki/display/OPS/Pay)",
    ),
    "broken mark-up": (
        "<p>one <b>two</p> & three < four </i> <li>five<ac:link>six", "one **two**\n\n& three < four\n\nfive six"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_it_reads_as_its_reader_sees_it(name: str) -> None:
    storage, expected = EXAMPLES[name]
    assert storage_to_markdown(storage, HERE) == expected


def test_an_excerpt_is_taken_from_the_page_that_has_it() -> None:
    page = f"<p>Around</p>{macro('excerpt', '<p>Core</p>')}{macro('excerpt', '<p>Other</p>', name='second')}"
    context = StorageContext(space="OPS", included={page_name("DEV", "Spec"): page})
    include = (
        '<ac:structured-macro ac:name="excerpt-include"><ac:parameter ac:name=""><ac:link>'
        '<ri:page ri:space-key="DEV" ri:content-title="Spec"/></ac:link></ac:parameter>{}</ac:structured-macro>'
    )
    assert storage_to_markdown(include.format(""), context) == "Spec\n\nCore"
    named = include.format('<ac:parameter ac:name="name">second</ac:parameter>')
    assert storage_to_markdown(named, context) == "Spec\n\nOther"


def test_pages_that_include_one_another_end() -> None:
    body = (
        '<p>x</p><ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link><ri:page '
        'ri:content-title="Me"/></ac:link></ac:parameter></ac:structured-macro>'
    )
    context = StorageContext(space="OPS", included={page_name("OPS", "Me"): body})
    assert storage_to_markdown(body, context) == "x\n\nMe\n\nx\n\nMe"


def test_references_name_people_and_included_pages() -> None:
    storage = EXAMPLES["an included page"][0] + '<ri:user ri:account-id="5b10"/><ri:user ri:username="bob"/>'
    found = storage_references(storage, "OPS")
    assert found.users == {"5b10", "bob"}
    assert found.includes == (("OPS", "Steps"),)


def test_every_published_page_keeps_its_words(shared_data: Path) -> None:
    folder = shared_data / "api" / "confluence" / "storage"
    files = sorted(folder.glob("target/**/*.xml"))
    assert files
    for file in files:
        storage = file.read_text()
        tree = parse_storage(storage)
        for unseen in tree.iter("ac-parameter", "ac-task-id", "ac-task-uuid", "ac-task-status"):
            unseen.text = ""
        said = "".join(WORD.findall("".join(tree.itertext())))
        shown = "".join(WORD.findall(re.sub(r"\]\([^)\s]*\)", "] ", storage_to_markdown(storage))))
        missing = [word for word in set(WORD.findall(" ".join(tree.itertext()))) if word not in shown]
        assert missing == [], file.name
        assert len(shown) >= len(said) * 0.9, file.name


def test_published_pages_say_what_their_markdown_said(shared_data: Path) -> None:
    folder = shared_data / "api" / "confluence" / "storage"
    for name in ("basic", "table", "tasklist", "sections", "code", "alert", "admonition", "fenced"):
        source = (folder / "source" / f"{name}.md").read_text()
        source = re.sub(r"\A---\n.*?\n---\n|<!--.*?-->|<[^>]*>|\]\([^)]*\)|[\^~*_`]", " ", source, flags=re.DOTALL)
        source = re.sub(
            r"^\s*(?:>\s*\[!\w+\]|> [A-Z]+:|!!!.*|\?\?\?.*|:::.*|```.*|\[\^?\d*\]:.*)$", "", source, flags=re.M
        )
        shown = storage_to_markdown((folder / "target" / f"{name}.xml").read_text())
        lacking = {w for w in WORD.findall(source) if len(w) > 3} - set(WORD.findall(re.sub(r"[*`~^]", " ", shown)))
        assert len(lacking) <= 3, (name, lacking)


WORDS = st.integers(0, 10**6).map(lambda n: f"w{n}x")
BLOCKS = ("p", "h3", "blockquote", "div", "ac:layout", "ac:layout-cell", "td", "ul", "ol", "li", "table", "tr", "pre")
INLINES = (
    "strong", "em", "span", "a", "u", "ac:link", "ac:link-body", "ac:inline-comment-marker", "ac:caption", "font",
    "ri:page", "ac:task", "ac:task-list", "ac:task-body", "time",
)  # fmt: skip
MACROS = ("info", "panel", "expand", "details", "unheard-of", "excerpt", "section", "jira-chart")


def trees() -> st.SearchStrategy[str]:
    def around(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        many = st.lists(inner, max_size=4).map(" ".join)
        tags = st.tuples(st.sampled_from(BLOCKS + INLINES), many).map(lambda t: f"<{t[0]}>{t[1]}</{t[0]}>")
        macros = st.tuples(st.sampled_from(MACROS), many, WORDS).map(lambda t: macro(t[0], t[1], title=t[2]))
        code = WORDS.map(lambda w: macro("code", plain=w))
        return st.one_of(tags, macros, code, many)

    return st.recursive(WORDS, around, max_leaves=25)


@settings(max_examples=150, deadline=None)
@given(trees())
def test_no_word_of_a_page_is_lost(storage: str) -> None:
    shown = storage_to_markdown(storage, HERE)
    assert [word for word in re.findall(r"w\d+x", storage) if word not in shown] == []


@settings(max_examples=150, deadline=None)
@given(trees(), st.data())
def test_no_word_of_a_broken_page_is_lost(storage: str, data: st.DataObject) -> None:
    tags = list(re.finditer(r"</?(?:[a-z]+|h3|ac:l[a-z-]+)>", storage))
    dropped = data.draw(st.sets(st.integers(0, len(tags) - 1), max_size=6)) if tags else set()
    for number in sorted(dropped, reverse=True):
        storage = f"{storage[: tags[number].start()]} {storage[tags[number].end() :]}"
    shown = storage_to_markdown(storage, HERE)
    assert [word for word in re.findall(r"w\d+x", storage) if word not in shown] == []


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet=st.sampled_from("<>/&;\"'=[]! acrip:-CDATA\x00\ue000\ud800é"), max_size=200))
def test_nothing_makes_it_raise(storage: str) -> None:
    storage_to_markdown(storage, HERE)
    storage_references(storage, "OPS")


def test_deep_and_long_pages_are_read() -> None:
    deep = "<div><ul><li>" * 400 + "deepest" + "</li></ul></div>" * 400
    assert "deepest" in storage_to_markdown(deep)
    long = '<a "' * 50_000 + "end"
    assert storage_to_markdown(long).endswith("end")
