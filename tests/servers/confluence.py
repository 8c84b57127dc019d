"""Confluence, Cloud and Data Center, as their documents describe them, with the sides that users complain about.

    Confluence(clock, edition="cloud" | "data_center")

https://developer.atlassian.com/cloud/confluence/rest/v2/; its page tokens expire. REST v1 is in `confluence_v1`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from tests.servers.confluence_site import (
    BOT,
    EMAIL,
    TOKEN,
    BadRequest,
    Content,
    Group,
    Space,
    User,
    again,
    iso_z,
    listed,
    some,
)  # fmt: skip
from tests.servers.confluence_v1 import RestV1
from tests.servers.kit import Answer, Asked

__all__ = ["BOT", "EMAIL", "TOKEN", "Confluence", "Content", "Group", "Space", "User", "some"]

_STATUSES = {"current", "archived", "trashed", "deleted", "draft"}
_SORTS = {"id", "-id", "created-date", "-created-date", "modified-date", "-modified-date", "title", "-title", ""}
_BODIES = {"storage", "atlas_doc_format", ""}


class Confluence(RestV1):
    """Answers for one edition."""

    def answer(self, asked: Asked) -> Answer:
        return self.instead(asked) or self.genuine(asked)

    def genuine(self, asked: Asked) -> Answer:
        if self.refuse_with_403:
            self.refuse_with_403 -= 1
            return Answer({"message": "Rate limit exceeded"}, 403, {"Retry-After": "7"})
        viewer, known = self._viewer(asked)
        if not known:
            return Answer({"message": "Client must be authenticated to access this resource."}, 401)
        try:
            return self._route(asked, viewer) or _missing()
        except BadRequest as bad:
            return Answer({"statusCode": 400, "message": str(bad)}, 400)

    def _viewer(self, asked: Asked) -> tuple[str | None, bool]:
        given = asked.headers.get("authorization", "")
        if not given:
            return None, True
        pair = base64.b64encode(f"{EMAIL}:{TOKEN}".encode()).decode()
        return BOT, given in ({f"Basic {pair}", f"Bearer {TOKEN}"})

    def _route(self, asked: Asked, viewer: str | None) -> Answer | None:
        parts = [unquote(part) for part in asked.parts]
        if parts[:1] == ["media"]:
            return self._media(parts[1], asked)
        if parts[:2] == ["download", "attachments"] and self.edition != "cloud":
            return self._download(parts[2], asked, viewer)
        if self.edition == "cloud":
            match parts:
                case ["wiki", "api", "v2", *rest]:
                    return self._v2(rest, asked, viewer)
                case ["wiki", "rest", "api", *rest]:
                    return self._v1(rest, asked, viewer)
            return None
        if parts[:2] != ["rest", "api"]:
            return None
        return self._v1(parts[2:], asked, viewer) or self._v1_server(parts[2:], asked, viewer)

    # ── REST v2 ──────────────────────────────────────────────────────────────────────────────────────

    def _v2(self, parts: list[str], asked: Asked, viewer: str | None) -> Answer | None:
        match parts:
            case ["spaces"]:
                statuses = listed(asked, "status") or ["current", "archived"]
                spaces = [s for s in self.spaces.values() if s.status in statuses and self.space_open(viewer, s)]
                return self._v2_page(spaces, asked, self._v2_space)
            case ["spaces", id, *rest] if id in self.spaces and self.space_open(viewer, self.spaces[id]):
                return self._v2_in_space(self.spaces[id], rest, asked, viewer)
            case [("pages" | "blogposts") as kind]:
                return self._v2_contents(kind, asked, viewer, None)
            case [("pages" | "blogposts"), id, *rest] if rest and (content := self._visible(id, viewer)):
                return self._v2_parts(content, rest, asked) if self.live(content) else None
            case [("folders" | "whiteboards" | "databases" | "embeds") as kind, id]:
                content = self._visible(id, viewer)
                return Answer(self._v2_tree(content)) if content and f"{content.type}s" == kind else None
            case [("footer-comments" | "inline-comments") as kind, id, "children"] if self._visible(id, viewer):
                answers = [c for c in self.contents.values() if c.parent == id and _sort(c) == kind]
                return self._v2_page(answers, asked, lambda c: self._v2_comment(c, asked))
            case ["attachments", id]:
                file = self._visible(id, viewer)
                return Answer(self._v2_attachment(file)) if file and self.live(file) else None
            case ["users-bulk"] if asked.method == "POST" and viewer:
                return self._users_bulk(asked.json["accountIds"])
        return None

    def _users_bulk(self, ids: list[str]) -> Answer:
        if len(ids) > 250:
            raise BadRequest("accountIds must have 250 items at most")
        return Answer({"results": [self._user(id) for id in ids if id in self.users]})

    def _v2_in_space(self, space: Space, rest: list[str], asked: Asked, viewer: str | None) -> Answer | None:
        match rest:
            case []:
                return Answer(self._v2_space(space))
            case ["permissions"] if viewer:
                grants = [("user", id, "read") for id in sorted(space.users)]
                grants += [("group", id, "read") for id in sorted(space.groups)]
                return self._v2_page(_permissions([*grants, ("user", BOT, "administer")]), asked, lambda one: one)
            case [("pages" | "blogposts") as kind]:
                return self._v2_contents(kind, asked, viewer, space)
        return None

    def _v2_contents(self, kind: str, asked: Asked, viewer: str | None, space: Space | None) -> Answer:
        default = ["current", "archived"] if kind == "pages" else ["current"]
        statuses = set(listed(asked, "status") or default)
        if statuses - _STATUSES or asked.one("sort") not in _SORTS or asked.one("body-format") not in _BODIES:
            raise BadRequest("Provided value for a parameter is not supported")
        ids, spaces, title = listed(asked, "id"), listed(asked, "space-id"), asked.one("title")
        if len(ids) > 250:
            raise BadRequest("id: at most 250")
        found = [
            c for c in self.contents.values()
            if f"{c.type}s" == kind
            and c.status in statuses and (space is None or c.space == space.id) and (not ids or c.id in ids)
            and (not spaces or c.space in spaces) and (not title or c.title == title)
            and not c.hidden and self.sees(viewer, c)
        ]  # fmt: skip
        with_body = bool(asked.one("body-format"))
        answer = self._v2_page(sorted(found, key=lambda c: int(c.id)), asked, lambda c: self._v2_content(c, with_body))
        if with_body and any(one["id"] in self.undecodable for one in answer.data["results"]):
            return Answer({"message": "Internal server error"}, 500)
        return answer

    def _v2_parts(self, content: Content, rest: list[str], asked: Asked) -> Answer | None:
        inside = [c for c in self.contents.values() if c.container == content.id]
        match rest:
            case [("footer-comments" | "inline-comments") as kind]:
                found = [c for c in inside if c.type == "comment" and _sort(c) == kind and not c.parent]
                return self._v2_page(found, asked, lambda c: self._v2_comment(c, asked))
            case ["attachments"]:
                return self._v2_page([c for c in inside if c.type == "attachment"], asked, self._v2_attachment)
        return None

    def _v2_page(self, found: list[Any], asked: Asked, made: Callable[[Any], dict[str, Any]]) -> Answer:
        limit = asked.number("limit", 25)
        if not 1 <= limit <= 250:
            raise BadRequest("limit must be between 1 and 250")
        limit = min(limit, self.cap)
        after = self._position(asked)
        left = sorted((one for one in found if after is None or _rank(one) > after[0]), key=_rank)
        links: dict[str, str] = {"base": self.site}
        headers = {}
        if left[limit:]:
            query = again(asked, cursor=self._cursor([_rank(left[limit - 1])]))
            links["next"] = f"{asked.path}?{query}"
            headers["Link"] = f'<{asked.path}?{query}>; rel="next"'
        return Answer({"results": [made(one) for one in left[:limit]], "_links": links}, headers=headers)

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────────

    def _v2_space(self, s: Space) -> dict[str, Any]:
        return {"id": s.id, "key": s.key, "name": s.name, "type": s.type, "status": s.status,
                "_links": {"webui": f"/spaces/{s.key}"}}  # fmt: skip

    def _v2_version(self, c: Content) -> dict[str, Any]:
        return {
            "number": c.version,
            "createdAt": iso_z(c.modified),
            "authorId": c.author,
            "minorEdit": False,
            "message": "",
        }

    def _v2_content(self, c: Content, with_body: bool) -> dict[str, Any]:
        parent = self.contents.get(c.parent)
        out: dict[str, Any] = {
            "id": c.id, "status": c.status, "title": c.title, "spaceId": c.space, "authorId": c.author,
            "createdAt": iso_z(c.created), "version": self._v2_version(c), "body": {},
            "_links": {"webui": self._webui(c), "tinyui": f"/x/{c.id}"},
        }  # fmt: skip
        if c.type == "page":
            out |= {"parentId": c.parent or None, "parentType": parent.type if parent else None, "position": 1}
        if with_body:
            out["body"] = {"storage": {"value": c.body, "representation": "storage"}}
        return out

    def _v2_tree(self, c: Content) -> dict[str, Any]:
        parent = self.contents.get(c.parent)
        return {"id": c.id, "type": c.type, "status": c.status, "title": c.title, "spaceId": c.space,
                "parentId": c.parent or None, "parentType": parent.type if parent else None,
                "version": self._v2_version(c)}  # fmt: skip

    def _v2_comment(self, c: Content, asked: Asked) -> dict[str, Any]:
        out: dict[str, Any] = {
            "id": c.id, "status": c.status, "title": c.title, "pageId": c.container, "body": {},
            "parentCommentId": c.parent or None, "version": self._v2_version(c), "_links": {"webui": self._webui(c)},
        }  # fmt: skip
        if asked.one("body-format") == "storage":
            out["body"] = {"storage": {"value": c.body, "representation": "storage"}}
        if c.inline:
            out["resolutionStatus"] = "resolved" if c.resolved else "open"
            out["properties"] = {"inlineMarkerRef": f"ref-{c.id}", "inlineOriginalSelection": c.selection}
        return out

    def _v2_attachment(self, c: Content) -> dict[str, Any]:
        return {
            "id": c.id, "status": c.status, "title": c.title, "createdAt": iso_z(c.created), "pageId": c.container,
            "mediaType": "text/plain", "fileSize": len(c.data), "version": self._v2_version(c),
            "webuiLink": f"/pages/viewpageattachments.action?pageId={c.container}&preview=%2F{c.id}",
            "downloadLink": f"/download/attachments/{c.container}/{quote(c.title)}?version={c.version}&api=v2",
        }  # fmt: skip


def _sort(comment: Content) -> str:
    return "inline-comments" if comment.inline else "footer-comments"


def _rank(one: Any) -> int:
    return int(re.sub(r"\D", "", one["id"] if isinstance(one, dict) else one.id) or 0)


def _permissions(grants: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"id": str(n), "principal": {"type": type, "id": id}, "operation": {"key": key, "targetType": "space"}}
        for n, (type, id, key) in enumerate(grants)
    ]


def _missing() -> Answer:
    return Answer(
        {"statusCode": 404, "message": "No content found with id, or the calling user does not have permission"}, 404
    )
