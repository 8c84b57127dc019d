"""The keys of a `slack` source."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from pathlib import Path

from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret

BASE_URL = "https://slack.com/api"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackOptions(ApiOptions):
    """`token` is that of an app which the workspace made for itself; `export` a ZIP that the first sync begins with.

    Every sync lists the last `hot_days` again, every `warm_hours` the last `warm_days` and the replies of threads
    that are talked in, every `census_hours` all messages, every `thread_census_hours` all replies too.
    """

    token: Secret
    export: Path | None = None
    include_dms: bool = False
    join_public: bool = False
    bot_messages: bool = True
    hot_days: int = 14
    warm_days: int = 90
    warm_hours: float = 24
    census_hours: float = 168
    thread_census_hours: float = 720
    people_hours: float = 24
    page_size: int = 999

    @property
    def since_s(self) -> int:
        """`since` in seconds, 0 without one; a date without a zone is UTC's, as the days of documents are."""
        if self.since is None:
            return 0
        return int((self.since if self.since.tzinfo else self.since.replace(tzinfo=UTC)).timestamp())
