"""Runs `knowhub sync` in this process and says where its time went: python -m bench.observed (in the hub's folder)

One JSON object on the last line: seconds and calls of each step, texts that reached the model, documents chunked,
and the run's own report. Steps of one thread; `embedding` is the model alone, without the cache around it.
"""

from __future__ import annotations

import contextlib
import io
import json
import time
from collections.abc import Callable
from typing import Any

from knowhub.chunking.router import Chunker
from knowhub.embedding.cache import CachedEmbedder
from knowhub.embedding.openvino import OpenVinoEmbedder
from knowhub.entrypoints.cli.main import run
from knowhub.formats.sandbox import Sandbox
from knowhub.index.lancedb import LanceIndex
from knowhub.lake.object_store import ObjectStoreLake

STEPS: dict[str, list[tuple[type[Any], str]]] = {
    "parsing": [(Sandbox, "parse")],
    "chunking": [(Chunker, "__call__")],
    "embedding": [(OpenVinoEmbedder, "embed")],
    "embedding and cache": [(CachedEmbedder, "embed")],
    "index": [(LanceIndex, "replace"), (LanceIndex, "maintain"), (LanceIndex, "contents")],
    "lake": [(ObjectStoreLake, "put"), (ObjectStoreLake, "get")],
}


def main() -> None:
    spent = dict.fromkeys(STEPS, 0.0)
    calls = dict.fromkeys(STEPS, 0)
    texts = [0]
    for step, methods in STEPS.items():
        for kind, name in methods:
            setattr(kind, name, _timed(getattr(kind, name), step, spent, calls))
    setattr(OpenVinoEmbedder, "embed", _counted(OpenVinoEmbedder.embed, texts))  # noqa: B010  # mypy forbids the plain assignment
    printed = io.StringIO()
    start = time.perf_counter()
    with contextlib.redirect_stdout(printed):
        code = run(["sync", "--json"])
    whole_s = time.perf_counter() - start
    if code:
        raise SystemExit(f"sync ended with {code}: {printed.getvalue()}")
    report = json.loads(printed.getvalue())["runs"][0]
    found = {"whole_s": whole_s, "seconds": spent, "calls": calls, "texts_embedded": texts[0], "report": report}
    print(json.dumps(found))


def _timed(method: Callable[..., Any], step: str, spent: dict[str, float], calls: dict[str, int]) -> Callable[..., Any]:
    def timed(*arguments: Any, **named: Any) -> Any:
        start = time.perf_counter()
        try:
            return method(*arguments, **named)
        finally:
            spent[step] += time.perf_counter() - start
            calls[step] += 1

    return timed


def _counted(embed: Callable[..., Any], texts: list[int]) -> Callable[..., Any]:
    def counted(self: OpenVinoEmbedder, given: list[str], **named: Any) -> Any:
        texts[0] += len(given)
        return embed(self, given, **named)

    return counted


if __name__ == "__main__":
    main()
