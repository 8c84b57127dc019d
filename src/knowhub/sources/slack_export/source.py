"""The ZIPs that Slack's own export makes ▸ one record a thread, one a channel's day, every message accounted for.

export files ─▶ channels ─▶ history of one channel at a time ─▶ RawRecord | Unchanged | Skipped | Failed ─▶ Census
                                    └ a file that cannot be read ─▶ Gap: nothing of the channel is deleted
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowhub.connecting.selection import EXCLUDED, Selection
from knowhub.core.errors import KnowhubError, NotFound, UnreadableContent
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Cursor,
    Document,
    Failed,
    Fetched,
    Gap,
    ItemId,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
)
from knowhub.formats.slack_conversation import slack_conversation
from knowhub.sources.slack_export.archive import USER_LISTS, Export, open_export, survey
from knowhub.sources.slack_export.channels import Channel, read_channels, read_names
from knowhub.sources.slack_export.history import Conversation, group, messages_of, read_history

log = logging.getLogger(__name__)

_WORKSPACE = re.compile(r"https?://[^/\s?#]+/?")


@dataclass(frozen=True, slots=True)
class SlackExportOptions:
    """`path` is an export's ZIP, an unpacked export, or a folder of either.

    `include` and `exclude` are shell patterns over channel names (without `#`) and ids; no `include` is all.
    `workspace_url` (`https://acme.slack.com`) makes links open in a browser instead of the desktop app.
    """

    path: Path
    readers: tuple[str, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    workspace_url: str = ""
    include_dms: bool = False
    bot_messages: bool = True
    max_file_bytes: int = 256 * 2**20


@dataclass(frozen=True, slots=True)
class _Opened:
    """Exports oldest first, sentences on those that could not be opened, and names of ZIPs of something else."""

    exports: list[Export]
    broken: list[UnreadableContent]
    foreign: list[str]


class SlackExportSource:
    """Several exports may overlap: messages merge by channel and ts, and the later export's version holds."""

    def __init__(self, name: SourceName, options: SlackExportOptions) -> None:
        self.name = name
        self._options = options
        self._acl = Acl.of(*options.readers)
        self._selection = Selection(options.include, options.exclude)

    def check(self) -> list[str]:
        options, found = self._options, []
        if not options.readers:
            found.append(f"{self.name}: readers is empty, so that nobody would find anything; name at least one.")
        if options.workspace_url and not _WORKSPACE.fullmatch(options.workspace_url):
            found.append(
                f"{self.name}: workspace_url {options.workspace_url!r} is not like https://acme.slack.com; correct it."
            )
        try:
            with ExitStack() as stack:
                found += self._check_exports(self._open(survey(options.path)[0], stack))
        except KnowhubError as error:
            found.append(str(error))
        return found

    def _check_exports(self, opened: _Opened) -> list[str]:
        found = [str(error) for error in opened.broken]
        found += [f"{name} is not a Slack export: it has no channels.json; take it away." for name in opened.foreign]
        for export in opened.exports:
            if not export.files & set(USER_LISTS):
                found.append(f"{export.name} has no users.json: ids are shown for names; export again to have them.")
        return found

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        """While all files keep size and time, reads only channels that the ledger has unfinished business with."""
        places, files = survey(self._options.path)
        state = {"files": files, "options": self._choices()}
        held = _held(known)
        unchanged = cursor is not None and cursor.get("state") == state
        counts: dict[str, int | None] = dict(cursor["items"]) if cursor and unchanged else {}
        only = {container for container, there in held.items() if there.unfinished(counts)} if unchanged else None
        if only != set():
            with ExitStack() as stack:
                yield from self._exports(self._open(places, stack), known, held, only, counts)
        yield Checkpoint({"state": state, "items": counts})

    def _choices(self) -> str:
        options = self._options
        choices = [options.include, options.exclude, options.workspace_url, options.include_dms, options.bot_messages]
        text = json.dumps([*choices, options.max_file_bytes, self._acl.canonical()])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _open(self, places: Sequence[Path], stack: ExitStack) -> _Opened:
        opened = _Opened([], [], [])
        for place in places:
            try:
                exports = open_export(place, stack, self._options.max_file_bytes)
                read_channels(exports, {})
            except UnreadableContent as error:
                log.warning("an export cannot be read", extra={"file": place.name, "reason": str(error)})
                opened.broken.append(error)
                continue
            opened.exports.extend(exports)
            if not exports:
                log.warning("not a slack export", extra={"file": place.name})
                opened.foreign.append(place.name)
        opened.exports.sort(key=lambda export: export.made_at)
        if not opened.exports:
            raise (
                opened.broken[0]
                if opened.broken
                else NotFound(
                    f"{', '.join(opened.foreign)} is not a Slack export: it has no channels.json",
                    cure="Name the ZIP that Slack's export made.",
                )
            )
        return opened

    def _exports(
        self,
        opened: _Opened,
        known: Known,
        held: Mapping[ContainerId, _Held],
        only: set[ContainerId] | None,
        counts: dict[str, int | None],
    ) -> Iterator[Fetched]:
        """Channels, all or `only` some. `counts` is told how many items each has, None where that is unknown."""
        names = read_names(opened.exports)
        channels = read_channels(opened.exports, names)
        missing = "; ".join(str(error) for error in opened.broken)
        for channel in channels.values():
            if only is None or channel.id in only:
                yield from self._channel(channel, names, known, missing, counts)
        for container in sorted((held.keys() if only is None else only) - channels.keys()):
            yield Gap(container, container, missing) if missing else ContainerGone(container)
            if missing:
                counts[container] = None

    def _channel(
        self,
        channel: Channel,
        names: Mapping[str, str],
        known: Known,
        missing: str,
        counts: dict[str, int | None],
    ) -> Iterator[Fetched]:
        items: set[ItemId] = set()
        last: Census | Gap | None = None
        for found in self._contents(channel, names, known, missing):
            if isinstance(found, (Census, Gap)):
                last = found
            elif not isinstance(found, (ContainerGone, Checkpoint)):
                items.add(found.item)
            yield found
        counts[channel.id] = len(items) if isinstance(last, Census) else None
        log.info(
            "channel read",
            extra={"channel": channel.id, "items": len(items), "complete": counts[channel.id] is not None},
        )

    def _contents(
        self, channel: Channel, names: Mapping[str, str], known: Known, missing: str
    ) -> Iterator[RawRecord | Skipped | Failed | Unchanged | Census | Gap]:
        container = ContainerId(channel.id)
        if reason := self._left_out(channel):
            item, name = ItemId(channel.id), "direct message" if channel.direct else channel.label
            yield Skipped(container, item, reason, location=name)
            yield Census(container, name, frozenset((item,)), 1)
            return
        if channel.trouble:
            yield Gap(container, channel.label, channel.trouble)
            return
        history = read_history(channel.folders, names)
        gap = "; ".join(filter(None, (*history.broken, missing)))
        conversations, skipped = group(history, bot_messages=self._options.bot_messages)
        items: set[ItemId] = set()
        for found in self._items(channel, conversations, skipped, history.failed, names):
            items.add(found.item)
            yield _compared(found, known, partial=bool(gap)) if isinstance(found, RawRecord) else found
        expected = len(history.messages) + len(history.failed)
        complete = Census(container, channel.label, frozenset(items), expected)
        yield Gap(container, channel.label, gap) if gap else complete

    def _items(
        self,
        channel: Channel,
        conversations: Iterable[Conversation],
        skipped: Mapping[str, str],
        failed: Mapping[str, str],
        names: Mapping[str, str],
    ) -> Iterator[RawRecord | Skipped | Failed]:
        container = ContainerId(channel.id)
        for conversation in conversations:
            yield self._record(channel, conversation, names)
        for ts, reason in skipped.items():
            yield Skipped(container, ItemId(f"{channel.id}:{ts}"), reason, location=channel.label)
        for place, error in failed.items():
            yield Failed(container, ItemId(f"{channel.id}:{place}"), error, location=channel.label)

    def _left_out(self, channel: Channel) -> str:
        if channel.direct:
            return "" if self._options.include_dms else "direct message"
        if channel.kind == "canvas":
            return "comments on a canvas"
        return "" if self._selection.takes(channel.name, channel.id) else EXCLUDED

    def _record(self, channel: Channel, conversation: Conversation, names: Mapping[str, str]) -> RawRecord:
        mentioned = sorted({name for message in conversation.messages for name in message.mentions})
        payload: dict[str, Any] = {
            "workspace_url": self._options.workspace_url,
            "channel": {"id": channel.id, "name": channel.name, "label": channel.label, "kind": channel.kind},
            "thread_ts": conversation.thread_ts,
            "names": {name: names[name] for name in mentioned},
        }
        digest = hashlib.sha256(json.dumps([payload, self._acl.canonical()], sort_keys=True).encode())
        for message in conversation.messages:
            digest.update(message.ts.encode() + message.digest)
        parts = len(conversation.messages)
        payload["messages"] = list(messages_of(conversation))
        return RawRecord(
            source=self.name,
            container=ContainerId(channel.id),
            item=ItemId(f"{channel.id}:{conversation.key}"),
            kind="thread" if conversation.thread_ts else "day",
            # The count stands in front so that a partial reading can be told from an edited conversation.
            version=f"{parts}-{digest.hexdigest()[:32]}",
            acl=self._acl,
            payload=payload,
            location=f"{channel.label}/{conversation.key}",
            parts=parts,
        )


def parse_slack_export(record: RawRecord, sequence: int) -> Document:
    """Raises UnreadableContent when the record is not one of this source's."""
    return slack_conversation(record, sequence)


@dataclass(slots=True)
class _Held:
    """What the ledger has of a container: how many items, and whether one asks to be fetched again."""

    container: ContainerId
    items: int = 0
    wanted: bool = False

    def unfinished(self, counts: Mapping[str, int | None]) -> bool:
        """Something to fetch again, or more items than the last listing had: deletions that were not carried out."""
        listed = counts.get(self.container, 0)
        return self.wanted or (listed is not None and self.items > listed)


def _held(known: Known) -> dict[ContainerId, _Held]:
    held: dict[ContainerId, _Held] = {}
    for item in known.items():
        there = held.setdefault(item.container, _Held(item.container))
        there.items += 1
        there.wanted |= not item.version
    return held


def _compared(record: RawRecord, known: Known, *, partial: bool) -> RawRecord | Unchanged:
    """Unchanged if the ledger knows this version, or a fuller one while a file cannot be read."""
    before = known.get(record.item)
    if before is None or not before.version:
        return record
    if before.version == record.version and before.container == record.container:
        return Unchanged(record.container, record.item, record.version)
    count = before.version.partition("-")[0]
    if partial and count.isdigit() and int(count) > record.parts:
        return Unchanged(record.container, record.item, before.version)
    return record
