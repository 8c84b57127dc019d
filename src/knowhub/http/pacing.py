"""How fast an API may be asked: a steady pace where a rate is configured, and pauses where its headers ask for them.

Header dialects: `Retry-After` (RFC 9110: seconds or a date), `X-RateLimit-Remaining/-Reset` (epoch seconds),
`X-RateLimit-Reset-After` (seconds), `RateLimit-Remaining/-Reset` (either). Epochs are read against the reply's own
`Date`, so that a clock that is wrong on one side makes nobody wait an hour or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from knowhub.http.clock import Clock

_SLACK = 1.01
"""At exactly the allowed rate some are refused, because the network delays one request more than the next."""
_EPOCH = 1e9


@dataclass(slots=True)
class Pace:
    """`per_minute` spaces all requests, `buckets` those of one class of an API; None: as fast as the API lets us."""

    clock: Clock
    per_minute: float | None = None
    buckets: Mapping[str, float] = field(default_factory=dict)
    _next: dict[str, datetime] = field(default_factory=dict, init=False)

    def wait(self, bucket: str = "") -> None:
        """Return when one more request may be sent."""
        for name in {"": None, bucket: None}:
            at, now = self._next.get(name), self.clock.now()
            if at and at > now:
                self.clock.sleep((at - now).total_seconds())
        for name, rate in (("", self.per_minute), (bucket, self.buckets.get(bucket))):
            if rate:
                self._next[name] = self.clock.now() + timedelta(seconds=60 / rate * _SLACK)

    def pause(self, seconds: float, bucket: str = "") -> None:
        """Send nothing more (of this bucket) for so long."""
        until = self.clock.now() + timedelta(seconds=seconds)
        self._next[bucket] = max(until, self._next.get(bucket, until))

    def observe(self, headers: Mapping[str, str], bucket: str = "") -> None:
        """Pause when the reply says that nothing remains."""
        if _remaining(headers) == "0" and (seconds := reset_s(headers, self.clock.now())):
            self.pause(seconds, bucket)


def _remaining(headers: Mapping[str, str]) -> str:
    return headers.get("x-ratelimit-remaining", headers.get("ratelimit-remaining", "")).strip()


def nothing_remains(headers: Mapping[str, str]) -> bool:
    """False for the refusals of a second limit, while the first, whose reset the headers name, has something left."""
    return _remaining(headers) in ("", "0")


def reset_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds until the limit is fresh again, by the rate-limit headers."""
    after = _number(headers.get("x-ratelimit-reset-after", ""))
    if after is not None:
        return max(0.0, after)
    reset = _number(headers.get("x-ratelimit-reset", headers.get("ratelimit-reset", "")))
    if reset is None:
        return None
    return max(0.0, reset - _server_time(headers, now).timestamp()) if reset > _EPOCH else max(0.0, reset)


def retry_after_s(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds to wait by `Retry-After`, whose two forms RFC 9110 (10.2.3) gives."""
    value = headers.get("retry-after", "").strip()
    seconds = _number(value)
    if seconds is not None:
        return max(0.0, seconds)
    at = _date(value)
    return max(0.0, (at - _server_time(headers, now)).total_seconds()) if at else None


def _server_time(headers: Mapping[str, str], now: datetime) -> datetime:
    return _date(headers.get("date", "")) or now


def _date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text) if text else None
    except ValueError:
        return None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
