"""An export of the workspace as the beginning of its history: the records of another source become this one's.

What the hub already has is left as it is: the API knows better. A file or a message of the export that cannot be read
leaves its channel to the API, all of it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from knowhub.core.ports import Known, KnownItem, Source
from knowhub.core.types import ContainerId, Failed, Fetched, Gap, ItemId, RawRecord, Skipped
from knowhub.sources.slack.messages import DAY_S, Json, is_ts, order_of, seconds_of
from knowhub.sources.slack.options import SlackOptions
from knowhub.sources.slack.records import Recorder
from knowhub.sources.slack.windows import ChannelState

log = logging.getLogger(__name__)


class _Nothing:
    """Implements `Known` of a hub that is empty."""

    def items(self) -> Iterator[KnownItem]:
        return iter(())

    def in_container(self, _container: ContainerId) -> Sequence[KnownItem]:
        return ()

    def get(self, _item: ItemId) -> KnownItem | None:
        return None


@dataclass
class Backfill:
    """One pass over an export. `ends`: channels ▸ the `ts` of the last message that the export has of them."""

    export: Source
    recorders: Mapping[str, Recorder]
    options: SlackOptions
    ends: dict[str, str] = field(default_factory=dict)

    def records(self, known: Known) -> Iterator[Fetched]:
        broken: set[str] = set()
        for fetched in self.export.fetch(None, _Nothing()):
            if isinstance(fetched, Gap | Failed):
                log.warning("the export is broken here", extra={"channel": fetched.container, "reason": fetched.error})
                broken.add(fetched.container)
            elif isinstance(fetched, RawRecord | Skipped) and fetched.container in self.recorders:
                yield from self._taken(fetched, known)
        for channel in broken:
            self.ends.pop(channel, None)

    def states(self, now: datetime) -> dict[str, ChannelState]:
        """The API goes on at the day on which the export ends; late replies to older threads are due tomorrow."""
        since = self.options.since_s // DAY_S * DAY_S
        wait = timedelta(hours=max(0, self.options.census_hours - self.options.warm_hours))
        return {
            channel: ChannelState(
                top=seconds_of(end) // DAY_S * DAY_S,
                warm_at=now.isoformat(),
                census_at=(now - wait).isoformat(),
                threads_at=now.isoformat(),
                scope=self.recorders[channel].scope,
                since=since,
            )
            for channel, end in self.ends.items()
        }

    def _taken(self, fetched: RawRecord | Skipped, known: Known) -> Iterator[Fetched]:
        held = known.get(fetched.item)
        if isinstance(fetched, Skipped):
            if held is None and ":" in fetched.item:
                yield fetched
            return
        payload = fetched.payload or {}
        messages: list[Json] = [m for m in payload.get("messages", ()) if is_ts(m.get("ts")) and self._wanted(m["ts"])]
        if not messages:
            return
        last = max((message["ts"] for message in messages), key=order_of)
        self.ends[fetched.container] = max(last, self.ends.get(fetched.container, last), key=order_of)
        if held is None or not held.version:
            recorder = self.recorders[fetched.container]
            recorder.names.learn(payload.get("names", {}))
            yield self._record(recorder, str(payload.get("thread_ts") or ""), fetched.item, messages)

    def _wanted(self, ts: str) -> bool:
        return seconds_of(ts) >= self.options.since_s

    def _record(self, recorder: Recorder, thread_ts: str, item: ItemId, messages: list[Json]) -> RawRecord:
        if not thread_ts:
            return recorder.day(item.partition(":")[2], messages, recorder.scope)
        replies = [message["ts"] for message in messages if message["ts"] != thread_ts]
        root = next((message for message in messages if message["ts"] == thread_ts), messages[0])
        told = {"reply_count": len(replies), "latest_reply": max(replies, key=order_of, default="")}
        return recorder.thread(thread_ts, messages, {**told, **root}, 0, recorder.scope)
