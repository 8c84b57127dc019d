from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from knowhub.core.errors import AccessDenied, CorruptObject, KnowhubError, LeaseHeld
from knowhub.core.ports import RetentionLedger
from knowhub.ledger.sqlite.database import SCHEMA_VERSION, Database
from knowhub.ledger.sqlite.fetching import SqliteFetchLedger
from knowhub.ledger.sqlite.items import SqliteItemLedger, SqliteRetentionLedger
from knowhub.ledger.sqlite.leases import SqliteLeases
from knowhub.ledger.sqlite.reports import SqliteReports
from knowhub.ledger.sqlite.stages import SqliteStageLedger
from knowhub.pipelines.sync import Ledgers
from tests.contracts.ledger import LedgerContract


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "deep" / "ledger.db")


class TestSqliteLedger(LedgerContract):
    @pytest.fixture
    def ledgers(self, database: Database) -> tuple[Ledgers, RetentionLedger]:
        ports = Ledgers(
            SqliteFetchLedger(database),
            SqliteStageLedger(database),
            SqliteItemLedger(database),
            SqliteLeases(database),
            SqliteReports(database),
        )
        return ports, SqliteRetentionLedger(database)


def test_a_lease_is_held_by_one_and_free_after_release(database: Database) -> None:
    leases = SqliteLeases(database)
    token = leases.acquire("notes")
    with pytest.raises(LeaseHeld, match=f"pid {os.getpid()}"):
        leases.acquire("notes")
    leases.acquire("other")
    leases.release(token)
    leases.acquire("notes")


def test_of_many_threads_one_gets_the_lease(database: Database) -> None:
    won: list[str] = []

    def try_it() -> None:
        with contextlib.suppress(LeaseHeld):
            won.append(SqliteLeases(Database(database.path)).acquire("notes").owner)

    threads = [threading.Thread(target=try_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1


_HOLD = """
import sys
from pathlib import Path
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.leases import SqliteLeases
SqliteLeases(Database(Path(sys.argv[1]))).acquire("notes")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_holder_frees_its_lease_at_once(database: Database) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(database.path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LeaseHeld):
            SqliteLeases(database).acquire("notes")
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    SqliteLeases(database).acquire("notes")


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def elsewhere(database: Database) -> None:
    """Make every lease look as if it was taken on another machine."""
    with database.transaction() as connection:
        connection.execute("UPDATE leases SET owner = 'other-machine/1/2/3'")


def test_a_holder_elsewhere_frees_its_lease_by_falling_silent(database: Database) -> None:
    clock = Clock()
    leases = SqliteLeases(database, clock, lease_s=60)
    leases.acquire("notes")
    elsewhere(database)
    clock.now += 59
    with pytest.raises(LeaseHeld):
        leases.acquire("notes")
    clock.now += 2
    leases.acquire("notes")


def test_a_clock_that_jumped_back_does_not_lock_a_source_for_years(database: Database) -> None:
    clock = Clock()
    leases = SqliteLeases(database, clock, lease_s=60)
    leases.acquire("notes")
    elsewhere(database)
    clock.now -= 900_000
    leases.acquire("notes")


def test_a_lost_lease_is_not_renewed_and_its_late_release_frees_nobody_else(database: Database) -> None:
    leases = SqliteLeases(database)
    token = leases.acquire("notes")
    elsewhere(database)
    with pytest.raises(LeaseHeld, match="taken over"):
        leases.renew(token)
    leases.release(token)
    assert database.rows("SELECT owner FROM leases") == [("other-machine/1/2/3",)]


def test_a_damaged_file_names_the_cure(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(CorruptObject, match="knowhub reindex"):
        Database(tmp_path / "ledger.db").rows("SELECT 1")


def test_a_newer_ledger_is_not_touched(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    with pytest.raises(AccessDenied, match="newer knowhub"):
        database.rows("SELECT 1")


def test_a_place_that_cannot_be_written_is_said_so() -> None:
    with pytest.raises(KnowhubError, match="/proc/nowhere"):
        Database(Path("/proc/nowhere/ledger.db")).rows("SELECT 1")


def test_facts_are_kept(database: Database) -> None:
    assert database.fact("generation") is None
    database.set_fact("generation", "1")
    database.set_fact("generation", "2")
    assert database.fact("generation") == "2"


def test_a_transaction_that_cannot_be_committed_leaves_the_next_one_free(database: Database) -> None:
    """As on a full disk: a deferred constraint fails in COMMIT itself."""
    with database.transaction() as connection:
        connection.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        connection.execute("CREATE TABLE child (id INTEGER REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
    database.rows("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError), database.transaction() as connection:
        connection.execute("INSERT INTO child VALUES (7)")
    database.set_fact("still", "works")
    assert database.fact("still") == "works"


def test_what_was_deleted_is_not_left_in_the_file(database: Database) -> None:
    database.set_fact("name", "quetzalcoatlus")
    database.set_fact("name", "other")
    database.overwrite_deleted()
    assert not any(b"quetzalcoatlus" in path.read_bytes() for path in database.path.parent.iterdir())


def test_a_lease_whose_release_failed_is_free_in_the_same_process(database: Database) -> None:
    leases = SqliteLeases(database)
    token = leases.acquire("notes")
    with database.transaction() as connection:
        connection.execute("CREATE TRIGGER full BEFORE DELETE ON leases BEGIN SELECT raise(ABORT, 'disk full'); END")
    with pytest.raises(sqlite3.IntegrityError):
        leases.release(token)
    with database.transaction() as connection:
        connection.execute("DROP TRIGGER full")
    leases.acquire("notes")
