"""WordPress items as CSV: `raw/` with one column a field, `vectorial/` with one text column made for embedding.

    records, documents ──▶ tables by post type ──▶ raw/{type}_{stamp}.csv, vectorial/{type}_vectorial_{stamp}.csv

One row a document. Nested fields are flattened with dots (`acf.address.city`), lists stand in one cell as JSON. Cells
that a spreadsheet program would run as a formula get an apostrophe before them, as OWASP advises:
https://owasp.org/www-community/attacks/CSV_Injection
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knowhub.core.types import Document, RawRecord, document_id
from knowhub.formats.wordpress import plain_title

BOM = "\ufeff"
RAW_FIRST = ("id", "type", "status", "link", "title.rendered", "date_gmt", "modified_gmt")
VECTORIAL = ("id", "url", "title", "modified", "type", "language", "text")

_UNSAFE_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)*%?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")
_LINK = re.compile(r"!?\[([^\[\]\n]*)\]\((?:<[^<>\n]*>|[^()\s]*)\)")
_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,}).*$", re.MULTILINE)
_LINE_START = re.compile(r"^[ \t]*(?:#{1,6}[ \t]+|>[ \t]?|[-*+][ \t]+(?:\[[ x]\][ \t])?)+", re.MULTILINE)
_RULE = re.compile(r"^[ \t]*(?:\|?[ \t]*:?-{3,}:?[ \t]*)+\|?[ \t]*$", re.MULTILINE)
_ROW = re.compile(r"^[ \t]*\|(.*)\|[ \t]*$", re.MULTILINE)
_MARKS = re.compile(r"(?<!\\)(?:\*\*|~~|`+)|(?<![\w*\\])\*(?=\S)|(?<=\S)\*(?![\w*])")
_BLANK_LINES = re.compile(r"\n{3,}")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by column; a row need not have all of them."""

    columns: tuple[str, ...]
    rows: tuple[Mapping[str, str], ...]


def csv_files(
    records: Iterable[RawRecord], documents: Iterable[Document], *, at: datetime, bom: bool = False
) -> Iterator[tuple[str, bytes]]:
    """Relative path and content of each file. `records` and `documents` are the newest of each item, in any order.

    Items whose document could not be made are in the raw file only. `at` stands in the names as it is, in its zone.
    """
    by_type: dict[str, list[RawRecord]] = {}
    for record in records:
        if record.payload is not None:
            by_type.setdefault(record.container, []).append(record)
    made = {document.id: document for document in documents}
    for kind, ones in sorted(by_type.items()):
        ones.sort(key=lambda one: _natural(one.item))
        yield file_name("raw", kind, at), encoded(raw_table(ones), bom=bom)
        pairs = [(one, made[key]) for one in ones if (key := document_id(one.source, one.item)) in made]
        yield file_name("vectorial", kind, at), encoded(vectorial_table(pairs), bom=bom)


def file_name(form: str, kind: str, at: datetime) -> str:
    """`raw/event_20261024_093000.csv`, `vectorial/event_vectorial_20261024_093000.csv`."""
    safe = _UNSAFE_NAME.sub("_", kind).strip("_") or "items"
    suffix = "_vectorial" if form == "vectorial" else ""
    return f"{form}/{safe}{suffix}_{at:%Y%m%d_%H%M%S}.csv"


def raw_table(records: Sequence[RawRecord]) -> Table:
    """Every field of every item, with names of authors and terms beside their numbers."""
    rows = [raw_row(record) for record in records]
    found = dict.fromkeys(column for row in rows for column in row)
    first = [column for column in RAW_FIRST if column in found]
    return Table((*first, *sorted(found.keys() - set(first))), tuple(rows))


def raw_row(record: RawRecord) -> dict[str, str]:
    payload = record.payload or {}
    row = flattened(payload.get("item") or {})
    names = payload.get("names") or {}
    if names.get("author"):
        row["author.name"] = str(names["author"])
    for term in names.get("terms") or ():
        if any(term["names"]):
            row[f"{term['field']}.names"] = _json([name for name in term["names"] if name])
    if comments := payload.get("comments"):
        row["comments"] = _json(comments)
    return row


def flattened(value: Mapping[str, Any], above: str = "") -> dict[str, str]:
    """`{"a": {"b": 1}}` is `{"a.b": "1"}`. Lists are JSON, truth is `true` or `false`, nothing is an empty cell."""
    row: dict[str, str] = {}
    for key, inner in value.items():
        name = f"{above}{key}"
        if isinstance(inner, Mapping) and inner:
            row |= flattened(inner, f"{name}.")
        else:
            row[name] = _cell(inner)
    return row


def vectorial_table(pairs: Iterable[tuple[RawRecord, Document]]) -> Table:
    """`text` is title, terms, custom fields and body as plain text, comments last."""
    return Table(VECTORIAL, tuple(_vectorial_row(record, document) for record, document in pairs))


def _vectorial_row(record: RawRecord, document: Document) -> dict[str, str]:
    item = (record.payload or {}).get("item") or {}
    return {
        "id": str(item.get("id", record.item)),
        "url": document.url,
        "title": document.title,
        "modified": document.updated_at.isoformat() if document.updated_at else "",
        "type": record.container,
        "language": document.language,
        "text": f"{document.title}\n\n{plain_text(document.text)}".strip(),
    }


def plain_text(markdown: str) -> str:
    """Markdown without its marks: headings, emphasis, tables and links as the words that a reader sees."""
    text = _FENCE.sub("", markdown)
    text = _RULE.sub("", text)
    text = _ROW.sub(lambda row: ", ".join(filter(None, (cell.strip() for cell in _cells(row[1])))), text)
    text = _LINE_START.sub("", text)
    text = _MARKS.sub("", _LINK.sub(r"\1", text))
    return _BLANK_LINES.sub("\n\n", text).strip()


def _cells(row: str) -> list[str]:
    return [cell.replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)]


# ── writing ──────────────────────────────────────────────────────────────────────────────────────────


def encoded(table: Table, *, bom: bool = False) -> bytes:
    """RFC 4180 in UTF-8: commas, quotes where needed, `\\r\\n`; `bom` for spreadsheet programs."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([safe(column) for column in table.columns])
    for row in table.rows:
        writer.writerow([safe(row.get(column, "")) for column in table.columns])
    return ((BOM if bom else "") + out.getvalue()).encode("utf-8")


def safe(cell: str) -> str:
    """What no spreadsheet program runs and every reader of UTF-8 takes. Numbers with a sign stay numbers."""
    text = "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in cell)
    begins = text.lstrip(" \n")
    return f"'{text}" if begins.startswith(_FORMULA) and not _NUMBER.fullmatch(text) else text


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return plain_title(value) if "&" in value and "<" not in value and "\n" not in value else value
    if value is None or value in ({}, []):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (int, float)) else _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _natural(item: str) -> tuple[int, str]:
    number = item.rpartition(":")[2]
    return (int(number) if number.isdigit() else 0, item)
