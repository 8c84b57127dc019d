"""What one sync tells the next: JSON, a few numbers a post type."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class ViewState:
    """A post type's first walk in one language: how far it came, how many items it was shown, whether it is done."""

    offset: int = 0
    last: int = 0
    walked: bool = False
    shown: int = 0

    def json(self) -> list[Any]:
        return [self.offset, self.last, self.walked, self.shown]


@dataclass(slots=True)
class TypeState:
    """`hidden`: items that the source counts and does not show us. `fields`: what plugins registered on its items.

    `large`: files that turned out too large, by number, with the time of their last edit. `stale`: options changed,
    so that a census has to follow; `settled`: a sync came to its end; `overlapping`: an item is listed in several
    languages, so that counts cannot be added up. `found` is what a census of this sync says
    (hidden, when): it counts only at the end, together with the deletions that it led to.
    """

    views: dict[str, ViewState] = field(default_factory=dict)
    fields: set[str] = field(default_factory=set)
    large: dict[str, str] = field(default_factory=dict)
    hidden: int = 0
    census: str | None = None
    stale: bool = False
    settled: bool = False
    overlapping: bool = False
    found: tuple[int, str | None] | None = None

    def view(self, language: str) -> ViewState:
        return self.views.setdefault(language, ViewState())

    def json(self, *, last: bool) -> dict[str, Any]:
        done = self.found if last else None
        hidden, census = done or (self.hidden, self.census)
        return {
            "views": {language: view.json() for language, view in self.views.items()},
            "fields": sorted(self.fields),
            "large": dict(self.large),
            "hidden": hidden,
            "census": census,
            "stale": self.stale and not done,
            "settled": self.settled or last,
            "overlapping": self.overlapping,
        }

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> TypeState:
        return cls(
            views={language: ViewState(*view) for language, view in told["views"].items()},
            fields=set(told["fields"]),
            large=dict(told["large"]),
            hidden=told["hidden"],
            census=told["census"],
            stale=told["stale"],
            settled=told["settled"],
            overlapping=told["overlapping"],
        )


@dataclass(slots=True)
class State:
    """`choices` digests the options that the hub's content depends on; `offset` is the site's distance from UTC,
    `most` the largest page that it is known to give. Up to `until` its local times may be below earlier ones.
    """

    choices: str
    root: str = ""
    offset: str = ""
    most: int = 0
    until: str = ""
    types_closed: bool = False
    comments: dict[str, Any] = field(default_factory=dict)
    types: dict[str, TypeState] = field(default_factory=dict)

    def json(
        self, *, last: bool = False, comments: Mapping[str, Any] | None = None, offset: str = ""
    ) -> dict[str, Any]:
        return {
            "choices": self.choices,
            "root": self.root,
            "most": self.most,
            "until": self.until,
            "types_closed": self.types_closed,
            "offset": offset if last else self.offset,
            "comments": dict(self.comments if comments is None else comments),
            "types": {slug: state.json(last=last) for slug, state in self.types.items()},
        }

    @classmethod
    def read(cls, cursor: Mapping[str, Any] | None, choices: str) -> State:
        """Other choices than before: everything is looked at again, nothing fetched that is as it was."""
        if cursor is None:
            return cls(choices)
        state = cls(
            choices,
            str(cursor["root"]),
            str(cursor["offset"]),
            int(cursor["most"]),
            str(cursor["until"]),
            bool(cursor["types_closed"]),
            dict(cursor["comments"]),
            {slug: TypeState.read(told) for slug, told in cursor["types"].items()},
        )
        if cursor["choices"] != choices:
            for one in state.types.values():
                one.stale = True
        return state
