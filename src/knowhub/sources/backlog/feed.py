"""The space's feed of activities: which things were touched, and which are gone.

Types: https://developer.nulab.com/docs/backlog/api/2/get-recent-updates. There is none for an edited comment of an
issue or pull request, and none for the text of a document: those are found otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Json = Mapping[str, Any]

_ISSUES = frozenset((1, 2, 3, 4, 14, 17, 34, 35, 47))
_WIKIS = frozenset((5, 6, 7))
_FILES = frozenset((8, 9, 10))
_PULL_REQUESTS = frozenset((18, 19, 20, 21))
_DOCUMENTS = frozenset((36, 37, 38, 46, 48))
_DOCUMENT_COMMENTS = frozenset((40, 41, 42, 43, 44, 45))


@dataclass(slots=True)
class Touched:
    """Ids of what the feed named in one project. `pull_requests` are `(repository, number)`, `files` `(folder, id)`."""

    issues: set[int] = field(default_factory=set)
    wikis: set[int] = field(default_factory=set)
    documents: set[str] = field(default_factory=set)
    commented: set[str] = field(default_factory=set)
    pull_requests: set[tuple[int, int]] = field(default_factory=set)
    files: set[tuple[str, int]] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any((self.issues, self.wikis, self.documents, self.commented, self.pull_requests, self.files))

    def follow(self, kind: int, content: Json) -> None:
        if kind in _ISSUES:
            self.issues |= _issues(content)
        elif kind in _WIKIS:
            self.wikis |= _numbers([content])
        elif kind in _FILES:
            self.files |= {(str(content.get("dir") or "/"), number) for number in _numbers([content])}
        elif kind in _PULL_REQUESTS:
            self._pull_request(content)
        elif kind in _DOCUMENTS:
            self.documents |= _documents(content)
        elif kind in _DOCUMENT_COMMENTS:
            self.commented |= _documents(content) or {""}

    def _pull_request(self, content: Json) -> None:
        repository, number = content.get("repository"), content.get("number")
        if isinstance(repository, Mapping) and isinstance(number, int) and isinstance(repository.get("id"), int):
            self.pull_requests.add((repository["id"], number))


def follow(activities: Iterable[Json], touched: dict[int, Touched]) -> None:
    """Note what each activity touched, under its project."""
    for activity in activities:
        project, content = activity.get("project"), activity.get("content")
        if isinstance(project, Mapping) and isinstance(content, Mapping) and isinstance(project.get("id"), int):
            kind = activity.get("type")
            touched.setdefault(project["id"], Touched()).follow(kind if isinstance(kind, int) else -1, content)


def _issues(content: Json) -> set[int]:
    """The issue of most types, or the many of a bulk change."""
    link = content.get("link")
    many = [one for one in link if isinstance(one, Mapping)] if isinstance(link, list) else []
    return _numbers([content, *many] if "key_id" in content or not many else many)


def _numbers(found: Iterable[Json]) -> set[int]:
    return {one["id"] for one in found if isinstance(one.get("id"), int)}


def _documents(content: Json) -> set[str]:
    """All ids in the content: the document's own, whether it stands outside or inside of a comment."""
    several = content.get("documents")
    nested = [content.get("document"), *(several if isinstance(several, list) else ())]
    found = [content.get("id"), content.get("documentId"), content.get("document_id")]
    found += [one.get("id") for one in nested if isinstance(one, Mapping)]
    return {one for one in found if isinstance(one, str)}
