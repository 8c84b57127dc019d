"""Embed: chunked batches ▸ vectors ▸ the index. A late or repeated batch changes nothing."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from knowhub.core.errors import CorruptObject, KnowhubError, NotFound, TransientError, UnreadableContent
from knowhub.core.ports import Embedder, Index, IndexEntry, Lake, Outcome, PendingBatch, Progress, StageLedger
from knowhub.core.types import Acl, ChunkedBatch, ChunkedDocument, SourceName
from knowhub.formats.batches import decode_chunked
from knowhub.pipelines.chunk import StageReport, item_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5


def embed_pending(
    source: SourceName,
    *,
    lake: Lake,
    ledger: StageLedger,
    embedder: Embedder,
    index: Index,
    default_acl: Acl,
    progress: Progress,
) -> StageReport:
    """Bring every waiting chunked batch of a source into the index.

    What is wrong with one batch is written down and the next one is taken; what is wrong with the embedder or
    the index as a whole (no model, wrong credentials, another model's vectors) is raised.
    """
    report = StageReport()
    waiting = ledger.pending("embed", source)
    for number, pending in enumerate(waiting):
        progress.update("embed", source, number, len(waiting))
        try:
            data = lake.get(pending.key)
            batch = decode_chunked(data, pending.key, default_acl=default_acl, sequence=pending.sequence)
        except (CorruptObject, NotFound) as error:
            ledger.fail(pending, error.message, dead=True, lost=True)
            report.errors += (str(error),)
            continue
        try:
            _embed_batch(pending, batch, report, ledger, embedder, index)
        except TransientError as error:
            _try_later(pending, error.message, ledger)
            report.errors += (str(error),)
        except KnowhubError:
            raise
        except Exception as error:  # what one batch trips over must not stop those behind it
            log.error("fault in a batch", exc_info=log.isEnabledFor(logging.DEBUG), extra={"key": pending.key})
            sentence = f"{pending.key} met a fault in knowhub, {type(error).__name__}: {error}"[:300]
            _try_later(pending, sentence, ledger)
            report.errors += (sentence,)
    progress.update("embed", source, len(waiting), len(waiting))
    return report


def _try_later(pending: PendingBatch, error: str, ledger: StageLedger) -> None:
    ledger.fail(pending, error, dead=pending.attempts + 1 >= MAX_ATTEMPTS, lost=False)


def _embed_batch(
    pending: PendingBatch,
    batch: ChunkedBatch,
    report: StageReport,
    ledger: StageLedger,
    embedder: Embedder,
    index: Index,
) -> None:
    held = ledger.indexed(batch.source, [item_of(document) for document in batch.documents])
    fresh = [document for document in batch.documents if held.get(item_of(document), 0) < document.sequence]
    entries, outcomes = embed_documents(fresh, embedder)
    index.replace(entries)
    ledger.finish("embed", pending, outcomes, next_key=None)
    report.documents += sum(entry.chunked.document is not None for entry in entries)
    report.removed += sum(entry.chunked.document is None for entry in entries)
    report.chunks += sum(len(entry.chunked.chunks) for entry in entries)
    report.failed += sum(outcome.state == "failed" for outcome in outcomes)


def embed_documents(documents: Sequence[ChunkedDocument], embedder: Embedder) -> tuple[list[IndexEntry], list[Outcome]]:
    """Entries for the index and how each item came out. One text that a model refuses fails its document alone."""
    texts = [chunk.embedded_text for document in documents for chunk in document.chunks]
    try:
        vectors = embedder.embed(texts, purpose="document")
    except UnreadableContent as error:
        if len(documents) <= 1:
            return [removal(document) for document in documents], [
                Outcome(item_of(document), document.sequence, "failed", error.message, indexed=False)
                for document in documents
            ]
        halves = (documents[: len(documents) // 2], documents[len(documents) // 2 :])
        (first, first_outcomes), (second, second_outcomes) = (embed_documents(half, embedder) for half in halves)
        return first + second, first_outcomes + second_outcomes
    return _entries(documents, vectors), [_outcome(document) for document in documents]


def _entries(documents: Sequence[ChunkedDocument], vectors: NDArray[np.float32]) -> list[IndexEntry]:
    entries, start = [], 0
    for document in documents:
        end = start + len(document.chunks)
        entries.append(IndexEntry(document, vectors[start:end]))
        start = end
    return entries


def _outcome(document: ChunkedDocument) -> Outcome:
    """A removal keeps the state that the fetch or the chunker gave the item, with its reason."""
    if document.document is None:
        return Outcome(item_of(document), document.sequence, None, indexed=False)
    return Outcome(item_of(document), document.sequence, "searchable", title=document.document.title, indexed=True)


def removal(document: ChunkedDocument) -> IndexEntry:
    """The entry that takes a document out of the index."""
    import numpy as np

    gone = ChunkedDocument(document.id, document.source, document.sequence, None)
    return IndexEntry(gone, np.empty((0, 0), np.float32))
