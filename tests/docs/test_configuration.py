"""The tables of keys against the code: nothing missing, nothing surplus, every type and default as it is."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from knowhub.chunking.options import ChunkingOptions
from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret
from knowhub.sources.backlog import BacklogOptions
from knowhub.sources.confluence import ConfluenceOptions
from knowhub.sources.discord import DiscordOptions
from knowhub.sources.files import FilesOptions
from knowhub.sources.git import GitOptions
from knowhub.sources.github import GitHubOptions
from knowhub.sources.gitlab import GitLabOptions
from knowhub.sources.imported import ImportedOptions
from knowhub.sources.jira import JiraOptions
from knowhub.sources.slack import SlackOptions
from knowhub.sources.slack_export import SlackExportOptions
from knowhub.sources.wordpress import WordPressOptions
from knowhub.wiring.catalog import SOURCES
from knowhub.wiring.settings import Settings
from tests.docs.pages import ROOT, table_under

PAGE = ROOT / "docs" / "configuration.md"
OPTIONS: dict[str, Any] = {
    "files": FilesOptions,
    "git": GitOptions,
    "jira": JiraOptions,
    "slack": SlackOptions,
    "gitlab": GitLabOptions,
    "slack_export": SlackExportOptions,
    "backlog": BacklogOptions,
    "confluence": ConfluenceOptions,
    "discord": DiscordOptions,
    "github": GitHubOptions,
    "wordpress": WordPressOptions,
    "imported": ImportedOptions,
}
WIRED = {"git": {"cache"}}
"""Fields that wiring fills; for people they are unknown keys."""

TYPES: dict[Any, str] = {
    str: "text",
    Path: "path",
    bool: "true or false",
    int: "whole number",
    float: "number",
    datetime: "date",
    Secret: "secret",
    tuple[str, ...]: "list of texts",
    dict[str, str]: "table of texts",
    dict[str, float]: "table of numbers",
    dict[str, tuple[str, ...]]: "table of lists",
}


def type_name(hint: Any) -> str:
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(f'`"{value}"`' for value in typing.get_args(hint))
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        (hint,) = (member for member in typing.get_args(hint) if member is not type(None))
    return TYPES[hint]


def written(cell: str) -> object:
    """A default as TOML would read it; "none" and "required" as they are."""
    return tomllib.loads(f"value = {cell.strip('`')}")["value"] if cell.startswith("`") else cell


def shown(value: object) -> object:
    """A default of the code as TOML would hold it."""
    if value is None:
        return "none"
    if value is dataclasses.MISSING:
        return "required"
    if isinstance(value, tuple):
        return list(value)
    return str(value) if isinstance(value, Path) else value


def settings_tables() -> list[tuple[str, dict[str, FieldInfo]]]:
    return [
        (name, field.annotation.model_fields)
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    ]


def assert_documented(rows: dict[str, list[str]], name: str, hint: Any, default: object) -> None:
    kind, cell, meaning = rows[name]
    assert kind == type_name(hint), name
    found, real = written(cell), shown(default)
    if hint is float and isinstance(real, int):
        real = float(real)
    assert (type(found), found) == (type(real), real), name
    assert meaning, name


def test_every_table_of_the_file_has_its_section() -> None:
    for name in Settings.model_fields:
        assert f"\n## {name}\n" in PAGE.read_text("utf-8")


@pytest.mark.parametrize(
    ("table", "fields"), settings_tables(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_table_has_exactly_the_keys_that_the_code_reads(table: str, fields: dict[str, FieldInfo]) -> None:
    rows = table_under(PAGE, table)
    assert rows.keys() == fields.keys()
    for name, field in fields.items():
        default = field.get_default(call_default_factory=True)
        assert_documented(rows, name, field.annotation, default)
        assert rows[name][2].startswith(field.description or "?"), f"{table}.{name} means: {field.description}"


def test_chunking_has_exactly_the_keys_that_the_code_reads() -> None:
    assert_same_fields(table_under(PAGE, "chunking"), ChunkingOptions, set())


def test_every_type_of_source_has_a_page_and_is_listed() -> None:
    assert SOURCES.keys() == OPTIONS.keys()
    assert {file.stem for file in (ROOT / "docs" / "sources").glob("*.md")} == SOURCES.keys()
    for kind in SOURCES:
        assert f"(sources/{kind}.md#keys)" in PAGE.read_text("utf-8")


@pytest.mark.parametrize("kind", sorted(OPTIONS))
def test_a_source_has_exactly_the_keys_that_the_code_reads(kind: str) -> None:
    rows = table_under(ROOT / "docs" / "sources" / f"{kind}.md", "Keys")
    if not issubclass(OPTIONS[kind], ApiOptions):
        # Wiring gives a source without permissions of its own the hub's readers where it names none.
        assert rows["readers"][:2] == ["list of texts", "`access.readers`"]
        rows["readers"][1] = "required"
    assert_same_fields(rows, OPTIONS[kind], WIRED.get(kind, set()))


def assert_same_fields(rows: dict[str, list[str]], options: Any, wired: set[str]) -> None:
    hints = typing.get_type_hints(options)
    fields = {field.name: field for field in dataclasses.fields(options) if field.name not in wired}
    assert rows.keys() == fields.keys()
    for name, field in fields.items():
        assert_documented(rows, name, hints[name], field.default)
