"""Documents, questions and people for what is asked of an index.

Vectors are bags of hashed words, so that texts that share words are near one another without a model.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
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
    Filters,
    Hit,
    ModelId,
    Principal,
    SearchMode,
    SourceName,
    Viewer,
)

DIMENSIONS = 32
MODEL = ModelId("bag-of-words@1")
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVERYBODY = Acl.of("everybody")
MODES: tuple[SearchMode, ...] = ("lexical", "vector", "hybrid")

slow_build = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


def viewer(*principals: str) -> Viewer:
    return Viewer("someone", frozenset(Principal(name) for name in principals))


ANYBODY = viewer("everybody")


def vector_of(text: str) -> NDArray[np.float32]:
    total = np.zeros(DIMENSIONS, np.float32)
    for word in text.lower().split():
        total += _direction(word)
    length = float(np.linalg.norm(total))
    return total / np.float32(length) if length else total


@cache
def _direction(word: str) -> NDArray[np.float32]:
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIMENSIONS, np.float32)


def document(name: str, **fields: Any) -> Document:
    source, _, _ = name.partition(":")
    given = Document(
        id=DocumentId(name),
        source=SourceName(source),
        container=ContainerId("general"),
        kind="markdown",
        title=f"Title of {name}",
        text="",
        url=f"https://wiki.example/{name}",
        acl=EVERYBODY,
        version="1",
        sequence=1,
    )
    return replace(given, **fields)


def entry(name: str, *texts: str, chunk: dict[str, Any] | None = None, **fields: Any) -> IndexEntry:
    """A document of these chunks; `fields` are the document's, `chunk` goes to each chunk."""
    holder = document(name, **fields)
    chunks = tuple(
        Chunk(ChunkId(f"{name}#{i}"), holder.id, i, text, i * 1000, i * 1000 + len(text), **(chunk or {}))
        for i, text in enumerate(texts)
    )
    vectors = np.stack([vector_of(c.embedded_text) for c in chunks]) if chunks else np.zeros((0, DIMENSIONS), "f4")
    return IndexEntry(ChunkedDocument(holder.id, holder.source, holder.sequence, holder, chunks), vectors)


def removal(name: str, sequence: int = 2) -> IndexEntry:
    source = SourceName(name.partition(":")[0])
    return IndexEntry(ChunkedDocument(DocumentId(name), source, sequence, None), np.zeros((0, DIMENSIONS), np.float32))


def query(text: str, mode: SearchMode = "hybrid", top_k: int = 10, **filters: Any) -> SearchQuery:
    return SearchQuery(text, None if mode == "lexical" else vector_of(text), mode, top_k, NOW, Filters(**filters))


def documents(hits: Iterable[Hit]) -> list[str]:
    return [hit.chunk.document for hit in hits]
