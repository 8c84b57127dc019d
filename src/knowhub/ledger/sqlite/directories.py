"""Implements `DirectoryLedger`: people and memberships by source, and what follows from them.

What is read anew differs little from what is stored. It is laid beside it first, in tables of its own connection;
only the differences are written, so that nobody waits while a company of 100,000 is compared.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import datetime

from knowhub.core.ports import DirectoryState
from knowhub.core.types import Membership, Person, Principal, SourceName
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.times import optional_time, stamp

_STAGE = """
PRAGMA main.cache_size = -65536;
PRAGMA temp.cache_size = -65536;
CREATE TEMP TABLE read_people (principal TEXT PRIMARY KEY, name TEXT, email TEXT) WITHOUT ROWID;
CREATE TEMP TABLE read_memberships (member TEXT, principal TEXT, PRIMARY KEY (member, principal)) WITHOUT ROWID;
CREATE TEMP TABLE new_people (principal TEXT, name TEXT, email TEXT);
CREATE TEMP TABLE old_people (principal TEXT);
CREATE TEMP TABLE new_memberships (member TEXT, principal TEXT);
CREATE TEMP TABLE old_memberships (member TEXT, principal TEXT);
"""
_COMPARE = (
    "DELETE FROM new_people",
    "DELETE FROM old_people",
    "DELETE FROM new_memberships",
    "DELETE FROM old_memberships",
    "INSERT INTO new_people SELECT principal, name, email FROM read_people r WHERE NOT EXISTS (SELECT 1 FROM people p"
    " WHERE p.source = :source AND p.principal = r.principal AND p.name = r.name AND p.email = r.email COLLATE BINARY)",
    "INSERT INTO old_people SELECT principal FROM people p WHERE p.source = :source"
    " AND NOT EXISTS (SELECT 1 FROM read_people r WHERE r.principal = p.principal)",
    "INSERT INTO new_memberships SELECT member, principal FROM read_memberships r WHERE NOT EXISTS"
    " (SELECT 1 FROM memberships m WHERE m.member = r.member AND m.principal = r.principal)",
    "INSERT INTO old_memberships SELECT member, principal FROM memberships m WHERE m.source = :source AND NOT EXISTS"
    " (SELECT 1 FROM read_memberships r WHERE r.member = m.member AND r.principal = m.principal)",
)
_APPLY = (
    "DELETE FROM people WHERE source = :source AND principal IN (SELECT principal FROM old_people)",
    "DELETE FROM memberships WHERE (member, principal) IN (SELECT member, principal FROM old_memberships)",
    "INSERT OR REPLACE INTO people SELECT :source, principal, name, email FROM new_people",
    "INSERT INTO memberships SELECT :source, principal, member FROM new_memberships",
    "INSERT INTO directories (source, people, memberships, read_at, tried_at, revision)"
    " VALUES (:source, (SELECT count(*) FROM read_people), (SELECT count(*) FROM read_memberships), :at, :at, random())"
    # Never the same again, also where a source was forgotten in between.
    " ON CONFLICT (source) DO UPDATE SET people = excluded.people, memberships = excluded.memberships,"
    " read_at = excluded.read_at, tried_at = excluded.tried_at, error = '', revision = excluded.revision",
)
_HELD = """
WITH RECURSIVE held (principal) AS (
    SELECT value FROM json_each(:principals)
    UNION
    SELECT m.principal FROM held CROSS JOIN memberships m ON m.member = held.principal
    WHERE m.source IN (SELECT value FROM json_each(:sources))
) SELECT principal FROM held
"""


class SqliteDirectoryLedger:
    """`DirectoryState.memberships` counts pairs of a principal and one of its members."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def replace(
        self, source: SourceName, people: Sequence[Person], memberships: Sequence[Membership], at: datetime
    ) -> None:
        with closing(Database(self._database.path)) as apart:
            for statement in filter(str.strip, _STAGE.split(";")):
                apart.rows(statement)
            with apart.reading() as connection:
                self._stage(connection, people, memberships)
            while not self._apply(apart, source, at, self._compare(apart, source)):
                pass  # somebody else replaced it meanwhile: compare again

    @staticmethod
    def _stage(connection: sqlite3.Connection, people: Sequence[Person], memberships: Sequence[Membership]) -> None:
        connection.executemany(
            "INSERT OR REPLACE INTO read_people VALUES (?, ?, ?)",
            ((one.principal, one.name, one.email) for one in people),
        )
        connection.executemany(
            "INSERT OR IGNORE INTO read_memberships VALUES (?, ?)",
            ((member, one.principal) for one in memberships for member in one.members),
        )

    @staticmethod
    def _compare(apart: Database, source: SourceName) -> int:
        """Fill the tables of differences; the revision that they are from."""
        with apart.reading() as connection:
            revision = _revision(connection, source)
            for statement in _COMPARE:
                connection.execute(statement, {"source": source})
        return revision

    @staticmethod
    def _apply(apart: Database, source: SourceName, at: datetime, revision: int) -> bool:
        with apart.transaction() as connection:
            if _revision(connection, source) != revision:
                return False
            for statement in _APPLY:
                connection.execute(statement, {"source": source, "at": stamp(at)})
        return True

    def note_failure(self, source: SourceName, error: str, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO directories (source, tried_at, error) VALUES (?, ?, ?) ON CONFLICT (source)"
                " DO UPDATE SET tried_at = excluded.tried_at, error = excluded.error",
                (source, stamp(at), error),
            )

    def states(self) -> list[DirectoryState]:
        rows = self._database.rows(
            "SELECT source, people, memberships, read_at, tried_at, error FROM directories ORDER BY source"
        )
        return [
            DirectoryState(SourceName(source), people, memberships, optional_time(read_at),
                           datetime.fromisoformat(tried_at), error)
            for source, people, memberships, read_at, tried_at, error in rows
        ]  # fmt: skip

    def accounts(self, email: str) -> list[Principal]:
        rows = self._database.rows(
            "SELECT principal FROM people WHERE email = ? AND email <> '' ORDER BY principal", (email,)
        )
        return [Principal(principal) for (principal,) in rows]

    def held_by(self, principals: Collection[Principal], *, sources: Collection[SourceName]) -> frozenset[Principal]:
        rows = self._database.rows(
            _HELD, {"principals": json.dumps(sorted(principals)), "sources": json.dumps(sorted(sources))}
        )
        return frozenset(Principal(principal) for (principal,) in rows)

    def members(self, principal: Principal) -> list[Principal]:
        rows = self._database.rows(
            "SELECT member FROM memberships WHERE source = ? AND principal = ? ORDER BY member",
            (principal.partition(":")[0], principal),
        )
        return [Principal(member) for (member,) in rows]

    def forget(self, source: SourceName) -> None:
        with self._database.transaction() as connection:
            for table in ("people", "memberships", "directories"):
                connection.execute(f"DELETE FROM {table} WHERE source = ?", (source,))
        self._database.overwrite_deleted()


def _revision(connection: sqlite3.Connection, source: SourceName) -> int:
    row = connection.execute("SELECT revision FROM directories WHERE source = ?", (source,)).fetchone()
    return int(row[0]) if row else 0
