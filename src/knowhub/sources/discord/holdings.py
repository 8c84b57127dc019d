"""Items of a channel: how they are named, and what the ledger has of them.

`30:2026-05-01`          what was written in channel 30 on that day (UTC), threads apart
`30:2026-05-01:777`      the same day from message 777 on: an item ends after a hundred messages
`thread:40` `thread:40:888`   a thread, and its continuation
`30:777:file:900`        an attachment of message 777 in channel (or thread) 30
`30:topic`               what channel 30 is for
`30:system`              how much Discord itself wrote there
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from knowhub.core.ports import KnownItem
from knowhub.core.types import ItemId
from knowhub.formats.discord_conversation import EPOCH_MS, snowflake_at

Json = dict[str, Any]

SEGMENT = 100
"""Messages an item holds at most: as many as one page, so that a new message costs one request."""

_DAY_MS = 86_400_000
_DAY = re.compile(r"(\d+):(\d{4}-\d\d-\d\d)(?::(\d+))?")
_THREAD = re.compile(r"thread:(\d+)(?::(\d+))?")
_FILE = re.compile(r"(\d+):(\d+):file:(\d+)")
_VERSION = re.compile(r"(.*)-(\d+)-([0-9a-f]+)")


def thread_item(thread: str) -> ItemId:
    return ItemId(f"thread:{thread}")


def file_item(stream: str, message: str, file: str) -> ItemId:
    return ItemId(f"{stream}:{message}:file:{file}")


def system_item(channel: str) -> ItemId:
    return ItemId(f"{channel}:system")


def topic_item(channel: str) -> ItemId:
    return ItemId(f"{channel}:topic")


def day_of(message: int) -> str:
    return _date(((message >> 22) + EPOCH_MS) // _DAY_MS)


@lru_cache(maxsize=256)
def _date(days: int) -> str:
    return (date(1970, 1, 1) + timedelta(days=days)).isoformat()


def day_start(day: str) -> int:
    return snowflake_at(datetime.fromisoformat(day).replace(tzinfo=UTC))


@dataclass(frozen=True, slots=True)
class Version:
    """`state` is what a thread's listing said when it was read to its end, "" elsewhere."""

    state: str
    parts: int
    content: str

    def __str__(self) -> str:
        return f"{self.state}-{self.parts}-{self.content}"

    @classmethod
    def of(cls, version: str) -> Version:
        found = _VERSION.fullmatch(version)
        return cls(found[1], int(found[2]), found[3]) if found else cls("", 1, "")


@dataclass(frozen=True, slots=True)
class FileAt:
    stream: str
    message: str
    file: str


def file_at(item: ItemId) -> FileAt | None:
    found = _FILE.fullmatch(item)
    return FileAt(found[1], found[2], found[3]) if found else None


@dataclass(slots=True)
class Stream:
    """What the ledger has of one channel's own messages, or of one thread: where its items begin, and its files."""

    starts: list[tuple[int, ItemId]] = field(default_factory=list)
    files: list[tuple[int, ItemId]] = field(default_factory=list)

    @property
    def newest(self) -> int:
        """The largest id that is known to have been there."""
        return max(self.starts[-1][0] if self.starts else 0, self.files[-1][0] if self.files else 0)

    def start_before(self, message: int) -> tuple[int, ItemId] | None:
        """The item that a message of this id belongs to, if one begins at or before it."""
        at = bisect.bisect_right(self.starts, message, key=lambda start: start[0])
        return self.starts[at - 1] if at else None

    def begins_after(self, message: int) -> int | None:
        at = bisect.bisect_right(self.starts, message, key=lambda start: start[0])
        return self.starts[at][0] if at < len(self.starts) else None

    def between(self, after: int, to: int | None) -> Iterable[ItemId]:
        """Items that begin, and files of messages, beyond `after` and up to `to`."""
        for number, item in (*self.starts, *self.files):
            if number > after and (to is None or number <= to):
                yield item


class Holdings:
    """What the ledger has of one channel. `parts` is kept up to date while the channel is read."""

    def __init__(self, known: Iterable[KnownItem]) -> None:
        self.parts: dict[ItemId, int] = {}
        self.wanted: list[ItemId] = []
        self.foreign: list[ItemId] = []
        self._streams: dict[str, Stream] = {}
        self.threads: set[str] = set()
        for one in known:
            self.parts[one.item] = Version.of(one.version).parts
            if not one.version:
                self.wanted.append(one.item)
            self._place(one.item)
        for stream in self._streams.values():
            stream.starts.sort()
            stream.files.sort()
        self._thread_ids = sorted(map(int, self.threads))

    def threads_between(self, after: int, to: int | None) -> list[str]:
        """Threads with ids beyond `after` and up to `to`: those started from messages in that stretch."""
        first = bisect.bisect_right(self._thread_ids, after)
        last = len(self._thread_ids) if to is None else bisect.bisect_right(self._thread_ids, to)
        return [str(id) for id in self._thread_ids[first:last]]

    def wanted_from(self, stream: str) -> int | None:
        """Where the first item begins that is to be read again."""
        wanted = set(self.wanted)
        return next((start for start, item in self.stream(stream).starts if item in wanted), None) if wanted else None

    def stream(self, id: str) -> Stream:
        return self._streams.get(id) or Stream()

    def _place(self, item: ItemId) -> None:
        if day := _DAY.fullmatch(item):
            self._of(day[1]).starts.append((int(day[3] or day_start(day[2])), item))
        elif thread := _THREAD.fullmatch(item):
            self.threads.add(thread[1])
            self._of(thread[1]).starts.append((int(thread[2] or 0), item))
        elif file := file_at(item):
            self._of(file.stream).files.append((int(file.message), item))
        elif not item.endswith((":system", ":topic")):
            self.foreign.append(item)

    def _of(self, stream: str) -> Stream:
        return self._streams.setdefault(stream, Stream())


@dataclass(slots=True)
class Segment:
    """One item's messages, oldest first. `start` is the smallest message id that belongs to it."""

    item: ItemId
    start: int
    day: str
    messages: list[Json] = field(default_factory=list)

    @property
    def end(self) -> int:
        return int(self.messages[-1]["id"]) if self.messages else self.start


class Cutter:
    """Cuts a stream of messages, oldest first, into items: where the ledger's items begin, at midnight, when full.

    `passed`: messages up to this id are in items already, 0: none.
    """

    def __init__(self, id: str, stream: Stream, passed: int, *, daily: bool) -> None:
        self._id = id
        self._stream = stream
        self._daily = daily
        self._passed = passed
        self._day: str | None = (day_of(passed) if daily else "") if passed > 0 else None
        self.current: Segment | None = None

    def add(self, message: Json) -> Segment | None:
        """Take the next message; the item that was completed by its coming, if one was."""
        number = int(message["id"])
        day = day_of(number) if self._daily else ""
        if self.current and self._belongs(number, day):
            self.current.messages.append(message)
            return None
        closed, self.current = self.current, self._begin(number, day)
        self.current.messages.append(message)
        return closed

    def _belongs(self, number: int, day: str) -> bool:
        assert self.current
        if day != self.current.day:
            return False
        ahead = self._stream.begins_after(self.current.start)
        if ahead is not None and ahead <= number:
            return False
        # Full, unless the ledger knows what comes next: then it began there for a reason.
        return len(self.current.messages) < SEGMENT or (ahead is not None and self._day_at(ahead) == day)

    def _begin(self, number: int, day: str) -> Segment:
        known = self._stream.start_before(number)
        passed = self.current.start if self.current else self._passed
        if known and known[0] > passed - (passed <= 0) and self._day_at(known[0]) == day:
            start, item = known
        elif day != self._day:
            start, item = (day_start(day), ItemId(f"{self._id}:{day}")) if day else (0, thread_item(self._id))
        else:
            start, item = number, ItemId(f"{self._base(day)}:{number}")
        self._day = day
        return Segment(item, start, day)

    def _base(self, day: str) -> str:
        return f"{self._id}:{day}" if day else thread_item(self._id)

    def _day_at(self, number: int) -> str:
        return day_of(number) if self._daily else ""
