"""A Slack workspace through its Web API ▸ one record a thread, one a channel's day, one a file.

auth.test, users.list … names ─┐
conversations.list ─ channels ─┴▶ per channel: history, replies, files ─▶ RawRecord | Unchanged | … ─▶ Census | Gap
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knowhub.connecting.attachments import KIND, ParseFile, attachment_document
from knowhub.connecting.selection import EXCLUDED, Selection
from knowhub.core.errors import AccessDenied, KnowhubError, RateLimited, TransientError
from knowhub.core.ports import Known, Source
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Cursor,
    Document,
    Fetched,
    Gap,
    ItemId,
    Membership,
    Person,
    RawRecord,
    Skipped,
    SourceName,
)
from knowhub.formats.slack_conversation import slack_conversation
from knowhub.http import SYSTEM_CLOCK, Clock
from knowhub.sources.slack.api import METHODS, SlackApi, SlackRefused
from knowhub.sources.slack.backfill import Backfill
from knowhub.sources.slack.channels import TYPE_NAMES, Channel, channel_types, list_channels, principal
from knowhub.sources.slack.files import FILE_HOSTS, Files
from knowhub.sources.slack.options import BASE_URL, SlackOptions
from knowhub.sources.slack.people import Names, SlackDirectory
from knowhub.sources.slack.reading import ChannelReading
from knowhub.sources.slack.records import Recorder
from knowhub.sources.slack.windows import ChannelState

log = logging.getLogger(__name__)

_FORMAT = 1
_FAILURES_IN_A_ROW = 3


class SlackSource:
    """One workspace. `backfill` is a source of the same workspace's export, with which the first sync begins."""

    def __init__(
        self,
        name: SourceName,
        options: SlackOptions,
        *,
        clock: Clock = SYSTEM_CLOCK,
        backfill: Source | None = None,
    ) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._backfill = backfill
        self._selection = Selection(options.include, options.exclude)
        self._api = SlackApi(
            options.base_url or BASE_URL,
            options.token,
            clock=clock,
            per_minute=options.requests_per_minute,
            trusted=FILE_HOSTS,
        )

    # ── looking around ───────────────────────────────────────────────────────────────────────────────

    def check(self) -> list[str]:
        """Scopes by the header that Slack sends with every answer; without it, by asking."""
        try:
            _, reply = self._api.reply("auth.test")
            given = reply.headers.get("x-oauth-scopes")
            lacking = self._needed() - {one.strip() for one in given.split(",")} if given is not None else set()
            found = [_lacks(self.name, scope) for scope in sorted(lacking)]
            if not lacking:
                self._api.call("conversations.list", types=",".join(self._types), limit=1)
        except KnowhubError as error:
            return [f"{self.name}: {error}"]
        return found

    def _needed(self) -> set[str]:
        options = self._options
        left = set() if options.include_dms else {"im:read", "im:history", "mpim:read", "mpim:history"}
        left |= set() if options.join_public else {"channels:join"}
        left |= set() if options.attachments else {"files:read"}
        return {scope for scopes in METHODS.values() for scope in scopes} - left

    @property
    def _types(self) -> tuple[str, ...]:
        return channel_types(include_dms=self._options.include_dms)

    def people(self) -> Iterator[Person]:
        yield from self._directory().people()

    def memberships(self) -> Iterator[Membership]:
        channels, _ = list_channels(self._api, self._types, {})
        chosen = [channel for channel in channels if self._selection.takes(channel.name, channel.id)]
        yield from self._directory().memberships(chosen)

    def _directory(self) -> SlackDirectory:
        return SlackDirectory(self.name, self._api, str(self._api.call("auth.test").get("team_id")))

    # ── fetching ─────────────────────────────────────────────────────────────────────────────────────

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        run = _Run.load(cursor if cursor and cursor.get("format") == _FORMAT else {}, self._api)
        self._look_around(run)
        channels, refused = list_channels(self._api, self._types, run.names.names)
        run.names.of_channels(channels)
        recorders = {channel.id: self._recorder(channel, run) for channel in channels if self._chosen(channel)}
        if self._backfill and not run.backfilled:
            yield from self._begin_with_export(self._backfill, recorders, run, known)
        yield from self._channels(channels, recorders, run, known)
        yield from self._no_longer_listed(channels, refused, run, known)
        yield Checkpoint(run.dump(), last=True)

    def _look_around(self, run: _Run) -> None:
        now = self._clock.now()
        if not run.team or run.names.at is None:
            run.team = _team(self._api.call("auth.test"))
        run.names.refresh(self._options.people_hours, now)

    def _chosen(self, channel: Channel) -> bool:
        return self._selection.takes(channel.name, channel.id)

    def _recorder(self, channel: Channel, run: _Run) -> Recorder:
        acl = self._options.acl(Acl.of(principal(self.name, channel.id)))
        return Recorder(self.name, channel, run.team["url"], acl, self._options.bot_messages, run.names)

    def _begin_with_export(
        self, export: Source, recorders: Mapping[str, Recorder], run: _Run, known: Known
    ) -> Iterator[Fetched]:
        backfill = Backfill(export, recorders, self._options)
        yield from backfill.records(known)
        for channel, state in backfill.states(self._clock.now()).items():
            run.channels.setdefault(channel, state.dump())
        run.backfilled = True
        yield Checkpoint(run.dump())

    def _channels(
        self, channels: list[Channel], recorders: Mapping[str, Recorder], run: _Run, known: Known
    ) -> Iterator[Fetched]:
        files = Files(self._api, self.name, self._options.max_attachment_bytes, run.team["url"])
        failures = 0
        for channel in channels:
            container = ContainerId(channel.id)
            if channel.id not in recorders:
                run.channels.pop(channel.id, None)
                yield Skipped(container, ItemId(channel.id), EXCLUDED, channel.label)
                yield Census(container, channel.label, frozenset((ItemId(channel.id),)), 1)
                continue
            try:
                yield from self._channel(recorders[channel.id], files, run, known)
                failures = 0
            except (AccessDenied, RateLimited):
                raise
            except KnowhubError as error:
                failures += isinstance(error, TransientError)
                if failures >= _FAILURES_IN_A_ROW:
                    raise
                log.warning("a channel cannot be read", extra={"channel": channel.id, "reason": str(error)})
                yield Gap(container, channel.label, _sentence(error, channel))

    def _channel(self, recorder: Recorder, files: Files, run: _Run, known: Known) -> Iterator[Fetched]:
        channel = recorder.channel
        was_read = channel.archived and channel.id in run.channels
        if not channel.member and run.team["bot"] and not was_read:
            if channel.archived or not self._options.join_public or not channel.public:
                raise SlackRefused("conversations.history", "not_in_channel")
            self._api.call("conversations.join", channel=channel.id)
        state = ChannelState.load(run.channels.get(channel.id, {}))

        def checkpoint() -> Checkpoint:
            run.channels[channel.id] = state.dump()
            return Checkpoint(run.dump())

        reading = ChannelReading(self._api, self._options, recorder, files, state, known, self._clock.now(), checkpoint)
        changed, last = False, run.channels.get(channel.id)
        for fetched in reading.read():
            if isinstance(fetched, Checkpoint):
                # A sync in which nothing has changed need not write the cursor once a channel.
                if not changed and run.channels[channel.id] == last:
                    continue
                changed, last = False, run.channels[channel.id]
            changed |= isinstance(fetched, RawRecord)
            yield fetched

    def _no_longer_listed(
        self, channels: list[Channel], refused: Mapping[str, SlackRefused], run: _Run, known: Known
    ) -> Iterator[Fetched]:
        for kind, error in refused.items():
            yield Gap(ContainerId(kind), TYPE_NAMES[kind], str(error))
        listed = {channel.id for channel in channels} | refused.keys()
        if not refused:
            for container in sorted((run.listed | {item.container for item in known.items()}) - listed):
                run.channels.pop(container, None)
                yield ContainerGone(ContainerId(container))
            run.listed = set()
        run.listed |= listed


@dataclass
class _Run:
    """The cursor while it is worked on."""

    names: Names
    team: dict[str, Any]
    channels: dict[str, Any]
    listed: set[str]
    backfilled: bool

    @classmethod
    def load(cls, stored: Cursor, api: SlackApi) -> _Run:
        return cls(
            Names(api, stored.get("people", {})),
            dict(stored.get("team", {})),
            dict(stored.get("channels", {})),
            set(stored.get("listed", ())),
            bool(stored.get("backfilled")),
        )

    def dump(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "people": self.names.dump(),
            "team": self.team,
            "channels": dict(self.channels),
            "listed": sorted(self.listed),
            "backfilled": self.backfilled,
        }


@dataclass(frozen=True, slots=True)
class SlackParser:
    """Implements `Parser`: threads, days, and files by `parse_file`."""

    parse_file: ParseFile

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        if record.kind == KIND:
            return attachment_document(record, sequence, self.parse_file)
        return slack_conversation(record, sequence)


def _team(answer: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": str(answer.get("team_id") or ""),
        "url": str(answer.get("url") or "").rstrip("/"),
        "bot": bool(answer.get("bot_id")),
    }


def _lacks(source: str, scope: str) -> str:
    return (
        f"{source}: the token lacks the scope {scope}; add it to the app under OAuth & Permissions, install the app "
        "again and use the new token."
    )


def _sentence(error: KnowhubError, channel: Channel) -> str:
    if not isinstance(error, SlackRefused) or error.code != "not_in_channel":
        return str(error)
    if channel.archived:
        return f"the app is not in {channel.label}, which is archived; unarchive it, invite the app, archive it again"
    cure = ", or set join_public = true" if channel.public else ""
    return f"the app is not in {channel.label}; invite the app to {channel.label} (/invite){cure}"
