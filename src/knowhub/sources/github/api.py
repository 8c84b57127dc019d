"""GitHub's two APIs as the connector asks them: pages, walks by time, counts, GraphQL, and refusals in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit, urlunsplit

from knowhub.core.errors import TransientError
from knowhub.http import Auth, Clock, Http, Missing, Pace, Refused, Rejected, Reply, Unavailable
from knowhub.sources.github.credentials import API_VERSION, credentials
from knowhub.sources.github.options import GITHUB_COM, GitHubOptions

Json = dict[str, Any]

_LIMITED = ("rate limit", "abuse detection", "too many requests")
_SECONDARY_S = 60.0
"""What GitHub asks to wait at least where a secondary limit names no time."""
_TRIES_OF_A_PAGE = 3
"""A page that fails may be too large: it is not tried as often as others before a smaller one is."""
_TOO_MUCH = (500, 502, 504)


class Api:
    """One connection. `now` is GitHub's own clock, as far as it has answered."""

    def __init__(self, options: GitHubOptions, clock: Clock) -> None:
        authorize = credentials(options, clock)
        pace = Pace(clock, options.requests_per_minute or None)
        self._size = max(1, min(100, options.page_size))
        self._graphql = options.graphql
        self._clock = clock
        self.anonymous = options.token is None and not options.app_id
        self.http = Http(
            options.base_url,
            auth=authorize,
            clock=clock,
            pace=pace,
            limit_of=limit_of,
            headers=API_VERSION,
        )

        def as_bytes() -> Auth:
            """Release assets are JSON unless one asks for their bytes."""
            auth = authorize()
            return Auth({**auth.headers, "Accept": "application/octet-stream"}, auth.query, auth.secrets)

        self.files = Http(
            options.base_url,
            auth=as_bytes,
            clock=clock,
            pace=pace,
            limit_of=limit_of,
            trusted=(options.web,),
            headers=API_VERSION,
        )
        self.stranger = Http(options.base_url, clock=clock, pace=pace, limit_of=limit_of, headers=API_VERSION)
        """Asks as somebody who is not signed in."""
        self._shows_strangers = options.base_url == GITHUB_COM or self.anonymous
        self._hidden: set[str] = set()
        self._skew = timedelta(0)
        self.sizes: dict[str, int] = {}
        """How large a page of a list may be where 100 was too much."""

    @property
    def now(self) -> datetime:
        return self._clock.now() + self._skew

    def get(self, path: str, params: Mapping[str, Any] | None = None, *, etag: str = "") -> Reply:
        return self._told(self.http.get(path, params, etag=etag))

    def pages(self, path: str, params: Mapping[str, Any] | None = None, *, etag: str = "") -> Iterator[Reply]:
        """All pages of a list by their links; with `etag` the first reply may be 304.

        A page that is too large for GitHub to make (502) is asked for again in halves.
        """
        url = self._url(path, {**(params or {}), "per_page": self._size_of(path)})
        while url:
            try:
                reply = self._told(self.http.get(url, etag=etag, attempts=_TRIES_OF_A_PAGE))
            except Unavailable as error:
                if _size(url) == 1 or error.status not in _TOO_MUCH:
                    raise
                url = _halved(url)
                self.sizes[path] = _size(url)
                continue
            etag = ""
            yield reply
            target = reply.link("next")
            url = self.http.here(target) if target else ""

    def shows_strangers(self, public: str) -> bool:
        """Whether those who are not signed in see a public repository: in an Enterprise Server's private mode they
        do not (https://docs.github.com/en/enterprise-server/admin/configuration). Asked until one is shown."""
        if not self._shows_strangers and public not in self._hidden:
            try:
                self._shows_strangers = bool(self.stranger.get(public).data)
            except (Missing, Refused, Rejected):
                self._hidden.add(public)  # one that is blocked says nothing of the others
        return self._shows_strangers

    def list(self, path: str, params: Mapping[str, Any] | None = None) -> list[Json]:
        return [one for reply in self.pages(path, params) for one in reply.data]

    def walk(self, path: str, params: Mapping[str, Any], since: str, *, etag: str = "") -> Iterator[Reply]:
        """Everything that changed since, the oldest change first, while people go on changing it.

        Never goes by page numbers where it can avoid it: what is changed meanwhile moves to the end and pulls all
        others one place up. Instead each page begins where the last one ended, less a second, so that some come twice.
        """
        floor, page, size = since, 1, self._size_of(path)
        while True:
            asked = {**params, "sort": "updated", "direction": "asc", "since": floor or None, "per_page": size}
            try:
                url = self._url(path, {**asked, "page": page if page > 1 else None})
                reply = self._told(self.http.get(url, etag=etag, attempts=_TRIES_OF_A_PAGE))
            except Unavailable as error:
                if size == 1 or error.status not in _TOO_MUCH:
                    raise
                page = (page - 1) * size // max(1, size // 2) + 1
                size = self.sizes[path] = max(1, size // 2)
                continue
            etag = ""
            yield reply
            if reply.status == 304 or not reply.data or not reply.link("next"):
                return
            reached = earlier(reply.data[-1]["updated_at"], seconds=1)
            floor, page = (reached, 1) if reached > floor else (floor, page + 1)

    def count(self, path: str, params: Mapping[str, Any]) -> int | None:
        """How many a list has, by the number of its last page of one; None where GitHub does not tell it.

        Not conditional: the link is no part of what an ETag stands for.
        """
        reply = self.get(path, {**params, "per_page": 1})
        last = reply.link("last")
        if last:
            return int(parse_qs(urlsplit(last).query)["page"][0])
        return None if reply.link("next") else len(reply.data)

    def query(self, text: str, variables: Mapping[str, Any], *, partial: bool = False) -> Json:
        """`data` of a GraphQL answer; if `partial`, also where some of it could not be had.

        Raises Refused for what a scope is missing for, TransientError for the rest.
        """
        reply = self._told(self.http.post(self._graphql, json={"query": text, "variables": dict(variables)}))
        data: Json = (reply.data.get("data") if isinstance(reply.data, dict) else None) or {}
        if (errors := _errors(reply)) and not (partial and data):
            kinds = {str(error.get("type", "")) for error in errors}
            message = "POST /graphql: " + "; ".join(str(error.get("message", "")) for error in errors[:3])
            if kinds & {"FORBIDDEN", "INSUFFICIENT_SCOPES", "NOT_FOUND"}:
                raise Refused(message, reply)
            raise TransientError(message)
        return data

    def _told(self, reply: Reply) -> Reply:
        if date := reply.headers.get("date"):
            self._skew = parsedate_to_datetime(date) - self._clock.now().replace(microsecond=0)
        return reply

    def _size_of(self, path: str) -> int:
        return self.sizes.get(path, self._size)

    def _url(self, path: str, params: Mapping[str, Any]) -> str:
        kept = {key: value for key, value in params.items() if value is not None}
        return f"{self.http.base_url}/{path}?{urlencode(kept)}"


def limit_of(reply: Reply) -> float | None:
    """Primary limits are 403 or 429 with nothing remaining, secondary ones say so in words, GraphQL's come with 200.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    if reply.status == 200:
        return 0.0 if any(error.get("type") == "RATE_LIMITED" for error in _errors(reply)) else None
    if reply.status == 429:
        return 0.0
    if reply.status != 403:
        return None
    if "retry-after" in reply.headers or reply.headers.get("x-ratelimit-remaining", "").strip() == "0":
        return 0.0
    return _SECONDARY_S if any(word in reply.complaint.lower() for word in _LIMITED) else None


def _errors(reply: Reply) -> list[Json]:
    errors = reply.data.get("errors") if isinstance(reply.data, dict) else None
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def refusal(error: Exception) -> str:
    """A sentence on what was refused, with the permission that GitHub says was missing."""
    message = getattr(error, "message", str(error))
    if not isinstance(error, Refused):
        return str(error)
    headers = error.reply.headers
    if "x-github-sso" in headers:
        return f"{message}. Authorise the token for the organisation's single sign-on, in the list of your tokens."
    needed = headers.get("x-accepted-github-permissions") or headers.get("x-accepted-oauth-scopes")
    cure = f"Give the token {needed}" if needed else "Give the token read access to this repository"
    return f"{message}. {cure}."


def must_stop(error: Exception) -> bool:
    """Bad credentials refuse everything; all other refusals are of one thing."""
    return isinstance(error, Refused) and error.reply.status == 401


def earlier(time: str, *, seconds: float) -> str:
    """An ISO time of GitHub, so much earlier; "" stays."""
    if not time:
        return ""
    return (datetime.fromisoformat(time) - timedelta(seconds=seconds)).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def iso(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _size(url: str) -> int:
    return int(parse_qs(urlsplit(url).query)["per_page"][0])


def _halved(url: str) -> str:
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    size, page = int(query["per_page"]), int(query.get("page", 1))
    # Half the size begins at the same place only if it divides the place; else one begins earlier, and some come twice.
    half = max(1, size // 2)
    query |= {"per_page": str(half), "page": str((page - 1) * size // half + 1)}
    return urlunsplit((*parts[:3], urlencode(query), ""))
