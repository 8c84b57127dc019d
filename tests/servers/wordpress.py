"""A WordPress site and its REST API (`wp/v2`), as the controllers of WordPress 6 behave, with what hosts add to it.

Awkward on purpose: `modified_after` is compared with local times (which run backwards once a year), lists are filtered
after they were counted, items with one time come in any order, hidden posts close a request for their comments. By
switches: plain permalinks, stripped headers, closed routes, caches, pages that are too much, posts that break PHP.
https://developer.wordpress.org/rest-api/reference/
"""

from __future__ import annotations

import base64
import html
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

Json = dict[str, Any]

_CAPABILITIES = {
    "administrator": ("edit_posts", "edit_others_posts", "read_private_posts", "moderate_comments", "list_users"),
    "editor": ("edit_posts", "edit_others_posts", "read_private_posts", "moderate_comments"),
    "author": ("edit_posts",),
    "subscriber": (),
}
_STATUSES = ("publish", "future", "draft", "pending", "private", "trash", "auto-draft", "inherit", "any")
_HIDDEN_FROM_ANY = ("trash", "auto-draft", "inherit")
_POST_ORDERS = ("author", "date", "id", "include", "modified", "parent", "relevance", "slug", "include_slugs", "title")
_COMMENT_ORDERS = ("date", "date_gmt", "id", "include", "post", "parent", "type")
_TERM_ORDERS = ("id", "include", "name", "slug", "include_slugs", "term_group", "description", "count")
_USER_ORDERS = ("id", "include", "name", "registered_date", "slug", "include_slugs", "email", "url")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d+)?([Zz]|[+-]\d\d(?::\d\d)?)?")
_PAGE = "<html><head><title>{title}</title>{head}</head><body>{title}</body></html>"


@dataclass
class User:
    id: int
    login: str
    name: str
    role: str
    password: str = ""

    def can(self, capability: str) -> bool:
        return capability in _CAPABILITIES[self.role]


@dataclass
class Kind:
    """A post type. `closed`: what a security plugin answers on its route, ("json", 401) or ("html", 403)."""

    slug: str
    base: str
    name: str
    taxonomies: tuple[str, ...] = ()
    closed: tuple[str, int] | None = None
    shown: bool = True
    namespace: str = "wp/v2"
    orders: tuple[str, ...] = _POST_ORDERS


@dataclass
class Post:
    """`local` is the time of the last edit as the site's clock showed it, which is what is stored and compared."""

    id: int
    type: str
    title: str
    content: str
    status: str
    author: int
    created: datetime
    modified: datetime
    local: datetime
    slug: str
    excerpt: str = ""
    password: str = ""
    parent: int = 0
    terms: dict[str, list[int]] = field(default_factory=dict)
    acf: Json = field(default_factory=dict)
    extra: Json = field(default_factory=dict)
    lang: str = ""
    caption: str = ""
    alt: str = ""
    mime: str = ""
    file: bytes = b""


@dataclass
class Comment:
    id: int
    post: int
    parent: int
    author_name: str
    content: str
    at: datetime
    status: str = "approved"
    author: int = 0


class Refusal(Exception):
    """A WP_Error."""

    def __init__(self, code: str, status: int, message: str = "Sorry, you are not allowed to do that.", **data: Any):
        super().__init__(code)
        self.answer = Answer({"code": code, "message": message, "data": {"status": status, **data}}, status)


class WordPress(SimulatedApi):
    """Tests change the site through its methods, which keep the times that WordPress would keep."""

    def __init__(self, clock: VirtualClock, zone: str = "Europe/Berlin") -> None:
        super().__init__(clock)
        self.zone = ZoneInfo(zone)
        self.kinds: dict[str, Kind] = {}
        self.posts: dict[int, Post] = {}
        self.comments: dict[int, Comment] = {}
        self.terms: dict[str, dict[int, str]] = {}
        self.taxonomies: dict[str, tuple[str, str]] = {}
        self.users: dict[int, User] = {}
        self.plain = False
        self.link_header = True
        self.count_headers = True
        self.members_only = False
        self.drops_authorization = False
        self.users_closed = False
        self.comments_closed = False
        self.types_closed = False
        self.refuses_beyond = False
        self.languages_filtered = False
        self.main_language = ""
        self.cache_s = 0
        self.most = 100
        self.silent_most = 0
        self.bearable = 0
        self.fatal: set[int] = set()
        self.members_posts: set[int] = set()
        self.odd: Callable[[Asked, Answer], Answer] = lambda _, answer: answer
        self.ties = random.Random(1)
        self._ids = self._comment_ids = 0
        self._cache: dict[str, tuple[datetime, Answer]] = {}

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def user(self, login: str, role: str, password: str = "") -> User:
        id = len(self.users) + 1
        self.users[id] = User(id, login, login.title(), role, password)
        return self.users[id]

    def add(self, kind: str, title: str, content: str, author: int = 1, status: str = "publish", **more: Any) -> Post:
        self._ids += 1
        now = self._now()
        status = "inherit" if kind == "attachment" else status
        post = Post(self._ids, kind, title, content, status, author, now, now, self._wall(now), f"item-{self._ids}")
        for name, value in more.items():
            setattr(post, name, value)
        self.posts[post.id] = post
        return post

    def edit(self, id: int, **values: Any) -> None:
        for name, value in values.items():
            setattr(self.posts[id], name, value)
        self.touch(id)

    def touch(self, id: int) -> None:
        post, now = self.posts[id], self._now()
        post.modified, post.local = now, self._wall(now)

    def trash(self, id: int) -> None:
        """Media are deleted at once: only with MEDIA_TRASH they go to the trash."""
        if self.posts[id].type == "attachment":
            self.delete(id)
            return
        self.edit(id, status="trash")
        for one in self.comments.values():
            if one.post == id and one.status == "approved":
                one.status = "post-trashed"

    def delete(self, id: int) -> None:
        gone = self.posts.pop(id)
        self.comments = {one.id: one for one in self.comments.values() if one.post != id}
        for post in self.posts.values():
            if post.type == "attachment" and post.parent == id:
                post.parent = gone.parent if gone.type != "attachment" else 0

    def restore(self, id: int) -> None:
        self.edit(id, status="draft")  # since WordPress 5.6 what leaves the trash is a draft
        for one in self.comments.values():
            if one.post == id and one.status == "post-trashed":
                one.status = "approved"

    def comment(self, post: int, content: str, name: str = "Visitor", status: str = "approved") -> Comment:
        self._comment_ids += 1
        id = self._comment_ids
        self.comments[id] = Comment(id, post, 0, name, content, self._now(), status)
        return self.comments[id]

    def _now(self) -> datetime:
        return self.clock.now().replace(microsecond=0)

    def _wall(self, moment: datetime) -> datetime:
        return moment.astimezone(self.zone).replace(tzinfo=None)

    # ── who sees what ────────────────────────────────────────────────────────────────────────────────

    def readable(self, post: Post, user: User | None) -> bool:
        """`check_read_permission` of the posts' controller, with `map_meta_cap` for `read_post`."""
        if not self.kinds[post.type].shown:
            return False
        if user is None and post.id in self.members_posts:
            return False
        if post.status == "publish":
            return True
        if post.status == "inherit":
            parent = self.posts.get(post.parent)
            return parent is None or self.readable(parent, user)
        if user is None:
            return False
        if user.id == post.author:
            return True
        return user.can("read_private_posts" if post.status == "private" else "edit_others_posts")

    def strangers_read(self, post: Post) -> bool:
        return not self.members_only and self.readable(post, None) and not post.password

    # ── answering ────────────────────────────────────────────────────────────────────────────────────

    def answer(self, asked: Asked) -> Answer:
        route = self._route(asked)
        if route is None:
            return self._page_of_theme(asked)
        if not self.cache_s or "authorization" in asked.headers:
            return self._rest(route, asked)
        key = f"{asked.path}?{sorted((name, tuple(values)) for name, values in asked.query.items())}"
        stored = self._cache.get(key)
        age = (self.clock.now() - stored[0]).total_seconds() if stored else self.cache_s
        if stored is None or age >= self.cache_s:
            answer = self._rest(route, asked)
            self._cache[key] = (self.clock.now(), answer)
            return answer
        return Answer(
            stored[1].data, stored[1].status, {**stored[1].headers, "Age": str(int(age))}, stored[1].body,
            stored[1].content_type,
        )  # fmt: skip

    def _route(self, asked: Asked) -> str | None:
        if asked.path in ("/", "/index.php") and "rest_route" in asked.query:
            return asked.one("rest_route")
        if not self.plain and (asked.path == "/wp-json" or asked.path.startswith("/wp-json/")):
            return asked.path.removeprefix("/wp-json") or "/"
        return None

    def _page_of_theme(self, asked: Asked) -> Answer:
        headers = {"Link": f'<{self._api_root()}>; rel="https://api.w.org/"'} if self.link_header else {}
        for post in self.posts.values():
            if post.file and asked.path == f"/wp-content/uploads/{post.slug}":
                return Answer(body=post.file, content_type=post.mime)
        head = f'<link rel="https://api.w.org/" href="{html.escape(self._api_root())}" />'
        status = 200 if asked.path == "/" else 404
        page = _PAGE.format(title="Mall" if status == 200 else "Page not found", head=head)
        return Answer(status=status, body=page.encode(), headers=headers, content_type="text/html; charset=UTF-8")

    def _api_root(self) -> str:
        return f"{self.url}/index.php?rest_route=/" if self.plain else f"{self.url}/wp-json/"

    def _rest(self, route: str, asked: Asked) -> Answer:
        try:
            user = self._signed_in(asked)
            if self.members_only and user is None:
                raise Refusal("rest_not_logged_in", 401, "Only signed-in users may use the REST API.")
            answer = self.odd(asked, self._dispatch(route.rstrip("/") or "/", asked, user))
        except Refusal as refusal:
            return refusal.answer
        if not self.count_headers:
            return Answer(answer.data, answer.status, {}, answer.body, answer.content_type)
        return answer

    def _signed_in(self, asked: Asked) -> User | None:
        given = asked.headers.get("authorization", "")
        if not given.startswith("Basic ") or self.drops_authorization:
            return None
        login, _, password = base64.b64decode(given[6:]).decode().partition(":")
        user = next((one for one in self.users.values() if one.login == login), None)
        if user is None:
            raise Refusal("invalid_username", 401, "Unknown username.")
        # Application passwords are compared without the spaces that they are shown with.
        if not user.password or user.password.replace(" ", "") != password.replace(" ", ""):
            raise Refusal("incorrect_password", 401, "The provided password is an invalid application password.")
        return user

    def _dispatch(self, route: str, asked: Asked, user: User | None) -> Answer:
        for kind in self.kinds.values():
            if route == f"/{kind.namespace}/{kind.base}" and kind.shown:
                return self._closed(kind) if kind.closed else self._posts(kind, asked, user)
        for slug, (base, _) in self.taxonomies.items():
            if route == f"/wp/v2/{base}":
                return self._terms(slug, asked)
        handlers: dict[str, Callable[[Asked, User | None], Answer]] = {
            "/": self._index,
            "/wp/v2/types": self._types,
            "/wp/v2/taxonomies": self._taxonomies,
            "/wp/v2/comments": self._comments,
            "/wp/v2/users": self._users,
            "/wp/v2/users/me": self._me,
        }
        if route not in handlers:
            raise Refusal("rest_no_route", 404, "No route was found matching the URL and request method.")
        return handlers[route](asked, user)

    def _closed(self, kind: Kind) -> Answer:
        assert kind.closed
        form, status = kind.closed
        if form == "html":
            page = _PAGE.format(title="Blocked by Shield", head="").encode()
            return Answer(status=status, body=page, content_type="text/html")
        raise Refusal("rest_cannot_access", status, "DRA: Only authenticated users can access the REST API.")

    def _index(self, asked: Asked, user: User | None) -> Answer:
        offset = self.clock.now().astimezone(self.zone).utcoffset() or timedelta()
        hours = offset.total_seconds() / 3600
        data = {
            "name": "Mall", "description": "", "url": self.url, "home": self.url, "gmt_offset": f"{hours:g}",
            "timezone_string": str(self.zone), "namespaces": ["oembed/1.0", "wp/v2"], "authentication": [],
            "routes": {},
        }  # fmt: skip
        return Answer(_chosen(data, asked))

    def _types(self, asked: Asked, user: User | None) -> Answer:
        if self.types_closed:
            raise Refusal("rest_cannot_access", 403, "This route is closed.")
        _context(asked, allowed=user is not None and user.can("edit_posts"))
        told = {
            kind.slug: {
                "description": "", "hierarchical": kind.slug == "page", "has_archive": False, "name": kind.name,
                "slug": kind.slug, "icon": None, "taxonomies": list(kind.taxonomies), "rest_base": kind.base,
                "rest_namespace": kind.namespace,
            }
            for kind in self.kinds.values()
            if kind.shown
        }  # fmt: skip
        return Answer(told)

    def _taxonomies(self, asked: Asked, user: User | None) -> Answer:
        told = {
            slug: {
                "name": name, "slug": slug, "description": "", "hierarchical": True, "rest_base": base,
                "types": [kind.slug for kind in self.kinds.values() if slug in kind.taxonomies],
                "rest_namespace": "wp/v2",
            }
            for slug, (base, name) in self.taxonomies.items()
        }  # fmt: skip
        return Answer(told)

    # ── posts of every type ──────────────────────────────────────────────────────────────────────────

    def _posts(self, kind: Kind, asked: Asked, user: User | None) -> Answer:
        editing = _context(asked, allowed=user is not None and user.can("edit_posts"))
        _enum(asked, "orderby", kind.orders)
        found = [
            post for post in self.posts.values() if post.type == kind.slug and self._asked_for(post, kind, asked, user)
        ]
        ordered = self._ordered(found, asked)
        page, total, pages = self._slice(ordered, asked, "rest_post_invalid_page_number")
        shown = [post for post in page if self.readable(post, user)]
        fields = asked.one("_fields")
        renders = not fields or re.search(r"(^|,)(content|content\.rendered|excerpt)(,|$)", fields)
        if renders and (any(post.id in self.fatal for post in shown) or 0 < self.bearable < len(shown)):
            body = _PAGE.format(title="There has been a critical error on this website.", head="").encode()
            return Answer(status=500, body=body, content_type="text/html")
        data = [_chosen(self._post(post, kind, editing=editing), asked) for post in shown]
        return Answer(data, headers={"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)})

    def _asked_for(self, post: Post, kind: Kind, asked: Asked, user: User | None) -> bool:
        include, parents = _numbers(asked, "include"), _numbers(asked, "parent")
        after = self._local(asked, "modified_after")
        language = asked.one("lang") or self.main_language
        return (
            post.status in self._statuses(kind, asked, user)
            and (not include or post.id in include)
            and (not parents or post.parent in parents)
            and (after is None or post.local > after)
            and (not self.languages_filtered or post.lang == language)
        )

    def _statuses(self, kind: Kind, asked: Asked, user: User | None) -> tuple[str, ...]:
        media = kind.slug == "attachment"
        default = "inherit" if media else "publish"
        wanted = [one for one in asked.one("status", default).split(",") if one]
        allowed = ("inherit", "private", "trash") if media else _STATUSES
        for one in wanted:
            if one not in allowed:
                raise _invalid("status", f"status[0] is not one of {', '.join(allowed)}.")
            if one != default and not (user and user.can("edit_posts")):
                raise Refusal("rest_forbidden_status", 401 if user is None else 403, "Status is forbidden.")
        if "any" in wanted:
            return tuple(status for status in _STATUSES if status not in (*_HIDDEN_FROM_ANY, "any"))
        return tuple(wanted)

    def _local(self, asked: Asked, name: str) -> datetime | None:
        """As WP_Date_Query reads a moment: in the site's zone unless it names one, then as the site's clock has it."""
        value = asked.one(name)
        if not value:
            return None
        match = _MOMENT.fullmatch(value)
        if not match:
            raise _invalid(name, "Invalid date.")
        moment = datetime.fromisoformat(value.upper().replace("Z", "+00:00"))
        return self._wall(moment) if moment.tzinfo else moment

    def _ordered(self, found: list[Post], asked: Asked) -> list[Post]:
        keys: Mapping[str, Callable[[Post], Any]] = {
            "id": lambda post: post.id,
            "modified": lambda post: (post.local, self.ties.random()),
            "date": lambda post: (post.created, self.ties.random()),
        }
        key = keys.get(asked.one("orderby", "date"), keys["date"])
        return sorted(found, key=key, reverse=_enum(asked, "order", ("asc", "desc"), "desc") == "desc")

    def _slice(self, ordered: list[Any], asked: Asked, beyond: str) -> tuple[list[Any], int, int]:
        size = _whole(asked, "per_page", 10, most=self.most)
        size = min(size, self.silent_most or size)
        page, total = _whole(asked, "page", 1), len(ordered)
        pages = -(-total // size)
        if beyond == "rest_post_invalid_page_number" and page > pages and total > 0:
            raise Refusal(beyond, 400, "The page number requested is larger than the number of pages available.")
        start = int(asked.one("offset") or 0) or (page - 1) * size
        if self.refuses_beyond and start >= total > 0:
            raise Refusal("rest_post_invalid_page_number", 400, "The page number requested is too large.")
        return ordered[start : start + size], total, pages

    def _post(self, post: Post, kind: Kind, *, editing: bool) -> Json:
        protected = bool(post.password)
        content = "" if protected and not editing else _autop(post.content)
        excerpt = "" if protected and not editing else _autop(post.excerpt or post.content)
        data: Json = {
            "id": post.id, "date": _stamp(self._wall(post.created)), "date_gmt": _stamp(post.created),
            "guid": {"rendered": f"{self.url}/?p={post.id}"}, "modified": _stamp(post.local),
            "modified_gmt": _stamp(post.modified), "slug": post.slug, "status": post.status, "type": post.type,
            "link": f"{self.url}/{post.type}/{post.slug}/", "title": {"rendered": _texturized(post.title)},
            "author": post.author, "featured_media": 0, "comment_status": "open", "ping_status": "closed",
            "template": "", "meta": [], "class_list": [f"post-{post.id}"], "acf": post.acf or [], **post.extra,
            "_links": {"self": [{"href": f"{self.url}/wp-json/wp/v2/{kind.base}/{post.id}"}]},
        }  # fmt: skip
        if post.type == "attachment":
            data |= self._medium(post)
        else:
            data["content"] = {"rendered": content, "protected": protected}
            data["excerpt"] = {"rendered": excerpt, "protected": protected}
        if post.lang:
            data["lang"] = post.lang
        for slug in kind.taxonomies:
            data[self.taxonomies[slug][0]] = post.terms.get(slug, [])
        if editing:
            data["password"] = post.password
            data["title"]["raw"] = post.title
            if "content" in data:
                data["content"] |= {"raw": f"<!-- wp:paragraph -->{post.content}", "block_version": 1}
                data["excerpt"]["raw"] = post.excerpt
        return data

    def _medium(self, post: Post) -> Json:
        preview = f'<p class="attachment"><a href="#"><img alt="{html.escape(post.alt)}" src="x.jpg"></a></p>\n'
        return {
            "description": {"rendered": preview + _autop(post.content)}, "caption": {"rendered": _autop(post.caption)},
            "alt_text": post.alt, "media_type": "image" if post.mime.startswith("image/") else "file",
            "mime_type": post.mime, "media_details": {"filesize": len(post.file)} if post.file else {},
            "post": post.parent or None, "source_url": f"{self.url}/wp-content/uploads/{post.slug}",
        }  # fmt: skip

    # ── comments, terms, users ───────────────────────────────────────────────────────────────────────

    def _comments(self, asked: Asked, user: User | None) -> Answer:
        if self.comments_closed:
            raise Refusal("rest_disabled", 403, "Comments are switched off.")
        editing = _context(asked, allowed=user is not None and user.can("moderate_comments"))
        _enum(asked, "orderby", _COMMENT_ORDERS)
        posts = _numbers(asked, "post")
        for id in posts:
            if id in self.posts and not self._may_read_comments(self.posts[id], user, editing=editing):
                status = 401 if user is None else 403
                raise Refusal(
                    "rest_cannot_read_post", status, "Sorry, you are not allowed to read the post for this comment."
                )
        approved = (one for one in self.comments.values() if one.status == "approved")
        found = [one for one in approved if not posts or one.post in posts]
        by_id = asked.one("orderby", "date_gmt") == "id"
        found.sort(key=lambda one: (one.id if by_id else one.at, one.id), reverse=asked.one("order", "desc") == "desc")
        page, total, pages = self._slice(found, asked, "")
        shown = [
            one
            for one in page
            if one.post in self.posts and self._may_read_comments(self.posts[one.post], user, editing=editing)
        ]
        data = [_chosen(self._comment(one, editing=editing), asked) for one in shown]
        return Answer(data, headers={"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)})

    def _may_read_comments(self, post: Post, user: User | None, *, editing: bool) -> bool:
        return self.readable(post, user) and (editing or not post.password)

    def _comment(self, one: Comment, *, editing: bool) -> Json:
        data: Json = {
            "id": one.id, "post": one.post, "parent": one.parent, "author": one.author, "author_name": one.author_name,
            "author_url": "", "date": _stamp(self._wall(one.at)), "date_gmt": _stamp(one.at),
            "content": {"rendered": _autop(one.content)}, "link": f"{self.url}/?p={one.post}#comment-{one.id}",
            "status": one.status, "type": "comment", "meta": [],
        }  # fmt: skip
        if editing:
            data |= {"author_email": "visitor@private.example", "author_ip": "203.0.113.9", "author_user_agent": "x"}
        return data

    def _terms(self, slug: str, asked: Asked) -> Answer:
        _enum(asked, "orderby", _TERM_ORDERS)
        include = _numbers(asked, "include")
        found = [(id, name) for id, name in sorted(self.terms[slug].items()) if not include or id in include]
        page, total, pages = self._slice(found, asked, "")
        data = [
            _chosen({"id": id, "count": 1, "name": html.escape(name), "taxonomy": slug}, asked) for id, name in page
        ]
        return Answer(data, headers={"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)})

    def _users(self, asked: Asked, user: User | None) -> Answer:
        if self.users_closed:
            raise Refusal("rest_user_cannot_view", 401, "Sorry, you are not allowed to list users.")
        all_of_them = user is not None and user.can("list_users")
        editing = _context(asked, allowed=all_of_them)
        _enum(asked, "orderby", _USER_ORDERS)
        include = _numbers(asked, "include")
        authors = {post.author for post in self.posts.values() if post.status == "publish"}
        found = [one for one in self.users.values() if all_of_them or one.id in authors]
        found = [one for one in found if not include or one.id in include]
        page, total, pages = self._slice(sorted(found, key=lambda one: one.id), asked, "")
        data = [_chosen(self._user(one, editing=editing), asked) for one in page]
        return Answer(data, headers={"X-WP-Total": str(total), "X-WP-TotalPages": str(pages)})

    def _me(self, asked: Asked, user: User | None) -> Answer:
        if user is None:
            raise Refusal("rest_not_logged_in", 401, "You are not currently logged in.")
        return Answer(_chosen(self._user(user, editing=asked.one("context") == "edit"), asked))

    @staticmethod
    def _user(one: User, *, editing: bool) -> Json:
        data: Json = {"id": one.id, "name": one.name, "slug": one.login, "url": "", "description": ""}
        if editing:
            data |= {
                "email": f"{one.login}@example.com", "roles": [one.role], "username": one.login,
                "capabilities": dict.fromkeys(_CAPABILITIES[one.role], True),
            }  # fmt: skip
        return data


# ── parameters ───────────────────────────────────────────────────────────────────────────────────────


def _invalid(name: str, why: str) -> Refusal:
    return Refusal("rest_invalid_param", 400, f"Invalid parameter(s): {name}", params={name: why})


def _enum(asked: Asked, name: str, values: tuple[str, ...], default: str = "") -> str:
    value = asked.one(name, default or values[0])
    if value not in values:
        raise _invalid(name, f"{name} is not one of {', '.join(values)}.")
    return value


def _context(asked: Asked, *, allowed: bool) -> bool:
    """Whether the context is `edit`."""
    if _enum(asked, "context", ("view", "embed", "edit")) != "edit":
        return False
    if not allowed:
        status = 403 if "authorization" in asked.headers else 401
        raise Refusal("rest_forbidden_context", status, "Sorry, you are not allowed to edit posts in this post type.")
    return True


def _whole(asked: Asked, name: str, default: int, most: int | None = None) -> int:
    value = asked.one(name, str(default))
    if not value.isdecimal() or int(value) < 1 or (most and int(value) > most):
        raise _invalid(name, f"{name} must be between 1 (inclusive) and {most} (inclusive)")
    return int(value)


def _numbers(asked: Asked, name: str) -> set[int]:
    """A list of ids: commas, or `name[]=` again and again. PHP takes the last of a plain name that is repeated."""
    values = [*asked.query.get(f"{name}[]", []), *asked.one(name).split(",")]
    try:
        return {int(value) for value in values if value.strip()}
    except ValueError:
        raise _invalid(name, f"{name}[0] is not of type integer.") from None


def _chosen(data: Json, asked: Asked) -> Json:
    """`_fields`, nested ones too (since WordPress 5.3)."""
    wanted = [one.strip() for one in asked.one("_fields").split(",") if one.strip()]
    if not wanted:
        return data
    chosen: Json = {}
    for path in wanted:
        _copy(data, chosen, path.split("."))
    return chosen


def _copy(source: Json, target: Json, path: list[str]) -> None:
    name, *rest = path
    if name not in source:
        return
    if rest and isinstance(source[name], dict):
        inner: Json = {}
        _copy(source[name], inner, rest)
        if inner:
            target.setdefault(name, {}).update(inner)
    elif not rest:
        target[name] = json.loads(json.dumps(source[name]))


def _stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S")


def _texturized(text: str) -> str:
    return html.escape(text, quote=False).replace("&amp;", "&#038;").replace("'", "&#8217;")


def _autop(text: str) -> str:
    return f"<p>{text}</p>\n" if text else ""


def utc(*when: int) -> datetime:
    return datetime(*when, tzinfo=UTC)  # type: ignore[arg-type,misc]  # year, month, day, and as much of the time as given
