"""How far a source has read, as its cursor holds it, and which items of a place there are.

cursor: {"places": {"project:42": {"shape", "census", "kinds": {"issues": {…}}}}, "round": {"project:42/issues": time}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from knowhub.core.ports import KnownItem
from knowhub.core.types import Checkpoint, ContainerId, Cursor, ItemId

PREFIXES = {
    "issues": "issue",
    "merge_requests": "merge_request",
    "epics": "epic",
    "wikis": "wiki",
    "releases": "release",
    "snippets": "snippet",
    "files": "file",
    "commits": "commit",
}
_PARENTS = frozenset(("issue", "merge_request", "epic", "snippet"))
_FRESH = timedelta(hours=1)

State = dict[str, Any]
Cut = Callable[[], Checkpoint]
"""Makes a checkpoint of how far the source is now."""


@dataclass(slots=True)
class Progress:
    """`round` names what an unfinished fetch has read: the one that goes on does not ask for it again."""

    places: dict[str, State] = field(default_factory=dict)
    round: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Cursor | None) -> Progress:
        held = deepcopy(dict(cursor or {}))
        return cls(held.get("places", {}), held.get("round", {}))

    def cursor(self) -> Cursor:
        return deepcopy({"places": self.places, "round": self.round})

    def place(self, container: ContainerId, shape: str, now: datetime) -> State:
        """The state of a place. All it knew of its kinds is forgotten when its shape has changed."""
        state = self.places.setdefault(container, {"census": now.isoformat()})
        if state.get("shape") != shape:
            state |= {"shape": shape, "kinds": {}, "whole": False}
        return state

    def read(self, container: ContainerId, kind: str, now: datetime) -> None:
        self.round[f"{container}/{kind}"] = now.isoformat()

    def just_read(self, container: ContainerId, kind: str, now: datetime) -> bool:
        at = self.round.get(f"{container}/{kind}")
        return at is not None and now - datetime.fromisoformat(at) < _FRESH

    def in_round(self, container: ContainerId, now: datetime) -> bool:
        """Whether an unfinished fetch has lately read some of the place."""
        kinds = [key.rpartition("/")[2] for key in self.round if key.startswith(f"{container}/")]
        return any(self.just_read(container, kind, now) for kind in kinds)


class Tally:
    """The items of one place: what the ledger knows, corrected by what this fetch finds."""

    def __init__(self, known: Iterable[KnownItem]) -> None:
        self.known = {item.item: item for item in known}
        self.items: set[ItemId] = set(self.known)
        self.recounted = False
        self._family: dict[ItemId, set[ItemId]] = {}
        for item in self.known:
            self._family.setdefault(parent_of(item), set()).add(item)

    def add(self, item: ItemId) -> None:
        self.items.add(item)
        self._family.setdefault(parent_of(item), set()).add(item)

    def drop(self, item: ItemId) -> None:
        self.items.discard(item)
        self._family.get(parent_of(item), set()).discard(item)

    def family(self, parent: ItemId) -> frozenset[ItemId]:
        """The parent and all that hangs on it."""
        return frozenset(self._family.get(parent, ()))

    def of(self, kind: str) -> set[ItemId]:
        """All items of a kind, without what hangs on them."""
        prefix = f"{PREFIXES[kind]}:"
        return {item for item in self.items if item.startswith(prefix) and parent_of(item) == item}

    def recount(self, kind: str, listed: Iterable[ItemId]) -> None:
        """`listed` are all items of a kind that exist, from a listing that was read to its end."""
        there = set(listed)
        for item in self.of(kind) - there:
            for one in self.family(item):
                self.drop(one)
        # What hangs on something that is gone, and whose parent was never stored.
        prefix = f"{PREFIXES[kind]}:"
        for item in [one for one in self.items if one.startswith(prefix) and parent_of(one) not in there]:
            self.drop(item)
        self.recounted = True

    def wanted(self, kind: str) -> list[KnownItem]:
        """What could not be read before and is to be tried again."""
        prefix = f"{PREFIXES[kind]}:"
        return [item for item in self.known.values() if not item.version and item.item.startswith(prefix)]


def parent_of(item: ItemId) -> ItemId:
    """`issue:7:note:9` hangs on `issue:7`."""
    prefix = item.partition(":")[0]
    return ItemId(":".join(item.split(":", 2)[:2])) if prefix in _PARENTS else item
