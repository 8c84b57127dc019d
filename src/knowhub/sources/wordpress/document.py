"""A stored item ▸ a document: custom fields and terms, the text, then comments that links open at.

Stored: `{"site": {"url", "name"}, "type": {"slug", "name"}, "item": vendor JSON, "names": {"author", "terms"},
"comments": [vendor JSON], "language"}`, for files also what `knowhub.connecting.attachments` stores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from knowhub.connecting.attachments import ParseFile, attachment_document
from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, Section, document_id
from knowhub.formats.files import parse_file
from knowhub.formats.markdown import headings, parse_date
from knowhub.formats.wordpress import plain_title, rendered_to_markdown
from knowhub.formats.wordpress_fields import field_lines
from knowhub.formats.wordpress_media import media_words

Json = Mapping[str, Any]

_STATES = {"publish": "", "inherit": "", "future": "scheduled", "pending": "pending review"}
_FEW_WORDS = 40


@dataclass(frozen=True, slots=True)
class WordPressParser:
    """`parse_file` reads the files among the media."""

    parse_file: ParseFile

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        """Raises UnreadableContent when the record is not one of this source's, or holds a broken file."""
        payload = record.payload
        try:
            if payload is None:
                raise ValueError("no payload")
            if "content" in payload:
                return _file(record, sequence, payload, self.parse_file)
            return _item(record, sequence, payload)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UnreadableContent(f"{record.item}: not an item of WordPress: {error!r}") from error


def parse_wordpress(record: RawRecord, sequence: int) -> Document:
    """As `WordPressParser`, with files read in this process."""
    return WordPressParser(parse_file)(record, sequence)


def _item(record: RawRecord, sequence: int, payload: Json) -> Document:
    item = payload["item"]
    text, sections = _text(payload, item)
    return replace(_head(record, sequence, payload), text=text, sections=sections)


def _file(record: RawRecord, sequence: int, payload: Json, parse: ParseFile) -> Document:
    document = attachment_document(record, sequence, parse)
    head = _head(record, sequence, payload)
    words = media_words(payload["item"])
    return replace(
        document,
        title=head.title,
        text=f"{document.text}\n\n{words}".strip("\n") if words else document.text,
        authors=document.authors or head.authors,
        created_at=document.created_at or head.created_at,
        updated_at=head.updated_at,
        language=document.language or head.language,
    )


def _head(record: RawRecord, sequence: int, payload: Json) -> Document:
    item = payload["item"]
    author = str(payload["names"]["author"])
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind="markdown",
        title=_title(item) or record.location,
        text="",
        url=str(item.get("link") or payload["site"]["url"]),
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=(author,) if author else (),
        created_at=_time(item, "date"),
        updated_at=_time(item, "modified"),
        language=language_of(item, str(payload["language"])),
        location=record.location,
        state=_state(item),
    )


def _title(item: Json) -> str:
    """Who may edit sees it raw, without the `Private:` that themes put before it."""
    title = item.get("title")
    if isinstance(title, Mapping):
        title = title.get("raw") or title.get("rendered")
    return plain_title(title) if isinstance(title, str) else ""


def language_of(item: Json, asked_for: str = "") -> str:
    """ISO 639-1, from what Polylang and WPML put on an item, else the language that was asked for."""
    for key in ("lang", "polylang_current_lang", "wpml_current_locale"):
        value = item.get(key)
        if isinstance(value, str) and value[:2].isalpha():
            return value[:2].lower()
    return asked_for[:2].lower()


def _state(item: Json) -> str:
    content = item.get("content")
    if isinstance(content, Mapping) and content.get("protected"):
        return "password protected"
    status = str(item.get("status") or "")
    return _STATES.get(status, status)


def _time(item: Json, name: str) -> datetime | None:
    """`…_gmt` is UTC; it is missing on drafts that were never published, and on some plugins' types."""
    return parse_date(str(item.get(f"{name}_gmt") or "")) or parse_date(str(item.get(name) or ""))


def _text(payload: Json, item: Json) -> tuple[str, tuple[Section, ...]]:
    base = str(item.get("link") or payload["site"]["url"])
    lines = [*_term_lines(payload["names"]["terms"]), *field_lines(item, _taxonomy_fields(payload))]
    body = _body(item, base)
    text = "\n\n".join(filter(None, [_summary(item, body, base), *lines, body]))
    offset = len(text) - len(body)
    sections = [replace(one, start=one.start + offset, end=one.end + offset, anchor="") for one in headings(body)]
    return _with_comments(text, sections, payload["comments"], base)


def _term_lines(terms: Sequence[Json]) -> list[str]:
    return [f"**{one['label']}:** {', '.join(one['names'])}" for one in terms if any(one["names"])]


def _taxonomy_fields(payload: Json) -> frozenset[str]:
    return frozenset(one["field"] for one in payload["names"]["terms"])


def _body(item: Json, base: str) -> str:
    if "media_type" in item:
        return media_words(item) or _title(item)
    return rendered_to_markdown(_markup(item.get("content")), base)


def _markup(value: Any) -> str:
    if isinstance(value, Mapping):
        value = value.get("rendered") or value.get("raw")
    return value if isinstance(value, str) else ""


def _summary(item: Json, body: str, base: str) -> str:
    """An excerpt that somebody wrote; WordPress makes the others from the beginning of the text."""
    excerpt = item.get("excerpt")
    if isinstance(excerpt, Mapping) and "raw" in excerpt:
        return rendered_to_markdown(str(excerpt["raw"]), base)
    summary = rendered_to_markdown(_markup(excerpt), base)
    known = _bare(body)
    words = [word for word in _bare(summary).split() if word]
    return "" if not words or " ".join(words[:8]) in known else summary


def _bare(text: str) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def _with_comments(
    text: str, sections: list[Section], comments: Sequence[Json], base: str
) -> tuple[str, tuple[Section, ...]]:
    speakers = {one.get("id"): _speaker(one) for one in comments}
    for one in sorted(comments, key=lambda one: (str(one.get("date_gmt")), one["id"])):
        answered = speakers.get(one.get("parent") or 0, "")
        time = parse_date(str(one.get("date_gmt") or ""))
        stamp = f"{time:%Y-%m-%d %H:%M}" if time else ""
        said = rendered_to_markdown(_markup(one.get("content")), base)
        head = f"**{_speaker(one)}** ({', '.join(filter(None, [stamp, answered and f'to {answered}']))}):"
        start = len(text) + 2 if text else 0
        text = f"{text}\n\n{head} {said}" if text else f"{head} {said}"
        label = f"{_speaker(one)}, {stamp}".rstrip(", ")
        sections.append(Section(start, len(text), "comment", f"#comment-{one['id']}", label, _speaker(one), time))
    return text, tuple(sections)


def _speaker(comment: Json) -> str:
    return plain_title(str(comment.get("author_name") or "")) or "Anonymous"
