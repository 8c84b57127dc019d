"""CSV and TSV: the dialect is found from the text, a row's place is its line."""

from __future__ import annotations

import csv
import io
from itertools import islice

from knowhub.core.errors import UnreadableContent
from knowhub.formats.charset import decode
from knowhub.formats.parsed import Parsed
from knowhub.formats.table import MAX_ROWS, Cell, Sheet, render

_SAMPLE_LINES = 50
_SAMPLE_CHARS = 100_000
_DELIMITERS = ",\t;|"


def parse_delimited_bytes(data: bytes) -> Parsed:
    return parse_delimited(decode(data))


def parse_delimited(text: str) -> Parsed:
    """Separated values with `\\n` line ends. Rows beyond MAX_ROWS are counted, not shown."""
    rows: list[list[Cell]] = []
    lines: list[int] = []
    omitted, line = 0, 1
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    try:
        for cells in reader:
            if len(rows) < MAX_ROWS + 1:
                rows.append(list(_typed(cells)))
                lines.append(line)
            else:
                omitted += 1
            line = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableContent(f"not separated values: {error}") from error
    return render([Sheet("", rows, lambda i: _place(lines, i), omitted=omitted)])


def delimiter_of(text: str) -> str:
    """The sign that divides the most lines into the same number (over one) of fields; a comma if none does.

    `csv.Sniffer` is not used: its regular expressions are quadratic.
    """
    sample = [line for line in islice(text[:_SAMPLE_CHARS].split("\n"), _SAMPLE_LINES) if line.strip()]
    best, best_score = ",", 0.0
    for delimiter in _DELIMITERS:
        counts = [len(row) for row in _lenient_rows(sample, delimiter)]
        if not counts:
            continue
        usual = max(set(counts), key=lambda n: (counts.count(n), n))
        if usual < 2:
            continue
        score = counts.count(usual) / len(counts) + min(usual, 50) / 1000
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _lenient_rows(lines: list[str], delimiter: str) -> list[list[str]]:
    try:
        return [row for row in csv.reader(lines, delimiter=delimiter) if row]
    except csv.Error:
        return []


def _place(lines: list[int], index: int) -> tuple[str, str]:
    line = lines[index] if index < len(lines) else 1
    return f"#L{line}", f"row {line}"


def _typed(cells: list[str]) -> list[Cell]:
    return [_number(cell) for cell in cells]


def _number(cell: str) -> Cell:
    """A number only where writing it back gives the same text: 007, 1e5 and 1.50 stay as they are."""
    if not cell or cell[-1] not in "0123456789" or len(cell) > 15:
        return cell
    try:
        value = float(cell) if "." in cell else int(cell)
    except ValueError:
        return cell
    return value if str(value) == cell else cell
