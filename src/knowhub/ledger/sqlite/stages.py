"""Implements `StageLedger`: which batches wait for chunking or embedding, and how items left."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from knowhub.core.ports import FORGOTTEN, Outcome, PendingBatch, Stage
from knowhub.core.types import ItemId, ObjectKey, SourceName
from knowhub.ledger.sqlite.database import LOST, Database

_VARIABLES = 500


class SqliteStageLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def pending(self, stage: Stage, source: SourceName) -> list[PendingBatch]:
        rows = self._database.rows(
            "SELECT key, sequence, attempts FROM batches WHERE stage = ? AND source = ? AND dead = 0 ORDER BY sequence",
            (stage, source),
        )
        return [PendingBatch(ObjectKey(key), source, sequence, attempts) for key, sequence, attempts in rows]

    def finish(
        self, stage: Stage, batch: PendingBatch, outcomes: Sequence[Outcome], *, next_key: ObjectKey | None
    ) -> None:
        after = "embed" if stage == "chunk" and next_key else "done"
        with self._database.transaction() as connection:
            closed = connection.execute(
                "UPDATE batches SET stage = ?, key = coalesce(?, key), attempts = 0, dead = 0, error = ''"
                " WHERE source = ? AND sequence = ? AND stage = ?",
                (after, next_key, batch.source, batch.sequence, stage),
            )
            if closed.rowcount:
                for outcome in outcomes:
                    _record(connection, batch.source, outcome)

    def fail(self, batch: PendingBatch, error: str, *, dead: bool, lost: bool) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE batches SET attempts = attempts + 1, error = ?, dead = ? WHERE source = ? AND sequence = ?",
                (error, LOST if lost else int(dead), batch.source, batch.sequence),
            )
            if lost:
                # A deletion that was lost on its way to the index is made again by the next listing.
                connection.execute(
                    "UPDATE items SET state = 'failed', reason = ?, version = '', deleted = 0"
                    " WHERE source = ? AND sequence = ? AND (deleted = 0 OR indexed = 1) AND reason <> ?",
                    (error, batch.source, batch.sequence, FORGOTTEN),
                )

    def revive(self, source: SourceName) -> int:
        with self._database.transaction() as connection:
            return connection.execute(
                "UPDATE batches SET dead = 0, attempts = 0 WHERE source = ? AND dead > 0 AND EXISTS"
                " (SELECT 1 FROM items WHERE items.source = batches.source AND items.sequence = batches.sequence)",
                (source,),
            ).rowcount

    def indexed(self, source: SourceName, items: Sequence[ItemId]) -> Mapping[ItemId, int]:
        found: dict[ItemId, int] = {}
        for start in range(0, len(items), _VARIABLES):
            part = items[start : start + _VARIABLES]
            marks = ",".join("?" * len(part))
            rows = self._database.rows(
                "SELECT item, indexed_sequence FROM items WHERE source = ? AND indexed_sequence > 0"
                f" AND item IN ({marks})",
                (source, *part),
            )
            found.update((ItemId(item), sequence) for item, sequence in rows)
        return found


def _record(connection: sqlite3.Connection, source: SourceName, outcome: Outcome) -> None:
    """A state only ends the waiting: what a fetch has said since (failed, left out, forgotten) stands."""
    if outcome.indexed is not None:
        connection.execute(
            "UPDATE items SET indexed = ?, indexed_sequence = ?"
            " WHERE source = ? AND item = ? AND indexed_sequence <= ?",
            (outcome.indexed, outcome.sequence, source, outcome.item, outcome.sequence),
        )
    if outcome.state is not None:
        connection.execute(
            "UPDATE items SET state = ?, reason = ?, title = CASE WHEN ? = '' THEN title ELSE ? END"
            " WHERE source = ? AND item = ? AND sequence = ? AND deleted = 0 AND state = 'pending'",
            (
                outcome.state,
                outcome.reason,
                outcome.title,
                outcome.title,
                source,
                outcome.item,
                outcome.sequence,
            ),
        )
