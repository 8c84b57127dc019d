"""The keys that every source behind an API takes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from knowhub.core.types import Acl


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """`include` and `exclude` are shell patterns over containers' names and ids; no `include` is all.

    `readers`, where given, may read all of it in place of the source's own permissions. `census_hours` is how often
    all ids are listed to find what was deleted. `requests_per_minute` 0: as fast as the API's own limits allow.
    """

    base_url: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: datetime | None = None
    readers: tuple[str, ...] = ()
    attachments: bool = True
    max_attachment_bytes: int = 25 * 2**20
    census_hours: float = 24
    requests_per_minute: float = 0

    def __post_init__(self) -> None:
        """A day without a time zone begins in UTC."""
        if self.since and self.since.tzinfo is None:
            object.__setattr__(self, "since", self.since.replace(tzinfo=UTC))

    def acl(self, own: Acl) -> Acl:
        """`own`, the source's permissions, unless readers are named in their place."""
        return Acl.of(*self.readers) if self.readers else own
