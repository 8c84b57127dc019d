"""Issues, merge requests and epics with their discussions: what was touched since the last time, or all.

    newest + total ──same as before──▶ nothing to do
         └─▶ list from the last moment on ▸ each: discussions ▸ record, internal notes, uploads, diff
                 └─ total differs from what we hold ──▶ list all, and know what is gone

A comment touches the thing it stands on, but not within a minute of the last touch (GitLab's ThrottledTouch): what is
read so soon is "hot" and read again the next time. A deleted comment touches nothing: `user_notes_count` tells of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from knowhub.core.errors import KnowhubError
from knowhub.core.types import Acl, Fetched, ItemId
from knowhub.formats.gitlab_documents import moment
from knowhub.http import Missing, linked_pages
from knowhub.sources.gitlab.api import PER_PAGE, Json, ends_everything, iso, objects, touched
from knowhub.sources.gitlab.progress import PREFIXES, Cut, State, parent_of
from knowhub.sources.gitlab.records import Desk, still

log = logging.getLogger(__name__)

LAG = timedelta(minutes=2)
_NUMBER = re.compile(r"\d+")
_HOT = "~"


@dataclass(frozen=True, slots=True)
class Sort:
    """How one kind is asked for. `thread` is what its discussions are asked by."""

    kind: str
    one: str
    path: str
    params: dict[str, Any]
    sign: str
    thread: str = "iid"

    @property
    def prefix(self) -> str:
        return PREFIXES[self.kind]


SORTS = {
    "issues": Sort("issues", "issue", "issues", {"scope": "all", "state": "all"}, "#"),
    "merge_requests": Sort("merge_requests", "merge_request", "merge_requests", {"scope": "all", "state": "all"}, "!"),
    "epics": Sort("epics", "epic", "epics", {"state": "all", "include_descendant_groups": False}, "&", "id"),
}


class Issuables:
    """One kind in one place, for one fetch. `state`: {"w": watermark, "whole": read to the end once}."""

    def __init__(self, desk: Desk, sort: Sort, state: State) -> None:
        self._desk = desk
        self._sort = sort
        self._state = state
        self._met: dict[ItemId, str] = {}
        self._path = f"{desk.place.api}/{sort.path}"
        since = desk.options.since
        self._params = {**sort.params, "updated_after": iso(since) if since else None}

    def fetch(self, *, full: bool, cut: Cut) -> Iterator[Fetched]:
        """`cut()` makes a checkpoint of the state as it is."""
        yield from self._again()
        if not full and self._unchanged():
            return
        if full or "w" not in self._state:
            yield from self._all(cut if "w" not in self._state else None)
            if self._missing() > 0:
                yield from self._walk(moment(self._state["w"]), cut)  # opened since the last page
                self._desk.unaccounted += max(0, self._missing())
            return
        yield from self._walk(moment(self._state["w"]), cut)
        if self._missing():
            log.info("counts differ, listing all", extra={"container": self._desk.place.container})
            yield from self._all(None)
            self._desk.unaccounted += max(0, self._missing())

    # ── walking ──────────────────────────────────────────────────────────────────────────────────────

    def _unchanged(self) -> bool:
        """While something is hot the newest lies beyond the watermark."""
        if not self._state.get("whole"):
            return False
        newest = self._desk.api.newest(self._path, self._params)
        watermark = moment(self._state.get("w"))
        held = len(self._desk.tally.of(self._sort.kind))
        return watermark is not None and newest.touched <= watermark and newest.total in (None, held)

    def _missing(self) -> int:
        """How many more GitLab counts than we hold; below 0, some are gone."""
        counted = self._desk.api.newest(self._path, self._params).total
        return 0 if counted is None else counted - len(self._desk.tally.of(self._sort.kind))

    def _all(self, cut: Cut | None) -> Iterator[Fetched]:
        """From the beginning; `cut` only the first time, when nothing can be lost by going on from the middle."""
        self._met.clear()
        yield from self._walk(self._desk.options.since, cut)
        self._desk.tally.recount(self._sort.kind, self._met)

    def _walk(self, after: datetime | None, cut: Cut | None) -> Iterator[Fetched]:
        watermark = None
        for items, asked_at in self._desk.api.since(self._path, self._sort.params, after):
            for item in items:
                yield from self._one(item, asked_at)
            if items:
                # Never up to the last minutes: what is touched in them may change without being touched again.
                watermark = min(touched(items[-1]), asked_at - LAG)
            if watermark and cut:
                self._state["w"] = iso(watermark)
                yield cut()
        self._state |= {"whole": True, "w": iso(watermark) if watermark else self._state.get("w", _NEVER)}

    def _again(self) -> Iterator[Fetched]:
        """What could not be read the last time, by its number; what is gone meanwhile is removed."""
        parents = {parent_of(item.item): item.location for item in self._desk.tally.wanted(self._sort.kind)}
        for item, location in sorted(parents.items()):
            number = _NUMBER.match(location.partition(self._sort.sign)[2])
            if not number:
                continue
            vendor = self._desk.api.maybe(f"{self._path}/{number[0]}")
            if isinstance(vendor, dict):
                yield from self._one(vendor, self._desk.api.clock.now(), anyway=True)
            else:
                yield from self._desk.removed(self._desk.tally.family(item))

    # ── one thing ────────────────────────────────────────────────────────────────────────────────────

    def _one(self, vendor: Json, asked_at: datetime, *, anyway: bool = False) -> Iterator[Fetched]:
        item = self._desk.item(self._sort.prefix, vendor["id"])
        stamp = f"{self._desk.shape[:8]}/{vendor.get('updated_at')}/{vendor.get('user_notes_count', '')}/"
        if self._met.get(item) == stamp:
            return
        self._met[item] = stamp
        self._desk.tally.add(item)
        if not anyway and self._settled(item, stamp):
            return
        before = self._desk.tally.family(item)
        try:
            found = list(self._read(item, vendor, stamp + _HOT if asked_at - touched(vendor) < LAG else stamp))
        except KnowhubError as error:
            if ends_everything(error):
                raise
            for one in self._desk.tally.family(item) - before:
                self._desk.tally.drop(one)
            gone = isinstance(error, Missing) and self._is_gone(vendor)
            found = (
                list(self._vanished(item)) if gone else [self._desk.failed(item, error.message, self._location(vendor))]
            )
        yield from found

    def _settled(self, item: ItemId, stamp: str) -> bool:
        """The ledger has it as it is, comments too. Of epics no count of comments tells that."""
        known = self._desk.known.get(item)
        if known is None or not known.version.startswith(stamp) or known.version.startswith(stamp + _HOT):
            return False
        family = (self._desk.known.get(one) for one in self._desk.tally.family(item))
        return self._sort.kind != "epics" and all(one is None or one.version for one in family)

    def _is_gone(self, vendor: Json) -> bool:
        """Its discussions cannot be found: is the thing itself gone too, or out of reach?"""
        return self._desk.api.maybe(f"{self._path}/{vendor['iid']}") is None

    def _vanished(self, item: ItemId) -> Iterator[Fetched]:
        self._met.pop(item, None)
        return self._desk.removed(self._desk.tally.family(item))

    def _read(self, item: ItemId, vendor: Json, stamp: str) -> Iterator[Fetched]:
        desk, before = self._desk, self._desk.tally.family(item)
        shown, internal = _divided(self._discussions(vendor))
        acl, location = self._acl(vendor), self._location(vendor)
        there = {item}
        payload = {self._sort.one: still(vendor), "discussions": still(shown)}
        texts = [vendor.get("description"), *(note.get("body") for one in shown for note in one["notes"])]
        yield desk.record(item, self._sort.one, acl, payload, location=location, stamp=stamp)
        for outcome in desk.uploads(item, "\n".join(filter(None, texts)), acl, location, vendor):
            there.add(outcome.item)
            yield outcome
        for note in internal:
            for outcome in self._internal(item, vendor, note, acl):
                there.add(outcome.item)
                yield outcome
        if self._sort.kind == "merge_requests" and "diffs" in desk.options.wanted:
            diff = self._diff(item, vendor, location)
            there.add(diff.item)
            yield diff
        yield from desk.removed(before - there)

    def _discussions(self, vendor: Json) -> list[Json]:
        if vendor.get("user_notes_count") == 0:
            return []
        return self._desk.api.listed(f"{self._path}/{vendor[self._sort.thread]}/discussions")

    def _internal(self, item: ItemId, vendor: Json, note: Json, acl: Acl) -> Iterator[Any]:
        desk = self._desk
        own, location = desk.item(item, "note", note["id"]), f"{self._location(vendor)} (internal note {note['id']})"
        narrower = acl if desk.options.readers else acl & Acl((desk.place.confidants,))
        on = {"title": vendor.get("title"), "web_url": vendor.get("web_url")}
        yield desk.record(own, "note", narrower, {"note": still(note), "on": on}, location=location)
        yield from desk.uploads(own, str(note.get("body") or ""), narrower, location, note)

    def _diff(self, item: ItemId, vendor: Json, location: str) -> Any:
        desk = self._desk
        files = [
            file
            for reply in linked_pages(desk.api.http, f"{self._path}/{vendor['iid']}/diffs", {"per_page": PER_PAGE})
            for file in objects(reply)
        ]
        kept = ("iid", "title", "web_url", "state", "draft", "author", "created_at", "updated_at")
        payload = {"merge_request": still({key: vendor.get(key) for key in kept}), "diffs": files}
        acl = desk.acl("merge_requests", *desk.place.acl("diffs").layers[1:])
        return desk.record(desk.item(item, "diff"), "diff", acl, payload, location=f"{location}/diffs")

    def _acl(self, vendor: Json) -> Acl:
        """Confidential: those whose role lets them, and the author and assignees of an issue."""
        place = self._desk.place
        # Some versions write the flag of epics as a text; what is not clearly open is closed.
        if vendor.get("confidential") in (False, None, "false"):
            return self._desk.acl(self._sort.kind)
        named = [vendor.get("author"), *(vendor.get("assignees") or [vendor.get("assignee")])]
        people = frozenset().union(*map(place.user, named)) if self._sort.kind == "issues" else frozenset()
        return self._desk.acl(self._sort.kind, place.confidants | people)

    def _location(self, vendor: Json) -> str:
        return f"{self._desk.place.path}{self._sort.sign}{vendor['iid']}"


_NEVER = "1970-01-01T00:00:00.000Z"


def _divided(discussions: list[Json]) -> tuple[list[dict[str, Any]], list[Json]]:
    """Discussions as everybody sees them, and internal notes. What GitLab itself wrote into them is left out."""
    shown: list[dict[str, Any]] = []
    internal: list[Json] = []
    for discussion in discussions:
        notes = [note for note in discussion.get("notes") or [] if note.get("system") is not True]
        open_notes = [note for note in notes if not _is_internal(note)]
        internal += [note for note in notes if _is_internal(note)]
        if open_notes:
            shown.append({**discussion, "notes": open_notes})
    return shown, internal


def _is_internal(note: Json) -> bool:
    """Old versions say `confidential`. A reply is as narrow as what it answers; GitLab marks it itself."""
    return bool(note.get("internal") or note.get("confidential"))
