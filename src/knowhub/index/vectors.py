"""Vectors of all rows in memory: sign bits choose a shortlist, half-precision numbers compare it.

Every figure of a row comes from that row and the question alone, to the last bit, whatever other rows are there:
hence sums along rows and no matrix product, whose order of adding depends on the matrix's shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_COMPARED = 1_000
_COMPARED_A_WANTED = 8
_COMPARED_SHARE = 1 / 20
_AT_ONCE = 512
"""Rows whose products fit the processor's cache."""


@dataclass(frozen=True, slots=True)
class Vectors:
    """`halves`: float16 of shape (rows, dimensions). `signs`: uint64 of shape (⌈dimensions / 64⌉, rows)."""

    halves: NDArray[np.float16]
    signs: NDArray[np.uint64]

    @classmethod
    def of(cls, halves: NDArray[np.float16]) -> Vectors:
        return cls(halves, _signs(halves))

    def and_then(self, later: Vectors) -> Vectors:
        import numpy as np

        return Vectors(np.concatenate([self.halves, later.halves]), np.concatenate([self.signs, later.signs], axis=1))

    def cosines(self, rows: NDArray[np.int64], vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Of these rows, to five digits."""
        import numpy as np

        found = np.empty(len(rows), np.float32)
        for start in range(0, len(rows), _AT_ONCE):
            part = self.halves[rows[start : start + _AT_ONCE]].astype(np.float32)
            part *= vector
            found[start : start + _AT_ONCE] = part.sum(axis=1)
        return found

    def shortlist(self, rows: NDArray[np.int64], vector: NDArray[np.float32], wanted: int) -> NDArray[np.int64]:
        """Those of `rows` among which the nearest `wanted` are looked for: whose signs differ least, ties included."""
        import numpy as np

        most = max(_COMPARED, _COMPARED_A_WANTED * wanted, int(len(rows) * _COMPARED_SHARE))
        if len(rows) <= most:
            return rows
        asked = _signs(vector.astype(np.float16)[None, :])
        differing = np.zeros(self.signs.shape[1], np.uint16)
        for word, bits in zip(self.signs, asked[:, 0], strict=True):
            differing += np.bitwise_count(word ^ bits)
        differing = differing[rows]
        limit = np.partition(differing, most - 1)[most - 1]
        near: NDArray[np.int64] = rows[differing <= limit]
        return near


def _signs(halves: NDArray[np.float16]) -> NDArray[np.uint64]:
    import numpy as np

    width = -(-halves.shape[1] // 64) * 8
    bits = np.zeros((len(halves), width), np.uint8)
    packed = np.packbits(halves.view(np.int16) >= 0, axis=1)  # the same bit, compared ten times as fast
    bits[:, : packed.shape[1]] = packed
    return np.ascontiguousarray(bits.view(np.uint64).T)
