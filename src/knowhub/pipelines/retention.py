"""Retention: what leaves the lake, by age (`prune`) or because a person says so (`forget`)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from knowhub.core.errors import CorruptObject, NotFound
from knowhub.core.ports import Index, ItemLedger, Lake, RetentionLedger, StoredBatch
from knowhub.core.types import Acl, ChunkedDocument, ItemId, ObjectKey, SourceName, document_id
from knowhub.formats.batches import (
    chunked_key,
    decode_chunked,
    decode_raw,
    encode_chunked,
    encode_raw,
    encode_record,
    raw_key,
)
from knowhub.pipelines.chunk import item_of
from knowhub.pipelines.embed import removal


def prune(
    source: SourceName, *, keep_days: int, now: datetime, lake: Lake, items: ItemLedger, ledger: RetentionLedger
) -> int:
    """Drop superseded versions and old deletions from batches older than `keep_days`; return how many records went.

    The newest version of each item always stays. Batches are taken oldest first, so that no deletion is dropped
    before the version it deletes.
    """
    newest = {item.item: item.sequence for item in items.stored(source) if not item.deleted}
    dropped = 0
    for batch in ledger.batches(source):
        old = batch.timestamp < now - timedelta(days=keep_days)
        if old and batch.stage == "done" and batch.newest < batch.records:
            kept = {item for item, sequence in newest.items() if sequence == batch.sequence}
            left = _keep_records(lake, batch, kept.__contains__)
            ledger.rewritten(source, batch.sequence, records=left)
            dropped += batch.records - left
    return dropped


def _keep_records(lake: Lake, batch: StoredBatch, wanted: Callable[[ItemId], bool]) -> int:
    """Rewrite both objects of a batch with the wanted items only; return how many items are left."""
    left = _keep_chunked(lake, chunked_key(batch.source, batch.id, batch.timestamp), wanted)
    name = raw_key(batch.source, batch.id, batch.timestamp)
    try:
        raw = decode_raw(lake.get(name), name)
    except NotFound:
        return left  # handed in as chunks: there never was a raw batch
    kept = [record for record in raw.records if wanted(record.item)]
    if not kept:
        lake.delete([name])
    elif len(kept) < len(raw.records):
        lake.put(name, encode_raw(raw.id, raw.source, raw.sequence, raw.timestamp, map(encode_record, kept)))
    return len({record.item for record in kept})


def _keep_chunked(lake: Lake, key: ObjectKey, wanted: Callable[[ItemId], bool]) -> int:
    try:
        chunked = decode_chunked(lake.get(key), key, default_acl=Acl())
    except NotFound:
        return 0
    kept = tuple(document for document in chunked.documents if wanted(item_of(document)))
    if not kept:
        lake.delete([key])
    elif len(kept) < len(chunked.documents):
        lake.put(key, encode_chunked(replace(chunked, documents=kept)))
    return len(kept)


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Everything that erasing needs. `forget_texts` empties the embedding cache of them."""

    source: SourceName
    lake: Lake
    items: ItemLedger
    ledger: RetentionLedger
    index: Index
    forget_texts: Callable[[Collection[str]], None]


def forget_items(parts: Forgetting, items: Collection[ItemId]) -> int:
    """Erase items from index, lake (all versions), embedding cache and ledger titles; return how many objects changed.

    They stay away: the ledger keeps their ids as forgotten. Order: unsearchable first, then gone.
    """
    gone = frozenset(items)
    _unindex(parts, gone)
    parts.items.forget(parts.source, sorted(gone))
    changed = 0
    for batch in parts.ledger.batches(parts.source):
        parts.forget_texts(_texts(parts.lake, batch, gone))
        left = _keep_records(parts.lake, batch, lambda item: item not in gone)
        if left < batch.records:
            changed += 1
            parts.ledger.rewritten(parts.source, batch.sequence, records=left)
    parts.index.maintain(purge=True)
    return changed


def forget_source(parts: Forgetting) -> int:
    """Erase everything of a source; if it stays configured, the next sync starts from nothing."""
    _unindex(parts, [item.item for item in parts.items.stored(parts.source)])
    for batch in parts.ledger.batches(parts.source):
        parts.forget_texts(_texts(parts.lake, batch, None))
    keys = list(parts.lake.list(f"{parts.source}/"))
    parts.lake.delete(keys)
    parts.items.forget_source(parts.source)
    parts.index.maintain(purge=True)
    return len(keys)


def _unindex(parts: Forgetting, items: Collection[ItemId]) -> None:
    parts.index.replace(
        [removal(ChunkedDocument(document_id(parts.source, item), parts.source, 0, None)) for item in sorted(items)]
    )


def _texts(lake: Lake, batch: StoredBatch, items: frozenset[ItemId] | None) -> set[str]:
    """What the embedding cache may hold of a batch. None: of all its items."""
    key = chunked_key(batch.source, batch.id, batch.timestamp)
    try:
        documents = decode_chunked(lake.get(key), key, default_acl=Acl()).documents
    except (CorruptObject, NotFound):
        return set()
    wanted = (document for document in documents if items is None or item_of(document) in items)
    return {chunk.embedded_text for document in wanted for chunk in document.chunks}
