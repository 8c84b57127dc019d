"""Who holds which channel's principal, by Discord's own permission algorithm.

channel ◀─ classes of members with equal roles ◀─ members          (few classes, however many members and channels)
private thread ◀─ its members, and the classes that may manage threads in its channel
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from knowhub.connecting.versions import digest
from knowhub.core.types import Membership, Person, Principal, SourceName
from knowhub.formats.discord import person_name
from knowhub.http import Missing, Refused
from knowhub.sources.discord.api import DiscordApi, TokenRefused, Unlistable
from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.permissions import MANAGE_THREADS, Guild, Member, may_read, member_of, permissions
from knowhub.sources.discord.places import (
    CHANNELS,
    PRIVATE_THREAD,
    TEXT,
    channel_principal,
    thread_principal,
)

log = logging.getLogger(__name__)

Json = dict[str, Any]


def user_principal(source: SourceName, user: str) -> Principal:
    return Principal(f"{source}:user:{user}")


@dataclass(slots=True)
class GuildDirectory:
    """One server. Without the Server Members intent nobody holds anything."""

    source: SourceName
    api: DiscordApi
    options: DiscordOptions
    guild: Guild
    now: datetime
    _members: list[tuple[Member, str]] | None = field(default=None, init=False)

    def people(self) -> Iterator[Person]:
        for member, name in self._all():
            yield Person(user_principal(self.source, member.user), name)

    def memberships(self, bot: Member) -> Iterator[Membership]:
        channels = [one for one in self.api.channels(self.guild.id) if one.get("type") in CHANNELS]
        classes = self._classes(channels)
        for principal, members in classes.items():
            yield Membership(principal, frozenset(user_principal(self.source, one.user) for one in members))
        for channel in channels:
            readers = self._holders(classes, channel, lambda bits, c=channel: may_read(bits, c))
            yield Membership(Principal(channel_principal(self.source, str(channel["id"]))), readers)
        if self.options.private_threads:
            yield from self._private_threads(channels, classes, bot)

    def _private_threads(
        self, channels: list[Json], classes: dict[Principal, list[Member]], bot: Member
    ) -> Iterator[Membership]:
        by_id = {str(channel["id"]): channel for channel in channels}
        for thread, parent in self._list_private(by_id, bot).items():
            moderators = self._holders(classes, by_id[parent], lambda bits: bool(bits & MANAGE_THREADS))
            try:
                inside = {user_principal(self.source, user) for user in self.api.thread_members(thread)}
            except TokenRefused:
                raise
            except (Refused, Missing):
                inside = set()
            yield Membership(Principal(thread_principal(self.source, thread)), moderators | inside)

    def _list_private(self, channels: dict[str, Json], bot: Member) -> dict[str, str]:
        """Private threads that the bot may see ▸ their channels."""
        found = {
            str(one["id"]): str(one["parent_id"])
            for one in self.api.active_threads(self.guild.id)
            if one.get("type") == PRIVATE_THREAD and str(one.get("parent_id")) in channels
        }
        for id, channel in channels.items():
            bits = permissions(self.guild, bot, channel)
            if channel.get("type") != TEXT or not may_read(bits, channel):
                continue
            listed = self.api.archived(id, "private", None) if bits & MANAGE_THREADS else self.api.joined(id)
            try:
                found |= {str(one["id"]): id for one in listed}
            except TokenRefused:
                raise
            except (Refused, Missing, Unlistable) as error:
                log.warning("private threads cannot be listed", extra={"channel": id, "reason": error.message})
        return found

    def _classes(self, channels: list[Json]) -> dict[Principal, list[Member]]:
        """Members for whom the algorithm cannot come out differently in any channel."""
        named = {str(one["id"]) for channel in channels for one in channel.get("permission_overwrites") or ()}
        found: dict[Principal, list[Member]] = {}
        for member, _ in self._all():
            alone = member.user if member.user in named or member.user == self.guild.owner else ""
            key = digest(sorted(member.roles), member.muted, member.guest, alone)
            found.setdefault(Principal(f"{self.source}:roles:{self.guild.id}:{key}"), []).append(member)
        return found

    def _holders(self, classes: dict[Principal, list[Member]], channel: Json, admits: Any) -> frozenset[Principal]:
        return frozenset(
            principal for principal, members in classes.items() if admits(permissions(self.guild, members[0], channel))
        )

    def _all(self) -> list[tuple[Member, str]]:
        """People with the names that they have here; bots are nobody."""
        if self._members is None:
            answers = [one for one in self.api.members(self.guild.id) if not one["user"].get("bot")]
            self._members = [(member_of(one, self.now), _name(one)) for one in answers]
        return self._members


def _name(answer: Json) -> str:
    return str(answer.get("nick") or person_name(answer["user"]) or answer["user"]["id"])
