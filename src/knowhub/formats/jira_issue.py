"""A stored Jira issue, or a comment or worklog for fewer eyes ▸ a document that opens at each comment.

Stored: `{"site", "issue": {"id", "key", "fields"}, "comments": […], "worklogs": […], "history": […], "aliases": […],
"fields": {id: name}, "names": {…}, "keys": […]}`; for one remark `{"site", "issue", "remark", "names", "keys"}`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.adf import adf_to_markdown
from knowhub.formats.jira_markup import jira_markup_to_markdown

Json = Mapping[str, Any]

_SHOWN = (
    ("Type", "issuetype"), ("Status", "status"), ("Resolution", "resolution"), ("Priority", "priority"),
    ("Reporter", "reporter"), ("Assignee", "assignee"), ("Due", "duedate"), ("Resolved", "resolutiondate"),
    ("Labels", "labels"), ("Components", "components"), ("Affects", "versions"), ("Fixed in", "fixVersions"),
    ("Parent", "parent"), ("Epic", "epic"), ("Sprint", "sprint"), ("Earlier sprints", "closedSprints"),
    ("Subtasks", "subtasks"),
)  # fmt: skip
_PEOPLE = ("reporter", "assignee", "creator")
_SPRINT = re.compile(r"greenhopper\S*\[.*?\bname=([^,\]]*)")
_NOISE = re.compile(r"\d\|[a-z0-9_]+:[a-z0-9_]*|\{.*\}", re.DOTALL)
"""Ranks of boards, and the JSON of development panels."""
_LONG = 120


def jira_issue(record: RawRecord, sequence: int) -> Document:
    """The document of a stored issue or remark. Raises UnreadableContent if it was not stored by us."""
    payload = record.payload
    try:
        if payload is None:
            raise ValueError("no payload")
        return _remark(record, payload, sequence) if "remark" in payload else _issue(record, payload, sequence)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UnreadableContent(f"{record.item}: not a Jira issue: {error!r}") from error


def _issue(record: RawRecord, payload: Json, sequence: int) -> Document:
    issue, fields = payload["issue"], payload["issue"]["fields"]
    rich = _Rich(payload)
    parts: list[tuple[str, Section]] = [
        (_head(payload, rich), Section(0, 0, "title")),
        (
            _body(payload, rich),
            Section(0, 0, "body", author=_name(fields.get("reporter")), time=_time(fields, "created")),
        ),
    ]
    remarks = [_said(one, rich) for one in [*payload.get("comments", ()), *payload.get("worklogs", ())]]
    remarks += [_changed(one) for one in payload.get("history", ())]
    parts += sorted(remarks, key=lambda part: part[1].time or datetime.max.replace(tzinfo=UTC))
    text, sections = _joined(parts)
    people = [_name(fields.get(field)) for field in _PEOPLE] + [section.author for section in sections]
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="issue",
        title=f"{issue['key']}: {fields.get('summary') or ''}".removesuffix(": "),
        text=text,
        url=f"{payload['site']}/browse/{issue['key']}",
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(filter(None, people))),
        created_at=_time(fields, "created"),
        updated_at=_time(fields, "updated"),
        location=record.location,
        state=_value(fields.get("status")),
        sections=sections,
    )


def _remark(record: RawRecord, payload: Json, sequence: int) -> Document:
    issue, remark = payload["issue"], payload["remark"]
    text, section = _said(remark, _Rich(payload))
    text, sections = _joined([(text, section)])
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="issue",
        title=f"{issue['key']}: {issue['fields'].get('summary') or ''}".removesuffix(": "),
        text=text,
        url=f"{payload['site']}/browse/{issue['key']}",
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=(section.author,) if section.author else (),
        created_at=section.time,
        updated_at=_time(remark, "updated"),
        location=record.location,
        sections=sections,
    )


class _Rich:
    """Markdown of what people wrote, in either of Jira's notations."""

    def __init__(self, payload: Json) -> None:
        self._names: Json = payload.get("names", {})
        keys, site = frozenset(payload.get("keys", ())), payload["site"]
        attached = payload["issue"]["fields"].get("attachment") or ()
        self._files = {
            str(one["filename"]): f"{site}/secure/attachment/{one['id']}/{one['filename']}" for one in attached
        }
        self._url: Callable[[str], str] = lambda key: f"{site}/browse/{key}" if key in keys else ""

    def __call__(self, value: object) -> str:
        if isinstance(value, str):
            return jira_markup_to_markdown(value, names=self._names, files=self._files, issue_url=self._url)
        return adf_to_markdown(value, names=self._names) if isinstance(value, Mapping) else ""


# ── the parts of an issue ────────────────────────────────────────────────────────────────────────────


def _head(payload: Json, rich: _Rich) -> str:
    """Title and what a reader sees beside the description; linked issues by key alone, they have other readers."""
    issue, fields = payload["issue"], payload["issue"]["fields"]
    told = [(label, _value(fields.get(field), keys=True)) for label, field in _SHOWN]
    told += _links(fields.get("issuelinks") or ())
    told += [(name, text) for name, text in _custom(payload, rich) if not _is_long(text)]
    told.append(("Attachments", ", ".join(str(one["filename"]) for one in fields.get("attachment") or ())))
    told.append(("Formerly", ", ".join(payload.get("aliases", ()))))
    lines = [f"- **{label}:** {value}" for label, value in told if value]
    head = f"# {issue['key']}: {' '.join(str(fields.get('summary') or '').split())}"
    return "\n\n".join([head, "\n".join(lines)] if lines else [head])


def _body(payload: Json, rich: _Rich) -> str:
    fields = payload["issue"]["fields"]
    blocks = [rich(fields.get("description"))]
    long = [("Environment", rich(fields.get("environment")))]
    long += [(name, text) for name, text in _custom(payload, rich) if _is_long(text)]
    blocks += [f"**{name}**\n\n{text}" for name, text in long if text.strip()]
    return "\n\n".join(block for block in blocks if block.strip())


def _links(links: Sequence[Json]) -> list[tuple[str, str]]:
    found: dict[str, list[str]] = {}
    for link in links:
        for side, way in (("outwardIssue", "outward"), ("inwardIssue", "inward")):
            if isinstance(other := link.get(side), Mapping):
                label = str(link["type"].get(way) or link["type"].get("name") or "relates to")
                found.setdefault(label[:1].upper() + label[1:], []).append(str(other["key"]))
    return [(label, ", ".join(keys)) for label, keys in found.items()]


def _custom(payload: Json, rich: _Rich) -> Iterator[tuple[str, str]]:
    """Custom fields by the names that people gave them."""
    names: Json = payload.get("fields", {})
    for id, value in payload["issue"]["fields"].items():
        if not id.startswith("customfield_") or (isinstance(value, str) and _NOISE.fullmatch(value)):
            continue
        is_text = isinstance(value, str) and not _SPRINT.search(value)
        text = rich(value) if is_text or _is_document(value) else _value(value)
        if text.strip():
            yield str(names.get(id, id)), text.strip()


def _said(remark: Json, rich: _Rich) -> tuple[str, Section]:
    """A comment, or a worklog: that has a `timeSpent`, and its text may be missing."""
    author, time = _name(remark.get("author")), _time(remark, "created")
    work = "timeSpent" in remark
    text = rich(remark.get("comment" if work else "body"))
    stamp = f"{time:%Y-%m-%d %H:%M}" if time else ""
    edited = ", edited" if (_time(remark, "updated") or time) != time else ""
    spent = f", worked {remark['timeSpent']} from {str(remark.get('started') or '')[:10]}" if work else ""
    head = f"**{author or 'Somebody'}** ({stamp}{edited}{spent}):"
    anchor = f"?{'focusedWorklogId' if work else 'focusedCommentId'}={remark['id']}"
    label = ", ".join(filter(None, (author, stamp)))
    return f"{head}\n\n{text}".rstrip(), Section(0, 0, "comment", anchor, label, author, time)


def _changed(entry: Json) -> tuple[str, Section]:
    """One entry of the change history."""
    author, time = _name(entry.get("author")), _time(entry, "created")
    stamp = f"{time:%Y-%m-%d %H:%M}" if time else ""
    lines = [f"- {item.get('field')}: {_was(item.get('fromString'))} → {_was(item.get('toString'))}"
             for item in entry.get("items", ())]  # fmt: skip
    text = "\n".join([f"**{author or 'Somebody'}** changed ({stamp}):", "", *lines])
    return text, Section(0, 0, "comment", "", ", ".join(filter(None, (author, stamp))), author, time)


def _was(value: object) -> str:
    return " ".join(str(value).split()) if value not in (None, "") else "nothing"


def _joined(parts: Sequence[tuple[str, Section]]) -> tuple[str, tuple[Section, ...]]:
    texts: list[str] = []
    sections: list[Section] = []
    start = 0
    for text, at in parts:
        if not text:
            continue
        end = start + len(text)
        sections.append(Section(start, end, at.role, at.anchor, at.label, at.author, at.time))
        texts.append(text)
        start = end + 2
    return "\n\n".join(texts), tuple(sections)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────


def _value(value: object, *, keys: bool = False) -> str:
    """What Jira shows of a field's value; issues by their keys."""
    if isinstance(value, str):
        sprint = _SPRINT.search(value)
        return sprint[1] if sprint else " ".join(value.split())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return f"{value:g}" if isinstance(value, float) and abs(value) < 1e15 else str(value)
    if isinstance(value, Sequence):
        return ", ".join(filter(None, (_value(one, keys=keys) for one in value)))
    return _object(value, keys=keys) if isinstance(value, Mapping) else ""


def _object(value: Json, *, keys: bool) -> str:
    wanted = ("key", "displayName", "name") if keys and "fields" in value else ("displayName", "value", "name", "key")
    text = next((str(value[field]) for field in wanted if isinstance(value.get(field), str)), "")
    child = value.get("child")
    return f"{text} / {_value(child)}" if isinstance(child, Mapping) else text


def _is_document(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") == "doc"


def _is_long(text: str) -> bool:
    return "\n" in text or len(text) > _LONG


def _name(person: object) -> str:
    return str(person.get("displayName") or person.get("name") or "") if isinstance(person, Mapping) else ""


def _time(value: Json, field: str) -> datetime | None:
    return moment(value.get(field))


def moment(text: object) -> datetime | None:
    """A time as Jira writes it (`2026-03-02T09:30:00.123+0000`), in UTC; None for what is none."""
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return found.astimezone(UTC) if found and found.tzinfo else None
