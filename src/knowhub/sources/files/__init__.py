"""A folder tree on this machine."""

from knowhub.sources.files.document import FilesParser
from knowhub.sources.files.source import FilesOptions, FilesSource

__all__ = ["FilesOptions", "FilesParser", "FilesSource"]
