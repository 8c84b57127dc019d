"""`POST /api/query` without a language model, beside the same answers made in process: python -m bench.query

Both answer the demo company's questions, with nothing remembered, in processes of their own: `knowhub serve`, and a
program that calls `App.ask` from as many threads as there are cores. They take turns, so that a machine that slows
down slows down both. The clients' own work is counted against the server.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.hub import ROOT
from bench.process import run
from bench.rows import Found, Row, Setting, at_most, given

CLIENTS = (1, 8, 64)
OVERHEAD = 25.0
SECONDS = 10.0
_TICK = os.sysconf("SC_CLK_TCK")
_SERVER = "requests_per_minute = 10000000\ncache_entries = 0\nport = 0\n"


@dataclass(slots=True)
class Taken:
    """One stretch of answering: how long each took, and what all of it cost the answering process."""

    latencies_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    cpu_s: float = 0.0
    statuses: Counter[int] = field(default_factory=Counter)

    def add(self, other: Taken) -> None:
        self.latencies_s += other.latencies_s
        self.wall_s += other.wall_s
        self.cpu_s += other.cpu_s
        self.statuses += other.statuses

    @property
    def per_s(self) -> float:
        return len(self.latencies_s) / self.wall_s

    @property
    def cpu_ms(self) -> float:
        return 1000 * self.cpu_s / len(self.latencies_s)

    def quantile_ms(self, share: float) -> float:
        ranked = sorted(self.latencies_s)
        return 1000 * ranked[min(len(ranked) - 1, int(share * len(ranked)))]

    def figures(self) -> dict[str, Any]:
        return {
            "answers": len(self.latencies_s),
            "per_s": self.per_s,
            "p50_ms": self.quantile_ms(0.5),
            "p99_ms": self.quantile_ms(0.99),
            "cpu_ms": self.cpu_ms,
            "statuses": {str(status): count for status, count in self.statuses.items()},
        }


def measure(setting: Setting) -> Found:
    folder = setting.work / "query"
    hub = _hub(folder / "hub", setting.models, f"{_SERVER}waiting_queries = 64\n")
    seconds = max(1.0, SECONDS * setting.scale)
    with _inside(hub) as stretch, _served(hub) as server:
        _over_http(server, 2, 1.0)
        taken = _take_turns(server, stretch, seconds, setting.rounds)
    rows: list[Row] = []
    for clients, (ours, direct) in taken.items():
        rows += _rows(clients, ours, direct)
    full = _hub(folder / "full", setting.models, f"{_SERVER}waiting_queries = 8\n")
    with _served(full) as server:
        _over_http(server, 2, 1.0)
        beyond = _over_http(server, 64, seconds)
    rows += _beyond(beyond)
    figures = {str(clients): {"server": o.figures(), "in process": d.figures()} for clients, (o, d) in taken.items()}
    return Found(rows, {**figures, "64 clients, 8 may wait": _statuses(beyond)})


def _rows(clients: int, ours: Taken, direct: Taken) -> list[Row]:
    name = f"{clients} client{'s' if clients > 1 else ''}"
    slower = 100 * (direct.per_s / ours.per_s - 1)
    by_cpu = 100 * (ours.cpu_ms / direct.cpu_ms - 1)
    note = f" ({ours.per_s:.1f} to {direct.per_s:.1f} answers/s; CPU {by_cpu:+.0f}%)"
    times = (
        f"p50 {ours.quantile_ms(0.5):.0f} ms, p99 {ours.quantile_ms(0.99):.0f} ms "
        f"(in process {direct.quantile_ms(0.5):.0f} and {direct.quantile_ms(0.99):.0f} ms)"
    )
    errors = sum(count for status, count in ours.statuses.items() if status != 200)
    return [
        at_most(f"POST /api/query, {name}: what HTTP adds", slower, OVERHEAD, unit="%", note=note),
        given(f"POST /api/query, {name}: latency", times),
        at_most(f"POST /api/query, {name}: errors", errors, 0),
    ]


def _beyond(taken: Taken) -> list[Row]:
    other = sum(count for status, count in taken.statuses.items() if status not in (200, 429))
    shown = ", ".join(f"{count} × {status}" for status, count in sorted(taken.statuses.items()))
    return [
        at_most("64 clients where 8 may wait: neither 200 nor 429", other, 0, note=f" ({shown})"),
        given("64 clients where 8 may wait: latency of the answered", f"p99 {taken.quantile_ms(0.99):.0f} ms"),
    ]


def _statuses(taken: Taken) -> dict[str, int]:
    return {str(status): count for status, count in taken.statuses.items()}


# ── contestants ──────────────────────────────────────────────────────────────────────────────────────


def _hub(folder: Path, models: Path, server: str) -> Path:
    """A synced copy of the demo company; the path of its configuration."""
    hidden = shutil.ignore_patterns(".knowhub")
    shutil.copytree(ROOT / "examples" / "demo", folder, ignore=hidden)
    file = folder / "knowhub.toml"
    embedding = f"[embedding]\nmodels = {json.dumps(str(models))}\n"
    file.write_text(f"{file.read_text('utf-8')}\n[server]\n{server}\n{embedding}", "utf-8")
    run([str(Path(sys.executable).with_name("knowhub")), "--config", str(file), "sync", "--json"])
    return file


def questions() -> list[str]:
    found = tomllib.loads((ROOT / "examples" / "demo" / "questions.toml").read_text("utf-8"))
    return [question["text"] for question in found["question"]]


@dataclass(frozen=True, slots=True)
class Server:
    """A `knowhub serve` that answers."""

    host: str
    pid: int

    def cpu_s(self) -> float:
        """Of the process until now; Linux only."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK


@contextmanager
def _served(file: Path) -> Iterator[Server]:
    command = [str(Path(sys.executable).with_name("knowhub")), "--config", str(file), "serve", "--no-schedule"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        host = process.stdout.readline().strip().removeprefix("http://")
        try:
            yield Server(host, process.pid)
        finally:
            process.terminate()


def _ask(connection: http.client.HTTPConnection, question: str) -> int:
    body = json.dumps({"query": question})
    connection.request("POST", "/api/query", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    response.read()
    return response.status


@contextmanager
def _inside(file: Path) -> Iterator[Callable[[int, float], Taken]]:
    """Stretches of the program below, by number of clients and seconds."""
    command = [sys.executable, "-m", "bench.query", "--inside", str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def stretch(clients: int, seconds: float) -> Taken:
            assert process.stdin
            assert process.stdout
            process.stdin.write(f"{clients} {seconds}\n")
            process.stdin.flush()
            found = json.loads(process.stdout.readline())
            return Taken(found["latencies_s"], found["wall_s"], found["cpu_s"])

        yield stretch
        process.stdin.close()


def inside(file: Path) -> None:
    """In a process of its own: answer for so many clients and so many seconds, as told on standard input."""
    from knowhub.wiring.app import App
    from knowhub.wiring.laptop import Laptop
    from knowhub.wiring.settings import load

    turns = threading.Semaphore(_cores())
    with App(Laptop(load(file))) as app:
        viewer = app.me()
        app.ask("ready?", viewer=viewer)

        def answer(question: str) -> int:
            with turns:
                app.ask(question, viewer=viewer)
            return 200

        for line in sys.stdin:
            clients, seconds = line.split()
            before = time.process_time()
            taken = _crowd(int(clients), float(seconds), lambda: answer)
            taken.cpu_s = time.process_time() - before
            told = {"latencies_s": taken.latencies_s, "wall_s": taken.wall_s, "cpu_s": taken.cpu_s}
            print(json.dumps(told), flush=True)


# ── clients ──────────────────────────────────────────────────────────────────────────────────────────


def _take_turns(
    server: Server, stretch: Callable[[int, float], Taken], seconds: float, rounds: int
) -> dict[int, tuple[Taken, Taken]]:
    taken = {clients: (Taken(), Taken()) for clients in CLIENTS}
    for _ in range(rounds):
        for clients, (ours, direct) in taken.items():
            direct.add(stretch(clients, seconds))
            before = server.cpu_s()
            served = _over_http(server, clients, seconds)
            served.cpu_s = server.cpu_s() - before
            ours.add(served)
    return taken


def _over_http(server: Server, clients: int, seconds: float) -> Taken:
    def client() -> Callable[[str], int]:
        connection = http.client.HTTPConnection(server.host, timeout=300)
        return lambda question: _ask(connection, question)

    return _crowd(clients, seconds, client)


def _crowd(clients: int, seconds: float, client: Callable[[], Callable[[str], int]]) -> Taken:
    """So many threads, each asking one question after the other until the time is over."""
    asked, taken = questions(), Taken()
    until = time.perf_counter() + seconds

    def work(number: int) -> None:
        answer, turn = client(), number * 7
        while time.perf_counter() < until:
            began = time.perf_counter()
            status = answer(asked[turn % len(asked)])
            if status == 200:
                taken.latencies_s.append(time.perf_counter() - began)
            taken.statuses[status] += 1
            turn += 1

    began = time.perf_counter()
    threads = [threading.Thread(target=work, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken.wall_s = time.perf_counter() - began
    return taken


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.query", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("~/.cache/knowhub/models").expanduser())
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--inside", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments.inside)
        return
    with tempfile.TemporaryDirectory(prefix="knowhub-bench-") as work:
        setting = Setting("", arguments.models, Path(), Path(work), scale=arguments.scale, rounds=arguments.rounds)
        found = measure(setting)
    for row in found.rows:
        print(f"{row.what:60} {row.target:8} {row.figure} {'' if row.met is None else 'met' if row.met else 'NOT MET'}")
    print(json.dumps(found.figures))


if __name__ == "__main__":
    main()
