"""Projects and groups: which are read, and what of them shapes each document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest
from knowhub.core.errors import KnowhubError
from knowhub.core.types import Acl, ContainerId, Principal, SourceName
from knowhub.http import Refused
from knowhub.sources.gitlab.api import Api, Json, ends_everything
from knowhub.sources.gitlab.options import GitLabOptions

_LEVELS = {
    "issues": "issues_access_level",
    "merge_requests": "merge_requests_access_level",
    "wikis": "wiki_access_level",
    "releases": "releases_access_level",
    "snippets": "snippets_access_level",
    "files": "repository_access_level",
    "commits": "repository_access_level",
    "diffs": "repository_access_level",
}
_SWITCHES = {
    "issues": "issues_enabled",
    "merge_requests": "merge_requests_enabled",
    "wikis": "wiki_enabled",
    "snippets": "snippets_enabled",
}


@dataclass(frozen=True, slots=True)
class Place:
    """A project, or a group for its epics. `vendor` is as the API gives it."""

    source: SourceName
    kind: str
    id: int
    path: str
    web_url: str
    vendor: Json = field(repr=False)

    @property
    def container(self) -> ContainerId:
        return ContainerId(f"{self.kind}:{self.id}")

    @property
    def api(self) -> str:
        return f"{self.kind}s/{self.id}"

    @property
    def branch(self) -> str:
        return str(self.vendor.get("default_branch") or "")

    @property
    def home(self) -> dict[str, str]:
        home = {"web_url": self.web_url, "path": self.path}
        return {**home, "branch": self.branch} if self.branch else home

    def principal(self, part: str = "") -> Principal:
        """`slack:project:42`, or who may read a part of it: `gitlab:project:42:issues`."""
        return Principal(f"{self.source}:{self.kind}:{self.id}{':' if part else ''}{part}")

    def level(self, kind: str) -> str:
        """`disabled`, `private` (members only), `enabled` or `public`; unknown is `private`."""
        if self.kind == "group":
            return "enabled"
        if self.vendor.get(_SWITCHES.get(kind, "")) is False:
            return "disabled"
        return str(self.vendor.get(_LEVELS[kind]) or "private")

    def acl(self, kind: str, *further: frozenset[Principal]) -> Acl:
        """Who sees the place, who sees this kind of thing in it, and one layer for each narrower restriction."""
        layers = [frozenset((self.principal(),))]
        if self.kind == "project":
            layers.append(frozenset((self.principal(FEATURES[kind]),)))
        return Acl((*layers, *further))

    def user(self, user: Any) -> frozenset[Principal]:
        id = user.get("id") if isinstance(user, dict) else None
        return frozenset((Principal(f"{self.source}:user:{id}"),)) if isinstance(id, int) else frozenset()

    @property
    def confidants(self) -> frozenset[Principal]:
        """Who reads what is confidential here by their role: https://docs.gitlab.com/user/permissions/."""
        return frozenset((self.principal("reporters"), self.principal("planners")))


FEATURES = {
    "issues": "issues",
    "merge_requests": "merge_requests",
    "wikis": "wiki",
    "releases": "releases",
    "snippets": "snippets",
    "files": "repository",
    "commits": "repository",
    "diffs": "repository",
}
"""Kinds of things ▸ the principal that holds those who see them."""


@dataclass(frozen=True, slots=True)
class Unlisted:
    """A configured group or project that cannot be read."""

    container: ContainerId
    name: str
    error: str


class Scope:
    """The places of a configuration, as they are now. `complete` once all listings were read to their end."""

    def __init__(self, name: SourceName, options: GitLabOptions, api: Api) -> None:
        self._name = name
        self._options = options
        self._api = api
        self._selection = Selection(options.include, options.exclude)
        self.unlisted: list[Unlisted] = []

    def places(self) -> list[Place]:
        """Each once, groups (where epics are wanted) after projects, in the order of ids."""
        self.unlisted = []
        found = {place.container: place for place in self._found() if self._chosen(place)}
        return sorted(found.values(), key=lambda place: (place.kind != "project", place.id))

    def still_there(self, container: ContainerId) -> Place | None:
        """A place that no listing named: None if it is gone, out of reach, or no longer among the chosen."""
        kind, _, id = container.partition(":")
        try:
            vendor = self._api.maybe(f"{kind}s/{id}") if id.isdigit() else None
        except Refused as error:
            self.unlisted.append(Unlisted(container, container, error.message))
            return None
        if not isinstance(vendor, dict):
            return None
        place = self._project(vendor) if kind == "project" else self._group(vendor)
        return place if self._chosen(place) and self._below(place) else None

    def _below(self, place: Place) -> bool:
        """Whether a listing should have named it: it moved while pages were read."""
        options = self._options
        if place.kind == "group" and "epics" not in options.wanted:
            return False
        names = {str(place.id), place.path}
        if names & set(options.projects if place.kind == "project" else options.groups):
            return True
        return any(place.path.startswith(f"{group.strip('/')}/") for group in options.groups)

    def _chosen(self, place: Place) -> bool:
        return self._selection.takes(place.path, str(place.id))

    def _found(self) -> Iterator[Place]:
        options = self._options
        for group in options.groups:
            yield from self._in_group(group)
        for project in options.projects:
            vendor = self._tried(f"projects/{_encoded(project)}", "project", project)
            yield from [self._project(vendor)] if vendor else []
        if not options.groups and not options.projects:
            asked = {"membership": True, "pagination": "keyset", "order_by": "id", "sort": "asc"}
            yield from map(self._project, self._api.listed("projects", asked))

    def _in_group(self, name: str) -> Iterator[Place]:
        path = f"groups/{_encoded(name)}"
        # The projects of a group are listed by themselves; here they would be cut off at 100.
        vendor = self._tried(path, "group", name, {"with_projects": False})
        if not vendor:
            return
        try:
            yield from self._below_group(vendor)
        except KnowhubError as error:
            if ends_everything(error):
                raise
            self.unlisted.append(Unlisted(ContainerId(f"group:{vendor['id']}"), name, error.message))

    def _below_group(self, vendor: Json) -> Iterator[Place]:
        asked = {"include_subgroups": True, "with_shared": False, "order_by": "id", "sort": "asc"}
        yield from map(self._project, self._api.listed(f"groups/{vendor['id']}/projects", asked))
        if "epics" in self._options.wanted:
            yield self._group(vendor)
            below = self._api.listed(f"groups/{vendor['id']}/descendant_groups", {"order_by": "id", "sort": "asc"})
            yield from map(self._group, below)

    def _tried(self, path: str, kind: str, name: str, params: Json | None = None) -> Json | None:
        try:
            found = self._api.get(path, params)
        except KnowhubError as error:
            if ends_everything(error):
                raise
            sentence = f"{error.message}; is the {kind} {name} spelt so, and may the token's owner read it?"
            self.unlisted.append(Unlisted(ContainerId(f"{kind}:{name}"), name, sentence))
            return None
        return found if isinstance(found, dict) else None

    def _project(self, vendor: Json) -> Place:
        path, url = str(vendor["path_with_namespace"]), str(vendor["web_url"])
        return Place(self._name, "project", int(vendor["id"]), path, url, vendor)

    def _group(self, vendor: Json) -> Place:
        return Place(self._name, "group", int(vendor["id"]), str(vendor["full_path"]), str(vendor["web_url"]), vendor)


def shape(place: Place, options: GitLabOptions) -> str:
    """Changes with whatever shapes every document of a place: then all of it is read again."""
    attached = options.max_attachment_bytes if options.attachments else None
    return digest(
        place.home, list(options.readers), str(options.since), attached, "diffs" in options.wanted, place.source
    )


def _encoded(name: str) -> str:
    return quote(name.strip("/"), safe="")
