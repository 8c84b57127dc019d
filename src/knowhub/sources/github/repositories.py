"""Which repositories there are to read: those of organisations, those that are named, or all that one was let into."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from knowhub.connecting.selection import Selection
from knowhub.core.errors import ConfigurationError, NotFound
from knowhub.core.types import SourceName
from knowhub.http import Missing, Refused, Rejected, Reply
from knowhub.sources.github.api import Api, Json, must_stop, refusal
from knowhub.sources.github.options import GitHubOptions
from knowhub.sources.github.records import Repository

_HIDDEN = (
    "GitHub leaves out what is behind an organisation's single sign-on."
    " Authorise the token for it, in the list of your tokens"
)


@dataclass(slots=True)
class Found:
    """`missing` has what was named and cannot be listed, with a sentence: then nothing else counts as gone."""

    repositories: dict[int, Repository] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)


def find_repositories(api: Api, source: SourceName, options: GitHubOptions) -> Found:
    """Raises NotFound where there is nothing at all, Refused for bad credentials."""
    found = Found()
    selection = Selection(options.include, options.exclude)
    for name, path in _places(options).items():
        try:
            listed = _listed(api, path)
        except (Missing, Refused, Rejected) as error:
            if must_stop(error):
                raise
            found.missing[name] = _sentence(name, error)
            continue
        if any(_hides_some(reply) for reply in listed):
            found.missing[name] = f"{name}: {_HIDDEN}"
        for shown in _repositories(listed):
            repo = Repository(source, options, shown)
            if selection.takes(repo.name, str(shown.get("name", "")), str(repo.id)):
                found.repositories[repo.id] = repo
    if found.missing and not found.repositories:
        raise NotFound("; ".join(found.missing.values()))
    return found


def still_there(api: Api, options: GitHubOptions, name: str, id: str) -> bool:
    """Whether a repository that no list had is there all the same: one that is deleted while pages of a list are read
    moves another one to a page that was read before."""
    try:
        shown = api.get(f"repos/{name}").data
    except (Missing, Refused, Rejected) as error:
        if must_stop(error):
            raise
        return False
    full_name = str(shown.get("full_name", ""))
    owner = full_name.partition("/")[0].lower()
    named = {one.lower() for one in options.organizations}
    wanted = owner in named or full_name.lower() in {one.lower() for one in options.repositories}
    everything = not (options.organizations or options.repositories)
    chosen = Selection(options.include, options.exclude).takes(full_name, str(shown.get("name", "")), id)
    return str(shown.get("id")) == id and chosen and (wanted or everything)


def _places(options: GitHubOptions) -> dict[str, str]:
    """What was named ▸ where it is listed. Raises ConfigurationError where there is nothing to go by."""
    places = {name: f"orgs/{name}/repos" for name in options.organizations}
    places |= {name: f"repos/{name}" for name in options.repositories}
    if not places and options.token is None and not options.app_id:
        raise ConfigurationError(
            "there is neither a token nor a name to read",
            cure="Set token or app_id, or name organizations or repositories.",
        )
    everything = "user/repos" if options.token is not None else "installation/repositories"
    return places or {"everything": everything}


def _listed(api: Api, path: str) -> list[Reply]:
    if path.startswith("repos/"):
        return [api.get(path)]
    # By age: what is created meanwhile comes last, so that no page moves under our feet.
    order = {"sort": "created", "direction": "asc"} if path.startswith("orgs/") or path == "user/repos" else {}
    return list(api.pages(path, order))


def _repositories(replies: list[Reply]) -> Iterator[Json]:
    """One, a page of them, or a page in an object."""
    for reply in replies:
        data = reply.data
        if isinstance(data, dict):
            yield from data.get("repositories", (data,))
        else:
            yield from data


def _hides_some(reply: Reply) -> bool:
    """https://docs.github.com/en/rest/authentication/authenticating-to-the-rest-api, on single sign-on"""
    return reply.headers.get("x-github-sso", "").startswith("partial-results")


def _sentence(name: str, error: Exception) -> str:
    if isinstance(error, Missing):
        return f"{name} is not there for this token. Check the name, and that the token was given access to it"
    return f"{name}: {refusal(error)}"
