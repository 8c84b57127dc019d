"""One fetch of a space: what the feed and the latest changes name, then whole projects where that is due.

projects ▸ feed since the cursor ▸ changed issues and documents ▸ what else the feed named ▸ checkpoint
         ▸ projects never read, goes on where it was ▸ projects whose census is due, or whose counts do not agree
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass

from knowhub.connecting.versions import due
from knowhub.core.errors import AccessDenied, KnowhubError
from knowhub.core.types import (
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
)
from knowhub.sources.backlog.api import Project
from knowhub.sources.backlog.changes import Changes
from knowhub.sources.backlog.listing import Listing, Reached, recheck_since
from knowhub.sources.backlog.plan import Plan
from knowhub.sources.backlog.reading import Outcome, Reader
from knowhub.sources.backlog.records import container_of
from knowhub.sources.backlog.state import PREFIXES, containers_of, is_attached, parent_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Fetching:
    """Carries out the plan of one fetch."""

    plan: Plan

    @property
    def reader(self) -> Reader:
        return self.plan.reader

    def run(self) -> Iterator[Fetched]:
        state = self.reader.state
        before = containers_of(self.reader.known) | set(map(ContainerId, state.projects))
        for container in sorted(before - {str(one) for one in self.reader.projects}):
            yield ContainerGone(container)
        state.projects = {id: p for id, p in state.projects.items() if int(id) in self.reader.projects}
        self.plan.make()
        yield from Changes(self.plan).read()
        yield Checkpoint(state.cursor())
        for project in self.reader.projects.values():
            yield from self._first(project)
        yield from self._settle()
        yield Checkpoint(state.cursor(), last=True)

    def _settle(self) -> Iterator[Fetched]:
        """Censuses where they are due, counts where something changed; where they differ, a census after all."""
        resting, made = self.reader.state.cursor(), set()
        for _ in range(2):
            for project in self.reader.projects.values():
                if project.id in self.plan.whole and project.id not in made:
                    made.add(project.id)
                    yield from self._census(project, resting)
            for project in self.reader.projects.values():
                if project.id not in made:
                    yield from self._tell(project)

    # ── whole projects ───────────────────────────────────────────────────────────────────────────────

    def _first(self, project: Project) -> Iterator[Fetched]:
        """The first reading of a project, page by page; a fetch that is killed goes on here."""
        mine = self.plan.mine(project)
        if not mine.unread:
            return
        mine.began = mine.began or self.plan.now.isoformat()
        listing = Listing(self.reader, project)
        for kind in list(mine.unread):
            try:
                for outcome in self._passed(listing.read(kind, mine.unread[kind])):
                    if isinstance(outcome, Reached) and outcome.place is not None:
                        mine.unread[kind] = dict(outcome.place)
                    yield Checkpoint(self.reader.state.cursor()) if isinstance(outcome, Reached) else outcome
            except KnowhubError as error:
                self.reader.weigh(error)
                mine.broken.append(kind)
            mine.unread = {other: place for other, place in mine.unread.items() if other != kind}
            if mine.unread:
                yield Checkpoint(self.reader.state.cursor())
        resumed, mine.listed, mine.began = mine.began != self.plan.now.isoformat(), mine.began, None
        if resumed and due(mine.listed, self.plan.options.census_hours, self.plan.now):
            # What was read before the break may have changed since in ways that only a census finds.
            self.plan.whole[project.id] = self.plan.kinds(project)
        self.plan.counted[container_of(project)] = set(self.plan.kinds(project))
        for kind in mine.broken:
            self.plan.list_whole(project, kind)
        yield from self._tell(project)
        yield Checkpoint(self.reader.state.cursor())

    def _census(self, project: Project, resting: Cursor) -> Iterator[Fetched]:
        """All that exists, and what does no more. The cursor rests meanwhile: a census that is cut is made again."""
        mine, kinds = self.plan.mine(project), self.plan.whole[project.id]
        listing = Listing(
            self.reader,
            project,
            again=frozenset(self.plan.again.get(project.id, ())),
            everything=project.id in self.plan.reshaped,
            recheck_since=recheck_since(self.plan.options.recheck_days, self.plan.now),
        )
        trouble: dict[str, str] = {}
        for kind in kinds:
            try:
                for outcome in self._passed(listing.read(kind, {})):
                    yield Checkpoint(resting) if isinstance(outcome, Reached) else outcome
            except KnowhubError as error:
                self.reader.weigh(error)
                trouble[kind] = _sentence(kind, error)
        if set(kinds) == set(self.plan.kinds(project)):
            mine.listed = self.plan.now.isoformat()
        mine.broken = sorted(trouble)
        if trouble:
            yield Gap(container_of(project), project.key, "; ".join(trouble.values()))
            return
        items = self._there(project, listing, kinds)
        expected = self._expected(project, items, kinds)
        if expected.trouble:
            yield Gap(container_of(project), project.key, expected.trouble)
        else:
            yield Census(container_of(project), project.key, items, expected.parts)

    def _passed(self, outcomes: Iterator[Outcome | Reached]) -> Iterator[Outcome | Reached]:
        """The outcomes; a thing that came from another project leaves that one to be counted again."""
        for outcome in outcomes:
            if isinstance(outcome, RawRecord | Failed):
                before = self.reader.known.get(outcome.item)
                if before and before.container != outcome.container:
                    self.plan.count(before.container, outcome.item)
            yield outcome

    def _there(self, project: Project, listing: Listing, kinds: list[str]) -> frozenset[ItemId]:
        """What is in the project: as listed, and of kinds that were not listed what is known."""
        shelf = self.reader.shelves[container_of(project)]
        found: set[ItemId] = set()
        for kind in self.plan.kinds(project):
            mine = shelf.with_attachments(kind)
            found |= {item for item in mine if parent_of(item) in listing.listed} if kind in kinds else mine
        return frozenset(item for item in found if self.plan.options.attachments or not is_attached(item))

    def _tell(self, project: Project) -> Iterator[Fetched]:
        """How many things there are by the space's own counts. Where the hub has not as many, a census is due."""
        container = container_of(project)
        kinds = self.plan.counted.pop(container, set())
        if not kinds or project.id in self.plan.whole:
            return
        items = frozenset(self.reader.shelves[container].items)
        expected = self._expected(project, items, sorted(kinds))
        if expected.trouble:
            yield Gap(container, project.key, expected.trouble)
        elif not expected.differing:
            yield Counted(container, project.key, expected.parts)
        for kind in expected.differing:
            log.info("counts differ", extra={"project": project.key, "kind": kind})
            self.plan.list_whole(project, kind)

    def _expected(self, project: Project, items: frozenset[ItemId], kinds: list[str]) -> _Expected:
        """How many parts the project has, of `kinds` by the space's counts."""
        listing = Listing(self.reader, project)
        parts, differing, trouble = sum(map(is_attached, items)), [], []
        for kind in self.plan.kinds(project):
            held = sum(item.startswith(f"{PREFIXES[kind]}:") and not is_attached(item) for item in items)
            try:
                count = listing.count(kind) if kind in kinds else None
            except KnowhubError as error:
                self.reader.weigh(error)
                trouble.append(_sentence(kind, error))
                self.plan.mine(project).broken.append(kind)
                continue
            if count is not None and count != held:
                differing.append(kind)
            parts += held if count is None else count
        return _Expected(parts, differing, "; ".join(trouble))


@dataclass(frozen=True, slots=True)
class _Expected:
    """A project's parts by the space's own counts, the kinds that have more or fewer here, and what refuses."""

    parts: int
    differing: list[str]
    trouble: str


def _sentence(kind: str, error: KnowhubError) -> str:
    what = kind.replace("_", " ")
    if isinstance(error, AccessDenied):
        cure = "give the token's user a role that may, or name the other kinds in `kinds`"
        return f"{what} cannot be read ({error.message}); {cure}"
    return f"{what} cannot be listed: {error.message}"
