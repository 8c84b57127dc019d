from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.markdown import front_matter, headings, parse_date, parse_markdown

LINES = st.sampled_from(
    ["# One", "## Two", "### Three ###", "text", "", "Title", "---", "===", "```", "~~~", "    # code", "- item",
     "> # q", "<!-- x", "-->", "#no", "| a |", "# 日本", "\t"]
)  # fmt: skip


def outline(text: str) -> list[tuple[int, str, str]]:
    return [(s.level, s.label, s.anchor) for s in headings(text)]


def test_a_heading_reaches_to_the_next_of_the_same_or_a_lower_level() -> None:
    text = "# A\n\n## B\nb\n### C\n## D\n# E\n"
    stretches = {s.label: text[s.start : s.end] for s in headings(text)}
    assert stretches["A"] == "# A\n\n## B\nb\n### C\n## D\n"
    assert stretches["B"] == "## B\nb\n### C\n"
    assert stretches["C"] == "### C\n"
    assert stretches["E"] == "# E\n"


def test_underlined_paragraphs_are_headings() -> None:
    assert outline("Title\n=====\n\nSub\ntitle\n---\n") == [(1, "Title", "#title"), (2, "Sub title", "#sub-title")]


@pytest.mark.parametrize(
    "text",
    [
        "```\n# no\n```\n",
        "~~~sh\n# no\n```\n# no\n~~~~\n",
        "````\n```\n# no\n````",
        "```\n# never closed",
        "    # no",
        "#no",
        "####### no",
        "<!--\n# no\n-->",
        "---\ntitle: x\n# comment\n---\ntext",
        "text\n\n---\n",
        "| a |\n| --- |\n---\n",
        "- item\n---\n",
        "> quote\n---\n",
        "a `\\#` b",
    ],
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert outline(text) == []


def test_headings_go_on_after_a_fence_and_a_comment() -> None:
    assert [label for _, label, _ in outline("```\nx\n```\n# A\n<!-- # b\n-->\n# C")] == ["A", "C"]


@pytest.mark.parametrize(
    ("line", "label", "anchor"),
    [
        ("# Hello, World!", "Hello, World!", "#hello-world"),
        ("## `knowhub sync` and **more** ##", "knowhub sync and more", "#knowhub-sync-and-more"),
        ("# See [the guide](https://x.y)", "See the guide", "#see-the-guide"),
        ("# snake_case stays", "snake_case stays", "#snake_case-stays"),
        ("# 休暇 の申請", "休暇 の申請", "#休暇-の申請"),
        ("# C#", "C#", "#c"),
        ("# A & B", "A & B", "#a--b"),
        ("# がぎ (decomposed)", "がぎ (decomposed)", "#がぎ-decomposed"),
        ("#", "", "#"),
    ],
)
def test_labels_and_anchors_are_as_github_shows_them(line: str, label: str, anchor: str) -> None:
    assert outline(line) == [(line.split()[0].count("#"), label, anchor)]


def test_equal_headings_have_numbered_anchors() -> None:
    assert [a for _, _, a in outline("# A\n# A\n# A 1\n# A\n")] == ["#a", "#a-1", "#a-1-1", "#a-2"]


def test_front_matter_names_title_authors_and_dates() -> None:
    parsed = parse_markdown(
        '---\ntitle: "Leave: how"\nauthor: [Ana, "Bo"]\n'
        "date: 2024-01-31\nlastmod: 2024-02-01T09:00:00+09:00\n---\n# H\n"
    )
    assert parsed.title == "Leave: how"
    assert parsed.authors == ("Ana", "Bo")
    assert parsed.created_at == datetime(2024, 1, 31, tzinfo=UTC)
    assert parsed.updated_at == datetime(2024, 2, 1, tzinfo=UTC)
    assert [s.label for s in parsed.sections] == ["H"]


def test_toml_front_matter_is_understood() -> None:
    assert front_matter('+++\ntitle = "Leave"\n+++\n').title == "Leave"


@pytest.mark.parametrize("text", ["---\nno end", "text\n---\ntitle: x\n---\n", "--- title: x", ""])
def test_other_text_has_no_front_matter(text: str) -> None:
    assert front_matter(text).length == 0


def test_the_title_is_the_first_heading_of_level_one() -> None:
    assert parse_markdown("## Small\n\n# Big\n").title == "Big"
    assert parse_markdown("## Small\n").title == ""


@pytest.mark.parametrize("value", ["", "yesterday", "2024-13-45", "0001-01-01T00:00:00+14:00", "99999"])
def test_what_is_no_date_is_none(value: str) -> None:
    assert parse_date(value) is None


@given(st.lists(LINES, max_size=30), st.booleans())
def test_sections_nest_and_begin_at_line_starts(lines: list[str], final_newline: bool) -> None:
    text = "\n".join(lines) + ("\n" if final_newline else "")
    sections = headings(text)
    assert [s.start for s in sections] == sorted({s.start for s in sections})
    for section in sections:
        assert section.start == 0 or text[section.start - 1] == "\n"
        assert section.start < section.end <= len(text)
        following = [s for s in sections if s.start > section.start and s.level <= section.level]
        assert section.end == (following[0].start if following else len(text))


@given(st.text(max_size=500))
def test_any_text_is_markdown(text: str) -> None:
    assert parse_markdown(text).text == text
