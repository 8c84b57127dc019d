"""Batches as bytes in the lake, and back.

    {source}/raw/year=YYYY/month=MM/day=DD/batch_{id}.jsonl.zst      a header line, then a line a record
    {source}/chunked/year=YYYY/month=MM/day=DD/batch_{id}.json.gz    public fields, then ours

    {source}/forgotten/{hash of the item's id}.json                  what must not come back, even if the ledger is lost

A chunked batch is public: `batch_id`, `timestamp`, `source`, `chunk_count` and `chunks[{text, metadata}]` are all
that a hand-written file needs. `documents` and `sequence` are ours; `decode_chunked` makes them up when absent.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, cast

from knowhub.core.errors import CorruptObject
from knowhub.core.types import (
    Acl,
    Batch,
    Chunk,
    ChunkedBatch,
    ChunkedDocument,
    ChunkId,
    ContainerId,
    Document,
    DocumentId,
    ItemId,
    ObjectKey,
    Place,
    Principal,
    RawRecord,
    Section,
    SourceName,
    document_id,
)
from knowhub.formats import fast_json

FORMAT = 1
_ZSTD_LEVEL = 3
_GZIP_LEVEL = 4


def raw_key(source: SourceName, batch_id: str, timestamp: datetime) -> ObjectKey:
    return ObjectKey(f"{source}/raw/{_day(timestamp)}/batch_{batch_id}.jsonl.zst")


def chunked_key(source: SourceName, batch_id: str, timestamp: datetime) -> ObjectKey:
    return ObjectKey(f"{source}/chunked/{_day(timestamp)}/batch_{batch_id}.json.gz")


def _day(timestamp: datetime) -> str:
    return timestamp.astimezone(UTC).strftime("year=%Y/month=%m/day=%d")


# ── raw ──────────────────────────────────────────────────────────────────────────────────────────────


def encode_record(record: RawRecord) -> bytes:
    """One JSON line; lone surrogates (file names that are no text) survive as escapes."""
    fields = {
        "container": record.container,
        "item": record.item,
        "kind": record.kind,
        "version": record.version,
        "acl": _acl_json(record.acl),
        "location": record.location,
        "parts": record.parts,
        "payload": record.payload,
    }
    return fast_json.encode(fields) + b"\n"


def encode_raw(batch_id: str, source: SourceName, sequence: int, timestamp: datetime, lines: Iterable[bytes]) -> bytes:
    """A raw batch from lines of `encode_record`."""
    import zstandard

    header = {
        "format": FORMAT,
        "batch_id": batch_id,
        "source": source,
        "sequence": sequence,
        "timestamp": timestamp.isoformat(),
    }
    first = json.dumps(header, separators=(",", ":")).encode() + b"\n"
    return zstandard.ZstdCompressor(level=_ZSTD_LEVEL, write_checksum=True).compress(first + b"".join(lines))


def decode_raw(data: bytes, key: ObjectKey) -> Batch:
    """Raises CorruptObject."""
    import zstandard

    try:
        stream = zstandard.ZstdDecompressor().decompressobj()
        lines = (stream.decompress(data) + stream.flush()).splitlines()
        if not stream.eof:
            raise ValueError("the object ends in the middle")
        header = json.loads(lines[0])
        source = SourceName(header["source"])
        return Batch(
            id=header["batch_id"],
            source=source,
            sequence=header["sequence"],
            timestamp=datetime.fromisoformat(header["timestamp"]),
            records=tuple(_record(source, fast_json.decode(line)) for line in lines[1:]),
        )
    except (zstandard.ZstdError, ValueError, LookupError, TypeError) as error:
        raise _corrupt(key, error) from error


def _record(source: SourceName, line: Mapping[str, Any]) -> RawRecord:
    return RawRecord(
        source=source,
        container=ContainerId(line["container"]),
        item=ItemId(line["item"]),
        kind=line["kind"],
        version=line["version"],
        acl=_acl(line["acl"]),
        payload=line["payload"],
        location=line["location"],
        parts=line["parts"],
    )


# ── chunked ──────────────────────────────────────────────────────────────────────────────────────────


def encode_chunked(batch: ChunkedBatch) -> bytes:
    chunks = [
        _public_chunk(chunked.document, chunk)
        for chunked in batch.documents
        if chunked.document
        for chunk in chunked.chunks
    ]
    fields = {
        "batch_id": batch.id,
        "timestamp": batch.timestamp.isoformat(),
        "source": batch.source,
        "chunk_count": len(chunks),
        "chunks": chunks,
        "format": FORMAT,
        "sequence": batch.sequence,
        "documents": [_document_json(chunked) for chunked in batch.documents],
    }
    return gzip.compress(json.dumps(fields, separators=(",", ":")).encode("ascii"), _GZIP_LEVEL, mtime=0)


def _public_chunk(document: Document, chunk: Chunk) -> dict[str, Any]:
    metadata = {
        "chunk_id": chunk.id,
        "document_id": document.id,
        "title": document.title,
        "url": f"{document.url}{chunk.anchor}",
        "kind": document.kind,
        "container": document.container,
        "author": chunk.author or ", ".join(document.authors),
        "time": _time_json(chunk.time or document.updated_at),
        "context": chunk.context,
        "start": chunk.start,
        "end": chunk.end,
        "anchor": chunk.anchor,
        "chunk_author": chunk.author,
        "chunk_time": _time_json(chunk.time),
        "places": [[p.start, p.anchor, p.author, _time_json(p.time)] for p in chunk.places],
    }
    return {"text": chunk.text, "metadata": metadata}


def _document_json(chunked: ChunkedDocument) -> dict[str, Any]:
    document = chunked.document
    if document is None:
        return {"id": chunked.id, "removed": True}
    return {
        "id": document.id,
        "container": document.container,
        "kind": document.kind,
        "title": document.title,
        "text": document.text,
        "url": document.url,
        "acl": _acl_json(document.acl),
        "version": document.version,
        "authors": document.authors,
        "created_at": _time_json(document.created_at),
        "updated_at": _time_json(document.updated_at),
        "language": document.language,
        "location": document.location,
        "state": document.state,
        "sections": [_section_json(section) for section in document.sections],
    }


def _section_json(section: Section) -> list[Any]:
    return [
        section.start,
        section.end,
        section.role,
        section.anchor,
        section.label,
        section.author,
        _time_json(section.time),
        section.level,
    ]


def decode_chunked(data: bytes, key: ObjectKey, *, default_acl: Acl, sequence: int | None = None) -> ChunkedBatch:
    """A chunked batch, ours or written by hand.

    `default_acl` is for documents that carry none; `sequence` replaces the stored one (a hand-written file has
    none, and is given one when it is taken in). Raises CorruptObject.
    """
    try:
        fields = json.loads(gzip.decompress(data))
        source = SourceName(fields["source"])
        number = sequence if sequence is not None else int(fields["sequence"])
        chunks = fields["chunks"]
        if fields["chunk_count"] != len(chunks):
            raise ValueError(f"chunk_count is {fields['chunk_count']}, but there are {len(chunks)} chunks")
        if "documents" in fields:
            documents = _own_documents(fields, source, number)
            _require_own_ids(documents, source)
        else:
            documents = _foreign_documents(fields, source, number, default_acl)
        return ChunkedBatch(
            id=str(fields["batch_id"]),
            source=source,
            sequence=number,
            timestamp=_aware(str(fields["timestamp"])),
            documents=documents,
        )
    except (OSError, EOFError, ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise _corrupt(key, error) from error


def _require_own_ids(documents: tuple[ChunkedDocument, ...], source: SourceName) -> None:
    """A batch speaks for its own source alone, and once of each document."""
    ids = [document.id for document in documents]
    for id in ids:
        if not id.startswith(f"{source}:"):
            raise ValueError(f"{id} is no document of {source}")
    if len(set(ids)) < len(ids):
        raise ValueError("a document is in it twice")


def _own_documents(fields: Mapping[str, Any], source: SourceName, sequence: int) -> tuple[ChunkedDocument, ...]:
    chunks: dict[str, list[Chunk]] = {}
    for public in fields["chunks"]:
        metadata = public["metadata"]
        siblings = chunks.setdefault(metadata["document_id"], [])
        siblings.append(
            Chunk(
                id=ChunkId(metadata["chunk_id"]),
                document=DocumentId(metadata["document_id"]),
                ordinal=len(siblings),
                text=public["text"],
                start=metadata["start"],
                end=metadata["end"],
                context=metadata["context"],
                anchor=metadata["anchor"],
                author=metadata["chunk_author"],
                time=_time(metadata["chunk_time"]),
                places=tuple(Place(at, anchor, by, _time(when)) for at, anchor, by, when in metadata["places"]),
            )
        )
    return tuple(
        ChunkedDocument(
            id=DocumentId(entry["id"]),
            source=source,
            sequence=sequence,
            document=None if entry.get("removed") else _document(entry, source, sequence),
            chunks=tuple(chunks.get(entry["id"], ())),
        )
        for entry in fields["documents"]
    )


def _document(entry: Mapping[str, Any], source: SourceName, sequence: int) -> Document:
    return Document(
        id=DocumentId(entry["id"]),
        source=source,
        container=ContainerId(entry["container"]),
        kind=entry["kind"],
        title=entry["title"],
        text=entry["text"],
        url=entry["url"],
        acl=_acl(entry["acl"]),
        version=entry["version"],
        sequence=sequence,
        authors=tuple(entry["authors"]),
        created_at=_time(entry["created_at"]),
        updated_at=_time(entry["updated_at"]),
        language=entry["language"],
        location=entry["location"],
        state=entry["state"],
        sections=tuple(_section(row) for row in entry["sections"]),
    )


def _section(row: list[Any]) -> Section:
    start, end, role, anchor, label, author, time, level = row
    return Section(start, end, role, anchor, label, author, _time(time), level)


_SEPARATOR = "\n\n"


def _foreign_documents(
    fields: Mapping[str, Any], source: SourceName, sequence: int, acl: Acl
) -> tuple[ChunkedDocument, ...]:
    """Documents of a hand-written batch: chunks that name the same document belong together, in file order."""
    groups: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for number, public in enumerate(fields["chunks"]):
        text, metadata = public["text"], public.get("metadata") or {}
        if not isinstance(text, str):
            raise TypeError(f"chunks[{number}].text is not a string")
        json.dumps(public, ensure_ascii=False).encode()  # lone surrogates end here, not in the index
        names = ("document_id", "id", "url", "title")
        item = next((str(metadata[name]) for name in names if metadata.get(name)), f"{fields['batch_id']}/{number}")
        groups.setdefault(item.removeprefix(f"{source}:"), []).append((text, metadata))
    timestamp = _aware(str(fields["timestamp"]))
    return tuple(
        _foreign_document(source, ItemId(item), members, sequence, acl, timestamp) for item, members in groups.items()
    )


def _foreign_document(
    source: SourceName,
    item: ItemId,
    members: list[tuple[str, Mapping[str, Any]]],
    sequence: int,
    acl: Acl,
    timestamp: datetime,
) -> ChunkedDocument:
    first = members[0][1]
    author = str(first.get("author") or first.get("user") or "")
    document = Document(
        id=document_id(source, item),
        source=source,
        container=ContainerId(str(first.get("container") or first.get("channel") or "imported")),
        kind="text",
        title=str(first.get("title") or item),
        text=_SEPARATOR.join(text for text, _ in members),
        url=str(first.get("url") or ""),
        acl=acl,
        version="",
        sequence=sequence,
        authors=(author,) if author else (),
        updated_at=_time(cast("str | None", first.get("time"))) or timestamp,
    )
    chunks: list[Chunk] = []
    start = 0
    for ordinal, (text, _) in enumerate(members):
        chunk = Chunk(ChunkId(f"{document.id}#{ordinal}"), document.id, ordinal, text, start, start + len(text))
        chunks.append(replace(chunk, context=document.title if document.title != item else ""))
        start += len(text) + len(_SEPARATOR)
    return ChunkedDocument(document.id, source, sequence, document, tuple(chunks))


# ── forgotten ────────────────────────────────────────────────────────────────────────────────────────


def forgotten_key(source: SourceName, item: ItemId) -> ObjectKey:
    return ObjectKey(
        f"{source}/forgotten/{hashlib.sha256(item.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}.json"
    )


def encode_forgotten(item: ItemId, container: ContainerId, location: str, version: str, parts: int) -> bytes:
    """Id, place and fingerprint of an item that was erased: nothing of what it said."""
    fields = {"item": item, "container": container, "location": location, "version": version, "parts": parts}
    return json.dumps(fields, separators=(",", ":")).encode("ascii")


def decode_forgotten(data: bytes, key: ObjectKey) -> tuple[ItemId, ContainerId, str, str, int]:
    """Item, container, location, version and parts. Raises CorruptObject."""
    try:
        fields = json.loads(data)
        return (
            ItemId(fields["item"]),
            ContainerId(fields["container"]),
            str(fields["location"]),
            str(fields["version"]),
            int(fields["parts"]),
        )
    except (ValueError, LookupError, TypeError) as error:
        raise _corrupt(key, error) from error


# ── values ───────────────────────────────────────────────────────────────────────────────────────────


def _acl_json(acl: Acl) -> list[list[str]]:
    return [list(layer) for layer in acl.canonical()]


def _acl(layers: list[list[str]]) -> Acl:
    return Acl(tuple(frozenset(Principal(p) for p in layer) for layer in layers))


def _time_json(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _time(text: str | None) -> datetime | None:
    return _aware(text) if text else None


def _aware(text: str) -> datetime:
    """ISO 8601; without a zone it is UTC."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def source_of(data: bytes, key: ObjectKey) -> SourceName:
    """The source that a chunked batch says it belongs to. Raises CorruptObject."""
    try:
        return SourceName(str(json.loads(gzip.decompress(data))["source"]))
    except (OSError, EOFError, ValueError, LookupError, TypeError, RecursionError, zlib.error) as error:
        raise _corrupt(key, error) from error


def _corrupt(key: ObjectKey, error: Exception) -> CorruptObject:
    return CorruptObject(f"{key} is not a batch that can be read: {error}")


def iter_batches(keys: Iterable[ObjectKey], kind: str) -> Iterator[ObjectKey]:
    """The keys that are batches of this kind ("raw" or "chunked")."""
    suffix = ".jsonl.zst" if kind == "raw" else ".json.gz"
    return (key for key in keys if key.endswith(suffix) and f"/{kind}/" in key)
