"""Evaluate: judged queries through the real index and embedder ▸ how well and how fast search finds.

    Dataset ─▶ empty index ─▶ lexical │ vector │ hybrid, side by side ─▶ nDCG@10, recall@10/100, MRR@10, latency

Metrics are trec_eval's, by pytrec_eval.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, get_args

from knowhub.core.errors import MissingExtra
from knowhub.core.ports import Embedder, Index, IndexEntry, Progress, SearchQuery
from knowhub.core.types import (
    Acl,
    Chunk,
    ChunkedDocument,
    ChunkId,
    ContainerId,
    Document,
    Hit,
    ItemId,
    SearchMode,
    SourceName,
    Viewer,
    document_id,
)
from knowhub.pipelines.datasets import Dataset, Entry

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MODES: tuple[SearchMode, ...] = get_args(SearchMode)
SOURCE = SourceName("eval")
_BATCH = 512
_DEPTH = 100
_FIRST = 10

Ranking = Sequence[str]


@dataclass(frozen=True, slots=True)
class ModeFigures:
    """Means over the queries, 0 to 1; latencies of one search in milliseconds, the query's embedding included."""

    ndcg_at_10: float
    recall_at_10: float
    recall_at_100: float
    mrr_at_10: float
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`seconds` is what indexing took, embeddings included."""

    modes: Mapping[SearchMode, ModeFigures]
    dataset: str
    documents: int
    queries: int
    model: str
    seconds: float

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(
    dataset: Dataset, *, index: Index, embedder: Embedder, viewer: Viewer, progress: Progress, now: datetime
) -> Evaluation:
    """Fill `index`, which must be empty, with the dataset, and search it in every mode as `viewer`.

    Raises MissingExtra before any work is done, and what index and embedder raise.
    """
    measure = _metrics()
    began = time.perf_counter()
    _fill(dataset, index, embedder, viewer, progress)
    seconds = time.perf_counter() - began
    run = _Run(index, viewer, now)
    vectors, embedding_ms = _embed_queries(dataset, embedder, progress)
    modes = {
        mode: run.measure(
            mode, dataset, vectors, [0.0] * len(vectors) if mode == "lexical" else embedding_ms, progress, measure
        )
        for mode in MODES
    }
    return Evaluation(modes, dataset.name, len(dataset.corpus), len(dataset.queries), embedder.model, seconds)


Measure = Callable[[Mapping[str, Mapping[str, int]], Mapping[str, Ranking]], tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class _Run:
    index: Index
    viewer: Viewer
    now: datetime

    def measure(
        self,
        mode: SearchMode,
        dataset: Dataset,
        vectors: Sequence[NDArray[np.float32]],
        before_ms: Sequence[float],
        progress: Progress,
        measure: Measure,
    ) -> ModeFigures:
        """`before_ms` is what each query had cost before the search."""
        texts = list(dataset.queries.values())
        self.search(texts[0], vectors[0], mode)  # opens files and compiles: no query's own cost
        rankings: dict[str, Ranking] = {}
        taken_ms = []
        for number, (query, text) in enumerate(dataset.queries.items()):
            began = time.perf_counter()
            hits = self.search(text, vectors[number], mode)
            taken_ms.append(before_ms[number] + (time.perf_counter() - began) * 1000)
            rankings[query] = _entries(hits)
            progress.update("search", mode, number + 1, len(texts))
        return ModeFigures(*measure(dataset.judgements, rankings), *p50_p99(taken_ms))

    def search(self, text: str, vector: NDArray[np.float32], mode: SearchMode) -> list[Hit]:
        query = SearchQuery(text, None if mode == "lexical" else vector, mode, _DEPTH, self.now)
        return self.index.search(query, viewer=self.viewer)


def _fill(dataset: Dataset, index: Index, embedder: Embedder, viewer: Viewer, progress: Progress) -> None:
    acl = Acl((viewer.principals,))
    total = len(dataset.corpus)
    for start in range(0, total, _BATCH):
        chunked = [_chunked(entry, acl) for entry in dataset.corpus[start : start + _BATCH]]
        vectors = embedder.embed([document.chunks[0].embedded_text for document in chunked], purpose="document")
        index.replace([IndexEntry(document, vectors[row : row + 1]) for row, document in enumerate(chunked)])
        progress.update("embed", dataset.name, start + len(chunked), total)
    index.maintain(purge=False)


def _chunked(entry: Entry, acl: Acl) -> ChunkedDocument:
    """One chunk; its title is the context, as BEIR's baselines read it."""
    id = document_id(SOURCE, ItemId(entry.id))
    document = Document(
        id=id,
        source=SOURCE,
        container=ContainerId("corpus"),
        kind="text",
        title=entry.title,
        text=entry.text,
        url="",
        acl=acl,
        version="1",
        sequence=1,
    )
    chunk = Chunk(ChunkId(f"{id}#0"), id, 0, entry.text, 0, len(entry.text), context=entry.title)
    return ChunkedDocument(id, SOURCE, 1, document, (chunk,))


def _embed_queries(
    dataset: Dataset, embedder: Embedder, progress: Progress
) -> tuple[list[NDArray[np.float32]], list[float]]:
    """A vector and the milliseconds it took, one query at a time, as people ask."""
    texts = list(dataset.queries.values())
    embedder.embed(["warm"], purpose="query")
    vectors, taken_ms = [], []
    for number, text in enumerate(texts):
        began = time.perf_counter()
        vectors.append(embedder.embed([text], purpose="query")[0])
        taken_ms.append((time.perf_counter() - began) * 1000)
        progress.update("embed", "queries", number + 1, len(texts))
    return vectors, taken_ms


def _entries(hits: Sequence[Hit]) -> list[str]:
    """Entry ids, best first; duplicates that the index folded come right after the hit that stands for them."""
    found: dict[str, None] = {}
    for hit in hits:
        for document in (hit.chunk.document, *hit.duplicates):
            found.setdefault(document.removeprefix(f"{SOURCE}:"))
    return list(found)[:_DEPTH]


def _metrics() -> Measure:
    try:
        import pytrec_eval
    except ImportError as error:
        raise MissingExtra("eval needs the package pytrec-eval-terrier", cure="pip install 'knowhub[eval]'") from error

    def measure(
        judgements: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Ranking]
    ) -> tuple[float, float, float, float]:
        wanted = {query: dict(entries) for query, entries in judgements.items()}
        deep = pytrec_eval.RelevanceEvaluator(wanted, {"ndcg_cut.10", "recall.10,100"}).evaluate(
            _scored(rankings, _DEPTH)
        )
        first = pytrec_eval.RelevanceEvaluator(wanted, {"recip_rank"}).evaluate(_scored(rankings, _FIRST))
        return (
            _mean(deep, "ndcg_cut_10", len(judgements)),
            _mean(deep, "recall_10", len(judgements)),
            _mean(deep, "recall_100", len(judgements)),
            _mean(first, "recip_rank", len(judgements)),
        )

    return measure


def _scored(rankings: Mapping[str, Ranking], depth: int) -> dict[str, dict[str, float]]:
    """Scores that only say the order: trec_eval would break ties of real ones by document id."""
    return {
        query: {entry: float(depth - place) for place, entry in enumerate(ranking[:depth])}
        for query, ranking in rankings.items()
    }


def _mean(figures: Mapping[str, Mapping[str, float]], name: str, queries: int) -> float:
    """Over all judged queries: one that found nothing counts as 0."""
    return sum(each.get(name, 0.0) for each in figures.values()) / queries


def p50_p99(taken_ms: Sequence[float]) -> tuple[float, float]:
    import numpy as np

    p50, p99 = np.percentile(taken_ms, [50, 99]) if taken_ms else (0.0, 0.0)
    return float(p50), float(p99)
