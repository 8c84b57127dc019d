"""What changed since the last fetch: the latest issues and documents, and what else the feed named."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from knowhub.core.types import Failed, Fetched, ItemId, RawRecord, Skipped
from knowhub.sources.backlog.api import Json, Project, changed_at, number_of
from knowhub.sources.backlog.feed import Touched
from knowhub.sources.backlog.plan import Plan, slices
from knowhub.sources.backlog.reading import Reader
from knowhub.sources.backlog.records import container_of

log = logging.getLogger(__name__)

_OVERLAP = timedelta(minutes=2)
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Changes:
    """Follows them in all projects of which something was read before."""

    plan: Plan
    active: dict[int, set[str]] = field(default_factory=dict)

    @property
    def reader(self) -> Reader:
        return self.plan.reader

    def read(self) -> Iterator[Fetched]:
        plan = self.plan
        projects = [project for project in self.reader.projects.values() if plan.begun(project)]
        log.info("following changes", extra={"projects": len(projects), "touched": len(self.plan.touched)})
        for kind, read in (("issues", self._changed_issues), ("documents", self._changed_documents)):
            some = [project for project in projects if kind in self.plan.begun(project)]
            with self.plan.tolerating(kind, some):
                yield from read(some)
        for project in projects:
            if touched := self.plan.touched.get(project.id):
                yield from self._named(project, touched)

    def _changed_issues(self, projects: list[Project]) -> Iterator[Fetched]:
        state, space = self.reader.state, self.reader.space
        latest, since = state.issues, _earlier(state.issues)
        for some in slices(projects):
            for row in _until(since, space.changed_issues([one.id for one in some], since)):
                latest = _later(latest, row)
                project = self.reader.projects.get(number_of(row, "projectId"))
                if project and not self.reader.too_old(row):
                    named = self.plan.touched.setdefault(project.id, Touched()).issues
                    yield from self._noted(self.reader.issue(project, row, again=row.get("id") in named))
                    named.discard(number_of(row))
        state.issues = latest

    def _changed_documents(self, projects: list[Project]) -> Iterator[Fetched]:
        state, space = self.reader.state, self.reader.space
        latest, since = state.documents, _earlier(state.documents)
        for some in slices(projects):
            for row in _until(since, space.changed_documents([one.id for one in some])):
                latest = _later(latest, row)
                project = self.reader.projects.get(number_of(row, "projectId"))
                if project and not self.reader.too_old(row):
                    yield from self._document(project, row)
        state.documents = latest

    def _document(self, project: Project, row: Json) -> Iterator[Fetched]:
        """A document that was changed lately: read if it is not in the trash."""
        identity = str(row.get("id"))
        touched = self.plan.touched.setdefault(project.id, Touched())
        again = identity in touched.documents | touched.commented
        item = ItemId(f"document:{identity}")
        if not again and self.reader.has_document(project, row):
            return
        if identity in self._active(project):
            yield from self._noted(self.reader.document(project, row, again=again))
        else:
            yield from self._noted(self.reader.gone(item))
        touched.documents.discard(identity)
        touched.commented.discard(identity)

    def _active(self, project: Project) -> set[str]:
        if project.id not in self.active:
            self.active[project.id] = self.reader.space.active_documents(project.id)
        return self.active[project.id]

    # ── what else the feed named ─────────────────────────────────────────────────────────────────────

    def _named(self, project: Project, touched: Touched) -> Iterator[Fetched]:
        read = {
            "issues": self._named_issues,
            "wikis": self._named_wikis,
            "documents": self._named_documents,
            "pull_requests": self._named_pull_requests,
            "files": self._named_files,
        }
        for kind in self.plan.begun(project):
            with self.plan.tolerating(kind, [project]):
                yield from read[kind](project, touched)

    def _named_issues(self, _project: Project, touched: Touched) -> Iterator[Fetched]:
        for number in sorted(touched.issues):
            yield from self._noted(self.reader.issue_by_id(number))

    def _named_wikis(self, _project: Project, touched: Touched) -> Iterator[Fetched]:
        for number in sorted(touched.wikis):
            yield from self._noted(self.reader.wiki_by_id(number))

    def _named_documents(self, project: Project, touched: Touched) -> Iterator[Fetched]:
        named = touched.documents | touched.commented
        active = self._active(project) if named else set()
        for identity in sorted(named):
            known = self.reader.known.get(ItemId(f"document:{identity}"))
            if identity in active:
                yield from self._noted(self.reader.document_by_id(project, identity))
            elif known:
                yield from self._noted(self.reader.gone(known.item))
            elif identity in touched.commented:
                # The feed named a comment by itself: which document it belongs to shows when all are read again.
                self.plan.list_whole(project, "documents")
                self.plan.again.setdefault(project.id, set()).update(self._documents_of(project))

    def _documents_of(self, project: Project) -> set[ItemId]:
        return self.reader.shelves[container_of(project)].of_kind("documents")

    def _named_pull_requests(self, project: Project, touched: Touched) -> Iterator[Fetched]:
        repositories = self.reader.space.repositories(project.id) if touched.pull_requests else []
        there = {number_of(one): one for one in repositories}
        for repository, number in sorted(touched.pull_requests):
            path = f"projects/{project.id}/git/repositories/{repository}/pullRequests/{number}"
            row = self.reader.space.one(path) if repository in there else None
            if row and not self.reader.too_old(row):
                found = self.reader.pull_request(project, there[repository], row, again=True)
                yield from self._noted(found)

    def _named_files(self, project: Project, touched: Touched) -> Iterator[Fetched]:
        found: set[int] = set()
        for folder in sorted({folder for folder, _ in touched.files}):
            for row in self.reader.space.files_in(project.id, folder):
                found.add(number_of(row))
                if not self.reader.too_old(row):
                    yield from self._noted(self.reader.shared_file(project, row))
        for number in sorted({number for _, number in touched.files} - found):
            yield from self._noted(self.reader.gone(ItemId(f"file:{number}")))

    def _noted(self, outcomes: Iterator[Fetched]) -> Iterator[Fetched]:
        """The outcomes. Where something came, changed, moved away or went, its kind is counted afterwards."""
        for outcome in outcomes:
            if isinstance(outcome, RawRecord | Skipped | Failed):
                before = self.reader.known.get(outcome.item)
                for container in {outcome.container, before.container if before else outcome.container}:
                    self.plan.count(container, outcome.item)
            yield outcome


def _until(since: datetime, pages: Iterator[list[Json]]) -> Iterator[Json]:
    """Rows from the latest on, as long as they changed after `since`."""
    for rows in pages:
        for row in rows:
            changed = changed_at(row)
            if changed and changed < since:
                return
            yield row


def _later(latest: str, row: Json) -> str:
    """The time of the latest change, as the space writes it."""
    return max(latest, str(row["updated"])) if changed_at(row) and row.get("updated") else latest


def _earlier(latest: str) -> datetime:
    """Changes may show up a little after others that happened later."""
    return datetime.fromisoformat(latest) - _OVERLAP if latest else _BEGINNING
