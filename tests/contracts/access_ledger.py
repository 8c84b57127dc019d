"""What every ledger must do about people, keys, logins, the audit trail and questions."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from knowhub.core.ports import (
    AskedQuestion,
    AuditEntry,
    AuditLedger,
    DirectoryLedger,
    KeyLedger,
    Login,
    LoginLedger,
    QuestionLedger,
    StoredKey,
)
from knowhub.core.types import ANYONE, DocumentId, Membership, Person, Principal, SourceName

CHAT, WIKI = SourceName("chat"), SourceName("wiki")
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def principals(*names: str) -> frozenset[Principal]:
    return frozenset(Principal(name) for name in names)


def member(principal: str, *members: str) -> Membership:
    return Membership(Principal(principal), principals(*members))


ANA = Person(Principal("chat:user:U1"), "Ana", "ana@example.com")
BEN = Person(Principal("chat:user:U2"), "Ben", "")


class DirectoryLedgerContract:
    """Inherit, and give the fixture `directories`: an empty ledger."""

    def test_people_are_found_by_their_address_whatever_its_case(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [ANA, BEN], [], NOON)
        directories.replace(WIKI, [Person(Principal("wiki:user:9"), "A", "ANA@example.COM")], [], NOON)
        assert directories.accounts("Ana@Example.com") == ["chat:user:U1", "wiki:user:9"]
        assert directories.accounts("ben@example.com") == []

    def test_no_address_is_nobodys(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [BEN], [], NOON)
        assert directories.accounts("") == []

    def test_a_letter_that_looks_alike_makes_nobody_somebody_else(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [Person(ANA.principal, "Ken", "ken@example.com")], [], NOON)
        assert directories.accounts("\u212aen@example.com") == []
        directories.replace(CHAT, [Person(ANA.principal, "Ç", "ç@example.com")], [], NOON)
        assert directories.accounts("Ç@example.com") == []

    def test_what_is_held_follows_memberships_however_deep(self, directories: DirectoryLedger) -> None:
        chain = [member("chat:g0", "chat:user:U1")] + [member(f"chat:g{n + 1}", f"chat:g{n}") for n in range(300)]
        directories.replace(CHAT, [], chain, NOON)
        held = directories.held_by(principals("chat:user:U1"), sources=[CHAT])
        assert held == principals("chat:user:U1", *(f"chat:g{n}" for n in range(301)))

    def test_circles_of_groups_come_to_an_end(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [], [member("chat:a", "chat:b", "chat:u"), member("chat:b", "chat:a")], NOON)
        assert directories.held_by(principals("chat:u"), sources=[CHAT]) == principals("chat:u", "chat:a", "chat:b")

    def test_only_the_sources_that_are_named_grant_anything(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [], [member("chat:c", ANYONE)], NOON)
        directories.replace(WIKI, [], [member("wiki:s", ANYONE)], NOON)
        assert directories.held_by([ANYONE], sources=[WIKI]) == principals(ANYONE, "wiki:s")
        assert directories.held_by([ANYONE], sources=[]) == principals(ANYONE)
        assert directories.held_by([], sources=[CHAT, WIKI]) == frozenset()

    def test_replacing_leaves_nothing_of_what_was_and_touches_no_other_source(
        self, directories: DirectoryLedger
    ) -> None:
        directories.replace(WIKI, [], [member("wiki:s", ANYONE)], NOON)
        directories.replace(CHAT, [ANA, BEN], [member("chat:c", "chat:user:U1"), member("chat:d", ANYONE)], NOON)
        moved = Person(BEN.principal, "Ben", "ana@example.com")
        directories.replace(CHAT, [moved], [member("chat:c", "chat:user:U2")], NOON)
        assert directories.accounts("ana@example.com") == ["chat:user:U2"]
        assert directories.held_by(principals("chat:user:U1", ANYONE), sources=[CHAT, WIKI]) == principals(
            "chat:user:U1", ANYONE, "wiki:s"
        )
        assert directories.held_by(principals("chat:user:U2"), sources=[CHAT]) == principals("chat:user:U2", "chat:c")

    def test_direct_members_are_listed(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [], [member("chat:c", "chat:g", ANYONE), member("chat:g", "chat:user:U1")], NOON)
        assert directories.members(Principal("chat:c")) == ["anyone", "chat:g"]
        assert directories.members(Principal("chat:nothing")) == []

    def test_a_failure_keeps_what_is_stored_and_shows_its_age(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [ANA], [member("chat:c", "chat:user:U1", "chat:user:U2")], NOON)
        directories.note_failure(CHAT, "403", NOON + HOUR)
        directories.note_failure(WIKI, "401", NOON + HOUR)
        chat, wiki = directories.states()
        assert (chat.people, chat.memberships, chat.read_at, chat.tried_at) == (1, 2, NOON, NOON + HOUR)
        assert chat.error == "403"
        assert (wiki.people, wiki.read_at, wiki.error) == (0, None, "401")
        assert directories.held_by([ANA.principal], sources=[CHAT]) == principals("chat:user:U1", "chat:c")
        directories.replace(CHAT, [], [], NOON + 2 * HOUR)
        assert directories.states()[0].error == ""

    def test_a_forgotten_source_grants_nothing_and_is_not_listed(self, directories: DirectoryLedger) -> None:
        directories.replace(CHAT, [ANA], [member("chat:c", ANYONE)], NOON)
        directories.forget(CHAT)
        assert directories.states() == []
        assert directories.accounts("ana@example.com") == []
        assert directories.held_by([ANYONE], sources=[CHAT]) == principals(ANYONE)

    @pytest.mark.parametrize(
        ("people", "memberships"),
        [
            ([Person(Principal("wiki:user:1"), "Eve", "ana@example.com")], []),
            ([Person(Principal("owner"), "Eve", "")], []),
            ([], [member("owner", "chat:user:U1")]),
            ([], [member("group:staff", "chat:user:U1")]),
            ([], [member("wiki:s", "chat:user:U1")]),
            ([], [member("chatty:c", "chat:user:U1")]),
            ([], [member("chat:c", "wiki:user:1")]),
            ([], [member("chat:c", "group:staff")]),
        ],
    )
    def test_a_source_speaks_of_its_own_principals_only(
        self, directories: DirectoryLedger, people: list[Person], memberships: list[Membership]
    ) -> None:
        directories.replace(CHAT, [ANA], [], NOON)
        with pytest.raises(Exception, match=r"CHECK|own"):  # whatever a store raises for a fault of ours
            directories.replace(CHAT, people, memberships, NOON + HOUR)
        assert directories.accounts("ana@example.com") == ["chat:user:U1"]
        assert directories.states()[0].read_at == NOON

    @pytest.mark.parametrize("seed", range(6))
    def test_random_histories_agree_with_a_model(self, directories: DirectoryLedger, seed: int) -> None:
        rng = Random(seed)
        model: dict[SourceName, dict[Principal, set[Principal]]] = {CHAT: {}, WIKI: {}}
        for _ in range(15):
            source = rng.choice([CHAT, WIKI])
            names = [Principal(f"{source}:{kind}{n}") for kind in "ug" for n in range(8)]
            granted = {name: set(rng.sample([*names, ANYONE], rng.randrange(4))) for name in rng.sample(names, 7)}
            model[source] = granted
            directories.replace(source, [], [Membership(p, frozenset(m)) for p, m in granted.items()], NOON)
            asked = principals(*rng.sample([*names, ANYONE, "owner"], 3))
            chosen = rng.sample([CHAT, WIKI], rng.randrange(3))
            expected = closure(asked, [model[one] for one in chosen])
            assert directories.held_by(asked, sources=chosen) == expected


def closure(asked: frozenset[Principal], granted: list[dict[Principal, set[Principal]]]) -> frozenset[Principal]:
    """The transitive closure, the slow and obvious way."""
    of: dict[Principal, set[Principal]] = defaultdict(set)
    for one in granted:
        for principal, members in one.items():
            of[principal] |= members
    held, size = set(asked), -1
    while len(held) != size:
        size = len(held)
        held |= {principal for principal, members in of.items() if members & held}
    return frozenset(held)


KEY = StoredKey(
    id="k1",
    name="CI",
    digest="d" * 64,
    scopes=frozenset(("read",)),
    email="",
    principals=(Principal("group:ci"), Principal("chat:user:U1")),
    created_at=NOON,
    expires_at=NOON + 24 * HOUR,
)


class KeyLedgerContract:
    """Inherit, and give the fixture `keys`: an empty ledger."""

    def test_a_key_comes_back_as_it_was_added(self, keys: KeyLedger) -> None:
        other = StoredKey("k2", "Ana", "e" * 64, frozenset(("read", "admin")), "ana@example.com", (), NOON + HOUR, None)
        keys.add(other)
        keys.add(KEY)
        assert keys.get("k1") == KEY
        assert keys.all() == [KEY, other]
        assert keys.get("nobody's") is None

    def test_its_last_use_is_noted(self, keys: KeyLedger) -> None:
        keys.add(KEY)
        keys.used("k1", NOON + HOUR)
        found = keys.get("k1")
        assert found
        assert found.used_at == NOON + HOUR

    def test_a_revoked_key_is_gone(self, keys: KeyLedger) -> None:
        keys.add(KEY)
        assert keys.revoke("k1")
        assert not keys.revoke("k1")
        assert (keys.get("k1"), keys.all()) == (None, [])

    def test_an_id_is_given_once(self, keys: KeyLedger) -> None:
        keys.add(KEY)
        with pytest.raises(Exception, match=r"k1|UNIQUE"):  # whatever a store raises for a fault of ours
            keys.add(KEY)


class LoginLedgerContract:
    """Inherit, and give the fixture `logins`: an empty ledger."""

    def test_logins_are_kept_until_they_end(self, logins: LoginLedger) -> None:
        short = Login("d1", "ana@example.com", ("staff", "ops"), NOON)
        long = Login("d2", "ben@example.com", (), NOON + HOUR)
        logins.put(short)
        logins.put(long)
        assert (logins.get("d1"), logins.get("d2"), logins.get("d3")) == (short, long, None)
        logins.sweep(NOON)
        assert (logins.get("d1"), logins.get("d2")) == (None, long)
        logins.delete("d2")
        logins.delete("d2")
        assert logins.get("d2") is None


def entry(minutes: int, viewer: str, *documents: str) -> AuditEntry:
    return AuditEntry(NOON + timedelta(minutes=minutes), viewer, "ask", "api", tuple(map(DocumentId, documents)))


class AuditLedgerContract:
    """Inherit, and give the fixture `audit`: an empty ledger."""

    def test_entries_are_listed_newest_first_by_whom_what_and_when(self, audit: AuditLedger) -> None:
        first, second = entry(1, "ana", "chat:1", "chat:2"), entry(2, "ben", "chat:2")
        third = AuditEntry(NOON + timedelta(minutes=2, microseconds=5), "ana", "read", "mcp", (DocumentId("chat:3"),))
        for one in (second, third, first):
            audit.record(one)
        assert audit.entries() == [third, second, first]
        assert audit.entries(viewer="ana") == [third, first]
        assert audit.entries(document="chat:2") == [second, first]
        assert audit.entries(document="chat:") == []
        assert audit.entries(viewer="ana", document="chat:2", since=first.at) == [first]
        assert audit.entries(since=second.at) == [third, second]
        assert audit.entries(limit=1) == [third]

    def test_old_entries_are_swept_wholly(self, audit: AuditLedger) -> None:
        new = entry(2, "ana", "chat:1")
        for one in (entry(0, "ana", "chat:1"), entry(1, "ana", "chat:1", "chat:2"), entry(1, "ben"), new):
            audit.record(one)
        audit.sweep(new.at)
        assert audit.entries() == audit.entries(document="chat:1") == [new]
        assert audit.entries(document="chat:2") == []
        audit.sweep(NOON + HOUR)
        assert audit.entries() == []

    def test_a_document_shown_twice_in_one_entry_is_one_entry(self, audit: AuditLedger) -> None:
        audit.record(entry(1, "ana", "chat:1", "chat:1"))
        assert len(audit.entries(document="chat:1")) == 1

    def test_what_a_viewer_is_called_is_data(self, audit: AuditLedger) -> None:
        audit.record(entry(1, "a'; DROP TABLE audit; --", "chat:1"))
        assert len(audit.entries(viewer="a'; DROP TABLE audit; --")) == 1
        assert audit.entries(viewer="%") == []


def asked(id: str, minutes: int, *, viewer: str = "ana", found: bool = False) -> AskedQuestion:
    at = NOON + timedelta(minutes=minutes)
    return AskedQuestion(id, at, viewer, f"What is {id}?", found, (DocumentId("chat:1"),) if found else (), "quote")


class QuestionLedgerContract:
    """Inherit, and give the fixture `questions`: an empty ledger."""

    def test_unanswered_are_those_not_found_and_those_not_useful(self, questions: QuestionLedger) -> None:
        for one in (asked("q1", 1), asked("q2", 2, found=True), asked("q3", 3, found=True), asked("q4", 4)):
            questions.record(one)
        questions.judge("q2", "ana", useful=False, reason="that is last year's")
        questions.judge("q3", "ana", useful=True, reason="")
        found = questions.unanswered(NOON)
        assert [one.id for one in found] == ["q4", "q2", "q1"]
        assert found[0] == asked("q4", 4)
        assert (found[1].useful, found[1].reason, found[1].documents) == (False, "that is last year's", ("chat:1",))
        assert [one.id for one in questions.unanswered(NOON + timedelta(minutes=3))] == ["q4"]

    def test_only_who_asked_may_judge(self, questions: QuestionLedger) -> None:
        questions.record(asked("q1", 1, found=True))
        assert questions.judge("q1", "ben", useful=False, reason="no") is None
        assert questions.judge("q2", "ana", useful=False, reason="no") is None
        assert questions.unanswered(NOON) == []
        judged = questions.judge("q1", "ana", useful=False, reason="no")
        assert judged
        assert (judged.question, judged.useful, judged.reason) == ("What is q1?", False, "no")

    def test_one_may_change_ones_mind(self, questions: QuestionLedger) -> None:
        questions.record(asked("q1", 1, found=True))
        questions.judge("q1", "ana", useful=False, reason="no")
        judged = questions.judge("q1", "ana", useful=True, reason="")
        assert judged
        assert (judged.useful, judged.reason) == (True, "")

    def test_old_questions_are_swept(self, questions: QuestionLedger) -> None:
        questions.record(asked("q1", 1))
        questions.record(asked("q2", 2))
        questions.sweep(NOON + timedelta(minutes=2))
        assert [one.id for one in questions.unanswered(NOON)] == ["q2"]
        assert questions.judge("q1", "ana", useful=True, reason="") is None
