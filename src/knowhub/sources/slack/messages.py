"""Messages as the API gives them ▸ days and threads, with versions that are equal while readers see the same.

A message's `ts` is a string with six digits of microseconds and an id: it is never made a float.
https://docs.slack.dev/reference/methods/conversations.history
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeGuard

from knowhub.formats import fast_json
from knowhub.formats.slack import system_subtype

Json = dict[str, Any]

DAY_S = 86_400

_TS = re.compile(r"\d{1,12}\.\d{6}")
_ID = re.compile(rb"[A-Z][A-Z0-9]+")
_IN_TEXT = re.compile(rb"(?:@|#|!subteam\^)([A-Z][A-Z0-9]+)")
# Ids in blocks. Looked for as plain bytes: one expression over all text takes ten times as long.
_IN_BLOCKS = (b'"user_id":"', b'"usergroup_id":"', b'"channel_id":"')
# Everything that a reader sees of a message: what nearly all have, what some have, and what holds more than it shows.
_SEEN_SOMETIMES = ("bot_id", "username", "subtype", "topic", "purpose")
_SEEN_RARELY = ("attachments", "files", "file", "comment", "room")
_UNUSUAL = frozenset((*_SEEN_SOMETIMES, *_SEEN_RARELY))
# What changes by itself inside those: signed addresses, pictures, counters of views and shares.
_VOLATILE = {
    "channels", "groups", "has_more_shares", "ims", "public_url_shared", "shares", "avatar_hash", "deanimate",
    "deanimate_gif", "hls", "icons", "mp4", "mp4_low", "pjpeg", "vtt", "block_id", "is_starred", "reactions",
    "user_team", "source_team", "media_progress", "file_access", "last_editor", "editors", "quip_thread_id",
}  # fmt: skip
_VOLATILE_PREFIXES = ("thumb_", "url_", "image_", "permalink_", "converted_", "media_", "hls_", "original_", "preview_")
# Addresses that open a file without signing in, and the tokens that exports put into addresses.
_WITH_ADDRESSES = frozenset(("files", "file", "attachments"))
_SECRET_KEYS = ("permalink_public",)
_SECRET = re.compile(r"(?<=[?&])(t|pub_secret|token)=[^&\s\"<>|]+")


def is_ts(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _TS.fullmatch(value) is not None


def seconds_of(ts: str) -> int:
    return int(ts.partition(".")[0])


def day_of(ts: str) -> int:
    """The number of the UTC day."""
    return int(ts[:-7]) // DAY_S  # six digits and a point


def order_of(ts: str) -> str:
    """What valid `ts` are sorted by."""
    return ts.rjust(19, "0")


def day_key(day: int) -> str:
    return f"{datetime.fromtimestamp(day * DAY_S, UTC):%Y-%m-%d}"


def day_of_key(key: str) -> int | None:
    """The day that an item's key (a date, or the `ts` of a message) stands in; None for any other key."""
    if _TS.fullmatch(key):
        return day_of(key)
    try:
        return int(datetime.fromisoformat(f"{key}T00:00:00+00:00").timestamp()) // DAY_S
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was made of some messages: their digest, the ids that they name, and those of people among these."""

    digest: str
    named: frozenset[str]
    people: frozenset[str]


def read(messages: Sequence[Json]) -> Reading:
    """One pass over what readers see of `messages`."""
    data = fast_json.encode([_seen(message) for message in messages])
    people = {author for message in messages if (author := message.get("user")) and isinstance(author, str)}
    named = _ids(data)
    people.update(one for one in named if one[0] in "UW")
    people.update(one for message in messages if "room" in message for one in _in_room(message["room"]))
    bots = {bot for message in messages if isinstance(bot := message.get("bot_id"), str)}
    digest = hashlib.blake2b(data, digest_size=12).hexdigest()
    return Reading(digest, frozenset(named | people | bots), frozenset(people))


def _ids(data: bytes) -> set[str]:
    heads = {part[:32] for part in data.split(b"<")[1:]}
    found = {match[1] for head in heads if (match := _IN_TEXT.match(head))}
    for mark in _IN_BLOCKS:
        heads = {part[:32] for part in data.split(mark)[1:]}
        found |= {match[0] for head in heads if (match := _ID.match(head))}
    return {one.decode("ascii") for one in found}


def _seen(message: Json) -> list[Any]:
    text = message.get("text")
    # What a person typed cannot change without `edited`, and its blocks only say the text once more.
    blocks = None if text and "client_msg_id" in message else message.get("blocks")
    found = [message.get("user"), text, blocks, message.get("edited")]
    if not _UNUSUAL.isdisjoint(message):
        found += [message.get(key) for key in _SEEN_SOMETIMES]
        found += [_stable(message[key]) for key in _SEEN_RARELY if key in message]
    return found


def _stable(node: Any) -> Any:
    if isinstance(node, dict):
        return {
            key: _stable(value)
            for key, value in node.items()
            if key not in _VOLATILE and not key.startswith(_VOLATILE_PREFIXES)
        }
    return [_stable(part) for part in node] if isinstance(node, list) else node


def _in_room(room: Any) -> Iterator[str]:
    for key in ("participants", "participant_history"):
        people = room.get(key) if isinstance(room, dict) else None
        yield from (one for one in people or () if isinstance(one, str))


def left_out(message: Json, *, bot_messages: bool) -> str:
    """Why nobody would search for a message, "" if somebody may."""
    if system := ("subtype" in message and system_subtype(message)):
        return f"system message: {system}"
    if not bot_messages and (message.get("bot_id") or message.get("subtype") == "bot_message"):
        return "bot message"
    return ""


def without_secrets(messages: Iterable[Json]) -> list[Json]:
    """Messages as they may be stored: files without addresses that open them."""
    return [message if _WITH_ADDRESSES.isdisjoint(message) else _clean(message) for message in messages]


def _clean(node: Any) -> Any:
    if isinstance(node, dict):
        return {key: _clean(value) for key, value in node.items() if key not in _SECRET_KEYS}
    if isinstance(node, list):
        return [_clean(part) for part in node]
    return _SECRET.sub(r"\1=removed", node) if isinstance(node, str) and "=" in node else node


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────


def has_replies(message: Json) -> bool:
    count = message.get("reply_count")
    return isinstance(count, int) and count > 0


def state_of_thread(root: Json, scope: str) -> str:
    """What a listed parent tells of its thread: as long as it is the same, replies need not be read."""
    latest = root.get("latest_reply")
    return f"{root.get('reply_count', 0)}/{latest if is_ts(latest) else ''}/{read([root]).digest[:8]}/{scope}/"


def parts_of(version: str) -> int:
    """How many messages a version stands for, by the count that our versions carry; 1 for all others."""
    count, dash, _ = version.rpartition("/")[2].partition("-")
    missing = version[1:].partition("/")[0] if version.startswith("?") else "0"
    return (int(count) if dash and count.isdigit() else 1) + (int(missing) if missing.isdigit() else 0)
