"""Jira Cloud (`/rest/api/3`) and Jira Data Center (`/rest/api/2`), as their documents say.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/ and https://docs.atlassian.com/software/jira/docs/api/REST/
The search's index lags behind the issues themselves; what is asked by id (bulk fetch, comments) does not.
`tests.servers.jira_state` holds what people do; this file is the HTTP side of it.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from tests.servers.jira_state import BOT, Issue, JiraState, Project, milliseconds, stamp
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

EMAIL = "bot@example.com"
TOKEN = "ATATT3xFfGF0-jira-token"
_WEEK = timedelta(days=7)
_SEARCH_KEYS = {
    "jql", "nextPageToken", "maxResults", "fields", "expand", "properties", "fieldsByKeys", "failFast",
    "reconcileIssues",
}  # fmt: skip
_OLD_SEARCH_KEYS = {"jql", "startAt", "maxResults", "validateQuery", "fields", "expand"}
_BULK_KEYS = {"issueIdsOrKeys", "fields", "expand", "properties", "fieldsByKeys"}
_CLAUSE = re.compile(r'^(\w+)\s*(>=|<=|>|<|=|not in|in)\s*(\(.*\)|"[^"]*"|\S+)$', re.IGNORECASE)


class BadRequest(Exception):
    """What Jira answers 400 to."""


class JiraServer(SimulatedApi):
    """`page_cap` is the most rows of a page with fields, `inline_cap` of comments inside an issue."""

    def __init__(self, clock: VirtualClock, *, cloud: bool) -> None:
        super().__init__(clock)
        self.cloud = cloud
        self.state = JiraState(clock, cloud=cloud)
        self.page_cap = 100
        self.inline_cap = 20
        self.listing_cap = 5
        self.users_cap = 3
        self.max_window = 10_000
        self.admin = True
        self.expired = False
        """The token is not valid any more: most doors are open to strangers, who see no projects."""
        self.stranger = False
        """The same, where strangers see all projects, and in them the issues without a level."""
        self.broken: set[int] = set()
        self.errors: set[int] = set()
        self.refuse_search: set[int] = set()
        """Projects whose search fails, whoever asks."""
        self.repeat_tokens = 0
        self.user_zone = ZoneInfo("America/New_York")
        self._tokens: dict[str, tuple[str, tuple[Any, ...], datetime]] = {}

    # ── doors ────────────────────────────────────────────────────────────────────────────────────────

    def answer(self, asked: Asked) -> Answer:
        parts = asked.parts
        if parts[:1] == ["media"]:
            return self._media(asked, parts[1])
        if self.expired and parts[-1:] in (["search"], ["project"]):
            return Answer({"values": [], "isLast": True, "total": 0} if self.cloud else [])
        if self.expired or (self.stranger and parts[-1:] == ["myself"]) or not self._authorised(asked):
            return Answer({"message": "Client must be authenticated to access this resource."}, 401)
        version = "3" if self.cloud else "2"
        if parts[:2] == ["secure", "attachment"]:
            return self._attachment(parts[2]) or Answer(status=404, data={})
        if parts[:3] != ["rest", "api", version]:
            return Answer({"message": "null for uri"}, 404)
        try:
            found = self._route(asked, [unquote(part) for part in parts[3:]])
        except (BadRequest, ValueError) as error:
            return Answer({"errorMessages": [str(error)], "errors": {}}, 400)
        return found or Answer({"errorMessages": ["Not found"], "errors": {}}, 404)

    def too_fast(self, wait_s: float) -> Answer:
        """https://developer.atlassian.com/cloud/jira/platform/rate-limiting/"""
        headers = {"Retry-After": str(int(wait_s) + 1), "RateLimit-Reason": "jira-burst-based"} if wait_s else {}
        return Answer({"errorMessages": ["Rate limit exceeded."]}, 429, headers)

    def _authorised(self, asked: Asked) -> bool:
        pair = base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        wanted = f"Basic {pair}" if self.cloud else f"Bearer {TOKEN}"
        return asked.headers.get("authorization") == wanted

    def _route(self, asked: Asked, parts: list[str]) -> Answer | None:
        match (asked.method, parts):
            case ("GET", ["serverInfo"]):
                kind = "Cloud" if self.cloud else "Server"
                return Answer({"baseUrl": "https://acme.example", "deploymentType": kind, "serverTime": self._now()})
            case ("GET", ["myself"]):
                return Answer(self.state.user_json(BOT))
            case ("GET", ["mypermissions"]):
                return self._my_permissions(asked)
            case ("GET", ["field"]):
                return Answer(self.state.fields_json())
            case ("GET", ["project", "search"]) if self.cloud:
                return Answer(self._paged(asked, [self.state.project_json(p) for p in self._projects()], cap=50))
            case ("GET", ["project"]) if not self.cloud:
                return Answer([self.state.project_json(p) for p in self._projects()])
            case (
                _,
                ["project" | "user" | "users" | "group" | "groups" | "issuesecurityschemes" | "applicationrole", *_],
            ):
                return self._access(asked, parts)
        return self._issues(asked, parts)

    def _issues(self, asked: Asked, parts: list[str]) -> Answer | None:
        match (asked.method, parts):
            case ("POST", ["search", "jql"]) if self.cloud:
                return self._search_jql(asked.json)
            case ("POST", ["search", "approximate-count"]) if self.cloud:
                return Answer({"count": len(self._found(str(asked.json["jql"]), strict=True)[0])})
            case (_, ["search"]):
                gone = "The requested API has been removed. Please migrate to the /rest/api/3/search/jql API."
                return Answer({"errorMessages": [gone]}, 410) if self.cloud else self._search(asked.json)
            case ("POST", ["issue", "bulkfetch"]) if self.cloud:
                return self._bulk(asked.json)
            case ("GET", ["issue", id, "comment" | "worklog" | "changelog" as what]):
                return self._of_issue(asked, id, what)
            case ("GET", ["attachment", "content", id]) if self.cloud:
                return Answer(status=303, headers={"Location": f"{self.url}/media/{id}?token=signed-{id}"}, data={})
        return None

    # ── issues ───────────────────────────────────────────────────────────────────────────────────────

    def _search_jql(self, body: dict[str, Any]) -> Answer:
        if unknown := body.keys() - _SEARCH_KEYS:
            raise BadRequest(f"Invalid request payload. Refer to the REST API documentation and try again. {unknown}")
        jql, fields = str(body["jql"]), body.get("fields") or ["id"]
        found, order = self._found(jql, strict=True)
        size = min(int(body.get("maxResults", 50)), 5000 if set(fields) <= {"id", "key"} else self.page_cap)
        if token := body.get("nextPageToken"):
            asked_jql, after, at = self._tokens.get(token, ("", (), self.clock.now() - 2 * _WEEK))
            if asked_jql != jql or self.clock.now() - at > _WEEK:
                raise BadRequest("The provided next page token is invalid or expired.")
            found = [issue for issue in found if order(issue) > after]
        page, rest = found[:size], found[size:]
        data: dict[str, Any] = {"issues": [self._shown(issue, fields, []) for issue in page], "isLast": not rest}
        if rest:
            data["nextPageToken"] = self._token(jql, order(page[-1]), str(token or ""))
        return Answer(data)

    def _token(self, jql: str, after: tuple[Any, ...], came_with: str) -> str:
        if self.repeat_tokens and came_with:
            self.repeat_tokens -= 1
            return came_with
        token = f"token-{len(self._tokens)}"
        self._tokens[token] = (jql, after, self.clock.now())
        return token

    def _search(self, body: dict[str, Any]) -> Answer:
        if unknown := body.keys() - _OLD_SEARCH_KEYS:
            raise BadRequest(f"Unrecognized field {unknown}")
        found, _ = self._found(str(body["jql"]), strict=body.get("validateQuery", True))
        start, size = int(body.get("startAt", 0)), min(int(body.get("maxResults", 50)), 1000)
        fields = body.get("fields") or ["*navigable"]
        if fields == ["project", "created", "updated"]:
            size = min(size, self.page_cap)
        if start + size > self.max_window:
            return Answer({"errorMessages": ["Search limit exceeded."]}, 500)
        page = found[start : start + size]
        if self.broken & {issue.id for issue in page} and "*all" in fields:
            return Answer(body=b'{"issues": [{"id": "1', content_type="application/json")
        issues = [self._shown(issue, fields, body.get("expand") or []) for issue in page]
        return Answer({"startAt": start, "maxResults": size, "total": len(found), "issues": issues})

    def _bulk(self, body: dict[str, Any]) -> Answer:
        ids = body["issueIdsOrKeys"]
        if body.keys() - _BULK_KEYS or len(ids) > 100 or not ids:
            raise BadRequest("The request includes more than 100 issue IDs or keys.")
        found = sorted(
            (issue for id in ids if (issue := self.state.issues.get(int(id))) and self._visible(issue)),
            key=lambda issue: issue.id,
        )
        if self.broken & {issue.id for issue in found} and "*all" in (body.get("fields") or []):
            return Answer(body=b'{"issues": [{"id": "1', content_type="application/json")
        errors = [{"id": str(i.id), "errorMessage": "too large"} for i in found if i.id in self.errors]
        shown = [i for i in found if i.id not in self.errors]
        issues = [self._shown(i, body.get("fields") or ["*navigable"], body.get("expand") or []) for i in shown]
        return Answer({"issues": issues, "issueErrors": errors})

    def _shown(self, issue: Issue, fields: list[str], expand: list[str]) -> dict[str, Any]:
        whole = self.state.issue_json(issue, self.url, self.inline_cap)
        if "*all" not in fields:
            whole["fields"] = {name: value for name, value in whole["fields"].items() if name in fields}
        if fields == ["id"]:
            return {"id": whole["id"]}
        if "changelog" in expand:
            histories = self.state.changelog_json(issue)
            shown = list(reversed(histories))[:40] if self.cloud else histories
            whole["changelog"] = {"startAt": 0, "maxResults": len(shown), "total": len(histories), "histories": shown}
        return whole

    def _of_issue(self, asked: Asked, id: str, what: str) -> Answer | None:
        issue = self.state.issues.get(int(id)) if id.isdigit() else None
        if issue is None or not self._visible(issue):
            return None
        if what == "changelog":
            return Answer(self._paged(asked, self.state.changelog_json(issue), cap=100))
        name = f"{what}s"
        more = asked.one("expand") == "properties"
        if what == "comment":
            rows = [self.state.comment_json(one, properties=more) for one in issue.comments]
        else:
            rows = [self.state.worklog_json(one, issue) for one in issue.worklogs]
        page = self._paged(asked, rows, cap=self.listing_cap)
        return Answer({"startAt": page["startAt"], "maxResults": page["maxResults"], "total": len(rows),
                       name: page["values"]})  # fmt: skip

    def _attachment(self, id: str) -> Answer | None:
        data = self.state.files.get(int(id))
        return None if data is None else Answer(body=data, content_type="text/plain")

    def _media(self, asked: Asked, id: str) -> Answer:
        if "authorization" in asked.headers and asked.headers.get("host", "") not in self.url:
            return Answer({"message": "credentials were sent elsewhere"}, 400)
        if asked.one("token") != f"signed-{id}":
            return Answer(status=403, data={})
        return self._attachment(id) or Answer(status=404, data={})

    # ── JQL ──────────────────────────────────────────────────────────────────────────────────────────

    def _found(self, jql: str, *, strict: bool) -> tuple[list[Issue], Callable[[Issue], tuple[Any, ...]]]:
        """Issues of the index, as it saw them last."""
        where, _, order_by = jql.partition(" ORDER BY ")
        if not where.strip():
            raise BadRequest("Unbounded JQL queries are not allowed here. Please add a search restriction.")
        found = [issue for issue in self.state.indexed() if self._visible(issue)]
        for clause in where.split(" AND "):
            found = self._filtered(found, clause.strip(), strict=strict)
        fields = [part.split()[0] for part in order_by.split(",")] if order_by else ["created"]

        def order(issue: Issue) -> tuple[Any, ...]:
            prefix, number = issue.key.rsplit("-", 1)
            known = {"updated": issue.updated, "created": issue.created, "key": (prefix, int(number))}
            return tuple(known[field] for field in fields)

        return sorted(found, key=order), order

    def _filtered(self, found: list[Issue], clause: str, *, strict: bool) -> list[Issue]:
        parsed = _CLAUSE.match(clause)
        if not parsed:
            raise BadRequest(f"Error in the JQL Query: {clause}")
        field, operator, value = parsed[1], parsed[2].lower(), parsed[3]
        if field in ("updated", "created") and operator == ">=":
            least = self._moment(value)
            return [issue for issue in found if getattr(issue, field) >= least]
        values = {int(one) for one in value.strip("()").split(",")}
        if field == "project" and operator == "in":
            if unknown := [v for v in values if v not in {p.id for p in self._projects()}]:
                raise BadRequest(f"A value with ID '{unknown[0]}' does not exist for the field 'project'.")
            if self.refuse_search & values:
                raise BadRequest("The search of this project is not available.")
            return [issue for issue in found if issue.project in values]
        if field == "id" and operator in ("in", "not in"):
            if strict and (missing := [v for v in values if v not in self.state.issues]):
                raise BadRequest(f"An issue with ID '{missing[0]}' does not exist for field 'id'.")
            return [issue for issue in found if (issue.id in values) == (operator == "in")]
        raise BadRequest(f"The operator '{operator}' is not supported by the '{field}' field.")

    def _moment(self, value: str) -> datetime:
        """A number is milliseconds of the epoch; a text is minutes in the time zone of whoever asks."""
        if not value.startswith('"'):
            return datetime.fromtimestamp(int(value) / 1000, UTC)
        return datetime.strptime(value.strip('"'), "%Y-%m-%d %H:%M").replace(tzinfo=self.user_zone)

    def _visible(self, issue: Issue) -> bool:
        hidden = self.stranger and issue.level is not None
        return issue.project in {project.id for project in self._projects()} and not hidden

    def _projects(self) -> list[Project]:
        return [p for p in self.state.projects.values() if not p.archived and not p.hidden]

    # ── who may do what ──────────────────────────────────────────────────────────────────────────────

    def _access(self, asked: Asked, parts: list[str]) -> Answer | None:
        state = self.state
        match parts:
            case ["users", "search"] if self.cloud:
                return self._users(asked)
            case ["user", "search"] if not self.cloud and asked.one("username"):
                return self._users(asked)
            case ["user", "permission", "search"]:
                return self._permission_search(asked)
            case ["user"]:
                id = asked.one("accountId" if self.cloud else "username")
                found = next((one for one in state.people if id in (one, state.uid(one))), None)
                return Answer(state.user_json(found)) if found else None
        if not self.admin:
            return Answer({"errorMessages": ["You do not have the necessary permission."]}, 403)
        if parts[0] == "project":
            project = next((p for p in self._projects() if parts[1] in (str(p.id), p.key)), None)
            return self._of_project(project, parts[2:]) if project else None
        return self._groups(asked, parts)

    def _users(self, asked: Asked) -> Answer:
        start = asked.number("startAt", 0)
        return Answer([self.state.user_json(one) for one in self.state.people][start:][: self.users_cap])

    def _groups(self, asked: Asked, parts: list[str]) -> Answer | None:
        state = self.state
        match parts:
            case ["group", "member"]:
                group = state.group(asked.one("groupId"), asked.one("groupname"))
                members = [state.user_json(one) for one in sorted(group.members)] if group else []
                return Answer(self._paged(asked, members, cap=2)) if group else None
            case ["group", "bulk"] if self.cloud:
                groups = [{"name": group.name, "groupId": id} for id, group in state.groups.items()]
                return Answer(self._paged(asked, groups, cap=1))
            case ["groups", "picker"] if not self.cloud:
                return Answer({"groups": [{"name": group.name} for group in state.groups.values()]})
            case ["applicationrole"]:
                details = {"groupDetails": [{"name": "staff", "groupId": "g-staff"}]} if self.cloud else {}
                return Answer([{"key": "jira-software", "groups": ["staff"], **details}])
            case ["issuesecurityschemes", scheme, "members"] if self.cloud:
                return Answer(self._paged(asked, state.level_members_json(int(scheme)), cap=2))
        return None

    def _of_project(self, project: Project, rest: list[str]) -> Answer | None:
        state = self.state
        match rest:
            case ["permissionscheme"]:
                return Answer({"id": project.id, "name": "scheme", "permissions": state.grants_json(project)})
            case ["issuesecuritylevelscheme"]:
                if project.scheme is None:
                    return None
                levels = [{"id": str(id), "name": f"Level {id}"} for id in state.schemes[project.scheme]]
                return Answer({"id": project.scheme, "name": "levels", "levels": levels})
            case ["role"]:
                return Answer({role: f"{self.url}/rest/api/3/project/{project.id}/role/{id}"
                               for id, role in state.roles.items()})  # fmt: skip
            case ["role", id] if int(id) in state.roles:
                return Answer(state.role_json(project, int(id)))
        return None

    def _permission_search(self, asked: Asked) -> Answer | None:
        """Cloud looks at the first thousand users only, and pages may hold fewer than were asked for."""
        project = next((p for p in self._projects() if p.key == asked.one("projectKey")), None)
        if project is None:
            return None
        start, size = asked.number("startAt", 0), min(asked.number("maxResults", 50), 1000)
        users = sorted(self.state.people)[start : start + size]
        allowed = self.state.holders(project, asked.one("permissions"))
        return Answer([self.state.user_json(one) for one in users if one in allowed])

    def _my_permissions(self, asked: Asked) -> Answer:
        wanted = [one for one in asked.one("permissions").split(",") if one]
        if not wanted:
            raise BadRequest("The permissions query parameter is required.")
        return Answer({"permissions": {
            name: {"key": name, "havePermission": name != "ADMINISTER" or self.admin} for name in wanted
        }})  # fmt: skip

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────────

    def _paged(self, asked: Asked, rows: list[Any], *, cap: int) -> dict[str, Any]:
        start, size = asked.number("startAt", 0), min(asked.number("maxResults", 50), cap)
        page = rows[start : start + size]
        return {"startAt": start, "maxResults": size, "total": len(rows), "isLast": start + len(page) >= len(rows),
                "values": page}  # fmt: skip

    def _now(self) -> str:
        return stamp(self.clock.now())


def jql_of(asked: Asked) -> str:
    """What a request searches for, "" if it is no search."""
    return str(json.loads(asked.body).get("jql", "")) if asked.method == "POST" and asked.body else ""


__all__ = ["EMAIL", "TOKEN", "JiraServer", "jql_of", "milliseconds"]
