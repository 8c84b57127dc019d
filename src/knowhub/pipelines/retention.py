"""Retention: what leaves the lake, by age (`prune`) or because a person says so (`forget`)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from knowhub.core.errors import CorruptObject, NotFound
from knowhub.core.ports import Index, ItemLedger, Lake, RetentionLedger, StoredBatch
from knowhub.core.types import Acl, ChunkedDocument, DocumentId, ItemId, ObjectKey, SourceName, document_id
from knowhub.formats.batches import (
    chunked_key,
    decode_chunked,
    decode_raw,
    encode_chunked,
    encode_forgotten,
    encode_raw,
    encode_record,
    forgotten_key,
    raw_key,
)
from knowhub.pipelines.chunk import item_of
from knowhub.pipelines.embed import removal

log = logging.getLogger(__name__)


def prune(
    source: SourceName, *, keep_days: int, now: datetime, lake: Lake, items: ItemLedger, ledger: RetentionLedger
) -> int:
    """Drop superseded versions and old deletions from batches older than `keep_days`; return how many records went.

    The newest version of each item always stays. Batches are taken oldest first, and once one had to be passed over
    (younger by its clock, unfinished, unreadable), deletions stay too: what they delete may lie in it.
    """
    stored = list(items.stored(source))
    newest = {item.item: item.sequence for item in stored if not item.deleted}
    dropped = 0
    for batch in ledger.batches(source):
        old = batch.timestamp < now - timedelta(days=keep_days)
        if not old or batch.stage != "done":
            newest = {item.item: item.sequence for item in stored}
        elif batch.newest < batch.records:
            kept = {item for item, sequence in newest.items() if sequence == batch.sequence}
            try:
                left = _keep_records(lake, batch, kept.__contains__)
            except CorruptObject as error:
                log.warning("batch not pruned", extra={"key": batch.key, "error": error.message})
                newest = {item.item: item.sequence for item in stored}
                continue
            ledger.rewritten(source, batch.sequence, records=left)
            dropped += batch.records - left
    return dropped


def _keep_records(lake: Lake, batch: StoredBatch, wanted: Callable[[ItemId], bool]) -> int:
    """Rewrite both objects of a batch with the wanted items only; return how many items are left."""
    raw = _keep_raw(lake, raw_key(batch.source, batch.id, batch.timestamp), wanted)
    chunked = _keep_chunked(lake, chunked_key(batch.source, batch.id, batch.timestamp), wanted)
    return (chunked or 0) if raw is None else raw


def _keep_raw(lake: Lake, key: ObjectKey, wanted: Callable[[ItemId], bool]) -> int | None:
    """None: there is none, as in a batch that was handed in as chunks. Raises CorruptObject."""
    try:
        raw = decode_raw(lake.get(key), key)
    except NotFound:
        return None
    kept = [record for record in raw.records if wanted(record.item)]
    if not kept:
        lake.delete([key])
    elif len(kept) < len(raw.records):
        lake.put(key, encode_raw(raw.id, raw.source, raw.sequence, raw.timestamp, map(encode_record, kept)))
    return len({record.item for record in kept})


def _keep_chunked(lake: Lake, key: ObjectKey, wanted: Callable[[ItemId], bool]) -> int | None:
    """None: there is none yet. Raises CorruptObject."""
    try:
        chunked = decode_chunked(lake.get(key), key, default_acl=Acl())
    except NotFound:
        return None
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

    They stay away: the ledger keeps their ids as forgotten, and so does the lake, for the day the ledger is lost.
    Order: unsearchable first, then gone. Raises CorruptObject at the end if an object could not be looked into.
    """
    gone = frozenset(items)
    _unindex(parts, gone)
    parts.items.forget(parts.source, sorted(gone))
    _mark(parts, gone)
    changed = 0
    unreadable: list[ObjectKey] = []
    for batch in parts.ledger.batches(parts.source):
        parts.forget_texts(_texts(parts.lake, batch, gone))
        left = _erase(parts.lake, batch, gone, unreadable)
        if left < batch.records:
            changed += 1
            parts.ledger.rewritten(parts.source, batch.sequence, records=left)
    parts.index.maintain(purge=True)
    if unreadable:
        raise CorruptObject(
            f"erased, except perhaps from {', '.join(unreadable)}, which cannot be read",
            cure="Delete those objects, then run `knowhub reindex` and `knowhub sync`.",
        )
    return changed


def _erase(lake: Lake, batch: StoredBatch, gone: Collection[ItemId], unreadable: list[ObjectKey]) -> int:
    """How many items are left; as many as before if an object cannot be read, which is added to `unreadable`."""
    left: list[int | None] = []
    for keep, name in ((_keep_raw, raw_key), (_keep_chunked, chunked_key)):
        key = name(batch.source, batch.id, batch.timestamp)
        try:
            left.append(keep(lake, key, lambda item: item not in gone))
        except CorruptObject:
            unreadable.append(key)
            left.append(batch.records)
    raw, chunked = left
    return (chunked or 0) if raw is None else raw


def _mark(parts: Forgetting, gone: Collection[ItemId]) -> None:
    for item in parts.items.stored(parts.source):
        if item.item in gone:
            data = encode_forgotten(item.item, item.container, item.location, item.version, item.parts)
            parts.lake.put(forgotten_key(parts.source, item.item), data)


def forget_source(parts: Forgetting) -> int:
    """Erase everything of a source; if it stays configured, the next sync starts from nothing."""
    held = {item_of(_gone(parts.source, id)) for id in parts.index.contents(parts.source)}
    _unindex(parts, held | {item.item for item in parts.items.stored(parts.source)})
    for batch in parts.ledger.batches(parts.source):
        parts.forget_texts(_texts(parts.lake, batch, None))
    keys = list(parts.lake.list(f"{parts.source}/"))
    parts.lake.delete(keys)
    parts.items.forget_source(parts.source)
    parts.index.maintain(purge=True)
    return len(keys)


def _unindex(parts: Forgetting, items: Collection[ItemId]) -> None:
    parts.index.replace([removal(_gone(parts.source, document_id(parts.source, item))) for item in sorted(items)])


def _gone(source: SourceName, document: DocumentId) -> ChunkedDocument:
    return ChunkedDocument(document, source, 0, None)


def _texts(lake: Lake, batch: StoredBatch, items: frozenset[ItemId] | None) -> set[str]:
    """What the embedding cache may hold of a batch. None: of all its items."""
    key = chunked_key(batch.source, batch.id, batch.timestamp)
    try:
        documents = decode_chunked(lake.get(key), key, default_acl=Acl()).documents
    except (CorruptObject, NotFound):
        return set()
    wanted = (document for document in documents if items is None or item_of(document) in items)
    return {chunk.embedded_text for document in wanted for chunk in document.chunks}
