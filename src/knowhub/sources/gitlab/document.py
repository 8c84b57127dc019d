"""A stored record to a document."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from knowhub.connecting.attachments import KIND, attachment_document
from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, document_id
from knowhub.formats.contents import unpack
from knowhub.formats.gitlab_documents import gitlab_document
from knowhub.formats.parsed import Parsed


class GitLabParser:
    """`parse_file` turns a file's bytes and name into text; a sandboxed one is the caller's to give."""

    def __init__(self, parse_file: Callable[[bytes, str], Parsed]) -> None:
        self._parse_file = parse_file

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        if record.kind == KIND:
            return attachment_document(record, sequence, self._parse_file)
        if record.kind == "gitlab.file":
            return self._file(record, sequence)
        return gitlab_document(record, sequence)

    def _file(self, record: RawRecord, sequence: int) -> Document:
        payload = record.payload
        if payload is None:
            raise UnreadableContent(f"{record.item} is gone: there is nothing to parse")
        path, home = str(payload["path"]), payload["home"]
        parsed = self._parse_file(unpack(payload["content"]), path.rpartition("/")[2])
        return Document(
            id=document_id(record.source, record.item),
            source=record.source,
            container=record.container,
            kind=parsed.kind,
            title=parsed.title or path.rpartition("/")[2],
            text=parsed.text,
            url=f"{home['web_url']}/-/blob/{quote(home.get('branch', 'HEAD'))}/{quote(path)}",
            acl=record.acl,
            version=record.version,
            sequence=sequence,
            authors=parsed.authors,
            created_at=parsed.created_at,
            updated_at=parsed.updated_at,
            language=parsed.language,
            location=record.location,
            sections=parsed.sections,
        )
