from __future__ import annotations

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from knowhub.core.errors import TransientError
from knowhub.core.ports import AskedQuestion, StoredItem
from knowhub.core.types import ContainerId, DocumentId, ItemId, Person, Principal, SourceName
from knowhub.ledger.sqlite.audit import SqliteAuditLedger
from knowhub.ledger.sqlite.database import SCHEMA_VERSION, Database
from knowhub.ledger.sqlite.directories import SqliteDirectoryLedger
from knowhub.ledger.sqlite.items import SqliteItemLedger
from knowhub.ledger.sqlite.keys import SqliteKeyLedger, SqliteLoginLedger
from knowhub.ledger.sqlite.questions import SqliteQuestionLedger
from tests.contracts.access_ledger import (
    ANA,
    BEN,
    CHAT,
    HOUR,
    NOON,
    WIKI,
    AuditLedgerContract,
    DirectoryLedgerContract,
    KeyLedgerContract,
    LoginLedgerContract,
    QuestionLedgerContract,
    entry,
    member,
    principals,
)


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(tmp_path / "ledger.db")


class TestSqliteDirectoryLedger(DirectoryLedgerContract):
    @pytest.fixture
    def directories(self, database: Database) -> SqliteDirectoryLedger:
        return SqliteDirectoryLedger(database)


class TestSqliteKeyLedger(KeyLedgerContract):
    @pytest.fixture
    def keys(self, database: Database) -> SqliteKeyLedger:
        return SqliteKeyLedger(database)


class TestSqliteLoginLedger(LoginLedgerContract):
    @pytest.fixture
    def logins(self, database: Database) -> SqliteLoginLedger:
        return SqliteLoginLedger(database)


class TestSqliteAuditLedger(AuditLedgerContract):
    @pytest.fixture
    def audit(self, database: Database) -> SqliteAuditLedger:
        return SqliteAuditLedger(database)


class TestSqliteQuestionLedger(QuestionLedgerContract):
    @pytest.fixture
    def questions(self, database: Database) -> SqliteQuestionLedger:
        return SqliteQuestionLedger(database)


# ── upgrading ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A ledger as the first schema made it, with something in every table that matters."""
    file = tmp_path / "ledger.db"
    connection = sqlite3.connect(file)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript((Path(__file__).parent / "schema_1.sql").read_text())
    connection.execute("PRAGMA user_version = 1")
    connection.execute("INSERT INTO sources VALUES ('chat', '{\"page\": 1}', 3, 7)")
    connection.execute(
        "INSERT INTO items VALUES ('chat', 'a', 'general', 'a', 'v1', 2, 7, 'searchable', '', 'Hello', 0, 1, 7)"
    )
    connection.execute("INSERT INTO facts VALUES ('index_generation', '4')")
    connection.commit()
    connection.close()
    return file


def test_a_ledger_of_the_first_schema_is_upgraded_in_place(version_1: Path) -> None:
    database = Database(version_1)
    (item,) = SqliteItemLedger(database).stored(CHAT)
    assert item == StoredItem(
        CHAT, ItemId("a"), ContainerId("general"), "a", "v1", 2, 7, "searchable", "", "Hello", False, True, 7
    )
    assert database.fact("index_generation") == "4"
    assert database.rows("SELECT cursor, revision, sequence FROM sources") == [('{"page": 1}', 3, 7)]
    assert database.rows("PRAGMA user_version") == [(SCHEMA_VERSION,)]
    SqliteDirectoryLedger(database).replace(CHAT, [ANA], [member("chat:c", "chat:user:U1")], NOON)
    SqliteAuditLedger(database).record(entry(1, "ana", "chat:a"))
    assert SqliteDirectoryLedger(Database(version_1)).accounts("ana@example.com") == ["chat:user:U1"]


def test_an_upgraded_ledger_has_the_schema_of_a_new_one(version_1: Path, tmp_path: Path) -> None:
    def schema(file: Path) -> list[tuple[str, ...]]:
        return Database(file).rows("SELECT type, name, sql FROM sqlite_master ORDER BY type, name")

    assert schema(version_1) == schema(tmp_path / "new.db")


def test_several_that_upgrade_at_once_do_it_once(version_1: Path) -> None:
    def open_it(_: int) -> int:
        return len(SqliteItemLedger(Database(version_1)).get(CHAT, [ItemId("a")]))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(open_it, range(8))) == [1] * 8


def test_an_upgrade_that_is_cut_off_leaves_the_old_ledger(version_1: Path) -> None:
    connection = sqlite3.connect(version_1)
    connection.execute("CREATE VIEW audit AS SELECT 1")  # the upgrade stumbles over it in its middle
    connection.commit()
    connection.close()
    with pytest.raises(TransientError, match="views may not be indexed"):
        Database(version_1).rows("SELECT 1")
    connection = sqlite3.connect(version_1)
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert "directories" not in tables
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()


# ── several at once ──────────────────────────────────────────────────────────────────────────────────


def test_readers_do_not_wait_for_a_writer(database: Database) -> None:
    database.set_fact("name", "before")
    with database.transaction() as connection:
        connection.execute("UPDATE facts SET value = 'after'")
        assert database.fact("name") == "after"
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(database.fact, "name").result(timeout=30) == "before"
    assert database.fact("name") == "after"


def test_one_reading_sees_one_state(database: Database) -> None:
    database.set_fact("name", "before")
    with database.reading() as connection:
        assert connection.execute("SELECT value FROM facts").fetchall() == [("before",)]
        with ThreadPoolExecutor(1) as pool:
            pool.submit(database.set_fact, "name", "after").result(timeout=30)
        assert connection.execute("SELECT value FROM facts").fetchall() == [("before",)]
    assert database.fact("name") == "after"


def test_a_closed_database_keeps_no_file_open_and_opens_again(database: Database) -> None:
    held, go = threading.Event(), threading.Event()

    def read_slowly() -> None:
        with database.reading():
            held.set()
            go.wait(30)

    thread = threading.Thread(target=read_slowly)
    thread.start()
    held.wait(30)
    database.close()
    go.set()
    thread.join()
    assert open_files(database.path) == 0
    assert database.fact("nothing") is None
    database.close()


def open_files(path: Path) -> int:
    fds = Path("/proc/self/fd")
    if not fds.exists():
        pytest.skip("no /proc here")
    return sum(os.path.realpath(fd).startswith(str(path)) for fd in fds.iterdir())


def test_directories_that_two_processes_replace_are_one_of_the_two(database: Database) -> None:
    def replace(number: int) -> None:
        people = [Person(Principal(f"chat:user:{number}-{n}"), "", f"u{n}@example.com") for n in range(20)]
        memberships = [member(f"chat:c{n}", f"chat:user:{number}-{n}") for n in range(20)]
        SqliteDirectoryLedger(Database(database.path)).replace(CHAT, people, memberships, NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(replace, range(8)))
    ledger = SqliteDirectoryLedger(database)
    found = {
        account.split(":")[2].partition("-")[0] for n in range(20) for account in ledger.accounts(f"u{n}@example.com")
    }
    members = {
        one.split(":")[2].partition("-")[0] for n in range(20) for one in ledger.members(Principal(f"chat:c{n}"))
    }
    assert len(found) == 1
    assert members == found
    assert (ledger.states()[0].people, ledger.states()[0].memberships) == (20, 20)


def test_what_somebody_else_stored_in_between_does_not_remain(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare, done = SqliteDirectoryLedger._compare, list[int]()

    def then_somebody_else(apart: Database, source: SourceName) -> int:
        revision = compare(apart, source)
        if not done:
            done.append(revision)
            others = [member("chat:c", "chat:user:U2"), member("chat:d", "chat:user:U2")]
            SqliteDirectoryLedger(Database(database.path)).replace(CHAT, [BEN], others, NOON)
        return revision

    monkeypatch.setattr(SqliteDirectoryLedger, "_compare", staticmethod(then_somebody_else))
    ledger = SqliteDirectoryLedger(database)
    ledger.replace(CHAT, [ANA], [member("chat:c", "chat:user:U1")], NOON)
    assert database.rows("SELECT principal FROM people") == [("chat:user:U1",)]
    assert database.rows("SELECT principal, member FROM memberships") == [("chat:c", "chat:user:U1")]


# ── what else ────────────────────────────────────────────────────────────────────────────────────────


def test_a_changed_address_or_name_replaces_the_old_one(database: Database) -> None:
    ledger = SqliteDirectoryLedger(database)
    for email in ("ANA@example.com", "ana@example.com", "ana.b@example.com"):
        ledger.replace(CHAT, [Person(ANA.principal, "Ana", email)], [], NOON)
        assert database.rows("SELECT email FROM people") == [(email,)]


def test_reading_the_same_directory_again_writes_only_its_age(database: Database) -> None:
    ledger = SqliteDirectoryLedger(database)
    given = [ANA, BEN], [member("chat:c", "chat:user:U1")]
    ledger.replace(CHAT, *given, NOON)
    with database.transaction() as connection:
        for table in ("people", "memberships"):
            for move in ("INSERT", "DELETE", "UPDATE"):
                connection.execute(
                    f"CREATE TRIGGER {table}_{move} BEFORE {move} ON {table} BEGIN SELECT raise(ABORT, 'written'); END"
                )
    ledger.replace(CHAT, *given, NOON + HOUR)
    assert ledger.states()[0].read_at == NOON + HOUR


def test_a_forgotten_source_leaves_no_people_and_no_quotes(database: Database) -> None:
    directories, questions = SqliteDirectoryLedger(database), SqliteQuestionLedger(database)
    for source, person in ((CHAT, ANA), (WIKI, Person(Principal("wiki:user:1"), "A", "a@example.com"))):
        directories.replace(source, [person], [], NOON)
    for id, document in (("q1", "chat:1"), ("q2", "wiki:1"), ("q3", "chatty:1")):
        questions.record(AskedQuestion(id, NOON, "ana", "Why?", False, (DocumentId(document),), f"of {document}"))
    SqliteItemLedger(database).forget_source(CHAT)
    assert [state.source for state in directories.states()] == [WIKI]
    assert directories.accounts("ana@example.com") == []
    assert {one.id: one.quote for one in questions.unanswered(NOON)} == {
        "q1": "",
        "q2": "of wiki:1",
        "q3": "of chatty:1",
    }
    assert b"of chat:1" not in database.path.read_bytes()


def test_a_forgotten_document_is_quoted_no_more(database: Database) -> None:
    questions = SqliteQuestionLedger(database)
    for id, document in (("q1", "chat:1"), ("q2", "chat:11")):
        questions.record(AskedQuestion(id, NOON, "ana", "Why?", False, (DocumentId(document),), "words"))
    SqliteItemLedger(database).forget(CHAT, [ItemId("1")])
    assert {one.id: one.quote for one in questions.unanswered(NOON)} == {"q1": "", "q2": "words"}


def test_swept_questions_are_not_left_in_the_file(database: Database) -> None:
    questions = SqliteQuestionLedger(database)
    questions.record(AskedQuestion("q1", NOON, "ana", "quetzalcoatlus", False, ()))
    questions.sweep(NOON + timedelta(days=1))
    assert not any(b"quetzalcoatlus" in path.read_bytes() for path in database.path.parent.iterdir())


def test_an_old_trail_is_swept_piece_by_piece_and_wholly(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowhub.ledger.sqlite.audit._AT_ONCE", 3)
    audit = SqliteAuditLedger(database)
    for minutes in range(10):
        audit.record(entry(minutes, "ana", f"chat:{minutes}", "chat:x"))
    audit.sweep(NOON + timedelta(minutes=8))
    assert len(audit.entries()) == 2
    assert database.rows("SELECT count(*) FROM audit_documents") == [(4,)]


def test_items_are_looked_up_by_thousands(database: Database) -> None:
    items = SqliteItemLedger(database)
    stored = [
        StoredItem(CHAT, ItemId(f"i{n}"), ContainerId("c"), "", "v", 1, n, "searchable", "", "", False, True, n)
        for n in range(1200)
    ]
    items.rebuild(stored, batch=None, key=None)
    found = items.get(CHAT, [ItemId(f"i{n}") for n in range(0, 2400, 2)])
    assert {row.item for row in found} == {f"i{n}" for n in range(0, 1200, 2)}
    assert items.get(SourceName("other"), [ItemId("i1")]) == []
    assert items.get(CHAT, []) == []


def test_principals_are_data(database: Database) -> None:
    ledger = SqliteDirectoryLedger(database)
    odd = "chat:c\"]}'; DROP TABLE people; --"
    ledger.replace(CHAT, [], [member(odd, "chat:user:U1")], NOON)
    assert ledger.held_by(principals("chat:user:U1"), sources=[CHAT]) == principals("chat:user:U1", odd)
