"""One channel: what of its history is to be read ▸ its threads and days, what is gone, how much there is.

plan ─▶ windows, newest first ─▶ pages ─┬─▶ parents whose look changed ─▶ conversations.replies ─▶ threads
                                        └─▶ whole UTC days ─▶ day records
        after each page: what was known there and was not seen is missing; checkpoint
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from knowhub.connecting.versions import compared, digest, due
from knowhub.core.ports import Known, KnownItem
from knowhub.core.types import (
    Census,
    Checkpoint,
    Failed,
    Fetched,
    ItemId,
    RawRecord,
    Skipped,
    Unchanged,
)
from knowhub.http import Undecodable
from knowhub.sources.slack.api import Json, SlackApi, SlackRefused
from knowhub.sources.slack.files import Files, Place, files_of, was_asked
from knowhub.sources.slack.messages import (
    DAY_S,
    day_key,
    day_of,
    day_of_key,
    is_ts,
    left_out,
    order_of,
    parts_of,
    seconds_of,
    state_of_thread,
)
from knowhub.sources.slack.options import SlackOptions
from knowhub.sources.slack.pages import Page, history, replies
from knowhub.sources.slack.records import Recorder
from knowhub.sources.slack.windows import ChannelState

_THREADS_A_CHECKPOINT = 5
_CANVAS = "canvas"
# A free plan shows 90 days: https://slack.com/help/articles/27204752526611
_SURELY_SHOWN_DAYS = 60


@dataclass
class ChannelReading:
    """Reads one channel once. `checkpoint` makes the source's cursor of now."""

    api: SlackApi
    options: SlackOptions
    recorder: Recorder
    files: Files
    state: ChannelState
    known: Known
    now: datetime
    checkpoint: Callable[[], Checkpoint]
    _held: dict[str, list[KnownItem]] = field(default_factory=dict)
    _held_days: dict[int, list[ItemId]] = field(default_factory=dict)
    _asked: set[str] = field(default_factory=set)
    _seen: dict[ItemId, int] = field(default_factory=dict)
    _days: dict[int, dict[str, Json]] = field(default_factory=dict)
    _expected: dict[str, dict[str, Json]] = field(default_factory=dict)
    _threads_read: int = 0
    _hidden_to: int = -1
    _scope: str = ""

    def read(self) -> Iterator[Fetched]:
        """Raises what concerns the whole channel; what was read before is stored, and the rest stays open."""
        state, channel = self.state, self.recorder.channel
        self._scope = self.recorder.scope
        self._hold()
        asked = {day for key in self._asked if (day := day_of_key(key)) is not None}
        state.plan(
            self.options, self.now, scope=self._scope, archived=channel.archived, member=channel.member, asked=asked
        )
        while state.todo:
            yield from self._window(*state.todo[0])
        yield from self._orphans()
        yield from self._canvas()
        yield self._census()
        yield self.checkpoint()

    def _hold(self) -> None:
        prefix = f"{self.recorder.channel.id}:"
        for item in self.known.in_container(self.recorder.container):
            key = item.item.removeprefix(prefix).partition(":")[0] if item.item.startswith(prefix) else ""
            self._held.setdefault(key, []).append(item)
            if not item.version:
                self._asked.add(key)
        for key, items in self._held.items():
            if (day := day_of_key(key)) is not None:
                self._held_days.setdefault(day, []).extend(item.item for item in items)
        self.state.missing &= {item for items in self._held_days.values() for item in items}

    # ── history ──────────────────────────────────────────────────────────────────────────────────────

    def _window(self, low: int, high: int | None) -> Iterator[Fetched]:
        # A day ahead, because our clock and Slack's differ.
        before = high if high is not None else int(self.now.timestamp()) + DAY_S
        self._days = {}
        oldest, lowest = max(low, self.options.since_s), ""
        for page in history(self.api, self.recorder.channel.id, oldest, before, self.options.page_size):
            yield from self._place(page, low)
            if page.more and page.lowest:
                yield from self._settle(max(low, (day_of(page.lowest) + 1) * DAY_S))
            lowest = page.lowest or lowest
            if page.hidden and not page.more:
                yield from self._keep_hidden(lowest)
        yield from self._settle(low)

    def _place(self, page: Page, low: int) -> Iterator[Fetched]:
        """Put messages to their days, and read the threads of those that are parents."""
        for message, near in page.unreadable:
            yield self._unreadable(message, day_of(near) if near else low // DAY_S)
        for ts, message in page.messages.items():
            self._days.setdefault(day_of(ts), {})[ts] = message
        for message in page.roots:
            yield from self._thread(message)
            if self._threads_read >= _THREADS_A_CHECKPOINT:
                self._threads_read = 0
                yield self.checkpoint()
        for root, sent in page.elsewhere.items():
            yield from self._broadcast(root, sent)

    def _unreadable(self, message: object, day: int) -> Failed:
        ts = message.get("ts") if isinstance(message, dict) else message
        return self._failed(f"{day_key(day)}:?{digest(message)}", f"a message without a valid ts ({ts!r:.80})")

    def _settle(self, down_to: int) -> Iterator[Fetched]:
        """Whole days from `down_to` on: yield them, find what is missing there, and let the cursor pass."""
        for day in sorted((day for day in self._days if day * DAY_S >= down_to), reverse=True):
            yield from self._day(day, self._days.pop(day))
        for day, items in self._held_days.items():
            if day > self._hidden_to and self._passes(day * DAY_S, down_to):
                self.state.missing.update(item for item in items if item not in self._seen)
        self.state.missing -= self._seen.keys()
        self.state.read_down_to(down_to)
        yield self.checkpoint()

    def _passes(self, seconds: int, down_to: int) -> bool:
        """Whether a moment lies in what is being closed now."""
        low, high = self.state.todo[0]
        return max(low, down_to) <= seconds and (high is None or seconds < high)

    def _keep_hidden(self, lowest: str) -> Iterator[Fetched]:
        """The plan's limit cuts off what is older: it is not gone, and a day that it cuts through stays as it was.

        Slack says so also where the cut lies far below what was asked for, so that days are trusted by their age.
        """
        shown = int(self.now.timestamp()) // DAY_S - _SURELY_SHOWN_DAYS
        cut = min(day_of(lowest), shown) if lowest else shown
        self._hidden_to = max(cut, self._hidden_to)
        left = self._days.get(cut, {}).values()
        now = sum(1 for message in left if not left_out(message, bot_messages=self.options.bot_messages))
        held = self._held.get(day_key(cut), [])
        if left and any(parts_of(one.version) > now for one in held):
            del self._days[cut]
            yield from self._still(held)

    # ── days ─────────────────────────────────────────────────────────────────────────────────────────

    def _day(self, day: int, messages: dict[str, Json]) -> Iterator[Fetched]:
        kept: list[Json] = []
        for message in (messages[ts] for ts in sorted(messages, key=order_of)):
            if reason := left_out(message, bot_messages=self.options.bot_messages):
                yield self._skipped(message["ts"], reason)
            else:
                kept.append(message)
        if not kept:
            return
        yield self._taken(self.recorder.day(day_key(day), kept, self._scope))
        for message in kept:
            if "files" in message:
                yield from self._attached(message["ts"], [message])

    # ── threads ──────────────────────────────────────────────────────────────────────────────────────

    def _thread(self, root: Json) -> Iterator[Fetched]:
        """A parent that was listed: its thread is read if the parent looks different, or if it is time to."""
        ts = root["ts"]
        look = state_of_thread(root, self._scope)
        if not self._deep(root) and ts not in self._asked:
            before = self.known.get(self.recorder.item(ts))
            if before and before.version.startswith(look) and before.location == self.recorder.location(ts):
                yield from self._still(self._held.get(ts, []))
                return
            if self.state.quiet.get(ts) == look:
                self._seen.update((one.item, 1) for one in self._held.get(ts, []))
                return
        yield from self._replies(ts, root)
        if self.state.deep is not None:
            self.state.deep_below = ts

    def _deep(self, root: Json) -> bool:
        state, latest = self.state, root.get("latest_reply")
        if state.deep is None or (is_ts(latest) and seconds_of(latest) < state.deep):
            return False
        return not state.deep_below or order_of(root["ts"]) < order_of(state.deep_below)

    def _broadcast(self, root: str, sent: dict[str, Json]) -> Iterator[Fetched]:
        """Replies also sent to the channel: news of a thread whose parent is not listed in this sync."""
        at = seconds_of(root)
        if at < self.state.since or self.recorder.item(root) in self._seen:
            return
        if any(low <= at and (high is None or at < high) for low, high in self.state.todo):
            self._expected.setdefault(root, {}).update(sent)
            return
        before = self.known.get(self.recorder.item(root))
        told = before.version.lstrip("?").split("/") if before else []
        latest = max(sent, key=order_of)
        if any(is_ts(part) and order_of(part) >= order_of(latest) for part in told[:3]):
            return
        yield from self._replies(root, None, sent)

    def _orphans(self) -> Iterator[Fetched]:
        """Replies that the channel shows of threads whose parents never came, because a plan hides them."""
        still_held = {item for held in self._held_days.values() for item in held if item not in self.state.missing}
        for root, sent in self._expected.items():
            if self.recorder.item(root) not in self._seen and self.recorder.item(root) not in still_held:
                yield from self._thread_read(root, {}, sent)

    def _replies(self, ts: str, listed: Json | None, sent: dict[str, Json] | None = None) -> Iterator[Fetched]:
        """`sent` is what the channel showed of a thread whose parent was not listed: all there is, if that is gone."""
        self._threads_read += 1
        try:
            messages = replies(self.api, self.recorder.channel.id, ts, self.options.page_size)
        except SlackRefused as error:
            if error.code != "thread_not_found":
                raise
            if listed:
                yield self._failed(ts, "Slack lists this thread and cannot find it (thread_not_found)")
            elif sent:
                yield from self._thread_read(ts, {}, sent)
            return
        except Undecodable as error:
            yield self._failed(ts, error.message)
            return
        root = messages.get(ts) or listed or {}
        if messages.keys() - {ts}:
            yield from self._thread_read(ts, root, messages)
        elif listed and ts in messages:
            # All replies were deleted since it was listed: it is a message of its day again.
            self._days.setdefault(day_of(ts), {})[ts] = root

    def _thread_read(self, ts: str, root: Json, messages: dict[str, Json]) -> Iterator[Fetched]:
        ordered = sorted(messages.values(), key=lambda message: order_of(message["ts"]))
        reasons = {m["ts"]: left_out(m, bot_messages=self.options.bot_messages) for m in ordered}
        self.state.quiet.pop(ts, None)
        if all(reasons.values()):
            self.state.quiet[ts] = state_of_thread(root, self._scope)
        else:
            # What would be left out stays where people replied to it.
            reasons[ts] = ""
            kept = [message for message in ordered if not reasons[message["ts"]]]
            counted = root.get("reply_count")
            lacking = max(0, (counted if isinstance(counted, int) else 0) - (len(messages) - (ts in messages)))
            yield self._taken(self.recorder.thread(ts, kept, root, lacking, self._scope))
            yield from self._attached(ts, kept)
        for one, reason in reasons.items():
            if reason:
                yield self._skipped(ts if one == ts else f"{ts}:{one}", reason)

    # ── the channel's canvas ─────────────────────────────────────────────────────────────────────────

    def _canvas(self) -> Iterator[Fetched]:
        """The canvas in the channel's tab, which no message shows; looked at as often as warm days are."""
        file_id, state = self.recorder.channel.canvas, self.state
        if not file_id or not self.options.attachments:
            return
        held = self._held.get(_CANVAS, [])
        asked = any(not one.version for one in held)
        if held and not asked and not due(state.canvas_at, self.options.warm_hours, self.now):
            self._seen.update((one.item, 1) for one in held)
            return
        state.canvas_at = self.now.isoformat()
        try:
            file = self.api.call("files.info", file=file_id).get("file")
        except SlackRefused as error:
            yield self._failed(f"{_CANVAS}:file:{file_id}", str(error))
            return
        yield from self._attached(_CANVAS, [{"files": [file]}])

    # ── outcomes ─────────────────────────────────────────────────────────────────────────────────────

    def _attached(self, key: str, messages: list[Json]) -> Iterator[Fetched]:
        if not self.options.attachments:
            return
        place = Place(self.recorder.container, self.recorder.channel.label, self.recorder.acl, self._scope)
        for message in messages:
            for file in files_of(message):
                item = self.recorder.item(f"{key}:file:{file.get('id')}")
                if item in self._seen:
                    continue
                if was_asked(file, self.known.get(item), place):
                    self._seen[item] = 1
                    continue
                found = self.files.fetch(file, key, place, self.known, self.recorder.names.known)
                if found:
                    self._seen[found.item] = 1
                    yield found

    def _taken(self, record: RawRecord) -> RawRecord | Unchanged:
        lacking = parts_of(record.version)
        self._seen[record.item] = max(record.parts, lacking)
        return compared(record, self.known)

    def _still(self, held: list[KnownItem]) -> Iterator[Unchanged]:
        """What the hub has under one thread or day is as it was."""
        for one in held:
            self._seen[one.item] = parts_of(one.version)
            if one.item.count(":") == 1 and one.version:
                yield Unchanged(self.recorder.container, one.item, one.version)

    def _skipped(self, key: str, reason: str) -> Skipped:
        item = self.recorder.item(key)
        self._seen[item] = 1
        return Skipped(self.recorder.container, item, reason, self.recorder.channel.label)

    def _failed(self, key: str, error: str) -> Failed:
        item = self.recorder.item(key)
        self._seen[item] = 1
        return Failed(self.recorder.container, item, error, self.recorder.location(key))

    def _census(self) -> Census:
        """All that is there: what was seen now, and what was known where nothing was to be read."""
        channel, items = self.recorder.channel, dict(self._seen)
        versions = {one.item: one.version for held in self._held.values() for one in held}
        for day, held in self._held_days.items():
            if (day + 1) * DAY_S > self.state.since:
                for item in held:
                    if item not in self.state.missing:
                        items.setdefault(item, parts_of(versions[item]))
        return Census(self.recorder.container, channel.label, frozenset(items), sum(items.values()))
