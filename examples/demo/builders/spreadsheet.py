"""A small .xlsx (ECMA-376 SpreadsheetML): one sheet a CSV, a bold header row, numbers as numbers."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

from builders.archive import zipped

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_BOLD = 1

_STYLES = f"""{_XML}<styleSheet {_MAIN}>
<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>\
<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>
<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>
<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>
<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>
<cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
<xf numFmtId="0" fontId="1" fillId="0" borderId="0" xfId="0" applyFont="1"/></cellXfs>
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>
</styleSheet>"""
_RELATIONSHIPS = f"""{_XML}<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/>
</Relationships>"""


def workbook(sheets: Mapping[str, Path]) -> bytes:
    """The CSV files as sheets of these names, in this order."""
    numbered = list(enumerate(sheets.items(), start=1))
    return zipped(
        {
            "[Content_Types].xml": _content_types(len(sheets)),
            "_rels/.rels": _RELATIONSHIPS,
            "xl/workbook.xml": _workbook(list(sheets)),
            "xl/_rels/workbook.xml.rels": _workbook_relationships(len(sheets)),
            "xl/styles.xml": _STYLES,
            **{f"xl/worksheets/sheet{number}.xml": _sheet(path) for number, (_, path) in numbered},
        }
    )


def _content_types(sheets: int) -> str:
    overrides = "\n".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
        for n in range(1, sheets + 1)
    )
    return f"""{_XML}<Types xmlns="{_PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>
<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>
{overrides}
</Types>"""


def _workbook(names: list[str]) -> str:
    listed = "".join(
        f'<sheet name="{escape(name)}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, start=1)
    )
    return f'{_XML}<workbook {_MAIN} xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'


def _workbook_relationships(sheets: int) -> str:
    listed = "".join(
        f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, sheets + 1)
    )
    styles = f'<Relationship Id="rId{sheets + 1}" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    return f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{listed}{styles}</Relationships>'


def _sheet(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines))
    widths = "".join(
        f'<col min="{n}" max="{n}" width="{max(map(len, column)) + 2}" customWidth="1"/>'
        for n, column in enumerate(zip(*rows, strict=True), start=1)
    )
    cells = "\n".join(_row(number, row) for number, row in enumerate(rows, start=1))
    return f"{_XML}<worksheet {_MAIN}><cols>{widths}</cols><sheetData>\n{cells}\n</sheetData></worksheet>"


def _row(number: int, values: list[str]) -> str:
    cells = "".join(_cell(f"{chr(ord('A') + column)}{number}", value, number) for column, value in enumerate(values))
    return f'<row r="{number}">{cells}</row>'


def _cell(place: str, value: str, row: int) -> str:
    style = f' s="{_BOLD}"' if row == 1 else ""
    if value.isdecimal():
        return f'<c r="{place}"{style}><v>{value}</v></c>'
    return f'<c r="{place}"{style} t="inlineStr"><is><t>{escape(value)}</t></is></c>'
