"""One SQLite file in WAL mode: connections, transactions, schema, and its errors as ours."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from knowhub.core.errors import AccessDenied, CorruptObject, KnowhubError, TransientError

SCHEMA_VERSION = 2
LOST = 2
"""`batches.dead` of a dead letter whose object cannot be read; of all others it is 1."""
_BUSY_TIMEOUT_MS = 30_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (
    source TEXT PRIMARY KEY, cursor TEXT, revision INTEGER NOT NULL DEFAULT 0, sequence INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS items (
    source TEXT NOT NULL, item TEXT NOT NULL, container TEXT NOT NULL, location TEXT NOT NULL DEFAULT '',
    version TEXT NOT NULL DEFAULT '', parts INTEGER NOT NULL DEFAULT 1, sequence INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL, reason TEXT NOT NULL DEFAULT '', title TEXT NOT NULL DEFAULT '',
    deleted INTEGER NOT NULL DEFAULT 0, indexed INTEGER NOT NULL DEFAULT 0,
    indexed_sequence INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (source, item)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS items_by_sequence ON items (source, sequence);
CREATE TABLE IF NOT EXISTS containers (
    source TEXT NOT NULL, container TEXT NOT NULL, name TEXT NOT NULL, expected INTEGER, gap TEXT NOT NULL DEFAULT '',
    seen_at TEXT, PRIMARY KEY (source, container)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS batches (
    source TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL, timestamp TEXT NOT NULL, stage TEXT NOT NULL,
    key TEXT, records INTEGER NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (source, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS batches_at_work ON batches (stage, source) WHERE stage <> 'done';
CREATE TABLE IF NOT EXISTS runs (
    id INTEGER PRIMARY KEY, source TEXT NOT NULL, what TEXT NOT NULL, state TEXT NOT NULL, started_at TEXT NOT NULL,
    finished_at TEXT, summary TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS runs_by_source ON runs (source, id);
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, owner TEXT NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

# NOCASE folds ASCII only: a look-alike such as the Kelvin sign makes no address equal to somebody else's.
_SCHEMA_2 = """
CREATE TABLE IF NOT EXISTS directories (
    source TEXT PRIMARY KEY, people INTEGER NOT NULL DEFAULT 0, memberships INTEGER NOT NULL DEFAULT 0,
    read_at TEXT, tried_at TEXT NOT NULL, error TEXT NOT NULL DEFAULT '', revision INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
    source TEXT NOT NULL, principal TEXT NOT NULL CHECK (instr(principal, source || ':') = 1), name TEXT NOT NULL,
    email TEXT NOT NULL COLLATE NOCASE, PRIMARY KEY (source, principal)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS people_by_email ON people (email) WHERE email <> '';
CREATE TABLE IF NOT EXISTS memberships (
    source TEXT NOT NULL, principal TEXT NOT NULL CHECK (instr(principal, source || ':') = 1),
    member TEXT NOT NULL CHECK (member = 'anyone' OR instr(member, source || ':') = 1),
    PRIMARY KEY (member, principal)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS memberships_by_principal ON memberships (source, principal);
CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL, scopes TEXT NOT NULL, email TEXT NOT NULL,
    principals TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT, used_at TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS logins (
    digest TEXT PRIMARY KEY, email TEXT NOT NULL, groups TEXT NOT NULL, expires_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, viewer TEXT NOT NULL, action TEXT NOT NULL, surface TEXT NOT NULL,
    documents TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_by_time ON audit (at);
CREATE INDEX IF NOT EXISTS audit_by_viewer ON audit (viewer, at);
CREATE TABLE IF NOT EXISTS audit_documents (
    document TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (document, entry)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (
    id TEXT PRIMARY KEY, at TEXT NOT NULL, viewer TEXT NOT NULL, question TEXT NOT NULL, found INTEGER NOT NULL,
    documents TEXT NOT NULL, quote TEXT NOT NULL, useful INTEGER, reason TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS questions_by_time ON questions (at);
"""


class Database:
    """Connections to one file, opened as they are needed: readers do not wait, neither for writers nor in line.

    Every write is one immediate transaction; threads of this process take turns with them.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._turn = threading.RLock()
        self._pool = threading.Lock()
        self._preparing = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._generation = 0
        self._mine = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commits at the end, rolls back on any error."""
        with self._turn, self._within("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """One state of the ledger for several reads; only temporary tables may be written."""
        with self._within("BEGIN") as connection:
            yield connection

    @contextmanager
    def _within(self, begin: str) -> Iterator[sqlite3.Connection]:
        with self._translated(), self._connected() as connection:
            connection.execute(begin)
            try:
                yield connection
                # Inside: a commit that finds the disk full leaves its transaction open.
                connection.commit()
            except BaseException:
                connection.rollback()
                raise

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        with self._translated(), self._connected() as connection:
            return connection.execute(sql, parameters).fetchall()

    def fact(self, name: str) -> str | None:
        """A named value that belongs to the hub as a whole."""
        rows = self.rows("SELECT value FROM facts WHERE name = ?", (name,))
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str) -> None:
        with self.transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def overwrite_deleted(self) -> None:
        """Fold the log into the file, where deleted rows are zeros; what others still read is folded in later."""
        self.rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """What is in use closes when it is given back."""
        with self._pool:
            self._generation += 1
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection while it has one, else one that nobody uses."""
        mine: sqlite3.Connection | None = getattr(self._mine, "connection", None)
        if mine is not None:
            yield mine
            return
        with self._pool:
            generation = self._generation
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._open()
        self._mine.connection = connection
        try:
            yield connection
        finally:
            self._mine.connection = None
            self._give_back(connection, generation)

    def _give_back(self, connection: sqlite3.Connection, generation: int) -> None:
        with self._pool:
            if generation == self._generation:
                self._idle.append(connection)
                return
        connection.close()

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(
            self.path, timeout=_BUSY_TIMEOUT_MS / 1000, isolation_level=None, check_same_thread=False
        )
        try:
            # One at a time: switching a new file to WAL does not wait for others who do so, it fails.
            with self._preparing:
                self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        # FULL: after a power cut too, no sequence number is given twice. A sync commits some dozens of times.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > SCHEMA_VERSION:
            raise AccessDenied(
                f"the ledger {self.path} was written by a newer knowhub (schema {found})", cure="Upgrade knowhub."
            )
        if found < SCHEMA_VERSION:
            # Each part only adds what is missing: an older ledger is upgraded in place, by whoever opens it first.
            connection.executescript(
                f"BEGIN IMMEDIATE; {_SCHEMA} {_SCHEMA_2} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except KnowhubError:
            raise
        except sqlite3.OperationalError as error:
            raise self._operational(error) from error
        except (sqlite3.ProgrammingError, sqlite3.IntegrityError):
            raise  # faults of ours, which no move of the file cures
        except sqlite3.DatabaseError as error:
            raise CorruptObject(
                f"the ledger {self.path} is damaged ({error})",
                cure="Move it away and run `knowhub reindex`: the lake rebuilds it.",
            ) from error
        except OSError as error:
            raise AccessDenied(f"the ledger {self.path} cannot be opened: {error.strerror}") from error

    def _operational(self, error: sqlite3.OperationalError) -> KnowhubError:
        text = str(error)
        if "locked" in text or "busy" in text:
            return TransientError(f"the ledger {self.path} is busy", cure="Try again in a moment.")
        if "full" in text:
            return TransientError(f"the disk of {self.path} is full", cure="Free some space and sync again.")
        if "readonly" in text or "unable to open" in text:
            return AccessDenied(
                f"the ledger {self.path} cannot be written ({text})", cure="Check the folder's permissions."
            )
        return TransientError(f"the ledger {self.path} could not be used: {text}")
