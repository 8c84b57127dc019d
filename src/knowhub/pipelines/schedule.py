"""Which source is due when: the end of its last run, how often it is wanted, and how often it failed of late.

Pure: what is known goes in, times come out. Whoever serves waits and runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from knowhub.core.ports import Run
from knowhub.core.types import SourceName

_NEVER = datetime.min.replace(tzinfo=UTC)
_MOST_DOUBLINGS = 5
_SLOWEST = timedelta(hours=24)
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often sources are synced: `every`, or what `each` says of one. Time counts from the end of its last run."""

    every: timedelta
    each: Mapping[SourceName, timedelta] = field(default_factory=dict)

    def interval(self, source: SourceName, failures: int = 0) -> timedelta:
        """Twice as long after each failure in a row but the first, up to a day or what is configured."""
        usual = self.each.get(source, self.every)
        doubled = usual * (1 << min(max(0, failures - 1), _MOST_DOUBLINGS))
        return max(usual, min(doubled, _SLOWEST))


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a source. `runs`, newest first, are its last ones; `asked_at`: somebody wants it now.

    `tried_at` is when a run was last begun from here: some end before they are written down.
    """

    source: SourceName
    runs: Sequence[Run] = ()
    paused: bool = False
    asked_at: datetime | None = None
    tried_at: datetime | None = None


def due_at(standing: Standing, schedule: Schedule) -> datetime | None:
    """When it is due; None: not while it is paused. Whoever asks comes before every interval, paused or not."""
    if standing.asked_at is not None:
        return standing.asked_at
    if standing.paused:
        return None
    # A run without an end was killed, or is another process's: it counts from its beginning.
    ended = [run.finished_at or run.started_at for run in standing.runs[:1]]
    last = max([*ended, *([standing.tried_at] if standing.tried_at else [])], default=None)
    return _NEVER if last is None else last + schedule.interval(standing.source, _failures(standing.runs))


def _believed(standings: Iterable[Standing], now: datetime) -> Iterator[Standing]:
    """Without what has not happened yet: it is from before the clock was put back, and holds nothing up."""
    latest = now + _SKEW
    for one in standings:
        runs = [run for run in one.runs if (run.finished_at or run.started_at) <= latest]
        yield replace(one, runs=runs, tried_at=one.tried_at if one.tried_at and one.tried_at <= latest else None)


def due(standings: Iterable[Standing], schedule: Schedule, now: datetime) -> list[SourceName]:
    """Those whose time has come: first those that somebody asked for, then the one that has waited longest."""
    believed = _believed(standings, now)
    waiting = [(standing, at) for standing in believed if (at := due_at(standing, schedule)) and at <= now]
    waiting.sort(key=lambda one: (one[0].asked_at is None, one[1], one[0].source))
    return [standing.source for standing, _ in waiting]


def wait(standings: Iterable[Standing], schedule: Schedule, now: datetime, *, longest: timedelta) -> timedelta:
    """How long nothing is due, at most `longest`: what other processes change is looked at that often."""
    times = [at for standing in _believed(standings, now) if (at := due_at(standing, schedule))]
    return min([longest, *(max(timedelta(), at - now) for at in times)])


def _failures(runs: Sequence[Run]) -> int:
    count = 0
    for run in runs:
        if run.state != "failed":
            break
        count += 1
    return count
