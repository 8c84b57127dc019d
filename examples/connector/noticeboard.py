"""A complete source in one file: a company's notice boards, read through their small API.

GET /boards                                  [{"id", "name", "readers": [person]}]
GET /boards/{id}/notices?since=              {"total", "notices": [{"id", "title", "body", "author", "edited"}]}
GET /boards/{id}/notices/ids                 [id]
GET /people                                  [{"id", "name", "email"}]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knowhub.connecting.options import ApiOptions
from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import compared, digest, due
from knowhub.core import types as t
from knowhub.core.errors import AccessDenied, KnowhubError, UnreadableContent
from knowhub.core.ports import Known
from knowhub.core.secret import Secret
from knowhub.http import SYSTEM_CLOCK, Clock, Http, Pace, bearer


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeboardOptions(ApiOptions):
    """`token` is a reader's personal token."""

    token: Secret


class NoticeboardSource:
    """One board is one container; the newest edit that was stored is its cursor."""

    def __init__(self, name: t.SourceName, options: NoticeboardOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._selection = Selection(options.include, options.exclude)
        pace = Pace(clock, options.requests_per_minute or None)
        self._http = Http(options.base_url, auth=bearer(options.token), clock=clock, pace=pace)

    def check(self) -> list[str]:
        try:
            self._http.get("boards")
        except AccessDenied as error:
            return [f"{self.name}: {error.message}. Make a new token under Settings ▸ Tokens."]
        except KnowhubError as error:
            return [str(error)]
        return []

    def fetch(self, cursor: t.Cursor | None, known: Known) -> Iterator[t.Fetched]:
        edited, listed = dict(cursor["edited"] if cursor else {}), dict(cursor["listed"] if cursor else {})
        boards = [b for b in self._http.get("boards").data if self._selection.takes(b["name"], b["id"])]
        for board in boards:
            try:
                yield from self._board(board, edited, listed, known)
            except AccessDenied as error:
                yield t.Gap(t.ContainerId(board["id"]), board["name"], f"{error.message}; ask its owner to add you")
        for gone in {item.container for item in known.items()} - {board["id"] for board in boards}:
            yield t.ContainerGone(gone)
        yield t.Checkpoint({"edited": edited, "listed": listed}, last=True)

    def _board(self, board: Any, edited: dict[str, str], listed: dict[str, str], known: Known) -> Iterator[t.Fetched]:
        container, now, before = t.ContainerId(board["id"]), self._clock.now(), dict(listed)
        while True:
            since = edited.get(container)
            answer = self._http.get(f"boards/{container}/notices", {"since": since}).data
            notices = answer["notices"]
            yield from (compared(self._record(board, notice), known) for notice in notices if notice["edited"] != since)
            if not notices or notices[-1]["edited"] == since:
                break
            edited[container] = notices[-1]["edited"]
            yield t.Checkpoint({"edited": edited, "listed": before})
        if due(listed.get(container), self._options.census_hours, now):
            ids = self._http.get(f"boards/{container}/notices/ids").data
            listed[container] = now.isoformat()
            yield t.Census(container, board["name"], frozenset(t.ItemId(f"notice:{id}") for id in ids), len(ids))
        else:
            yield t.Counted(container, board["name"], answer["total"])

    def _record(self, board: Mapping[str, Any], notice: Mapping[str, Any]) -> t.RawRecord:
        acl = self._options.acl(t.Acl.of(f"{self.name}:board:{board['id']}"))
        return t.RawRecord(
            self.name, t.ContainerId(board["id"]), t.ItemId(f"notice:{notice['id']}"), "notice",
            f"{notice['edited']}-{digest(acl)}", acl, {"notice": notice, "base_url": self._options.base_url},
            location=f"{board['name']}/{notice['id']}",
        )  # fmt: skip

    def people(self) -> Iterator[t.Person]:
        for one in self._http.get("people").data:
            yield t.Person(t.Principal(f"{self.name}:user:{one['id']}"), one["name"], one["email"])

    def memberships(self) -> Iterator[t.Membership]:
        for board in self._http.get("boards").data:
            readers = frozenset(t.Principal(f"{self.name}:user:{id}") for id in board["readers"])
            yield t.Membership(t.Principal(f"{self.name}:board:{board['id']}"), readers)


def parse_noticeboard(record: t.RawRecord, sequence: int) -> t.Document:
    if not record.payload:
        raise UnreadableContent(f"{record.item} holds no notice")
    notice = record.payload["notice"]
    body = t.Section(0, len(notice["body"]), "body", author=notice["author"])
    return t.Document(
        t.document_id(record.source, record.item), record.source, record.container, "markdown", notice["title"],
        notice["body"], f"{record.payload['base_url']}/notices/{notice['id']}", record.acl, record.version, sequence,
        authors=(notice["author"],), location=record.location, sections=(body,),
    )  # fmt: skip
