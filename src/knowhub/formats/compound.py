"""OLE compound files, the container of Office before 2007, of Outlook's .msg and of encrypted Office files."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

from knowhub.core.errors import UnreadableContent

_FILEPASS = 0x002F


def compound_format(data: bytes) -> str:
    """`spreadsheet` or `msg`. Raises UnreadableContent for everything else that such a container can be."""
    import olefile  # type: ignore[import-untyped]  # olefile ships no types

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # olefile warns about flaws that it goes on to tolerate
            with olefile.OleFileIO(io.BytesIO(data)) as container:
                if _has_password(container):
                    raise UnreadableContent("encrypted")
                names = {"/".join(path).lower() for path in container.listdir(streams=True, storages=False)}
    except (OSError, ValueError, IndexError, TypeError) as error:
        # Damage that olefile refuses may be read by the spreadsheet reader, which has a parser of its own.
        if "w\0o\0r\0k\0b\0o\0o\0k".encode("latin-1") in data.lower():
            return "spreadsheet"
        raise UnreadableContent("broken OLE container") from error
    if "encryptedpackage" in names or "encryptioninfo" in names:
        raise UnreadableContent("encrypted")
    if names & {"workbook", "book"}:
        return "spreadsheet"
    if "__properties_version1.0" in names:
        return "msg"
    if "worddocument" in names:
        raise UnreadableContent("no reader for .doc files")
    if "powerpoint document" in names:
        raise UnreadableContent("no reader for .ppt files")
    raise UnreadableContent("no text in this kind of OLE container")


def _has_password(container: Any) -> bool:
    """Excel 97 to 2003: a FILEPASS record among a workbook's first ([MS-XLS] 2.4.117)."""
    for name in ("Workbook", "Book"):
        if container.exists(name):
            start = container.openstream(name).read(4096)
            at = 0
            while at + 4 <= len(start):
                record, length = struct.unpack_from("<HH", start, at)
                if record == _FILEPASS:
                    return True
                at += 4 + length
    return False
