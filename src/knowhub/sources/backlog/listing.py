"""Whole containers: every kind of thing in a project, listed to its end and read where the ledger has it otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from knowhub.core.errors import KnowhubError
from knowhub.core.types import ItemId
from knowhub.http import Missing
from knowhub.sources.backlog.api import Json, Position, Project, changed_at, not_licensed
from knowhub.sources.backlog.reading import Outcome, Reader

_FLUSH_EVERY = 20


@dataclass(frozen=True, slots=True)
class Reached:
    """All before was yielded. `place` is where to go on; None: here too, but do keep what was yielded."""

    place: Mapping[str, Any] | None


@dataclass(slots=True)
class Listing:
    """One project read whole, kind by kind. `again` are items to read even if they look unchanged.

    `recheck_since`: what changed after it is read again with its comments; None: nothing is.
    """

    reader: Reader
    project: Project
    again: frozenset[str] = frozenset()
    everything: bool = False
    recheck_since: datetime | None = None
    listed: set[ItemId] = field(default_factory=set)

    def read(self, kind: str, place: Mapping[str, Any]) -> Iterator[Outcome | Reached]:
        """From `place` on to the end. Raises KnowhubError where the listing breaks off."""
        try:
            yield from self._READ[kind](self, place)
        except KnowhubError as error:
            if not not_licensed(error):
                raise

    def count(self, kind: str) -> int | None:
        """How many the space itself says there are; None where it does not."""
        try:
            return self._count(kind)
        except KnowhubError as error:
            if not_licensed(error):
                return 0
            raise

    # ── kinds ────────────────────────────────────────────────────────────────────────────────────────

    def _issues(self, place: Mapping[str, Any]) -> Iterator[Outcome | Reached]:
        space = self.reader.space
        for rows, position in space.issues(self.project.id, self.reader.since, Position.of(place)):
            for number, row in enumerate(rows):
                item = self._list(f"issue:{row.get('id')}")
                yield from self.reader.issue(self.project, row, again=self._again(item, row))
                if number % _FLUSH_EVERY == _FLUSH_EVERY - 1:
                    yield Reached(None)
            yield Reached(position.as_json())

    def _wikis(self, _place: Mapping[str, Any]) -> Iterator[Outcome | Reached]:
        for number, row in enumerate(self.reader.space.wikis(self.project.id)):
            if not self.reader.too_old(row):
                item = self._list(f"wiki:{row.get('id')}")
                yield from self.reader.wiki(self.project, row, again=self._again(item, row))
                if number % _FLUSH_EVERY == _FLUSH_EVERY - 1:
                    yield Reached(None)

    def _documents(self, place: Mapping[str, Any]) -> Iterator[Outcome | Reached]:
        space = self.reader.space
        active = space.active_documents(self.project.id)
        for rows, position in space.documents(self.project.id, Position.of(place)):
            for row in rows:
                if str(row.get("id")) in active and not self.reader.too_old(row):
                    item = self._list(f"document:{row.get('id')}")
                    yield from self.reader.document(self.project, row, again=self._again(item, row))
            yield Reached(position.as_json())

    def _pull_requests(self, place: Mapping[str, Any]) -> Iterator[Outcome | Reached]:
        space = self.reader.space
        done: list[int] = list(place.get("done", ()))
        position = Position.of(place)
        for repository in space.repositories(self.project.id):
            number = int(repository["id"])
            if number in done:
                continue
            for rows, at in space.pull_requests(self.project.id, number, position):
                for row in rows:
                    if not self.reader.too_old(row):
                        item = self._list(f"pull_request:{row.get('id')}")
                        yield from self.reader.pull_request(self.project, repository, row, again=self._again(item, row))
                yield Reached({"done": list(done), **at.as_json()})
            done.append(number)
            position = Position()
            yield Reached({"done": list(done)})

    def _files(self, place: Mapping[str, Any]) -> Iterator[Outcome | Reached]:
        folders: list[str] = list(place.get("folders", ("/",)))
        position = Position.of(place)
        while folders:
            folder = folders[0]
            try:
                for rows, at in self.reader.space.folder(self.project.id, folder, position):
                    folders += [inner_folder(row) for row in rows if row.get("type") == "directory" and row.get("name")]
                    for row in rows:
                        if row.get("type") != "directory" and not self.reader.too_old(row):
                            self._list(f"file:{row.get('id')}")
                            yield from self.reader.shared_file(self.project, row)
                    yield Reached({"folders": list(folders), **at.as_json()})
            except Missing:
                if folder == "/":
                    raise
            folders = folders[1:]
            position = Position()
            if folders:
                yield Reached({"folders": list(folders)})

    _READ: ClassVar = {
        "issues": _issues,
        "wikis": _wikis,
        "documents": _documents,
        "pull_requests": _pull_requests,
        "files": _files,
    }

    # ── the parts ────────────────────────────────────────────────────────────────────────────────────

    def _count(self, kind: str) -> int | None:
        space, since = self.reader.space, self.reader.since
        if kind == "issues":
            return space.count_issues(self.project.id, since)
        if since or kind == "files":
            return None
        if kind == "wikis":
            return space.count_wikis(self.project.id)
        if kind == "documents":
            return len(space.active_documents(self.project.id))
        repositories = space.repositories(self.project.id)
        return sum(space.count_pull_requests(self.project.id, int(one["id"])) for one in repositories)

    def _list(self, item: str) -> ItemId:
        self.listed.add(ItemId(item))
        return ItemId(item)

    def _again(self, item: ItemId, row: Json) -> bool:
        if self.everything or item in self.again:
            return True
        since = self.recheck_since
        changed = changed_at(row)
        return since is not None and (changed is None or changed >= since)


def inner_folder(row: Json) -> str:
    return f"{str(row.get('dir') or '/').rstrip('/')}/{row.get('name')}"


def recheck_since(days: int, now: datetime) -> datetime | None:
    return now - timedelta(days=days) if days > 0 else None
