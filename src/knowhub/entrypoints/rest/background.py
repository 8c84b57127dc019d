"""What runs beside the server on one machine: syncs on their schedule, memberships, and forgetting what is old.

Two threads: one syncs, a source at a time, the other does what must not wait for a sync that takes a day, as who
may read what would grow too old to grant anything. Each sync is a process of its own: it cannot slow down an answer
with its Python, nor take the server down with it; a sync that is killed repeats work and loses none.
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
_PATIENCE_S = 5.0
"""How long a sync may take to end when it is told to; then it is killed."""
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

    def is_due(self, now: datetime) -> bool:
        """Also where the clock was put back since: nothing waits longer than `every`."""
        return not now < self.next_at <= now + self.every


class _Loop:
    """A thread that does what is due, and again as long after as `once` says, or when it is woken."""

    def __init__(self, name: str, once: Callable[[], timedelta]) -> None:
        self._once = once
        self._wake, self._ending = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def end(self) -> None:
        self._ending.set()
        self._wake.set()

    @property
    def ending(self) -> bool:
        return self._ending.is_set()

    def join(self) -> bool:
        """Whether it has ended in time."""
        self._thread.join(_ENDING_S)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self.ending:
            self._wake.clear()
            self._wake.wait(self._once().total_seconds())


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
        self._syncing, self._minding = _Loop("syncs", self._sync_round), _Loop("chores", self._chore_round)
        self._directories = _Chore(
            "memberships", timedelta(hours=settings.access.memberships_hours), hub.read_directories
        )
        self._chores = [self._directories, _Chore("old records", _RECORDS_EVERY, hub.sweep_records)]

    # ── asked for ────────────────────────────────────────────────────────────────────────────────────

    def sync(self, source: SourceName) -> None:
        if source not in self._names:
            raise NotFound(f"there is no source {source}", cure=f"Configured: {', '.join(self._names) or 'none'}.")
        with self._lock:
            self._asked.setdefault(source, self._clock())
        self._syncing.wake()

    def read_directories(self) -> None:
        self._directories.next_at = NEVER
        self._minding.wake()

    def next_sync_at(self, source: SourceName) -> datetime | None:
        """None while it is paused, or not configured. What is due already is due now."""
        at = due_at(self._standing(source), self._schedule) if source in self._names else None
        return None if at is None else max(at, self._clock())

    # ── the threads ──────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        self._syncing.start()
        self._minding.start()

    def stop(self) -> bool:
        """End what runs, and return when it has ended; False if it did not in time."""
        self._syncing.end()
        self._minding.end()
        self._run.stop()
        return self._syncing.join() and self._minding.join()

    def _sync_round(self) -> timedelta:
        self._guarded("schedule", self.sync_once)
        try:
            return wait(self._standings(), self._schedule, self._clock(), longest=_LOOK_EVERY)
        except KnowhubError:
            return _LOOK_EVERY

    def _chore_round(self) -> timedelta:
        self.chores_once()
        return _LOOK_EVERY

    def chores_once(self) -> None:
        """All chores that are due now."""
        for chore in self._chores:
            now = self._clock()
            if chore.is_due(now) and not self._minding.ending:
                # Before the work: who asks for it meanwhile wants it once more.
                chore.next_at = now + chore.every
                self._guarded(chore.name, chore.work)

    def sync_once(self) -> None:
        """All syncs that are due now. Raises KnowhubError where the ledger cannot be read."""
        for source in due(self._standings(), self._schedule, self._clock()):
            if self._syncing.ending:
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

    def __init__(self, configuration: Path, *, patience_s: float = _PATIENCE_S) -> None:
        self._patience_s = patience_s
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
            running = self._running
        if running is None or running.poll() is not None:
            return
        running.terminate()
        try:
            running.wait(self._patience_s)
        except subprocess.TimeoutExpired:
            running.kill()
