"""A WordPress site ▸ one document a post, page, medium or item of any other post type, with its comments."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from knowhub.connecting.selection import Selection
from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import ANYONE, Cursor, Fetched, Membership, Person, Principal, SourceName
from knowhub.http import SYSTEM_CLOCK, Clock, Missing, Refused, Rejected
from knowhub.sources.wordpress.errors import code_of, plainly
from knowhub.sources.wordpress.options import WordPressOptions, faults
from knowhub.sources.wordpress.site import Site
from knowhub.sources.wordpress.sync import Sync

_LOST_HEADER = (
    "if the password is right, the web server drops the Authorization header; let it through (Apache: `CGIPassAuth On`)"
)


class WordPressSource:
    """Post types are containers. Implements `Source` and `Directory`."""

    def __init__(self, name: SourceName, options: WordPressOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._clock = clock

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        yield from Sync(self.name, Site(self._options, self._clock), self._clock, cursor, known).run()

    # ── check ────────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> list[str]:
        if wrong := faults(self._options):
            return [f"{self.name}: {sentence}" for sentence in wrong]
        site = Site(self._options, self._clock)
        try:
            site.connect()
            return [f"{self.name}: {sentence}" for sentence in [*self._user_faults(site), *self._type_faults(site)]]
        except KnowhubError as error:
            return [f"{self.name}: {error}"]

    def _user_faults(self, site: Site) -> list[str]:
        if not self._options.signed_in:
            return []
        try:
            me = site.get("/wp/v2/users/me", {"context": "edit", "_fields": "id,capabilities"}).data
        except (Refused, Missing, Rejected) as error:
            return [f"the credentials are not taken ({plainly(error)}); {_LOST_HEADER}."]
        can = me.get("capabilities") if isinstance(me, dict) else None
        if isinstance(can, dict) and not can.get("edit_others_posts"):
            return [
                "the user may not edit others' posts, so that drafts and private posts are missing; make it an Editor."
            ]
        return []

    def _type_faults(self, site: Site) -> list[str]:
        selection, found = Selection(self._options.include, self._options.exclude), []
        try:
            kinds = [kind for kind in site.types() if selection.takes(kind.slug, kind.name) and not kind.internal]
        except (Refused, Missing, Rejected) as error:
            return [f"the post types cannot be listed ({plainly(error)}); allow /wp/v2/types for reading."]
        if not kinds:
            found.append("no post type is chosen; correct include and exclude.")
        for kind in kinds:
            try:
                site.get(kind.route, {"per_page": 1, "_fields": "id"})
            except (Refused, Missing, Rejected) as error:
                found.append(f"{kind.name} cannot be read ({plainly(error)}); allow {kind.route} for reading.")
        return found

    # ── directory ────────────────────────────────────────────────────────────────────────────────────

    def people(self) -> Iterator[Person]:
        """Accounts that the site shows; their addresses only to who may edit users."""
        for one in self._users():
            yield Person(self._user(one), str(one.get("name") or one["id"]), str(one.get("email") or ""))

    def memberships(self) -> Iterator[Membership]:
        """`{source}:site` is everybody where strangers may read; `{source}:editors` who may edit what others write."""
        users = self._users()
        public = self._is_public()
        everybody = frozenset((ANYONE,)) if public else frozenset(self._user(one) for one in users)
        yield Membership(Principal(f"{self.name}:site"), everybody)
        editors = frozenset(self._user(one) for one in users if _edits(one))
        if editors:
            yield Membership(Principal(f"{self.name}:editors"), editors)

    def _user(self, one: dict[str, Any]) -> Principal:
        return Principal(f"{self.name}:user:{one['id']}")

    def _is_public(self) -> bool:
        site = Site(self._options, self._clock)
        site.connect()
        return site.admits_strangers()

    def _users(self) -> list[dict[str, Any]]:
        if not self._options.signed_in:
            return []
        site = Site(self._options, self._clock)
        site.connect()
        return _all_users(site)


def _all_users(site: Site) -> list[dict[str, Any]]:
    """With roles where we may list users, else those who published something."""
    fields = {"_fields": "id,name,email,roles,capabilities"}
    try:
        return [
            one
            for page in site.collection("/wp/v2/users", {**fields, "context": "edit"}).upwards()
            for one in page.items
        ]
    except (Refused, Rejected) as error:
        if code_of(error) not in ("rest_forbidden_context", "rest_user_cannot_view", "rest_cannot_view"):
            return []
    except Missing:
        return []
    try:
        return [one for page in site.collection("/wp/v2/users", fields).upwards() for one in page.items]
    except (Refused, Missing, Rejected):
        return []


def _edits(one: dict[str, Any]) -> bool:
    can = one.get("capabilities")
    if isinstance(can, dict):
        return bool(can.get("edit_others_posts"))
    return bool({"administrator", "editor"} & set(one.get("roles") or ()))
