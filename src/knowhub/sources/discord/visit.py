"""What the parts of one sync share, and why a channel may have to be left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from knowhub.connecting.attachments import Attachments
from knowhub.core.ports import Known
from knowhub.core.types import Checkpoint
from knowhub.formats.discord_conversation import snowflake_at
from knowhub.sources.discord.api import DiscordApi
from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.places import Place


class ContentWithheld(Exception):
    """Messages arrive without their text."""


class NothingReadable(Exception):
    """A channel that had messages shows none, and the bot's permissions have changed."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What one sync knows while it goes through the channels.

    `names` are those that all readers of the channel may know.
    """

    api: DiscordApi
    options: DiscordOptions
    attachments: Attachments
    known: Known
    names: dict[str, str]
    bot: str
    now: datetime
    reread: bool
    checkpoint: Callable[[], Checkpoint]
    still_readable: Callable[[Place], bool]

    @property
    def since(self) -> int:
        return snowflake_at(self.options.since) if self.options.since else 0

    @property
    def young(self) -> int:
        """The smallest id of a message that is read again for its edits."""
        return snowflake_at(self.now - timedelta(hours=self.options.reread_hours))
