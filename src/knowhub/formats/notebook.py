"""Jupyter notebooks (nbformat 3 and 4): prose as Markdown, code and its textual output in fences."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.formats.charset import decode
from knowhub.formats.markdown import headings
from knowhub.formats.parsed import Parsed

_MAX_OUTPUT_CHARS = 10_000


def parse_notebook(data: bytes) -> Parsed:
    """Cells in order. An output longer than 10,000 characters is cut, and says so."""
    try:
        notebook = json.loads(decode(data))
    except (json.JSONDecodeError, RecursionError) as error:
        raise UnreadableContent("not a notebook: broken JSON") from error
    if not isinstance(notebook, dict):
        raise UnreadableContent("not a notebook: no cells")
    worksheets = notebook.get("worksheets") or [notebook]
    cells = [cell for sheet in worksheets for cell in sheet.get("cells") or []]
    metadata = notebook.get("metadata") or {}
    language = str(
        (metadata.get("kernelspec") or {}).get("language")
        or (metadata.get("language_info") or {}).get("name")
        or "python"
    )
    text = "\n\n".join(block for cell in cells for block in _blocks(cell, language) if block)
    sections = headings(text)
    title = str(metadata.get("title") or "") or next((s.label for s in sections if s.level == 1), "")
    return Parsed("markdown", text, title, sections=sections)


def _blocks(cell: dict[str, Any], language: str) -> Iterator[str]:
    source = _joined(cell.get("source") or cell.get("input")).strip("\n")
    kind = cell.get("cell_type")
    if kind == "heading":
        yield f"{'#' * int(cell.get('level', 1))} {source}"
    elif kind != "code":
        yield source
    else:
        yield fenced(source, language)
        for output in cell.get("outputs") or []:
            yield fenced(_output(output), "")


def _output(output: dict[str, Any]) -> str:
    data = output.get("data") or {}
    text = _joined(output.get("text") or data.get("text/plain"))
    if output.get("output_type") in ("error", "pyerr"):
        text = f"{output.get('ename', '')}: {output.get('evalue', '')}"
    text = text.strip("\n")
    if len(text) > _MAX_OUTPUT_CHARS:
        return f"{text[:_MAX_OUTPUT_CHARS]}\n… {len(text) - _MAX_OUTPUT_CHARS:,} more characters"
    return text


def fenced(code: str, language: str) -> str:
    if not code.strip():
        return ""
    fence = "```"
    while fence in code:
        fence += "`"
    return f"{fence}{language}\n{code}\n{fence}"


def _joined(value: Any) -> str:
    """Lines of text, which a notebook holds as one string or a list of them."""
    return "".join(map(str, value)) if isinstance(value, list) else str(value or "")
