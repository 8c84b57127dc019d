"""What every parser of bytes or vendor markup returns: Markdown text with the places in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from knowhub.core.types import DocumentKind, Section


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file's content as a document's text; `title` "" where the content names none."""

    kind: DocumentKind
    text: str
    title: str = ""
    language: str = ""
    authors: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None
    sections: tuple[Section, ...] = ()
