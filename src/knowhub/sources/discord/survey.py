"""The servers as they are now: what the bot sees of them, and which channels were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest
from knowhub.core.types import SourceName
from knowhub.http import Clock
from knowhub.sources.discord.api import DiscordApi
from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.permissions import Guild, Member, guild_of, may_read, member_of, missing, permissions
from knowhub.sources.discord.places import CHANNELS, Place

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Surveyed:
    """A server with its channels and its active threads."""

    guild: Guild
    bot: Member
    channels: list[Json]
    active: list[Json]


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

    def survey(self, guild: str, bot: str, *, active: bool = True) -> Surveyed:
        """Channels first: a thread of a channel that is made meanwhile is left to the next sync."""
        answer = self.api.guild(guild)
        member = member_of(self.api.member(guild, bot), self.clock.now())
        channels = [one for one in self.api.channels(guild) if one.get("type") in CHANNELS]
        threads = self.api.active_threads(guild) if active else []
        return Surveyed(guild_of(answer), member, channels, threads)

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


def unreadable(place: Place) -> str:
    return f"the bot lacks {missing(place.bits, place.channel)}; give its role that permission here"


def bot_of(application: Json) -> str:
    bot = application.get("bot")
    return str(bot["id"]) if isinstance(bot, dict) else str(application["id"])
