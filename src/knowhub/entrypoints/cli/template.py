"""The `knowhub.toml` that `knowhub init` writes."""

from __future__ import annotations

import re
from pathlib import Path

from knowhub.core.errors import ConfigurationError

FILE_NAME = "knowhub.toml"

_HEAD = """\
# knowhub: what to read, where to keep it, who may see it.
# Every key can be overridden by the environment: KNOWHUB_LAKE__KEEP_DAYS=30 sets lake.keep_days.
# Secrets are never written here, only where they are: "env:NAME", "file:PATH" or "aws-secret:ID#field".

[hub]
# data = ".knowhub"            # ledger, index, embedding cache and, by default, the lake

[lake]
# url = "s3://bucket/prefix"   # keep the originals in a bucket instead of a folder
# keep_days = 365              # drop superseded versions after a year; the newest of each item always stays

[access]
# readers = ["owner"]          # who may read sources that name no readers of their own
# me = ["owner"]               # who asks from this machine's command line
"""

_EXAMPLES = """
# A folder of documents: Markdown, PDF, Office, mail, spreadsheets, source code.
# [sources.handbook]
# type = "files"
# path = "~/Documents/handbook"
# exclude = ["drafts/"]

# A Git repository: its files and its commits.
# [sources.code]
# type = "git"
# url = "https://example.com/team/project.git"

# The ZIP that Slack's own export makes.
# [sources.chat]
# type = "slack_export"
# path = "slack-export.zip"
# workspace_url = "https://example.slack.com"

# Slack, GitLab, Backlog, Discord, Confluence, Jira, GitHub and WordPress are read through their APIs.
# `knowhub check` names a scope that is missing. Without readers, the source's own permissions hold.
# [sources.tickets]
# type = "jira"
# base_url = "https://example.atlassian.net"
# email = "you@example.com"
# token = "env:JIRA_TOKEN"
# readers = ["owner"]
"""


def write(folder: Path, places: list[Path]) -> Path:
    """Write the file, with a source for each place. Raises ConfigurationError if there is one already."""
    file = folder / FILE_NAME
    if file.exists():
        raise ConfigurationError(f"{file} is there already", cure="Edit it, or remove it first.")
    taken: set[str] = set()
    tables = "".join(_table(place, _name(place, taken), folder) for place in places)
    file.write_text(_HEAD + (tables or _EXAMPLES), encoding="utf-8")
    return file


def _name(place: Path, taken: set[str]) -> str:
    stem = place.resolve().name.removesuffix(".zip").removesuffix(".git")
    base = re.sub(r"[^a-z0-9_-]+", "-", stem.lower()).strip("-_")[:40] or "documents"
    name, number = base, 2
    while name in taken:
        name, number = f"{base}-{number}", number + 1
    taken.add(name)
    return name


def _table(place: Path, name: str, folder: Path) -> str:
    kind, key = _kind(place)
    resolved = place.expanduser().resolve()
    shown = resolved.relative_to(folder.resolve()) if resolved.is_relative_to(folder.resolve()) else resolved
    quoted = str(shown).replace("\\", "\\\\").replace('"', '\\"')
    return f'\n[sources.{name}]\ntype = "{kind}"\n{key} = "{quoted}"\n'


def _kind(place: Path) -> tuple[str, str]:
    resolved = place.expanduser()
    if not resolved.exists():
        raise ConfigurationError(f"{place} does not exist", cure="Name a folder, a repository or a Slack export ZIP.")
    if resolved.suffix == ".zip" or (resolved / "channels.json").is_file():
        return "slack_export", "path"
    if (resolved / ".git").exists() or (resolved / "HEAD").is_file() or resolved.suffix == ".bundle":
        return "git", "url"
    if resolved.is_dir():
        return "files", "path"
    raise ConfigurationError(f"{place} is a file", cure="Name the folder it is in.")
