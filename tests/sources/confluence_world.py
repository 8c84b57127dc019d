"""A simulated Confluence with people at work in it, and what each of them should find: for both editions."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.secret import Secret
from knowhub.core.types import (
    ANYONE,
    ContainerId,
    Document,
    ItemId,
    Principal,
    RawRecord,
    SourceName,
    document_id,
)
from knowhub.formats.files import parse_file
from knowhub.pipelines.sync import SyncReport
from knowhub.sources.confluence import ConfluenceOptions, ConfluenceParser, ConfluenceSource
from tests.contracts.api_source import ApiHub, Marks, Seen, Truth
from tests.servers.confluence import BOT, EMAIL, TOKEN, Confluence, Content, Group, Space, User, some
from tests.servers.kit import Answer, Asked, VirtualClock

NAME = SourceName("wiki")
PEOPLE = ("ann", "bob", "cid", "dee")
_MARK = re.compile(r"mark\d+x")
_FIVE_MINUTES = timedelta(minutes=5)


def include(title: str, space: str = "") -> str:
    key = f' ri:space-key="{space}"' if space else ""
    return (
        '<ac:structured-macro ac:name="include"><ac:parameter ac:name=""><ac:link>'
        f'<ri:page{key} ri:content-title="{title}"/></ac:link></ac:parameter></ac:structured-macro>'
    )


class WikiWorld:
    """Implements `ApiWorld`: a wiki with three chosen spaces, one that is left out and a personal one."""

    name = NAME

    def __init__(self, edition: str, rng: random.Random, **options: Any) -> None:
        self.clock = VirtualClock()
        self.marks = Marks()
        self.server = Confluence(self.clock, edition, cap=rng.randrange(3, 8), offset_h=rng.choice([-11, 0, 9, 14]))
        self.secrets = (TOKEN,)
        self._bearer = rng.random() < 0.5
        self._census_hours = rng.choice([0, 24, 24])
        self._archived = rng.random() < 0.8
        self.options = options
        self._people()
        self._spaces()
        for _ in range(8):
            self._write(rng)
        for _ in range(6):
            self.change(rng)

    @property
    def cloud(self) -> bool:
        return self.server.edition == "cloud"

    def source(self) -> ConfluenceSource:
        given: dict[str, Any] = {
            "base_url": self.server.url,
            "edition": self.server.edition,
            "token": Secret(TOKEN),
            "email": "" if self._bearer else EMAIL,
            "exclude": ("LEFT*",),
            "census_hours": self._census_hours,
            "archived": self._archived,
        }
        return ConfluenceSource(NAME, ConfluenceOptions(**{**given, **self.options}), clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return ConfluenceParser(parse_file)(record, sequence)

    def settle(self) -> None:
        self.clock.advance(hours=30)

    def page_of(self, asked: Asked) -> str | None:
        """Lists with bodies. The census of ids, without them, is made anew when it was cut."""
        if self.cloud:
            match asked.parts:
                case ["wiki", "api", "v2", "spaces", id, "pages" | "blogposts"] if asked.one("body-format"):
                    return id
            return None
        lists = asked.path == "/rest/api/content" and not asked.one("title")
        return asked.one("spaceKey") if lists and "body.storage" in asked.one("expand") else None

    def idle_requests(self) -> int:
        spaces = len(self.server.spaces)
        listing = 2 * (1 + spaces // self.server.cap) + 1
        return 10_000 if self._census_hours == 0 else listing + len(self.chosen())

    # ── the wiki ─────────────────────────────────────────────────────────────────────────────────────

    def _people(self) -> None:
        for id in PEOPLE:
            self.server.users[id] = User(id, f"{id.title()} Person", f"{id}@example.com")
        for id, name, members in (
            ("g1", "confluence-users", {*PEOPLE, BOT}), ("g2", "ops team", {"ann", "bob"}), ("g3", "law firm", {"cid"})
        ):  # fmt: skip
            self.server.groups[id] = Group(id, name, set(members))

    def _spaces(self) -> None:
        for id, key, more in (
            ("11", "OPS", {"groups": {"g1"}}),
            ("12", "LAW", {"groups": {"g3"}, "users": {"ann"}}),
            ("13", "PUB", {"groups": {"g1"}, "anonymous": True}),
            ("14", "LEFTOUT", {"groups": {"g1"}}),
            ("15", "~bob", {"users": {"bob"}, "type": "personal"}),
        ):
            self.server.spaces[id] = Space(id, key, f"{key} space", **more)

    def chosen(self) -> list[Space]:
        spaces = [s for s in self.server.spaces.values() if s.type == "global" and not s.key.startswith("LEFT")]
        return [s for s in spaces if not s.closed]

    def of_type(self, *types: str) -> list[Content]:
        return [c for c in self.server.contents.values() if c.type in types and c.status != "trashed"]

    def writable(self, *types: str) -> list[Content]:
        """Archived pages, and what hangs on them, can only be read."""
        contents = self.server.contents
        return [c for c in self.of_type(*types) if contents.get(c.container, c).status == "current"]

    def body(self, rng: random.Random) -> str:
        mark = self.marks.fresh
        return rng.choice([
            f"<p>{mark()} about the deploy</p>",
            f"<h2>Part</h2><p>{mark()}</p><table><tbody><tr><td>{mark()}</td><td>b</td></tr></tbody></table>",
            f'<ac:structured-macro ac:name="code"><ac:plain-text-body><![CDATA[{mark()} & <x>]]></ac:plain-text-body>'
            f"</ac:structured-macro><p>{mark()}</p>",
            "<ac:task-list><ac:task><ac:task-status>incomplete</ac:task-status><ac:task-body>"
            f'{mark()} <ac:link><ri:user ri:account-id="ann" ri:userkey="ann"/></ac:link>'
            "</ac:task-body></ac:task></ac:task-list>",
        ])  # fmt: skip

    def _write(self, rng: random.Random) -> Content:
        space = some(rng, [s.id for s in self.server.spaces.values()])
        parents = ["", *(c.id for c in self.of_type("page", "folder") if c.space == space and c.status == "current")]
        title, author = f"On {self.marks.fresh()}", rng.choice(PEOPLE)
        if rng.random() < 0.2:
            return self.server.put("blogpost", space, title, author, self.body(rng))
        return self.server.put("page", space, title, author, self.body(rng), parent=rng.choice(parents))

    # ── people at work ───────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        moves: list[Callable[[random.Random], object]] = [
            self._write, self._write, self._edit, self._edit, self._comment, self._comment, self._edit_comment,
            self._drop_comment, self._resolve, self._attach, self._new_file, self._drop_file, self._trash,
            self._restore, self._purge, self._move, self._move_space, self._restrict, self._restrict, self._rename,
            self._grant, self._join, self._close, self._include,
        ]  # fmt: skip
        if self.cloud:
            moves += [self._archive, self._folder]
        rng.choice(moves)(rng)

    def _edit(self, rng: random.Random) -> None:
        if page := some(rng, self.writable("page", "blogpost")):
            self.server.edit(page, body=self.body(rng))

    def _rename(self, rng: random.Random) -> None:
        if page := some(rng, self.writable("page")):
            title = f"Now {self.marks.fresh()}"
            for other in list(self.server.contents.values()):
                if f'"{page.title}"' in other.body and other.space == page.space:
                    self.server.edit(other, body=other.body.replace(f'"{page.title}"', f'"{title}"'))
            self.server.edit(page, title=title)

    def _comment(self, rng: random.Random) -> None:
        page = some(rng, self.writable("page", "blogpost"))
        if page is None:
            return
        inline = rng.random() < 0.4
        roots = [c for c in self.of_type("comment") if c.container == page.id and c.inline == inline]
        parent = some(rng, roots) if rng.random() < 0.5 else None
        self.server.put(
            "comment", page.space, f"Re: {page.id}", rng.choice(PEOPLE), f"<p>{self.marks.fresh()}</p>",
            container=page.id, parent=parent.id if parent else "", inline=inline, selection="the deploy",
        )  # fmt: skip

    def _edit_comment(self, rng: random.Random) -> None:
        if comment := some(rng, self.writable("comment")):
            self.server.edit(comment, body=f"<p>{self.marks.fresh()} instead</p>")

    def _drop_comment(self, rng: random.Random) -> None:
        if comment := some(rng, self.writable("comment")):
            self.server.remove(comment)

    def _resolve(self, rng: random.Random) -> None:
        if comment := some(rng, [c for c in self.writable("comment") if c.inline and not c.parent]):
            comment.resolved = not comment.resolved

    def _attach(self, rng: random.Random) -> None:
        if page := some(rng, self.writable("page", "blogpost")):
            name = f"notes {len(self.server.contents)}.{rng.choice(['txt', 'txt', 'md', 'mp4'])}"
            self.server.put("attachment", page.space, name, "bob", container=page.id, data=self._bytes())

    def _bytes(self) -> bytes:
        return f"file {self.marks.fresh()}\n".encode()

    def _new_file(self, rng: random.Random) -> None:
        if file := some(rng, self.writable("attachment")):
            self.server.edit(file, data=self._bytes())

    def _drop_file(self, rng: random.Random) -> None:
        if file := some(rng, self.writable("attachment")):
            self.server.remove(file)

    def _trash(self, rng: random.Random) -> None:
        if page := some(rng, self.of_type("page", "blogpost")):
            self.server.trash(page)

    def _restore(self, rng: random.Random) -> None:
        if page := some(rng, [c for c in self.server.contents.values() if c.status == "trashed"]):
            page.status = "current"

    def _purge(self, rng: random.Random) -> None:
        if rng.random() < 0.5 and (page := some(rng, self.of_type("page", "blogpost"))):
            self.server.remove(page)

    def _move(self, rng: random.Random) -> None:
        if page := some(rng, self.of_type("page")):
            below = {page.id}
            while more := {c.id for c in self.server.contents.values() if c.parent in below} - below:
                below |= more
            above = [c.id for c in self.of_type("page", "folder") if c.space == page.space and c.id not in below]
            page.parent = rng.choice(["", *above])

    def _move_space(self, rng: random.Random) -> None:
        page = some(rng, self.of_type("page"))
        if page is None:
            return
        target, moving = some(rng, self.server.spaces), {page.id}
        while more := {c.id for c in self.server.contents.values() if {c.parent, c.container} & moving} - moving:
            moving |= more
        page.parent = ""
        for id in moving:
            self.server.contents[id].space = target

    def _restrict(self, rng: random.Random) -> None:
        page = some(rng, self.of_type("page", "blogpost", "folder"))
        if page is None:
            return
        page.users, page.groups = set(), set()
        if rng.random() < 0.7:
            page.users = set(rng.sample(PEOPLE, rng.randrange(4))) | ({BOT} if rng.random() < 0.85 else set())
            page.groups = set(rng.sample(sorted(self.server.groups), rng.randrange(2)))

    def _grant(self, rng: random.Random) -> None:
        space = self.server.spaces[some(rng, self.server.spaces)]
        space.groups ^= {some(rng, self.server.groups)}
        space.users ^= {rng.choice(PEOPLE)}
        space.anonymous = rng.random() < 0.2

    def _join(self, rng: random.Random) -> None:
        self.server.groups[rng.choice(["g2", "g3"])].members ^= {rng.choice(PEOPLE)}

    def _close(self, rng: random.Random) -> None:
        space = self.server.spaces[some(rng, self.server.spaces)]
        space.closed = not space.closed and rng.random() < 0.5
        space.status = rng.choice(["current", "current", "archived"])

    def _include(self, rng: random.Random) -> None:
        pages = [c for c in self.writable("page") if "include" not in c.body]
        page = some(rng, pages)
        others = [c for c in self.of_type("page") if page and c.space == page.space and c is not page]
        if page and (other := some(rng, others)):
            self.server.edit(page, body=f"{page.body}{include(other.title)}")

    def _archive(self, rng: random.Random) -> None:
        if page := some(rng, self.of_type("page")):
            page.status = "archived" if page.status == "current" else "current"

    def _folder(self, rng: random.Random) -> None:
        space = some(rng, self.server.spaces)
        self.server.put(rng.choice(["folder", "folder", "whiteboard"]), space, "A place", "ann")

    # ── what a reader sees ───────────────────────────────────────────────────────────────────────────

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        open_spaces = {space.id for space in self.chosen()}
        for page in self.server.contents.values():
            if page.type in ("page", "blogpost") and page.space in open_spaces and self._shown(page):
                items |= self._seen(page)
        return Truth(items, frozenset(self.person(one) for one in PEOPLE))

    def _shown(self, content: Content) -> bool:
        server = self.server
        archived = content.status == "archived" and not self._archived
        return server.live(content) and not content.hidden and server.sees(BOT, content) and not archived

    def person(self, id: str) -> Principal:
        return Principal(f"{NAME}:user:{id}")

    def _seen(self, page: Content) -> dict[ItemId, Seen]:
        server, container = self.server, ContainerId(page.space)
        readers = frozenset(self.person(one) for one in PEOPLE if server.sees(one, page))
        readers |= {ANYONE} if server.sees(None, page) else frozenset()
        item = ItemId(f"{'blog' if page.type == 'blogpost' else 'page'}:{page.id}")
        title = frozenset(_MARK.findall(page.title))
        hanging = [c for c in server.contents.values() if c.container == page.id]
        comments = [c.body for c in hanging if c.type == "comment"]
        shown, named = self._included(page)
        words = frozenset(_MARK.findall(_text(page.body) + " ".join(comments) + shown))
        seen = {item: Seen(container, words, readers, title | frozenset(_MARK.findall(named)))}
        for file in hanging:
            if file.type == "attachment" and not file.title.endswith("mp4"):
                marks = frozenset(_MARK.findall(file.data.decode()))
                seen[ItemId(f"{item}:file:{file.id}")] = Seen(container, marks, readers, title)
        return seen

    def _included(self, page: Content) -> tuple[str, str]:
        """Text and titles of pages that it shows, where all its readers may read them."""
        titles = re.findall(r'ri:content-title="([^"]+)"', page.body)
        shown, named = [], list(titles)
        for title in titles:
            found = [c for c in self.of_type("page") if (c.title, c.space, c.status) == (title, page.space, "current")]
            for other in found:
                if self._shown(other) and self._layers(other) <= self._layers(page):
                    shown.append(_text(other.body))
                    named += re.findall(r'ri:content-title="([^"]+)"', other.body)
        return " ".join(shown), " ".join(named)

    def _layers(self, page: Content) -> set[tuple[frozenset[str], frozenset[str]]]:
        chain = self.server.chain(page)
        return {(frozenset(one.users), frozenset(one.groups)) for one in chain if one.restricted}


def _text(body: str) -> str:
    return re.sub(r'ri:content-title="[^"]+"', "", body)


class Wiki(WikiWorld):
    """The world's people and spaces with nothing written; a census only on the first sync."""

    def __init__(self, edition: str, folder: Path, **options: Any) -> None:
        super().__init__(edition, random.Random(1), **{"census_hours": 10_000, "archived": True, **options})
        for space in self.server.spaces.values():
            space.closed, space.status = False, "current"
        self.server.contents.clear()
        self._archived = bool(self.options["archived"])
        self.server.cap = 100
        self.hub = ApiHub(folder, self)

    def page(self, title: str, body: str = "<p>x</p>", space: str = "11", **more: Any) -> Content:
        return self.server.put("page", space, title, "ann", body, **more)

    def comment(self, page: Content, body: str, **more: Any) -> Content:
        return self.server.put("comment", page.space, "Re", "bob", body, container=page.id, **more)

    def attach(self, page: Content, name: str, data: bytes) -> Content:
        return self.server.put("attachment", page.space, name, "bob", container=page.id, data=data)

    def sync(self, *, census: bool = False, after: timedelta = _FIVE_MINUTES) -> SyncReport:
        self.clock.advance(seconds=after.total_seconds())
        if census:
            self.options["census_hours"] = 0
        try:
            return self.hub.calm_sync()
        finally:
            self.options["census_hours"] = 10_000

    def sync_long_ago(self) -> None:
        """Afterwards, all that is there lies outside the window of what changed lately."""
        self.sync()
        self.sync(after=timedelta(hours=40))

    def document(self, id: str) -> Document:
        return self.hub.documents()[document_id(NAME, ItemId(id))]

    def ids(self) -> set[str]:
        return {id.removeprefix(f"{NAME}:") for id in self.hub.documents()}

    def asked_since(self, before: int) -> list[Asked]:
        return self.server.log[before:]


BOTH = pytest.mark.parametrize("wiki", ["cloud", "data_center"], indirect=True)
CLOUD = pytest.mark.parametrize("wiki", ["cloud"], indirect=True)
SERVER = pytest.mark.parametrize("wiki", ["data_center"], indirect=True)


def principal(kind: str, id: str) -> Principal:
    return Principal(f"{NAME}:{kind}:{id}")


def refusing(part: str) -> Callable[[Asked], Answer | None]:
    """What forbids all paths that contain `part`."""
    return lambda asked: Answer({"message": "Not permitted"}, 403) if part in asked.path else None
