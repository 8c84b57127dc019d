"""GitLab's issues, merge requests, epics, notes, wiki pages, releases, snippets and changes as stored ▸ documents.

Stored: the vendor's JSON under its own name (`issue`, `discussions`, `page`, …) and `home`, the `web_url` and `path` of
the project or group that it stands in. A link opens at each comment (`#note_17`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, DocumentKind, RawRecord, Section, document_id
from knowhub.formats.contents import unpack
from knowhub.formats.gitlab_markdown import Home, render_gitlab_markdown
from knowhub.formats.markdown import headings

Json = Mapping[str, Any]

_MASKED = re.compile(r"[\s*•.·█_-]*")
_STATES = {"opened": "open"}
_TITLE_CHARS = 100


def gitlab_document(record: RawRecord, sequence: int) -> Document:
    """The document of a stored item. Raises UnreadableContent if it was not stored by us."""
    build = _BUILDERS.get(record.kind)
    if build is None or record.payload is None:
        raise UnreadableContent(f"{record.item}: {record.kind!r} is nothing that GitLab has")
    try:
        return _document(record, sequence, build(record.payload))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise UnreadableContent(f"{record.item}: not a GitLab {record.kind}: {error!r}") from error


def person(user: Any) -> str:
    """The name people know; "" for nobody. A name that GitLab masks (`****`) is no name: then the account's."""
    if not isinstance(user, Mapping):
        return ""
    name, username = _text(user.get("name")), _text(user.get("username"))
    return username if _MASKED.fullmatch(name) else name


def moment(value: Any) -> datetime | None:
    """UTC of an ISO 8601 time, with or without fraction and zone; None for anything else."""
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None


@dataclass(slots=True)
class _Built:
    """A document in the making: `add` appends a part of the text, with its section."""

    title: str
    url: str
    kind: DocumentKind
    state: str = ""
    authors: list[str] = field(default_factory=list)
    created_at: datetime | None = None
    updated_at: datetime | None = None
    parts: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    length: int = 0

    def add(self, role: str, text: str, anchor: str = "", label: str = "", author: str = "", time: Any = None) -> None:
        if not text.strip():
            return
        start = self.length
        self.sections.append(Section(start, start + len(text), role, anchor, label, author, moment(time)))
        self.parts.append(text)
        self.length += len(text) + 2
        if author:
            self.authors.append(author)


def _document(record: RawRecord, sequence: int, built: _Built) -> Document:
    text = "\n\n".join(built.parts)
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind=built.kind,
        title=built.title,
        text=text,
        url=built.url,
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(filter(None, built.authors))),
        created_at=built.created_at,
        updated_at=built.updated_at,
        location=record.location,
        state=built.state,
        sections=headings(text) if built.kind == "markdown" else tuple(built.sections),
    )


def _home(payload: Json, wiki: str | None = None) -> Home:
    home = payload["home"]
    return Home.of(home["web_url"], home["path"], wiki=wiki, branch=home.get("branch") or "HEAD")


# ── issues, merge requests, epics ────────────────────────────────────────────────────────────────────


def _issue(payload: Json) -> _Built:
    return _issuable(payload, payload["issue"])


def _merge_request(payload: Json) -> _Built:
    return _issuable(payload, payload["merge_request"])


def _epic(payload: Json) -> _Built:
    return _issuable(payload, payload["epic"])


def _issuable(payload: Json, vendor: Json) -> _Built:
    home = _home(payload)
    built = _Built(
        title=_title(vendor),
        url=_text(vendor.get("web_url")),
        kind="issue",
        state=_state(vendor),
        authors=[person(vendor.get("author"))],
        created_at=moment(vendor.get("created_at")),
        updated_at=moment(vendor.get("updated_at")),
    )
    built.add("title", built.title)
    said = render_gitlab_markdown(_text(vendor.get("description")), home)
    facts = ". ".join(f"{name}: {value}" for name, value in _facts(vendor))
    body = "\n\n".join(filter(None, (f"{facts}." if facts else "", said)))
    author = person(vendor.get("author"))
    built.add("body", body, "", "", author, vendor.get("created_at"))
    for discussion in _objects(payload.get("discussions")):
        for number, note in enumerate(_objects(discussion.get("notes"))):
            _comment(built, note, home, reply=number > 0)
    return built


def _title(vendor: Json) -> str:
    reference = _text(_object(vendor.get("references")).get("short"))
    title = " ".join(_text(vendor.get("title")).split())
    return title or reference or "Untitled"


def _state(vendor: Json) -> str:
    state = _text(vendor.get("state"))
    if vendor.get("moved_to_id"):
        return "moved"
    if vendor.get("draft") is True and state == "opened":
        return "draft"
    return _STATES.get(state, state)


def _facts(vendor: Json) -> Iterator[tuple[str, str]]:
    """What stands beside an issue's description, in the words of GitLab's page."""
    found = (
        ("Type", _unless(vendor.get("issue_type"), "issue")),
        ("Reported by", _reporter(vendor)),
        ("Branch", _branches(vendor)),
        ("Labels", ", ".join(_labels(vendor))),
        ("Milestone", _text(_object(vendor.get("milestone")).get("title"))),
        ("Iteration", _iteration(_object(vendor.get("iteration")))),
        ("Epic", _text(_object(vendor.get("epic")).get("title"))),
        ("Assigned to", ", ".join(_people(vendor.get("assignees") or [vendor.get("assignee")]))),
        ("Reviewers", ", ".join(_people(vendor.get("reviewers")))),
        ("Start", _text(vendor.get("start_date"))),
        ("Due", _text(vendor.get("due_date"))),
        ("Weight", str(vendor["weight"]) if isinstance(vendor.get("weight"), int) else ""),
        ("Severity", _unless(vendor.get("severity"), "UNKNOWN")),
        ("Health", _text(vendor.get("health_status")).replace("_", " ")),
        ("Estimate", _text(_object(vendor.get("time_stats")).get("human_time_estimate"))),
        ("Time spent", _unless(_object(vendor.get("time_stats")).get("human_total_time_spent"), "0m")),
        ("Merged by", _done(vendor.get("merge_user") or vendor.get("merged_by"), vendor.get("merged_at"))),
        ("Closed by", _done(vendor.get("closed_by"), vendor.get("closed_at"))),
    )
    return ((name, value) for name, value in found if value)


def _reporter(vendor: Json) -> str:
    """Who wrote to the service desk. GitLab shows the address from Reporter on, as it does confidential issues."""
    address = _text(vendor.get("service_desk_reply_to") or vendor.get("external_author"))
    return address if vendor.get("confidential") is True else ""


def _branches(vendor: Json) -> str:
    source, target = _text(vendor.get("source_branch")), _text(vendor.get("target_branch"))
    return f"{source} into {target}" if source and target else ""


def _iteration(iteration: Json) -> str:
    between = f"{_text(iteration.get('start_date'))} to {_text(iteration.get('due_date'))}"
    return _text(iteration.get("title")) or (between if iteration.get("due_date") else "")


def _labels(vendor: Json) -> list[str]:
    """Names, or objects with a name where details were asked for."""
    given = vendor.get("labels")
    labels = given if isinstance(given, list) else []
    return [name for one in labels if (name := _text(one.get("name") if isinstance(one, Mapping) else one))]


def _people(users: Any) -> list[str]:
    return [name for user in (users if isinstance(users, list) else []) if (name := person(user))]


def _done(user: Any, time: Any) -> str:
    at = moment(time)
    return ", ".join(filter(None, (person(user), f"{at:%Y-%m-%d %H:%M}" if at else "")))


def _comment(built: _Built, note: Json, home: Home, *, reply: bool = False) -> None:
    author, at = person(note.get("author")), moment(note.get("created_at"))
    stamp = f"{at:%Y-%m-%d %H:%M}" if at else ""
    told = filter(None, (stamp, "reply" if reply else "", _where(note), _resolved(note)))
    said = render_gitlab_markdown(_text(note.get("body")), home)
    text = f"**{author or 'Somebody'}** ({', '.join(told)}):\n{said}".rstrip()
    label = ", ".join(filter(None, (author, stamp)))
    built.add("comment", text, f"#note_{note['id']}", label, author, note.get("created_at"))
    latest = max(filter(None, (built.updated_at, moment(note.get("updated_at")))), default=None)
    built.updated_at = latest


def _where(note: Json) -> str:
    """What a comment on a diff stands at."""
    position = _object(note.get("position"))
    path = _text(position.get("new_path") or position.get("old_path"))
    line = position.get("new_line") or position.get("old_line")
    return f"on `{path}` line {line}" if path and line else f"on `{path}`" if path else ""


def _resolved(note: Json) -> str:
    if note.get("resolved") is not True:
        return ""
    who = person(note.get("resolved_by"))
    return f"resolved by {who}" if who else "resolved"


def _note(payload: Json) -> _Built:
    """An internal note by itself; `on` is what it was written about."""
    note, on = payload["note"], payload["on"]
    built = _Built(
        title=f"Internal note on {_text(on.get('title')) or 'an issue'}",
        url=_text(on.get("web_url")),
        kind="issue",
        state="internal",
        created_at=moment(note.get("created_at")),
        updated_at=moment(note.get("updated_at")),
    )
    _comment(built, note, _home(payload))
    return built


# ── wiki pages, releases, snippets ───────────────────────────────────────────────────────────────────


def _page(payload: Json) -> _Built:
    page = payload["page"]
    slug = _text(page["slug"])
    home = _home(payload, wiki=slug)
    content = _text(page.get("content"))
    text = render_gitlab_markdown(content, home) if page.get("format", "markdown") == "markdown" else content
    title = _text(page.get("title")) or slug
    built = _Built(title=title, url=f"{home.url}/-/wikis/{quote(slug)}", kind="markdown")
    built.add("body", text)
    return built


def _release(payload: Json) -> _Built:
    release, home = payload["release"], _home(payload)
    tag = _text(release.get("tag_name"))
    title = _text(release.get("name")) or tag or "Release"
    link = _text(_object(release.get("_links")).get("self")) or f"{home.url}/-/releases/{quote(tag, safe='')}"
    built = _Built(
        title=title,
        url=link,
        kind="markdown",
        state="upcoming" if release.get("upcoming_release") is True else "",
        authors=[person(release.get("author"))],
        created_at=moment(release.get("created_at")),
        updated_at=moment(release.get("released_at")),
    )
    built.add("title", f"# {title}" if tag in ("", title) else f"# {title} ({tag})")
    built.add("body", render_gitlab_markdown(_text(release.get("description")), home))
    milestones = [_text(one.get("title")) for one in _objects(release.get("milestones"))]
    built.add("body", f"Milestones: {', '.join(filter(None, milestones))}." if milestones else "")
    links = _objects(_object(release.get("assets")).get("links"))
    built.add("body", "\n".join(f"- [{_text(one.get('name'))}]({_text(one.get('url'))})" for one in links))
    return built


def _snippet(payload: Json) -> _Built:
    snippet, home = payload["snippet"], _home(payload)
    built = _Built(
        title=_text(snippet.get("title")) or "Snippet",
        url=_text(snippet.get("web_url")),
        kind="markdown",
        authors=[person(snippet.get("author"))],
        created_at=moment(snippet.get("created_at")),
        updated_at=moment(snippet.get("updated_at")),
    )
    built.add("title", f"# {built.title}")
    built.add("body", render_gitlab_markdown(_text(snippet.get("description")), home))
    for file in _objects(payload.get("files")):
        built.add("body", _snippet_file(file, home))
    for discussion in _objects(payload.get("discussions")):
        for number, note in enumerate(_objects(discussion.get("notes"))):
            _comment(built, note, home, reply=number > 0)
    return built


def _snippet_file(file: Json, home: Home) -> str:
    path = _text(file.get("path"))
    try:
        content = unpack(_object(file.get("content"))).decode("utf-8").rstrip("\n")
    except (UnicodeDecodeError, UnreadableContent):
        return f"## {path}\n\n(not text)"
    if path.lower().endswith((".md", ".markdown")):
        return f"## {path}\n\n{render_gitlab_markdown(content, home)}"
    longest = max((len(ticks) for ticks in re.findall(r"`{3,}", content)), default=2)
    fence = "`" * (longest + 1)
    return f"## {path}\n\n{fence}{path.rpartition('.')[2] if '.' in path else ''}\n{content}\n{fence}"


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────


def _commit(payload: Json) -> _Built:
    commit = payload["commit"]
    subject, _, body = _text(commit.get("message")).strip().partition("\n")
    sha = _text(commit["id"])
    built = _Built(
        title=subject.strip() or _text(commit.get("title")) or f"Commit {sha[:12]}",
        url=_text(commit.get("web_url")) or f"{_home(payload).url}/-/commit/{sha}",
        kind="change",
        authors=[_text(commit.get("author_name"))],
        created_at=moment(commit.get("authored_date") or commit.get("created_at")),
        updated_at=moment(commit.get("committed_date") or commit.get("created_at")),
    )
    built.add("title", built.title)
    built.add("body", body.strip())
    _diffs(built, payload)
    return built


def _diff(payload: Json) -> _Built:
    vendor = payload["merge_request"]
    built = _Built(
        title=f"Changes of {_title(vendor)}",
        url=f"{_text(vendor.get('web_url'))}/diffs",
        kind="change",
        state=_state(vendor),
        authors=[person(vendor.get("author"))],
        created_at=moment(vendor.get("created_at")),
        updated_at=moment(vendor.get("updated_at")),
    )
    built.add("title", built.title)
    _diffs(built, payload)
    return built


def _diffs(built: _Built, payload: Json) -> None:
    for file in _objects(payload.get("diffs")):
        path = _text(file.get("new_path") or file.get("old_path"))
        # https://docs.gitlab.com/development/merge_request_concepts/diffs/: a file's anchor is the SHA-1 of its path.
        anchor = f"#{hashlib.sha1(path.encode('utf-8', 'surrogatepass'), usedforsecurity=False).hexdigest()}"
        built.add("file", "\n".join(filter(None, (_heading(file), _text(file.get("diff")).rstrip()))), anchor, path)


def _heading(file: Json) -> str:
    old, new = _text(file.get("old_path")), _text(file.get("new_path"))
    status = next((word for key, word in _STATUS.items() if file.get(key) is True), "modified")
    cut = ", not shown in full" if file.get("too_large") is True or file.get("collapsed") is True else ""
    return f"{old} -> {new} ({status}{cut})" if status == "renamed" else f"{new or old} ({status}{cut})"


_STATUS = {"new_file": "added", "renamed_file": "renamed", "deleted_file": "deleted"}


# ── vendor JSON ──────────────────────────────────────────────────────────────────────────────────────


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _unless(value: Any, usual: str) -> str:
    text = _text(value)
    return "" if text == usual else text.lower().replace("_", " ")


def _object(value: Any) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Any) -> Sequence[Json]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


_BUILDERS: Mapping[str, Callable[[Json], _Built]] = {
    "gitlab.issue": _issue,
    "gitlab.merge_request": _merge_request,
    "gitlab.epic": _epic,
    "gitlab.note": _note,
    "gitlab.wiki": _page,
    "gitlab.release": _release,
    "gitlab.snippet": _snippet,
    "gitlab.commit": _commit,
    "gitlab.diff": _diff,
}
