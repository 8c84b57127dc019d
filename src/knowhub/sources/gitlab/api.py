"""GitLab's REST API v4 as this source asks it: pages that lose nothing while people write.

https://docs.gitlab.com/api/rest/: `per_page` is at most 100; beyond 10,000 records there is no `X-Total`; offsets end
at 50,000. Lists in the order of `updated_at` are therefore asked on from the last moment seen, not by page number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from knowhub.core.errors import KnowhubError, RateLimited, TransientError
from knowhub.formats.gitlab_documents import moment
from knowhub.http import SYSTEM_CLOCK, Clock, Http, Pace, Refused, Reply, Unavailable, Undecodable, header, linked_pages
from knowhub.sources.gitlab.options import GitLabOptions

PER_PAGE = 100
Json = Mapping[str, Any]
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Newest:
    """What one record of a list tells of all: how many (None beyond 10,000), and when the newest was touched."""

    total: int | None
    touched: datetime


class Api:
    """Paths are relative to `/api/v4`."""

    def __init__(self, options: GitLabOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.http = Http(
            f"{options.site}/api/v4",
            auth=header("PRIVATE-TOKEN", options.token),
            clock=clock,
            pace=Pace(clock, options.requests_per_minute or None),
        )

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        return self.http.get(path, params).data

    def maybe(self, path: str, params: Mapping[str, Any] | None = None) -> Any:
        """None where there is no such thing, or none that we may see: GitLab says 404 for both."""
        reply = self.http.get(path, params, allow=(404,))
        return None if reply.status == 404 else reply.data

    def newest(self, path: str, params: Mapping[str, Any]) -> Newest:
        reply = self.http.get(path, {**params, "order_by": "updated_at", "sort": "desc", "per_page": 1})
        items = objects(reply)
        return Newest(total(reply), touched(items[0]) if items else _BEGINNING)

    def since(
        self, path: str, params: Mapping[str, Any], after: datetime | None
    ) -> Iterator[tuple[list[Json], datetime]]:
        """Records touched at or after `after`, oldest first, page by page with the server's time of asking.

        What is touched meanwhile moves to the end of the list and comes again; nothing is pushed out of sight.
        """
        page = 1
        while True:
            asked = {**params, "order_by": "updated_at", "sort": "asc", "per_page": PER_PAGE}
            asked |= {"updated_after": iso(after) if after else None, "page": page if page > 1 else None}
            reply = self.http.get(path, asked)
            items = objects(reply)
            yield items, self.server_time(reply)
            if not items or (len(items) < PER_PAGE and not reply.link("next")):
                return
            last = touched(items[-1])
            # Only where a whole page has one moment (an import, a bulk edit) does the page number go on.
            page = page + 1 if last == after else 1
            after = last

    def listed(self, path: str, params: Mapping[str, Any] | None = None) -> list[Json]:
        """A short list, whole. It is read again when it changed in length meanwhile: a page may have lost a record."""
        for _ in range(3):
            rows, counted = self.rows(path, params)
            found = {_identity(one): one for one in rows}
            if counted in (None, len(found)):
                return list(found.values())
        raise TransientError(f"GET {path}: the list changes faster than it can be read")

    def rows(self, path: str, params: Mapping[str, Any] | None = None) -> tuple[list[Json], int | None]:
        """All pages as they come, and the length of the list as its last page tells it."""
        found: list[Json] = []
        counted: int | None = None
        for reply in linked_pages(self.http, path, {**(params or {}), "per_page": PER_PAGE}):
            counted = total(reply)
            found += objects(reply)
        return found, counted

    def raw(self, path: str, name: str, *, max_bytes: int) -> bytes:
        """A file's content. Raises TooLarge, and Undecodable for a page of a proxy (to sign in at, out of order):
        GitLab never serves raw files as HTML."""
        file = self.http.download(path, max_bytes=max_bytes)
        if file.content_type == "text/html" and not name.lower().endswith((".html", ".htm", ".xhtml")):
            raise Undecodable(f"GET {path}: an HTML page came in place of {name}")
        return file.data

    def server_time(self, reply: Reply) -> datetime:
        """Its clock is the one that stamps records."""
        try:
            return parsedate_to_datetime(reply.headers.get("date", ""))
        except ValueError:
            return self.clock.now()


def ends_everything(error: KnowhubError) -> bool:
    """What the next request would meet as well: no answer at all, a limit that is used up, a token that is refused."""
    if isinstance(error, Unavailable):
        return error.status == 0
    if isinstance(error, Refused):
        return error.reply.status == 401
    return isinstance(error, RateLimited)


def objects(reply: Reply) -> list[Json]:
    """Raises Undecodable where the answer is no list of objects."""
    if not isinstance(reply.data, list) or not all(isinstance(one, dict) for one in reply.data):
        raise Undecodable("the answer is not a list of objects")
    return reply.data


def total(reply: Reply) -> int | None:
    counted = reply.headers.get("x-total", "")
    return int(counted) if counted.isdigit() else None


def touched(item: Json) -> datetime:
    return moment(item.get("updated_at")) or moment(item.get("created_at")) or _BEGINNING


def iso(time: datetime) -> str:
    """To the millisecond, cut and not rounded, as GitLab writes times: asking from there misses nothing."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03d}Z"


def _identity(one: Json) -> Any:
    return one.get("id") or one.get("tag_name") or one.get("slug")
