"""The cursor of a space, and what one fetch learns of each container."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from knowhub.core.ports import Known, KnownItem
from knowhub.core.types import ContainerId, Cursor, ItemId

_VERSION = 1
_MAX_ALIASES = 20

PREFIXES = {
    "issues": "issue",
    "wikis": "wiki",
    "documents": "document",
    "pull_requests": "pull_request",
    "files": "file",
}
_ATTACHED = ":file:"


@dataclass(slots=True)
class ProjectState:
    """`unread` are the kinds that the first reading has not come to the end of, with the place where it goes on.

    `began` is when it did. `former` are keys that the project had before; `listed` is when all of it was listed last
    (None: to be done); `broken` are the kinds that could not be listed then.
    """

    shape: list[Any]
    unread: dict[str, dict[str, Any]] = field(default_factory=dict)
    former: list[str] = field(default_factory=list)
    began: str | None = None
    listed: str | None = None
    broken: list[str] = field(default_factory=list)


@dataclass(slots=True)
class State:
    """What the hub has up to now. `activity` and `recent`: activities up to here, and newer ones, were followed.

    `issues` and `documents` are the latest change that was followed, as the space gives it. `aliases` are keys that
    issues had before they moved.
    """

    activity: int | None = None
    recent: list[int] = field(default_factory=list)
    issues: str = ""
    documents: str = ""
    projects: dict[str, ProjectState] = field(default_factory=dict)
    aliases: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, cursor: Cursor | None) -> State:
        if not cursor or cursor.get("v") != _VERSION:
            return cls()
        projects = {id: ProjectState(**state) for id, state in cursor["projects"].items()}
        aliases = {id: list(keys) for id, keys in cursor["aliases"].items()}
        activity, recent = cursor["activity"], list(cursor["recent"])
        return cls(activity, recent, cursor["issues"], cursor["documents"], projects, aliases)

    def cursor(self) -> Cursor:
        """A copy: what changes later is not in it."""
        projects = {
            id: {
                "shape": p.shape,
                "unread": {kind: dict(place) for kind, place in p.unread.items()},
                "former": list(p.former),
                "began": p.began,
                "listed": p.listed,
                "broken": list(p.broken),
            }
            for id, p in self.projects.items()
        }
        return {
            "v": _VERSION,
            "activity": self.activity,
            "recent": list(self.recent),
            "issues": self.issues,
            "documents": self.documents,
            "projects": projects,
            "aliases": {id: list(keys) for id, keys in self.aliases.items()},
        }

    def remember_key(self, issue: str, key: str) -> None:
        keys = self.aliases.setdefault(issue, [])
        if key not in keys:
            keys.append(key)
            del keys[:-_MAX_ALIASES]


class Remaining:
    """Implements `Known` without what this fetch has taken away: found again, it is stored anew."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.removed: set[ItemId] = set()

    def items(self) -> Iterator[KnownItem]:
        return self._known.items()

    def in_container(self, container: ContainerId) -> Sequence[KnownItem]:
        return self._known.in_container(container)

    def get(self, item: ItemId) -> KnownItem | None:
        return None if item in self.removed else self._known.get(item)


class Shelf:
    """The items of one container: what the ledger had, and what this fetch did to it."""

    def __init__(self, items: set[ItemId]) -> None:
        self.items = items
        self._attached: dict[str, set[ItemId]] = {}
        for item in items:
            self._attach(item)

    def add(self, item: ItemId) -> None:
        self.items.add(item)
        self._attach(item)

    def remove(self, item: ItemId) -> None:
        self.items.discard(item)
        parent, attached, _ = item.partition(_ATTACHED)
        if attached:
            self._attached.get(parent, set()).discard(item)

    def attached_to(self, item: ItemId) -> set[ItemId]:
        return set(self._attached.get(item, ()))

    def of_kind(self, kind: str) -> set[ItemId]:
        """Items of a kind, without what is attached to them."""
        return {item for item in self.with_attachments(kind) if not is_attached(item)}

    def with_attachments(self, kind: str) -> set[ItemId]:
        return {item for item in self.items if item.startswith(f"{PREFIXES[kind]}:")}

    def _attach(self, item: ItemId) -> None:
        parent, attached, _ = item.partition(_ATTACHED)
        if attached:
            self._attached.setdefault(parent, set()).add(item)


def is_attached(item: str) -> bool:
    """Whether it is a file of an issue, page or pull request, and not one of the project's own."""
    return _ATTACHED in item


def parent_of(item: ItemId) -> ItemId:
    """What a file hangs on; the item itself if it hangs on nothing."""
    return ItemId(item.partition(_ATTACHED)[0])


class Shelves:
    """All containers' shelves, made when they are looked at."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self._shelves: dict[ContainerId, Shelf] = {}

    def __getitem__(self, container: ContainerId) -> Shelf:
        if container not in self._shelves:
            self._shelves[container] = Shelf({known.item for known in self._known.in_container(container)})
        return self._shelves[container]

    def put(self, item: ItemId, container: ContainerId) -> None:
        before = self._known.get(item)
        if before and before.container != container:
            self[before.container].remove(item)
        self[container].add(item)

    def drop(self, item: ItemId, container: ContainerId) -> None:
        self[container].remove(item)


def containers_of(known: Known) -> set[ContainerId]:
    return {item.container for item in known.items()}


def wanted(known: Known) -> Mapping[ContainerId, set[str]]:
    """What is to be fetched again: items without a version, those that they are attached to in place of them."""
    found: dict[ContainerId, set[str]] = {}
    for item in known.items():
        if not item.version:
            found.setdefault(item.container, set()).add(item.item.partition(_ATTACHED)[0])
    return found
