"""Plain text, with the title that a first line may be."""

from __future__ import annotations

from knowhub.formats.parsed import Parsed

PROSE = frozenset(("txt", "text", "log", "rst", "adoc", "asciidoc", "org", "tex", "srt", "vtt", "textile", "wiki"))
"""Extensions of text that people read as it is."""


def parse_text(text: str) -> Parsed:
    return Parsed("text", text, title=_underlined_title(text))


def _underlined_title(text: str) -> str:
    """The first line, if a second line underlines it, as reStructuredText and many a text file have it."""
    lines = text[:1000].lstrip("\n").split("\n", 2)
    if len(lines) < 2:
        return ""
    title, rule = lines[0].strip(), lines[1].strip()
    underlined = len(rule) >= 3 and len(set(rule)) == 1 and not rule[0].isalnum() and len(rule) + 2 >= len(title)
    return title if title and underlined else ""
