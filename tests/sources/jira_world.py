"""A company's Jira for the conformance test: what its people do, and what each of them would see."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.files import parse_file
from knowhub.sources.jira import JiraOptions, JiraParser, JiraSource
from tests.contracts.api_source import Marks, Seen, Truth
from tests.servers.jira import EMAIL, TOKEN, JiraServer
from tests.servers.jira_state import ANYBODY, Comment, Issue, Project, Visibility
from tests.servers.kit import Asked, VirtualClock

_MARK = re.compile(r"mark\d+x")


class JiraWorld:
    def __init__(self, rng: random.Random, *, cloud: bool | None = None, **options: Any) -> None:
        self.clock = VirtualClock()
        self.server = JiraServer(self.clock, cloud=rng.random() < 0.6 if cloud is None else cloud)
        self.server.page_cap = rng.choice([3, 5, 100])
        self.server.inline_cap = rng.choice([1, 20])
        self.server.listing_cap = rng.choice([1, 5])
        self.state = self.server.state
        self.state.lag = timedelta(minutes=rng.choice([0, 1, 30]))
        self.name = SourceName("jira")
        self.secrets = (TOKEN,)
        self.marks = Marks()
        self.options: dict[str, Any] = {"census_hours": rng.choice([0, 24]), **options}
        self._populate(rng)

    def _populate(self, rng: random.Random) -> None:
        state = self.state
        browse = ("BROWSE_PROJECTS", "group", "g-staff")
        state.schemes = {700: {71: [("", "group", "g-ops")], 72: [("", "projectRole", "10001"), ("", "user", "dee")]}}
        scheme = 700 if state.cloud else None
        ops = state.project("OPS", browse, ("SERVICEDESK_AGENT", "projectRole", "10002"), scheme=scheme)
        web = state.project("WEB", ("BROWSE_PROJECTS", "projectRole", "10001"), scheme=scheme)
        ops.actors = {10001: {"ann"}, 10002: {"bob"}}
        web.actors = {10001: {"group:g-ops", "ann"}}
        for _ in range(9):
            self._write(rng, rng.choice([ops, web]))
            if rng.random() < 0.5:
                self.clock.advance(seconds=40)

    def source(self) -> JiraSource:
        email = EMAIL if self.server.cloud else ""
        options = JiraOptions(base_url=self.server.url, token=Secret(TOKEN), email=email, **self.options)
        return JiraSource(self.name, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return JiraParser(parse_file)(record, sequence)

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        deeds: list[Callable[[random.Random], None]] = [
            self._create, self._create, self._edit, self._comment, self._comment, self._restricted, self._edit_comment,
            self._delete_comment, self._worklog, self._attach, self._detach, self._move, self._delete, self._secure,
            self._membership, self._grant, self._rename, self._hide, self._archive, self._link,
        ]  # fmt: skip
        rng.choice(deeds)(rng)

    def _write(self, rng: random.Random, project: Project) -> None:
        summary, text = self.marks.fresh(), self.marks.fresh()
        level = rng.choice([None, None, None, 71, 72]) if project.scheme else None
        reporter = rng.choice(self.state.people)
        self.state.issue(project.id, f"Broken {summary}", f"It fails: {text}!", reporter, level=level)

    def _create(self, rng: random.Random) -> None:
        self._write(rng, rng.choice(list(self.state.projects.values())))

    def _some(self, rng: random.Random) -> Issue | None:
        return rng.choice(list(self.state.issues.values())) if self.state.issues else None

    def _edit(self, rng: random.Random) -> None:
        if issue := self._some(rng):
            issue.text = f"Now it says {self.marks.fresh()}."
            if rng.random() < 0.3:
                issue.summary = f"Still broken {self.marks.fresh()}"
            self.state.log(issue, "description", "old", "new")

    def _comment(self, rng: random.Random) -> None:
        if issue := self._some(rng):
            for _ in range(rng.choice([1, 1, 4])):
                self.state.comment(issue, rng.choice(self.state.people), f"I saw {self.marks.fresh()}")

    def _restricted(self, rng: random.Random) -> None:
        if issue := self._some(rng):
            seen = rng.choice([Visibility("role", "10001"), Visibility("group", "g-ops"), None])
            text = f"Between us: {self.marks.fresh()}"
            write = rng.choice([self.state.comment, self.state.worklog])
            write(issue, "ann", text, visibility=seen, internal=write == self.state.comment and seen is None)

    def _edit_comment(self, rng: random.Random) -> None:
        issue = self._some(rng)
        if issue and issue.comments:
            changes: list[dict[str, Any]] = [
                {"text": f"No, {self.marks.fresh()}"},
                {"visibility": None, "internal": False},
                {"visibility": Visibility("group", "g-staff")},
            ]
            self.state.rewrite(issue, rng.choice(issue.comments), **rng.choice(changes))

    def _delete_comment(self, rng: random.Random) -> None:
        issue = self._some(rng)
        if issue and issue.comments:
            issue.comments.remove(rng.choice(issue.comments))
            self.state.touch(issue)

    def _worklog(self, rng: random.Random) -> None:
        if issue := self._some(rng):
            self.state.worklog(issue, "bob", f"Worked on {self.marks.fresh()}")

    def _attach(self, rng: random.Random) -> None:
        if issue := self._some(rng):
            name = f"notes-{self.marks.fresh()}.txt"
            self.state.attach(issue, name, f"The file says {self.marks.fresh()}".encode())

    def _detach(self, rng: random.Random) -> None:
        issue = self._some(rng)
        if issue and issue.attachments:
            del self.state.files[issue.attachments.pop().id]
            self.state.touch(issue)

    def _move(self, rng: random.Random) -> None:
        if issue := self._some(rng):
            self.state.move(issue, rng.choice(list(self.state.projects)))

    def _delete(self, rng: random.Random) -> None:
        issue = self._some(rng)
        if issue and len(self.state.issues) > 2:
            self.state.delete(issue)

    def _secure(self, rng: random.Random) -> None:
        issue = self._some(rng)
        if issue and self.state.projects[issue.project].scheme:
            issue.level = rng.choice([None, 71, 72])
            self.state.touch(issue)

    def _membership(self, rng: random.Random) -> None:
        person, project = rng.choice(self.state.people), rng.choice(list(self.state.projects.values()))
        if rng.random() < 0.5:
            rng.choice(list(self.state.groups.values())).members ^= {person}
        else:
            project.actors.setdefault(rng.choice(list(self.state.roles)), set()).symmetric_difference_update({person})

    def _grant(self, rng: random.Random) -> None:
        project = rng.choice(list(self.state.projects.values()))
        grant = rng.choice([("BROWSE_PROJECTS", "anyone", ""), ("BROWSE_PROJECTS", "applicationRole", ""),
                            ("BROWSE_PROJECTS", "applicationRole", "jira-software"),
                            ("BROWSE_PROJECTS", "user", "dee"), ("SERVICEDESK_AGENT", "group", "g-ops")])  # fmt: skip
        if grant in project.grants:
            project.grants.remove(grant)
        else:
            project.grants.append(grant)

    def _rename(self, rng: random.Random) -> None:
        project = rng.choice(list(self.state.projects.values()))
        self.state.rename_key(project, f"K{self.state.fresh_id()}")

    def _hide(self, rng: random.Random) -> None:
        if rng.random() < 0.3:
            project = rng.choice(list(self.state.projects.values()))
            project.hidden = not project.hidden

    def _archive(self, rng: random.Random) -> None:
        if rng.random() < 0.3:
            project = rng.choice(list(self.state.projects.values()))
            project.archived = not project.archived

    def _link(self, rng: random.Random) -> None:
        issue, other = self._some(rng), self._some(rng)
        if issue and other and issue is not other:
            issue.links.append(other.id)
            self.state.touch(issue)

    # ── what readers see ─────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        """Pages of the one listing of all projects; counts and reading by id are no pages of it."""
        if asked.method != "POST" or not asked.path.endswith(("/search/jql", "/search")):
            return None
        return None if asked.json.get("maxResults") == 0 or "id in" in asked.json["jql"] else "all projects"

    def idle_requests(self) -> int:
        """Projects, one search, one count; and a census, with who we are, where it is always due."""
        if self.options["census_hours"]:
            return 3
        return 6 + len(self.state.issues) // self.server.page_cap + 1

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        for issue in self.state.issues.values():
            project = self.state.projects[issue.project]
            if not project.archived and not project.hidden:
                items |= self._seen(issue, ContainerId(str(project.id)))
        return Truth(items, frozenset(self._person(one) for one in self.state.people))

    def _seen(self, issue: Issue, container: ContainerId) -> dict[ItemId, Seen]:
        own, apart = [issue.text, issue.summary, *(one.name for one in issue.attachments)], {}
        readers = self._readers(self.state.readers(issue))
        for kind, remarks in (("comment", issue.comments), ("worklog", issue.worklogs)):
            for one in remarks:
                if one.visibility or one.internal:
                    apart[ItemId(f"issue:{issue.id}:{kind}:{one.id}")] = self._remark(issue, one, container)
                else:
                    own.append(one.text)
        for file in issue.attachments:
            item, words = ItemId(f"issue:{issue.id}:file:{file.id}"), _words(self.state.files[file.id].decode())
            apart[item] = Seen(container, words, readers, _words(file.name))
        return {ItemId(f"issue:{issue.id}"): Seen(container, _words(*own), readers), **apart}

    def _remark(self, issue: Issue, one: Comment, container: ContainerId) -> Seen:
        readers = self._readers(self.state.readers(issue, one))
        return Seen(container, _words(one.text), readers, _words(issue.summary))

    def _readers(self, people: set[str]) -> frozenset[Principal]:
        return frozenset(ANYONE if one == ANYBODY else self._person(one) for one in people)

    def _person(self, person: str) -> Principal:
        return Principal(f"{self.name}:user:{self.state.uid(person)}")


def _words(*texts: str) -> frozenset[str]:
    return frozenset(word for text in texts for word in _MARK.findall(text))
