"""A small real index: brute force over everything, in memory; and an embedder that counts words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from knowhub.core.ports import IndexEntry, SearchQuery
from knowhub.core.types import (
    Acl,
    Chunk,
    ChunkedDocument,
    ChunkId,
    ContainerId,
    Document,
    DocumentId,
    DocumentKind,
    Hit,
    ModelId,
    SourceName,
    Viewer,
)

VIEWER = Viewer("reader", Acl.of("owner").layers[0])
_MODEL = ModelId("words@1")
_WORD = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]+|[^\W\u3040-\u30ff\u4e00-\u9fff]+")


def terms(text: str) -> list[str]:
    """Lower-case words without a plural s; Japanese two characters at a time."""
    found: list[str] = []
    for word in _WORD.findall(text.casefold()):
        if word[0] >= "\u3040":
            found.extend([word[i : i + 2] for i in range(len(word) - 1)] or [word])
        else:
            found.append(word.removesuffix("s") if len(word) > 3 else word)
    return found


@dataclass
class WordEmbedder:
    """Texts that share words have a high cosine. `batches` is how many texts each call had."""

    model: ModelId = _MODEL
    dimensions: int = 512
    batches: list[int] = field(default_factory=list)

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        self.batches.append(len(texts))
        vectors = np.zeros((len(texts), self.dimensions), np.float32)
        for row, text in enumerate(texts):
            for word, count in Counter(terms(text)).items():
                if len(word) > 3 or not word.isascii():
                    vectors[row, crc32(word.encode("utf-8", "replace")) % self.dimensions] += count**0.5
            vectors[row, 0] += 1e-3
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@dataclass
class MemoryIndex:
    """`limit_ms` and the like have no place here: it only has to be right."""

    entries: dict[DocumentId, IndexEntry] = field(default_factory=dict)
    maintained: int = 0

    def replace(self, entries: Sequence[IndexEntry]) -> None:
        for entry in entries:
            self.entries.pop(entry.chunked.id, None)
            if entry.chunked.document is not None:
                self.entries[entry.chunked.id] = entry

    def search(self, query: SearchQuery, *, viewer: Viewer) -> list[Hit]:
        wanted = Counter(terms(query.text))
        found = []
        for document, chunk, vector in self._chunks(viewer):
            shared = sum((Counter(terms(chunk.embedded_text)) & wanted).values())
            cosine = None if query.vector is None else float(vector @ query.vector)
            score = {"lexical": shared, "vector": cosine or 0.0, "hybrid": shared + (cosine or 0.0)}[query.mode]
            if query.mode != "lexical" or shared:
                found.append(replace(hit(document, chunk), score=float(score), cosine=cosine, bm25=float(shared)))
        return sorted(found, key=lambda each: -each.score)[: query.top_k]

    def read(self, document: DocumentId, *, viewer: Viewer) -> list[Hit]:
        return [hit(owner, chunk) for owner, chunk, _ in self._chunks(viewer) if owner.id == document]

    def contents(self, source: SourceName) -> Mapping[DocumentId, int]:
        return {id: entry.chunked.sequence for id, entry in self.entries.items() if entry.chunked.source == source}

    def counts(self, *, viewer: Viewer) -> Mapping[SourceName, int]:
        return Counter(source for source, _ in {(owner.source, owner.id) for owner, _, _ in self._chunks(viewer)})

    def version(self, *, viewer: Viewer) -> str:
        return str(hash(frozenset((owner.version, chunk) for owner, chunk, _ in self._chunks(viewer))))

    def maintain(self, *, purge: bool) -> None:
        self.maintained += 1

    def _chunks(self, viewer: Viewer) -> Iterable[tuple[Document, Chunk, NDArray[np.float32]]]:
        for entry in self.entries.values():
            document = entry.chunked.document
            if document is not None and document.acl.admits(viewer):
                for chunk, vector in zip(entry.chunked.chunks, entry.vectors, strict=True):
                    yield document, chunk, vector


def hit(document: Document, chunk: Chunk) -> Hit:
    return Hit(
        chunk=chunk,
        source=document.source,
        container=document.container,
        kind=document.kind,
        title=document.title,
        url=document.url,
        authors=document.authors,
        updated_at=document.updated_at,
        score=0.0,
    )


def document(
    name: str, text: str, *, kind: DocumentKind = "markdown", title: str = "", updated: str = "2026-01-10"
) -> Document:
    return Document(
        id=DocumentId(f"handbook:{name}"),
        source=SourceName("handbook"),
        container=ContainerId("handbook"),
        kind=kind,
        title=title or name,
        text=text,
        url=f"https://example.test/{name}",
        acl=Acl.of("owner"),
        version="1",
        sequence=1,
        updated_at=datetime.fromisoformat(updated).replace(tzinfo=UTC),
    )


def chunks_of(document: Document, *cuts: int) -> tuple[Chunk, ...]:
    """The document's text cut at these offsets."""
    edges = (0, *cuts, len(document.text))
    return tuple(
        Chunk(
            id=ChunkId(f"{document.id}#{ordinal}"),
            document=document.id,
            ordinal=ordinal,
            text=document.text[start:end],
            start=start,
            end=end,
            context=document.title,
            anchor=f"#part-{ordinal}",
        )
        for ordinal, (start, end) in enumerate(pairwise(edges))
    )


def index_of(*documents: Document, embedder: WordEmbedder | None = None) -> MemoryIndex:
    """An index of these documents, each one chunk."""
    index, embedder = MemoryIndex(), embedder or WordEmbedder()
    for each in documents:
        chunks = chunks_of(each)
        vectors = embedder.embed([chunk.embedded_text for chunk in chunks], purpose="document")
        index.replace([IndexEntry(ChunkedDocument(each.id, each.source, 1, each, chunks), vectors)])
    return index
