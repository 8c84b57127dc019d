"""GitHub: who may read what, what is refused and what the sentences say, tokens and Apps."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied, NotFound
from knowhub.core.secret import Secret
from knowhub.core.types import ANYONE, ItemId
from knowhub.sources.github import GitHubOptions, GitHubSource
from tests.contracts.api_source import ApiHub
from tests.servers.github_state import Discussion
from tests.sources.test_github import NAME
from tests.sources.test_github_traps import Quiet, document, has, incremental

# ── who may read ─────────────────────────────────────────────────────────────────────────────────────


def test_a_repository_whose_readers_may_not_be_listed_is_for_nobody(tmp_path: Path) -> None:
    world = Quiet()
    world.open("Secret plan")
    with world.server:
        world.server.missing_scopes = {"collaborators"}
        assert list(world.source().memberships()) == []
        assert [one for one in world.source().check() if "may not list who may read it" in one]
        assert ApiHub(tmp_path, world).calm_sync().state == "ok"


def test_people_are_known_by_addresses_that_github_has_verified() -> None:
    world = Quiet()
    dee, eve = world.server.account("dee"), world.server.account("eve")
    world.repo.collaborators |= {dee.id: dee, eve.id: eve}
    world.server.shows_address = {"ann", "dee"}
    with world.server:
        known = {person.name: person.email for person in world.source().people()}
        assert known["Ann"] == "ann@acme.example"
        assert known["Dee"] == "dee@home.example"
        assert known["Eve"] == ""
        world.server.missing_scopes = {"user:email"}
        assert {person.name: person.email for person in world.source().people()}["ann"] == ""


def test_readers_that_are_named_stand_in_for_githubs_own(tmp_path: Path) -> None:
    world = Quiet(readers=("group:staff",))
    issue = world.open("Plan")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        assert document(hub, f"issue:{issue.id}").acl.canonical() == (("group:staff",),)


def test_a_repository_made_public_is_everybodys_without_reading_it_again(tmp_path: Path) -> None:
    world = Quiet()
    world.open("Plan")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.repo.visibility = "public"
        assert incremental(world, hub) == []
        (membership,) = world.source().memberships()
        assert membership.members == frozenset((ANYONE,))


def test_what_is_public_behind_a_servers_private_mode_is_for_nobody_outside(tmp_path: Path) -> None:
    world = Quiet()
    world.repo.visibility, world.repo.collaborators = "public", {}
    world.server.private_mode = True
    world.server.attached["77-plan.txt"] = b"the plan"
    with world.server:
        issue = world.open("Issue", f"[plan]({world.server.url}/user-attachments/files/77/plan.txt)")
        (membership,) = world.source().memberships()
        members = {f"{NAME}:user:{id}" for id in world.acme.members}
        assert membership.members == members
        assert members <= {person.principal for person in world.source().people()}
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert document(hub, f"issue:{issue.id}:file:77").text == "the plan"


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────


def test_missing_permission_for_pull_requests_leaves_issues_readable(tmp_path: Path) -> None:
    world = Quiet()
    issue, pull = world.open("Issue"), world.open("Pull", pull=True)
    with world.server:
        world.server.missing_scopes = {"pulls"}
        hub = ApiHub(tmp_path, world)
        report = hub.calm_sync()
        assert report.state == "incomplete"
        assert has(hub, f"issue:{issue.id}")
        assert any("Give the token pulls=read" in hole for hole in report.holes)
        world.server.missing_scopes = set()
        world.clock.advance(minutes=5)
        assert hub.sync().state == "ok"
        assert has(hub, f"issue:{pull.id}")


def test_discussions_that_are_refused_are_a_gap_and_stay(tmp_path: Path) -> None:
    world = Quiet()
    now = world.clock.now()
    world.repo.discussions[5] = Discussion(4711, 5, None, "Talk", "text", now, now)
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.server.missing_scopes = {"discussions"}
        world.settle()
        assert hub.calm_sync().state == "incomplete"
        assert has(hub, "discussion:4711")


def test_a_repository_that_cannot_be_listed_any_more_is_not_taken_for_deleted(tmp_path: Path) -> None:
    world = Quiet(organizations=(), repositories=("acme/alpha", "acme/beta"))
    other = world.server.create(world.acme, "beta")
    issue = world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        del world.server.repositories[world.repo.id]
        assert hub.calm_sync().state == "incomplete"
        assert has(hub, f"issue:{issue.id}")
        assert other.id in world.server.repositories


def test_what_single_sign_on_hides_is_a_gap_and_stays(tmp_path: Path) -> None:
    world = Quiet()
    world.server.create(world.acme, "beta")
    issue = world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.server.behind_sso = {world.repo.id}
        report = hub.calm_sync()
        assert report.state == "incomplete"
        assert any("single sign-on" in hole for hole in report.holes)
        assert has(hub, f"issue:{issue.id}")


def test_a_name_that_was_never_seen_is_a_gap_until_it_is_there(tmp_path: Path) -> None:
    world = Quiet(organizations=("acme",), repositories=("acme/later",))
    world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "incomplete"
        (gap,) = [row.gap for row in hub.ledgers.reports.coverage(NAME) if row.gap]
        assert "acme/later is not there for this token" in gap
        world.server.create(world.acme, "later")
        assert hub.calm_sync().state == "ok"
        assert [row.name for row in hub.ledgers.reports.coverage(NAME)] == ["acme/alpha", "acme/later"]


def test_a_repository_that_left_the_organisation_is_gone(tmp_path: Path) -> None:
    world = Quiet()
    world.server.create(world.acme, "beta")
    world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        del world.server.repositories[world.repo.id]
        assert hub.calm_sync().state == "ok"
        assert hub.documents() == {}


def test_a_repository_that_slipped_between_two_pages_is_not_taken_for_deleted(tmp_path: Path) -> None:
    world = Quiet(page_size=2)
    others = [world.server.create(world.acme, f"other-{n}") for n in range(4)]
    issue = world.server.open(others[1], "ann", "Issue", "text")
    world.server.open(others[3], "ann", "Last", "text")
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()

        def delete() -> None:
            world.server.repositories.pop(world.repo.id, None)

        world.server.disturb = delete
        assert hub.calm_sync().state == "incomplete"
        assert has(hub, f"issue:{issue.id}")
        assert hub.calm_sync().state == "ok"
        assert str(world.repo.id) not in {row.container for row in hub.ledgers.reports.coverage(NAME)}


def test_without_a_token_public_repositories_are_read_and_discussions_are_a_gap(tmp_path: Path) -> None:
    world = Quiet(organizations=(), repositories=("acme/alpha",), token=None)
    world.repo.visibility = "public"
    issue = world.open("Issue")
    with world.server:
        hub = ApiHub(tmp_path, world)
        report = hub.calm_sync()
        assert has(hub, f"issue:{issue.id}")
        assert any("to none but those who sign in" in hole for hole in report.holes)
        assert any("60 requests an hour" in sentence for sentence in world.source().check())
        assert any("neither a token nor a name" in sentence for sentence in world.source(repositories=()).check())


def test_bad_credentials_stop_the_source_with_a_sentence() -> None:
    world = Quiet()
    with world.server:
        source = world.source(token=Secret("wrong-token-0123456789"))
        with pytest.raises(AccessDenied, match="401, Bad credentials"):
            list(source.fetch(None, Nothing()))
        (sentence,) = source.check()
        assert "Bad credentials" in sentence
        assert "wrong-token" not in sentence


def test_an_unknown_organisation_is_named() -> None:
    world = Quiet()
    with world.server, pytest.raises(NotFound, match="acme-typo is not there for this token"):
        list(world.source(organizations=("acme-typo",)).fetch(None, Nothing()))


def test_nothing_older_than_since_is_read_or_expected(tmp_path: Path) -> None:
    world = Quiet(since=datetime(2026, 6, 1, tzinfo=UTC))
    old = world.open("Old")
    said = world.server.comment(old, "bob", "old words")
    world.clock.advance(days=150)
    new = world.open("New")
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert set(hub.documents()) == {f"{NAME}:issue:{new.id}"}
        world.server.comment(old, "bob", "new words")
        assert incremental(world, hub) != []
        assert has(hub, f"issue:{old.id}")
        world.server.edit(said, "old words, edited")
        incremental(world, hub)
        assert "edited" in document(hub, f"issue:{old.id}").text


def test_patterns_choose_repositories_by_name_and_number() -> None:
    world = Quiet()
    beta = world.server.create(world.acme, "beta-old")
    with world.server:
        chosen = [m.principal for m in world.source(exclude=("*-old",)).memberships()]
        assert chosen == [f"{NAME}:repository:{world.repo.id}"]
        chosen = [m.principal for m in world.source(include=(str(beta.id),)).memberships()]
        assert chosen == [f"{NAME}:repository:{beta.id}"]


def test_issues_that_are_switched_off_leave_pull_requests_readable(tmp_path: Path) -> None:
    world = Quiet()
    issue, pull = world.open("Issue"), world.open("Pull", "text", pull=True)
    world.open("Pull 2", pull=True)
    with world.server:
        hub = ApiHub(tmp_path, world)
        hub.calm_sync()
        world.repo.has_issues = False
        incremental(world, hub)
        assert not has(hub, f"issue:{issue.id}")
        world.server.comment(pull, "bob", "still here")
        assert len(incremental(world, hub)) <= 6
        assert "still here" in document(hub, f"issue:{pull.id}").text


# ── apps ─────────────────────────────────────────────────────────────────────────────────────────────


def app_keys() -> tuple[str, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public.decode()


def test_an_app_makes_itself_tokens_and_renews_them_in_time(tmp_path: Path) -> None:
    world = Quiet(requests_per_minute=1)
    for n in range(80):
        world.server.comment(world.open(f"Issue {n}"), "bob", "hello")
    private, world.server.app_key = app_keys()
    world.options |= {"organizations": (), "token": None, "app_id": "77", "private_key": Secret(private)}
    with world.server:
        hub = ApiHub(tmp_path, world)
        assert hub.calm_sync().state == "ok"
        assert len(hub.documents()) == 80
        made = [one for one in world.asked(0) if one.endswith("/access_tokens")]
        assert len(made) == 2
        assert not [data for data in hub.stored_bytes() if b"ghs_installation" in data or b"PRIVATE KEY" in data]


def test_an_app_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jwt", None)
    options = GitHubOptions(base_url="http://127.0.0.1:1/api/v3", app_id="77", private_key=Secret("key"))
    (sentence,) = GitHubSource(NAME, options).check()
    assert "pip install 'knowhub[github]'" in sentence


def test_check_names_what_a_token_lacks() -> None:
    world = Quiet()
    world.server.commit(world.repo, "ann", "Begin", {"README.md": b"# Hello"})
    with world.server:
        assert world.source().check() == []
        world.server.scopes = "public_repo, user:email"
        problems = "\n".join(world.source().check())
        assert "lacks the scope repo" in problems
        assert "lacks the scope read:org" in problems
        assert "user:email" not in problems
        world.server.scopes, world.server.missing_scopes = None, {"pulls", "contents", "discussions"}
        problems = "\n".join(world.source().check())
        assert "Give the token pulls=read" in problems
        assert "Give the token contents=read" in problems
        assert "POST /graphql: Resource not accessible" in problems


def test_half_an_app_is_told() -> None:
    (sentence,) = GitHubSource(NAME, GitHubOptions(app_id="77")).check()
    assert "app_id and private_key" in sentence


def test_addresses_of_the_site_and_of_graphql_follow_from_the_apis() -> None:
    assert GitHubOptions().web == "https://github.com"
    assert GitHubOptions().graphql == "https://api.github.com/graphql"
    server = GitHubOptions(base_url="https://git.acme.example/api/v3/")
    assert (server.web, server.graphql) == ("https://git.acme.example", "https://git.acme.example/api/graphql")
    cloud = GitHubOptions(base_url="https://api.acme.ghe.com")
    assert (cloud.web, cloud.graphql) == ("https://acme.ghe.com", "https://api.acme.ghe.com/graphql")


class Nothing:
    """A ledger that holds nothing yet."""

    def items(self) -> Any:
        return iter(())

    def in_container(self, container: str) -> list[Any]:
        return []

    def get(self, item: ItemId) -> None:
        return None
