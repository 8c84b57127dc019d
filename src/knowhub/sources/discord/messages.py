"""Messages as they are stored and compared: without signed addresses, and without what changes by itself."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from knowhub.connecting.versions import digest
from knowhub.formats.discord import is_noise, message_names, person_name

Json = dict[str, Any]

_SIGNED = re.compile(r"(https?://[^\s<>\"?]+)\?(?=[^\s<>\"]*\bhm=)[^\s<>\")\]]*")
_DROPPED = frozenset({"proxy_url", "proxy_icon_url", "placeholder", "placeholder_version", "waveform"})
_NESTED = frozenset(
    {"embeds", "components", "attachments", "message_snapshots", "referenced_message", "poll", "sticker_items",
     "message_reference", "interaction", "interaction_metadata", "application", "stickers"}
)  # fmt: skip
_SAYING = ("content", "embeds", "attachments", "components", "poll", "sticker_items", "message_snapshots", "activity")
_VOLATILE = frozenset(
    {"author", "user", "mentions", "reactions", "member", "resolved", "thread", "nonce", "pinned", "icon", "avatar",
     "triggering_interaction_metadata", "application", "width", "height", "content_scan_version"}
)  # fmt: skip
_MENTION = re.compile(r"<(@&|#|@)!?(\d+)>")
_QUOTING = frozenset({"embeds", "components", "referenced_message", "message_snapshots"})
_FILED = frozenset({"attachments", "message_snapshots", "components"})
_TOO_FEW = 3
HAS_THREAD = 1 << 5
"""https://discord.com/developers/docs/resources/message#message-object-message-flags"""


def cleaned(message: Json) -> Json:
    """A message without the signatures of its files' addresses: they open the file for whoever has them."""
    content = message.get("content")
    changed = {key: _clean(value) for key in _NESTED & message.keys() if (value := message[key])}
    if isinstance(content, str) and "hm=" in content:
        changed["content"] = unsigned(content)
    return {**message, **changed} if changed else message


def unsigned(text: str) -> str:
    """https://discord.com/developers/docs/reference#signed-attachment-cdn-urls without `ex`, `is` and `hm`."""
    return _SIGNED.sub(r"\1", text)


def _clean(node: Any) -> Any:
    if isinstance(node, str):
        return unsigned(node) if "hm=" in node else node
    if isinstance(node, list):
        return [_clean(part) for part in node]
    if isinstance(node, dict):
        return {key: _clean(value) for key, value in node.items() if key not in _DROPPED}
    return node


def digest_of(messages: Sequence[Json]) -> str:
    """Equal as long as readers see the same: names, reactions and votes that are still counted left out."""
    plain = [_seen(message) for message in messages]
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def _seen(message: Json) -> list[Any]:
    nested = {key: _stable(value) for key in _NESTED & message.keys() if (value := message[key])}
    if "referenced_message" in message and not message["referenced_message"]:
        nested["referenced_message"] = None
    return [message["id"], message.get("type"), message.get("content"), message.get("edited_timestamp"), nested]


def _stable(node: Any) -> Any:
    if isinstance(node, list):
        return [_stable(part) for part in node]
    if not isinstance(node, dict):
        return node
    kept = {key: _stable(value) for key, value in node.items() if key not in _VOLATILE}
    if "results" in kept and not (isinstance(kept["results"], dict) and kept["results"].get("is_finalized")):
        del kept["results"]
    return kept


def starter_digest(message: object) -> str:
    """Changes with what a thread shows of the message that it was started from; `gone` when that was deleted."""
    if not isinstance(message, dict):
        return "gone"
    hanging = [len(message.get(key) or ()) for key in ("attachments", "embeds")]
    return digest(message.get("content"), message.get("edited_timestamp"), hanging)[:8]


def withheld(messages: Iterable[Json], bot: str) -> bool:
    """Whether all that others wrote arrived empty, as it does without the Message Content intent."""
    others = [m for m in messages if not is_noise(m) and m.get("type") in (0, 19) and _author(m) != bot]
    return len(others) >= _TOO_FEW and not any(message.get(key) for message in others for key in _SAYING)


def _author(message: Json) -> str:
    author = message.get("author")
    return str(author.get("id")) if isinstance(author, dict) else ""


def names_in(messages: Iterable[Json], known: Mapping[str, str]) -> dict[str, str]:
    """The names of all that these messages mention, by sign and id."""
    found: dict[str, str] = {}
    for message in messages:
        if message.get("mentions") or message.get("mention_channels"):
            found.update(message_names(message))
        author = message.get("author")
        if isinstance(author, dict) and (name := person_name(author)):
            found[f"@{author.get('id')}"] = name
        if texts := _mentioning(message):
            keys = {f"{sign}{id}" for text in texts for sign, id in _MENTION.findall(text)}
            found.update({key: known[key] for key in keys if key in known})
    return found


def _mentioning(message: Json) -> list[str]:
    content = message.get("content")
    texts = [content] if isinstance(content, str) and "<" in content else []
    if quoting := [value for key in _QUOTING & message.keys() if (value := message[key])]:
        texts.append(json.dumps(quoting, ensure_ascii=False))
    return texts


def files_in(message: Json) -> Iterator[Json]:
    """Attachments of a message, of what it forwards, and files that only its components show."""
    if not any(message[key] for key in _FILED & message.keys()):
        return
    yield from _objects(message.get("attachments"))
    for snapshot in _objects(message.get("message_snapshots")):
        inner = snapshot.get("message")
        yield from _objects(inner.get("attachments")) if isinstance(inner, dict) else ()
    yield from _component_files(message.get("components"), 0)


def _component_files(components: object, depth: int) -> Iterator[Json]:
    for component in _objects(components) if depth < 20 else ():
        file = component.get("file")
        if component.get("type") == 13 and isinstance(file, dict) and file.get("attachment_id"):
            url, size = str(file.get("url") or ""), component.get("size")
            name = str(component.get("name") or url.partition("?")[0].rsplit("/", 1)[-1])
            yield {"id": str(file["attachment_id"]), "filename": name, "url": url, "size": size}
        yield from _component_files(component.get("components"), depth + 1)


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
