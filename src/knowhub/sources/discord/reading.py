"""One channel with its threads: what is new, what was edited lately, or, in a census, everything.

threads ▸ listed (active of the server, archived of the channel) ┐
own messages ▸ pages, oldest first ▸ items of a day ─────────────┴▸ RawRecord | Unchanged | Skipped | Failed ▸ Census
                                                                                                             | Counted
A walk (the first reading, or a census) goes through everything and can be interrupted: how far it came is in the
channel's state. Between walks only what the listings show as changed is read, and what is young enough to be edited.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from knowhub.connecting.versions import due
from knowhub.core.types import Acl, Census, Counted, Failed, Fetched, ItemId, RawRecord, Skipped, Unchanged
from knowhub.formats.discord import THREAD_STARTER, is_noise
from knowhub.http import Missing, Refused
from knowhub.sources.discord.api import TokenRefused, archived_at
from knowhub.sources.discord.filing import Filing
from knowhub.sources.discord.holdings import (
    Cutter,
    Holdings,
    Segment,
    Stream,
    Version,
    file_at,
    system_item,
    thread_item,
    topic_item,
)
from knowhub.sources.discord.messages import HAS_THREAD, starter_digest, withheld
from knowhub.sources.discord.permissions import MANAGE_THREADS
from knowhub.sources.discord.places import PRIVATE_THREAD, TEXT, THREADED, WRITTEN, Listing, Place, Thread, thread_of
from knowhub.sources.discord.records import Records
from knowhub.sources.discord.visit import ContentWithheld, NothingReadable, Visit

log = logging.getLogger(__name__)

Json = dict[str, Any]

_LISTED_AGAIN = timedelta(days=1)
"""Discord may set `archive_timestamp` to a moment that is past when the thread turns up in the listing."""
SYSTEM = "written by Discord itself"


@dataclass(slots=True)
class ChannelReader:
    """`state` is the channel's part of the cursor; it is changed as items are yielded."""

    visit: Visit
    place: Place
    state: dict[str, Any]
    holdings: Holdings = field(init=False)
    records: Records = field(init=False)
    filing: Filing = field(init=False)
    met: set[ItemId] = field(default_factory=set)
    starters: dict[str, str] = field(default_factory=dict)
    listed: dict[str, Thread] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.holdings = Holdings(self.visit.known.in_container(self.place.container))
        self.records = Records(self.place, self.visit.options, self.visit.names)
        self.filing = Filing(self.visit, self.place, self.records, self.listed)

    def read(self, active: list[Json]) -> Iterator[Fetched]:
        self._begin()
        archived = self._list(active)
        yield from self._find_unlisted()
        yield from self._topic()
        if self.place.type in WRITTEN:
            yield from self._history()
        for thread in sorted(self.listed.values(), key=lambda thread: int(thread.id)):
            yield from self._thread(thread)
        yield from self._wanted_files()
        yield from self._system()
        self._end(active, archived)
        yield self._count()
        yield self.visit.checkpoint()

    # ── the walk ─────────────────────────────────────────────────────────────────────────────────────

    @property
    def walk(self) -> dict[str, Any] | None:
        """A walk that is under way, or that an earlier sync finished without coming to its own end."""
        return self.state.get("walk")

    @property
    def walking(self) -> bool:
        return self.walk is not None and not self.walk["finished"]

    def _begin(self) -> None:
        walk, shape = self.walk, self.place.shape
        if walk is None and self.state.get("shape") == shape and not self._census_due():
            return
        if walk is None or walk["shape"] != shape:
            began = self.visit.now.isoformat()
            walk = {"began": began, "shape": shape, "deep": self._deep(), "at": 0, "written": False, "thread": 0,
                    "gone": [], "system": 0, "finished": False}  # fmt: skip
            self.state["walk"] = walk
        for item in walk["gone"]:
            self.holdings.parts.pop(item, None)

    def _census_due(self) -> bool:
        return due(self.state.get("census"), self.visit.options.census_hours, self.visit.now)

    def _deep(self) -> bool:
        """Whether archived threads are read again too, though their listings are as they were."""
        return due(self.state.get("deep"), self.visit.options.archive_census_hours, self.visit.now)

    def _end(self, active: list[Json], archived: dict[str, str]) -> None:
        self.state |= archived
        self.state["shape"] = self.place.shape
        self.state["active"] = [str(one["id"]) for one in active if str(one.get("parent_id")) == self.place.id]
        if self.walk is not None:
            self.walk["finished"] = True

    def _count(self) -> Census | Counted:
        parts = self.holdings.parts
        if (system := system_item(self.place.id)) in parts:
            parts[system] = (self.walk or self.state).get("system", 0)
        for item in self.holdings.foreign:
            parts.pop(item, None)
        if self.walk is None:
            return Counted(self.place.container, self.place.label, sum(parts.values()))
        return Census(self.place.container, self.place.label, frozenset(parts), sum(parts.values()))

    def _system(self) -> Iterator[Skipped]:
        if self.walk is None or not self.walking:
            return
        item, number = system_item(self.place.id), self.walk["system"]
        self.holdings.parts.pop(item, None)
        if number:
            self.holdings.parts[item] = number
            yield Skipped(self.place.container, item, SYSTEM, self.place.label, number)

    def _gone(self, item: ItemId) -> Iterator[RawRecord]:
        """What a walk misses is left to its census; otherwise the complete reading of its place is the evidence."""
        if self.holdings.parts.pop(item, None) is None:
            return
        if self.walk is not None:
            self.walk["gone"].append(item)
        else:
            yield RawRecord(self.place.source, self.place.container, item, "removal", "", Acl(), None)

    # ── threads ──────────────────────────────────────────────────────────────────────────────────────

    def _list(self, active: list[Json]) -> dict[str, str]:
        """Fill `listed`; how far back the archived ones were listed, to go on from there."""
        api, place, private = self.visit.api, self.place, self.visit.options.private_threads
        self._listed(one for one in active if str(one.get("parent_id")) == place.id)
        if place.type not in THREADED:
            return {}
        reached = {"public": self._archived("public")}
        if private and place.type == TEXT and self._all_threads:
            if place.bits & MANAGE_THREADS:
                reached["private"] = self._archived("private")
            else:
                self._listed(api.joined(place.id))
        return reached

    @property
    def _all_threads(self) -> bool:
        """Whether archived threads are listed to the last: only so a deleted one is missed."""
        return self.walking or self.visit.reread

    def _archived(self, kind: str) -> str:
        before = str(self.state.get(kind) or "")
        until = None if self._all_threads or not before else datetime.fromisoformat(before) - _LISTED_AGAIN
        threads = list(self.visit.api.archived(self.place.id, kind, until))
        self._listed(threads)
        return max(map(archived_at, threads)).isoformat() if threads else before

    def _listed(self, answers: Iterable[Json]) -> None:
        for answer in answers:
            if answer.get("type") != PRIVATE_THREAD or self.visit.options.private_threads:
                thread = thread_of(answer, self.place)
                self.listed[thread.id] = thread
                if not thread.private:
                    self.visit.names[f"#{thread.id}"] = thread.name

    def _find_unlisted(self) -> Iterator[RawRecord | Failed]:
        """Threads that were there and are in no listing: gone, archived meanwhile, or shown to us no longer."""
        held = self.holdings.threads
        suspects = held if self._all_threads else held.intersection(self.state.get("active", ()))
        for id in sorted(suspects - self.listed.keys(), key=int):
            try:
                found = self.visit.api.channel(id)
            except TokenRefused:
                raise
            except Refused as error:
                yield self._failed(thread_item(id), f"{error.message}; add the bot to the thread again")
                continue
            if found is not None and str(found.get("parent_id")) == self.place.id:
                self._listed([found])
            if id not in self.listed:
                for _, item in (*self.holdings.stream(id).starts, *self.holdings.stream(id).files):
                    yield from self._gone(item)

    def _thread(self, thread: Thread) -> Iterator[Fetched]:
        if self.walking and self.walk and int(thread.id) <= self.walk["thread"]:
            return
        after = self._thread_from(thread)
        if after is not None:
            try:
                yield from self._stream(thread.id, after, after, thread)
            except TokenRefused:
                raise
            except Refused as error:
                yield self._failed(thread_item(thread.id), f"{error.message}; let the bot read the thread's channel")
            except Missing:
                log.info("a thread was deleted while it was read", extra={"thread": thread.id})
        if self.walking and self.walk:
            self.walk["thread"] = int(thread.id)
        if after is not None:
            self.state["again"] = [id for id in self.state.get("again", ()) if id != thread.id]
            yield self.visit.checkpoint()

    def _thread_from(self, thread: Thread) -> int | None:
        """The message after which to read a thread; None if it is as it was."""
        stream, listing, all_of_it = self.holdings.stream(thread.id), thread.listing, 0
        if not stream.starts:
            return None if self.visit.since > max(listing.last, int(thread.id)) else all_of_it
        start, tail = stream.starts[-1]
        known = self.visit.known.get(tail)
        if known is None or self.holdings.wanted_from(thread.id) is not None:
            return all_of_it
        told, _, self.starters[thread.id] = Version.of(known.version).state.rpartition(".")
        if thread.id in self.state.get("again", ()):
            return all_of_it
        if told == str(listing) and self.walking and self.walk:
            return None if thread.certain and not self.walk["deep"] else all_of_it
        if told == str(listing):
            young = self.visit.reread and not listing.archived and listing.last >= self.visit.young
            return self._young_start(stream) if young else None
        before = Listing.of(told)
        only_grew = before is not None and not self.walking and listing.only_grew_since(before)
        broken_off = not told
        return start - 1 if broken_off or only_grew else all_of_it

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def _history(self) -> Iterator[Fetched]:
        """A channel's own messages: from where the walk is, else from the last item on if there is something new."""
        if self.walking and self.walk and not self.walk["written"]:
            yield from self._stream(self.place.id, self.walk["at"], self.walk["at"], None)
            self.walk["written"] = True
            yield self.visit.checkpoint()
            return
        stream, young = self.holdings.stream(self.place.id), self.visit.young
        new = self.place.last > self.state.get("last", 0)
        again = self.visit.reread and self.place.last >= young
        wanted = self.holdings.wanted_from(self.place.id)
        if not (new or again or wanted is not None):
            return
        tail = max(self.state.get("tail", 0), stream.starts[-1][0] if stream.starts else 0)
        starts = [tail, *([wanted] if wanted is not None else [])]
        after = min(starts) - 1
        after = min(after, self._young_start(stream)) if again else after
        yield from self._stream(self.place.id, after, after, None)

    def _young_start(self, stream: Stream) -> int:
        """Just before the item that the first young message would be in."""
        found = stream.start_before(self.visit.young) or (stream.starts[0] if stream.starts else (0, ""))
        return found[0] - 1

    def _stream(self, id: str, after: int, passed: int, thread: Thread | None) -> Iterator[Fetched]:
        """Read to the end. Items are yielded as they are complete, the state moves with them."""
        stream = self.holdings.stream(id)
        cutter = Cutter(id, stream, passed, daily=thread is None)
        position, newest = passed, 0
        for page in self.visit.api.messages(id, max(after, self.visit.since - 1, 0), stream.newest):
            self._require_content(page)
            newest, closed_before = int(page[-1]["id"]), position
            for message in page:
                self._notice_starter(id, message, thread)
                if closed := cutter.add(message):
                    yield from self._segment(id, closed, thread, "")
                    yield from self._missing(stream, position, closed.end)
                    self._compare_starters(position, closed.end, thread)
                    position = closed.end
            if position != closed_before:
                self._walked_to(position, thread)
                yield self.visit.checkpoint()
        if not newest:
            self._require_readable(stream, passed)
        yield from self._finish(id, cutter, passed, thread)
        yield from self._missing(stream, position, None)
        self._compare_starters(position, None, thread)
        if thread is None:
            self.state["last"] = max(self.place.last, newest, self.state.get("last", 0))
            self.state["tail"] = cutter.current.start if cutter.current else self.state.get("tail", 0)

    def _finish(self, id: str, cutter: Cutter, passed: int, thread: Thread | None) -> Iterator[Fetched]:
        last = cutter.current
        if last is None and thread is not None and passed <= 0:
            last = Segment(thread_item(id), 0, "")
        if last is not None:
            state = f"{thread.listing}.{self.starters.get(id, '')}" if thread else ""
            yield from self._segment(id, last, thread, state)

    def _notice_starter(self, id: str, message: Json, thread: Thread | None) -> None:
        """A thread shows the message that it was started from, which stands in the channel and is edited there."""
        if thread is None and int(message.get("flags") or 0) & HAS_THREAD:
            self.starters[str(message["id"])] = starter_digest(message)
        elif thread is not None and message.get("type") == THREAD_STARTER:
            self.starters[id] = starter_digest(message.get("referenced_message"))

    def _compare_starters(self, after: int, to: int | None, thread: Thread | None) -> None:
        """Note the threads of this stretch of the channel whose first message is not what they were read with."""
        for id in self.holdings.threads_between(after, to) if thread is None else ():
            known = self.visit.known.get(self.holdings.stream(id).starts[-1][1])
            told = Version.of(known.version).state.rpartition(".")[2] if known else ""
            if told and told != self.starters.get(id, starter_digest(None)):
                self.state["again"] = [*self.state.get("again", ()), id]

    def _walked_to(self, position: int, thread: Thread | None) -> None:
        if thread is None and self.walking and self.walk:
            self.walk["at"] = max(self.walk["at"], position)

    def _require_content(self, page: list[Json]) -> None:
        if withheld(page, self.visit.bot):
            raise ContentWithheld

    def _require_readable(self, stream: Stream, passed: int) -> None:
        """Without Read Message History a channel looks empty."""
        if any(True for _ in stream.between(passed or -1, None)) and not self.visit.still_readable(self.place):
            raise NothingReadable

    def _segment(self, id: str, segment: Segment, thread: Thread | None, state: str) -> Iterator[Fetched]:
        noise = 0 if thread else sum(map(is_noise, segment.messages))
        if self.walking and self.walk:
            self.walk["system"] += noise
        if thread or noise < len(segment.messages):
            yield self._conversation(segment, thread, state)
        for message in segment.messages:
            for item, fetched in self.filing.of_message(id, message, thread):
                self._meet(item)
                yield fetched

    def _missing(self, stream: Stream, after: int, to: int | None) -> Iterator[RawRecord]:
        for item in list(stream.between(after, to)):
            if item not in self.met:
                yield from self._gone(item)

    def _conversation(self, segment: Segment, thread: Thread | None, state: str) -> RawRecord | Unchanged | Failed:
        try:
            return self._compared(self.records.conversation(segment, thread, state))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            return self._failed(segment.item, f"Discord's answer for it is not what it documents: {error!r}")

    def _compared(self, record: RawRecord) -> RawRecord | Unchanged:
        """The same text under a newer listing is the same item."""
        self._meet(record.item, record.parts)
        before = self.visit.known.get(record.item)
        if before is None or not before.version or before.location != record.location:
            return record
        old, new = Version.of(before.version), Version.of(record.version)
        return Unchanged(record.container, record.item, record.version) if _same(old, new) else record

    def _wanted_files(self) -> Iterator[Fetched]:
        """Files that could not be had the last time, in messages that were not read this time."""
        for item in self.holdings.wanted:
            if file_at(item) is None or item in self.met:
                continue
            try:
                fetched = self.filing.again(item)
            except TokenRefused:
                raise
            except Refused as error:
                fetched = self._failed(item, error.message)
            if fetched is None:
                yield from self._gone(item)
            else:
                self._meet(item)
                yield fetched

    def _topic(self) -> Iterator[Fetched]:
        """What the channel is for, or a forum's guidelines: it comes with the list of channels."""
        if record := self.records.topic():
            yield self._compared(record)
        elif (item := topic_item(self.place.id)) in self.holdings.parts:
            yield from self._gone(item)

    def _meet(self, item: ItemId, parts: int = 1) -> None:
        if self.walk is not None and item not in self.holdings.parts:
            self.walk["gone"] = [gone for gone in self.walk["gone"] if gone != item]
        self.met.add(item)
        self.holdings.parts[item] = parts

    def _failed(self, item: ItemId, error: str) -> Failed:
        self._meet(item)
        return Failed(self.place.container, item, error, self.place.label)


def _same(old: Version, new: Version) -> bool:
    return (old.parts, old.content) == (new.parts, new.content)
