"""A first sync of a Slack channel: `knowhub fetch`, with lake and ledger, against a bare loop over the same pages."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from bench.hub import ROOT
from bench.process import Spent, median, run
from bench.rows import Found, Row, Setting, at_least, at_most

COUNTS = (10_000, 100_000)
SHARE = 0.5
GROWTH = 1.2


def measure(setting: Setting) -> Found:
    few, many = (max(2_000, round(count * setting.scale)) for count in COUNTS)
    small, _ = _first_sync(setting, few, 1)
    ours, bare = _first_sync(setting, many, setting.rounds)
    share = bare.wall_s / ours.wall_s
    note = (
        f" ({many / ours.wall_s:,.0f} of {many / bare.wall_s:,.0f} messages/s, {bare.cpu_s / ours.cpu_s:.2g}x by CPU)"
    )
    what = f"first sync of {many:,} messages against a bare loop"
    memory = f" ({small.peak_mib:.0f} MiB to {ours.peak_mib:.0f} MiB)"
    rows: list[Row] = [
        at_least(what, share, SHARE, note=note),
        at_most(
            f"memory, {many:,} messages against {few:,}", ours.peak_mib / small.peak_mib, GROWTH, unit="x", note=memory
        ),
    ]
    figures = {name: asdict(spent) for name, spent in (("ours", ours), ("bare", bare), ("ours, few", small))}
    return Found(rows, figures)


def _first_sync(setting: Setting, count: int, rounds: int) -> tuple[Spent, Spent]:
    """What a fetch and a bare loop spend on a channel of `count` messages, each the median of some rounds."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SLACK_TOKEN": "xoxb-bench"}
    ours, bare = [], []
    with _served(count) as address:
        for number in range(rounds):
            hub = setting.work / "channel" / f"{count}-{number}"
            hub.mkdir(parents=True)
            source = f'[sources.chat]\ntype = "slack"\ntoken = "env:SLACK_TOKEN"\nbase_url = "{address}"\n'
            (hub / "knowhub.toml").write_text(source)
            bare.append(run([sys.executable, "-m", "bench.slack_channel", "read", address], environment=environment))
            assert int(bare[-1].output) == count
            command = [str(Path(sys.executable).with_name("knowhub")), "fetch", "chat", "--json"]
            ours.append(run(command, folder=hub, environment=environment))
    return median(ours), median(bare)


@contextmanager
def _served(count: int) -> Iterator[str]:
    command = [sys.executable, "-m", "bench.slack_channel", "serve", str(count)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.terminate()
