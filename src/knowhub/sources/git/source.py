"""A git repository to records: the files of one branch, and the commits that led to it.

    remote ─▶ mirror ─▶ files whose blob is not the known one ─▶ records ─▶ census
                     ─▶ commits that are not known            ─▶ records ─▶ census

The tree and the history say what exists, the ledger what is known; the cursor only helps to follow renames.
So a cut first sync, a force push and another branch are all the same case. Ids are `file:{path first seen}` and
`commit:{sha}`.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from knowhub.core.errors import ConfigurationError, KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import Acl, Checkpoint, Cursor, Fetched, SourceName
from knowhub.formats.selection import Selection
from knowhub.sources.git.command import Remote
from knowhub.sources.git.commits import CommitsOfBranch
from knowhub.sources.git.files import FilesOfBranch
from knowhub.sources.git.mirror import Mirror
from knowhub.sources.git.options import COMMITS, GitOptions, Scope


class GitSource:
    """Files and commits of a repository, through a bare mirror. Needs git 2.29 or newer."""

    def __init__(self, name: SourceName, options: GitOptions) -> None:
        self.name = name
        self._options = options

    def check(self) -> list[str]:
        """Asks the remote for its branches."""
        wrong = [] if self._options.readers else [f"{self.name} has no readers: nobody will find anything in it"]
        if shutil.which("git") is None:
            return [*wrong, "the program git is not installed. Install git."]
        try:
            self._mirror().branch_of(self._options.branch)
        except KnowhubError as error:
            wrong.append(str(error))
        return wrong

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        """With a cursor, what is as the ledger knows it is not mentioned; without one it is Unchanged."""
        mirror, options = self._mirror(), self._options
        head = mirror.update(options.branch)
        scope = Scope(
            name=self.name,
            options=options,
            mirror=mirror,
            head=head,
            acl=Acl.of(*options.readers) if options.readers else Acl(),
            selection=Selection(options.include, options.exclude),
            old_head=str(cursor.get("head", "")) if cursor else "",
        )
        items = list(known.items())
        yield from FilesOfBranch(scope, (item for item in items if item.container != COMMITS)).fetch()
        yield from CommitsOfBranch(scope, (item for item in items if item.container == COMMITS)).fetch()
        yield Checkpoint({"head": head.sha, "branch": head.branch})

    def _mirror(self) -> Mirror:
        if self._options.branch.startswith("-"):
            raise ConfigurationError(f"{self._options.branch!r} is no name of a branch")
        remote = Remote.of(self._options.url)
        return Mirror(self._options.cache.expanduser().absolute(), remote, timeout_s=self._options.timeout_s)
