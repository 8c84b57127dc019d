"""Walking through a collection that changes while it is read.

By number upwards nothing moves but by deletions, which pull later items towards the beginning: each page overlaps the
one before it, and where the overlap is gone the walk steps back. `offset` and not `page` says where, so that a page
that is too much for the server (500, a time-out, half a JSON) can be asked again in halves.
https://developer.wordpress.org/rest-api/using-the-rest-api/pagination/
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Protocol

from knowhub.http import Rejected, Reply, Unavailable, Undecodable
from knowhub.sources.wordpress.errors import code_of, faulty_parameters, plainly

log = logging.getLogger(__name__)

Json = dict[str, Any]


@dataclass(slots=True)
class PageLimit:
    """The largest page that this site is known to give: plugins may lower WordPress' own limit."""

    most: int


class Ask(Protocol):
    """One request for `route` as WordPress names it; `attempts` None: as often as usual."""

    def __call__(self, route: str, params: Mapping[str, Any], *, attempts: int | None = None) -> Reply: ...


MOST = 100
"""The largest page that WordPress gives."""
_OVERLAP = 10
_ALIKE = 10
"""So many of the same items at another place are no chance."""
_SIGNED = re.compile(r"\?[^\s\"'<>?]*[Ss]ignature=[^\s\"'<>]*")
_TRIES = 3
_NO_SUCH_PAGE = frozenset(("rest_post_invalid_page_number", "rest_comment_invalid_page_number"))


@dataclass(frozen=True, slots=True)
class Page:
    """`offset` is where the next page begins, `last` the highest number read so far.

    `broken` names items that the server cannot render. `total` None: the header was stripped. `at` is the server's
    time.
    """

    items: list[Json]
    offset: int
    last: int
    total: int | None
    at: datetime | None = None
    broken: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Stretch:
    """What one request gave: `asked` positions from `offset` on."""

    offset: int
    asked: int
    reply: Reply | None
    items: list[Json]
    broken: Mapping[int, str] = field(default_factory=dict)

    @property
    def total(self) -> int | None:
        return total_of(self.reply) if self.reply else None

    @property
    def covered(self) -> int:
        """How many positions it covers. Hidden items count, but not where the server gives smaller pages than asked."""
        total, pages = self.total, self.reply.headers.get("x-wp-totalpages", "") if self.reply else ""
        whole = total is not None and pages.isdigit() and int(pages) == -(-total // self.asked)
        given = len(self.items) + len(self.broken)
        return self.asked if whole or not given else given


@dataclass(slots=True)
class _First:
    """The beginning of a listing, to know it again: some routes of plugins do not take an `offset`."""

    ids: list[int] = field(default_factory=list)

    def compare(self, stretch: _Stretch, route: str) -> None:
        """Raises Undecodable where a later page is the first one once more: what is beyond it cannot be read."""
        ids = _ids(stretch.items)
        if stretch.offset == 0:
            self.ids = ids
        elif len(ids) >= _ALIKE and ids[:_ALIKE] == self.ids[:_ALIKE]:
            raise Undecodable(f"GET {route}: the site gives its first page again and again")


class Collection:
    """One route with fixed parameters, read in pages whose size follows what the server can bear."""

    def __init__(self, ask: Ask, route: str, params: Mapping[str, Any], limit: PageLimit) -> None:
        self._ask = ask
        self._limit = limit
        self._route = route
        self._params = dict(params)
        self._size = limit.most

    def upwards(self, offset: int = 0, last: int = 0, **params: Any) -> Iterator[Page]:
        """Every item by number, from a position that an earlier walk reached. Each item comes once."""
        order = {"orderby": "id", "order": "asc", **params}
        start, verified, back = max(0, offset - 1), 0, False
        first = _First()
        while True:
            stretch = self._stretch(start, order)
            first.compare(stretch, self._route)
            ids = [*_ids(stretch.items), *stretch.broken]
            if start and (back or start > verified) and (not ids or min(ids) > last):
                # What ought to overlap is gone, and others may be: what moved up stands before this page.
                verified, back = max(start, verified), True
                start = max(0, start - self._size)
                continue
            back = False
            new = [item for item in stretch.items if item["id"] > last]
            broken = {number: why for number, why in stretch.broken.items() if number > last}
            last, offset, total = max([last, *ids]), start + stretch.covered, stretch.total
            yield Page(new, offset, last, total, _server_time(stretch.reply), broken)
            if offset >= total if total is not None else not (new or broken):
                return
            if offset - 1 > start:
                start = offset - 1
            else:  # one item at a time leaves no room for an overlap
                start = verified = offset

    def downwards(self, orderby: str, **params: Any) -> Iterator[Page]:
        """The newest first, for as long as the reader goes on: insertions repeat items, deletions are overlapped."""
        order = {"orderby": orderby, "order": "desc", **params}
        offset = 0
        first = _First()
        while True:
            stretch = self._stretch(offset, order)
            first.compare(stretch, self._route)
            offset = stretch.offset + stretch.covered
            done = offset >= stretch.total if stretch.total is not None else not stretch.items
            yield Page(stretch.items, offset, 0, stretch.total, _server_time(stretch.reply), stretch.broken)
            if done:
                return
            offset -= min(_OVERLAP, stretch.covered // 2)

    def named(self, numbers: list[int], **params: Any) -> Page:
        """These items, those that still exist; halved where the server cannot give them at once."""
        items: list[Json] = []
        broken: dict[int, str] = {}
        at: datetime | None = None
        queue = [numbers[at : at + self._limit.most] for at in range(0, len(numbers), self._limit.most)]
        while queue:
            some = queue.pop(0)
            asked = {"include": some, "per_page": len(some), "orderby": "id", "order": "asc", **params}
            try:
                reply = self._get(asked, tries=_TRIES if len(some) > 1 else None)
            except Rejected as error:
                if len(some) == 1 or "per_page" not in faulty_parameters(error):
                    raise
                half = self._limit.most = len(some) // 2
                queue[:0] = [some[:half], some[half:]]
                continue
            except (Unavailable, Undecodable) as error:
                if len(some) == 1:
                    broken[some[0]] = plainly(error)
                    continue
                half = len(some) // 2
                queue[:0] = [some[:half], some[half:]]
                continue
            at, total = _server_time(reply), total_of(reply)
            found = [item for item in _items(reply) if item["id"] in some]  # others come where `include` is ignored
            items += found
            missing = sorted(set(some) - set(_ids(found)))
            if found and missing and total != len(found):
                queue.insert(0, missing)  # some sites give smaller pages than they are asked for
        return Page(items, 0, 0, None, at, broken)

    # ── one request ──────────────────────────────────────────────────────────────────────────────────

    def _stretch(self, offset: int, order: Mapping[str, Any]) -> _Stretch:
        """A page, or half of one, or a single item that only its number can be said of."""
        while True:
            size = self._size
            asked = {**order, "offset": offset or None, "per_page": size}
            try:
                reply = self._get(asked, tries=_TRIES if size > 1 else None)
            except (Unavailable, Undecodable) as error:
                if size == 1:
                    return self._unreadable(offset, order, plainly(error))
                self._size = size // 2
                log.info("smaller pages", extra={"route": self._route, "size": self._size, "reason": error.message})
                continue
            except Rejected as error:
                if size == 1 or "per_page" not in faulty_parameters(error):
                    raise
                self._size = self._limit.most = size // 2  # some sites allow less than WordPress does
                continue
            if reply.status == 400:
                return _Stretch(offset, size, reply, [])
            self._size = min(self._limit.most, size * 2)
            return _Stretch(offset, size, reply, _items(reply))

    def _unreadable(self, offset: int, order: Mapping[str, Any], why: str) -> _Stretch:
        """Numbers are listed without rendering anything. Raises Unavailable when even that fails."""
        reply = self._get({**order, "offset": offset or None, "per_page": 1, "_fields": "id"}, tries=None)
        self._size = 2
        return _Stretch(offset, 1, reply, [], dict.fromkeys(_ids(_items(reply)), why))

    def _get(self, params: Mapping[str, Any], *, tries: int | None) -> Reply:
        try:
            return self._ask(self._route, {**self._params, **params}, attempts=tries)
        except Rejected as error:
            if error.reply.status == 400 and code_of(error) in _NO_SUCH_PAGE:
                return error.reply  # a page beyond the last one is the end, not a failure
            raise


def total_of(reply: Reply) -> int | None:
    """How many items there are in all; None where a proxy stripped the header."""
    value = reply.headers.get("x-wp-total", "")
    return int(value) if value.isdigit() else None


def _items(reply: Reply) -> list[Json]:
    """Raises Undecodable for what is no list of items."""
    if not isinstance(reply.data, list):
        raise Undecodable("the answer is not a list of items")
    items = [one for one in reply.data if isinstance(one, dict) and isinstance(one.get("id"), int)]
    return [_unsigned(one) for one in items] if b"ignature=" in reply.body else items


def _unsigned(value: Any) -> Any:
    """Without signatures in addresses, which open files for an hour and are others each time.

    `source_url` keeps its own, for fetching the file; it is not stored.
    """
    if isinstance(value, str):
        return _SIGNED.sub("", value) if "ignature=" in value else value
    if isinstance(value, list):
        return [_unsigned(one) for one in value]
    if isinstance(value, dict):
        return {key: one if key == "source_url" else _unsigned(one) for key, one in value.items()}
    return value


def _ids(items: list[Json]) -> list[int]:
    return [item["id"] for item in items]


def _server_time(reply: Reply | None) -> datetime | None:
    """When the answer was made: `Date`, less the `Age` that a cache adds (RFC 9111, 5.1)."""
    if reply is None:
        return None
    age = reply.headers.get("age", "")
    try:
        date = parsedate_to_datetime(reply.headers["date"])
        date = date if date.tzinfo else date.replace(tzinfo=UTC)
        return date - timedelta(seconds=int(age)) if age.isdigit() else date
    except (KeyError, ValueError, OverflowError):
        return None
