"""A stored page or blog post with its comments ▸ one Markdown document that opens at headings and comments."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from knowhub.connecting.attachments import KIND as ATTACHMENT
from knowhub.connecting.attachments import attachment_document
from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.confluence_storage import StorageContext, storage_to_markdown
from knowhub.formats.markdown import headings, parse_date
from knowhub.formats.parsed import Parsed
from knowhub.sources.confluence.items import resolved

Json = Mapping[str, Any]
ParseFile = Callable[[bytes, str], Parsed]
_QUOTED_CHARS = 120


class ConfluenceParser:
    """Implements `Parser`; `parse_file` reads attachments."""

    def __init__(self, parse_file: ParseFile) -> None:
        self._parse_file = parse_file

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        """Raises UnreadableContent when the record is not one of this source's."""
        if record.kind == ATTACHMENT:
            return attachment_document(record, sequence, self._parse_file)
        try:
            return _page(record, sequence)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableContent(f"{record.item}: not a Confluence page: {error!r}") from error


def _page(record: RawRecord, sequence: int) -> Document:
    payload = record.payload
    if payload is None:
        raise ValueError("no payload")
    content, names = payload["content"], payload["names"]
    context = StorageContext(
        payload["site"], payload["space"]["key"], str(content["id"]), names, payload.get("included") or {}
    )
    body = storage_to_markdown(_storage(content), context)
    sections = [_anchored(one, payload) for one in headings(body)]
    text, url = body, payload["site"] + content["_links"]["webui"]
    for comment in payload["comments"]:
        part, section = _comment(comment, context, url, len(text) + 2 if text else 0)
        text = f"{text}\n\n{part}" if text else part
        sections.append(section)
    times = [time for one in sections if (time := one.time)]
    author = _author(content, names)
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="markdown",
        title=content["title"],
        text=text,
        url=url,
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=tuple(dict.fromkeys(filter(None, (author, *(one.author for one in sections))))),
        created_at=_created(content),
        updated_at=max([*times, *filter(None, [_edited(content)])], default=None),
        location=record.location,
        state="" if content["status"] == "current" else content["status"],
        sections=tuple(sections),
    )


def _comment(comment: Json, context: StorageContext, url: str, start: int) -> tuple[str, Section]:
    author = _author(comment, context.names)
    time = _created(comment) or _edited(comment)
    stamp = f"{time:%Y-%m-%d %H:%M}" if time else ""
    about = [stamp, _quoted(comment), "resolved" if resolved(comment) else ""]
    if comment.get("parentCommentId") or comment.get("ancestors"):
        about.insert(1, "answer")
    head = f"**{author or 'Comment'}** ({', '.join(filter(None, about))}):"
    part = f"{head}\n\n{storage_to_markdown(_storage(comment), context)}".rstrip()
    id = quote(str(comment["id"]), safe="")
    anchor = f"{'&' if '?' in url else '?'}focusedCommentId={id}#comment-{id}"
    label = ", ".join(filter(None, (author, stamp)))
    return part, Section(start, start + len(part), "comment", anchor, label, author, time)


def _quoted(comment: Json) -> str:
    """The words of the page that an inline comment is on."""
    properties = comment.get("properties") or {}
    of_server = (comment.get("extensions") or {}).get("inlineProperties") or {}
    words = " ".join(str(properties.get("inlineOriginalSelection") or of_server.get("originalSelection") or "").split())
    return f"on “{words[:_QUOTED_CHARS]}{'…' if len(words) > _QUOTED_CHARS else ''}”" if words else ""


def _anchored(section: Section, payload: Json) -> Section:
    """Heading anchors: Cloud joins words by `-`; Data Center leaves out spaces and puts the page's title before."""
    if payload["edition"] == "cloud":
        anchor = "-".join(section.label.split())
    else:
        anchor = f"{''.join(payload['content']['title'].split())}-{''.join(section.label.split())}"
    return dataclasses.replace(section, anchor=f"#{quote(anchor, safe='-')}")


def _storage(content: Json) -> str:
    return str(((content.get("body") or {}).get("storage") or {}).get("value") or "")


def _author(content: Json, names: Mapping[str, str]) -> str:
    """Who made it; where the listing does not say, who wrote the version that there is."""
    history, version = content.get("history") or {}, content.get("version") or {}
    person = history.get("createdBy") or version.get("by") or {}
    return str(person.get("displayName") or names.get(content.get("authorId") or version.get("authorId") or "", ""))


def _created(content: Json) -> datetime | None:
    return parse_date(str(content.get("createdAt") or (content.get("history") or {}).get("createdDate") or ""))


def _edited(content: Json) -> datetime | None:
    version = content.get("version") or {}
    return parse_date(str(version.get("createdAt") or version.get("when") or ""))


def people_in(contents: Sequence[Json]) -> set[str]:
    """Account ids of the authors that v2 gives without their names."""
    told = {str(c.get("authorId") or (c.get("version") or {}).get("authorId") or "") for c in contents}
    return told - {""}
