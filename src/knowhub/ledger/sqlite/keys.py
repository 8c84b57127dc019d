"""Implements `KeyLedger` and `LoginLedger`: digests of API keys and of browsers' cookies."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from knowhub.core.ports import Login, StoredKey
from knowhub.core.types import Principal
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.times import optional_stamp, optional_time, stamp

_COLUMNS = "id, name, digest, scopes, email, principals, created_at, expires_at, used_at"


class SqliteKeyLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: StoredKey) -> None:
        with self._database.transaction() as connection:
            connection.execute(f"INSERT INTO api_keys ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _row(key))

    def get(self, id: str) -> StoredKey | None:
        return next(iter(self._select("WHERE id = ?", (id,))), None)

    def all(self) -> list[StoredKey]:
        return self._select("ORDER BY created_at, id", ())

    def used(self, id: str, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute("UPDATE api_keys SET used_at = ? WHERE id = ?", (stamp(at), id))

    def revoke(self, id: str) -> bool:
        with self._database.transaction() as connection:
            return connection.execute("DELETE FROM api_keys WHERE id = ?", (id,)).rowcount > 0

    def _select(self, condition: str, parameters: tuple[str, ...]) -> list[StoredKey]:
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM api_keys {condition}", parameters)
        return [
            StoredKey(id, name, digest, frozenset(json.loads(scopes)), email,
                      tuple(Principal(one) for one in json.loads(principals)), datetime.fromisoformat(created_at),
                      optional_time(expires_at), optional_time(used_at))
            for id, name, digest, scopes, email, principals, created_at, expires_at, used_at in rows
        ]  # fmt: skip


class SqliteLoginLedger:
    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, login: Login) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO logins VALUES (?, ?, ?, ?)",
                (login.digest, login.email, json.dumps(login.groups), stamp(login.expires_at)),
            )

    def get(self, digest: str) -> Login | None:
        rows = self._database.rows("SELECT digest, email, groups, expires_at FROM logins WHERE digest = ?", (digest,))
        for found, email, groups, expires_at in rows:
            return Login(found, email, tuple(json.loads(groups)), datetime.fromisoformat(expires_at))
        return None

    def delete(self, digest: str) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM logins WHERE digest = ?", (digest,))

    def sweep(self, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM logins WHERE expires_at <= ?", (stamp(at),))


def _row(key: StoredKey) -> tuple[Any, ...]:
    return (
        key.id, key.name, key.digest, json.dumps(sorted(key.scopes)), key.email, json.dumps(key.principals),
        stamp(key.created_at), optional_stamp(key.expires_at), optional_stamp(key.used_at),
    )  # fmt: skip
