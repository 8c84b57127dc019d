"""Discord, over REST with a bot token."""

from knowhub.sources.discord.options import DiscordOptions
from knowhub.sources.discord.source import DiscordParser, DiscordSource

__all__ = ["DiscordOptions", "DiscordParser", "DiscordSource"]
