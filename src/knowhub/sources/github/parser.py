"""A stored record of GitHub to a document."""

from __future__ import annotations

from urllib.parse import quote

from knowhub.connecting.attachments import KIND, ParseFile, attachment_document
from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Document, RawRecord, document_id
from knowhub.formats.contents import unpack
from knowhub.formats.github_documents import github_commit, github_discussion, github_release
from knowhub.formats.github_issue import github_issue, stored, string

_BUILDERS = {
    "github.issue": github_issue,
    "github.pull": github_issue,
    "github.discussion": github_discussion,
    "github.release": github_release,
    "github.commit": github_commit,
}


class GitHubParser:
    """`parse_file` turns the bytes of files and attachments into text; a sandboxed one is the caller's to give."""

    def __init__(self, parse_file: ParseFile) -> None:
        self._parse_file = parse_file

    def __call__(self, record: RawRecord, sequence: int) -> Document:
        if builder := _BUILDERS.get(record.kind):
            return builder(record, sequence)
        if record.kind == KIND:
            return attachment_document(record, sequence, self._parse_file)
        if record.kind == "github.file":
            return self._file(record, sequence)
        raise UnreadableContent(f"{record.item}: {record.kind} is no kind of GitHub's")

    def _file(self, record: RawRecord, sequence: int) -> Document:
        payload = stored(record)
        path = string(payload, "path")
        name = path.rpartition("/")[2]
        parsed = self._parse_file(unpack(payload), name)
        place = f"{string(payload, 'web')}/{string(payload, 'repository')}"
        return Document(
            id=document_id(record.source, record.item),
            source=record.source,
            container=record.container,
            kind=parsed.kind,
            title=parsed.title or name,
            text=parsed.text,
            url=f"{place}/blob/{quote(string(payload, 'branch'))}/{quote(path)}",
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
