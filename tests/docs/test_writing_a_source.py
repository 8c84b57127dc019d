"""What docs/writing-a-source.md shows is what runs."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "writing-a-source.md"
CONNECTOR = ROOT / "examples" / "connector" / "noticeboard.py"
SHOWN = [CONNECTOR, ROOT / "tests" / "examples" / "test_connector.py"]
_BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


def test_every_excerpt_stands_in_the_example() -> None:
    files = [file.read_text("utf-8") for file in SHOWN]
    blocks = _BLOCK.findall(PAGE.read_text("utf-8"))
    assert blocks
    for block in blocks:
        assert any(block in file for file in files), block


def test_the_example_is_as_short_as_the_page_says() -> None:
    lines = [line for line in CONNECTOR.read_text("utf-8").splitlines() if line.strip()]
    assert f"{len(lines)} lines" in PAGE.read_text("utf-8")
    assert len(lines) < 100
