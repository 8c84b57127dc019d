from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from math import log2

import pytest

from knowhub.core.errors import MissingExtra
from knowhub.core.ports import SearchQuery
from knowhub.core.types import DocumentId, Hit, ModelId, Viewer
from knowhub.pipelines.datasets import Dataset, Entry
from knowhub.pipelines.evaluate import Evaluation, evaluate
from tests.answering.memory_index import VIEWER, MemoryIndex, WordEmbedder

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CORPUS = (
    Entry("d1", "Hotels", "The limit is 140 EUR."),
    Entry("d2", "Meals", "The limit is 40 EUR."),
    Entry("d3", "Boats", "They float."),
    Entry("d4", "Ropes", "They hold."),
)


@dataclass
class Written:
    """Progress kept as it was told."""

    told: list[tuple[str, str, int, int | None]] = field(default_factory=list)

    def update(self, stage: str, label: str, done: int, total: int | None) -> None:
        self.told.append((stage, label, done, total))


@dataclass
class Scripted(MemoryIndex):
    """Answers every query with the same documents, in this order."""

    order: Sequence[str] = ()
    folded: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def search(self, query: SearchQuery, *, viewer: Viewer) -> list[Hit]:
        hits = {str(hit.chunk.document): hit for hit in super().search(replace(query, mode="vector"), viewer=viewer)}
        return [
            replace(hits[f"eval:{name}"], duplicates=tuple(DocumentId(f"eval:{d}") for d in self.folded.get(name, ())))
            for name in self.order
        ]


def dataset(judgements: Mapping[str, Mapping[str, int]], **queries: str) -> Dataset:
    return Dataset("small", CORPUS, queries, judgements)


def run(data: Dataset, index: MemoryIndex | None = None) -> Evaluation:
    embedder = WordEmbedder(model=ModelId("words@2"))
    index = MemoryIndex() if index is None else index
    return evaluate(data, index=index, embedder=embedder, viewer=VIEWER, progress=Written(), now=NOW)


def test_every_mode_finds_what_shares_its_words() -> None:
    found = run(dataset({"q1": {"d1": 1}, "q2": {"d3": 1}}, q1="hotels limit", q2="boats float"))
    assert set(found.modes) == {"lexical", "vector", "hybrid"}
    for figures in found.modes.values():
        assert (figures.ndcg_at_10, figures.recall_at_10, figures.recall_at_100, figures.mrr_at_10) == (1, 1, 1, 1)
        assert 0 <= figures.p50_ms <= figures.p99_ms
    assert (found.dataset, found.documents, found.queries, found.model) == ("small", 4, 2, "words@2")


def test_figures_are_those_of_the_definitions() -> None:
    figures = run(dataset({"q": {"d1": 1, "d9": 1}}, q="x"), Scripted(order=["d4", "d2", "d1"])).modes["vector"]
    assert figures.mrr_at_10 == pytest.approx(1 / 3)
    assert figures.recall_at_10 == pytest.approx(1 / 2)
    assert figures.ndcg_at_10 == pytest.approx((1 / log2(4)) / (1 + 1 / log2(3)))


def test_a_query_that_finds_nothing_counts_as_zero() -> None:
    figures = run(dataset({"q1": {"d1": 1}, "q2": {"d2": 1}}, q1="hotels", q2="zebra")).modes["lexical"]
    assert figures.recall_at_10 == 0.5


def test_the_order_given_counts_and_not_the_scores() -> None:
    best_last = run(dataset({"q": {"d1": 1}}, q="hotels"), Scripted(order=["d3", "d1"])).modes["vector"]
    assert best_last.mrr_at_10 == 0.5


def test_a_folded_duplicate_is_found_with_its_hit() -> None:
    index = Scripted(order=["d3"], folded={"d3": ["d2"]})
    figures = run(dataset({"q": {"d2": 1}}, q="x"), index).modes["vector"]
    assert (figures.mrr_at_10, figures.recall_at_10) == (0.5, 1)


def test_each_entry_is_one_chunk_behind_its_title_and_the_index_is_brought_up_to_date() -> None:
    index = MemoryIndex()
    run(dataset({"q": {"d1": 1}}, q="hotels"), index)
    chunks = [entry.chunked.chunks for entry in index.entries.values()]
    assert [len(each) for each in chunks] == [1, 1, 1, 1]
    assert chunks[0][0].embedded_text == "Hotels\nThe limit is 140 EUR."
    assert index.maintained == 1


def test_the_json_form_is_the_promised_one() -> None:
    form = json.loads(json.dumps(run(dataset({"q": {"d1": 1}}, q="hotels")).as_json()))
    figures = {"ndcg_at_10", "recall_at_10", "recall_at_100", "mrr_at_10", "p50_ms", "p99_ms"}
    assert {mode: set(values) for mode, values in form["modes"].items()} == dict.fromkeys(
        ("lexical", "vector", "hybrid"), figures
    )


def test_progress_is_told_to_the_end() -> None:
    progress = Written()
    data = dataset({"q": {"d1": 1}}, q="hotels")
    evaluate(data, index=MemoryIndex(), embedder=WordEmbedder(), viewer=VIEWER, progress=progress, now=NOW)
    assert ("embed", "small", 4, 4) in progress.told
    assert {told[1] for told in progress.told if told[0] == "search"} == {"lexical", "vector", "hybrid"}


def test_without_the_metrics_package_nothing_is_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pytrec_eval", None)
    index = MemoryIndex()
    with pytest.raises(MissingExtra, match=r"pip install 'knowhub\[eval\]'"):
        run(dataset({"q": {"d1": 1}}, q="hotels"), index)
    assert index.entries == {}
