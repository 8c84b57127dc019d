"""The configurations that a person starts from can be loaded, and name sources that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from knowhub.core.types import SourceName
from knowhub.formats.parsed import Parsed
from knowhub.wiring.catalog import Connection, connect
from knowhub.wiring.settings import load

EXAMPLES = Path(__file__).parents[2] / "examples"
FILES = [file for file in sorted(EXAMPLES.glob("*/knowhub.toml")) if file.parent.name != "demo"]


def no_parser(data: bytes, name: str) -> Parsed:
    raise AssertionError(f"{name} was parsed")


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_every_source_of_the_example_can_be_made(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in re.findall(r'"env:(\w+)"', file.read_text("utf-8")):
        monkeypatch.setenv(name, "a value")
    configuration = load(file)
    for name, table in configuration.settings.sources.items():
        assert connect(Connection(SourceName(name), table, configuration, tmp_path, no_parser)).source.name == name


def test_each_system_that_is_replaced_has_its_example() -> None:
    types = {table["type"] for file in FILES for table in load(file).settings.sources.values()}
    assert types == {"slack", "gitlab", "backlog", "discord", "confluence", "jira", "github", "wordpress"}
