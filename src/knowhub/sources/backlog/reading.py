"""One thing at a time: a row of the API to what the hub stores of it and of the files that hang on it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.connecting.versions import compared
from knowhub.core.errors import KnowhubError, RateLimited
from knowhub.core.types import Acl, ContainerId, Failed, ItemId, RawRecord, Skipped, SourceName, Unchanged
from knowhub.http import Missing, Refused, Unavailable
from knowhub.sources.backlog.api import Json, Project, Space, number_of
from knowhub.sources.backlog.records import Parent, Records, container_of, head_of, key_of, same_head
from knowhub.sources.backlog.state import Remaining, Shelves, State

Outcome = RawRecord | Skipped | Failed | Unchanged
Fill = Callable[[], tuple[RawRecord, Json] | None]
"""The whole record, and the row that names its files; None where the thing is gone by now."""

_UNAUTHORISED = 401
_TOO_MANY_FAILURES = 5
"""So many in a row are no bad items: the space cannot be reached."""


@dataclass(slots=True)
class Reader:
    """Reads single things during one fetch. `projects` are those chosen, by id."""

    source: SourceName
    space: Space
    records: Records
    files: Attachments
    known: Remaining
    shelves: Shelves
    state: State
    projects: dict[int, Project]
    since: datetime | None
    _done: dict[ItemId, str] = field(default_factory=dict, init=False)
    _failures: int = field(default=0, init=False)

    # ── issues ───────────────────────────────────────────────────────────────────────────────────────

    def issue(self, project: Project, row: Json, *, again: bool) -> Iterator[Outcome]:
        """`again`: also if the row alone looks as the ledger has it."""
        yield from self._guarded(project, "issue", row, self._issue(project, row, again=again))

    def _issue(self, project: Project, row: Json, *, again: bool) -> Iterator[Outcome]:
        aliases, path = self._aliases(project, row), f"issues/{row['id']}"
        bare = self.records.issue(project, row, [], aliases)

        def fill() -> tuple[RawRecord, Json]:
            return self.records.issue(project, row, self.space.comments(path), aliases), row

        yield from self._read(project, bare, fill, row, path, f"view/{row['issueKey']}", again=again)

    def issue_by_id(self, number: int) -> Iterator[Outcome]:
        """An issue that the feed named: wherever it is now, or gone."""
        item = ItemId(f"issue:{number}")
        row = yield from self._looked_up(item, f"issues/{number}")
        if row is None:
            return
        project = self.projects.get(number_of(row, "projectId"))
        if project is None:
            yield from self.gone(item)
        elif not self.too_old(row):
            yield from self.issue(project, row, again=True)

    def _aliases(self, project: Project, row: Json) -> list[str]:
        """Keys that the issue had: it moved, or its project was renamed."""
        identity, key = str(row["id"]), key_of(row)
        before = self.known.get(ItemId(f"issue:{identity}"))
        mine = self.state.projects.get(str(project.id))
        renamed = [f"{old}-{row['keyId']}" for old in mine.former] if mine and "keyId" in row else []
        if before and before.location and before.location not in (key, *renamed):
            self.state.remember_key(identity, before.location)
        return sorted({*renamed, *self.state.aliases.get(identity, ())} - {key})

    # ── pages ────────────────────────────────────────────────────────────────────────────────────────

    def wiki(self, project: Project, row: Json, *, again: bool) -> Iterator[Outcome]:
        """`row` is of the list, or the page itself."""
        yield from self._guarded(project, "wiki", row, self._wiki(project, row, again=again))

    def _wiki(self, project: Project, row: Json, *, again: bool) -> Iterator[Outcome]:
        path = f"wikis/{row['id']}"
        bare = self.records.wiki(project, row, None)

        def fill() -> tuple[RawRecord, Json] | None:
            page = row if "content" in row and "attachments" in row else self.space.one(path)
            return (self.records.wiki(project, page, page), page) if page else None

        yield from self._read(project, bare, fill, {}, path, f"alias/wiki/{row['id']}", again=again)

    def wiki_by_id(self, number: int) -> Iterator[Outcome]:
        item = ItemId(f"wiki:{number}")
        row = yield from self._looked_up(item, f"wikis/{number}")
        if row is None:
            return
        project = self.projects.get(number_of(row, "projectId"))
        if project is None or not project.useful.get("wikis", True):
            yield from self.gone(item)
        elif not self.too_old(row):
            yield from self.wiki(project, row, again=True)

    def document(self, project: Project, row: Json, *, again: bool) -> Iterator[Outcome]:
        yield from self._guarded(project, "document", row, self._document(project, row, again=again))

    def _document(self, project: Project, row: Json, *, again: bool) -> Iterator[Outcome]:
        identity = str(row["id"])
        bare = self.records.document(project, row, [])

        def fill() -> tuple[RawRecord, Json]:
            return self.records.document(project, row, self.space.document_comments(identity)), row

        link = f"document/{project.key}/{identity}"
        yield from self._read(project, bare, fill, row, f"documents/{identity}", link, again=again)

    def document_by_id(self, project: Project, identity: str) -> Iterator[Outcome]:
        row = yield from self._looked_up(ItemId(f"document:{identity}"), f"documents/{identity}")
        if row is not None and not self.too_old(row):
            yield from self.document(project, row, again=True)

    def has_document(self, project: Project, row: Json) -> bool:
        """Whether the ledger has a document as its row shows it."""
        bare = self.records.document(project, row, [])
        return same_head(self.known.get(bare.item), bare)

    # ── pull requests and files ──────────────────────────────────────────────────────────────────────

    def pull_request(self, project: Project, repository: Json, row: Json, *, again: bool) -> Iterator[Outcome]:
        outcomes = self._pull_request(project, repository, row, again=again)
        yield from self._guarded(project, "pull_request", row, outcomes)

    def _pull_request(self, project: Project, repository: Json, row: Json, *, again: bool) -> Iterator[Outcome]:
        bare = self.records.pull_request(project, repository, row, [])
        path = f"projects/{project.id}/git/repositories/{repository['id']}/pullRequests/{row['number']}"

        def fill() -> tuple[RawRecord, Json]:
            return self.records.pull_request(project, repository, row, self.space.comments(path)), row

        link = f"git/{project.key}/{repository.get('name') or repository['id']}/pullRequests/{row['number']}"
        yield from self._read(project, bare, fill, row, path, link, again=again)

    def shared_file(self, project: Project, row: Json) -> Iterator[Outcome]:
        yield from self._guarded(project, "file", row, self._shared_file(project, row))

    def _shared_file(self, project: Project, row: Json) -> Iterator[Outcome]:
        yield self._fetched(self.records.shared_file(project, row))

    # ── gone ─────────────────────────────────────────────────────────────────────────────────────────

    def gone(self, item: ItemId) -> Iterator[RawRecord]:
        """Removals of an item that the source no longer has, and of what hung on it."""
        before = self.known.get(item)
        if before is None:
            return
        self._done.pop(item, None)
        for one in (item, *sorted(self.shelves[before.container].attached_to(item))):
            self.shelves.drop(one, before.container)
            yield self._removal(one, before.container)

    def _removal(self, item: ItemId, container: ContainerId) -> RawRecord:
        self.known.removed.add(item)
        return RawRecord(self.source, container, item, "removal", "", Acl(), None)

    # ── the parts ────────────────────────────────────────────────────────────────────────────────────

    def _looked_up(self, item: ItemId, path: str) -> Generator[Outcome, None, Json | None]:
        """The thing itself. Where it is gone, what must be taken away; where it cannot be read, that."""
        try:
            row = self.space.one(path)
        except KnowhubError as error:
            before = self.known.get(item)
            self.weigh(error)
            if before:
                yield Failed(before.container, item, str(error), before.location)
            return None
        if row is None:
            yield from self.gone(item)
        return row

    def _guarded(self, project: Project, prefix: str, row: Json, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        """The outcomes; of a row that is not as Backlog's rows are, that: it stops nothing else."""
        try:
            yield from outcomes
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            item, container = ItemId(f"{prefix}:{row.get('id')}"), container_of(project)
            self.shelves.put(item, container)
            yield Failed(container, item, f"not as Backlog returns it: {error!r}", str(row.get("issueKey") or ""))

    def _read(
        self, project: Project, bare: RawRecord, fill: Fill, row: Json, path: str, link: str, *, again: bool
    ) -> Iterator[Outcome]:
        """The record that `fill` gives, if need be, and its files; `row` names those of what is not filled."""
        item, before = bare.item, self.known.get(bare.item)
        if self._done.get(item) == head_of(bare):
            return
        if not again and before and same_head(before, bare):
            outcome: Outcome = Unchanged(bare.container, item, before.version)
        else:
            try:
                filled = fill()
            except Missing:
                filled = None
            except KnowhubError as error:
                self.weigh(error)
                self.shelves.put(item, bare.container)
                yield Failed(bare.container, item, str(error), bare.location)
                return
            if filled is None:
                yield from self.gone(item)
                return
            record, row = filled
            outcome, self._failures = compared(record, self.known), 0
            self._done[item] = head_of(record)
        self.shelves.put(item, bare.container)
        yield outcome
        if row:
            yield from self._files_of(project, Parent(item, bare.location), row, path, link)

    def _files_of(self, project: Project, parent: Parent, row: Json, path: str, link: str) -> Iterator[Outcome]:
        """The files of a thing; those that it no longer has are taken away."""
        container, before = container_of(project), self.known.get(parent.item)
        there: set[ItemId] = set()
        for attachment in self.records.attachments(project, parent, row, path, link):
            there.add(attachment.item)
            yield self._fetched(attachment)
        for place in {container, before.container if before else container}:
            for lost in sorted(self.shelves[place].attached_to(parent.item) - there):
                self.shelves.drop(lost, place)
                yield self._removal(lost, place)

    def _fetched(self, attachment: Attachment) -> Outcome:
        outcome = self.files.fetch(attachment, self.known)
        self.shelves.put(attachment.item, attachment.container)
        return outcome

    def weigh(self, error: KnowhubError) -> None:
        """Raise what is no matter of one thing: a refused token, limits, a space that cannot be reached."""
        if isinstance(error, RateLimited) or (isinstance(error, Refused) and error.reply.status == _UNAUTHORISED):
            raise error
        self._failures += isinstance(error, Unavailable)
        if self._failures >= _TOO_MANY_FAILURES:
            raise error

    def too_old(self, row: Json) -> bool:
        since = self.since
        changed = str(row.get("updated") or row.get("created") or "")
        return since is not None and changed < f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
