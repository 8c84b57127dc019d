"""XLSX, XLSM, XLSB, XLS and ODS workbooks by calamine; a row's place is its sheet and row number."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from knowhub.core.errors import UnreadableContent
from knowhub.formats.archive import Properties, core_properties, opened
from knowhub.formats.parsed import Parsed
from knowhub.formats.table import MAX_ROWS, Sheet, column_name, render

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_PLAIN_NAME = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.")


def parse_spreadsheet(data: bytes) -> Parsed:
    """Every worksheet, hidden ones too, in the workbook's order. Formulas show the value that was stored."""
    workbook = _load(data)
    parsed = render(_sheets(workbook))
    properties = _properties(data)
    return replace(
        parsed,
        title=properties.title,
        authors=properties.authors,
        created_at=properties.created_at,
        updated_at=properties.updated_at,
    )


def anchor(sheet: str, row: int, column: int) -> str:
    """Excel's own form of a place, as a URL fragment: `#Sheet1!A12`, `#'Q1%20plan'!B2`."""
    plain = sheet and all(c in _PLAIN_NAME for c in sheet)
    shown = sheet if plain else "'" + quote(sheet.replace("'", "''"), safe="'") + "'"
    return f"#{shown}!{column_name(column)}{row + 1}"


def _load(data: bytes) -> CalamineWorkbook:
    import python_calamine as calamine

    try:
        return calamine.load_workbook(io.BytesIO(data))
    except calamine.PasswordError as error:
        raise UnreadableContent("encrypted") from error
    except calamine.ZipError as error:
        raise UnreadableContent("not a valid ZIP") from error
    except (calamine.CalamineError, OSError) as error:
        raise UnreadableContent(_reason(data, error)) from error
    except BaseException as error:
        raise _translated(error) from error


def _reason(data: bytes, error: Exception) -> str:
    if data.startswith(b"PK"):
        with opened(data) as archive:
            manifest = "META-INF/manifest.xml"
            if manifest in archive.namelist() and b"encryption-data" in archive.read(manifest):
                return "encrypted"
    # calamine tries every format on bytes without a name, and tells only that all failed.
    detail = str(error)
    return "broken workbook" if "detect file format" in detail else f"broken workbook: {detail[:200]}"


def _translated(error: BaseException) -> BaseException:
    """A Rust panic arrives as a BaseException of its own type; everything else passes as it is."""
    if type(error).__name__ == "PanicException":
        return UnreadableContent("broken workbook")
    return error


def _sheets(workbook: CalamineWorkbook) -> Iterator[Sheet]:
    import python_calamine as calamine

    errors = []
    count = 0
    for name in workbook.sheet_names:
        try:
            sheet = _sheet(workbook.get_sheet_by_name(name))
        except calamine.CalamineError as error:
            errors.append(f"{name}: {str(error)[:200]}")
            continue
        except BaseException as error:
            raise _translated(error) from error
        count += 1
        yield sheet
    if errors and not count:
        raise UnreadableContent(f"broken workbook: {errors[0]}")


def _sheet(source: CalamineSheet) -> Sheet:
    top, left = source.start or (0, 0)
    rows: list[list[Any]] = source.to_python(skip_empty_area=True, nrows=MAX_ROWS + 1) if source.height else []
    omitted = max(0, source.height - len(rows))
    _fill_merged(rows, source.merged_cell_ranges or [], top, left)

    def place(index: int) -> tuple[str, str]:
        return anchor(source.name, top + index, left), f"{source.name}, row {top + index + 1}"

    return Sheet(source.name, rows, place, left, omitted)


def _fill_merged(
    rows: list[list[Any]], ranges: list[tuple[tuple[int, int], tuple[int, int]]], top: int, left: int
) -> None:
    """Repeat a value that spans rows in each of them, so that a row says all that a reader sees beside it."""
    for (first_row, first_column), (last_row, _) in ranges:
        column = first_column - left
        first = first_row - top
        if first < 0 or column < 0 or first >= len(rows) or column >= len(rows[first]):
            continue
        value = rows[first][column]
        for row in rows[first + 1 : last_row - top + 1]:
            if row[column] == "":
                row[column] = value


def _properties(data: bytes) -> Properties:
    if not data.startswith(b"PK"):
        return Properties()
    try:
        with opened(data) as archive:
            return core_properties(archive)
    except UnreadableContent:
        return Properties()
