"""What one fetch has to do: which things the feed named, and which kinds of which projects are listed whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from knowhub.connecting.versions import digest, due
from knowhub.core.errors import KnowhubError
from knowhub.core.types import ContainerId
from knowhub.sources.backlog.api import Project, not_licensed, number_of
from knowhub.sources.backlog.feed import Touched, follow
from knowhub.sources.backlog.options import BacklogOptions
from knowhub.sources.backlog.reading import Reader
from knowhub.sources.backlog.records import container_of
from knowhub.sources.backlog.state import PREFIXES, ProjectState, wanted

_FEED_OVERLAP = timedelta(minutes=10)
_AT_ONCE = 50
"""Projects named in one request."""
_KIND_OF = {prefix: kind for kind, prefix in PREFIXES.items()}


@dataclass(slots=True)
class Plan:
    """`whole` are kinds to list by project, `again` items to read anew there, `reshaped` projects that look different.

    `touched` is what the feed named, `counted` the kinds of which something came, changed or went.
    """

    reader: Reader
    options: BacklogOptions
    now: datetime
    whole: dict[int, list[str]] = field(default_factory=dict)
    again: dict[int, set[str]] = field(default_factory=dict)
    reshaped: set[int] = field(default_factory=set)
    touched: dict[int, Touched] = field(default_factory=dict)
    counted: dict[ContainerId, set[str]] = field(default_factory=dict)

    def make(self) -> None:
        """Read the feed, and look at each project's schedule."""
        if self.reader.state.activity is None:
            self._begin()
        else:
            self._follow()
        failed = wanted(self.reader.known)
        for project in self.reader.projects.values():
            self._plan(project)
            self._plan_again(project, failed.get(container_of(project), set()))

    def kinds(self, project: Project) -> list[str]:
        """What there is to read in a project."""
        return [kind for kind in self.options.chosen if project.useful.get(kind, True)]

    def begun(self, project: Project) -> list[str]:
        """Kinds whose first reading was begun or finished."""
        mine = self.mine(project)
        return [kind for kind in self.kinds(project) if mine.unread.get(kind) != {} and (mine.unread or mine.listed)]

    def mine(self, project: Project) -> ProjectState:
        return self.reader.state.projects[str(project.id)]

    def list_whole(self, project: Project, kind: str) -> None:
        kinds = self.whole.get(project.id, [])
        if kind in self.kinds(project) and kind not in kinds:
            self.whole[project.id] = [*kinds, kind]

    def count(self, container: ContainerId, item: str) -> None:
        """Something happened to an item: its kind is counted afterwards."""
        self.counted.setdefault(container, set()).add(_KIND_OF[item.partition(":")[0]])

    @contextmanager
    def tolerating(self, kind: str, projects: Iterable[Project]) -> Iterator[None]:
        """What cannot be asked for all projects at once is listed in each of them, which then tells why."""
        try:
            yield
        except KnowhubError as error:
            self.reader.weigh(error)
            for project in () if not_licensed(error) else projects:
                self.list_whole(project, kind)

    def _begin(self) -> None:
        """Before anything is read: whatever changes from here on is followed by the next fetch."""
        state, space = self.reader.state, self.reader.space
        state.activity = space.newest_activity()
        projects = list(self.reader.projects.values())
        for kind in ("issues", "documents"):
            newest = [""]
            with self.tolerating(kind, projects):
                newest += [space.newest(kind, [one.id for one in some]) for some in slices(projects)]
            setattr(state, kind, max(newest))

    def _follow(self) -> None:
        """Read the feed. What is newer than a few minutes is kept in mind: it may still fill up behind our back."""
        state = self.reader.state
        settled = f"{self.now - _FEED_OVERLAP:%Y-%m-%dT%H:%M:%SZ}"
        seen, mark, recent = set(state.recent), state.activity or 0, []
        for activities in self.reader.space.activities(mark):
            follow((one for one in activities if number_of(one) not in seen), self.touched)
            for one in activities:
                if str(one.get("created") or "") <= settled:
                    mark = number_of(one)
                else:
                    recent.append(number_of(one))
        state.activity, state.recent = mark, recent
        self.touched = {id: touched for id, touched in self.touched.items() if id in self.reader.projects and touched}

    def _plan(self, project: Project) -> None:
        """A project that is new, or looks different now, or was not listed for long, is listed whole."""
        state, container = self.reader.state, container_of(project)
        shape = [project.key, digest(project.shape, self.options.kinds, self.options.attachments,
                                     self.options.changes, self.options.readers, self.options.since)]  # fmt: skip
        mine = state.projects.get(str(project.id))
        kinds = self.kinds(project)
        if mine is None:
            fresh = not self.reader.known.in_container(container)
            unread: dict[str, dict[str, object]] = {kind: {} for kind in kinds} if fresh else {}
            mine = state.projects[str(project.id)] = ProjectState(shape, unread)
        if mine.shape != shape:
            if mine.shape[0] != project.key and mine.shape[0] not in mine.former:
                mine.former.append(mine.shape[0])
            mine.former = [key for key in mine.former if key != project.key]
            mine.shape = shape
            self.reshaped.add(project.id)
        if project.id in self.reshaped or (not mine.unread and due(mine.listed, self.options.census_hours, self.now)):
            mine.unread = {}
            self.whole[project.id] = kinds
        elif mine.broken:
            self.whole[project.id] = [kind for kind in kinds if kind in mine.broken]

    def _plan_again(self, project: Project, items: set[str]) -> None:
        """What failed before is read again, as if the feed had named it; where that takes a list, the list is read."""
        touched = self.touched.setdefault(project.id, Touched()) if items else Touched()
        for item in items:
            prefix, _, identity = item.partition(":")
            if prefix == "issue" and identity.isdecimal():
                touched.issues.add(int(identity))
            elif prefix == "wiki" and identity.isdecimal():
                touched.wikis.add(int(identity))
            elif prefix == "document":
                touched.documents.add(identity)
            elif prefix in _KIND_OF:
                self.list_whole(project, _KIND_OF[prefix])
                self.again.setdefault(project.id, set()).add(item)


def slices(projects: list[Project]) -> Iterator[list[Project]]:
    """As many projects as one request names."""
    for start in range(0, len(projects), _AT_ONCE):
        yield projects[start : start + _AT_ONCE]
