"""GitHub's discussions, releases and commits as stored ▸ documents.

Stored: `{"web", "repository", …}` with `"discussion"` (GraphQL, https://docs.github.com/en/graphql/guides/
using-the-graphql-api-for-discussions), `"release"` (/rest/releases) or `"commit"` (/rest/commits).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime

from knowhub.core.types import Document, DocumentKind, RawRecord, document_id
from knowhub.formats.github_issue import (
    Json,
    Part,
    joined,
    login,
    mapping,
    moment,
    objects,
    place_of,
    spoken,
    stored,
    string,
)
from knowhub.formats.github_markdown import Place, github_markdown

_GRAPHQL_STAMPS = {"createdAt": "created_at", "author": "user"}


def github_discussion(record: RawRecord, sequence: int) -> Document:
    """A discussion with comments and replies; the answer is marked. Raises UnreadableContent."""
    payload = stored(record)
    discussion = mapping(payload, "discussion")
    title = string(discussion, "title")
    parts = list(_discussion(discussion, title, place_of(payload), string(payload, "repository")))
    return _document(
        record,
        sequence,
        "issue",
        title,
        parts,
        url=string(discussion, "url"),
        created=moment(discussion, "createdAt"),
        updated=moment(discussion, "updatedAt"),
        state=_discussion_state(discussion),
    )


def _discussion(discussion: Json, title: str, place: Place, repository: str) -> Iterator[Part]:
    author, time = login(discussion, "author"), moment(discussion, "createdAt")
    yield Part("title", title, "", title, author, time)
    number, category = discussion.get("number", ""), string(mapping(discussion, "category"), "name")
    facts = [f"Discussion {repository}#{number}, {_discussion_state(discussion)}, by {author}"]
    if category:
        facts.append(f"Category: {category}")
    if labels := ", ".join(string(label, "name") for label in _nodes(discussion, "labels")):
        facts.append(f"Labels: {labels}")
    options = [f"- {string(option, 'option')}" for option in _nodes(mapping(discussion, "poll"), "options")]
    if question := string(mapping(discussion, "poll"), "question"):
        facts += [f"Poll: {question}", *options]
    body = github_markdown(string(discussion, "body"), place)
    yield Part("body", "\n\n".join(filter(None, ("\n".join(facts), body))), "", "", author, time)
    for comment in _nodes(discussion, "comments"):
        yield _discussion_comment(comment, "(answer)" if comment.get("isAnswer") else "", place)
        for reply in _nodes(comment, "replies"):
            yield _discussion_comment(reply, "replied" if not reply.get("isAnswer") else "replied (answer)", place)


def _discussion_state(discussion: Json) -> str:
    if discussion.get("isAnswered"):
        return "answered"
    return "closed" if discussion.get("closed") else "open"


def _discussion_comment(comment: Json, how: str, place: Place) -> Part:
    as_rest = {_GRAPHQL_STAMPS.get(key, key): value for key, value in comment.items()}
    anchor = f"#discussioncomment-{comment.get('databaseId', '')}"
    return spoken(as_rest, how, anchor, github_markdown(string(comment, "body"), place))


def _nodes(of: Json, key: str) -> list[Json]:
    return objects(mapping(of, key), "nodes")


def github_release(record: RawRecord, sequence: int) -> Document:
    """A release's notes, with the names of what can be downloaded. Raises UnreadableContent."""
    payload = stored(record)
    release, repository = mapping(payload, "release"), string(payload, "repository")
    tag = string(release, "tag_name")
    name = string(release, "name") or tag
    title = f"{repository} {name}" if tag in name else f"{repository} {name} ({tag})"
    author, time = login(release, "author"), moment(release, "published_at") or moment(release, "created_at")
    facts = f"Release {tag} of {repository}, by {author}"
    body = github_markdown(string(release, "body"), place_of(payload))
    names = "\n".join(f"- {string(asset, 'name')}" for asset in objects(release, "assets"))
    texts = (facts, body, f"Files:\n{names}" if names else "")
    parts = [
        Part("title", title, "", title, author, time),
        Part("body", "\n\n".join(filter(None, texts)), "", "", author, time),
    ]
    return _document(
        record,
        sequence,
        "issue",
        title,
        parts,
        url=string(release, "html_url"),
        created=time,
        updated=moment(release, "updated_at") or time,
        state="pre-release" if release.get("prerelease") else "released",
    )


def github_commit(record: RawRecord, sequence: int) -> Document:
    """A commit's message, then what it does to each file. Raises UnreadableContent."""
    payload = stored(record)
    commit = mapping(payload, "commit")
    inner = mapping(commit, "commit")
    subject, _, rest = string(inner, "message").strip().partition("\n")
    sha = string(commit, "sha")
    title = subject.strip() or f"Commit {sha[:12]}"
    author = string(mapping(commit, "author"), "login") or string(mapping(inner, "author"), "name") or "ghost"
    time = moment(mapping(inner, "author"), "date")
    parts = [Part("title", title, "", title, author, time)]
    if rest.strip():
        parts.append(Part("body", github_markdown(rest.strip(), place_of(payload)), "", "", author, time))
    parts += [_file(file) for file in objects(commit, "files")]
    url = string(commit, "html_url")
    committed = moment(mapping(inner, "committer"), "date")
    return _document(record, sequence, "change", title, parts, url=url, created=time, updated=committed)


def _file(file: Json) -> Part:
    path, before = string(file, "filename"), string(file, "previous_filename")
    told = f"{string(file, 'status')}, +{file.get('additions', 0)} -{file.get('deletions', 0)}"
    heading = f"{before} -> {path} ({told})" if before else f"{path} ({told})"
    anchor = f"#diff-{hashlib.sha256(path.encode()).hexdigest()}"
    return Part("file", "\n".join(filter(None, (heading, string(file, "patch")))), anchor, path)


def _document(
    record: RawRecord,
    sequence: int,
    kind: DocumentKind,
    title: str,
    parts: list[Part],
    *,
    url: str,
    created: datetime | None,
    updated: datetime | None,
    state: str = "",
) -> Document:
    text, sections = joined(parts)
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind=kind,
        title=title,
        text=text,
        url=url,
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(part.author for part in parts if part.author)),
        created_at=created,
        updated_at=max([*filter(None, [updated]), *(part.time for part in parts if part.time)], default=None),
        location=record.location,
        state=state,
        sections=sections,
    )
