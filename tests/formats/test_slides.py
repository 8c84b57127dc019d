from __future__ import annotations

from typing import Any

from pptx.util import Inches

from knowhub.formats.slides import parse_pptx
from tests.formats.samples import slides


def test_each_slide_is_a_section_with_its_notes() -> None:
    parsed = parse_pptx(slides())
    assert parsed.text == "# Roadmap\n\nShip the hub\n\nNotes:\nMention the deadline"
    assert [(s.role, s.anchor, s.label) for s in parsed.sections] == [("page", "#slide=1", "slide 1: Roadmap")]
    assert parsed.title == "Roadmap"


def test_tables_and_untitled_slides_are_read() -> None:
    def build(deck: Any) -> None:
        deck.slides.add_slide(deck.slide_layouts[6])
        slide = deck.slides.add_slide(deck.slide_layouts[6])
        table = slide.shapes.add_table(2, 2, Inches(1), Inches(1), Inches(4), Inches(1)).table
        for i, text in enumerate(("Quarter", "Sales", "Q1", "7|8")):
            table.cell(i // 2, i % 2).text = text

    parsed = parse_pptx(slides(build))
    assert parsed.text == "# Slide 1\n\n# Slide 2\n\n| Quarter | Sales |\n| --- | --- |\n| Q1 | 7\\|8 |"
    assert [parsed.text[s.start :][:9] for s in parsed.sections] == ["# Slide 1", "# Slide 2"]
