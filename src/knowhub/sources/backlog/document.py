"""What is stored of a space ▸ documents: issues and pull requests with their comments, wiki pages, documents, files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from knowhub.connecting.attachments import KIND as ATTACHMENT
from knowhub.connecting.attachments import ParseFile, attachment_document
from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, DocumentKind, RawRecord, Section, document_id
from knowhub.formats.backlog_notation import Places, link_keys, to_markdown
from knowhub.formats.markdown import headings
from knowhub.formats.prosemirror import prosemirror_to_markdown

Json = Mapping[str, Any]

_LONGEST_CHANGE = 200
_BODY_FIELDS = frozenset(("description", "content"))
_ISSUE_FIELDS = (
    ("Type", "issueType"),
    ("Status", "status"),
    ("Resolution", "resolution"),
    ("Priority", "priority"),
    ("Assignee", "assignee"),
    ("Category", "category"),
    ("Version", "versions"),
    ("Milestone", "milestone"),
    ("Start date", "startDate"),
    ("Due date", "dueDate"),
    ("Estimated hours", "estimatedHours"),
    ("Actual hours", "actualHours"),
)


@dataclass(frozen=True, slots=True)
class BacklogParser:
    """Implements `Parser`. Files are given to `parse_file`."""

    parse_file: ParseFile

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        """Raises UnreadableContent where the record is not one of ours, or its file cannot be parsed."""
        if record.kind == ATTACHMENT:
            return attachment_document(record, sequence, self.parse_file)
        parse = _PARSERS.get(record.kind)
        if parse is None or record.payload is None:
            raise UnreadableContent(f"{record.item}: no record of a Backlog space")
        try:
            return parse(_Stored(record, record.payload, sequence))
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UnreadableContent(f"{record.item}: not as Backlog returns it: {error!r}") from error


@dataclass(slots=True)
class _Text:
    """Blocks of a document with the sections that they are."""

    parts: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    length: int = 0

    def add(self, text: str, role: str, **told: Any) -> None:
        if text:
            start = self.length + 2 if self.parts else 0
            self.parts.append(text)
            self.length = start + len(text)
            self.sections.append(Section(start, self.length, role, **told))

    def __str__(self) -> str:
        return "\n\n".join(self.parts)


@dataclass(frozen=True, slots=True)
class _Stored:
    """A record being read."""

    record: RawRecord
    payload: Json
    sequence: int

    @property
    def places(self) -> Places:
        return Places(self.payload["space_url"], self.payload["project"]["key"], frozenset(self.payload["keys"]))

    def rendered(self, text: object) -> str:
        """A text as people wrote it: in Backlog's notation or in Markdown, as the project is set."""
        if not isinstance(text, str):
            return ""
        if self.payload["project"]["rule"] == "backlog":
            return to_markdown(text, self.places)
        return link_keys(text.replace("\r\n", "\n").replace("\r", "\n"), self.places).strip("\n")

    def document(self, kind: DocumentKind, title: str, text: str, path: str, row: Json, **more: Any) -> Document:
        record = self.record
        return Document(
            id=document_id(record.source, record.item),
            source=record.source,
            container=record.container,
            kind=kind,
            title=title,
            text=text,
            url=f"{self.payload['space_url']}/{quote(path)}",
            acl=record.acl,
            version=record.version,
            sequence=self.sequence,
            created_at=_moment(row.get("created")),
            location=record.location,
            **more,
        )


# ── issues and pull requests ─────────────────────────────────────────────────────────────────────────


def _issue(stored: _Stored) -> Document:
    row = stored.payload["issue"]
    title = f"{row['issueKey']} {_line(row.get('summary'))}".rstrip()
    text = _Text()
    text.add(f"# {title}", "title", label=title)
    facts = [*_facts(row, _ISSUE_FIELDS), *_custom_fields(row), *_links_of_issue(stored, row)]
    _body(text, stored, row, facts)
    _comments(text, stored)
    return stored.document("issue", title, str(text), f"view/{row['issueKey']}", row, **_people(text, row),
                           state=_name(row.get("status")), sections=tuple(text.sections))  # fmt: skip


def _links_of_issue(stored: _Stored, row: Json) -> Iterator[str]:
    if aliases := stored.payload.get("aliases"):
        yield f"Formerly: {', '.join(aliases)}"
    yield from _file_names(row)


def _pull_request(stored: _Stored) -> Document:
    row, repository = stored.payload["pull_request"], stored.payload["repository"]
    project = stored.payload["project"]["key"]
    title = f"{project}/{repository['name']}#{row['number']} {_line(row.get('summary'))}".rstrip()
    text = _Text()
    text.add(f"# {title}", "title", label=title)
    facts = list(_facts(row, (("Status", "status"), ("Assignee", "assignee"))))
    if row.get("branch"):
        facts.append(f"Branch: {row['branch']} into {row.get('base') or ''}".rstrip())
    if isinstance(row.get("issue"), Mapping) and row["issue"].get("issueKey"):
        facts.append(f"Issue: {row['issue']['issueKey']} {_line(row['issue'].get('summary'))}".rstrip())
    facts += [f"{label}: {moment:%Y-%m-%d}" for label, key in (("Closed", "closeAt"), ("Merged", "mergeAt"))
              if (moment := _moment(row.get(key)))]  # fmt: skip
    _body(text, stored, row, [*facts, *_file_names(row)])
    _comments(text, stored)
    path = f"git/{project}/{repository['name']}/pullRequests/{row['number']}"
    return stored.document("issue", title, str(text), path, row, **_people(text, row),
                           state=_name(row.get("status")), sections=tuple(text.sections))  # fmt: skip


def _body(text: _Text, stored: _Stored, row: Json, facts: Sequence[str]) -> None:
    said = stored.rendered(row.get("description"))
    body = "\n\n".join(filter(None, ("\n".join(f"- {fact}" for fact in facts), said)))
    author = _name(row.get("createdUser"))
    text.add(body, "body", author=author, time=_moment(row.get("created")))


def _comments(text: _Text, stored: _Stored) -> None:
    for comment in _objects(stored.payload["comments"]):
        said = stored.rendered(comment.get("content"))
        changes = "\n".join(_changes(comment)) if stored.payload.get("changes") else ""
        if said.strip() or changes:
            _comment(text, comment, "\n\n".join(filter(None, (said, changes))), f"#comment-{comment['id']}")


def _comment(text: _Text, comment: Json, said: str, anchor: str) -> None:
    author, time = _name(comment.get("createdUser")), _moment(comment.get("created"))
    stamp = f"{time:%Y-%m-%d %H:%M}" if time else ""
    head = f"**{author or '?'}** ({stamp}):" if stamp else f"**{author or '?'}**:"
    label = ", ".join(filter(None, (author, stamp)))
    text.add(f"{head}\n\n{said}", "comment", anchor=anchor, label=label, author=author, time=time)


def _changes(comment: Json) -> Iterator[str]:
    """What a comment changed, a line each. Of a long text only that it was changed: it stands above as it is now."""
    for change in _objects(comment.get("changeLog")):
        name = _line(change.get("field"))
        new, old = _line(change.get("newValue")), _line(change.get("originalValue"))
        if name and (new or old):
            long = name in _BODY_FIELDS or len(new) + len(old) > _LONGEST_CHANGE
            yield f"- {name} changed" if long else f"- {name}: {old} → {new}" if old else f"- {name}: {new}"


# ── pages ────────────────────────────────────────────────────────────────────────────────────────────


def _wiki(stored: _Stored) -> Document:
    row = stored.payload["wiki"]
    tags = ", ".join(_name(tag) for tag in _objects(row.get("tags")))
    facts = [*([f"Tags: {tags}"] if tags else []), *_file_names(row)]
    text = "\n\n".join(filter(None, (stored.rendered(row.get("content")), "\n".join(f"- {fact}" for fact in facts))))
    return stored.document("markdown", _line(row.get("name")), text, f"alias/wiki/{row['id']}", row,
                           **_people(_Text(), row), sections=_headings(text))  # fmt: skip


def _page(stored: _Stored) -> Document:
    """A document: its text as headings divide it, then the comments on it."""
    row = stored.payload["document"]
    said = link_keys(prosemirror_to_markdown(row.get("json")) or _string(row.get("plain")), stored.places).strip()
    tags = ", ".join(_name(tag) for tag in _objects(row.get("tags")))
    facts = "\n".join(f"- {fact}" for fact in [*([f"Tags: {tags}"] if tags else []), *_file_names(row)])
    text = _Text()
    text.add("\n\n".join(filter(None, (said, facts))), "body")
    body = str(text)
    text.sections.clear()
    for comment in _objects(stored.payload["comments"]):
        for one in (comment, *_objects(comment.get("replies"))):
            content = link_keys(prosemirror_to_markdown(one.get("content")) or _string(one.get("plain")), stored.places)
            if content.strip():
                _comment(text, one, content, "")
    path = f"document/{stored.payload['project']['key']}/{row['id']}"
    return stored.document("markdown", _line(row.get("title")), str(text), path, row, **_people(text, row),
                           sections=(*_headings(body), *text.sections))  # fmt: skip


_PARSERS: Mapping[str, Callable[[_Stored], Document]] = {
    "issue": _issue,
    "pull_request": _pull_request,
    "wiki": _wiki,
    "document": _page,
}


# ── the parts ────────────────────────────────────────────────────────────────────────────────────────


def _headings(text: str) -> tuple[Section, ...]:
    """Without anchors: Backlog's pages cannot be opened at a heading by its name."""
    return tuple(replace(section, anchor="") for section in headings(text))


def _facts(row: Json, fields: Sequence[tuple[str, str]]) -> Iterator[str]:
    for label, key in fields:
        if value := _value(row.get(key)):
            yield f"{label}: {value}"


def _custom_fields(row: Json) -> Iterator[str]:
    for custom in _objects(row.get("customFields")):
        values = [_value(custom.get("value")), _value(custom.get("otherValue"))]
        if _line(custom.get("name")) and any(values):
            yield f"{_line(custom['name'])}: {', '.join(filter(None, values))}"


def _file_names(row: Json) -> Iterator[str]:
    if files := [_name(file) for file in _objects(row.get("attachments"))]:
        yield f"Attachments: {', '.join(files)}"
    if shared := [f"{_line(file.get('dir'))}{_name(file)}" for file in _objects(row.get("sharedFiles"))]:
        yield f"Shared files: {', '.join(shared)}"


def _value(value: object) -> str:
    """A field for people: a name, several names, a date, a number."""
    if isinstance(value, list):
        return ", ".join(filter(None, map(_value, value)))
    if isinstance(value, Mapping):
        return _name(value)
    if value is None or isinstance(value, bool):
        return ""
    text = _line(value)
    return text[:10] if text.endswith("T00:00:00Z") else text


def _people(text: _Text, row: Json) -> dict[str, Any]:
    """Who wrote it, and when it was changed last."""
    names = [_name(row.get("createdUser")), *(section.author for section in text.sections)]
    times = [section.time for section in text.sections if section.time]
    changed = _moment(row.get("updated")) or _moment(row.get("created"))
    return {
        "authors": tuple(dict.fromkeys(filter(None, names))),
        "updated_at": max([*times, *([changed] if changed else [])], default=None),
    }


def _objects(value: object) -> list[Json]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _name(value: object) -> str:
    return _line(value.get("name")) if isinstance(value, Mapping) else ""


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""


def _line(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())


def _moment(value: object) -> datetime | None:
    """ISO 8601, or milliseconds since 1970, as pull requests have them in places. None for what is neither."""
    try:
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None
    return moment.replace(tzinfo=UTC) if moment and moment.tzinfo is None else moment
