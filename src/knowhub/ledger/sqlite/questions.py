"""Implements `QuestionLedger`: questions that were asked, and what their askers said of the answers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from knowhub.core.ports import AskedQuestion
from knowhub.core.types import DocumentId
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.times import stamp

_COLUMNS = "id, at, viewer, question, found, documents, quote, useful, reason"


class SqliteQuestionLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def record(self, asked: AskedQuestion) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT OR REPLACE INTO questions ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(asked)
            )

    def judge(self, id: str, viewer: str, *, useful: bool, reason: str) -> AskedQuestion | None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE questions SET useful = ?, reason = ? WHERE id = ? AND viewer = ?", (useful, reason, id, viewer)
            )
            row = connection.execute(
                f"SELECT {_COLUMNS} FROM questions WHERE id = ? AND viewer = ?", (id, viewer)
            ).fetchone()
        return _asked(row) if row else None

    def unanswered(self, since: datetime) -> list[AskedQuestion]:
        rows = self._database.rows(
            f"SELECT {_COLUMNS} FROM questions WHERE at >= ? AND (found = 0 OR useful = 0) ORDER BY at DESC, id",
            (stamp(since),),
        )
        return [_asked(row) for row in rows]

    def sweep(self, before: datetime) -> None:
        with self._database.transaction() as connection:
            swept = connection.execute("DELETE FROM questions WHERE at < ?", (stamp(before),)).rowcount
        if swept:
            self._database.overwrite_deleted()


def _row(asked: AskedQuestion) -> tuple[Any, ...]:
    return (
        asked.id, stamp(asked.at), asked.viewer, asked.question, asked.found, json.dumps(asked.documents),
        asked.quote, asked.useful, asked.reason,
    )  # fmt: skip


def _asked(row: tuple[Any, ...]) -> AskedQuestion:
    id, at, viewer, question, found, documents, quote, useful, reason = row
    return AskedQuestion(
        id=id,
        at=datetime.fromisoformat(at),
        viewer=viewer,
        question=question,
        found=bool(found),
        documents=tuple(DocumentId(one) for one in json.loads(documents)),
        quote=quote,
        useful=None if useful is None else bool(useful),
        reason=reason,
    )
