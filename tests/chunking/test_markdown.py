from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.chunking.router import Chunker, ChunkingOptions
from knowhub.core.types import Chunk, Document, Section
from tests.chunking.documents import make, markdown

SENTENCE = "The office closes at six and the last one out sets the alarm. "


def chunks(document: Document, **options: int) -> tuple[Chunk, ...]:
    return Chunker(ChunkingOptions(**options))(document)


def test_a_long_section_is_cut_and_each_part_has_its_heading_path_and_anchor() -> None:
    page = markdown(f"# Office\n\n{SENTENCE * 10}\n\n## Alarm\n\n{SENTENCE * 30}\n")
    alarm = [c for c in chunks(page) if c.anchor == "#alarm"]
    assert len(alarm) == 3
    assert {c.context for c in alarm} == {"Handbook › Office › Alarm"}
    assert alarm[0].text.startswith("## Alarm\n\nThe office")


def test_short_sections_of_one_parent_share_a_chunk_named_for_the_parent() -> None:
    page = markdown("# Office\n\n## Door\n\nBlue.\n\n## Alarm\n\nRed.\n\n## Roof\n\nGreen.\n")
    (chunk,) = chunks(page)
    assert (chunk.context, chunk.anchor) == ("Handbook › Office", "#office")


def test_sections_of_two_parents_do_not_share_a_chunk_unless_all_between_them_does() -> None:
    page = markdown(f"# A\n\n{SENTENCE * 8}\n\n## A1\n\n{SENTENCE}\n\n# B\n\n{SENTENCE * 8}\n\n## B1\n\nEnd.\n")
    assert [(c.anchor, c.context) for c in chunks(page)] == [("#a", "Handbook › A"), ("#b", "Handbook › B")]


def test_sections_that_stand_for_themselves_stay_apart() -> None:
    page = markdown(f"## Door\n\n{SENTENCE * 5}\n\n## Alarm\n\n{SENTENCE * 5}\n")
    assert [c.anchor for c in chunks(page)] == ["#door", "#alarm"]


def test_text_before_the_first_heading_opens_at_the_top() -> None:
    page = markdown(f"{SENTENCE * 8}\n\n# Office\n\n{SENTENCE * 8}\n")
    assert [(c.anchor, c.context) for c in chunks(page)] == [("", "Handbook"), ("#office", "Handbook › Office")]


def test_a_title_that_is_also_the_first_heading_is_said_once() -> None:
    page = markdown(f"# Office\n\n{SENTENCE * 8}\n\n## Alarm\n\n{SENTENCE * 8}\n", title="Office")
    assert [c.context for c in chunks(page)] == ["Office", "Office › Alarm"]


def test_a_heading_that_begins_like_its_parent_still_has_its_path() -> None:
    page = markdown(f"# Deploy\n\n{SENTENCE * 8}\n\n## Deployment\n\n{SENTENCE * 8}\n")
    assert chunks(page)[1].context == "Handbook › Deploy › Deployment"


def test_pages_never_share_a_chunk() -> None:
    text = "Short first page.\n\nShort second page."
    pages = make(
        "text", text, Section(0, 17, "page", "#page=1", "page 1"), Section(19, 37, "page", "#page=2", "page 2")
    )
    assert [(c.anchor, c.text) for c in chunks(pages)] == [
        ("#page=1", "Short first page."),
        ("#page=2", "Short second page."),
    ]


def test_a_heading_without_an_anchor_opens_at_what_it_stands_under() -> None:
    text = f"A {SENTENCE * 8}B {SENTENCE * 8}C {SENTENCE * 8}"
    at = [text.index(letter) for letter in ("A ", "B ", "C ")]
    page = make(
        "markdown",
        text,
        Section(at[0], at[2], "heading", "#a", "A", level=1),
        Section(at[1], at[2], "heading", "", "B", level=2),
        Section(at[2], len(text), "heading", "", "C", level=1),
    )
    assert [chunk.anchor for chunk in chunks(page)] == ["#a", "#a", ""]


def test_a_table_is_cut_between_its_rows_only() -> None:
    row = "| printer | second floor | blue |\n"
    page = markdown(f"# Devices\n\n{row * 200}")
    for chunk in chunks(page):
        assert all(line in (row.strip(), "# Devices", "") for line in chunk.text.split("\n"))


def test_fenced_code_that_fits_a_chunk_is_not_cut_at_its_blank_lines() -> None:
    code = "```python\n" + "\n\n".join(f"step_{i} = {i}" for i in range(40)) + "\n```"
    page = markdown(f"# Steps\n\n{SENTENCE * 12}\n\n{code}\n\n{SENTENCE * 12}\n")
    assert any(code in chunk.text for chunk in chunks(page))


def test_a_heading_is_not_left_alone_above_a_long_paragraph() -> None:
    page = markdown(f"# Office\n\n{SENTENCE * 40}\n")
    assert all(len(chunk.text) > 100 for chunk in chunks(page)[:-1])


@given(st.lists(st.tuples(st.integers(1, 4), st.sampled_from("ABC"), st.integers(0, 40)), min_size=1, max_size=12))
@settings(deadline=None)
def test_the_context_is_a_path_over_the_first_line(parts: list[tuple[int, str, int]]) -> None:
    page = markdown("".join(f"{'#' * n} {name}\n\n{SENTENCE * length}\n\n" for n, name, length in parts), title="")
    for chunk in chunks(page):
        section = [s for s in page.sections if s.start <= chunk.start][-1]
        assert chunk.anchor == section.anchor
        assert f"{section.label} ›".startswith(f"{chunk.context} ›") or not chunk.context
