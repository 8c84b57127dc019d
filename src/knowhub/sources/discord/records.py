"""Messages of one item ▸ the record that is stored of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knowhub.connecting.attachments import Attachment
from knowhub.connecting.versions import digest
from knowhub.core.types import Acl, RawRecord
from knowhub.formats.discord import is_noise, message_speaker
from knowhub.sources.discord.holdings import Segment, Version, file_item, topic_item
from knowhub.sources.discord.messages import cleaned, digest_of, files_in, names_in, unsigned
from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.places import Place, Thread

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Records:
    """Makes the records of one channel. `names`: roles, channels and threads by sign and id."""

    place: Place
    options: DiscordOptions
    names: Mapping[str, str]

    def conversation(self, segment: Segment, thread: Thread | None, state: str) -> RawRecord:
        """A day or a thread. In a day what Discord wrote itself is not counted: `{channel}:system` counts it."""
        messages = [cleaned(message) for message in segment.messages]
        acl, payload = self._acl(thread), self._payload(segment, thread)
        said = len(messages) if thread else sum(not is_noise(message) for message in messages)
        content = digest(digest_of(messages), payload, acl)
        payload |= {"names": names_in(messages, self.names), "messages": messages}
        return RawRecord(
            source=self.place.source,
            container=self.place.container,
            item=segment.item,
            kind="thread" if thread else "day",
            version=str(Version(state, max(1, said), content)),
            acl=acl,
            payload=payload,
            location=self._location(segment, thread),
            parts=max(1, said),
        )

    def topic(self) -> RawRecord | None:
        """What the channel is for; None where nothing is said of it."""
        if not (topic := str(self.place.channel.get("topic") or "").strip()):
            return None
        segment, acl = Segment(topic_item(self.place.id), 0, ""), self._acl(None)
        payload = {**self._payload(segment, None), "topic": unsigned(topic)}
        return RawRecord(
            source=self.place.source,
            container=self.place.container,
            item=segment.item,
            kind="topic",
            version=str(Version("", 1, digest(payload, acl))),
            acl=acl,
            payload={**payload, "names": dict(names_in([{"content": topic}], self.names))},
            location=f"{self.place.label}/topic",
        )

    def files(self, stream: str, message: Json, thread: Thread | None) -> Iterator[Attachment]:
        for file in files_in(message):
            acl = self._acl(thread)
            size = file.get("size")
            name = str(file.get("filename") or file["id"])
            yield Attachment(
                item=file_item(stream, str(message["id"]), str(file["id"])),
                container=self.place.container,
                name=name,
                url=str(file.get("url") or ""),
                link=f"https://discord.com/channels/{self.place.guild.id}/{stream}/{message['id']}",
                version=str(Version("", 1, digest(name, size, acl))),
                acl=acl,
                parent=self._parent(thread),
                size_bytes=size if isinstance(size, int) else None,
                author=message_speaker(message),
                created_at=str(message.get("timestamp") or ""),
            )

    def _payload(self, segment: Segment, thread: Thread | None) -> dict[str, Any]:
        guild, channel = self.place.guild, self.place.channel
        told = None
        if thread:
            told = {"id": thread.id, "name": thread.name, "tags": list(thread.tags), "locked": thread.locked}
        return {
            "guild": {"id": guild.id, "name": guild.name},
            "channel": {"id": self.place.id, "name": self.place.name, "type": channel["type"]},
            "thread": told,
            "day": segment.day,
        }

    def _acl(self, thread: Thread | None) -> Acl:
        return self.options.acl(thread.acl(self.place) if thread else self.place.acl)

    def _parent(self, thread: Thread | None) -> str:
        return f"{self.place.label}/{thread.name}" if thread else self.place.label

    def _location(self, segment: Segment, thread: Thread | None) -> str:
        return f"{self._parent(thread)}/{thread.id}" if thread else f"{self._parent(thread)}/{segment.day}"
