"""Rows of cells to text: a summary of each sheet, then every row self-contained.

    Sheet "Stock": 2 rows, 3 columns. Item: e.g. Bolt, Nut. Price: 1.5 to 3. Since: 2024-01-02 to 2024-05-01.

    Item: Bolt; Price: 1.5; Since: 2024-01-02
    Item: Nut; Price: 3; Since: 2024-05-01

A section of role `sheet` covers the summary, one of role `row` each row, with the place where a person finds it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from knowhub.core.types import Section
from knowhub.formats.parsed import Parsed

Cell = int | float | str | bool | time | date | datetime | timedelta | None
Row = Sequence[Cell]

MAX_ROWS = 100_000
MAX_CHARS = 16_000_000
_HEADER_SEARCH_ROWS = 12
_MAX_HEADER_CHARS = 80
_MAX_SUMMARISED_COLUMNS = 40
_EXAMPLES = 3
_UNTIDY = re.compile(r"[\0\n\r\t]|  ")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A grid of cells. `place(row_index)` is (anchor, label) of a row; `omitted` rows exist beyond `rows`."""

    name: str
    rows: Sequence[Row]
    place: Callable[[int], tuple[str, str]]
    first_column: int = 0
    omitted: int = 0


def render(sheets: Iterable[Sheet], *, title: str = "") -> Parsed:
    """All sheets as one document of kind `table`, without text if no cell has any.

    What exceeds MAX_ROWS or MAX_CHARS is counted in its sheet's summary.
    """
    writer = _Writer()
    for sheet in sheets:
        writer.add(sheet)
    if not writer.filled:
        return Parsed("table", "", title)
    return Parsed("table", "".join(writer.parts), title, sections=tuple(writer.sections))


def show(cell: Cell) -> str:
    """A cell as a person reads it, on one line."""
    if cell is None:
        return ""
    if isinstance(cell, str):
        return " ".join(cell.replace("\0", "").split()) if _UNTIDY.search(cell) else cell.strip()
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else f"{cell:.15g}"
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat(" ", "seconds")
    if isinstance(cell, time):
        return cell.isoformat("seconds")
    if isinstance(cell, timedelta):
        minutes, seconds = divmod(round(cell.total_seconds()), 60)
        return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}"
    return str(cell)


def column_name(index: int) -> str:
    """0 is A, 26 is AA."""
    name = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        name = chr(65 + rest) + name
    return name


def header_row(rows: Sequence[Row]) -> int | None:
    """The index of the row that names the columns; None if the sheet has none.

    It is the first row that fills most of the table's width with distinct short texts; years are allowed beside
    a text. Narrower rows above it are a preamble.
    """
    top = rows[:_HEADER_SEARCH_ROWS]
    filled = [[cell for cell in row if cell not in ("", None)] for row in top]
    width = max((len(cells) for cells in filled), default=0)
    for index, cells in enumerate(filled):
        if not cells or len(cells) * 2 < width + (width > 2):
            continue
        return index if _names_columns(cells) and any(filled[index + 1 :]) else None
    return None


def _names_columns(cells: Sequence[Cell]) -> bool:
    shown = [show(cell) for cell in cells]
    if len(set(shown)) < len(shown) or max(map(len, shown)) > _MAX_HEADER_CHARS:
        return False
    texts = sum(isinstance(cell, str) and not _is_number(cell) for cell in cells)
    years = sum(not isinstance(cell, bool) and _is_year(show(cell)) for cell in cells)
    return texts >= 1 and texts + years == len(cells)


def _is_number(text: str) -> bool:
    return text.strip().lstrip("+-$€£¥").replace(",", "").replace(".", "", 1).rstrip("%").isdigit()


def _is_year(text: str) -> bool:
    return len(text) == 4 and text.isdigit() and 1900 <= int(text) <= 2100


class _Writer:
    def __init__(self) -> None:
        self.parts: list[str] = []
        self.sections: list[Section] = []
        self._at = 0
        self._rows_left = MAX_ROWS
        self.filled = False

    def add(self, sheet: Sheet) -> None:
        self.filled |= any(cell not in ("", None) for row in sheet.rows for cell in row)
        header = header_row(sheet.rows)
        first = 0 if header is None else header + 1
        names = _column_names(sheet, header)
        body = [i for i in range(first, len(sheet.rows)) if any(cell not in ("", None) for cell in sheet.rows[i])]
        shown = body[: max(0, self._rows_left)]
        lines = self._lines(sheet, shown, names)
        omitted = sheet.omitted + len(body) - len(lines)
        summary = _summary(sheet, header, names, [sheet.rows[i] for i in shown], len(body) + sheet.omitted, omitted)
        if self._at:
            self._write("\n\n")
        anchor, label = sheet.place(0 if header is None else header)
        self._section(summary, "sheet", anchor, sheet.name or label)
        for index, line in zip(shown, lines, strict=False):
            self._write("\n\n" if index == shown[0] else "\n")
            self._section(line, "row", *sheet.place(index))
        self._rows_left -= len(lines)

    def _lines(self, sheet: Sheet, indexes: list[int], names: list[str]) -> list[str]:
        lines = []
        room = MAX_CHARS - self._at
        for index in indexes:
            line = _line(sheet.rows[index], names)
            room -= len(line)
            if room < 0:
                break
            lines.append(line)
        return lines

    def _section(self, text: str, role: str, anchor: str, label: str) -> None:
        self.sections.append(Section(self._at, self._at + len(text), role, anchor, label))
        self._write(text)

    def _write(self, text: str) -> None:
        self.parts.append(text)
        self._at += len(text)


def _line(row: Row, names: list[str]) -> str:
    # Columns without a name, and values that stand in for one, are shown bare.
    pairs = ((names[i] if i < len(names) else "", show(cell)) for i, cell in enumerate(row))
    return "; ".join(f"{name}: {value}" if name else value for name, value in pairs if value)


def _column_names(sheet: Sheet, header: int | None) -> list[str]:
    width = max((len(row) for row in sheet.rows), default=0)
    if header is None:
        filled = sum(1 for i in range(width) if any(i < len(r) and r[i] not in ("", None) for r in sheet.rows))
        return [column_name(sheet.first_column + i) if filled > 1 else "" for i in range(width)]
    row = sheet.rows[header]
    return [show(row[i]) if i < len(row) else "" for i in range(width)]


def _summary(sheet: Sheet, header: int | None, names: list[str], rows: list[Row], count: int, omitted: int) -> str:
    label = f'Sheet "{sheet.name}"' if sheet.name else "Table"
    preamble = [show(cell) for row in sheet.rows[: header or 0] for cell in row if show(cell)]
    columns = [i for i in range(len(names)) if names[i] or any(i < len(r) and r[i] not in ("", None) for r in rows)]
    size = f"{_counted(count, 'row')}, {_counted(len(columns), 'column')}" if count else "empty"
    parts = [f"{label}: {size}."]
    if preamble:
        parts.insert(0, " ".join(preamble) + ".")
    for i in columns[:_MAX_SUMMARISED_COLUMNS]:
        values = [row[i] for row in rows if i < len(row) and row[i] not in ("", None)]
        if described := _describe(values):
            parts.append(f"{names[i] or column_name(sheet.first_column + i)}: {described}.")
    if len(columns) > _MAX_SUMMARISED_COLUMNS:
        more = [names[i] for i in columns[_MAX_SUMMARISED_COLUMNS:] if names[i]]
        parts.append(f"More columns: {', '.join(more)[:1000]}.")
    if omitted:
        parts.append(f"{omitted:,} rows are left out here because the table is too large.")
    return " ".join(parts)


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _describe(values: list[Cell]) -> str:
    numbers = [v for v in values if isinstance(v, (int, float)) and not isinstance(v, bool)]
    days = [v.date() if isinstance(v, datetime) else v for v in values if isinstance(v, date)]
    if numbers and len(numbers) == len(values):
        return _range(show(min(numbers)), show(max(numbers)))
    if days and len(days) == len(values):
        return _range(min(days).isoformat(), max(days).isoformat())
    examples = list(dict.fromkeys(text[:60] for v in values[:200] if (text := show(v))))
    if not examples:
        return ""
    more = len(examples) > _EXAMPLES
    return f"{'e.g. ' if more else ''}{', '.join(examples[:_EXAMPLES])}"


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
