"""Reindex: what lies in the lake ▸ a new index, beside the one that goes on answering.

pass 1   which batch holds the newest version of each item
pass 2   raw/ ▸ parse ▸ chunk ▸ chunked/ ▸ embed ▸ the new index ▸ the ledger's rows
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from knowhub.core.errors import CorruptObject
from knowhub.core.ports import (
    FORGOTTEN,
    Embedder,
    Index,
    ItemLedger,
    Lake,
    OpenBatch,
    Outcome,
    Parser,
    Progress,
    StoredItem,
)
from knowhub.core.types import (
    Acl,
    ChunkedBatch,
    ChunkedDocument,
    ContainerId,
    ItemId,
    ObjectKey,
    RawRecord,
    SourceName,
)
from knowhub.formats.batches import (
    chunked_key,
    decode_chunked,
    decode_forgotten,
    decode_raw,
    encode_chunked,
    iter_batches,
)
from knowhub.pipelines.chunk import Chunking, StageReport, chunk_batch, item_of
from knowhub.pipelines.embed import embed_documents
from knowhub.pipelines.fetch import LEFT_OUT

LOST = "not in the lake any more"
UNCONFIGURED = "its source was not configured when the index was rebuilt"


@dataclass(frozen=True, slots=True)
class Reindexing:
    """Everything that rebuilding one source needs. `index` is the new one."""

    source: SourceName
    parse: Parser
    chunking: Chunking
    lake: Lake
    items: ItemLedger
    embedder: Embedder
    index: Index
    acl: Acl
    progress: Progress


@dataclass(frozen=True, slots=True)
class _Rechunked:
    """One batch as the new index shall hold it, and where its chunked object lies."""

    batch: ChunkedBatch
    key: ObjectKey
    outcomes: Mapping[ItemId, Outcome]
    records: Mapping[ItemId, RawRecord]


def reindex(parts: Reindexing) -> StageReport:
    """Rebuild a source from the lake alone: no source is asked, and lost rows of the ledger come back. Repeatable."""
    report = StageReport()
    keys = _batch_keys(parts)
    newest = _newest(parts, keys, report)
    stored = {item.item: item for item in parts.items.stored(parts.source)}
    erased = {item: row for item, row in _forgotten(parts, report).items() if item not in stored}
    parts.items.rebuild(list(erased.values()), batch=None, key=None)
    stored |= erased
    for number, key in enumerate(keys):
        parts.progress.update("reindex", parts.source, number, len(keys))
        rechunked = _rechunk(parts, key, newest)
        if rechunked and rechunked.batch.documents:
            _index(parts, rechunked, stored, report)
    _write_off(parts, stored)
    parts.progress.update("reindex", parts.source, len(keys), len(keys))
    return report


def _forgotten(parts: Reindexing, report: StageReport) -> dict[ItemId, StoredItem]:
    """What the lake remembers as erased."""
    found: dict[ItemId, StoredItem] = {}
    for key in parts.lake.list(f"{parts.source}/forgotten/"):
        try:
            item, container, location, version, count = decode_forgotten(parts.lake.get(key), key)
        except CorruptObject as error:
            report.errors += (str(error),)
            continue
        found[item] = StoredItem(
            parts.source, item, container, location, version, count, 0, "filtered", FORGOTTEN, "", False, False, 0
        )
    return found


def _gone(stored: StoredItem | None) -> bool:
    """Deleted, erased or left out: whatever the lake still holds of it, nobody shall find it."""
    return stored is not None and (stored.deleted or stored.reason == FORGOTTEN or stored.version == LEFT_OUT)


def _batch_keys(parts: Reindexing) -> list[ObjectKey]:
    """All raw batches, and those chunked ones that were handed in without a raw one."""
    raw = list(iter_batches(parts.lake.list(f"{parts.source}/raw/"), "raw"))
    made = {_batch_id(key) for key in raw}
    chunked = iter_batches(parts.lake.list(f"{parts.source}/chunked/"), "chunked")
    return sorted(raw + [key for key in chunked if _batch_id(key) not in made], key=_batch_id)


def _batch_id(key: ObjectKey) -> str:
    return key.rpartition("/batch_")[2].partition(".")[0]


def _newest(parts: Reindexing, keys: list[ObjectKey], report: StageReport) -> dict[ItemId, int]:
    newest: dict[ItemId, int] = {}
    for key in keys:
        try:
            for item, sequence in _items(parts, key):
                newest[item] = max(sequence, newest.get(item, 0))
        except CorruptObject as error:
            report.errors += (str(error),)
    return newest


def _items(parts: Reindexing, key: ObjectKey) -> Iterator[tuple[ItemId, int]]:
    data = parts.lake.get(key)
    if "/raw/" in key:
        raw = decode_raw(data, key)
        return ((record.item, raw.sequence) for record in raw.records)
    chunked = decode_chunked(data, key, default_acl=parts.acl)
    return ((item_of(document), chunked.sequence) for document in chunked.documents)


def _rechunk(parts: Reindexing, key: ObjectKey, newest: Mapping[ItemId, int]) -> _Rechunked | None:
    data = parts.lake.get(key)
    try:
        if "/raw/" not in key:
            handed = decode_chunked(data, key, default_acl=parts.acl)
            kept = tuple(d for d in handed.documents if newest[item_of(d)] == handed.sequence)
            return _Rechunked(replace(handed, documents=kept), key, {}, {})
        raw = decode_raw(data, key)
    except CorruptObject:
        return None
    records = {record.item: record for record in raw.records if newest[record.item] == raw.sequence}
    batch, outcomes = chunk_batch(
        replace(raw, records=tuple(records.values())), parse=parts.parse, chunking=parts.chunking
    )
    destination = chunked_key(parts.source, raw.id, raw.timestamp)
    parts.lake.put(destination, encode_chunked(batch))
    return _Rechunked(batch, destination, {outcome.item: outcome for outcome in outcomes}, records)


def _index(parts: Reindexing, rechunked: _Rechunked, stored: dict[ItemId, StoredItem], report: StageReport) -> None:
    """Chunks to the new index, then what became of each item to the ledger. Takes settled items out of `stored`."""
    shown = [d for d in rechunked.batch.documents if d.document and not _gone(stored.get(item_of(d)))]
    entries, embedded = embed_documents(shown, parts.embedder)
    parts.index.replace(entries)
    outcomes = {**rechunked.outcomes, **{outcome.item: outcome for outcome in embedded}}
    rows = [
        _row(document, stored.pop(item_of(document), None), rechunked.records.get(item_of(document)), outcomes)
        for document in rechunked.batch.documents
    ]
    batch = rechunked.batch
    parts.items.rebuild(rows, batch=OpenBatch(batch.id, batch.sequence, batch.timestamp), key=rechunked.key)
    report.documents += len(entries)
    report.chunks += sum(len(entry.chunked.chunks) for entry in entries)
    report.failed += sum(row.state == "failed" for row in rows)


def _row(
    chunked: ChunkedDocument, stored: StoredItem | None, record: RawRecord | None, outcomes: Mapping[ItemId, Outcome]
) -> StoredItem:
    """The item's row: what the ledger knew, else what the record says; its state as it came out just now."""
    item, document = item_of(chunked), chunked.document
    outcome = outcomes.get(item)
    base = stored or _restored(chunked, record)
    if stored and not _gone(stored) and stored.sequence > chunked.sequence:
        # Its newest version was in an object that cannot be read: what is older serves until it is fetched again.
        base = replace(base, version="")
        if document is None:
            base = replace(base, state="failed", reason=LOST)
    if stored and (_gone(stored) or (document is None and outcome is None)):
        return replace(base, indexed=False, indexed_sequence=chunked.sequence)
    return replace(
        base,
        sequence=chunked.sequence,
        indexed_sequence=chunked.sequence,
        indexed=bool(outcome and outcome.indexed),
        state=(outcome and outcome.state) or base.state,
        reason=outcome.reason if outcome else base.reason,
        title=document.title if document else base.title,
    )


def _restored(chunked: ChunkedDocument, record: RawRecord | None) -> StoredItem:
    document = chunked.document
    return StoredItem(
        source=chunked.source,
        item=item_of(chunked),
        container=record.container if record else document.container if document else ContainerId(""),
        location=record.location if record else document.location if document else "",
        version=record.version if record else "",
        parts=record.parts if record else 1,
        sequence=chunked.sequence,
        state="pending",
        reason="",
        title="",
        deleted=record.payload is None if record else document is None,
        indexed=False,
        indexed_sequence=chunked.sequence,
    )


def _write_off(parts: Reindexing, left: Mapping[ItemId, StoredItem]) -> None:
    """What the ledger thought searchable or waiting and the lake does not hold is fetched again by the next sync."""
    lost = [
        replace(item, state="failed", reason=LOST, version="", indexed=False)
        for item in left.values()
        if not item.deleted and (item.indexed or item.state in ("pending", "searchable"))
    ]
    parts.items.rebuild(lost, batch=None, key=None)


def write_off_source(items: ItemLedger, source: SourceName) -> None:
    """A source that is not configured is in no rebuilt index: should it come back, all of it is fetched again."""
    rows = [
        replace(item, state="failed", reason=UNCONFIGURED, version="", indexed=False)
        for item in items.stored(source)
        if not _gone(item)
    ]
    items.rebuild(rows, batch=None, key=None)
