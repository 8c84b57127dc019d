"""The embedded index: LanceDB keeps vectors, words and access lists in one folder or bucket.

    chunks   one row a chunk (`rows.schema`), indexed by words, by access list and, when it pays, by vector
    acls     id and text of every access list that a chunk carries, written before the chunk

A search reads one version of `chunks` from beginning to end, so that a write beside it is seen whole or not at all.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property, partial
from itertools import islice
from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast

from knowhub.core.errors import ModelChanged, TransientError
from knowhub.core.ports import IndexEntry, SearchQuery
from knowhub.core.types import DocumentId, Filters, Hit, ModelId, SourceName, Viewer
from knowhub.index import rows
from knowhub.index.acls import NOBODY, KnownAcls, new_acls
from knowhub.index.conditions import admitted, any_of, conditions, quoted
from knowhub.index.fusion import Matches, Ranking, fuse
from knowhub.index.loading import load_lancedb
from knowhub.index.narrow import Admitted, NarrowVectors
from knowhub.index.selection import select
from knowhub.index.words import identifiers, terms

if TYPE_CHECKING:
    import lancedb
    import numpy as np
    import pyarrow as pa
    from lancedb.query import LanceQueryBuilder, LanceVectorQueryBuilder
    from lancedb.table import Table
    from numpy.typing import NDArray

log = logging.getLogger(__name__)
Result = TypeVar("Result")

VECTOR_INDEX_ROWS = 50_000
"""Below this, comparing with every vector is as fast as an index."""
_DEPTH = 100
_DEEPER = 8
_PROBES = 20
_REFINE = 2
_REFINE_NARROW = 4
_NARROW_SHARE = 0.2
_FEW_ROWS = 5_000
_BESIDE_SHARE = 0.02
_FRAGMENTS = 16
_SAMPLES = 48
"""Vectors a partition to train an index on; LanceDB's 256 are most of a small table, held in memory at once."""
_KEPT_VERSIONS = timedelta(hours=1)
_AT_ONCE = timedelta(milliseconds=1)
_ATTEMPTS = 5


@dataclass(frozen=True)
class _Snapshot:
    """One version of the chunks, which no write changes, and all access lists it names."""

    version: int
    chunks: Table
    acls: KnownAcls
    narrow: NarrowVectors = field(default_factory=NarrowVectors)

    @cached_property
    def sizes(self) -> Mapping[int, int]:
        """Chunks by access list."""
        import numpy as np

        carried = self.chunks.search().select(["acl"]).to_arrow()["acl"].to_numpy()
        lists, counts = np.unique(carried, return_counts=True)
        return dict(zip(lists.tolist(), counts.tolist(), strict=True))


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
        lacks_vectors = count >= VECTOR_INDEX_ROWS and not any("vector" in index.columns for index in indices)
        stats: Any = chunks.stats()  # a dict, whatever its annotation says
        fragments = stats["fragment_stats"]["num_fragments"]
        return lacks_vectors or fragments > _FRAGMENTS or beside > max(self._beside_rows, count * _BESIDE_SHARE)

    # ── beyond the port ──────────────────────────────────────────────────────────────────────────────

    def clear(self) -> None:
        """Drop everything, whatever model built it: the first step of a rebuild."""
        with self._lock:
            for name in _table_names(self._connection):
                self._connection.drop_table(name)
            self._chunks = self._acls = self._latest = None
            self._known = KnownAcls()

    # ── opening ──────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _connection(self) -> lancedb.DBConnection:
        # Zero: every read asks for the newest version, which other processes may have written.
        connection: lancedb.DBConnection = load_lancedb().connect(
            self._uri, read_consistency_interval=timedelta(0), storage_options=self._storage_options or None
        )
        return connection

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(max_workers=3, thread_name_prefix="index")

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
                self._latest = _Snapshot(version, pinned, self._known)
            return self._latest

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
                    self._latest = None
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
        readable = snapshot.acls.admitting(viewer)
        if not readable:
            return []
        condition = f"document = {quoted(document)} AND {admitted(readable)}"
        found = snapshot.chunks.search().where(condition).select(["shown"]).to_arrow()["shown"].to_pylist()
        return [rows.hit(row) for row in sorted(rows.shown(found), key=lambda row: row["ordinal"])]

    def _search(self, snapshot: _Snapshot, query: SearchQuery, viewer: Viewer) -> list[Hit]:
        readable = snapshot.acls.admitting(viewer)
        if not readable or query.top_k <= 0:
            return []
        condition = " AND ".join([admitted(readable), *conditions(query.filters)])
        effort = _effort(snapshot, readable, query)
        depth = max(_DEPTH, 2 * query.top_k)
        while True:
            matches = self._matches(snapshot, condition, query, depth, effort)
            scores = fuse(matches, self._ranking)
            found = select(
                scores,
                matches,
                query,
                self._ranking,
                fetch=lambda taken: _taken(snapshot.chunks, taken),
            )
            exhausted = max(len(matches.words), len(matches.vectors)) < depth
            if len(found) >= query.top_k or exhausted:
                return found
            # So many copies of so few texts: look further down.
            depth *= _DEEPER

    def _matches(self, snapshot: _Snapshot, condition: str, query: SearchQuery, depth: int, effort: int) -> Matches:
        """Words, identifiers and vectors at the same time, each under the whole condition."""
        wanted = [] if query.mode == "vector" else terms(query.text)
        names = [] if query.mode == "vector" else list(dict.fromkeys(identifiers(query.text)))
        vector = None if query.mode == "lexical" else _given(query)
        # Rows found by words alone need a cosine too, unless all rows have one anyway.
        compared = vector if effort else None
        search = partial(_by_words, snapshot.chunks, condition, depth, compared)
        by_words = self._threads.submit(search, wanted)
        by_names = self._threads.submit(search, names) if names != wanted else by_words
        cosines: dict[int, float] = {}
        if vector is not None:
            cosines = _by_vector(snapshot, vector, condition, depth, effort)
        vectors = dict(islice(cosines.items(), depth))
        words, worded = by_words.result()
        named, known = by_names.result()
        only_names = bool(names) and {part for name in names for part in terms(name)} >= set(wanted)
        rows_found = words.keys() | named.keys() | vectors.keys()
        every = worded | known | cosines
        cosines = {row: every[row] for row in rows_found if row in every}
        return Matches(words, named, vectors, cosines, only_names=only_names)


def _given(query: SearchQuery) -> NDArray[np.float32]:
    if query.vector is None:
        raise ValueError(f"a search by {query.mode} needs the query's vector")
    return query.vector


def _by_words(
    chunks: Table, condition: str, depth: int, vector: NDArray[np.float32] | None, wanted: Sequence[str]
) -> tuple[dict[int, float], dict[int, float]]:
    """BM25 by row, best first, and the same rows' cosines if there is a vector to compare with."""
    if not wanted:
        return {}, {}
    query = chunks.search(" ".join(wanted), query_type="fts", fts_columns="terms")
    found = _rows(query, condition, depth, ["_score"] if vector is None else ["_score", "vector"])
    numbers = found["_rowid"].to_pylist()
    scores = dict(zip(numbers, found["_score"].to_pylist(), strict=True))
    if vector is None or not numbers:
        return scores, {}
    return scores, dict(zip(numbers, (matrix(found) @ vector).tolist(), strict=True))


def _effort(snapshot: _Snapshot, readable: Sequence[int], query: SearchQuery) -> int:
    """How many times the wanted rows are compared exactly after the index chose them by compressed vectors; 0 to
    compare all without the index, which is faster and exact where few may be read."""
    if query.mode == "lexical":
        return 0
    admits = sum(snapshot.sizes.get(identity, 0) for identity in readable)
    if admits <= _FEW_ROWS:
        return 0
    narrow = query.filters != Filters() or admits < _NARROW_SHARE * sum(snapshot.sizes.values())
    return _REFINE_NARROW if narrow else _REFINE


def _by_vector(
    snapshot: _Snapshot, vector: NDArray[np.float32], condition: str, depth: int, effort: int
) -> dict[int, float]:
    """Cosine by row, best first: of the nearest `depth`, or without effort of all that the condition admits.

    With an index, partitions are searched until `depth` rows satisfy the condition.
    """
    if not effort:
        return snapshot.narrow.under(condition, lambda: _admitted_vectors(snapshot.chunks, condition)).cosines(vector)
    query = snapshot.chunks.search(vector, vector_column_name="vector", query_type="vector")
    query = cast("LanceVectorQueryBuilder", query).distance_type("dot")
    query = query.minimum_nprobes(_PROBES).maximum_nprobes(0).refine_factor(effort)
    found = _rows(query, condition, depth, ["_distance"])
    return {
        row: 1.0 - distance
        for row, distance in zip(found["_rowid"].to_pylist(), found["_distance"].to_pylist(), strict=True)
    }


def _admitted_vectors(chunks: Table, condition: str) -> Admitted:
    import numpy as np

    found = chunks.search().where(condition).select(["vector"]).with_row_id(True).to_arrow()
    return Admitted(found["_rowid"].to_numpy().astype(np.int64), matrix(found))


def _rows(query: LanceQueryBuilder, condition: str, depth: int, columns: list[str]) -> pa.Table:
    return query.where(condition, prefilter=True).select(columns).with_row_id(True).limit(depth).to_arrow()


def _taken(chunks: Table, wanted: Sequence[int]) -> tuple[list[dict[str, Any]], NDArray[np.float32]]:
    """Rows by number, with their vectors as a matrix, in the order asked for."""
    found = chunks.take_row_ids(list(wanted)).select(["shown", "vector"]).with_row_id().to_arrow()
    # They come in the order of the file.
    place = {number: index for index, number in enumerate(found["_rowid"].to_pylist())}
    found = found.take([place[number] for number in wanted])
    return rows.shown(found["shown"].to_pylist()), matrix(found)


def matrix(found: pa.Table) -> NDArray[np.float32]:
    import numpy as np

    column = found["vector"].combine_chunks()
    return np.asarray(column.flatten(), dtype=np.float32).reshape(len(column), column.type.list_size)


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
    from lancedb.index import FTS, Bitmap, BTree, IvfRq, IvfSq

    present = {column for index in chunks.list_indices() for column in index.columns}
    # Terms come ready-made: the store only splits them at spaces.
    plain = FTS(
        base_tokenizer="whitespace",
        max_token_length=None,
        lower_case=False,
        stem=False,
        remove_stop_words=False,
        ascii_folding=False,
    )
    for column, config in (("terms", plain), ("acl", Bitmap()), ("source", Bitmap()), ("document", BTree())):
        if anew or column not in present:
            chunks.create_index(column, config=config, replace=True)
    count = chunks.count_rows()
    if count >= VECTOR_INDEX_ROWS and (anew or "vector" not in present):
        partitions = max(64, int(count**0.5))
        width = chunks.schema.field("vector").type.list_size
        kind = IvfRq if width % 8 == 0 else IvfSq
        chunks.create_index(
            "vector", config=kind(distance_type="dot", num_partitions=partitions, sample_rate=_SAMPLES), replace=True
        )
