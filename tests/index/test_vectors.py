from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from knowhub.index.vectors import Vectors


def rows(count: int, dimensions: int = 96) -> NDArray[np.float32]:
    found = np.random.default_rng(3).standard_normal((count, dimensions), np.float32)
    unit: NDArray[np.float32] = found / np.linalg.norm(found, axis=1, keepdims=True)
    return unit


def held(matrix: NDArray[np.float32]) -> Vectors:
    return Vectors.of(matrix.astype(np.float16))


def test_a_cosine_is_the_same_to_the_last_bit_whatever_rows_are_beside_it() -> None:
    matrix = rows(1500)
    together = held(matrix).cosines(np.arange(1500), matrix[7])
    alone = [held(matrix[n : n + 1]).cosines(np.array([0]), matrix[7])[0] for n in range(1500)]
    assert together.tolist() == [float(value) for value in alone]
    assert together == pytest.approx(matrix @ matrix[7], abs=5e-4)


def test_the_nearest_are_on_the_shortlist() -> None:
    centres = np.repeat(rows(40), 100, axis=0)
    matrix = centres + 0.5 * rows(4000)
    vectors, asked = held(matrix), matrix[1234]
    listed = vectors.shortlist(np.arange(4000), asked, 10)
    assert len(listed) < 2000
    assert set(np.argsort(-(matrix @ asked))[:10].tolist()) <= set(listed.tolist())


def test_whether_a_row_is_on_the_shortlist_does_not_depend_on_rows_that_are_not_chosen() -> None:
    matrix = rows(6000, dimensions=32)
    chosen = np.arange(0, 6000, 2)
    inside = held(matrix).shortlist(chosen, matrix[1], 100)
    alone = held(matrix[::2]).shortlist(np.arange(3000), matrix[1], 100)
    assert inside.tolist() == (2 * alone).tolist()
    assert len(alone) < 3000


def test_few_rows_are_all_compared() -> None:
    matrix = rows(500)
    assert held(matrix).shortlist(np.arange(0, 500, 5), matrix[0], 10).tolist() == list(range(0, 500, 5))
