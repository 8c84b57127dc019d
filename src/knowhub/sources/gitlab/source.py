"""The GitLab source: places in scope ▸ kinds in a place ▸ what changed; one bad kind never stops another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime

from knowhub.connecting.versions import due
from knowhub.core.errors import AccessDenied, KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import (
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Counted,
    Cursor,
    Fetched,
    Gap,
    Membership,
    Person,
    SourceName,
)
from knowhub.http import SYSTEM_CLOCK, Clock, Missing, Refused
from knowhub.sources.gitlab.access import REPORTER, Access
from knowhub.sources.gitlab.api import Api, ends_everything
from knowhub.sources.gitlab.issuables import SORTS, Issuables
from knowhub.sources.gitlab.options import GitLabOptions
from knowhub.sources.gitlab.pages import LISTINGS
from knowhub.sources.gitlab.progress import PREFIXES, Cut, Progress, State
from knowhub.sources.gitlab.records import Desk
from knowhub.sources.gitlab.repository import Commits, Files, head_of
from knowhub.sources.gitlab.scope import Place, Scope, shape

log = logging.getLogger(__name__)

_READ = "read_api"
_CURE = (
    "Make a token with the scope read_api (User settings ▸ Access tokens, or the group's or project's settings) whose"
    " role is Reporter or above"
)


class GitLabSource:
    """One project is one container, and one group for its epics."""

    def __init__(self, name: SourceName, options: GitLabOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._wanted = options.wanted
        self._clock = clock
        self._api = Api(options, clock)
        self._scope = Scope(name, options, self._api)
        self._access = Access(name, options, Scope(name, options, self._api), self._api)

    # ── what is wrong ────────────────────────────────────────────────────────────────────────────────

    def check(self) -> list[str]:
        try:
            found = [*self._check_token()]
            places = self._scope.places()
        except Refused as error:
            return [f"{error.message}. {_CURE}."]
        except KnowhubError as error:
            return [str(error)]
        found += [f"{one.error}." for one in self._scope.unlisted]
        found += self._check_roles(places)
        if not places and not found:
            found.append("no project is chosen that the token's owner may read; add it to one.")
        return found

    def _check_token(self) -> Iterator[str]:
        """https://docs.gitlab.com/api/personal_access_tokens/: project and group tokens are answered as well."""
        token = self._api.maybe("personal_access_tokens/self")
        scopes = token.get("scopes") if isinstance(token, dict) else None
        if isinstance(scopes, list) and not {_READ, "api"} & set(scopes):
            yield f"the token has the scopes {', '.join(map(str, scopes))}, not {_READ}. {_CURE}."

    def _check_roles(self, places: list[Place]) -> Iterator[str]:
        """A Guest of a private project is shown its issues and no code, merge requests or confidential issues."""
        short = [
            place.path for place in places if place.vendor.get("visibility") == "private" and _role(place) < REPORTER
        ]
        if short:
            names = ", ".join(short[:5]) + (f" and {len(short) - 5} more" if short[5:] else "")
            yield f"the token's owner is only a Guest of {names}; make it a Reporter there."

    # ── who may read ─────────────────────────────────────────────────────────────────────────────────

    def people(self) -> Iterator[Person]:
        return self._access.people()

    def memberships(self) -> Iterator[Membership]:
        return self._access.memberships()

    # ── what there is ────────────────────────────────────────────────────────────────────────────────

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        progress = Progress.of(cursor)
        places = self._scope.places()
        if not places and self._scope.unlisted and not progress.places:
            raise AccessDenied(self._scope.unlisted[0].error, cure=_CURE)
        censuses: dict[ContainerId, str] = {}
        for place in places:
            yield from self._place(place, progress, known, censuses)
        yield from self._elsewhere(places, progress, known, censuses)
        for container, at in censuses.items():
            progress.places[container]["census"] = at
        progress.round.clear()
        yield Checkpoint(progress.cursor(), last=True)

    def _elsewhere(
        self, places: list[Place], progress: Progress, known: Known, censuses: dict[ContainerId, str]
    ) -> Iterator[Fetched]:
        """Places that are known and were not listed: gone, unless a listing failed or a page lost them."""
        left = {item.container for item in known.items()} | {ContainerId(one) for one in progress.places}
        open_gaps: set[ContainerId] = set()
        for container in sorted(left - {place.container for place in places}):
            here = self._scope.still_there(container)
            if here is not None:
                yield from self._place(here, progress, known, censuses)
            elif self._scope.unlisted:
                open_gaps.add(container)
                yield self._gap(container, str(progress.places.get(container, {}).get("path") or container))
            else:
                progress.places.pop(container, None)
                yield ContainerGone(container)
        for one in self._scope.unlisted:
            if one.container not in open_gaps:
                yield Gap(one.container, one.name, one.error)

    def _gap(self, container: ContainerId, name: str) -> Gap:
        """It may lie in what could not be listed."""
        unlisted = self._scope.unlisted
        error = next((one.error for one in unlisted if container in one.container or name == one.name), "")
        return Gap(container, name, error or f"it may lie in what cannot be read: {unlisted[0].error}")

    def _place(
        self, place: Place, progress: Progress, known: Known, censuses: dict[ContainerId, str]
    ) -> Iterator[Fetched]:
        now, own = self._clock.now(), shape(place, self._options)
        state = progress.place(place.container, own, now)
        state["path"] = place.path
        visit = _Visit(Desk(place, self._options, self._api, known, own), progress, state, self._wanted, now)
        # What an interrupted first reading has read is not counted over before that is whole.
        begun = progress.in_round(place.container, now) or not state.get("whole")
        visit.full = due(state["census"], self._options.census_hours, now) and not begun
        yield from visit.fetch()
        state["whole"] = True
        tally = visit.desk.tally
        log.info("place read", extra={"container": place.container, "items": len(tally.items), "gaps": len(visit.gaps)})
        expected = len(tally.items) + visit.desk.unaccounted
        if visit.gaps:
            yield Gap(place.container, place.path, "; ".join(visit.gaps))
        elif tally.recounted:
            yield Census(place.container, place.path, frozenset(tally.items), expected)
        else:
            yield Counted(place.container, place.path, expected)
        if visit.full and not visit.gaps:
            censuses[place.container] = now.isoformat()


def _role(place: Place) -> int:
    """The token owner's access level as the API tells it beside a project; unknown counts as enough."""
    permissions = place.vendor.get("permissions")
    if not isinstance(permissions, dict):
        return REPORTER
    given = [one.get("access_level") for one in permissions.values() if isinstance(one, dict)]
    return max((level for level in given if isinstance(level, int)), default=REPORTER if not given else 0)


class _Visit:
    """One place in one fetch. `full`: list everything, to know what is gone."""

    def __init__(self, desk: Desk, progress: Progress, state: State, wanted: tuple[str, ...], now: datetime) -> None:
        self.desk = desk
        self.gaps: list[str] = []
        self.full = False
        self._progress = progress
        self._state = state
        self._wanted = wanted
        self._now = now
        self._head: str | None = None

    def fetch(self) -> Iterator[Fetched]:
        here = [kind for kind in PREFIXES if (kind == "epics") == (self.desk.place.kind == "group")]
        for kind in here:
            if kind not in self._wanted or self.desk.place.level(kind) == "disabled":
                self._leave_out(kind)
            elif self.full or not self._progress.just_read(self.desk.place.container, kind, self._now):
                yield from self._kind(kind)

    def _leave_out(self, kind: str) -> None:
        self._state["kinds"].pop(kind, None)
        if any(item.startswith(f"{PREFIXES[kind]}:") for item in self.desk.tally.items):
            self.desk.tally.recount(kind, ())

    def _kind(self, kind: str) -> Iterator[Fetched]:
        try:
            yield from self._read(kind)
        except KnowhubError as error:
            if ends_everything(error):
                raise
            if kind == "epics" and not self.desk.options.kinds and isinstance(error, (Refused, Missing)):
                self._leave_out(kind)  # a tier without epics
            else:
                self.gaps.append(f"{kind.replace('_', ' ')}: {error.message}{self._cure(error)}")
            return
        if not self.full:
            self._progress.read(self.desk.place.container, kind, self.desk.api.clock.now())
        yield self._cut()

    def _read(self, kind: str) -> Iterator[Fetched]:
        state: State = self._state["kinds"].setdefault(kind, {})
        cut: Cut = self._cut
        if kind in SORTS:
            return Issuables(self.desk, SORTS[kind], state).fetch(full=self.full, cut=cut)
        if kind in LISTINGS:
            return LISTINGS[kind](self.desk, state).fetch(full=self.full)
        if self._head is None:
            self._head = head_of(self.desk)
        reader = Files if kind == "files" else Commits
        return reader(self.desk, state, self._head).fetch(full=self.full, cut=cut)

    def _cut(self) -> Checkpoint:
        return Checkpoint(self._progress.cursor())

    @staticmethod
    def _cure(error: KnowhubError) -> str:
        if isinstance(error, (Refused, Missing)):
            return "; give the token's owner the role Reporter here, or leave this kind out of `kinds`"
        return ""
