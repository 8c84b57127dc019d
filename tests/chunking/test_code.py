from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.chunking.router import Chunker, ChunkingOptions
from knowhub.core.types import Chunk
from tests.chunking.documents import make
from tests.chunking.sources import PATHS, SOURCES

TIGHT = ChunkingOptions(code_chars=200, code_overlap_chars=50)


def chunks(text: str, language: str = "python", options: ChunkingOptions | None = None) -> tuple[Chunk, ...]:
    return Chunker(options)(replace(make("code", text, language=language), location="src/bell"))


def path(chunk: Chunk) -> str:
    return chunk.context.partition(" › ")[2]


@pytest.mark.parametrize("language", SOURCES)
def test_each_language_is_split_at_its_definitions(language: str) -> None:
    first, second = [c for c in chunks(SOURCES[language], language, TIGHT) if path(c) in PATHS[language]]
    assert (path(first), path(second)) == PATHS[language]
    assert "ding" in first.text.lower()
    assert "silence" not in first.text
    assert "ding" not in second.text.lower()


@pytest.mark.parametrize("language", SOURCES)
def test_a_small_file_of_any_language_is_one_chunk(language: str) -> None:
    (chunk,) = chunks(SOURCES[language], language)
    assert chunk.text == SOURCES[language].strip()
    assert chunk.context.startswith("src/bell")


@pytest.mark.parametrize("language", SOURCES)
@given(st.sampled_from(["é", "東京", "👩‍👩‍👧", "…"]))
@settings(deadline=None, max_examples=5)
def test_letters_beyond_ascii_move_no_boundary(language: str, letters: str) -> None:
    plain = SOURCES[language].replace("ding", "d" * len(letters))
    local = SOURCES[language].replace("ding", letters)
    assert [(c.start, c.end, c.anchor) for c in chunks(plain, language, TIGHT)] == [
        (c.start, c.end, c.anchor) for c in chunks(local, language, TIGHT)
    ]


@given(st.sampled_from(sorted(SOURCES)), st.integers(0, 400), st.text(max_size=5))
@settings(deadline=None, max_examples=100)
def test_the_anchor_names_the_lines_of_the_chunk(language: str, at: int, noise: str) -> None:
    text = SOURCES[language][:at] + noise + SOURCES[language][at:]
    for chunk in chunks(text, language, TIGHT):
        first = text.count("\n", 0, chunk.start) + 1
        last = first + chunk.text.count("\n")
        assert chunk.anchor == (f"#L{first}-L{last}" if last > first else f"#L{first}")


def test_a_comment_and_a_decorator_stay_with_what_they_are_about() -> None:
    stop = chunks(SOURCES["javascript"], "javascript", TIGHT)[-1]
    assert stop.text.startswith("  // Ends the noise.\n  async stop()")
    assert chunks(SOURCES["python"], "python", TIGHT)[-1].text.startswith("    @property\n")


def test_a_long_function_is_cut_between_statements_and_its_parts_overlap() -> None:
    body = "".join(f"    value_{i} = compute_the_thing(number={i})\n" for i in range(100))
    parts = chunks(f"import os\n\nclass A:\n    pass\n\ndef long():\n{body}")
    inside = [chunk for chunk in parts if path(chunk) == "long"]
    assert len(inside) == len(parts) - 1
    for before, after in pairwise(inside):
        assert 100 < before.end - after.start <= 200
        assert after.text.startswith("    value_")
        assert before.text.endswith(")")


def test_whole_functions_do_not_overlap() -> None:
    text = "".join(f"def f{i}():\n    return {'x' * 500!r}\n\n\n" for i in range(20))
    assert all(before.end <= after.start for before, after in pairwise(chunks(text)))


def test_a_long_docstring_stays_with_the_beginning_of_its_class() -> None:
    text = 'class A:\n    """\n' + "    A long description of it.\n" * 80 + '    """\n\n    x = 1\n'
    assert chunks(text)[0].text.startswith('class A:\n    """\n    A long')


def test_an_unknown_language_is_split_between_lines_with_an_overlap() -> None:
    text = "".join(f"MOVE {i} TO FIELD-{i}.\n" for i in range(300))
    parts = chunks(text, "cobol")
    assert all(line in text.split("\n") for chunk in parts for line in chunk.text.split("\n"))
    assert all(100 < before.end - after.start <= 200 for before, after in pairwise(parts))


def test_a_file_too_large_to_parse_is_split_between_lines() -> None:
    text = "x = 1\n" * 500
    assert chunks(text, "python", ChunkingOptions(code_parse_chars=100)) == chunks(text, "cobol")


def test_one_endless_line_is_split_all_the_same() -> None:
    parts = chunks("var a=[" + "1," * 5000 + "1];", "javascript")
    assert all(len(chunk.text) <= 1200 for chunk in parts)


def test_deep_nesting_does_not_exhaust_the_stack() -> None:
    for language, text in (
        ("python", "(" * 5000),
        ("python", "1+" * 20000 + "1"),
        ("javascript", "[" * 5000 + "]" * 5000),
    ):
        assert "".join(c.text for c in chunks(text, language))
