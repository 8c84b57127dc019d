"""EPUB: the chapters of its reading order, as Markdown."""

from __future__ import annotations

import posixpath
import zipfile
from typing import Any
from urllib.parse import unquote

from knowhub.core.errors import UnreadableContent
from knowhub.formats.archive import opened, xml
from knowhub.formats.charset import decode
from knowhub.formats.html import html_to_markdown
from knowhub.formats.markdown import headings, parse_date
from knowhub.formats.markdown_writer import plain_text
from knowhub.formats.parsed import Parsed

MAX_CHARS = 16_000_000
_CONTAINER = "META-INF/container.xml"


def parse_epub(data: bytes) -> Parsed:
    with opened(data) as archive:
        if "META-INF/encryption.xml" in archive.namelist() and "META-INF/rights.xml" in archive.namelist():
            raise UnreadableContent("encrypted")
        package = _package(archive)
        root = xml(archive, package)
        chapters = _chapters(archive, root, posixpath.dirname(package))
    text = "\n\n".join(chapters)
    metadata = {name: value for element in root.iter() if (named := _named(element)) for name, value in [named]}
    creator = metadata.get("creator", "")
    return Parsed(
        "markdown",
        text,
        metadata.get("title", ""),
        metadata.get("language", "")[:2].lower(),
        (creator,) if creator else (),
        parse_date(metadata.get("date", "")),
        None,
        headings(text),
    )


def _package(archive: zipfile.ZipFile) -> str:
    for element in xml(archive, _CONTAINER).iter("{*}rootfile"):
        return str(element.get("full-path"))
    raise UnreadableContent("incomplete: no package in the EPUB's container")


def _chapters(archive: zipfile.ZipFile, root: Any, folder: str) -> list[str]:
    files = {item.get("id"): item.get("href") or "" for item in root.iter("{*}item")}
    chapters, size = [], 0
    for reference in root.iter("{*}itemref"):
        name = posixpath.normpath(posixpath.join(folder, unquote(files.get(reference.get("idref"), ""))))
        if name not in archive.namelist():
            continue
        chapter = html_to_markdown(decode(archive.read(name)))
        size += len(chapter)
        if size > MAX_CHARS:
            raise UnreadableContent(f"more than {MAX_CHARS:,} characters of text")
        if chapter:
            chapters.append(chapter)
    return chapters


def _named(element: Any) -> tuple[str, str] | None:
    if not isinstance(element.tag, str) or not element.tag.startswith("{http://purl.org/dc/elements/1.1/}"):
        return None
    return element.tag.rpartition("}")[2], plain_text(element)
