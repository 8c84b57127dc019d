from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from knowhub.core.errors import NotFound, TransientError
from knowhub.core.ports import Run
from knowhub.core.types import SourceName
from knowhub.entrypoints.rest.background import Scheduler, SyncProcess
from knowhub.wiring.settings import Settings
from tests.entrypoints.rest.kit import open_hub, until, write_tiny_model

NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
CHAT, WIKI = SourceName("chat"), SourceName("wiki")


@dataclass
class Ledger:
    """What the scheduler reads and what it has others do."""

    settings: Settings = field(default_factory=lambda: Settings(sources={"chat": {}, "wiki": {}}))
    now: datetime = NOON
    held: dict[str, list[Run]] = field(default_factory=dict)
    paused_ones: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)
    broken: bool = False

    def runs(self, names: Sequence[str] = (), *, limit: int = 100) -> list[Run]:
        return self.held.get(names[0], [])

    def paused(self, name: SourceName) -> bool:
        return name in self.paused_ones

    def read_directories(self, names: Sequence[str] = ()) -> None:
        self.done.append("memberships")
        if self.broken:
            raise TransientError("the directory is away")

    def sweep_records(self) -> None:
        self.done.append("records")
        if self.broken:
            raise ValueError("a fault")


@dataclass
class Syncs:
    ledger: Ledger
    stopped: threading.Event = field(default_factory=threading.Event)

    def __call__(self, source: SourceName) -> None:
        self.ledger.done.append(source)
        if self.ledger.broken:
            raise OSError("no such program")
        run = Run(1, source, "all", "ok", self.ledger.now, self.ledger.now, "")
        self.ledger.held[source] = [run, *self.ledger.held.get(source, [])]

    def stop(self) -> None:
        self.stopped.set()


def scheduler(ledger: Ledger, *, scheduled: bool = True) -> Scheduler:
    return Scheduler(ledger, Syncs(ledger), scheduled=scheduled, clock=lambda: ledger.now)


def once(work: Scheduler) -> None:
    """A round of both threads."""
    work.chores_once()
    work.sync_once()


def test_everything_is_done_at_first_and_again_when_its_time_has_come() -> None:
    ledger = Ledger()
    work = scheduler(ledger)
    once(work)
    assert sorted(ledger.done) == ["chat", "memberships", "records", "wiki"]
    once(work)
    assert len(ledger.done) == 4
    ledger.now += timedelta(hours=1)
    once(work)
    assert sorted(ledger.done[4:]) == ["chat", "memberships", "wiki"]


def test_one_fault_ends_nothing_that_comes_after_it_and_is_not_repeated_at_once() -> None:
    ledger = Ledger(broken=True)
    work = scheduler(ledger)
    once(work)
    once(work)
    assert sorted(ledger.done) == ["chat", "memberships", "records", "wiki"]


def test_what_somebody_asks_for_is_done_even_where_nothing_is_scheduled() -> None:
    ledger = Ledger(paused_ones={"chat"})
    work = scheduler(ledger, scheduled=False)
    assert work.next_sync_at(WIKI) is None
    work.sync(CHAT)
    assert work.next_sync_at(CHAT) == NOON
    once(work)
    once(work)
    assert [name for name in ledger.done if name in ("chat", "wiki")] == ["chat"]
    work.read_directories()
    once(work)
    assert ledger.done.count("memberships") == 2
    with pytest.raises(NotFound, match=r"chat, wiki"):
        work.sync(SourceName("nowhere"))


def test_the_next_sync_is_told_and_never_in_the_past() -> None:
    ledger = Ledger(paused_ones={"chat"})
    work = scheduler(ledger)
    once(work)
    assert work.next_sync_at(WIKI) == NOON + timedelta(hours=1)
    assert work.next_sync_at(CHAT) is None
    assert work.next_sync_at(SourceName("nowhere")) is None
    ledger.now += timedelta(days=1)
    assert work.next_sync_at(WIKI) == ledger.now


def test_the_thread_works_until_it_is_stopped() -> None:
    ledger = Ledger()
    work = scheduler(ledger)
    work.start()
    until(lambda: len(ledger.done) == 4)
    work.sync(WIKI)
    until(lambda: ledger.done.count("wiki") == 2)
    assert work.stop()


def test_memberships_are_read_while_a_sync_takes_its_time() -> None:
    class Endless(Syncs):
        def __call__(self, source: SourceName) -> None:
            self.stopped.wait()

    ledger = Ledger()
    work = Scheduler(ledger, Endless(ledger), clock=lambda: ledger.now)
    work.start()
    until(lambda: "memberships" in ledger.done)
    ledger.now += timedelta(hours=2)
    work.read_directories()
    until(lambda: ledger.done.count("memberships") == 2)
    assert work.stop()


def test_a_ledger_that_is_busy_for_once_does_not_end_the_schedule() -> None:
    class Busy(Ledger):
        looks = 0

        def runs(self, names: Sequence[str] = (), *, limit: int = 100) -> list[Run]:
            self.looks += 1
            if self.looks < 3:
                raise TransientError("the ledger is busy")
            return super().runs(names, limit=limit)

    ledger = Busy()
    work = scheduler(ledger)
    work.start()
    until(lambda: ledger.looks)
    work.sync(CHAT)
    until(lambda: ledger.looks >= 2)
    work.sync(WIKI)
    until(lambda: "wiki" in ledger.done)
    assert work.stop()


def test_memberships_asked_for_while_they_are_read_are_read_once_more() -> None:
    class Asked(Ledger):
        def read_directories(self, names: Sequence[str] = ()) -> None:
            super().read_directories(names)
            if self.done.count("memberships") == 1:
                work.read_directories()

    work = scheduler(ledger := Asked())
    once(work)
    once(work)
    assert ledger.done.count("memberships") == 2


def test_a_clock_that_was_put_back_stops_nothing() -> None:
    ledger = Ledger(now=NOON + timedelta(days=9000))
    work = scheduler(ledger)
    once(work)
    ledger.now = NOON
    once(work)
    assert sorted(ledger.done[4:]) == ["chat", "memberships", "records", "wiki"]


def test_a_sync_that_does_not_end_when_told_to_is_killed(tmp_path: Path) -> None:
    process = SyncProcess(tmp_path / "knowhub.toml", patience_s=0.1)
    deaf = "import signal,sys,time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w').close(); time.sleep(600)"
    process._command = [sys.executable, "-c", deaf, str(tmp_path / "begun")]
    thread = threading.Thread(target=process, args=[SourceName("docs")])
    thread.start()
    until((tmp_path / "begun").exists)
    process.stop()
    thread.join()
    assert process._running
    assert process._running.returncode == -9


def test_a_sync_is_a_process_of_its_own_that_writes_its_run_down(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.md").write_text("# A\n\nwords\n")
    source = '[sources.docs]\ntype = "files"\npath = "docs"\n'
    (tmp_path / "knowhub.toml").write_text(source + write_tiny_model(tmp_path / "tiny"))
    process = SyncProcess(tmp_path / "knowhub.toml")
    process(SourceName("docs"))
    with open_hub(tmp_path) as hub:
        assert [run.state for run in hub.runs()] == ["ok"]
        process.stop()
        process(SourceName("docs"))
        assert len(hub.runs()) == 1, "it began after it was stopped"
