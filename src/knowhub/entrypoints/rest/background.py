"""What runs beside the server on one machine: syncs on their schedule, memberships, and forgetting what is old.

One thread, one piece of work at a time. Each sync is a process of its own: it cannot slow down an answer with its
Python, nor take the server down with it; a sync that is killed repeats work and loses none.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Protocol

from knowhub.core.errors import KnowhubError, NotFound
from knowhub.core.ports import Run
from knowhub.core.types import SourceName
from knowhub.entrypoints.rest.problems import trace
from knowhub.pipelines.schedule import Schedule, Standing, due, due_at, wait
from knowhub.wiring.settings import Settings

log = logging.getLogger(__name__)

_LOOK_EVERY = timedelta(seconds=20)
_RECORDS_EVERY = timedelta(hours=6)
_RUNS = 10
_ENDING_S = 10.0
NEVER = datetime.min.replace(tzinfo=UTC)


class Worked(Protocol):
    """What the work is done with; `wiring.app.App` has it."""

    @property
    def settings(self) -> Settings: ...

    def runs(self, names: Sequence[str] = (), *, limit: int = 100) -> list[Run]: ...

    def paused(self, name: SourceName) -> bool: ...

    def read_directories(self, names: Sequence[str] = ()) -> object: ...

    def sweep_records(self) -> None: ...


class Runner(Protocol):
    """Syncs one source, and returns when it is done."""

    def __call__(self, source: SourceName) -> None: ...

    def stop(self) -> None:
        """From another thread: end what runs, and begin nothing more."""
        ...


@dataclass(slots=True)
class _Chore:
    """Something that comes round, besides syncs."""

    name: str
    every: timedelta
    work: Callable[[], object]
    next_at: datetime = NEVER


class Scheduler:
    """Does what is due, and says when what is not will be. `scheduled` False: only what is asked for."""

    def __init__(
        self,
        hub: Worked,
        run: Runner,
        *,
        scheduled: bool = True,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        settings = hub.settings
        self._hub = hub
        self._run = run
        self._clock = clock
        self._scheduled = scheduled
        self._names = [SourceName(name) for name in settings.sources]
        self._schedule = Schedule(
            timedelta(minutes=settings.schedule.every_minutes),
            {SourceName(name): timedelta(minutes=each) for name, each in settings.schedule.sources.items()},
        )
        self._asked: dict[SourceName, datetime] = {}
        self._tried: dict[SourceName, datetime] = {}
        self._lock = threading.Lock()
        self._wake, self._ending = threading.Event(), threading.Event()
        self._directories = _Chore(
            "memberships", timedelta(hours=settings.access.memberships_hours), hub.read_directories
        )
        self._chores = [self._directories, _Chore("old records", _RECORDS_EVERY, hub.sweep_records)]
        self._thread = threading.Thread(target=self._work, name="schedule", daemon=True)

    # ── asked for ────────────────────────────────────────────────────────────────────────────────────

    def sync(self, source: SourceName) -> None:
        if source not in self._names:
            raise NotFound(f"there is no source {source}", cure=f"Configured: {', '.join(self._names) or 'none'}.")
        with self._lock:
            self._asked.setdefault(source, self._clock())
        self._wake.set()

    def read_directories(self) -> None:
        self._directories.next_at = NEVER
        self._wake.set()

    def next_sync_at(self, source: SourceName) -> datetime | None:
        """None while it is paused, or not configured. What is due already is due now."""
        at = due_at(self._standing(source), self._schedule) if source in self._names else None
        return None if at is None else max(at, self._clock())

    # ── the thread ───────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End what runs, and return when it has ended."""
        self._ending.set()
        self._wake.set()
        self._run.stop()
        self._thread.join(_ENDING_S)

    def _work(self) -> None:
        while not self._ending.is_set():
            self._wake.clear()
            self.work_once()
            self._wake.wait(self._idle().total_seconds())

    def work_once(self) -> None:
        """All that is due now."""
        for chore in self._chores:
            if chore.next_at <= self._clock() and not self._ending.is_set():
                self._guarded(chore.name, chore.work)
                chore.next_at = self._clock() + chore.every
        for source in due(self._standings(), self._schedule, self._clock()):
            if self._ending.is_set():
                return
            with self._lock:
                self._asked.pop(source, None)
            self._guarded(f"sync of {source}", partial(self._run, source))
            self._tried[source] = self._clock()

    def _guarded(self, name: str, work: Callable[[], object]) -> None:
        try:
            work()
        except KnowhubError as error:
            log.warning("background work failed", extra={"work": name, "error": str(error)})
        except Exception as error:  # noqa: BLE001  # one fault must not end all that comes after it
            log.error("background work failed", extra={"work": name, "trace": trace(error)})

    def _idle(self) -> timedelta:
        try:
            return wait(self._standings(), self._schedule, self._clock(), longest=_LOOK_EVERY)
        except KnowhubError:
            return _LOOK_EVERY

    def _standings(self) -> list[Standing]:
        return [self._standing(name) for name in self._names]

    def _standing(self, source: SourceName) -> Standing:
        return Standing(
            source,
            self._hub.runs([source], limit=_RUNS),
            self._hub.paused(source) or not self._scheduled,
            self._asked.get(source),
            self._tried.get(source),
        )


class SyncProcess:
    """`knowhub sync NAME` as a process of its own. It writes its run, and why it failed, into the ledger."""

    def __init__(self, configuration: Path) -> None:
        self._command = [sys.executable, "-m", "knowhub.entrypoints.cli.main", "--config", str(configuration), "sync"]
        self._running: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._stopped = False

    def __call__(self, source: SourceName) -> None:
        with self._lock:
            if self._stopped:
                return
            self._running = subprocess.Popen(
                [*self._command, source, "--json"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        code = self._running.wait()
        log.info("sync process ended", extra={"source": source, "code": code})

    def stop(self) -> None:
        with self._lock:
            self._stopped = True
            if self._running and self._running.poll() is None:
                self._running.terminate()
