"""A stored file record to a document. The lake holds no path of the machine: links are made here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from urllib.parse import quote

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, document_id
from knowhub.formats.contents import unpack
from knowhub.formats.parsed import Parsed
from knowhub.sources.files.source import FilesOptions


class FilesParser:
    """`parse` turns bytes and a file name into text; a sandboxed one is the caller's to give."""

    def __init__(self, options: FilesOptions, parse: Callable[[bytes, str], Parsed]) -> None:
        base = options.url_base or options.path.expanduser().absolute().as_uri()
        self._base = base if base.endswith(("/", "=")) else f"{base}/"
        self._parse = parse

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        payload = record.payload
        if payload is None:
            raise UnreadableContent(f"{record.item} is gone: there is nothing to parse")
        location = record.location or str(payload["path"])
        modified = str(payload.get("modified", ""))
        name = location.rpartition("/")[2]
        parsed = self._parse(unpack(payload), name)
        return Document(
            id=document_id(record.source, record.item),
            source=record.source,
            container=record.container,
            kind=parsed.kind,
            title=parsed.title or name,
            text=parsed.text,
            url=self._base + quote(location),
            acl=record.acl,
            version=record.version,
            sequence=sequence,
            authors=parsed.authors,
            created_at=parsed.created_at,
            # What a document says of its own age beats the file system, where a checkout or a copy looks like news.
            updated_at=parsed.updated_at or (datetime.fromisoformat(modified) if modified else None),
            language=parsed.language,
            location=location,
            sections=parsed.sections,
        )
