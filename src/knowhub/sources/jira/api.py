"""Jira's two dialects behind one door: Cloud's third API version, and Data Center's second.

https://developer.atlassian.com/cloud/jira/platform/rest/v3/
https://developer.atlassian.com/server/jira/platform/rest/
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.formats.jira_issue import moment
from knowhub.http import Http, Missing, Rejected, Unavailable, Undecodable

log = logging.getLogger(__name__)

Json = Mapping[str, Any]
PAGE = 100
_ROW_FIELDS = ["project", "created", "updated"]
_LISTINGS = 3
_FIRST_TRIES = 3
"""Of a batch that may hold something indigestible; a single issue is tried as often as everything else."""


@dataclass(frozen=True, slots=True)
class Row:
    """An issue as the search lists it. Times are milliseconds since 1970."""

    id: int
    project: str
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Page:
    """`token` fetches the next page, "" is the last one or an edition without tokens. `full`: more may follow."""

    rows: list[Row]
    token: str
    full: bool


@dataclass(frozen=True, slots=True)
class Project:
    id: str
    key: str
    name: str


class JiraApi:
    """`cloud` decides on paths and shapes. Methods raise the errors of `knowhub.http`."""

    def __init__(self, http: Http, *, cloud: bool) -> None:
        self.http = http
        self.cloud = cloud
        self.root = f"rest/api/{3 if cloud else 2}"

    # ── projects and fields ──────────────────────────────────────────────────────────────────────────

    def projects(self) -> list[Project]:
        """All that our account may browse."""
        found = self.values("project/search", {"orderBy": "key"}) if self.cloud else self._get("project")
        return [Project(str(one["id"]), str(one["key"]), str(one.get("name") or one["key"])) for one in found]

    def field_names(self) -> dict[str, str]:
        return {str(one["id"]): str(one["name"]) for one in self._get("field") if one.get("custom")}

    def me(self) -> Json:
        """Our account. Raises Refused when the credentials are not accepted."""
        found: Json = self._get("myself")
        return found

    def site(self) -> str:
        """Where people open issues: not always where the API is."""
        return str(self._get("serverInfo").get("baseUrl") or self.http.base_url).rstrip("/")

    def display_name(self, id: str) -> str:
        """Of a person by what a mention calls them; "" if they cannot be looked up."""
        account = id.removeprefix("accountid:")
        reply = self.http.get(
            f"{self.root}/user", {"accountId" if self.cloud else "username": account}, allow=(400, 403, 404)
        )
        return str(reply.data.get("displayName") or "") if reply.status == 200 else ""

    # ── searching ────────────────────────────────────────────────────────────────────────────────────

    def page(self, jql: str, token: str = "", *, size: int = PAGE) -> Page:
        """A page of rows in the order that `jql` asks for."""
        if self.cloud:
            body: dict[str, Any] = {"jql": jql, "maxResults": size, "fields": _ROW_FIELDS}
            data = self._post("search/jql", body | ({"nextPageToken": token} if token else {}))
            return Page(_rows(data), str(data.get("nextPageToken") or ""), full=False)
        data = self._post("search", {"jql": jql, "maxResults": size, "fields": _ROW_FIELDS, "validateQuery": False})
        rows = _rows(data)
        return Page(rows, "", full=bool(rows) and data.get("total", 0) > len(rows))

    def count(self, jql: str) -> int:
        """Approximate on Cloud: the index may be behind."""
        if self.cloud:
            return int(_part(self._post("search/approximate-count", {"jql": jql}), "count"))
        body = {"jql": jql, "maxResults": 0, "fields": ["id"], "validateQuery": False}
        return int(_part(self._post("search", body), "total"))

    # ── issues ───────────────────────────────────────────────────────────────────────────────────────

    def issues(self, ids: Sequence[int]) -> Iterator[tuple[int, Json | Exception]]:
        """Each issue, or why it cannot be read; those that are not there (for us) are left out.

        One that the other side cannot encode spoils the answer for all of its batch: halves are asked for until it
        stands alone.
        """
        for start in range(0, len(ids), PAGE):
            yield from self._bisected(list(ids[start : start + PAGE]))

    def _bisected(self, ids: list[int]) -> Iterator[tuple[int, Json | Exception]]:
        try:
            found, refused = self._bulk(ids, attempts=_FIRST_TRIES if len(ids) > 1 else None)
        except (Undecodable, Unavailable, Rejected) as error:
            if isinstance(error, Unavailable) and not error.status:
                raise
            if len(ids) == 1:
                yield ids[0], error
                return
            middle = len(ids) // 2
            yield from self._bisected(ids[:middle])
            yield from self._bisected(ids[middle:])
            return
        for issue in found:
            yield int(issue["id"]), issue
        for id, reason in refused.items():
            if len(ids) > 1:
                yield from self._bisected([id])
            else:
                yield id, UnreadableContent(f"issue {id}: {reason}")

    def _bulk(self, ids: list[int], *, attempts: int | None) -> tuple[list[Json], dict[int, str]]:
        whole: dict[str, Any] = {"fields": ["*all"], "expand": ["changelog"]}
        if self.cloud:
            data = self._post(
                "issue/bulkfetch", {"issueIdsOrKeys": [str(id) for id in ids], **whole}, attempts=attempts
            )
            errors = {int(one["id"]): str(one.get("errorMessage")) for one in data.get("issueErrors") or ()}
            return _part(data, "issues"), errors
        body = {"jql": f"id in ({_listed(ids)})", "maxResults": len(ids), "validateQuery": False, **whole}
        return _part(self._post("search", body, attempts=attempts), "issues"), {}

    def existing(self, ids: Sequence[int]) -> Iterator[Row | int]:
        """Those issues that are still there, asked by id: Cloud's index does not come into it.

        Rows, and the bare ids of those that Cloud names as errors: those it cannot show now are not gone.
        """
        for start in range(0, len(ids), PAGE):
            some = ids[start : start + PAGE]
            if self.cloud:
                body = {"issueIdsOrKeys": [str(id) for id in some], "fields": _ROW_FIELDS}
                data = self._post("issue/bulkfetch", body)
                yield from _rows(data)
                yield from (int(one["id"]) for one in data.get("issueErrors") or ())
            else:
                yield from self.page(f"id in ({_listed(some)})", size=len(some)).rows

    def rest_of(self, id: int, what: str, field: str) -> list[Json]:
        """All comments, worklogs or changes of an issue by their own listing, each once.

        What is deleted while the pages are read moves the rest forward, and one is overlooked: then the number of
        those found is not the number of those that there are, and the pages are read again.
        """
        found: dict[str, Json] = {}
        params = {} if self.cloud or what != "comment" else {"expand": "properties"}
        for _ in range(_LISTINGS):
            found, start, total = {}, 0, 1
            while start < total:
                data = self._get(f"issue/{id}/{what}", {"startAt": start, "maxResults": PAGE, **params})
                rows, total = _part(data, field), int(_part(data, "total"))
                found.update((str(one["id"]), one) for one in rows)
                start += len(rows) or total
            if len(found) == total:
                break
        return list(found.values())

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def values(self, path: str, params: Mapping[str, Any] | None = None) -> Iterator[Json]:
        """All values of a listing with `startAt`; over what came twice the caller does not stumble."""
        start = 0
        while True:
            data = self._get(path, {**(params or {}), "startAt": start, "maxResults": PAGE})
            values = _part(data, "values")
            yield from values
            start += len(values)
            if data.get("isLast", start >= int(data.get("total", 0))) or not values:
                return

    def listed(self, path: str, params: Mapping[str, Any], *, size: int) -> Iterator[Json]:
        """The same of a listing that is a bare array, whose pages may hold less than was asked for."""
        start = 0
        while True:
            data = self._get(path, {**params, "startAt": start, "maxResults": size})
            yield from data
            if not data:
                return
            start += len(data)

    def may(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """What is there, None where our account may not look or there is none."""
        reply = self.http.get(f"{self.root}/{path}", params, allow=(400, 403, 404))
        return reply.data if reply.status == 200 else None

    def _get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.http.get(f"{self.root}/{path}", params).data

    def _post(self, path: str, body: Json, *, attempts: int | None = None) -> Any:
        return self.http.post(f"{self.root}/{path}", json=body, attempts=attempts).data


def is_cloud(http: Http) -> bool:
    """Which edition a site is, by what it says of itself (both answer this without signing in)."""
    for version in (3, 2):
        try:
            return bool(http.get(f"rest/api/{version}/serverInfo").data.get("deploymentType") == "Cloud")
        except Missing:
            continue
    return False


def _listed(ids: Iterable[int]) -> str:
    return ",".join(map(str, ids))


def _part(data: Any, name: str) -> Any:
    """Of an answer that arrived: without it, it is not the answer to what was asked."""
    if not isinstance(data, Mapping) or data.get(name) is None:
        raise Undecodable(f"Jira's answer has no {name!r}: {str(data)[:100]}")
    return data[name]


def _rows(data: Any) -> list[Row]:
    return [_row(one) for one in _part(data, "issues")]


def _row(issue: Json) -> Row:
    fields = issue.get("fields") or {}
    project = str((fields.get("project") or {}).get("id", ""))
    return Row(int(issue["id"]), project, milliseconds(fields.get("created")), milliseconds(fields.get("updated")))


def milliseconds(text: object) -> int:
    """Since 1970, of a time as Jira writes it; 0 for what is none."""
    found = moment(text)
    return round(found.timestamp() * 1000) if found else 0
