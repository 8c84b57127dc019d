"""What a reader would type or click: commands parse, targets exist, links lead somewhere, examples load."""

from __future__ import annotations

import dataclasses
import re
import sys
import types
from pathlib import Path

import pytest
import typer

from knowhub.entrypoints.cli.main import cli
from knowhub.formats.parsed import Parsed
from knowhub.pipelines.datasets import read_questions
from knowhub.wiring.catalog import Connection, connect
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
from tests.docs.pages import ROOT, Block, blocks, command_lines, pages, prose_of, words_of

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_QUOTE = re.compile(r"“(.+?)”", re.DOTALL)

HUB_LINES = [(page, line) for page, line in command_lines() if re.match(r"([A-Z_]+=\S* )*knowhub( |$)", line)]
MAKE_LINES = [(page, line) for page, line in command_lines() if line.startswith("make ")]


def where(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.text.splitlines()[0]}"


@pytest.mark.parametrize(("page", "line"), HUB_LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_command_line_in_the_docs_parses(page: Path, line: str) -> None:
    group = typer.main.get_command(cli)
    assert isinstance(group, typer.core.TyperGroup)
    _, *words = words_of(line)
    if words in ([], ["--help"], ["--debug"]):
        return
    with group.make_context("knowhub", words) as context:
        name, command, arguments = group.resolve_command(context, [*context._protected_args, *context.args])
        assert command is not None, f"{page.name}: {line}"
        if len(words) > 1:  # `knowhub ask` alone names the command
            command.make_context(name, arguments, parent=context)


def test_a_command_line_that_is_wrong_would_be_noticed() -> None:
    for line in (
        "knowhub synch",
        "knowhub sync --retry",
        "knowhub ask --as me",
        "knowhub status --config knowhub.toml",
    ):
        with pytest.raises(Exception, match=r"(?i)no such|missing"):
            test_a_command_line_in_the_docs_parses(ROOT, line)


@pytest.mark.parametrize(("page", "line"), MAKE_LINES, ids=lambda value: value if isinstance(value, str) else "")
def test_a_make_target_in_the_docs_exists(page: Path, line: str) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert words_of(line)[1] in targets, page.name


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(prose_of(page)):
        if "://" in link or link.startswith("mailto:"):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert target.is_relative_to(ROOT), link
        if anchor:
            assert anchor in anchors(target), link


def anchors(page: Path) -> set[str]:
    """Headings as forges turn them into anchors: lower case, no punctuation, dashes for spaces."""
    headings = _HEADING.findall(prose_of(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("block", blocks("toml"), ids=where)
def test_every_toml_example_loads(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "knowhub.toml"
    file.write_text(block.text, "utf-8")
    if "[[question]]" in block.text:
        assert read_questions(file).questions
        return
    for name in re.findall(r'"env:(\w+)"', block.text):
        monkeypatch.setenv(name, "a value")
    configuration = load(file)
    laptop = Laptop(configuration)
    assert laptop.chunking.options.text_chars >= 20
    for source in laptop.source_names:
        connected = connect(
            Connection(source, configuration.settings.sources[source], configuration, tmp_path, no_parser)
        )
        assert connected.source.name == source


def no_parser(data: bytes, name: str) -> Parsed:
    raise AssertionError(f"{name} was parsed")


def test_what_the_readme_quotes_stands_in_the_demo_company() -> None:
    demo = ROOT / "examples" / "demo"
    files = [file for folder in ("handbook", "slack", "product") for file in (demo / folder).rglob("*")]
    written = " ".join(flat(file.read_text("utf-8")) for file in files if file.suffix in (".md", ".patch"))
    quotes = _QUOTE.findall((ROOT / "README.md").read_text("utf-8"))
    assert quotes
    for quote in quotes:
        assert flat(quote) in written


def flat(text: str) -> str:
    return " ".join(text.split())


def test_the_connector_in_the_contributing_page_passes_the_contract(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connector, test = (block.text for block in blocks("python") if block.page.name == "CONTRIBUTING.md")
    module = types.ModuleType("knowhub.sources.maildir")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(connector, "maildir.py", "exec"), module.__dict__)
    tests = types.ModuleType("test_maildir")
    monkeypatch.setitem(sys.modules, tests.__name__, tests)
    exec(compile(test, "test_maildir.py", "exec"), tests.__dict__)
    contract = tests.TestMaildirSource()
    for number, name in enumerate(name for name in dir(contract) if name.startswith("test_")):
        arguments = (
            {"tmp_path": tmp_path / str(number)} if "tmp_path" in getattr(contract, name).__annotations__ else {}
        )
        for folder in arguments.values():
            folder.mkdir()
        getattr(contract, name)(**arguments)
    assert dataclasses.is_dataclass(module.MaildirOptions)
