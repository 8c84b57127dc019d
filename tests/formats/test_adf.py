"""Every node and mark of the Atlassian Document Format, by example; and no word is lost."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.adf import adf_to_markdown

Node = dict[str, Any]


def doc(*content: Node) -> Node:
    return {"type": "doc", "version": 1, "content": list(content)}


def node(kind: str, *content: Node, **attrs: Any) -> Node:
    made: Node = {"type": kind}
    if attrs:
        made["attrs"] = attrs
    if content:
        made["content"] = list(content)
    return made


def text(words: str, *marks: str | Node) -> Node:
    made: Node = {"type": "text", "text": words}
    if marks:
        made["marks"] = [{"type": mark} if isinstance(mark, str) else mark for mark in marks]
    return made


def p(*content: Node | str) -> Node:
    return node("paragraph", *(text(one) if isinstance(one, str) else one for one in content))


def link(href: str) -> Node:
    return {"type": "link", "attrs": {"href": href}}


def item(*content: Node) -> Node:
    return node("listItem", *content)


EXAMPLES: list[tuple[str, Node, str]] = [
    ("a paragraph", p("It is down."), "It is down."),
    ("a heading", node("heading", text("Why "), text("it failed", "em"), level=2), "## Why *it failed*"),
    ("a hard break", p("one", node("hardBreak"), "two"), "one\ntwo"),
    ("a rule", node("rule"), "---"),
    ("strong", p("now ", text("really ", "strong"), "gone"), "now **really** gone"),
    ("struck out", p(text("no", "strike")), "~~no~~"),
    ("code in a line", p("run ", text("a `b`", "code")), "run `` a `b` ``"),
    ("underline and colour", p(text("red", "underline", {"type": "textColor", "attrs": {"color": "#f00"}})), "red"),
    ("sub and sup", p("H", text("2", {"type": "subsup", "attrs": {"type": "sub"}}), "O"), "H_2O"),
    ("a link", p(text("the page", link("https://a.example/x y"))), "[the page](<https://a.example/x y>)"),
    ("a bare link", p(text("https://a.example", link("https://a.example"))), "https://a.example"),
    (
        "neighbours under one mark",
        p(text("see ", link("https://a.example")), text("this", link("https://a.example"), "strong")),
        "[see **this**](https://a.example)",
    ),
    ("text that would be a heading", p("# not a heading"), "\\# not a heading"),
    (
        "nested lists",
        node("bulletList", item(p("a"), node("orderedList", item(p("b")), item(p("c")), order=3)), item(p("d"))),
        "- a\n  3. b\n  4. c\n- d",
    ),
    (
        "a list item of several blocks",
        node("bulletList", item(p("a"), node("codeBlock", text("x = 1"), language="python"))),
        "- a\n\n  ```python\n  x = 1\n  ```",
    ),
    (
        "tasks, nested",
        node(
            "taskList",
            node("taskItem", text("done"), localId="1", state="DONE"),
            node("taskItem", text("open"), localId="2", state="TODO"),
            node("taskList", node("taskItem", text("deeper"), localId="3", state="TODO"), localId="l2"),
            localId="l",
        ),
        "- [x] done\n- [ ] open\n  - [ ] deeper",
    ),
    (
        "decisions",
        node("decisionList", node("decisionItem", text("We use Go"), localId="1", state="DECIDED"), localId="l"),
        "- Decision: We use Go",
    ),
    ("code", node("codeBlock", text("a ``` b\n\nc"), language="sh"), "````sh\na ``` b\n\nc\n````"),
    ("a quote", node("blockquote", p("one"), p("two")), "> one\n>\n> two"),
    ("a panel", node("panel", p("Careful."), panelType="warning"), "> **Warning**\n>\n> Careful."),
    (
        "an expand",
        node("expand", p("inside"), node("nestedExpand", p("deeper"), title="More"), title="Details"),
        "**Details**\n\ninside\n\n**More**\n\ndeeper",
    ),
    (
        "a table with spans",
        node(
            "table",
            node("tableRow", node("tableHeader", p("a")), node("tableHeader", p("b"), colspan=2)),
            node("tableRow", node("tableHeader", p("r"), rowspan=2), node("tableCell", p("x|y")), node("tableCell")),
            node("tableRow", node("tableCell", p("1"), p("2")), node("tableCell", node("codeBlock", text("c")))),
        ),
        "| a | b |  |\n| --- | --- | --- |\n| **r** | x\\|y |  |\n| **r** | 1<br>2 | `c` |",
    ),
    (
        "media with a caption",
        node("mediaSingle", node("media", id="m1", type="file", alt="plan.png"), node("caption", text("The plan"))),
        "plan.png\n\nThe plan",
    ),
    ("external media", node("mediaSingle", node("media", type="external", url="https://a.example/i.png")),
     "![](https://a.example/i.png)"),
    ("named media", node("mediaGroup", node("media", id="f1"), node("media", id="f2", alt="two")),
     "![](log.txt) two"),
    ("media in a line", p("see ", node("mediaInline", id="f1")), "see ![](log.txt)"),
    ("a mention", p(node("mention", id="u1", text="@Ana"), " ", node("mention", id="u2")), "@Ana @Ben"),
    ("an emoji", p(node("emoji", shortName=":tada:", text="🎉"), node("emoji", shortName=":own:")), "🎉:own:"),
    ("a date", p("by ", node("date", timestamp="1582152559000")), "by 2020-02-19"),
    ("a status", p("is ", node("status", text="BLOCKED", color="red")), "is BLOCKED"),
    ("a placeholder", p(node("placeholder", text="Say why")), "Say why"),
    ("a card in a line", p("see ", node("inlineCard", url="https://a.example/1")), "see https://a.example/1"),
    (
        "a card with data",
        node("blockCard", data={"@type": "Document", "url": "https://a.example/2", "name": "The plan"}),
        "[The plan](https://a.example/2)",
    ),
    ("an embedded card", node("embedCard", url="https://a.example/3", layout="wide"), "https://a.example/3"),
    (
        "a layout",
        node("layoutSection", node("layoutColumn", p("left"), width=50), node("layoutColumn", p("right"), width=50)),
        "left\n\nright",
    ),
    ("a macro with a body", node("bodiedExtension", p("inside"), extensionKey="excerpt", extensionType="x"), "inside"),
    ("a macro", node("extension", extensionKey="jira", extensionType="x", text="OPS-1"), "OPS-1"),
    ("a macro in a line", p(node("inlineExtension", extensionKey="k", extensionType="x", text="42")), "42"),
    ("a synced block", node("bodiedSyncBlock", p("shared"), resourceId="r"), "shared"),
    ("an unknown node", node("novelty", p("kept"), text="own"), "own\n\nkept"),
    ("an unknown node in a line", p("a ", node("novelty", text("b"))), "a\n\nb"),
]  # fmt: skip


@pytest.mark.parametrize(("what", "given_node", "expected"), EXAMPLES, ids=[example[0] for example in EXAMPLES])
def test_a_node_becomes_markdown(what: str, given_node: Node, expected: str) -> None:
    names, files = {"u2": "Ben"}, {"f1": "log.txt"}
    assert adf_to_markdown(doc(given_node), names=names, files=files) == expected
    assert adf_to_markdown(json.dumps(doc(given_node)), names=names, files=files) == expected


def test_a_macro_shows_what_the_caller_says() -> None:
    macro = node("extension", p("never shown"), extensionKey="toc")
    inline = p("on ", node("inlineExtension", extensionKey="day"))
    assert (
        adf_to_markdown(doc(macro, inline), extension=lambda found: found["attrs"]["extensionKey"]) == "toc\n\non day"
    )


@pytest.mark.parametrize(
    "odd",
    [None, 3, "", "plain words", [], {}, {"type": "doc"}, {"content": "words"}, {"type": "doc", "content": [None, 3]},
     {"type": "doc", "content": [{"type": "table", "content": [{"type": "tableRow", "content": [
         {"type": "tableCell", "attrs": {"colspan": "x", "rowspan": -4}}]}]}]},
     {"type": "doc", "content": [{"type": "heading", "attrs": 3, "content": [{"type": "text", "marks": "strong"}]}]},
     {"type": ["doc"], "content": [{"type": {}, "text": 5, "attrs": {"timestamp": []}}]}],
)  # fmt: skip
def test_odd_input_never_raises(odd: object) -> None:
    assert isinstance(adf_to_markdown(odd), str)


def test_what_is_nested_too_deeply_keeps_its_text() -> None:
    deep = p("the bottom")
    for _ in range(3000):
        deep = node("bulletList", item(deep))
    assert "the bottom" in adf_to_markdown(doc(deep))


WORD = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
INLINE = st.one_of(
    st.builds(text, WORD),
    st.builds(lambda word, mark: text(word, mark), WORD, st.sampled_from(["strong", "em", "code", "strike", "new"])),
    st.builds(lambda word: text(word, link("https://a.example")), WORD),
    st.builds(lambda word: node("status", text=word), WORD),
    st.builds(lambda word: node("mention", id="1", text=word), WORD),
    st.builds(lambda word: node("novelty", text(word)), WORD),
)
BLOCK_KINDS = ["blockquote", "panel", "expand", "layoutColumn", "bodiedExtension", "novelty", "listItem", "tableCell"]


def blocks(children: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    many = st.lists(children, min_size=1, max_size=3)
    return st.one_of(
        st.builds(lambda kind, inner: node(kind, *inner), st.sampled_from(BLOCK_KINDS), many),
        st.builds(lambda kind, inner: node(kind, *(item(one) for one in inner)),
                  st.sampled_from(["bulletList", "orderedList", "taskList"]), many),
        st.builds(lambda rows: node("table", *(node("tableRow", node("tableCell", one)) for one in rows)), many),
    )  # fmt: skip


ANY = st.recursive(
    st.one_of(
        st.builds(lambda inner: p(*inner), st.lists(INLINE, min_size=1, max_size=4)),
        st.builds(lambda word: node("codeBlock", text(word)), WORD),
        st.builds(lambda word: node("heading", text(word), level=2), WORD),
        INLINE,
    ),
    blocks,
    max_leaves=12,
)


def words_of(value: object) -> list[str]:
    if isinstance(value, dict):
        own = [value["text"]] if isinstance(value.get("text"), str) else []
        return own + [word for key, inner in value.items() if key != "type" for word in words_of(inner)]
    return [word for inner in value for word in words_of(inner)] if isinstance(value, list) else []


@given(ANY)
def test_no_word_is_lost_whatever_the_nesting(given_node: Node) -> None:
    left = "".join(re.findall(r"[a-z]+", adf_to_markdown(doc(given_node))))
    for word in words_of(given_node):
        assert word in left
