"""Documents to chunk: made by hand, and drawn at random for the properties."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import strategies as st

from knowhub.core.types import Acl, ContainerId, Document, DocumentId, DocumentKind, Section, SourceName
from tests.chunking.sources import SOURCES

NOON = datetime(2024, 5, 6, 12, tzinfo=UTC)

ROLES: dict[DocumentKind, tuple[str, ...]] = {
    "text": ("page", "heading"),
    "markdown": ("heading",),
    "code": (),
    "conversation": ("message",),
    "issue": ("title", "body", "comment"),
    "table": ("sheet", "row"),
    "change": ("title", "body", "file"),
}


def make(kind: DocumentKind, text: str, *sections: Section, title: str = "Handbook", language: str = "") -> Document:
    return Document(
        DocumentId("files:a.md"),
        SourceName("files"),
        ContainerId("docs"),
        kind,
        title,
        text,
        "https://example.org/a",
        Acl.of("owner"),
        "1",
        1,
        language=language,
        sections=sections,
    )


def conversation(*messages: str, gap: timedelta = timedelta(minutes=1)) -> Document:
    """Messages of one speaker, `gap` apart, anchored `?ts=0`, `?ts=1`, …"""
    return joined("conversation", *(("message", f"Ann, {i}", f"?ts={i}", m) for i, m in enumerate(messages)), gap=gap)


def joined(
    kind: DocumentKind, *parts: tuple[str, str, str, str], gap: timedelta = timedelta(), title: str = "Handbook"
) -> Document:
    """A document of (role, label, anchor, text) parts, one below the other."""
    sections, at = [], 0
    for number, (role, label, anchor, text) in enumerate(parts):
        time = NOON + number * gap
        sections.append(Section(at, at + len(text), role, anchor, label, author=f"author {number}", time=time))
        at += len(text) + 1
    return make(kind, "\n".join(text for *_, text in parts), *sections, title=title)


def markdown(text: str, title: str = "Handbook") -> Document:
    """Headings found by their `#`, with the path as label and `#name` as anchor."""
    found: list[Section] = []
    stack: list[tuple[int, str]] = []
    at = 0
    for line in text.splitlines(keepends=True):
        if line.startswith("#"):
            level = len(line) - len(line.lstrip("#"))
            name = line[level:].strip()
            stack = [*((n, lab) for n, lab in stack if n < level), (level, name)]
            path = " › ".join(lab for _, lab in stack)
            found.append(Section(at, len(text), "heading", f"#{name.lower()}", path, level=level))
        at += len(line)
    ends = [next((b.start for b in found[i + 1 :] if b.level <= a.level), len(text)) for i, a in enumerate(found)]
    return make("markdown", text, *(replace(s, end=e) for s, e in zip(found, ends, strict=True)), title=title)


_WORDS = st.sampled_from(
    ["def f(x):\n", "class A {", "}\n", "# ", "```\n", "| a | b |\n", "\n\n", "@@ -1 +1 @@\n", " "]
)
_CHARACTERS = st.characters(codec="utf-8")
TEXTS = st.lists(
    st.one_of(
        st.text(_CHARACTERS, max_size=40),
        _WORDS,
        st.builds(
            str.__mul__, st.sampled_from(["x", "é ", "東京", "word ", "👩‍👩‍👧", "line\n", "\t"]), st.integers(1, 400)
        ),
    ),
    max_size=12,
).map("".join)
"""Unicode in bursts, with lines and words longer than a chunk among it."""

LANGUAGES = st.sampled_from([*SOURCES, "cobol"])


@st.composite
def sections(draw: st.DrawFn, length: int, roles: tuple[str, ...]) -> tuple[Section, ...]:
    if not roles:
        return ()
    cuts = sorted(draw(st.sets(st.integers(0, length), max_size=8)))
    found = []
    for number, (start, end) in enumerate(pairwise([*cuts, length])):
        time = draw(st.none() | st.integers(0, 100).map(lambda h: NOON + timedelta(hours=h)))
        role, level = draw(st.sampled_from(roles)), draw(st.integers(1, 3))
        found.append(Section(start, end, role, f"#{number}", f"part {number}", f"author {number}", time, level))
    return tuple(found)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    kind = draw(st.sampled_from(sorted(ROLES)))
    text = draw(TEXTS)
    title = draw(st.text(_CHARACTERS, max_size=300))
    document = make(kind, text, *draw(sections(len(text), ROLES[kind])), title=title, language=draw(LANGUAGES))
    return replace(document, state=draw(st.sampled_from(["", "open"])))
