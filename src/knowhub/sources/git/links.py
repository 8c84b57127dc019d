"""Where a person opens a commit or a file: templates for the forges that are known, or the project's own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from knowhub.core.errors import KnowhubError
from knowhub.sources.git.command import Remote
from knowhub.sources.git.options import GitOptions

_SCP = re.compile(r"(?:[^/@:]+@)?(?P<host>[^/:@]+\.[^/:@]+):(?P<path>[^:]+)")


@dataclass(frozen=True, slots=True)
class Links:
    """`commit` and `file` are templates; `diff_anchor` opens a commit's page at a path."""

    base: str
    commit: str
    file: str
    diff_anchor: Callable[[str], str]

    def commit_url(self, sha: str) -> str:
        return self.commit.format(base=self.base, sha=sha)

    def file_url(self, branch: str, path: str) -> str:
        return self.file.format(base=self.base, branch=quote(branch), path=quote(path), sha="")


def links_of(name: str, options: GitOptions) -> Links:
    """Of a forge; where there is none, ids that name the source: `git:{name}@{sha}`."""
    base = (options.url_base or _page(options.url)).rstrip("/")
    host = urlsplit(base).netloc.lower()
    anchor: Callable[[str], str]
    if not base:
        own = quote(name)
        commit, file, anchor = f"git:{own}@{{sha}}", f"git:{own}@{{branch}}/{{path}}", _no_anchor
    elif "gitlab" in host:
        commit, file, anchor = "{base}/-/commit/{sha}", "{base}/-/blob/{branch}/{path}", _gitlab_anchor
    elif "bitbucket" in host:
        commit, file, anchor = "{base}/commits/{sha}", "{base}/src/{branch}/{path}", _no_anchor
    elif re.search(r"gitea|forgejo|codeberg", host):
        commit, file, anchor = "{base}/commit/{sha}", "{base}/src/branch/{branch}/{path}", _no_anchor
    else:
        commit, file, anchor = "{base}/commit/{sha}", "{base}/blob/{branch}/{path}", _github_anchor
    return Links(base, options.commit_url or commit, options.file_url or file, anchor)


def _page(url: str) -> str:
    """The repository's page from where it is cloned from; "" if no page can be told."""
    if match := _SCP.fullmatch(url):
        return f"https://{match['host']}/{match['path'].strip('/').removesuffix('.git')}"
    if not re.match(r"(https?|ssh)://", url):
        return ""
    try:
        parts = urlsplit(Remote.of(url).address)
    except KnowhubError:
        return ""
    scheme, host = (parts.scheme, parts.netloc) if parts.scheme != "ssh" else ("https", parts.hostname or "")
    return f"{scheme}://{host}{parts.path.rstrip('/').removesuffix('.git')}"


def _github_anchor(path: str) -> str:
    return f"#diff-{hashlib.sha256(path.encode()).hexdigest()}"


def _gitlab_anchor(path: str) -> str:
    return f"#{hashlib.sha1(path.encode(), usedforsecurity=False).hexdigest()}"


def _no_anchor(_: str) -> str:
    return ""
