"""SIGKILL at any moment of a real sync: nothing is lost, nothing doubled, and the index is as from scratch."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from knowhub.core.types import DocumentId, SourceName, Viewer
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
from tests.embedding.onnx_writer import Node, model_bytes
from tests.embedding.tiny import DIMENSIONS, TABLE, write_tokenizer

NAME = SourceName("docs")
_CONFIGURATION = """
[sources.docs]
type = "files"
path = "docs"
[embedding]
model = "model"
models = "models"
[sync]
batch_records = 8
delete_share = 1
"""


class KilledHub:
    """A hub in a folder whose syncs run in processes of their own, and may be killed."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng = folder, rng
        self.docs = folder / "docs"
        self.docs.mkdir()
        (folder / "knowhub.toml").write_text(_CONFIGURATION)
        model = folder / "model"
        model.mkdir()
        write_tokenizer(model / "tokenizer.json")
        lookup = Node("Gather", ["table", "input_ids"], "last_hidden_state")
        inputs = ("input_ids", "attention_mask", "token_type_ids")
        data = model_bytes(inputs, [lookup], {"table": TABLE}, "last_hidden_state", ["texts", "tokens", DIMENSIONS])
        (model / "model.onnx").write_bytes(data)

    def knowhub(self, *words: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "knowhub.entrypoints.cli.main", "--debug", *words]
        return subprocess.Popen(command, cwd=self.folder, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def done(self, *words: str) -> str:
        process = self.knowhub(*words)
        out, err = process.communicate()
        assert process.returncode == 0, out + err
        return out

    def change(self) -> None:
        """A few of the things that people do in a folder."""
        for _ in range(self.rng.randrange(1, 12)):
            files = sorted(path for path in self.docs.rglob("*") if path.is_file())
            move = self.rng.choice(["write", "write", "edit", "delete", "move"])
            if move == "write" or len(files) < 5:
                path = self.docs / self.rng.choice(["", "a", "b"]) / f"{self.rng.randrange(60)}.md"
                path.parent.mkdir(exist_ok=True)
                path.write_text(self._text())
            elif move == "edit":
                self.rng.choice(files).write_text(self._text())
            elif move == "delete":
                self.rng.choice(files).unlink()
            else:
                self.rng.choice(files).rename(self.docs / f"moved-{self.rng.randrange(10**9)}.md")

    def _text(self) -> str:
        return "\n\n".join(f"# Part {n}\n\n{self.rng.random()} words " * 5 for n in range(self.rng.randrange(1, 6)))

    def sync_killed(self, within_s: float) -> bool:
        """Kill a sync after a random while; True if it was still alive."""
        process = self.knowhub("sync", "--json")
        try:
            process.wait(self.rng.uniform(0, within_s))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return True
        process.communicate()
        return False

    def expected(self) -> dict[str, str]:
        files = (path for path in self.docs.rglob("*") if path.is_file())
        return {path.relative_to(self.docs).as_posix(): path.read_text() for path in files}

    def exported(self) -> list[tuple[str, str]]:
        self.done("export", "all.jsonl", "--json")
        rows = [json.loads(line) for line in (self.folder / "all.jsonl").read_text().splitlines()]
        return [(row["url"].partition("/docs/")[2], row["text"]) for row in rows]

    def indexed(self) -> dict[str, list[str]]:
        """What the index itself holds, by document."""
        adapters = Laptop(load(self.folder / "knowhub.toml"))
        with App(adapters) as app:
            viewer: Viewer = app.me()
            ids = sorted(adapters.index.contents(NAME))
            return {id: [hit.chunk.text for hit in adapters.index.read(DocumentId(id), viewer=viewer)] for id in ids}

    def prove(self) -> None:
        self.done("sync")
        assert sorted(self.exported()) == sorted(self.expected().items())
        assert '"holes": []' in self.done("status", "--verify", "--json")


def torment(folder: Path, *, kills: int, seed: int) -> None:
    hub = KilledHub(folder, random.Random(seed))
    died = 0
    while died < kills:
        hub.change()
        for _ in range(hub.rng.randrange(1, 4)):
            died += hub.sync_killed(within_s=2.5)
        hub.prove()
        if died % 5 == 0:
            grown = hub.indexed()
            hub.done("reindex")
            assert hub.indexed() == grown
    grown = hub.indexed()
    hub.done("reindex")
    assert hub.indexed() == grown
    hub.prove()


def test_three_kills(tmp_path: Path) -> None:
    torment(tmp_path, kills=3, seed=1)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_hundred_kills(tmp_path: Path, seed: int) -> None:
    torment(tmp_path, kills=25, seed=seed)
