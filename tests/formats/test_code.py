from __future__ import annotations

import pytest

from knowhub.formats.code import language_of, language_of_shebang
from knowhub.formats.text import parse_text


@pytest.mark.parametrize(
    ("name", "language"),
    [
        ("src/a.py", "python"), ("A.TSX", "tsx"), ("x.ts", "typescript"), ("q.sql", "sql"), ("run.sh", "shell"),
        ("Dockerfile", "dockerfile"), ("Makefile", "make"), ("a.cs", "csharp"), ("notes.txt", ""), ("LICENSE", ""),
        (".gitignore", ""), ("CMakeLists.txt", "cmake"),
    ],
)  # fmt: skip
def test_the_language_is_told_by_the_name(name: str, language: str) -> None:
    assert language_of(name) == language


@pytest.mark.parametrize(
    ("text", "language"),
    [("#!/usr/bin/env python3\nx", "python"), ("#!/bin/sh\n", "shell"), ("#! /usr/bin/node", "javascript"), ("x", "")],
)
def test_scripts_tell_their_interpreter(text: str, language: str) -> None:
    assert language_of_shebang(text) == language


@pytest.mark.parametrize(
    ("text", "title"),
    [("Guide\n=====\n\nx", "Guide"), ("Guide\nx", ""), ("", ""), ("a\n---------", "a"), ("1\n222", "")],
)
def test_an_underlined_first_line_is_a_title(text: str, title: str) -> None:
    assert parse_text(text).title == title
