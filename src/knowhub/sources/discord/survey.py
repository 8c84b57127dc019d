"""The servers as they are now: what the bot sees of them, and which channels were chosen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest
from knowhub.core.types import SourceName
from knowhub.http import Clock, Missing, Refused
from knowhub.sources.discord.api import DiscordApi
from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.permissions import (
    Guild,
    Member,
    everyone_sees,
    guild_of,
    may_read,
    member_of,
    missing,
    permissions,
)
from knowhub.sources.discord.places import CHANNELS, PRIVATE_THREAD, Place

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A server with its channels and its active threads. `open`: ids of channels that everybody in it sees."""

    guild: Guild
    bot: Member
    channels: list[Json]
    active: list[Json]
    open: frozenset[str]

    def names_at(self, channel: Json) -> dict[str, str]:
        """What all readers of `channel` may know the names of: roles, and channels and threads that they see.

        Those are what everybody sees, and what has the same overwrites, as channels have that are synced with one
        category. Discord shows a mention of any other as "No Access".
        """
        rules = _rules(channel)
        seen = {str(one["id"]): one for one in self.channels if one["id"] in self.open or _rules(one) == rules}
        threads = (one for one in self.active if one.get("type") != PRIVATE_THREAD and str(one["parent_id"]) in seen)
        names = {f"@&{id}": name for id, name in self.guild.role_names.items()}
        return names | {f"#{one['id']}": str(one.get("name")) for one in (*seen.values(), *threads)}


@dataclass(frozen=True, slots=True)
class Surveyor:
    """Raises the errors of `knowhub.http.errors`."""

    source: SourceName
    options: DiscordOptions
    api: DiscordApi
    clock: Clock

    def guilds(self) -> list[Json]:
        wanted = self.options.guilds
        return [g for g in self.api.guilds() if not wanted or str(g["id"]) in wanted or str(g["name"]) in wanted]

    def unlisted(self, guild: str, listed: Iterable[Json]) -> str:
        """Why a server that is not among those to read is there all the same; "" if it is gone, or no longer chosen."""
        names = {str(one[key]) for one in listed for key in ("id", "name")}
        unmatched = [wanted for wanted in self.options.guilds if wanted not in names]
        if self.options.guilds and not unmatched:
            return ""
        try:
            name = self.api.guild(guild)["name"]
        except (Refused, Missing):
            return ""
        if unmatched:
            return f"the bot is in no server {unmatched[0]!r}; if it is called {name!r} now, write its id {guild}"
        return f"Discord did not list the server {name!r}, and the bot is in it; sync again"

    def survey(self, guild: str, bot: str, *, active: bool = True) -> Surveyed:
        """Channels first: a thread of a channel that is made meanwhile is left to the next sync."""
        answer = self.api.guild(guild)
        member = member_of(self.api.member(guild, bot), self.clock.now())
        channels = [one for one in self.api.channels(guild) if one.get("type") in CHANNELS]
        threads = self.api.active_threads(guild) if active else []
        found = guild_of(answer)
        open = frozenset(str(one["id"]) for one in channels if everyone_sees(found, one))
        return Surveyed(found, member, channels, threads, open)

    def place(self, surveyed: Surveyed, channel: Json) -> Place:
        bits = permissions(surveyed.guild, surveyed.bot, channel)
        return Place(self.source, surveyed.guild, channel, bits, self._choices())

    def takes(self, place: Place) -> bool:
        selection = Selection(self.options.include, self.options.exclude)
        return selection.takes(place.name, place.id, place.label, f"{place.guild.name}/{place.name}")

    def _choices(self) -> str:
        options = self.options
        return digest(list(options.readers), options.since, options.attachments, options.max_attachment_bytes,
                      options.private_threads)  # fmt: skip

    def still_readable(self, place: Place) -> bool:
        surveyed = self.survey(place.guild.id, bot_of(self.api.application()), active=False)
        now = next((self.place(surveyed, one) for one in surveyed.channels if str(one["id"]) == place.id), None)
        return now is not None and may_read(now.bits, now.channel)


def _rules(channel: Json) -> dict[str, tuple[int, int]]:
    overwrites = channel.get("permission_overwrites") or ()
    return {str(one["id"]): (int(one["allow"]), int(one["deny"])) for one in overwrites}


def unreadable(place: Place) -> str:
    return f"the bot lacks {missing(place.bits, place.channel)}; give its role that permission here"


def bot_of(application: Json) -> str:
    bot = application.get("bot")
    return str(bot["id"]) if isinstance(bot, dict) else str(application["id"])
