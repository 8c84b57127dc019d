"""What is wrong with a connection, one sentence with its cure each."""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.core.types import SourceName
from knowhub.http import Missing, Refused, Rejected
from knowhub.sources.github.api import Api, must_stop, refusal
from knowhub.sources.github.directory import collaborators
from knowhub.sources.github.discussions import probe
from knowhub.sources.github.options import GitHubOptions
from knowhub.sources.github.records import Repository
from knowhub.sources.github.repositories import find_repositories

_LOOKED_AT = 5
_SCOPES = (
    ({"repo"}, "scope repo, so that private repositories are not read"),
    ({"read:org", "write:org", "admin:org"}, "scope read:org, so that nobody can be shown to be a member"),
    ({"user:email", "read:user", "user"}, "scope user:email, so that people are not recognised by their address"),
)


def check(api: Api, source: SourceName, options: GitHubOptions) -> list[str]:
    """Raises KnowhubError where nothing can be read at all."""
    found = find_repositories(api, source, options)
    problems = [f"{sentence}." for sentence in found.missing.values()]
    if not found.repositories:
        problems.append("there is no repository to read; check organizations, include and exclude.")
    if api.anonymous:
        problems.append("without a token GitHub allows 60 requests an hour; set token or app_id.")
    else:
        problems += _scopes(api)
    for repo in list(found.repositories.values())[:_LOOKED_AT]:
        problems += _of(api, repo, options)
    return [f"{source}: {problem}" for problem in problems]


def _scopes(api: Api) -> Iterator[str]:
    """What a classic token lacks. Only those have a list of scopes; others are refused where they lack something."""
    try:
        told = api.get("rate_limit").headers.get("x-oauth-scopes")
    except Missing:
        return  # Enterprise Server without limits
    held = {scope.strip() for scope in told.split(",")} if told is not None else None
    for any_of, lacks in _SCOPES if held is not None else ():
        if held is not None and not any_of & held:
            yield f"the token lacks the {lacks}; add it in the list of your tokens."


def _of(api: Api, repo: Repository, options: GitHubOptions) -> Iterator[str]:
    paths = ["issues?per_page=1", "pulls?per_page=1"]
    paths += [f"git/ref/heads/{repo.branch}"] if options.files or options.commits else []
    for path in paths:
        try:
            api.get(f"{repo.path}/{path}")
        except Refused as error:
            if must_stop(error):
                raise
            yield refusal(error)
        except (Missing, Rejected):
            pass  # no branch yet, or issues switched off
    if options.discussions and repo.shown.get("has_discussions") and not api.anonymous:
        try:
            probe(api, repo)
        except Refused as error:
            if must_stop(error):
                raise
            yield refusal(error)
    if not options.readers and repo.shown.get("private") and collaborators(api, repo) is None:
        yield (
            f"{repo.name}: the token may not list who may read it, so that nobody finds it here."
            " Let its owner write to the repository, use an App that may read members, or name readers."
        )
