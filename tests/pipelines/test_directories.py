from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from knowhub.core.errors import AccessDenied, TransientError
from knowhub.core.types import ANYONE, Membership, Person, Principal, SourceName
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.directories import SqliteDirectoryLedger
from knowhub.pipelines.directories import DirectoryReport, read_directory
from tests.contracts.access_ledger import member, principals
from tests.servers.kit import VirtualClock

CHAT = SourceName("chat")
ANA = Person(Principal("chat:user:U1"), "Ana", "ana@example.com")


@dataclass
class ScriptedDirectory:
    """Says what it was given; `error` after that."""

    persons: Sequence[Person] = ()
    groups: Sequence[Membership] = ()
    error: Exception | None = None
    clock: VirtualClock | None = None

    def people(self) -> Iterator[Person]:
        yield from self.persons
        if self.clock:
            self.clock.advance(minutes=20)

    def memberships(self) -> Iterator[Membership]:
        yield from self.groups
        if self.error:
            raise self.error


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ledger(tmp_path: Path) -> SqliteDirectoryLedger:
    return SqliteDirectoryLedger(Database(tmp_path / "ledger.db"))


def read(ledger: SqliteDirectoryLedger, clock: VirtualClock, directory: ScriptedDirectory) -> DirectoryReport:
    return read_directory(CHAT, directory, ledger, clock)


def test_people_and_memberships_are_stored_and_counted(ledger: SqliteDirectoryLedger, clock: VirtualClock) -> None:
    report = read(ledger, clock, ScriptedDirectory([ANA], [member("chat:c", "chat:user:U1", ANYONE)]))
    assert report == DirectoryReport(CHAT, people=1, memberships=2)
    assert ledger.accounts("ana@example.com") == ["chat:user:U1"]
    assert ledger.held_by([ANYONE], sources=[CHAT]) == principals(ANYONE, "chat:c")


def test_what_a_source_says_of_others_is_dropped_and_counted(
    ledger: SqliteDirectoryLedger, clock: VirtualClock
) -> None:
    persons = [ANA, Person(Principal("wiki:user:1"), "Eve", "boss@example.com"), Person(Principal("owner"), "Eve", "")]
    groups = [
        member("owner", "chat:user:U1"),
        member("group:admins", "chat:user:U1"),
        member("anyone", "chat:user:U1"),
        member("chatty:c", "chat:user:U1"),
        member("chat:c", "chat:user:U1", "wiki:user:1", "owner", "group:staff", "chat"),
    ]
    report = read(ledger, clock, ScriptedDirectory(persons, groups))
    assert report.dropped == {
        "a person of another source": 2,
        "a principal of another source": 4,
        "a member of another source": 4,
    }
    assert (report.people, report.memberships, report.error) == (1, 1, "")
    everybody = principals("owner", "wiki:user:1", "group:staff", "chat")
    assert ledger.held_by(everybody, sources=[CHAT]) == everybody
    assert ledger.accounts("boss@example.com") == []


@pytest.mark.parametrize("error", [TransientError("503"), AccessDenied("403", cure="Add the scope users:read.")])
def test_a_directory_that_breaks_off_changes_nothing(
    ledger: SqliteDirectoryLedger, clock: VirtualClock, error: Exception
) -> None:
    read(ledger, clock, ScriptedDirectory([ANA], [member("chat:c", "chat:user:U1")]))
    before = clock.now()
    clock.advance(hours=1)
    report = read(ledger, clock, ScriptedDirectory([], [member("chat:d", ANYONE)], error))
    assert report == DirectoryReport(CHAT, error=str(error))
    (state,) = ledger.states()
    assert (state.error, state.read_at, state.tried_at) == (str(error), before, clock.now())
    assert ledger.held_by(principals("chat:user:U1", ANYONE), sources=[CHAT]) == principals(
        "chat:user:U1", ANYONE, "chat:c"
    )


def test_a_fault_of_ours_is_noted_and_raised(ledger: SqliteDirectoryLedger, clock: VirtualClock) -> None:
    with pytest.raises(KeyError):
        read(ledger, clock, ScriptedDirectory(error=KeyError("secret words")))
    assert [state.error for state in ledger.states()] == ["unexpected KeyError"]


def test_the_age_counts_from_the_beginning(ledger: SqliteDirectoryLedger, clock: VirtualClock) -> None:
    began = clock.now()
    read(ledger, clock, ScriptedDirectory([ANA], clock=clock))
    assert clock.now() > began
    assert ledger.states()[0].read_at == began


@pytest.mark.parametrize(
    ("told", "stored"),
    [(" Ana@Example.com ", "Ana@Example.com"), ("ana", ""), ("a@b@c", ""), ("@x.y", ""), ("a@", ""), ("a b@x.y", ""),
     ("a@x.y\x00", ""), ("a" * 400 + "@x.y", "")],
)  # fmt: skip
def test_what_is_no_address_is_stored_as_none(
    ledger: SqliteDirectoryLedger, clock: VirtualClock, told: str, stored: str
) -> None:
    read(ledger, clock, ScriptedDirectory([Person(ANA.principal, "Ana", told)]))
    assert ledger.accounts(stored) == ([ANA.principal] if stored else [])
    assert ledger.accounts(told.strip()) == ([ANA.principal] if stored else [])


def test_half_a_character_in_a_name_is_no_obstacle(ledger: SqliteDirectoryLedger, clock: VirtualClock) -> None:
    broken = Membership(Principal("chat:c\ud800"), frozenset((ANA.principal,)))
    report = read(ledger, clock, ScriptedDirectory([Person(ANA.principal, "A\ud83d", "a\ud83d@x.y")], [broken]))
    assert (report.people, report.dropped) == (1, {"a principal of another source": 1})


def test_a_principal_that_is_named_twice_has_the_members_of_both(
    ledger: SqliteDirectoryLedger, clock: VirtualClock
) -> None:
    groups = [member("chat:c", "chat:user:U1"), member("chat:c", "chat:user:U1", "chat:user:U2")]
    read(ledger, clock, ScriptedDirectory([ANA], groups))
    assert ledger.members(Principal("chat:c")) == ["chat:user:U1", "chat:user:U2"]
