"""Implements `FetchLedger`: batches, items, containers and the cursor move together or not at all."""

from __future__ import annotations

import json
import secrets
import sqlite3
from datetime import datetime

from knowhub.core.errors import CursorMoved
from knowhub.core.ports import FetchCommit, ItemChange, LeaseToken, OpenBatch, StoredCursor
from knowhub.core.types import SourceName
from knowhub.ledger.sqlite.database import LOST, Database
from knowhub.ledger.sqlite.leases import require

_OVER = (
    f"(stage = 'open' OR dead = {LOST} AND NOT EXISTS (SELECT 1 FROM items"
    " WHERE items.source = batches.source AND items.sequence = batches.sequence))"
)
"""Never committed, or unreadable while all of its items have newer versions."""


class SqliteFetchLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def cursor(self, source: SourceName) -> StoredCursor:
        rows = self._database.rows("SELECT cursor, revision FROM sources WHERE source = ?", (source,))
        if not rows:
            return StoredCursor(None, 0)
        text, revision = rows[0]
        return StoredCursor(json.loads(text) if text else None, revision)

    def open_batch(self, source: SourceName, lease: LeaseToken, timestamp: datetime) -> OpenBatch:
        with self._database.transaction() as connection:
            require(connection, lease)
            connection.execute(
                "INSERT INTO sources (source, sequence) VALUES (?, 1)"
                " ON CONFLICT (source) DO UPDATE SET sequence = sequence + 1",
                (source,),
            )
            sequence = connection.execute("SELECT sequence FROM sources WHERE source = ?", (source,)).fetchone()[0]
            batch = OpenBatch(f"{sequence:010d}-{secrets.token_hex(4)}", sequence, timestamp)
            connection.execute(
                "INSERT INTO batches (source, sequence, id, timestamp, stage) VALUES (?, ?, ?, ?, 'open')",
                (source, sequence, batch.id, timestamp.isoformat()),
            )
        return batch

    def commit_fetch(self, lease: LeaseToken, commit: FetchCommit) -> int:
        source = commit.source
        with self._database.transaction() as connection:
            require(connection, lease)
            self._advance(connection, commit)
            if commit.batch is not None:
                connection.execute(
                    "UPDATE batches SET stage = ?, key = ?, records = ? WHERE source = ? AND sequence = ?",
                    (
                        commit.stage,
                        commit.key,
                        sum(item.in_batch for item in commit.items),
                        source,
                        commit.batch.sequence,
                    ),
                )
            sequence = commit.batch.sequence if commit.batch else 0
            for item in commit.items:
                _write_item(connection, source, item, sequence)
            connection.executemany(
                "INSERT INTO containers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (source, container) DO UPDATE SET"
                " name = excluded.name, gap = excluded.gap,"
                " expected = CASE WHEN excluded.gap = '' THEN excluded.expected ELSE expected END,"
                " seen_at = CASE WHEN excluded.gap = '' THEN excluded.seen_at ELSE seen_at END",
                [(source, c.container, c.name, c.expected, c.gap, commit.at.isoformat()) for c in commit.counts],
            )
            connection.executemany(
                "DELETE FROM containers WHERE source = ? AND container = ?", [(source, c) for c in commit.gone]
            )
            if commit.complete:
                connection.execute(
                    "UPDATE containers SET seen_at = ? WHERE source = ? AND gap = ''", (commit.at.isoformat(), source)
                )
        return commit.revision + 1

    @staticmethod
    def _advance(connection: sqlite3.Connection, commit: FetchCommit) -> None:
        connection.execute("INSERT OR IGNORE INTO sources (source) VALUES (?)", (commit.source,))
        moved = connection.execute(
            "UPDATE sources SET revision = revision + 1, cursor = coalesce(?, cursor)"
            " WHERE source = ? AND revision = ?",
            (None if commit.cursor is None else json.dumps(commit.cursor), commit.source, commit.revision),
        )
        if moved.rowcount != 1:
            raise CursorMoved(f"the cursor of {commit.source} was moved by another sync", cure="Sync again.")

    def abandoned(self, source: SourceName) -> list[OpenBatch]:
        rows = self._database.rows(
            f"SELECT id, sequence, timestamp FROM batches WHERE source = ? AND {_OVER}", (source,)
        )
        return [OpenBatch(id, sequence, datetime.fromisoformat(timestamp)) for id, sequence, timestamp in rows]

    def drop(self, source: SourceName, batch: OpenBatch) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                f"DELETE FROM batches WHERE source = ? AND sequence = ? AND {_OVER}", (source, batch.sequence)
            )


def _write_item(connection: sqlite3.Connection, source: SourceName, item: ItemChange, sequence: int) -> None:
    """A record in the batch takes the batch's sequence; everything else leaves the item where it is in line.

    What leaves a container is no longer expected there: a fetch that is killed now may never hear of it again.
    """
    connection.execute(
        "UPDATE containers SET expected = max(0, expected - i.parts) FROM items i"
        " WHERE i.source = :source AND i.item = :item AND i.deleted = 0 AND (:deleted OR i.container <> :container)"
        " AND containers.source = i.source AND containers.container = i.container",
        {"source": source, "item": item.item, "container": item.container, "deleted": item.deleted},
    )
    connection.execute(
        "INSERT INTO items (source, item, container, location, version, parts, sequence, state, reason, deleted)"
        " VALUES (:source, :item, :container, :location, :version, :parts, :sequence, coalesce(:state, 'pending'),"
        " :reason, :deleted) ON CONFLICT (source, item) DO UPDATE SET container = :container, location = :location,"
        " version = :version, parts = :parts, deleted = :deleted,"
        " sequence = CASE WHEN :in_batch THEN :sequence ELSE sequence END,"
        " state = coalesce(:state, state), reason = CASE WHEN :state IS NULL THEN reason ELSE :reason END",
        {
            "source": source,
            "item": item.item,
            "container": item.container,
            "location": item.location,
            "version": item.version,
            "parts": item.parts,
            "sequence": sequence if item.in_batch else 0,
            "state": item.state,
            "reason": item.reason,
            "deleted": item.deleted,
            "in_batch": item.in_batch,
        },
    )
