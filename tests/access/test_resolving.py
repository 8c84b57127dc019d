from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from knowhub.access.identity import ANYBODY, Identity, owner
from knowhub.access.resolving import AccessRules, Resolver, named_person
from knowhub.core.ports import DirectoryLedger
from knowhub.core.types import ANYONE, Membership, Person, Principal, SourceName
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.directories import SqliteDirectoryLedger
from tests.contracts.access_ledger import closure, member, principals
from tests.servers.kit import VirtualClock

CHAT, WIKI = SourceName("chat"), SourceName("wiki")
ANA = Identity("ana@example.com", "oidc", frozenset(("read",)), email="ana@example.com")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: VirtualClock) -> DirectoryLedger:
    ledger = SqliteDirectoryLedger(Database(tmp_path / "ledger.db"))
    ledger.replace(
        CHAT,
        [Person(Principal("chat:user:U1"), "Ana", "Ana@example.com"), Person(Principal("chat:user:U2"), "Ben", "")],
        [
            member("chat:member", "chat:user:U1", "chat:user:U2"),
            member("chat:channel:C1", "chat:member"),
            member("chat:channel:C2", "chat:user:U2"),
            member("chat:channel:open", ANYONE),
        ],
        clock.now(),
    )
    ledger.replace(
        WIKI,
        [Person(Principal("wiki:user:9"), "A", "ana@example.com")],
        [member("wiki:space", "wiki:user:9")],
        clock.now(),
    )
    return ledger


def held(ledger: DirectoryLedger, clock: VirtualClock, identity: Identity, **rules: object) -> Collection[str]:
    return Resolver(ledger, AccessRules(**rules), clock).viewer(identity).principals  # type: ignore[arg-type]  # fields of it


def test_an_address_is_matched_in_every_source(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    assert held(ledger, clock, ANA) == principals(
        ANYONE, "user:ana@example.com", "chat:user:U1", "chat:member", "chat:channel:C1", "chat:channel:open",
        "wiki:user:9", "wiki:space",
    )  # fmt: skip


def test_groups_of_a_token_are_held(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    assert {"group:staff", "group:chat:user:U2"} <= set(
        held(ledger, clock, replace(ANA, groups=("staff", "chat:user:U2")))
    )


def test_a_group_cannot_be_named_like_somebodys_principal(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    found = held(ledger, clock, replace(ANA, email="", groups=("chat:user:U2", "owner", "user:ben@example.com")))
    assert found == principals(
        ANYONE, "chat:channel:open", "group:chat:user:U2", "group:owner", "group:user:ben@example.com"
    )


def test_the_map_adds_accounts_that_have_no_address(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    people = {"ANA@example.com": ("chat:user:U2",), "ana@EXAMPLE.com": ("group:board",), "ben@example.com": ("owner",)}
    found = held(ledger, clock, ANA, people=people)
    assert {"chat:user:U2", "chat:channel:C2", "group:board"} <= set(found)
    assert "owner" not in found


def test_whoever_has_no_proof_holds_what_sources_show_to_everyone(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    assert held(ledger, clock, ANYBODY) == principals(ANYONE, "chat:channel:open")


def test_the_owner_holds_what_the_configuration_says_and_what_follows(
    ledger: DirectoryLedger, clock: VirtualClock
) -> None:
    me = (Principal("owner"), Principal("chat:user:U2"))
    assert held(ledger, clock, owner(me)) == principals(
        ANYONE, "owner", "chat:user:U2", "chat:member", "chat:channel:C1", "chat:channel:C2", "chat:channel:open"
    )


def test_a_service_key_holds_its_principals_and_nobodys_accounts(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    key = Identity("key:1", "key", frozenset(("read",)), principals=(Principal("chat:member"),))
    assert held(ledger, clock, key) == principals(ANYONE, "chat:member", "chat:channel:C1", "chat:channel:open")


def test_distrusted_addresses_match_nobody(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    found = held(ledger, clock, ANA, distrust_emails=frozenset(("chat",)))
    assert found == principals(ANYONE, "user:ana@example.com", "chat:channel:open", "wiki:user:9", "wiki:space")


def test_an_old_directory_grants_nothing(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    clock.advance(hours=23)
    ledger.replace(WIKI, [Person(Principal("wiki:user:9"), "A", "ana@example.com")], [], clock.now())
    clock.advance(hours=1)
    assert "chat:channel:C1" in held(ledger, clock, ANA)
    clock.advance(seconds=1)
    assert held(ledger, clock, ANA) == principals(ANYONE, "user:ana@example.com", "wiki:user:9")
    assert held(ledger, clock, ANYBODY) == principals(ANYONE)
    assert held(ledger, clock, owner((Principal("chat:user:U1"),))) == principals(ANYONE, "chat:user:U1")


def test_failures_do_not_make_a_directory_young(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    clock.advance(hours=25)
    ledger.note_failure(CHAT, "403", clock.now())
    assert "chat:user:U1" not in held(ledger, clock, ANA)
    assert [state.source for state in Resolver(ledger, AccessRules(), clock).stale_directories()] == ["chat", "wiki"]


def test_a_directory_that_was_never_read_grants_nothing(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    ledger.note_failure(SourceName("code"), "401", clock.now())
    assert Resolver(ledger, AccessRules(), clock).fresh_sources() == {"chat", "wiki"}


def test_a_directory_from_the_future_grants_nothing(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    clock.advance(minutes=-5)
    assert "chat:user:U1" in held(ledger, clock, ANA)
    clock.advance(days=-300)
    assert held(ledger, clock, ANA) == principals(ANYONE, "user:ana@example.com")


def test_who_left_holds_nothing_at_the_next_question(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    resolver = Resolver(ledger, AccessRules(), clock)
    assert "chat:channel:C1" in resolver.viewer(ANA).principals
    ledger.replace(CHAT, [], [member("chat:channel:C1", "chat:member")], clock.now())
    assert "chat:channel:C1" not in resolver.viewer(ANA).principals


def test_administrators_are_named_by_address_or_group(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    resolver = Resolver(ledger, AccessRules(admins=("Ana@example.com", "group:ops")), clock)
    assert resolver.scopes("ana@example.com", ()) == {"read", "admin"}
    assert resolver.scopes("ben@example.com", ("ops",)) == {"read", "admin"}
    for email, groups in (("ben@example.com", ("Ops", "group:ops", "ana@example.com")), ("", ()), ("", ("",))):
        assert resolver.scopes(email, groups) == {"read"}


def test_nobody_is_an_administrator_where_none_is_named(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    assert Resolver(ledger, AccessRules(), clock).scopes("", ("",)) == {"read"}


def test_every_principal_that_is_held_directly_has_its_reason(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    resolver = Resolver(ledger, AccessRules(people={"ana@example.com": ("group:board",)}), clock)
    assert resolver.grounds(replace(ANA, groups=("staff",))) == {
        ANYONE: "everybody",
        "group:staff": "named by the identity provider",
        "user:ana@example.com": "e-mail ana@example.com",
        "chat:user:U1": "e-mail ana@example.com",
        "wiki:user:9": "e-mail ana@example.com",
        "group:board": "access.people",
    }


@pytest.mark.parametrize(
    ("name", "email", "direct"),
    [
        ("me", "", ("owner",)),
        ("anyone", "", ()),
        ("Ana@example.com", "ana@example.com", ()),
        ("group:staff, chat:member", "", ("group:staff", "chat:member")),
    ],
)
def test_an_administrator_names_a_person(name: str, email: str, direct: tuple[str, ...]) -> None:
    who = named_person(name, (Principal("owner"),))
    assert (who.email, who.principals) == (email, direct)
    assert who.scopes == {"read"}


@pytest.mark.parametrize("seed", range(8))
def test_random_companies_agree_with_a_model(tmp_path: Path, clock: VirtualClock, seed: int) -> None:
    """People with accounts at several sources, groups in groups, directories that grow old at random."""
    rng = Random(seed)
    ledger = SqliteDirectoryLedger(Database(tmp_path / "random.db"))
    sources = [SourceName(name) for name in ("chat", "chatty", "wiki", "code")]
    emails = [f"p{n}@example.com" for n in range(6)]
    granted: dict[str, dict[Principal, set[Principal]]] = {}
    people: dict[str, dict[Principal, str]] = {}
    read_at: dict[str, object] = {}
    for _ in range(40):
        source = rng.choice(sources)
        names = [Principal(f"{source}:{kind}:{n}") for kind in ("user", "group") for n in range(6)]
        if rng.random() < 0.7:
            people[source] = {name: rng.choice([*emails, ""]) for name in names[:6]}
            granted[source] = {name: set(rng.sample([*names, ANYONE], rng.randrange(4))) for name in names[6:]}
            read_at[source] = clock.now()
            ledger.replace(
                source,
                [Person(name, "", email.upper()) for name, email in people[source].items()],
                [Membership(name, frozenset(members)) for name, members in granted[source].items()],
                clock.now(),
            )
        else:
            ledger.note_failure(source, "503", clock.now())
        clock.advance(hours=rng.randrange(9))
        rules = AccessRules(people={emails[0]: ("wiki:user:0",)}, distrust_emails=frozenset(("code",)))
        email = rng.choice(emails)
        who = Identity(email, "oidc", frozenset(("read",)), email=email, groups=("staff",))
        young = [one for one in read_at if (clock.now() - read_at[one]).total_seconds() <= 24 * 3600]  # type: ignore[operator]  # times
        own = {name for one in young if one != "code" for name, told in people[one].items() if told == email}
        direct = own | {ANYONE, "group:staff", f"user:{email}"} | ({"wiki:user:0"} if email == emails[0] else set())
        expected = closure(principals(*direct), [granted[one] for one in young])
        assert Resolver(ledger, rules, clock).viewer(who).principals == expected
