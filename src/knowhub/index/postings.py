"""Which rows hold a word and how often: in memory, by the word's hash.

    row 0: fix proj-777      hashes  7a.. 03.. | 7a.. c1..      rows of 7a..: 0, 1
    row 1: fix ports.py      counts   1    1   |  1    2

The first questions look through all postings, which is the least work for one; then they are sorted once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 31
"""More of one word in a chunk count as so many."""
_UNSORTED_TERMS = 16
_CACHED_TERMS = 200_000
_BITS = 40
_REST = 5
_MOST_SORTED_ROWS = 1 << 24


class _Hashes(dict[str, int]):
    """35 bits of each term: 32 to look it up by, and above them three to tell it from another with the same."""

    def __missing__(self, term: str) -> int:
        if len(self) >= _CACHED_TERMS:
            self.clear()
        digest = hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=5).digest()
        self[term] = found = int.from_bytes(digest, "little") & 0x7FFFFFFFF
        return found


_HASHES = _Hashes()


def packed(rows: Sequence[Sequence[str]]) -> tuple[NDArray[np.int64], NDArray[np.uint32], NDArray[np.uint8]]:
    """How many distinct terms each row has; of each, row after row, its hash, and the rest of that above its count."""
    import numpy as np

    hashes = np.fromiter(map(_HASHES.__getitem__, chain.from_iterable(rows)), np.uint64)
    row_of = np.repeat(np.arange(len(rows), dtype=np.uint64), [len(row) for row in rows])
    distinct, counts = np.unique(row_of << _BITS | hashes, return_counts=True)
    sizes = np.bincount((distinct >> _BITS).astype(np.int64), minlength=len(rows))
    rest = (distinct >> 32 & 0xFF).astype(np.uint8)
    return sizes, distinct.astype(np.uint32), rest << _REST | np.minimum(counts, MOST).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Given:
    """As they were written: those of row i end at `ends[i]`."""

    hashes: NDArray[np.uint32]
    counts: NDArray[np.uint8]
    ends: NDArray[np.int64]

    @property
    def sortable(self) -> bool:
        return len(self.ends) <= _MOST_SORTED_ROWS

    def of(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        import numpy as np

        at = np.flatnonzero(self.hashes == place)
        return np.searchsorted(self.ends, at, side="right"), self.counts[at]


@dataclass(frozen=True, slots=True)
class _Sorted:
    """`rows[starts[i] : starts[i + 1]]` hold `hashes[i]`."""

    hashes: NDArray[np.uint32]
    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]
    counts: NDArray[np.uint8]

    def of(self, place: int) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        import numpy as np

        index = int(np.searchsorted(self.hashes, np.uint32(place)))
        if index == len(self.hashes) or self.hashes[index] != place:
            return self.rows[:0].astype(np.int64), self.counts[:0]
        found = slice(self.starts[index], self.starts[index + 1])
        return self.rows[found].astype(np.int64), self.counts[found]


class Postings:
    """Of consecutive rows from `first` on, as many of each as `sizes` says. Thread-safe."""

    def __init__(
        self, hashes: NDArray[np.uint32], counts: NDArray[np.uint8], sizes: NDArray[np.int64], *, first: int
    ) -> None:
        import numpy as np

        self._first = first
        self._held: _Given | _Sorted = _Given(hashes, counts, np.cumsum(sizes))
        self._asked = 0
        self._lock = Lock()

    def of(self, term: str) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Rows that hold the term, ascending, and how often each does."""
        import numpy as np

        hashed = _HASHES[term]
        rows, counts = self._ready().of(hashed & 0xFFFFFFFF)
        right = counts >> _REST == hashed >> 32
        return rows[right] + self._first, (counts[right] & MOST).astype(np.float64)

    def _ready(self) -> _Given | _Sorted:
        with self._lock:
            self._asked += 1
            if self._asked > _UNSORTED_TERMS and isinstance(self._held, _Given) and self._held.sortable:
                self._held = _sort(self._held)
            return self._held


def _sort(given: _Given) -> _Sorted:
    """Hash, row and count as one number each: numpy sorts plain numbers ten times as fast as it finds their order."""
    import numpy as np

    each = np.repeat(np.arange(len(given.ends), dtype=np.uint64), np.diff(given.ends, prepend=0))
    each <<= 8
    each |= given.counts
    each |= given.hashes.astype(np.uint64) << 32
    each.sort()
    hashes = (each >> 32).astype(np.uint32)
    starts = np.flatnonzero(np.concatenate(([True], hashes[1:] != hashes[:-1]))) if len(hashes) else np.zeros(0, int)
    rows = (each >> 8).astype(np.uint32) & np.uint32(_MOST_SORTED_ROWS - 1)
    return _Sorted(hashes[starts], np.append(starts, len(hashes)), rows, each.astype(np.uint8))
