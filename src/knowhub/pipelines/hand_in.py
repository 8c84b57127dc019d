"""Hand in: a chunked batch that was written elsewhere ▸ the lake, the ledger, and the queue of `embed`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from knowhub.core.ports import FetchCommit, ItemChange, Lake
from knowhub.core.types import Acl, ChunkedDocument, ContainerId, ObjectKey, SourceName
from knowhub.formats.batches import chunked_key, decode_chunked, encode_chunked
from knowhub.pipelines.chunk import item_of
from knowhub.pipelines.fetch import KnownItems, require_ledger, sweep
from knowhub.pipelines.sync import Ledgers, leased


def hand_in(
    source: SourceName,
    data: bytes,
    *,
    called: str,
    acl: Acl,
    lake: Lake,
    ledgers: Ledgers,
    clock: Callable[[], datetime],
) -> ObjectKey:
    """Store a batch (gzipped JSON, public fields are enough) and return its key. Forgotten documents stay out.

    `called` names it in errors, `acl` is for documents that carry none. Raises CorruptObject, LeaseHeld.
    """
    with leased(ledgers.leases, source) as lease:
        known = KnownItems(ledgers.items.stored(source))
        sweep(source, lake=lake, ledger=ledgers.fetching)
        require_ledger(source, known, lake=lake, ledger=ledgers.fetching)
        opened = ledgers.fetching.open_batch(source, lease, clock())
        batch = decode_chunked(data, ObjectKey(called), default_acl=acl, sequence=opened.sequence)
        documents = tuple(document for document in batch.documents if item_of(document) not in known.forgotten)
        key = chunked_key(source, opened.id, opened.timestamp)
        # Under the id that the ledger gave it: ids of other systems may repeat.
        lake.put(key, encode_chunked(replace(batch, id=opened.id, documents=documents)))
        commit = FetchCommit(
            source=source,
            batch=opened,
            key=key,
            stage="embed",
            items=[_change(document) for document in documents],
            counts=(),
            gone=(),
            cursor=None,
            revision=ledgers.fetching.cursor(source).revision,
            at=clock(),
        )
        ledgers.fetching.commit_fetch(lease, commit)
    return key


def _change(chunked: ChunkedDocument) -> ItemChange:
    document = chunked.document
    return ItemChange(
        item=item_of(chunked),
        container=document.container if document else ContainerId(""),
        version="handed in",
        location=document.location if document else "",
        parts=1,
        state="pending",
        in_batch=True,
    )
