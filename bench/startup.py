"""What `knowhub --help` costs, in starts of a bare interpreter. Both take turns."""

from __future__ import annotations

import sys
from pathlib import Path

from bench.process import Spent, median, run
from bench.rows import Found, Setting, at_most

ROUNDS = 15
BARE_STARTS = 10


def measure(setting: Setting) -> Found:  # noqa: ARG001  # every benchmark is given one
    commands = {
        "bare": [sys.executable, "-c", "pass"],
        "help": [str(Path(sys.executable).with_name("knowhub")), "--help"],
    }
    runs: dict[str, list[Spent]] = {name: [] for name in commands}
    for turn in range(ROUNDS + 1):
        for name, command in commands.items():
            spent = run(command)
            if turn:  # the first one warms the file cache
                runs[name].append(spent)
    bare, help_ = median(runs["bare"]), median(runs["help"])
    note = f" ({1000 * help_.wall_s:.0f} ms to {1000 * bare.wall_s:.0f} ms; by CPU {help_.cpu_s / bare.cpu_s:.2g})"
    row = at_most(
        "knowhub --help, bare interpreter starts", help_.wall_s / bare.wall_s, BARE_STARTS, unit="x", note=note
    )
    return Found([row], {"bare_s": bare.wall_s, "help_s": help_.wall_s})
