from __future__ import annotations

import json

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.notebook import parse_notebook
from tests.formats.samples import NOTEBOOK


def test_prose_code_and_output_are_in_order() -> None:
    parsed = parse_notebook(NOTEBOOK)
    assert parsed.text == "# Sales\nBy month.\n\n```python\nprint(6 * 7)\n```\n\n```\n42\n```"
    assert parsed.title == "Sales"
    assert [s.label for s in parsed.sections] == ["Sales"]


def test_a_long_output_is_cut_and_says_so() -> None:
    cell = {"cell_type": "code", "source": "x", "outputs": [{"data": {"text/plain": "y" * 10_500}}]}
    assert parse_notebook(json.dumps({"cells": [cell]}).encode()).text.endswith("… 500 more characters\n```")


def test_errors_and_older_notebooks_are_read() -> None:
    cell = {"cell_type": "code", "input": ["1/0"], "outputs": [{"output_type": "pyerr", "ename": "E", "evalue": "v"}]}
    old = {"worksheets": [{"cells": [{"cell_type": "heading", "level": 2, "source": "H"}, cell]}]}
    assert parse_notebook(json.dumps(old).encode()).text == "## H\n\n```python\n1/0\n```\n\n```\nE: v\n```"


@pytest.mark.parametrize("data", [b"{", b"[1]", b"[" * 100_000])
def test_other_json_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableContent, match="not a notebook"):
        parse_notebook(data)
