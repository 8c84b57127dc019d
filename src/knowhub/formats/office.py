"""DOCX (WordprocessingML) to Markdown: headings, lists, tables, links, notes, comments, formulas' text.

Tracked changes are read as accepted: insertions are there, deletions are not. Headers, footers and pictures are left
out. Element names follow ECMA-376 part 1, chapter 17.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.formats.archive import core_properties, opened, xml
from knowhub.formats.markdown import headings
from knowhub.formats.parsed import Parsed

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_STRICT_W = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
_R_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_SKIPPED = frozenset(
    ("del", "moveFrom", "Fallback", "instrText", "delText", "pPr", "rPr", "tblPr", "sectPr", "binData")
)
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_MATH_SIGNS = {"den": "/", "sup": "^", "sub": "_"}
_MAX_SPAN = 100


def parse_docx(data: bytes) -> Parsed:
    with opened(data) as archive:
        main = _main_part(archive)
        package = _Package.of(archive, main)
        properties = core_properties(archive)
        body = next(_children(_root(archive, main), "body"), None)
    writer = _Writer(package)
    text = "\n\n".join(block for block in [*([] if body is None else writer.blocks(body)), *writer.appendix()] if block)
    sections = headings(text)
    title = next((s.label for s in sections if s.level == 1), "") or properties.title
    return Parsed(
        "markdown", text, title, "", properties.authors, properties.created_at, properties.updated_at, sections
    )


@dataclass(frozen=True, slots=True)
class _Note:
    label: str
    element: Any


@dataclass(frozen=True, slots=True)
class _Package:
    """What the body refers to: heading levels by style, list kinds, link targets, notes."""

    levels: dict[str, int]
    list_styles: dict[str, tuple[str, int]]
    ordered: dict[tuple[str, int], bool]
    links: dict[str, str]
    notes: dict[tuple[str, str], _Note] = field(default_factory=dict)

    @classmethod
    def of(cls, archive: zipfile.ZipFile, main: str) -> _Package:
        folder = posixpath.dirname(main)
        parts = set(archive.namelist())

        def part(name: str) -> Any:
            path = posixpath.join(folder, name)
            return _root(archive, path) if path in parts else ()

        styles = {s.get(f"{_W}styleId") or "": s for s in _children(part("styles.xml"), "style")}
        links = {r.get("Id"): r.get("Target") or "" for r in part(f"_rels/{posixpath.basename(main)}.rels")}
        notes = {}
        for kind, singular in (("footnotes", "footnote"), ("endnotes", "endnote"), ("comments", "comment")):
            for note in _children(part(f"{kind}.xml"), singular):
                if note.get(f"{_W}type") not in ("separator", "continuationSeparator", "continuationNotice"):
                    notes[singular, note.get(f"{_W}id") or ""] = _Note(note.get(f"{_W}author") or "", note)
        return cls(
            {name: level for name in styles if (level := _heading_level(styles, name))},
            {name: listed for name in styles if (listed := _list_of(_child(styles[name], "pPr")))},
            _ordered(part("numbering.xml")),
            links,
            notes,
        )


class _Writer:
    def __init__(self, package: _Package) -> None:
        self._package = package
        self._used: list[tuple[str, str]] = []
        self._counters: dict[tuple[str, int], int] = {}

    def blocks(self, container: Any) -> list[str]:
        """Paragraphs, lists and tables of a body, a cell or a note."""
        out: list[str] = []
        listed = False
        for element in _block_elements(container):
            if _name(element) == "tbl":
                out.append(self._table(element))
                listed = False
                continue
            text, is_item = self._paragraph(element)
            if text and is_item and listed:
                out[-1] += f"\n{text}"
            elif text:
                out.append(text)
            listed = is_item if text else listed
            for box in element.iter(f"{_W}txbxContent"):
                if not any(_name(a) == "Fallback" for a in box.iterancestors()):
                    out.extend(self.blocks(box))
                    listed = False
        return out

    def appendix(self) -> Iterator[str]:
        """Footnotes, endnotes and comments in the order of their references."""
        for number, (kind, key) in enumerate(self._used, start=1):
            note = self._package.notes[kind, key]
            text = " ".join(self.blocks(note.element))
            yield f"[{number}] " + (f"Comment by {note.label}: " if kind == "comment" and note.label else "") + text

    def _paragraph(self, element: Any) -> tuple[str, bool]:
        text = self._inline(element).strip()
        if not text:
            return "", False
        properties = _child(element, "pPr")
        style = _value(properties, "pStyle")
        level = _outline(properties) or self._package.levels.get(style, 0)
        if level:
            return f"{'#' * min(level, 6)} {' '.join(text.split())}", False
        listed = _list_of(properties) or self._package.list_styles.get(style)
        if listed is None or listed[0] == "0":
            return text, False
        return self._item(text, *listed), True

    def _item(self, text: str, number: str, level: int) -> str:
        indent = "  " * level
        if not self._package.ordered.get((number, level), False):
            return f"{indent}- {text}"
        for key in [k for k in self._counters if k[0] == number and k[1] > level]:
            del self._counters[key]
        count = self._counters[number, level] = self._counters.get((number, level), 0) + 1
        return f"{indent}{count}. {text}"

    def _inline(self, element: Any) -> str:
        parts: list[str] = []
        for child in element:
            name = _name(child)
            if name == "t":
                parts.append(child.text or "")
            elif name in _SKIPPED or name == "txbxContent":
                continue
            elif name in ("tab", "ptab"):
                parts.append("\t")
            elif name in ("br", "cr"):
                parts.append("\n")
            elif name == "noBreakHyphen":
                parts.append("-")
            elif name == "hyperlink":
                parts.append(self._link(child))
            elif name in ("footnoteReference", "endnoteReference", "commentReference"):
                parts.append(self._reference(name.removesuffix("Reference"), child.get(f"{_W}id") or ""))
            elif name in _MATH_SIGNS and child.tag.startswith(_M):
                parts.append(_MATH_SIGNS[name] + self._inline(child))
            else:
                parts.append(self._inline(child))
        return "".join(parts)

    def _link(self, element: Any) -> str:
        text = self._inline(element)
        target = self._package.links.get(element.get(_R_ID) or "", "")
        return f"[{text}]({target})" if text.strip() and target and target != text else text

    def _reference(self, kind: str, key: str) -> str:
        if (kind, key) not in self._package.notes:
            return ""
        self._used.append((kind, key))
        return f"[{len(self._used)}]"

    def _table(self, table: Any) -> str:
        grid: list[list[str]] = []
        for row in _rows(table):
            line: list[str] = []
            for cell in (c for child in row for c in _unwrapped(child, "tc")):
                properties = _child(cell, "tcPr")
                merge = _child(properties, "vMerge")
                text = " ".join(" ".join(self.blocks(cell)).split()).replace("|", "\\|")
                if merge is not None and merge.get(f"{_W}val") != "restart" and grid and len(line) < len(grid[-1]):
                    text = grid[-1][len(line)]  # what spans rows is repeated in each
                span = _value(properties, "gridSpan")
                line.append(text)
                line.extend([""] * (min(int(span), _MAX_SPAN) - 1 if span.isdecimal() else 0))
            if any(line):
                grid.append(line)
        if not grid:
            return ""
        width = max(map(len, grid))
        if width == 1:
            return "\n\n".join(row[0] for row in grid)
        lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in grid]
        lines.insert(1, "|" + " --- |" * width)
        return "\n".join(lines)


# ── reading XML ──────────────────────────────────────────────────────────────────────────────────────


def _main_part(archive: zipfile.ZipFile) -> str:
    if "_rels/.rels" in archive.namelist():
        for relation in xml(archive, "_rels/.rels"):
            if (relation.get("Type") or "").endswith("/officeDocument"):
                return str(relation.get("Target") or "").lstrip("/")
    if "word/document.xml" in archive.namelist():
        return "word/document.xml"
    raise UnreadableContent("incomplete: no document in the package")


def _root(archive: zipfile.ZipFile, name: str) -> Any:
    from knowhub.formats.archive import parse_xml

    return parse_xml(archive.read(name).replace(_STRICT_W, _W[1:-1].encode()))


def _name(element: Any) -> str:
    return element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""


def _children(element: Any, name: str) -> Iterator[Any]:
    return (child for child in element if child.tag == _W + name)


def _child(element: Any, name: str) -> Any:
    return None if element is None else element.find(_W + name)


def _value(properties: Any, name: str) -> str:
    found = _child(properties, name)
    return "" if found is None else found.get(f"{_W}val") or ""


def _block_elements(container: Any) -> Iterator[Any]:
    """Paragraphs and tables, also those within content controls, custom XML and insertions."""
    for child in container:
        name = _name(child)
        if name in ("p", "tbl"):
            yield child
        elif name in ("sdt", "sdtContent", "customXml", "ins", "moveTo", "smartTag", "AlternateContent", "Choice"):
            yield from _block_elements(child)


def _rows(table: Any) -> Iterator[Any]:
    for child in table:
        yield from _unwrapped(child, "tr")


def _unwrapped(element: Any, wanted: str) -> Iterator[Any]:
    name = _name(element)
    if name == wanted:
        yield element
    elif name in ("sdt", "sdtContent", "customXml", "ins"):
        for child in element:
            yield from _unwrapped(child, wanted)


def _outline(properties: Any) -> int:
    value = _value(properties, "outlineLvl")
    return int(value) + 1 if value.isdecimal() and int(value) < 9 else 0


def _heading_level(styles: dict[str, Any], name: str) -> int:
    """By outline level, or by the style's English name, which Word keeps in every language; 0 if no heading."""
    for _ in range(20):
        style = styles.get(name)
        if style is None:
            return 0
        title = _value(style, "name").lower()
        if title == "title":
            return 1
        if title.startswith("heading ") and title[8:].isdecimal():
            return int(title[8:])
        if level := _outline(_child(style, "pPr")):
            return level
        name = _value(style, "basedOn")
    return 0


def _list_of(properties: Any) -> tuple[str, int] | None:
    """(numbering, depth) of a list's item."""
    numbering = _child(properties, "numPr")
    if numbering is None:
        return None
    depth = _value(numbering, "ilvl")
    return _value(numbering, "numId"), min(int(depth), 9) if depth.isdecimal() else 0


def _ordered(numbering: Any) -> dict[tuple[str, int], bool]:
    abstract = {
        (a.get(f"{_W}abstractNumId"), int(level.get(f"{_W}ilvl") or 0)): _value(level, "numFmt")
        not in ("bullet", "none")
        for a in _children(numbering, "abstractNum")
        for level in _children(a, "lvl")
    }
    of = {n.get(f"{_W}numId") or "": _value(n, "abstractNumId") for n in _children(numbering, "num")}
    return {(n, level): kind for n, a in of.items() for (key, level), kind in abstract.items() if key == a}
