"""One fetch: what changed since the cursor, then whether the numbers agree, then all ids if they do not or it is time.

wanted again ─▶ listings by `updated`, a page at a time ─▶ read by id ─▶ records ─▶ Checkpoint
                                    the site's count ≠ ours, or due ─▶ census by `created` ─▶ asked by id what it lacks
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest, due
from knowhub.core.errors import KnowhubError, PermanentError, RateLimited, TransientError
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Counted,
    Cursor,
    Failed,
    Fetched,
    Gap,
    ItemId,
    RawRecord,
    SourceName,
)
from knowhub.http import Missing, Refused, Rejected, Unavailable
from knowhub.sources.jira.api import PAGE, JiraApi, Json, Project, Row
from knowhub.sources.jira.listing import Watermark, walk
from knowhub.sources.jira.options import JiraOptions
from knowhub.sources.jira.records import Records, issue_item, issue_of

log = logging.getLogger(__name__)

_PROJECTS = 300
"""In one search: its text must not become too long."""
_CENSUS_PAGE = 5000
_FEW, _PAUSE_HOURS = 2000, 1.0
"""Cloud's count is approximate: where listing all ids is dear, a wrong count must not do it at every sync."""


class Reading:
    """The state of one fetch."""

    _records: Records

    def __init__(
        self, source: SourceName, api: JiraApi, options: JiraOptions, now: datetime, cursor: Cursor, known: Known
    ) -> None:
        self._source = source
        self._api = api
        self._options = options
        self._now = now
        self._known = known
        self._floor = _since(options)
        self._choices = digest(options.choices(), self._floor)
        self._state: dict[str, Any] = dict(cursor)
        self._projects: dict[str, Project] = {}
        self._gaps: dict[str, str] = {}
        self._met: set[int] = set()
        self._gone: set[int] = set()
        self._place: dict[int, str] = {}
        self._subs: dict[int, set[ItemId]] = defaultdict(set)
        self._again: set[int] = set()

    def run(self) -> Iterator[Fetched]:
        everywhere = self._api.projects()
        selection = Selection(self._options.include, self._options.exclude)
        self._projects = {one.id: one for one in everywhere if selection.takes(one.key, one.name, one.id)}
        told = set(self._state.get("told", ()))  # a gap in a project without issues must be closed too
        lost = self._look_at_known() | {ContainerId(id) for id in told - self._projects.keys()}
        self._state["told"] = sorted(told | self._projects.keys())
        if lost:
            self._api.me()  # an expired token is taken for a stranger, who sees no projects
        site = self._site()
        self._records = Records(
            self._source, self._api, self._options, self._known, site, frozenset(one.key for one in everywhere)
        )
        self._begin()
        yield from self._read(sorted(self._again))
        yield from self._changes()
        listed: set[int] = set()
        if self._is_census_due():
            yield from self._census(listed)
            yield from self._results(census=True)
        else:
            yield from self._results(census=False)
        yield from (ContainerGone(container) for container in sorted(lost))
        yield Checkpoint({**self._state, "told": sorted(self._projects)}, last=True)

    # ── where we stand ───────────────────────────────────────────────────────────────────────────────

    def _look_at_known(self) -> set[ContainerId]:
        """What the ledger has; the containers of it that are not to be read any more."""
        lost: set[ContainerId] = set()
        for item in self._known.items():
            id = issue_of(item.item)
            if item.container not in self._projects:
                lost.add(item.container)
            if item.item == issue_item(id):
                self._place[id] = item.container
            else:
                self._subs[id].add(item.item)
            if not item.version:
                self._again.add(id)
        return lost

    def _site(self) -> str:
        if not self._state.get("site") or due(self._state.get("census"), self._options.census_hours, self._now):
            self._state["site"] = self._api.site()
        return str(self._state["site"])

    def _begin(self) -> None:
        """Forget what was listed under other choices, or when a project was called otherwise."""
        state = self._state
        same = state.get("choices") == self._choices
        keys = {id: self._records.stamp(one.key) for id, one in self._projects.items()}
        done = state.get("done", {}) if same else {}
        state["done"] = {id: at for id, at in done.items() if state.get("keys", {}).get(id) == keys.get(id)}
        opened = state.get("open") if same else None
        if opened and any(state["keys"].get(id) != keys.get(id) for id in opened["projects"]):
            opened = None
        state.update(open=opened, keys=keys, choices=self._choices)

    # ── what changed ─────────────────────────────────────────────────────────────────────────────────

    def _changes(self) -> Iterator[Fetched]:
        """First what an earlier fetch was killed over. It ends at the newest change, so that only what the index learns
        late is missing then; the next fetch finds that too, if this one follows closely."""
        overlap = self._options.overlap_minutes * 60_000
        finished: set[str] = set()
        if opened := self._state["open"]:
            yield from self._readable(opened["projects"], self._resumed)
            finished = set(opened["projects"]) if _ms(self._now) - opened["began"] <= overlap else set()
        groups: dict[int, list[str]] = defaultdict(list)
        for id in self._projects.keys() - finished:
            groups[max(self._floor, int(self._state["done"].get(id, 0) - overlap), 0)].append(id)
        for at, ids in sorted(groups.items()):
            for some in _chunks([id for id in sorted(ids) if id not in self._gaps]):
                # Bound now, because `at` goes on; mypy reads no defaults of lambdas.
                yield from self._readable(some, lambda ids, at=at: self._listing(ids, Watermark.start("updated", at)))  # type: ignore[misc]

    def _resumed(self, ids: list[str]) -> Iterator[Fetched]:
        opened = self._state["open"]
        mark = Watermark.stored(opened["mark"]) if opened else Watermark.start("updated", self._floor)
        return self._listing(ids, mark, began=opened["began"] if opened else 0)

    def _listing(self, ids: list[str], mark: Watermark, *, began: int | None = None) -> Iterator[Fetched]:
        """All issues of these projects from `mark` on; the cursor follows every page that was read whole."""
        start = _ms(self._now) if began is None else began
        for rows in walk(self._api, _where(ids), mark, size=PAGE):
            yield from self._read_changed(rows)
            self._state["open"] = {"projects": ids, "mark": mark.as_json(), "began": start}
            yield Checkpoint(self._snapshot())
        self._state["open"] = None
        self._state["done"] = {**self._state["done"], **dict.fromkeys(ids, start)}
        yield Checkpoint(self._snapshot())

    def _snapshot(self) -> dict[str, Any]:
        return dict(self._state)

    def _readable(self, ids: list[str], read: Callable[[list[str]], Iterator[Fetched]]) -> Iterator[Fetched]:
        """`read`; when all of them together are refused, each alone, so that one does not stop the others."""
        try:
            yield from read(ids)
        except (Refused, Rejected, Missing) as error:
            if error.reply.status == 401:
                raise
            self._state["open"] = None
            if len(ids) == 1:
                self._gaps[ids[0]] = f"{error.message}; see that the account may browse the project"
            else:
                for id in ids:
                    yield from self._readable([id], read)

    # ── reading issues ───────────────────────────────────────────────────────────────────────────────

    def _read_changed(self, rows: Iterable[Row]) -> Iterator[Fetched]:
        wanted = {row.id: row.project for row in rows if row.project in self._projects and not self._has(row)}
        yield from self._read(list(wanted), wanted)

    def _has(self, row: Row) -> bool:
        known = self._known.get(issue_item(row.id))
        if row.id in self._met:
            return True
        prefix = f"{row.updated}-{self._records.stamp(self._projects[row.project].key)}-"
        return known is not None and known.container == row.project and known.version.startswith(prefix)

    def _read(self, ids: Sequence[int], places: Mapping[int, str] | None = None) -> Iterator[Fetched]:
        """Everything of these issues. What is not there any more is left to the census, which has a guard."""
        found: set[int] = set()
        for id, issue in self._api.issues([id for id in ids if id not in self._met]):
            found.add(id)
            if isinstance(issue, Exception):
                yield from self._failed(id, issue, (places or {}).get(id, ""))
            else:
                yield from self._whole(id, issue)
        self._gone |= set(ids) - found - self._met

    def _whole(self, id: int, issue: Json) -> Iterator[Fetched]:
        """An issue and what hangs on it, all or nothing."""
        place = ""
        try:
            place = str(issue["fields"]["project"]["id"])
            if place not in self._projects:
                self._gone.add(id)
                return
            outcomes = list(self._records.of(issue))
        except (KeyError, TypeError, ValueError, AttributeError, PermanentError, TransientError) as error:
            if _concerns_all(error):
                raise
            yield from self._failed(id, error, place)
            return
        yield from outcomes
        self._met.add(id)
        self._place[id] = place
        now = {one.item for one in outcomes} - {issue_item(id)}
        for item in sorted(self._subs.get(id, set()) - now):
            yield RawRecord(self._source, ContainerId(place), item, "removal", "", Acl(), None)
        self._subs[id] = now

    def _failed(self, id: int, error: Exception, place: str) -> Iterator[Fetched]:
        place = self._place.get(id) or place
        if not place or id in self._met:
            return
        self._met.add(id)
        self._place[id] = place
        reason = error.message if isinstance(error, KnowhubError) else f"unexpected shape: {error!r}"
        known = self._known.get(issue_item(id))
        location = known.location if known else f"{self._projects[place].key} issue {id}"
        yield Failed(ContainerId(place), issue_item(id), reason, location)

    # ── whether that is all ──────────────────────────────────────────────────────────────────────────

    def _is_census_due(self) -> bool:
        """All ids are listed if the site counts otherwise than we do, or the time has come; at first that was done."""
        last, excess = self._state.get("census"), self._excess(self._chosen())
        if not last and excess == self._state.get("excess", 0):
            self._state = {**self._state, "census": self._now.isoformat()}
            return False
        if excess is None or excess == self._state.get("excess", 0):
            return due(last, self._options.census_hours, self._now)
        pause = 0.0 if len(self._place) <= _FEW else min(_PAUSE_HOURS, self._options.census_hours)
        return due(last, pause, self._now)

    def _chosen(self) -> list[str]:
        return [id for id in self._projects if id not in self._gaps]

    def _excess(self, ids: Sequence[str]) -> int | None:
        """How many more issues the site counts in these projects than we know of; None: it does not say."""
        chosen = set(ids)
        try:
            counted = sum(self._api.count(f"{_where(some)} AND updated >= {self._floor}") for some in _chunks(ids))
        except (Refused, Rejected, Missing) as error:
            if error.reply.status == 401:
                raise
            log.warning("the site does not count its issues", extra={"reason": error.message})
            return None
        return counted - sum(place in chosen for place in self._place.values())

    def _census(self, listed: set[int]) -> Iterator[Fetched]:
        self._api.me()  # as a stranger, we should take what is not public for gone
        for some in _chunks(self._chosen()):
            yield from self._readable(some, lambda ids: self._list_ids(ids, listed))
        chosen = set(self._chosen())
        yield from self._look_for_missing(chosen, listed)
        for id in [id for id, place in self._place.items() if place in chosen and id not in listed]:
            del self._place[id]
        excess = self._excess(sorted(chosen)) or 0
        surplus = {id: self._excess([id]) or 0 for id in chosen} if excess > 0 else {}
        self._state = {**self._state, "census": self._now.isoformat(), "excess": excess, "surplus": surplus}
        log.info("all ids were listed", extra={"projects": len(chosen), "issues": len(listed), "excess": excess})

    def _list_ids(self, ids: list[str], listed: set[int]) -> Iterator[Fetched]:
        where = f"{_where(ids)} AND updated >= {self._floor}"
        for rows in walk(self._api, where, Watermark.start("created", 0), size=_CENSUS_PAGE):
            yield from self._take_listed(rows, listed)

    def _take_listed(self, rows: Sequence[Row], listed: set[int]) -> Iterator[Fetched]:
        yield from self._read_changed(rows)
        listed.update(row.id for row in rows if row.id not in self._gone and row.project in self._projects)

    def _look_for_missing(self, chosen: set[str], listed: set[int]) -> Iterator[Fetched]:
        """The index may be behind: what it lacks is asked for by id before it is called gone."""
        lacking = [id for id, place in self._place.items() if place in chosen and id not in listed]
        listed.update(id for id in lacking if id in self._met)
        lacking = sorted(id for id in lacking if id not in self._met)
        existing = list(self._api.existing(lacking))
        unclear = [one for one in existing if isinstance(one, int)]
        yield from self._read(unclear)
        listed.update(unclear)
        rows = [one for one in existing if isinstance(one, Row) and one.updated >= self._floor]
        yield from self._take_listed(rows, listed)

    def _results(self, *, census: bool) -> Iterator[Fetched]:
        """What there is in each project. `surplus` is what the site counted at the last census and did not list."""
        items: dict[str, set[ItemId]] = {id: set() for id in self._projects}
        for id, place in self._place.items():
            if place in items:
                items[place] |= {issue_item(id), *self._subs.get(id, ())}
        for project in self._projects.values():
            container, there = ContainerId(project.id), frozenset(items[project.id])
            expected = len(there) + max(0, self._state.get("surplus", {}).get(project.id, 0))
            if project.id in self._gaps:
                yield Gap(container, project.name, self._gaps[project.id])
            elif census:
                yield Census(container, project.name, there, expected)
            else:
                yield Counted(container, project.name, expected)


def _concerns_all(error: Exception) -> bool:
    """Not this one issue: credentials that are not accepted, a limit, nobody who answers."""
    if isinstance(error, Refused):
        return error.reply.status == 401
    return isinstance(error, RateLimited) or (isinstance(error, Unavailable) and not error.status)


def _where(ids: Iterable[str]) -> str:
    """Bounded: Cloud refuses a search without a restriction."""
    return f"project in ({','.join(ids)})"


def _chunks(ids: Sequence[str]) -> Iterator[list[str]]:
    for start in range(0, len(ids), _PROJECTS):
        yield list(ids[start : start + _PROJECTS])


def _since(options: JiraOptions) -> int:
    return _ms(options.since) if options.since else 0


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)
