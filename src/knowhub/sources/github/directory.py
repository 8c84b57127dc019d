"""Who may read what, as GitHub says it now: collaborators of a repository, members of organisations, everybody.

A repository's collaborators with `affiliation=all` are all who may read a private one: through teams, as owners, as
members whom the organisation lets read everything (https://docs.github.com/en/rest/collaborators/collaborators).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from knowhub.core.errors import TransientError
from knowhub.core.types import ANYONE, Membership, Person, Principal, SourceName
from knowhub.http import Missing, Refused, Rejected
from knowhub.sources.github.api import Api, Json, must_stop
from knowhub.sources.github.options import GitHubOptions
from knowhub.sources.github.records import Repository, principal
from knowhub.sources.github.repositories import find_repositories

log = logging.getLogger(__name__)

_AT_ONCE = 100
_PROFILES = """query($ids: [ID!]!) { nodes(ids: $ids) { ... on User { databaseId name email } } }"""
_PROFILES_IN = """query($ids: [ID!]!, $organization: String!) {
  nodes(ids: $ids) {
    ... on User { databaseId name email organizationVerifiedDomainEmails(login: $organization) }
  }
}"""


def people(api: Api, source: SourceName, options: GitHubOptions) -> Iterator[Person]:
    """Accounts that can read something, with the addresses that GitHub has verified and shows us."""
    repositories = find_repositories(api, source, options).repositories.values()
    organizations = sorted(_organizations(options, repositories))
    lists = [collaborators(api, repo) for repo in repositories if _is_closed(api, repo)]
    lists += [members(api, name) for name in organizations]
    accounts = list({one["id"]: one for found in lists for one in found or ()}.values())
    for start in range(0, len(accounts), _AT_ONCE):
        some = accounts[start : start + _AT_ONCE]
        profiles = _profiles(api, [str(one["node_id"]) for one in some if one.get("node_id")], organizations)
        for one in some:
            name, address = profiles.get(one["id"], ("", ""))
            yield Person(Principal(principal(source, "user", one["id"])), name or str(one["login"]), address)


def memberships(api: Api, source: SourceName, options: GitHubOptions) -> Iterator[Membership]:
    """Each repository's readers. One whose readers may not be listed is left out: nobody holds it."""
    by_organization: dict[str, list[Json] | None] = {}
    for repo in find_repositories(api, source, options).repositories.values():
        holders: frozenset[Principal] | None = frozenset((ANYONE,))
        if _is_closed(api, repo):
            found = collaborators(api, repo)
            if repo.public or repo.shown.get("visibility") == "internal":
                owner = str(repo.shown["owner"]["login"])
                if owner not in by_organization:
                    by_organization[owner] = members(api, owner)
                found = [*(found or ()), *(by_organization[owner] or ())]
            holders = None if found is None else frozenset(_persons(source, found))
        if holders is not None:
            yield Membership(Principal(principal(source, "repository", repo.id)), holders)


def collaborators(api: Api, repo: Repository) -> list[Json] | None:
    """None where the token may not list them."""
    try:
        found = api.list(f"{repo.path}/collaborators", {"affiliation": "all"})
    except (Missing, Refused, Rejected) as error:
        if must_stop(error):
            raise
        return None
    return [one for one in found if (one.get("permissions") or {"pull": True}).get("pull")]


def members(api: Api, organization: str) -> list[Json] | None:
    try:
        return api.list(f"orgs/{organization}/members")
    except (Missing, Refused, Rejected) as error:
        if must_stop(error):
            raise
        return None


def _profiles(api: Api, nodes: list[str], organizations: list[str]) -> dict[int, tuple[str, str]]:
    """Name and address by account; nothing where the token may not ask for them.

    An address in a domain that the organisation has verified comes first, then the one that a person made public,
    which has to be a verified one as well.
    """
    found: dict[int, tuple[str, str]] = {}
    for organization in organizations or [""]:
        query = _PROFILES_IN if organization else _PROFILES
        try:
            shown = api.query(query, {"ids": nodes, "organization": organization}, partial=True).get("nodes") or ()
        except (Refused, TransientError) as error:
            log.info("profiles are not shown", extra={"reason": str(error)})
            continue
        for one in filter(None, shown):
            verified = [*(one.get("organizationVerifiedDomainEmails") or ()), one.get("email") or ""]
            name, address = found.get(one.get("databaseId"), ("", ""))
            found[one.get("databaseId")] = (name or one.get("name") or "", address or verified[0])
    return found


def _is_closed(api: Api, repo: Repository) -> bool:
    """Not for everybody, or on a server that shows nothing to those who are not signed in."""
    return not (repo.public and api.shows_strangers(repo.path))


def _organizations(options: GitHubOptions, repositories: Iterable[Repository]) -> set[str]:
    owners = [repo.shown["owner"] for repo in repositories]
    return {str(one["login"]) for one in owners if one.get("type") == "Organization"} | set(options.organizations)


def _persons(source: SourceName, accounts: list[Json]) -> Iterator[Principal]:
    return (Principal(principal(source, "user", account["id"])) for account in accounts)
