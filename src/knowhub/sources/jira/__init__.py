"""Issues of Jira Cloud and Jira Data Center."""

from knowhub.sources.jira.options import JiraOptions
from knowhub.sources.jira.source import JiraParser, JiraSource

__all__ = ["JiraOptions", "JiraParser", "JiraSource"]
