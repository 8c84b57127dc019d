"""GitLab's JSON to documents: by example, and every published payload of the kinds that are read."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Acl, ContainerId, Document, ItemId, RawRecord, SourceName
from knowhub.formats.contents import pack
from knowhub.formats.gitlab_documents import gitlab_document, moment, person

HOME = {"web_url": "https://gitlab.example.com/group/project", "path": "group/project"}
ANN = {"id": 1, "username": "ann", "name": "Ann Archer", "state": "active"}


def document(kind: str, **payload: Any) -> Document:
    return gitlab_document(record(kind, {**payload, "home": HOME}), 1)


def record(kind: str, payload: Any) -> RawRecord:
    return RawRecord(
        SourceName("forge"), ContainerId("project:1"), ItemId("x:1"), f"gitlab.{kind}", "v", Acl.of("all"), payload,
        "group/project#1",
    )  # fmt: skip


def note(id: int, body: str, **more: Any) -> dict[str, Any]:
    return {"id": id, "body": body, "author": ANN, "created_at": "2026-01-02T03:04:05Z",
            "updated_at": "2026-01-02T03:04:05.678Z", **more}  # fmt: skip


def test_an_issue_is_its_facts_its_description_and_its_discussions() -> None:
    issue = {
        "title": "Cache  grows", "state": "opened", "author": ANN, "description": "See !2.", "labels": ["bug", "db"],
        "milestone": {"title": "v3"}, "assignees": [{"name": "Bob", "username": "bob"}], "due_date": "2026-02-03",
        "web_url": f"{HOME['web_url']}/-/issues/1", "created_at": "2026-01-01T00:00:00Z", "weight": 3,
        "updated_at": "2026-01-05T00:00:00.123+01:00", "issue_type": "incident", "epic": {"title": "Speed"},
    }  # fmt: skip
    position = {"new_path": "src/a.py", "new_line": 7}
    talk = [
        {"notes": [note(11, "Why?"), note(12, "Because.", author=None)]},
        {"notes": [note(13, "Here.", position=position, resolved=True, resolved_by=ANN)]},
    ]
    made = document("issue", issue=issue, discussions=talk)
    assert made.text == (
        "Cache grows\n\n"
        "Type: incident. Labels: bug, db. Milestone: v3. Epic: Speed. Assigned to: Bob. Due: 2026-02-03. Weight: 3.\n\n"
        "See [!2](https://gitlab.example.com/group/project/-/merge_requests/2).\n\n"
        "**Ann Archer** (2026-01-02 03:04):\nWhy?\n\n"
        "**Somebody** (2026-01-02 03:04, reply):\nBecause.\n\n"
        "**Ann Archer** (2026-01-02 03:04, on `src/a.py` line 7, resolved by Ann Archer):\nHere."
    )
    assert (made.title, made.state, made.authors) == ("Cache grows", "open", ("Ann Archer",))
    assert made.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert made.updated_at == datetime(2026, 1, 4, 23, 0, 0, 123_000, tzinfo=UTC)
    assert [(s.role, s.anchor, s.author) for s in made.sections] == [
        ("title", "", ""), ("body", "", "Ann Archer"), ("comment", "#note_11", "Ann Archer"),
        ("comment", "#note_12", ""), ("comment", "#note_13", "Ann Archer"),
    ]  # fmt: skip
    assert made.text[made.sections[3].start : made.sections[3].end].endswith("Because.")


def test_states_are_what_a_reader_must_know_first() -> None:
    def state(**vendor: Any) -> str:
        return document("merge_request", merge_request={"title": "T", **vendor}).state

    assert state(state="opened") == "open"
    assert state(state="opened", draft=True) == "draft"
    assert state(state="merged", draft=True) == "merged"
    assert state(state="closed", moved_to_id=7) == "moved"


def test_a_merge_request_tells_its_branches_and_who_merged_it() -> None:
    made = document("merge_request", merge_request={
        "title": "T", "source_branch": "fix", "target_branch": "main", "merge_user": ANN, "state": "merged",
        "merged_at": "2026-01-02T03:04:05Z", "reviewers": [ANN],
    })  # fmt: skip
    told = "Branch: fix into main. Reviewers: Ann Archer. Merged by: Ann Archer, 2026-01-02 03:04."
    assert made.text == f"T\n\n{told}"


def test_an_internal_note_stands_alone_and_says_what_it_is_about() -> None:
    on = {"title": "Leak", "web_url": f"{HOME['web_url']}/-/issues/1"}
    made = document("note", note=note(5, "Between us #9"), on=on)
    assert made.title == "Internal note on Leak"
    assert made.sections[0].anchor == "#note_5"
    assert "[#9](" in made.text


def test_a_wiki_page_has_headings_and_links() -> None:
    page = {"slug": "guides/set up", "title": "set up", "format": "markdown", "content": "# One\n[b](b)\n## Two"}
    made = document("wiki", page=page)
    assert made.url == f"{HOME['web_url']}/-/wikis/guides/set%20up"
    assert [section.anchor for section in made.sections] == ["#one", "#two"]
    plain = document("wiki", page={**page, "format": "asciidoc", "content": "= One\nlink:b[#1]"})
    assert plain.text == "= One\nlink:b[#1]"


def test_a_snippet_shows_its_files_as_code() -> None:
    files = [{"path": "a.sh", "content": pack(b"echo '```'\n")}, {"path": "b.md", "content": pack(b"See #1")},
             {"path": "c.bin", "content": pack(b"\xff\x00")}, {"path": "huge.txt"}]  # fmt: skip
    made = document("snippet", snippet={"title": "Tools", "description": "For all."}, files=files)
    assert made.text == (
        "# Tools\n\nFor all.\n\n## a.sh\n\n````sh\necho '```'\n````\n\n"
        "## b.md\n\nSee [#1](https://gitlab.example.com/group/project/-/issues/1)\n\n"
        "## c.bin\n\n(not text)\n\n## huge.txt\n\n(not text)"
    )


def test_changes_are_told_file_by_file() -> None:
    diffs = [{"old_path": "a.py", "new_path": "b.py", "renamed_file": True, "diff": "@@ -1 +1 @@\n-x\n+y\n"},
             {"old_path": "c", "new_path": "c", "deleted_file": True, "too_large": True}]  # fmt: skip
    commit = {"id": "f" * 40, "message": "Fix\n\nIt broke.", "author_name": "Ann", "authored_date": "2026-01-01"}
    made = document("commit", commit=commit, diffs=diffs)
    assert made.text == (
        "Fix\n\nIt broke.\n\na.py -> b.py (renamed)\n@@ -1 +1 @@\n-x\n+y\n\nc (deleted, not shown in full)"
    )
    assert made.sections[2].anchor == f"#{hashlib.sha1(b'b.py').hexdigest()}"


@pytest.mark.parametrize(
    ("user", "name"),
    [(ANN, "Ann Archer"), ({"name": "****", "username": "project_1_bot"}, "project_1_bot"), (None, ""), ("x", ""),
     ({"username": "u"}, "u"), ({"name": "•••", "username": "u"}, "u")],
)  # fmt: skip
def test_masked_and_missing_names(user: Any, name: str) -> None:
    assert person(user) == name


@pytest.mark.parametrize("text", ["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.000Z", "2026-01-02T05:04:05.000+02:00"])
def test_times_with_and_without_fraction(text: str) -> None:
    assert moment(text) == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_times_that_are_none() -> None:
    assert [moment(one) for one in (None, "", "soon", 5)] == [None] * 4


@pytest.mark.parametrize("payload", [None, {}, {"issue": None, "home": HOME}, {"issue": {}, "home": {}}])
def test_what_was_not_stored_by_us_is_unreadable(payload: Any) -> None:
    with pytest.raises(UnreadableContent):
        gitlab_document(record("issue", payload), 1)
    with pytest.raises(UnreadableContent):
        gitlab_document(record("pipeline", {"home": HOME}), 1)


# ── published payloads ───────────────────────────────────────────────────────────────────────────────

FILES = {
    "issue.json": "issue", "merge-request.json": "merge_request", "epic.json": "epic", "child-epic.json": "epic",
    "created-child-epic.json": "epic", "epic-issue.json": "issue", "linked-issues.json": "issue",
    "related-epics.json": "epic", "issues-closed-by-mr.json": "merge_request", "releases.json": "release",
    "snippet.json": "snippet", "commit.json": "commit", "note.json": "note", "merge-request-note.json": "note",
}  # fmt: skip
NAMES = {"epic": "epic", "snippet": "snippet", "release": "release", "commit": "commit", "note": "note"}
TOLD = ("title", "description", "body", "message")


@pytest.mark.parametrize("file", sorted(FILES))
def test_published_payloads_keep_their_words(shared_data: Path, file: str) -> None:
    for vendor in loaded(shared_data, file):
        kind = FILES[file]
        made = document(kind, **{kind: vendor, "on": {"title": "T"}})
        words = {word for key in TOLD for word in str(vendor.get(key) or "").split() if word.isalpha()}
        assert words <= set(" ".join([made.text, made.title]).replace("(", " ").replace(")", " ").split()), file
        for user in filter(None, (vendor.get("author"), vendor.get("assignee"), vendor.get("closed_by"))):
            assert user["name"] in made.text or user["name"] in made.authors
        labels = [one if isinstance(one, str) else one["name"] for one in vendor.get("labels") or []]
        assert all(label in made.text for label in labels)


@pytest.mark.parametrize("file", ["issue-discussions", "merge-request-discussions", "epic-discussions",
                                  "snippet-discussions", "commit-discussions"])  # fmt: skip
def test_published_discussions_keep_every_note(shared_data: Path, file: str) -> None:
    discussions = loaded(shared_data, f"{file}.json")
    made = document("issue", issue={"title": "T"}, discussions=discussions)
    notes = [one for discussion in discussions for one in discussion["notes"]]
    assert len([section for section in made.sections if section.role == "comment"]) == len(notes)
    for one in notes:
        assert all(word in made.text for word in str(one.get("body") or "").split() if word.isalpha())
        assert person(one.get("author")) in ("", *made.authors)


def test_published_diffs_name_every_file(shared_data: Path) -> None:
    for vendor in loaded(shared_data, "merge-request-diff.json"):
        made = document("diff", merge_request={"title": "T"}, diffs=vendor["diffs"])
        assert all(one["diff"].strip() in made.text for one in vendor["diffs"])


def loaded(shared_data: Path, file: str) -> list[dict[str, Any]]:
    path = shared_data / "api" / "gitlab" / "models" / "org" / "gitlab4j" / "models" / file
    data = json.loads(path.read_text("utf-8"))
    return data if isinstance(data, list) else [data]
