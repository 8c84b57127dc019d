"""What api.github.com answered when others recorded it: replayed against the client, and parsed whole."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from knowhub.core.secret import Secret
from knowhub.core.types import RawRecord, SourceName
from knowhub.formats.files import parse_file
from knowhub.http import Missing, Rejected
from knowhub.sources.github import GitHubOptions, GitHubParser
from knowhub.sources.github.api import Api
from knowhub.sources.github.directory import collaborators
from knowhub.sources.github.records import Repository
from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

HOME = "https://api.github.com"


class Replay(SimulatedApi):
    """The recorded answers by method and address, in order; the last one is given again."""

    def __init__(self, recorded: list[dict[str, Any]]) -> None:
        super().__init__(VirtualClock())
        self._answers: dict[str, list[dict[str, Any]]] = {}
        for one in recorded:
            self._answers.setdefault(f"{one['method'].upper()} {one['path']}", []).append(one)

    def answer(self, asked: Asked) -> Answer:
        query = urlencode([(name, value) for name, values in asked.query.items() for value in values])
        found = self._answers.get(f"{asked.method} {asked.path}{'?' if query else ''}{query}")
        if not found:
            return Answer({"message": "Not Found"}, 404)
        one = found.pop(0) if len(found) > 1 else found[0]
        body = json.dumps(one["response"]).replace(HOME, self.url).encode()
        kept = ("link", "location", "etag", "x-ratelimit-remaining", "x-ratelimit-reset", "x-oauth-scopes")
        headers = {name: str(one["headers"][name]).replace(HOME, self.url) for name in kept if name in one["headers"]}
        return Answer(status=one["status"], headers=headers, body=body, content_type="application/json")


@pytest.fixture
def scenarios(shared_data: Path) -> Path:
    return shared_data / "api" / "github" / "recorded-scenarios" / "api.github.com"


def replay(scenarios: Path, name: str) -> Replay:
    return Replay(json.loads((scenarios / name / "normalized-fixture.json").read_text()))


def client(server: Replay, **options: Any) -> Api:
    return Api(GitHubOptions(base_url=server.url, token=Secret("0" * 40), **options), server.clock)


def test_all_pages_of_a_recorded_list_are_read_by_its_links(scenarios: Path) -> None:
    with replay(scenarios, "paginate-issues") as server:
        issues = client(server, page_size=3).list("repos/octokit-fixture-org/paginate-issues/issues")
    assert [issue["number"] for issue in issues] == list(range(13, 0, -1))


def test_a_recorded_renaming_is_followed_to_the_same_number(scenarios: Path) -> None:
    with replay(scenarios, "rename-repository") as server:
        found = client(server).get("repos/octokit-fixture-org/rename-repository").data
    assert (found["id"], found["name"]) == (1000, "rename-repository-newname")


def test_recorded_collaborators_are_those_who_may_read(scenarios: Path) -> None:
    name = "add-and-remove-repository-collaborator"
    with replay(scenarios, name) as server:
        api = client(server)
        shown = {"id": 1, "full_name": f"octokit-fixture-org/{name}"}
        # Recorded without parameters, so that the list is asked for as it was.
        found = api.get(f"repos/octokit-fixture-org/{name}/collaborators").data
        assert [one["login"] for one in found] == ["octokit-fixture-user-a", "octokit-fixture-user-b"]
        assert all(one["permissions"]["pull"] for one in found)
        assert collaborators(api, Repository(SourceName("hub"), GitHubOptions(), shown)) is None


def test_recorded_refusals_become_errors(scenarios: Path) -> None:
    with replay(scenarios, "errors") as server, pytest.raises(Rejected, match="Validation Failed"):
        client(server).http.post("repos/octokit-fixture-org/errors/labels", json={"name": "foo", "color": "invalid"})
    with replay(scenarios, "branch-protection") as server, pytest.raises(Missing, match="Branch not protected"):
        client(server).get("repos/octokit-fixture-org/branch-protection/branches/main/protection")


def test_every_recorded_payload_of_our_kinds_becomes_a_document_with_all_that_it_says(scenarios: Path) -> None:
    repo = Repository(SourceName("hub"), GitHubOptions(), {"id": 1000, "full_name": "octokit-fixture-org/hello-world"})
    parse, seen = GitHubParser(parse_file), Counter[str]()
    for file in sorted(scenarios.glob("*/normalized-fixture.json")):
        for shown in objects(json.loads(file.read_text())):
            kind = kind_of(shown)
            seen[kind] += 1
            if record := stored(repo, kind, shown):
                document = parse(record, 1)
                assert [text for text in said(kind, shown) if text not in document.text] == []
                assert document.url == shown["html_url"]
                assert document.updated_at
            elif kind == "repository":
                assert Repository(SourceName("hub"), GitHubOptions(), shown).container == str(shown["id"])
    assert seen["issue"] >= 15
    assert seen["release"] >= 2
    assert seen["repository"] >= 4


def stored(repo: Repository, kind: str, shown: dict[str, Any]) -> RawRecord | None:
    match kind:
        case "issue":
            return repo.issue({"issue": shown, "comments": []})
        case "release":
            return repo.release(shown)
        case "commit":
            return repo.commit(shown)
    return None


def objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(one)


def kind_of(shown: dict[str, Any]) -> str:
    if {"number", "title", "comments_url", "html_url"} <= shown.keys():
        return "issue"
    if {"tag_name", "html_url", "assets"} <= shown.keys():
        return "release"
    if {"full_name", "default_branch"} <= shown.keys():
        return "repository"
    return "commit" if {"sha", "commit", "html_url"} <= shown.keys() else ""


def said(kind: str, shown: dict[str, Any]) -> list[str]:
    if kind == "issue":
        return [shown["title"], *filter(None, [shown["body"]]), *(label["name"] for label in shown["labels"])]
    if kind == "release":
        return [shown["name"], shown["tag_name"], *filter(None, [shown["body"]]), *(a["name"] for a in shown["assets"])]
    return [shown["commit"]["message"]]
