"""A thread, or a day of messages outside threads ▸ one record, as `formats.slack_conversation` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from knowhub.connecting.versions import digest
from knowhub.core.types import Acl, ContainerId, ItemId, RawRecord, SourceName
from knowhub.sources.slack.channels import Channel
from knowhub.sources.slack.messages import Json, read, state_of_thread, without_secrets
from knowhub.sources.slack.people import Names


@dataclass(frozen=True, slots=True)
class Recorder:
    """Makes the records of one channel. `scope` changes with all that is the same for each of them."""

    source: SourceName
    channel: Channel
    workspace_url: str
    acl: Acl
    bot_messages: bool
    names: Names

    @property
    def container(self) -> ContainerId:
        return ContainerId(self.channel.id)

    @property
    def scope(self) -> str:
        channel = self.channel
        place = (channel.name, channel.label, channel.kind, self.workspace_url)
        return digest(*place, self.acl, self.bot_messages)[:8]

    def location(self, key: str) -> str:
        return f"{self.channel.label}/{key}"

    def item(self, key: str) -> ItemId:
        return ItemId(f"{self.channel.id}:{key}")

    def day(self, key: str, messages: Sequence[Json], scope: str) -> RawRecord:
        return self._record(key, "", messages, f"{scope}/")

    def thread(self, ts: str, messages: Sequence[Json], root: Json, lacking: int, scope: str) -> RawRecord:
        """`root` is the parent as it was listed with these replies; `lacking` what it counts beyond them."""
        state = state_of_thread(root, scope)
        return self._record(ts, ts, messages, f"?{lacking}/{state}" if lacking else state)

    def _record(self, key: str, thread_ts: str, messages: Sequence[Json], prefix: str) -> RawRecord:
        reading = read(messages)
        channel = self.channel
        return RawRecord(
            source=self.source,
            container=self.container,
            item=self.item(key),
            kind="thread" if thread_ts else "day",
            version=f"{prefix}{len(messages)}-{reading.digest}",
            acl=self.acl,
            payload={
                "workspace_url": self.workspace_url,
                "channel": {"id": channel.id, "name": channel.name, "label": channel.label, "kind": channel.kind},
                "thread_ts": thread_ts,
                "names": self.names.among(reading.named, reading.people),
                "messages": without_secrets(messages),
            },
            location=self.location(key),
            parts=len(messages),
        )
