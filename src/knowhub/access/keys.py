"""API keys: `kh_{id}_{secret}`. The ledger has a digest of the secret, which is shown once, when it is made.

A secret has 256 bits from the system's source of randomness, so that a plain SHA-256 of it cannot be guessed from.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from knowhub.access.identity import Identity, NotSignedIn, folded, is_address
from knowhub.core.errors import ConfigurationError, NotFound
from knowhub.core.ports import KeyLedger, Scope, StoredKey
from knowhub.core.secret import Secret
from knowhub.core.types import Principal

PREFIX = "kh_"
_KEY = re.compile(r"kh_([0-9a-f]{16})_([A-Za-z0-9_-]{43})")
_NOTED_EVERY = timedelta(minutes=1)
_MOST_DAYS = 3650
_NOBODYS = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A new key as it is stored, and what its holder sends: to be shown now or never."""

    stored: StoredKey
    token: Secret


class Keys:
    """Make, check and revoke."""

    def __init__(self, ledger: KeyLedger, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._clock = clock

    def make(
        self,
        name: str,
        *,
        scopes: Collection[Scope] = frozenset(("read",)),
        email: str = "",
        principals: Sequence[str] = (),
        days: int | None = None,
    ) -> MadeKey:
        """A key that acts as `email` or holds just `principals`. `days` None: it does not expire.

        Raises ConfigurationError for a key that would be nobody's, or anything but what it says.
        """
        _check(name, scopes, email, principals, days)
        now, id, secret = self._clock(), secrets.token_hex(8), secrets.token_urlsafe(32)
        stored = StoredKey(
            id=id,
            name=name.strip(),
            digest=_digest(secret),
            scopes=frozenset(scopes),
            email=folded(email),
            principals=tuple(Principal(one) for one in principals),
            created_at=now,
            expires_at=now + timedelta(days=days) if days else None,
        )
        self._ledger.add(stored)
        return MadeKey(stored, Secret(f"{PREFIX}{id}_{secret}"))

    def identity(self, token: str) -> Identity:
        """Whose key this is. Raises NotSignedIn."""
        match = _KEY.fullmatch(token)
        key = self._ledger.get(match[1]) if match else None
        right = hmac.compare_digest(_digest(match[2] if match else ""), key.digest if key else _NOBODYS)
        if key is None or not right:
            raise NotSignedIn("this API key is not known here", cure="Check that it is whole, or ask for another one.")
        now = self._clock()
        if key.expires_at is not None and now >= key.expires_at:
            raise NotSignedIn("this API key has expired", cure="Ask an administrator of the hub for another one.")
        if key.used_at is None or not timedelta() <= now - key.used_at < _NOTED_EVERY:
            self._ledger.used(key.id, now)
        return identity_of(key)

    def all(self) -> list[StoredKey]:
        """Without their digests."""
        return [replace(key, digest="") for key in self._ledger.all()]

    def revoke(self, id: str) -> None:
        """It is refused from now on. Raises NotFound."""
        if not self._ledger.revoke(id):
            raise NotFound(f"there is no API key {id}", cure="`knowhub keys list` shows them.")


def identity_of(key: StoredKey) -> Identity:
    return Identity(
        name=key.email or f"key:{key.id}", how="key", scopes=key.scopes, email=key.email, principals=key.principals
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _check(name: str, scopes: Collection[Scope], email: str, principals: Sequence[str], days: int | None) -> None:
    if not name.strip() or len(name) > 200 or not name.isprintable():
        raise ConfigurationError("a key needs a name of at most 200 characters", cure="Say what it is for.")
    if not scopes or not set(scopes) <= {"read", "admin"}:
        raise ConfigurationError("a key has the scopes read, admin or both")
    if bool(email) == bool(principals):
        raise ConfigurationError(
            "a key acts as one person or holds principals of its own", cure="Give an address, or principals."
        )
    if email and not is_address(email.strip()):
        raise ConfigurationError(f"{email} is not an address")
    if any(not one.strip() or one != one.strip() or not one.isprintable() for one in principals):
        raise ConfigurationError("a principal is a name without spaces around it, such as group:staff")
    if days is not None and not 1 <= days <= _MOST_DAYS:
        raise ConfigurationError(f"a key lives for 1 to {_MOST_DAYS} days", cure="Or name no days: it does not expire.")
