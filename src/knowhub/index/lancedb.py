"""The embedded index: LanceDB keeps chunks and access lists in one folder or bucket, memory holds what is searched.

    chunks   one row a chunk (`rows.schema`)
    acls     id and text of every access list that a chunk carries, written before the chunk

A search reads one version of `chunks` from beginning to end, so that a write beside it is seen whole or not at all.
Words, vectors and access lists of that version are loaded at the first search (`held`); LanceDB answers filters and
gives the texts of the few rows that are shown.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar

from knowhub.core.errors import ModelChanged, TransientError
from knowhub.core.ports import IndexEntry, SearchQuery
from knowhub.core.types import DocumentId, Filters, Hit, ModelId, Principal, SourceName, Viewer
from knowhub.index import rows
from knowhub.index.acls import NOBODY, KnownAcls, new_acls
from knowhub.index.conditions import any_of, conditions, quoted
from knowhub.index.fusion import Matches, Ranking, fuse
from knowhub.index.held import COLUMNS, Held, Readable
from knowhub.index.kept import Kept
from knowhub.index.loading import load_lancedb
from knowhub.index.selection import select
from knowhub.index.words import identifiers, terms

if TYPE_CHECKING:
    import lancedb
    import numpy as np
    import pyarrow as pa
    from lancedb.query import LanceQueryBuilder
    from lancedb.table import Table
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_DEPTH = 100
_DEEPER = 8
_BESIDE_SHARE = 0.02
_FRAGMENTS = 16
_KEPT_VERSIONS = timedelta(hours=1)
_AT_ONCE = timedelta(milliseconds=1)
_ATTEMPTS = 5
_KEPT_VIEWERS = 64
_KEPT_FILTERS = 16


@dataclass(frozen=True)
class _Snapshot:
    """One version of the chunks, which no write changes, and all access lists it names."""

    version: int
    chunks: Table
    acls: KnownAcls
    hold: Callable[[Table], Held]
    _readable: Kept[frozenset[Principal], Readable] = field(default_factory=lambda: Kept(_KEPT_VIEWERS))
    _filtered: Kept[Filters, NDArray[np.bool_]] = field(default_factory=lambda: Kept(_KEPT_FILTERS))
    _counted: Kept[frozenset[Principal], Mapping[SourceName, int]] = field(default_factory=lambda: Kept(_KEPT_VIEWERS))

    @cached_property
    def held(self) -> Held:
        return self.hold(self.chunks)

    def readable(self, viewer: Viewer) -> Readable:
        return self._readable.get(viewer.principals, lambda: self.held.readable(self.acls.admitting(viewer)))

    def chosen(self, readable: Readable, filters: Filters) -> NDArray[np.bool_]:
        """The readable rows that the filters admit."""
        if filters == Filters():
            return readable.rows
        admitted = self._filtered.get(filters, lambda: self.held.places(_admitted(self.chunks, filters)))
        return readable.rows & admitted

    def counts(self, viewer: Viewer) -> Mapping[SourceName, int]:
        def counted() -> dict[SourceName, int]:
            total: Counter[SourceName] = Counter()
            for identity in self.acls.admitting(viewer):
                total.update(self._documents.get(identity, {}))
            return dict(sorted(total.items()))

        return self._counted.get(viewer.principals, counted)

    @cached_property
    def _documents(self) -> Mapping[int, Mapping[SourceName, int]]:
        """How many documents of each source carry an access list, which all chunks of a document share."""
        found = self.chunks.search().select(["acl", "source", "document"]).to_arrow()
        each = found.group_by(["acl", "source", "document"]).aggregate([])
        counted = each.group_by(["acl", "source"]).aggregate([("document", "count")])
        documents: dict[int, dict[SourceName, int]] = {}
        for row in counted.to_pylist():
            documents.setdefault(row["acl"], {})[SourceName(row["source"])] = row["document_count"]
        return documents


class LanceIndex:
    """`Index` on a folder or an object store that LanceDB can open (`s3://bucket/prefix` with `storage_options`).

    `beside_rows` may lie beside the indices before `maintain` sees work in them.
    Nothing is opened or created before the first use. Any number of processes may read while one writes each
    document. Every method raises ModelChanged if the index holds another model's vectors, TransientError if the
    store cannot be read or another writer kept winning. Safe to use from several threads.
    """

    def __init__(
        self,
        uri: str,
        *,
        dimensions: int,
        model: ModelId,
        storage_options: Mapping[str, str] | None = None,
        ranking: Ranking | None = None,
        beside_rows: int = 1000,
    ) -> None:
        self._uri = uri
        self._dimensions = dimensions
        self._model = model
        self._storage_options = dict(storage_options or {})
        self._ranking = ranking or Ranking()
        self._beside_rows = beside_rows
        self._lock = RLock()
        self._chunks: Table | None = None
        self._acls: Table | None = None
        self._known = KnownAcls()
        self._latest: _Snapshot | None = None
        self._held: Held | None = None

    # ── the port ─────────────────────────────────────────────────────────────────────────────────────

    def replace(self, entries: Sequence[IndexEntry]) -> None:
        if not entries:
            return
        chunks = self._open(create=True)
        assert chunks is not None
        self._write_acls(entries)
        fresh = rows.table(entries, self._dimensions, self._model)
        theirs = any_of("document", (entry.chunked.id for entry in entries))
        self._committed(lambda: _swap(chunks, fresh, theirs))
        log.info("documents replaced", extra={"documents": len(entries), "chunks": fresh.num_rows})

    def search(self, query: SearchQuery, *, viewer: Viewer) -> list[Hit]:
        return self._reading(lambda snapshot: self._search(snapshot, query, viewer), [])

    def read(self, document: DocumentId, *, viewer: Viewer) -> list[Hit]:
        return self._reading(lambda snapshot: self._read(snapshot, document, viewer), [])

    def contents(self, source: SourceName) -> Mapping[DocumentId, int]:
        def held(snapshot: _Snapshot) -> dict[DocumentId, int]:
            found = snapshot.chunks.search().where(f"source = {quoted(source)}").select(["document", "sequence"])
            columns = found.to_arrow()
            return dict(zip(columns["document"].to_pylist(), columns["sequence"].to_pylist(), strict=True))

        return self._reading(held, {})

    def counts(self, *, viewer: Viewer) -> Mapping[SourceName, int]:
        return self._reading(lambda snapshot: snapshot.counts(viewer), {})

    def version(self, *, viewer: Viewer) -> str:
        return self._reading(lambda snapshot: snapshot.readable(viewer).version, "")

    def maintain(self, *, purge: bool) -> None:
        """As the port says. Costs nothing after a few changes, which searches read beside the indices; else time in
        proportion to what was written, and with `purge` to the whole: what was deleted lies in files beside what was
        not, until they are written anew."""
        chunks = self._open(create=False)
        if chunks is None or not (purge or self._untidy(chunks)):
            return
        if purge:
            self._committed(lambda: chunks.update(values_sql={"sequence": "sequence"}))
        self._committed(lambda: _index(chunks, anew=purge))
        self._committed(lambda: chunks.optimize(cleanup_older_than=_KEPT_VERSIONS))
        if purge:
            # A second time, for what the first itself replaced.
            self._committed(lambda: chunks.optimize(cleanup_older_than=_AT_ONCE))
        if self._acls is not None:
            acls = self._acls
            self._committed(lambda: acls.optimize(cleanup_older_than=_KEPT_VERSIONS))

    def _untidy(self, chunks: Table) -> bool:
        """Whether searches would notice what was written since the indices were brought up to date."""
        indices, count = chunks.list_indices(), chunks.count_rows()
        beside = max((index.num_unindexed_rows or 0 for index in indices), default=count)
        stats: Any = chunks.stats()  # a dict, whatever its annotation says
        fragments = stats["fragment_stats"]["num_fragments"]
        return fragments > _FRAGMENTS or beside > max(self._beside_rows, count * _BESIDE_SHARE)

    # ── beyond the port ──────────────────────────────────────────────────────────────────────────────

    def clear(self) -> None:
        """Drop everything, whatever model built it: the first step of a rebuild."""
        with self._lock:
            for name in _table_names(self._connection):
                self._connection.drop_table(name)
            self._chunks = self._acls = self._latest = self._held = None
            self._known = KnownAcls()

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _connection(self) -> lancedb.DBConnection:
        # Zero: every read asks for the newest version, which other processes may have written.
        connection: lancedb.DBConnection = load_lancedb().connect(
            self._uri, read_consistency_interval=timedelta(0), storage_options=self._storage_options or None
        )
        return connection

    def _open(self, *, create: bool) -> Table | None:
        with self._lock:
            if self._chunks is None:
                names = _table_names(self._connection)
                if "chunks" not in names and not create:
                    return None
                self._acls = self._opened("acls", names, _acl_schema())
                chunks = self._opened("chunks", names, rows.schema(self._dimensions, self._model))
                self._check(chunks.schema.metadata or {})
                if "chunks" not in names:
                    _index(chunks, anew=True)
                self._chunks = chunks
            return self._chunks

    def _opened(self, name: str, names: Sequence[str], schema: pa.Schema) -> Table:
        if name in names:
            return self._connection.open_table(name)
        return self._connection.create_table(name, schema=schema, exist_ok=True)

    def _check(self, metadata: Mapping[bytes, bytes]) -> None:
        model, layout = (metadata.get(key, b"").decode() for key in (b"knowhub.model", b"knowhub.layout"))
        if (model, layout) == (self._model, rows.LAYOUT):
            return
        built = f"by {model}" if model != self._model else f"in layout {layout}, this is {rows.LAYOUT}"
        raise ModelChanged(f"the index was built {built}, configured is {self._model}", cure="Run `knowhub reindex`")

    def _snapshot(self) -> _Snapshot | None:
        chunks = self._open(create=False)
        if chunks is None:
            return None
        with self._lock:
            version = chunks.version
            if self._latest is None or self._latest.version != version:
                pinned = self._connection.open_table("chunks")
                pinned.checkout(version)
                # After the chunks: what they carry was written before them.
                self._read_acls()
                self._latest = _Snapshot(version, pinned, self._known, self._hold)
            return self._latest

    def _hold(self, chunks: Table) -> Held:
        with self._lock:
            self._held = _held(chunks, self._held)
            return self._held

    def _read_acls(self) -> None:
        assert self._acls is not None
        if self._acls.count_rows() > len(self._known):
            columns = self._acls.to_arrow()
            self._known.add(zip(columns["id"].to_pylist(), columns["layers"].to_pylist(), strict=True))

    def _write_acls(self, entries: Sequence[IndexEntry]) -> None:
        import pyarrow as pa

        assert self._acls is not None
        carried = [entry.chunked.document.acl for entry in entries if entry.chunked.document]
        fresh = list(new_acls([*carried, NOBODY], self._known))
        if not fresh:
            return
        table = pa.Table.from_arrays([pa.array(column) for column in zip(*fresh, strict=True)], schema=_acl_schema())
        acls = self._acls
        self._committed(lambda: acls.merge_insert("id").when_not_matched_insert_all().execute(table))
        self._read_acls()

    # ── errors ───────────────────────────────────────────────────────────────────────────────────────

    def _reading(self, read: Callable[[_Snapshot], Result], nothing: Result) -> Result:
        """`read` on the newest snapshot; once more if a purge took its files away meanwhile."""
        failure: Exception | None = None
        for _ in range(2):
            snapshot = self._snapshot()
            if snapshot is None:
                return nothing
            try:
                return read(snapshot)
            except (OSError, RuntimeError) as error:
                failure = error
                with self._lock:
                    self._latest = self._held = None
        raise self._unreadable(failure) from failure

    def _committed(self, write: Callable[[], object]) -> None:
        """`write`, again if another writer committed to the same rows or files first."""
        for attempt in range(_ATTEMPTS):
            try:
                write()
            except (OSError, RuntimeError) as error:
                if "conflict" not in str(error).lower() or attempt == _ATTEMPTS - 1:
                    raise self._unreadable(error) from error
            else:
                return

    def _unreadable(self, error: Exception | None) -> TransientError:
        return TransientError(f"index {self._uri}: {error}", cure="If it stays so, run `knowhub reindex`")

    # ── searching ────────────────────────────────────────────────────────────────────────────────────

    def _read(self, snapshot: _Snapshot, document: DocumentId, viewer: Viewer) -> list[Hit]:
        readable = frozenset(snapshot.acls.admitting(viewer))
        if not readable:
            return []
        found = snapshot.chunks.search().where(f"document = {quoted(document)}").select(["acl", "shown"]).to_arrow()
        texts = [row["shown"] for row in found.to_pylist() if row["acl"] in readable]
        return [rows.hit(row) for row in sorted(rows.shown(texts), key=lambda row: row["ordinal"])]

    def _search(self, snapshot: _Snapshot, query: SearchQuery, viewer: Viewer) -> list[Hit]:
        readable = snapshot.readable(viewer)
        if not readable.count or query.top_k <= 0:
            return []
        search = _Search(snapshot, query, readable, snapshot.chosen(readable, query.filters))
        depth = max(_DEPTH, 2 * query.top_k)
        while True:
            matches = search.matches(depth)
            scores = fuse(matches, self._ranking)
            found = select(scores, matches, query, self._ranking, fetch=search.taken)
            exhausted = max(len(matches.words), len(matches.vectors)) < depth
            if len(found) >= query.top_k or exhausted:
                return found
            # So many copies of so few texts: look further down.
            depth *= _DEEPER


@dataclass(frozen=True)
class _Search:
    """One question to the rows `chosen`. Rows go by their marks, whose order does not depend on other rows."""

    snapshot: _Snapshot
    query: SearchQuery
    readable: Readable
    chosen: NDArray[np.bool_]
    _places: dict[int, int] = field(default_factory=dict)

    def matches(self, depth: int) -> Matches:
        held, query = self.snapshot.held, self.query
        wanted = [] if query.mode == "vector" else terms(query.text)
        names = [] if query.mode == "vector" else list(dict.fromkeys(identifiers(query.text)))
        words = self._by_words(wanted, depth)
        named = self._by_words(names, depth) if names != wanted else words
        only_names = bool(names) and {part for name in names for part in terms(name)} >= set(wanted)
        if query.mode == "lexical":
            return Matches(words, named, only_names=only_names)
        vector = _given(query)
        vectors = self._marked(*held.best(*held.by_vector(vector, self.chosen, depth), depth))
        found = [*(words.keys() | named.keys() | vectors.keys())]
        cosines = dict(zip(found, held.vectors.cosines(self._placed(found), vector).tolist(), strict=True))
        return Matches(words, named, vectors, cosines, only_names=only_names)

    def _by_words(self, wanted: Sequence[str], depth: int) -> dict[int, float]:
        if not wanted:
            return {}
        held = self.snapshot.held
        return self._marked(*held.best(*held.by_words(wanted, self.readable, self.chosen), depth))

    def _marked(self, places: NDArray[np.int64], scores: NDArray[np.floating]) -> dict[int, float]:
        marks = self.snapshot.held.marks[places].tolist()
        self._places.update(zip(marks, places.tolist(), strict=True))
        return dict(zip(marks, scores.tolist(), strict=True))

    def _placed(self, marks: Sequence[int]) -> NDArray[np.int64]:
        import numpy as np

        return np.array([self._places[mark] for mark in marks], np.int64)

    def taken(self, marks: Sequence[int]) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
        """What is shown of these rows, and their vectors as a matrix, in this order."""
        import numpy as np

        held = self.snapshot.held
        places = self._placed(marks)
        numbers = held.numbers[places].tolist()
        found = self.snapshot.chunks.take_row_ids(numbers).select(["mark", "acl", "shown"]).with_row_id().to_arrow()
        place = {number: index for index, number in enumerate(found["_rowid"].to_pylist())}
        found = found.take([place[number] for number in numbers])  # they come in the order of the file
        if found["mark"].to_pylist() != list(marks) or found["acl"].to_pylist() != held.acls_of(places):
            raise RuntimeError("rows are not those that were loaded: the index was written anew in its place")
        return rows.shown(found["shown"].to_pylist()), held.vectors.halves[places].astype(np.float32)


def _given(query: SearchQuery) -> NDArray[np.float32]:
    if query.vector is None:
        raise ValueError(f"a search by {query.mode} needs the query's vector")
    return query.vector


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


def _held(chunks: Table, before: Held | None) -> Held:
    """All rows of the table; only those that `before` lacks are read, unless they are many."""
    import numpy as np

    live = np.sort(_numbers(chunks.search().select(["acl"]))) if before else np.zeros(0, np.int64)
    if before is None or not before.grows_to(live):
        return Held.of(chunks.search().select(COLUMNS).with_row_id(True).to_arrow())
    newer = chunks.search().where(f"_rowid > {before.numbers[-1]}").select(COLUMNS)
    return before.later(newer.with_row_id(True).to_arrow(), live)


def _admitted(chunks: Table, filters: Filters) -> NDArray[np.int64]:
    return _numbers(chunks.search().where(" AND ".join(conditions(filters))).select(["acl"]))


def _numbers(query: LanceQueryBuilder) -> NDArray[np.int64]:
    import numpy as np

    numbers: NDArray[np.int64] = query.with_row_id(True).to_arrow()["_rowid"].to_numpy().astype(np.int64)
    return numbers


# ── tables ───────────────────────────────────────────────────────────────────────────────────────────


def _acl_schema() -> pa.Schema:
    import pyarrow as pa

    return pa.schema([("id", pa.int64()), ("layers", pa.string())])


def _table_names(connection: lancedb.DBConnection) -> list[str]:
    return list(connection.list_tables(limit=100).tables)


def _swap(chunks: Table, fresh: pa.Table, theirs: str) -> None:
    """One commit: what is new comes in as what is old goes."""
    if not fresh.num_rows:
        chunks.delete(theirs)
        return
    if not chunks.count_rows(theirs):
        chunks.add(fresh)  # a merge reads the whole table; what is new to it needs none
        return
    merge = chunks.merge_insert("id").when_matched_update_all().when_not_matched_insert_all()
    merge.when_not_matched_by_source_delete(theirs).execute(fresh)


def _index(chunks: Table, *, anew: bool) -> None:
    """Create what is missing; `anew` also what is there, so that nothing of deleted rows is left in it."""
    from lancedb.index import Bitmap, BTree

    present = {column for index in chunks.list_indices() for column in index.columns}
    for column, config in (("source", Bitmap()), ("document", BTree())):
        if anew or column not in present:
            chunks.create_index(column, config=config, replace=True)
