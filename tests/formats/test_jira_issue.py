"""Stored issues as documents; and every real issue that we have, through the whole connector."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.core.secret import Secret
from knowhub.core.types import Acl, ContainerId, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.adf import adf_to_markdown
from knowhub.formats.jira_issue import jira_issue
from knowhub.sources.jira import JiraOptions, JiraSource
from tests.contracts.source import LedgerModel
from tests.formats.test_jira_markup import words_of
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock
from tests.sources.jira_replay import Replay


def record(payload: Any, item: str = "issue:7") -> RawRecord:
    return RawRecord(SourceName("jira"), ContainerId("1"), ItemId(item), "issue", "v", Acl.of("me"), payload, "OPS-7")


def issue(**fields: Any) -> dict[str, Any]:
    return {
        "site": "https://acme.example",
        "issue": {"id": "7", "key": "OPS-7", "fields": {"summary": "Down", **fields}},
    }


ANN = {"displayName": "Ann", "accountId": "1"}
COMMENT = {
    "id": "5",
    "author": ANN,
    "body": "It *was* me",
    "created": "2026-03-02T10:00:00.500+0100",
    "updated": "2026-03-02T11:00:00.000+0100",
}


def test_an_issue_is_a_title_with_its_fields_a_body_and_comments_in_order_of_time() -> None:
    work = {"id": "6", "author": ANN, "comment": "Fixed", "timeSpent": "2h", "started": "2026-03-01T00:00:00.000+0000",
            "created": "2026-03-01T09:00:00.000+0000", "updated": "2026-03-01T09:00:00.000+0000"}  # fmt: skip
    stored = issue(
        status={"name": "Open"}, labels=["a", "b"], description="h1. Why\ntext", reporter=ANN,
        created="2026-02-02T10:00:00.000+0000", customfield_1=3.0,
        customfield_2={"value": "EU", "child": {"value": "DE"}},
        customfield_3="long\ntext", subtasks=[{"key": "OPS-9", "fields": {"summary": "secret"}}],
        duedate="2026-04-01", components=[{"name": "core"}],
    ) | {"comments": [COMMENT], "worklogs": [work], "aliases": ["OLD-1"], "fields": {"customfield_1": "Points",
         "customfield_2": "Region", "customfield_3": "Impact"}}  # fmt: skip
    found = jira_issue(record(stored), 3)
    assert found.text == (
        "# OPS-7: Down\n\n- **Status:** Open\n- **Reporter:** Ann\n- **Due:** 2026-04-01\n- **Labels:** a, b\n"
        "- **Components:** core\n- **Subtasks:** OPS-9\n- **Points:** 3\n- **Region:** EU / DE\n"
        "- **Formerly:** OLD-1\n\n"
        "# Why\n\ntext\n\n**Impact**\n\nlong\ntext\n\n"
        "**Ann** (2026-03-01 09:00, worked 2h from 2026-03-01):\n\nFixed\n\n"
        "**Ann** (2026-03-02 09:00, edited):\n\nIt **was** me"
    )
    assert [(s.role, s.anchor) for s in found.sections] == [
        ("title", ""), ("body", ""), ("comment", "?focusedWorklogId=6"), ("comment", "?focusedCommentId=5"),
    ]  # fmt: skip
    assert found.text[found.sections[3].start : found.sections[3].end].startswith("**Ann** (2026-03-02 09:00, edited)")
    assert (found.title, found.state, found.url) == ("OPS-7: Down", "Open", "https://acme.example/browse/OPS-7")
    assert (found.authors, found.created_at) == (("Ann",), datetime(2026, 2, 2, 10, tzinfo=UTC))


def test_a_remark_has_the_issue_s_title_and_its_own_text_alone() -> None:
    found = jira_issue(record(issue() | {"remark": COMMENT}, "issue:7:comment:5"), 1)
    assert (found.title, found.text) == ("OPS-7: Down", "**Ann** (2026-03-02 09:00, edited):\n\nIt **was** me")


@pytest.mark.parametrize("payload", [None, {}, {"site": "x"}, {"site": "x", "issue": 3}, {"site": "", "issue": {}}])
def test_what_was_not_stored_by_us_is_unreadable(payload: Any) -> None:
    with pytest.raises(UnreadableContent):
        jira_issue(record(payload), 1)


# ── material that nobody here wrote ──────────────────────────────────────────────────────────────────


def test_real_issues_arrive_with_every_word_that_a_reader_sees(shared_data: Path) -> None:
    dumps = [
        json.loads(path.read_text("utf-8")) for path in sorted((shared_data / "api/jira").glob("archive-*/*-*/*.json"))
    ]
    clock = VirtualClock()
    with Replay(clock, dumps) as server:
        options = JiraOptions(base_url=server.url, token=Secret("t"), attachments=False, readers=("me",))
        ledger = LedgerModel()
        ledger.fetch(JiraSource(SourceName("jira"), options, clock=clock), batch=500)
    assert len(ledger.records) == len(dumps) > 600
    for dump in dumps:
        found = jira_issue(ledger.records[ItemId(f"issue:{dump['id']}")], 1)
        fields = dump["fields"]
        told = [fields["summary"], fields["status"]["name"], fields["issuetype"]["name"], *fields["labels"]]
        told += [one["name"] for name in ("components", "fixVersions", "versions", "closedSprints")
                 for one in fields.get(name) or ()]  # fmt: skip
        told += [(link.get("outwardIssue") or link.get("inwardIssue"))["key"] for link in fields["issuelinks"]]
        told += [one["filename"] for one in fields["attachment"]]
        people = [one.get("author") or {} for one in fields["comment"]["comments"]] + [fields["reporter"] or {}]
        told += [one["displayName"] for one in people if one.get("displayName")]
        flat = " ".join(found.text.split())
        assert [text for text in told if " ".join(text.split()) not in flat] == [], dump["key"]
        for text in [fields.get("description"), fields.get("environment")]:
            assert words_of(text or "") <= set(re.findall(r"[^\W\d_]{2,}", found.text)), dump["key"]
        comments = [section for section in found.sections if section.role == "comment"]
        assert len(comments) == len(fields["comment"]["comments"])


def test_recorded_issues_of_a_sprint_parse(shared_data: Path) -> None:
    issues = json.loads((shared_data / "api/jira/recorded/issues_in_sprint.json").read_text("utf-8"))["issues"]
    for one in issues:
        found = jira_issue(record({"site": "https://a.example", "issue": one}), 1)
        assert found.title.startswith(one["key"])
        assert "0|" not in found.text


def test_every_document_among_the_published_examples_keeps_its_words(shared_data: Path) -> None:
    specification = json.loads((shared_data / "api/jira/openapi/platform-swagger.v3.json").read_text("utf-8"))
    found = list(_documents(specification))
    assert len(found) > 30
    for document in found:
        written = adf_to_markdown(document)
        assert [text for text in _texts(document) if text.strip() not in written] == []


def test_people_roles_and_schemes_as_they_were_recorded_become_memberships(shared_data: Path) -> None:
    recorded = shared_data / "api/jira/recorded"
    with Recorded(VirtualClock(), recorded) as server:
        options = JiraOptions(base_url=server.url, token=Secret("t"), edition="cloud", include=("AAR",))
        found = {one.principal: one.members for one in JiraSource(SourceName("jira"), options).memberships()}
    assert found[Principal("jira:project:12320120")] == {"jira:project:12320120:role:10302", "jira:group:FooBarGroup"}
    assert found[Principal("jira:project:12320120:role:10002")] == {"jira:group:jira-administrators"}


class Recorded(SimulatedApi):
    """Plays what was recorded."""

    def __init__(self, clock: VirtualClock, folder: Path) -> None:
        super().__init__(clock)
        self.folder = folder

    def answer(self, asked: Asked) -> Answer:
        match asked.parts[3:]:
            case ["project", "search"]:
                return Answer({"values": self._file("all_projects"), "isLast": True})
            case ["project", _, "permissionscheme"]:
                return Answer(self._file("permissionscheme"))
            case ["project", _, "role"]:
                return Answer({"Administrator": f"{self.url}/rest/api/3/project/12320120/role/10002"})
            case ["project", _, "role", _]:
                return Answer(self._file("role"))
            case ["users", "search"]:
                return Answer([])
        return Answer({"errorMessages": ["no"]}, 404)

    def _file(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text("utf-8"))


def _documents(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, str) and '"type":"doc"' in value:
        yield from _documents(json.loads(value))
    elif isinstance(value, dict) and value.get("type") == "doc":
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _documents(one)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict) and isinstance(value.get("text"), str):
        yield value["text"]
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(one)
