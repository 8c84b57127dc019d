"""Who sends a request, and what runs beside the server. All else that the API asks for are moves of `App`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from knowhub.core.ports import Scope
from knowhub.core.types import SourceName, Viewer

SURFACE = "rest"
"""How the audit trail names this way of reading."""


class Background(Protocol):
    """What runs beside the server."""

    def sync(self, source: SourceName) -> None:
        """Sync it next, whether it is paused or not. Raises NotFound."""
        ...

    def read_directories(self) -> None:
        """Read people and memberships of all sources next."""
        ...

    def next_sync_at(self, source: SourceName) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, resolved to what they hold now. `bucket` is whom limits are counted for."""

    viewer: Viewer
    name: str
    scopes: frozenset[Scope]
    how: str
    bucket: str
