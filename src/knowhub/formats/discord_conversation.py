"""A Discord thread, or a channel's day, as stored ▸ a conversation document that opens at each message.

Stored: `{"guild": {"id", "name"}, "channel": {"id", "name", …}, "thread": {…} or None, "day": "2026-05-01" or "",
"names": {…}, "messages": […oldest first]}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.discord import Names, first_words, is_noise, message_speaker, render_message
from knowhub.formats.discord_components import objects, string
from knowhub.formats.discord_markdown import to_markdown

Json = Mapping[str, Any]

EPOCH_MS = 1_420_070_400_000
"""https://discord.com/developers/docs/reference#snowflakes"""
_BLOCK_START = re.compile(r"```|>|\||- |\d+\. |Forwarded:\n|Poll: ")
_TITLE_CHARS = 80


def moment_of(snowflake: str) -> datetime:
    """When an id was made, in UTC. Raises ValueError for what is no id."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=(int(snowflake) >> 22) + EPOCH_MS)


def snowflake_at(moment: datetime) -> int:
    """The smallest id that something of this moment can have."""
    return max(0, round(moment.timestamp() * 1000) - EPOCH_MS) << 22


def discord_conversation(record: RawRecord, sequence: int) -> Document:
    """The document of a stored thread or day. Raises UnreadableContent if it was not stored by us."""
    try:
        return _conversation(record, sequence)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise UnreadableContent(f"{record.item}: not a Discord conversation: {error!r}") from error


def discord_topic(record: RawRecord, sequence: int) -> Document:
    """The document of what a channel is for. Raises UnreadableContent if it was not stored by us."""
    try:
        payload = record.payload or {}
        text = to_markdown(payload["topic"], payload["names"])
        return Document(
            id=document_id(record.source, record.item),
            source=record.source,
            container=record.container,
            kind="markdown",
            title=f"#{payload['channel']['name']}: topic",
            text=text,
            url=f"https://discord.com/channels/{payload['guild']['id']}/{payload['channel']['id']}",
            acl=record.acl,
            version=record.version,
            sequence=sequence,
            location=record.location,
            sections=(Section(0, len(text), "body"),),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise UnreadableContent(f"{record.item}: not the topic of a Discord channel: {error!r}") from error


def _conversation(record: RawRecord, sequence: int) -> Document:
    payload = record.payload
    if payload is None:
        raise ValueError("no payload")
    messages, names = objects(payload["messages"]), payload["names"]
    said = [message for message in messages if not is_noise(message)]
    text, sections = _transcript(said, names)
    times = [section.time for section in sections if section.time]
    title = _title(payload)
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="conversation",
        title=title,
        text=text or title,
        url=_url(payload),
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(section.author for section in sections if section.author)),
        created_at=min(times, default=None),
        updated_at=max([*times, *filter(None, map(_edited, said))], default=None),
        location=record.location,
        state=_state(payload),
        sections=sections,
    )


def _transcript(messages: Sequence[Json], names: Names) -> tuple[str, tuple[Section, ...]]:
    parts: list[str] = []
    sections: list[Section] = []
    start = 0
    for message in messages:
        part, section = _line(message, names, start)
        parts.append(part)
        sections.append(section)
        start = section.end + 1
    return "\n".join(parts), tuple(sections)


def _line(message: Json, names: Names, start: int) -> tuple[str, Section]:
    number = string(message, "id")
    time, speaker = moment_of(number), message_speaker(message)
    stamp = f"{time:%Y-%m-%d %H:%M}"
    said = render_message(message, names).strip("\n")
    head = f"**{speaker}** ({stamp}{', edited' if _edited(message) else ''}):"
    line = f"{head}{_gap(said)}{said}".rstrip()
    label = f"{speaker}, {stamp}"
    return line, Section(start, start + len(line), "message", f"/{number}", label, speaker, time)


def _gap(said: str) -> str:
    return "\n" if _BLOCK_START.match(said) else " "


def _edited(message: Json) -> datetime | None:
    stamp = string(message, "edited_timestamp")
    try:
        return datetime.fromisoformat(stamp).astimezone(UTC) if stamp else None
    except (ValueError, OverflowError):
        return moment_of(string(message, "id"))


def _url(payload: Json) -> str:
    """A message's own link is this and the message's id."""
    place = payload["thread"] or payload["channel"]
    return f"https://discord.com/channels/{payload['guild']['id']}/{place['id']}"


def _title(payload: Json) -> str:
    channel, thread = payload["channel"], payload["thread"]
    label = f"#{channel['name']}"
    if not thread:
        return f"{label}, {payload['day']}"
    tags = ", ".join(str(tag) for tag in thread.get("tags", ()))
    name = first_words(str(thread["name"]), _TITLE_CHARS) or "thread"
    return f"{label}: {name}{f' [{tags}]' if tags else ''}"


def _state(payload: Json) -> str:
    thread = payload["thread"]
    return "locked" if thread and thread.get("locked") else ""
