from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from knowhub.core.errors import ConfigurationError
from knowhub.core.secret import Secret
from knowhub.wiring.settings import Configuration, default, find_file, load


def write(folder: Path, text: str) -> Path:
    file = folder / "knowhub.toml"
    file.write_text(text)
    return file


def error_of(folder: Path, text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load(write(folder, text))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_everything_has_a_default(tmp_path: Path) -> None:
    configuration = load(write(tmp_path, ""))
    assert configuration.data == tmp_path / ".knowhub"
    assert configuration.settings.access.me == ("owner",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[lake]\nkeepdays = 3", "knowhub.toml: lake.keepdays: unknown key (did you mean keep_days?)"),
        ("[sauces.x]\ntype = 'files'", "knowhub.toml: sauces: unknown key (did you mean sources?)"),
        ("[lake]\nkeep_days = 'long'", "knowhub.toml: lake.keep_days: input should be a valid integer"),
        ("[lake]\nkeep_days = -1", "knowhub.toml: lake.keep_days: input should be greater than or equal to 0"),
        ("[sources.Bad-Name]\ntype = 'files'", "knowhub.toml: sources.Bad-Name: not a source name"),
        ("[lake", "knowhub.toml is not valid TOML"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_key(tmp_path: Path, text: str, sentence: str) -> None:
    assert error_of(tmp_path, text).startswith(sentence)


def test_the_environment_overrides_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KNOWHUB_LAKE__KEEP_DAYS", "30")
    monkeypatch.setenv("KNOWHUB_SOURCES__DOCS__PATH", "/elsewhere")
    configuration = load(write(tmp_path, "[lake]\nkeep_days = 5\n[sources.docs]\ntype = 'files'\npath = 'here'"))
    assert configuration.settings.lake.keep_days == 30
    assert configuration.settings.sources["docs"] == {"type": "files", "path": "/elsewhere"}


def test_the_file_is_found_from_folders_below_it(tmp_path: Path) -> None:
    file = write(tmp_path, "")
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert find_file(tmp_path / "a" / "b") == file


def test_no_file_names_the_cure(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="knowhub init"):
        find_file(tmp_path)


@dataclass(frozen=True, slots=True)
class SampleOptions:
    """What a connector's options look like."""

    path: Path
    token: Secret | None = None
    pages: int = 3


def options(configuration: Configuration, **table: object) -> SampleOptions:
    return configuration.options("sources.sample", SampleOptions, table)


def test_options_are_checked_like_all_else(tmp_path: Path) -> None:
    configuration = load(write(tmp_path, ""))
    assert options(configuration, path="docs") == SampleOptions(tmp_path / "docs")
    for table, sentence in (
        ({"path": "x", "page": 1}, r"sources\.sample\.page: unknown key \(did you mean pages\?\)"),
        ({}, r"sources\.sample\.path: .*required"),
        ({"path": "x", "pages": "many"}, r"sources\.sample\.pages: .*integer"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            options(configuration, **table)


def test_secrets_enter_by_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration = load(write(tmp_path, ""))
    monkeypatch.setenv("SAMPLE_TOKEN", "hunter2")
    (tmp_path / "token.txt").write_text("hunter3\n")
    for reference, value in (("env:SAMPLE_TOKEN", "hunter2"), ("file:token.txt", "hunter3")):
        token = options(configuration, path="x", token=reference).token
        assert token
        assert token.reveal() == value
        assert value not in f"{token} {token!r} {options(configuration, path='x', token=reference)}"


@pytest.mark.parametrize("reference", ["hunter2", "env:NOT_SET_ANYWHERE", "file:nowhere.txt", "vault:x"])
def test_a_missing_or_plain_secret_is_refused_by_its_key_and_never_shown(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ConfigurationError, match=r"sources\.sample\.token") as caught:
        options(load(write(tmp_path, "")), path="x", token=reference)
    assert "hunter2" not in str(caught.value)


def test_a_table_in_the_environment_that_is_no_json_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KNOWHUB_LAKE", "garbage")
    (tmp_path / "knowhub.toml").write_text("")
    with pytest.raises(ConfigurationError, match="the environment"):
        load(tmp_path / "knowhub.toml")
    with pytest.raises(ConfigurationError, match="the environment"):
        default(tmp_path)


@pytest.mark.parametrize("name", ["group", "user", "owner", "anyone", "key"])
def test_no_source_has_a_name_that_would_let_it_make_anybody_anything(tmp_path: Path, name: str) -> None:
    file = tmp_path / "knowhub.toml"
    file.write_text(f'[sources.{name}]\ntype = "files"\npath = "."\nreaders = ["owner"]\n')
    with pytest.raises(ConfigurationError, match="none of anyone, group"):
        load(file)


@pytest.mark.parametrize("name", ["a\n", "A", "", "the index", "../x"])
def test_a_name_that_could_be_mistaken_for_a_place_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "knowhub.toml").write_text(f"[sources.{json.dumps(name)}]\ntype = 'files'\npath = 'x'\n")
    with pytest.raises(ConfigurationError, match="not a source name"):
        load(tmp_path / "knowhub.toml")
