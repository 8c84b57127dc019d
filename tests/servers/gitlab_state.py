"""A GitLab without its API: what is in it, what people do to it, and who is a member of what."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tests.servers.kit import VirtualClock

TOUCH_INTERVAL = timedelta(minutes=1)
GUEST, PLANNER, REPORTER, OWNER = 10, 15, 20, 50
Tree = dict[str, bytes]


@dataclass
class User:
    id: int
    username: str
    name: str
    state: str = "active"
    external: bool = False
    public_email: str = ""


@dataclass
class Member:
    level: int
    expires_at: str | None = None


@dataclass
class Note:
    id: int
    body: str
    author: int | None
    created_at: datetime
    updated_at: datetime
    internal: bool = False
    system: bool = False


@dataclass
class Issuable:
    """An issue, merge request or epic. `threads` are its discussions."""

    id: int
    iid: int
    title: str
    description: str
    author: int | None
    created_at: datetime
    updated_at: datetime
    state: str = "opened"
    confidential: bool = False
    assignees: list[int] = field(default_factory=list)
    moved_to_id: int | None = None
    threads: list[list[Note]] = field(default_factory=list)
    diff: str = ""
    reply_to: str = ""

    @property
    def notes(self) -> list[Note]:
        return [note for thread in self.threads for note in thread]


@dataclass
class Snippet:
    id: int
    title: str
    visibility: str
    author: int
    files: Tree
    created_at: datetime
    updated_at: datetime


@dataclass
class Commit:
    sha: str
    message: str
    tree: Tree
    parent: str
    time: datetime


@dataclass
class Project:
    id: int
    group: int
    path: str
    visibility: str = "private"
    levels: dict[str, str] = field(default_factory=dict)
    members: dict[int, Member] = field(default_factory=dict)
    archived: bool = False
    closed: bool = False
    """Everything below it answers 403, as behind an address that is not allowed."""
    issues: dict[int, Issuable] = field(default_factory=dict)
    merge_requests: dict[int, Issuable] = field(default_factory=dict)
    wiki: dict[str, str] = field(default_factory=dict)
    releases: dict[str, dict[str, Any]] = field(default_factory=dict)
    snippets: dict[int, Snippet] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    head: str = ""
    branch: str = "main"
    uploads: dict[str, bytes] = field(default_factory=dict)

    def level(self, feature: str) -> str:
        return self.levels.get(feature, "enabled")


@dataclass
class Group:
    id: int
    path: str
    parent: int | None = None
    visibility: str = "private"
    members: dict[int, Member] = field(default_factory=dict)
    epics: dict[int, Issuable] = field(default_factory=dict)


class Instance:
    """`owner` is whose token it is. A comment touches what it stands on, but not within a minute of the last touch;
    deleting one touches nothing (GitLab's ThrottledTouch)."""

    clock: VirtualClock

    def __init__(self) -> None:
        self.users: dict[int, User] = {}
        self.groups: dict[int, Group] = {}
        self.projects: dict[int, Project] = {}
        self.renamed: dict[str, int] = {}
        self.owner = 1
        self._ids = 100

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def now(self) -> datetime:
        """Each act has a moment of its own, with microseconds."""
        self.clock.advance(milliseconds=7, microseconds=3)
        return self.clock.now()

    def open(self, items: dict[int, Issuable], title: str, description: str, author: int | None) -> Issuable:
        now, id = self.now(), self.new_id()
        iid = max((one.iid for one in items.values()), default=0) + 1
        items[id] = Issuable(id, iid, title, description, author, now, now)
        return items[id]

    def touch(self, item: Issuable | Snippet, *, throttled: bool = False) -> None:
        now = self.now()
        if not throttled or now - item.updated_at > TOUCH_INTERVAL:
            item.updated_at = now

    def comment(
        self, item: Issuable, body: str, author: int | None, *, thread: list[Note] | None = None,
        internal: bool = False, system: bool = False,
    ) -> Note:  # fmt: skip
        now = self.now()
        note = Note(self.new_id(), body, author, now, now, internal, system)
        if thread is None:
            item.threads.append([note])
        else:
            note.internal = thread[0].internal
            thread.append(note)
        self.touch(item, throttled=True)
        return note

    def edit_comment(self, item: Issuable, note: Note, body: str) -> None:
        note.body, note.updated_at = body, self.now()
        self.touch(item, throttled=True)

    def delete_comment(self, item: Issuable, note: Note) -> None:
        """Touches nothing."""
        item.threads = [[one for one in thread if one is not note] for thread in item.threads]
        item.threads = [thread for thread in item.threads if thread]

    def move(self, issue: Issuable, source: Project, target: Project) -> Issuable:
        """The old one is closed and points to a copy with its comments."""
        copy = self.open(target.issues, issue.title, issue.description, issue.author)
        copy.confidential, copy.state = issue.confidential, issue.state
        copy.threads = [
            [Note(self.new_id(), n.body, n.author, n.created_at, n.updated_at, n.internal, n.system) for n in thread]
            for thread in issue.threads
        ]
        issue.state, issue.moved_to_id = "closed", copy.id
        self.comment(issue, f"moved to #{copy.iid}", self.owner, system=True)
        self.touch(issue)
        return copy

    def commit(self, project: Project, message: str, tree: Tree, *, parent: str | None = None) -> Commit:
        before = project.head if parent is None else parent
        now = self.now()
        sha = hashlib.sha1(f"{project.id}{message}{now}{before}".encode()).hexdigest()
        project.commits[sha] = Commit(sha, message, dict(tree), before, now)
        project.head = sha
        return project.commits[sha]

    def rename(self, project: Project, path: str) -> None:
        self.renamed[self.full_path(project)] = project.id
        project.path = path

    # ── names and rights ─────────────────────────────────────────────────────────────────────────────

    def group_path(self, group: Group) -> str:
        return f"{self.group_path(self.groups[group.parent])}/{group.path}" if group.parent else group.path

    def full_path(self, project: Project) -> str:
        return f"{self.group_path(self.groups[project.group])}/{project.path}"

    def ancestors(self, group: int | None) -> list[Group]:
        return [self.groups[group], *self.ancestors(self.groups[group].parent)] if group else []

    def members(self, place: Project | Group) -> dict[int, Member]:
        """With inherited ones; the highest level counts."""
        own = place.group if isinstance(place, Project) else place.id
        lists = [group.members for group in self.ancestors(own)]
        if isinstance(place, Project):
            lists.append(place.members)
        highest: dict[int, Member] = {}
        for members in lists:
            for id, member in members.items():
                if id not in highest or member.level > highest[id].level:
                    highest[id] = member
        return highest
