"""Chunk: raw batches ▸ documents ▸ chunks ▸ chunked batches. A pure function of stored bytes."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from knowhub.core.errors import CorruptObject, KnowhubError, NotFound, UnreadableContent
from knowhub.core.ports import Lake, Outcome, Parser, Progress, StageLedger
from knowhub.core.types import (
    Batch,
    Chunk,
    ChunkedBatch,
    ChunkedDocument,
    Document,
    ItemId,
    RawRecord,
    SourceName,
    document_id,
)
from knowhub.formats.batches import chunked_key, decode_raw, encode_chunked

log = logging.getLogger(__name__)

Chunking = Callable[[Document], tuple[Chunk, ...]]
EMPTY = "no text"


@dataclass(slots=True)
class StageReport:
    """What a stage did. `errors` are sentences about whole batches that must be tried again."""

    documents: int = 0
    removed: int = 0
    chunks: int = 0
    failed: int = 0
    errors: tuple[str, ...] = ()


def chunk_pending(
    source: SourceName, *, lake: Lake, ledger: StageLedger, parse: Parser, chunking: Chunking, progress: Progress
) -> StageReport:
    """Bring every waiting raw batch of a source to the lake's `chunked/`. One bad item fails alone."""
    report = StageReport()
    waiting = ledger.pending("chunk", source)
    for number, pending in enumerate(waiting):
        progress.update("chunk", source, number, len(waiting))
        try:
            raw = decode_raw(lake.get(pending.key), pending.key)
        except (CorruptObject, NotFound) as error:
            ledger.fail(pending, error.message, dead=True, lost=True)
            report.errors += (str(error),)
            continue
        chunked, outcomes = chunk_batch(raw, parse=parse, chunking=chunking)
        key = chunked_key(source, raw.id, raw.timestamp)
        lake.put(key, encode_chunked(chunked))
        ledger.finish("chunk", pending, outcomes, next_key=key)
        report.documents += sum(document.document is not None for document in chunked.documents)
        report.removed += sum(document.document is None for document in chunked.documents)
        report.chunks += sum(len(document.chunks) for document in chunked.documents)
        report.failed += sum(outcome.state == "failed" for outcome in outcomes)
    progress.update("chunk", source, len(waiting), len(waiting))
    return report


def chunk_batch(raw: Batch, *, parse: Parser, chunking: Chunking) -> tuple[ChunkedBatch, list[Outcome]]:
    """The newest record of each item, chunked; an unreadable one becomes a removal with its reason."""
    newest = {record.item: record for record in raw.records}
    outcomes: list[Outcome] = []
    documents = tuple(_chunk_record(record, raw.sequence, parse, chunking, outcomes) for record in newest.values())
    return ChunkedBatch(raw.id, raw.source, raw.sequence, raw.timestamp, documents), outcomes


def _chunk_record(
    record: RawRecord, sequence: int, parse: Parser, chunking: Chunking, outcomes: list[Outcome]
) -> ChunkedDocument:
    id = document_id(record.source, record.item)
    removal = ChunkedDocument(id, record.source, sequence, None)
    if record.payload is None:
        return removal
    try:
        document = parse(record, sequence)
        chunks = chunking(document)
    except UnreadableContent as error:
        outcomes.append(Outcome(record.item, sequence, "failed", error.message))
        return removal
    except KnowhubError:
        raise
    except Exception as error:  # a fault of ours in one item is that item's row, not the end of all
        log.error("fault in a parser", exc_info=log.isEnabledFor(logging.DEBUG), extra={"item": record.item})
        outcomes.append(Outcome(record.item, sequence, "failed", _fault(error)))
        return removal
    if not chunks:
        outcomes.append(Outcome(record.item, sequence, "filtered", EMPTY, document.title))
        return removal
    outcomes.append(Outcome(record.item, sequence, None, title=document.title))
    return ChunkedDocument(id, record.source, sequence, document, chunks)


def _fault(error: Exception) -> str:
    return f"a fault in knowhub's parser, {type(error).__name__}: {error}"[:300]


def item_of(document: ChunkedDocument) -> ItemId:
    return ItemId(document.id.removeprefix(f"{document.source}:"))
