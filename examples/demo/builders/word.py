"""A small .docx (ECMA-376 WordprocessingML): headings, paragraphs, tables."""

from __future__ import annotations

from xml.sax.saxutils import escape

from builders.archive import zipped
from builders.blocks import Block, Bullet, Heading, Paragraph, Table, blocks

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPE = "application/vnd.openxmlformats-officedocument.wordprocessingml"

_CONTENT_TYPES = f"""{_XML}<Types xmlns="{_PACKAGE}/content-types">
<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>
<Override PartName="/word/document.xml" ContentType="{_TYPE}.document.main+xml"/>
<Override PartName="/word/styles.xml" ContentType="{_TYPE}.styles+xml"/>
<Override PartName="/docProps/core.xml" ContentType="application/vnd.openxmlformats-package.core-properties+xml"/>
</Types>"""
_RELATIONSHIPS = f"""{_XML}<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="word/document.xml"/>
<Relationship Id="rId2" Type="{_PACKAGE}/relationships/metadata/core-properties" Target="docProps/core.xml"/>
</Relationships>"""
_DOCUMENT_RELATIONSHIPS = f"""{_XML}<Relationships xmlns="{_PACKAGE}/relationships">
<Relationship Id="rId1" Type="{_OFFICE}/styles" Target="styles.xml"/>
</Relationships>"""
_CORE = f"""{_XML}<cp:coreProperties xmlns:cp="{_PACKAGE}/metadata/core-properties"\
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/"\
 xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<dc:title>%s</dc:title><dc:creator>Declan Moss</dc:creator>
<dcterms:created xsi:type="dcterms:W3CDTF">2025-08-25T09:00:00Z</dcterms:created>
<dcterms:modified xsi:type="dcterms:W3CDTF">2025-08-25T09:00:00Z</dcterms:modified>
</cp:coreProperties>"""


def document(text: str) -> bytes:
    """The text as a .docx; its first heading becomes the title property."""
    parts = list(blocks(text))
    title = next(part.text for part in parts if isinstance(part, Heading))
    body = "\n".join(map(_element, parts))
    return zipped(
        {
            "[Content_Types].xml": _CONTENT_TYPES,
            "_rels/.rels": _RELATIONSHIPS,
            "docProps/core.xml": _CORE % escape(title),
            "word/_rels/document.xml.rels": _DOCUMENT_RELATIONSHIPS,
            "word/document.xml": f"{_XML}<w:document {_W}><w:body>\n{body}\n</w:body></w:document>",
            "word/styles.xml": f"{_XML}<w:styles {_W}>\n{_styles()}\n</w:styles>",
        }
    )


def _element(block: Block) -> str:
    match block:
        case Heading(level, text):
            return _paragraph(text, f"Heading{level}")
        case Paragraph(text):
            return _paragraph(text)
        case Bullet(text):
            return _paragraph(text, "ListBullet")
        case Table(rows):
            return _table(rows)
    return '<w:p><w:r><w:br w:type="page"/></w:r></w:p>'


def _paragraph(text: str, style: str = "Normal") -> str:
    return (
        f'<w:p><w:pPr><w:pStyle w:val="{style}"/></w:pPr>'
        f'<w:r><w:t xml:space="preserve">{escape(text)}</w:t></w:r></w:p>'
    )


def _table(rows: tuple[tuple[str, ...], ...]) -> str:
    grid = "<w:gridCol/>" * len(rows[0])
    return (
        '<w:tbl><w:tblPr><w:tblStyle w:val="TableGrid"/><w:tblW w:w="5000" w:type="pct"/></w:tblPr>'
        f"<w:tblGrid>{grid}</w:tblGrid>{''.join(map(_row, rows))}</w:tbl>"
    )


def _row(cells: tuple[str, ...]) -> str:
    return "<w:tr>" + "".join(f"<w:tc><w:tcPr/>{_paragraph(cell)}</w:tc>" for cell in cells) + "</w:tr>"


def _styles() -> str:
    sizes = {1: 36, 2: 26, 3: 24}
    headings = "\n".join(
        f'<w:style w:type="paragraph" w:styleId="Heading{level}"><w:name w:val="heading {level}"/>'
        f'<w:basedOn w:val="Normal"/><w:pPr><w:keepNext/><w:spacing w:before="280" w:after="80"/>'
        f'<w:outlineLvl w:val="{level - 1}"/></w:pPr><w:rPr><w:b/><w:sz w:val="{size}"/></w:rPr></w:style>'
        for level, size in sizes.items()
    )
    edges = "".join(
        f'<w:{edge} w:val="single" w:sz="4" w:space="0" w:color="999999"/>'
        for edge in ("top", "left", "bottom", "right", "insideH", "insideV")
    )
    return (
        '<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/>'
        '<w:pPr><w:spacing w:after="120"/></w:pPr><w:rPr><w:sz w:val="22"/></w:rPr></w:style>\n'
        f"{headings}\n"
        '<w:style w:type="paragraph" w:styleId="ListBullet"><w:name w:val="List Bullet"/>'
        '<w:basedOn w:val="Normal"/><w:pPr><w:ind w:left="360"/></w:pPr></w:style>\n'
        '<w:style w:type="table" w:styleId="TableGrid"><w:name w:val="Table Grid"/>'
        f"<w:tblPr><w:tblBorders>{edges}</w:tblBorders></w:tblPr></w:style>"
    )
