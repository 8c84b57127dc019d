"""The traps of WordPress' API one by one, each through the real pipeline against the simulated site."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied, ConfigurationError, NotFound
from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, Acl, Census, ContainerId, Document, Fetched, ItemId, RawRecord, document_id
from knowhub.http import Reply, Undecodable
from knowhub.pipelines.fetch import KnownItems
from knowhub.sources.wordpress import WordPressOptions, WordPressSource, parse_wordpress
from knowhub.sources.wordpress.items import address_fault
from knowhub.sources.wordpress.listing import Collection, PageLimit
from knowhub.sources.wordpress.site import PostType, Site, Taxonomy, post_type, taxonomy
from tests.contracts.api_source import ApiHub, holders
from tests.servers.kit import Answer, Asked, Limit, VirtualClock
from tests.servers.wordpress import Post, WordPress, utc
from tests.sources.test_wordpress import BEFORE_WINTER_TIME, NAME, PASSWORD, MallWorld, mall


class Mall(MallWorld):
    """A site that a test fills, and a connection that it chooses."""

    def __init__(self, folder: Path, start: datetime = BEFORE_WINTER_TIME) -> None:
        self.clock = VirtualClock(start)
        self.server: WordPress = mall(self.clock)
        self.options: dict[str, Any] = {}
        self.census_hours = 10**6
        self.signed_in = False
        self.folder = folder
        self.hub = ApiHub(folder, self)

    def sign_in(self, user: str = "ann", password: str = PASSWORD) -> None:
        self.signed_in = True
        self.options |= {"username": user, "application_password": Secret(password)}

    def source(self) -> WordPressSource:
        given = {"base_url": self.server.url, "census_hours": self.census_hours, **self.options}
        return WordPressSource(NAME, WordPressOptions(**given), clock=self.clock)

    def sync(self, **later: float) -> dict[str, str]:
        """Some minutes pass, then a sync; what the hub holds then, by number."""
        self.clock.advance(**(later or {"minutes": 5}))
        self.report = self.hub.calm_sync()
        return self.texts()

    def texts(self) -> dict[str, str]:
        prefix = f"{NAME}:post:"
        return {id.removeprefix(prefix): document.text for id, document in self.hub.documents().items()}

    def document(self, post: Post) -> Document:
        return self.hub.documents()[document_id(NAME, ItemId(f"post:{post.id}"))]

    def rows(self) -> dict[str, Any]:
        return {row.container: row for row in self.hub.ledgers.reports.coverage(NAME)}

    def read(self) -> list[Fetched]:
        """All that a first fetch yields, without a hub."""
        return list(self.source().fetch(None, KnownItems(())))

    def problems(self) -> list[str]:
        return [item.reason for item in self.hub.ledgers.reports.problems(NAME, 10)]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Mall]:
    world = Mall(tmp_path)
    with world.server:
        yield world


# ── W1: times ────────────────────────────────────────────────────────────────────────────────────────


def test_edits_are_found_while_the_local_time_runs_backwards(site: Mall) -> None:
    """02:30 summer time, then 02:10 winter time: the later edit looks the older one."""
    early, late = (site.server.add("event", "x", f"before {n}") for n in range(2))
    site.clock.advance(hours=4)  # 00:30 UTC
    site.server.edit(early.id, content="edited in summer time")
    site.sync()
    site.clock.advance(minutes=35)  # 01:10 UTC
    site.server.edit(late.id, content="edited in winter time")
    assert site.server.posts[late.id].local < site.server.posts[early.id].local
    assert site.sync()[str(late.id)] == "edited in winter time"


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Asia/Kolkata"])
def test_edits_are_found_in_any_zone_and_after_a_move_to_another(tmp_path: Path, zone: str) -> None:
    world = Mall(tmp_path)
    with world.server as server:
        ones = [server.add("post", "x", f"text {n}") for n in range(110)]
        world.sync()
        server.zone = type(server.zone)(zone)
        server.edit(ones[3].id, content="after the move")
        assert world.sync()[str(ones[3].id)] == "after the move"
        server.edit(ones[7].id, content="long after")
        assert world.sync(hours=30)[str(ones[7].id)] == "long after"


def test_since_is_a_moment_whatever_the_sites_zone(tmp_path: Path) -> None:
    world = Mall(tmp_path)
    world.options["since"] = datetime(2026, 10, 24, 21, 0, tzinfo=UTC)
    with world.server as server:
        old = server.add("event", "x", "old")
        world.clock.advance(hours=1)
        new = server.add("event", "x", "new")
        assert world.sync() == {str(new.id): "new"}
        assert world.rows()["event"].expected == 1
        server.edit(old.id, content="old, but edited")
        assert world.sync() == {str(new.id): "new", str(old.id): "old, but edited"}


def test_two_edits_in_one_second_are_both_seen(site: Mall) -> None:
    one = site.server.add("event", "x", "first")
    assert site.hub.calm_sync().state == "ok"  # in the very second of the edit
    site.server.posts[one.id].content = "second"
    assert site.sync()[str(one.id)] == "second"
    before = len(site.server.log)
    assert site.sync()[str(one.id)] == "second"
    assert not [asked for asked in site.server.log[before:] if "include" in asked.query]


# ── W2, W3, W4: pages ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 200])
@pytest.mark.parametrize("headers", [True, False])
def test_the_last_page_is_the_last_with_and_without_counts(site: Mall, count: int, headers: bool) -> None:
    site.server.count_headers = headers
    site.server.refuses_beyond = True
    for n in range(count):
        site.server.add("event", "x", f"text {n}")
    seen = site.read()
    assert len([one for one in seen if isinstance(one, RawRecord)]) == count
    assert [one.expected for one in seen if isinstance(one, Census) and one.container == "event"] == [count]


@pytest.mark.parametrize("headers", [True, False])
def test_nothing_is_skipped_when_people_delete_while_pages_are_read(site: Mall, headers: bool) -> None:
    site.server.count_headers = headers
    ones = [site.server.add("event", "x", f"text {n}") for n in range(260)]
    doomed = iter(ones[:60])

    def delete_some() -> None:
        for one in [one for one in (next(doomed, None) for _ in range(30)) if one]:
            site.server.trash(one.id)

    door = Site(WordPressOptions(base_url=site.server.url), site.clock)
    door.connect()
    site.server.disturb = delete_some
    met = [item["id"] for page in door.collection("/wp/v2/event", {}).upwards() for item in page.items]
    assert met == sorted(set(met))
    assert {one.id for one in ones[60:]} <= set(met)


@pytest.mark.parametrize(("bearable", "most", "silent"), [(7, 100, 0), (0, 20, 0), (0, 100, 10), (5, 30, 10)])
def test_pages_that_are_too_much_are_asked_for_in_parts(site: Mall, bearable: int, most: int, silent: int) -> None:
    site.server.bearable, site.server.most, site.server.silent_most = bearable, most, silent
    for n in range(60):
        site.server.add("stores", "x", f"text {n}")
    assert len(site.sync()) == 60
    site.server.edit(31, content="edited")
    assert site.sync()["31"] == "edited"


def test_an_item_that_breaks_the_server_is_named_and_stops_nothing(site: Mall) -> None:
    ones = [site.server.add("event", "x", f"text {n}") for n in range(12)]
    site.server.fatal = {ones[4].id}
    assert site.sync().keys() == {str(one.id) for one in ones if one is not ones[4]}
    assert site.rows()["event"].failed
    assert ["500" in reason for reason in site.problems()] == [True]
    site.server.fatal = set()
    assert site.sync()[str(ones[4].id)] == "text 4"
    assert site.report.state == "ok"


# ── W5: what is gone ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("signed_in", [True, False])
def test_a_count_tells_of_deletions_before_a_census_is_due(site: Mall, signed_in: bool) -> None:
    if signed_in:
        site.sign_in()
    kept, trashed, deleted = (site.server.add("event", "x", f"text {n}") for n in range(3))
    site.sync()
    site.server.trash(trashed.id)
    site.server.delete(deleted.id)
    assert site.sync().keys() == {str(kept.id)}
    site.server.restore(trashed.id)
    assert (str(trashed.id) in site.sync()) == signed_in
    site.server.edit(trashed.id, status="publish")
    assert site.sync().keys() == {str(kept.id), str(trashed.id)}


def test_without_counts_a_census_finds_deletions(site: Mall) -> None:
    site.server.count_headers, site.census_hours = False, 24
    kept, trashed = (site.server.add("event", "x", f"text {n}") for n in range(2))
    site.sync()
    site.server.trash(trashed.id)
    assert len(site.sync()) == 2
    assert site.sync(hours=25).keys() == {str(kept.id)}


def test_a_listing_that_breaks_off_deletes_nothing(site: Mall) -> None:
    site.census_hours = 0
    for n in range(5):
        site.server.add("event", "x", f"text {n}")
    site.sync()
    site.server.kinds["event"].closed = ("html", 403)
    assert len(site.sync()) == 5
    assert "Blocked by Shield" in site.rows()["event"].gap
    site.server.kinds["event"].closed = None
    assert len(site.sync()) == 5
    assert site.rows()["event"].whole


def test_a_listing_that_is_shorter_than_its_count_is_asked_for_the_rest(site: Mall) -> None:
    kept, lost = (site.server.add("event", "x", f"text {n}") for n in range(2))
    site.census_hours = 0
    before = site.sync()
    whole = site.server.answer

    def short(asked: Asked) -> Answer:
        answer = whole(asked)
        if asked.path.endswith("/event") and not asked.query.get("include") and isinstance(answer.data, list):
            return dataclasses.replace(answer, data=[one for one in answer.data if one["id"] != lost.id])
        return answer

    site.server.answer = short  # type: ignore[method-assign]  # a page that lost a row, and counts it
    assert site.sync() == before
    assert site.rows()["event"].whole
    site.server.delete(kept.id)
    assert set(site.sync()) == {str(lost.id)}


def test_a_type_that_is_gone_takes_its_items_along(site: Mall) -> None:
    site.server.add("event", "x", "text")
    site.sync()
    site.server.kinds["event"].shown = False
    assert site.sync() == {}
    assert "event" not in site.rows()


def test_an_item_that_changes_its_type_stays_the_same_item(site: Mall) -> None:
    one = site.server.add("post", "x", "text")
    site.sync()
    site.server.edit(one.id, type="page")
    assert site.sync() == {str(one.id): "text"}
    assert site.document(one).container == "page"
    assert (site.rows()["post"].expected, site.rows()["page"].expected) == (0, 1)


# ── W6: what a reader sees ───────────────────────────────────────────────────────────────────────────


def test_a_document_has_title_terms_fields_text_and_comments(site: Mall) -> None:
    one = site.server.add(
        "stores", "Tom's & Sons", "Shoes [gallery ids='1']for all", 3, terms={"floor": [8, 7]},
        acf={"opening_hours": "10-20", "start_date": "20261205"}, lang="de_DE",
    )  # fmt: skip
    said = site.server.comment(one.id, "Nice &amp; cheap", "Zoe")
    site.sync()
    document = site.document(one)
    assert document.title == "Tom’s & Sons"
    assert document.text == (
        "**Floors:** First floor, Ground floor\n\n**Opening hours:** 10-20\n\n**Start date:** 2026-12-05\n\n"
        "Shoes for all\n\n**Zoe** (2026-10-24 20:30): Nice & cheap"
    )
    assert (document.authors, document.language, document.kind) == (("Cid",), "de", "markdown")
    assert document.url.endswith(f"/stores/item-{one.id}/")
    comment = document.sections[-1]
    assert (comment.role, comment.anchor, comment.author) == ("comment", f"#comment-{said.id}", "Zoe")
    assert document.text[comment.start : comment.end].startswith("**Zoe**")


def test_protected_content_is_left_out_with_a_reason(site: Mall) -> None:
    one = site.server.add("post", "x", "text", password="open-sesame")
    assert site.sync() == {}
    assert site.rows()["post"].filtered == {"password protected": 1}
    site.server.edit(one.id, password="")
    assert site.sync() == {str(one.id): "text"}
    site.server.edit(one.id, password="open-sesame")
    assert site.sync() == {}


def test_pictures_without_words_and_files_without_text_are_left_out_with_a_reason(site: Mall) -> None:
    site.server.add("attachment", "IMG_1", "", mime="image/jpeg", slug="img-1.jpg")
    site.server.add("attachment", "Logos", "", mime="application/zip", file=b"PK", slug="logos.zip")
    site.server.add("attachment", "Plan of the ground floor", "", mime="image/png", slug="img-2.png")
    site.server.add("attachment", "Film", "", mime="text/plain", file=b"x" * 3000, slug="big.txt")
    site.options["max_attachment_bytes"] = 2000
    assert list(site.sync().values()) == ["Plan of the ground floor"]
    assert site.rows()["attachment"].filtered == {
        "picture or film without words": 1, "no text in .zip files": 1, "attachment too large": 1,
    }  # fmt: skip
    before = len(site.server.log)
    site.sync()
    assert not [asked for asked in site.server.log[before:] if "uploads" in asked.path or "include" in asked.query]


def test_a_file_is_read_with_what_was_written_about_it(site: Mall) -> None:
    rules: dict[str, Any] = {"mime": "text/plain", "file": b"No skates.", "slug": "rules.txt", "caption": "Read!"}
    one = site.server.add("attachment", "House rules", "", **rules)
    assert site.sync() == {str(one.id): "No skates.\n\nRead!"}
    assert site.document(one).title == "House rules"


def test_an_import_that_leaves_times_alone_is_found_by_the_census(site: Mall) -> None:
    site.census_hours = 24
    one = site.server.add("event", "x", "text", acf={"hall": "A"})
    site.sync()
    site.server.posts[one.id].acf = {"hall": "B"}
    assert "Hall:** B" in site.sync(hours=25)[str(one.id)]


def test_fields_that_a_plugin_registers_are_read_and_watched(site: Mall) -> None:
    site.census_hours = 24
    one = site.server.add("restaurant", "x", "text", extra={"price_range": "$$"})
    assert "**Price range:** $$" in site.sync()[str(one.id)]
    site.server.posts[one.id].extra = {"price_range": "$$$"}
    assert "**Price range:** $$$" in site.sync(hours=25)[str(one.id)]


# ── W7: where the API is, and who closed it ──────────────────────────────────────────────────────────


@pytest.mark.parametrize(("plain", "link"), [(False, True), (True, True), (True, False)])
def test_the_api_is_found_wherever_it_is(site: Mall, plain: bool, link: bool) -> None:
    site.server.plain, site.server.link_header = plain, link
    one = site.server.add("restaurant", "x", "text")
    assert site.source().check() == []
    assert site.sync() == {str(one.id): "text"}
    site.server.plain = not plain  # somebody changes the permalinks
    assert site.sync() == {str(one.id): "text"}
    assert site.report.state == "ok"


@pytest.mark.parametrize("closed", [("json", 401), ("json", 403), ("html", 404), ("html", 200)])
def test_one_closed_route_is_a_gap_that_names_it(site: Mall, closed: tuple[str, int]) -> None:
    one = site.server.add("page", "x", "text")
    site.server.kinds["event"].closed = closed
    assert site.sync() == {str(one.id): "text"}
    assert site.report.state == "incomplete"
    assert "/wp/v2/event" in site.rows()["event"].gap
    if closed[1] != 200:
        assert ["allow /wp/v2/event for reading" in sentence for sentence in site.source().check()] == [True]


def test_a_site_that_is_closed_says_so(site: Mall) -> None:
    site.server.members_only = True
    with pytest.raises(AccessDenied, match=r"Only signed-in users .* application_password"):
        site.read()
    assert "closed" in site.source().check()[0]


def test_something_else_than_wordpress_says_so(site: Mall) -> None:
    site.server.link_header = False
    site.options["base_url"] = f"{site.server.url}/shop"
    with pytest.raises(NotFound, match="no REST API of WordPress"):
        site.read()


def test_without_the_list_of_types_the_usual_ones_are_read_and_nothing_is_gone(site: Mall) -> None:
    post, event = site.server.add("post", "x", "text"), site.server.add("event", "x", "ice")
    site.sync()
    site.server.types_closed = True
    site.server.edit(post.id, content="new")
    assert site.sync() == {str(post.id): "new", str(event.id): "ice"}
    assert "/wp/v2/types" in site.rows()["types"].gap
    site.server.types_closed = False
    site.sync()
    assert site.report.state == "ok"


def test_only_chosen_types_are_read(site: Mall) -> None:
    event, _, _ = (site.server.add(kind, "x", kind) for kind in ("event", "post", "wp_block"))
    site.options["include"] = ("event*",)
    assert site.sync() == {str(event.id): "event"}
    site.options["include"], site.options["exclude"] = (), ("Events", "attachment")
    assert list(site.sync().values()) == ["post"]


def test_each_translation_is_its_own_document(site: Mall) -> None:
    """As WPML: without `lang`, only the main language is listed."""
    site.server.languages_filtered, site.server.main_language = True, "de"
    for n in range(3):
        site.server.add("event", "x", f"Eis {n}", lang="de")
        site.server.add("event", "x", f"Ice {n}", lang="en")
    assert len(site.sync()) == 3
    site.options["languages"] = ("de", "en")
    assert len(site.sync()) == 6
    assert {document.language for document in site.hub.documents().values()} == {"de", "en"}
    assert site.rows()["event"].expected == 6
    site.server.delete(2)
    site.server.edit(4, content="Ice now")
    assert len(site.sync()) == 5
    assert site.texts()["4"] == "Ice now"


def test_a_site_that_ignores_languages_has_each_item_once(site: Mall) -> None:
    site.options["languages"] = ("de", "en")
    for n in range(3):
        site.server.add("event", "x", f"text {n}")
    assert len(site.sync()) == 3
    site.server.delete(2)
    site.server.edit(1, content="edited")
    assert sorted(site.sync(hours=1).values()) == ["edited", "text 1", "text 2"]
    site.census_hours = 1
    assert sorted(site.sync(hours=2).values()) == ["edited", "text 2"]
    assert (site.rows()["event"].expected, site.report.state) == (2, "ok")


def test_a_type_that_cannot_be_ordered_by_edits_is_compared_as_a_whole(site: Mall) -> None:
    site.server.kinds["event"].orders = ("id", "date")
    first, second = (site.server.add("event", "x", f"text {n}") for n in range(2))
    site.sync()
    site.server.edit(first.id, content="edited")
    site.server.delete(second.id)
    assert site.sync() == {str(first.id): "edited"}


# ── W8: credentials ──────────────────────────────────────────────────────────────────────────────────


def test_an_application_password_is_not_sent_in_the_clear(site: Mall) -> None:
    site.sign_in()
    site.options["base_url"] = "http://mall.example"
    assert site.source().check() == [
        "mall: base_url is http, which shows the application password to the network; write https."
    ]
    with pytest.raises(ConfigurationError):
        site.read()


def test_credentials_that_are_not_taken_are_named(site: Mall) -> None:
    site.sign_in("ann", "wrong wrong wrong")
    assert "does not take this user name and application password" in site.source().check()[0]
    site.sign_in()
    site.server.drops_authorization = True
    assert "drops the Authorization header" in site.source().check()[0]
    site.sign_in("cid", PASSWORD)
    site.server.drops_authorization = False
    site.server.users[3].password = PASSWORD
    assert "make it an Editor" in site.source().check()[0]


def test_a_server_that_drops_credentials_gives_what_is_public_and_a_gap(site: Mall) -> None:
    site.sign_in()
    shown, _ = site.server.add("event", "x", "open"), site.server.add("event", "x", "draft", status="draft")
    site.server.drops_authorization = True
    assert site.sync() == {str(shown.id): "open"}
    assert "only what is public is read" in site.rows()["event"].gap


def test_authors_stay_without_names_where_the_users_are_closed(site: Mall) -> None:
    site.server.users_closed = True
    one = site.server.add("event", "x", "text")
    assert site.sync() == {str(one.id): "text"}
    assert (site.document(one).authors, site.report.state) == ((), "ok")


# ── routes of plugins, and rows that WordPress itself would not give ─────────────────────────────────


def first_page_always(route: str, params: Any, *, attempts: int | None = None) -> Reply:
    """A controller that knows neither `offset` nor `include`, behind a proxy that strips the counts."""
    return Reply(200, {}, b"", [{"id": number} for number in range(1, params["per_page"] + 1)])


def test_a_route_that_gives_its_first_page_for_ever_is_no_complete_listing() -> None:
    collection = Collection(first_page_always, "/wp/v2/rooms", {}, PageLimit(100))
    with pytest.raises(Undecodable, match="again and again"):
        list(collection.upwards())
    with pytest.raises(Undecodable, match="again and again"):
        list(collection.downwards("modified"))


def test_a_route_that_ignores_include_is_not_asked_for_ever() -> None:
    collection = Collection(first_page_always, "/wp/v2/rooms", {}, PageLimit(100))
    assert collection.named([700, 800]).items == []
    assert [one["id"] for one in collection.named([2, 700]).items] == [2]


def test_odd_rows_stop_nothing(site: Mall) -> None:
    one = site.server.add("event", "x", "text")
    site.server.comment(one.id, "said")

    def odd(asked: Asked, answer: Answer) -> Answer:
        for row in answer.data if isinstance(answer.data, list) else ():
            if asked.path.endswith("/comments"):
                row.pop("post", None)
            elif "author" in row:
                row["author"] = {"name": "a plugin's own"}
        return answer

    site.server.odd = odd
    assert site.sync() == {str(one.id): "text"}


@pytest.mark.parametrize("host", ["169.254.169.254", "10.0.0.7:9200", "[::1]", "localhost.", "elastic", "2130706433",
                                  "0x7f.0.0.0x1", "db.internal", "example.com:port"])  # fmt: skip
def test_a_file_at_an_inner_host_is_not_asked_for_and_stops_nothing(site: Mall, host: str) -> None:
    one = site.server.add("event", "x", "text")
    site.server.add("attachment", "Plan", "", mime="text/plain", file=b"plan", slug="plan.txt")

    def elsewhere(asked: Asked, answer: Answer) -> Answer:
        for row in answer.data if isinstance(answer.data, list) else ():
            if "source_url" in row:
                row["source_url"] = f"http://{host}/plan.txt"
        return answer

    site.server.odd = elsewhere
    assert site.sync() == {str(one.id): "text"}
    assert "address" in site.problems()[0]


def test_files_of_a_public_host_are_asked_for() -> None:
    for url in ("https://cdn.example.com/a.pdf", "https://8.8.8.8/a.pdf", "/wp-content/a.pdf", "http://mall/a.pdf"):
        assert address_fault(url, "http://mall") == ""


@pytest.mark.parametrize("headers", [{"date": "Sat, 21 Nov 2026 10:00:00"}, {"date": "now"}, {},
                                     {"date": "Sat, 21 Nov 2026 10:00:00 GMT", "age": "9" * 30}])  # fmt: skip
def test_a_proxys_odd_times_stop_nothing(headers: dict[str, str]) -> None:
    def ask(route: str, params: Any, *, attempts: int | None = None) -> Reply:
        return Reply(200, headers, b"", [{"id": 1}])

    page = Collection(ask, "/wp/v2/posts", {}, PageLimit(100)).named([1])
    assert page.at is None or page.at.tzinfo == UTC


# ── W9: who may read ─────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_public_is_for_editors_and_its_author(site: Mall) -> None:
    site.sign_in()
    one = site.server.add("post", "x", "text", 3, status="draft")
    site.sync()
    own = Acl.of("mall:site") & Acl.of("mall:editors", "mall:user:3")
    assert site.document(one).acl.canonical() == own.canonical()
    held = holders(site.source())
    assert {person for person in held if "mall:editors" in held[person]} == {"mall:user:1", "mall:user:2"}
    site.server.edit(one.id, status="publish")
    site.sync()
    assert site.document(one).acl == Acl.of("mall:site")
    assert "mall:site" in held[ANYONE]
    site.server.edit(one.id, password="open-sesame")
    site.sync()
    assert len(site.document(one).acl.layers) == 2


def test_media_are_as_open_as_what_they_hang_on(site: Mall) -> None:
    site.sign_in()
    post = site.server.add("post", "x", "text")
    picture = site.server.add("attachment", "IMG", "", parent=post.id, mime="image/png", caption="Hall", slug="i.png")
    site.sync()
    assert len(site.document(picture).acl.layers) == 1
    site.server.edit(post.id, status="draft")
    site.sync()
    assert len(site.document(picture).acl.layers) == 2
    site.server.edit(post.id, status="publish")
    site.sync()
    assert len(site.document(picture).acl.layers) == 1


def test_a_stranger_loses_media_with_the_post_that_they_hang_on(site: Mall) -> None:
    post = site.server.add("post", "x", "text")
    picture = site.server.add("attachment", "IMG", "", parent=post.id, mime="image/png", caption="Hall", slug="i.png")
    assert site.sync().keys() == {str(post.id), str(picture.id)}
    site.server.edit(post.id, status="private")
    assert site.sync() == {}
    site.server.edit(post.id, status="publish")
    assert site.sync().keys() == {str(post.id), str(picture.id)}


def test_what_a_plugin_keeps_from_strangers_is_not_public_though_it_is_published(site: Mall) -> None:
    site.sign_in()
    post, open_one = site.server.add("post", "x", "for members"), site.server.add("post", "y", "for all")
    site.server.members_posts = {post.id}
    site.sync()
    own = Acl.of("mall:site") & Acl.of("mall:editors", "mall:user:1")
    assert site.document(post).acl.canonical() == own.canonical()
    assert site.document(open_one).acl == Acl.of("mall:site")
    site.server.members_posts = set()
    site.sync()
    assert site.document(post).acl == Acl.of("mall:site")
    site.server.members_posts = {post.id}
    site.census_hours = 24
    site.sync(hours=25)
    assert len(site.document(post).acl.layers) == 2


def test_a_route_that_only_accounts_may_use_shows_nothing_to_everybody(site: Mall) -> None:
    site.sign_in()
    post = site.server.add("post", "x", "text")
    picture = site.server.add("attachment", "IMG", "", mime="image/png", caption="Hall", slug="i.png")

    def closed(asked: Asked, answer: Answer) -> Answer:
        stranger = "authorization" not in asked.headers and asked.path.endswith(("/posts", "/media"))
        return Answer({"code": "rest_forbidden"}, 401) if stranger else answer

    site.server.odd = closed
    site.sync()
    assert [len(site.document(one).acl.layers) for one in (post, picture)] == [2, 2]


def test_nobody_is_an_editor_while_roles_cannot_be_read(site: Mall) -> None:
    site.server.users[2].password = PASSWORD
    site.sign_in("bob")  # an Editor may not list users with their roles
    assert "mall:editors" not in {one.principal for one in site.source().memberships()}


def test_named_readers_take_the_place_of_the_sites_permissions(site: Mall) -> None:
    site.sign_in()
    one = site.server.add("post", "x", "text", status="draft")
    site.sync()
    site.options["readers"] = ("group:staff",)
    site.sync()
    assert site.document(one).acl == Acl.of("group:staff")


# ── comments ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_late_reply_is_found_and_a_withdrawn_one_is_gone(site: Mall) -> None:
    ones = [site.server.add("post", "x", f"text {n}") for n in range(3)]
    site.sync()
    said = site.server.comment(ones[0].id, "late")
    assert "late" in site.sync(hours=100)[str(ones[0].id)]
    said.status = "spam"
    assert site.sync()[str(ones[0].id)] == "text 0"


def test_an_edited_comment_is_found_by_the_census(site: Mall) -> None:
    site.census_hours = 24
    one = site.server.add("post", "x", "text")
    said = site.server.comment(one.id, "before")
    site.sync()
    said.content = "after"
    assert "after" in site.sync(hours=25)[str(one.id)]


def test_comments_that_are_closed_are_a_gap_and_come_back(site: Mall) -> None:
    one = site.server.add("post", "x", "text")
    site.server.comment(one.id, "said")
    site.server.comments_closed = True
    assert site.sync() == {str(one.id): "text"}
    assert "/wp/v2/comments" in site.rows()["comments"].gap
    site.server.comments_closed = False
    assert "said" in site.sync()[str(one.id)]
    assert site.report.state == "ok"


def test_comments_can_be_left_out(site: Mall) -> None:
    one = site.server.add("post", "x", "text")
    site.server.comment(one.id, "said")
    site.options["comments"] = False
    assert site.sync() == {str(one.id): "text"}
    assert not [asked for asked in site.server.log if "comments" in asked.path]


def test_what_only_moderators_see_of_visitors_is_not_stored(site: Mall) -> None:
    site.sign_in()
    one = site.server.add("post", "x", "text", password="open-sesame")
    site.server.comment(one.id, "said")
    assert "said" in site.sync()[str(one.id)]
    for data in site.hub.stored_bytes():
        assert b"visitor@private.example" not in data
        assert b"203.0.113.9" not in data
        assert b"open-sesame" not in data


def test_signatures_of_addresses_are_not_stored(site: Mall) -> None:
    one = site.server.add(
        "event", "x", '<a href="https://cdn.example/a.pdf?X-Amz-Date=1&amp;X-Amz-Signature=abc123">plan</a>',
        acf={"file": "https://cdn.example/b.pdf?Expires=1&Signature=abc123&Key-Pair-Id=K"},
    )  # fmt: skip
    assert "[plan](https://cdn.example/a.pdf)" in site.sync()[str(one.id)]
    assert "https://cdn.example/b.pdf" in site.texts()[str(one.id)]
    assert not [data for data in site.hub.stored_bytes() if b"abc123" in data]


# ── cost ─────────────────────────────────────────────────────────────────────────────────────────────


def test_an_unchanged_site_costs_one_listing_a_type(site: Mall) -> None:
    site.sign_in()
    for n in range(120):
        site.server.add(["event", "post", "stores"][n % 3], "x", f"text {n}")
    site.sync()
    site.sync()
    before = len(site.server.log)
    site.sync()
    asked = site.server.log[before:]
    assert len(asked) == 4 + 6
    assert all("_fields" in one.query for one in asked if one.path.endswith(("event", "posts", "media")))


def test_requests_follow_the_number_of_changes(site: Mall) -> None:
    ones = [site.server.add("event", "x", f"text {n}") for n in range(150)]
    site.sync()
    site.sync()
    before = len(site.server.log)
    for one in ones[:3]:
        site.server.edit(one.id, content="edited")
    site.sync()
    assert len(site.server.log) - before <= 10 + 3


def test_a_limit_is_used_and_not_overrun(site: Mall) -> None:
    for n in range(120):
        site.server.add("event", "x", f"text {n}", terms={"category": [1]})
    site.server.silent_most, site.server.latency_s = 2, 0.05
    site.options["requests_per_minute"] = 60
    site.server.limit = Limit(site.clock, 60)
    start = site.clock.now()
    assert len(site.sync()) == 120
    minutes = (site.clock.now() - start).total_seconds() / 60 - 5
    assert site.server.limit.accepted / minutes >= 0.9 * 60
    assert site.server.limit.refused == 0


# ── material that nobody here wrote ──────────────────────────────────────────────────────────────────


def published(shared_data: Path, name: str) -> list[dict[str, Any]]:
    """One collection of WordPress' own fixtures."""
    text = (shared_data / "api/wordpress/wp-api-generated.js").read_text("utf-8")
    start = text.index(f"mockedApiResponse.{name} =")
    found = json.JSONDecoder().raw_decode(text[text.index("=", start) + 1 :].lstrip())[0]
    return found if isinstance(found, list) else [found]


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("PostsCollection", "post", "Updated post content."),
        ("PostModel", "post", "Updated post content."),
        ("PagesCollection", "page", "Updated page content."),
        ("PageModel", "page", "Updated page content."),
        ("MediaCollection", "attachment", "A sample caption"),
        ("MediaModel", "attachment", "A sample caption"),
    ],
)
def test_every_collection_of_wordpress_own_fixtures_parses(shared_data: Path, name: str, kind: str, words: str) -> None:
    comments = published(shared_data, "CommentsCollection") if kind == "post" else []
    for item in published(shared_data, name):
        payload = {
            "site": {"url": "http://example.org", "name": "Test Blog"}, "type": {"slug": kind, "name": kind},
            "item": item, "names": {"author": "admin", "terms": []}, "comments": comments, "language": "",
        }  # fmt: skip
        record = RawRecord(NAME, ContainerId(kind), ItemId(f"post:{item['id']}"), kind, "1", Acl.of("x"), payload)
        document = parse_wordpress(record, 1)
        assert document.title.startswith("REST API Client Fixture")
        assert words in document.text
        assert document.updated_at == utc(2017, 2, 14)
        assert ("This is a comment" in document.text) == bool(comments)
        assert ("**Meta key:** meta_value" in document.text) == (kind == "post")


@pytest.mark.parametrize(("name", "read"), [("TypesCollection", post_type), ("TaxonomiesCollection", taxonomy)])
def test_routes_are_where_wordpress_says_that_the_items_are(
    shared_data: Path, name: str, read: Callable[[str, dict[str, Any]], PostType | Taxonomy]
) -> None:
    (listed,) = published(shared_data, name)
    for slug, told in listed.items():
        (link,) = told["_links"]["wp:items"]
        assert link["href"].endswith(f"?rest_route={read(slug, told).route}")


def test_fixtures_of_people_terms_and_comments_have_the_fields_that_are_asked_for(shared_data: Path) -> None:
    for name in ("UsersCollection", "CategoriesCollection", "TagsCollection"):
        assert all({"id", "name"} <= one.keys() for one in published(shared_data, name))
    shown = {"id", "post", "parent", "author_name", "date_gmt", "content"}
    assert all(shown <= one.keys() for one in published(shared_data, "CommentsCollection"))
