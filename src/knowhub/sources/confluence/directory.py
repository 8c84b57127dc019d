"""Who holds a Confluence's principals: people, groups and those who may view each space."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator

from knowhub.core.errors import AccessDenied, NotFound
from knowhub.core.types import ANYONE, Membership, Person, SourceName
from knowhub.sources.confluence.permissions import group, person, principals, space
from knowhub.sources.confluence.wiki import Space, Wiki

log = logging.getLogger(__name__)


def people(source: SourceName, wiki: Wiki) -> Iterator[Person]:
    """All who are in a group, which every licensed account is."""
    seen = set[str]()
    for one in wiki.groups():
        for member in wiki.members(one):
            id = wiki.person_id(member)
            if id and id not in seen:
                seen.add(id)
                yield Person(person(source, id), member.get("displayName") or "", member.get("email") or "")


def memberships(source: SourceName, wiki: Wiki, spaces: Iterable[Space]) -> Iterator[Membership]:
    for one in wiki.groups():
        if id := wiki.group_id(one):
            members = {wiki.person_id(member) for member in wiki.members(one)}
            yield Membership(group(source, id), frozenset(person(source, id) for id in members if id))
    for one_space in spaces:
        try:
            grants = wiki.grants(one_space)
        except (AccessDenied, NotFound) as error:
            log.warning("a space's permissions cannot be read", extra={"space": one_space.key, "reason": error.message})
            continue
        holders = principals(source, grants.named)
        yield Membership(space(source, one_space.id), holders | {ANYONE} if grants.anonymous else holders)
