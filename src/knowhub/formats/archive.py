"""ZIP containers of documents: opened with limits, their properties read."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.formats.markdown import parse_date

MAX_UNPACKED_BYTES = 512 * 1024 * 1024
MAX_ENTRIES = 20_000
_SUSPECT_BYTES = 50 * 1024 * 1024
_SUSPECT_RATIO = 100
_OOXML_CORE = "docProps/core.xml"


@dataclass(frozen=True, slots=True)
class Properties:
    """What an office document says of itself (Dublin Core)."""

    title: str = ""
    authors: tuple[str, ...] = ()
    created_at: datetime | None = None
    updated_at: datetime | None = None


@contextmanager
def opened(data: bytes) -> Iterator[zipfile.ZipFile]:
    """Raises UnreadableContent for what is no ZIP, is encrypted, or says that it unpacks to too much."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            _refuse_excess(archive)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise UnreadableContent("not a valid ZIP") from error
    except KeyError as error:
        raise UnreadableContent(f"incomplete: {str(error).strip(chr(34))[:120]}") from error


def xml(archive: zipfile.ZipFile, name: str) -> Any:
    """The root of an XML part. Entities are not expanded and nothing outside is loaded."""
    return parse_xml(archive.read(name))


def parse_xml(data: bytes) -> Any:
    from lxml import etree  # type: ignore[import-untyped]  # lxml ships no types

    if b"<!ENTITY" in data:
        raise UnreadableContent("XML that defines entities")
    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True))
    except etree.XMLSyntaxError as error:
        raise UnreadableContent("broken XML") from error


def refuse_entities(archive: zipfile.ZipFile) -> None:
    """Raises UnreadableContent if a part defines entities, before another library expands them."""
    for info in archive.infolist():
        if info.filename.endswith((".xml", ".rels")):
            with archive.open(info) as part:
                if b"<!ENTITY" in part.read(65_536):
                    raise UnreadableContent("XML that defines entities")


def core_properties(archive: zipfile.ZipFile) -> Properties:
    if _OOXML_CORE not in archive.namelist():
        return Properties()
    try:
        root = xml(archive, _OOXML_CORE)
    except UnreadableContent:
        return Properties()
    texts = {child.tag.rpartition("}")[2]: (child.text or "").strip() for child in root if isinstance(child.tag, str)}
    author = texts.get("creator", "")
    return Properties(
        texts.get("title", ""),
        (author,) if author else (),
        parse_date(texts.get("created", "")),
        parse_date(texts.get("modified", "")),
    )


def _refuse_excess(archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise UnreadableContent("encrypted")
    unpacked = sum(entry.file_size for entry in entries)
    # Office XML packs 10 to 20 to one; deflate reaches 1,000 only on what nobody wrote.
    bomb = any(e.file_size > max(_SUSPECT_BYTES, e.compress_size * _SUSPECT_RATIO) for e in entries)
    if bomb or unpacked > MAX_UNPACKED_BYTES or len(entries) > MAX_ENTRIES:
        raise UnreadableContent(f"unpacks to {unpacked:,} bytes in {len(entries):,} parts, more than allowed")
