"""ZIP files that come out the same each time."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

MOMENT = (2026, 4, 20, 9, 0, 0)


def zipped(entries: Mapping[str, str]) -> bytes:
    """The entries as UTF-8 in the order given, all dated alike."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            entry = zipfile.ZipInfo(name, MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, text.encode("utf-8"))
    return buffer.getvalue()
