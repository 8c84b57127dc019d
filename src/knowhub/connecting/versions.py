"""Versions: equal exactly as long as nothing that a reader sees, and nobody who may read, has changed."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from typing import Any

from knowhub.core.ports import Known
from knowhub.core.types import Acl, RawRecord, Unchanged


def digest(*parts: Any) -> str:
    """16 hexadecimal digits of JSON values and ACLs, whatever the order of keys."""
    plain = [part.canonical() if isinstance(part, Acl) else part for part in parts]
    text = json.dumps(plain, sort_keys=True, ensure_ascii=True, default=str, separators=(",", ":"))
    return hashlib.sha256(text.encode("ascii")).hexdigest()[:16]


def compared(record: RawRecord, known: Known) -> RawRecord | Unchanged:
    """The record, or that the ledger has it already: the same version in the same place."""
    before = known.get(record.item)
    told = (record.version, record.container, record.location)
    if before and before.version and (before.version, before.container, before.location) == told:
        return Unchanged(record.container, record.item, record.version)
    return record


def due(last: str | None, every_hours: float, now: datetime) -> bool:
    """Whether what was last done at `last` (ISO 8601; None: never) is to be done again."""
    return last is None or now - datetime.fromisoformat(last) >= timedelta(hours=every_hours)
