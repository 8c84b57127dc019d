"""A fresh hub over a folder of documents, and syncs of it as whole processes."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.process import Spent, run

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Hub:
    """A folder with a `knowhub.toml` of one source."""

    folder: Path

    @classmethod
    def over(cls, documents: Path, folder: Path, models: Path) -> Hub:
        folder.mkdir(parents=True)
        source = f'[sources.documents]\ntype = "files"\npath = {json.dumps(str(documents))}\n'
        (folder / "knowhub.toml").write_text(f"[embedding]\nmodels = {json.dumps(str(models))}\n\n{source}")
        return cls(folder)

    def sync(self) -> Spent:
        """`knowhub sync`, from the start of the process to its end."""
        return run([str(Path(sys.executable).with_name("knowhub")), "sync", "--json"], folder=self.folder)

    def observed_sync(self) -> dict[str, Any]:
        """The same, taken apart by `bench.observed`."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        found = run([sys.executable, "-m", "bench.observed"], folder=self.folder, environment=environment)
        taken: dict[str, Any] = json.loads(found.output.splitlines()[-1])
        return taken
