"""Slack's Web API: see `source`."""

from knowhub.sources.slack.options import SlackOptions
from knowhub.sources.slack.source import SlackParser, SlackSource

__all__ = ["SlackOptions", "SlackParser", "SlackSource"]
