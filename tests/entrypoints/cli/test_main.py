from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from knowhub.entrypoints.cli.main import INCOMPLETE, NOTHING_FOUND, run
from tests.embedding.onnx_writer import Node, model_bytes
from tests.embedding.tiny import DIMENSIONS, TABLE, write_tokenizer

HEAVY = (
    "lancedb",
    "openvino",
    "numpy",
    "pyarrow",
    "pydantic",
    "sqlite3",
    "obstore",
    "tokenizers",
    "tree_sitter",
    "rich",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub's folder with three documents, as the working directory."""
    (tmp_path / "docs").mkdir()
    for name, text in {
        "leave.md": "# Leave\n\nEverybody has 27 days of holiday in a year.\n",
        "hotels.md": "# Travel\n\nA hotel may cost 120 EUR per night.\n",
        "secret.md": "# Plans\n\nThe new office opens in Osaka.\n",
    }.items():
        (tmp_path / "docs" / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KNOWHUB_CONFIG", raising=False)
    return tmp_path


def command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = run(list(words))
    out, err = capsys.readouterr()
    return code, out, err


def as_json(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    """The one JSON document that the command prints, whatever its exit code."""
    return json.loads(command(capsys, *words, "--json")[1])


def test_help_imports_nothing_heavy() -> None:
    program = (
        "import sys; from knowhub.entrypoints.cli.main import run; run(['--help']);"
        f" print('HEAVY', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout


def test_a_folder_becomes_a_hub_that_answers(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command(capsys, "init", "docs")[0] == 0
    assert 'type = "files"' in (folder / "knowhub.toml").read_text()
    code, out, err = command(capsys, "check")
    assert (code, err) == (0, ""), out
    code, out, _ = command(capsys, "sync")
    assert code == 0, out
    assert "3 changed" in out

    code, out, _ = command(capsys, "ask", "How many days of holiday are there?")
    assert code == 0
    assert "27 days of holiday" in out
    assert "leave.md" in out
    code, out, _ = command(capsys, "ask", "What is the colour of the parrot?")
    assert code == NOTHING_FOUND
    assert "Not found" in out

    code, out, _ = command(capsys, "search", "hotel", "--top", "1")
    assert (code, "120 EUR" in out) == (0, True)
    assert command(capsys, "search", "hotel", "--as", "stranger")[0] == NOTHING_FOUND

    (source,) = as_json(capsys, "status")["sources"]
    assert source["whole"]
    assert source["containers"][0]["searchable"] == 3
    shown = as_json(capsys, "show", "leave.md")
    assert shown["item"]["item"] == "leave.md"
    assert "27 days" in shown["stored"]["document"]["text"]

    assert as_json(capsys, "export", "all.jsonl")["documents"] == 3
    assert len((folder / "all.jsonl").read_text().splitlines()) == 3
    assert command(capsys, "export", "all.csv", "--format", "csv")[0] == 0

    assert as_json(capsys, "reindex")["documents"] == 3
    assert "120 EUR" in command(capsys, "search", "hotel")[1]

    assert command(capsys, "forget", "secret.md", "--yes")[0] == 0
    assert command(capsys, "sync")[0] == 0
    assert not any("Osaka" in hit["text"] for hit in as_json(capsys, "search", "Osaka office")["hits"])
    assert as_json(capsys, "status", "--verify")["sources"][0]["holes"] == []
    assert command(capsys, "show", "leave.md", "--as", "stranger")[0] == 1


def test_what_is_missing_has_its_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    command(capsys, "init", "docs")
    assert command(capsys, "sync")[0] == INCOMPLETE
    assert "broken.pdf" in command(capsys, "status")[1]
    assert command(capsys, "status")[0] == INCOMPLETE
    (source,) = as_json(capsys, "status")["sources"]
    assert [item["item"] for item in source["failed"]] == ["broken.pdf"]


def test_chunks_made_elsewhere_can_be_handed_in(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    batch = {
        "batch_id": "17",
        "timestamp": "2026-05-31T12:00:00Z",
        "source": "legacy",
        "chunk_count": 1,
        "chunks": [{"text": "The old system kept its backups in a biscuit tin.", "metadata": {"title": "Backups"}}],
    }
    (folder / "batch.json.gz").write_bytes(gzip.compress(json.dumps(batch).encode()))
    (folder / "knowhub.toml").write_text('[sources.legacy]\ntype = "imported"\n')
    assert command(capsys, "chunk", "--file", "batch.json.gz")[0] == 0
    assert command(capsys, "embed")[0] == 0
    assert "biscuit tin" in command(capsys, "ask", "Where were the backups kept?")[1]
    assert as_json(capsys, "reindex")["documents"] == 1
    assert "biscuit tin" in command(capsys, "search", "biscuit tin")[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sync"], "there is no knowhub.toml"),
        (["--config", "nowhere.toml", "status"], "nowhere.toml"),
        (["init", "nowhere"], "nowhere does not exist"),
    ],
)
def test_a_failure_is_one_sentence_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = command(capsys, *words)
    assert (code, out) == (1, "")
    assert sentence in err
    assert len(err.splitlines()) == 1
    assert "Traceback" not in err


def test_a_source_that_is_not_configured_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "init", "docs")
    code, _, err = command(capsys, "sync", "wiki")
    assert (code, err) == (1, "there is no source wiki. Configured: docs.\n")


def test_a_missing_folder_is_not_a_mass_delete(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "init", "docs")
    command(capsys, "sync")
    (folder / "docs").rename(folder / "unmounted")
    code, out, _ = command(capsys, "sync")
    assert code == 1
    assert "mounted" in out
    (folder / "unmounted").rename(folder / "docs")
    assert command(capsys, "sync")[0] == 0
    assert "27 days" in command(capsys, "search", "holiday")[1]


def test_init_does_not_overwrite(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "init")
    assert "is there already" in command(capsys, "init")[2]


def test_another_model_is_refused_with_the_cure(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "init", "docs")
    command(capsys, "sync")
    model = folder / "model"
    _write_tiny_model(model)
    with (folder / "knowhub.toml").open("a") as file:
        file.write('\n[embedding]\nmodel = "model"\n')
    code, _, err = command(capsys, "search", "hotel")
    assert code == 1
    assert "knowhub reindex" in err
    assert as_json(capsys, "reindex")["documents"] == 3
    assert "120 EUR" in command(capsys, "search", "hotel")[1]


def _write_tiny_model(folder: Path) -> None:
    folder.mkdir()
    write_tokenizer(folder / "tokenizer.json")
    lookup = Node("Gather", ["table", "input_ids"], "last_hidden_state")
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    states: list[int | str] = ["texts", "tokens", DIMENSIONS]
    (folder / "model.onnx").write_bytes(model_bytes(inputs, [lookup], {"table": TABLE}, "last_hidden_state", states))


@pytest.mark.parametrize(
    ("words", "code"),
    [(["status"], 1), (["status", "--nope"], 2), (["export", "/nowhere/file"], 1), (["forget", "x"], 1)],
)
def test_with_json_a_failure_is_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], code: int
) -> None:
    monkeypatch.chdir(tmp_path)
    found, out, err = command(capsys, *words, "--json")
    assert found == code
    assert json.loads(out)["error"]
    assert "Traceback" not in err


def test_an_interrupt_says_that_nothing_is_lost(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command(capsys, "init", "docs")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("knowhub.pipelines.chunk.chunk_batch", interrupted)
    assert command(capsys, "sync")[::2] == (
        130,
        "Stopped. What was done is kept; the same command goes on from there.\n",
    )
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    assert command(capsys, "sync")[0] == 0


def test_quotes_are_printed_as_they_stand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "docs" / "signs.md").write_text("# Signs\n\nThe sign :warning: means careful with [red]paint[/red].\n")
    command(capsys, "init", "docs")
    command(capsys, "sync")
    quoted = "The sign :warning: means careful with [red]paint[/red]."
    assert quoted in command(capsys, "search", "sign careful")[1]
    assert quoted in as_json(capsys, "search", "sign careful")["hits"][0]["text"]


def test_a_file_that_cannot_be_written_is_one_sentence(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "init", "docs")
    command(capsys, "sync")
    code, _, err = command(capsys, "export", "nowhere/all.jsonl")
    assert code == 1
    assert err.startswith("nowhere/all.jsonl cannot be written")


def test_what_is_meant_for_all_commands_may_follow_the_command(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    command(capsys, "init", "docs")
    monkeypatch.chdir(folder.parent)
    code, _, err = command(capsys, "sync", "--config", str(folder / "knowhub.toml"))
    assert (code, err) == (0, "")


def test_a_failed_sync_is_not_forgotten_by_status(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command(capsys, "init", "docs")
    assert command(capsys, "status")[0] == INCOMPLETE
    command(capsys, "sync")
    assert command(capsys, "status")[0] == 0
    (folder / "docs").rename(folder / "unmounted")
    command(capsys, "sync")
    assert command(capsys, "status")[0] == INCOMPLETE


def test_containers_are_known_by_id_and_by_name_and_sources_must_exist(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(capsys, "init", "docs")
    command(capsys, "sync")
    for container in (".", "(Top Folder)"):
        assert as_json(capsys, "search", "hotel", "--container", container)["hits"]
    assert command(capsys, "search", "hotel", "--container", "elsewhere")[0] == NOTHING_FOUND
    assert command(capsys, "search", "hotel", "--source", "nope") == (
        1,
        "",
        "there is nothing for you in a source nope. You can read docs.\n",
    )


def test_a_hit_can_be_shown_with_what_stands_around_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    long = "\n\n".join(f"# Part {n}\n\n" + f"Sentence number {n} of the manual. " * 25 for n in range(5))
    (folder / "docs" / "manual.md").write_text(long)
    command(capsys, "init", "docs")
    command(capsys, "sync")
    (hit, *_) = as_json(capsys, "search", "sentence number 2", "--mode", "lexical", "--around", "1")["hits"]
    assert hit["text"] in hit["around"]
    assert 2 <= len(hit["around"]) <= 3
    assert as_json(capsys, "search", "hotel")["hits"][0]["around"] == []
    assert "Part 1" in command(capsys, "search", "sentence number 2", "--top", "1", "--around", "20")[1]
