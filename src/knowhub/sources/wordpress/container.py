"""One post type's part of a sync: what is new at the top of its listing, then, where time or a count says so, a census.

first time    walk all by number, a checkpoint a page ▸ the newest edits ▸ count
every time    the 100 newest edits without content ▸ fetch what differs ▸ count
now and then  numbers, times and fields of everything ▸ fetch what differs ▸ Census

The order of edits is by the site's local time, which runs backwards once a year: a page in which nothing differs ends
the look at the newest, whatever its times say, and when the site's distance from UTC changes all is listed.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from knowhub.connecting.versions import due
from knowhub.core.ports import Known
from knowhub.core.types import (
    Census,
    Checkpoint,
    ContainerId,
    Counted,
    Failed,
    Fetched,
    Gap,
    ItemId,
    Skipped,
)
from knowhub.http import Refused, Rejected
from knowhub.sources.wordpress import items as wp
from knowhub.sources.wordpress.errors import code_of, faulty_parameters, plainly
from knowhub.sources.wordpress.listing import MOST, Collection, Page
from knowhub.sources.wordpress.names import Names
from knowhub.sources.wordpress.records import Outcome, Records
from knowhub.sources.wordpress.site import PostType, Site
from knowhub.sources.wordpress.state import State, TypeState

log = logging.getLogger(__name__)

_NO_EDITING = frozenset(("rest_forbidden_context", "rest_forbidden_status", "rest_invalid_param"))
_ROLE = "give the user the role Editor, or take the credentials away"


@dataclass(slots=True)
class Context:
    """What the post types of one sync share.

    `dirty`: items whose comments changed. `parents`: posts that became readable for others than before, so that media
    which hang on them are looked at again; `vanished`: some are gone, so that all media are looked at. `moved_clock`:
    the site's distance from UTC is another than at the last sync.
    """

    site: Site
    known: Known
    names: Names
    records: Records
    state: State
    now: datetime
    moved_clock: bool = False
    dirty: set[ItemId] = field(default_factory=set)
    parents: set[int] = field(default_factory=set)
    vanished: bool = False


class PostTypeSync:
    """`run` yields all of one container, its Census, Counted or Gap last."""

    def __init__(self, context: Context, kind: PostType) -> None:
        self._context = context
        self._kind = kind
        self._container = ContainerId(kind.slug)
        self._state = context.state.types.setdefault(kind.slug, TypeState())
        self._editing = context.site.options.signed_in
        self._held = {one.item for one in context.known.in_container(self._container)}
        self._seen: dict[ItemId, str] = {}
        """What this sync met: the version that the hub will have, `left out`, or "" for what failed."""
        self._unordered = False
        self._totals: dict[str, int | None] = {}

    def run(self) -> Iterator[Fetched]:
        try:
            yield from self._run()
        except (Refused, Rejected) as error:
            if not self._editing or code_of(error) not in _NO_EDITING:
                raise
            # Without the right to edit, what is public is read, and the gap says what is missing.
            self._editing = False
            listing = (Census, Counted)
            yield from (one for one in self._run() if not isinstance(one, listing))
            yield Gap(self._container, self._kind.name, f"only what is public is read ({plainly(error)}); {_ROLE}")

    def _run(self) -> Iterator[Fetched]:
        resumed = any(view.offset for view in self._state.views.values())
        walking = [language for language in self._languages() if not self._state.view(language).walked]
        for language in walking:
            yield from self._walk(language)
        overdue = not walking and self._state.settled and self._is_overdue()
        for language in () if overdue else self._languages():
            try:
                yield from self._newest(language)
            except Rejected as error:
                if "orderby" not in faulty_parameters(error):
                    raise
                self._unordered = True  # a type with a controller of its own: all of it is compared
        yield from self._called_for()
        if self._kind.media and not walking and not overdue:
            yield from self._of_parents()
        if walking and not resumed:
            yield self._listed(set(self._seen))
        elif not self._state.settled and not self._unordered and self._resumes_well():
            yield self._counted()
        elif self._wants_census():
            yield from self._census()
        else:
            yield self._counted()

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def _walk(self, language: str) -> Iterator[Fetched]:
        view = self._state.view(language)
        for page in self._collection(language).upwards(view.offset, view.last):
            yield from self._take(self._without_repeated(page), language)
            view.offset, view.last = page.offset, page.last
            view.shown += len(page.items) + len(page.broken)
            yield Checkpoint(self._context.state.json())
        view.walked = True
        yield Checkpoint(self._context.state.json())

    def _without_repeated(self, page: Page) -> Page:
        """Of a page of a language, what no language before it had."""
        new = [item for item in page.items if wp.item_id(item["id"]) not in self._seen]
        self._state.overlapping |= len(new) < len(page.items)
        return replace(page, items=new)

    def _newest(self, language: str) -> Iterator[Fetched]:
        same: set[int] = set()
        for page in self._collection(language).downwards("modified", _fields=self._fields()):
            self._totals[language] = page.total
            differing = yield from self._compare(page, language)
            same = set() if differing else same | set(wp.numbers(page.items))
            if len(same) >= min(MOST // 2, len(self._everything())):
                return

    def _called_for(self) -> Iterator[Fetched]:
        """What failed before, and what has other comments."""
        numbers = [
            wp.number_of(one.item)
            for one in self._context.known.in_container(self._container)
            if one.item not in self._seen and (not one.version or one.item in self._context.dirty)
        ]
        for language in self._languages():
            page = self._collection(language).named(numbers)
            yield from self._take(page, language)
            numbers = [number for number in numbers if wp.item_id(number) not in self._seen]

    def _of_parents(self) -> Iterator[Fetched]:
        """Media of posts that were opened or closed."""
        parents = sorted(self._context.parents)
        for start in range(0, len(parents), MOST):
            some = ",".join(map(str, parents[start : start + MOST]))
            for language in self._languages():
                for page in self._collection(language).upwards(parent=some, _fields=self._fields()):
                    yield from self._compare(page, language)

    def _census(self) -> Iterator[Fetched]:
        ids: set[ItemId] = set()
        for language in self._languages():
            for page in self._collection(language).upwards(_fields=self._fields()):
                here = {wp.item_id(number) for number in [*wp.numbers(page.items), *page.broken]}
                self._state.overlapping |= len(self._languages()) > 1 and not here.isdisjoint(ids)
                ids |= here
                self._totals[language] = page.total
                yield from self._compare(page, language, anew=True)
        if self._total is not None and self._total > len(ids):
            ids |= yield from self._still_there(self._held - ids)
        for gone in self._held - ids:
            self._context.vanished = True
            self._context.records.opened.setdefault(wp.number_of(gone), "")  # unless it moved to another type
        yield self._listed(ids)

    def _still_there(self, missing: set[ItemId]) -> Generator[Fetched, None, set[ItemId]]:
        """Asks by number for what a listing lacks that is shorter than its count: its silence is no deletion."""
        found: set[ItemId] = set()
        for language in self._languages() if missing else ():
            page = self._collection(language).named([wp.number_of(one) for one in sorted(missing - found)])
            found |= {wp.item_id(number) for number in wp.numbers(page.items)}
            yield from self._take(page, language)
        return found

    # ── what a page says ─────────────────────────────────────────────────────────────────────────────

    def _compare(self, page: Page, language: str, *, anew: bool = False) -> Generator[Fetched, None, bool]:
        """Fetch what a light listing shows to be other than what the hub has; whether there was any."""
        shown = self._context.records.public(self._kind, page.items, language, anew=anew)
        differing, skipped = [], False
        for item in page.items:
            if reason := self._context.records.reason(self._kind, item, editing=self._editing):
                if self._version_of(wp.item_id(item["id"])) != wp.LEFT_OUT:
                    skipped = True
                    yield self._noted(self._context.records.skipped(self._kind, item, reason))
            elif self._differs(item, shown):
                differing.append(item["id"])
        for number, why in page.broken.items():
            if not self._version_of(wp.item_id(number)):
                yield self._noted(Failed(self._container, wp.item_id(number), why, f"{self._kind.slug}/{number}"))
        if differing:
            yield from self._take(self._collection(language).named(differing), language)
        return skipped or bool(differing)

    def _differs(self, item: dict[str, Any], shown: set[int]) -> bool:
        told, met = self._version_of(wp.item_id(item["id"])), wp.item_id(item["id"]) in self._seen
        modified = str(item.get("modified_gmt") or "")
        if told == wp.LEFT_OUT:
            return self._state.large.get(str(item["id"])) != modified
        version = wp.Version.parse(told)
        if version is None:
            return not met  # what failed a moment ago waits for the next sync
        if version.modified != modified or (version.fresh and not met):
            return True
        records = self._context.records
        return (version.light, version.access) != (records.light(self._kind, item), records.access(item, shown))

    def _version_of(self, item: ItemId) -> str:
        """What the hub has of it in this container; "" if nothing."""
        if item in self._seen:
            return self._seen[item]
        held = self._context.known.get(item)
        return held.version if held and held.container == self._container else ""

    def _take(self, page: Page, language: str) -> Iterator[Fetched]:
        """Records of whole items."""
        edits = {wp.item_id(item["id"]): str(item.get("modified_gmt") or "") for item in page.items}
        for item in page.items:
            self._state.fields |= wp.learned_from(item)
        for outcome in self._context.records.of(self._kind, page, language=language, editing=self._editing):
            if isinstance(outcome, Skipped) and outcome.reason == wp.TOO_LARGE:
                self._state.large[str(wp.number_of(outcome.item))] = edits[outcome.item]
            yield self._noted(outcome)

    def _noted(self, outcome: Outcome) -> Outcome:
        before = wp.Version.parse(self._version_of(outcome.item))
        if isinstance(outcome, (Skipped, Failed)):
            self._seen[outcome.item] = wp.LEFT_OUT if isinstance(outcome, Skipped) else ""
            return outcome
        self._seen[outcome.item] = outcome.version
        now = wp.Version.parse(outcome.version)
        if now and not self._kind.media:
            self._context.records.opened[wp.number_of(outcome.item)] = now.access
        if not self._kind.media and (before is None or now is None or before.access != now.access):
            self._context.parents.add(wp.number_of(outcome.item))
        return outcome

    # ── counts ───────────────────────────────────────────────────────────────────────────────────────

    def _everything(self) -> set[ItemId]:
        return self._held | self._seen.keys()

    @property
    def _total(self) -> int | None:
        """What the source counts, hidden ones included; None where a proxy stripped the header."""
        if self._state.overlapping:
            return None
        totals = [total for total in self._totals.values() if total is not None]
        return sum(totals) if len(totals) == len(self._languages()) else None

    def _is_overdue(self) -> bool:
        """Whether a census is to be made whatever the newest edits are: then nobody needs to look at them."""
        state, context = self._state, self._context
        if self._unordered or state.stale or context.moved_clock or (self._kind.media and context.vanished):
            return True
        return due(state.census, context.site.options.census_hours, context.now)

    def _wants_census(self) -> bool:
        wrong = self._total is not None and self._total != len(self._everything()) + self._state.hidden
        return wrong or self._is_overdue()

    def _resumes_well(self) -> bool:
        """Whether a first walk that was cut short and went on needs no second one now: counts say that nothing went.

        Where there is no count, or one with hidden media in it, the census follows at the next sync.
        """
        there, total = len(self._everything()), self._total
        if self._state.stale or (total not in (None, there) and not self._kind.media):
            return False
        if total == there:
            self._state.found = (0, self._context.now.isoformat())
            return True
        shown = sum(view.shown for view in self._state.views.values())
        self._state.found = (max(0, (total or shown) - shown), None)
        return total is None or there == shown

    def _listed(self, ids: set[ItemId]) -> Census:
        """What a complete listing found. Where the count says less, something went meanwhile: list again next time."""
        total = len(ids) if self._total is None else self._total
        self._state.found = (max(0, total - len(ids)), self._context.now.isoformat() if total >= len(ids) else None)
        expected = len(ids) if self._kind.media else max(total, len(ids))
        return Census(self._container, self._kind.name, frozenset(ids), expected)

    def _counted(self) -> Counted:
        # Media of posts that are hidden from us are counted and never shown.
        there = len(self._everything())
        expected = there if self._kind.media or self._total is None else self._total
        return Counted(self._container, self._kind.name, expected)

    # ── how to ask ───────────────────────────────────────────────────────────────────────────────────

    def _languages(self) -> Sequence[str]:
        return self._context.site.options.languages or ("",)

    def _collection(self, language: str) -> Collection:
        params: dict[str, Any] = {"lang": language} if language else {}
        if since := self._context.site.options.since:
            # With a zone it is a moment; without one it would be the site's local time.
            params["modified_after"] = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if self._editing:
            params |= {"context": "edit", "status": "inherit,private" if self._kind.media else "any"}
        return self._context.site.collection(self._kind.route, params)

    def _fields(self) -> str:
        taxonomies = self._context.names.taxonomies(self._kind)
        return wp.light_fields(self._kind, taxonomies, sorted(self._state.fields), editing=self._editing)
