"""What a person can set for a Discord connection."""

from __future__ import annotations

from dataclasses import dataclass

from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscordOptions(ApiOptions):
    """`token` is a bot's token. `guilds` are ids or names of servers; none named: all that the bot is in.

    Discord tells nobody over REST what was edited: messages of the last `reread_hours` are read again every
    `reread_minutes` (0: at each sync), all others with the census. Archived threads, where nothing can be edited and
    deletions (but that of a post's first message) show in the listing, are read again every `archive_census_hours`.
    """

    token: Secret
    guilds: tuple[str, ...] = ()
    private_threads: bool = True
    reread_hours: float = 48
    reread_minutes: float = 60
    archive_census_hours: float = 168
