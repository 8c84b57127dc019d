"""A stored file or commit to a document."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.contents import unpack
from knowhub.formats.parsed import Parsed
from knowhub.sources.git.links import Links, links_of
from knowhub.sources.git.options import GitOptions

_CO_AUTHOR = re.compile(r"^co-authored-by: *(.+?) *<", re.IGNORECASE | re.MULTILINE)


class GitParser:
    """`parse` turns a file's bytes and name into text; a sandboxed one is the caller's to give."""

    def __init__(self, options: GitOptions, parse: Callable[[bytes, str], Parsed]) -> None:
        self._options = options
        self._parse = parse

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        if record.payload is None:
            raise UnreadableContent(f"{record.item} is gone: there is nothing to parse")
        links = links_of(record.source, self._options)
        if record.kind == "git.commit":
            return _commit(record, record.payload, sequence, links)
        return self._file(record, record.payload, sequence, links)

    def _file(self, record: RawRecord, payload: Mapping[str, Any], sequence: int, links: Links) -> Document:
        name = record.location.rpartition("/")[2]
        parsed = self._parse(unpack(payload), name)
        return Document(
            id=document_id(record.source, record.item),
            source=record.source,
            container=record.container,
            kind=parsed.kind,
            title=parsed.title or name,
            text=parsed.text,
            url=links.file_url(payload["branch"], record.location),
            acl=record.acl,
            version=record.version,
            sequence=sequence,
            authors=parsed.authors or tuple(filter(None, [payload.get("author", "")])),
            created_at=parsed.created_at,
            updated_at=_time(payload.get("modified", "")) or parsed.updated_at,
            language=parsed.language,
            location=record.location,
            sections=parsed.sections,
        )


def _commit(record: RawRecord, payload: Mapping[str, Any], sequence: int, links: Links) -> Document:
    sha, author, committer = payload["sha"], payload["author"], payload["committer"]
    title, text, sections = _change(payload, links)
    others = _CO_AUTHOR.findall(payload["message"])
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="change",
        title=title,
        text=text,
        url=links.commit_url(sha),
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(filter(None, [author.get("name", ""), *others]))),
        created_at=_time(author.get("time", "")),
        updated_at=_time(committer.get("time", "")),
        location=sha[:12],
        sections=sections,
    )


def _change(payload: Mapping[str, Any], links: Links) -> tuple[str, str, tuple[Section, ...]]:
    """Title, text and sections: the message, then each file with its hunks."""
    subject, _, body = payload["message"].strip().partition("\n")
    parts = [("title", subject.strip() or f"Commit {payload['sha'][:12]}", "", "")]
    if body.strip():
        parts.append(("body", body.strip(), "", ""))
    for file in payload["files"]:
        text = "\n".join(filter(None, (_heading(file), file.get("diff", ""))))
        parts.append(("file", text, links.diff_anchor(file["path"]), file["path"]))
    sections, at = [], 0
    for role, text, anchor, label in parts:
        sections.append(Section(at, at + len(text), role, anchor, label))
        at += len(text) + 2
    text = "\n\n".join(part[1] for part in parts)
    if more := payload.get("omitted_files"):
        text += f"\n\n{more} more files"
    return parts[0][1], text, tuple(sections)


def _heading(file: Mapping[str, Any]) -> str:
    told = [file["status"]]
    if "added" in file:
        told.append(f"+{file['added']} -{file['deleted']}")
    if note := file.get("note"):
        told.append(note)
    path = f"{file['old_path']} -> {file['path']}" if "old_path" in file else file["path"]
    return f"{path} ({', '.join(told)})"


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text).astimezone(UTC) if text else None
