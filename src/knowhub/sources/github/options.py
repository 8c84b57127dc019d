"""The keys of a GitHub connection."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from knowhub.connecting.options import ApiOptions
from knowhub.core.secret import Secret

GITHUB_COM = "https://api.github.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubOptions(ApiOptions):
    """Credentials are a `token`, or `app_id` with `private_key`. `base_url` is the root of the REST API.

    `organizations` and `repositories` (`owner/name`) say where to look; neither: wherever the credentials may.
    `files` are shell patterns over paths on the default branch. `page_size` is for servers that cannot do 100.
    """

    base_url: str = GITHUB_COM
    token: Secret | None = None
    app_id: str = ""
    private_key: Secret | None = None
    installation_id: str = ""
    organizations: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    discussions: bool = True
    releases: bool = True
    files: tuple[str, ...] = ("*.md", "*.mdx", "*.rst", "*.adoc", "*.txt")
    commits: bool = False
    page_size: int = 100

    @property
    def web(self) -> str:
        """The site that people open, and that holds what they attach to issues."""
        parts = urlsplit(self.base_url)
        host = parts.netloc.removeprefix("api.") if parts.netloc.endswith(("github.com", ".ghe.com")) else parts.netloc
        return f"{parts.scheme}://{host}"

    @property
    def graphql(self) -> str:
        """`/graphql` beside the REST API, which Enterprise Server has under `/api/v3`."""
        base = self.base_url.rstrip("/")
        return f"{base.removesuffix('/v3')}/graphql" if base.endswith("/api/v3") else f"{base}/graphql"
