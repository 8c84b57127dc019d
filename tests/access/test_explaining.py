from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from knowhub.access.explaining import Explanation, explain
from knowhub.access.identity import ANYBODY, Identity
from knowhub.access.resolving import AccessRules, Resolver
from knowhub.core.ports import DirectoryLedger
from knowhub.core.types import ANYONE, Acl, Membership, Person, Principal, SourceName
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.directories import SqliteDirectoryLedger
from tests.contracts.access_ledger import member, principals
from tests.servers.kit import VirtualClock

CHAT = SourceName("chat")
ANA = Identity("ana@x.y", "oidc", frozenset(("read",)), email="ana@x.y")
BEN = Identity("ben@x.y", "oidc", frozenset(("read",)), email="ben@x.y")


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ledger(tmp_path: Path, clock: VirtualClock) -> DirectoryLedger:
    ledger = SqliteDirectoryLedger(Database(tmp_path / "ledger.db"))
    memberships = [
        member("chat:channel:C1", "chat:team", "chat:user:U9"),
        member("chat:team", "chat:user:U7"),
        member("chat:open", ANYONE),
    ]
    ledger.replace(CHAT, [Person(Principal("chat:user:U7"), "Ana", "ana@x.y")], memberships, clock.now())
    return ledger


def why(ledger: DirectoryLedger, clock: VirtualClock, who: Identity, *layers: frozenset[Principal]) -> Explanation:
    return explain(who, Acl(layers), resolver=Resolver(ledger, AccessRules(), clock), ledger=ledger)


def test_what_admits_is_shown_with_the_chain_by_which_it_is_held(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    told = why(ledger, clock, ANA, principals("chat:channel:C1"), principals("group:x", "chat:open"))
    assert told.lines() == [
        "ana@x.y can read it.",
        "passed: chat:channel:C1 ← chat:team ← chat:user:U7 (e-mail ana@x.y)",
        "passed: chat:open ← anyone (everybody)",
    ]


def test_the_layer_that_is_not_passed_is_named(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    told = why(ledger, clock, BEN, principals("chat:channel:C1"), principals(ANYONE))
    assert told.lines() == [
        "ben@x.y cannot read it.",
        "NOT passed: holds none of chat:channel:C1",
        "passed: anyone (everybody)",
    ]


def test_a_document_without_readers_says_so(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    assert why(ledger, clock, ANA).lines()[1] == "nobody may: the document names no readers"
    assert not why(ledger, clock, ANA, frozenset()).visible
    assert "a layer that nobody passes" in why(ledger, clock, ANA, frozenset()).lines()[1]


def test_long_layers_are_cut(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    many = principals(*(f"chat:user:X{n:02}" for n in range(30)))
    assert why(ledger, clock, ANA, many).lines()[1].endswith("chat:user:X07 and 22 more")


def test_an_old_directory_is_named_as_the_reason(ledger: DirectoryLedger, clock: VirtualClock) -> None:
    clock.advance(days=2)
    ledger.note_failure(CHAT, "GET /users: 403", clock.now())
    told = why(ledger, clock, ANA, principals("chat:channel:C1"))
    assert not told.visible
    assert told.lines()[-1] == (
        "the directory of chat was last read at 2026-03-02 09:30 UTC and is too old to grant anything (GET /users: 403)"
    )
    assert why(ledger, clock, ANA, principals("wiki:x")).stale == ()


@pytest.mark.parametrize("seed", range(5))
def test_the_verdict_is_that_of_the_search_and_every_chain_holds(
    ledger: DirectoryLedger, clock: VirtualClock, seed: int
) -> None:
    rng = Random(seed)
    for _ in range(12):
        names = [Principal(f"chat:g{n}") for n in range(7)]
        granted = {name: set(rng.sample([*names, ANYONE, Principal("chat:user:U7")], 2)) for name in names[:5]}
        person = Person(Principal("chat:user:U7"), "Ana", "ana@x.y")
        ledger.replace(CHAT, [person], [Membership(p, frozenset(m)) for p, m in granted.items()], clock.now())
        resolver = Resolver(ledger, AccessRules(), clock)
        acl = Acl(tuple(frozenset(rng.sample(names, rng.randrange(1, 3))) for _ in range(rng.randrange(3))))
        for who in (ANA, BEN, ANYBODY):
            told = explain(who, acl, resolver=resolver, ledger=ledger)
            assert told.visible == acl.admits(resolver.viewer(who))
            for layer, wanted in zip(told.layers, acl.layers, strict=True):
                assert layer.passed == bool(wanted & resolver.viewer(who).principals)
                if layer.passed:
                    assert layer.chain[0] in wanted
                    assert layer.chain[-1] in resolver.grounds(who)
                    assert all(low in granted[high] for high, low in zip(layer.chain, layer.chain[1:], strict=False))
