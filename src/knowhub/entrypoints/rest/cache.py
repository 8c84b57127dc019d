"""Answers that were given, each for the one who was given it."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from knowhub.core.types import DocumentId

_MOST_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Kept:
    """A whole answer as it was sent: `body` is JSON, `citations` the JSON of its sources, `shown` what it shows."""

    body: bytes
    citations: bytes
    text: str
    shown: tuple[DocumentId, ...]


class Answers:
    """At most `entries`, none older than `seconds`; safe to use from several threads.

    A key must hold everything that the answer depends on, and above all whose it is.
    """

    def __init__(self, entries: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._entries, self._seconds, self._clock = entries, seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[float, Kept]] = OrderedDict()
        self._bytes = 0

    def get(self, key: Hashable) -> Kept | None:
        with self._lock:
            at, kept = self._kept.get(key, (0.0, None))
            if kept is None:
                return None
            if self._clock() - at >= self._seconds:
                self._drop(key)
                return None
            self._kept.move_to_end(key)
            return kept

    def put(self, key: Hashable, kept: Kept) -> None:
        with self._lock:
            self._drop(key)
            self._kept[key] = (self._clock(), kept)
            self._bytes += len(kept.body)
            while self._kept and (len(self._kept) > self._entries or self._bytes > _MOST_BYTES):
                self._drop(next(iter(self._kept)))

    def drop(self, key: Hashable) -> None:
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        _, kept = self._kept.pop(key, (0.0, None))
        if kept:
            self._bytes -= len(kept.body)
