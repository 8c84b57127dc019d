"""What a company has in Jira, and what its people do with it: the state behind `tests.servers.jira`."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from tests.servers.kit import VirtualClock

BOT = "bot"
ANYBODY = "*"
Grant = tuple[str, str, str]
"""Permission, type of holder, parameter."""


def stamp(moment: datetime) -> str:
    """As Jira writes a moment: milliseconds, and an offset without a colon."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}+0000"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


@dataclass
class Visibility:
    kind: str
    """role or group"""
    id: str


@dataclass
class Comment:
    id: int
    author: str
    text: str
    created: datetime
    updated: datetime
    visibility: Visibility | None = None
    internal: bool = False


@dataclass
class Attachment:
    id: int
    name: str
    created: datetime


@dataclass
class Issue:
    id: int
    key: str
    project: int
    summary: str
    text: str
    reporter: str
    created: datetime
    updated: datetime
    level: int | None = None
    comments: list[Comment] = field(default_factory=list)
    worklogs: list[Comment] = field(default_factory=list)
    attachments: list[Attachment] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    links: list[int] = field(default_factory=list)
    custom: dict[str, Any] = field(default_factory=dict)


@dataclass
class Group:
    name: str
    members: set[str]


@dataclass
class Project:
    id: int
    key: str
    name: str
    grants: list[Grant]
    actors: dict[int, set[str]] = field(default_factory=dict)
    """Role ▸ people and `group:…`."""
    scheme: int | None = None
    archived: bool = False
    hidden: bool = False
    """Our token may not browse it."""
    numbers: int = 0


class JiraState:
    def __init__(self, clock: VirtualClock, *, cloud: bool) -> None:
        self.clock = clock
        self.cloud = cloud
        self.lag = timedelta()
        self.rng = random.Random(1)
        self.people = ["ann", "bob", "cid", "dee"]
        self.customers: set[str] = set()
        """Those of the people who have an account at a service project's portal and no access to Jira."""
        self.groups = {"g-staff": Group("staff", {"ann", "bob"}), "g-ops": Group("ops", {"cid"})}
        self.roles = {10001: "Developers", 10002: "Service Desk Team"}
        self.schemes: dict[int, dict[int, list[Grant]]] = {}
        self.projects: dict[int, Project] = {}
        self.issues: dict[int, Issue] = {}
        self.files: dict[int, bytes] = {}
        self._ids = 10000
        self._index: dict[int, Issue] = {}
        self._late: list[tuple[datetime, int]] = []

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def fresh_id(self) -> int:
        self._ids += 1
        return self._ids

    def project(self, key: str, *grants: Grant, scheme: int | None = None) -> Project:
        made = Project(self.fresh_id(), key, f"Project {key}", list(grants), scheme=scheme)
        self.projects[made.id] = made
        return made

    def issue(self, project: int, summary: str, text: str, reporter: str = "ann", **more: Any) -> Issue:
        now = self.clock.now()
        made = Issue(self.fresh_id(), self._key(project), project, summary, text, reporter, now, now, **more)
        self.issues[made.id] = made
        self._indexed_later(made.id)
        return made

    def touch(self, issue: Issue) -> None:
        """Two edits never share a millisecond: what one cannot see from outside, no reader can be held to."""
        self.clock.advance(milliseconds=1)
        issue.updated = self.clock.now()
        self._indexed_later(issue.id)

    def comment(self, issue: Issue, author: str, text: str, **more: Any) -> Comment:
        self.touch(issue)
        made = Comment(self.fresh_id(), author, text, self.clock.now(), self.clock.now(), **more)
        issue.comments.append(made)
        return made

    def worklog(self, issue: Issue, author: str, text: str, **more: Any) -> Comment:
        self.touch(issue)
        made = Comment(self.fresh_id(), author, text, self.clock.now(), self.clock.now(), **more)
        issue.worklogs.append(made)
        return made

    def rewrite(self, issue: Issue, one: Comment, **changes: Any) -> None:
        self.touch(issue)
        one.updated = self.clock.now()
        for name, value in changes.items():
            setattr(one, name, value)

    def attach(self, issue: Issue, name: str, data: bytes) -> Attachment:
        self.touch(issue)
        made = Attachment(self.fresh_id(), name, self.clock.now())
        issue.attachments.append(made)
        self.files[made.id] = data
        return made

    def log(self, issue: Issue, field_name: str, old: str, new: str) -> None:
        self.touch(issue)
        item = {"field": field_name, "fieldtype": "jira", "from": None, "fromString": old, "to": None, "toString": new}
        issue.history.append({
            "id": str(self.fresh_id()), "author": self.user_json("ann"), "created": stamp(self.clock.now()),
            "items": [item],
        })  # fmt: skip

    def move(self, issue: Issue, project: int) -> None:
        old, issue.project, issue.key, issue.level = issue.key, project, self._key(project), None
        self.log(issue, "Key", old, issue.key)

    def delete(self, issue: Issue) -> None:
        del self.issues[issue.id]
        self._indexed_later(issue.id)

    def rename_key(self, project: Project, key: str) -> None:
        """All issues are called otherwise, and none of them is "updated"."""
        old, project.key = project.key, key
        for issue in self.issues.values():
            if issue.project == project.id:
                issue.key = issue.key.replace(f"{old}-", f"{key}-")
                self._index[issue.id] = replace(issue)

    def _key(self, project: int) -> str:
        found = self.projects[project]
        found.numbers += 1
        return f"{found.key}-{found.numbers}"

    # ── the search's index ───────────────────────────────────────────────────────────────────────────

    def _indexed_later(self, id: int) -> None:
        self._late.append((self.clock.now() + self.lag * self.rng.random(), id))

    def indexed(self) -> list[Issue]:
        now = self.clock.now()
        for due, id in self._late:
            if due <= now and id in self.issues:
                self._index[id] = replace(self.issues[id])
            elif due <= now:
                self._index.pop(id, None)
        self._late = [(due, id) for due, id in self._late if due > now]
        return list(self._index.values())

    # ── who may read what ────────────────────────────────────────────────────────────────────────────

    def holders(self, project: Project, permission: str) -> set[str]:
        """People, and ANYBODY."""
        found: set[str] = set()
        for one, kind, parameter in project.grants:
            if one == permission:
                found |= self._resolved(project, kind, parameter)
        return found

    def _resolved(self, project: Project, kind: str, parameter: str) -> set[str]:
        match kind:
            case "anyone":
                return {ANYBODY, *self.people}
            case "applicationRole":
                return set(self.groups["g-staff"].members) if parameter else {*self.people} - self.customers
            case "group":
                return set(self.groups[parameter].members)
            case "projectRole":
                return self.in_role(project, int(parameter))
        return {parameter}

    def group(self, id: str, name: str) -> Group | None:
        return self.groups.get(id) or next((group for group in self.groups.values() if group.name == name), None)

    def in_role(self, project: Project, role: int) -> set[str]:
        found: set[str] = set()
        for actor in project.actors.get(role, set()):
            found |= self.groups[actor[6:]].members if actor.startswith("group:") else {actor}
        return found

    def readers(self, issue: Issue, one: Comment | None = None) -> set[str]:
        """Of the issue, or of one comment or worklog of it."""
        project = self.projects[issue.project]
        found = self.holders(project, "BROWSE_PROJECTS")
        if issue.level is not None and project.scheme is not None:
            members: set[str] = set()
            for _, kind, parameter in self.schemes[project.scheme][issue.level]:
                members |= self._resolved(project, kind, parameter)
            found &= members
        if one and one.visibility:
            id = one.visibility.id
            found &= self.in_role(project, int(id)) if one.visibility.kind == "role" else self.groups[id].members
        if one and one.internal:
            found &= self.holders(project, "SERVICEDESK_AGENT")
        return found

    # ── JSON ─────────────────────────────────────────────────────────────────────────────────────────

    def uid(self, person: str) -> str:
        return f"5b10-{person}" if self.cloud else f"JIRAUSER-{person}"

    def user_json(self, person: str) -> dict[str, Any]:
        known = {"displayName": person.title(), "active": True, "emailAddress": f"{person}@example.com"}
        if self.cloud:
            kind = "customer" if person in self.customers else "atlassian"
            return {"accountId": self.uid(person), "accountType": kind, **known}
        return {"key": self.uid(person), "name": person, **known}

    def project_json(self, project: Project) -> dict[str, Any]:
        return {"id": str(project.id), "key": project.key, "name": project.name, "projectTypeKey": "service_desk"}

    def fields_json(self) -> list[dict[str, Any]]:
        return [
            {"id": "summary", "name": "Summary", "custom": False, "schema": {"type": "string", "system": "summary"}},
            {"id": "customfield_10010", "name": "Sprint", "custom": True,
             "schema": {"type": "array", "custom": "com.pyxis.greenhopper.jira:gh-sprint"}},
            {"id": "customfield_10011", "name": "Root cause", "custom": True, "schema": {"type": "string"}},
        ]  # fmt: skip

    def rich(self, text: str) -> Any:
        if not self.cloud:
            return text
        paragraph = {"type": "paragraph", "content": [{"type": "text", "text": text}]}
        return {"type": "doc", "version": 1, "content": [paragraph] if text else []}

    def _visibility_json(self, seen: Visibility) -> dict[str, str]:
        if seen.kind == "role":
            name = self.roles[int(seen.id)]
            return {"type": "role", "value": name, **({"identifier": name} if self.cloud else {})}
        name = self.groups[seen.id].name
        return {"type": "group", "value": name, **({"identifier": seen.id} if self.cloud else {})}

    def comment_json(self, one: Comment, *, properties: bool = False) -> dict[str, Any]:
        """Data Center has no `jsdPublic`: https://github.com/pycontribs/jira/issues/1011"""
        made = {
            "id": str(one.id), "author": self.user_json(one.author), "updateAuthor": self.user_json(one.author),
            "body": self.rich(one.text), "created": stamp(one.created), "updated": stamp(one.updated),
        }  # fmt: skip
        if self.cloud:
            made["jsdPublic"] = not one.internal
        elif properties:
            made["properties"] = [{"key": "sd.public.comment", "value": {"internal": True}}] if one.internal else []
        return made | ({"visibility": self._visibility_json(one.visibility)} if one.visibility else {})

    def worklog_json(self, one: Comment, issue: Issue) -> dict[str, Any]:
        made = {
            "id": str(one.id), "issueId": str(issue.id), "author": self.user_json(one.author),
            "updateAuthor": self.user_json(one.author), "comment": self.rich(one.text), "started": stamp(one.created),
            "created": stamp(one.created), "updated": stamp(one.updated), "timeSpent": "1h", "timeSpentSeconds": 3600,
        }  # fmt: skip
        return made | ({"visibility": self._visibility_json(one.visibility)} if one.visibility else {})

    def changelog_json(self, issue: Issue) -> list[dict[str, Any]]:
        return issue.history

    def issue_json(self, issue: Issue, url: str, inline: int) -> dict[str, Any]:
        comments = [self.comment_json(one) for one in issue.comments]
        worklogs = [self.worklog_json(one, issue) for one in issue.worklogs]
        shown = comments[:inline] if self.cloud else comments
        fields: dict[str, Any] = {
            "project": self.project_json(self.projects[issue.project]),
            "summary": issue.summary, "description": self.rich(issue.text),
            "issuetype": {"name": "Bug", "subtask": False}, "status": {"name": "Open"}, "priority": {"name": "High"},
            "resolution": None, "labels": ["red"], "components": [{"name": "core"}], "fixVersions": [], "versions": [],
            "reporter": self.user_json(issue.reporter), "creator": self.user_json(issue.reporter), "assignee": None,
            "created": stamp(issue.created), "updated": stamp(issue.updated), "environment": None, "subtasks": [],
            "security": {"id": str(issue.level), "name": f"Level {issue.level}"} if issue.level else None,
            "issuelinks": [self._link_json(id) for id in issue.links if id in self.issues],
            "comment": {"comments": shown, "total": len(comments), "maxResults": len(shown), "startAt": 0},
            "worklog": {"worklogs": worklogs[:inline], "total": len(worklogs), "maxResults": inline, "startAt": 0},
            "attachment": [self._attachment_json(one, url) for one in issue.attachments],
            **issue.custom,
        }  # fmt: skip
        return {"id": str(issue.id), "key": issue.key, "self": f"{url}/rest/api/issue/{issue.id}", "fields": fields}

    def _link_json(self, id: int) -> dict[str, Any]:
        other = self.issues[id]
        return {"id": str(id), "type": {"name": "Blocks", "inward": "is blocked by", "outward": "blocks"},
                "outwardIssue": {"id": str(id), "key": other.key, "fields": {"summary": other.summary}}}  # fmt: skip

    def _attachment_json(self, one: Attachment, url: str) -> dict[str, Any]:
        place = f"rest/api/3/attachment/content/{one.id}" if self.cloud else f"secure/attachment/{one.id}/{one.name}"
        return {"id": str(one.id), "filename": one.name, "author": self.user_json("ann"), "created": stamp(one.created),
                "size": len(self.files[one.id]), "mimeType": "text/plain", "content": f"{url}/{place}"}  # fmt: skip

    def _holder_json(self, kind: str, parameter: str) -> dict[str, Any]:
        if kind == "group" and self.cloud:
            return {"type": kind, "parameter": self.groups[parameter].name, "value": parameter}
        if kind == "group":
            return {"type": kind, "parameter": self.groups[parameter].name}
        if kind == "user":
            uid = self.uid(parameter)
            return {"type": kind, "parameter": uid, "value": uid, "user": self.user_json(parameter)}
        return {"type": kind, **({"parameter": parameter, "value": parameter} if parameter else {})}

    def grants_json(self, project: Project) -> list[dict[str, Any]]:
        return [{"id": i, "permission": permission, "holder": self._holder_json(kind, parameter)}
                for i, (permission, kind, parameter) in enumerate(project.grants)]  # fmt: skip

    def level_members_json(self, scheme: int) -> list[dict[str, Any]]:
        return [{"id": i, "issueSecurityLevelId": level, "holder": self._holder_json(kind, parameter)}
                for level, members in self.schemes[scheme].items()
                for i, (_, kind, parameter) in enumerate(members)]  # fmt: skip

    def role_json(self, project: Project, role: int) -> dict[str, Any]:
        actors: list[dict[str, Any]] = []
        for actor in sorted(project.actors.get(role, set())):
            if actor.startswith("group:"):
                group, id = self.groups[actor[6:]], actor[6:]
                made: dict[str, Any] = {"type": "atlassian-group-role-actor", "name": group.name}
                actors.append(made | ({"actorGroup": {"name": group.name, "groupId": id}} if self.cloud else {}))
            else:
                made = {"type": "atlassian-user-role-actor", "displayName": actor.title()}
                actors.append(made | ({"actorUser": {"accountId": self.uid(actor)}} if self.cloud else {"name": actor}))
        return {"id": role, "name": self.roles[role], "actors": actors}
