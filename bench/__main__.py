"""Every benchmark in one run, as one table: python -m bench [NAME…] --peer-python PATH [--json OUT]

NAME is any of the benchmarks below; without one, all run, one after the other. Figures are ratios wherever there is
somebody to compare with, since machines differ. Everything measured goes to `bench/results/`, with the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import answering, channel, memory, published_model, query, scripts, startup, sync
from bench.rows import Found, Row, Setting

RESULTS = Path(__file__).parent / "results"
BENCHMARKS: Mapping[str, Callable[[Setting], Found]] = {
    "startup": startup.measure,
    "embedding": scripts.embedding,
    "chunking": scripts.chunking,
    "index": scripts.index,
    "sync": sync.measure,
    "memory": memory.measure,
    "channel": channel.measure,
    "retrieval": scripts.retrieval,
    "conversation": answering.conversation,
    "answers": answering.answers,
    "verification": answering.verification,
    "query": query.measure,
}


def main() -> None:
    arguments = _arguments()
    rows: list[Row] = []
    figures: dict[str, Any] = {"machine": _machine(), "scale": arguments.scale}
    with tempfile.TemporaryDirectory(prefix="knowhub-bench-", dir=arguments.work) as work:
        setting = _setting(arguments, Path(work))
        for name in arguments.names or BENCHMARKS:
            figures[name] = _measure(name, setting, rows)
            _store(arguments.json, rows, figures)
    _print(rows, arguments.scale)
    sys.exit(any(row.met is False for row in rows) and arguments.strict)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *BENCHMARKS], help=", ".join(BENCHMARKS))
    parser.add_argument("--peer-python", required=True, help="an interpreter with bench/requirements.txt")
    parser.add_argument("--json", type=Path, help="where the figures go besides bench/results/")
    parser.add_argument("--models", type=Path, default=Path("~/.cache/knowhub/models").expanduser())
    parser.add_argument("--documents", type=Path, help="Markdown to sync, instead of generated pages")
    parser.add_argument(
        "--retrieval", type=Path, default=_shared_data(), help="BEIR-style folders; `answers` beside it"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="below 1: fewer documents and chunks, to try things")
    parser.add_argument("--whole", action="store_true", help="peers sync all 5,000 too: half an hour more")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="where hubs and documents are built and removed again")
    parser.add_argument("--strict", action="store_true", help="fail if a target is not met")
    return parser.parse_args()


def _shared_data() -> Path:
    beside = Path(__file__).parents[2] / "shared" / "data"
    return Path(os.environ.get("KNOWHUB_SHARED_DATA", beside)) / "retrieval"


def _setting(arguments: argparse.Namespace, work: Path) -> Setting:
    peer_model = published_model.write(arguments.models, work / "model")
    published_model.cosine(arguments.models, peer_model, arguments.peer_python)
    return Setting(
        str(Path(arguments.peer_python).absolute()),
        arguments.models,
        peer_model,
        work,
        documents=arguments.documents,
        retrieval=arguments.retrieval if arguments.retrieval.is_dir() else None,
        scale=arguments.scale,
        rounds=arguments.rounds,
        whole=arguments.whole,
    )


def _measure(name: str, setting: Setting, rows: list[Row]) -> Mapping[str, Any]:
    """One benchmark that fails leaves its reason in the table, and the others run."""
    start = time.perf_counter()
    print(f"{name} …", file=sys.stderr, flush=True)
    try:
        found = BENCHMARKS[name](setting)
    except Exception as error:  # noqa: BLE001  # hours of other figures must not be lost with it
        traceback.print_exc()
        found = Found([Row(name, "", f"failed: {str(error)[:300]}", met=False)])
    rows += found.rows
    shutil.rmtree(setting.work / name, ignore_errors=True)
    return {"took_s": time.perf_counter() - start, "load": os.getloadavg(), **found.figures}


def _machine() -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"system": platform.platform(), "python": platform.python_version(), "cores": cores}


def _store(out: Path | None, rows: Sequence[Row], figures: Mapping[str, Any]) -> None:
    """After every benchmark: a run that is stopped keeps what it has."""
    text = json.dumps({"rows": [asdict(row) for row in rows], **figures}, indent=1)
    RESULTS.mkdir(exist_ok=True)
    for path in (RESULTS / "latest.json", *([out] if out else [])):
        path.write_text(text, encoding="utf-8")


def _print(rows: Sequence[Row], scale: float) -> None:
    caption = f"at {scale:g} of the size: this shows that it runs, not how fast" if scale < 1 else None
    table = Table("what", "reach", "measured", "met", caption=caption)
    marks = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    for row in rows:
        table.add_row(row.what, row.target, row.figure, marks[row.met])
    console = Console()
    console = console if console.is_terminal else Console(width=200)
    console.print(table)


if __name__ == "__main__":
    main()
