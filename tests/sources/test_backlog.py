from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied, ConfigurationError, UnreadableContent
from knowhub.core.secret import Secret
from knowhub.core.types import Acl, ContainerId, Document, DocumentId, ItemId, Principal, RawRecord, Viewer
from knowhub.sources.backlog import BacklogOptions, BacklogParser, BacklogSource
from knowhub.sources.backlog.api import Project as ApiProject
from knowhub.sources.backlog.feed import Touched, follow
from knowhub.sources.backlog.records import Records, pruned
from tests.contracts.api_source import ApiHub, ApiSourceContract, ApiWorld, assert_exact, holders
from tests.servers.backlog import KEY, Project, Refusal, Repository, Thing
from tests.servers.backlog_world import NAME, BacklogWorld, plain_file, quiet_world
from tests.servers.kit import Answer, Asked, Limit


class TestBacklog(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return BacklogWorld(rng).furnish(rng)

    @pytest.mark.parametrize("seed", [24, 1012, 1057, 1060])
    def test_histories_that_found_a_fault_stay_exact(self, seed: int) -> None:
        self.live(seed)


# ── a quiet space ────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def space(folder: Path, **given: Any) -> Iterator[tuple[ApiHub, BacklogWorld, Project]]:
    world = quiet_world(**given)
    with world.server:
        yield ApiHub(folder, world), world, next(iter(world.server.projects.values()))


def since(world: BacklogWorld, hub: ApiHub) -> list[str]:
    """What one more sync asks, twenty minutes later."""
    world.clock.advance(minutes=20)
    before = len(world.server.log)
    report = hub.sync()
    asked = [one.path.removeprefix("/api/v2/") for one in world.server.log[before:]]
    assert_exact(hub, report)
    return asked


def document(hub: ApiHub, item: str) -> Document:
    return hub.documents()[DocumentId(f"{NAME}:{item}")]


def issue_in(world: BacklogWorld, project: Project) -> Thing:
    return world.server.create_issue(project, world.marks.fresh(), world.marks.fresh(), world.people[0])


def started(world: BacklogWorld, project: Project, hub: ApiHub, issues: int = 3) -> list[Thing]:
    found = []
    for _ in range(issues):
        world.clock.advance(days=3)
        found.append(issue_in(world, project))
    world.clock.advance(days=3)
    assert_exact(hub, hub.sync())
    return found


IDLE = ["projects", "space/activities", "issues", "documents"]


def test_an_unchanged_space_is_asked_four_things_however_many_projects_it_has(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        for number in range(20):
            issue_in(world, world.server.add_project(f"P{number}"))
        started(world, project, hub)
        since(world, hub)
        assert since(world, hub) == IDLE


def test_a_late_comment_on_an_old_issue_is_read_with_all_comments_and_nothing_else(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        old = started(world, project, hub)[0]
        for _ in range(130):
            world.server.comment(old, world.marks.fresh())
        pages = [f"issues/{old.id}/comments"] * 2
        feed = ["space/activities"] * 2
        assert since(world, hub) == ["projects", *feed, "issues", *pages, "documents", "issues/count"]
        assert len(document(hub, f"issue:{old.id}").sections) == 132


def test_an_edited_comment_is_found_when_its_issue_says_so(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        old = started(world, project, hub)[0]
        comment = world.server.comment(old, world.marks.fresh())
        since(world, hub)
        world.server.edit_comment(old, comment, world.marks.fresh())
        since(world, hub)


def test_an_edited_comment_that_nothing_tells_of_is_found_by_the_next_census(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        world.server.edits_touch = False
        old = started(world, project, hub)[0]
        comment = world.server.comment(old, world.marks.fresh())
        since(world, hub)
        world.server.edit_comment(old, comment, world.marks.fresh())
        world.clock.advance(hours=25)
        assert_exact(hub, hub.sync())


def test_a_deleted_issue_is_named_by_the_feed_and_looked_up_before_it_goes(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        old = started(world, project, hub)[0]
        world.server.attach(old, "a.txt", world.marks.fresh().encode())
        since(world, hub)
        world.server.delete_issue(old)
        assert f"issues/{old.id}" in since(world, hub)


def test_a_moved_issue_keeps_its_id_and_its_old_key_can_be_found(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        old = started(world, project, hub)[0]
        other = world.server.add_project("NEW", members=[world.people[2]])
        since(world, hub)
        world.server.move_issue(old, other)
        since(world, hub)
        moved = document(hub, f"issue:{old.id}")
        assert (moved.container, moved.location) == (ContainerId(str(other.id)), "NEW-1")
        assert "Formerly: OPS-1" in moved.text
        world.server.move_issue(old, project)
        since(world, hub)
        back = document(hub, f"issue:{old.id}")
        assert back.location == "OPS-4"
        assert "Formerly: NEW-1, OPS-1" in back.text


def test_a_renamed_project_renames_its_issues_and_their_old_keys_can_be_found(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        old = started(world, project, hub)[0]
        project.key = "OPERATIONS"
        since(world, hub)
        renamed = document(hub, f"issue:{old.id}")
        assert renamed.title.startswith("OPERATIONS-1 ")
        assert renamed.url.endswith("/view/OPERATIONS-1")
        assert "Formerly: OPS-1" in renamed.text


def test_the_text_of_a_document_is_found_although_no_activity_tells_of_it(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        page = world.server.write_document(project, world.marks.fresh(), world.marks.fresh())
        started(world, project, hub)
        world.server.write_document(project, page.row["title"], world.marks.fresh(), page)
        asked = since(world, hub)
        assert asked[:4] == IDLE
        assert set(asked[4:]) == {"documents/tree", f"documents/{page.id}/comments"}


def test_comments_on_documents_and_documents_in_the_trash_follow_the_feed(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        page, other = (world.server.write_document(project, world.marks.fresh(), world.marks.fresh()) for _ in range(2))
        started(world, project, hub)
        world.server.comment_document(project, page, world.marks.fresh())
        world.server.comment_document(project, page, world.marks.fresh(), page.comments[0])
        world.server.discard_document(project, other)
        since(world, hub)
        world.server.restore_document(project, other.id)
        since(world, hub)


def test_a_wiki_is_read_page_by_page_and_only_what_changed(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        pages = [world.server.write_wiki(project, world.marks.fresh(), world.marks.fresh()) for _ in range(5)]
        started(world, project, hub)
        world.server.write_wiki(project, world.marks.fresh(), world.marks.fresh(), pages[0])
        world.server.delete_wiki(project, pages[1])
        assert since(world, hub) == [*IDLE, f"wikis/{pages[0].id}", f"wikis/{pages[1].id}", "wikis/count"]


def test_a_pull_request_follows_the_feed_because_its_list_has_no_filter(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        repository = project.repositories[1] = Repository(1, "app")
        issue = issue_in(world, project)
        first = world.server.create_pull(project, repository, world.marks.fresh(), world.marks.fresh(), issue)
        world.server.create_pull(project, repository, world.marks.fresh(), world.marks.fresh())
        started(world, project, hub)
        world.server.comment_pull(project, repository, first, world.marks.fresh())
        world.server.merge_pull(project, repository, first)
        path = f"projects/{project.id}/git/repositories"
        single = f"{path}/1/pullRequests/1"
        assert since(world, hub) == [*IDLE, path, single, f"{single}/comments", path, f"{path}/1/pullRequests/count"]
        merged = document(hub, f"pull_request:{first.id}")
        assert (merged.state, merged.location) == ("Merged", "OPS/app#1")
        assert merged.sections[-1].anchor == f"#comment-{first.comments[0]['id']}"


def test_the_title_of_another_projects_issue_is_for_its_own_readers(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        repository = project.repositories[1] = Repository(1, "app")
        there = issue_in(world, world.server.add_project("SECRET"))
        pull = world.server.create_pull(project, repository, world.marks.fresh(), world.marks.fresh(), there)
        world.clock.advance(minutes=20)
        hub.calm_sync()
        text = document(hub, f"pull_request:{pull.id}").text
        assert "Issue: SECRET-1\n" in f"{text}\n"
        assert there.row["summary"] not in text


def test_shared_files_follow_the_feed_and_a_renamed_folder_the_census(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        files = [
            world.server.put_file(project, folder, f"{n}.txt", world.marks.fresh().encode())
            for n, folder in enumerate(["/", "/設計/", "/設計/古い/", "/設計/古い/"])
        ]
        started(world, project, hub)
        world.server.put_file(project, "/設計/", "1.txt", world.marks.fresh().encode(), files[1])
        world.server.delete_file(project, files[3])
        since(world, hub)
        world.server.rename_folder(project, "/設計/", "/図面/")
        world.clock.advance(hours=25)
        assert_exact(hub, hub.sync())
        assert document(hub, f"file:{files[2].id}").location == "OPS/図面/古い/2.txt"


def test_an_activity_that_shows_up_behind_newer_ones_is_still_followed(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        pages = [world.server.write_wiki(project, world.marks.fresh(), world.marks.fresh()) for _ in range(2)]
        started(world, project, hub)
        world.server.write_wiki(project, world.marks.fresh(), world.marks.fresh(), pages[0])
        late = world.server.activities.pop()
        world.server.write_wiki(project, world.marks.fresh(), world.marks.fresh(), pages[1])
        hub.sync()
        world.server.activities.insert(-1, late)
        asked = since(world, hub)
        assert [path for path in asked if path.startswith("wikis/")] == [f"wikis/{pages[0].id}", "wikis/count"]


def test_a_project_that_vanishes_waits_for_a_person(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        issue_in(world, world.server.add_project("DEV"))
        started(world, project, hub, 15)
        project.members.discard(world.server.me)
        for _ in range(2):
            world.clock.advance(hours=25)
            report = hub.sync()
            assert (report.state, report.fetched.held, len(hub.documents())) == ("incomplete", 15, 16)
        assert_exact(hub, hub.calm_sync())
        assert len(hub.documents()) == 1


# ── lists that change while they are read ────────────────────────────────────────────────────────────


def test_nothing_is_skipped_when_rows_vanish_from_a_list_while_it_is_read(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        issues = [issue_in(world, project) for _ in range(260)]
        doomed = issues[:40]

        def vanish() -> None:
            if doomed and len(world.server.log) > 140:
                world.server.delete_issue(doomed.pop())

        world.server.disturb = vanish
        hub.sync()
        world.server.disturb = lambda: None
        listed = [one for one in world.server.log if one.path == "/api/v2/issues" and one.one("sort") == "created"]
        assert len(listed) > 3
        assert len(hub.documents()) >= 220
        since(world, hub)


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati", "Europe/Berlin"])
def test_filters_by_days_lose_nothing_wherever_the_space_is(tmp_path: Path, zone: str) -> None:
    """Around midnight, and across the change to summer time in Europe on 29 March 2026."""
    with space(tmp_path, zone=zone) as (hub, world, project):
        issue = started(world, project, hub, 1)[0]
        world.clock.advance(days=(datetime(2026, 3, 28, tzinfo=UTC) - world.clock.now()).days)
        for _ in range(26):
            world.server.comment(issue, world.marks.fresh())
            world.clock.advance(hours=1)
            since(world, hub)


def test_what_is_older_than_since_is_neither_fetched_nor_expected(tmp_path: Path) -> None:
    with space(tmp_path, since=datetime(2026, 3, 9, 20, tzinfo=UTC)) as (hub, world, project):
        repository = project.repositories[1] = Repository(1, "app")
        old = issue_in(world, project)
        world.server.create_pull(project, repository, "old", "old")
        world.server.write_wiki(project, "old", "old")
        world.server.write_document(project, "old", "old")
        world.server.put_file(project, "/", "old.txt", b"old")
        world.clock.advance(days=10)
        new = issue_in(world, project)
        assert hub.sync().state == "ok"
        assert set(hub.documents()) == {f"{NAME}:issue:{new.id}"}
        world.server.comment(old, world.marks.fresh())
        world.clock.advance(minutes=20)
        assert hub.sync().state == "ok"
        assert set(hub.documents()) == {f"{NAME}:issue:{new.id}", f"{NAME}:issue:{old.id}"}


# ── what goes wrong ──────────────────────────────────────────────────────────────────────────────────


def break_path(world: BacklogWorld, *broken: str, answer: Answer | None = None) -> None:
    """These paths (below /api/v2/) answer 500 from now on, or what is given."""
    ordinary = type(world.server).answer

    def answered(asked: Asked) -> Answer:
        if asked.path.removeprefix("/api/v2/") in broken:
            return answer or Answer({"errors": [{"message": "Internal error.", "code": 1, "moreInfo": ""}]}, 500)
        return ordinary(world.server, asked)

    world.server.answer = answered  # type: ignore[method-assign]  # this one space behaves otherwise


def test_one_issue_that_cannot_be_read_stops_nothing_and_is_tried_again(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        issues = [issue_in(world, project) for _ in range(4)]
        break_path(world, f"issues/{issues[1].id}/comments")
        report = hub.sync()
        assert report.state == "incomplete"
        row = hub.ledgers.reports.coverage(NAME)[0]
        assert (row.expected, row.searchable, sum(row.failed.values())) == (4, 3, 1)
        assert "Internal error" in next(iter(row.failed))
        break_path(world)
        since(world, hub)


def test_a_row_that_is_not_as_it_should_be_stops_nothing(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        issues = [issue_in(world, project) for _ in range(4)]
        ordinary = world.server.issue_row
        odd = {"issueKey": None, "updated": None, "created": "yesterday", "attachments": [7, {"name": "no id"}]}
        world.server.issue_row = lambda issue: ordinary(issue) | (odd if issue is issues[1] else {})  # type: ignore[method-assign]  # this one space
        for _ in range(2):
            assert hub.sync().state == "incomplete"
            assert len(hub.documents()) == 3
            row = hub.ledgers.reports.coverage(NAME)[0]
            assert (row.expected, row.accounted, sum(row.failed.values())) == (4, 4, 1)
            world.clock.advance(hours=25)
        world.server.issue_row = ordinary  # type: ignore[method-assign]  # as it was
        since(world, hub)


def test_a_space_that_is_down_ends_the_sync_instead_of_failing_every_item(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        issues = [issue_in(world, project) for _ in range(30)]
        break_path(world, *(f"issues/{issue.id}/comments" for issue in issues))
        assert hub.sync().state == "failed"
        assert len([one for one in world.server.log if one.path.endswith("/comments")]) <= 30


def test_a_forbidden_kind_is_a_gap_with_its_cure_and_the_rest_is_read(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        repository = project.repositories[1] = Repository(1, "app")
        world.server.create_pull(project, repository, world.marks.fresh(), world.marks.fresh())
        started(world, project, hub)
        world.server.users[world.server.me]["roleType"] = 4
        world.clock.advance(hours=25)
        assert hub.sync().state == "incomplete"
        row = hub.ledgers.reports.coverage(NAME)[0]
        assert "pull requests cannot be read" in row.gap
        assert "give the token's user a role" in row.gap
        assert len(hub.documents()) == 4, "nothing is deleted because it was forbidden"
        world.server.users[world.server.me]["roleType"] = 2
        since(world, hub)


def test_a_plan_without_documents_is_no_gap(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        refusal = Refusal(403, 2, "Not available in your plan.").answer
        break_path(world, "documents", "documents/tree", answer=refusal)
        started(world, project, hub)
        since(world, hub)


def test_the_feature_of_a_project_that_is_not_used_is_not_asked_for(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        project.uses = set()
        started(world, project, hub)
        paths = {asked.path.removeprefix("/api/v2/") for asked in world.server.log}
        assert not [path for path in paths if path.startswith("wikis") or "git" in path or "files" in path]


def test_archived_projects_stay(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        started(world, project, hub)
        project.archived = True
        world.clock.advance(hours=25)
        assert_exact(hub, hub.sync())
        assert len(hub.documents()) == 3


def test_the_pace_is_what_the_headers_of_each_class_allow(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        for _ in range(300):
            issue_in(world, project)
        world.server.limits = {"read": 60, "search": 60}
        world.server.latency_s = 0.05
        start = world.clock.now()
        assert_exact(hub, hub.sync())
        minutes = (world.clock.now() - start).total_seconds() / 60
        assert world.server.refused == 0
        assert len(world.server.log) / minutes >= 0.9 * 60


def test_refusals_without_a_warning_are_waited_out_once_a_window(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        for _ in range(200):
            issue_in(world, project)
        world.server.limit = Limit(world.clock, 60)
        world.server.latency_s = 0.05
        start = world.clock.now()
        report = hub.sync()
        minutes = (world.clock.now() - start).total_seconds() / 60
        assert world.server.limit.refused <= minutes + 1
        assert world.server.limit.accepted / minutes >= 0.9 * 60
        world.server.limit = None
        assert_exact(hub, report)


def test_logins_change_nothing() -> None:
    """Every list of users shows when each of them came in last: that is no edit of what they wrote."""
    row = {"id": 1, "createdUser": {"id": 2, "name": "Ana", "lastLoginTime": "2026-01-01T00:00:00Z"}, "stars": [1]}
    assert pruned(row) == {"id": 1, "createdUser": {"id": 2, "name": "Ana"}}


# ── who may read ─────────────────────────────────────────────────────────────────────────────────────


def test_members_and_their_teams_hold_a_project_and_nobody_else_does() -> None:
    world = quiet_world()
    with world.server:
        project = next(iter(world.server.projects.values()))
        project.teams = {7}
        held = holders(world.source())
        principal = Principal(f"{NAME}:project:{project.id}")
        ana, bob, cid = (Principal(f"{NAME}:user:{one}") for one in world.people)
        assert all(principal in held[one] for one in (ana, bob, cid))
        project.teams = set()
        assert cid not in holders(world.source())
        emails = {person.principal: person.email for person in world.source().people()}
        assert emails[ana] == "ana@example.com"


@pytest.mark.parametrize("role", [3, 4, 5, 6, None])
def test_guests_and_viewers_do_not_read_what_backlog_shows_to_full_members_alone(
    tmp_path: Path, role: int | None
) -> None:
    with space(tmp_path) as (hub, world, project):
        project.members.add(world.people[2])
        world.server.users[world.people[2]]["roleType"] = role
        project.repositories[1] = Repository(1, "app")
        pull = world.server.create_pull(project, project.repositories[1], world.marks.fresh(), world.marks.fresh())
        world.server.attach(pull, "p.txt", world.marks.fresh().encode())
        file = world.server.put_file(project, "/", "f.txt", world.marks.fresh().encode())
        plain = world.server.write_document(project, world.marks.fresh(), world.marks.fresh())
        said = world.server.write_document(project, world.marks.fresh(), world.marks.fresh())
        issue = issue_in(world, project)
        world.server.comment_document(project, said, world.marks.fresh())
        assert_exact(hub, hub.sync())
        held = holders(world.source())[Principal(f"{NAME}:user:{world.people[2]}")]
        viewer = Viewer("cid", frozenset(held))
        read = {id.partition(":")[2] for id, one in hub.documents().items() if one.acl.admits(viewer)}
        assert read == {f"issue:{issue.id}", f"document:{plain.id}"}
        assert {f"file:{file.id}", f"pull_request:{pull.id}", f"document:{said.id}"} <= {
            id.partition(":")[2] for id in hub.documents()
        }


def test_a_project_whose_members_cannot_be_listed_is_held_by_nobody() -> None:
    world = quiet_world()
    with world.server:
        project = next(iter(world.server.projects))
        break_path(world, f"projects/{project}/users", answer=Refusal(403, 5, "No.").answer)
        assert [membership.members for membership in world.source().memberships()] == [frozenset()] * 2


def test_a_refused_token_ends_the_directory_too() -> None:
    world = quiet_world(token=Secret("wrong-token"))
    with world.server, pytest.raises(AccessDenied):
        list(world.source().memberships())


def test_named_readers_replace_the_spaces_permissions(tmp_path: Path) -> None:
    with space(tmp_path, readers=("staff",)) as (hub, world, project):
        issue = issue_in(world, project)
        world.server.attach(issue, "a.txt", b"a")
        world.server.write_wiki(project, "a", "b")
        world.server.write_document(project, "a", "b")
        world.server.put_file(project, "/", "b.txt", b"b")
        hub.sync()
        assert [one.acl for one in hub.documents().values()] == [Acl.of("staff")] * 5
        world.given = {}
        hub.sync()
        own = Acl.of(f"{NAME}:project:{project.id}")
        narrow = own & Acl.of(f"{NAME}:project:{project.id}:full")
        acls = [one.acl for one in hub.documents().values()]
        assert (acls.count(own), acls.count(narrow)) == (4, 1), "what was stored has its readers anew"


# ── check ────────────────────────────────────────────────────────────────────────────────────────────


def test_check_names_what_is_wrong_and_its_cure() -> None:
    world = quiet_world()
    with world.server:
        assert world.source().check() == []
        world.given = {"token": Secret("wrong-token")}
        (sentence,) = world.source().check()
        assert "refuses the token" in sentence
        assert "Personal settings ▸ API" in sentence
        assert "wrong-token" not in sentence
        world.given = {"include": ("NOPE",)}
        assert "leave none of 1 projects" in world.source().check()[0]
        world.given = {"base_url": "acme.backlog.com"}
        assert "set it to https://SPACE.backlog.com" in world.source().check()[0]
        world.given = {}
        world.server.users[world.server.me]["roleType"] = 4
        assert [s.partition(" may not read ")[2].partition(" of ")[0] for s in world.source().check()] == [
            "pull requests",
            "files",
        ]
        world.server.projects.clear()
        assert "joined no project" in world.source().check()[0]


def test_an_unknown_kind_is_named() -> None:
    options = BacklogOptions(base_url="https://acme.backlog.com", token=Secret(KEY), kinds=("wiki",))
    with pytest.raises(ConfigurationError, match="wiki is no kind of thing"):
        BacklogSource(NAME, options)


def test_options_do_not_show_their_token() -> None:
    assert KEY not in repr(BacklogOptions(base_url="https://acme.backlog.com", token=Secret(KEY)))


# ── documents ────────────────────────────────────────────────────────────────────────────────────────


def parsed(hub: ApiHub, world: BacklogWorld, item: str) -> str:
    world.clock.advance(minutes=20)
    hub.sync()
    return document(hub, item).text.replace(world.server.url, "https://acme.backlog.com")


def test_an_issue_reads_as_people_see_it(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        world.server.add_project("DEV")
        issue = world.server.create_issue(project, "接続が切れる", "* 手順\n- DEV-3 と UTF-8\n-- &color(red){急ぎ}")
        issue.row["milestone"] = [{"id": 1, "name": "R1"}, {"id": 2, "name": "R2"}]
        issue.row["customFields"] = [{"id": 1, "fieldTypeId": 5, "name": "環境", "value": {"id": 3, "name": "本番"}}]
        issue.row["dueDate"] = "2026-04-01T00:00:00Z"
        world.server.comment(issue, "{code:sh}\nping OPS-9\n{/code}", author=world.people[0])
        world.server.edit_issue(issue, summary="接続が時々切れる")
        world.server.comment(issue, "", [])
        assert parsed(hub, world, f"issue:{issue.id}") == (
            "# OPS-1 接続が時々切れる\n\n"
            "- Type: タスク\n- Status: 未対応\n- Priority: 中\n- Milestone: R1, R2\n"
            "- Due date: 2026-04-01\n- 環境: 本番\n\n"
            "# 手順\n\n- [DEV-3](https://acme.backlog.com/view/DEV-3) と UTF-8\n  - 急ぎ\n\n"
            "**ana** (2026-03-02 09:30):\n\n```sh\nping OPS-9\n```\n\n"
            "**crawler** (2026-03-02 09:30):\n\n- summary: 接続が切れる → 接続が時々切れる"
        )
        read = document(hub, f"issue:{issue.id}")
        comments = [section for section in read.sections if section.role == "comment"]
        assert [section.anchor for section in comments] == [f"#comment-{one['id']}" for one in issue.comments[:2]]
        assert comments[0].author == "ana"
        assert (read.kind, read.state, read.location) == ("issue", "未対応", "OPS-1")


def test_changes_can_be_left_out(tmp_path: Path) -> None:
    with space(tmp_path, changes=False) as (hub, world, project):
        issue = world.server.create_issue(project, "a", "b")
        world.server.edit_issue(issue, summary="c")
        assert "→" not in parsed(hub, world, f"issue:{issue.id}")


def test_a_project_that_writes_markdown_is_not_read_as_notation(tmp_path: Path) -> None:
    with space(tmp_path) as (hub, world, project):
        project.rule = "markdown"
        issue = world.server.create_issue(project, "a", "* item\n\n`OPS-1` OPS-2")
        assert "* item\n\n`OPS-1` [OPS-2](https://acme" in parsed(hub, world, f"issue:{issue.id}")
        project.rule = "backlog"
        assert "# item" in parsed(hub, world, f"issue:{issue.id}"), "another rule, another text"


def record(kind: str, payload: Mapping[str, Any] | None) -> RawRecord:
    return RawRecord(NAME, ContainerId("1"), ItemId("x:1"), kind, "1", Acl.of("a"), payload)


@pytest.mark.parametrize(
    ("kind", "payload"),
    [("issue", None), ("issue", {}), ("issue", {"issue": 3}), ("wiki", {"wiki": []}), ("nothing", {"a": 1}),
     ("document", {"document": None, "comments": 7}), ("attachment", {"name": "a"})],
)  # fmt: skip
def test_what_we_did_not_store_is_unreadable_and_no_crash(kind: str, payload: Mapping[str, Any] | None) -> None:
    with pytest.raises(UnreadableContent):
        BacklogParser(plain_file)(record(kind, payload), 1)


# ── what Nulab publishes ─────────────────────────────────────────────────────────────────────────────


def published(shared_data: Path, name: str) -> list[dict[str, Any]]:
    data = json.loads((shared_data / "api" / "backlog" / "responses" / f"{name}.json").read_bytes())
    return data if isinstance(data, list) else [data]


OPTIONS = BacklogOptions(base_url="https://acme.backlog.com", token=Secret(KEY))
RECORDS = Records(NAME, OPTIONS)
PUBLIC = ApiProject(1073761031, "TST", "test", "backlog")
SHOWN = ("summary", "description", "content", "branch", "base")


def assert_shown(row: Mapping[str, Any], read: Document) -> None:
    """Every word that a person wrote stands in the document."""
    names = [row[key]["name"] for key in ("issueType", "priority", "status", "assignee") if row.get(key)]
    names += [
        one["name"]
        for key in ("category", "versions", "milestone", "attachments", "tags")
        for one in row.get(key) or ()
    ]
    names += [one["name"] for one in row.get("sharedFiles") or ()]
    for text in [*(row.get(key) or "" for key in SHOWN), *names]:
        for word in str(text).split():
            assert word in f"{read.title}\n{read.text}", word


@pytest.mark.parametrize("name", ["issue", "issues", "custom_field_issue"])
def test_every_published_issue_becomes_a_document(shared_data: Path, name: str) -> None:
    comments = published(shared_data, "issue_comments") + published(shared_data, "issue_comment")
    for row in published(shared_data, name):
        if "issueKey" not in row:
            continue
        read = BacklogParser(plain_file)(RECORDS.issue(PUBLIC, row, comments, []), 1)
        assert_shown(row, read)
        for comment in comments:
            assert_shown({"content": comment["content"]}, read)
            for change in comment["changeLog"]:
                assert change["field"] in read.text


def test_every_published_page_becomes_a_document(shared_data: Path) -> None:
    pages = published(shared_data, "wiki") + [one for one in published(shared_data, "wikis") if "content" in one]
    for row in pages:
        assert_shown(row, BacklogParser(plain_file)(RECORDS.wiki(PUBLIC, row, row), 1))


def test_every_published_pull_request_becomes_a_document(shared_data: Path) -> None:
    comments = published(shared_data, "pull_request_comments")
    for row in published(shared_data, "pull_requests") + published(shared_data, "pull_requests2"):
        made = RECORDS.pull_request(PUBLIC, {"id": 4, "name": "app"}, row, comments)
        read = BacklogParser(plain_file)(made, 1)
        assert_shown(row, read)
        assert read.created_at is not None
        if row.get("mergeAt"):
            assert "Merged: 2015-07-14" in read.text


def test_every_published_activity_names_what_it_touched(shared_data: Path) -> None:
    files = sorted((shared_data / "api" / "backlog" / "responses").glob("activit*.json"))
    activities = [one for file in files for one in published(shared_data, file.stem)]
    assert len(activities) > 40
    about = Counter(one["type"] for one in activities)
    assert {1, 2, 3, 5, 6, 8} <= about.keys()
    for one in activities:
        touched: dict[int, Touched] = {}
        follow([one], touched)
        if one["type"] in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 14, 18, 19, 20, 21):
            assert touched[one["project"]["id"]], one


def test_published_files_users_and_projects_are_understood(shared_data: Path) -> None:
    for row in published(shared_data, "shared_files") + published(shared_data, "shared_file"):
        file = RECORDS.shared_file(PUBLIC, row)
        assert (file.name, file.size_bytes) == (row["name"], row["size"])
        assert file.link.startswith("https://acme.backlog.com/file/TST/")


def test_the_feed_names_many_issues_and_documents_at_once() -> None:
    touched = Touched()
    link = [{"id": 7, "key_id": 1, "title": "a"}, {"id": 8, "key_id": 2, "title": "b"}]
    touched.follow(14, {"tx_id": 230, "link": link, "changes": []})
    touched.follow(4, {"id": 9, "key_id": 3})
    touched.follow(48, {"documents": [{"id": "d1", "title": "x"}]})
    touched.follow(42, {"id": "c1", "document": {"id": "d2"}})
    touched.follow(99, {"id": 1})
    assert touched.issues == {7, 8, 9}
    assert (touched.documents, touched.commented) == ({"d1"}, {"c1", "d2"})
