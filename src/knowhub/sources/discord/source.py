"""Discord servers through the REST API ▸ a document a thread, a document a channel's day, files apart.

guilds ▸ channels, roles, active threads (four requests a server) ▸ ChannelReader each ▸ items, counts
                                  └ not readable, left out, without its text ─▶ Gap | Skipped
No gateway connection: edits are found by reading again what is young, and everything once a census.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from knowhub.connecting.attachments import KIND, Attachments, ParseFile, attachment_document
from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import Checkpoint, Cursor, Document, Fetched, Membership, Person, RawRecord, SourceName
from knowhub.formats.discord_conversation import discord_conversation, discord_topic
from knowhub.http import SYSTEM_CLOCK, Clock, Missing, Refused, Unavailable, Undecodable
from knowhub.sources.discord.api import DiscordApi, TokenRefused, lists_members, reads_content
from knowhub.sources.discord.directory import GuildDirectory
from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.permissions import MANAGE_THREADS, Member, guild_of, may_read, member_of
from knowhub.sources.discord.places import TEXT
from knowhub.sources.discord.survey import Surveyor, bot_of, unreadable
from knowhub.sources.discord.syncing import NO_CONTENT, NO_MEMBERS, Syncing

log = logging.getLogger(__name__)

Json = dict[str, Any]


class DiscordSource:
    """Implements `Source` and `Directory`. One channel is one container; its threads are in it."""

    def __init__(self, name: SourceName, options: DiscordOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._api = DiscordApi(options, clock)
        self._surveyor = Surveyor(name, options, self._api, clock)
        self._attachments = Attachments(self._api.http, name, options.max_attachment_bytes)

    # ── checking ─────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> list[str]:
        try:
            application = self._api.application()
            found = [] if reads_content(application) else [f"{self.name}: {NO_CONTENT}."]
            if not self._options.readers and not lists_members(application):
                found.append(f"{self.name}: {NO_MEMBERS}.")
            guilds = self._surveyor.guilds()
            found += self._absent(guilds)
            for guild in guilds:
                found += self._check_guild(guild, bot_of(application))
        except KnowhubError as error:
            return [f"{self.name}: {error}"]
        return found

    def _absent(self, guilds: list[Json]) -> Iterator[str]:
        names = {str(guild[key]) for guild in guilds for key in ("id", "name")}
        for wanted in self._options.guilds:
            if wanted not in names:
                yield f"{self.name}: the bot is in no server {wanted!r}; invite it, or correct `guilds`."
        if not guilds and not self._options.guilds:
            yield f"{self.name}: the bot is in no server; invite it with the link of the docs."

    def _check_guild(self, guild: Json, bot: str) -> list[str]:
        try:
            surveyed = self._surveyor.survey(str(guild["id"]), bot, active=False)
        except (Refused, Missing) as error:
            return [f"{self.name}: {guild['name']}: {error}"]
        found, unmoderated = [], []
        for place in map(partial(self._surveyor.place, surveyed), surveyed.channels):
            if not self._surveyor.takes(place):
                continue
            if not may_read(place.bits, place.channel):
                found.append(f"{self.name}: {place.label}: {unreadable(place)}.")
            elif place.type == TEXT and not place.bits & MANAGE_THREADS:
                unmoderated.append(f"#{place.name}")
        if unmoderated and self._options.private_threads:
            found.append(
                f"{self.name}: {guild['name']}: without Manage Threads, private threads are read only where the bot was"
                f" added ({', '.join(unmoderated[:5])}{' …' if len(unmoderated) > 5 else ''}); give its role Manage"
                " Threads, or set private_threads = false."
            )
        return found

    # ── fetching ─────────────────────────────────────────────────────────────────────────────────────

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        """Channel by channel; the cursor has each channel's state, see `reading.ChannelReader`."""
        sync = Syncing(self._surveyor, self._attachments, cursor, known, self._clock.now())
        application, guilds = self._api.application(), self._surveyor.guilds()
        silent: list[Unavailable | Undecodable] = []
        for guild in guilds:
            try:
                surveyed = self._surveyor.survey(str(guild["id"]), bot_of(application))
            except TokenRefused:
                raise
            except (Refused, Missing) as error:
                yield from sync.guild_gap(guild, f"{error.message}; invite the bot again")
            except (Unavailable, Undecodable) as error:
                silent.append(error)
                yield from sync.guild_gap(guild, error.message)
            else:
                yield from sync.guild(surveyed, withheld=not reads_content(application))
        if silent and len(silent) == len(guilds):
            raise silent[-1]
        yield from sync.departed(guilds)
        yield Checkpoint(sync.final(), last=True)

    # ── the directory ────────────────────────────────────────────────────────────────────────────────

    def people(self) -> Iterator[Person]:
        seen: set[str] = set()
        for directory, _ in self._directories():
            for person in directory.people():
                if person.principal not in seen:
                    seen.add(person.principal)
                    yield person

    def memberships(self) -> Iterator[Membership]:
        for directory, bot in self._directories():
            yield from directory.memberships(bot)

    def _directories(self) -> Iterator[tuple[GuildDirectory, Member]]:
        """Servers whose members can be listed; of others nobody holds anything."""
        application, now = self._api.application(), self._clock.now()
        if not lists_members(application):
            log.warning("members cannot be listed", extra={"source": self.name})
            return
        for guild in self._surveyor.guilds():
            try:
                answer = guild_of(self._api.guild(str(guild["id"])))
                bot = member_of(self._api.member(answer.id, bot_of(application)), now)
            except TokenRefused:
                raise
            except (Refused, Missing):
                log.warning("a server cannot be read", extra={"source": self.name, "guild": guild["id"]})
                continue
            yield GuildDirectory(self.name, self._api, self._options, answer, now), bot


@dataclass(frozen=True, slots=True)
class DiscordParser:
    """Implements `Parser`; attachments are parsed by `parse_file` as local files are."""

    parse_file: ParseFile

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        if record.kind == KIND:
            return attachment_document(record, sequence, self.parse_file)
        return (discord_topic if record.kind == "topic" else discord_conversation)(record, sequence)
