"""A git repository: the files of a branch, and its commits."""

from knowhub.sources.git.document import GitParser
from knowhub.sources.git.options import GitOptions
from knowhub.sources.git.source import GitSource

__all__ = ["GitOptions", "GitParser", "GitSource"]
