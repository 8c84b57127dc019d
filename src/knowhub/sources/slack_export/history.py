"""A channel's messages over several exports ▸ one history ▸ threads, days, and what is left out.

    exports, oldest first ─read_history─▶ {ts: Message} ─group─▶ Conversation (a thread | a day) … and skips

A later export's version of a message holds, and so does its silence: a message that it lacks, at a moment that it
covers, was deleted in between. What it does not cover stays as the earlier ones have it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.formats.slack import Names, system_subtype
from knowhub.formats.slack_conversation import moment_of
from knowhub.sources.slack_export.archive import Export

# What changes from one export to the next without a reader noticing: counters, reactions, pictures, signed addresses.
_COUNTERS = {"latest_reply", "replies", "reply_count", "reply_users", "reply_users_count", "unread_count", "reactions"}
_STATES = {"is_locked", "is_public", "is_starred", "last_read", "pinned_info", "pinned_to", "subscribed", "root"}
_SHARES = {"channels", "groups", "has_more_shares", "ims", "public_url_shared", "shares"}
_MEDIA = {"avatar_hash", "deanimate", "deanimate_gif", "hls", "icons", "mp4", "pjpeg", "vtt"}
_VOLATILE = _COUNTERS | _STATES | _SHARES | _MEDIA | {"block_id", "client_msg_id"}
_VOLATILE_PREFIXES = ("thumb_", "url_", "image_", "permalink_", "converted_", "media_")
_ID = re.compile(r"(?<![A-Za-z0-9])[BCSUW][A-Z0-9]+")
# Every address of a file in an export carries a token that opens all files of the workspace.
_TOKEN = re.compile(r"(?<=[?&]t=)xoxe-[\w-]+")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as exported (`raw`, JSON), with what is needed to group it. `digest` is over what readers see."""

    ts: str
    thread_ts: str
    raw: bytes
    digest: bytes
    mentions: tuple[str, ...]
    system: str
    bot: bool
    day_file: str


@dataclass
class History:
    """All that the exports say of one channel. `broken` are sentences on files that could not be read."""

    messages: dict[str, Message] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread (`thread_ts` of its parent) or a UTC day of messages outside threads, in order."""

    key: str
    thread_ts: str
    messages: tuple[Message, ...]


def read_history(folders: list[tuple[Export, str]], names: Names) -> History:
    """The union of what `folders` (oldest export first) hold of one channel."""
    union = History()
    for export, folder in folders:
        part = History()
        for day in export.days.get(folder, ()):
            _read_day(export, f"{folder}/{day}.json", names, part)
        if not part.broken and not part.failed:
            for ts in _deleted_since(union.messages, part.messages, export):
                del union.messages[ts]
        union.messages.update(part.messages)
        union.failed.update(part.failed)
        union.broken.extend(part.broken)
    return union


def group(history: History, *, bot_messages: bool) -> tuple[list[Conversation], dict[str, str]]:
    """Threads and days in order of their first message, and ts ▸ reason of what is left out.

    A parent that would be left out (a deleted message, a bot's alert) stays where people replied to it.
    """
    ordered = sorted(history.messages.values(), key=lambda message: moment_of(message.ts))
    roots = {message.thread_ts for message in ordered if message.thread_ts}
    threads: dict[str, list[Message]] = {}
    days: dict[str, list[Message]] = {}
    skipped: dict[str, str] = {}
    for message in ordered:
        root = message.thread_ts or (message.ts if message.ts in roots else "")
        if root:
            threads.setdefault(root, []).append(message)
        elif reason := _reason(message, bot_messages):
            skipped[message.ts] = reason
        else:
            days.setdefault(f"{moment_of(message.ts):%Y-%m-%d}", []).append(message)
    found = [Conversation(day, "", tuple(messages)) for day, messages in days.items()]
    for root, members in threads.items():
        reasons = {message.ts: _reason(message, bot_messages) for message in members}
        if not all(reasons.values()):
            reasons[root] = ""
            found.append(Conversation(root, root, tuple(m for m in members if not reasons[m.ts])))
        skipped.update({ts: reason for ts, reason in reasons.items() if reason})
    found.sort(key=lambda conversation: moment_of(conversation.messages[0].ts))
    return found, skipped


def _reason(message: Message, bot_messages: bool) -> str:
    if message.system:
        return f"system message: {message.system}"
    return "bot message" if message.bot and not bot_messages else ""


def _deleted_since(earlier: Mapping[str, Message], now: Mapping[str, Message], export: Export) -> list[str]:
    """Messages that a later export lacks although it covers their moment.

    A day that lies inside the export's span is whole. Its first and last may be cut: there, only a moment between
    two messages that it has is covered. A day without a file says nothing.
    """
    spans: dict[str, list[str]] = {}
    for message in sorted(now.values(), key=lambda message: moment_of(message.ts)):
        spans.setdefault(message.day_file, []).append(message.ts)
    first, last = export.first_day, export.last_day
    deleted = []
    for ts, message in earlier.items():
        span = spans.get(message.day_file)
        if ts in now or not span:
            continue
        inside = first < message.day_file < last
        if inside or moment_of(span[0]) < moment_of(ts) < moment_of(span[-1]):
            deleted.append(ts)
    return deleted


def _read_day(export: Export, path: str, names: Names, into: History) -> None:
    try:
        entries = export.json(path)
        if not isinstance(entries, list):
            raise UnreadableContent(f"{path} in {export.name} is not a list of messages")
    except UnreadableContent as error:
        into.broken.append(str(error))
        return
    day = path.rpartition("/")[2].removesuffix(".json")
    for number, entry in enumerate(entries):
        try:
            message = _message(entry, day, names)
        except (ValueError, RecursionError) as error:
            into.failed[f"{day}#{number}"] = f"{path} in {export.name}, entry {number}: {error}"
        else:
            into.messages[message.ts] = message


def _message(entry: object, day: str, names: Names) -> Message:
    if not isinstance(entry, dict):
        raise ValueError("not an object")
    ts, thread_ts = entry.get("ts"), entry.get("thread_ts")
    if not isinstance(ts, str):
        raise ValueError(f"ts is {ts!r}, not a string")
    moment_of(ts)
    if not isinstance(thread_ts, str) or not thread_ts:
        thread_ts = ""
    else:
        moment_of(thread_ts)
    seen = json.dumps(_seen(entry), sort_keys=True)
    mentions = tuple(sorted({found for found in _ID.findall(seen) if found in names}))
    return Message(
        ts=ts,
        thread_ts=thread_ts,
        raw=_raw(entry),
        digest=hashlib.sha256(seen.encode()).digest()[:16],
        mentions=mentions,
        system=system_subtype(entry),
        bot=entry.get("subtype") == "bot_message" or bool(entry.get("bot_id")),
        day_file=day,
    )


def _seen(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _seen(value)
            for key, value in node.items()
            if key not in _VOLATILE and not key.startswith(_VOLATILE_PREFIXES)
        }
    return [_seen(part) for part in node] if isinstance(node, list) else node


def _raw(entry: dict[str, Any]) -> bytes:
    text = json.dumps(entry, ensure_ascii=False, separators=(",", ":"))
    if "xoxe-" in text:
        text = _TOKEN.sub("removed", text)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def messages_of(conversation: Conversation) -> Iterator[dict[str, Any]]:
    for message in conversation.messages:
        yield json.loads(message.raw)
