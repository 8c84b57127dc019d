"""Who holds which of Jira's principals: accounts, groups, roles, security levels, and who may browse a project.

    {source}:project:{id}            ◀ holders of Browse Projects in its permission scheme
    {source}:project:{id}:agents     ◀ holders of the service desk agent permission
    {source}:project:{id}:level:{id} ◀ members of the security level
    {source}:project:{id}:role:{id}  ◀ actors of the role
    {source}:group:{id}              ◀ members of the group (Data Center: its name)
    {source}:users                   ◀ everybody with an account, but no customers of portals

Holders that are different for each issue (reporter, assignee, a custom field) are left out: they hold nothing here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from knowhub.core.errors import AccessDenied, PermanentError
from knowhub.core.types import ANYONE, Membership, Person, Principal, SourceName
from knowhub.sources.jira.api import JiraApi, Json, Project

_MANY = 1000
_BROWSE, _AGENT = "BROWSE_PROJECTS", "SERVICEDESK_AGENT"


@dataclass(slots=True)
class JiraDirectory:
    """Reads everything when asked; `projects` are those that were chosen."""

    source: SourceName
    api: JiraApi
    projects: Iterable[Project]
    _groups: set[str] = field(default_factory=set)
    _users: list[Json] | None = None

    def people(self) -> Iterator[Person]:
        for user in self._accounts():
            yield Person(self._user(user), str(user.get("displayName") or ""), str(user.get("emailAddress") or ""))

    def memberships(self) -> Iterator[Membership]:
        yield Membership(self._named("users"), frozenset(self._licensed()))
        for project in self.projects:
            yield from self._project(project)
        for group in sorted(self._groups | self._all_groups()):
            if (members := self._group(group)) is not None:
                yield Membership(self._named("group", group), members)

    # ── projects ─────────────────────────────────────────────────────────────────────────────────────

    def _project(self, project: Project) -> Iterator[Membership]:
        own = f"project:{project.id}"
        grants = self._grants(project)
        for permission, principal in ((_BROWSE, self._named(own)), (_AGENT, self._named(own, "agents"))):
            members = self._allowed(project, permission) if grants is None else grants.get(permission, frozenset())
            yield Membership(principal, members)
        for url in (self.api.may(f"project/{project.id}/role") or {}).values():
            role = str(url).rsplit("/", 1)[-1]
            if actors := self.api.may(f"project/{project.id}/role/{role}"):
                yield Membership(self._named(own, f"role:{role}"), frozenset(self._actors(actors)))
        yield from self._levels(project)

    def _grants(self, project: Project) -> Mapping[str, frozenset[Principal]] | None:
        """Permission ▸ holders, None where our account may not read the permission scheme."""
        scheme = self.api.may(
            f"project/{project.id}/permissionscheme", {"expand": "permissions,user,group,projectRole"}
        )
        if scheme is None:
            return None
        found: dict[str, frozenset[Principal]] = {}
        for grant in scheme.get("permissions") or ():
            permission = str(grant.get("permission"))
            found[permission] = found.get(permission, frozenset()) | self._holder(project, grant.get("holder") or {})
        return found

    def _allowed(self, project: Project, permission: str) -> frozenset[Principal]:
        """Without the scheme: whom the site names, of its first thousand users (the API looks no further)."""
        everybody = {} if self.api.cloud else {"username": "."}
        params = {"projectKey": project.key, "permissions": permission, "maxResults": _MANY, **everybody}
        if self.api.cloud:
            params["query"] = ""
        found = self.api.may("user/permission/search", params)
        return frozenset(self._user(user) for user in found or ())

    def _levels(self, project: Project) -> Iterator[Membership]:
        """Data Center does not tell who the members of a level are: nobody, then."""
        scheme = self.api.may(f"project/{project.id}/issuesecuritylevelscheme") if self.api.cloud else None
        if not scheme:
            return
        levels = {str(level["id"]): frozenset[Principal]() for level in scheme.get("levels") or ()}
        try:
            for member in self.api.values(f"issuesecurityschemes/{scheme['id']}/members"):
                level = str(member.get("issueSecurityLevelId"))
                levels[level] = levels.get(level, frozenset()) | self._holder(project, member.get("holder") or {})
        except PermanentError:
            return
        for level, members in levels.items():
            yield Membership(self._named(f"project:{project.id}", f"level:{level}"), members)

    # ── holders ──────────────────────────────────────────────────────────────────────────────────────

    def _holder(self, project: Project, holder: Json) -> frozenset[Principal]:
        """https://developer.atlassian.com/cloud/jira/platform/rest/v3/api-group-permission-schemes/#holder-object"""
        value = str(holder.get("value") or holder.get("parameter") or "")
        match holder.get("type"):
            case "anyone":
                return frozenset((ANYONE,))
            case "group" if value:
                return frozenset((self._in_group(value),))
            case "projectRole" if value:
                return frozenset((self._named(f"project:{project.id}", f"role:{value}"),))
            case "user":
                return self._one(holder.get("user") or {}, value)
            case "applicationRole":
                return self._application(value)
            case "projectLead":
                lead = (self.api.may(f"project/{project.id}") or {}).get("lead") or {}
                return self._one(lead, "")
        return frozenset()

    def _application(self, role: str) -> frozenset[Principal]:
        """Users of a product; without its name everybody who has an account."""
        if not role:
            return frozenset((self._named("users"),))
        found: set[Principal] = set()
        for one in self.api.may("applicationrole") or ():
            if one.get("key") == role:
                detailed = [str(group.get("groupId") or group.get("name")) for group in one.get("groupDetails") or ()]
                found |= {self._in_group(group) for group in detailed or map(str, one.get("groups") or ())}
        return frozenset(found)

    def _actors(self, role: Json) -> Iterator[Principal]:
        for actor in role.get("actors") or ():
            if str(actor.get("type")) == "atlassian-group-role-actor":
                group = actor.get("actorGroup") or {}
                yield self._in_group(str(group.get("groupId") or group.get("name") or actor.get("name")))
            else:
                yield from self._one(actor.get("actorUser") or {}, str(actor.get("name") or ""))

    def _all_groups(self) -> set[str]:
        """Comments may name any group, not only those that may browse a project."""
        if self.api.cloud:
            try:
                return {str(group["groupId"]) for group in self.api.values("group/bulk")}
            except PermanentError:
                return set()
        found = self.api.may("groups/picker", {"query": "", "maxResults": _MANY}) or {}
        return {str(group["name"]) for group in found.get("groups") or ()}

    def _in_group(self, group: str) -> Principal:
        self._groups.add(group)
        return self._named("group", group)

    def _group(self, group: str) -> frozenset[Principal] | None:
        """By id, as Cloud's schemes name it, or by name, as comments and Data Center do; None: not to be read."""
        for params in [{"groupId": group}, {"groupname": group}] if self.api.cloud else [{"groupname": group}]:
            try:
                return frozenset(self._user(user) for user in self.api.values("group/member", params))
            except AccessDenied:
                return None
            except PermanentError:
                continue
        return None

    # ── people ───────────────────────────────────────────────────────────────────────────────────────

    def _accounts(self) -> list[Json]:
        if self._users is None:
            path, params = ("users/search", {}) if self.api.cloud else ("user/search", {"username": "."})
            found = self.api.listed(path, params, size=_MANY)
            self._users = [user for user in found if user.get("active", True)]
        return self._users

    def _licensed(self) -> Iterator[Principal]:
        """Cloud lists with them the customers of portals, who can open no issue in Jira."""
        return (self._user(user) for user in self._accounts() if user.get("accountType") != "customer")

    def _one(self, user: Json, name: str) -> frozenset[Principal]:
        """A person as the API gives them, or by what Data Center calls them: a user's name or key."""
        if user.get("accountId") or user.get("key"):
            return frozenset((self._user(user),))
        if self.api.cloud:
            return frozenset((self._named("user", name),)) if name else frozenset()
        return frozenset(
            self._user(one) for one in self._accounts() if name and name in (one.get("name"), one.get("key"))
        )

    def _user(self, user: Mapping[str, Any]) -> Principal:
        return self._named("user", str(user.get("accountId") or user.get("key") or user.get("name")))

    def _named(self, kind: str, id: str = "") -> Principal:
        return Principal(":".join(filter(None, (self.source, kind, id))))
