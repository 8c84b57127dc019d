"""Confluence Cloud: REST v2 for spaces, contents, comments and files, v1 for CQL and restrictions.

https://developer.atlassian.com/cloud/confluence/rest/v2/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import parse_qs

from knowhub.connecting.options import ApiOptions
from knowhub.core.errors import AccessDenied, NotFound
from knowhub.http import Http
from knowhub.sources.confluence.wiki import (
    Content,
    Described,
    Grants,
    Json,
    Kind,
    Listing,
    Named,
    Space,
    Wiki,
    next_query,
)  # fmt: skip

_V2 = "wiki/api/v2"
_MANY = 250
_WITH_BODY = 50
_STATUSES = {"page": ["current", "archived"], "blogpost": ["current"]}
_PLACES = {"folder": "folders", "whiteboard": "whiteboards", "database": "databases", "embed": "embeds"}


class Cloud(Wiki):
    root = "wiki/rest/api"
    tree_types = ("whiteboard", "database", "embed", "folder")

    def __init__(self, http: Http, anonymous: Http, site: str) -> None:
        super().__init__(http, anonymous, site)
        self._parents: dict[str, tuple[str, str] | None] = {}
        self._names: dict[str, str] = {}

    @staticmethod
    def base_url(options: ApiOptions) -> str:
        return options.base_url.rstrip("/").removesuffix("/wiki")

    def spaces(self) -> Iterator[Space]:
        seen = set[str]()
        for status in ("current", "archived"):
            for raw in self.walk(f"{_V2}/spaces", {"status": status, "limit": _MANY}):
                if raw["id"] not in seen:
                    seen.add(raw["id"])
                    yield Space(str(raw["id"]), raw["key"], raw["name"], raw["type"] == "personal")

    def listing(self, space: Space, kind: Kind, token: str, *, bodies: bool) -> Listing:
        params = {
            "status": _STATUSES[kind],
            "sort": "id",
            "limit": _WITH_BODY if bodies else _MANY,
            "body-format": "storage" if bodies else None,
            "cursor": token or None,
        }
        reply = self.http.get(f"{_V2}/spaces/{space.id}/{kind}s", params)
        contents = tuple(self._content(kind, raw) for raw in reply.data["results"])
        return Listing(contents, parse_qs(next_query(reply)).get("cursor", [""])[0])

    def by_ids(self, kind: Kind, ids: Sequence[str]) -> list[Content]:
        found = []
        for start in range(0, len(ids), _WITH_BODY):
            part = ",".join(ids[start : start + _WITH_BODY])
            params = {"id": part, "status": _STATUSES[kind], "body-format": "storage", "limit": _WITH_BODY}
            found += [self._content(kind, raw) for raw in self.walk(f"{_V2}/{kind}s", params)]
        return found

    def titled(self, space: Space, title: str) -> Content | None:
        params = {"space-id": space.id, "title": title, "status": "current", "body-format": "storage"}
        found = (self._content("page", raw) for raw in self.walk(f"{_V2}/pages", params))
        return next((content for content in found if content.title == title), None)

    def describe(self, contents: Sequence[Content]) -> dict[str, Described]:
        return self.restrictions([content.id for content in contents])

    # ── the tree ─────────────────────────────────────────────────────────────────────────────────────

    def above(self, contents: Sequence[Content]) -> dict[str, tuple[str, ...] | None]:
        """By `parentId`, step by step: v1's `ancestors` leaves out what the user may not see."""
        for content in contents:
            self._parents[content.id] = (content.parent, content.parent_kind)
        self._learn_parents({c.parent for c in contents if c.parent and c.parent_kind in ("page", "")})
        return {content.id: self._way_up(content) for content in contents}

    def _learn_parents(self, wanted: set[str]) -> None:
        while wanted := wanted - self._parents.keys():
            params = {"id": ",".join(sorted(wanted)[:_MANY]), "status": _STATUSES["page"], "limit": _MANY}
            asked = set(sorted(wanted)[:_MANY])
            found = [self._content("page", raw) for raw in self.walk(f"{_V2}/pages", params)]
            self._parents |= dict.fromkeys(asked) | {c.id: (c.parent, c.parent_kind) for c in found}
            wanted |= {c.parent for c in found if c.parent and c.parent_kind in ("page", "")}

    def _way_up(self, content: Content) -> tuple[str, ...] | None:
        way: list[str] = []
        at: tuple[str, str] | None = (content.parent, content.parent_kind)
        while at and at[0]:
            id, kind = at
            if id in way:
                return None
            way.append(id)
            if id not in self._parents:
                self._parents[id] = self._parent_of(id, kind)
            at = self._parents[id]
        return None if at is None else tuple(way)

    def _parent_of(self, id: str, kind: str) -> tuple[str, str] | None:
        try:
            if kind in _PLACES:
                raw = self.http.get(f"{_V2}/{_PLACES[kind]}/{id}").data
                return str(raw.get("parentId") or ""), raw.get("parentType") or ""
        except (NotFound, AccessDenied):
            return None
        self._learn_parents({id})
        return self._parents[id]

    # ── what hangs on contents ───────────────────────────────────────────────────────────────────────

    def comments(self, content: Content) -> list[Json]:
        """Roots of both sorts, each followed by its answers."""
        found: list[Json] = []
        for sort in ("footer-comments", "inline-comments"):
            params = {"body-format": "storage", "limit": 100}
            for root in self.walk(f"{_V2}/{content.kind}s/{content.id}/{sort}", params):
                found += [root, *self._answers(sort, root["id"])]
        return list({comment["id"]: comment for comment in found}.values())

    def _answers(self, sort: str, id: str) -> Iterator[Json]:
        for answer in self.walk(f"{_V2}/{sort}/{id}/children", {"body-format": "storage", "limit": 100}):
            yield {"parentCommentId": id, **answer}
            yield from self._answers(sort, answer["id"])

    def attachments(self, content: Content) -> list[Json]:
        return list(self.walk(f"{_V2}/{content.kind}s/{content.id}/attachments", {"limit": _MANY}))

    def download_url(self, page: str, attachment: Json) -> str:
        """https://developer.atlassian.com/cloud/confluence/rest/v1/api-group-content---attachments/"""
        return f"{self.root}/content/{page}/child/attachment/{attachment['id']}/download"

    def attached_to(self, attachment: str) -> str:
        reply = self.http.get(f"{_V2}/attachments/{attachment}", allow=(404,))
        if reply.status == 404 or reply.data.get("status") != "current":
            return ""
        return str(reply.data.get("pageId") or reply.data.get("blogPostId") or "")

    # ── people ───────────────────────────────────────────────────────────────────────────────────────

    def names(self, people: Iterable[str]) -> dict[str, str]:
        wanted = sorted(set(people))
        unknown = [id for id in wanted if id not in self._names]
        for start in range(0, len(unknown), _MANY):
            part = unknown[start : start + _MANY]
            self._names |= dict.fromkeys(part, "")
            for user in self.http.post(f"{_V2}/users-bulk", json={"accountIds": part}).data["results"]:
                self._names[user["accountId"]] = user.get("displayName") or user.get("publicName") or ""
        return {id: self._names[id] for id in wanted if self._names[id]}

    def grants(self, space: Space) -> Grants:
        """Access classes (`role` principals) are left out: nobody can say here who is in them."""
        people, groups = set[str](), set[str]()
        for grant in self.walk(f"{_V2}/spaces/{space.id}/permissions", {"limit": _MANY}):
            if (grant["operation"]["key"], grant["operation"]["targetType"]) == ("read", "space"):
                among = {"user": people, "group": groups}.get(grant["principal"]["type"], set())
                among.add(str(grant["principal"]["id"]))
        return Grants(Named(frozenset(people), frozenset(groups)), self.open_to_all(f"{_V2}/spaces/{space.id}"))

    def members(self, group: Json) -> Iterator[Json]:
        return self.walk(f"{self.root}/group/{group['id']}/membersByGroupId", {"limit": 200})

    def person_id(self, person: Json) -> str:
        return str(person.get("accountId") or "")

    def group_id(self, group: Json) -> str:
        return str(group.get("id") or "")

    def _content(self, kind: Kind, raw: Json) -> Content:
        version = raw.get("version") or {}
        return Content(
            id=str(raw["id"]),
            kind=kind,
            space=str(raw["spaceId"]),
            title=raw.get("title") or "",
            status=raw.get("status") or "current",
            number=int(version.get("number") or 0),
            edited_at=version.get("createdAt") or "",
            parent=str(raw.get("parentId") or ""),
            parent_kind=raw.get("parentType") or "",
            raw=raw,
        )
