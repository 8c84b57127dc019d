from __future__ import annotations

import contextlib
import gzip
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    RawRecord,
    Section,
    SourceName,
)
from knowhub.formats.batches import (
    chunked_key,
    decode_chunked,
    decode_raw,
    encode_chunked,
    encode_raw,
    encode_record,
    raw_key,
    source_of,
)

KEY = ObjectKey("s/raw/batch")
SOURCE = SourceName("notes")
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
TEXT = st.text(st.characters(), max_size=30)  # lone surrogates too: file names may hold them
ACLS = st.builds(Acl, st.lists(st.frozensets(st.text(max_size=5), max_size=3), max_size=3).map(tuple))
RECORDS = st.builds(
    RawRecord,
    source=st.just(SOURCE),
    container=TEXT,
    item=TEXT,
    kind=TEXT,
    version=TEXT,
    acl=ACLS,
    payload=st.none() | st.dictionaries(TEXT, TEXT | st.integers() | st.lists(TEXT), max_size=3),
    location=TEXT,
    parts=st.integers(0, 99),
)


def same(record: RawRecord) -> RawRecord:
    """With its ACL in the one form that all equal ACLs share."""
    from dataclasses import replace

    return replace(record, acl=Acl(tuple(frozenset(layer) for layer in record.acl.canonical())))  # type: ignore[arg-type]


@given(st.lists(RECORDS, max_size=5))
def test_a_raw_batch_comes_back_as_it_was(records: list[RawRecord]) -> None:
    data = encode_raw("0001-ab", SOURCE, 1, NOON, map(encode_record, records))
    assert decode_raw(data, KEY) == Batch("0001-ab", SOURCE, 1, NOON, tuple(map(same, records)))


@given(cut=st.integers(0, 200), flip=st.integers(0, 200))
def test_a_damaged_batch_is_never_taken_for_a_whole_one(cut: int, flip: int) -> None:
    record = RawRecord(SOURCE, ContainerId("c"), ItemId("i"), "k", "v", Acl.of("me"), {"text": "words " * 20})
    data = bytearray(encode_raw("0001-ab", SOURCE, 1, NOON, [encode_record(record)] * 3))
    whole = decode_raw(bytes(data), KEY)
    data[flip % len(data)] ^= 0x55
    for damaged in (bytes(data), bytes(data[: cut % len(data)])):
        with contextlib.suppress(CorruptObject):
            assert decode_raw(damaged, KEY) == whole


def test_keys_carry_source_stage_and_day() -> None:
    assert raw_key(SOURCE, "7-x", NOON) == "notes/raw/year=2026/month=05/day=31/batch_7-x.jsonl.zst"
    assert chunked_key(SOURCE, "7-x", NOON) == "notes/chunked/year=2026/month=05/day=31/batch_7-x.json.gz"


def document(**changes: Any) -> Document:
    fields: dict[str, Any] = {
        "id": DocumentId("notes:a"),
        "source": SOURCE,
        "container": ContainerId("c"),
        "kind": "conversation",
        "title": "title",
        "text": "hello\nworld",
        "url": "https://example.com/a",
        "acl": Acl.of("me", "you") & Acl.of("them"),
        "version": "1",
        "sequence": 3,
        "authors": ("Ann", "Ben"),
        "created_at": NOON,
        "updated_at": None,
        "language": "en",
        "location": "a",
        "state": "open",
        "sections": (Section(0, 5, "message", "#a", "Ann, noon", "Ann", NOON, 1),),
    }
    return Document(**{**fields, **changes})


def test_a_chunked_batch_comes_back_as_it_was() -> None:
    chunk = Chunk(
        ChunkId("notes:a#0"), DocumentId("notes:a"), 0, "hello", 0, 5, "title", "#a", "Ann", NOON, (Place(3, "#b"),)
    )
    other = Chunk(ChunkId("notes:a#1"), DocumentId("notes:a"), 1, "world", 6, 11)
    batch = ChunkedBatch(
        "0003-x",
        SOURCE,
        3,
        NOON,
        (
            ChunkedDocument(DocumentId("notes:a"), SOURCE, 3, document(), (chunk, other)),
            ChunkedDocument(DocumentId("notes:gone"), SOURCE, 3, None),
        ),
    )
    again = decode_chunked(encode_chunked(batch), KEY, default_acl=Acl())
    assert again.documents[0].document is not None
    assert again.documents[0].document.acl.canonical() == document().acl.canonical()
    assert encode_chunked(again) == encode_chunked(batch)
    assert again.documents[0].chunks == (chunk, other)


def test_its_public_fields_are_the_documented_ones() -> None:
    chunk = Chunk(ChunkId("notes:a#0"), DocumentId("notes:a"), 0, "hello", 0, 5)
    batch = ChunkedBatch(
        "b", SOURCE, 3, NOON, (ChunkedDocument(DocumentId("notes:a"), SOURCE, 3, document(), (chunk,)),)
    )
    fields = json.loads(gzip.decompress(encode_chunked(batch)))
    assert (fields["batch_id"], fields["source"], fields["chunk_count"]) == ("b", "notes", 1)
    assert datetime.fromisoformat(fields["timestamp"]) == NOON
    assert fields["chunks"][0]["text"] == "hello"
    assert fields["chunks"][0]["metadata"]["title"] == "title"


def by_hand(**changes: Any) -> bytes:
    fields = {
        "batch_id": "old-17",
        "timestamp": "2026-05-31T12:00:00",
        "source": "legacy",
        "chunk_count": 3,
        "chunks": [
            {
                "text": "first of one",
                "metadata": {"document_id": "one", "title": "One", "url": "https://example.com/1"},
            },
            {"text": "alone", "metadata": {"user": "ann"}},
            {"text": "second of one", "metadata": {"document_id": "one"}},
        ],
        **changes,
    }
    return gzip.compress(json.dumps(fields).encode(), mtime=0)


def test_a_hand_written_batch_is_read_without_our_fields() -> None:
    batch = decode_chunked(by_hand(), KEY, default_acl=Acl.of("owner"), sequence=9)
    one, alone = batch.documents
    assert (batch.source, batch.sequence, batch.timestamp) == ("legacy", 9, NOON)
    assert one.id == "legacy:one"
    assert one.document is not None
    assert (one.document.title, one.document.url) == ("One", "https://example.com/1")
    assert one.document.acl == Acl.of("owner")
    assert [chunk.text for chunk in one.chunks] == ["first of one", "second of one"]
    assert all(chunk.text == one.document.text[chunk.start : chunk.end] for chunk in one.chunks)
    assert alone.document is not None
    assert alone.document.authors == ("ann",)


@pytest.mark.parametrize(
    "data",
    [
        b"not gzip",
        by_hand(chunk_count=2),
        by_hand(chunks=[{"metadata": {}}]),
        by_hand(chunks=[{"text": 5}], chunk_count=1),
        by_hand(timestamp="yesterday"),
        gzip.compress(b"[]", mtime=0),
        gzip.compress(b'{"source": "x"', mtime=0),
    ],
)
def test_a_wrong_hand_written_batch_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(CorruptObject, match="s/raw/batch"):
        decode_chunked(data, KEY, default_acl=Acl(), sequence=1)


def test_the_source_of_a_hand_written_batch_is_read_first() -> None:
    assert source_of(by_hand(), KEY) == "legacy"
    with pytest.raises(CorruptObject):
        source_of(b"x", KEY)
