"""Walking through a search that changes while it is read, by a watermark that can be stored after every page.

Cloud gives page tokens, which may repeat or expire: then the walk starts again at its watermark. Data Center pages
by position, which drifts: there every page is a search of its own from the watermark on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from knowhub.http import Rejected, Undecodable
from knowhub.sources.jira.api import JiraApi, Page, Row

_RESTARTS = 3
"""In a row without a step forward."""


@dataclass(slots=True)
class Watermark:
    """All issues whose `order` is before `at` have been read, and those at `at` that are in `ties`.

    `token` continues the search from `asked`. Times are milliseconds since 1970; the fields are what is stored.
    """

    order: str
    asked: int
    at: int
    ties: list[int] = field(default_factory=list)
    token: str = ""

    @classmethod
    def start(cls, order: str, at: int) -> Watermark:
        return cls(order, at, at)

    @classmethod
    def stored(cls, value: Mapping[str, Any]) -> Watermark:
        return cls(str(value["order"]), int(value["asked"]), int(value["at"]), list(value["ties"]), str(value["token"]))

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def pass_by(self, rows: Sequence[Row]) -> list[Row]:
        """Move on over `rows`; those that were not read before."""
        new = [row for row in rows if row.id not in self.ties]
        at = max([self.at, *(self._of(row) for row in new)])
        if at > self.at:
            self.at, self.ties = at, []
        self.ties.extend(row.id for row in new if self._of(row) == at)
        return new

    def _of(self, row: Row) -> int:
        return row.updated if self.order == "updated" else row.created


def walk(api: JiraApi, where: str, mark: Watermark, *, size: int) -> Iterator[list[Row]]:
    """Pages of rows, the oldest first. When a page is yielded, `mark` is behind it.

    Raises Undecodable when the pages run in a circle from which no restart leads out.
    """
    came, restarts = {mark.token}, 0
    while True:
        before = (mark.at, len(mark.ties))
        page = _page(api, where, mark, size)
        new = mark.pass_by(page.rows) if page else []
        if page and not page.token and not page.full:
            mark.token = ""
            yield new
            return
        token = page.token if page else ""
        mark.token = "" if token in came else token
        came.add(token)
        if not mark.token:
            mark.asked = mark.at
            restarts = 0 if (mark.at, len(mark.ties)) != before else restarts + 1
            if restarts > _RESTARTS:
                raise Undecodable(f"{where}: the pages of the search run in a circle")
        yield new


def _page(api: JiraApi, where: str, mark: Watermark, size: int) -> Page | None:
    """None: the token is not valid any more."""
    if not api.cloud:
        apart = f" AND id not in ({','.join(map(str, mark.ties))})" if mark.ties else ""
        return api.page(f"{where} AND {mark.order} >= {mark.at}{apart}{_by(mark)}", size=size)
    try:
        return api.page(f"{where} AND {mark.order} >= {mark.asked}{_by(mark)}", mark.token, size=size)
    except Rejected as error:
        if not mark.token or error.reply.status != 400:
            raise
        return None


def _by(mark: Watermark) -> str:
    return f" ORDER BY {mark.order} ASC, key ASC"
