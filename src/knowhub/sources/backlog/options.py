"""What a person writes in knowhub.toml about a Backlog space."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret

KINDS = ("issues", "wikis", "documents", "pull_requests", "files")


@dataclass(frozen=True, slots=True, kw_only=True)
class BacklogOptions(ApiOptions):
    """`base_url` is the space: `https://acme.backlog.com`. `token` is an API key, or with `oauth` an access token.

    `kinds`: what is read (empty: all). `changes`: what a comment changed (status, assignee, …) is part of the text.
    `recheck_days`: Backlog does not tell of every edited or deleted comment, so at each census all comments of what
    changed in so many days are read again.
    """

    base_url: str
    token: Secret
    oauth: bool = False
    kinds: tuple[str, ...] = ()
    changes: bool = True
    recheck_days: int = 30

    @property
    def chosen(self) -> tuple[str, ...]:
        """The kinds of things to be read."""
        return tuple(kind for kind in KINDS if not self.kinds or kind in self.kinds)

    def since_day(self, zone: tzinfo) -> datetime | None:
        """The start of the day of `since` where the space is: Backlog filters by days alone."""
        if self.since is None:
            return None
        since = self.since if self.since.tzinfo else self.since.replace(tzinfo=UTC)
        return since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)
