"""Any WordPress site through its REST API: posts, pages, media, and every other post type that the site shows."""

from knowhub.sources.wordpress.document import WordPressParser, parse_wordpress
from knowhub.sources.wordpress.options import WordPressOptions
from knowhub.sources.wordpress.source import WordPressSource

__all__ = ["WordPressOptions", "WordPressParser", "WordPressSource", "parse_wordpress"]
