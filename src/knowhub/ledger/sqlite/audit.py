"""Implements `AuditLedger`: who was shown what, by ids."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from knowhub.core.ports import AuditEntry
from knowhub.core.types import DocumentId
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.times import stamp

_AT_ONCE = 500


class SqliteAuditLedger:
    """`entries` takes `viewer` and `document` in full."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, entry: AuditEntry) -> None:
        with self._database.transaction() as connection:
            written = connection.execute(
                "INSERT INTO audit (at, viewer, action, surface, documents) VALUES (?, ?, ?, ?, ?)",
                (stamp(entry.at), entry.viewer, entry.action, entry.surface, json.dumps(entry.documents)),
            )
            connection.executemany(
                "INSERT OR IGNORE INTO audit_documents VALUES (?, ?)",
                [(document, written.lastrowid) for document in entry.documents],
            )

    def entries(
        self, *, viewer: str = "", document: str = "", since: datetime | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        conditions = {
            "viewer = :viewer": viewer,
            "id IN (SELECT entry FROM audit_documents WHERE document = :document)": document,
            "at >= :since": since,
        }
        where = " AND ".join(condition for condition, given in conditions.items() if given) or "1"
        rows = self._database.rows(
            f"SELECT at, viewer, action, surface, documents FROM audit WHERE {where}"
            " ORDER BY at DESC, id DESC LIMIT :limit",
            {"viewer": viewer, "document": document, "since": stamp(since) if since else "", "limit": max(limit, 0)},
        )
        return [
            AuditEntry(datetime.fromisoformat(at), name, action, surface,
                       tuple(DocumentId(one) for one in json.loads(documents)))
            for at, name, action, surface, documents in rows
        ]  # fmt: skip

    def sweep(self, before: datetime) -> None:
        while self._sweep_some({"before": stamp(before), "most": _AT_ONCE}):
            pass

    def _sweep_some(self, old: Mapping[str, Any]) -> int:
        """A few in one transaction: whoever records meanwhile does not wait for all of a month."""
        chosen = "SELECT id FROM audit WHERE at < :before ORDER BY at LIMIT :most"
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM audit_documents WHERE (document, entry) IN (SELECT value, audit.id"
                f" FROM audit, json_each(audit.documents) WHERE audit.id IN ({chosen}))",
                old,
            )
            return connection.execute(f"DELETE FROM audit WHERE id IN ({chosen})", old).rowcount
