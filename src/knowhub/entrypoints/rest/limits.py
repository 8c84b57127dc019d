"""How much is taken on: how often somebody may ask, how many queries run and wait, how many streams are open.

All of it belongs to the event loop's thread; nothing here is safe to use from another one.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from knowhub.entrypoints.rest.problems import busy

Clock = Callable[[], float]
_REMEMBERED = 10_000
_FIRST_GUESS_S = 1.0
_DRAINING = "The hub is shutting down. Try again in a moment."


class Buckets:
    """A token bucket a name: `per_minute` at once, refilled evenly. Names longest unused are forgotten."""

    def __init__(self, per_minute: int, *, clock: Clock = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, name: str) -> float:
        """0 where there is a token left."""
        return max(0.0, (1 - self._level(name)) * 60 / self._per_minute)

    def take(self, name: str) -> None:
        """Raises 429 when the bucket is empty."""
        if wait_s := self.wait_s(name):
            raise busy(429, f"More than {self._per_minute} requests in a minute. Wait and try again.", wait_s=wait_s)
        self.spend(name)

    def spend(self, name: str) -> None:
        """Take a token, if there is one."""
        self._levels[name] = (max(0.0, self._level(name) - 1), self._clock())
        self._levels.move_to_end(name)
        if len(self._levels) > _REMEMBERED:
            self._levels.popitem(last=False)

    def _level(self, name: str) -> float:
        level, at = self._levels.get(name, (float(self._per_minute), 0.0))
        return min(float(self._per_minute), level + (self._clock() - at) * self._per_minute / 60)


class Gate:
    """At most `at_once` pieces of work run and `waiting` wait; whoever comes then is sent away at once.

    Once it is closed nobody enters, and `idle` tells when the last one has left.
    """

    def __init__(self, at_once: int, waiting: int, *, clock: Clock = time.monotonic) -> None:
        self.at_once, self.waiting = at_once, waiting
        self._clock = clock
        self._turns = asyncio.Semaphore(at_once)
        self._inside = 0
        self._closed = False
        self._took_s = _FIRST_GUESS_S
        self._empty = asyncio.Event()
        self._empty.set()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place inside, running or waiting. Raises 429, and 503 once the gate is closed."""
        if self._closed:
            raise busy(503, _DRAINING, wait_s=5)
        if self._inside >= self.at_once + self.waiting:
            wait_s = self._took_s * self.waiting / self.at_once
            raise busy(429, "Too many questions are waiting for an answer. Wait and try again.", wait_s=wait_s)
        self._inside += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._inside -= 1
            if not self._inside:
                self._empty.set()

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """From a place, in order of arrival, to one of those that run."""
        async with self._turns:
            began = self._clock()
            try:
                yield
            finally:
                self._took_s += 0.1 * (self._clock() - began - self._took_s)

    def close(self) -> None:
        self._closed = True

    @property
    def closed(self) -> bool:
        return self._closed

    async def idle(self) -> None:
        await self._empty.wait()


class Streams:
    """How many streams each name has open."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, name: str) -> Iterator[None]:
        """Raises 429."""
        if self._open[name] >= self._each:
            raise busy(429, f"{self._each} of your streams are open. Close one, or wait for its end.", wait_s=5)
        self._open[name] += 1
        try:
            yield
        finally:
            self._open[name] -= 1
            if not self._open[name]:
                del self._open[name]
