"""A GitHub issue or pull request with all that was said about it ▸ a document that opens at each comment.

Stored: `{"web", "repository", "issue", "comments": […]}` and for a pull request also `"pull"`, `"reviews": […]`,
`"review_comments": […]`, each as https://docs.github.com/en/rest/issues and /pulls return it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.github_markdown import Place, github_markdown
from knowhub.formats.markdown import parse_date

Json = Mapping[str, Any]

_HUNK_LINES = 30
_TICKS = re.compile(r"`{3,}")
_VERDICTS = {"APPROVED": "approved", "CHANGES_REQUESTED": "requested changes", "DISMISSED": "reviewed (dismissed)"}
_REASONS = {"not_planned": "closed as not planned", "duplicate": "closed as duplicate"}


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of a document before it has its place in the text."""

    role: str
    text: str
    anchor: str = ""
    label: str = ""
    author: str = ""
    time: datetime | None = None


def github_issue(record: RawRecord, sequence: int) -> Document:
    """The document of a stored issue or pull request. Raises UnreadableContent if it was not stored by us."""
    payload = stored(record)
    issue, place = mapping(payload, "issue"), place_of(payload)
    title = string(issue, "title") or f"#{issue.get('number', '')}"
    parts = list(_parts(payload, issue, title, place))
    text, sections = joined(parts)
    times = [part.time for part in parts if part.time]
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="issue",
        title=title,
        text=text,
        url=string(issue, "html_url") or place.issue(str(issue.get("number", ""))),
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(part.author for part in parts if part.author)),
        created_at=moment(issue, "created_at"),
        updated_at=max([*times, *filter(None, [moment(issue, "updated_at")])], default=None),
        location=record.location,
        state=_state(issue, mapping(payload, "pull")),
        sections=sections,
    )


def _parts(payload: Json, issue: Json, title: str, place: Place) -> Iterator[Part]:
    author, time = login(issue), moment(issue, "created_at")
    yield Part("title", title, "", title, author, time)
    facts = "\n".join(_facts(payload, issue))
    body = github_markdown(string(issue, "body"), place)
    yield Part("body", "\n\n".join(filter(None, (facts, body))), "", "", author, time)
    said = [(moment(one, "created_at"), [_comment(one, place)]) for one in objects(payload, "comments")]
    said += _reviews(payload, place)
    for _, group in sorted(said, key=lambda one: (one[0] is None, one[0] and one[0].timestamp())):
        yield from group


def _facts(payload: Json, issue: Json) -> Iterator[str]:
    """What stands beside the text: one line for each kind of fact."""
    pull = mapping(payload, "pull")
    kind = "Pull request" if "pull_request" in issue else "Issue"
    yield f"{kind} {payload.get('repository', '')}#{issue.get('number', '')}, {_state(issue, pull)}, by {login(issue)}"
    if head := string(mapping(pull, "head"), "label"):
        yield f"Branch: {head} into {string(mapping(pull, 'base'), 'label')}"
    labels = [string(label, "name") for label in objects(issue, "labels")]
    labels += [label for label in sequence_of(issue, "labels") if isinstance(label, str)]
    if named := ", ".join(filter(None, labels)):
        yield f"Labels: {named}"
    if named := ", ".join(string(one, "login") for one in objects(issue, "assignees")):
        yield f"Assigned to: {named}"
    if milestone := string(mapping(issue, "milestone"), "title"):
        yield f"Milestone: {milestone}"
    if kind_of_issue := string(mapping(issue, "type"), "name"):
        yield f"Type: {kind_of_issue}"


def _state(issue: Json, pull: Json) -> str:
    request = mapping(issue, "pull_request")
    if request.get("merged_at") or pull.get("merged_at"):
        return "merged"
    state = string(issue, "state")
    if state == "open" and (issue.get("draft") or pull.get("draft")):
        return "draft"
    return _REASONS.get(string(issue, "state_reason"), state) if state == "closed" else state


def _comment(comment: Json, place: Place) -> Part:
    return spoken(
        comment, "", f"#issuecomment-{comment.get('id', '')}", github_markdown(string(comment, "body"), place)
    )


# ── reviews ──────────────────────────────────────────────────────────────────────────────────────────


def _reviews(payload: Json, place: Place) -> list[tuple[datetime | None, list[Part]]]:
    """A review, then the threads that began with it, each thread whole and under its hunk."""
    threads = _threads(objects(payload, "review_comments"))
    groups: list[tuple[datetime | None, list[Part]]] = []
    for review in objects(payload, "reviews"):
        begun = threads.pop(str(review.get("id")), [])
        body = github_markdown(string(review, "body"), place)
        verdict = _VERDICTS.get(string(review, "state"), "reviewed")
        parts = [part for thread in begun for part in _thread(thread, place)]
        if body or parts or verdict != "reviewed":
            anchor = f"#pullrequestreview-{review.get('id', '')}"
            parts.insert(0, spoken(review, verdict, anchor, body, at="submitted_at"))
            groups.append((moment(review, "submitted_at"), parts))
    # Threads whose review is not listed (it was deleted, or hidden from us) are still said.
    for begun in threads.values():
        groups += [(moment(thread[0], "created_at"), list(_thread(thread, place))) for thread in begun]
    return groups


def _threads(comments: Sequence[Json]) -> dict[str, list[list[Json]]]:
    """Review id ▸ its threads. A reply names the thread's first comment, which may be gone."""
    threads: dict[str, list[Json]] = {}
    for comment in sorted(comments, key=lambda one: (string(one, "created_at"), str(one.get("id")))):
        threads.setdefault(str(comment.get("in_reply_to_id") or comment.get("id")), []).append(comment)
    begun: dict[str, list[list[Json]]] = {}
    for thread in threads.values():
        thread.sort(key=lambda one: one.get("in_reply_to_id") is not None)
        begun.setdefault(str(thread[0].get("pull_request_review_id")), []).append(thread)
    return begun


def _thread(thread: Sequence[Json], place: Place) -> Iterator[Part]:
    for i, comment in enumerate(thread):
        body = github_markdown(string(comment, "body"), place)
        said = body if i else "\n\n".join(filter(None, (_hunk(comment), body)))
        where = _where(comment)
        yield spoken(comment, f"on `{where}`" if where else "", f"#discussion_r{comment.get('id', '')}", said)


def _where(comment: Json) -> str:
    path, line = string(comment, "path"), comment.get("line") or comment.get("original_line")
    first = comment.get("start_line") or comment.get("original_start_line")
    if not line:
        return path
    return f"{path}:{first}-{line}" if first and first != line else f"{path}:{line}"


def _hunk(comment: Json) -> str:
    """The end of the hunk is what the comment stands under; its header tells where that is."""
    hunk = string(comment, "diff_hunk")
    if not hunk:
        return ""
    lines = hunk.split("\n")
    if len(lines) > _HUNK_LINES:
        lines = [lines[0], "…", *lines[2 - _HUNK_LINES :]]
    fence = "`" * max([3, *(len(found) + 1 for found in _TICKS.findall(hunk))])
    return "\n".join((f"{fence}diff", *lines, fence))


# ── shared by all documents of GitHub ────────────────────────────────────────────────────────────────


def spoken(said: Json, how: str, anchor: str, text: str, *, at: str = "created_at") -> Part:
    """Something that a person said at a time."""
    author, time = login(said), moment(said, at)
    stamp = f"{time:%Y-%m-%d %H:%M}" if time else ""
    words = " ".join(filter(None, (f"**{author}**", how, f"({stamp})" if stamp else "")))
    label = ", ".join(filter(None, (author, stamp)))
    return Part("comment", f"{words}:\n{text}" if text else words, anchor, label, author, time)


def joined(parts: Sequence[Part]) -> tuple[str, tuple[Section, ...]]:
    """The text of a document and where its parts stand in it."""
    sections, at = [], 0
    for part in parts:
        sections.append(Section(at, at + len(part.text), part.role, part.anchor, part.label, part.author, part.time))
        at += len(part.text) + 2
    return "\n\n".join(part.text for part in parts), tuple(sections)


def stored(record: RawRecord) -> Json:
    """The payload. Raises UnreadableContent where there is none."""
    if not isinstance(record.payload, Mapping) or "repository" not in record.payload:
        raise UnreadableContent(f"{record.item}: nothing of GitHub is stored here")
    return record.payload


def place_of(payload: Json) -> Place:
    return Place(string(payload, "web").rstrip("/"), string(payload, "repository"))


def string(of: Json, key: str) -> str:
    """The text under `key`, whatever stands there; half surrogates, which no file can hold, become `?`."""
    value = of.get(key)
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def mapping(of: Json, key: str) -> Json:
    value = of.get(key)
    return value if isinstance(value, Mapping) else {}


def sequence_of(of: Json, key: str) -> Sequence[Any]:
    value = of.get(key)
    return value if isinstance(value, list | tuple) else ()


def objects(of: Json, key: str) -> list[Json]:
    return [one for one in sequence_of(of, key) if isinstance(one, Mapping)]


def login(of: Json, key: str = "user") -> str:
    """Who wrote it; `ghost` stands for accounts that are gone, as on the site."""
    return string(mapping(of, key), "login") or "ghost"


def moment(of: Json, key: str) -> datetime | None:
    return parse_date(string(of, key))
