"""What is held in memory of one version of the table: all that decides which rows match and how well.

    ids of access lists ─▶ Readable ─┐
    filters ─▶ rows they admit ──────┼▶ by_words (BM25), by_vector (cosine) ─▶ best rows
                                     │
    words, vectors, lengths ─────────┘

A score is made of the row, the question and figures over the rows that the viewer may read. Other rows enter no sum,
no order and no cut: whether they exist cannot be told from what is found.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from math import log
from typing import TYPE_CHECKING, TypeVar

from knowhub.index.postings import Postings
from knowhub.index.vectors import Vectors

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Score = TypeVar("Score", np.float32, np.float64)
    Ranked = tuple[NDArray[np.int64], NDArray[Score]]

COLUMNS = ["acl", "mark", "length", "words", "counts", "vector"]
_K1 = 1.2
_B = 0.75
"""Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009, as most engines set them."""
_MOST_RUNS = 16
_STALE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Readable:
    """Which rows a viewer may read (bool, one a row), how many, and how many terms they have on average.

    `version` is equal for equal sets of rows, whoever reads them and whatever lies beside them.
    """

    rows: NDArray[np.bool_]
    count: int
    mean_length: float
    version: str


@dataclass(frozen=True, slots=True)
class Held:
    """Rows by place, in ascending order of their `numbers` in the table; deleted ones stay until much has changed.

    `lists` are the distinct ids of access lists, ascending, `list_of` each row's place among them. `marks` differ
    from row to row and are the same wherever the same chunk is stored: the order of equals.
    """

    numbers: NDArray[np.int64]
    live: NDArray[np.bool_]
    lists: NDArray[np.int64]
    list_of: NDArray[np.int64]
    marks: NDArray[np.int64]
    lengths: NDArray[np.int64]
    postings: tuple[Postings, ...]
    vectors: Vectors

    @classmethod
    def of(cls, found: pa.Table, *, first: int = 0) -> Held:
        """From `COLUMNS` and `_rowid`."""
        import numpy as np

        numbers = found["_rowid"].to_numpy().astype(np.int64)
        order = np.argsort(numbers)
        if (order[1:] < order[:-1]).any():
            found, numbers = found.take(order), numbers[order]
        lists, list_of = np.unique(found["acl"].to_numpy(), return_inverse=True)
        return cls(
            numbers,
            np.ones(len(numbers), np.bool_),
            lists,
            list_of,
            found["mark"].to_numpy(),
            found["length"].to_numpy(),
            (_postings(found, first),),
            Vectors.of(_matrix(found)),
        )

    def later(self, added: pa.Table, live: NDArray[np.int64]) -> Held:
        """With these rows too, whose numbers are higher than all before, and of all only those that are `live`."""
        import numpy as np

        more = Held.of(added, first=len(self.numbers))
        numbers = np.concatenate([self.numbers, more.numbers])
        lists, list_of = np.unique(
            np.concatenate([self.lists[self.list_of], more.lists[more.list_of]]), return_inverse=True
        )
        joined = replace(
            self,
            numbers=numbers,
            live=np.isin(numbers, live, assume_unique=True),
            lists=lists,
            list_of=list_of,
            marks=np.concatenate([self.marks, more.marks]),
            lengths=np.concatenate([self.lengths, more.lengths]),
        )
        if not len(more.numbers):
            return joined
        return replace(joined, postings=self.postings + more.postings, vectors=self.vectors.and_then(more.vectors))

    def grows_to(self, live: NDArray[np.int64]) -> bool:
        """Whether the rows `live`, ascending, are for the most part those held, with none missing among them."""
        import numpy as np

        if not len(self.numbers) or len(self.postings) >= _MOST_RUNS:
            return False
        known = live[live <= self.numbers[-1]]
        changed = len(self.numbers) - len(known) + len(live) - len(known)
        return changed <= _STALE_SHARE * len(self.numbers) and bool(np.isin(known, self.numbers).all())

    # ── who may read what ────────────────────────────────────────────────────────────────────────────

    def readable(self, admitted: Collection[int]) -> Readable:
        """By the ids of the access lists that admit a viewer."""
        import numpy as np

        admits = np.isin(self.lists, np.fromiter(admitted, np.int64, len(admitted)))
        rows = admits[self.list_of] & self.live
        count = int(rows.sum())
        total = self.marks.view(np.uint64)[rows].sum(dtype=np.uint64)
        version = hashlib.blake2b(f"{count} {total}".encode(), digest_size=8).hexdigest()
        return Readable(rows, count, float(self.lengths[rows].sum()) / max(1, count), version)

    def acls_of(self, places: NDArray[np.int64]) -> list[int]:
        """The ids of their access lists."""
        found: list[int] = self.lists[self.list_of[places]].tolist()
        return found

    def places(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """The rows of these numbers in the table, as a mask."""
        import numpy as np

        return np.isin(self.numbers, numbers)

    # ── what matches ─────────────────────────────────────────────────────────────────────────────────

    def by_words(self, terms: Iterable[str], readable: Readable, chosen: NDArray[np.bool_]) -> Ranked[np.float64]:
        """BM25 of each of the `chosen` rows that holds a term. How rare a term is counts over all readable rows, so
        that filters leave a row's score as it is."""
        import numpy as np

        total = np.zeros(len(self.numbers))
        for term, times in Counter(terms).items():
            found = [_where(readable.rows, *run.of(term)) for run in self.postings]
            holding = sum(len(rows) for rows, _ in found)
            rarity = times * log(1 + (readable.count - holding + 0.5) / (holding + 0.5))
            for rows, counts in found if chosen is readable.rows else (_where(chosen, *each) for each in found):
                length = self.lengths[rows] / readable.mean_length
                total[rows] += rarity * counts * (_K1 + 1) / (counts + _K1 * (1 - _B + _B * length))
        matched = np.flatnonzero(total)
        return matched, total[matched]

    def by_vector(self, vector: NDArray[np.float32], chosen: NDArray[np.bool_], wanted: int) -> Ranked[np.float32]:
        """Cosines of rows among which are, almost always, the `wanted` nearest of the `chosen`."""
        import numpy as np

        rows = self.vectors.shortlist(np.flatnonzero(chosen), vector, wanted)
        return rows, self.vectors.cosines(rows, vector)

    def best(self, rows: NDArray[np.int64], scores: NDArray[Score], wanted: int) -> Ranked[Score]:
        """The best `wanted` of them, best first; equals in order of their marks."""
        import numpy as np

        if 0 < wanted < len(rows):
            above = scores >= np.partition(scores, len(rows) - wanted)[len(rows) - wanted]
            rows, scores = rows[above], scores[above]
        order = np.lexsort((self.marks[rows], -scores))[:wanted]
        return rows[order], scores[order]


def _where(
    admitted: NDArray[np.bool_], rows: NDArray[np.int64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    kept = admitted[rows]
    return rows[kept], counts[kept]


def _postings(found: pa.Table, first: int) -> Postings:
    words, counts = (found[name].combine_chunks() for name in ("words", "counts"))
    sizes: NDArray[np.int64] = words.value_lengths().to_numpy()
    return Postings(words.flatten().to_numpy(), counts.flatten().to_numpy(), sizes, first=first)


def _matrix(found: pa.Table) -> NDArray[np.float16]:
    column = found["vector"].combine_chunks()
    flat: NDArray[np.float16] = column.flatten().to_numpy()
    return flat.reshape(len(column), column.type.list_size)
