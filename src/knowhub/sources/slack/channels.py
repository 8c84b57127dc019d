"""Conversations as the API lists them, and who may read them.

https://docs.slack.dev/reference/methods/conversations.list: archived ones are listed too, and private ones only where
the app is a member.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from knowhub.core.types import Principal, SourceName
from knowhub.sources.slack.api import Json, SlackApi, SlackRefused

Kind = Literal["channel", "group", "dm", "mpim"]

READ_SCOPES: Mapping[str, str] = {
    "public_channel": "channels:read",
    "private_channel": "groups:read",
    "mpim": "mpim:read",
    "im": "im:read",
}
TYPE_NAMES: Mapping[str, str] = {
    "public_channel": "public channels",
    "private_channel": "private channels",
    "mpim": "group direct messages",
    "im": "direct messages",
}


@dataclass(frozen=True, slots=True)
class Channel:
    """`label` is what people call it (`#ops`); `canvas` the file that is its canvas, "" if there is none.

    `archived` is "" or tells one archiving from the next, between which people may have written.
    """

    id: str
    kind: Kind
    name: str
    label: str
    member: bool
    archived: str
    external: bool
    user: str
    canvas: str

    @property
    def direct(self) -> bool:
        return self.kind in ("dm", "mpim")

    @property
    def public(self) -> bool:
        return self.kind == "channel"


def principal(source: SourceName, channel: str) -> Principal:
    return Principal(f"{source}:channel:{channel}")


def channel_types(*, include_dms: bool) -> tuple[str, ...]:
    return ("public_channel", "private_channel", *(("mpim", "im") if include_dms else ()))


def list_channels(
    api: SlackApi, types: tuple[str, ...], names: Mapping[str, str]
) -> tuple[list[Channel], dict[str, SlackRefused]]:
    """All conversations of these types, and types ▸ why they may not be listed. Raises what concerns all of them."""
    try:
        return _listed(api, types, names), {}
    except SlackRefused as error:
        if error.code != "missing_scope":
            raise
    found: list[Channel] = []
    refused: dict[str, SlackRefused] = {}
    for one in types:
        try:
            found += _listed(api, (one,), names)
        except SlackRefused as error:
            refused[one] = error
    return found, refused


def _listed(api: SlackApi, types: tuple[str, ...], names: Mapping[str, str]) -> list[Channel]:
    picked = api.collect(
        "conversations.list",
        "channels",
        lambda entry: _channel(entry, names),
        types=",".join(types),
        exclude_archived=False,
    )
    # People create and archive while the list is read: an id may come twice.
    return list({channel.id: channel for channel in picked if channel}.values())


def _channel(entry: Json, names: Mapping[str, str]) -> Channel | None:
    identity = entry.get("id")
    if not isinstance(identity, str) or not identity:
        return None
    kind = _kind(entry)
    user = str(entry.get("user") or "")
    name = str(entry.get("name") or identity)
    properties = entry.get("properties")
    canvas = properties.get("canvas") if isinstance(properties, dict) else None
    file = canvas.get("file_id") if isinstance(canvas, dict) and not canvas.get("is_empty") else ""
    return Channel(
        id=identity,
        kind=kind,
        name=name,
        label=(names.get(user) or user or identity) if kind == "dm" else name if kind == "mpim" else f"#{name}",
        member=kind in ("dm", "mpim") or bool(entry.get("is_member", kind == "group")),
        archived=f"at {entry.get('updated')}" if entry.get("is_archived") else "",
        external=bool(entry.get("is_ext_shared") or entry.get("is_pending_ext_shared")),
        user=user,
        canvas=file if isinstance(file, str) else "",
    )


def _kind(entry: Json) -> Kind:
    if entry.get("is_im"):
        return "dm"
    if entry.get("is_mpim"):
        return "mpim"
    return "group" if entry.get("is_private") else "channel"
