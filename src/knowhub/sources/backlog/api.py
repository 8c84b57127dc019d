"""The space's API: https://developer.nulab.com/docs/backlog/ . Lists that people change while they are read.

Listings go by offset. Each page overlaps the one before by a row, so that rows which vanish meanwhile are noticed
(the overlap is gone) and nothing that slid forward is skipped: the place is stepped back until known ground is met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from knowhub.core.errors import KnowhubError
from knowhub.http import Clock, Http, Missing, Pace, Refused, Rejected, Undecodable, bearer, query
from knowhub.sources.backlog.options import BacklogOptions

Json = Mapping[str, Any]

PAGE = 100
"""The most that any list gives at once."""
SEARCH = "search"
"""The class of limits that lists and counts of issues are in."""
_SEARCHES_PER_MINUTE = 60
"""https://developer.nulab.com/docs/backlog/rate-limit: a second between searches."""
_MAX_SLIPS = 50
_TAIL = 5
_NO_LICENCE = 2


@dataclass(frozen=True, slots=True)
class Position:
    """How far a list was read: rows before `offset`, of which `tail` are the last ids."""

    offset: int = 0
    tail: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {"offset": self.offset, "tail": list(self.tail)}

    @classmethod
    def of(cls, data: Json) -> Position:
        return cls(int(data.get("offset", 0)), tuple(data.get("tail", ())))


@dataclass(frozen=True, slots=True)
class Project:
    """A container. `shape` is all of it that documents depend on."""

    id: int
    key: str
    name: str
    rule: str
    useful: Mapping[str, bool] = field(default_factory=dict)

    @property
    def shape(self) -> list[Any]:
        return [self.key, self.rule, sorted(kind for kind, used in self.useful.items() if not used)]


def connect(options: BacklogOptions, clock: Clock) -> Http:
    auth = bearer(options.token) if options.oauth else query("apiKey", options.token)
    pace = Pace(clock, per_minute=options.requests_per_minute or None, buckets={SEARCH: _SEARCHES_PER_MINUTE})
    return Http(f"{options.base_url.rstrip('/')}/api/v2", auth=auth, clock=clock, pace=pace)


def rows_of(data: object, what: str) -> list[Json]:
    """Raises Undecodable where something else than a list of objects came."""
    if not isinstance(data, list):
        raise Undecodable(f"GET {what}: a list was expected")
    return [row for row in data if isinstance(row, Mapping)]


def number_of(row: Json, name: str = "id") -> int:
    """An id; 0, which no id is, where there is none."""
    value = row.get(name)
    return value if isinstance(value, int) else 0


def changed_at(row: Json) -> datetime | None:
    """When a thing was changed, None where the row does not tell."""
    try:
        moment = datetime.fromisoformat(str(row.get("updated") or row.get("created")))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def object_of(data: object, what: str) -> Json:
    if not isinstance(data, Mapping):
        raise Undecodable(f"GET {what}: an object was expected")
    return data


class Space:
    """One space, asked one request at a time, as its owners wish."""

    def __init__(self, http: Http) -> None:
        self.http = http

    # ── the space ────────────────────────────────────────────────────────────────────────────────────

    def zone(self) -> tzinfo:
        """Days begin where the space is. UTC where this machine does not know the place."""
        name = object_of(self.http.get("space").data, "space").get("timezone")
        try:
            return ZoneInfo(str(name))
        except (ZoneInfoNotFoundError, ValueError):
            return UTC

    def myself(self) -> Json:
        return object_of(self.http.get("users/myself").data, "users/myself")

    def projects(self) -> list[Project]:
        """Those that we have joined, archived ones too."""
        return [_project(row) for row in rows_of(self.http.get("projects").data, "projects") if number_of(row)]

    def users(self, project: int) -> list[Json]:
        """Who has joined a project, by themselves or as members of a team."""
        return rows_of(self.http.get(f"projects/{project}/users").data, "users")

    def newest_activity(self) -> int:
        rows = rows_of(self.http.get("space/activities", {"count": 1, "order": "desc"}).data, "space/activities")
        return number_of(rows[0]) if rows else 0

    def activities(self, after: int) -> Iterator[list[Json]]:
        """What happened in all projects since activity `after`, oldest first, each once."""
        last = after
        while True:
            asked = {"minId": last, "count": PAGE, "order": "asc"}
            rows = rows_of(self.http.get("space/activities", asked).data, "space/activities")
            fresh = sorted((row for row in rows if number_of(row) > last), key=number_of)
            if fresh:
                yield fresh
                last = number_of(fresh[-1])
            if len(rows) < PAGE or not fresh:
                return

    # ── lists ────────────────────────────────────────────────────────────────────────────────────────

    def listed(
        self, path: str, params: Mapping[str, Any], start: Position, *, bucket: str = ""
    ) -> Iterator[tuple[list[Json], Position]]:
        """New rows page by page, and where to go on after them."""
        place, tail = start.offset, list(start.tail)
        seen, slips = set(tail), 0
        while True:
            at = max(0, place - 1) if seen else 0
            asked = {**params, "offset": at, "count": PAGE}
            rows = rows_of(self.http.get(path, asked, bucket=bucket).data, path)
            ids = [str(row.get("id")) for row in rows]
            if at and not seen.intersection(ids):
                slips += 1
                if slips > _MAX_SLIPS:
                    raise Undecodable(f"GET {path}: the list changes faster than it can be read")
                place = max(0, at - PAGE + 2)
                continue
            fresh = [row for row, one in zip(rows, ids, strict=True) if one not in seen]
            seen.update(ids)
            tail = (tail + [one for one in ids if one not in tail])[-_TAIL:]
            place = at + len(rows)
            yield fresh, Position(place, tuple(tail))
            if len(rows) < PAGE:
                return

    def issues(self, project: int, since: datetime | None, start: Position) -> Iterator[tuple[list[Json], Position]]:
        """All issues of a project, oldest first: new ones come at the end."""
        params = {"projectId[]": project, "sort": "created", "order": "asc", "updatedSince": _day(since)}
        return self.listed("issues", params, start, bucket=SEARCH)

    def changed_issues(self, projects: Sequence[int], since: datetime) -> Iterator[list[Json]]:
        """Issues of some projects changed since the day of `since`, wherever the space is; the latest first."""
        day = _day(since.astimezone(UTC) - timedelta(days=2))
        params = {"projectId[]": list(projects), "sort": "updated", "order": "desc", "updatedSince": day}
        for rows, _ in self.listed("issues", params, Position(), bucket=SEARCH):
            yield rows

    def changed_documents(self, projects: Sequence[int]) -> Iterator[list[Json]]:
        """All documents of some projects, the latest changed first."""
        params = {"projectId[]": list(projects), "sort": "updated", "order": "desc"}
        for rows, _ in self.listed("documents", params, Position()):
            yield rows

    def wikis(self, project: int) -> list[Json]:
        return rows_of(self.http.get("wikis", {"projectIdOrKey": project}).data, "wikis")

    def documents(self, project: int, start: Position) -> Iterator[tuple[list[Json], Position]]:
        return self.listed("documents", {"projectId[]": project, "sort": "created", "order": "asc"}, start)

    def active_documents(self, project: int) -> set[str]:
        """Ids of all documents that are not in the trash."""
        tree = object_of(self.http.get("documents/tree", {"projectIdOrKey": project}).data, "documents/tree")
        found: set[str] = set()
        waiting = [tree.get("activeTree")]
        while waiting:
            node = waiting.pop()
            children = node.get("children") if isinstance(node, Mapping) else None
            inner = [child for child in children if isinstance(child, Mapping)] if isinstance(children, list) else []
            found |= {str(child["id"]) for child in inner if "id" in child}
            waiting += inner
        return found

    def repositories(self, project: int) -> list[Json]:
        path = f"projects/{project}/git/repositories"
        return [row for row in rows_of(self.http.get(path).data, path) if number_of(row)]

    def pull_requests(self, project: int, repository: int, start: Position) -> Iterator[tuple[list[Json], Position]]:
        return self.listed(f"projects/{project}/git/repositories/{repository}/pullRequests", {}, start)

    def folder(self, project: int, folder: str, start: Position) -> Iterator[tuple[list[Json], Position]]:
        path = f"projects/{project}/files/metadata/{quote(folder.strip('/'))}"
        return self.listed(path, {"order": "asc"}, start)

    def files_in(self, project: int, folder: str) -> Iterator[Json]:
        """The files directly in a folder; none where there is no such folder."""
        try:
            for rows, _ in self.folder(project, folder, Position()):
                yield from (row for row in rows if row.get("type") != "directory")
        except Missing:
            return

    def newest(self, what: str, projects: Sequence[int]) -> str:
        """When the latest changed issue or document of some projects was changed, "" if there is none."""
        asked = {"projectId[]": list(projects), "sort": "updated", "order": "desc", "offset": 0, "count": 1}
        rows = rows_of(self.http.get(what, asked, bucket=SEARCH if what == "issues" else "").data, what)
        return str(rows[0]["updated"]) if rows and changed_at(rows[0]) else ""

    # ── single things ────────────────────────────────────────────────────────────────────────────────

    def one(self, path: str) -> Json | None:
        """None if it does not exist (any more)."""
        try:
            return object_of(self.http.get(path).data, path)
        except Missing:
            return None

    def comments(self, path: str) -> list[Json]:
        """All comments of an issue or a pull request, oldest first."""
        found: dict[int, Json] = {}
        while True:
            last = max(found, default=0)
            asked = {"count": PAGE, "order": "asc", "minId": last or None}
            rows = rows_of(self.http.get(f"{path}/comments", asked).data, path)
            fresh = {number_of(row): row for row in rows if number_of(row) not in found}
            found.update(fresh)
            if len(rows) < PAGE or not fresh:
                return [found[one] for one in sorted(found)]

    def document_comments(self, document: str) -> list[Json]:
        path = f"documents/{quote(document, safe='')}/comments"
        return rows_of(self.http.get(path).data, path)

    # ── counts ───────────────────────────────────────────────────────────────────────────────────────

    def count_issues(self, project: int, since: datetime | None) -> int:
        return self._count("issues/count", {"projectId[]": project, "updatedSince": _day(since)}, SEARCH)

    def count_wikis(self, project: int) -> int:
        return self._count("wikis/count", {"projectIdOrKey": project})

    def count_pull_requests(self, project: int, repository: int) -> int:
        return self._count(f"projects/{project}/git/repositories/{repository}/pullRequests/count", {})

    def _count(self, path: str, params: Mapping[str, Any], bucket: str = "") -> int:
        count = object_of(self.http.get(path, params, bucket=bucket).data, path).get("count")
        if not isinstance(count, int):
            raise Undecodable(f"GET {path}: a count was expected")
        return count


def not_licensed(error: KnowhubError) -> bool:
    """Whether the space's plan has no such feature (error code 2): then nothing of it exists."""
    reply = error.reply if isinstance(error, Refused | Missing | Rejected) else None
    errors = reply.data.get("errors") if reply and isinstance(reply.data, Mapping) else None
    return isinstance(errors, list) and any(isinstance(e, Mapping) and e.get("code") == _NO_LICENCE for e in errors)


def _project(row: Json) -> Project:
    useful = {"wikis": "useWiki", "files": "useFileSharing", "pull_requests": "useGit"}
    return Project(
        id=int(row["id"]),
        key=str(row.get("projectKey", row["id"])),
        name=str(row.get("name", "")),
        rule=str(row.get("textFormattingRule", "")),
        useful={kind: row.get(flag) is not False for kind, flag in useful.items()},
    )


def _day(since: datetime | None) -> str | None:
    return f"{since:%Y-%m-%d}" if since else None
