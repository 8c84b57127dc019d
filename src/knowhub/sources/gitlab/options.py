"""What a GitLab source is told."""

from __future__ import annotations

from dataclasses import dataclass

from knowhub.connecting.options import ApiOptions
from knowhub.core.errors import ConfigurationError
from knowhub.core.secret import Secret

GITLAB_COM = "https://gitlab.com"
USUAL = ("issues", "merge_requests", "epics", "wikis", "releases", "snippets", "files")
KINDS = (*USUAL, "diffs", "commits")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitLabOptions(ApiOptions):
    """`token` is a personal, group or project access token with the scope `read_api`.

    `groups` (with all subgroups) and `projects` are full paths or numeric ids; neither: all projects that the token's
    owner is a member of. `kinds` are those of `KINDS`; empty: `USUAL`, and no complaint where there are no epics.
    `file_include` and `file_exclude` are lines as in a .gitignore at the root of each repository.
    """

    token: Secret
    groups: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    file_include: tuple[str, ...] = ()
    file_exclude: tuple[str, ...] = ()
    max_file_bytes: int = 5 * 2**20

    @property
    def site(self) -> str:
        return (self.base_url or GITLAB_COM).rstrip("/")

    @property
    def wanted(self) -> tuple[str, ...]:
        """The chosen kinds in the order in which they are read. Raises ConfigurationError for unknown ones."""
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigurationError(f"kinds: {kind!r} is nothing that GitLab has", cure=f"Use {', '.join(KINDS)}.")
        chosen = self.kinds or USUAL
        return tuple(kind for kind in KINDS if kind in chosen)
