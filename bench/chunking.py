"""How fast chunking is, in MB of UTF-8 per second of CPU time.

    python bench/chunking.py [FOLDER] [--peer-python PYTHON] [--json]

Markdown is FOLDER's `*.md` (without it, generated pages) against LangChain's MarkdownHeaderTextSplitter, which needs
`langchain-text-splitters` in the interpreter of `--peer-python`. Code is the standard library against tree-sitter's
own parse of it. Each figure is the best of several rounds, taken in turns, for the machine is rarely ours alone.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from knowhub.chunking.languages import grammar
from knowhub.chunking.router import Chunker
from knowhub.core.types import Acl, ContainerId, Document, DocumentId, DocumentKind, Section, SourceName
from knowhub.formats.markdown import headings

ROUNDS = 7
PEER = """
import json, sys, time
from langchain_text_splitters import MarkdownHeaderTextSplitter
splitter = MarkdownHeaderTextSplitter([("#" * n, str(n)) for n in range(1, 7)])
texts = json.load(sys.stdin)
best = 1e9
for _ in range(4):
    start = time.process_time()
    for text in texts:
        splitter.split_text(text)
    best = min(best, time.process_time() - start)
print(best)
"""


def main() -> None:
    arguments = _arguments()
    figures = _markdown(_pages(arguments.folder), arguments.peer_python) | _code()
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    for name, figure in figures.items():
        print(f"{name:<52}{figure:>10.2f}")
    print(json.dumps(figures))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, help="a folder with Markdown files")
    parser.add_argument("--peer-python", help="an interpreter that has langchain-text-splitters")
    parser.add_argument("--json", action="store_true", help="print nothing but JSON")
    return parser.parse_args()


def _markdown(pages: Sequence[str], peer_python: str | None) -> dict[str, float]:
    chunker = Chunker()
    documents = [_document("markdown", page, sections=headings(page)) for page in pages]
    peers = []
    alone, both = float("inf"), float("inf")
    for _ in range(3):
        if peer_python:
            peers.append(_peer_s(peer_python, pages))
        alone = min(alone, _best_s([lambda: [chunker(document) for document in documents]])[0])
        both = min(both, _best_s([lambda: [chunker(_document("markdown", p, sections=headings(p))) for p in pages]])[0])
    size = _megabytes(pages)
    figures = {
        "markdown MB": size,
        "markdown: chunking MB/s": size / alone,
        "markdown: headings + chunking MB/s": size / both,
    }
    if peers:
        figures["markdown: LangChain header splitter MB/s"] = size / min(peers)
        figures["markdown: chunking, times LangChain"] = min(peers) / alone
        figures["markdown: headings + chunking, times LangChain"] = min(peers) / both
    return figures


def _code() -> dict[str, float]:
    from tree_sitter import Parser

    chunker, language = Chunker(), grammar("python")
    parse_s = chunk_s = 0.0
    texts = [path.read_text("utf-8", "replace") for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))]
    for text in texts:
        document = _document("code", text, language="python")

        def parse(text: str = text) -> object:
            return Parser(language).parse(text.encode())

        def chunk(document: Document = document) -> object:
            return chunker(document)

        parsed, chunked = _best_s([parse, chunk])
        parse_s += parsed
        chunk_s += chunked
    size = _megabytes(texts)
    return {
        "code MB": size,
        "code: tree-sitter's parse MB/s": size / parse_s,
        "code: chunking MB/s": size / chunk_s,
        "code: chunking, share of tree-sitter's speed": parse_s / chunk_s,
    }


def _best_s(works: Sequence[Callable[[], object]]) -> list[float]:
    """The least CPU time of each, in seconds, measured in turns."""
    best = [float("inf")] * len(works)
    for _ in range(ROUNDS):
        for number, work in enumerate(works):
            start = time.process_time()
            work()
            best[number] = min(best[number], time.process_time() - start)
    return best


def _peer_s(python: str, pages: Sequence[str]) -> float:
    done = subprocess.run([python, "-c", PEER], input=json.dumps(pages), capture_output=True, text=True, check=True)
    return float(done.stdout)


def _pages(folder: Path | None) -> list[str]:
    if folder is None:
        return _generated(random.Random(7))
    return [path.read_text("utf-8", "replace") for path in sorted(folder.rglob("*.md"))]


def _generated(chance: random.Random) -> list[str]:
    words = "the office closes at six and whoever leaves last sets alarm for night ask Ann about keys".split()  # noqa: SIM905  # a sentence reads better than a list
    pages = []
    for _ in range(250):
        parts = ["# A page\n"]
        for _ in range(chance.randrange(3, 12)):
            parts.append(f"{'#' * chance.randrange(2, 4)} {' '.join(chance.choices(words, k=4))}\n")
            parts += [" ".join(chance.choices(words, k=chance.randrange(20, 90))) + ".\n" for _ in range(2)]
        pages.append("\n".join(parts))
    return pages


def _document(kind: DocumentKind, text: str, *, language: str = "", sections: tuple[Section, ...] = ()) -> Document:
    return Document(
        DocumentId("bench:page"),
        SourceName("bench"),
        ContainerId("bench"),
        kind,
        "A page",
        text,
        "https://example.org",
        Acl.of("owner"),
        "1",
        1,
        language=language,
        sections=sections,
    )


def _megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


if __name__ == "__main__":
    main()
