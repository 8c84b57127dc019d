"""What a git source is told, and what one fetch of it has in hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from knowhub.core.types import Acl, ContainerId, SourceName
from knowhub.formats.selection import Selection
from knowhub.sources.git.mirror import Head, Mirror

FILES = ContainerId("files")
COMMITS = ContainerId("commits")


@dataclass(frozen=True, slots=True)
class GitOptions:
    """`url` is a folder, a bundle file, or an address over https, ssh or file; `branch` "" is the default branch.

    `cache` is a folder for this source alone, which may be deleted between syncs. `since` leaves older commits out.
    `readers` are the principals that may read all of it; none: nobody. `url_base` is the repository's page (taken
    from `url` where that names a forge); `commit_url` and `file_url` are templates for forges that are unlike the
    known ones, with `{base}`, `{sha}`, `{branch}` and `{path}`.
    """

    url: str = field(repr=False)
    readers: tuple[str, ...]
    cache: Path
    branch: str = ""
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    since: datetime | None = None
    max_file_bytes: int = 5 * 1024 * 1024
    url_base: str = ""
    commit_url: str = ""
    file_url: str = ""
    timeout_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Scope:
    """One fetch of one head. `old_head` is the head of the last whole fetch, "" if there was none."""

    name: SourceName
    options: GitOptions
    mirror: Mirror
    head: Head
    acl: Acl
    selection: Selection
    old_head: str
