"""The benchmarks that are programs of their own: run by their command lines, and their JSON as rows."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from bench.hub import ROOT
from bench.process import run
from bench.rows import Found, Row, Setting, at_least, at_most, given

HERE = Path(__file__).parent
COLD_S = 0.25
MTRAG = {"mtrag-fiqa": "queries_rewrite.jsonl", "mtrag-clapnq": "queries_rewrite.jsonl"}


def embedding(setting: Setting) -> Found:
    arguments = ["--models", str(setting.models), "--peer-model", str(setting.peer_model)]
    found = _script(
        "embedding.py", setting, [*arguments, "--rounds", str(setting.rounds), "--scale", str(setting.scale)]
    )
    rows = []
    for load, figures in found["loads"].items():
        speeds = {"ours": figures["tokens_per_s"]["native"], **figures["peer_tokens_per_s"]}
        shown = ", ".join(f"{name} {speed:,.0f}" for name, speed in speeds.items())
        peak = f"; {figures['share_of_peak']['native']:.0%} of the machine's peak"
        for precision, target in (("f32", 6.0), ("bf16", 2.0)):
            ratio, by_cpu = figures["ratio"][precision], figures["cpu_ratio"][precision]
            what = f"embedding, {load} tokens: sentence-transformers {precision}"
            if load == "mixed":
                rows.append(at_least(what, ratio, target, note=f" ({by_cpu:.3g}x by CPU{peak})"))
            else:
                rows.append(given(what, f"{ratio:.3g}x ({by_cpu:.3g}x by CPU{peak})"))
        rows.append(given(f"embedding, {load} tokens: tokens/s", shown))
    return Found([*rows, *_cold(found["cold_start"])], found)


def _cold(found: dict[str, dict[str, float]]) -> list[Row]:
    ours, theirs = found["knowhub"], found["sentence-transformers"]
    best = f" (best {ours['best_s']:.2g} s, CPU {ours['cpu_s']:.2g} s)"
    share = ours["median_s"] / theirs["median_s"]
    return [
        at_most("cold start, import to first query vector", ours["median_s"], COLD_S, unit=" s", note=best),
        at_most("cold start, of sentence-transformers'", share, 0.1, note=f" ({theirs['median_s']:.2g} s)"),
    ]


def chunking(setting: Setting) -> Found:
    folder = [str(setting.documents)] if setting.documents else []
    found = _script("chunking.py", setting, [*folder, "--json"])
    return Found(
        [
            at_least("chunking Markdown: LangChain's header splitter", found["markdown: chunking, times LangChain"], 3),
            given("chunking Markdown", f"{found['markdown: chunking MB/s']:.0f} MB/s of CPU time"),
            at_least("chunking code, of tree-sitter's parse", 100 * found[_CODE], 80, unit="%"),
        ],
        found,
    )


_CODE = "code: chunking, share of tree-sitter's speed"


def index(setting: Setting) -> Found:
    chunks = max(2000, round(100_000 * setting.scale))
    found = _script("index.py", setting, ["--chunks", str(chunks), "--folder", str(setting.work), "--json"])
    rows = []
    for share, times in found["times_faster"].items():
        ours, theirs = found["knowhub"][share], found["chroma"][share]
        latency, other = (f"p50 {side['p50_ms']:.3g} ms, p99 {side['p99_ms']:.3g} ms" for side in (ours, theirs))
        shown = f" ({latency}; Chroma {other})"
        what = f"hybrid search, {chunks:,} chunks, {share} admitted"
        rows.append(at_least(f"{what}: Chroma's vectors", times, 3, note=shown))
        rows.append(at_least(f"{what}: recall@10", ours["recall_at_10"], 0.95, unit=""))
    return Found(rows, found)


def retrieval(setting: Setting) -> Found:
    """Skipped where the datasets are not at hand: they are other people's and not part of the project."""
    if setting.retrieval is None:
        return Found([given("retrieval quality", "not measured: name a folder with --retrieval")])
    rows, found = [], {}
    scifact = _evaluate(setting, "scifact")
    if scifact:
        found["scifact"] = scifact
        rows.append(at_least("SciFact, hybrid nDCG@10", scifact["hybrid"]["ndcg_at_10"], 0.70, unit=""))
        vectors = scifact["vector"]["ndcg_at_10"]
        rows.append(Row("SciFact, vectors nDCG@10", ".645 ± .01", f"{vectors:.3f}", abs(vectors - 0.645) <= 0.01))
    for name, queries in MTRAG.items():
        modes = _evaluate(setting, name, queries)
        if modes:
            found[name] = modes
            hybrid, words = modes["hybrid"]["ndcg_at_10"], modes["lexical"]["ndcg_at_10"]
            note = f" ({hybrid:.3f} and {words:.3f})"
            rows.append(
                at_least(f"{name} (rewrite), hybrid nDCG@10 above BM25's", hybrid - words, 0.08, unit="", note=note)
            )
    return Found(rows, found)


def _evaluate(setting: Setting, name: str, queries: str = "") -> dict[str, Any] | None:
    assert setting.retrieval is not None
    folder = setting.retrieval / name
    if not folder.is_dir():
        return None
    chosen = ["--queries", str(folder / queries)] if queries else []
    command = [str(Path(sys.executable).with_name("knowhub")), "eval", str(folder), *chosen, "--json"]
    environment = {**os.environ, "KNOWHUB_EMBEDDING__MODELS": str(setting.models)}
    place = setting.work / "retrieval"
    place.mkdir(exist_ok=True)
    modes: dict[str, Any] = json.loads(run(command, folder=place, environment=environment).output)["modes"]
    return modes


def _script(name: str, setting: Setting, arguments: list[str]) -> dict[str, Any]:
    """A program of this folder with the peers' interpreter; the last line of its output is JSON, or all of it."""
    command = [sys.executable, str(HERE / name), *arguments, "--peer-python", setting.peer_python]
    output = run(command, environment={**os.environ, "PYTHONPATH": str(ROOT)}).output
    text = output if output.lstrip().startswith("{") else output.strip().splitlines()[-1]
    found: dict[str, Any] = json.loads(text)
    return found
