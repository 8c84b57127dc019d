"""The moves that look: status and check."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from knowhub.core.errors import KnowhubError
from knowhub.core.ports import DirectoryState, Run, StoredBatch, StoredItem
from knowhub.core.types import ContainerId, ObjectKey, SourceName, SourceState, Viewer
from knowhub.pipelines.sync import find_differences, find_holes
from knowhub.wiring.catalog import Connected
from knowhub.wiring.hub import Hub

if TYPE_CHECKING:
    from knowhub.core.ports import ContainerCoverage


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `check` looked at; `problem` "" is good news."""

    subject: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """What `status` shows of a source."""

    source: SourceName
    configured: bool
    coverage: tuple[ContainerCoverage, ...]
    holes: tuple[str, ...]
    problems: tuple[StoredItem, ...]
    dead_letters: tuple[StoredBatch, ...]
    run: Run | None


@dataclass(frozen=True, slots=True)
class SourceOverview:
    """A source as one viewer may see it: `documents` that they may read. What follows is for administrators."""

    state: SourceState
    type: str
    documents: int
    status: SourceStatus | None = None
    paused: bool = False
    directory: DirectoryState | None = None
    directory_is_stale: bool = False

    @property
    def source(self) -> SourceName:
        return self.state.source


class ReportMoves(Hub):
    """Say what there is and what is wrong."""

    def status(self, names: Sequence[str] = (), *, problems: int = 20, verify: bool = False) -> list[SourceStatus]:
        """Coverage as the ledger knows it; `verify` also compares the index with the ledger."""
        configured, known = self._adapters.source_names, self._known_sources()
        for name in names:
            self._require_known(name, known)
        return [
            self._status(name, name in configured, problems, verify)
            for name in ([SourceName(name) for name in names] or known)
        ]

    def _status(self, name: SourceName, configured: bool, problems: int, verify: bool) -> SourceStatus:
        reports = self._adapters.ledgers.reports
        coverage = reports.coverage(name)
        holes = find_holes(coverage) + self._index_holes(name)
        if verify:
            holes += find_differences(self._adapters.index, self._adapters.ledgers.items, name)
        dead = [batch for batch in self._adapters.retention.batches(name) if batch.set_aside]
        runs = reports.runs(name, 1)
        return SourceStatus(
            name,
            configured,
            tuple(coverage),
            holes,
            tuple(reports.problems(name, problems)),
            tuple(dead),
            runs[0] if runs else None,
        )

    def overview(self, *, viewer: Viewer, admin: bool) -> list[SourceOverview]:
        """The sources that `viewer` may read something of; for administrators all, with what is missing of them."""
        counts = self._counts(viewer)
        if not admin:
            return [
                SourceOverview(self._source_state(name), self._type(name), count)
                for name, count in sorted(counts.items())
            ]
        directories = {state.source: state for state in self._adapters.directories.states()}
        stale = {state.source for state in self._adapters.doors.resolver.stale_directories()}
        return [
            SourceOverview(
                self._source_state(status.source),
                self._type(status.source),
                counts.get(status.source, 0),
                status,
                self.paused(status.source),
                directories.get(status.source),
                status.source in stale,
            )
            for status in self.status()
        ]

    def _type(self, name: SourceName) -> str:
        return str(self._settings.sources.get(name, {}).get("type", ""))

    def container_names(self) -> dict[tuple[SourceName, ContainerId], str]:
        """What people call the containers of all sources."""
        reports = self._adapters.ledgers.reports
        return {
            (source, container): name
            for source in self._known_sources()
            for container, name in reports.container_names(source).items()
        }

    def paused(self, name: SourceName) -> bool:
        return self._adapters.database.fact(f"paused/{name}") == "yes"

    def pause(self, name: str, *, paused: bool) -> None:
        """Whether the schedule leaves a source alone. A sync that somebody asks for runs all the same."""
        self._require_known(name, self._known_sources())
        self._adapters.database.set_fact(f"paused/{name}", "yes" if paused else "no")

    def runs(self, names: Sequence[str] = (), *, limit: int = 100) -> list[Run]:
        """Newest first."""
        known = self._known_sources()
        for name in names:
            self._require_known(name, known)
        found = [run for name in names or known for run in self._adapters.ledgers.reports.runs(SourceName(name), limit)]
        return sorted(found, key=lambda run: -run.id)[:limit]

    def failed_batches(self) -> list[StoredBatch]:
        """Dead letters that still hold something."""
        retention = self._adapters.retention
        return [batch for name in self._known_sources() for batch in retention.batches(name) if batch.set_aside]

    def reprocess(self, names: Sequence[str] = ()) -> int:
        """Offer dead letters again at the next sync; return how many."""
        known = self._known_sources()
        for name in names:
            self._require_known(name, known)
        return sum(self._adapters.ledgers.stages.revive(SourceName(name)) for name in names or known)

    def ready(self) -> Iterator[Finding]:
        """Touch what an answer depends on, and nothing outside."""
        adapters = self._adapters
        yield _find("ledger", lambda: adapters.database.fact("checked"))
        yield _find("lake", lambda: next(iter(adapters.lake.list("knowhub-ready/")), None))
        yield _find("index", lambda: adapters.index.contents(SourceName("")))
        yield _find("embedding model", lambda: adapters.query_embedder.embed(["ready?"], purpose="query"))

    def check(self) -> Iterator[Finding]:
        """Look at everything that is configured, from the nearest to the farthest."""
        adapters = self._adapters
        yield _find("configuration", lambda: adapters.chunking)
        yield _find("ledger", lambda: adapters.database.fact("checked"))
        yield _find("lake", self._check_lake)
        yield _find("embedding model", lambda: adapters.query_embedder.embed(["ready?"], purpose="query"))
        yield _find("index", lambda: adapters.index.contents(SourceName("")))
        if self._settings.oidc.issuer:
            yield _find("identity provider", adapters.doors.check)
        if adapters.language_model:
            yield from [Finding("language model", one) for one in adapters.language_model.check()] or [
                Finding("language model")
            ]
        for name in adapters.source_names:
            try:
                connected = adapters.connect(name)
                problems = connected.source.check() + self._unseen(connected)
            except KnowhubError as error:
                problems = [str(error)]
            yield from [Finding(f"source {name}", problem) for problem in problems] or [Finding(f"source {name}")]

    def _unseen(self, connected: Connected) -> list[str]:
        """A source with permissions of its own, none of whose principals the command line's owner holds."""
        name, me = connected.source.name, self._settings.access.me
        if connected.acl.layers or not me or any(principal.startswith(f"{name}:") for principal in me):
            return []
        return [
            f"{name}: its documents are shown to those who may read them there, and nobody in access.me is known there."
            f' On a machine of your own set readers = ["{me[0]}"] in [sources.{name}];'
            f' else add who you are there to access.me ("{name}:user:ID").'
        ]

    def _check_lake(self) -> None:
        key = ObjectKey("knowhub-check")
        self._adapters.lake.put(key, b"")
        self._adapters.lake.delete([key])


def _find(subject: str, look: Callable[[], object]) -> Finding:
    try:
        look()
    except KnowhubError as error:
        return Finding(subject, str(error))
    return Finding(subject)
