"""Questions of a conversation, by their last turn alone: as it is, completed, and as a person rewrote it.

    python bench/conversation.py --data ../shared/data --folder CACHE [--models DIR] [--json]

`--data` holds `retrieval/mtrag-*` (BEIR-style, with `queries_lastturn.jsonl` and `queries_rewrite.jsonl`) and
`answers/mtrag-*.jsonl` (the earlier turns with their answers). The indices are built in CACHE once. nDCG@10 of hybrid
search; "way" is how far of the way from the question as it is to its rewriting. The numbers of `conversation.py` were
fitted on the conversations of half 0; half 1 was held out.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from knowhub.answering.conversation import Standalone, as_asked, meaning_vector, standalone
from knowhub.core.ports import Embedder, Index, SearchQuery
from knowhub.core.types import Principal, Turn, Viewer
from knowhub.embedding.minilm import MiniLm
from knowhub.embedding.openvino import OpenVinoEmbedder
from knowhub.index.lancedb import LanceIndex
from knowhub.index.words import terms
from knowhub.pipelines.datasets import Dataset, read_beir
from knowhub.pipelines.evaluate import SOURCE, evaluate

SETS = ("mtrag-fiqa", "mtrag-clapnq")
VIEWER = Viewer("bench", frozenset({Principal("owner")}))
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEPTH = 10
QUOTED_CHARS = 300

Completed = Callable[[str], Standalone]
"""A query's id to what is searched for."""


@dataclass(frozen=True, slots=True)
class Conversations:
    """Queries by id, `conversation<::>turn`, and each one's earlier turns with the answers that people wrote."""

    dataset: Dataset
    rewritten: Mapping[str, str]
    turns: Mapping[str, Sequence[Turn]]
    quotes: Mapping[str, Sequence[Turn]]
    """The same turns with the beginning of the first passage for an answer, which is what the hub quotes."""


def main() -> None:
    options = _options()
    embedder = OpenVinoEmbedder(MiniLm(options.models), options.models)
    figures: dict[str, Any] = {name: measured(name, options, embedder) for name in SETS}
    print(json.dumps(figures) if options.json else _table(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--folder", type=Path, required=True, help="where the indices are built and stay")
    parser.add_argument("--models", type=Path, default=Path("~/.cache/knowhub/models").expanduser())
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


# ── data ─────────────────────────────────────────────────────────────────────────────────────────────


def read(data: Path, name: str) -> Conversations:
    folder = data / "retrieval" / name
    dataset = read_beir(folder, "queries_lastturn.jsonl")
    spoken: dict[str, tuple[Turn, Turn]] = {}
    for line in (data / "answers" / f"{name}.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        question, contexts = row["user"]["text"], row["agent"].get("contexts") or [{"text": ""}]
        quote = contexts[0]["text"].strip()[:QUOTED_CHARS]
        spoken[row["task_id"]] = Turn(question, row["agent"]["text"]), Turn(question, quote)
    before = {query: _before(query, spoken) for query in dataset.queries}
    return Conversations(
        dataset,
        read_beir(folder, "queries_rewrite.jsonl").queries,
        {query: [turn for turn, _ in turns] for query, turns in before.items()},
        {query: [quote for _, quote in turns] for query, turns in before.items()},
    )


def _before(query: str, spoken: Mapping[str, tuple[Turn, Turn]]) -> list[tuple[Turn, Turn]]:
    conversation, _, turn = query.partition("<::>")
    earlier = (f"{conversation}<::>{number}" for number in range(1, int(turn)))
    return [spoken[each] for each in earlier if each in spoken]


def _index(folder: Path, dataset: Dataset, embedder: Embedder) -> Index:
    index = LanceIndex(str(folder / dataset.name), dimensions=embedder.dimensions, model=embedder.model)
    if not index.counts(viewer=VIEWER):
        evaluate(dataset, index=index, embedder=embedder, viewer=VIEWER, progress=_Silence(), now=NOW)
    return index


class _Silence:
    def update(self, stage: str, label: str, done: int, total: int | None) -> None: ...


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────


def measured(name: str, options: argparse.Namespace, embedder: Embedder) -> dict[str, Any]:
    said = read(options.data, name)
    index, queries = _index(options.folder, said.dataset, embedder), said.dataset.queries

    def run(completed: Completed) -> dict[str, float]:
        return {query: _ndcg(said.dataset, query, _found(completed(query), index, embedder)) for query in queries}

    began = time.perf_counter()
    done = {query: standalone(text, said.turns[query], terms) for query, text in queries.items()}
    completing_ms = 1000 * (time.perf_counter() - began) / len(queries)
    runs = {
        "as it is": run(lambda query: as_asked(queries[query])),
        "completed": run(done.__getitem__),
        "completed, answers are quotes": run(lambda query: standalone(queries[query], said.quotes[query], terms)),
        "completed, without answers": run(lambda query: standalone(queries[query], _silent(said.turns[query]), terms)),
        "rewritten by a person": run(lambda query: as_asked(said.rewritten[query])),
    }
    changed = sum(done[query] != as_asked(text) for query, text in queries.items())
    figures = {row: _figures(scores, runs) for row, scores in runs.items()}
    return {"queries": len(queries), "completed": changed, "completing_ms": completing_ms, "ndcg@10": figures}


def _silent(turns: Sequence[Turn]) -> list[Turn]:
    return [Turn(turn.question) for turn in turns]


def _found(searched: Standalone, index: Index, embedder: Embedder) -> list[str]:
    vector = meaning_vector(searched, embedder)
    hits = index.search(SearchQuery(searched.words, vector, "hybrid", DEPTH, NOW), viewer=VIEWER)
    documents = (document for hit in hits for document in (hit.chunk.document, *hit.duplicates))
    return list(dict.fromkeys(document.removeprefix(f"{SOURCE}:") for document in documents))[:DEPTH]


def _ndcg(dataset: Dataset, query: str, found: Sequence[str]) -> float:
    """As trec_eval computes it."""
    judged = dataset.judgements[query]
    ideal = sorted(judged.values(), reverse=True)[:DEPTH]
    return _gain([judged.get(entry, 0) for entry in found]) / _gain(ideal)


def _gain(relevance: Sequence[int]) -> float:
    return sum(value / math.log2(place + 2) for place, value in enumerate(relevance))


def _figures(scores: Mapping[str, float], runs: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    figures: dict[str, float] = {}
    for label, queries in _halves(list(scores)).items():
        own, low, high = (
            fmean(each[query] for query in queries)
            for each in (scores, runs["as it is"], runs["rewritten by a person"])
        )
        figures |= {label: own, f"{label} way": (own - low) / (high - low)}
    return figures


def _halves(queries: Sequence[str]) -> dict[str, list[str]]:
    """Whole conversations, every other one of them in order of their ids."""
    order = {name: place for place, name in enumerate(sorted({query.partition("<::>")[0] for query in queries}))}
    half = {query: order[query.partition("<::>")[0]] % 2 for query in queries}
    return {
        "all": list(queries),
        "half 0": [query for query in queries if half[query] == 0],
        "half 1": [query for query in queries if half[query] == 1],
    }


def _table(figures: Mapping[str, Any]) -> str:
    lines = []
    for name, found in figures.items():
        lines.append(f"{name}: {found['completed']} of {found['queries']} completed, {found['completing_ms']:.2f} ms")
        for row, values in found["ndcg@10"].items():
            cells = (f"{label} {values[label]:.3f} ({values[f'{label} way']:4.0%})" for label in _halves([]))
            lines.append(f"  {row:32}{'   '.join(cells)}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
