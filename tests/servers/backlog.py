"""A Backlog space as https://developer.nulab.com/docs/backlog/ describes it, with the people who work in it.

Its awkward sides: lists by offset that shift while they are read, days instead of moments in filters and those where
the space is, wikis without pages or content in their list, no filter by change for pull requests, a feed that knows no
edited comments and no edited documents, lists of users that change with every login, four classes of limits.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

KEY = "api-key-BACKLOG-4711"
TOKEN = "oauth-token-BACKLOG-0815"
Json = dict[str, Any]

_SORTS = frozenset(
    {"issueType", "category", "version", "milestone", "summary", "status", "priority", "attachment", "sharedFile",
     "created", "createdUser", "updated", "updatedUser", "assignee", "startDate", "dueDate", "estimatedHours",
     "actualHours", "childIssue"}
)  # fmt: skip
_WRITERS = (1, 2)
"""Roles that may read files, repositories and comments on documents; the others see issues and wikis."""


class Refusal(Exception):
    """https://developer.nulab.com/docs/backlog/error-response"""

    def __init__(self, status: int, code: int, message: str) -> None:
        self.answer = Answer({"errors": [{"message": message, "code": code, "moreInfo": ""}]}, status)


def missing(what: str) -> Refusal:
    return Refusal(404, 6, f"No {what}.")


@dataclass
class Thing:
    """Anything with an author and times. `row` is what the API shows beside these."""

    id: Any
    row: Json
    author: int
    created: str
    updated: str
    comments: list[Json] = field(default_factory=list)
    files: dict[int, tuple[Json, bytes]] = field(default_factory=dict)


@dataclass
class Repository:
    id: int
    name: str
    pulls: dict[int, Thing] = field(default_factory=dict)


@dataclass
class Project:
    id: int
    key: str
    name: str
    rule: str = "backlog"
    archived: bool = False
    members: set[int] = field(default_factory=set)
    teams: set[int] = field(default_factory=set)
    uses: set[str] = field(default_factory=lambda: {"useWiki", "useFileSharing", "useGit"})
    last_key: int = 0
    wikis: dict[int, Thing] = field(default_factory=dict)
    documents: dict[str, Thing] = field(default_factory=dict)
    trash: set[str] = field(default_factory=set)
    repositories: dict[int, Repository] = field(default_factory=dict)
    files: dict[int, Thing] = field(default_factory=dict)


class BacklogSpace(SimulatedApi):
    """State, what people do to it (`create_issue`, `comment`, …), and the API."""

    def __init__(self, clock: VirtualClock, zone: str = "Asia/Tokyo") -> None:
        super().__init__(clock)
        self.zone = ZoneInfo(zone)
        self.zone_name = zone
        self.users: dict[int, Json] = {}
        self.teams: dict[int, set[int]] = {}
        self.projects: dict[int, Project] = {}
        self.issues: dict[int, Thing] = {}
        self.issue_project: dict[int, int] = {}
        self.activities: list[Json] = []
        self.statuses = {1: "未対応", 2: "処理中", 4: "完了"}
        self.me = self.add_user("crawler", role=2)
        self.edits_touch = True
        """Whether editing or deleting a comment changes `updated` of what it is on: the documents do not say."""
        self.moves_are_told = True
        self.limits: dict[str, int] = {}
        """Requests a minute by class; none: no limits."""
        self._windows: dict[str, tuple[int, int]] = {}
        self.refused = 0
        self._ids = 100
        self._activity_ids = 39_000_000

    # ── people ───────────────────────────────────────────────────────────────────────────────────────

    def new_id(self) -> int:
        self._ids += 1
        return self._ids

    def now(self) -> str:
        return f"{self.clock.now():%Y-%m-%dT%H:%M:%SZ}"

    def add_user(self, name: str, role: int = 2) -> int:
        number = len(self.users) + 1
        self.users[number] = {"id": number, "userId": name, "name": name, "roleType": role, "lang": "ja",
                              "mailAddress": f"{name}@example.com"}  # fmt: skip
        return number

    def user(self, number: int) -> Json:
        return {**self.users[number], "lastLoginTime": self.now(), "nulabAccount": None}

    def add_project(self, key: str, *, rule: str = "backlog", members: Iterable[int] = (), **more: Any) -> Project:
        project = Project(self.new_id(), key, f"Project {key}", rule, members={self.me, *members}, **more)
        self.projects[project.id] = project
        return project

    def readers(self, project: Project) -> set[int]:
        return project.members | {one for team in project.teams for one in self.teams[team]}

    def tell(self, project: Project, kind: int, content: Json) -> None:
        self._activity_ids += 7
        self.activities.append({"id": self._activity_ids, "project": project.id, "type": kind, "content": content,
                                "created": self.now(), "by": self.me})  # fmt: skip

    # ── issues ───────────────────────────────────────────────────────────────────────────────────────

    def issues_of(self, project: Project) -> list[Thing]:
        return [issue for number, issue in self.issues.items() if self.issue_project[number] == project.id]

    def create_issue(self, project: Project, summary: str, description: str, author: int = 1) -> Thing:
        project.last_key += 1
        row = {"keyId": project.last_key, "summary": summary, "description": description, "status": 1,
               "customFields": [], "milestone": []}  # fmt: skip
        issue = Thing(self.new_id(), row, author, self.now(), self.now())
        self.issues[issue.id] = issue
        self.issue_project[issue.id] = project.id
        self.tell(project, 1, self._told(issue))
        return issue

    def comment(self, issue: Thing, content: str, changes: Iterable[Json] = (), author: int = 1) -> Json:
        comment = self._comment(content, changes, author)
        issue.comments.append(comment)
        issue.updated = self.now()
        project = self.projects[self.issue_project[issue.id]]
        self.tell(
            project, 2 if changes else 3, {**self._told(issue), "comment": {"id": comment["id"], "content": content}}
        )
        return comment

    def edit_issue(self, issue: Thing, **fields: Any) -> None:
        """People change fields by a comment without content."""
        changes = [{"field": name, "newValue": str(new), "originalValue": str(issue.row.get(name) or ""),
                    "attachmentInfo": None, "attributeInfo": None, "notificationInfo": None}
                   for name, new in fields.items()]  # fmt: skip
        issue.row.update(fields)
        self.comment(issue, "", changes)

    def edit_comment(self, thing: Thing, comment: Json, content: str) -> None:
        comment["content"], comment["updated"] = content, self.now()
        if self.edits_touch:
            thing.updated = self.now()

    def delete_comment(self, thing: Thing, comment: Json) -> None:
        thing.comments.remove(comment)
        if self.edits_touch:
            thing.updated = self.now()

    def delete_issue(self, issue: Thing) -> None:
        project = self.projects[self.issue_project.pop(issue.id)]
        del self.issues[issue.id]
        self.tell(project, 4, {"id": issue.id, "key_id": issue.row["keyId"]})

    def move_issue(self, issue: Thing, target: Project) -> None:
        """The key changes, the id does not."""
        source = self.projects[self.issue_project[issue.id]]
        if self.moves_are_told:
            self.tell(source, 4, {"id": issue.id, "key_id": issue.row["keyId"]})
        target.last_key += 1
        issue.row["keyId"], issue.updated = target.last_key, self.now()
        self.issue_project[issue.id] = target.id
        if self.moves_are_told:
            self.tell(target, 1, self._told(issue))

    def attach(self, thing: Thing, name: str, data: bytes) -> int:
        number = self.new_id()
        file = {"id": number, "name": name, "size": len(data), "author": 1, "created": self.now()}
        thing.files[number] = (file, data)
        thing.updated = self.now()
        return number

    def detach(self, thing: Thing, number: int) -> None:
        del thing.files[number]
        thing.updated = self.now()

    def attached(self, project: Project, thing: Thing, kind: int) -> None:
        """The activity of an attachment."""
        told = self._told(thing) if kind == 2 else {"id": thing.id, "name": thing.row.get("name")}
        self.tell(project, kind, told)

    def _told(self, issue: Thing) -> Json:
        row = issue.row
        return {"id": issue.id, "key_id": row["keyId"], "summary": row["summary"], "description": row["description"]}

    def _comment(self, content: str, changes: Iterable[Json], author: int) -> Json:
        return {"id": self.new_id(), "content": content, "changeLog": list(changes), "createdUser": author,
                "created": self.now(), "updated": self.now(), "stars": [], "notifications": []}  # fmt: skip

    # ── pages, pull requests, files ──────────────────────────────────────────────────────────────────

    def write_wiki(self, project: Project, name: str, content: str, wiki: Thing | None = None) -> Thing:
        if wiki is None:
            wiki = Thing(self.new_id(), {}, 1, self.now(), self.now())
            project.wikis[wiki.id] = wiki
            kind = 5
        else:
            kind = 6
        wiki.row.update(name=name, content=content)
        wiki.updated = self.now()
        self.tell(project, kind, {"id": wiki.id, "name": name, "content": content, "version": 1, "diff": None})
        return wiki

    def delete_wiki(self, project: Project, wiki: Thing) -> None:
        del project.wikis[wiki.id]
        self.tell(project, 7, {"id": wiki.id, "name": wiki.row["name"], "content": "", "version": None})

    def write_document(self, project: Project, title: str, words: str, document: Thing | None = None) -> Thing:
        """Only a new document and a new title are told; nobody hears of a new text."""
        body = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": words}]}]}
        if document is None:
            document = Thing(f"{self.new_id():032x}", {"title": title}, 1, self.now(), self.now())
            project.documents[document.id] = document
            self.tell(project, 36, {"id": document.id, "title": title})
        elif document.row["title"] != title:
            self.tell(project, 38, {"id": document.id, "title": title})
        document.row.update(title=title, json=body, plain=words)
        document.updated = self.now()
        return document

    def discard_document(self, project: Project, document: Thing) -> None:
        project.trash.add(document.id)
        self.tell(project, 37, {"id": document.id, "title": document.row["title"]})

    def restore_document(self, project: Project, identity: str) -> None:
        project.trash.discard(identity)
        document = project.documents[identity]
        document.updated = self.now()
        self.tell(project, 36, {"id": identity, "title": document.row["title"]})

    def comment_document(self, project: Project, document: Thing, words: str, on: Json | None = None) -> None:
        body = {"type": "doc", "content": [{"type": "paragraph", "content": [{"type": "text", "text": words}]}]}
        comment = {"id": f"{self.new_id():032x}", "documentId": document.id, "content": body, "plain": words,
                   "createdUser": 1, "created": self.now(), "updated": self.now()}  # fmt: skip
        if on is None:
            document.comments.append({**comment, "statusId": 0, "commentType": "comment", "replies": []})
        else:
            on["replies"].append({**comment, "commentId": on["id"]})
        self.tell(project, 43 if on else 40, {"id": document.id, "title": document.row["title"]})

    def create_pull(self, project: Project, repository: Repository, summary: str, description: str,
                    issue: Thing | None = None) -> Thing:  # fmt: skip
        number = len(repository.pulls) + 1
        row = {"number": number, "summary": summary, "description": description, "base": "main", "branch": "topic",
               "status": {"id": 1, "name": "Open"}, "issue": issue.id if issue else None}  # fmt: skip
        pull = Thing(self.new_id(), row, 1, self.now(), self.now())
        repository.pulls[number] = pull
        self._tell_pull(project, repository, pull, 18)
        return pull

    def comment_pull(self, project: Project, repository: Repository, pull: Thing, content: str) -> None:
        pull.comments.append(self._comment(content, (), 1))
        pull.updated = self.now()
        self._tell_pull(project, repository, pull, 20)

    def merge_pull(self, project: Project, repository: Repository, pull: Thing) -> None:
        pull.row["status"], pull.row["mergeAt"] = {"id": 3, "name": "Merged"}, self.now()
        pull.updated = self.now()
        self._tell_pull(project, repository, pull, 21)

    def _tell_pull(self, project: Project, repository: Repository, pull: Thing, kind: int) -> None:
        told = {"id": pull.id, "number": pull.row["number"], "summary": pull.row["summary"], "changes": [],
                "repository": {"id": repository.id, "name": repository.name, "description": ""}}  # fmt: skip
        self.tell(project, kind, told)

    def put_file(self, project: Project, folder: str, name: str, data: bytes, file: Thing | None = None) -> Thing:
        kind = 9 if file else 8
        if file is None:
            file = Thing(self.new_id(), {}, 1, self.now(), self.now())
            project.files[file.id] = file
        file.row.update(dir=folder, name=name, data=data)
        file.updated = self.now()
        self.tell(project, kind, self._told_file(file))
        return file

    def delete_file(self, project: Project, file: Thing) -> None:
        del project.files[file.id]
        self.tell(project, 10, self._told_file(file))

    def rename_folder(self, project: Project, old: str, new: str) -> None:
        """Nobody is told, as far as the documents say."""
        for file in project.files.values():
            if file.row["dir"].startswith(old):
                file.row["dir"] = new + file.row["dir"].removeprefix(old)

    def _told_file(self, file: Thing) -> Json:
        return {"id": file.id, "dir": file.row["dir"], "name": file.row["name"], "size": len(file.row["data"])}

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────

    def too_fast(self, wait_s: float) -> Answer:
        headers = {}
        if wait_s:
            reset = int(self.clock.now().timestamp() + wait_s) + 1
            headers = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
        return Answer({"errors": [{"message": "Too many requests.", "code": 13, "moreInfo": ""}]}, 429, headers)

    def answer_unauthorised(self) -> Answer:
        return Refusal(401, 11, "Authentication failure.").answer

    def answer(self, asked: Asked) -> Answer:
        if asked.one("apiKey") != KEY and asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return self.answer_unauthorised()
        if asked.parts[:2] != ["api", "v2"] or asked.method != "GET":
            return missing("resource").answer
        headers, refused = self._limited(asked)
        if refused:
            return refused
        try:
            answer = self._route(asked, asked.parts[2:])
        except Refusal as refusal:
            answer = refusal.answer
        return Answer(answer.data, answer.status, {**answer.headers, **headers}, answer.body, answer.content_type)

    def _limited(self, asked: Asked) -> tuple[Mapping[str, str], Answer | None]:
        """A window is a minute from its first request on."""
        kind = "search" if asked.parts[2:3] == ["issues"] and asked.parts[3:] in ([], ["count"]) else "read"
        most = self.limits.get(kind)
        if not most:
            return {}, None
        now = int(self.clock.now().timestamp())
        began, used = self._windows.get(kind, (now, 0))
        if now >= began + 60:
            began, used = now, 0
        self._windows[kind] = (began, used + 1)
        left = max(0, most - used - 1)
        headers = {"X-RateLimit-Limit": str(most), "X-RateLimit-Remaining": str(left),
                   "X-RateLimit-Reset": str(began + 60)}  # fmt: skip
        if used >= most:
            self.refused += 1
            refusal = self.too_fast(0)
            return headers, Answer(refusal.data, 429, headers)
        return headers, None

    def _route(self, asked: Asked, parts: list[str]) -> Answer:
        match parts:
            case ["space"]:
                return Answer({"spaceKey": "acme", "name": "acme", "timezone": self.zone_name, "lang": "ja"})
            case ["space", "activities"]:
                return Answer(self._activities(asked, self._joined()))
            case ["users", "myself"]:
                return Answer(self.user(self.me))
            case ["projects"]:
                return Answer([self._project(project) for project in self._joined()])
            case ["projects", project, *rest]:
                return self._in_project(asked, self._named(project), rest)
            case ["issues", *rest]:
                return self._issues(asked, rest)
            case ["wikis", *rest]:
                return self._wikis(asked, rest)
            case ["documents", *rest]:
                return self._documents(asked, rest)
        raise missing("resource")

    def _joined(self) -> list[Project]:
        return [project for project in self.projects.values() if self.me in self.readers(project)]

    def _named(self, name: str) -> Project:
        found = [project for project in self._joined() if name in (str(project.id), project.key)]
        if not found:
            raise missing("project")
        return found[0]

    def _writer(self) -> None:
        if self.users[self.me]["roleType"] not in _WRITERS:
            raise Refusal(403, 5, "You do not have permission.")

    def _project(self, project: Project) -> Json:
        flags = {flag: flag in project.uses for flag in ("useWiki", "useFileSharing", "useGit")}
        return {"id": project.id, "projectKey": project.key, "name": project.name, "archived": project.archived,
                "textFormattingRule": project.rule, "displayOrder": 1, **flags}  # fmt: skip

    def _activities(self, asked: Asked, projects: list[Project]) -> list[Json]:
        by_id = {project.id: project for project in projects}
        low, high = asked.number("minId", 0), asked.number("maxId", 10**12)
        found = [one for one in self.activities if one["project"] in by_id and low <= one["id"] <= high]
        found.sort(key=lambda one: int(one["id"]), reverse=self._order(asked) == "desc")
        return [{**one, "project": self._project(by_id[one["project"]]), "createdUser": self.user(one["by"]),
                 "notifications": []} for one in found[: self._count(asked)]]  # fmt: skip

    def _count(self, asked: Asked) -> int:
        count = asked.one("count", "20")
        if not count.isdigit() or not 1 <= int(count) <= 100:
            raise Refusal(400, 7, "count must be between 1 and 100.")
        return int(count)

    def _order(self, asked: Asked) -> str:
        order = asked.one("order", "desc")
        if order not in ("asc", "desc"):
            raise Refusal(400, 7, "order must be asc or desc.")
        return order

    def _page(self, asked: Asked, rows: list[Any]) -> list[Any]:
        offset = asked.number("offset", 0)
        if offset < 0:
            raise Refusal(400, 7, "offset must not be negative.")
        return rows[offset : offset + self._count(asked)]

    def _day(self, asked: Asked, name: str) -> date | None:
        text = asked.one(name)
        if not text:
            return None
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            raise Refusal(400, 7, f"{name} must be yyyy-MM-dd.")
        return date.fromisoformat(text)

    def local_day(self, time: str) -> date:
        return datetime.fromisoformat(time).astimezone(self.zone).date()

    def _thing(self, thing: Thing) -> Json:
        files = [{**file, "createdUser": self.user(file["author"])} for file, _ in thing.files.values()]
        for file in files:
            del file["author"]
        return {"id": thing.id, "createdUser": self.user(thing.author), "created": thing.created,
                "updatedUser": self.user(thing.author), "updated": thing.updated, "attachments": files,
                "stars": []}  # fmt: skip

    def _shown(self, comments: list[Json]) -> list[Json]:
        return [{**one, "createdUser": self.user(one["createdUser"])} for one in comments]

    def _file(self, thing: Thing, number: str) -> Answer:
        if not number.isdigit() or int(number) not in thing.files:
            raise missing("attachment")
        return Answer(body=thing.files[int(number)][1], content_type="application/octet-stream")

    def _comments(self, asked: Asked, thing: Thing) -> Answer:
        low, high = asked.number("minId", 0), asked.number("maxId", 10**12)
        found = [one for one in thing.comments if low <= one["id"] <= high]
        found.sort(key=lambda one: int(one["id"]), reverse=self._order(asked) == "desc")
        return Answer(self._shown(found[: self._count(asked)]))

    # ── issues ───────────────────────────────────────────────────────────────────────────────────────

    def issue_row(self, issue: Thing) -> Json:
        project = self.projects[self.issue_project[issue.id]]
        status = {"id": issue.row["status"], "projectId": project.id, "name": self.statuses[issue.row["status"]]}
        return {**self._thing(issue), **issue.row, "projectId": project.id, "status": status,
                "issueKey": f"{project.key}-{issue.row['keyId']}", "issueType": {"id": 1, "name": "タスク"},
                "priority": {"id": 3, "name": "中"}, "sharedFiles": [], "assignee": None}  # fmt: skip

    def _issues(self, asked: Asked, parts: list[str]) -> Answer:
        match parts:
            case []:
                found = self._found_issues(asked)
                key = asked.one("sort") or "created"
                if key not in _SORTS:
                    raise Refusal(400, 7, "Invalid sort.")
                by = {"created": lambda i: (i.created, i.id), "updated": lambda i: (i.updated, i.id)}[key]
                found.sort(key=by, reverse=self._order(asked) == "desc")
                return Answer([self.issue_row(issue) for issue in self._page(asked, found)])
            case ["count"]:
                return Answer({"count": len(self._found_issues(asked))})
            case [name, *rest]:
                issue = self._issue(name)
                match rest:
                    case []:
                        return Answer(self.issue_row(issue))
                    case ["comments"]:
                        return self._comments(asked, issue)
                    case ["comments", "count"]:
                        return Answer({"count": len(issue.comments)})
                    case ["attachments", number]:
                        return self._file(issue, number)
        raise missing("resource")

    def _found_issues(self, asked: Asked) -> list[Thing]:
        wanted = {int(one) for one in asked.query.get("projectId[]", [])}
        joined = {project.id for project in self._joined()}
        if wanted - joined:
            raise missing("project")
        since, until = self._day(asked, "updatedSince"), self._day(asked, "updatedUntil")
        return [
            issue
            for number, issue in self.issues.items()
            if self.issue_project[number] in (wanted or joined)
            and (since is None or self.local_day(issue.updated) >= since)
            and (until is None or self.local_day(issue.updated) <= until)
        ]

    def _issue(self, name: str) -> Thing:
        joined = {project.id for project in self._joined()}
        for number, issue in self.issues.items():
            if self.issue_project[number] in joined:
                key = f"{self.projects[self.issue_project[number]].key}-{issue.row['keyId']}"
                if name in (str(number), key):
                    return issue
        raise missing("issue")

    # ── wikis and documents ──────────────────────────────────────────────────────────────────────────

    def _wikis(self, asked: Asked, parts: list[str]) -> Answer:
        if not parts or parts == ["count"]:
            project = self._named(asked.one("projectIdOrKey"))
            wikis = sorted(project.wikis.values(), key=lambda wiki: str(wiki.row["name"]))
            if parts:
                return Answer({"count": len(wikis)})
            rows = [{**self._wiki(project, wiki)} for wiki in wikis]
            hidden = ("content", "attachments", "sharedFiles", "stars")
            return Answer([{key: value for key, value in row.items() if key not in hidden} for row in rows])
        for project in self._joined():
            wiki = project.wikis.get(int(parts[0]) if parts[0].isdigit() else -1)
            if wiki and parts[1:2] == ["attachments"] and len(parts) == 3:
                return self._file(wiki, parts[2])
            if wiki and not parts[1:]:
                return Answer(self._wiki(project, wiki))
        raise missing("page")

    def _wiki(self, project: Project, wiki: Thing) -> Json:
        return {**self._thing(wiki), **wiki.row, "projectId": project.id, "tags": [], "sharedFiles": []}

    def _documents(self, asked: Asked, parts: list[str]) -> Answer:
        if not parts:
            return Answer(self._document_list(asked))
        if parts == ["tree"]:
            project = self._named(asked.one("projectIdOrKey"))
            trees = {"activeTree": set(project.documents) - project.trash, "trashTree": project.trash}
            return Answer({"projectId": project.id, **{name: {"id": name, "children": [
                {"id": one, "name": project.documents[one].row["title"], "children": []} for one in sorted(ids)
            ]} for name, ids in trees.items()}})  # fmt: skip
        for project in self._joined():
            if parts[0] in project.documents:
                return self._document_part(project, project.documents[parts[0]], parts[1:])
        raise missing("document")

    def _document_list(self, asked: Asked) -> list[Json]:
        if not asked.one("offset").isdigit():
            raise Refusal(400, 7, "offset is required.")
        sort = asked.one("sort") or "created"
        if sort not in ("created", "updated"):
            raise Refusal(400, 7, "Invalid sort.")
        wanted = {int(one) for one in asked.query.get("projectId[]", [])}
        joined = self._joined()
        if wanted - {project.id for project in joined}:
            raise missing("project")
        found = [(project, document) for project in joined if not wanted or project.id in wanted
                 for document in project.documents.values()]  # fmt: skip
        found.sort(key=lambda pair: (getattr(pair[1], sort), pair[1].id), reverse=self._order(asked) == "desc")
        return [self._document(project, document) for project, document in self._page(asked, found)]

    def _document(self, project: Project, document: Thing) -> Json:
        return {**self._thing(document), **document.row, "projectId": project.id, "statusId": 1, "emoji": None,
                "tags": []}  # fmt: skip

    def _document_part(self, project: Project, document: Thing, parts: list[str]) -> Answer:
        match parts:
            case []:
                return Answer({**self._document(project, document), "childDocumentIds": []})
            case ["comments"]:
                self._writer()
                return Answer([{**one, "createdUser": self.user(one["createdUser"]),
                                "replies": self._shown(one["replies"])} for one in document.comments])  # fmt: skip
            case ["attachments", number]:
                return self._file(document, number)
        raise missing("resource")

    # ── in a project ─────────────────────────────────────────────────────────────────────────────────

    def _in_project(self, asked: Asked, project: Project, parts: list[str]) -> Answer:
        match parts:
            case []:
                return Answer(self._project(project))
            case ["users"]:
                alone = asked.one("excludeGroupMembers") == "true"
                return Answer([self.user(one) for one in sorted(project.members if alone else self.readers(project))])
            case ["teams"]:
                return Answer([{"id": team, "name": f"team {team}", "members": [self.user(one) for one in
                                sorted(self.teams[team])]} for team in sorted(project.teams)])  # fmt: skip
            case ["activities"]:
                return Answer(self._activities(asked, [project]))
            case ["git", "repositories", *rest]:
                self._writer()
                return self._git(asked, project, rest)
            case ["files", "metadata", *folder]:
                self._writer()
                return Answer(
                    self._folder(asked, project, "/".join(["", *map(unquote, folder), ""]).replace("//", "/"))
                )
            case ["files", number]:
                self._writer()
                file = project.files.get(int(number))
                if not file:
                    raise missing("file")
                return Answer(body=file.row["data"], content_type="application/octet-stream")
        raise missing("resource")

    def _git(self, asked: Asked, project: Project, parts: list[str]) -> Answer:
        if not parts:
            return Answer([{"id": one.id, "projectId": project.id, "name": one.name, "pushedAt": None}
                           for one in project.repositories.values()])  # fmt: skip
        repository = next((r for r in project.repositories.values() if parts[0] in (str(r.id), r.name)), None)
        if repository is None or parts[1:2] != ["pullRequests"]:
            raise missing("repository")
        match parts[2:]:
            case []:
                pulls = sorted(repository.pulls.values(), key=lambda pull: -int(pull.row["number"]))
                return Answer([self._pull(project, repository, pull) for pull in self._page(asked, pulls)])
            case ["count"]:
                return Answer({"count": len(repository.pulls)})
            case [number, *rest] if number.isdigit() and int(number) in repository.pulls:
                pull = repository.pulls[int(number)]
                match rest:
                    case []:
                        return Answer(self._pull(project, repository, pull))
                    case ["comments"]:
                        return self._comments(asked, pull)
                    case ["attachments", file]:
                        return self._file(pull, file)
        raise missing("pull request")

    def _pull(self, project: Project, repository: Repository, pull: Thing) -> Json:
        issue = self.issues.get(pull.row["issue"] or 0)
        linked = self.issue_row(issue) if issue else None
        return {**self._thing(pull), **pull.row, "projectId": project.id, "repositoryId": repository.id,
                "issue": linked}  # fmt: skip

    def _folder(self, asked: Asked, project: Project, folder: str) -> list[Json]:
        if folder != "/" and not any(file.row["dir"].startswith(folder) for file in project.files.values()):
            raise missing("directory")
        rows: list[Json] = []
        inner: set[str] = set()
        for file in project.files.values():
            if file.row["dir"] == folder:
                told = {"dir": folder, "name": file.row["name"], "size": len(file.row["data"])}
                rows.append({**self._thing(file), **told, "type": "file", "projectId": project.id})
            elif file.row["dir"].startswith(folder):
                inner.add(file.row["dir"].removeprefix(folder).partition("/")[0])
        rows += [{"id": -1 - hash_of(folder + name), "type": "directory", "dir": folder, "name": name, "size": None,
                  "createdUser": self.user(self.me), "created": self.now(), "updated": self.now()}
                 for name in inner]  # fmt: skip
        rows.sort(key=lambda row: (row["type"], row["name"], row["id"]), reverse=self._order(asked) == "desc")
        return self._page(asked, rows)


def hash_of(text: str) -> int:
    """A number for a folder, the same in every process."""
    return sum((at + 1) * ord(character) for at, character in enumerate(text))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def pick(rng: random.Random, things: Iterable[Any]) -> Any:
    """One of some, None if there is none."""
    found = list(things)
    return rng.choice(found) if found else None
