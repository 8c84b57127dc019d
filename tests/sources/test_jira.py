"""Jira, both editions, against simulated ones: random histories first, then each trap by itself."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, Document, Principal
from knowhub.sources.jira import JiraOptions, JiraSource
from tests.contracts.api_source import ApiHub, ApiSourceContract, ApiWorld, assert_exact, holders
from tests.servers.jira import EMAIL, TOKEN, jql_of
from tests.servers.jira_state import Issue, Visibility
from tests.servers.kit import Killed, Limit
from tests.sources.jira_world import JiraWorld

BOTH = pytest.mark.parametrize("cloud", [True, False], ids=["cloud", "data center"])


class TestJira(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return JiraWorld(rng)


class TestSmallPages(ApiSourceContract):
    """The same with the smallest pages, on Data Center, where no token leads from one to the next."""

    histories = 2

    def world(self, rng: random.Random) -> ApiWorld:
        world = JiraWorld(rng, cloud=False)
        world.server.page_cap = 3
        return world


def calm_world(*, cloud: bool, **options: Any) -> JiraWorld:
    """Nothing has happened for a day, and the index lags no more."""
    world = JiraWorld(random.Random(4), cloud=cloud, **{"census_hours": 24, **options})
    world.server.page_cap, world.server.inline_cap, world.server.listing_cap = 4, 3, 2
    world.settle()
    world.state.indexed()
    world.state.lag = timedelta()
    return world


@contextmanager
def living(*, cloud: bool = True, exact: bool = True, **options: Any) -> Iterator[tuple[JiraWorld, ApiHub]]:
    """A world whose hub has everything, two minutes ago; no census is due for a day."""
    world = calm_world(cloud=cloud, **options)
    with world.server, tempfile.TemporaryDirectory() as folder:
        hub = ApiHub(Path(folder), world)
        report = hub.sync()
        if exact:
            assert_exact(hub, report)
        world.clock.advance(minutes=2)
        yield world, hub


def some(world: JiraWorld) -> Issue:
    return next(iter(world.state.issues.values()))


def document(hub: ApiHub, item: str) -> Document:
    return next(doc for id, doc in hub.documents().items() if id == f"jira:{item}")


def searches(world: JiraWorld, since: int = 0) -> list[str]:
    return [jql_of(asked) for asked in world.server.log[since:] if "/search" in asked.path and asked.method == "POST"]


# ── changes ──────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_an_edit_a_comment_a_move_and_a_deletion_are_found_without_a_census_being_due(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        issues, projects = list(world.state.issues.values()), list(world.state.projects)
        issues[0].text = f"Edited {world.marks.fresh()}"
        world.state.touch(issues[0])
        world.state.comment(issues[1], "bob", f"Late {world.marks.fresh()}")
        world.state.move(issues[2], next(id for id in projects if id != issues[2].project))
        world.state.delete(issues[3])
        report = hub.sync()
        assert_exact(hub, report)
        assert (report.fetched.changed, report.fetched.deleted) == (3, 1)


@BOTH
def test_an_unchanged_site_costs_three_requests_however_many_issues_it_has(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        world.clock.advance(hours=5)
        before = len(world.server.log)
        hub.sync()
        assert len(world.server.log) - before == 3


def test_requests_follow_the_number_of_changes() -> None:
    with living() as (world, hub):
        world.clock.advance(hours=5)
        world.state.touch(some(world))
        before = len(world.server.log)
        hub.sync()
        assert len(world.server.log) - before == 4


@BOTH
def test_a_moved_issue_keeps_its_id_and_is_found_by_its_old_key(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        issue = some(world)
        old, other = issue.key, next(id for id in world.state.projects if id != issue.project)
        for number in range(45):  # Cloud shows the latest forty changes inside an issue
            world.state.move(issue, other) if number == 0 else world.state.log(issue, "labels", "", str(number))
        assert_exact(hub, hub.sync())
        found = document(hub, f"issue:{issue.id}")
        assert f"**Formerly:** {old}" in found.text
        assert found.title.startswith(issue.key)


@BOTH
def test_a_project_with_a_new_key_changes_the_names_of_issues_that_nobody_edited(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        issue = some(world)
        world.clock.advance(days=2)
        world.state.rename_key(world.state.projects[issue.project], "NEW")
        assert_exact(hub, hub.sync())
        found = document(hub, f"issue:{issue.id}")
        assert found.title.startswith("NEW-")
        assert found.url == f"https://acme.example/browse/{issue.key}"


@BOTH
def test_people_who_edit_while_pages_are_read_hide_nothing(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        world.clock.advance(hours=5)
        issues = list(world.state.issues.values())
        for issue in issues:
            world.state.touch(issue)
        again = iter(issues[:6])
        world.server.disturb = lambda: world.state.touch(one) if (one := next(again, None)) else None
        hub.sync()
        world.server.disturb = lambda: None
        world.clock.advance(minutes=10)
        assert_exact(hub, hub.sync())


# ── the search ───────────────────────────────────────────────────────────────────────────────────────


def test_page_tokens_that_come_twice_end_no_listing_early() -> None:
    with living() as (world, hub):
        world.clock.advance(hours=5)
        for issue in world.state.issues.values():
            issue.text = f"Again {world.marks.fresh()}"
            world.state.touch(issue)
        world.server.repeat_tokens = 10**6
        world.server.kill_after = len(world.server.log) + 60
        report = hub.sync()
        world.server.revive()
        assert_exact(hub, report)


def test_a_listing_goes_on_from_its_watermark_when_its_token_has_expired() -> None:
    world = calm_world(cloud=True)
    world.server.page_cap = 3
    with world.server, tempfile.TemporaryDirectory() as folder:
        hub = ApiHub(Path(folder), world)
        world.settle()
        world.server.kill_after = 9
        with pytest.raises(Killed):
            hub.sync()
        world.server.revive()
        world.clock.advance(days=8)
        assert_exact(hub, hub.sync())
        refused = [jql for jql in searches(world) if "updated >= 0 ORDER" in jql]
        assert len(refused) < 5, "it did not begin anew"


def test_search_is_bounded_and_never_the_one_that_is_gone() -> None:
    with living() as (world, hub):
        world.settle()
        hub.sync()
        assert all(jql.startswith("project in (") for jql in searches(world))
        assert not [asked for asked in world.server.log if asked.path.endswith("/rest/api/3/search")]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"])
@pytest.mark.parametrize("day", [datetime(2026, 3, 29, 0, 58, tzinfo=UTC), datetime(2026, 11, 1, 5, 59, tzinfo=UTC)])
def test_an_edit_is_found_whatever_the_time_zone_of_the_account_and_across_summer_time(
    zone: str, day: datetime
) -> None:
    with living(overlap_minutes=1) as (world, hub):
        world.server.user_zone = ZoneInfo(zone)
        world.clock.advance(seconds=(day - world.clock.now()).total_seconds())
        hub.sync()
        for _ in range(3):
            world.clock.advance(minutes=1)
            some(world).text = f"Edited {world.marks.fresh()}"
            world.state.touch(some(world))
            assert_exact(hub, hub.sync())
        assert not [jql for jql in searches(world) if '"' in jql], "a quoted time is read in the account's zone"


def test_what_the_index_learns_late_is_found_within_the_overlap() -> None:
    with living() as (world, hub):
        world.state.lag = timedelta(hours=2)
        some(world).text = f"Edited {world.marks.fresh()}"
        world.state.touch(some(world))
        world.clock.advance(minutes=1)
        assert hub.sync().fetched.changed == 0
        world.clock.advance(hours=2)
        assert_exact(hub, hub.sync())


def test_what_the_index_learns_after_the_overlap_is_found_by_the_census() -> None:
    with living() as (world, hub):
        world.state.lag = timedelta(hours=20)
        world.state.rng = random.Random(5)
        some(world).text = f"Edited {world.marks.fresh()}"
        world.state.touch(some(world))
        for _ in range(5):
            world.clock.advance(hours=5)
            hub.sync()
        assert_exact(hub, hub.sync())


def test_an_issue_that_the_index_lacks_is_asked_for_by_id_before_it_is_called_gone() -> None:
    with living() as (world, hub):
        world.state.indexed()
        del world.state._index[some(world).id]
        world.clock.advance(hours=25)
        report = hub.sync()
        assert report.fetched.deleted == 0
        assert f"jira:issue:{some(world).id}" in hub.documents()


def test_an_issue_that_the_bulk_fetch_names_as_an_error_is_not_gone() -> None:
    with living() as (world, hub):
        world.state.indexed()
        del world.state._index[some(world).id]
        world.server.errors = {some(world).id}
        world.clock.advance(hours=25)
        report = hub.sync()
        assert (report.fetched.deleted, report.fetched.failed) == (0, 1)
        assert f"jira:issue:{some(world).id}" in hub.documents()


@BOTH
def test_a_census_that_breaks_off_deletes_nothing(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        world.clock.advance(hours=25)
        gone = some(world)
        world.state.delete(gone)
        world.server.refuse_search = {gone.project}
        report = hub.sync()
        assert (report.fetched.deleted, report.state) == (0, "incomplete")
        assert "search of this project" in report.fetched.gaps[0]
        world.server.refuse_search = set()
        assert_exact(hub, hub.sync())


@BOTH
def test_a_project_that_refuses_stops_no_other(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        refusing, open_one = world.state.projects
        world.server.refuse_search = {refusing}
        made = world.state.issue(open_one, "New", f"Text {world.marks.fresh()}")
        report = hub.sync()
        assert report.state == "incomplete"
        assert f"jira:issue:{made.id}" in hub.documents()
        assert len([doc for doc in hub.documents().values() if doc.container == str(refusing)]) > 0


def test_a_gap_in_a_project_without_issues_is_closed_when_the_project_is_gone() -> None:
    with living() as (world, hub):
        empty = world.state.project("NEW", ("BROWSE_PROJECTS", "group", "g-staff"))
        world.server.refuse_search = {empty.id}
        assert hub.sync().state == "incomplete"
        empty.archived = True
        assert_exact(hub, hub.sync())


def test_more_issues_than_a_search_window_holds_are_read_on_data_center() -> None:
    world = calm_world(cloud=False)
    world.server.page_cap, world.server.max_window = 100, 100
    with world.server, tempfile.TemporaryDirectory() as folder:
        hub = ApiHub(Path(folder), world)
        now = world.clock.now()
        for _ in range(250):  # an import: all of one moment
            world.state.issue(next(iter(world.state.projects)), "Imported", f"Text {world.marks.fresh()}")
        assert world.clock.now() == now
        assert_exact(hub, hub.sync())
        world.clock.advance(hours=25)
        assert_exact(hub, hub.sync())


# ── who may read ─────────────────────────────────────────────────────────────────────────────────────


def readers(world: JiraWorld, hub: ApiHub, item: str) -> set[str]:
    found = document(hub, item)
    held = holders(world.source())
    everybody = {world._person(one): one for one in world.state.people}
    return {
        name for person, name in everybody.items()
        if all(layer & held.get(person, frozenset()) for layer in found.acl.layers)
    }  # fmt: skip


@BOTH
def test_a_comment_for_a_role_a_group_or_agents_never_stands_in_the_issue(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        ops = next(iter(world.state.projects.values()))
        issue = next(one for one in world.state.issues.values() if one.project == ops.id and one.level is None)
        secret = "for few eyes"
        role = world.state.comment(issue, "ann", secret, visibility=Visibility("role", "10001"))
        group = world.state.worklog(issue, "ann", secret, visibility=Visibility("group", "g-ops"))
        internal = world.state.comment(issue, "ann", secret, internal=True)
        hub.sync()
        assert secret not in document(hub, f"issue:{issue.id}").text
        assert readers(world, hub, f"issue:{issue.id}") == {"ann", "bob"}
        assert readers(world, hub, f"issue:{issue.id}:comment:{role.id}") == {"ann"}
        assert readers(world, hub, f"issue:{issue.id}:worklog:{group.id}") == set()
        assert readers(world, hub, f"issue:{issue.id}:comment:{internal.id}") == {"bob"}
        world.state.groups["g-ops"].members.add("ann")
        assert hub.sync().fetched.changed == 0
        assert readers(world, hub, f"issue:{issue.id}:worklog:{group.id}") == {"ann"}


def test_customers_of_a_portal_are_not_everybody_who_has_an_account() -> None:
    with living() as (world, hub):
        world.state.customers = {"dee"}
        issue = next(one for one in world.state.issues.values() if one.level is None)
        world.state.projects[issue.project].grants = [("BROWSE_PROJECTS", "applicationRole", "")]
        assert readers(world, hub, f"issue:{issue.id}") == {"ann", "bob", "cid"}


def test_a_comment_that_becomes_public_moves_into_its_issue() -> None:
    with living() as (world, hub):
        issue = some(world)
        one = world.state.comment(issue, "ann", "for few eyes", visibility=Visibility("role", "10001"))
        hub.sync()
        assert f"jira:issue:{issue.id}:comment:{one.id}" in hub.documents()
        world.state.rewrite(issue, one, visibility=None)
        assert_exact(hub, hub.sync())
        assert f"jira:issue:{issue.id}:comment:{one.id}" not in hub.documents()
        assert "for few eyes" in document(hub, f"issue:{issue.id}").text


def test_a_role_that_cannot_be_read_is_nobody() -> None:
    with living() as (world, hub):
        world.server.admin = False
        one = world.state.comment(some(world), "ann", "for few eyes", visibility=Visibility("role", "10001"))
        hub.sync()
        acl = document(hub, f"issue:{some(world).id}:comment:{one.id}").acl
        assert frozenset() in acl.layers


def test_a_level_s_role_means_other_people_in_every_project() -> None:
    with living() as (world, hub):
        ops, web = world.state.projects.values()
        web.actors[10001] = {"cid"}
        ops.grants.append(("BROWSE_PROJECTS", "group", "g-ops"))
        issue = world.state.issue(ops.id, "Secret", f"Text {world.marks.fresh()}", level=72)
        hub.sync()
        assert readers(world, hub, f"issue:{issue.id}") == {"ann"}, "cid has the role in the other project only"


def test_issues_with_a_level_are_nobody_s_on_data_center_which_does_not_tell_its_members() -> None:
    with living(cloud=False) as (world, hub):
        issue = some(world)
        issue.level = 71
        world.state.touch(issue)
        hub.sync()
        assert readers(world, hub, f"issue:{issue.id}") == set()


@BOTH
def test_without_the_permission_scheme_the_site_names_who_may_browse(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        world.server.admin = False
        issue = next(one for one in world.state.issues.values() if one.level is None)
        allowed = world.state.holders(world.state.projects[issue.project], "BROWSE_PROJECTS")
        assert readers(world, hub, f"issue:{issue.id}") == allowed


def test_a_project_of_a_team_that_restricts_an_issue_to_roles_is_for_those_alone() -> None:
    with living() as (world, hub):
        issue = next(one for one in world.state.issues.values() if one.level is None)
        issue.custom["issuerestriction"] = {"issuerestrictions": {"projectrole": [10002]}, "shouldDisplay": True}
        world.state.touch(issue)
        hub.sync()
        assert (f"jira:project:{issue.project}:role:10002",) in document(hub, f"issue:{issue.id}").acl.canonical()
        issue.custom["issuerestriction"] = {"issuerestrictions": {"something": ["new"]}, "shouldDisplay": True}
        world.state.touch(issue)
        hub.sync()
        assert frozenset() in document(hub, f"issue:{issue.id}").acl.layers


def test_readers_take_the_place_of_all_permissions() -> None:
    with living(readers=("group:staff",), exact=False) as (world, hub):
        world.state.comment(some(world), "ann", "for few eyes", internal=True)
        hub.sync()
        assert {doc.acl.canonical() for doc in hub.documents().values()} == {(("group:staff",),)}


def test_people_have_names_and_addresses_and_strangers_see_what_is_public() -> None:
    with living() as (world, _):
        world.state.projects[next(iter(world.state.projects))].grants.append(("BROWSE_PROJECTS", "anyone", ""))
        people = {person.principal: person for person in world.source().people()}
        assert people[Principal("jira:user:5b10-ann")].email == "ann@example.com"
        assert len(people) == 4
        public = [one for one in world.source().memberships() if ANYONE in one.members]
        assert [one.principal for one in public] == [f"jira:project:{next(iter(world.state.projects))}"]


# ── bad days ─────────────────────────────────────────────────────────────────────────────────────────


@BOTH
def test_one_issue_that_cannot_be_decoded_stops_no_other(cloud: bool) -> None:
    world = calm_world(cloud=cloud)
    broken = some(world)
    world.server.broken = {broken.id}
    with world.server, tempfile.TemporaryDirectory() as folder:
        hub = ApiHub(Path(folder), world)
        report = hub.sync()
        assert (report.fetched.failed, report.state) == (1, "incomplete")
        assert len([id for id in hub.documents() if id.count(":") == 2]) == len(world.state.issues) - 1
        world.server.broken = set()
        world.clock.advance(hours=10)
        assert_exact(hub, hub.sync())


def test_an_issue_that_the_bulk_fetch_names_as_an_error_is_failed_and_tried_again() -> None:
    with living() as (world, hub):
        issue = some(world)
        world.state.touch(issue)
        world.server.errors = {issue.id}
        report = hub.sync()
        assert report.fetched.failed == 1
        assert "too large" in hub.ledgers.reports.problems(world.name, 5)[0].reason
        world.server.errors = set()
        world.clock.advance(hours=10)
        assert_exact(hub, hub.sync())


def test_an_issue_of_a_shape_that_we_do_not_know_is_failed() -> None:
    with living() as (world, hub):
        issue = some(world)
        issue.custom = {"attachment": [{"id": 1}]}
        world.state.touch(issue)
        report = hub.sync()
        assert report.fetched.failed == 1
        assert "unexpected shape" in hub.ledgers.reports.problems(world.name, 5)[0].reason


@BOTH
def test_a_token_that_expired_is_no_stranger_who_sees_no_projects(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        held = set(hub.documents())
        world.server.expired = True
        report = hub.sync(confirm_deletes=True)
        assert (report.state, report.fetched.deleted) == ("failed", 0)
        assert "401" in report.error
        assert set(hub.documents()) == held


@BOTH
def test_what_a_stranger_cannot_see_in_an_open_project_is_not_gone(cloud: bool) -> None:
    with living(cloud=cloud, exact=False) as (world, hub):
        issue = world.state.issue(next(iter(world.state.projects)), "Secret", "Text", level=72)
        world.clock.advance(minutes=1)
        hub.sync()
        held = set(hub.documents())
        assert f"jira:issue:{issue.id}" in held
        world.server.stranger = True
        world.clock.advance(hours=25)
        assert hub.sync().state == "failed"
        assert set(hub.documents()) == held


def test_a_page_to_sign_in_at_is_not_taken_for_a_file() -> None:
    with living() as (world, hub):
        made = world.state.attach(some(world), "notes.txt", b"The real words")
        page = b"<html><title>Log in</title></html>"
        real, world.state.files[made.id] = world.state.files[made.id], b"The real words"
        media = world.server._attachment
        world.server._attachment = lambda id: type(media(id))(body=page, content_type="text/html")  # type: ignore[method-assign, misc]  # the file's host alone is down
        assert hub.sync().fetched.failed == 1
        world.server._attachment = media  # type: ignore[method-assign]  # and is back
        assert real == b"The real words"
        hub.sync()
        assert "The real words" in document(hub, f"issue:{some(world).id}:file:{made.id}").text


@BOTH
def test_the_allowed_rate_is_used_and_not_overrun(cloud: bool) -> None:
    world = calm_world(cloud=cloud)
    world.server.page_cap, world.server.latency_s = 3, 0.2
    with world.server, tempfile.TemporaryDirectory() as folder:
        hub = ApiHub(Path(folder), world)
        for _ in range(60):
            world._create(random.Random(1))
        limit = world.server.limit = Limit(world.clock, 10)
        begun = world.clock.now()
        assert_synced = hub.sync()
        minutes = (world.clock.now() - begun).total_seconds() / 60
        assert assert_synced.state == "ok"
        assert limit.accepted / max(minutes, 1) >= 0.9 * 10
        assert limit.refused <= minutes + 1


# ── what is in a document ────────────────────────────────────────────────────────────────────────────


@BOTH
def test_a_huge_issue_is_one_document_with_a_section_for_each_comment(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        issue = some(world)
        world.server.listing_cap = 100
        issue.text = "A long story. " * 30_000
        for number in range(250):
            world.state.comment(issue, "bob", f"Answer {number} ends.")
        hub.sync()
        found = document(hub, f"issue:{issue.id}")
        assert len(found.text) > 400_000
        comments = [section for section in found.sections if section.role == "comment"]
        assert len(comments) == 250
        last = comments[-1]
        assert found.text[last.start : last.end].endswith("Answer 249 ends.")
        assert last.anchor == f"?focusedCommentId={issue.comments[-1].id}"
        assert last.author == "Bob"
        assert last.time
        assert abs(last.time - issue.comments[-1].created) < timedelta(milliseconds=1)


@BOTH
def test_fields_links_epic_sprint_and_worklogs_are_in_the_text(cloud: bool) -> None:
    with living(cloud=cloud) as (world, hub):
        issue, other = list(world.state.issues.values())[:2]
        sprint: Any = [{"id": 7, "name": "Sprint 7", "state": "active"}]
        if not cloud:
            sprint = ["com.atlassian.greenhopper.service.sprint.Sprint@1f[id=7,state=ACTIVE,name=Sprint 7,goal=]"]
        issue.custom = {
            "customfield_10010": sprint,
            "customfield_10011": world.state.rich("A full disk"),
            "customfield_10019": "0|i0000:",
            "parent": {"id": "1", "key": "OPS-77", "fields": {"summary": "not for all"}},
        }
        issue.links = [other.id]
        world.state.worklog(issue, "bob", "Cleaned up")
        hub.sync()
        found = document(hub, f"issue:{issue.id}").text
        told = ["**Sprint:** Sprint 7", "**Root cause:** A full disk", "**Parent:** OPS-77", "**Labels:** red"]
        told += [f"**Blocks:** {other.key}", "**Components:** core", "**Priority:** High", "worked 1h", "Cleaned up"]
        assert [line for line in told if line not in found] == []
        assert "not for all" not in found
        assert not [data for data in hub.stored_bytes() if b"not for all" in data]
        assert "0|i" not in found


def test_the_change_history_is_text_where_it_is_wanted() -> None:
    with living(history=True) as (world, hub):
        world.state.log(some(world), "status", "Open", "In Progress")
        hub.sync()
        assert "status: Open → In Progress" in document(hub, f"issue:{some(world).id}").text


def test_mentions_keys_and_files_in_wiki_markup_are_resolved() -> None:
    with living(cloud=False) as (world, hub):
        issue = some(world)
        world.state.attach(issue, "log.txt", b"line")
        issue.text = "Ask [~cid] about OPS-1 and UTF-8, see [^log.txt]"
        world.state.touch(issue)
        hub.sync()
        found = document(hub, f"issue:{issue.id}").text
        assert "Ask @Cid about [OPS-1](https://acme.example/browse/OPS-1) and UTF-8" in found
        assert f"[log.txt](https://acme.example/secure/attachment/{issue.attachments[0].id}/log.txt)" in found


# ── choices ──────────────────────────────────────────────────────────────────────────────────────────


def test_only_chosen_projects_are_read_and_a_wider_choice_reads_the_rest() -> None:
    with living(include=("ops",), exact=False) as (world, hub):
        assert {doc.location.split("-")[0] for doc in hub.documents().values()} == {"OPS"}
        world.options["include"] = ("OPS", "project w*")
        assert_exact(hub, hub.sync())
        world.options["exclude"] = ("WEB",)
        hub.sync(confirm_deletes=True)
        assert {doc.location.split("-")[0] for doc in hub.documents().values()} == {"OPS"}


def test_nothing_older_than_since_is_fetched_or_expected() -> None:
    world = calm_world(cloud=True)
    world.clock.advance(days=30)
    world.options["since"] = world.clock.now()
    edited = some(world)
    with world.server, tempfile.TemporaryDirectory() as folder:
        hub = ApiHub(Path(folder), world)
        world.state.touch(edited)
        for _ in range(2):
            assert hub.sync().state == "ok"
            assert set(hub.documents()) == {f"jira:issue:{edited.id}"}
            world.clock.advance(hours=25)


def test_a_choice_that_changes_documents_stores_them_again() -> None:
    with living() as (world, hub):
        world.options["history"] = True
        assert hub.sync().fetched.changed == len(world.state.issues)


def test_attachments_are_read_as_files_and_not_twice() -> None:
    with living() as (world, hub):
        issue = some(world)
        made = world.state.attach(issue, "notes.txt", b"What the file says")
        world.state.attach(issue, "huge.txt", b"x" * 2000)
        world.state.attach(issue, "film.mp4", b"...")
        world.options["max_attachment_bytes"] = 1000
        hub.sync()
        found = document(hub, f"issue:{issue.id}:file:{made.id}")
        assert (found.text.strip(), found.url) == (
            "What the file says", f"https://acme.example/secure/attachment/{made.id}/notes.txt"
        )  # fmt: skip
        row = next(row for row in hub.ledgers.reports.coverage(world.name) if row.container == str(issue.project))
        assert row.filtered["attachment too large"] == 1
        world.state.touch(issue)
        before = len(world.server.log)
        hub.sync()
        assert not [asked for asked in world.server.log[before:] if asked.path.startswith("/media")]


@BOTH
def test_check_says_what_is_wrong_and_how_to_mend_it(cloud: bool) -> None:
    with living(cloud=cloud) as (world, _):
        assert world.source().check() == []
        world.server.admin = False
        denied, groups = world.source().check()
        assert "Administer Projects" in denied
        assert "Administer Jira" in groups
        world.options["include"] = ("nothing",)
        assert "correct them" in world.source().check()[0]
        wrong = JiraOptions(base_url=world.server.url, token=Secret("wrong"), email=EMAIL if cloud else "")
        (sentence,) = JiraSource(world.name, wrong, clock=world.clock).check()
        assert "401" in sentence
        assert "make a new" in sentence
        assert "not an address" in JiraSource(world.name, JiraOptions(token=Secret(TOKEN))).check()[0]


@BOTH
def test_a_count_that_is_off_lists_a_large_site_once_an_hour_at_most(
    cloud: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("knowhub.sources.jira.reading._FEW", 1)
    with living(cloud=cloud) as (world, hub):
        world.state.delete(some(world))
        assert hub.sync().fetched.deleted == 0
        world.clock.advance(hours=1)
        assert_exact(hub, hub.sync())


@BOTH
def test_a_first_sync_that_is_killed_repeats_no_page_but_one(cloud: bool) -> None:
    for at in range(3, 13, 2):
        world = calm_world(cloud=cloud)
        world.server.page_cap = 2
        with world.server, tempfile.TemporaryDirectory() as folder:
            hub = ApiHub(Path(folder), world)
            world.settle()
            world.server.kill_after = at
            with pytest.raises(Killed):
                hub.sync()
            world.server.revive()
            assert_exact(hub, hub.sync())
            pages = Counter(world.page_of(asked) for asked in world.server.log)
            assert pages["all projects"] <= (len(world.state.issues) + 1) // 2 + 1
