"""The WordPress source against a simulated site: random histories, and the traps of the API one by one."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from knowhub.sources.wordpress import WordPressOptions, WordPressSource, parse_wordpress
from tests.contracts.api_source import ApiSourceContract, ApiWorld, Marks, Seen, Truth
from tests.servers.kit import Asked, VirtualClock
from tests.servers.wordpress import Kind, Post, WordPress, utc

NAME = SourceName("mall")
PASSWORD = "abcd EFGH 1234 ijkl MNOP 6789"
BEFORE_WINTER_TIME = utc(2026, 10, 24, 20, 30)
"""Some hours before clocks in Berlin go back, on 25 October 2026 at 01:00 UTC."""


def mall(clock: VirtualClock) -> WordPress:
    """A shopping centre's site with four people and its own post types."""
    site = WordPress(clock)
    site.taxonomies = {"category": ("categories", "Categories"), "floor": ("floors", "Floors")}
    site.terms = {"category": {1: "News & offers"}, "floor": {7: "Ground floor", 8: "First floor"}}
    site.kinds = {
        "post": Kind("post", "posts", "Posts", ("category",)),
        "page": Kind("page", "pages", "Pages"),
        "attachment": Kind("attachment", "media", "Media"),
        "wp_block": Kind("wp_block", "blocks", "Patterns"),
        "event": Kind("event", "event", "Events"),
        "stores": Kind("stores", "stores", "Stores", ("floor",)),
        "restaurant": Kind("restaurant", "restaurants", "Restaurants", ("floor",), namespace="mall/v1"),
    }
    site.user("ann", "administrator", PASSWORD)
    site.user("bob", "editor")
    site.user("cid", "author")
    site.user("dot", "subscriber")
    return site


class MallWorld:
    """Implements `ApiWorld`. Without a census (`tidy`) people do only what a listing shows at once."""

    name = NAME
    secrets = (PASSWORD, PASSWORD.replace(" ", ""), "open-sesame", "visitor@private.example")

    def __init__(self, rng: random.Random) -> None:
        self.clock = VirtualClock(BEFORE_WINTER_TIME)
        self.server = mall(self.clock)
        self.marks = Marks()
        self.tidy = rng.random() < 0.3
        self.signed_in = rng.random() < 0.5
        self.census_hours = 10.0**6 if self.tidy else rng.choice([0, 20])
        self._awkward(rng)
        for _ in range(12):
            self._add(rng)

    def _awkward(self, rng: random.Random) -> None:
        site = self.server
        site.ties = random.Random(rng.random())
        site.plain = rng.random() < 0.3
        site.link_header = rng.random() < 0.7
        site.count_headers = self.tidy or rng.random() < 0.7
        site.members_only = self.signed_in and rng.random() < 0.3
        site.cache_s = 0 if self.tidy else rng.choice([0, 0, 300])
        site.most = rng.choice([100, 100, 7])
        site.silent_most = rng.choice([0, 0, 4])
        site.bearable = rng.choice([0, 0, 3])

    def source(self) -> WordPressSource:
        options = WordPressOptions(
            base_url=self.server.url,
            username="ann" if self.signed_in else "",
            application_password=Secret(PASSWORD) if self.signed_in else None,
            census_hours=self.census_hours,
        )
        return WordPressSource(NAME, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return parse_wordpress(record, sequence)

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        moves: list[Callable[[random.Random], None]] = [
            self._add, self._add, self._edit, self._edit, self._status, self._trash, self._restore, self._delete,
            self._say, self._retype, self._password,
        ]  # fmt: skip
        if not self.tidy:
            moves += [self._edit_comment, self._moderate, self._quietly, self._close, self._unsay, self._attach]
        rng.choice(moves)(rng)

    def _add(self, rng: random.Random) -> None:
        kind = rng.choice(["post", "page", "event", "stores", "restaurant", "attachment"])
        title, author = f"It's {self.marks.fresh()}", rng.randrange(1, 5)
        if kind == "attachment":
            self._upload(rng, title, author)
            return
        status = rng.choice(["publish", "publish", "publish", "draft", "private", "future"])
        terms = {"floor": [rng.choice([7, 8])]} if kind in ("stores", "restaurant") else {"category": [1]}
        self.server.add(
            kind, title, self.marks.fresh(), author, status, terms=terms,
            acf={"opening_hours": self.marks.fresh(), "rooms": [{"name": self.marks.fresh(), "seats": 4}]},
            excerpt=rng.choice(["", self.marks.fresh()]),
        )  # fmt: skip

    def _upload(self, rng: random.Random, title: str, author: int) -> None:
        parent = rng.choice([0, *self._ids()])
        slug = f"file-{self.marks.fresh()}"
        if rng.random() < 0.4:
            text = f"Opening {self.marks.fresh()} hours".encode()
            self.server.add(
                "attachment", title, "", author, parent=parent, mime="text/plain", file=text, slug=f"{slug}.txt"
            )
        else:
            words = rng.random() < 0.7
            caption, alt = (self.marks.fresh(), self.marks.fresh()) if words else ("", "")
            self.server.add(
                "attachment", title if words else slug, "", author, parent=parent, mime="image/jpeg", caption=caption,
                alt=alt, slug=f"{slug}.jpg",
            )  # fmt: skip

    def _ids(self, *, media: bool = False) -> list[int]:
        return [id for id, one in self.server.posts.items() if (one.type == "attachment") == media]

    def _living(self) -> list[int]:
        return [id for id in self._ids() if self.server.posts[id].status != "trash"]

    def _edit(self, rng: random.Random) -> None:
        if ids := self._living():
            id = rng.choice(ids)
            match rng.choice(["content", "title", "slug", "acf"]):
                case "content":
                    self.server.edit(id, content=f"Now {self.marks.fresh()} and {self.marks.fresh()}")
                case "title":
                    self.server.edit(id, title=f"New {self.marks.fresh()}")
                case "slug":
                    self.server.edit(id, slug=f"moved-{rng.randrange(10**6)}")
                case "acf":
                    self.server.edit(id, acf={"date": 20261205, "place": {"hall": self.marks.fresh()}})

    def _status(self, rng: random.Random) -> None:
        if ids := self._living():
            self.server.edit(rng.choice(ids), status=rng.choice(["publish", "publish", "draft", "private", "pending"]))

    def _trash(self, rng: random.Random) -> None:
        if ids := [*self._living(), *self._ids(media=True)]:
            self.server.trash(rng.choice(ids))

    def _restore(self, rng: random.Random) -> None:
        if ids := [id for id, one in self.server.posts.items() if one.status == "trash"]:
            self.server.restore(rng.choice(ids))

    def _delete(self, rng: random.Random) -> None:
        if len(self.server.posts) > 4:
            self.server.delete(rng.choice(list(self.server.posts)))

    def _say(self, rng: random.Random) -> None:
        if ids := self._living():
            self.server.comment(rng.choice(ids), self.marks.fresh())

    def _retype(self, rng: random.Random) -> None:
        if ids := self._living():
            self.server.edit(rng.choice(ids), type=rng.choice(["post", "page", "event"]))

    def _password(self, rng: random.Random) -> None:
        if ids := self._living():
            self.server.edit(rng.choice(ids), password=rng.choice(["", "open-sesame"]))

    def _attach(self, rng: random.Random) -> None:
        if ids := self._ids(media=True):
            self.server.edit(rng.choice(ids), parent=rng.choice([0, *self._ids()]))

    def _edit_comment(self, rng: random.Random) -> None:
        if self.server.comments:
            self.server.comments[rng.choice(list(self.server.comments))].content = self.marks.fresh()

    def _moderate(self, rng: random.Random) -> None:
        if self.server.comments:
            one = self.server.comments[rng.choice(list(self.server.comments))]
            one.status = "hold" if one.status == "approved" else "approved" if one.status == "hold" else one.status

    def _unsay(self, rng: random.Random) -> None:
        if self.server.comments:
            del self.server.comments[rng.choice(list(self.server.comments))]

    def _quietly(self, rng: random.Random) -> None:
        """An import changes a custom field, and the time of the last edit stays."""
        if ids := self._living():
            self.server.posts[rng.choice(ids)].acf = {"phone": self.marks.fresh()}

    def _close(self, rng: random.Random) -> None:
        kind = self.server.kinds[rng.choice(["event", "stores", "page"])]
        kind.closed = None if kind.closed else rng.choice([("json", 401), ("json", 403), ("html", 403), ("html", 404)])

    # ── what is true ─────────────────────────────────────────────────────────────────────────────────

    def truth(self) -> Truth:
        known = self.server.users if self.signed_in else ()
        people = frozenset(Principal(f"{NAME}:user:{id}") for id in known)
        items = {
            ItemId(f"post:{one.id}"): self._seen(one, people)
            for one in self.server.posts.values()
            if self._to_be_found(one)
        }
        closed = frozenset(ContainerId(kind.slug) for kind in self.server.kinds.values() if kind.closed)
        return Truth(items, people, closed)

    def _to_be_found(self, one: Post) -> bool:
        if one.type == "attachment" and not (one.file or one.caption):
            return False
        if self.signed_in:
            return one.status != "trash"
        return self.server.strangers_read(one)

    def _seen(self, one: Post, people: frozenset[Principal]) -> Seen:
        body = [one.content, one.excerpt, one.caption, one.alt, one.file.decode(), str(one.acf)]
        comments = [c.content for c in self.server.comments.values() if c.post == one.id and c.status == "approved"]
        return Seen(
            ContainerId(one.type), _marks(" ".join([*body, *comments])), self._readers(one, people), _marks(one.title)
        )

    def _readers(self, one: Post, people: frozenset[Principal]) -> frozenset[Principal]:
        # Of a members' site no stranger tells what is open: what hangs on an unreadable post is unknown, thus closed.
        parent = self.server.posts.get(one.parent)
        unknown = self.server.members_only and parent and self.server.kinds[parent.type].closed
        if self.server.readable(one, None) and not one.password and not unknown:
            return people if self.server.members_only else frozenset((ANYONE,))
        editors = [user.id for user in self.server.users.values() if user.can("edit_others_posts")]
        return frozenset(Principal(f"{NAME}:user:{id}") for id in {*editors, one.author})

    # ── for the contract ─────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        route = asked.one("rest_route") or asked.path.removeprefix("/wp-json")
        if "include" in asked.query or "parent" in asked.query or asked.number("per_page", 10) > self.server.most:
            return None  # single items, those of a few posts, and a page larger than this site allows, which is refused
        return next((k.slug for k in self.server.kinds.values() if route == f"/{k.namespace}/{k.base}"), None)

    def idle_requests(self) -> int:
        """Where the API is, post types, taxonomies, comments, one listing a type, and what strangers see of media."""
        return 4 + len(self.server.kinds) + 1 + (self.census_hours == 0)


def _marks(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"mark\d+x", text))


class TestWordPress(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return MallWorld(rng)
