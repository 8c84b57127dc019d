"""REST v1 of a simulated Confluence: all of Data Center, and of Cloud what v2 does not have.

https://developer.atlassian.com/server/confluence/ and https://developer.atlassian.com/cloud/confluence/rest/v1/.
Data Center cuts pages out of a list before it takes away what the asker may not see, so that they are short, or empty,
in the middle. Cloud's `_links.next` has lost `/wiki`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.servers.confluence_site import (
    BOT,
    BadRequest,
    ConfluenceSite,
    Content,
    Group,
    Space,
    again,
    expansions,
    iso,
)  # fmt: skip
from tests.servers.kit import Answer, Asked

_CQL_LIMITS = {"body": 50, "other": 200, "none": 1000}
"""https://confluence.atlassian.com/confkb/searching-for-content-with-the-rest-api-and-cql-always-limits-results-to-50-1032258424.html"""


class RestV1(ConfluenceSite):
    @property
    def site(self) -> str:
        return f"{self.url}/wiki" if self.edition == "cloud" else self.url

    def _v1(self, parts: list[str], asked: Asked, viewer: str | None) -> Answer | None:
        match parts:
            case ["content", "search"]:
                return self._search(asked, viewer)
            case ["content", id, "restriction", "byOperation", "read"]:
                content = self._visible(id, viewer)
                page = asked.number("start", 0), asked.number("limit", 100)
                return Answer(self._restriction(content, *page)) if content else None
            case ["content", _, "child", "attachment", id, "download"] if self.edition == "cloud":
                file = self._visible(id, viewer)
                if file and self.live(file):
                    return Answer(status=302, headers={"Location": f"{self.url}/media/{id}?token=signed-{id}&client=x"})
                return None
            case ["group"]:
                found = [{"type": "group", "name": g.name, "id": g.id} for g in self.groups.values()]
                return self._offset_page(found, asked, "/rest/api/group") if viewer else Answer(status=401)
            case ["group", id, "membersByGroupId"] if self.edition == "cloud" and id in self.groups:
                return self._members(self.groups[id], asked, viewer)
            case ["group", name, "member"] if self.edition != "cloud":
                group = next((g for g in self.groups.values() if g.name == name), None)
                return self._members(group, asked, viewer) if group else None
            case ["user", "current"]:
                return Answer(self._user(viewer) if viewer else {"type": "anonymous", "displayName": "Anonymous"})
            case ["user"]:
                id = asked.one("key") or asked.one("accountId")
                return Answer(self._user(id)) if id in self.users and viewer else None
        return None

    def _members(self, group: Group, asked: Asked, viewer: str | None) -> Answer:
        if not viewer:
            return Answer(status=401)
        return self._offset_page([self._user(id) for id in sorted(group.members)], asked, asked.path)

    def _user(self, id: str) -> dict[str, Any]:
        user = self.users[id]
        if self.edition == "cloud":
            return {"type": "known", "accountId": id, "accountType": "atlassian", "email": user.email,
                    "publicName": user.name, "displayName": user.name}  # fmt: skip
        return {"type": "known", "username": user.email.split("@")[0], "userKey": id, "displayName": user.name}

    def _search(self, asked: Asked, viewer: str | None) -> Answer:
        expand = expansions(asked)
        kind = "body" if any(e.startswith("body") for e in expand) else "other" if expand else "none"
        limit = min(asked.number("limit", 25), _CQL_LIMITS[kind], self.cap)
        found = self._matching(asked.one("cql"))
        if self.edition != "cloud":
            start = asked.number("start", 0)
            shown = [c for c in found[start : start + limit] if not c.hidden and self.sees(viewer, c)]
            links = (
                {"next": f"/rest/api/content/search?{again(asked, start=start + limit)}"}
                if found[start + limit :]
                else {}
            )
        else:
            after = self._position(asked)
            left = [c for c in found if not c.hidden and self.sees(viewer, c)]
            if after is not None:
                left = [c for c in left if self._order(asked, c) > tuple(after)]
            shown = left[:limit]
            links = {}
            if left[limit:]:
                cursor = self._cursor(list(self._order(asked, shown[-1])))
                links = {"next": f"/rest/api/content/search?next=true&{again(asked, cursor=cursor)}"}
        if kind == "body" and any(c.id in self.undecodable for c in shown):
            return Answer({"message": "com.atlassian.confluence.xhtml.api.XhtmlException"}, 500)
        return Answer({
            "results": [self._v1_content(c, expand) for c in shown], "start": asked.number("start", 0), "limit": limit,
            "size": len(shown), "totalSize": len(found), "cqlQuery": asked.one("cql"),
            "_links": {"base": self.site, "context": "/wiki" if self.edition == "cloud" else "", **links},
        })  # fmt: skip

    def _order(self, asked: Asked, content: Content) -> tuple[Any, ...]:
        by_time = "order by lastmodified" in asked.one("cql").lower()
        return (content.modified.timestamp() if by_time else 0, int(content.id.removeprefix("att")))

    # ── Data Center alone ────────────────────────────────────────────────────────────────────────────

    def _v1_server(self, parts: list[str], asked: Asked, viewer: str | None) -> Answer | None:
        match parts:
            case ["space"]:
                wanted = asked.one("status")
                found = [s for s in self.spaces.values() if not wanted or s.status == wanted]
                made = [(self._v1_space(s), s) for s in found]
                answer = self._offset_page(made, asked, "/rest/api/space", lambda one: self.space_open(viewer, one[1]))
                answer.data["results"] = [one for one, _ in answer.data["results"]]
                return answer
            case ["space", key, *rest]:
                return self._one_space(key, rest, viewer)
            case ["content"]:
                return self._content_list(asked, viewer)
            case ["content", id]:
                return self._one_content(id, asked, viewer)
            case ["content", id, "child", ("comment" | "attachment") as kind]:
                if self._visible(id, viewer) is None:
                    return None
                return self._children(id, kind, asked)
        return None

    def _one_space(self, key: str, rest: list[str], viewer: str | None) -> Answer | None:
        space = next((s for s in self.spaces.values() if s.key == key), None)
        if space is None or not self.space_open(viewer, space):
            return None
        if not rest:
            return Answer(self._v1_space(space))
        return Answer(self._server_permissions(space)) if rest == ["permissions"] and viewer else None

    def _one_content(self, id: str, asked: Asked, viewer: str | None) -> Answer | None:
        content = self._visible(id, viewer)
        if content is None or content.status not in asked.query.get("status", ["current"]) or not self.live(content):
            return None
        expand = expansions(asked)
        if id in self.undecodable and "body.storage" in expand:
            return Answer({"message": "XhtmlException"}, 500)
        return Answer(self._v1_content(content, expand))

    def _server_permissions(self, space: Space) -> list[dict[str, Any]]:
        operation = {"targetType": "space", "operationKey": "read"}
        subjects: list[dict[str, Any]] = [
            {"type": "group", "name": self.groups[g].name, "displayName": self.groups[g].name}
            for g in sorted(space.groups)
        ]
        subjects += [self._user(u) for u in sorted(space.users)]
        out = [
            {"operation": operation, "subject": s, "spaceKey": space.key, "spaceId": int(space.id)} for s in subjects
        ]
        admin = {
            "operation": {"targetType": "space", "operationKey": "administer"},
            "subject": self._user(BOT),
            "spaceKey": space.key,
            "spaceId": int(space.id),
        }
        return [*out, admin]

    def _content_list(self, asked: Asked, viewer: str | None) -> Answer:
        key, type, status = asked.one("spaceKey"), asked.one("type", "page"), asked.one("status", "current")
        if type not in ("page", "blogpost") or status not in ("current", "trashed", "any", "historical", "draft"):
            raise BadRequest("type or status is not supported")
        title = asked.one("title")
        found = [
            c for c in self.contents.values()
            if c.type == type and self.spaces[c.space].key == key and c.status == status and title in ("", c.title)
        ]  # fmt: skip
        expand = expansions(asked)
        answer = self._offset_page(found, asked, "/rest/api/content", lambda c: not c.hidden and self.sees(viewer, c))
        if "body.storage" in expand and any(c.id in self.undecodable for c in answer.data["results"]):
            return Answer({"message": "XhtmlException"}, 500)
        answer.data["results"] = [self._v1_content(c, expand) for c in answer.data["results"]]
        return answer

    def _children(self, id: str, kind: str, asked: Asked) -> Answer:
        wanted = set(asked.query.get("location", ["inline", "footer", "resolved"]))
        found = [c for c in self.contents.values() if c.container == id and c.type == kind]
        if kind == "comment":
            found = [c for c in found if _place(c) in wanted and (asked.one("depth") == "all" or not c.parent)]
        answer = self._offset_page(found, asked, f"/rest/api/content/{id}/child/{kind}")
        answer.data["results"] = [self._v1_content(c, expansions(asked)) for c in answer.data["results"]]
        return answer

    def _download(self, page: str, asked: Asked, viewer: str | None) -> Answer | None:
        name = asked.parts[3]
        found = (c for c in self.contents.values() if c.container == page and quote(c.title) == name)
        file = next((c for c in found if self.sees(viewer, c) and self.live(c)), None)
        return Answer(body=file.data, content_type="text/plain") if file else None

    def _media(self, id: str, asked: Asked) -> Answer | None:
        if asked.one("token") != f"signed-{id}":
            return Answer(status=403)
        return Answer(body=self.contents[id].data, content_type="text/plain") if id in self.contents else None

    # ── shapes ───────────────────────────────────────────────────────────────────────────────────────

    def _v1_content(self, c: Content, expand: set[str]) -> dict[str, Any]:
        out: dict[str, Any] = {"id": c.id, "type": c.type, "status": c.status, "title": c.title, "_expandable": {}}
        out["_links"] = {"webui": self._webui(c), "self": f"{self.site}/rest/api/content/{c.id}"}
        if c.type == "attachment":
            out["metadata"] = {"mediaType": "text/plain"}
            out["extensions"] = {"mediaType": "text/plain", "fileSize": len(c.data), "comment": ""}
            out["_links"]["download"] = (
                f"/download/attachments/{c.container}/{quote(c.title)}?version={c.version}&api=v2"
            )
        holder = self.contents.get(c.container)
        parts: dict[str, Callable[[], Any]] = {
            "version": lambda: {"number": c.version, "when": iso(c.modified, self.zone), "by": self._user(c.author)},
            "history": lambda: {"createdDate": iso(c.created, self.zone), "createdBy": self._user(c.author)},
            "space": lambda: self._v1_space(self.spaces[c.space]),
            "ancestors": lambda: [self._stub(a) for a in reversed(self.chain(c)[1:])] if not c.container
            else [self._stub(self.contents[c.parent])] if c.parent in self.contents else [],
            "container": lambda: self._stub(holder) if holder else self._v1_space(self.spaces[c.space]),
        }  # fmt: skip
        for name, made in parts.items():
            if name in expand:
                out[name] = made()
            else:
                out["_expandable"][name] = ""
        if "body.storage" in expand:
            out["body"] = {"storage": {"value": c.body, "representation": "storage"}}
        if "restrictions.read.restrictions.user" in expand and "restrictions.read.restrictions.group" in expand:
            out["restrictions"] = {"read": self._restriction(c, 0, 2)}
        for kind in ("comment", "attachment"):
            if f"childTypes.{kind}" in expand:
                has = any(o.container == c.id and o.type == kind for o in self.contents.values())
                out.setdefault("childTypes", {})[kind] = {"value": has}
        if c.type == "comment":
            out["extensions"] = self._of_comment(c, expand)
        return out

    def _of_comment(self, c: Content, expand: set[str]) -> dict[str, Any]:
        out: dict[str, Any] = {"location": "inline" if c.inline else "footer"}
        if "extensions.resolution" in expand and c.inline:
            out["resolution"] = {"status": "resolved" if c.resolved else "open"}
        if "extensions.inlineProperties" in expand and c.inline:
            out["inlineProperties"] = {"originalSelection": c.selection, "markerRef": f"ref-{c.id}"}
        return out

    def _stub(self, c: Content) -> dict[str, Any]:
        return {"id": c.id, "type": c.type, "status": c.status, "title": c.title}

    def _webui(self, c: Content) -> str:
        key = self.spaces[c.space].key
        if self.edition == "cloud":
            page = c.container or c.id
            base = f"/spaces/{key}/{'blog/2026/01/01' if c.type == 'blogpost' else 'pages'}/{page}/{quote(c.title)}"
            return f"{base}?focusedCommentId={c.id}" if c.type == "comment" else base
        return f"/pages/viewpage.action?pageId={c.container or c.id}" + (
            f"&focusedCommentId={c.id}" if c.container else ""
        )

    def _restriction(self, c: Content, start: int, limit: int) -> dict[str, Any]:
        users = [self._user(id) for id in sorted(c.users)]
        groups = [{"type": "group", "name": self.groups[g].name, "id": g} for g in sorted(c.groups)]
        if self.edition != "cloud":
            groups = [{"type": "group", "name": one["name"]} for one in groups]
        kinds = {"user": users[start : start + limit], "group": groups[start : start + limit]}
        cut = {k: {"results": found, "start": start, "limit": limit, "size": len(found)} for k, found in kinds.items()}
        return {"operation": "read", "restrictions": cut, "_links": {}}

    def _v1_space(self, s: Space) -> dict[str, Any]:
        return {"id": int(s.id), "key": s.key, "name": s.name, "type": s.type, "status": s.status,
                "_links": {"webui": f"/display/{s.key}"}}  # fmt: skip

    def _offset_page(self, found: list[Any], asked: Asked, path: str, shown: Callable[[Any], bool] = bool) -> Answer:
        start, limit = asked.number("start", 0), min(asked.number("limit", 25), self.cap)
        page = [one for one in found[start : start + limit] if shown(one)]
        links = {"next": f"{path}?{again(asked, start=start + limit)}"} if found[start + limit :] else {}
        links |= {"base": self.site, "context": "/wiki" if self.edition == "cloud" else ""}
        return Answer({"results": page, "start": start, "limit": limit, "size": len(page), "_links": links})


def _place(comment: Content) -> str:
    """As the parameter `location` of Data Center names it."""
    if not comment.inline:
        return "footer"
    return "resolved" if comment.resolved else "inline"
