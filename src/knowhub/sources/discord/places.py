"""Channels and threads as the API lists them, and what of them goes into every item."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from knowhub.connecting.versions import digest
from knowhub.core.types import Acl, ContainerId, SourceName
from knowhub.formats.discord_conversation import moment_of
from knowhub.sources.discord.permissions import Guild

Json = dict[str, Any]

TEXT, VOICE, ANNOUNCEMENT, STAGE, FORUM, MEDIA = 0, 2, 5, 13, 15, 16
PRIVATE_THREAD = 12
WRITTEN = frozenset({TEXT, VOICE, ANNOUNCEMENT, STAGE})
"""Types of channels that messages stand in directly."""
THREADED = frozenset({TEXT, ANNOUNCEMENT, FORUM, MEDIA})
CHANNELS = WRITTEN | THREADED

_COUNTED_SINCE = datetime(2022, 7, 1, tzinfo=UTC)
_STOPPED_AT = 50


def channel_principal(source: SourceName, channel: str) -> str:
    return f"{source}:channel:{channel}"


def thread_principal(source: SourceName, thread: str) -> str:
    return f"{source}:thread:{thread}"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel of a server; `bits` are the bot's permissions in it, `choices` stands for the source's options."""

    source: SourceName
    guild: Guild
    channel: Json
    bits: int
    choices: str

    @property
    def id(self) -> str:
        return str(self.channel["id"])

    @property
    def container(self) -> ContainerId:
        return ContainerId(self.id)

    @property
    def name(self) -> str:
        return str(self.channel.get("name") or self.id)

    @property
    def label(self) -> str:
        return f"{self.guild.name}/#{self.name}"

    @property
    def type(self) -> int:
        return int(self.channel["type"])

    @property
    def last(self) -> int:
        """The id of the newest message; it may be gone."""
        return int(self.channel.get("last_message_id") or 0)

    @property
    def acl(self) -> Acl:
        return Acl.of(channel_principal(self.source, self.id))

    @property
    def tags(self) -> dict[str, str]:
        return {str(tag["id"]): str(tag["name"]) for tag in self.channel.get("available_tags") or ()}

    @property
    def shape(self) -> str:
        """What stands in every item of the channel; a change of it is a change of them all."""
        return digest(self.name, self.guild.id, self.guild.name, self.tags, self.choices)


@dataclass(frozen=True, slots=True)
class Listing:
    """What a thread's listing tells of its messages. https://discord.com/developers/docs/topics/threads#thread-fields"""

    last: int = 0
    count: int = 0
    total: int = 0
    archived: str = ""
    shape: str = ""

    def __str__(self) -> str:
        return f"{self.last}.{self.count}.{self.total}.{self.archived}.{self.shape}"

    @classmethod
    def of(cls, state: str) -> Listing | None:
        parts = state.split(".")
        if len(parts) != 5 or not all(part.isdigit() for part in parts[:3]):
            return None
        return cls(int(parts[0]), int(parts[1]), int(parts[2]), parts[3], parts[4])

    def only_grew_since(self, before: Listing) -> bool:
        """Messages were added and none deleted; what was edited meanwhile is found as in channels."""
        open_still = not self.archived and not before.archived and self.shape == before.shape
        return open_still and self.last >= before.last and self.total - self.count == before.total - before.count


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread as it was listed."""

    id: str
    name: str
    private: bool
    locked: bool
    tags: tuple[str, ...]
    listing: Listing

    @property
    def certain(self) -> bool:
        """An equal listing means equal messages: nothing can be edited in an archived thread, deletions are counted.

        But that of a post's first message, and threads from before July 2022 stopped counting at 50.
        """
        counted = moment_of(self.id) >= _COUNTED_SINCE or self.listing.total < _STOPPED_AT
        return bool(self.listing.archived) and counted

    def acl(self, place: Place) -> Acl:
        """One must see the channel, and be in the thread (or be its moderator) if it is a private one."""
        own = Acl.of(thread_principal(place.source, self.id))
        return place.acl & own if self.private else place.acl


def thread_of(answer: Json, place: Place) -> Thread:
    name, metadata = str(answer.get("name") or ""), answer.get("thread_metadata") or {}
    tags = tuple(place.tags.get(str(tag), "") for tag in answer.get("applied_tags") or ())
    private, locked = answer.get("type") == PRIVATE_THREAD, bool(metadata.get("locked"))
    archived = digest(metadata.get("archive_timestamp"))[:8] if metadata.get("archived") else ""
    listing = Listing(
        last=int(answer.get("last_message_id") or 0),
        count=int(answer.get("message_count") or 0),
        total=int(answer.get("total_message_sent") or 0),
        archived=archived,
        shape=digest(name, tags, private, locked, place.shape)[:8],
    )
    return Thread(str(answer["id"]), name, private, locked, tuple(filter(None, tags)), listing)
