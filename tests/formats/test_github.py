"""GitHub's Markdown, and documents made of what GitHub returned, by example; and no word of it is lost."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Acl, ContainerId, Document, ItemId, RawRecord, SourceName
from knowhub.formats.github_documents import github_commit, github_discussion, github_release
from knowhub.formats.github_issue import github_issue
from knowhub.formats.github_markdown import Place, github_markdown, unsigned

PLACE = Place("https://github.com", "acme/site")
HERE = "https://github.com/acme/site"
EXAMPLES = {
    "an issue": ("see #12.", f"see [#12]({HERE}/issues/12)."),
    "an issue elsewhere": ("(ada/lab.js#3)", "([ada/lab.js#3](https://github.com/ada/lab.js/issues/3))"),
    "the old way": ("Fixes GH-4", f"Fixes [GH-4]({HERE}/issues/4)"),
    "a commit": ("since 0a1b2c3,", f"since [0a1b2c3]({HERE}/commit/0a1b2c3),"),
    "a commit elsewhere": ("ada/lab@0a1b2c3d", "[ada/lab@0a1b2c3d](https://github.com/ada/lab/commit/0a1b2c3d)"),
    "a person": ("@ada's and @bob-c.", "[@ada](https://github.com/ada)'s and [@bob-c](https://github.com/bob-c)."),
    "a team": ("cc @acme/core", "cc [@acme/core](https://github.com/orgs/acme/teams/core)"),
    "numbers and words that are none": ("#1a, x#1, 1234567 and deadbeef", "#1a, x#1, 1234567 and deadbeef"),
    "addresses of mail": ("ask ada@example.com", "ask ada@example.com"),
    "a link": ("[about #12](https://x.example/#13)", "[about #12](https://x.example/#13)"),
    "an address": ("https://github.com/a/b/issues/1#issuecomment-2", "https://github.com/a/b/issues/1#issuecomment-2"),
    "code": ("`#12 @ada` ``a ` #1``", "`#12 @ada` ``a ` #1``"),
    "a block of code": ("```py\n#12 <!-- @ada -->\n```", "```py\n#12 <!-- @ada -->\n```"),
    "an alert": ("> [!WARNING]\n> Take care", "> **Warning**\n> Take care"),
    "tasks": ("- [ ] write\n- [x] read #1", f"- [ ] write\n- [x] read [#1]({HERE}/issues/1)"),
    "a template's comment": ("<!-- Please\nsay\n\nwhy -->\nIt broke <!-- here --> today", "It broke  today"),
    "a comment that never ends": ("before <!-- after", "before <!-- after"),
    "what unfolds": ("<details>\n<summary>Log</summary>\n\nlines\n\n</details>", "**Log**\n\nlines"),
    "a picture": ('<img width="9" alt="shot" src="https://x.example/1.png">', "![shot](https://x.example/1.png)"),
    "a picture in Markdown": (
        "![shot](https://github.com/user-attachments/assets/1-a)",
        "![shot](https://github.com/user-attachments/assets/1-a)",
    ),
    "a link in HTML": ('<a href="https://x.example">see #1</a>', "[see #1](https://x.example)"),
    "keys and line ends": ("Press <kbd>Esc</kbd><br>twice", "Press `Esc`\ntwice"),
    "types that are no tags": ("a List<String> of Map<K, V>", "a List<String> of Map<K, V>"),
    "a table in HTML": (
        "<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>#2</td></tr></table>",
        f"| a | b |\n| --- | --- |\n| 1 | [#2]({HERE}/issues/2) |",
    ),
    "a table": ("| a | b |\n|---|---|\n| x<br>y | #3 |", f"| a | b |\n|---|---|\n| x y | [#3]({HERE}/issues/3) |"),
    "a suggestion": ("```suggestion\nreturn 1\n```", "Suggested change:\n```suggestion\nreturn 1\n```"),
    "a quote": ("> said @ada\r\n> twice", "> said [@ada](https://github.com/ada)\n> twice"),
}  # fmt: skip


@pytest.mark.parametrize(("written", "read"), EXAMPLES.values(), ids=EXAMPLES.keys())
def test_markdown_is_as_people_see_it(written: str, read: str) -> None:
    assert github_markdown(written, PLACE) == read


def test_signed_addresses_lose_their_signature() -> None:
    signed = "![a](https://private-user-images.githubusercontent.com/1/2.png?jwt=SECRET) and more"
    assert unsigned(signed) == "![a](https://private-user-images.githubusercontent.com/1/2.png) and more"
    assert "SECRET" not in github_markdown(signed, PLACE)


WORDS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=12)
MARKUP = st.sampled_from(
    ["\n", "\n\n", " ", "`", "```\n", "~~~\n", "*", "> ", "- [ ] ", "| ", "#", "@", "/", "[", "](", ")", "<br>", "<b>",
     "</b>", "<details>", "<summary>", "</summary>", "![", "GH-", "http://", "<a href=x>", "</a>", "[!NOTE]", "\r\n"]
)  # fmt: skip


@given(st.lists(st.one_of(WORDS, MARKUP), max_size=40))
def test_no_word_is_lost(parts: list[str]) -> None:
    written = " ".join(parts)
    shown = re.sub(r"<[^<>]*>", " ", written)
    read = github_markdown(written, PLACE)
    assert [word for word in re.findall(r"[^\W_]+", shown) if word.lower() not in read.lower()] == []


@given(st.text())
def test_anything_is_read_without_an_error(written: str) -> None:
    github_markdown(written, PLACE)


@pytest.mark.parametrize("odd", ["[" * 50_000, "`" * 50_000, "<a " * 20_000, "<!--" * 20_000, "[a](" * 20_000,
                                 "<table>" * 5_000, "a/" * 40_000, "@a/b" * 20_000, "` `` " * 10_000])  # fmt: skip
def test_hostile_text_takes_no_long_time(odd: str) -> None:
    assert github_markdown(odd, PLACE) is not None


# ── documents ────────────────────────────────────────────────────────────────────────────────────────


def stored(kind: str, **payload: Any) -> RawRecord:
    head = {"web": "https://github.com", "repository": "acme/site"}
    return RawRecord(
        SourceName("hub"),
        ContainerId("1"),
        ItemId("x:1"),
        kind,
        "v",
        Acl.of("owner"),
        {**head, **payload},
        "acme/site#7",
    )


def person(login: str) -> dict[str, Any]:
    return {"login": login, "id": 1}


PULL: dict[str, Any] = {
    "issue": {
        "number": 7, "title": "Pay once", "body": "Closes #3", "user": person("ann"), "state": "closed",
        "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-05T00:00:00Z",
        "labels": [{"name": "money"}, "old"], "assignees": [person("bob")], "milestone": {"title": "v2"},
        "pull_request": {"merged_at": "2026-01-05T00:00:00Z"}, "html_url": f"{HERE}/pull/7",
    },
    "pull": {"head": {"label": "acme:topic"}, "base": {"label": "acme:main"}, "merged_at": "2026-01-05T00:00:00Z"},
    "comments": [{"id": 1, "user": None, "body": "First", "created_at": "2026-01-02T00:00:00Z"}],
    "reviews": [
        {"id": 2, "user": person("cid"), "state": "APPROVED", "body": "", "submitted_at": "2026-01-04T00:00:00Z"},
        {"id": 3, "user": person("bob"), "state": "COMMENTED", "body": "", "submitted_at": "2026-01-03T00:00:00Z"},
        {"id": 9, "user": person("bob"), "state": "COMMENTED", "body": "", "submitted_at": "2026-01-03T00:00:00Z"},
    ],
    "review_comments": [
        {"id": 11, "user": person("bob"), "body": "Why?", "path": "a.py", "line": None, "original_line": 5,
         "start_line": None, "original_start_line": 3, "diff_hunk": "@@ -1 +1 @@\n-```\n+y",
         "created_at": "2026-01-03T00:00:00Z", "pull_request_review_id": 3},
        {"id": 13, "user": person("cid"), "body": "Orphan", "path": "b.py", "created_at": "2026-01-06T00:00:00Z",
         "in_reply_to_id": 999, "pull_request_review_id": 5},
        {"id": 12, "user": person("ann"), "body": "Because", "path": "a.py", "created_at": "2026-01-04T12:00:00Z",
         "in_reply_to_id": 11, "pull_request_review_id": 4},
    ],
}  # fmt: skip


def parts(document: Document) -> list[tuple[str, str]]:
    return [(one.anchor, document.text[one.start : one.end]) for one in document.sections]


def test_a_pull_request_reads_in_the_order_of_its_page() -> None:
    document = github_issue(stored("github.pull", **PULL), 1)
    anchors = [anchor for anchor, _ in parts(document)]
    assert anchors == ["", "", "#issuecomment-1", "#pullrequestreview-3", "#discussion_r11", "#discussion_r12",
                       "#pullrequestreview-2", "#discussion_r13"]  # fmt: skip
    said = dict(parts(document))
    assert said["#issuecomment-1"] == "**ghost** (2026-01-02 00:00):\nFirst"
    assert said["#pullrequestreview-2"] == "**cid** approved (2026-01-04 00:00)"
    assert said["#discussion_r11"] == (
        "**bob** on `a.py:3-5` (2026-01-03 00:00):\n````diff\n@@ -1 +1 @@\n-```\n+y\n````\n\nWhy?"
    )
    assert said["#discussion_r12"] == "**ann** on `a.py` (2026-01-04 12:00):\nBecause"


def test_what_stands_beside_a_pull_request_is_in_its_text() -> None:
    document = github_issue(stored("github.pull", **PULL), 1)
    assert (document.title, document.state, document.kind) == ("Pay once", "merged", "issue")
    assert document.url == f"{HERE}/pull/7"
    for fact in ("Pull request acme/site#7, merged, by ann", "Branch: acme:topic into acme:main", "Labels: money, old",
                 "Assigned to: bob", "Milestone: v2", f"Closes [#3]({HERE}/issues/3)"):  # fmt: skip
        assert fact in document.text
    assert document.authors == ("ann", "ghost", "bob", "cid")


@pytest.mark.parametrize(
    ("issue", "state"),
    [({"state": "open"}, "open"), ({"state": "closed", "state_reason": "completed"}, "closed"),
     ({"state": "closed", "state_reason": "not_planned"}, "closed as not planned"),
     ({"state": "open", "draft": True, "pull_request": {}}, "draft")],
)  # fmt: skip
def test_the_state_of_an_issue_is_what_its_page_says(issue: dict[str, Any], state: str) -> None:
    shown = {"number": 1, "title": "T", "user": person("ann"), **issue}
    assert github_issue(stored("github.issue", issue=shown), 1).state == state


def test_a_discussion_marks_its_answer() -> None:
    reply = {"databaseId": 3, "author": person("ann"), "body": "Thanks", "createdAt": "2026-01-03T00:00:00Z"}
    answer = {"databaseId": 2, "author": person("bob"), "body": "Like this", "createdAt": "2026-01-02T00:00:00Z",
              "isAnswer": True, "replies": {"nodes": [reply, None]}}  # fmt: skip
    discussion = {
        "databaseId": 1, "number": 5, "title": "How?", "body": "Tell @bob", "author": None,
        "url": f"{HERE}/discussions/5", "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-02T00:00:00Z",
        "isAnswered": True,
        "category": {"name": "Q&A"}, "labels": {"nodes": [{"name": "help"}]},
        "poll": {"question": "Which?", "options": {"nodes": [{"option": "This"}, {"option": "That"}]}},
        "comments": {"nodes": [answer]},
    }  # fmt: skip
    document = github_discussion(stored("github.discussion", discussion=discussion), 1)
    said = dict(parts(document))
    assert said["#discussioncomment-2"] == "**bob** (answer) (2026-01-02 00:00):\nLike this"
    assert said["#discussioncomment-3"] == "**ann** replied (2026-01-03 00:00):\nThanks"
    assert (document.state, document.authors) == ("answered", ("ghost", "bob", "ann"))
    for fact in ("Category: Q&A", "Labels: help", "Poll: Which?\n- This\n- That"):
        assert fact in document.text


def test_a_release_names_its_files() -> None:
    release = {
        "id": 1, "tag_name": "v1.2", "name": "Spring", "body": "Fixes #4", "author": person("ann"),
        "prerelease": True, "created_at": "2026-01-01T00:00:00Z", "published_at": "2026-01-02T00:00:00Z",
        "html_url": f"{HERE}/releases/tag/v1.2",
        "assets": [{"name": "app.zip"}],
    }  # fmt: skip
    document = github_release(stored("github.release", release=release), 1)
    assert (document.title, document.state) == ("acme/site Spring (v1.2)", "pre-release")
    assert f"[#4]({HERE}/issues/4)" in document.text
    assert document.text.endswith("Files:\n- app.zip")


def test_a_commit_opens_at_each_file() -> None:
    signed = {"name": "Ann", "date": "2026-01-01T00:00:00Z"}
    commit = {
        "sha": "a" * 40, "html_url": f"{HERE}/commit/aa", "author": None,
        "commit": {"message": "Pay once\n\nCloses #3", "author": signed, "committer": signed},
        "files": [
            {"filename": "b.py", "previous_filename": "a.py", "status": "renamed", "additions": 1, "deletions": 0,
             "patch": "@@"},
            {"filename": "x.png", "status": "added", "additions": 0, "deletions": 0},
        ],
    }  # fmt: skip
    document = github_commit(stored("github.commit", commit=commit), 1)
    assert (document.title, document.kind, document.authors) == ("Pay once", "change", ("Ann",))
    assert "a.py -> b.py (renamed, +1 -0)\n@@" in document.text
    assert [one.label for one in document.sections if one.role == "file"] == ["b.py", "x.png"]


KEYS = st.sampled_from(["user", "login", "body", "id", "nodes", "comments", "labels", "created_at", "number"])
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
ODD = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


@given(ODD)
def test_odd_answers_become_documents_all_the_same(odd: Any) -> None:
    for make, key in ((github_issue, "issue"), (github_discussion, "discussion"), (github_release, "release"),
                      (github_commit, "commit")):  # fmt: skip
        document = make(stored("github", **{key: odd, "comments": odd, "reviews": odd, "review_comments": odd}), 1)
        assert all(0 <= one.start <= one.end <= len(document.text) for one in document.sections)


def test_what_is_not_of_github_is_refused() -> None:
    record = RawRecord(SourceName("hub"), ContainerId("1"), ItemId("x:1"), "github.issue", "v", Acl(), {"other": 1})
    with pytest.raises(UnreadableContent):
        github_issue(record, 1)
