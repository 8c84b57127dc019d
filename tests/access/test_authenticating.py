from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from knowhub.access.authenticating import Authenticator
from knowhub.access.identity import Identity, NotSignedIn
from knowhub.access.keys import Keys
from knowhub.access.login import Logins
from knowhub.access.oidc import Claimed, Issuer, OidcOptions, Tokens
from knowhub.access.resolving import AccessRules, Resolver
from knowhub.core.ports import Scope
from knowhub.core.types import Principal
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.directories import SqliteDirectoryLedger
from knowhub.ledger.sqlite.keys import SqliteKeyLedger, SqliteLoginLedger
from tests.servers.issuer import CLIENT, IssuerServer, compact
from tests.servers.kit import VirtualClock

READ: frozenset[Scope] = frozenset(("read",))
BOTH: frozenset[Scope] = frozenset(("read", "admin"))


class Hub:
    """All parts as the wiring joins them."""

    def __init__(self, folder: Path, server: IssuerServer, *, oidc: bool = True, public: bool = False) -> None:
        database, clock = Database(folder / "ledger.db"), server.clock
        self.keys = Keys(SqliteKeyLedger(database), clock)
        self.logins = Logins(SqliteLoginLedger(database), clock)
        issuer = Issuer(OidcOptions(server.url, client_id=CLIENT), clock)
        self.door = Authenticator(
            keys=self.keys,
            logins=self.logins,
            tokens=Tokens(issuer, clock) if oidc else None,
            resolver=Resolver(SqliteDirectoryLedger(database), AccessRules(admins=("group:platform",)), clock),
            me=(Principal("owner"),),
            public=public,
        )


@pytest.fixture
def server() -> Iterator[IssuerServer]:
    with IssuerServer(VirtualClock()) as running:
        yield running


@pytest.fixture
def hub(tmp_path: Path, server: IssuerServer) -> Hub:
    return Hub(tmp_path, server)


def test_a_token_of_the_issuer_and_an_api_key_come_through_one_door(hub: Hub, server: IssuerServer) -> None:
    signed_in = hub.door.by_token(server.token())
    assert signed_in == Identity("ana@example.com", "oidc", BOTH, "ana@example.com", ("staff", "platform"))
    key = hub.door.by_token(hub.keys.make("laptop", email="ana@example.com").token.reveal())
    assert key == Identity("ana@example.com", "key", READ, "ana@example.com")


def test_a_browser_is_who_signed_in_with_it(hub: Hub) -> None:
    _, cookie = hub.logins.start(Claimed("u", "ben@example.com", ("staff",), ""))
    who = hub.door.by_cookie(cookie.reveal())
    assert who == Identity("ben@example.com", "oidc", READ, "ben@example.com", ("staff",))


def test_sessions_end_with_the_identity_provider(tmp_path: Path, hub: Hub, server: IssuerServer) -> None:
    _, cookie = hub.logins.start(Claimed("u", "ben@example.com", (), ""))
    with pytest.raises(NotSignedIn):
        Hub(tmp_path, server, oidc=False).door.by_cookie(cookie.reveal())


def test_tokens_open_nothing_where_nobody_signs_in_with_them(tmp_path: Path, server: IssuerServer) -> None:
    door = Hub(tmp_path, server, oidc=False, public=True).door
    for token in (server.token(), compact({"alg": "none"}, server.claims()), "", "x", "owner", "anyone"):
        with pytest.raises(NotSignedIn):
            door.by_token(token)


def test_a_token_without_an_address_is_told_what_it_lacks(hub: Hub, server: IssuerServer) -> None:
    with pytest.raises(NotSignedIn, match=r"names no e-mail address\. Ask for one with the scope email"):
        hub.door.by_token(server.token(email=None))


def test_the_owner_and_anybody_are_who_the_configuration_says(tmp_path: Path, hub: Hub, server: IssuerServer) -> None:
    assert hub.door.owner() == Identity("me", "owner", BOTH, principals=(Principal("owner"),))
    assert hub.door.anybody() is None
    assert Hub(tmp_path, server, public=True).door.anybody() == Identity("anyone", "public", READ)


def test_nobody_can_call_themselves_me(hub: Hub, server: IssuerServer) -> None:
    for email in ("me", "anyone", "key:1", "owner"):
        with pytest.raises(NotSignedIn):
            hub.door.by_token(server.token(email=email))
