"""Markdown: its headings as sections, its front matter as properties.

The text itself is kept as it is, front matter included: who owns a page and which tags it has is knowledge too.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime

from knowhub.core.types import Section
from knowhub.formats.parsed import Parsed

# Begins with a literal newline, which the regular expression engine finds with memchr; every part is linear.
_CANDIDATE = re.compile(
    r"\n {0,3}(?=[#`~=\-<])(?:(?P<hashes>#{1,6})(?![^ \t\n])(?P<title>[^\n]*)"
    r"|(?P<fence>`{3,}(?=[^`\n]*(?:\n|\Z))|~{3,})(?P<info>[^\n]*)"
    r"|(?P<underline>=+|-+)[ \t]*(?=\n|\Z)"
    r"|(?P<comment><!--))"
)
_FRONT_MATTER = re.compile(r"\A(?P<rule>---|\+\+\+)[ \t]*\n(?P<body>(?:[^\n]*\n){0,200}?)(?P=rule)[ \t]*(?:\n|\Z)")
_PROPERTY = re.compile(r"^(?P<key>[A-Za-z_]+)[ \t]*[:=][ \t]*(?P<value>[^\n]*)$", re.MULTILINE)
_NO_PARAGRAPH = re.compile(
    r"[ \t]*$| {4}|\t| {0,3}(?:>|#{1,6}(?:[ \t]|$)|```|~~~|[-*+][ \t]|\d{1,9}[.)][ \t]|\||(?:[-*_][ \t]*){3,}$)"
)
_MARKED = re.compile(r"[\[*_`<\\]")
_LINK = re.compile(r"!?\[([^\[\]\n]*)\](?:\([^()\n]*\)|\[[^\[\]\n]*\])")
_EMPHASIS = re.compile(r"[*`]+|(?<![^\W_])_+|_+(?![^\W_])|<[^<>\n]*>|\\(?=[!-/:-@\[-`{-~])")
_SLUG_DROPS = re.compile(r"[^\w\- ]")
_TITLE_KEYS = ("title",)
_AUTHOR_KEYS = ("author", "authors")
_CREATED_KEYS = ("date", "created", "created_at")
_UPDATED_KEYS = ("updated", "lastmod", "last_updated", "updated_at", "last_reviewed_on", "modified")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """What a page says of itself before its text; `length` is the characters of the block, 0 if there is none."""

    length: int = 0
    title: str = ""
    authors: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


def parse_markdown(text: str) -> Parsed:
    """Markdown with `\\n` line ends. The title is the front matter's, else the first heading of level 1."""
    front = front_matter(text)
    sections = headings(text)
    title = front.title or next((s.label for s in sections if s.level == 1), "")
    return Parsed("markdown", text, title, "", front.authors, front.created_at, front.updated_at, sections)


def headings(text: str) -> tuple[Section, ...]:
    """Each heading, from its line to the next heading of the same or a lower level; `anchor` as GitHub makes it.

    ATX and setext headings of CommonMark 0.31; not within fences, front matter or comments that begin a line.
    """
    found = list(_found(text))
    slugs = Slugs()
    ends = _ends([level for _, level, _ in found], [start for start, _, _ in found], len(text))
    return tuple(
        Section(start, end, "heading", f"#{slugs.add(label)}", label, level=level)
        for (start, level, label), end in zip(found, ends, strict=True)
    )


def plain_label(title: str) -> str:
    """A heading's text as a reader sees it: links by their text, without emphasis, code ticks and tags."""
    if _MARKED.search(title) is None:
        return title.strip(" \t\u200b")
    return _EMPHASIS.sub("", _LINK.sub(r"\1", title)).strip(" \t\u200b")


class Slugs:
    """GitHub's anchors within one document: the second `usage` is `usage-1`."""

    def __init__(self) -> None:
        self._used: dict[str, int] = {}

    def add(self, label: str) -> str:
        first = slug = _slug(label)
        while slug in self._used:
            self._used[first] += 1
            slug = f"{first}-{self._used[first]}"
        self._used[slug] = 0
        return slug


def front_matter(text: str) -> FrontMatter:
    """YAML (`---`) or TOML (`+++`) front matter, of which single lines `key: value` are understood."""
    match = _FRONT_MATTER.match(text) if text.startswith(("---", "+++")) else None
    if match is None:
        return FrontMatter()
    properties = {m["key"].lower(): _scalar(m["value"]) for m in _PROPERTY.finditer(match["body"])}
    authors = _first(properties, _AUTHOR_KEYS).strip("[]").split(",")
    return FrontMatter(
        match.end(),
        _first(properties, _TITLE_KEYS),
        tuple(name for a in authors if (name := _scalar(a))),
        parse_date(_first(properties, _CREATED_KEYS)),
        parse_date(_first(properties, _UPDATED_KEYS)),
    )


def parse_date(value: str) -> datetime | None:
    """An ISO 8601 date or time as UTC (a time without a zone is taken as UTC); None for anything else."""
    value = value.strip()
    try:
        time = datetime.fromisoformat(value)
    except ValueError:
        try:
            day = date.fromisoformat(value[:10])
        except ValueError:
            return None
        time = datetime(day.year, day.month, day.day)
    try:
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except OverflowError:
        return None


# ── inside ───────────────────────────────────────────────────────────────────────────────────────────


def _found(text: str) -> list[tuple[int, int, str]]:
    """(start of line, level, label) of each heading in order."""
    found: list[tuple[int, int, str]] = []
    fence, resume = "", front_matter(text).length
    floor = resume  # no paragraph before an underline reaches over the last heading or fence
    for match in _CANDIDATE.finditer("\n" + text):
        start = match.start()  # the added newline makes the match's own newline sit where the line begins
        if start < resume:
            continue
        if match["fence"]:
            if not fence:
                fence = match["fence"]
            elif match["fence"].startswith(fence) and not match["info"].strip():
                fence = ""
            floor = match.end()
        elif fence:
            continue
        elif match["hashes"]:
            found.append((start, len(match["hashes"]), plain_label(_unclosed(match["title"]))))
            floor = match.end()
        elif match["comment"]:
            end = text.find("-->", start)
            resume = floor = len(text) if end < 0 else end
        elif (paragraph := _paragraph_before(text, start, floor)) is not None:
            level = 1 if match["underline"][0] == "=" else 2
            found.append((paragraph, level, plain_label(" ".join(text[paragraph:start].split()))))
            floor = match.end()
    return found


def _unclosed(title: str) -> str:
    """Without the closing hashes that may end a heading."""
    title = title.strip()
    bare = title.rstrip("#")
    return bare.rstrip() if not bare or bare[-1] in " \t" else title


def _paragraph_before(text: str, underline: int, floor: int) -> int | None:
    """Where the paragraph begins that ends just before an underline; None if there is none (a rule, a table)."""
    start: int | None = None
    line_end = underline - 1
    for _ in range(4):
        line = text.rfind("\n", 0, max(line_end, 0)) + 1
        if line_end < 0 or line < floor or line > line_end or _NO_PARAGRAPH.match(text, line, line_end):
            break
        start, line_end = line, line - 1
    return start


def _ends(levels: list[int], starts: list[int], length: int) -> list[int]:
    ends = [length] * len(levels)
    open_headings: list[int] = []
    for i, level in enumerate(levels):
        while open_headings and levels[open_headings[-1]] >= level:
            ends[open_headings.pop()] = starts[i]
        open_headings.append(i)
    return ends


def _slug(label: str) -> str:
    lowered = label.lower()
    if lowered.isascii():
        return _SLUG_DROPS.sub("", lowered).replace(" ", "-")
    # `\w` has no combining marks, which Hindi, Thai and decomposed letters need.
    kept = (c for c in lowered if c in "_- " or c.isalnum() or unicodedata.category(c)[0] == "M")
    return "".join(kept).replace(" ", "-")


def _scalar(value: str) -> str:
    value = value.strip()
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].strip()
    return value.split(" #")[0].strip()


def _first(properties: dict[str, str], keys: tuple[str, ...]) -> str:
    return next((properties[key] for key in keys if properties.get(key)), "")
