"""GitLab, gitlab.com or self-managed: issues, merge requests, epics, wikis, releases, snippets, files, commits."""

from knowhub.sources.gitlab.document import GitLabParser
from knowhub.sources.gitlab.options import GitLabOptions
from knowhub.sources.gitlab.source import GitLabSource

__all__ = ["GitLabOptions", "GitLabParser", "GitLabSource"]
