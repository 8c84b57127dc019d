"""Who may read a channel: Discord's permission algorithm, to the letter.

https://discord.com/developers/docs/topics/permissions#permission-overwrites
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Json = Mapping[str, Any]

ADMINISTRATOR = 1 << 3
VIEW_CHANNEL = 1 << 10
READ_MESSAGE_HISTORY = 1 << 16
CONNECT = 1 << 20
MANAGE_THREADS = 1 << 34
_ALL = (1 << 64) - 1
_LEFT_IN_TIMEOUT = VIEW_CHANNEL | READ_MESSAGE_HISTORY
_IS_GUEST = 1 << 4
_VOICE, _STAGE = 2, 13


@dataclass(frozen=True, slots=True)
class Guild:
    """A server: `roles` to permission bits, the one with the guild's own id is everybody's."""

    id: str
    name: str
    owner: str
    roles: Mapping[str, int]
    role_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Member:
    """`muted`: timed out at the moment of reading. `guest`: let into one voice channel, and nowhere else."""

    user: str
    roles: frozenset[str]
    muted: bool = False
    guest: bool = False


def guild_of(answer: Json) -> Guild:
    """A guild object (https://discord.com/developers/docs/resources/guild#guild-object)."""
    roles = {str(role["id"]): role for role in answer["roles"]}
    return Guild(
        id=str(answer["id"]),
        name=str(answer["name"]),
        owner=str(answer["owner_id"]),
        roles={id: int(role["permissions"]) for id, role in roles.items()},
        role_names={id: str(role["name"]) for id, role in roles.items()},
    )


def member_of(answer: Json, now: datetime) -> Member:
    """A guild member object; a timeout that is over is none."""
    until = answer.get("communication_disabled_until")
    return Member(
        user=str(answer["user"]["id"]),
        roles=frozenset(map(str, answer["roles"])),
        muted=bool(until) and datetime.fromisoformat(str(until)) > now,
        guest=bool(int(answer.get("flags") or 0) & _IS_GUEST),
    )


def permissions(guild: Guild, member: Member, channel: Json) -> int:
    """The bits that a member has in a channel. A thread's are those of the channel it was started in."""
    base = _base(guild, member)
    if base & ADMINISTRATOR:
        return _ALL
    found = _overwritten(base, guild, member, channel.get("permission_overwrites") or ())
    if member.muted:
        found &= _LEFT_IN_TIMEOUT
    return 0 if member.guest else found


def may_read(bits: int, channel: Json) -> bool:
    """Seeing the channel and what was written before; in a voice or stage channel, also being let in."""
    needed = VIEW_CHANNEL | READ_MESSAGE_HISTORY
    if channel.get("type") in (_VOICE, _STAGE):
        needed |= CONNECT
    return bits & needed == needed


def missing(bits: int, channel: Json) -> str:
    """The permissions that `may_read` misses, as Discord's settings call them."""
    named = {VIEW_CHANNEL: "View Channel", READ_MESSAGE_HISTORY: "Read Message History"}
    if channel.get("type") in (_VOICE, _STAGE):
        named[CONNECT] = "Connect"
    return " and ".join(name for bit, name in named.items() if not bits & bit)


def everyone_sees(guild: Guild, channel: Json) -> bool:
    """Whether no member of the server is kept from seeing that there is such a channel."""
    overwrites = channel.get("permission_overwrites") or ()
    barred = any(int(one["deny"]) & VIEW_CHANNEL for one in overwrites)
    return not barred and bool(permissions(guild, Member("", frozenset()), channel) & VIEW_CHANNEL)


def _base(guild: Guild, member: Member) -> int:
    if member.user == guild.owner:
        return _ALL
    found = guild.roles.get(guild.id, 0)
    for role in member.roles:
        found |= guild.roles.get(role, 0)
    return found


def _overwritten(bits: int, guild: Guild, member: Member, overwrites: Iterable[Json]) -> int:
    """@everyone's overwrite, then all of the member's roles together, then the member's own."""
    by_id = {str(one["id"]): one for one in overwrites}
    bits = _applied(bits, [by_id[guild.id]] if guild.id in by_id else [])
    bits = _applied(bits, [by_id[role] for role in member.roles if role in by_id and role != guild.id])
    return _applied(bits, [by_id[member.user]] if member.user in by_id else [])


def _applied(bits: int, overwrites: Iterable[Json]) -> int:
    allow = deny = 0
    for one in overwrites:
        allow |= int(one["allow"])
        deny |= int(one["deny"])
    return (bits & ~deny) | allow
