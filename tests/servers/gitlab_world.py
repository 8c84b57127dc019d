"""People at work on a simulated GitLab, and what each of them may read by the rules of its documentation.

https://docs.gitlab.com/user/permissions/, https://docs.gitlab.com/user/public_access/
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from datetime import date

from knowhub.core.types import ANYONE, ContainerId, ItemId, Principal, SourceName
from tests.contracts.api_source import Marks, Seen, Truth
from tests.servers.gitlab import GitLab, shown_time
from tests.servers.gitlab_state import (
    GUEST,
    OWNER,
    PLANNER,
    REPORTER,
    Group,
    Issuable,
    Member,
    Note,
    Project,
    Snippet,
    User,
)

_MARK = re.compile(r"mark\d+x")
_TEXT = re.compile(r"\.(md|py|txt)$")
_FEATURES = ("issues", "merge_requests", "wiki", "repository", "snippets", "releases")
_LEVELS = [GUEST, PLANNER, REPORTER, 30]
Readers = frozenset[Principal]


class Life:
    """`kinds`: which of the source's kinds are read."""

    def __init__(self, server: GitLab, marks: Marks, name: SourceName, kinds: frozenset[str]) -> None:
        self.server = server
        self.marks = marks
        self.name = name
        self.kinds = kinds

    # ── a beginning ──────────────────────────────────────────────────────────────────────────────────

    def populate(self, rng: random.Random) -> None:
        api = self.server
        names = ("root", "ann", "bob", "cid", "dot", "eve")
        for id, name in enumerate(names, 1):
            api.users[id] = User(id, name, name.title(), public_email=f"{name}@example.com")
        api.users[6].external = True
        api.groups[10] = Group(10, "acme", None, "private", {1: Member(OWNER), 2: Member(30)})
        api.groups[11] = Group(11, "lab", 10, "private", {3: Member(GUEST)})
        for id, group in ((20, 10), (21, 11), (22, 11)):
            visibility = rng.choice(["private", "internal", "public"])
            api.projects[id] = Project(id, group, f"project{id}", visibility)
            api.projects[id].members[4] = Member(rng.choice(_LEVELS))
        for _ in range(14):
            self._create(rng)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        act = rng.choice([self._create, self._create, self._issuable, self._issuable, self._talk, self._talk,
                          self._talk, self._page, self._code, self._people, self._place])  # fmt: skip
        act(rng)

    def _project(self, rng: random.Random) -> Project:
        return self.server.projects[rng.choice(sorted(self.server.projects))]

    def _text(self) -> str:
        return f"Words {self.marks.fresh()} here."

    def _create(self, rng: random.Random) -> None:
        api, project = self.server, self._project(rng)
        author = rng.choice([2, 3, 4, 5, None])
        match rng.choice(["issue", "issue", "merge request", "epic", "wiki", "release", "snippet", "commit"]):
            case "issue":
                issue = api.open(project.issues, f"Issue {self.marks.fresh()}", self._text(), author)
                issue.confidential = rng.random() < 0.3
                issue.assignees = [rng.choice([2, 3, 4])] if rng.random() < 0.4 else []
            case "merge request":
                request = api.open(project.merge_requests, f"Change {self.marks.fresh()}", self._text(), author)
                request.diff = f"@@ -1 +1 @@\n+{self.marks.fresh()}"
            case "epic":
                group = api.groups[rng.choice([10, 11])]
                api.open(group.epics, f"Epic {self.marks.fresh()}", self._text(), 2).confidential = rng.random() < 0.3
            case "wiki":
                project.wiki[f"dir/{self.marks.fresh()}"] = self._text()
            case "release":
                tag, now = f"v{api.new_id()}", api.now()
                project.releases[tag] = {
                    "tag_name": tag, "name": f"Release {self.marks.fresh()}", "description": self._text(),
                    "created_at": shown_time(now), "released_at": shown_time(now),
                }  # fmt: skip
            case "snippet":
                id, now = api.new_id(), api.now()
                visibility = rng.choice(["private", "internal", "public"])
                title = f"Snippet {self.marks.fresh()}"
                files = {"a b.py": self.marks.fresh().encode(), "c.md": self._text().encode()}
                project.snippets[id] = Snippet(id, title, visibility, 5, files, now, now)
            case "commit":
                self._code(rng)

    def _any(self, rng: random.Random) -> tuple[Project | Group, dict[int, Issuable], Issuable] | None:
        projects, groups = list(self.server.projects.values()), list(self.server.groups.values())
        found = [(p, items, one) for p in projects for items in (p.issues, p.merge_requests) for one in items.values()]
        epics = [(g, g.epics, one) for g in groups for one in g.epics.values()]
        both: list[tuple[Project | Group, dict[int, Issuable], Issuable]] = [*found, *epics]
        return rng.choice(both) if both else None

    def _issuable(self, rng: random.Random) -> None:
        api, found = self.server, self._any(rng)
        if not found:
            return
        place, items, one = found
        match rng.choice(["edit", "close", "secret", "assign", "delete", "move", "diff"]):
            case "edit":
                one.title, one.description = f"Again {self.marks.fresh()}", self._text()
            case "close":
                one.state = "closed" if one.state == "opened" else "opened"
            case "secret":
                one.confidential = not one.confidential
            case "assign":
                one.assignees = [rng.choice([2, 3, 4, 5])]
            case "diff":
                one.diff = f"@@ -1 +1 @@\n+{self.marks.fresh()}"
            case "delete":
                del items[one.id]
                return
            case "move" if isinstance(place, Project) and items is place.issues and not one.moved_to_id:
                api.move(one, place, self._project(rng))
                return
        api.touch(one)

    def _talk(self, rng: random.Random) -> None:
        api, found = self.server, self._any(rng)
        if not found:
            return
        one = found[2]
        notes = [note for note in one.notes if not note.system]
        match rng.choice(["say", "say", "reply", "whisper", "edit", "delete", "system"]):
            case "say":
                api.comment(one, self._text(), rng.choice([2, 3, None]))
            case "reply" if one.threads:
                api.comment(one, self._text(), 3, thread=rng.choice(one.threads))
            case "whisper":
                api.comment(one, self._text(), 2, internal=True)
            case "edit" if notes:
                api.edit_comment(one, rng.choice(notes), self._text())
            case "delete" if notes:
                api.delete_comment(one, rng.choice(notes))
            case "system":
                api.comment(one, f"changed the description {self.marks.fresh()}", 1, system=True)

    def _page(self, rng: random.Random) -> None:
        api, project = self.server, self._project(rng)
        match rng.choice(["wiki", "rename", "unwiki", "release", "unrelease", "snippet", "unsnippet"]):
            case "wiki" if project.wiki:
                project.wiki[rng.choice(sorted(project.wiki))] = self._text()
            case "rename" if project.wiki:
                project.wiki[f"new/{self.marks.fresh()}"] = project.wiki.pop(rng.choice(sorted(project.wiki)))
            case "unwiki" if project.wiki:
                del project.wiki[rng.choice(sorted(project.wiki))]
            case "release" if project.releases:
                project.releases[rng.choice(sorted(project.releases))]["description"] = self._text()
            case "unrelease" if project.releases:
                del project.releases[rng.choice(sorted(project.releases))]
            case "snippet" if project.snippets:
                snippet = project.snippets[rng.choice(sorted(project.snippets))]
                snippet.visibility = rng.choice(["private", "internal", "public"])
                snippet.files["c.md"] = self._text().encode()
                api.touch(snippet)
            case "unsnippet" if project.snippets:
                del project.snippets[rng.choice(sorted(project.snippets))]

    def _code(self, rng: random.Random) -> None:
        api, project = self.server, self._project(rng)
        tree = dict(project.commits[project.head].tree) if project.head else {}
        parent = None
        for _ in range(rng.randrange(1, 5)):
            match rng.choice(["write", "write", "edit", "delete", "rename", "binary", "rewrite"]):
                case "write":
                    tree[f"src/{self.marks.fresh()}.md"] = self._text().encode()
                case "edit" if tree:
                    tree[rng.choice(sorted(tree))] = self._text().encode()
                case "delete" if tree:
                    del tree[rng.choice(sorted(tree))]
                case "rename" if tree:
                    old = rng.choice(sorted(tree))
                    tree[f"moved {self.marks.fresh()}{old[old.rfind('.') :]}"] = tree.pop(old)
                case "binary":
                    tree[f"{self.marks.fresh()}.png"] = b"image"
                case "rewrite" if project.head:
                    parent = project.commits[project.head].parent
        api.commit(project, f"Commit {self.marks.fresh()}\n\n{self._text()}", tree, parent=parent)

    def _people(self, rng: random.Random) -> None:
        api, project, user = self.server, self._project(rng), rng.choice([3, 4, 5, 6])
        match rng.choice(["join", "leave", "expire", "block", "group", "external"]):
            case "join":
                project.members[user] = Member(rng.choice(_LEVELS))
            case "leave":
                project.members.pop(user, None)
            case "expire":
                past = rng.choice(["2026-01-01", "2099-01-01"])
                project.members[user] = Member(rng.choice(_LEVELS), past)
            case "block":
                api.users[user].state = "blocked" if api.users[user].state == "active" else "active"
            case "group":
                api.groups[11].members[user] = Member(rng.choice(_LEVELS))
            case "external":
                api.users[user].external = not api.users[user].external

    def _place(self, rng: random.Random) -> None:
        api, project = self.server, self._project(rng)
        match rng.choice(["visibility", "feature", "feature", "rename", "transfer", "close", "delete", "new", "group"]):
            case "visibility":
                project.visibility = rng.choice(["private", "internal", "public"])
            case "feature":
                project.levels[rng.choice(_FEATURES)] = rng.choice(["disabled", "private", "enabled", "enabled"])
            case "rename":
                api.rename(project, f"renamed{api.new_id()}")
            case "transfer":
                api.rename(project, f"moved{api.new_id()}")
                project.group = 21 - project.group
            case "close":
                project.closed = not project.closed
            case "delete" if len(api.projects) > 2:
                del api.projects[project.id]
            case "new":
                id = api.new_id()
                api.projects[id] = Project(id, rng.choice([10, 11]), f"project{id}", "private")
            case "group":
                api.groups[11].visibility = rng.choice(["private", "internal", "public"])

    # ── who may read ─────────────────────────────────────────────────────────────────────────────────

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        closed = set()
        for project in self.server.projects.values():
            items |= dict(self._in_project(project))
            if project.closed:
                closed.add(ContainerId(f"project:{project.id}"))
        if "epics" in self.kinds:
            for group in self.server.groups.values():
                items |= dict(self._in_group(group))
        people = {self._person(user.id) for user in self.server.users.values() if user.state == "active"}
        return Truth(items, frozenset(people), frozenset(closed))

    def _person(self, id: int) -> Principal:
        return Principal(f"{self.name}:user:{id}")

    def _levels(self, place: Project | Group) -> dict[int, int]:
        today = self.server.clock.now().date()
        return {
            id: member.level
            for id, member in self.server.members(place).items()
            if self.server.users[id].state == "active"
            and (not member.expires_at or date.fromisoformat(member.expires_at) > today)
        }

    def _from(self, place: Project | Group, level: int) -> Readers:
        return frozenset(self._person(id) for id, own in self._levels(place).items() if own >= level)

    def _insiders(self) -> Readers:
        users = self.server.users.values()
        return frozenset(self._person(user.id) for user in users if user.state == "active" and not user.external)

    def _visible(self, place: Project | Group) -> Readers:
        if place.visibility == "public":
            return frozenset({ANYONE})
        return self._from(place, GUEST) | (self._insiders() if place.visibility == "internal" else frozenset())

    def _part(self, project: Project, feature: str) -> Readers:
        """https://docs.gitlab.com/user/permissions/: what Guests of private projects do not see, and narrowed parts."""
        level = project.level(feature)
        if level == "disabled":
            return frozenset()
        gated = feature in ("repository", "merge_requests", "releases")
        if project.visibility == "private":
            return self._from(project, REPORTER if gated else GUEST)
        if level == "private":
            return self._from(project, REPORTER if feature == "merge_requests" else GUEST)
        return self._visible(project)

    def _trusted(self, place: Project | Group, one: Issuable | None = None) -> Readers:
        named = [one.author, *one.assignees] if one else []
        active = [id for id in named if id and self.server.users[id].state == "active"]
        return self._from(place, PLANNER) | frozenset(map(self._person, active))

    # ── what there is to read ────────────────────────────────────────────────────────────────────────

    def _in_project(self, project: Project) -> Iterator[tuple[ItemId, Seen]]:
        yield from self._issuables(project, "issues", "issue", project.issues)
        yield from self._issuables(project, "merge_requests", "merge_request", project.merge_requests)
        yield from self._listed(project)
        if project.level("repository") != "disabled" and project.head:
            yield from self._code_of(project)

    def _in_group(self, group: Group) -> Iterator[tuple[ItemId, Seen]]:
        for one in group.epics.values():
            readers = self._visible(group)
            if one.confidential:
                readers = narrowed(readers, self._trusted(group))
            yield from self._issuable_items(f"group:{group.id}", group, f"epic:{one.id}", one, readers)

    def _issuables(
        self, project: Project, feature: str, prefix: str, items: dict[int, Issuable]
    ) -> Iterator[tuple[ItemId, Seen]]:
        if feature not in self.kinds or project.level(feature) == "disabled":
            return
        for one in items.values():
            readers = self._part(project, feature)
            if feature == "issues" and one.confidential:
                readers = narrowed(readers, self._trusted(project, one))
            item = f"{prefix}:{one.id}"
            yield from self._issuable_items(f"project:{project.id}", project, item, one, readers)
            if prefix == "merge_request" and "diffs" in self.kinds:
                both = narrowed(readers, self._part(project, "repository"))
                yield ItemId(f"{item}:diff"), self._seen(f"project:{project.id}", both, one.title, one.diff)

    def _issuable_items(
        self, container: str, place: Project | Group, item: str, one: Issuable, readers: Readers
    ) -> Iterator[tuple[ItemId, Seen]]:
        shown = [note.body for note in one.notes if not note.system and not note.internal]
        yield ItemId(item), self._seen(container, readers, one.title, one.description, *shown)
        for note in one.notes:
            if note.internal and not note.system:
                narrow = narrowed(readers, self._from(place, PLANNER))
                yield ItemId(f"{item}:note:{note.id}"), self._whispered(container, narrow, note, one)

    def _whispered(self, container: str, readers: Readers, note: Note, one: Issuable) -> Seen:
        return Seen(ContainerId(container), words(note.body), readers, words(one.title))

    def _listed(self, project: Project) -> Iterator[tuple[ItemId, Seen]]:
        container = f"project:{project.id}"
        if project.level("wiki") != "disabled":
            for slug, content in project.wiki.items():
                readers = self._part(project, "wiki")
                seen = Seen(ContainerId(container), words(content), readers, words(slug))
                yield ItemId(f"wiki:{project.id}:{slug}"), seen
        if project.level("releases") != "disabled":
            for tag, one in project.releases.items():
                seen = self._seen(container, self._part(project, "releases"), one["name"], one["description"])
                yield ItemId(f"release:{project.id}:{tag}"), seen
        if project.level("snippets") != "disabled":
            for snippet in project.snippets.values():
                texts = [data.decode() for data in snippet.files.values()]
                readers = self._snippet_readers(project, snippet)
                yield ItemId(f"snippet:{snippet.id}"), self._seen(container, readers, snippet.title, *texts)

    def _snippet_readers(self, project: Project, snippet: Snippet) -> Readers:
        readers = self._part(project, "snippets")
        if snippet.visibility == "public":
            return readers
        author = snippet.author if self.server.users[snippet.author].state == "active" else None
        allowed = self._from(project, GUEST) | ({self._person(author)} if author else frozenset())
        return narrowed(readers, allowed | (self._insiders() if snippet.visibility == "internal" else frozenset()))

    def _code_of(self, project: Project) -> Iterator[tuple[ItemId, Seen]]:
        container, readers = f"project:{project.id}", self._part(project, "repository")
        for path, data in project.commits[project.head].tree.items():
            if _TEXT.search(path):
                title = frozenset() if not data else words(path.rpartition("/")[2])
                seen = Seen(ContainerId(container), words(data.decode()), readers, title)
                yield ItemId(f"file:{project.id}:{path}"), seen
        if "commits" in self.kinds:
            for commit in self.server.history(project, project.head):
                before = project.commits[commit.parent].tree if commit.parent else {}
                shown = self.server._differences(before, commit.tree)
                told = [f"{one['old_path']} {one['new_path']} {one['diff']}" for one in shown]
                own = words(commit.message)
                seen = Seen(ContainerId(container), own, readers, frozenset().union(*map(words, told)) - own)
                yield ItemId(f"commit:{project.id}:{commit.sha}"), seen

    def _seen(self, container: str, readers: Readers, *texts: str) -> Seen:
        return Seen(ContainerId(container), frozenset().union(*map(words, texts)), readers)


def words(text: str) -> frozenset[str]:
    return frozenset(_MARK.findall(text))


def narrowed(readers: Readers, further: Readers) -> Readers:
    """Those in both, where everybody may be a reader."""
    if ANYONE in readers:
        return further
    return readers if ANYONE in further else readers & further
