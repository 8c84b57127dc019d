"""A Backlog space with people in it who write, move, rename and delete, and what each of them can read."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.parsed import Parsed
from knowhub.sources.backlog import BacklogOptions, BacklogParser, BacklogSource
from tests.contracts.api_source import Marks, Seen, Truth
from tests.servers.backlog import KEY, TOKEN, BacklogSpace, Project, Repository, Thing, pick
from tests.servers.kit import Asked, VirtualClock

NAME = SourceName("space")
_Told = tuple[str, frozenset[str], frozenset[str]]
"""An item, its words, and what else its text or title holds."""
_MARK = re.compile(r"mark\d+x")


def plain_file(data: bytes, name: str) -> Parsed:
    return Parsed("text", data.decode())


def marks_in(*texts: object) -> frozenset[str]:
    return frozenset(mark for text in texts for mark in _MARK.findall(str(text)))


class BacklogWorld:
    """Implements `ApiWorld`. `given` are options in place of those that chance chose."""

    def __init__(self, rng: random.Random, *, zone: str = "", **given: Any) -> None:
        self.given = given
        self.clock = VirtualClock()
        zone = zone or rng.choice(["Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles"])
        self.server = BacklogSpace(self.clock, zone)
        self.name = NAME
        self.secrets = (KEY, TOKEN)
        self.marks = Marks()
        self.oauth = rng.random() < 0.3
        self.census_hours = rng.choice([0, 24, 24])
        self.changes = rng.random() < 0.7
        self.people = [self.server.add_user(name) for name in ("ana", "bob", "cid")]
        self.server.teams = {7: {self.people[2]}}

    def furnish(self, rng: random.Random) -> BacklogWorld:
        """Projects with something of everything in them, in a space of some temper."""
        self.server.edits_touch = rng.random() < 0.5
        self.server.moves_are_told = rng.random() < 0.5
        self.server.users[self.people[2]]["roleType"] = 4
        for key, rule in (("OPS", "backlog"), ("DEV", "markdown"), ("SECRET", "backlog")):
            self._furnish(self.server.add_project(key, rule=rule, members=rng.sample(self.people, 2)), rng)
        if rng.random() < 0.3:
            self._restrict()
        return self

    def _furnish(self, project: Project, rng: random.Random) -> None:
        repository = Repository(self.server.new_id(), "app")
        project.repositories[repository.id] = repository
        for _ in range(4):
            self.clock.advance(seconds=rng.choice([0, 1, 90]))
            for act in (_new_issue, _comment, _new_wiki, _new_document, _new_pull, _put_file, _attach):
                act(self, project, rng)

    def _restrict(self) -> None:
        """The token's user may only see issues: files and repositories answer 403."""
        self.server.users[self.server.me]["roleType"] = 4
        self.server.projects[max(self.server.projects)].uses = {"useWiki"}

    @property
    def restricted(self) -> bool:
        return bool(self.server.users[self.server.me]["roleType"] == 4)

    def source(self) -> BacklogSource:
        chosen: dict[str, Any] = {
            "base_url": self.server.url,
            "token": Secret(TOKEN if self.oauth else KEY),
            "oauth": self.oauth,
            "exclude": ("SECRET*",),
            "census_hours": self.census_hours,
            "changes": self.changes,
            "recheck_days": 100,
            "kinds": ("issues", "wikis", "pull_requests", "files") if self.restricted else (),
        }
        return BacklogSource(self.name, BacklogOptions(**chosen | self.given), clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return BacklogParser(plain_file)(record, sequence)

    def change(self, rng: random.Random) -> None:
        project = pick(rng, self.server.projects.values())
        rng.choice(_ACTS)(self, project, rng)

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        """Listings of a project's things; `sort=updated` is the poll over all projects."""
        match asked.parts[2:]:
            case ["issues"] | ["documents"] if asked.one("sort") == "created":
                return asked.one("projectId[]")
            case ["wikis"]:
                return asked.one("projectIdOrKey")
            case ["projects", project, "git", "repositories", _, "pullRequests"]:
                return project
            case ["projects", project, "files", "metadata", *_]:
                return project
        return None

    def idle_requests(self) -> int:
        """Projects, the feed, changed issues, changed documents, however many projects there are; and what refuses
        is tried again."""
        return 4 + 2 * len(self.truth().unreachable) if self.census_hours else 1_000

    # ── what everybody sees ──────────────────────────────────────────────────────────────────────────

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        chosen = [p for p in self.server.projects.values()
                  if self.server.me in self.server.readers(p) and not p.key.startswith("SECRET")]  # fmt: skip
        for project in chosen:
            for item, words, also in self._things(project):
                readers = frozenset(_person(one) for one in self._readers(project, item))
                items[ItemId(item)] = Seen(ContainerId(str(project.id)), words, readers, also - words)
        closed = {ContainerId(str(p.id)) for p in chosen if self.restricted and p.uses & {"useGit", "useFileSharing"}}
        return Truth(items, frozenset(_person(one) for one in self.server.users), frozenset(closed))

    def _readers(self, project: Project, item: str) -> Iterable[int]:
        """Files, pull requests and comments on documents are shown to administrators and normal users alone."""
        prefix, _, identity = item.partition(":")
        document = project.documents.get(identity) if prefix == "document" else None
        narrow = prefix in ("file", "pull_request") or (document is not None and document.comments)
        readers = self.server.readers(project)
        return [one for one in readers if self.server.users[one]["roleType"] in (1, 2)] if narrow else readers

    def _things(self, project: Project) -> Iterable[_Told]:
        for issue in self.server.issues_of(project):
            words = marks_in(issue.row["description"]) | self._said(issue)
            yield from _with_files(
                f"issue:{issue.id}", issue, words, marks_in(issue.row["summary"]), self._history(issue)
            )
        for wiki in project.wikis.values() if "useWiki" in project.uses else ():
            yield from _with_files(f"wiki:{wiki.id}", wiki, marks_in(wiki.row["content"]), marks_in(wiki.row["name"]))
        yield from () if self.restricted else self._documents(project)
        yield from self._pulls(project) if "useGit" in project.uses else ()
        for file in project.files.values() if "useFileSharing" in project.uses else ():
            yield f"file:{file.id}", marks_in(file.row["data"].decode()), frozenset()

    def _documents(self, project: Project) -> Iterable[_Told]:
        for document in project.documents.values():
            if document.id not in project.trash:
                said = [document.row["plain"], *(comment["plain"] for comment in document.comments)]
                said += [reply["plain"] for comment in document.comments for reply in comment["replies"]]
                title = marks_in(document.row["title"])
                yield from _with_files(f"document:{document.id}", document, marks_in(*said), title)

    def _pulls(self, project: Project) -> Iterable[_Told]:
        for pull in (pull for one in project.repositories.values() for pull in one.pulls.values()):
            linked = self.server.issues.get(pull.row["issue"] or 0)
            ours = linked and self.server.issue_project[linked.id] == project.id
            shown = marks_in(pull.row["summary"], linked.row["summary"] if linked and ours else "")
            words = marks_in(pull.row["description"]) | self._said(pull)
            yield from _with_files(f"pull_request:{pull.id}", pull, words, frozenset(), shown)

    def _said(self, thing: Thing) -> frozenset[str]:
        return marks_in(*(comment["content"] for comment in thing.comments))

    def _history(self, thing: Thing) -> frozenset[str]:
        """Old and new titles stand in the history for everybody to read; of a description only that it changed."""
        changes = [change for comment in thing.comments for change in comment["changeLog"]]
        shown = [c for c in changes if c["field"] != "description"] if self.changes else []
        return marks_in(*(c["newValue"] for c in shown), *(c["originalValue"] for c in shown))


def quiet_world(zone: str = "Asia/Tokyo", **given: Any) -> BacklogWorld:
    """A space with one empty project, OPS, that Ana and Bob have joined; nothing in it happens by chance."""
    world = BacklogWorld(random.Random(0), zone=zone, **given)
    world.oauth, world.census_hours, world.changes = False, 24, True
    world.server.add_project("OPS", members=world.people[:2])
    return world


def _person(user: int) -> Principal:
    return Principal(f"{NAME}:user:{user}")


def _with_files(
    item: str, thing: Thing, words: frozenset[str], title: frozenset[str], also: frozenset[str] = frozenset()
) -> Iterable[_Told]:
    """A thing and what hangs on it; files of wikis and documents are called by the page's title too."""
    yield item, words, title | also
    for number, (_, data) in thing.files.items():
        yield f"{item}:file:{number}", marks_in(data.decode()), frozenset() if item.startswith("issue:") else title


# ── what people do ───────────────────────────────────────────────────────────────────────────────────


def _new_issue(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    a, b = world.marks.fresh(), world.marks.fresh()
    world.server.create_issue(project, f"件名 {a}", f"* 詳細\n本文 {b} OPS-1", rng.choice(world.people))


def _issue(world: BacklogWorld, project: Project, rng: random.Random) -> Thing | None:
    found: Thing | None = pick(rng, world.server.issues_of(project))
    return found


def _comment(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if issue := _issue(world, project, rng):
        for _ in range(rng.choice([1, 1, 1, 120])):
            world.server.comment(issue, f"{world.marks.fresh()}です", author=rng.choice(world.people))


def _edit_issue(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if issue := _issue(world, project, rng):
        field = rng.choice(["summary", "description"])
        world.server.edit_issue(issue, **{field: f"新しい {world.marks.fresh()}"})


def _edit_comment(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    issue = _issue(world, project, rng)
    if issue and (comment := pick(rng, issue.comments)):
        world.server.edit_comment(issue, comment, f"訂正 {world.marks.fresh()}")


def _delete_comment(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    issue = _issue(world, project, rng)
    if issue and (comment := pick(rng, issue.comments)):
        world.server.delete_comment(issue, comment)


def _delete_issue(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if issue := _issue(world, project, rng):
        world.server.delete_issue(issue)


def _move_issue(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    target = pick(rng, world.server.projects.values())
    if (issue := _issue(world, project, rng)) and target is not project:
        world.server.move_issue(issue, target)


def _rename_status(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    """All issues look different and none was updated."""
    world.server.statuses[1] = f"状態 {rng.randrange(100)}"


def _attach(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    things = [*world.server.issues_of(project), *project.wikis.values(), *project.documents.values()]
    things += [pull for one in project.repositories.values() for pull in one.pulls.values()]
    if thing := pick(rng, things):
        name = rng.choice(["notes.txt", "議事録.txt", "picture.png"])
        data = world.marks.fresh() if name != "picture.png" else ""
        if data:
            world.server.attach(thing, name, data.encode())


def _detach(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    things = [*world.server.issues_of(project), *project.wikis.values(), *project.documents.values()]
    if thing := pick(rng, [thing for thing in things if thing.files]):
        world.server.detach(thing, rng.choice(list(thing.files)))


def _new_wiki(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    world.server.write_wiki(project, f"手順/{world.marks.fresh()}", f"* 見出し\n- {world.marks.fresh()}")


def _edit_wiki(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if wiki := pick(rng, project.wikis.values()):
        name = rng.choice([wiki.row["name"], f"改名 {world.marks.fresh()}"])
        world.server.write_wiki(project, name, f"|a|{world.marks.fresh()}|", wiki)


def _delete_wiki(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if wiki := pick(rng, project.wikis.values()):
        world.server.delete_wiki(project, wiki)


def _new_document(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    world.server.write_document(project, f"文書 {world.marks.fresh()}", f"本文 {world.marks.fresh()}")


def _edit_document(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if document := pick(rng, project.documents.values()):
        title = rng.choice([document.row["title"], f"改題 {world.marks.fresh()}"])
        world.server.write_document(project, title, f"書き直し {world.marks.fresh()}", document)


def _comment_document(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if document := pick(rng, project.documents.values()):
        on = pick(rng, [None, *document.comments])
        world.server.comment_document(project, document, world.marks.fresh(), on)


def _discard_document(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if document := pick(rng, [one for one in project.documents.values() if one.id not in project.trash]):
        world.server.discard_document(project, document)


def _restore_document(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if project.trash:
        world.server.restore_document(project, rng.choice(sorted(project.trash)))


def _new_pull(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    repository = pick(rng, project.repositories.values())
    issue = rng.choice([None, _issue(world, project, rng)])
    world.server.create_pull(project, repository, f"統合 {world.marks.fresh()}", f"説明 {world.marks.fresh()}", issue)


def _comment_pull(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    repository = pick(rng, project.repositories.values())
    if pull := pick(rng, repository.pulls.values()):
        world.server.comment_pull(project, repository, pull, world.marks.fresh())


def _merge_pull(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    repository = pick(rng, project.repositories.values())
    if pull := pick(rng, repository.pulls.values()):
        world.server.merge_pull(project, repository, pull)


def _put_file(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    folder = rng.choice(["/", "/設計/", "/設計/古い/", "/a b/"])
    file = pick(rng, [None, None, *project.files.values()])
    world.server.put_file(project, folder, f"f{rng.randrange(9)}.txt", world.marks.fresh().encode(), file)


def _delete_file(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if file := pick(rng, project.files.values()):
        world.server.delete_file(project, file)


def _rename_folder(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    world.server.rename_folder(project, "/設計/", f"/図{rng.randrange(9)}/")


def _rename_project(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if not project.key.startswith("SECRET"):
        project.key = f"{project.key[:3]}{rng.randrange(100, 999)}"


def _change_rule(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    project.rule = rng.choice(["backlog", "markdown"])


def _archive(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    project.archived = not project.archived


def _change_members(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    if rng.random() < 0.5:
        project.members ^= {rng.choice(world.people)}
    else:
        project.teams ^= {7}


def _leave(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    """The token's user leaves a project, or joins it again."""
    if rng.random() < 0.3:
        project.members ^= {world.server.me}


def _toggle_feature(world: BacklogWorld, project: Project, rng: random.Random) -> None:
    project.uses ^= {rng.choice(["useWiki", "useFileSharing", "useGit"])}


_ACTS: list[Callable[[BacklogWorld, Project, random.Random], None]] = [
    _new_issue, _new_issue, _comment, _comment, _edit_issue, _edit_comment, _delete_comment, _delete_issue, _move_issue,
    _rename_status, _attach, _attach, _detach, _new_wiki, _edit_wiki, _delete_wiki, _new_document, _edit_document,
    _comment_document, _discard_document, _restore_document, _new_pull, _comment_pull, _merge_pull, _put_file,
    _put_file, _delete_file, _rename_folder, _rename_project, _change_rule, _archive, _change_members, _leave,
    _toggle_feature,
]  # fmt: skip
