"""A Slack thread, or a channel's day, as stored ▸ a conversation document that opens at each message.

Stored: `{"workspace_url", "channel": {"id", "label", …}, "thread_ts": "" for a day, "messages": […], "names": {…}}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.slack import Names, message_speaker, render_message
from knowhub.formats.slack_blocks import objects, string

Json = Mapping[str, Any]

_TS = re.compile(r"(\d{1,12})\.(\d{1,6})")
_MARKUP = re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)|[*~`]+|^(?:>|-|\d+\.)\s+", re.MULTILINE)
_ARCHIVE = re.compile(r"/archives/([A-Z0-9]+)")
_QUOTED = ("is_share", "is_msg_unfurl")
_TITLE_CHARS = 80
_BLOCK_START = re.compile(r"```|>|\||- |\d+\. ")


def moment_of(ts: str) -> datetime:
    """The UTC moment of a message's `ts`, to the microsecond. Raises ValueError for what is no `ts`."""
    found = _TS.fullmatch(ts)
    if not found:
        raise ValueError(f"{ts!r} is not a Slack timestamp")
    try:
        return datetime.fromtimestamp(int(found[1]), UTC) + timedelta(microseconds=int(found[2].ljust(6, "0")))
    except (OverflowError, OSError) as error:
        raise ValueError(f"{ts!r} is out of range") from error


def slack_conversation(record: RawRecord, sequence: int) -> Document:
    """The document of a stored thread or day. Raises UnreadableContent if it was not stored by us."""
    try:
        return _conversation(record, sequence)
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UnreadableContent(f"{record.item}: not a Slack conversation: {error!r}") from error


def _conversation(record: RawRecord, sequence: int) -> Document:
    payload = record.payload
    if payload is None:
        raise ValueError("no payload")
    names, channel = payload["names"], payload["channel"]["id"]
    messages = [_for_readers(message, channel, names) for message in objects(payload["messages"])]
    text, sections = _transcript(payload, messages, names)
    times = [section.time for section in sections if section.time]
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="conversation",
        title=_title(payload, messages, names, times),
        text=text,
        url=_url(payload),
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(section.author for section in sections if section.author)),
        created_at=min(times, default=None),
        updated_at=max([*times, *filter(None, map(_edited, messages))], default=None),
        location=record.location,
        sections=sections,
    )


def _for_readers(message: Json, channel: str, names: Names) -> Json:
    """A message without the text of messages that it quotes from where not all of its readers may be.

    Slack shows such a preview to the members of both channels. `names` has those of public channels only.
    """
    attachments = objects(message.get("attachments"))
    if not any(attachment.get(key) for attachment in attachments for key in _QUOTED):
        return message
    return {**message, "attachments": [_told(attachment, channel, names) for attachment in attachments]}


def _told(attachment: Json, channel: str, names: Names) -> Json:
    if not any(attachment.get(key) for key in _QUOTED):
        return attachment
    origin, address = string(attachment, "channel_id"), string(attachment, "from_url")
    if not origin and (found := _ARCHIVE.search(address)):
        origin = found[1]
    if origin == channel or (origin in names and not attachment.get("private_channel_prompt")):
        return attachment
    return {"title": "Message in another channel", "title_link": address, "is_share": True}


def _transcript(payload: Json, messages: Sequence[Json], names: Names) -> tuple[str, tuple[Section, ...]]:
    parts, sections, start = [], [], 0
    for message in messages:
        part, section = _line(payload, message, names, start)
        parts.append(part)
        sections.append(section)
        start = section.end + 1
    return "\n".join(parts), tuple(sections)


def _line(payload: Json, message: Json, names: Names, start: int) -> tuple[str, Section]:
    ts = string(message, "ts")
    time = moment_of(ts)
    gone = message.get("subtype") == "tombstone"
    speaker = "" if gone else message_speaker(message, names)
    stamp = f"{time:%Y-%m-%d %H:%M}"
    said = "(message deleted)" if gone else render_message(message, names).strip("\n")
    head = f"**{speaker or 'Slack'}** ({stamp}{', edited' if _edited(message) else ''}):"
    line = f"{head}{_gap(said)}{said}".rstrip()
    label = f"{speaker}, {stamp}" if speaker else stamp
    anchor = _anchor(payload, ts)
    section = Section(start, start + len(line), "message", anchor, label, speaker, time)
    return line, section


def _gap(said: str) -> str:
    return "\n" if _BLOCK_START.match(said) else " "


def _edited(message: Json) -> datetime | None:
    edited = message.get("edited")
    if not isinstance(edited, Mapping) or message.get("subtype") == "tombstone":
        return None
    try:
        return moment_of(string(edited, "ts"))
    except ValueError:
        return moment_of(string(message, "ts"))


def _url(payload: Json) -> str:
    channel = payload["channel"]["id"]
    workspace = payload["workspace_url"].rstrip("/")
    return f"{workspace}/archives/{channel}" if workspace else f"slack://channel?id={channel}"


def _anchor(payload: Json, ts: str) -> str:
    """What opens one message: https://docs.slack.dev/reference/methods/chat.getPermalink has the form for replies."""
    if not payload["workspace_url"]:
        return f"&message={ts}"
    parent = payload["thread_ts"]
    reply = f"?thread_ts={parent}&cid={payload['channel']['id']}" if parent and parent != ts else ""
    return f"/p{ts.replace('.', '')}{reply}"


def _title(payload: Json, messages: Sequence[Json], names: Names, times: Sequence[datetime]) -> str:
    label = payload["channel"]["label"]
    day = f"{times[0]:%Y-%m-%d}" if times else ""
    if not payload["thread_ts"]:
        return f"{label}, {day}"
    words = next(filter(None, (_first_words(render_message(message, names)) for message in messages)), "")
    return f"{label}: {words}" if words else f"{label}: thread of {day}"


def _first_words(text: str) -> str:
    words = " ".join(_MARKUP.sub(r"\1", text).split())
    if len(words) <= _TITLE_CHARS:
        return words
    cut = words[:_TITLE_CHARS].rsplit(" ", 1)[0] if " " in words[:_TITLE_CHARS] else words[:_TITLE_CHARS]
    return f"{cut}…"
