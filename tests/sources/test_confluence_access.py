"""Confluence: who may read what, and what pages show of one another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from knowhub.core.types import ANYONE, Acl
from tests.contracts.api_source import assert_exact
from tests.servers.confluence import BOT
from tests.servers.kit import Answer, Asked
from tests.sources.confluence_world import BOTH, CLOUD, Wiki, include, principal, refusing


@pytest.fixture
def wiki(tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    world = Wiki(getattr(request, "param", "cloud"), tmp_path)
    with world.server:
        yield world


# ── C5, C6: who may read ─────────────────────────────────────────────────────────────────────────────


@BOTH
def test_every_restriction_on_the_way_up_must_be_passed(wiki: Wiki) -> None:
    top = wiki.page("Top", users={BOT, "ann", "bob"})
    middle = wiki.page("Middle", parent=top.id)
    low = wiki.page("Low", parent=middle.id, users={BOT, "bob", "cid"})
    file = wiki.attach(low, "a.txt", b"x")
    wiki.sync()
    for id in (f"page:{low.id}", f"page:{low.id}:file:{file.id}"):
        assert set(wiki.document(id).acl.layers) == {
            frozenset({principal("space", "11")}),
            frozenset(principal("user", one) for one in (BOT, "bob", "cid")),
            frozenset(principal("user", one) for one in (BOT, "ann", "bob")),
        }
    assert len(wiki.document(f"page:{middle.id}").acl.layers) == 2


@BOTH
def test_a_page_without_restrictions_has_its_space_alone(wiki: Wiki) -> None:
    page = wiki.page("Plan")
    wiki.sync()
    assert wiki.document(f"page:{page.id}").acl == Acl.of(principal("space", "11"))


@CLOUD
@pytest.mark.parametrize("type", ["page", "folder"])
def test_below_something_that_answers_404_nobody_reads(wiki: Wiki, type: str) -> None:
    top = wiki.server.put(type, "11", "Board only", "ann", users={"ann", BOT})
    page = wiki.page("Pay", parent=wiki.page("Between", parent=top.id).id)
    wiki.sync_long_ago()
    assert len(wiki.document(f"page:{page.id}").acl.layers) == 2
    top.hidden = True
    wiki.sync(census=True)
    assert frozenset() in wiki.document(f"page:{page.id}").acl.layers


@CLOUD
def test_a_restriction_that_cannot_be_read_admits_nobody(wiki: Wiki) -> None:
    page = wiki.page("Pay", users={BOT, "ann"})
    wiki.server.lag_s = 10**9  # not in the index: its restriction is asked for by itself
    wiki.server.instead = refusing("/restriction/")
    wiki.sync()
    assert frozenset() in wiki.document(f"page:{page.id}").acl.layers


@BOTH
def test_a_changed_restriction_is_found_by_the_census_for_all_below(wiki: Wiki) -> None:
    top = wiki.page("Top")
    low = wiki.page("Low", parent=wiki.page("Middle", parent=top.id).id)
    file = wiki.attach(low, "a.txt", b"x")
    wiki.sync_long_ago()
    top.users = {BOT, "dee"}
    wiki.sync(census=True)
    for id in (f"page:{low.id}", f"page:{low.id}:file:{file.id}"):
        assert frozenset({principal("user", BOT), principal("user", "dee")}) in wiki.document(id).acl.layers
    assert_exact(wiki.hub, wiki.sync())


@BOTH
def test_members_and_space_permissions_change_without_reading_anything_again(wiki: Wiki) -> None:
    wiki.page("Plan", space="12")
    assert_exact(wiki.hub, wiki.sync())
    wiki.server.groups["g3"].members = {"dee"}
    wiki.server.spaces["12"].users = set()
    wiki.server.spaces["12"].anonymous = True
    report = wiki.sync()
    assert report.fetched.changed == 0
    assert_exact(wiki.hub, report)


@BOTH
def test_readers_replace_the_permissions_of_the_source(wiki: Wiki) -> None:
    page = wiki.page("Plan", users={BOT})
    wiki.options["readers"] = ("group:staff",)
    wiki.sync()
    assert wiki.document(f"page:{page.id}").acl == Acl.of("group:staff")


# ── C10: includes ────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_an_included_page_is_shown_as_it_is_now(wiki: Wiki) -> None:
    steps = wiki.page("Steps", "<p>Turn it off</p>")
    page = wiki.page("Guide", f"<p>Do this:</p>{include('Steps')}")
    wiki.sync()
    assert "Turn it off" in wiki.document(f"page:{page.id}").text
    wiki.server.edit(steps, body="<p>Turn it on</p>")
    wiki.sync()
    text = wiki.document(f"page:{page.id}").text
    assert "Turn it on" in text
    assert "Turn it off" not in text


@BOTH
def test_an_included_page_is_shown_only_where_all_readers_may_read_it(wiki: Wiki) -> None:
    wiki.page("Steps", "<p>The code is 4711</p>", users={BOT, "ann"})
    open_page = wiki.page("Guide", f"<p>a</p>{include('Steps')}")
    closed_page = wiki.page("Closed guide", f"<p>b</p>{include('Steps')}", users={BOT, "ann"})
    elsewhere = wiki.page("Far guide", f"<p>c</p>{include('Steps', 'OPS')}", space="12", users={BOT, "ann"})
    wiki.sync()
    assert "4711" in wiki.document(f"page:{closed_page.id}").text
    for page in (open_page, elsewhere):
        text = wiki.document(f"page:{page.id}").text
        assert "4711" not in text
        assert "[Steps](" in text


@BOTH
def test_an_included_page_that_is_restricted_later_leaves_the_pages_that_show_it(wiki: Wiki) -> None:
    steps = wiki.page("Steps", "<p>The code is 4711</p>")
    page = wiki.page("Guide", f"<p>a</p>{include('Steps')}")
    wiki.sync_long_ago()
    assert "4711" in wiki.document(f"page:{page.id}").text
    steps.users = {BOT, "ann"}
    wiki.sync(census=True)
    assert "4711" not in wiki.document(f"page:{page.id}").text


@BOTH
def test_a_stranger_who_gets_a_login_page_is_no_reader(wiki: Wiki) -> None:
    wiki.page("Plan")
    wiki.sync()

    def sign_in_first(asked: Asked) -> Answer | None:
        page = Answer(body=b"<html><title>Sign in</title></html>", content_type="text/html")
        return None if "authorization" in asked.headers else page

    wiki.server.instead = sign_in_first
    assert wiki.clock.slept_s < 60
    assert all(ANYONE not in membership.members for membership in wiki.source().memberships())


@BOTH
def test_who_sees_a_space_is_left_out_where_that_cannot_be_read(wiki: Wiki) -> None:
    wiki.server.instead = refusing("/permissions")
    held = {membership.principal for membership in wiki.source().memberships()}
    assert principal("space", "11") not in held
    assert len(held) == len(wiki.server.groups)
