"""Each trap that other connectors to GitHub fell into, by itself."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.types import Document, DocumentId
from tests.contracts.api_source import ApiHub
from tests.servers.github import Quirks
from tests.servers.github_state import (
    Asset,
    Comment,
    Discussion,
    DiscussionComment,
    Issue,
    Release,
    Review,
)
from tests.servers.kit import Answer, Limit
from tests.sources.test_github import NAME, GitHubWorld


class Quiet(GitHubWorld):
    """An organisation with one private repository in which nothing happens by itself, read without censuses."""

    def __init__(self, quirks: Quirks | None = None, **options: Any) -> None:
        chosen = {"census_hours": 1000, "page_size": 100, "commits": False, "files": ("*.md",)} | options
        super().__init__(random.Random(0), **chosen)
        self.server.repositories.clear()
        self.server.quirks = quirks or Quirks()
        self.server.hide_last = False
        self.repo = self.server.create(self.acme, "alpha")
        self.repo.collaborators = {one.id: one for one in self.acme.members.values()}
        self.clock.advance(hours=1)

    def open(self, title: str, body: str = "", *, pull: bool = False) -> Issue:
        self.clock.advance(minutes=1)
        return self.server.open(self.repo, "ann", title, body, pull=pull)

    def review(self, pull: Issue, body: str, state: str = "COMMENTED") -> Review:
        submitted = None if state == "PENDING" else self.clock.now()
        review = Review(next(self.server.ids), self.server.account("bob"), body, state, submitted)
        pull.reviews.append(review)
        self.server.touch(pull)
        return review

    def discuss_line(self, pull: Issue, review: Review, body: str, *, reply_to: int | None = None) -> Comment:
        self.clock.advance(seconds=20)
        now = self.clock.now()
        hunk = "@@ -10,2 +10,3 @@ def pay():\n-    return 1\n+    return 2"
        remark = Comment(next(self.server.ids), self.server.account("bob"), body, now, now, review.id,
                         "src/pay.py", 12, hunk, reply_to)  # fmt: skip
        pull.review_comments.append(remark)
        self.server.touch(pull)
        return remark

    def asked(self, since: int) -> list[str]:
        """What was asked for after the first `since` requests, shortly."""
        return [f"{one.method} {one.path.removeprefix('/api/v3/repos/acme/')}" for one in self.server.log[since:]]


def document(hub: ApiHub, item: str) -> Document:
    return hub.documents()[DocumentId(f"{NAME}:{item}")]


def has(hub: ApiHub, item: str) -> bool:
    return DocumentId(f"{NAME}:{item}") in hub.documents()


def incremental(world: Quiet, hub: ApiHub) -> list[str]:
    """A sync some minutes later that is no census, and what it asked for beside its lists."""
    world.clock.advance(minutes=10)
    before = len(world.server.log)
    assert hub.sync().state == "ok"
    asked = [one for one in world.asked(before) if "/api/v3/" not in one]
    return [one for one in asked if any(part.isdigit() for part in one.split("/")) or "git/blobs" in one]


# ── what is read ─────────────────────────────────────────────────────────────────────────────────────


def test_comments_and_reviews_with_their_hunks_open_where_they_stand(tmp_path: Path) -> None:
    world = Quiet()
    pull = world.open("Pay twice", "Why not", pull=True)
    said = world.server.comment(pull, "cid", "I object")
    review = world.review(pull, "Please change", "CHANGES_REQUESTED")
    first = world.discuss_line(pull, review, "Is this right?")
    reply = world.discuss_line(pull, review, "It is", reply_to=first.id)
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        read = document(hub, f"issue:{pull.id}")
    at = {section.anchor: read.text[section.start : section.end] for section in read.sections}
    assert at[f"#issuecomment-{said.id}"].endswith("I object")
    assert "requested changes" in at[f"#pullrequestreview-{review.id}"]
    assert "src/pay.py:12" in at[f"#discussion_r{first.id}"]
    assert "+    return 2" in at[f"#discussion_r{first.id}"]
    assert "It is" in at[f"#discussion_r{reply.id}"]
    assert read.url.endswith("/acme/alpha/pull/1")
    assert read.authors == ("ann", "cid", "bob")


def test_a_pending_review_stays_with_its_author(tmp_path: Path) -> None:
    world = Quiet()
    pull = world.open("Change", "Text", pull=True)
    world.review(pull, "not sent yet", "PENDING")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        assert "not sent" not in document(hub, f"issue:{pull.id}").text


def test_a_late_comment_and_edited_ones_are_found_by_their_own_time(tmp_path: Path) -> None:
    world = Quiet()
    old, pull = world.open("Old", "first"), world.open("Pull", "second", pull=True)
    said = world.server.comment(old, "bob", "before")
    remark = world.discuss_line(pull, world.review(pull, "Look"), "as it was")
    for n in range(5):
        world.open(f"Newer {n}")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.clock.advance(days=300)
        world.server.edit(said, "after")
        assert f"GET alpha/issues/{old.number}" in incremental(world, hub)
        assert document(hub, f"issue:{old.id}").text.count("after") == 1
        world.clock.advance(days=300)
        world.server.edit(remark, "as it is")
        world.server.comment(old, "cid", "late reply")
        incremental(world, hub)
        assert "as it is" in document(hub, f"issue:{pull.id}").text
        assert "late reply" in document(hub, f"issue:{old.id}").text
        assert incremental(world, hub) == []


def test_a_review_in_the_second_in_which_its_pull_request_was_read_is_not_lost(tmp_path: Path) -> None:
    world = Quiet()
    pull = world.open("Pull", "text", pull=True)
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.review(pull, "a moment later")
        for n in range(3):
            world.open(f"Newer {n}")
        incremental(world, hub)
        assert "a moment later" in document(hub, f"issue:{pull.id}").text
        assert incremental(world, hub) == []


def test_what_moves_to_the_end_while_pages_are_read_takes_nobody_along(tmp_path: Path) -> None:
    world = Quiet(page_size=3)
    issues = [world.open(f"Issue {n}", f"text {n}") for n in range(20)]
    touched = iter(issues[:12])

    def touch() -> None:
        if (issue := next(touched, None)) is not None:
            world.clock.advance(seconds=5)
            world.server.touch(issue)

    with world.server:
        world.server.disturb = touch
        hub = ApiHub(tmp_path, world)
        hub.sync()
        assert len(hub.documents()) == 20


def test_many_that_changed_in_one_second_are_all_read_below_the_depth_of_pages(tmp_path: Path) -> None:
    world = Quiet(Quirks(strict_since=True, deepest=12), page_size=3)
    for n in range(40):
        world.open(f"Issue {n}")
    same_second = [world.server.open(world.repo, "ann", f"Import {n}", "") for n in range(8)]
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert len(hub.documents()) == 48
        assert all(has(hub, f"issue:{one.id}") for one in same_second)


def test_pages_of_review_comments_that_are_too_large_are_read_in_smaller_ones(tmp_path: Path) -> None:
    world = Quiet(Quirks(largest_review_page=20))
    pull = world.open("Large", pull=True)
    review = world.review(pull, "Much")
    for n in range(60):
        world.discuss_line(pull, review, f"remark {n}.")
    world.clock.advance(minutes=5)
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        text = document(hub, f"issue:{pull.id}").text
        assert all(f"remark {n}." in text for n in range(60))
        before = len(world.server.log)
        incremental(world, hub)
        assert len(world.asked(before)) <= world.idle_requests()


def test_secondary_limits_are_waited_for_with_and_without_a_word(tmp_path: Path) -> None:
    world = Quiet()
    world.open("One", "text")
    refusals = iter([world.server.too_fast(40), world.server.too_fast(0)])
    answer = world.server.answer
    with world.server:
        world.server.answer = lambda asked: next(refusals, None) or answer(asked)  # type: ignore[method-assign]  # bad weather of our own
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert world.clock.slept_s >= 100
        assert len(hub.documents()) == 1


def test_a_used_up_quota_is_waited_for_until_it_is_reset(tmp_path: Path) -> None:
    world = Quiet()
    world.open("One", "text")
    reset = int(world.clock.now().timestamp()) + 1800
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(reset)}
    refusals = iter([Answer({"message": "API rate limit exceeded for user ID 1."}, 403, headers)])
    answer = world.server.answer
    with world.server:
        world.server.answer = lambda asked: next(refusals, None) or answer(asked)  # type: ignore[method-assign]  # bad weather of our own
        assert ApiHub(tmp_path, world).calm_sync().state == "ok"
        assert 1799 <= world.clock.slept_s <= 1900


def test_the_allowed_rate_is_used_and_hardly_ever_exceeded(tmp_path: Path) -> None:
    world = Quiet(requests_per_minute=60)
    for n in range(120):
        world.server.comment(world.open(f"Issue {n}"), "bob", "hello")
    with world.server:
        world.server.limit, world.server.latency_s = Limit(world.clock, 60), 0.1
        start = world.clock.now()
        assert ApiHub(tmp_path, world).calm_sync().state == "ok"
        minutes = (world.clock.now() - start).total_seconds() / 60
        assert world.server.limit.accepted / minutes >= 0.9 * 60
        assert world.server.limit.refused <= minutes


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────


def test_an_unchanged_repository_is_answered_by_304(tmp_path: Path) -> None:
    world = Quiet()
    for n in range(30):
        world.server.comment(world.open(f"Issue {n}"), "bob", "hello")
    world.server.commit(world.repo, "ann", "Begin", {"README.md": b"# Hello"})
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        incremental(world, hub)
        before, spent, free = len(world.server.log), world.server.spent, world.server.not_modified
        assert incremental(world, hub) == []
        assert len(world.server.log) - before <= 8
        assert world.server.not_modified - free >= 4
        assert world.server.spent - spent <= 4


def test_issues_that_nobody_commented_cost_their_page_alone(tmp_path: Path) -> None:
    world = Quiet()
    for n in range(90):
        world.open(f"Issue {n}")
    with world.server:
        ApiHub(tmp_path, world).calm_sync()
        assert len(world.server.log) <= 8


def test_one_changed_file_is_one_blob(tmp_path: Path) -> None:
    world = Quiet()
    files = {f"docs/{n}.md": f"# Page {n}".encode() for n in range(12)} | {"src/main.py": b"print()"}
    world.server.commit(world.repo, "ann", "Begin", files)
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        assert len(hub.documents()) == 12
        world.server.commit(world.repo, "ann", "Edit", files | {"docs/3.md": b"# Page three"})
        assert len([one for one in incremental(world, hub) if "blobs" in one]) == 1
        assert document(hub, f"file:{world.repo.id}:docs/3.md").text == "# Page three"
        world.server.commit(
            world.repo, "ann", "Remove", {"docs/1.md": files["docs/1.md"], "docs/3.md": b"# Page three"}
        )
        hub.sync(confirm_deletes=True)
        assert sorted(hub.documents()) == [f"{NAME}:file:{world.repo.id}:docs/{n}.md" for n in (1, 3)]


def test_files_and_commits_stay_while_their_branch_cannot_be_found(tmp_path: Path) -> None:
    world = Quiet(commits=True)
    world.server.commit(world.repo, "ann", "first", {"a.md": b"# A"})
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        held = set(hub.documents())
        assert len(held) == 2
        world.server.hide_branches = True
        world.server.commit(world.repo, "ann", "second", {"a.md": b"# A2"})
        world.settle()
        assert hub.calm_sync().state == "incomplete"
        assert set(hub.documents()) == held
        world.server.hide_branches = False
        assert hub.calm_sync().state == "ok"


def test_secrets_pictures_and_pointers_are_left_out_and_counted(tmp_path: Path) -> None:
    world = Quiet(files=("*",), max_attachment_bytes=1000)
    files = {
        "README.md": b"# Hello", ".env": b"KEY=1", "logo.png": b"PNG", "large.md": b"x" * 1001,
        "data.md": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    }  # fmt: skip
    world.server.commit(world.repo, "ann", "Begin", files)
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        (row,) = hub.ledgers.reports.coverage(NAME)
        left_out = {"secrets file": 1, "no text in .png files": 1, "file too large": 1, "LFS pointer": 1}
        assert (row.expected, row.searchable, row.filtered) == (5, 1, left_out)


def test_a_tree_that_is_cut_short_is_read_folder_by_folder(tmp_path: Path) -> None:
    world = Quiet(Quirks(largest_tree=4))
    files = {f"{folder}/deep/{n}.md": f"{folder} {n}".encode() for folder in "abc" for n in range(3)}
    world.server.commit(world.repo, "ann", "Begin", files)
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert len(hub.documents()) == 9


def test_commits_that_were_added_are_read_and_rewritten_ones_go(tmp_path: Path) -> None:
    world = Quiet(commits=True)
    for n in range(3):
        world.server.commit(world.repo, "ann", f"Step {n}", {"a.py": str(n).encode()})
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        assert len(hub.documents()) == 3
        added = world.server.commit(world.repo, "ann", "Step 3\n\nFixes #1", {"a.py": b"3", "b.py": b"new"})
        assert [one for one in incremental(world, hub) if "/commits/" in one] == []  # a sha is no number
        read = document(hub, f"commit:{world.repo.id}:{added.sha}")
        assert (read.kind, read.title) == ("change", "Step 3")
        assert {section.label for section in read.sections if section.role == "file"} == {"a.py", "b.py"}
        world.repo.commits[-1:] = []
        other = world.server.commit(world.repo, "ann", "Another step", {"a.py": b"4"})
        hub.sync(confirm_deletes=True)
        assert not has(hub, f"commit:{world.repo.id}:{added.sha}")
        assert has(hub, f"commit:{world.repo.id}:{other.sha}")


# ── what goes away ───────────────────────────────────────────────────────────────────────────────────


def test_deleted_transferred_and_converted_issues_are_missed_at_once(tmp_path: Path) -> None:
    world = Quiet()
    other = world.server.create(world.acme, "beta")
    deleted, moved, converted, kept = (world.open(f"Issue {n}", f"body {n}") for n in range(4))
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        assert len(hub.documents()) == 4
        old = moved.id
        world.server.delete_issue(world.repo, deleted.number)
        world.server.transfer(world.repo, moved.number, other)
        discussion = world.server.convert(world.repo, converted.number)
        incremental(world, hub)
        ids = {f"issue:{kept.id}", f"issue:{moved.id}", f"discussion:{discussion.id}"}
        assert {str(id).removeprefix(f"{NAME}:") for id in hub.documents()} == ids
        assert old != moved.id
        assert document(hub, f"issue:{moved.id}").container == str(other.id)


def test_an_edited_comment_of_a_transferred_issue_is_not_looked_for_here(tmp_path: Path) -> None:
    world = Quiet()
    other = world.server.create(world.acme, "beta")
    moved, _ = world.open("Moved"), world.open("Stays")
    said = world.server.comment(moved, "bob", "before")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.clock.advance(hours=1)
        world.server.transfer(world.repo, moved.number, other)
        world.server.edit(said, "after")
        incremental(world, hub)
        assert [d.container for d in hub.documents().values() if "after" in d.text] == [str(other.id)]


@pytest.mark.parametrize("touched", [True, False])
def test_a_deleted_comment_goes_at_the_latest_with_a_census(tmp_path: Path, touched: bool) -> None:
    world = Quiet(Quirks(touch_on_delete=touched), census_hours=24)
    issue, pull = world.open("Issue"), world.open("Pull", pull=True)
    said = world.server.comment(issue, "bob", "regretted")
    remark = world.discuss_line(pull, world.review(pull, "Look"), "withdrawn")
    world.open("Newer")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.clock.advance(minutes=5)
        world.server.delete_comment(issue, said)
        world.server.delete_comment(pull, remark)
        incremental(world, hub)
        assert ("regretted" in document(hub, f"issue:{issue.id}").text) is not touched
        world.settle()
        hub.sync()
        assert "regretted" not in document(hub, f"issue:{issue.id}").text
        assert "withdrawn" not in document(hub, f"issue:{pull.id}").text


def test_a_label_that_leaves_the_time_alone_is_seen_by_the_census(tmp_path: Path) -> None:
    world = Quiet(census_hours=24)
    issue = world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        issue.labels = ["urgent"]
        world.settle()
        hub.sync()
        assert "Labels: urgent" in document(hub, f"issue:{issue.id}").text


def test_a_count_that_github_hides_is_made_up_for_by_a_walk(tmp_path: Path) -> None:
    world = Quiet()
    world.server.hide_last = True
    gone, _, _ = (world.open(f"Issue {n}") for n in range(3))
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.server.delete_issue(world.repo, gone.number)
        incremental(world, hub)
        assert len(hub.documents()) == 2


def test_a_renamed_repository_keeps_its_documents_and_is_not_read_again(tmp_path: Path) -> None:
    world = Quiet(organizations=(), repositories=("acme/alpha",))
    issue = world.open("Issue", "text")
    world.server.comment(issue, "bob", "hello")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.server.rename(world.repo, "omega")
        assert incremental(world, hub) == []
        assert has(hub, f"issue:{issue.id}")
        world.server.comment(issue, "bob", "again")
        incremental(world, hub)
        assert document(hub, f"issue:{issue.id}").location == "acme/omega#1"


def test_files_that_hang_on_issues_and_releases_are_documents_of_their_own(tmp_path: Path) -> None:
    world = Quiet()
    world.server.attached["77-plan.txt"] = b"the plan"
    release = Release(9001, "v1", "First", "Notes", world.server.account("ann"), world.clock.now())
    release.assets = [
        Asset(9002, "guide.txt", b"the guide", world.clock.now()),
        Asset(9003, "app.zip", b"PK", world.clock.now()),
    ]
    world.repo.releases[9001] = release
    with world.server:
        issue = world.open("Issue", f"[plan]({world.server.url}/user-attachments/files/77/plan.txt)")
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        read = document(hub, f"issue:{issue.id}:file:77")
        assert (read.text, read.acl) == ("the plan", document(hub, f"issue:{issue.id}").acl)
        assert document(hub, "release:9001:file:9002").text == "the guide"
        assert not has(hub, "release:9001:file:9003")
        issue.body = "no plan"
        world.server.touch(issue)
        incremental(world, hub)
        assert not has(hub, f"issue:{issue.id}:file:77")


@pytest.mark.parametrize(
    "way",
    [
        "/api/v3/repos/acme/vault/contents/plan.md?/acme/alpha/files/1/plan.md",
        "/user-attachments/files/1/../../../acme/vault/raw/main/plan.md",
        "/acme/alpha/files/1/../../../vault/raw/main/plan.md",
        "/acme/vault/files/1/plan.md",
        " and/acme/alpha/files/1/plan.md",
    ],
)
def test_what_somebody_writes_as_a_file_is_not_fetched_from_elsewhere(tmp_path: Path, way: str) -> None:
    world = Quiet()
    with world.server:
        issue = world.open("Issue", f"[plan]({world.server.url}{way})")
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert set(hub.documents()) == {f"{NAME}:issue:{issue.id}"}
        assert not [one.path for one in world.server.log if "plan.md" in one.path or "vault" in one.path]


def test_a_file_of_a_private_repository_that_is_linked_in_a_public_one_is_not_given_away(tmp_path: Path) -> None:
    world = Quiet()
    world.repo.visibility = "public"
    world.server.attached = {"77-secret.txt": b"the secret", "78-plan.txt": b"the plan"}
    with world.server:
        links = [f"{world.server.url}/user-attachments/files/{one}" for one in ("77/secret.txt", "78/plan.txt")]
        issue = world.open("Issue", " ".join(links))
        world.server.attached_to["78-plan.txt"] = issue
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert document(hub, f"issue:{issue.id}:file:78").text == "the plan"
        assert not has(hub, f"issue:{issue.id}:file:77")


def test_an_attached_file_that_is_for_browsers_only_is_left_out_once(tmp_path: Path) -> None:
    world = Quiet()
    with world.server:
        world.open("Issue", f"[plan]({world.server.url}/user-attachments/files/77/plan.txt)")
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        (row,) = hub.ledgers.reports.coverage(NAME)
        assert row.filtered == {"attachment that GitHub gives to browsers only": 1}
        assert incremental(world, hub) == []


def test_a_wiki_is_counted_as_left_out_with_a_hint(tmp_path: Path) -> None:
    world = Quiet()
    world.repo.has_wiki = True
    world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        (row,) = hub.ledgers.reports.coverage(NAME)
        assert (row.expected, row.searchable, row.filtered) == (2, 1, {"wiki: read it with a git source": 1})
        assert row.whole


def test_a_draft_of_a_release_is_left_out_and_counted(tmp_path: Path) -> None:
    world = Quiet()
    made = Release(9001, "v1", "First", "Notes", world.server.account("ann"), world.clock.now(), draft=True)
    world.repo.releases[9001] = made
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        (row,) = hub.ledgers.reports.coverage(NAME)
        assert row.filtered == {"draft of a release": 1}
        made.draft = False
        incremental(world, hub)
        assert has(hub, "release:9001")


def test_a_release_that_moves_up_while_pages_are_read_is_not_taken_for_deleted(tmp_path: Path) -> None:
    world = Quiet(page_size=2)
    for n in range(4):
        world.clock.advance(minutes=1)
        released = Release(9001 + n, f"v{n}", f"Title {n}", "Notes", world.server.account("ann"), world.clock.now())
        world.repo.releases[released.id] = released
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        pages = 0

        def delete_the_newest() -> None:
            nonlocal pages
            pages += bool(world.server.log) and world.server.log[-1].path.endswith("/releases")
            if pages == 1:
                world.repo.releases.pop(9004, None)

        world.server.disturb = delete_the_newest
        world.settle()
        hub.calm_sync()
        assert {f"release:{n}" for n in (9001, 9002, 9003)} <= {id.partition(":")[2] for id in hub.documents()}


def test_discussions_older_than_since_are_not_expected(tmp_path: Path) -> None:
    world = Quiet(since=datetime(2026, 6, 1, tzinfo=UTC))
    old = world.clock.now()
    world.repo.discussions[5] = Discussion(4711, 5, None, "Old", "text", old, old)
    world.clock.advance(days=150)
    new = world.clock.now()
    world.repo.discussions[6] = Discussion(4712, 6, None, "New", "text", new, new)
    with world.server:
        hub = ApiHub(tmp_path, world)
        world.clock.advance(hours=1)
        assert hub.calm_sync().state == "ok"
        world.clock.advance(hours=1)
        assert hub.calm_sync().state == "ok"
        (row,) = hub.ledgers.reports.coverage(NAME)
        assert (row.expected, row.searchable, row.whole) == (1, 1, True)


def test_one_issue_that_cannot_be_read_keeps_no_edited_comment_back(tmp_path: Path) -> None:
    world = Quiet()
    bad, good = world.open("Bad"), world.open("Good")
    said = [world.server.comment(one, "bob", "before") for one in (bad, good)]
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.clock.advance(minutes=10)
        for one in said:
            world.server.edit(one, "after")
            world.clock.advance(minutes=1)
        world.server.unreadable = {bad.number}
        for _ in range(2):
            world.clock.advance(minutes=10)
            assert hub.sync().state == "incomplete"
            assert "after" in document(hub, f"issue:{good.id}").text
            assert has(hub, f"issue:{bad.id}")
        world.server.unreadable = set()
        world.clock.advance(minutes=10)
        assert hub.sync().state == "ok"
        assert "after" in document(hub, f"issue:{bad.id}").text


def test_what_github_counts_and_does_not_list_is_told(tmp_path: Path) -> None:
    world = Quiet()
    issues = [world.open(f"Issue {n}") for n in range(3)]
    with world.server:
        world.server.unlisted = {issues[1].id}
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        (row,) = hub.ledgers.reports.coverage(NAME)
        assert (row.expected, row.searchable, row.whole) == (3, 2, False)


def test_an_issue_that_is_opened_between_the_last_page_and_the_count_is_no_hole(tmp_path: Path) -> None:
    world = Quiet()
    world.open("Issue")

    def open_one_more() -> None:
        if world.server.log[-1].path.endswith("/pulls/comments") and len(world.repo.issues) == 1:
            world.open("One more")

    with world.server:
        world.server.disturb = open_one_more
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert len(hub.documents()) == 2


def test_a_long_discussion_is_read_to_its_last_reply(tmp_path: Path) -> None:
    world = Quiet()
    now, ids, ann = world.clock.now(), world.server.ids, world.server.account("ann")
    made = Discussion(next(ids), 7, ann, "How to?", "I wonder", now, now)
    for n in range(70):
        made.comments.append(DiscussionComment(next(ids), ann, f"comment {n}.", now, answer=n == 69))
    made.comments[3].replies = [DiscussionComment(next(ids), None, f"reply {n}.", now) for n in range(140)]
    world.repo.discussions[7] = made
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        read = document(hub, f"discussion:{made.id}")
    assert all(f"comment {n}." in read.text for n in range(70))
    assert all(f"reply {n}." in read.text for n in range(140))
    assert read.state == "answered"
    assert f"#discussioncomment-{made.comments[69].id}" in {section.anchor for section in read.sections}
