"""Who somebody is ▸ what they hold, at the moment of the question."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from knowhub.access.identity import Identity, folded, is_address
from knowhub.core.ports import DirectoryLedger, DirectoryState, Scope
from knowhub.core.types import ANYONE, Principal, SourceName, Viewer

_SKEW = timedelta(minutes=5)
"""How far in the future a directory may have been read; beyond, a clock was wrong and its age is unknown."""
_GROUP = "group:"


@dataclass(frozen=True, slots=True)
class AccessRules:
    """What the configuration says. `people`: address ▸ further principals. `admins`: addresses and `group:NAME`s.

    Addresses of the sources in `distrust_emails` prove nothing.
    """

    people: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    admins: tuple[str, ...] = ()
    distrust_emails: frozenset[str] = frozenset()
    max_age_hours: float = 24


class Resolver:
    """Memberships are looked up each time: who left a channel at the last reading holds it no more."""

    def __init__(self, ledger: DirectoryLedger, rules: AccessRules, clock: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._rules = rules
        self._clock = clock
        self._people: dict[str, tuple[str, ...]] = {}
        for address, principals in rules.people.items():
            self._people[folded(address)] = self._people.get(folded(address), ()) + tuple(principals)
        self._admins = {one if one.startswith(_GROUP) else folded(one) for one in rules.admins}

    def viewer(self, identity: Identity) -> Viewer:
        fresh = self.fresh_sources()
        return Viewer(identity.name, self._ledger.held_by(self._grounds(identity, fresh).keys(), sources=fresh))

    def grounds(self, identity: Identity) -> Mapping[Principal, str]:
        """What is held without any membership ▸ why."""
        return self._grounds(identity, self.fresh_sources())

    def _grounds(self, identity: Identity, fresh: Collection[SourceName]) -> dict[Principal, str]:
        held: dict[Principal, str] = {ANYONE: "everybody"}
        for principal in identity.principals:
            held[principal] = "access.me" if identity.how == "owner" else "given as it is"
        for group in identity.groups:
            held[Principal(f"{_GROUP}{group}")] = "named by the identity provider"
        if not identity.email:
            return held
        held[Principal(f"user:{identity.email}")] = f"e-mail {identity.email}"
        for account in self._ledger.accounts(identity.email):
            if source_of(account) in fresh and source_of(account) not in self._rules.distrust_emails:
                held[account] = f"e-mail {identity.email}"
        for named in self._people.get(identity.email, ()):
            held[Principal(named)] = "access.people"
        return held

    def scopes(self, email: str, groups: Collection[str]) -> frozenset[Scope]:
        """Of somebody who signed in: everybody reads, administrators are named."""
        named = {f"{_GROUP}{one}" for one in groups} | ({folded(email)} if email else set())
        return frozenset(("read", "admin")) if self._admins & named else frozenset(("read",))

    # ── age ──────────────────────────────────────────────────────────────────────────────────────────

    def fresh_sources(self) -> frozenset[SourceName]:
        """Whose directories are young enough to grant anything."""
        return frozenset(state.source for state in self._ledger.states() if not self.is_stale(state))

    def is_stale(self, state: DirectoryState) -> bool:
        """Too old, never read, or read at a time that has not come."""
        if state.read_at is None:
            return True
        return not -_SKEW <= self._clock() - state.read_at <= timedelta(hours=self._rules.max_age_hours)

    def stale_directories(self) -> list[DirectoryState]:
        return [state for state in self._ledger.states() if self.is_stale(state)]


def named_person(name: str, me: tuple[Principal, ...]) -> Identity:
    """Whom an administrator means: `me`, `anyone`, an address, or principals with commas between.

    Groups that an identity provider names are known only while somebody is signed in: none are assumed.
    """
    if name in ("me", ""):
        return Identity("me", "owner", frozenset(("read",)), principals=me)
    if name == ANYONE:
        return Identity(ANYONE, "public", frozenset(("read",)))
    if is_address(name.strip()):
        return Identity(folded(name), "oidc", frozenset(("read",)), email=folded(name))
    principals = tuple(Principal(one.strip()) for one in name.split(",") if one.strip())
    return Identity(name, "key", frozenset(("read",)), principals=principals)


def source_of(principal: Principal) -> SourceName:
    """What a principal begins with: the source that grants it, if it is one of a source."""
    return SourceName(principal.partition(":")[0])
