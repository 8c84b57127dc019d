"""Hybrid search under permissions, against Chroma searching vectors alone under the same filter.

    python bench/index.py --peer-python /path/to/venv/bin/python [--chunks 100000] [--lists 100] [--json]

The peer's interpreter needs `chromadb` and `numpy`. Vectors lie in clusters, words follow Zipf's law and a cluster
prefers some of them, each chunk belongs to one of `--lists` access lists, and the viewers may read 1 % and 40 % of
them. Ours searches by words, vectors and access list and returns whole hits; recall is that of our vector search
against an exact one. Building, searching beside writes, and both sides' p50 and p99 are printed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from knowhub.core.ports import IndexEntry
    from knowhub.index.lancedb import LanceIndex

DIMENSIONS = 384
SHARES = {"1%": 0.01, "40%": 0.4}
TOP_K = 10
VOCABULARY = 50_000
WORDS_A_CHUNK = 90
CHUNKS_A_DOCUMENT = 5
DOCUMENTS_A_WRITE = 2_000


def main() -> None:
    options = _options()
    if options.peer:
        print(json.dumps(run_chroma(Path(options.peer))))
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder)
        generate(path, options.chunks, options.lists, options.queries)
        figures: dict[str, Any] = {"chunks": options.chunks, "lists": options.lists, "knowhub": run_knowhub(path)}
        if options.peer_python:
            figures["chroma"] = _peer(options.peer_python, path)
            figures["times_faster"] = {
                share: round(figures["chroma"][share]["p50_ms"] / figures["knowhub"][share]["p50_ms"], 1)
                for share in SHARES
            }
    print(json.dumps(figures) if options.json else _table(figures))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peer-python", help="an interpreter that can import chromadb")
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--lists", type=int, default=100, help="distinct access lists")
    parser.add_argument("--queries", type=int, default=100)
    parser.add_argument("--folder", help="where the stores are built and removed again")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--peer", help=argparse.SUPPRESS)
    return parser.parse_args()


# ── data ─────────────────────────────────────────────────────────────────────────────────────────────


def generate(path: Path, chunks: int, lists: int, queries: int) -> None:
    random = np.random.default_rng(7)
    centres = random.standard_normal((500, DIMENSIONS), np.float32)
    cluster = random.integers(0, len(centres), chunks)
    vectors = _normalised(centres[cluster] + 0.7 * random.standard_normal((chunks, DIMENSIONS), np.float32))
    share = 1 / np.arange(1, VOCABULARY + 1)
    words = random.choice(VOCABULARY, (chunks, WORDS_A_CHUNK), p=share / share.sum())
    # A third of a chunk's words come from the thousand that its cluster prefers.
    own = WORDS_A_CHUNK // 3
    words[:, :own] = (words[:, :own] % 1000 + cluster[:, None] * 97) % VOCABULARY
    readers = np.repeat(random.integers(0, lists, -(-chunks // CHUNKS_A_DOCUMENT)), CHUNKS_A_DOCUMENT)[:chunks]
    if lists >= chunks // CHUNKS_A_DOCUMENT:
        readers = np.arange(chunks) // CHUNKS_A_DOCUMENT
    near = random.integers(0, chunks, queries)
    asked = _normalised(vectors[near] + 0.03 * random.standard_normal((queries, DIMENSIONS), np.float32))
    asked_words = np.stack([random.choice(words[row], 7, replace=False) for row in near])
    arrays: dict[str, NDArray[Any]] = {
        "vectors": vectors,
        "words": words,
        "readers": readers,
        "asked": asked,
        "asked_words": asked_words,
        "lists": np.array(lists),
    }
    for name, array in arrays.items():
        np.save(path / f"{name}.npy", array)


def _normalised(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit


def _load(path: Path, name: str) -> NDArray[Any]:
    loaded: NDArray[Any] = np.load(path / f"{name}.npy")
    return loaded


def _spelled(words: NDArray[Any]) -> str:
    """Numbers as pronounceable words of two to four syllables."""
    return " ".join(_spell(int(word)) for word in words)


def _spell(word: int) -> str:
    syllables = []
    word += 20 * 5
    while word:
        word, rest = divmod(word, 100)
        syllables.append("bcdfghjklmnpqrstvwxz"[rest // 5] + "aeiou"[rest % 5])
    return "".join(syllables)


# ── ours ─────────────────────────────────────────────────────────────────────────────────────────────


def run_knowhub(path: Path) -> dict[str, Any]:
    from knowhub.core.types import ModelId
    from knowhub.index.lancedb import LanceIndex

    index = LanceIndex(str(path / "lance"), dimensions=DIMENSIONS, model=ModelId("bench"))
    entries = _entries(path)
    figures: dict[str, Any] = {"write_s": _seconds(lambda: _write(index, entries))}
    figures["maintain_s"] = _seconds(lambda: index.maintain(purge=False))
    for share, part in SHARES.items():
        figures[share] = _searches(index, path, part)
    figures["1% and another viewer each time"] = _strangers(index, path)
    figures["replace_100_ms"] = round(1000 * _seconds(lambda: index.replace(entries[:100])), 1)
    figures["1% with 500 chunks not yet maintained"] = _searches(index, path, SHARES["1%"])
    return figures


def _entries(path: Path) -> list[IndexEntry]:
    from knowhub.core.ports import IndexEntry
    from knowhub.core.types import (
        Acl,
        Chunk,
        ChunkedDocument,
        ChunkId,
        ContainerId,
        Document,
        ItemId,
        SourceName,
        document_id,
    )

    vectors, words, readers = (_load(path, name) for name in ("vectors", "words", "readers"))
    source, entries = SourceName("wiki"), []
    for number, start in enumerate(range(0, len(vectors), CHUNKS_A_DOCUMENT)):
        own = vectors[start : start + CHUNKS_A_DOCUMENT]
        name = document_id(source, ItemId(str(number)))
        texts = [_spelled(words[start + place]) for place in range(len(own))]
        chunks = tuple(
            Chunk(ChunkId(f"{name}#{place}"), name, place, text, 0, len(text)) for place, text in enumerate(texts)
        )
        title, url = f"Page {number}", f"https://wiki.example/{number}"
        acl = Acl.of(f"group:{readers[start]}")
        document = Document(name, source, ContainerId(str(number % 50)), "text", title, "", url, acl, "1", 1)
        entries.append(IndexEntry(ChunkedDocument(name, source, 1, document, chunks), own))
    return entries


def _write(index: LanceIndex, entries: Sequence[IndexEntry]) -> None:
    for start in range(0, len(entries), DOCUMENTS_A_WRITE):
        index.replace(entries[start : start + DOCUMENTS_A_WRITE])


def _searches(index: LanceIndex, path: Path, part: float) -> dict[str, float]:
    from knowhub.core.ports import SearchQuery
    from knowhub.core.types import Principal, SearchMode, Viewer

    allowed = range(max(1, round(int(_load(path, "lists")) * part)))
    viewer = Viewer("bench", frozenset(Principal(f"group:{group}") for group in allowed))
    now = datetime.now(UTC)
    asked = [
        (_spelled(words), vector)
        for words, vector in zip(_load(path, "asked_words"), _load(path, "asked"), strict=True)
    ]

    def search(number: int, mode: SearchMode) -> list[str]:
        text, vector = asked[number % len(asked)]
        hits = index.search(SearchQuery(text, vector, mode, TOP_K, now), viewer=viewer)
        return [hit.chunk.id for hit in hits]

    figures = _timed(lambda number: search(number, "hybrid"), len(asked))
    figures["vector_p50_ms"] = _timed(lambda number: search(number, "vector"), len(asked))["p50_ms"]
    figures["lexical_p50_ms"] = _timed(lambda number: search(number, "lexical"), len(asked))["p50_ms"]
    figures["recall_at_10"] = _recall(path, allowed, [search(number, "vector") for number in range(len(asked))])
    return figures


def _strangers(index: LanceIndex, path: Path) -> dict[str, float]:
    """Nothing that was kept for the last viewer helps the next."""
    from knowhub.core.ports import SearchQuery
    from knowhub.core.types import Principal, Viewer

    words, vectors, lists = _load(path, "asked_words"), _load(path, "asked"), int(_load(path, "lists"))
    part, now = max(1, lists // 100), datetime.now(UTC)

    def search(number: int) -> object:
        allowed = frozenset(Principal(f"group:{(number * part + own) % lists}") for own in range(part))
        query = SearchQuery(_spelled(words[number]), vectors[number], "hybrid", TOP_K, now)
        return index.search(query, viewer=Viewer("bench", allowed))

    return _timed(search, len(words))


def _recall(path: Path, allowed: range, found: Sequence[Sequence[str]]) -> float:
    vectors, readers, asked = (_load(path, name) for name in ("vectors", "readers", "asked"))
    admitted = np.flatnonzero(readers < len(allowed))
    scores = asked @ vectors[admitted].T
    shares = []
    for row, ids in zip(scores, found, strict=True):
        exact = admitted[np.argsort(-row)[:TOP_K]]
        names = {f"wiki:{number // CHUNKS_A_DOCUMENT}#{number % CHUNKS_A_DOCUMENT}" for number in exact}
        shares.append(len(names & set(ids)) / len(names))
    return round(float(np.mean(shares)), 3)


# ── the peer ─────────────────────────────────────────────────────────────────────────────────────────


def _peer(python: str, path: Path) -> dict[str, Any]:
    done = subprocess.run([python, __file__, "--peer", str(path)], check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def run_chroma(path: Path) -> dict[str, Any]:
    import chromadb  # type: ignore[import-not-found]  # lives in the peer's own environment

    vectors, readers, asked = (_load(path, name) for name in ("vectors", "readers", "asked"))
    client = chromadb.PersistentClient(str(path / "chroma"))
    collection = client.create_collection("chunks", metadata={"hnsw:space": "cosine"})

    def write() -> None:
        for start in range(0, len(vectors), 5000):
            numbers = range(start, min(start + 5000, len(vectors)))
            collection.add(
                ids=[str(number) for number in numbers],
                embeddings=vectors[start : start + 5000],
                metadatas=[{"group": int(readers[number])} for number in numbers],
            )

    figures: dict[str, Any] = {"write_s": _seconds(write)}
    for share, part in SHARES.items():
        groups = list(range(max(1, round(int(_load(path, "lists")) * part))))
        where = {"group": {"$in": groups}}

        def search(number: int, where: dict[str, Any] = where) -> object:
            return collection.query(query_embeddings=asked[number : number + 1], n_results=TOP_K, where=where)

        figures[share] = _timed(search, len(asked))
    return figures


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return round(time.perf_counter() - begun, 3)


def _timed(search: Callable[[int], object], count: int) -> dict[str, float]:
    for number in range(5):
        search(number % count)
    times = [1000 * _seconds_of(search, number) for number in range(count)]
    return {f"p{p}_ms": round(float(np.percentile(times, p)), 1) for p in (50, 99)}


def _seconds_of(search: Callable[[int], object], number: int) -> float:
    begun = time.perf_counter()
    search(number)
    return time.perf_counter() - begun


def _table(figures: dict[str, Any]) -> str:
    lines = [f"{figures['chunks']:,} chunks × {DIMENSIONS}, {figures['lists']:,} access lists"]
    for name in ("knowhub", "chroma"):
        for what, value in figures.get(name, {}).items():
            shown = ", ".join(f"{k} {v}" for k, v in value.items()) if isinstance(value, dict) else value
            lines.append(f"{name:8} {what:40} {shown}")
    lines += [f"hybrid is {times} x as fast at {share}" for share, times in figures.get("times_faster", {}).items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
