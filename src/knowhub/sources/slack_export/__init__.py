"""Slack's own export: see `source`."""

from knowhub.sources.slack_export.source import SlackExportOptions, SlackExportSource, parse_slack_export

__all__ = ["SlackExportOptions", "SlackExportSource", "parse_slack_export"]
