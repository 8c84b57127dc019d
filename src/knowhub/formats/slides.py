"""PPTX: one section a slide, with its tables, groups, charts' titles and speaker's notes."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from typing import Any

from knowhub.core.types import Section
from knowhub.formats.archive import core_properties, opened, refuse_entities
from knowhub.formats.parsed import Parsed

_MAX_GROUP_DEPTH = 20


def parse_pptx(data: bytes) -> Parsed:
    """Slides in order, each a heading and its shapes from top to bottom; anchor `#slide=N`."""
    from pptx import Presentation

    with opened(data) as archive:
        refuse_entities(archive)
        properties = core_properties(archive)
    deck = Presentation(io.BytesIO(data))
    parts: list[str] = []
    sections: list[Section] = []
    at = 0
    for number, slide in enumerate(deck.slides, start=1):
        title, text = _slide(slide, number)
        sections.append(
            Section(at, at + len(text), "page", f"#slide={number}", f"slide {number}" + (f": {title}" if title else ""))
        )
        parts.append(text)
        at += len(text) + 2
    first_title = sections[0].label.partition(": ")[2] if sections else ""
    return Parsed(
        "markdown",
        "\n\n".join(parts),
        properties.title if properties.title.lower() not in _PLACEHOLDER_TITLES else first_title,
        "",
        properties.authors,
        properties.created_at,
        properties.updated_at,
        tuple(sections),
    )


_PLACEHOLDER_TITLES = ("", "powerpoint presentation", "presentation", "powerpoint プレゼンテーション")


def _slide(slide: Any, number: int) -> tuple[str, str]:
    title_shape = slide.shapes.title
    title = " ".join(title_shape.text_frame.text.split()) if title_shape is not None else ""
    blocks = [f"# {title}" if title else f"# Slide {number}"]
    shapes = [s for s in _flat(slide.shapes, 0) if title_shape is None or s.shape_id != title_shape.shape_id]
    shapes.sort(key=lambda shape: (shape.top or 0, shape.left or 0))
    blocks += [block for shape in shapes for block in _shape(shape)]
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None:
        notes = frame.text.strip()
        blocks += [f"Notes:\n{notes}"] if notes else []
    return title, "\n\n".join(block.replace("\v", "\n") for block in blocks)


def _flat(shapes: Any, depth: int) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes") and depth < _MAX_GROUP_DEPTH:
            yield from _flat(shape.shapes, depth + 1)
        else:
            yield shape


def _shape(shape: Any) -> Iterator[str]:
    if getattr(shape, "has_table", False):
        yield _table(shape.table)
    elif getattr(shape, "has_chart", False):
        yield from _chart(shape.chart)
    elif shape.has_text_frame:
        lines = [_paragraph(p) for p in shape.text_frame.paragraphs]
        if text := "\n".join(line for line in lines if line.strip()):
            yield text
    elif description := _description(shape):
        yield description


def _paragraph(paragraph: Any) -> str:
    text = "".join(_run(run) for run in paragraph.runs) or paragraph.text
    return f"{'  ' * paragraph.level}- {text.strip()}" if paragraph.level and text.strip() else text.strip()


def _run(run: Any) -> str:
    address = run.hyperlink.address
    return f"[{run.text}]({address})" if address and run.text.strip() and address != run.text else run.text


def _table(table: Any) -> str:
    rows = [[" ".join(cell.text.split()).replace("|", "\\|") for cell in row.cells] for row in table.rows]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    if lines:
        lines.insert(1, "|" + " --- |" * len(rows[0]))
    return "\n".join(lines)


def _chart(chart: Any) -> Iterator[str]:
    title = chart.chart_title.text_frame.text.strip() if chart.has_title and chart.chart_title.has_text_frame else ""
    lines = [f"Chart: {title}" if title else "Chart"]
    for plot in chart.plots:
        categories = [str(c) for c in itertools.islice(plot.categories, 1000)]
        for series in plot.series:
            pairs = itertools.zip_longest(categories, itertools.islice(series.values, 1000), fillvalue="")
            lines.append(f"{series.name}: " + ", ".join(f"{c} {v}".strip() for c, v in pairs if v not in (None, "")))
    yield "\n".join(lines)


def _description(shape: Any) -> str:
    """What a picture's author wrote about it for readers who do not see it."""
    try:
        return str(shape._element._nvXxPr.cNvPr.get("descr") or "").strip()
    except AttributeError:
        return ""
