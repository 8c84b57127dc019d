"""Implements `Source` and `Directory` over a Backlog space."""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.connecting.attachments import Attachments
from knowhub.connecting.selection import Selection
from knowhub.core.errors import AccessDenied, ConfigurationError, KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import Cursor, Fetched, Membership, Person, Principal, SourceName
from knowhub.http import SYSTEM_CLOCK, Clock, Refused
from knowhub.sources.backlog.api import Json, Project, Space, connect
from knowhub.sources.backlog.fetching import Fetching
from knowhub.sources.backlog.options import KINDS, BacklogOptions
from knowhub.sources.backlog.plan import Plan
from knowhub.sources.backlog.reading import Reader
from knowhub.sources.backlog.records import Records, full_member, joined
from knowhub.sources.backlog.state import Remaining, Shelves, State

_UNAUTHORISED = 401
_FULL_ROLES = (1, 2)
"""Administrator and Normal User: https://developer.nulab.com/docs/backlog/api/2/get-list-of-shared-files"""
_NEW_KEY = "Make a new key under Personal settings ▸ API and set `token`"


class BacklogSource:
    """A project is a container; who has joined it may read it."""

    def __init__(self, name: SourceName, options: BacklogOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        if unknown := set(options.kinds) - set(KINDS):
            raise ConfigurationError(
                f"sources.{name}.kinds: {', '.join(sorted(unknown))} is no kind of thing",
                cure=f"Use some of {', '.join(KINDS)}.",
            )
        self.name = name
        self._options = options
        self._clock = clock
        self._selection = Selection(options.include, options.exclude)
        self._space = Space(connect(options, clock))

    def check(self) -> list[str]:
        if not self._options.base_url.startswith(("https://", "http://")):
            return [
                f"{self.name}: base_url {self._options.base_url!r} is no address; set it to https://SPACE.backlog.com."
            ]
        try:
            self._space.myself()
            found = self._check_projects()
        except AccessDenied as error:
            return [f"{self.name}: the space refuses the token ({error.message}). {_NEW_KEY}."]
        except KnowhubError as error:
            return [f"{self.name}: {error}"]
        return found

    def _check_projects(self) -> list[str]:
        projects = self._space.projects()
        if not projects:
            return [f"{self.name}: the token's user has joined no project; add that user to the projects to be read."]
        chosen = [project for project in projects if self._takes(project)]
        if not chosen:
            return [f"{self.name}: include and exclude leave none of {len(projects)} projects; correct the patterns."]
        return [sentence for kind in self._options.chosen if (sentence := self._check_kind(kind, chosen[0]))]

    def _check_kind(self, kind: str, project: Project) -> str:
        space = self._space
        if not project.useful.get(kind, True):
            return ""
        try:
            match kind:
                case "issues":
                    space.count_issues(project.id, None)
                case "wikis":
                    space.count_wikis(project.id)
                case "documents":
                    space.newest("documents", [project.id])
                case "pull_requests":
                    space.repositories(project.id)
                case "files":
                    next(space.files_in(project.id, "/"), None)
        except Refused as error:
            what = kind.replace("_", " ")
            return (
                f"{self.name}: the token's user may not read {what} of {project.key} ({error.message});"
                f" give that user the role Normal User or Member, or name the other kinds in `kinds`."
            )
        except KnowhubError:
            return ""  # what is no matter of permissions shows in the sync, where it belongs to its project
        return ""

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        projects = self._space.projects()
        chosen = {project.id: project for project in projects if self._takes(project)}
        since = self._options.since_day(self._space.zone()) if self._options.since else None
        reader = Reader(
            source=self.name,
            space=self._space,
            records=Records(self.name, self._options, frozenset(project.key for project in projects)),
            files=Attachments(self._space.http, self.name, self._options.max_attachment_bytes),
            known=Remaining(known),
            shelves=Shelves(known),
            state=State.of(cursor),
            projects=chosen,
            since=since,
        )
        yield from Fetching(Plan(reader, self._options, self._clock.now())).run()

    def _takes(self, project: Project) -> bool:
        return self._selection.takes(project.key, project.name, str(project.id))

    # ── who may read what ────────────────────────────────────────────────────────────────────────────

    def people(self) -> Iterator[Person]:
        seen: set[Principal] = set()
        for project in self._space.projects():
            for user in self._members(project) if self._takes(project) else ():
                principal = self._principal(user)
                if principal not in seen:
                    seen.add(principal)
                    yield Person(principal, str(user.get("name") or ""), str(user.get("mailAddress") or ""))

    def memberships(self) -> Iterator[Membership]:
        """Those who have joined a project hold it. Administrators of the space do not see what they have not joined.

        Guests, and who may only view or add issues, are not shown all that is in it: others hold a second principal.
        """
        for project in self._space.projects():
            if self._takes(project):
                members = self._members(project)
                full = [user for user in members if user.get("roleType") in _FULL_ROLES]
                yield Membership(joined(self.name, project), frozenset(map(self._principal, members)))
                yield Membership(full_member(self.name, project), frozenset(map(self._principal, full)))

    def _members(self, project: Project) -> list[Json]:
        """With those who are in it as members of a team. Nobody where they cannot be listed."""
        try:
            return self._space.users(project.id)
        except Refused as error:
            if error.reply.status == _UNAUTHORISED:
                raise
            return []

    def _principal(self, user: Json) -> Principal:
        return Principal(f"{self.name}:user:{user['id']}")
