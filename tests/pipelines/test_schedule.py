from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from knowhub.core.ports import Run, RunState
from knowhub.core.types import SourceName
from knowhub.pipelines.schedule import Schedule, Standing, due, due_at, wait

NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHAT, WIKI = SourceName("chat"), SourceName("wiki")
HOURLY = Schedule(HOUR, {CHAT: timedelta(minutes=5)})


def ran(ended: datetime, *states: RunState, source: SourceName = WIKI) -> tuple[Run, ...]:
    """Runs, newest first; the newest ended then."""
    return tuple(
        Run(9 - n, source, "all", state, ended - n * HOUR - HOUR / 2, ended - n * HOUR, "")
        for n, state in enumerate(states)
    )


def test_a_source_is_due_so_long_after_the_end_of_its_last_run() -> None:
    assert due_at(Standing(WIKI, ran(NOON, "ok")), HOURLY) == NOON + HOUR
    assert due_at(Standing(CHAT, ran(NOON, "incomplete", source=CHAT)), HOURLY) == NOON + timedelta(minutes=5)


def test_a_source_that_never_ran_is_due_at_once() -> None:
    assert due([Standing(WIKI)], HOURLY, NOON) == [WIKI]


def test_a_run_without_an_end_counts_from_its_beginning() -> None:
    run = Run(1, WIKI, "all", "running", NOON, None, "")
    assert due_at(Standing(WIKI, (run,)), HOURLY) == NOON + HOUR


@pytest.mark.parametrize(
    ("states", "hours"),
    [(["failed"], 1), (["failed"] * 2, 2), (["failed"] * 3, 4), (["failed", "ok", "failed"], 1), (["failed"] * 10, 24)],
)
def test_a_source_that_fails_again_and_again_is_tried_less_often(states: list[RunState], hours: int) -> None:
    assert due_at(Standing(WIKI, ran(NOON, *states)), HOURLY) == NOON + hours * HOUR


def test_failures_never_make_a_slow_source_faster() -> None:
    weekly = Schedule(timedelta(days=7))
    failures: list[RunState] = ["failed"] * 9
    assert due_at(Standing(WIKI, ran(NOON, *failures)), weekly) == NOON + timedelta(days=7)


def test_a_run_that_wrote_nothing_down_is_not_repeated_at_once() -> None:
    """It could not be started, or another process holds the lease."""
    assert due_at(Standing(WIKI, tried_at=NOON), HOURLY) == NOON + HOUR
    assert due_at(Standing(WIKI, ran(NOON, "ok"), tried_at=NOON + HOUR), HOURLY) == NOON + 2 * HOUR


def test_a_paused_source_waits_until_somebody_asks() -> None:
    assert due_at(Standing(WIKI, paused=True), HOURLY) is None
    assert due([Standing(WIKI, paused=True, asked_at=NOON)], HOURLY, NOON) == [WIKI]


def test_who_asks_comes_first_then_the_one_that_has_waited_longest() -> None:
    old, older = ran(NOON - 3 * HOUR, "ok"), ran(NOON - 5 * HOUR, "ok")
    standings = [
        Standing(SourceName("a"), old),
        Standing(SourceName("b"), older),
        Standing(SourceName("c"), ran(NOON, "ok")),
        Standing(SourceName("d"), ran(NOON, "ok"), asked_at=NOON),
    ]
    assert due(standings, HOURLY, NOON) == ["d", "b", "a"]


def test_waiting_ends_when_the_next_one_is_due() -> None:
    standings = [Standing(WIKI, ran(NOON, "ok")), Standing(CHAT, ran(NOON, "ok", source=CHAT), paused=True)]
    assert wait(standings, HOURLY, NOON, longest=2 * HOUR) == HOUR
    assert wait(standings, HOURLY, NOON, longest=HOUR / 2) == HOUR / 2
    assert wait(standings, HOURLY, NOON + 2 * HOUR, longest=HOUR) == timedelta()
    assert wait([], HOURLY, NOON, longest=HOUR) == HOUR


def test_a_run_of_a_time_that_has_not_come_holds_nothing_up() -> None:
    """The clock was wrong, and was put back."""
    ahead = Standing(WIKI, ran(NOON + 9000 * HOUR, "ok"))
    assert due([ahead], HOURLY, NOON) == [WIKI]
    assert wait([ahead], HOURLY, NOON, longest=HOUR) == timedelta()
    assert due([Standing(WIKI, ahead.runs, tried_at=NOON - HOUR / 2)], HOURLY, NOON) == []
