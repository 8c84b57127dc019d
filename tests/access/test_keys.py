from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knowhub.access.identity import NotSignedIn
from knowhub.access.keys import Keys
from knowhub.core.errors import ConfigurationError, NotFound
from knowhub.core.ports import KeyLedger
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.keys import SqliteKeyLedger
from tests.servers.kit import VirtualClock


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def ledger(tmp_path: Path) -> KeyLedger:
    return SqliteKeyLedger(Database(tmp_path / "ledger.db"))


@pytest.fixture
def keys(ledger: KeyLedger, clock: VirtualClock) -> Keys:
    return Keys(ledger, clock)


def refusal(keys: Keys, token: str) -> str:
    with pytest.raises(NotSignedIn) as caught:
        keys.identity(token)
    return str(caught.value)


UNKNOWN = "this API key is not known here. Check that it is whole, or ask for another one."


def test_a_key_of_a_person_acts_as_them(keys: Keys) -> None:
    who = keys.identity(keys.make("laptop", email=" Ana@Example.com ").token.reveal())
    assert (who.name, who.email, who.principals) == ("ana@example.com", "ana@example.com", ())
    assert who.how == "key"
    assert who.scopes == {"read"}


def test_a_key_of_a_service_holds_just_its_principals(keys: Keys) -> None:
    made = keys.make("build", principals=["group:ci"], scopes=["admin"])
    who = keys.identity(made.token.reveal())
    assert (who.name, who.email, who.principals) == (f"key:{made.stored.id}", "", ("group:ci",))
    assert who.scopes == {"admin"}


def test_keys_of_one_name_are_not_one_caller(keys: Keys) -> None:
    first, second = (keys.make("build", principals=["group:ci"]) for _ in range(2))
    assert keys.identity(first.token.reveal()).name != keys.identity(second.token.reveal()).name


def test_the_secret_is_nowhere_but_in_the_token(keys: Keys, tmp_path: Path) -> None:
    made = keys.make("laptop", email="ana@example.com")
    secret = made.token.reveal().split("_", 2)[2]
    assert len(secret) == 43
    assert secret not in repr(made)
    assert not any(secret.encode() in file.read_bytes() for file in tmp_path.iterdir())
    assert keys.all()[0].digest == ""


def test_a_key_that_is_not_whole_is_unknown(keys: Keys) -> None:
    token = keys.make("laptop", email="ana@example.com").token.reveal()
    kh, id, secret = token.split("_", 2)
    for wrong in (
        token[:-1], token + "x", token.upper(), f" {token}", f"{token}\n", f"{kh}_{id}_{secret[::-1]}", f"{kh}_{id}_",
        f"{kh}_{'0' * 16}_{secret}", f"{kh}__{secret}", f"kh_{id}", "kh_", "", "kh_" + "a" * 100_000, "kh_é_ü",
    ):  # fmt: skip
        assert refusal(keys, wrong) == UNKNOWN


def test_the_secret_of_one_key_does_not_open_another(keys: Keys) -> None:
    first = keys.make("a", email="ana@example.com").token.reveal().split("_", 2)
    second = keys.make("b", email="ben@example.com").token.reveal().split("_", 2)
    assert refusal(keys, f"kh_{first[1]}_{second[2]}") == UNKNOWN


def test_an_expired_key_says_so_to_its_holder_only(keys: Keys, clock: VirtualClock) -> None:
    token = keys.make("laptop", email="ana@example.com", days=30).token.reveal()
    clock.advance(days=30, seconds=-1)
    keys.identity(token)
    clock.advance(seconds=1)
    assert refusal(keys, token) == "this API key has expired. Ask an administrator of the hub for another one."
    assert refusal(keys, token[:-2] + "xx") == UNKNOWN


def test_a_revoked_key_is_unknown(keys: Keys) -> None:
    made = keys.make("laptop", email="ana@example.com")
    keys.revoke(made.stored.id)
    assert refusal(keys, made.token.reveal()) == UNKNOWN
    with pytest.raises(NotFound, match="`knowhub keys list` shows them"):
        keys.revoke(made.stored.id)


def test_use_is_noted_once_a_minute(keys: Keys, ledger: KeyLedger, clock: VirtualClock) -> None:
    made = keys.make("laptop", email="ana@example.com")
    keys.identity(made.token.reveal())
    first = clock.now()
    clock.advance(seconds=59)
    keys.identity(made.token.reveal())
    assert [key.used_at for key in ledger.all()] == [first]
    clock.advance(seconds=1)
    keys.identity(made.token.reveal())
    assert [key.used_at for key in ledger.all()] == [first + timedelta(minutes=1)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"email": ""},
        {"email": "ana@example.com", "principals": ["group:ci"]},
        {"email": "ana"},
        {"email": "", "principals": [""]},
        {"email": "", "principals": ["group:ci "]},
        {"email": "", "principals": ["a\nb"]},
        {"scopes": []},
        {"scopes": ["write"]},
        {"name": " "},
        {"name": "a\x1b[31m"},
        {"days": 0},
        {"days": 100_000},
    ],
)
def test_a_key_that_would_be_nobodys_or_too_much_is_not_made(keys: Keys, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"name": "laptop", "email": "ana@example.com", **wrong}
    with pytest.raises(ConfigurationError):
        keys.make(**given)
    listed: Sequence[object] = keys.all()
    assert listed == []
