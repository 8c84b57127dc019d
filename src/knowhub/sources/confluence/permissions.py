"""Who may read a page: who may view its space, and in it who passes every restriction from the page up to the root.

layers = [space] + [people and groups of each restricted one among the page and ALL that stands above it]

The nearest restriction does not replace those above it. What cannot be read admits nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from knowhub.core.types import Acl, Principal, SourceName
from knowhub.sources.confluence.wiki import Content, Described, Named, Restriction, Wiki


def person(source: SourceName, id: str) -> Principal:
    return Principal(f"{source}:user:{id}")


def group(source: SourceName, id: str) -> Principal:
    return Principal(f"{source}:group:{id}")


def space(source: SourceName, id: str) -> Principal:
    return Principal(f"{source}:space:{id}")


def principals(source: SourceName, named: Named) -> frozenset[Principal]:
    people = {person(source, id) for id in named.people if id}
    return frozenset(people | {group(source, id) for id in named.groups if id})


class Permissions:
    """Restrictions as they are during one sync. Ask `learn` about many contents before `acl` of each."""

    def __init__(self, source: SourceName, wiki: Wiki) -> None:
        self._source = source
        self._wiki = wiki
        self._restrictions: dict[str, Restriction] = {}
        self._above: dict[str, tuple[str, ...] | None] = {}

    def learn(self, contents: Sequence[Content]) -> dict[str, Described]:
        """What a few requests tell of all of them, fresh; above them, what this sync has not met yet."""
        described = self._wiki.describe(contents)
        self._restrictions |= {id: one.restriction for id, one in described.items()}
        self._above |= self._wiki.above(contents)
        above = {id for content in contents for id in self._above[content.id] or ()}
        self._learn_above(sorted(above - self._restrictions.keys()))
        return described

    def _learn_above(self, ids: Sequence[str]) -> None:
        if ids:
            self._restrictions |= {id: one.restriction for id, one in self._wiki.restrictions(ids).items()}

    def acl(self, content: Content) -> Acl:
        layers = [frozenset((space(self._source, content.space),))]
        way = self._above[content.id]
        layers += list(self._layers((content.id, *(way or ()))))
        if way is None:
            layers.append(frozenset())
        return Acl(tuple(dict.fromkeys(layers)))

    def _layers(self, ids: Iterable[str]) -> Iterable[frozenset[Principal]]:
        for id in ids:
            named = self._restrictions.get(id, Named())
            if named is not None:
                yield principals(self._source, named)
