"""Times as text that sorts as they do."""

from __future__ import annotations

from datetime import UTC, datetime


def stamp(at: datetime) -> str:
    """ISO 8601 in UTC, always to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def optional_stamp(at: datetime | None) -> str | None:
    return stamp(at) if at else None


def optional_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
