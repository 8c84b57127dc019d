"""The moves on single documents: find, show, export, forget."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from knowhub.core.errors import ConfigurationError, CorruptObject, NotFound
from knowhub.core.ports import StoredItem
from knowhub.core.types import (
    Acl,
    ChunkedDocument,
    Document,
    DocumentId,
    RawRecord,
    SourceName,
    Viewer,
    document_id,
    source_and_item,
)
from knowhub.formats.batches import decode_chunked, decode_raw, raw_key
from knowhub.pipelines.chunk import item_of
from knowhub.pipelines.feedback import erase_cases
from knowhub.pipelines.fetch import sweep
from knowhub.pipelines.retention import Forgetting, forget_items, forget_source
from knowhub.pipelines.sync import leased
from knowhub.wiring.hub import REINDEX, Hub
from knowhub.wiring.settings import is_source_name


@dataclass(frozen=True, slots=True)
class Shown:
    """What `show` shows of one document; `chunked` is None while nothing of it is stored."""

    item: StoredItem
    chunked: ChunkedDocument | None


class DocumentMoves(Hub):
    """Read what is stored, and erase it."""

    def find(self, name: str, *, viewer: Viewer | None = None) -> StoredItem:
        """The one item of that document id, location or title. Raises NotFound.

        With a `viewer`, what they may not read does not exist, nor is it named.
        """
        found = self._adapters.ledgers.items.find(name) if name else []
        if viewer:
            found = [seen for item in found if (seen := self._as_seen(item, viewer)) and _is_named(seen, name)]
        exact = [item for item in found if document_id(item.source, item.item) == name]
        living = exact or [item for item in found if not item.deleted] or found
        if not living:
            raise NotFound(f"there is no document {name}", cure="`knowhub search --json` shows ids.")
        if len(living) > 1:
            ids = ", ".join(document_id(item.source, item.item) for item in living[:5])
            raise NotFound(f"{name} could be {len(living)} documents", cure=f"Name one of {ids}.")
        return living[0]

    def _as_seen(self, item: StoredItem, viewer: Viewer) -> StoredItem | None:
        """What `viewer` may know of a row: None if its newest version is not theirs to read.

        Until that version is indexed, the row's title is an earlier one's, which may have been closed to them.
        """
        if not self._admits(item, viewer):
            return None
        if item.sequence == item.indexed_sequence:
            return item
        newest = self._chunked(item)
        return replace(item, title=newest.document.title if newest and newest.document else "")

    def show(self, name: str, *, viewer: Viewer) -> Shown:
        """What is stored of a document. Raises NotFound, also for what `viewer` may not read."""
        item = self.find(name, viewer=viewer)
        return Shown(item, self._chunked(item))

    def document(self, id: DocumentId, *, viewer: Viewer, surface: str = "cli") -> Document:
        """A document as it is searched. Raises NotFound alike for what is hidden, gone or never was."""
        source, item = source_and_item(id)
        for row in self._adapters.ledgers.items.get(source, [item]):
            if row.indexed and not row.deleted and self._admits(row, viewer):
                found = self._in_batch(row, row.indexed_sequence)
                if found and found.document and found.document.acl.admits(viewer):
                    self._audit(viewer, "read", surface, [id])
                    return found.document
        raise NotFound(f"there is no document {id}", cure="Search shows the ids of what you can read.")

    def _chunked(self, item: StoredItem) -> ChunkedDocument | None:
        return self._in_batch(item, item.sequence)

    def _in_batch(self, item: StoredItem, sequence: int) -> ChunkedDocument | None:
        return next((d for d in self._stored(item.source, sequence) if item_of(d) == item.item), None)

    def _acl(self, item: StoredItem) -> Acl:
        """Of its newest version; of what is stored nowhere, that of its source; nobody's where that is unknown too."""
        try:
            chunked = self._chunked(item)
            if chunked and chunked.document:
                return chunked.document.acl
            for record in self._records(item.source, item.sequence):
                if record.item == item.item and record.payload is not None:
                    return record.acl
        except (CorruptObject, NotFound):
            return Acl()
        configured = item.source in self._adapters.source_names
        return self._adapters.connect(item.source).acl if configured else Acl()

    def _still_admits(self, item: StoredItem, viewer: Viewer) -> bool:
        """Whether the configuration, and a version newer than what is searched, if there is one, admit them as well."""
        if item.sequence == item.indexed_sequence:
            return self._is_open(item.source, viewer)
        return self._admits(item, viewer)

    def _admits(self, item: StoredItem, viewer: Viewer) -> bool:
        """Whether the configuration and the newest version do."""
        return self._is_open(item.source, viewer) and self._acl(item).admits(viewer)

    def _records(self, source: SourceName, sequence: int) -> tuple[RawRecord, ...]:
        batch = self._adapters.retention.batch(source, sequence)
        if batch is None:
            return ()
        key = raw_key(batch.source, batch.id, batch.timestamp)
        try:
            data = self._adapters.lake.get(key)
        except NotFound:
            return ()  # handed in as chunks
        return decode_raw(data, key).records

    def documents(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[ChunkedDocument]:
        """Every searchable document that `viewer` may read, newest version, a batch at a time."""
        for name in self._chosen(names):
            wanted: dict[int, set[str]] = defaultdict(set)
            for item in self._adapters.ledgers.items.stored(name):
                if item.indexed and not item.deleted and self._still_admits(item, viewer):
                    wanted[item.indexed_sequence].add(item.item)
            for sequence in sorted(wanted):
                for chunked in self._stored(name, sequence):
                    readable = chunked.document and chunked.document.acl.admits(viewer)
                    if readable and item_of(chunked) in wanted[sequence]:
                        yield chunked

    def originals(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[RawRecord]:
        """The newest stored record of every document that `viewer` may read, a batch at a time."""
        for name in (one for one in self._chosen(names) if self._is_open(one, viewer)):
            stored = self._adapters.ledgers.items.stored(name)
            wanted = {item.item: item.sequence for item in stored if item.sequence and not item.deleted}
            for sequence in sorted(set(wanted.values())):
                for record in self._records(name, sequence):
                    newest = wanted.get(record.item) == sequence and record.payload is not None
                    if newest and record.acl.admits(viewer):
                        yield record

    def wordpress_tables(self, names: Sequence[str], *, viewer: Viewer) -> Iterator[tuple[str, bytes]]:
        """Relative path and content of a raw and a vector-ready CSV for each post type of WordPress sources."""
        from knowhub.formats.wordpress_csv import csv_files

        tables = self._settings.sources
        sites = [name for name in self._chosen(names) if tables.get(name, {}).get("type") == "wordpress"]
        if not sites:
            raise ConfigurationError(
                f"{', '.join(names) or 'this hub'} has no WordPress site", cure="Name a source of the type wordpress."
            )
        documents = (one.document for one in self.documents(sites, viewer=viewer) if one.document)
        records = self.originals(sites, viewer=viewer)
        yield from csv_files(records, documents, at=self._adapters.clock(), bom=True)

    def _stored(self, source: SourceName, sequence: int) -> tuple[ChunkedDocument, ...]:
        batch = self._adapters.retention.batch(source, sequence)
        if batch is None or batch.stage == "chunk":
            return ()
        data = self._adapters.lake.get(batch.key)
        return decode_chunked(data, batch.key, default_acl=Acl(), sequence=sequence).documents

    def forget(self, name: str) -> int:
        """Erase a source (by its name) or a document for good; return how many objects of the lake changed."""
        item = None if self._is_source(name) else self._to_forget(name)
        source = item.source if item else SourceName(name)
        parts = Forgetting(
            source=source,
            lake=self._adapters.lake,
            items=self._adapters.ledgers.items,
            ledger=self._adapters.retention,
            index=self._adapters.index,
            forget_texts=self._adapters.forget_texts,
        )
        with leased(self._adapters.ledgers.leases, REINDEX), leased(self._adapters.ledgers.leases, source):
            sweep(source, lake=parts.lake, ledger=self._adapters.ledgers.fetching)
            # What a rebuild that was stopped left lying there.
            self._adapters.clear_index(self._adapters.generation + 1)
            self._erase_feedback(source, item)
            if item:
                return forget_items(parts, [item.item])
            self._adapters.clear_scratch(source)
            return forget_source(parts)

    def _erase_feedback(self, source: SourceName, item: StoredItem | None) -> None:
        """Cases of the evaluation file that quote what is erased."""
        erased = document_id(source, item.item) if item else None
        file = self._adapters.configuration.path(self._settings.answers.feedback)
        erase_cases(file, lambda document: document == erased if erased else document.startswith(f"{source}:"))

    def _is_source(self, name: str) -> bool:
        known = {*self._adapters.source_names, *self._adapters.retention.sources()}
        # The lake's own word too: its ledger may have been lost.
        return name in known or (is_source_name(name) and any(self._adapters.lake.list(f"{name}/")))

    def _to_forget(self, name: str) -> StoredItem:
        """What is erased has been named in full: an ending could mean something else than the person thinks."""
        item = self.find(name)
        id = document_id(item.source, item.item)
        if name not in (id, item.item, item.location, item.title):
            raise NotFound(f"{name} is only the end of a name", cure=f"Did you mean {id}?")
        return item


def _is_named(item: StoredItem, name: str) -> bool:
    """As the ledger finds it: whole, or by the end of where it lies."""
    return name in (document_id(item.source, item.item), item.title) or any(
        place.endswith(name) for place in (item.location, item.item)
    )
