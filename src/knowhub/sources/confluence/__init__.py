"""Confluence, Cloud and Data Center: pages, blog posts, their comments and attachments."""

from knowhub.sources.confluence.document import ConfluenceParser
from knowhub.sources.confluence.options import ConfluenceOptions
from knowhub.sources.confluence.source import ConfluenceSource

__all__ = ["ConfluenceOptions", "ConfluenceParser", "ConfluenceSource"]
