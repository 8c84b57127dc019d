"""Chunks as rows of a table, and rows as hits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from knowhub.core.ports import IndexEntry
from knowhub.core.types import Chunk, ChunkId, ContainerId, Document, DocumentId, Hit, Place, SourceName
from knowhub.index.acls import NOBODY, acl_id
from knowhub.index.postings import packed
from knowhub.index.words import terms

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

LAYOUT = "4"
"""Raised when rows, or the terms in them, are no longer what this code would write."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WORD = re.compile(r"\w+")

_STRINGS = ("id", "document", "source", "container", "kind", "author", "shown")
_INTEGERS = ("moment", "sequence", "acl", "mark", "length")


def micros(time: datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def schema(dimensions: int, model: str) -> pa.Schema:
    """Columns to search and filter by, and `shown`: all that a hit is made of as one JSON object, since reading one
    column of a few rows costs a third of reading twenty. `moment` is the chunk's time or else its document's, `mark`
    a hash of `shown`, `length` the number of terms, `words` and `counts` are what `postings.packed` makes of them."""
    import pyarrow as pa

    fields = [pa.field(name, pa.string()) for name in _STRINGS]
    fields += [pa.field(name, pa.int64()) for name in _INTEGERS]
    fields += [pa.field("authors", pa.list_(pa.string()))]
    fields += [pa.field("words", pa.list_(pa.uint32())), pa.field("counts", pa.list_(pa.uint8()))]
    fields += [pa.field("vector", pa.list_(pa.float16(), dimensions))]
    return pa.schema(fields, metadata={"knowhub.model": model, "knowhub.layout": LAYOUT})


def table(entries: Sequence[IndexEntry], dimensions: int, model: str) -> pa.Table:
    """All chunks of all entries that have a document."""
    import numpy as np
    import pyarrow as pa

    shape = schema(dimensions, model)
    rows = [row for entry in entries for row in _rows(entry)]
    sizes, words, counts = packed([row["terms"] for row in rows])
    ends = pa.array(np.concatenate([[0], np.cumsum(sizes)]), pa.int32())
    vectors = [_vectors(entry, dimensions) for entry in entries if entry.chunked.document]
    flat = np.concatenate(vectors) if vectors else np.zeros((0, dimensions), np.float16)
    made = {
        "words": pa.ListArray.from_arrays(ends, pa.array(words)),
        "counts": pa.ListArray.from_arrays(ends, pa.array(counts)),
        "vector": pa.FixedSizeListArray.from_arrays(pa.array(flat.ravel()), dimensions),
    }
    arrays = [
        made[field.name] if field.name in made else pa.array([row[field.name] for row in rows], field.type)
        for field in shape
    ]
    return pa.Table.from_arrays(arrays, schema=shape)


def _vectors(entry: IndexEntry, dimensions: int) -> NDArray[np.float16]:
    import numpy as np

    count = len(entry.chunked.chunks)
    if entry.vectors.shape != (count, dimensions):
        raise ValueError(f"{entry.chunked.id}: vectors {entry.vectors.shape}, expected ({count}, {dimensions})")
    return entry.vectors.astype(np.float16) if count else np.zeros((1, dimensions), np.float16)


def _rows(entry: IndexEntry) -> Iterator[dict[str, Any]]:
    """A document without chunks keeps one row that nobody may read, so that `contents` still counts it."""
    chunked = entry.chunked
    document = chunked.document
    if document is None:
        return
    if not chunked.chunks:
        empty = Chunk(ChunkId(f"{document.id}#"), document.id, -1, "", 0, 0)
        yield _row(empty, document, chunked.sequence, acl_id(NOBODY))
    readers = acl_id(document.acl)
    for chunk in chunked.chunks:
        yield _row(chunk, document, chunked.sequence, readers)


def _row(chunk: Chunk, document: Document, sequence: int, readers: int) -> dict[str, Any]:
    time = chunk.time or document.updated_at or document.created_at
    seen = json.dumps(_shown(chunk, document, time), ensure_ascii=False, separators=(",", ":"))
    found = terms(chunk.embedded_text)
    return {
        "id": chunk.id,
        "document": document.id,
        "source": document.source,
        "container": document.container,
        "kind": document.kind,
        "author": chunk.author,
        "authors": list(document.authors),
        "moment": micros(time) if time else None,
        "sequence": sequence,
        "acl": readers,
        "mark": _digest(seen),
        "length": len(found),
        "terms": found,
        "shown": seen,
    }


def _shown(chunk: Chunk, document: Document, time: datetime | None) -> dict[str, Any]:
    return {
        "id": chunk.id,
        "document": document.id,
        "ordinal": chunk.ordinal,
        "source": document.source,
        "container": document.container,
        "kind": document.kind,
        "title": document.title,
        "url": document.url,
        "authors": document.authors,
        "updated": micros(document.updated_at) if document.updated_at else None,
        "text": chunk.text,
        "start": chunk.start,
        "end": chunk.end,
        "context": chunk.context,
        "anchor": chunk.anchor,
        "author": chunk.author,
        "time": micros(chunk.time) if chunk.time else None,
        "moment": micros(time) if time else None,
        "print": fingerprint(chunk.text),
        "places": [[p.start, p.anchor, p.author, micros(p.time) if p.time else None] for p in chunk.places],
    }


def shown(values: Iterable[str]) -> list[dict[str, Any]]:
    """What the column `shown` holds, read back."""
    return [json.loads(value) for value in values]


def words(text: str) -> list[str]:
    """What is left of a text without its markup, spacing and case."""
    return _WORD.findall(text.lower())


def fingerprint(text: str) -> int:
    return _digest(" ".join(words(text)))


def _digest(text: str) -> int:
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def hit(row: Mapping[str, Any], *, score: float = 0.0, cosine: float | None = None, bm25: float = 0.0) -> Hit:
    return Hit(
        chunk=Chunk(
            id=ChunkId(row["id"]),
            document=DocumentId(row["document"]),
            ordinal=row["ordinal"],
            text=row["text"],
            start=row["start"],
            end=row["end"],
            context=row["context"],
            anchor=row["anchor"],
            author=row["author"],
            time=moment(row["time"]),
            places=tuple(Place(start, anchor, author, moment(time)) for start, anchor, author, time in row["places"]),
        ),
        source=SourceName(row["source"]),
        container=ContainerId(row["container"]),
        kind=row["kind"],
        title=row["title"],
        url=row["url"],
        authors=tuple(row["authors"]),
        updated_at=moment(row["updated"]),
        score=score,
        cosine=cosine,
        bm25=bm25,
    )
