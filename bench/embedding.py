"""Embedding throughput and cold start against sentence-transformers, side by side in one run.

    python bench/embedding.py --peer-python PYTHON --models DIRECTORY --peer-model FOLDER [--rounds N]

PYTHON is an interpreter with sentence-transformers, FOLDER the published folder of all-MiniLM-L6-v2. Each contestant
is a process of its own that waits while another works; rounds alternate, and the median counts. The peer runs two
ways (one process on all cores; one single-threaded process a core, in two batch sizes), and its best one counts.
Prints a table, and the same as JSON on the last line.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LAYERS, HIDDEN, WIDE = 6, 384, 1536
CORES = 2
QUESTION = "How many days of vacation do I get?"


# ── what is embedded ─────────────────────────────────────────────────────────────────────────────────


def workloads(vocabulary: list[str], scale: float) -> dict[str, list[str]]:
    """Texts of exactly so many tokens: whole words of the vocabulary, and two special tokens."""
    rng = random.Random(20)

    def text(tokens: int) -> str:
        return " ".join(rng.choices(vocabulary, k=tokens - 2))

    return {
        "32": [text(32) for _ in range(int(1024 * scale))],
        "128": [text(128) for _ in range(int(256 * scale))],
        "256": [text(256) for _ in range(int(128 * scale))],
        "mixed": [text(rng.randint(16, 256)) for _ in range(int(256 * scale))],
    }


def whole_words(tokenizer: Path) -> list[str]:
    vocabulary = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"]
    return sorted(word for word in vocabulary if word.isascii() and word.isalpha() and len(word) > 2)


def flops(tokens: int) -> float:
    """Of the matrix products for one text: projections and feed-forward, then scores and mixing."""
    dense = 2 * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * WIDE)
    return float(LAYERS * tokens * (dense + 4 * tokens * HIDDEN))


# ── contestants, each in its own process ─────────────────────────────────────────────────────────────


def serve(embed: Callable[[list[str]], object]) -> None:
    """A line of JSON texts in, a line with wall and CPU seconds out."""
    for line in sys.stdin:
        texts = json.loads(line)
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        embed(texts)
        print(json.dumps([time.perf_counter() - wall_s, time.process_time() - cpu_s]), flush=True)


def serve_ours(models: Path, precision: str) -> None:
    from knowhub.embedding.minilm import MiniLm
    from knowhub.embedding.openvino import OpenVinoEmbedder

    narrow = None if precision == "native" else "f32"
    embedder = OpenVinoEmbedder(MiniLm(models), models, precision="f32" if narrow else None)
    serve(lambda texts: embedder.embed(texts, purpose="document"))


def serve_peer(folder: str, precision: str, threads: int, batch_size: int) -> None:
    import torch  # type: ignore[import-not-found]  # lives in the peer's environment only
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]

    torch.set_num_threads(threads)
    model = SentenceTransformer(folder, device="cpu")
    if precision == "bf16":
        model = model.to(torch.bfloat16)
    serve(lambda texts: model.encode(texts, batch_size=batch_size, normalize_embeddings=True))


class Contestant:
    """One or more processes that share each workload evenly."""

    def __init__(self, commands: list[list[str]]) -> None:
        pipe, silence = subprocess.PIPE, subprocess.DEVNULL
        self.processes = [
            subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=silence, text=True) for command in commands
        ]

    def run(self, texts: list[str]) -> tuple[float, float]:
        """Wall seconds until the last is done, CPU seconds of all."""
        share = len(self.processes)
        start = time.perf_counter()
        for number, process in enumerate(self.processes):
            assert process.stdin is not None
            process.stdin.write(json.dumps(texts[number::share]) + "\n")
            process.stdin.flush()
        answers = [json.loads(process.stdout.readline()) for process in self.processes if process.stdout]
        return time.perf_counter() - start, sum(cpu_s for _, cpu_s in answers)

    def close(self) -> None:
        for process in self.processes:
            process.communicate()


def contestants(arguments: argparse.Namespace) -> dict[str, list[list[str]]]:
    here, models, folder = str(Path(__file__)), str(arguments.models), str(arguments.peer_model)
    ours = [sys.executable, here, "--serve", "ours", "--models", models]
    peer = [arguments.peer_python, here, "--serve", "peer", "--peer-model", folder]
    found = {f"knowhub {precision}": [[*ours, "--precision", precision]] for precision in ("native", "f32")}
    for precision in ("f32", "bf16"):
        way = [*peer, "--precision", precision, "--batch-size"]
        found[f"sentence-transformers {precision} 1x{CORES} batch 32"] = [[*way, "32", "--threads", str(CORES)]]
        for size in ("8", "32"):
            alone = [*way, size, "--threads", "1"]
            found[f"sentence-transformers {precision} {CORES}x1 batch {size}"] = [alone] * CORES
    return found


# ── the machine ──────────────────────────────────────────────────────────────────────────────────────


def peak_flops(precision: str) -> float:
    """The best that a big matrix product reaches on one core, times the cores; multiply and add counted apart.

    One core, because on a busy machine two are hardly ever both free for a whole product.
    """
    import numpy as np

    from knowhub.embedding.runtime import constant, load_runtime

    ov = load_runtime()
    rows, width, products = 1024, 768, 8
    left = ov.opset13.parameter([rows, width], np.float32)
    rng = np.random.default_rng(0)
    state = left
    for _ in range(products):  # several, so that conversion of the first input does not count for much
        right = constant((rng.standard_normal((width, width)) / width**0.5).astype(np.float32))
        state = ov.opset13.matmul(state, right, False, True)
    model = ov.Model([ov.opset13.result(state)], [left], "matmul")
    config = {"INFERENCE_PRECISION_HINT": precision, "NUM_STREAMS": 1, "INFERENCE_NUM_THREADS": 1}
    request = ov.Core().compile_model(model, "CPU", config).create_infer_request()
    data = np.ones((rows, width), np.float32)
    seconds = []
    for _ in range(40):
        start = time.perf_counter()
        request.infer([data], share_inputs=True)
        seconds.append(time.perf_counter() - start)
    return CORES * 2.0 * products * rows * width * width / min(seconds)


OURS_COLD = """
import time; start = time.perf_counter()
from pathlib import Path
from knowhub.embedding.minilm import MiniLm
from knowhub.embedding.openvino import OpenVinoEmbedder
folder = Path({folder!r})
OpenVinoEmbedder(MiniLm(folder), folder).embed([{question!r}], purpose="query")
print(time.perf_counter() - start, time.process_time())
"""
PEER_COLD = """
import time; start = time.perf_counter()
from sentence_transformers import SentenceTransformer
SentenceTransformer({folder!r}, device="cpu").encode([{question!r}])
print(time.perf_counter() - start, time.process_time())
"""


def cold_starts(arguments: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Seconds from the first import to the first query vector, in fresh processes that take turns."""
    scripts = {
        "knowhub": (sys.executable, OURS_COLD.format(folder=str(arguments.models), question=QUESTION)),
        "sentence-transformers": (
            arguments.peer_python,
            PEER_COLD.format(folder=str(arguments.peer_model), question=QUESTION),
        ),
    }
    taken: dict[str, list[list[float]]] = {name: [] for name in scripts}
    for _ in range(arguments.rounds + 1):
        for name, (python, script) in scripts.items():
            done = subprocess.run([python, "-c", script], capture_output=True, text=True, check=True)
            taken[name].append([float(value) for value in done.stdout.split()])
    return {
        name: {
            "median_s": statistics.median(wall_s for wall_s, _ in runs[1:]),
            "best_s": min(wall_s for wall_s, _ in runs[1:]),
            "cpu_s": statistics.median(cpu_s for _, cpu_s in runs[1:]),
        }
        for name, runs in taken.items()
    }


# ── the comparison ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens per second of wall clock and per second of CPU, medians over the rounds."""

    wall: float
    cpu: float


def measure(arguments: argparse.Namespace, texts: dict[str, list[str]]) -> dict[str, dict[str, Speed]]:
    running = {name: Contestant(commands) for name, commands in contestants(arguments).items()}
    runs: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for turn in range(arguments.rounds + 1):
        for load, batch in texts.items():
            for name, contestant in running.items():
                taken = contestant.run(batch)
                if turn:  # the first one warms up
                    runs.setdefault((name, load), []).append(taken)
    for contestant in running.values():
        contestant.close()
    return {name: {load: _speed(runs[name, load], texts[load]) for load in texts} for name in running}


def _speed(runs: list[tuple[float, float]], texts: list[str]) -> Speed:
    tokens = sum(map(_tokens, texts))
    walls, cpus = zip(*runs, strict=True)
    return Speed(tokens / statistics.median(walls), tokens / statistics.median(cpus))


def _tokens(text: str) -> int:
    return text.count(" ") + 3


def best(speeds: dict[str, dict[str, Speed]], start: str, load: str) -> Speed:
    return max((loads[load] for name, loads in speeds.items() if name.startswith(start)), key=lambda speed: speed.wall)


def report(arguments: argparse.Namespace) -> dict[str, Any]:
    texts = workloads(whole_words(arguments.models / "tokenizer.json"), arguments.scale)
    peak = {"native": peak_flops("bf16"), "f32": peak_flops("f32")}
    speeds = measure(arguments, texts)
    found: dict[str, Any] = {"peak_gflops": {name: value / 1e9 for name, value in peak.items()}, "loads": {}}
    for load, batch in texts.items():
        ours = {name: speeds[f"knowhub {name}"][load] for name in peak}
        peer = {name: best(speeds, f"sentence-transformers {name}", load) for name in ("f32", "bf16")}
        work = sum(flops(_tokens(text)) for text in batch) / sum(map(_tokens, batch))
        found["loads"][load] = {
            "tokens_per_s": {name: speed.wall for name, speed in ours.items()},
            "peer_tokens_per_s": {name: speed.wall for name, speed in peer.items()},
            "ratio": {name: ours["native"].wall / speed.wall for name, speed in peer.items()},
            "cpu_ratio": {name: ours["native"].cpu / speed.cpu for name, speed in peer.items()},
            "share_of_peak": {name: ours[name].wall * work / peak[name] for name in peak},
        }
    found["all"] = {name: {load: round(s.wall) for load, s in loads.items()} for name, loads in speeds.items()}
    found["cold_start"] = cold_starts(arguments)
    return found


def show(found: dict[str, Any]) -> None:
    print("tokens a second      ours   ours f32    st f32   st bf16 | x f32  x bf16 (by CPU) | share of peak")
    for load, row in found["loads"].items():
        ours, peer, ratio, cpu = row["tokens_per_s"], row["peer_tokens_per_s"], row["ratio"], row["cpu_ratio"]
        print(
            f"{load:>12} {ours['native']:12,.0f} {ours['f32']:10,.0f} {peer['f32']:9,.0f} {peer['bf16']:9,.0f}"
            f" | {ratio['f32']:5.1f} {ratio['bf16']:6.1f} ({cpu['f32']:.1f}, {cpu['bf16']:.1f})"
            f" | {row['share_of_peak']['native']:.0%}, f32 {row['share_of_peak']['f32']:.0%}"
        )
    for name, cold in found["cold_start"].items():
        print(f"cold start {name}: {cold['median_s']:.2f} s (best {cold['best_s']:.2f}, CPU {cold['cpu_s']:.2f})")
    print(json.dumps(found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer-python")
    parser.add_argument("--models", type=Path, help="where our model files lie or are put")
    parser.add_argument("--peer-model", help="the published model folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0, help="1.0 is about a second a workload for the slowest")
    parser.add_argument("--serve", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--precision", help=argparse.SUPPRESS)
    parser.add_argument("--threads", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--batch-size", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve == "ours":
        serve_ours(arguments.models, arguments.precision)
    elif arguments.serve == "peer":
        serve_peer(arguments.peer_model, arguments.precision, arguments.threads, arguments.batch_size)
    else:
        show(report(arguments))


if __name__ == "__main__":
    main()
