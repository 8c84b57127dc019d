"""Who and what an export speaks of: people's names, and its conversations with the folders they lie in."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from knowhub.core.errors import UnreadableContent
from knowhub.formats.slack import person_name
from knowhub.sources.slack_export.archive import CONVERSATION_LISTS, USER_LISTS, Export

log = logging.getLogger(__name__)

_CONVERSATION_ID = re.compile(r"[CDG][A-Z0-9]{6,}")

Kind = Literal["channel", "group", "dm", "mpim", "canvas"]


@dataclass
class Channel:
    """A conversation over all exports: `label` as people write it, `folders` oldest export first."""

    id: str
    kind: Kind
    name: str
    label: str
    folders: list[tuple[Export, str]] = field(default_factory=list)
    trouble: str = ""

    @property
    def direct(self) -> bool:
        return self.kind in ("dm", "mpim")


def read_names(exports: Sequence[Export]) -> dict[str, str]:
    """Ids of people, and of public channels, ▸ names; the latest export's hold. A broken list costs only names."""
    names: dict[str, str] = {}
    for export in exports:
        for path in USER_LISTS:
            try:
                users = export.objects(path)
            except UnreadableContent as error:
                log.warning("no names from a list of people", extra={"reason": str(error)})
                continue
            names.update({str(user.get("id")): name for user in users if (name := person_name(user))})
        public = export.objects("channels.json")
        names.update({str(entry.get("id")): _name(entry) for entry in public if _name(entry)})
    return names


def read_channels(exports: Sequence[Export], names: dict[str, str]) -> dict[str, Channel]:
    """All conversations by id, exports given oldest first. Raises UnreadableContent if a list is broken."""
    channels: dict[str, Channel] = {}
    for export in exports:
        claimed: dict[str, str] = {}
        for path, kind in CONVERSATION_LISTS.items():
            for entry in export.objects(path):
                _enter(channels, export, entry, kind, claimed, names)  # type: ignore[arg-type]  # values are Kinds
        for folder in sorted(export.days.keys() - claimed.keys()):
            _enter_unlisted(channels, export, folder)
    return channels


def _enter(
    channels: dict[str, Channel],
    export: Export,
    entry: dict[str, Any],
    kind: Kind,
    claimed: dict[str, str],
    names: dict[str, str],
) -> None:
    identity = entry.get("id")
    if not isinstance(identity, str) or not identity:
        raise UnreadableContent(f"a conversation without id in {export.name}")
    name = _name(entry) or identity
    channel = channels.setdefault(identity, Channel(identity, kind, name, ""))
    channel.kind, channel.name, channel.label = kind, name, _label(entry, kind, name, names)
    folder = next((place for place in (name, identity) if place in export.days), None)
    if folder is None or any(export is there for there, _ in channel.folders):
        return
    if folder in claimed:
        trouble = f"two conversations in {export.name} are called {folder}: whose messages its folder holds is unknown"
        channel.trouble = channels[claimed[folder]].trouble = trouble
        return
    claimed[folder] = identity
    channel.folders.append((export, folder))


def _enter_unlisted(channels: dict[str, Channel], export: Export, folder: str) -> None:
    """Folders that no list names: comments on canvases (`FC:{file}:{title}`), ids, and what cannot be told."""
    identity = folder.split(":")[1] if folder.startswith("FC:") else folder
    if folder.startswith("FC:"):
        channel = Channel(identity, "canvas", folder, folder.split(":", 2)[-1])
    elif _CONVERSATION_ID.fullmatch(folder):
        # Nothing says who was in it, so it counts as a direct message, the most private thing that it can be.
        channel = Channel(identity, "dm", folder, folder)
    else:
        trouble = f"folder {folder} in {export.name} is in none of its lists: what it belongs to is unknown"
        channel = Channel(identity, "group", folder, f"#{folder}", trouble=trouble)
    channels.setdefault(identity, channel).folders.append((export, folder))


def _name(entry: dict[str, Any]) -> str:
    name = entry.get("name")
    return name if isinstance(name, str) else ""


def _label(entry: dict[str, Any], kind: Kind, name: str, names: dict[str, str]) -> str:
    if kind in ("channel", "group"):
        return f"#{name}"
    members = entry.get("members")
    people = [names.get(member, member) for member in members if isinstance(member, str)] if members else [name]
    return ", ".join(people)
