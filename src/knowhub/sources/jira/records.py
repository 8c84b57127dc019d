"""An issue as the API returned it ▸ what is stored of it: the issue, what has fewer readers, its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.connecting.versions import compared, digest
from knowhub.core.ports import Known
from knowhub.core.types import Acl, ContainerId, Failed, ItemId, Principal, RawRecord, Skipped, SourceName, Unchanged
from knowhub.sources.jira.api import JiraApi, Json, milliseconds
from knowhub.sources.jira.options import JiraOptions

Outcome = RawRecord | Unchanged | Skipped | Failed

_MENTION = re.compile(r"\[~([^\]\s|]+)\]")
_KEY = re.compile(r"\b[A-Z][A-Z0-9_]+-[1-9]\d*\b")
_APART = frozenset(("comment", "worklog"))
_RICH = frozenset(("description", "environment"))
_OTHERS = frozenset(("issuelinks", "subtasks", "parent"))


def issue_item(id: int | str) -> ItemId:
    return ItemId(f"issue:{id}")


def issue_of(item: ItemId) -> int:
    """The issue that an item is or hangs on; -1 if it is no item of ours."""
    number = item.split(":")[1] if item.startswith("issue:") else ""
    return int(number) if number.isdigit() else -1


@dataclass(slots=True)
class Records:
    """Makes the records of one fetch. `project_keys` are those of all projects that our account sees."""

    source: SourceName
    api: JiraApi
    options: JiraOptions
    known: Known
    site: str
    project_keys: frozenset[str]
    _fields: dict[str, str] | None = None
    _stamps: dict[str, str] = field(default_factory=dict)
    _names: dict[str, str] = field(default_factory=dict)
    _roles: dict[str, dict[str, str]] = field(default_factory=dict)

    def stamp(self, project_key: str) -> str:
        """What a version holds beside time and content: a project that is called otherwise changes all its issues."""
        if project_key not in self._stamps:
            self._stamps[project_key] = digest(self.options.choices(), project_key, self.site)
        return self._stamps[project_key]

    def of(self, issue: Json) -> Iterator[Outcome]:
        """Raises KeyError, TypeError, ValueError where the issue has no shape that we know, and HTTP errors."""
        acl = self._acl(issue)
        comments = self._all(issue, "comment", "comments")
        worklogs = self._all(issue, "worklog", "worklogs") if self.options.worklogs else []
        apart = [("comment", one) for one in comments if _is_apart(one)]
        apart += [("worklog", one) for one in worklogs if _is_apart(one)]
        yield compared(self._issue(issue, acl, comments, worklogs), self.known)
        for kind, remark in apart:
            yield compared(self._remark(issue, acl, kind, remark), self.known)
        yield from self._files(issue, acl)

    def _all(self, issue: Json, what: str, rows: str) -> list[Json]:
        """All of an issue's comments or worklogs: what stands in the issue may be a first page only, and on Data
        Center only the listing tells which comments are internal."""
        there = issue["fields"].get(what) or {}
        shown = list(there.get(rows) or ())
        hidden = what == "comment" and shown and not self.api.cloud and _is_of_a_desk(issue)
        if hidden or int(there.get("total") or 0) > len(shown):
            return self.api.rest_of(int(issue["id"]), what, rows)
        return shown

    # ── records ──────────────────────────────────────────────────────────────────────────────────────

    def _issue(self, issue: Json, acl: Acl, comments: list[Json], worklogs: list[Json]) -> RawRecord:
        history = self._history(issue)
        fields = _own(issue["fields"])
        payload = {
            "issue": {"id": issue["id"], "key": issue["key"], "fields": fields},
            "comments": [one for one in comments if not _is_apart(one)],
            "worklogs": [one for one in worklogs if not _is_apart(one)],
            "history": history if self.options.history else [],
            "aliases": _aliases(history, issue["key"]),
            "fields": {id: name for id, name in self._field_names(fields).items() if id in fields},
        }
        return self._record(issue, issue_item(issue["id"]), "issue", acl, payload, issue["key"])

    def _remark(self, issue: Json, acl: Acl, kind: str, remark: Json) -> RawRecord:
        """A comment or worklog that not all readers of the issue may read. Of the issue it has what all of them see."""
        payload = {
            "issue": {"id": issue["id"], "key": issue["key"], "fields": {"summary": issue["fields"].get("summary")}},
            "remark": remark,
        }
        item = ItemId(f"{issue_item(issue['id'])}:{kind}:{remark['id']}")
        acl = self.options.acl(Acl(acl.layers + self._layers(issue, remark)))
        return self._record(issue, item, kind, acl, payload, f"{issue['key']}/{kind} {remark['id']}")

    def _record(
        self, issue: Json, item: ItemId, kind: str, acl: Acl, payload: dict[str, Any], location: str
    ) -> RawRecord:
        """Every edit moves `updated`; the digest is for what else the document is made of."""
        project = issue["fields"]["project"]
        edited = payload["remark"] if kind != "issue" else issue["fields"]
        remarks = [*payload.get("comments", ()), *payload.get("worklogs", ())]
        besides = [acl, issue["key"], issue["fields"].get("summary"), payload.get("aliases"), payload.get("fields")]
        return RawRecord(
            source=self.source,
            container=ContainerId(str(project["id"])),
            item=item,
            kind=kind,
            version="-".join((
                str(milliseconds(edited["updated"])), self.stamp(project["key"]),
                digest(*besides, [(one["id"], one["updated"]) for one in remarks]),
            )),
            acl=acl,
            payload={"site": self.site, **payload, **self._resolved(payload)},
            location=location,
        )  # fmt: skip

    def _files(self, issue: Json, acl: Acl) -> Iterator[Outcome]:
        if not self.options.attachments:
            return
        fetcher = Attachments(self.api.http, self.source, self.options.max_attachment_bytes)
        for one in issue["fields"].get("attachment") or ():
            content = f"{self.api.root}/attachment/content/{one['id']}" if self.api.cloud else one["content"]
            yield fetcher.fetch(
                Attachment(
                    item=ItemId(f"{issue_item(issue['id'])}:file:{one['id']}"),
                    container=ContainerId(str(issue["fields"]["project"]["id"])),
                    name=str(one["filename"]),
                    url=self.api.http.here(content),
                    link=f"{self.site}/secure/attachment/{one['id']}/{one['filename']}",
                    version=f"{one['id']}-{digest(acl, issue['key'], self.site)}",
                    acl=acl,
                    parent=str(issue["key"]),
                    size_bytes=one.get("size"),
                    author=str((one.get("author") or {}).get("displayName") or ""),
                    created_at=str(one.get("created") or ""),
                ),
                self.known,
            )

    # ── permissions ──────────────────────────────────────────────────────────────────────────────────

    def _acl(self, issue: Json) -> Acl:
        fields = issue["fields"]
        project = f"{self.source}:project:{fields['project']['id']}"
        layers = [frozenset((Principal(project),))]
        if security := fields.get("security"):
            # A level's members may be a role, which is other people in every project that shares the level.
            layers.append(frozenset((Principal(f"{project}:level:{security['id']}"),)))
        if restricted := (fields.get("issuerestriction") or {}).get("issuerestrictions"):
            layers.append(_roles_of(project, restricted))
        return self.options.acl(Acl(tuple(layers)))

    def _layers(self, issue: Json, remark: Json) -> tuple[frozenset[Principal], ...]:
        project = str(issue["fields"]["project"]["id"])
        principal = f"{self.source}:project:{project}"
        layers = [frozenset((Principal(f"{principal}:agents"),))] if _is_internal(remark) else []
        if visibility := remark.get("visibility"):
            layers.append(self._visibility(project, principal, visibility))
        return tuple(layers)

    def _visibility(self, project: str, principal: str, visibility: Json) -> frozenset[Principal]:
        """An empty layer, nobody, where it cannot be said who is meant."""
        if visibility.get("type") == "group":
            group = visibility.get("identifier") or visibility.get("value")
            return frozenset((Principal(f"{self.source}:group:{group}"),)) if group else frozenset()
        if visibility.get("type") == "role":
            role = self._roles_in(project).get(str(visibility.get("value")))
            return frozenset((Principal(f"{principal}:role:{role}"),)) if role else frozenset()
        return frozenset()

    def _roles_in(self, project: str) -> dict[str, str]:
        """Name ▸ id of the roles of a project, asked once."""
        if project not in self._roles:
            found = self.api.may(f"project/{project}/role") or {}
            self._roles[project] = {str(name): str(url).rsplit("/", 1)[-1] for name, url in found.items()}
        return self._roles[project]

    # ── what belongs to it ───────────────────────────────────────────────────────────────────────────

    def _history(self, issue: Json) -> list[Json]:
        log = issue.get("changelog") or {}
        found = list(log.get("histories") or ())
        if int(log.get("total") or 0) > len(found):
            found = self.api.rest_of(int(issue["id"]), "changelog", "values" if self.api.cloud else "histories")
        return sorted(found, key=lambda entry: milliseconds(entry.get("created")))

    def _field_names(self, fields: Json) -> Mapping[str, str]:
        if self._fields is None and any(id.startswith("customfield_") for id in fields):
            self._fields = self.api.field_names()
        return self._fields or {}

    def _resolved(self, payload: Json) -> dict[str, Any]:
        """Names behind mentions, and which words are keys of issues: wiki markup says neither."""
        text = "" if self.api.cloud else "\n".join(_written(payload))
        mentioned = sorted(set(_MENTION.findall(text)))
        keys = sorted(set(_KEY.findall(text)))
        for id in mentioned:
            if id not in self._names:
                self._names[id] = self.api.display_name(id)
        return {
            "names": {id: self._names[id] for id in mentioned if self._names[id]},
            "keys": [key for key in keys if key.rpartition("-")[0] in self.project_keys],
        }


def _is_apart(remark: Json) -> bool:
    return bool(remark.get("visibility")) or _is_internal(remark)


def _is_internal(remark: Json) -> bool:
    """Cloud says `jsdPublic`, Data Center a property: https://github.com/pycontribs/jira/issues/1011"""
    told = (one.get("value") for one in remark.get("properties") or () if one.get("key") == "sd.public.comment")
    marks = [one.get("internal") if isinstance(one, Mapping) else one for one in told]
    return not remark.get("jsdPublic", True) or any(mark not in (None, False, "false") for mark in marks)


def _is_of_a_desk(issue: Json) -> bool:
    """Where the project's type is not told it may be one."""
    return bool(issue["fields"]["project"].get("projectTypeKey", "service_desk") == "service_desk")


def _roles_of(project: str, restricted: Any) -> frozenset[Principal]:
    roles = restricted.get("projectrole") if isinstance(restricted, Mapping) and len(restricted) == 1 else None
    ids = [one.get("id") if isinstance(one, Mapping) else one for one in roles or ()]
    return frozenset(Principal(f"{project}:role:{id}") for id in ids if id)


def _aliases(history: list[Json], key: str) -> list[str]:
    """Keys that the issue had before it was moved; links and memories still have them."""
    items = (item for entry in history for item in entry.get("items") or ())
    keys = [str(item["fromString"]) for item in items if item.get("field") == "Key" and item.get("fromString")]
    return [old for old in dict.fromkeys(keys) if old != key]


def _own(fields: Json) -> dict[str, Any]:
    """What is the issue's own: comments lie elsewhere, and titles of other issues may be for other readers."""
    kept = {id: value for id, value in fields.items() if value is not None and id not in _APART}
    for id in _OTHERS & kept.keys():
        kept[id] = [_named(one) for one in kept[id]] if isinstance(kept[id], list) else _named(kept[id])
    return kept


def _named(other: Any) -> Any:
    """An issue by its key, or a link to one."""
    if not isinstance(other, Mapping):
        return other
    named = {side: _named(other[side]) for side in ("inwardIssue", "outwardIssue") if side in other}
    return {**other, **named, **({"fields": {}} if "fields" in other else {})}


def _written(payload: Json) -> Iterator[str]:
    """What people wrote in it as wiki markup."""
    for remark in [*payload.get("comments", ()), *payload.get("worklogs", ()), payload.get("remark", {})]:
        yield from (text for name in ("body", "comment") if isinstance(text := remark.get(name), str))
    for id, value in payload["issue"]["fields"].items():
        if isinstance(value, str) and (id in _RICH or id.startswith("customfield_")):
            yield value
