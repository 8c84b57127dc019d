"""Files that hang on issues, messages and pages: fetched within limits, stored whole, parsed like local ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from knowhub.connecting.versions import compared
from knowhub.core.errors import KnowhubError, RateLimited, UnreadableContent
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    ContainerId,
    Document,
    Failed,
    ItemId,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
    document_id,
)
from knowhub.formats.contents import pack, unpack
from knowhub.formats.files import unsupported_reason
from knowhub.formats.parsed import Parsed
from knowhub.http import Download, Http, TooLarge

KIND = "attachment"
ParseFile = Callable[[bytes, str], Parsed]
_TOO_LARGE = "attachment too large"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file at the source. `url` is where its bytes are (never stored), `link` where a person opens it.

    `version` is the source's own of the file; `parent` what people call the thing it hangs on.
    """

    item: ItemId
    container: ContainerId
    name: str
    url: str
    link: str
    version: str
    acl: Acl
    parent: str
    size_bytes: int | None = None
    author: str = ""
    created_at: str = ""


@dataclass(frozen=True, slots=True)
class Attachments:
    """Fetches one attachment at a time."""

    http: Http
    source: SourceName
    max_bytes: int

    def fetch(self, attachment: Attachment, known: Known) -> RawRecord | Unchanged | Skipped | Failed:
        """Its record, or why there is none; what the ledger has in this version is not downloaded again."""
        record = self._record(attachment)
        unchanged = compared(record, known)
        if isinstance(unchanged, Unchanged):
            return unchanged
        if reason := self._left_out(attachment):
            return Skipped(attachment.container, attachment.item, reason, record.location)
        try:
            file = self.http.download(attachment.url, max_bytes=self.max_bytes)
        except TooLarge:
            return Skipped(attachment.container, attachment.item, _TOO_LARGE, record.location)
        except RateLimited:
            raise
        except KnowhubError as error:
            return Failed(attachment.container, attachment.item, error.message, record.location)
        if _is_page(file, attachment):
            reason = f"{attachment.name}: an HTML page came in place of the file"
            return Failed(attachment.container, attachment.item, reason, record.location)
        return replace(record, payload={**(record.payload or {}), "content": pack(file.data)})

    def _left_out(self, attachment: Attachment) -> str:
        if reason := unsupported_reason(attachment.name):
            return reason
        size = attachment.size_bytes
        return _TOO_LARGE if size is not None and size > self.max_bytes else ""

    def _record(self, attachment: Attachment) -> RawRecord:
        return RawRecord(
            source=self.source,
            container=attachment.container,
            item=attachment.item,
            kind=KIND,
            version=attachment.version,
            acl=attachment.acl,
            payload={
                "name": attachment.name,
                "link": attachment.link,
                "parent": attachment.parent,
                "author": attachment.author,
                "created_at": attachment.created_at,
            },
            location=f"{attachment.parent}/{attachment.name}",
        )


def _is_page(file: Download, attachment: Attachment) -> bool:
    """A page to sign in at, or of a proxy that is down, with status 200: no file that anybody attached."""
    if file.content_type != "text/html":
        return False
    if attachment.size_bytes is not None:
        return len(file.data) != attachment.size_bytes
    return not attachment.name.lower().endswith((".html", ".htm", ".xhtml"))


def attachment_document(record: RawRecord, sequence: int, parse_file: ParseFile) -> Document:
    """The document of a stored attachment. Raises UnreadableContent, as parsing a file does."""
    payload = record.payload
    if not payload or "content" not in payload:
        raise UnreadableContent(f"{record.item} holds no file")
    name, author = str(payload["name"]), str(payload["author"])
    parsed = parse_file(unpack(payload["content"]), name)
    created = str(payload["created_at"])
    return Document(
        id=document_id(record.source, record.item),
        source=record.source,
        container=record.container,
        kind=parsed.kind,
        title=f"{parsed.title or name} ({payload['parent']})",
        text=parsed.text,
        url=str(payload["link"]),
        acl=record.acl,
        version=record.version,
        sequence=sequence,
        authors=parsed.authors or ((author,) if author else ()),
        created_at=parsed.created_at,
        updated_at=parsed.updated_at or (datetime.fromisoformat(created) if created else None),
        language=parsed.language,
        location=record.location,
        sections=parsed.sections,
    )
