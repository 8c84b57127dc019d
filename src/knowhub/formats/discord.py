"""One Discord message, as the API gives it, to Markdown: its content and everything that hangs on it.

Reference: https://discord.com/developers/docs/resources/message#message-object
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from knowhub.formats.discord_components import (
    lines,
    mapping,
    objects,
    render_components,
    render_embed,
    render_file,
    render_poll,
    render_sticker,
    string,
)
from knowhub.formats.discord_markdown import Names, to_markdown
from knowhub.formats.markdown_pieces import quoted

__all__ = ["Names", "is_noise", "message_names", "message_speaker", "person_name", "render_message"]

Json = Mapping[str, Any]

REPLY, THREAD_STARTER, CONTEXT_MENU = 19, 21, 23

# https://discord.com/developers/docs/resources/message#message-object-message-types: what Discord itself writes about
# joins, pins, boosts, calls, purchases and incidents. Names of threads and topics of stages are something said.
_NOISE = frozenset(
    {1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 22, 25, 26, 28, 29, 32, 36, 37, 38, 39, 44, 55}
)  # fmt: skip
_TOLD = {4: "New name: ", 18: "Started a thread: ", 27: "Stage: ", 31: "Stage topic: "}
_QUOTE_CHARS = 160
_DEEPEST = 8
_MARKUP = re.compile(r"\[([^\]\n]*)\]\([^)\n]*\)|[*~`_]{2,}|`|^(?:>|-|\d+\.)\s+", re.MULTILINE)


def render_message(message: Json, names: Names) -> str:
    """Markdown of everything in a message that a person can read; "" for one without words. Never raises."""
    return _readable(_rendered(message, {**names, **message_names(message)}, 0))


def message_speaker(message: Json) -> str:
    """The display name of its author: a person, a bot or a webhook; of a thread's starter, who wrote the original."""
    if message.get("type") == THREAD_STARTER and mapping(message, "referenced_message"):
        message = mapping(message, "referenced_message")
    author = mapping(message, "author")
    return _readable(person_name(author) or string(author, "id") or "unknown")


def person_name(user: Json) -> str:
    """What Discord shows for a user object: the display name, else the user name."""
    return string(user, "global_name").strip() or string(user, "username").strip()


def is_noise(message: Json) -> bool:
    """Whether Discord wrote it about the channel itself, with nothing said by anybody."""
    return message.get("type") in _NOISE


def message_names(message: Json) -> dict[str, str]:
    """The names that a message brings along for its own mentions."""
    found = {f"@{string(user, 'id')}": person_name(user) for user in objects(message.get("mentions"))}
    for channel in objects(message.get("mention_channels")):
        found[f"#{string(channel, 'id')}"] = string(channel, "name")
    return {key: name for key, name in found.items() if name}


def first_words(text: str, limit: int) -> str:
    """The beginning of a rendered message on one line, without marks."""
    words = " ".join(_MARKUP.sub(r"\1", text).split())
    if len(words) <= limit:
        return words
    cut = words[:limit]
    return f"{cut.rsplit(' ', 1)[0] if ' ' in cut else cut}…"


def _rendered(message: Json, names: Names, depth: int) -> str:
    if depth > _DEEPEST:
        return ""
    if message.get("type") == THREAD_STARTER:
        return _starter(message, names, depth)
    return lines(_context(message, names, depth), _said(message, names), *_hanging(message, names, depth))


def _starter(message: Json, names: Names, depth: int) -> str:
    original = mapping(message, "referenced_message")
    if original:
        return _rendered(original, {**names, **message_names(original)}, depth + 1)
    gone = "referenced_message" in message
    return "(the message that began this thread was deleted)" if gone else string(message, "content")


def _context(message: Json, names: Names, depth: int) -> str:
    """The line above an answer: what it replies to, or which command it answers."""
    command = _command(message)
    if message.get("type") not in (REPLY, CONTEXT_MENU) or "referenced_message" not in message:
        return command
    original = mapping(message, "referenced_message")
    if not original:
        return lines(command, "> (the message it answers was deleted)")
    words = first_words(_rendered(original, {**names, **message_names(original)}, depth + 1), _QUOTE_CHARS)
    return lines(command, f"> **{message_speaker(original)}**: {words}".rstrip(": ") if words else "")


def _command(message: Json) -> str:
    asked = mapping(message, "interaction_metadata") or mapping(message, "interaction")
    name = string(mapping(message, "interaction"), "name") or string(asked, "name")
    if not name:
        return ""
    who = person_name(mapping(asked, "user"))
    return f"> {f'**{who}** used ' if who else ''}{name if message.get('type') == CONTEXT_MENU else f'/{name}'}"


def _said(message: Json, names: Names) -> str:
    kind, content = message.get("type"), to_markdown(string(message, "content"), names).strip("\n")
    told = _TOLD.get(kind, "") if isinstance(kind, int) else ""
    return f"{told}{content}" if content else ""


def _hanging(message: Json, names: Names, depth: int) -> list[str]:
    found = [_snapshot(snapshot, names, depth) for snapshot in objects(message.get("message_snapshots"))]
    found += [render_embed(embed, names) for embed in objects(message.get("embeds"))]
    found += [render_components(message.get("components"), names)]
    found += [render_poll(mapping(message, "poll"))]
    found += map(render_sticker, objects(message.get("sticker_items")) or objects(message.get("stickers")))
    found += map(render_file, objects(message.get("attachments")))
    if message.get("activity"):
        found += [string(mapping(message, "application"), "name")]
    return found


def _snapshot(snapshot: Json, names: Names, depth: int) -> str:
    """A forwarded message: the API tells neither its author nor, often, where it was written."""
    message = mapping(snapshot, "message")
    words = _rendered(message, {**names, **message_names(message)}, depth + 1)
    return lines("Forwarded:", quoted(words)) if words else ""


def _readable(text: str) -> str:
    """Text that can be stored: lone surrogates, which JSON can carry, cannot be encoded."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "")
