"""Answers made of quotes, on human conversations: python -m bench.answers [SET…] [--work DIR] [--json OUT]

    MTRAG's turns ─▶ search in its passages ─▶ the extractive answer ─▶ is a quote from a passage that people used?
    XQuAD's questions, with the paragraph that answers and without it ─▶ is the answer in the first quote? refused?

A turn is right when any quote of the answer that is shown stands in one of the passages that the human answer was
given with (`agent.contexts`); `first` when the first quote does; `relevant` when a quote stands in one that was also
judged relevant. Turns marked PARTIAL count neither as answerable nor as unanswerable and are reported apart; so are
CONVERSATIONAL ones, which should get no quote. Later turns are asked as people rewrote them, as the hub completes
them, and as they stand; nobody rewrote the unanswerable ones, which are then asked as they stand.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from knowhub.answering.conversation import Standalone, as_asked, meaning_vector, standalone
from knowhub.answering.extractive import ExtractiveAnswerer
from knowhub.core.ports import Embedder, IndexEntry, SearchQuery
from knowhub.core.types import (
    Acl,
    Answer,
    Chunk,
    ChunkedDocument,
    ChunkId,
    ContainerId,
    Document,
    DocumentId,
    Hit,
    ModelId,
    SourceName,
    Turn,
    Viewer,
)
from knowhub.embedding.cache import CachedEmbedder
from knowhub.embedding.minilm import MiniLm
from knowhub.embedding.openvino import OpenVinoEmbedder
from knowhub.index.lancedb import LanceIndex
from knowhub.index.words import terms

Form = Literal["rewritten", "completed", "as it stands"]
FORMS: tuple[Form, ...] = ("rewritten", "completed", "as it stands")
MTRAG = ("mtrag-fiqa", "mtrag-clapnq")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
_ACL = Acl.of("owner")
_VIEWER = Viewer("bench", _ACL.layers[0])
_SOURCE = SourceName("bench")
_DEPTH = 20
_XQUAD_QUESTIONS = 400


@dataclass(frozen=True, slots=True)
class Asked:
    """A human question. `used` are the passages its answer was given with, `relevant` those judged so."""

    id: str
    kind: str
    first_turn: bool
    question: str
    rewritten: str | None
    turns: tuple[Turn, ...]
    used: frozenset[str]
    relevant: frozenset[str]


@dataclass(frozen=True, slots=True)
class Figures:
    """Shares of `turns`; `refused` of those asked for nothing that the passages answer."""

    what: str
    turns: int
    answered: float
    right: float
    first: float
    relevant: float
    quotes: float
    reachable: float


class Collection:
    """A set's passages, one document each, searched as the hub searches."""

    def __init__(self, folder: Path, work: Path, embedder: CachedEmbedder, query_embedder: Embedder) -> None:
        self._index = LanceIndex(
            str(work / folder.name), dimensions=embedder.dimensions, model=ModelId(query_embedder.model)
        )
        self._embedder = query_embedder
        passages = [_chunked(row) for row in _rows(folder / "corpus.jsonl")]
        for start in range(0, len(passages), 512):
            part = passages[start : start + 512]
            vectors = embedder.embed([each.chunks[0].embedded_text for each in part], purpose="document")
            self._index.replace([IndexEntry(each, vectors[row : row + 1]) for row, each in enumerate(part)])
        self._index.maintain(purge=False)

    def search(self, searched: Standalone, top_k: int = _DEPTH) -> list[Hit]:
        vector = meaning_vector(searched, self._embedder)
        query = SearchQuery(searched.words, vector, "hybrid", top_k, NOW)
        return self._index.search(query, viewer=_VIEWER)


def conversations(data: Path, name: str) -> list[Asked]:
    rewritten = {row["_id"]: _plain(row["text"]) for row in _rows(data / "retrieval" / name / "queries_rewrite.jsonl")}
    relevant = _judged(data / "retrieval" / name / "qrels" / "test.tsv")
    turns: dict[str, list[Turn]] = defaultdict(list)
    found = []
    for row in sorted(_rows(data / "answers" / f"{name}.jsonl"), key=lambda row: row["turn_id"]):
        text, before = row["user"]["text"], turns[row["conversation_id"]]
        found.append(
            Asked(
                id=row["task_id"],
                kind=row["user"]["enrichments"]["Answerability"][0].lower(),
                first_turn=not before,
                question=text,
                rewritten=rewritten.get(row["task_id"]),
                turns=tuple(before),
                used=frozenset(context["document_id"] for context in row["agent"]["contexts"]),
                relevant=relevant[row["task_id"]],
            )
        )
        before.append(Turn(text, row["agent"]["text"]))
    return found


def measure_conversations(collection: Collection, asked: Sequence[Asked], form: Form, embedder: Embedder) -> list[Any]:
    answerer = ExtractiveAnswerer(embedder, terms=terms)
    outcomes: dict[str, list[tuple[Asked, Answer, list[Hit]]]] = defaultdict(list)
    for each in asked:
        searched = _searched(each, form)
        hits = collection.search(searched)
        answer = answerer.answer(searched.text, hits)
        for group in (each.kind, f"{each.kind}, {'first turn' if each.first_turn else 'later turns'}"):
            outcomes[group].append((each, answer, hits))
    return [_figures(group, outcomes[group]) for group in sorted(outcomes)]


def _searched(asked: Asked, form: Form) -> Standalone:
    if form == "completed":
        return standalone(asked.question, asked.turns, terms)
    return as_asked((asked.rewritten if form == "rewritten" else None) or asked.question)


def _figures(what: str, outcomes: Sequence[tuple[Asked, Answer, list[Hit]]]) -> Figures:
    count = len(outcomes)
    quoted = [[_name(citation.document) for citation in answer.citations] for _, answer, _ in outcomes]
    used = [asked.used for asked, _, _ in outcomes]
    return Figures(
        what=what,
        turns=count,
        answered=sum(answer.found for _, answer, _ in outcomes) / count,
        right=sum(not right.isdisjoint(names) for right, names in zip(used, quoted, strict=True)) / count,
        first=sum(not right.isdisjoint(names[:1]) for right, names in zip(used, quoted, strict=True)) / count,
        relevant=sum(
            not asked.relevant.isdisjoint(names) for (asked, _, _), names in zip(outcomes, quoted, strict=True)
        )
        / count,
        quotes=sum(map(len, quoted)) / max(1, sum(map(bool, quoted))),
        reachable=sum(
            not asked.used.isdisjoint(_name(hit.chunk.document) for hit in hits) for asked, _, hits in outcomes
        )
        / count,
    )


def measure_xquad(collection: Collection, folder: Path, embedder: Embedder) -> dict[str, float]:
    """Each question with the paragraph that answers it among the hits, and with all hits but that one."""
    answerer = ExtractiveAnswerer(embedder, terms=terms)
    gold = _judged(folder / "qrels" / "test.tsv")
    rows = sorted(_rows(folder / "queries.jsonl"), key=lambda row: str(row["_id"]))
    step = max(1, len(rows) // _XQUAD_QUESTIONS)
    first = answered = refused = 0
    chosen = rows[::step][:_XQUAD_QUESTIONS]
    for row in chosen:
        hits = collection.search(as_asked(row["text"]), _DEPTH + 1)
        answer = answerer.answer(row["text"], hits[:_DEPTH])
        answered += answer.found
        first += bool(answer.citations) and any(_in(text, answer.citations[0].quote) for text in row["answers"])
        without = [hit for hit in hits if _name(hit.chunk.document) not in gold[row["_id"]]][:_DEPTH]
        refused += not answerer.answer(row["text"], without).found
    count = len(chosen)
    return {
        "questions": count,
        "answered": answered / count,
        "first": first / count,
        "refused without the paragraph": refused / count,
    }


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _judged(file: Path) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        query, passage, grade = line.split("\t")
        if int(grade) > 0:
            found[query].add(passage)
    return defaultdict(frozenset, {query: frozenset(passages) for query, passages in found.items()})


def _plain(text: str) -> str:
    return text.replace("|user|:", "").strip()


def _in(text: str, quote: str) -> bool:
    return " ".join(text.split()).casefold() in " ".join(quote.split()).casefold()


def _name(document: str) -> str:
    return document.removeprefix(f"{_SOURCE}:")


def _chunked(row: Mapping[str, Any]) -> ChunkedDocument:
    """A passage as a document of one chunk; its title, which some repeat in their text, is the chunk's context."""
    title = row["title"]
    text = row["text"].removeprefix(title).lstrip("\n") if title else row["text"]
    id = DocumentId(f"{_SOURCE}:{row['_id']}")
    chunk = Chunk(ChunkId(f"{id}#0"), id, 0, text, 0, len(text), context=title)
    document = Document(id, _SOURCE, ContainerId("corpus"), "text", title, text, "", _ACL, "1", 1)
    return ChunkedDocument(id, _SOURCE, 1, document, (chunk,))


def main() -> None:
    arguments = _arguments()
    query_embedder = OpenVinoEmbedder(MiniLm(arguments.models), arguments.models)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="knowhub-bench-") as place:
        work = arguments.work or Path(place)
        work.mkdir(parents=True, exist_ok=True)
        embedder = CachedEmbedder(query_embedder, work / "embeddings.db")
        for name in arguments.sets or (*MTRAG, "xquad-en"):
            folder = arguments.data / "retrieval" / name
            collection = Collection(folder, Path(place), embedder, query_embedder)
            if name == "xquad-en":
                found[name] = measure_xquad(collection, folder, embedder)
                print(name, json.dumps(found[name]), flush=True)
                continue
            asked = conversations(arguments.data, name)
            for form in FORMS:
                figures = [asdict(each) for each in measure_conversations(collection, asked, form, embedder)]
                found[f"{name}, {form}"] = figures
                print(f"{name}, later turns {form}", *map(_line, figures), sep="\n", flush=True)
        embedder.close()
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1), encoding="utf-8")


def _line(figures: Mapping[str, Any]) -> str:
    return "   " + "  ".join(
        f"{name} {value:.3f}" if isinstance(value, float) else f"{value}" for name, value in figures.items()
    )


def _arguments() -> argparse.Namespace:
    beside = Path(__file__).parents[2] / "shared" / "data"
    parser = argparse.ArgumentParser(prog="python -m bench.answers", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("sets", nargs="*", metavar="SET", choices=[[], *MTRAG, "xquad-en"])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("KNOWHUB_SHARED_DATA", beside)))
    parser.add_argument("--models", type=Path, default=Path("~/.cache/knowhub/models").expanduser())
    parser.add_argument("--work", type=Path, help="where embeddings are kept from one run to the next")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
