"""Implements `ItemLedger` and `RetentionLedger`: items and batches as they stand."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from knowhub.core.ports import FORGOTTEN, OpenBatch, StoredBatch, StoredItem
from knowhub.core.types import ContainerId, ItemId, ObjectKey, SourceName, document_id
from knowhub.ledger.sqlite.database import Database

COLUMNS = (
    "source, item, container, location, version, parts, sequence, state, reason, title, deleted, indexed,"
    " indexed_sequence"
)

_PAGE = 500
"""Parameters of one query."""

_UNQUOTE = (
    "UPDATE questions SET quote = '' WHERE quote <> '' AND EXISTS (SELECT 1 FROM json_each(documents) WHERE value {} ?)"
)
"""What was quoted of a document when somebody asked is kept no longer than the document."""


class SqliteItemLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def stored(self, source: SourceName) -> Iterator[StoredItem]:
        rows = self._database.rows(f"SELECT {COLUMNS} FROM items WHERE source = ? ORDER BY item", (source,))
        return (stored_item(row) for row in rows)

    def get(self, source: SourceName, items: Sequence[ItemId]) -> list[StoredItem]:
        wanted = list(items)
        pages = (wanted[at : at + _PAGE] for at in range(0, len(wanted), _PAGE))
        return [
            stored_item(row)
            for page in pages
            for row in self._database.rows(
                f"SELECT {COLUMNS} FROM items WHERE source = ? AND item IN ({', '.join('?' * len(page))})",
                (source, *page),
            )
        ]

    def find(self, name: str) -> list[StoredItem]:
        exact = (
            f"SELECT {COLUMNS} FROM items WHERE source || ':' || item = :name OR location = :name OR title = :name"
            " ORDER BY source || ':' || item <> :name, deleted, source, item LIMIT 20"
        )
        rows = self._database.rows(exact, {"name": name})
        if not rows:
            ending = (
                f"SELECT {COLUMNS} FROM items WHERE substr(location, -length(?)) = ? OR substr(item, -length(?)) = ?"
                " ORDER BY deleted, source, item LIMIT 20"
            )
            rows = self._database.rows(ending, (name, name, name, name))
        return [stored_item(row) for row in rows]

    def rebuild(self, items: Sequence[StoredItem], *, batch: OpenBatch | None, key: ObjectKey | None) -> None:
        with self._database.transaction() as connection:
            if batch and items:
                self._restore_batch(connection, items[0].source, batch, key, len(items))
            connection.executemany(
                f"INSERT OR REPLACE INTO items ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(item) for item in items],
            )

    @staticmethod
    def _restore_batch(
        connection: sqlite3.Connection, source: SourceName, batch: OpenBatch, key: ObjectKey | None, records: int
    ) -> None:
        connection.execute(
            "INSERT INTO sources (source, sequence) VALUES (?, ?)"
            " ON CONFLICT (source) DO UPDATE SET sequence = max(sequence, excluded.sequence)",
            (source, batch.sequence),
        )
        connection.execute(
            "INSERT INTO batches (source, sequence, id, timestamp, stage, key, records)"
            " VALUES (?, ?, ?, ?, 'done', ?, ?) ON CONFLICT (source, sequence) DO UPDATE"
            " SET stage = 'done', key = excluded.key, attempts = 0, dead = 0, error = '',"
            " records = max(records, excluded.records)",
            (source, batch.sequence, batch.id, batch.timestamp.isoformat(), key, records),
        )

    def forget(self, source: SourceName, items: Sequence[ItemId]) -> None:
        with self._database.transaction() as connection:
            connection.executemany(
                "UPDATE items SET state = 'filtered', reason = ?, title = '', indexed = 0"
                " WHERE source = ? AND item = ?",
                [(FORGOTTEN, source, item) for item in items],
            )
            connection.executemany(_UNQUOTE.format("="), [(document_id(source, item),) for item in items])
        self._database.overwrite_deleted()

    def forget_source(self, source: SourceName) -> None:
        with self._database.transaction() as connection:
            for table in ("items", "containers", "batches", "runs", "people", "memberships", "directories"):
                connection.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
            connection.execute(_UNQUOTE.format("GLOB"), (f"{source}:*",))
            connection.execute("UPDATE sources SET cursor = NULL, revision = revision + 1 WHERE source = ?", (source,))
        self._database.overwrite_deleted()


class SqliteRetentionLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def batch(self, source: SourceName, sequence: int) -> StoredBatch | None:
        return next(iter(self._select(source, "AND b.sequence = ?", (sequence,))), None)

    def sources(self) -> list[SourceName]:
        rows = self._database.rows("SELECT DISTINCT source FROM items UNION SELECT source FROM batches ORDER BY 1")
        return [SourceName(name) for (name,) in rows]

    def batches(self, source: SourceName) -> list[StoredBatch]:
        return self._select(source, "", ())

    def _select(self, source: SourceName, condition: str, parameters: tuple[Any, ...]) -> list[StoredBatch]:
        rows = self._database.rows(
            "SELECT b.id, b.source, b.sequence, b.timestamp, b.stage, b.key, b.records, count(i.item),"
            " b.attempts, b.dead, b.error FROM batches b"
            " LEFT JOIN items i ON i.source = b.source AND i.sequence = b.sequence"
            f" AND (i.deleted = 0 OR i.indexed = 1) AND i.reason <> '{FORGOTTEN}'"
            f" WHERE b.source = ? AND b.stage <> 'open' AND b.key IS NOT NULL {condition}"
            " GROUP BY b.source, b.sequence ORDER BY b.sequence",
            (source, *parameters),
        )
        return [
            StoredBatch(id, SourceName(name), sequence, datetime.fromisoformat(at), stage, ObjectKey(key), records,
                        newest, tries, bool(dead), error)
            for id, name, sequence, at, stage, key, records, newest, tries, dead, error in rows
        ]  # fmt: skip

    def rewritten(self, source: SourceName, sequence: int, *, records: int) -> None:
        with self._database.transaction() as connection:
            if records:
                connection.execute(
                    "UPDATE batches SET records = ? WHERE source = ? AND sequence = ?", (records, source, sequence)
                )
            else:
                connection.execute("DELETE FROM batches WHERE source = ? AND sequence = ?", (source, sequence))


def stored_item(row: tuple[Any, ...]) -> StoredItem:
    source, item, container, location, version, parts, sequence, state, reason, title, deleted, indexed, at = row
    return StoredItem(
        SourceName(source), ItemId(item), ContainerId(container), location, version, parts, sequence, state, reason,
        title, bool(deleted), bool(indexed), at,
    )  # fmt: skip


def _row(item: StoredItem) -> tuple[Any, ...]:
    return (
        item.source, item.item, item.container, item.location, item.version, item.parts, item.sequence, item.state,
        item.reason, item.title, item.deleted, item.indexed, item.indexed_sequence,
    )  # fmt: skip
