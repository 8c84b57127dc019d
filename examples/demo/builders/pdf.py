"""A small PDF (ISO 32000-1) with a text layer: A4, the built-in Helvetica, nothing compressed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from builders.blocks import Block, Bullet, Heading, PageBreak, Paragraph, Table, blocks

_WIDTH, _HEIGHT, _MARGIN = 595, 842, 64
_SIZES = {1: 20, 2: 13, 3: 11}
_BODY = 10

# Advance widths of Helvetica, thousandths of the size, for the characters from space to tilde.
_ADVANCES = (
    [278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278]
    + [556] * 10
    + [278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833]
    + [722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, 333]
    + [556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, 556, 556, 333, 500, 278]
    + [556, 500, 722, 500, 500, 500, 334, 260, 334, 584]
)


@dataclass
class _Page:
    """Drawing operators from the top of a page downwards; `y` is the next baseline in points."""

    operators: list[str] = field(default_factory=list)
    y: float = _HEIGHT - _MARGIN

    def show(self, text: str, x: float, size: int, font: str) -> None:
        self.operators.append(f"BT /{font} {size} Tf {x:g} {self.y:g} Td ({_escaped(text)}) Tj ET")


def document(text: str) -> bytes:
    """The text as a PDF: `---` starts a page, and no page breaks by itself."""
    parts = list(blocks(text))
    title = next(part.text for part in parts if isinstance(part, Heading))
    return _file(title, ["\n".join(page.operators) for page in _pages(parts)])


def _pages(parts: Iterable[Block]) -> Iterator[_Page]:
    page = _Page()
    for part in parts:
        if isinstance(part, PageBreak):
            yield page
            page = _Page()
        else:
            _draw(page, part)
    yield page


def _draw(page: _Page, part: Block) -> None:
    if isinstance(part, Heading):
        page.y -= 12
        page.show(part.text, _MARGIN, _SIZES[part.level], "F2")
        page.y -= _SIZES[part.level] + 4
    elif isinstance(part, Paragraph):
        _lines(page, part.text, _MARGIN)
        page.y -= 6
    elif isinstance(part, Bullet):
        page.show("•", _MARGIN, _BODY, "F1")
        _lines(page, part.text, _MARGIN + 12)
    elif isinstance(part, Table):
        _table(page, part.rows)


def _lines(page: _Page, text: str, x: float) -> None:
    for line in _wrapped(text, _WIDTH - _MARGIN - x):
        page.show(line, x, _BODY, "F1")
        page.y -= 14


def _table(page: _Page, rows: tuple[tuple[str, ...], ...]) -> None:
    step = (_WIDTH - 2 * _MARGIN) / len(rows[0])
    for number, row in enumerate(rows):
        for column, cell in enumerate(row):
            page.show(cell, _MARGIN + column * step, _BODY, "F1" if number else "F2")
        page.operators.append(f"0.5 w {_MARGIN} {page.y - 4:g} m {_WIDTH - _MARGIN} {page.y - 4:g} l S")
        page.y -= 16
    page.y -= 6


def _wrapped(text: str, width: float) -> Iterator[str]:
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if _measure(longer) > width and line:
            yield line
            line = word
        else:
            line = longer
    yield line


def _measure(text: str) -> float:
    return sum(_ADVANCES[ord(c) - 32] if " " <= c <= "~" else 556 for c in text) * _BODY / 1000


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")


def _file(title: str, contents: list[str]) -> bytes:
    kids = " ".join(f"{6 + 2 * n} 0 R" for n in range(len(contents)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R /Lang (en) >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        f"<< /Title ({_escaped(title)}) /Author (Brinewick Instruments) /CreationDate (D:20260209090000Z)"
        " /ModDate (D:20260209090000Z) >>",
    ]
    for number, content in enumerate(contents):
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {_WIDTH} {_HEIGHT}]"
            f" /Resources << /Font << /F1 3 0 R /F2 4 0 R >> >> /Contents {7 + 2 * number} 0 R >>"
        )
        # Windows-1252 has one byte a character, so a length in characters is one in bytes.
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    return _assembled(objects).encode("cp1252")


def _assembled(objects: list[str]) -> str:
    text = "%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(text))
        text += f"{number} 0 obj\n{body}\nendobj\n"
    entries = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 5 0 R >>\nstartxref\n{len(text)}\n%%EOF\n"
    return f"{text}xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{entries}{trailer}"
