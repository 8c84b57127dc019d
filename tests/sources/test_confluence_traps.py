"""Confluence: each way in which other connectors lose pages or run for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.ports import KnownItem
from knowhub.core.secret import Secret
from knowhub.core.types import Acl, ItemId, RawRecord
from knowhub.sources.confluence import ConfluenceOptions, ConfluenceSource
from tests.contracts.api_source import assert_exact
from tests.contracts.source import LedgerModel
from tests.servers.confluence import BOT
from tests.servers.kit import Answer, Asked, Killed, Limit
from tests.sources.confluence_world import BOTH, CLOUD, NAME, SERVER, Wiki, principal, refusing


@pytest.fixture
def wiki(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    world = Wiki(getattr(request, "param", "cloud"), tmp_path)
    with world.server:
        yield world


# ── C1, C2, C3: what has changed ─────────────────────────────────────────────────────────────────────


@BOTH
@pytest.mark.parametrize("offset_h", [-12, 0, 5.5, 14])
def test_an_edit_is_found_in_whatever_zone_cql_reads_its_minutes(wiki: Wiki, offset_h: float) -> None:
    wiki.server.zone = timezone(timedelta(hours=offset_h))
    page = wiki.page("Plan")
    wiki.sync()
    for number in range(4):
        wiki.clock.advance(seconds=59 + number)
        wiki.server.edit(page, body=f"<p>edit {number}</p>")
        wiki.sync(after=timedelta(seconds=30))
        assert wiki.document(f"page:{page.id}").text == f"edit {number}"


@BOTH
def test_what_the_overlap_shows_again_is_not_read_again(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.sync(after=timedelta(hours=30))
    wiki.server.edit(page, body="<p>new</p>")
    wiki.sync()
    before = len(wiki.server.log)
    assert wiki.sync().fetched.changed == 0
    bodies = [a for a in wiki.asked_since(before) if "storage" in a.one("body-format") + a.one("expand")]
    assert bodies == []


@BOTH
def test_an_edit_that_the_index_shows_late_is_found(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.sync()
    wiki.server.lag_s = 6 * 3600
    wiki.server.edit(page, body="<p>late</p>")
    wiki.sync()
    assert wiki.document(f"page:{page.id}").text == "x"
    wiki.sync(after=timedelta(hours=7))
    assert wiki.document(f"page:{page.id}").text == "late"


@BOTH
def test_an_edit_without_an_edit_time_is_found_by_the_census(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.sync(after=timedelta(hours=40))
    told = page.modified
    wiki.server.edit(page, body="<p>silent</p>")
    page.modified = told
    wiki.sync()
    assert wiki.document(f"page:{page.id}").text == "x"
    wiki.sync(census=True)
    assert wiki.document(f"page:{page.id}").text == "silent"


@BOTH
def test_a_new_comment_and_a_new_file_on_an_old_page_are_found(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.sync(after=timedelta(hours=40))
    comment = wiki.comment(page, "<p>I disagree</p>")
    file = wiki.attach(page, "notes.txt", b"from the meeting")
    wiki.sync()
    assert "I disagree" in wiki.document(f"page:{page.id}").text
    assert wiki.document(f"page:{page.id}:file:{file.id}").text.strip() == "from the meeting"
    wiki.server.edit(comment, body="<p>I agree</p>")
    wiki.server.edit(file, data=b"corrected")
    answer = wiki.comment(page, "<p>Fine</p>", parent=comment.id)
    wiki.sync()
    text = wiki.document(f"page:{page.id}").text
    assert "I agree" in text
    assert "I disagree" not in text
    assert "Fine" in text
    assert answer.id in "".join(section.anchor for section in wiki.document(f"page:{page.id}").sections)
    assert wiki.document(f"page:{page.id}:file:{file.id}").text.strip() == "corrected"


@BOTH
def test_a_comment_that_is_gone_or_resolved_is_found_by_the_census(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    gone = wiki.comment(page, "<p>mistaken</p>")
    resolved = wiki.comment(page, "<p>typo</p>", inline=True, selection="here")
    wiki.sync_long_ago()
    wiki.server.remove(gone)
    resolved.resolved = True
    wiki.sync(census=True)
    text = wiki.document(f"page:{page.id}").text
    assert "mistaken" not in text
    assert "on “here”, resolved" in text


# ── C4, C12: which contents ──────────────────────────────────────────────────────────────────────────


@CLOUD
def test_posts_are_read_and_what_has_no_text_is_counted_with_its_reason(wiki: Wiki) -> None:
    wiki.server.put("blogpost", "11", "News", "ann", "<p>We moved</p>")
    wiki.server.put("whiteboard", "11", "Sketch", "ann")
    folder = wiki.server.put("folder", "11", "Year 2026", "ann")
    wiki.page("In it", parent=folder.id)
    report = wiki.sync()
    row = next(row for row in wiki.hub.ledgers.reports.coverage(NAME) if row.container == "11")
    assert row.filtered == {"whiteboard: the API gives no text": 1, "folder: the API gives no text": 1}
    assert (row.expected, row.searchable, row.whole, report.state) == (4, 2, True, "ok")


@CLOUD
def test_an_archived_page_says_so_or_stays_out(wiki: Wiki) -> None:
    page = wiki.page("Old way")
    wiki.sync_long_ago()
    page.status = "archived"
    wiki.sync(census=True)
    assert wiki.document(f"page:{page.id}").state == "archived"
    wiki.options["archived"] = wiki._archived = False
    wiki.sync()  # other options: the census is due at once
    assert wiki.ids() == set()
    assert_exact(wiki.hub, wiki.sync())


@CLOUD
def test_what_hangs_on_an_archived_page_stays_though_no_search_finds_it(wiki: Wiki) -> None:
    page = wiki.page("Old way")
    wiki.comment(page, "<p>it was good</p>")
    wiki.attach(page, "a.txt", b"x")
    gone = wiki.attach(page, "b.txt", b"y")
    wiki.sync_long_ago()
    wiki.server.remove(gone)
    page.status = "archived"
    wiki.sync(census=True)
    kept = wiki.ids()
    assert len(kept) == 2
    before = len(wiki.server.log)
    wiki.sync(census=True)
    assert wiki.ids() == kept
    assert "it was good" in wiki.document(f"page:{page.id}").text
    assert [one for one in wiki.asked_since(before) if "attachments" in one.path or one.one("body-format")] == []


@BOTH
def test_trash_leaves_the_hub_and_comes_back_and_drafts_never_come(wiki: Wiki) -> None:
    page, child = wiki.page("Plan"), wiki.page("Part")
    child.parent = page.id
    wiki.page("Thought", status="draft")
    wiki.attach(page, "a.txt", b"attached")
    wiki.sync_long_ago()
    assert len(wiki.ids()) == 3
    wiki.server.trash(page)
    wiki.sync(census=True)
    assert wiki.ids() == {f"page:{child.id}"}
    page.status = "current"
    wiki.sync(census=True)
    assert len(wiki.ids()) == 3
    wiki.server.remove(page)
    wiki.sync(census=True)
    assert wiki.ids() == {f"page:{child.id}"}


# ── C7, C8, C9: lists, tokens, ids ───────────────────────────────────────────────────────────────────


@BOTH
def test_lists_of_many_pages_are_read_to_their_end(wiki: Wiki) -> None:
    wiki.server.cap = 2
    pages = [wiki.page(f"Page {n}") for n in range(9)]
    for n in range(5):
        wiki.comment(pages[0], f"<p>comment {n}</p>", parent="")
    report = wiki.sync()
    assert wiki.ids() == {f"page:{page.id}" for page in pages}
    assert all(f"comment {n}" in wiki.document(f"page:{pages[0].id}").text for n in range(5))
    assert report.state == "ok"


@SERVER
def test_pages_that_others_may_not_see_do_not_end_a_list(wiki: Wiki) -> None:
    wiki.server.cap = 3
    seen = [wiki.page(f"Page {n}", users=set() if n % 7 == 6 else {"ann"}) for n in range(30)]
    wiki.sync()
    assert wiki.ids() == {f"page:{page.id}" for page in seen if not page.users}
    assert len(wiki.ids()) == 4


@CLOUD
def test_a_page_token_that_expired_begins_the_walk_anew_without_storing_twice(wiki: Wiki) -> None:
    wiki.server.cap = 2
    pages = [wiki.page(f"Page {n}") for n in range(7)]
    stop_first_sync(wiki, 6)
    wiki.clock.advance(hours=5)
    report = wiki.sync()
    assert wiki.ids() == {f"page:{page.id}" for page in pages}
    assert report.state == "ok"


@CLOUD
def test_a_walk_whose_page_tokens_are_all_refused_ends(wiki: Wiki) -> None:
    wiki.server.cap = 2
    for n in range(5):
        wiki.page(f"Page {n}")

    def refusing_tokens(asked: Asked) -> Answer | None:
        return Answer({"message": "cursor"}, 400) if asked.one("cursor") and "/11/pages" in asked.path else None

    wiki.server.instead = refusing_tokens
    report = wiki.sync()
    assert "OPS" in report.fetched.gaps[0]
    assert len(wiki.server.log) < 100
    wiki.server.instead = lambda asked: None
    assert_exact(wiki.hub, wiki.sync())


@CLOUD
@pytest.mark.parametrize("when", ["first", "later"])
def test_a_list_that_runs_in_a_circle_is_a_gap(wiki: Wiki, when: str) -> None:
    wiki.server.cap = 2
    pages = [wiki.page(f"Page {n}") for n in range(6)]
    if when == "later":
        wiki.sync_long_ago()
    held: list[str] = []

    def circling(asked: Asked) -> Answer | None:
        if "/spaces/11/pages" not in asked.path:
            return None
        reply = wiki.server.genuine(asked)
        held.append(reply.data["_links"].get("next", ""))
        reply.data["_links"]["next"] = held[0]
        return reply

    wiki.server.instead = circling
    report = wiki.sync(census=True)
    assert "runs in a circle" in report.fetched.gaps[0]
    if when == "later":
        assert wiki.ids() == {f"page:{page.id}" for page in pages}


@BOTH
def test_a_list_that_breaks_off_deletes_nothing(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    file = wiki.attach(page, "a.txt", b"x")
    other = wiki.page("Other", space="12")
    wiki.sync_long_ago()
    kept = wiki.ids()
    wiki.server.remove(file)

    def broken(asked: Asked) -> Answer | None:
        if "attachment" in asked.one("cql") and "OPS" in asked.one("cql") and "lastmodified" not in asked.one("cql"):
            return Answer({"message": "start is too large"}, 400)
        return None

    wiki.server.instead = broken
    wiki.server.trash(other)
    report = wiki.sync(census=True)
    assert wiki.ids() == kept - {f"page:{other.id}"}
    assert report.state == "incomplete"
    assert "start is too large" in report.fetched.gaps[0]
    wiki.server.instead = lambda asked: None
    wiki.sync(census=True)
    assert wiki.ids() == {f"page:{page.id}"}


@BOTH
def test_what_a_list_lost_is_asked_for_by_its_id_before_it_is_deleted(wiki: Wiki) -> None:
    page, file_page = wiki.page("Plan"), wiki.page("With file")
    wiki.attach(file_page, "a.txt", b"x")
    wiki.sync_long_ago()
    kept = wiki.ids()

    def losing(asked: Asked) -> Answer:
        reply = wiki.server.genuine(asked)
        if isinstance(reply.data, dict) and "results" in reply.data and not asked.one("id"):
            reply.data["results"] = [one for one in reply.data["results"] if one.get("id") != page.id]
            reply.data["results"] = [one for one in reply.data["results"] if one.get("type") != "attachment"]
        return reply

    wiki.server.instead = losing
    wiki.sync(census=True)
    assert wiki.ids() == kept


@BOTH
def test_renames_and_moves_keep_the_id(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.sync_long_ago()
    before = wiki.ids()
    wiki.server.edit(page, title="The plan")
    wiki.sync()
    assert wiki.document(f"page:{page.id}").location == "OPS/The plan"
    page.space = "12"
    wiki.sync(census=True)
    assert wiki.ids() == before
    assert wiki.document(f"page:{page.id}").container == "12"
    assert wiki.document(f"page:{page.id}").acl == Acl.of(principal("space", "12"))


@CLOUD
def test_a_closed_space_leaves_and_comes_back_whole(wiki: Wiki) -> None:
    wiki.page("Plan")
    other = wiki.page("Other", space="12")
    wiki.sync()
    wiki.server.spaces["11"].closed = True
    wiki.sync()
    assert wiki.ids() == {f"page:{other.id}"}
    wiki.server.spaces["11"].closed = False
    assert_exact(wiki.hub, wiki.sync())


@BOTH
@pytest.mark.parametrize("census", [False, True])
def test_a_token_that_is_taken_for_a_stranger_deletes_nothing(wiki: Wiki, census: bool) -> None:
    wiki.page("Plan")
    public, private = wiki.page("Open", space="13"), wiki.page("Closed", space="13", users={BOT, "ann"})
    wiki.sync_long_ago()
    kept = wiki.ids()
    assert {f"page:{public.id}", f"page:{private.id}"} <= kept

    def stranger(asked: Asked) -> Answer:
        return wiki.server.genuine(replace(asked, headers={}))

    wiki.server.instead = stranger
    report = wiki.sync(census=census)
    assert report.state == "failed"
    assert "stranger" in report.error
    assert wiki.ids() == kept


# ── C11: refusals that are none ──────────────────────────────────────────────────────────────────────


@BOTH
def test_a_403_for_haste_is_waited_for(wiki: Wiki) -> None:
    wiki.page("Plan")
    wiki.server.refuse_with_403 = 3
    report = wiki.sync()
    assert (report.state, len(wiki.ids())) == ("ok", 1)
    assert wiki.clock.slept_s >= 7


@BOTH
def test_a_login_page_in_place_of_a_list_is_a_gap_of_that_space(wiki: Wiki) -> None:
    wiki.page("Plan")
    other = wiki.page("Other", space="12")

    def web_sudo(asked: Asked) -> Answer | None:
        if "OPS" in asked.one("cql") + asked.one("spaceKey") or "/spaces/11/pages" in asked.path:
            return Answer(body=b"<html><title>Administrator Access</title></html>", content_type="text/html")
        return None

    wiki.server.instead = web_sudo
    report = wiki.sync()
    assert wiki.ids() == {f"page:{other.id}"}
    assert report.state == "incomplete"
    assert "Administrator Access" in report.fetched.gaps[0]


# ── one bad item, costs, limits ──────────────────────────────────────────────────────────────────────


@BOTH
def test_a_page_that_the_server_cannot_show_hides_no_other(wiki: Wiki) -> None:
    pages = [wiki.page(f"Page {n}") for n in range(5)]
    wiki.server.undecodable = {pages[2].id}
    report = wiki.sync()
    assert wiki.ids() == {f"page:{page.id}" for page in pages} - {f"page:{pages[2].id}"}
    assert report.state == "incomplete"
    assert [item.item for item in wiki.hub.ledgers.reports.problems(NAME, 9)] == [f"page:{pages[2].id}"]
    wiki.server.undecodable = set()
    assert_exact(wiki.hub, wiki.sync())


@CLOUD
def test_a_scope_that_the_token_lacks_is_a_gap_and_a_token_that_is_refused_ends_the_sync(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    message = "Unauthorized; scope does not match"

    def refusing_some(asked: Asked) -> Answer | None:
        refused = asked.path.endswith("/user/current") or "space = " in asked.one("cql")
        return Answer({"code": 401, "message": message}, 401) if refused else None

    wiki.server.instead = refusing_some
    report = wiki.sync()
    assert (report.state, wiki.ids()) == ("incomplete", {f"page:{page.id}"})
    assert "scope does not match" in report.fetched.gaps[0]
    message = "Client must be authenticated"
    assert wiki.sync(census=True).state == "failed"
    assert wiki.ids() == {f"page:{page.id}"}


@BOTH
@pytest.mark.parametrize("status", [400, 403])
def test_a_page_that_the_server_refuses_hides_no_other(wiki: Wiki, status: int) -> None:
    pages = [wiki.page(f"Page {n}") for n in range(5)]
    wiki.sync_long_ago()
    for page in pages:
        wiki.server.edit(page, body="<p>new</p>")
    wiki.clock.advance(minutes=5)

    def refusing_one(asked: Asked) -> Answer | None:
        ids = asked.one("id").split(",") if wiki.cloud else asked.parts[-1:]
        if "storage" in asked.one("body-format") + asked.one("expand") and pages[2].id in ids:
            return Answer({"message": "not this one"}, status)
        return None

    wiki.server.instead = refusing_one
    assert wiki.sync().state == "incomplete"
    assert [item.item for item in wiki.hub.ledgers.reports.problems(NAME, 9)] == [f"page:{pages[2].id}"]
    wiki.server.instead = lambda asked: None
    assert_exact(wiki.hub, wiki.sync())


@BOTH
def test_a_page_that_comes_without_its_text_is_not_taken_for_an_empty_one(wiki: Wiki) -> None:
    page, other = wiki.page("Plan", body="<p>words</p>"), wiki.page("Other")

    def without_text(asked: Asked) -> Answer:
        reply = wiki.server.genuine(asked)
        rows = [reply.data, *reply.data.get("results", ())] if isinstance(reply.data, dict) else []
        for one in rows:
            if one.get("id") == page.id and "body" in one:
                one["body"] = {}
        return reply

    wiki.server.instead = without_text
    assert wiki.sync().state == "incomplete"
    assert wiki.ids() == {f"page:{other.id}"}
    wiki.server.instead = lambda asked: None
    assert_exact(wiki.hub, wiki.sync())


@BOTH
def test_an_answer_of_a_shape_that_nobody_knows_stops_its_item_or_its_space_alone(wiki: Wiki) -> None:
    commented, holder, plain = wiki.page("Commented"), wiki.page("Holder"), wiki.page("Plain")
    odd = {wiki.comment(commented, "Why?").id, wiki.attach(holder, "a.txt", b"x").id}
    other = wiki.page("Other", space="12")

    def odd_rows(asked: Asked) -> Answer:
        reply = wiki.server.genuine(asked)
        for one in reply.data.get("results", ()) if isinstance(reply.data, dict) else ():
            if one.get("id") in odd:
                one["version"] = {"number": "the third"}
        return reply

    def odd_lists(asked: Asked) -> Answer | None:
        of_ops = "/spaces/12/" in asked.path or asked.one("spaceKey") == "LAW"
        return Answer({"problem": "none"}) if of_ops else None

    wiki.server.instead = odd_rows
    report = wiki.sync()
    assert report.state == "incomplete"
    assert wiki.ids() == {f"page:{page.id}" for page in (holder, plain, other)}
    assert len(wiki.hub.ledgers.reports.problems(NAME, 9)) == 2
    wiki.server.instead = odd_lists
    report = wiki.sync(census=True)
    assert "unexpected shape" in report.fetched.gaps[0]
    assert f"page:{other.id}" in wiki.ids()
    wiki.server.instead = lambda asked: None
    assert_exact(wiki.hub, wiki.sync(census=True))


@BOTH
def test_an_unchanged_sync_asks_once_for_each_space(wiki: Wiki) -> None:
    for n in range(30):
        wiki.comment(wiki.page(f"Page {n}", space=["11", "12", "13"][n % 3]), "<p>y</p>")
    wiki.sync()
    wiki.sync(after=timedelta(hours=40))
    before = len(wiki.server.log)
    wiki.sync()
    asked = wiki.asked_since(before)
    assert len([one for one in asked if one.path.endswith("content/search")]) == 3
    assert len(asked) == 3 + (2 if wiki.cloud else 1)


@BOTH
def test_requests_follow_the_number_of_changes(wiki: Wiki) -> None:
    pages = [wiki.page(f"Page {n}") for n in range(60)]
    wiki.sync()
    wiki.sync(after=timedelta(hours=40))
    wiki.server.edit(pages[7], body="<p>z</p>")
    before = len(wiki.server.log)
    wiki.sync()
    assert len(wiki.asked_since(before)) <= 8
    assert wiki.document(f"page:{pages[7].id}").text == "z"


@BOTH
def test_the_allowed_rate_is_used_and_never_exceeded_in_bursts(wiki: Wiki) -> None:
    wiki.server.cap = 5
    for n in range(80):
        wiki.comment(wiki.page(f"Page {n}"), "<p>y</p>")
    wiki.options["requests_per_minute"] = 60
    wiki.server.limit = limit = Limit(wiki.clock, 60)
    wiki.server.latency_s = 0.2
    begun = wiki.clock.now()
    wiki.sync(after=timedelta(0))
    minutes = (wiki.clock.now() - begun).total_seconds() / 60
    assert minutes > 2
    assert limit.accepted / minutes >= 0.9 * 60
    assert limit.refused <= minutes


@BOTH
def test_an_item_without_version_is_read_again(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    file = wiki.attach(page, "a.txt", b"x")
    model = LedgerModel()
    wiki.clock.advance(hours=40)
    model.fetch(wiki.source())
    wiki.clock.advance(hours=40)
    for id in (f"page:{page.id}", f"page:{page.id}:file:{file.id}"):
        item = ItemId(id)
        model.known[item] = KnownItem(item, model.known[item].container, "", "")
        records = [one for one in model.fetch(wiki.source()) if isinstance(one, RawRecord)]
        assert [record.item for record in records] == [item]


@BOTH
def test_nothing_older_than_since_is_read_or_expected(wiki: Wiki) -> None:
    old = wiki.page("Old")
    wiki.comment(old, "<p>new comment</p>")
    wiki.clock.advance(days=10)
    wiki.options["since"] = wiki.clock.now()
    new = wiki.page("New")
    report = wiki.sync()
    assert wiki.ids() == {f"page:{new.id}"}
    row = next(row for row in wiki.hub.ledgers.reports.coverage(NAME) if row.container == "11")
    assert (row.expected, report.state) == (1, "ok")


@BOTH
def test_personal_spaces_are_read_when_asked_for(wiki: Wiki) -> None:
    page = wiki.page("Mine", space="15")
    wiki.sync()
    assert wiki.ids() == set()
    wiki.options["personal_spaces"] = True
    wiki.sync()
    assert wiki.ids() == {f"page:{page.id}"}


@BOTH
def test_files_beyond_the_limits_are_counted_not_stored(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.attach(page, "big.txt", b"x" * 2000)
    wiki.attach(page, "film.mp4", b"x")
    wiki.options["max_attachment_bytes"] = 1000
    report = wiki.sync()
    row = next(row for row in wiki.hub.ledgers.reports.coverage(NAME) if row.container == "11")
    assert (row.searchable, sum(row.filtered.values()), row.whole, report.state) == (1, 2, True, "ok")
    wiki.options["attachments"] = False
    wiki.sync()
    row = next(row for row in wiki.hub.ledgers.reports.coverage(NAME) if row.container == "11")
    assert (row.expected, row.whole) == (1, True)


# ── what a person is told ────────────────────────────────────────────────────────────────────────────


@BOTH
def test_check_is_silent_when_all_is_well_and_names_what_is_missing(wiki: Wiki) -> None:
    wiki.page("Plan")
    assert wiki.source().check() == []
    wiki.server.instead = refusing("/permissions")
    (sentence,) = wiki.source().check()
    assert "permissions of OPS" in sentence
    wiki.options["include"] = ("NOSUCH",)
    assert "no space" in wiki.source().check()[0]


@BOTH
def test_a_wrong_token_is_said_with_its_cure(wiki: Wiki) -> None:
    wiki.options["token"] = Secret("wrong")
    (sentence,) = wiki.source().check()
    assert "401" in sentence
    assert "API token" in sentence
    assert wiki.source().check() != []
    assert (
        ConfluenceSource(NAME, ConfluenceOptions(token=Secret("x"))).check()[0].startswith("wiki: base_url is missing")
    )


@BOTH
def test_the_edition_is_found_out(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.options["edition"] = "auto"
    wiki.sync()
    assert wiki.document(f"page:{page.id}").url.startswith(wiki.server.site)


def test_the_address_of_a_cloud_site_is_taken_with_and_without_wiki(tmp_path: Path) -> None:
    world = Wiki("cloud", tmp_path)
    with world.server:
        page = world.page("Plan")
        world.options["base_url"] = f"{world.server.url}/wiki/"
        world.sync()
        assert world.document(f"page:{page.id}").url == f"{world.server.site}/spaces/OPS/pages/{page.id}/Plan"


@BOTH
def test_links_open_at_headings_and_comments(wiki: Wiki) -> None:
    page = wiki.page("The Plan", "<h2>First steps</h2><p>go</p>")
    comment = wiki.comment(page, "<p>when?</p>")
    wiki.sync()
    document = wiki.document(f"page:{page.id}")
    anchors = {section.role: section.anchor for section in document.sections}
    assert anchors["heading"] == ("#First-steps" if wiki.cloud else "#ThePlan-Firststeps")
    joint = "?" if wiki.cloud else "&"
    assert anchors["comment"] == f"{joint}focusedCommentId={comment.id}#comment-{comment.id}"
    said = next(section for section in document.sections if section.role == "comment")
    assert (said.author, said.time) == ("Bob Person", comment.created)
    assert document.authors[0] == "Ann Person"
    assert document.text[said.start : said.end].endswith("when?")


@BOTH
def test_mentioned_people_have_names(wiki: Wiki) -> None:
    user = '<ac:link><ri:user ri:account-id="cid" ri:userkey="cid"/></ac:link>'
    page = wiki.page("Plan", f"<p>Ask {user}</p>")
    wiki.sync()
    assert wiki.document(f"page:{page.id}").text == "Ask @Cid Person"


def stop_first_sync(wiki: Wiki, after: int) -> None:
    wiki.server.kill_after = after
    with pytest.raises(Killed):
        wiki.hub.sync()
    wiki.server.revive()
