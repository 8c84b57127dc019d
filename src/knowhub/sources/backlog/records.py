"""Rows of the API as records: ids, versions, permissions, places; and the files that hang on them.

A version has two halves, `head:tail`. The head is of what lists show, so that a row alone tells whether its item is
as the ledger has it; the tail is of what takes requests of its own (comments, a wiki page's text).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote

from knowhub.connecting.attachments import Attachment
from knowhub.connecting.versions import digest
from knowhub.core.ports import KnownItem
from knowhub.core.types import Acl, ContainerId, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.backlog_notation import mentioned_keys
from knowhub.sources.backlog.api import Json, Project
from knowhub.sources.backlog.options import BacklogOptions

_VOLATILE = frozenset(
    {"stars", "notifications", "lastLoginTime", "nulabAccount", "lang", "roleType", "keyword", "displayOrder", "color",
     "mailAddress", "userId", "icon", "uniqueId", "childIssueSummary", "childDocumentIds"}
)  # fmt: skip
"""What changes without a reader seeing anything of it."""

_NO_TEXTS = frozenset({"createdUser", "updatedUser", "changeLog", "created", "updated", *_VOLATILE})


@dataclass(frozen=True, slots=True)
class Parent:
    """What a file hangs on, by id and by what people call it."""

    item: ItemId
    location: str


def container_of(project: Project) -> ContainerId:
    return ContainerId(str(project.id))


def joined(source: SourceName, project: Project) -> Principal:
    """Held by all who have joined a project."""
    return Principal(f"{source}:project:{project.id}")


def full_member(source: SourceName, project: Project) -> Principal:
    """Held by those of them who are administrators or normal users of the space."""
    return Principal(f"{source}:project:{project.id}:full")


def key_of(issue: Json) -> str:
    """Raises KeyError where there is none."""
    key = issue["issueKey"]
    if not isinstance(key, str):
        raise KeyError("issueKey")
    return key


def author_of(row: Json) -> str:
    user = row.get("createdUser")
    return str(user.get("name") or "") if isinstance(user, Mapping) else ""


def pruned(value: Any) -> Any:
    """JSON without what no reader sees."""
    if isinstance(value, dict):
        return {
            key: pruned(one) if isinstance(one, dict | list) else one
            for key, one in value.items()
            if key not in _VOLATILE
        }
    return [pruned(one) for one in value] if isinstance(value, list) else value


def head_of(record: RawRecord) -> str:
    return record.version.partition(":")[0]


def same_head(known: KnownItem | None, record: RawRecord) -> bool:
    """Whether the ledger has an item of this head, in this place."""
    if known is None or (known.container, known.location) != (record.container, record.location):
        return False
    return known.version.partition(":")[0] == head_of(record)


@dataclass(frozen=True, slots=True)
class Records:
    """Makes records of one connection; `projects` are the keys of all that exist, so that links are known as such."""

    source: SourceName
    options: BacklogOptions
    projects: frozenset[str] = frozenset()

    def acl(self, project: Project) -> Acl:
        return self.options.acl(Acl.of(joined(self.source, project)))

    def narrow_acl(self, project: Project) -> Acl:
        """Of what guests, and who may only view or add issues, are not shown."""
        return self.options.acl(Acl.of(joined(self.source, project)) & Acl.of(full_member(self.source, project)))

    # ── things ───────────────────────────────────────────────────────────────────────────────────────

    def issue(self, project: Project, row: Json, comments: Sequence[Json], aliases: Sequence[str]) -> RawRecord:
        head = digest(pruned(row), project.key, project.rule, list(aliases), self.options.changes, self.acl(project))
        payload = {"issue": row, "comments": list(comments), "aliases": list(aliases), "changes": self.options.changes}
        return self._record(project, f"issue:{row['id']}", "issue", head, comments, payload, key_of(row))

    def wiki(self, project: Project, row: Json, page: Json | None) -> RawRecord:
        seen = [row.get("id"), row.get("name"), row.get("updated"), pruned(row.get("tags")), project.key, project.rule]
        head = digest(*seen, self.acl(project))
        place = f"{project.key}/wiki/{row.get('name')}"
        return self._record(project, f"wiki:{row['id']}", "wiki", head, page, {"wiki": page}, place)

    def document(self, project: Project, row: Json, comments: Sequence[Json]) -> RawRecord:
        head = digest(pruned(row), project.key, self.acl(project))
        payload = {"document": row, "comments": list(comments)}
        place = f"{project.key}/document/{row.get('title') or row['id']}"
        record = self._record(project, f"document:{row['id']}", "document", head, comments, payload, place)
        # https://developer.nulab.com/docs/backlog/api/2/get-document-comment: of narrower audience than the document.
        return replace(record, acl=self.narrow_acl(project)) if comments else record

    def pull_request(self, project: Project, repository: Json, row: Json, comments: Sequence[Json]) -> RawRecord:
        seen = {**row, "issue": _linked(project, row.get("issue"))}
        name = str(repository.get("name") or repository["id"])
        acl = self.narrow_acl(project)
        head = digest(pruned(seen), project.key, project.rule, name, self.options.changes, acl)
        payload = {
            "pull_request": seen,
            "comments": list(comments),
            "repository": {"id": repository["id"], "name": name},
            "changes": self.options.changes,
        }
        place = f"{project.key}/{name}#{row['number']}"
        record = self._record(project, f"pull_request:{row['id']}", "pull_request", head, comments, payload, place)
        return replace(record, acl=acl)

    def _record(
        self, project: Project, item: str, kind: str, head: str, rest: Any, payload: Mapping[str, Any], place: str
    ) -> RawRecord:
        told = {
            "space_url": self.options.base_url.rstrip("/"),
            "project": {"id": project.id, "key": project.key, "rule": project.rule},
            "keys": sorted(self._mentioned(payload)),
        }
        return RawRecord(
            source=self.source,
            container=container_of(project),
            item=ItemId(item),
            kind=kind,
            version=f"{head}:{digest(pruned(rest))}",
            acl=self.acl(project),
            payload={**payload, **told},
            location=place,
        )

    def _mentioned(self, payload: Any) -> set[str]:
        """Keys of projects that the texts name, of those that exist."""
        return {key.partition("-")[0] for text in _texts(payload) for key in mentioned_keys(text)} & self.projects

    # ── what hangs on them ───────────────────────────────────────────────────────────────────────────

    def attachments(self, project: Project, parent: Parent, row: Json, path: str, link: str) -> Iterator[Attachment]:
        """Files of an issue, page, document or pull request, whose API is at `path`; people open it at `link`."""
        files = row.get("attachments")
        acl = self.narrow_acl(project) if parent.item.startswith("pull_request:") else self.acl(project)
        for file in files if isinstance(files, list) and self.options.attachments else ():
            if not isinstance(file, Mapping) or "id" not in file:
                continue
            yield Attachment(
                item=ItemId(f"{parent.item}:file:{file['id']}"),
                container=container_of(project),
                name=str(file.get("name") or file["id"]),
                url=f"{path}/attachments/{file['id']}",
                link=f"{self.options.base_url.rstrip('/')}/{quote(link)}",
                version=digest(file.get("name"), file.get("size"), parent.location, acl),
                acl=acl,
                parent=parent.location,
                size_bytes=_size(file),
                author=author_of(file),
                created_at=_time(file),
            )

    def shared_file(self, project: Project, row: Json) -> Attachment:
        """A file of the project's own folders."""
        folder, name = str(row.get("dir") or "/").strip("/"), str(row.get("name") or row["id"])
        place = "/".join(filter(None, (project.key, folder)))
        seen = [name, folder, row.get("size"), row.get("updated"), project.key, self.narrow_acl(project)]
        return Attachment(
            item=ItemId(f"file:{row['id']}"),
            container=container_of(project),
            name=name,
            url=f"projects/{project.id}/files/{row['id']}",
            link=f"{self.options.base_url.rstrip('/')}/file/{quote(f'{place}/{name}')}",
            version=digest(*seen),
            acl=self.narrow_acl(project),
            parent=place,
            size_bytes=_size(row),
            author=author_of(row),
            created_at=_time(row),
        )


def _linked(project: Project, issue: Any) -> dict[str, Any] | None:
    """An issue that a pull request is about. The title of another project's is for that project's members."""
    if not isinstance(issue, Mapping):
        return None
    told = ("id", "issueKey", "summary") if issue.get("projectId") == project.id else ("id", "issueKey")
    return {key: issue.get(key) for key in told}


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            if key not in _NO_TEXTS and isinstance(one, str | Mapping | list):
                yield from _texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)


def _size(row: Json) -> int | None:
    size = row.get("size")
    return size if isinstance(size, int) else None


def _time(row: Json) -> str:
    time = row.get("updated") or row.get("created")
    try:
        return datetime.fromisoformat(str(time)).isoformat() if time else ""
    except ValueError:
        return ""
