"""Vectors of the few rows that a narrow condition admits, kept for the next question under the same condition."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_KEPT_CONDITIONS = 8


@dataclass(frozen=True, slots=True)
class Admitted:
    """Row numbers and, in the same order, their vectors: float32 of shape (rows, dimensions)."""

    numbers: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def cosines(self, vector: NDArray[np.float32]) -> dict[int, float]:
        """Of every row, best first, compared exactly."""
        import numpy as np

        scores = self.vectors @ vector
        order = np.lexsort((self.numbers, -scores))
        return dict(zip(self.numbers[order].tolist(), scores[order].tolist(), strict=True))


class NarrowVectors:
    """The last few conditions' rows of one version of the table, which never change. Thread-safe."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Admitted] = OrderedDict()
        self._lock = Lock()

    def under(self, condition: str, load: Callable[[], Admitted]) -> Admitted:
        with self._lock:
            found = self._kept.get(condition)
        if found is None:
            found = load()
        with self._lock:
            self._kept[condition] = found
            self._kept.move_to_end(condition)
            while len(self._kept) > _KEPT_CONDITIONS:
                self._kept.popitem(last=False)
        return found
