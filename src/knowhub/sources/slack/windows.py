"""Which stretches of a channel's history are still to be read: intervals of seconds, whole UTC days.

History comes newest first, so that a reading goes down; what was read above stays read when it is cut off, and what
is open below stays open.

    floor ────── open ──────┤ read ├──── open ────┤ read … now
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from knowhub.connecting.versions import due
from knowhub.sources.slack.messages import DAY_S
from knowhub.sources.slack.options import SlackOptions

Window = tuple[int, int | None]
"""From, and up to but not with (None: now and later)."""

OVERLAP_DAYS = 1
# A sync that was cut and goes on so soon finishes its plan, without listing the newest messages once more.
_RESUMED_WITHIN_HOURS = 1 / 6


@dataclass
class ChannelState:
    """What the cursor holds of one channel.

    `top`: everything before it was read once, but for `todo`. While `deep` is set, replies of threads whose last
    reply is not older are read again although their parents look the same, in threads before `deep_below`.
    `planned_at` is set while something is left to do. `missing`: items that a listing lacked and that the hub still
    has. `quiet`: threads in which all is left out.
    """

    top: int = 0
    todo: list[Window] = field(default_factory=list)
    deep: int | None = None
    deep_below: str = ""
    planned_at: str | None = None
    warm_at: str | None = None
    census_at: str | None = None
    threads_at: str | None = None
    canvas_at: str | None = None
    missing: set[str] = field(default_factory=set)
    quiet: dict[str, str] = field(default_factory=dict)
    scope: str = ""
    since: int = 0
    archived: str = ""

    @classmethod
    def load(cls, stored: Mapping[str, Any]) -> ChannelState:
        given = {**stored, "missing": set(stored.get("missing", ())), "quiet": dict(stored.get("quiet", {}))}
        given["todo"] = [(low, high) for low, high in stored.get("todo", ())]
        return cls(**given)

    def dump(self) -> dict[str, Any]:
        """As JSON, without what is as it begins."""
        blank = ChannelState()
        found = {name: value for name, value in vars(self).items() if value != getattr(blank, name)}
        if self.missing:
            found["missing"] = sorted(self.missing)
        if self.quiet:
            found["quiet"] = dict(self.quiet)
        if self.todo:
            found["todo"] = [list(window) for window in self.todo]
        return found

    def plan(
        self, options: SlackOptions, now: datetime, *, scope: str, archived: str, member: bool, asked: Iterable[int]
    ) -> None:
        """Open what this sync has to read: the new, the hot, what is due, and the days that are `asked` for again.

        In an archived channel nobody writes; where the app is no longer a member of one, what was read stands.
        """
        floor = _day_start(options.since_s)
        today = _day_start(int(now.timestamp()))
        opened: list[Window] = [(day * DAY_S, (day + 1) * DAY_S) for day in asked]
        same = self.scope == scope and self.since == floor
        if same and self.todo and not due(self.planned_at, _RESUMED_WITHIN_HOURS, now):
            self.todo = merged([*self.todo, *opened], floor)
            return
        self.planned_at = now.isoformat()
        quiet = False
        if not self.top or not same:
            opened.append((floor, None))
            self.warm_at = self.census_at = self.threads_at = now.isoformat()
        elif not (quiet := bool(archived) and archived == self.archived and not self.todo):
            opened.append((min(self.top, today - options.hot_days * DAY_S), None))
        if not quiet or member:
            opened += self._due(options, now, floor, today)
        self.todo = merged([*self.todo, *opened], floor)
        self.planned_at = self.planned_at if self.todo else None
        self.top = max(self.top, today - OVERLAP_DAYS * DAY_S, 1)
        self.scope, self.since, self.archived = scope, floor, archived

    def _due(self, options: SlackOptions, now: datetime, floor: int, today: int) -> list[Window]:
        opened: list[Window] = []
        if due(self.warm_at, options.warm_hours, now):
            self.warm_at = now.isoformat()
            self._deepen(today - options.hot_days * DAY_S)
            opened.append((today - options.warm_days * DAY_S, None))
        if due(self.census_at, options.census_hours, now):
            self.census_at = now.isoformat()
            opened.append((floor, None))
        if due(self.threads_at, options.thread_census_hours, now):
            self.threads_at = now.isoformat()
            self._deepen(0)
            opened.append((floor, None))
        return opened

    def _deepen(self, since: int) -> None:
        self.deep = since if self.deep is None else min(self.deep, since)
        self.deep_below = ""

    def read_down_to(self, seconds: int) -> None:
        """Everything from `seconds` on has been read and is stored."""
        cut = [(low, seconds if high is None else min(high, seconds)) for low, high in self.todo]
        self.todo = [(low, high) for low, high in cut if low < high]
        if not self.todo:
            self.deep, self.deep_below, self.planned_at = None, "", None


def merged(windows: Iterable[Window], floor: int) -> list[Window]:
    """The union, newest first, nothing before `floor`."""
    union: list[Window] = []
    for low, high in sorted(((max(low, floor), high) for low, high in windows), key=lambda window: window[0]):
        if high is not None and high <= low:
            continue
        if union and (union[-1][1] is None or low <= union[-1][1]):
            last_low, last_high = union[-1]
            union[-1] = (last_low, None if last_high is None or high is None else max(last_high, high))
        else:
            union.append((low, high))
    return union[::-1]


def _day_start(seconds: int) -> int:
    return seconds // DAY_S * DAY_S
