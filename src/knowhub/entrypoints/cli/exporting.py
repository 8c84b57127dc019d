"""Documents to a file, one a line (JSON Lines) or one a row (CSV), written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from knowhub.core.types import ChunkedDocument

COLUMNS = ("id", "source", "container", "kind", "title", "url", "authors", "created_at", "updated_at", "text")


def write(out: Path, form: str, documents: Iterable[ChunkedDocument]) -> int:
    """Write `documents` to `out` as "jsonl" or "csv"; return how many."""
    partial = out.with_name(f".{out.name}.partial")
    count = 0
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            put = _csv(file) if form == "csv" else _jsonl(file)
            for chunked in documents:
                put(_row(chunked))
                count += 1
        os.replace(partial, out)
    finally:
        partial.unlink(missing_ok=True)
    return count


def _row(chunked: ChunkedDocument) -> dict[str, Any]:
    document = chunked.document
    if document is None:
        raise ValueError(f"{chunked.id} is a removal")
    row = {column: getattr(document, column) for column in COLUMNS}
    for column in ("created_at", "updated_at"):
        row[column] = row[column].isoformat() if row[column] else None
    return row


def _jsonl(file: IO[str]) -> Callable[[dict[str, Any]], object]:
    return lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _csv(file: IO[str]) -> Callable[[dict[str, Any]], object]:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()
    return lambda row: writer.writerow({**row, "authors": ", ".join(row["authors"])})
