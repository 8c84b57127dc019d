"""The state of a simulated Confluence: contents, people, permissions, and the index that CQL searches.

https://developer.atlassian.com/cloud/confluence/advanced-searching-using-cql/: dates are minutes of the instance's time
zone; neither trash nor archived pages are in the index, nor what was written a moment ago.
"""

from __future__ import annotations

import base64
import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlencode

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

TOKEN, EMAIL = "ATATT3xFfGF0-a-confluence-token", "bot@example.com"
BOT = "557058:bot"
_V1_TYPES = {"page", "blogpost", "comment", "attachment"}
_TREE_TYPES = {"whiteboard", "database", "embed", "folder"}
_TOKEN_LIFE_S = 3600


class BadRequest(Exception):
    """What the documents do not allow."""


@dataclass
class User:
    id: str
    name: str
    email: str


@dataclass
class Group:
    id: str
    name: str
    members: set[str] = field(default_factory=set)


@dataclass
class Space:
    id: str
    key: str
    name: str
    type: str = "global"
    status: str = "current"
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    anonymous: bool = False
    closed: bool = False
    """To the bot: its user lost the permission."""


@dataclass
class Content:
    """A page, blog post, comment, attachment, folder or whiteboard."""

    id: str
    type: str
    space: str
    title: str
    author: str
    created: datetime
    modified: datetime
    body: str = ""
    version: int = 1
    status: str = "current"
    parent: str = ""
    """Of a page the page or folder above it, of a comment the comment that it answers."""
    container: str = ""
    """The page that a comment or attachment belongs to."""
    users: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    inline: bool = False
    resolved: bool = False
    selection: str = ""
    data: bytes = field(default=b"", repr=False)
    hidden: bool = False
    """Answers 404 to everybody who asks for it or for its restrictions, though its children are shown."""

    @property
    def restricted(self) -> bool:
        return bool(self.users or self.groups)


class ConfluenceSite(SimulatedApi):
    """`cap` is the most that any listing gives at once, `offset_h` the instance's time zone, `lag_s` the index's."""

    def __init__(self, clock: VirtualClock, edition: str = "cloud", *, cap: int = 3, offset_h: float = 9) -> None:
        super().__init__(clock)
        self.edition = edition
        self.cap = cap
        self.zone = timezone(timedelta(hours=offset_h))
        self.lag_s = 20.0
        self.users = {BOT: User(BOT, "Knowledge Bot", EMAIL)}
        self.groups: dict[str, Group] = {}
        self.spaces: dict[str, Space] = {}
        self.contents: dict[str, Content] = {}
        self.undecodable: set[str] = set()
        """Contents that the server cannot show: whoever lists them with their body gets 500."""
        self.instead: Callable[[Asked], Answer | None] = lambda asked: None
        """What a broken server says where it should answer; None: it answers."""
        self.refuse_with_403 = 0
        """So many requests are refused for their frequency, by 403."""
        self._ids = 100

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def new_id(self) -> str:
        self._ids += 1
        return str(self._ids)

    def put(self, type: str, space: str, title: str, author: str, body: str = "", **more: Any) -> Content:
        self.clock.advance(seconds=1)
        now = self.clock.now()
        id = f"{'att' if type == 'attachment' else ''}{self.new_id()}"
        content = self.contents[id] = Content(id, type, space, title, author, now, now, body, **more)
        return content

    def edit(self, content: Content, **changes: Any) -> None:
        self.clock.advance(seconds=1)
        for name, value in changes.items():
            setattr(content, name, value)
        content.version += 1
        content.modified = self.clock.now()

    def remove(self, content: Content) -> None:
        """For good, with all that hangs on it."""
        for other in [c for c in self.contents.values() if content.id in (c.container, c.parent)]:
            if other.type in ("comment", "attachment"):
                self.remove(other) if other.id in self.contents else None
            else:
                other.parent = content.parent
        self.contents.pop(content.id, None)

    def trash(self, page: Content) -> None:
        """A page into the trash; its children go up to its parent, as Confluence does it."""
        page.status = "trashed"
        for child in self.contents.values():
            if child.parent == page.id and child.type != "comment":
                child.parent = page.parent
        page.parent = ""

    # ── who may see what ─────────────────────────────────────────────────────────────────────────────

    def groups_of(self, user: str) -> set[str]:
        return {group.id for group in self.groups.values() if user in group.members}

    def space_open(self, user: str | None, space: Space) -> bool:
        if user == BOT:
            return not space.closed
        if space.anonymous:
            return True
        return user is not None and (user in space.users or bool(self.groups_of(user) & space.groups))

    def chain(self, content: Content) -> list[Content]:
        """The content and all above it, up to the root of its space."""
        found: list[Content] = []
        at: Content | None = self.contents.get(content.container) if content.container else content
        while at is not None and at not in found:
            found.append(at)
            at = self.contents.get(at.parent)
        return found

    def sees(self, user: str | None, content: Content) -> bool:
        space = self.spaces.get(content.space)
        if space is None or not self.space_open(user, space):
            return False
        mine = self.groups_of(user) if user else set()
        chain = [one for one in self.chain(content) if not (one.hidden and user == BOT)]
        return all(not one.restricted or user in one.users or bool(mine & one.groups) for one in chain)

    def live(self, content: Content) -> bool:
        """It, and what it hangs on, is neither in the trash nor a draft."""
        holder = self.contents.get(content.container) if content.container else content
        return holder is not None and all(one.status in ("current", "archived") for one in (content, holder))

    def _visible(self, id: str, viewer: str | None) -> Content | None:
        content = self.contents.get(id)
        return content if content and not content.hidden and self.sees(viewer, content) else None

    # ── CQL ──────────────────────────────────────────────────────────────────────────────────────────

    def _matching(self, cql: str) -> list[Content]:
        if not cql.strip():
            raise BadRequest("CQL query parameter is required but was empty")
        where, _, order = cql.partition(" order by ")
        tests = [self._clause(clause.strip()) for clause in where.split(" and ")]
        if order and order.strip() not in ("lastmodified", "lastmodified asc", "created", "created asc"):
            raise BadRequest(f"Could not parse cql : {cql}")
        found = [c for c in self.contents.values() if self._indexed(c) and all(test(c) for test in tests)]
        return sorted(found, key=lambda c: (c.modified.timestamp() if order else 0, int(c.id.removeprefix("att"))))

    def _indexed(self, content: Content) -> bool:
        """Neither trash nor archive are in the index, nor what was written a moment ago."""
        fresh = (self.clock.now() - content.modified).total_seconds() < self.lag_s
        holder = self.contents.get(content.container, content)
        return not fresh and self.live(content) and "archived" not in (content.status, holder.status)

    def _clause(self, clause: str) -> Callable[[Content], bool]:
        if m := re.fullmatch(r'space\s*=\s*"([^"]+)"', clause):
            key = m[1]
            return lambda c: self.spaces[c.space].key == key
        if m := re.fullmatch(r"type\s+in\s*\(([\w\s,]+)\)|type\s*=\s*(\w+)", clause):
            types = {one.strip() for one in (m[1] or m[2]).split(",")}
            allowed = _V1_TYPES | (_TREE_TYPES if self.edition == "cloud" else set())
            if types - allowed:
                raise BadRequest(f"Unsupported type: {sorted(types - allowed)}")
            return lambda c: c.type in types
        if m := re.fullmatch(r"(?:id|content)\s+in\s*\(([\w\s,]+)\)", clause):
            ids = {one.strip() for one in m[1].split(",")}
            return lambda c: c.id in ids
        if m := re.fullmatch(r'lastmodified\s*>=\s*"(\d{4}-\d\d-\d\d \d\d:\d\d)"', clause):
            since = datetime.strptime(m[1], "%Y-%m-%d %H:%M").replace(tzinfo=self.zone)
            return lambda c: c.modified >= since
        raise BadRequest(f"Could not parse cql : {clause}")

    # ── page tokens ──────────────────────────────────────────────────────────────────────────────────

    def _cursor(self, position: list[Any]) -> str:
        raw = json.dumps([position, self.clock.now().timestamp()])
        return base64.urlsafe_b64encode(raw.encode()).decode()

    def _position(self, asked: Asked) -> list[Any] | None:
        if not asked.one("cursor"):
            return None
        try:
            position, made = json.loads(base64.urlsafe_b64decode(asked.one("cursor")))
        except ValueError:
            raise BadRequest("Invalid cursor") from None
        if self.clock.now().timestamp() - made > _TOKEN_LIFE_S:
            raise BadRequest("Cursor has expired")
        return list(position)


def expansions(asked: Asked) -> set[str]:
    """What `expand` names, with every step before the last (`body.storage` expands `body`)."""
    named = [one for value in asked.query.get("expand", []) for one in value.split(",") if one]
    return {".".join(one.split(".")[: n + 1]) for one in named for n in range(one.count(".") + 1)}


def listed(asked: Asked, name: str) -> list[str]:
    return [one for value in asked.query.get(name, []) for one in value.split(",") if one]


def again(asked: Asked, **changed: Any) -> str:
    pairs = [(key, value) for key, values in asked.query.items() if key not in (*changed, "next") for value in values]
    return urlencode([*pairs, *((key, str(value)) for key, value in changed.items())])


def iso(time: datetime, zone: timezone) -> str:
    return time.astimezone(zone).isoformat(timespec="milliseconds")


def iso_z(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def some(rng: random.Random, among: Iterable[Any]) -> Any:
    found = sorted(among, key=repr)
    return rng.choice(found) if found else None
