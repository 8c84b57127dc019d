from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.prosemirror import prosemirror_to_markdown


def node(kind: str, *content: Any, **attrs: Any) -> dict[str, Any]:
    return {"type": kind, "attrs": attrs, "content": [words(c) if isinstance(c, str) else c for c in content]}


def words(text: str, *marks: str, href: str = "") -> dict[str, Any]:
    found: list[dict[str, Any]] = [{"type": mark} for mark in marks]
    if href:
        found.append({"type": "link", "attrs": {"href": href}})
    return {"type": "text", "text": text, "marks": found}


def doc(*content: Any) -> dict[str, Any]:
    return node("doc", *content)


def paragraph(*content: Any) -> dict[str, Any]:
    return node("paragraph", *content)


@pytest.mark.parametrize(
    ("document", "markdown"),
    [
        (doc(node("heading", "議事録", id="NmU", level=2), paragraph("hello")), "## 議事録\n\nhello"),
        (doc(paragraph(words("a", "bold"), " ", words("b ", "italic"), words("c", "strike"))), "**a** *b* ~~c~~"),
        (doc(paragraph(words("x = `1`", "code"))), "`` x = `1` ``"),
        (doc(paragraph(words("site", "bold", href="https://x.test/a"))), "[**site**](https://x.test/a)"),
        (doc(paragraph("one", {"type": "hardBreak"}, "two")), "one\ntwo"),
        (
            doc(node("bulletList", node("listItem", paragraph("a"), node("bullet_list", node("list_item", "b"))))),
            "- a\n  - b",
        ),
        (
            doc(node("orderedList", node("listItem", paragraph("a"), paragraph("b")), node("listItem", "c"), start=3)),
            "3. a\n\n   b\n4. c",
        ),
        (
            doc(node("taskList", node("taskItem", "done", checked=True), node("taskItem", "todo", checked=False))),
            "- [x] done\n- [ ] todo",
        ),
        (doc(node("blockquote", paragraph("a"), paragraph("b"))), "> a\n>\n> b"),
        (doc(node("codeBlock", "if x:\n    # y", language="python")), "```python\nif x:\n    # y\n```"),
        (
            doc(
                node(
                    "table",
                    node("tableRow", node("tableHeader", paragraph("名前")), node("tableHeader", paragraph("値"))),
                    node("tableRow", node("tableCell", paragraph("a|b"), paragraph("c"), colspan=2)),
                )
            ),
            "| 名前 | 値 |\n| --- | --- |\n| a\\|b c |  |",
        ),
        (doc(node("horizontalRule"), paragraph("# no heading")), "---\n\n\\# no heading"),
        (doc(paragraph("ask ", node("mention", id="U7", label="Ana"), "!")), "ask @Ana!"),
        (doc(node("image", src="https://x.test/i.png", alt="構成図")), "構成図"),
        (doc(node("image", src="data:image/png;base64,AAAA")), ""),
        (doc(node("details", node("detailsSummary", "more"), node("detailsContent", paragraph("x")))), "**more**\n\nx"),
        (doc(node("calloutBox", paragraph("unknown boxes are read through"))), "unknown boxes are read through"),
        (doc(node("embed", url="https://cacoo.com/d/1")), "https://cacoo.com/d/1"),
        (doc(paragraph(words("no", href="javascript:alert(1)"))), "no"),
        ({}, ""),
        ([], ""),
        (None, ""),
        ("{}", ""),
        ("not json", ""),
        ({"type": 3, "content": "x", "attrs": []}, ""),
    ],
)
def test_documents_become_markdown(document: Any, markdown: str) -> None:
    assert prosemirror_to_markdown(document) == markdown
    assert prosemirror_to_markdown(json.dumps(document)) == markdown or isinstance(document, str)


def test_depth_is_bounded_and_loses_nothing() -> None:
    deep: dict[str, Any] = paragraph("at the bottom")
    for _ in range(400):
        deep = node("blockquote", deep)
    assert "at the bottom" in prosemirror_to_markdown(doc(deep))


KINDS = (
    "paragraph", "heading", "bulletList", "orderedList", "taskList", "listItem", "taskItem", "blockquote", "codeBlock",
    "table", "tableRow", "tableCell", "detailsSummary", "mention", "hardBreak", "image", "horizontalRule", "odd", "",
)  # fmt: skip
WORDS = st.integers(1, 99).map(lambda n: f"語{n}語")
TEXTS = st.builds(words, WORDS, st.sampled_from(("bold", "code", "italic", "odd")), href=st.sampled_from(("", "x:y")))
CONTAINERS = ("paragraph", "heading", "bulletList", "listItem", "blockquote", "codeBlock", "table", "tableRow", "odd")
TREES = st.recursive(
    TEXTS, lambda inner: st.builds(lambda kind, held: node(kind, *held), st.sampled_from(CONTAINERS), st.lists(inner))
)


@given(st.lists(TREES, max_size=5))
def test_no_text_is_lost_whatever_lies_in_what(content: list[Any]) -> None:
    written = prosemirror_to_markdown(doc(*content))
    said = json.dumps(content, ensure_ascii=False)
    for word in {said[at : said.index("語", at + 1) + 1] for at in range(len(said)) if said[at : at + 1] == "語"
                 and said[at + 1 : at + 2].isdigit()}:  # fmt: skip
        assert word in written


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.fixed_dictionaries(
            {"type": st.sampled_from(KINDS) | inner, "content": inner, "attrs": inner, "marks": inner},
            optional={"text": inner},
        )
    ),
    max_leaves=25,
)


@given(ANYTHING)
def test_any_json_is_taken(document: Any) -> None:
    prosemirror_to_markdown(document)
