"""GitHub and GitHub Enterprise Server: https://docs.github.com/en/rest and https://docs.github.com/en/graphql."""

from knowhub.sources.github.options import GitHubOptions
from knowhub.sources.github.parser import GitHubParser
from knowhub.sources.github.source import GitHubSource

__all__ = ["GitHubOptions", "GitHubParser", "GitHubSource"]
