"""Discord's connector against the simulated Discord: random histories, kills, and each trap by itself."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.discord import is_noise
from knowhub.formats.discord_conversation import moment_of
from knowhub.formats.parsed import Parsed
from knowhub.sources.discord import DiscordOptions, DiscordParser, DiscordSource
from tests.contracts.api_source import ApiSourceContract, ApiWorld, Marks, Seen, Truth
from tests.servers.discord import (
    ANNOUNCEMENT,
    FORUM,
    MANAGE_THREADS,
    MEDIA,
    SIGNATURE,
    STAGE,
    TEXT,
    TOKEN,
    VIEW,
    VOICE,
    Channel,
    Discord,
    Guild,
    Message,
)
from tests.servers.kit import Asked, VirtualClock

FILLER = "please have a look at this as soon as there is some time for it, nobody else has answered yet " * 2
WITHOUT_CENSUS: dict[str, Any] = {"census_hours": 10**6, "reread_hours": 10**5, "reread_minutes": 0}
SCHEDULES: list[dict[str, Any]] = [
    {"census_hours": 0, "archive_census_hours": 0},
    {"census_hours": 24, "archive_census_hours": 24, "reread_hours": 30},
    WITHOUT_CENSUS,
]
_MARK = re.compile(r"mark\d+x")


def plain_file(data: bytes, name: str) -> Parsed:
    return Parsed("text", data.decode())


class DiscordWorld:
    """A company on Discord: channels of every kind, threads of every kind, people with and without roles."""

    def __init__(self, rng: random.Random) -> None:
        self.clock = VirtualClock()
        self.server = Discord(self.clock)
        self.name = SourceName("chat")
        self.secrets = (TOKEN, SIGNATURE)
        self.marks = Marks()
        self.schedule = rng.choice(SCHEDULES)
        self.private_threads = rng.random() < 0.8
        self.people = [self.server.add_user(name).id for name in ("ana", "ben", "cid", "dan")]
        self.guild = self._found("Acme", self.people[0], self.people)
        self.staff = self.server.add_role(self.guild, "staff", rng.choice([0, MANAGE_THREADS]))
        self.guild.members[self.people[1]].roles.add(self.staff)
        for name, type in (("general", TEXT), ("help", FORUM), ("news", ANNOUNCEMENT), ("lounge", VOICE)):
            self.server.add_channel(self.guild, name, type, tags=("solved", "bug") if type == FORUM else ())
        if rng.random() < 0.5:
            other = self._found("Club", self.people[1], self.people[1:3])
            self.server.add_channel(other, "hall", rng.choice([TEXT, MEDIA, STAGE]))
        for _ in range(10):
            self.change(rng)
            self.clock.advance(hours=3)

    def _found(self, name: str, owner: str, people: list[str]) -> Guild:
        guild = self.server.add_guild(name, owner)
        for person in people:
            self.server.join(guild, person)
        return guild

    def source(self) -> DiscordSource:
        options = DiscordOptions(
            base_url=f"{self.server.url}/api/v10",
            token=Secret(TOKEN),
            **self.schedule,
            private_threads=self.private_threads,
        )
        return DiscordSource(self.name, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return DiscordParser(plain_file)(record, sequence)

    def settle(self) -> None:
        """A day passes, and threads in which nothing was written are archived, some of them late."""
        self.clock.advance(hours=25)
        for thread in self._threads():
            idle = self.clock.now() - moment_of(str(thread.last or thread.id))
            if not thread.archived and idle > timedelta(days=2):
                self.server.archive(thread)
                thread.archived_at = self.clock.now() - timedelta(minutes=5)

    def page_of(self, asked: Asked) -> str | None:
        match asked.parts[2:]:
            case ["channels", id, "messages"]:
                return self.server.channels[id].parent or id
            case ["channels", id, *_, kind] if kind in ("public", "private"):
                return f"{id}, archived {kind}"
        return None

    def idle_requests(self) -> int:
        """The application, the servers, four of each, one listing of archived threads a channel."""
        channels = [one for one in self.server.channels.values() if not one.is_thread]
        listings = sum(channel.type not in (VOICE, STAGE) for channel in channels)
        walked = 0 if self.schedule.get("census_hours") and self.schedule.get("reread_minutes", 60) else 200
        return 2 + 4 * len(self.server.guilds) + listings + walked

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        rng.choice(
            [self._write] * 4 + [self._reply] * 2 + [self._edit, self._delete] * 2 + [self._thread] * 3
            + [self._archive, self._rename, self._remove, self._restrict, self._attach, self._role, self._noise]
        )(rng)  # fmt: skip

    def _words(self) -> str:
        return f"{FILLER}{self.marks.fresh()}"

    def _threads(self) -> list[Channel]:
        return [one for one in self.server.channels.values() if one.is_thread]

    def _spoken(self) -> list[Channel]:
        return [one for one in self.server.channels.values() if one.type not in (FORUM, MEDIA)]

    def _message(self, rng: random.Random) -> tuple[Channel, Message] | None:
        found = [
            (place, message)
            for place in self._spoken()
            for message in place.messages.values()
            if message.type in (0, 19)
        ]
        return rng.choice(found) if found else None

    def _write(self, rng: random.Random) -> None:
        self.server.post(rng.choice(self._spoken()), rng.choice(self.people), self._words())

    def _reply(self, rng: random.Random) -> None:
        if found := self._message(rng):
            self.server.post(found[0], rng.choice(self.people), self._words(), reply_to=found[1])

    def _edit(self, rng: random.Random) -> None:
        if found := self._message(rng):
            self.server.edit(*found, self._words())

    def _delete(self, rng: random.Random) -> None:
        if found := self._message(rng):
            place, message = found
            if str(message.id) == place.id and place.archived and self.schedule == WITHOUT_CENSUS:
                self.server.unarchive(place)  # no listing shows that a closed post lost its first message
            self.server.delete(place, message)

    def _thread(self, rng: random.Random) -> None:
        channel = rng.choice([c for c in self.server.channels.values() if c.type in (TEXT, ANNOUNCEMENT, FORUM, MEDIA)])
        name, author = f"About {self.marks.fresh()}", rng.choice(self.people)
        if channel.type in (FORUM, MEDIA):
            self.server.post_in_forum(channel, name, author, self._words(), rng.sample(["solved", "bug"], 1))
            return
        free = [m for m in channel.messages.values() if str(m.id) not in self.server.channels]
        of = rng.choice(free) if free and rng.random() < 0.6 else None
        private = channel.type == TEXT and of is None
        thread = self.server.start_thread(channel, name, author, of=of, private=private)
        for _ in range(rng.randrange(3)):
            self.server.post(thread, author, self._words())

    def _archive(self, rng: random.Random) -> None:
        """Several in one moment."""
        for thread in self._threads():
            if rng.random() < 0.5:
                self.server.archive(thread) if not thread.archived else self.server.unarchive(thread)

    def _rename(self, rng: random.Random) -> None:
        place = rng.choice(list(self.server.channels.values()))
        place.name = f"Named {self.marks.fresh()}" if place.is_thread else f"room-{rng.randrange(99)}"
        if place.is_thread and place.archived:
            self.server.unarchive(place)
        if not place.is_thread:
            place.topic = rng.choice([None, f"Rules {self.marks.fresh()}"])

    def _remove(self, rng: random.Random) -> None:
        threads = self._threads()
        channels = [one for one in self.server.channels.values() if not one.is_thread]
        if threads and rng.random() < 0.7:
            self.server.remove_channel(rng.choice(threads))
        elif len(channels) > 3 and rng.random() < 0.3:
            self.server.remove_channel(rng.choice([one for one in channels if one.type != TEXT]))
        else:
            self.server.add_channel(self.guild, "new", rng.choice([TEXT, FORUM, STAGE]))

    def _restrict(self, rng: random.Random) -> None:
        channel = rng.choice([one for one in self.server.channels.values() if not one.is_thread])
        guild = self.server.guilds[channel.guild]
        whom = rng.choice([*sorted(guild.members), *sorted(guild.roles)])
        if channel.overwrites and rng.random() < 0.6:
            channel.overwrites.clear()
        elif rng.random() < 0.5:
            self.server.overwrite(channel, whom, deny=VIEW)
        else:
            self.server.overwrite(channel, guild.id, deny=VIEW)
            self.server.overwrite(channel, whom, allow=VIEW)

    def _attach(self, rng: random.Random) -> None:
        place = rng.choice(self._spoken())
        files = {f"note{n}.txt": f"text {self.marks.fresh()}".encode() for n in range(rng.randrange(1, 3))}
        message = self.server.post(place, rng.choice(self.people), self._words(), files=files)
        if rng.random() < 0.3:
            message.files.pop()

    def _role(self, rng: random.Random) -> None:
        person = rng.choice(self.people)
        member = self.guild.members.get(person)
        if member is None:
            self.server.join(self.guild, person)
        elif rng.random() < 0.3 and person != self.guild.owner:
            del self.guild.members[person]
        elif rng.random() < 0.5:
            member.roles ^= {self.staff}
        else:
            member.timeout = self.clock.now() + timedelta(days=rng.choice([-1, 5]))

    def _noise(self, rng: random.Random) -> None:
        self.server.post(rng.choice(self._spoken()), rng.choice(self.people), "", type=rng.choice([6, 7, 8]))

    # ── what readers see ─────────────────────────────────────────────────────────────────────────────

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        unreachable = set()
        for place in list(self.server.channels.values()):
            if not place.is_thread and not self.server.reads(self.server.bot, place):
                unreachable.add(ContainerId(place.id))
            if place.type == 12 and not self.private_threads:
                continue
            items |= self._items(place)
        people = {id for guild in self.server.guilds.values() for id in guild.members} - {self.server.bot}
        return Truth(items, frozenset(map(self._person, people)), frozenset(unreachable))

    def _person(self, user: str) -> Principal:
        return Principal(f"{self.name}:user:{user}")

    def _items(self, place: Channel) -> dict[ItemId, Seen]:
        container = ContainerId(place.parent or place.id)
        readers = frozenset(self._person(user) for user in self.people if self.server.reads(user, place))
        title = frozenset(_MARK.findall(place.name))
        found: dict[ItemId, list[str]] = {ItemId(f"thread:{place.id}"): []} if place.is_thread else {}
        items = {}
        for message in place.messages.values():
            day = f"{moment_of(str(message.id)):%Y-%m-%d}"
            item = ItemId(f"thread:{place.id}" if place.is_thread else f"{place.id}:{day}")
            if place.is_thread or not is_noise({"type": message.type}):
                found.setdefault(item, []).append(self._shown(message))
            for file in message.files:
                blob = self.server.blobs[f"/attachments/{place.id}/{file['id']}/{file['filename']}"].decode()
                words = frozenset(_MARK.findall(blob))
                items[ItemId(f"{place.id}:{message.id}:file:{file['id']}")] = Seen(container, words, readers, title)
        if place.topic:
            found[ItemId(f"{place.id}:topic")] = [place.topic]
        for item, texts in found.items():
            words = frozenset(_MARK.findall(" ".join(texts)))
            items[item] = Seen(container, words, readers, title)
        return items

    def _shown(self, message: Message) -> str:
        if message.type in (0, 19) or message.refers is None:
            return message.content
        original = self.server.channels[message.refers[0]].messages.get(message.refers[1])
        return original.content if original else ""


class TestDiscord(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return DiscordWorld(rng)
