"""Documents to files, one a line (JSON Lines) or one a row (CSV), each written whole or not at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Any

from knowhub.core.errors import AccessDenied
from knowhub.core.types import ChunkedDocument

COLUMNS = ("id", "source", "container", "kind", "title", "url", "authors", "created_at", "updated_at", "text")


def write(out: Path, form: str, documents: Iterable[ChunkedDocument]) -> int:
    """Write `documents` to `out` as "jsonl" or "csv"; return how many."""
    partial = out.with_name(f".{out.name}.partial")
    try:
        try:
            count = _write(partial, form, documents)
            os.replace(partial, out)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise AccessDenied(f"{out} cannot be written: {error.strerror or error}", cure="Name another file.") from error
    return count


def write_files(folder: Path, files: Iterable[tuple[str, bytes]]) -> list[Path]:
    """Write each file below `folder`, and return where they are."""
    written = []
    try:
        for name, data in files:
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            partial = file.with_name(f".{file.name}.partial")
            partial.write_bytes(data)
            os.replace(partial, file)
            written.append(file)
    except OSError as error:
        raise AccessDenied(
            f"{folder} cannot be written: {error.strerror or error}", cure="Name another folder."
        ) from error
    return written


def _write(file_name: Path, form: str, documents: Iterable[ChunkedDocument]) -> int:
    count = 0
    # A lone surrogate becomes \udc80, which JSON reads back as itself.
    with file_name.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        put = _csv(file) if form == "csv" else _jsonl(file)
        for chunked in documents:
            put(_row(chunked))
            count += 1
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
