"""Who is in a workspace: names for texts, kept in the cursor; accounts and memberships for access.

A full member reads every public channel; a guest, and somebody of another company in a shared channel, only those
that they are members of. https://slack.com/help/articles/202518103-Understand-guest-roles-in-Slack
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knowhub.connecting.versions import due
from knowhub.core.errors import KnowhubError, RateLimited
from knowhub.core.types import Membership, Person, Principal, SourceName
from knowhub.formats.slack import person_name
from knowhub.sources.slack.api import Json, SlackApi, SlackRefused
from knowhub.sources.slack.channels import Channel, principal

log = logging.getLogger(__name__)


class Names:
    """Ids of people, bots, groups and channels ▸ what they are called. "" was asked for and is unknown."""

    def __init__(self, api: SlackApi, stored: Mapping[str, Any]) -> None:
        self._api = api
        self.at: str | None = stored.get("at")
        self.names: dict[str, str] = dict(stored.get("names", {}))
        self.channels: dict[str, str] = {}
        self.known: dict[str, str] = dict(self.names)

    def dump(self) -> dict[str, Any]:
        return {"at": self.at, "names": dict(self.names)}

    def refresh(self, every_hours: float, now: datetime) -> None:
        """List people and user groups again if that is due; without the scope for it ids stay ids."""
        if not due(self.at, every_hours, now):
            return
        self.names = {id: name for id, name in self.names.items() if name}
        self._list("users.list", "members", person_name)
        self._list("usergroups.list", "usergroups", _handle)
        self.at = now.isoformat()
        self.known = {**self.channels, **self.names}

    def _list(self, method: str, key: str, name_of: Callable[[Json], str]) -> None:
        try:
            listed = self._api.collect(method, key, lambda entry: (str(entry.get("id")), name_of(entry)))
        except SlackRefused as error:
            log.warning("names cannot be listed", extra={"method": method, "reason": error.message})
            return
        self.names.update({id: name for id, name in listed if name})

    def of_channels(self, channels: Iterable[Channel]) -> None:
        """Public ones: what a private channel is called is told to nobody who reads of it elsewhere."""
        self.channels = {channel.id: channel.name for channel in channels if channel.public}
        self.known = {**self.channels, **self.names}

    def learn(self, names: Mapping[str, str]) -> None:
        """Names from elsewhere, of whom was never heard."""
        for id, name in names.items():
            if id[:1] in "UW" and name:
                self.names.setdefault(id, name)
                self.known.setdefault(id, name)

    def among(self, named: Iterable[str], people: Iterable[str]) -> dict[str, str]:
        """The names of all ids in `named`; `people` that were never heard of are asked for, once."""
        for person in people:
            if person not in self.names:
                self._ask(person)
        return {id: name for id in sorted(named) if (name := self.known.get(id))}

    def _ask(self, person: str) -> None:
        name = ""
        try:
            user = self._api.call("users.info", user=person).get("user")
            name = person_name(user) if isinstance(user, dict) else ""
        except SlackRefused as error:
            log.info("a person is unknown", extra={"user": person, "reason": error.code})
        self.names[person] = name
        self.known[person] = name


def _handle(group: Json) -> str:
    return str(group.get("handle") or group.get("name") or "")


@dataclass(frozen=True, slots=True)
class Account:
    """An account that can read something now."""

    id: str
    name: str
    email: str
    full: bool
    guest: bool


class SlackDirectory:
    """Implements `Directory` for one connection."""

    def __init__(self, name: SourceName, api: SlackApi, team_id: str) -> None:
        self._name = name
        self._api = api
        self._team_id = team_id

    def people(self) -> Iterator[Person]:
        for account in self._accounts():
            yield Person(self._user(account.id), account.name, account.email)

    def memberships(self, channels: Iterable[Channel]) -> Iterator[Membership]:
        """Full members ▸ `member` ▸ public channels; members of private ones; user groups."""
        accounts = {account.id: account for account in self._accounts()}
        members = Principal(f"{self._name}:member")
        yield Membership(members, frozenset(self._user(one.id) for one in accounts.values() if one.full))
        yield from self._groups(accounts)
        guests_of = self._channels_of_guests(accounts)
        for channel in channels:
            held = self._members(channel, accounts)
            if channel.public:
                also = {guest for guest, there in guests_of.items() if channel.id in there} | (held or set())
                held = also | {members}
            if held is not None:
                yield Membership(principal(self._name, channel.id), frozenset(held))

    def _accounts(self) -> list[Account]:
        found = self._api.collect("users.list", "members", self._account)
        return list({account.id: account for account in found if account}.values())

    def _account(self, user: Json) -> Account | None:
        identity = user.get("id")
        if not isinstance(identity, str) or user.get("deleted") or user.get("is_bot") or identity == "USLACKBOT":
            return None
        profile = user.get("profile")
        stranger = bool(user.get("is_stranger")) or user.get("team_id", self._team_id) != self._team_id
        guest = bool(user.get("is_restricted") or user.get("is_ultra_restricted"))
        # Slack confirms the address of its own accounts; what another company says of its people is hearsay.
        vouched = not stranger and user.get("is_email_confirmed", True) and isinstance(profile, dict)
        email = str(profile.get("email") or "") if vouched and isinstance(profile, dict) else ""
        return Account(identity, person_name(user), email, not guest and not stranger, guest and not stranger)

    def _groups(self, accounts: Mapping[str, Account]) -> Iterator[Membership]:
        try:
            groups = self._api.call("usergroups.list", include_users=True).get("usergroups")
        except SlackRefused as error:
            log.warning("user groups cannot be listed", extra={"reason": error.message})
            return
        for group in groups if isinstance(groups, list) else ():
            users = group.get("users") or ()
            held = frozenset(self._user(user) for user in users if user in accounts)
            yield Membership(Principal(f"{self._name}:usergroup:{group.get('id')}"), held)

    def _channels_of_guests(self, accounts: Mapping[str, Account]) -> dict[Principal, frozenset[str]]:
        """The public channels that each guest is in: a workspace has fewer guests than channels."""
        found: dict[Principal, frozenset[str]] = {}
        for account in accounts.values():
            if not account.guest:
                continue
            try:
                channels = self._api.collect(
                    "users.conversations", "channels", lambda entry: str(entry.get("id")),
                    user=account.id, types="public_channel",
                )  # fmt: skip
            except RateLimited:
                raise
            except KnowhubError as error:
                log.warning("a guest's channels cannot be listed", extra={"user": account.id, "reason": error.message})
                continue
            found[self._user(account.id)] = frozenset(channels)
        return found

    def _members(self, channel: Channel, accounts: Mapping[str, Account]) -> set[Principal] | None:
        """Members by the channel's own list; None where it may not be read. Public ones only for strangers in them."""
        if channel.public and not channel.external:
            return set()
        try:
            listed = self._api.collect("conversations.members", "members", str, channel=channel.id)
        except RateLimited:
            raise
        except KnowhubError as error:
            log.warning("members cannot be listed", extra={"channel": channel.id, "reason": error.message})
            return None
        return {self._user(user) for user in listed if user in accounts}

    def _user(self, user: str) -> Principal:
        return Principal(f"{self._name}:user:{user}")
