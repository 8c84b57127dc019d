"""Runs a command and says what it cost: wall clock and CPU of all its processes, and their memory at its highest."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

_SAMPLE_S = 0.02
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds of wall clock and of CPU, and the highest sum of resident memory (MiB) of a process with its children."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str = ""


class CommandFailed(Exception):
    """A measured command ended with an error; what it wrote is the message."""


def run(command: Sequence[str], *, folder: Path | None = None, environment: Mapping[str, str] | None = None) -> Spent:
    """Run `command` to its end. Raises CommandFailed with the end of its standard error."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=out, stderr=err)
        memory = _Memory(process.pid)
        code = process.wait()
        wall_s, peak_mib = perf_counter() - start, memory.stop()
        out.seek(0)
        err.seek(0)
        if code:
            raise CommandFailed(f"{' '.join(command)[:200]}: exit {code}: {err.read()[-2000:]} {out.read()[-500:]}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return Spent(wall_s, cpu_s, peak_mib, out.read())


def median(runs: Sequence[Spent]) -> Spent:
    """Of each figure by itself; memory's highest."""
    return Spent(
        statistics.median(run.wall_s for run in runs),
        statistics.median(run.cpu_s for run in runs),
        max(run.peak_mib for run in runs),
        runs[-1].output,
    )


class _Memory:
    """Looks at a process and its descendants while they run; 0 where there is no /proc to look at."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._peak_bytes = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        self._done.set()
        self._thread.join()
        return self._peak_bytes / 2**20

    def _watch(self) -> None:
        while not self._done.wait(_SAMPLE_S):
            self._peak_bytes = max(self._peak_bytes, sum(map(_resident, _family(self._pid))))


def _family(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            found += [int(child) for child in _read(task).split()]
    return found


def _resident(pid: int) -> int:
    fields = _read(Path(f"/proc/{pid}/statm")).split()
    return int(fields[1]) * _PAGE if fields else 0


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # it ended meanwhile
        return ""
