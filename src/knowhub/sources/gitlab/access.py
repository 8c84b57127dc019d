"""Who holds a GitLab source's principals: https://docs.gitlab.com/user/permissions/.

…:project:42            everybody (public), all who sign in (internal), members (private)
…:project:42:issues     those of them who see this part: `private` parts are for members, and the code and merge
                        requests of private projects (merge requests also where they are members only) from Reporter
…:project:42:members, :reporters (Reporter and above), :planners (Planner)
…:users                 all accounts that sign in, without external ones
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, TypeVar, cast

from knowhub.core.types import ANYONE, Membership, Person, Principal, SourceName
from knowhub.http import Missing, Refused, Rejected
from knowhub.sources.gitlab.api import Api, Json
from knowhub.sources.gitlab.options import GITLAB_COM, GitLabOptions
from knowhub.sources.gitlab.scope import FEATURES, Place, Scope

GUEST, PLANNER, REPORTER = 10, 15, 20
_GATED = frozenset(("repository", "merge_requests", "releases"))
"""Parts of private projects that Guests do not see. A release shows its tag, which is part of the repository."""


_FRESH = timedelta(minutes=1)
Answered = TypeVar("Answered")


class Access:
    """People and memberships are asked for one after the other: what both need is asked once."""

    def __init__(self, name: SourceName, options: GitLabOptions, scope: Scope, api: Api) -> None:
        self._name = name
        self._options = options
        self._scope = scope
        self._api = api
        self._answers: dict[str, tuple[datetime, Any]] = {}

    def people(self) -> Iterator[Person]:
        """Members of all places, and on a self-managed GitLab every account that may sign in."""
        met: dict[int, Json] = {}
        for place in self._places():
            met.update({member["id"]: member for member in self._members(place) or ()})
        met.update({user["id"]: {**met.get(user["id"], {}), **user} for user in self._users(external=True) or ()})
        for id, user in sorted(met.items()):
            told = str(user.get("public_email") or self._confirmed(user))
            yield Person(self._user(id), str(user.get("name") or user.get("username") or id), told)

    def memberships(self) -> Iterator[Membership]:
        users = self._users(external=False)
        if users is not None:
            yield self._held(self._users_principal, [user["id"] for user in users])
        for place in self._places():
            members = self._members(place)
            yield from self._roles(place, members or [])
            if members is not None or place.vendor.get("visibility") in ("public", "internal"):
                yield from self._visibility(place)

    # ── principals ───────────────────────────────────────────────────────────────────────────────────

    def _roles(self, place: Place, members: Iterable[Json]) -> Iterator[Membership]:
        levels = {member["id"]: int(member["access_level"]) for member in members}
        yield self._held(place.principal("members"), [id for id, level in levels.items() if level >= GUEST])
        yield self._held(place.principal("planners"), [id for id, level in levels.items() if level == PLANNER])
        yield self._held(place.principal("reporters"), [id for id, level in levels.items() if level >= REPORTER])

    def _visibility(self, place: Place) -> Iterator[Membership]:
        visibility = place.vendor.get("visibility")
        seen = {place.principal("members")}
        seen |= {ANYONE} if visibility == "public" else {self._users_principal} if visibility == "internal" else set()
        yield Membership(place.principal(), frozenset(seen))
        if place.kind == "project":
            for kind, feature in {feature: kind for kind, feature in FEATURES.items()}.items():
                yield Membership(place.principal(kind), frozenset(self._part(place, feature, kind)))

    def _part(self, place: Place, kind: str, feature: str) -> set[Principal]:
        level, private = place.level(kind), place.vendor.get("visibility") not in ("public", "internal")
        if level == "disabled":
            return set()
        if private:
            return {place.principal("reporters" if feature in _GATED else "members")}
        if level in ("enabled", "public"):
            return {place.principal()}
        return {place.principal("reporters" if feature == "merge_requests" else "members")}

    def _held(self, principal: Principal, ids: Iterable[int]) -> Membership:
        return Membership(principal, frozenset(map(self._user, ids)))

    def _user(self, id: int) -> Principal:
        return Principal(f"{self._name}:user:{id}")

    @property
    def _users_principal(self) -> Principal:
        return Principal(f"{self._name}:users")

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def _once(self, what: str, ask: Callable[[], Answered]) -> Answered:
        at, answer = self._answers.get(what, (None, None))
        now = self._api.clock.now()
        if at is None or now - at >= _FRESH:
            answer = ask()
            self._answers[what] = (now, answer)
        return cast("Answered", answer)

    def _places(self) -> list[Place]:
        return self._once("places", self._scope.places)

    def _members(self, place: Place) -> list[Json] | None:
        """Those with access now, inherited and invited ones too; None if they cannot be read."""
        return self._once(place.container, lambda: self._listed_members(place))

    def _listed_members(self, place: Place) -> list[Json] | None:
        try:
            found, _ = self._api.rows(f"{place.api}/members/all")
        except (Missing, Refused):
            return None
        today = self._api.clock.now().date()
        highest: dict[int, Json] = {}
        for member in found:
            if _counts(member, today) and _above(member, highest.get(member["id"])):
                highest[member["id"]] = member
        return list(highest.values())

    def _users(self, *, external: bool) -> list[Json] | None:
        """All accounts that sign in, where `internal` exists: not on gitlab.com."""
        if self._options.site == GITLAB_COM:
            return None
        asked = {"active": True, "exclude_external": None if external else True, "order_by": "id", "sort": "asc"}
        try:
            try:
                return self._api.listed("users", {**asked, "pagination": "keyset"})
            except Rejected:  # before GitLab 16.5 there is no keyset paging of accounts
                return self._api.listed("users", asked)
        except (Missing, Refused):
            return None

    @staticmethod
    def _confirmed(user: Json) -> str:
        """Administrators' tokens see the address that an account was confirmed with."""
        return str(user.get("email") or "") if user.get("confirmed_at") else ""


def _counts(member: Json, today: date) -> bool:
    if member.get("state") != "active" or member.get("membership_state", "active") != "active":
        return False
    expires = str(member.get("expires_at") or "")[:10]
    try:
        return not expires or date.fromisoformat(expires) > today
    except ValueError:
        return False


def _above(member: Json, other: Json | None) -> bool:
    return other is None or int(member["access_level"]) > int(other["access_level"])
