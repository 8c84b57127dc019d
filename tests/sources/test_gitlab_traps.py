"""What other systems lost on GitLab, one test each, and what a plain sync between two censuses must find."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import ConfigurationError
from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, Acl, Document, DocumentId, Principal, RawRecord, SourceName
from knowhub.formats.files import parse_file
from knowhub.sources.gitlab import GitLabOptions, GitLabParser, GitLabSource
from tests.contracts.api_source import ApiHub
from tests.servers.gitlab import TOKEN, GitLab
from tests.servers.gitlab_state import GUEST, OWNER, PLANNER, REPORTER, Group, Issuable, Member, Project, Snippet, User
from tests.servers.kit import Limit, VirtualClock

NAME = SourceName("forge")
UPLOAD = f"/uploads/{'0123456789abcdef' * 2}/notes.txt"


class Bench:
    """One project with a group above it, and a hub that reads it."""

    def __init__(self, folder: Path) -> None:
        self.clock = VirtualClock()
        self.server = GitLab(self.clock)
        self.name = NAME
        self.secrets = (TOKEN,)
        for id, name in enumerate(("root", "ann", "bob"), 1):
            self.server.users[id] = User(id, name, name.title())
        self.server.groups[10] = Group(10, "acme", None, "private", {1: Member(OWNER)})
        self.project = self.server.projects[42] = Project(42, 10, "app")
        self.options: dict[str, Any] = {"groups": ("acme",), "census_hours": 1000}
        self.hub = ApiHub(folder, self)  # type: ignore[arg-type]  # what a hub asks of a world is here

    def source(self) -> GitLabSource:
        options = GitLabOptions(**{"base_url": self.server.url, "token": Secret(TOKEN), **self.options})
        return GitLabSource(NAME, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return GitLabParser(parse_file)(record, sequence)

    def issue(self, title: str = "An issue", text: str = "Words.") -> Issuable:
        return self.server.open(self.project.issues, title, text, 1)

    def request(self, title: str = "A change", text: str = "Words.") -> Issuable:
        return self.server.open(self.project.merge_requests, title, text, 1)

    def sync(self, **advance: float) -> Any:
        self.clock.advance(**(advance or {"minutes": 10}))
        self.first = len(self.server.log)
        return self.hub.calm_sync()

    @property
    def asked(self) -> list[str]:
        """Paths of the last sync, below `/api/v4/`."""
        return [one.path.removeprefix("/api/v4/") for one in self.server.log[self.first :]]

    def text(self, item: str) -> str:
        return self.hub.documents()[DocumentId(f"forge:{item}")].text

    def items(self) -> set[str]:
        return {id.partition(":")[2] for id in self.hub.documents()}

    def acl(self, item: str) -> Acl:
        return self.hub.documents()[DocumentId(f"forge:{item}")].acl


@pytest.fixture
def bench() -> Iterator[Bench]:
    with tempfile.TemporaryDirectory() as folder:
        made = Bench(Path(folder))
        with made.server:
            yield made


# ── G1, G2: nothing stops at the first old record ────────────────────────────────────────────────────


def test_an_old_merge_request_does_not_keep_issues_from_being_read(bench: Bench) -> None:
    bench.request()
    bench.sync(days=400)
    issue = bench.issue("A new issue")
    bench.sync()
    assert f"issue:{issue.id}" in bench.items()


def test_an_edit_to_an_old_issue_is_found_without_reading_the_others(bench: Bench) -> None:
    issues = [bench.issue(f"Issue {n}") for n in range(5)]
    bench.sync()
    bench.clock.advance(days=300)
    issues[0].description = "Changed at last."
    bench.server.touch(issues[0])
    report = bench.sync()
    assert "Changed at last." in bench.text(f"issue:{issues[0].id}")
    assert report.fetched.changed == 1


def test_a_page_that_shifts_while_it_is_read_loses_nothing(bench: Bench) -> None:
    bench.server.most_per_page = 3
    issues = [bench.issue(f"Issue {n}") for n in range(12)]
    edited = iter(issues)

    def edit_one_more() -> None:
        if bench.server.log[-1].path.endswith("/issues") and (one := next(edited, None)):
            bench.server.touch(one)

    bench.clock.advance(hours=1)
    bench.server.disturb = edit_one_more
    bench.hub.calm_sync()
    assert {f"issue:{one.id}" for one in issues} <= bench.items()


def test_a_hundred_records_of_one_moment_are_all_read(bench: Bench) -> None:
    bench.server.most_per_page = 3
    issues = [bench.issue(f"Issue {n}") for n in range(10)]
    for one in issues[:8]:
        one.updated_at = issues[0].updated_at
    bench.sync()
    assert {f"issue:{one.id}" for one in issues} <= bench.items()


# ── G3: what holds the knowledge ─────────────────────────────────────────────────────────────────────


def test_a_late_reply_to_an_old_thread_arrives(bench: Bench) -> None:
    issue = bench.issue()
    first = bench.server.comment(issue, "Why is that?", 2)
    bench.sync()
    bench.clock.advance(days=200)
    bench.server.comment(issue, "Because of the cache.", 3, thread=issue.threads[0])
    bench.sync()
    document = bench.hub.documents()[DocumentId(f"forge:issue:{issue.id}")]
    assert "Because of the cache." in document.text
    comments = [section for section in document.sections if section.role == "comment"]
    assert [section.author for section in comments] == ["Ann", "Bob"]
    assert comments[0].anchor == f"#note_{first.id}"
    assert document.url.endswith("/acme/app/-/issues/1")


def test_system_notes_are_left_out(bench: Bench) -> None:
    issue = bench.issue()
    bench.server.comment(issue, "changed the description", 1, system=True)
    bench.server.comment(issue, "A real comment", 1)
    bench.sync()
    assert "changed the description" not in bench.text(f"issue:{issue.id}")
    assert "A real comment" in bench.text(f"issue:{issue.id}")


def test_epics_wikis_releases_and_snippets_are_read(bench: Bench) -> None:
    server, now = bench.server, bench.server.now()
    epic = server.open(server.groups[10].epics, "Epic", "The plan", 1)
    server.comment(epic, "Agreed.", 2)
    bench.project.wiki["guides/deploy"] = "Press [the button](button)."
    bench.project.releases["v1"] = {"tag_name": "v1", "description": "Fixes #1", "created_at": "2026-01-01T00:00:00Z"}
    bench.project.snippets[7] = Snippet(7, "Clean up", "private", 1, {"clean up.sh": b"rm -r tmp"}, now, now)
    bench.sync()
    assert "Agreed." in bench.text(f"epic:{epic.id}")
    assert f"[the button]({server.url}/acme/app/-/wikis/button)" in bench.text("wiki:42:guides/deploy")
    assert "/acme/app/-/issues/1)" in bench.text("release:42:v1")
    assert "rm -r tmp" in bench.text("snippet:7")


def test_a_tier_without_epics_is_a_gap_only_where_they_were_asked_for(bench: Bench) -> None:
    bench.server.epics_licensed = False
    assert bench.sync().state == "ok"
    bench.options["kinds"] = ("issues", "epics")
    report = bench.sync()
    assert report.state == "incomplete"
    assert "epics" in report.holes[0]


# ── G4, G10: groups, renames, moves ──────────────────────────────────────────────────────────────────


def test_a_group_means_all_projects_below_it_without_the_excluded(bench: Bench) -> None:
    server = bench.server
    server.groups[11] = Group(11, "lab", 10)
    for id, group in ((43, 11), (44, 11)):
        server.projects[id] = Project(id, group, f"p{id}")
        server.open(server.projects[id].issues, f"In {id}", "", 1)
    bench.options["exclude"] = ("acme/lab/p44",)
    bench.sync()
    assert {document.title for document in bench.hub.documents().values()} == {"In 43"}


def test_a_renamed_project_keeps_its_items_under_their_ids(bench: Bench) -> None:
    issue = bench.issue()
    bench.sync()
    bench.server.rename(bench.project, "application")
    report = bench.sync()
    document = bench.hub.documents()[DocumentId(f"forge:issue:{issue.id}")]
    assert document.location == "acme/application#1"
    assert report.fetched.deleted == 0
    bench.options |= {"groups": (), "projects": ("acme/app",)}
    assert bench.sync().state == "ok"


def test_a_moved_issue_lives_on_and_the_old_one_says_so(bench: Bench) -> None:
    target = bench.server.projects[43] = Project(43, 10, "other")
    issue = bench.issue("To move")
    bench.sync()
    copy = bench.server.move(issue, bench.project, target)
    bench.sync()
    documents = bench.hub.documents()
    assert documents[DocumentId(f"forge:issue:{issue.id}")].state == "moved"
    assert documents[DocumentId(f"forge:issue:{copy.id}")].location == "acme/other#1"


def test_a_project_that_is_gone_takes_its_items_along(bench: Bench) -> None:
    bench.issue()
    bench.server.projects[43] = Project(43, 10, "other")
    bench.sync()
    del bench.server.projects[42]
    bench.sync()
    assert bench.items() == set()


def test_a_configured_project_that_cannot_be_found_is_a_gap_and_deletes_nothing(bench: Bench) -> None:
    issue = bench.issue()
    bench.server.projects[43] = Project(43, 10, "other")
    bench.options |= {"groups": (), "projects": ("acme/app", "acme/other")}
    bench.sync()
    bench.project.group, bench.server.groups[12] = 12, Group(12, "secret")
    report = bench.sync()
    assert report.state == "incomplete"
    assert "acme/app" in report.holes[0]
    assert f"issue:{issue.id}" in bench.items()


def test_a_group_that_cannot_be_listed_stops_no_other_and_deletes_nothing(bench: Bench) -> None:
    issue = bench.issue()
    bench.server.groups[20] = Group(20, "beta", None, "private", {1: Member(OWNER)})
    other = bench.server.projects[43] = Project(43, 20, "tool")
    bench.options["groups"] = ("acme", "beta")
    bench.sync()
    bench.server.broken = lambda path: path.endswith("groups/10/projects")
    later = bench.server.open(other.issues, "Later", "", 1)
    report = bench.sync()
    assert report.state == "incomplete"
    assert bench.items() == {f"issue:{issue.id}", f"issue:{later.id}"}
    bench.server.broken = lambda path: False
    assert bench.sync().state == "ok"


# ── G5: files ────────────────────────────────────────────────────────────────────────────────────────


def test_equal_files_stay_two_documents_and_an_edit_is_the_same_one(bench: Bench) -> None:
    bench.server.commit(bench.project, "One", {"a.md": b"Same", "b/a.md": b"Same"})
    bench.sync()
    assert bench.items() == {"file:42:a.md", "file:42:b/a.md"}
    bench.server.commit(bench.project, "Two", {"a.md": b"Other", "b/a.md": b"Same"})
    report = bench.sync()
    assert (report.fetched.changed, report.fetched.deleted) == (1, 0)
    assert bench.text("file:42:a.md") == "Other"


def test_a_push_costs_requests_for_what_it_changed(bench: Bench) -> None:
    tree = {f"src/f{n}.md": b"Text" for n in range(40)}
    bench.server.commit(bench.project, "One", tree)
    bench.sync()
    changed = {**tree, "new.md": b"New", "src/f1.md": b"Edited"}
    del changed["src/f2.md"]
    bench.server.commit(bench.project, "Two", changed)
    bench.sync()
    files = [path for path in bench.asked if "/repository/" in path]
    assert len(files) == 4, files
    assert "file:42:src/f2.md" not in bench.items()
    assert bench.text("file:42:new.md") == "New"


def test_a_comparison_that_is_cut_short_and_a_rewritten_history_list_the_whole_tree(bench: Bench) -> None:
    bench.server.most_changes = 1
    bench.server.commit(bench.project, "One", {"a.md": b"A", "b.md": b"B"})
    bench.sync()
    bench.server.commit(bench.project, "Two", {"c.md": b"C", "d.md": b"D"})
    bench.sync()
    assert bench.items() == {"file:42:c.md", "file:42:d.md"}
    bench.project.commits.clear()
    bench.server.commit(bench.project, "Three", {"e.md": b"E"}, parent="")
    bench.sync()
    assert bench.items() == {"file:42:e.md"}


def test_binary_large_secret_and_lfs_files_are_left_out_by_reason(bench: Bench) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n"
    tree = {"a.png": b"x", "big.md": b"x" * 50, ".env": b"KEY=1", "lfs.csv": pointer, "empty.md": b""}
    bench.options["max_file_bytes"] = 40
    bench.server.commit(bench.project, "One", tree | {"good.md": b"Good"})
    bench.options["max_file_bytes"] = 60
    big = bench.project.commits[bench.project.head].tree
    big["big.md"] = b"x" * 500
    bench.sync()
    row = next(r for r in bench.hub.ledgers.reports.coverage(NAME) if r.container == "project:42")
    assert bench.items() == {"file:42:good.md"}
    assert set(row.filtered) == {
        "no text in .png files", "larger than the limit", "secrets file", "LFS pointer", "empty file"
    }  # fmt: skip
    assert row.whole


def test_a_file_that_does_not_hash_to_its_id_is_not_stored(bench: Bench) -> None:
    head = bench.server.commit(bench.project, "One", {"a.md": b"Right"})

    def spoil() -> None:
        if bench.server.log[-1].path.endswith("/tree"):
            head.tree["a.md"] = b"<p>Out of order</p>"

    bench.server.disturb = spoil
    assert "what came is not the file" in bench.sync().holes[0]
    bench.server.disturb = lambda: None
    head.tree["a.md"] = b"Right"
    assert bench.sync().state == "ok"
    assert bench.text("file:42:a.md") == "Right"


def test_a_page_to_sign_in_at_is_no_file(bench: Bench) -> None:
    now = bench.server.now()
    bench.project.snippets[7] = Snippet(7, "Tool", "public", 1, {"a.sh": b"ls"}, now, now)
    bench.server.signed_out = lambda path: path.endswith("/raw")
    assert bench.sync().state == "incomplete"
    bench.server.signed_out = lambda path: False
    assert bench.sync().state == "ok"
    assert "ls" in bench.text("snippet:7")


# ── G6: counts and pages ─────────────────────────────────────────────────────────────────────────────


def test_beyond_what_gitlab_counts_everything_is_still_read(bench: Bench) -> None:
    bench.server.counted, bench.server.most_per_page, bench.server.offset_limit = 2, 3, 6
    issues = [bench.issue(f"Issue {n}") for n in range(20)]
    assert bench.sync().state == "ok"
    assert {f"issue:{one.id}" for one in issues} == bench.items()


# ── G7, G8: comments and deletions ───────────────────────────────────────────────────────────────────


def test_an_edit_within_the_minute_that_gitlab_does_not_stamp_is_found(bench: Bench) -> None:
    issue = bench.issue()
    note = bench.server.comment(issue, "Frist", 2)
    bench.sync(seconds=5)
    stamped = issue.updated_at
    bench.server.edit_comment(issue, note, "First")
    assert issue.updated_at == stamped
    bench.sync()
    assert "First" in bench.text(f"issue:{issue.id}")


def test_what_was_read_too_early_is_read_again_though_others_came_later(bench: Bench) -> None:
    early = bench.issue("Early")
    note = bench.server.comment(early, "Frist", 2)
    bench.clock.advance(seconds=20)
    bench.issue("Later")
    bench.sync(seconds=5)
    bench.server.edit_comment(early, note, "First")
    bench.sync()
    assert "First" in bench.text(f"issue:{early.id}")


def test_a_deleted_comment_is_gone_after_the_next_census(bench: Bench) -> None:
    issue = bench.issue()
    note = bench.server.comment(issue, "I take this back", 2)
    bench.options["census_hours"] = 24
    bench.sync()
    bench.server.delete_comment(issue, note)
    bench.sync(hours=25)
    assert "take this back" not in bench.text(f"issue:{issue.id}")


@pytest.mark.parametrize("kind", ["issues", "merge_requests"])
def test_a_deletion_is_found_by_the_count_without_waiting_for_a_census(bench: Bench, kind: str) -> None:
    items = [bench.issue(f"Issue {n}") if kind == "issues" else bench.request(f"Change {n}") for n in range(3)]
    bench.sync()
    del getattr(bench.project, kind)[items[1].id]
    bench.sync()
    assert len(bench.items()) == 2


def test_an_internal_note_that_is_gone_goes_when_its_issue_is_touched(bench: Bench) -> None:
    issue = bench.issue()
    note = bench.server.comment(issue, "Between us", 1, internal=True)
    bench.sync()
    assert f"issue:{issue.id}:note:{note.id}" in bench.items()
    bench.server.delete_comment(issue, note)
    bench.server.touch(issue)
    bench.sync()
    assert bench.items() == {f"issue:{issue.id}"}


# ── G9: permissions ──────────────────────────────────────────────────────────────────────────────────


def layers(acl: Acl) -> set[frozenset[str]]:
    return {frozenset(map(str, layer)) for layer in acl.layers}


def test_confidential_issues_and_internal_notes_are_for_those_who_may(bench: Bench) -> None:
    issue = bench.issue()
    issue.confidential, issue.assignees = True, [3]
    note = bench.server.comment(issue, "Between us", 2, internal=True)
    bench.sync()
    everyone = {frozenset({"forge:project:42"}), frozenset({"forge:project:42:issues"})}
    roles = frozenset({"forge:project:42:reporters", "forge:project:42:planners"})
    named = roles | {"forge:user:1", "forge:user:3"}
    assert layers(bench.acl(f"issue:{issue.id}")) == everyone | {named}
    assert layers(bench.acl(f"issue:{issue.id}:note:{note.id}")) == everyone | {named, roles}
    assert "Between us" not in bench.text(f"issue:{issue.id}")


def test_opening_a_project_reads_nothing_again(bench: Bench) -> None:
    bench.issue()
    bench.sync()
    bench.project.visibility = "public"
    bench.project.levels["issues"] = "private"
    assert bench.sync().fetched.changed == 0


def test_readers_take_the_place_of_gitlabs_permissions(bench: Bench) -> None:
    issue = bench.issue()
    issue.confidential = True
    note = bench.server.comment(issue, "Between us", 2, internal=True)
    bench.options["readers"] = ("group:all",)
    bench.sync()
    assert layers(bench.acl(f"issue:{issue.id}")) == {frozenset({"group:all"})}
    assert layers(bench.acl(f"issue:{issue.id}:note:{note.id}")) == {frozenset({"group:all"})}


def test_only_members_with_access_now_hold_a_projects_principals(bench: Bench) -> None:
    server, members = bench.server, bench.project.members
    for id in range(4, 8):
        server.users[id] = User(id, f"u{id}", f"U{id}")
    members |= {2: Member(REPORTER), 3: Member(PLANNER), 4: Member(GUEST), 5: Member(REPORTER, "2026-01-01")}
    members |= {6: Member(5), 7: Member(REPORTER)}
    server.users[7].state = "blocked"
    held = {one.principal.removeprefix("forge:project:42"): one.members for one in bench.source().memberships()}

    def people(*ids: int) -> set[Principal]:
        return {Principal(f"forge:user:{id}") for id in ids}

    assert held[Principal(":members")] == people(1, 2, 3, 4)
    assert held[Principal(":planners")] == people(3)
    assert held[Principal(":reporters")] == people(1, 2)
    assert held[Principal("")] == {Principal("forge:project:42:members")}


def test_a_project_whose_members_cannot_be_read_is_nobodys(bench: Bench) -> None:
    bench.server.hidden_members.add(42)
    held = {one.principal: one.members for one in bench.source().memberships()}
    assert Principal("forge:project:42") not in held
    assert not held.get(Principal("forge:project:42:reporters"))
    bench.project.visibility = "public"
    held = {one.principal: one.members for one in bench.source().memberships()}
    assert ANYONE in held[Principal("forge:project:42")]


def test_people_carry_the_address_that_gitlab_has_confirmed(bench: Bench) -> None:
    bench.server.users[2].public_email = "ann@example.com"
    people = {person.principal: person for person in bench.source().people()}
    assert people[Principal("forge:user:2")].email == "ann@example.com"
    assert people[Principal("forge:user:3")].email == ""


def test_accounts_of_an_older_gitlab_are_listed_by_page_numbers(bench: Bench) -> None:
    bench.server.users_keyset, bench.server.most_per_page = False, 2
    assert len(list(bench.source().people())) == 3


def test_a_switched_off_part_is_left_and_comes_back(bench: Bench) -> None:
    issue = bench.issue()
    bench.sync()
    bench.project.levels["issues"] = "disabled"
    bench.sync()
    assert bench.items() == set()
    bench.project.levels["issues"] = "enabled"
    bench.sync()
    assert bench.items() == {f"issue:{issue.id}"}


# ── G11, G12 and the rest ────────────────────────────────────────────────────────────────────────────


def test_a_masked_name_is_no_name(bench: Bench) -> None:
    bench.server.users[2].name = "****"
    issue = bench.server.open(bench.project.issues, "By a bot", "", 2)
    bench.sync()
    assert bench.hub.documents()[DocumentId(f"forge:issue:{issue.id}")].authors == ("ann",)


@pytest.mark.parametrize(("per_minute", "told"), [(60, 60), (150, 150), (100, 0)])
def test_under_a_limit_the_allowed_rate_is_used_and_hardly_anything_refused(
    bench: Bench, per_minute: int, told: int
) -> None:
    """Where nobody told us the rate, GitLab's `Retry-After` does."""
    for n in range(per_minute * 3):
        bench.server.comment(bench.issue(f"Issue {n}"), "Yes", 1)
    bench.clock.advance(hours=1)
    bench.server.limit = limit = Limit(bench.clock, per_minute)
    bench.server.latency_s = 0.02
    bench.options["requests_per_minute"] = told
    began = bench.clock.now()
    bench.hub.calm_sync()
    minutes = (bench.clock.now() - began) / timedelta(minutes=1)
    assert limit.accepted / minutes >= 0.9 * per_minute
    assert limit.refused <= minutes + 1


def test_an_unchanged_sync_asks_one_cheap_question_for_each_kind(bench: Bench) -> None:
    bench.server.commit(bench.project, "One", {"a.md": b"Text"})
    for n in range(120):
        bench.issue(f"Issue {n}")
    bench.sync()
    bench.sync()
    bench.sync()
    assert len([path for path in bench.asked if path.startswith("projects/42/")]) == 6


def test_since_leaves_out_what_is_older_and_does_not_count_it(bench: Bench) -> None:
    old = bench.issue("Old")
    bench.clock.advance(days=30)
    bench.options["since"] = bench.clock.now()
    new = bench.issue("New")
    assert bench.sync().state == "ok"
    assert bench.items() == {f"issue:{new.id}"}
    bench.server.comment(old, "Still true?", 2)
    assert bench.sync().state == "ok"
    assert bench.items() == {f"issue:{new.id}", f"issue:{old.id}"}


def test_uploads_are_documents_of_their_own_under_the_same_readers(bench: Bench) -> None:
    bench.project.uploads[UPLOAD] = b"What we noted."
    gone = UPLOAD.replace("notes", "gone")
    issue = bench.issue("With a file", f"See [notes]({UPLOAD}), ![shot]({UPLOAD.replace('.txt', '.png')}), [x]({gone})")
    issue.confidential = True
    assert bench.sync().state == "ok"
    (upload,) = [item for item in bench.items() if ":file:" in item]
    assert bench.text(upload) == "What we noted."
    assert bench.acl(upload) == bench.acl(f"issue:{issue.id}")
    row = next(r for r in bench.hub.ledgers.reports.coverage(NAME) if r.container == "project:42")
    assert row.filtered == {"no text in .png files": 1, "upload not offered by this GitLab": 1}
    issue.description = "No file any more"
    bench.server.touch(issue)
    bench.sync()
    assert bench.items() == {f"issue:{issue.id}"}


@pytest.mark.parametrize("way", ["../../../7/wikis/plan.md", "..", ".", "x/../../../../7/wikis/plan.md"])
def test_what_somebody_writes_as_an_upload_leads_nowhere_else(bench: Bench, way: str) -> None:
    bench.issue("With a trick", f"See [notes]({UPLOAD.rpartition('/')[0]}/{way})")
    assert bench.sync().state == "ok"
    assert not [path for path in bench.asked if "wikis/plan" in path or path.endswith(("uploads", "uploads/"))]
    assert not [item for item in bench.items() if ":file:" in item]


@pytest.mark.parametrize("hidden", ["the branch", "its name"])
def test_files_stay_while_the_branch_that_holds_them_cannot_be_found(bench: Bench, hidden: str) -> None:
    bench.server.commit(bench.project, "One", {"a.md": b"# A", "b.md": b"# B"})
    bench.sync()
    held = bench.items()
    assert len(held) == 2
    bench.server.hidden = hidden
    assert bench.sync().state == "incomplete"
    assert bench.items() == held
    bench.server.hidden = ""
    assert bench.sync().state == "ok"
    assert bench.items() == held


def test_what_gitlab_counts_and_does_not_list_is_told_by_the_first_reading(bench: Bench) -> None:
    issues = [bench.issue(f"Issue {n}") for n in range(3)]
    bench.server.unlisted = {issues[1].id}
    bench.sync()
    row = next(r for r in bench.hub.ledgers.reports.coverage(NAME) if r.container == "project:42")
    assert (row.expected, row.searchable, row.whole) == (3, 2, False)


def test_an_issue_that_is_opened_between_the_last_page_and_the_count_is_no_hole(bench: Bench) -> None:
    bench.issue()

    def open_one_more() -> None:
        if bench.server.log[-1].path.endswith("/issues") and len(bench.project.issues) == 1:
            bench.issue("One more")

    bench.server.disturb = open_one_more
    assert bench.sync().state == "ok"
    assert len(bench.items()) == 2


def test_an_address_that_a_request_came_from_is_for_those_who_see_it_at_gitlab(bench: Bench) -> None:
    open_one, closed = bench.issue("Open"), bench.issue("Closed")
    for issue in (open_one, closed):
        issue.reply_to = "customer@example.org"
    closed.confidential = True
    bench.sync()
    assert "customer@" not in bench.text(f"issue:{open_one.id}")
    assert "customer@example.org" in bench.text(f"issue:{closed.id}")


def test_one_thing_that_cannot_be_read_stops_nothing_and_is_tried_again(bench: Bench) -> None:
    bad, good = bench.issue("Bad"), bench.issue("Good")
    bench.server.comment(bad, "Hidden for now", 1)
    bench.server.broken = lambda path: path.endswith(f"/issues/{bad.iid}/discussions")
    report = bench.sync()
    assert report.state == "incomplete"
    assert bench.items() == {f"issue:{good.id}"}
    bench.server.broken = lambda path: False
    assert bench.sync().state == "ok"
    assert bench.items() == {f"issue:{good.id}", f"issue:{bad.id}"}


def test_a_part_that_cannot_be_listed_is_a_gap_with_a_cure_and_deletes_nothing(bench: Bench) -> None:
    issue, request = bench.issue(), bench.request()
    bench.options["census_hours"] = 0
    bench.sync()
    bench.server.broken = lambda path: path.endswith("/merge_requests")
    del bench.project.issues[issue.id]
    report = bench.sync()
    assert report.state == "incomplete"
    assert "merge requests" in report.holes[0]
    bench.server.broken = lambda path: False
    assert bench.sync().state == "ok"
    assert bench.items() == {f"merge_request:{request.id}"}


def test_check_names_what_is_missing(bench: Bench) -> None:
    assert bench.source().check() == []
    bench.server.scopes = ["read_repository"]
    assert "read_api" in bench.source().check()[0]
    bench.server.scopes = ["read_api"]
    bench.server.groups[10].members[1] = Member(GUEST)
    assert "Guest of acme/app" in bench.source().check()[0]
    bench.options["groups"] = ("nobody",)
    assert "nobody" in bench.source().check()[0]
    bench.options["token"] = Secret("wrong")
    (problem,) = bench.source().check()
    assert "401" in problem
    assert "read_api" in problem
    assert "wrong" not in problem


def test_a_kind_that_gitlab_does_not_have_is_named() -> None:
    with pytest.raises(ConfigurationError, match="wiki"):
        GitLabSource(NAME, GitLabOptions(token=Secret(TOKEN), kinds=("wiki",)))


def test_commits_and_diffs_are_read_where_asked_for(bench: Bench) -> None:
    bench.options["kinds"] = ("merge_requests", "diffs", "commits")
    request = bench.request()
    request.diff = "@@ -1 +1 @@\n+answer = 42"
    old = bench.server.commit(bench.project, "Add the answer\n\nIt was asked for.", {"a.py": b"answer = 42"})
    bench.sync()
    assert "answer = 42" in bench.text(f"merge_request:{request.id}:diff")
    parts = {frozenset({"forge:project:42:merge_requests"}), frozenset({"forge:project:42:repository"})}
    assert parts <= layers(bench.acl(f"merge_request:{request.id}:diff"))
    assert "It was asked for." in bench.text(f"commit:42:{old.sha}")
    new = bench.server.commit(bench.project, "Fix it", {"a.py": b"answer = 41"})
    assert bench.sync().fetched.changed == 1
    bench.server.commit(bench.project, "Another past", {"a.py": b"answer = 43"}, parent="")
    bench.options["census_hours"] = 0
    bench.sync()
    assert f"commit:42:{new.sha}" not in bench.items()


def test_without_groups_all_projects_of_the_tokens_owner_are_read(bench: Bench) -> None:
    bench.server.most_per_page = 1
    bench.server.projects[50] = Project(50, 10, "second")
    bench.options["groups"] = ()
    bench.issue()
    bench.server.open(bench.server.projects[50].issues, "There", "", 1)
    bench.sync()
    assert len(bench.items()) == 2


def test_no_secret_of_a_project_or_person_is_kept(bench: Bench) -> None:
    bench.issue()
    bench.sync()
    stored = b"".join(bench.hub.stored_bytes())
    for secret in (TOKEN, "GR-a-secret-of-the-project", "a-signed-avatar"):
        assert secret.encode() not in stored
