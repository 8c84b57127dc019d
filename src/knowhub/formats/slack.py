"""One Slack message, as an export or the API gives it, to Markdown: text or blocks, attachments, files.

What its author said and what the apps added is kept whole; what Slack repeats (a fallback text beside its blocks,
the fallback of an attachment) is said once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from knowhub.formats.slack_blocks import objects, render_blocks, string, text_object
from knowhub.formats.slack_mrkdwn import Names, fence, link, moment, quote, to_markdown, user

__all__ = ["Names", "is_canvas", "message_speaker", "person_name", "render_message", "system_subtype"]

Json = Mapping[str, Any]

_WORD = re.compile(r"\w+")
_NO_WORDS = frozenset({"This content can't be displayed.", "[no preview available]"})

# https://docs.slack.dev/reference/events/message lists most subtypes; these tell of a change to the channel.
_SYSTEM = re.compile(
    r"(channel|group|mpdm)_(archive|unarchive|join|leave|name|move|purpose|topic|posting_permissions|canvas_updated)"
    r"|channel_convert_to_(private|public)|app_conversation_(join|leave)|bot_(add|remove|enable|disable)"
    r"|joiner_notification(_for_inviter)?|(un)?pinned_item|reminder_(add|delete)|sh_room_(created|shared)"
    r"|message_(changed|deleted|replied)|huddle_thread|tabbed_canvas_updated|document_mention|ekm_access_denied"
    r"|tombstone"
)
_INFORMATIVE = {
    "channel_topic": "topic",
    "channel_purpose": "purpose",
    "group_topic": "topic",
    "group_purpose": "purpose",
}
_CANVAS_MIMETYPE = "application/vnd.slack-docs"
_UNFURLED = ("from_url", "original_url", "is_share", "is_msg_unfurl")


def render_message(message: Json, names: Names) -> str:
    """Markdown of everything in a message that a person can read; "" for a deleted or empty one. Never raises."""
    if message.get("subtype") == "tombstone":
        return ""
    said = _said(message, names)
    comment = message.get("comment")
    if isinstance(comment, Mapping):
        said = _lines(said, _unless_within(to_markdown(string(comment, "comment"), names), said))
    for key in ("topic", "purpose"):
        said = _lines(said, _unless_within(to_markdown(string(message, key), names), said))
    if message.get("subtype") == "me_message" and said:
        said = f"_{said}_"
    said = _lines(said, _huddle(message.get("room"), names))
    attached = [_attachment(attachment, names) for attachment in objects(message.get("attachments"))]
    return _readable(_lines(said, *attached, *map(_file, _files(message))))


def message_speaker(message: Json, names: Names) -> str:
    """The author's display name: the person, or the app behind a bot message; an id where nothing names it."""
    bot, profile = message.get("bot_profile"), message.get("user_profile")
    bot_name = string(bot, "name") if isinstance(bot, Mapping) else ""
    person = names.get(string(message, "user"), "") or (person_name(profile) if isinstance(profile, Mapping) else "")
    app = string(message, "username") or bot_name
    if message.get("subtype") == "bot_message" or string(message, "bot_id"):
        person, app = app, person
    found = person or app or names.get(string(message, "bot_id")) or string(message, "user")
    return _readable(found or string(message, "bot_id") or "unknown")


def person_name(user: Json) -> str:
    """What Slack shows for an entry of users.json, a `users.list` member or a message's `user_profile`."""
    profile = user.get("profile")
    profiles = (profile if isinstance(profile, Mapping) else {}, user)
    for key in ("display_name", "real_name", "name"):
        for source in profiles:
            if name := string(source, key).strip():
                return name
    return ""


def system_subtype(message: Json) -> str:
    """The subtype of a message that Slack wrote about the channel itself; "" for what somebody said.

    A new topic or purpose is something said.
    """
    subtype = string(message, "subtype")
    if not _SYSTEM.fullmatch(subtype) or string(message, _INFORMATIVE.get(subtype, "")).strip():
        return ""
    return subtype


def _said(message: Json, names: Names) -> str:
    """Blocks where there are any, and the text beside them where it says more than they do."""
    text, blocks = string(message, "text"), render_blocks(message.get("blocks"), names)
    text = "" if text in _NO_WORDS else to_markdown(text, names)
    return _lines(_unless_within(text, blocks) if blocks else text, blocks)


def _attachment(attachment: Json, names: Names) -> str:
    blocks = render_blocks(attachment.get("blocks"), names)
    blocks = _lines(blocks, *(_shared(shared, names) for shared in objects(attachment.get("message_blocks"))))
    text = text_object(attachment.get("text"), names)
    head = [text_object(attachment.get("pretext"), names), string(attachment, "author_name")]
    head += [link(string(attachment, "title_link"), text_object(attachment.get("title"), names))]
    tail = [_field(field, names) for field in objects(attachment.get("fields"))]
    tail += map(_file, _files(attachment))
    tail += [text_object(action.get("text"), names) for action in objects(attachment.get("actions"))]
    body = _lines(*head, _unless_within(text, blocks) if blocks else text, blocks, *tail)
    body = _lines(body, _fallback(attachment, body, names), text_object(attachment.get("footer"), names))
    return quote(body) if body and any(attachment.get(key) for key in _UNFURLED) else body


def _fallback(attachment: Json, body: str, names: Names) -> str:
    """The plain-text stand-in, where it says what the rest does not; that of an unfurl only repeats it with a date."""
    fallback = string(attachment, "fallback")
    if fallback in _NO_WORDS or (body and any(attachment.get(key) for key in _UNFURLED)):
        return ""
    words = to_markdown(fallback, names)
    return words if not body or _adds_words(words, body) else ""


def _field(field: Json, names: Names) -> str:
    title, value = text_object(field.get("title"), names).strip(), text_object(field.get("value"), names).strip()
    return f"**{title}**: {value}" if title and value else value or title


def _shared(shared: Json, names: Names) -> str:
    message = shared.get("message")
    return _said(message, names) if isinstance(message, Mapping) else ""


def _huddle(room: object, names: Names) -> str:
    """When a huddle was and who took part: the call object of a `huddle_thread` message."""
    if not isinstance(room, Mapping):
        return ""
    ends = [room.get("date_start"), room.get("date_end")]
    times = " – ".join(moment(end) for end in ends if isinstance(end, int) and end > 0)
    people = room.get("participant_history") or room.get("participants")
    there = [user(person, names) for person in people if isinstance(person, str)] if isinstance(people, list) else []
    told = [string(room, "name").strip(), times, f"with {', '.join(there)}" if there else ""]
    words = ", ".join(filter(None, told))
    return f"Huddle: {words}" if words else ""


def is_canvas(file: Json) -> bool:
    """A canvas (or a post of old): its content is served as HTML, whatever its name says."""
    return string(file, "mimetype") == _CANVAS_MIMETYPE or string(file, "filetype") in ("quip", "canvas")


def _files(node: Json) -> list[Json]:
    return objects(node.get("files")) or objects([node.get("file")])


def _file(file: Json) -> str:
    if file.get("mode") in ("tombstone", "hidden_by_limit"):
        return "File: no longer available"
    title, name = string(file, "title").strip(), string(file, "name").strip()
    label = f"{title} ({name})" if title and name and title != name else title or name
    target = string(file, "external_url") or string(file, "permalink")
    head = f"{'Canvas' if is_canvas(file) else 'File'}: {link(target, label)}" if label else ""
    return _lines(head, string(file, "alt_txt"), *_file_mail(file), _file_text(file))


def _file_text(file: Json) -> str:
    transcription = file.get("transcription")
    preview = transcription.get("preview") if isinstance(transcription, Mapping) else None
    spoken = string(preview, "content") if isinstance(preview, Mapping) else ""
    text = string(file, "plain_text") or string(file, "preview_plain_text") or string(file, "preview")
    snippet = file.get("mode") == "snippet" and text.strip()
    return _lines(fence(text.strip("\n")) if snippet else text.strip(), spoken)


def _file_mail(file: Json) -> list[str]:
    senders = [string(sender, "original") or string(sender, "address") for sender in objects(file.get("from"))]
    return [string(file, "subject"), *senders]


def _unless_within(part: str, whole: str) -> str:
    """`part`, or "" where its words stand in `whole` one after the other."""
    words, around = _WORD.findall(part), _WORD.findall(whole)
    if not words:
        return "" if part.strip() in whole else part
    return "" if f" {' '.join(words)} " in f" {' '.join(around)} " else part


def _adds_words(part: str, whole: str) -> bool:
    return not set(_WORD.findall(part)) <= set(_WORD.findall(whole))


def _lines(*parts: str) -> str:
    return "\n".join(part for part in parts if part.strip())


def _readable(text: str) -> str:
    """Text that can be encoded: half an emoji, which some clients cut out, becomes a replacement character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
