"""Backlog by Nulab: issues, wikis, documents, pull requests and files of a space's projects."""

from knowhub.sources.backlog.document import BacklogParser
from knowhub.sources.backlog.options import BacklogOptions
from knowhub.sources.backlog.source import BacklogSource

__all__ = ["BacklogOptions", "BacklogParser", "BacklogSource"]
