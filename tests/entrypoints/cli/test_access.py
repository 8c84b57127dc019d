"""The commands about people, on a real hub in a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from knowhub.core.errors import KnowhubError
from knowhub.core.ports import AuditEntry
from knowhub.core.types import DocumentId, Person, Principal, SourceName
from knowhub.entrypoints.cli.access import INCOMPLETE, MAY_NOT, register
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.people import PeopleMoves
from knowhub.wiring.settings import load
from tests.contracts.access_ledger import member

CHAT = SourceName("chat")
CONFIGURATION = """
[access]
me = ["owner"]

[access.people]
"ana@example.com" = ["chat:user:U9"]

[sources.notes]
type = "files"
path = "notes"
readers = ["chat:channel:C1", "owner"]
"""


class Desk:
    """A command line on one folder."""

    def __init__(self, folder: Path) -> None:
        (folder / "knowhub.toml").write_text(CONFIGURATION)
        (folder / "notes").mkdir()
        (folder / "notes" / "leave.md").write_text("# Leave\n\nEverybody has 27 days.\n")
        self.adapters = Laptop(load(folder / "knowhub.toml"))
        self.cli = typer.Typer()
        register(self.cli, self._open)

    @contextmanager
    def _open(self, quiet: bool) -> Iterator[PeopleMoves]:
        yield PeopleMoves(self.adapters)

    def run(self, *words: str) -> tuple[int, str]:
        done = CliRunner().invoke(self.cli, list(words), catch_exceptions=True)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.exit_code, done.stdout

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json")[1])

    def fill(self, *, age: timedelta = timedelta()) -> None:
        people = [Person(Principal("chat:user:U7"), "Ben", "ben@example.com")]
        memberships = [member("chat:channel:C1", "chat:user:U7", "chat:user:U9")]
        self.adapters.directories.replace(CHAT, people, memberships, datetime.now(UTC) - age)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.adapters.close()


def test_a_key_is_shown_once_listed_without_its_secret_and_revoked(desk: Desk) -> None:
    code, out = desk.run("keys", "add", "laptop", "--email", "Ana@example.com", "--days", "30")
    token = out.strip()
    assert code == 0
    assert PeopleMoves(desk.adapters).identify(token, None, local=False).email == "ana@example.com"
    (listed,) = desk.json("keys", "list")["keys"]
    assert (listed["name"], listed["acts as"], listed["scopes"]) == ("laptop", "ana@example.com", "read")
    code, table = desk.run("keys", "list")
    assert listed["id"] in table
    assert token.split("_", 2)[2] not in table + str(listed)
    assert desk.run("keys", "revoke", listed["id"])[0] == 0
    assert desk.run("keys", "list") == (0, "No API keys.\n")


def test_a_service_key_holds_principals_and_scopes(desk: Desk) -> None:
    made = desk.json("keys", "add", "ci", "--principal", "group:ci", "--principal", "owner", "--scope", "admin")
    who = PeopleMoves(desk.adapters).identify(made["key"], None, local=False)
    assert who.principals == ("group:ci", "owner")
    assert who.scopes == {"admin"}


def test_a_key_for_nobody_is_refused_with_the_cure(desk: Desk) -> None:
    with pytest.raises(KnowhubError, match="Give an address, or principals"):
        desk.run("keys", "add", "laptop")


def test_old_directories_are_shown_as_granting_nothing(desk: Desk) -> None:
    assert desk.run("memberships") == (0, "No directories.\n")
    desk.fill()
    assert desk.run("memberships")[0] == 0
    desk.fill(age=timedelta(hours=25))
    code, table = desk.run("memberships")
    assert code == INCOMPLETE
    assert "no" in table
    (shown,) = desk.json("memberships")["directories"]
    assert (shown["source"], shown["people"], shown["memberships"], shown["grants"]) == ("chat", 1, 2, False)


def test_why_somebody_may_read_is_explained(desk: Desk) -> None:
    desk.fill()
    index_notes(desk)
    code, told = desk.run("why-visible", "ben@example.com", "leave.md")
    assert code == 0
    assert told.splitlines() == [
        "ben@example.com can read it.",
        "passed: chat:channel:C1 ← chat:user:U7 (e-mail ben@example.com)",
    ]
    assert "chat:channel:C1 ← chat:user:U9 (access.people)" in desk.run("why-visible", "ana@example.com", "leave.md")[1]
    assert desk.run("why-visible", "me", "leave.md")[1].endswith("passed: owner (access.me)\n")


def test_why_somebody_may_not_read_is_explained(desk: Desk) -> None:
    desk.fill(age=timedelta(hours=25))
    index_notes(desk)
    code, told = desk.run("why-visible", "ben@example.com", "leave.md")
    assert code == MAY_NOT
    assert "NOT passed: holds none of chat:channel:C1, owner" in told
    assert "too old to grant anything" in told
    shown = desk.json("why-visible", "group:x", "leave.md")
    assert (shown["visible"], shown["stale_directories"]) == (False, ["chat"])
    assert shown["layers"] == [{"passed": False, "wanted": ["chat:channel:C1", "owner"], "chain": [], "because": ""}]


def index_notes(desk: Desk) -> None:
    """As far as documents go: nothing is embedded."""
    from knowhub.wiring.syncing import SyncMoves

    for report in SyncMoves(desk.adapters).sync(["notes"], stages=("fetch", "chunk")):
        assert not report.error


def test_who_read_what_is_listed(desk: Desk) -> None:
    at = datetime(2026, 5, 31, 12, tzinfo=UTC)
    for viewer, document in (("ana@example.com", "notes:leave.md"), ("ben@example.com", "notes:plan.md")):
        desk.adapters.audit.record(AuditEntry(at, viewer, "ask", "api", (DocumentId(document),)))
    assert [one["viewer"] for one in desk.json("audit")["entries"]] == ["ben@example.com", "ana@example.com"]
    (entry,) = desk.json("audit", "--document", "notes:leave.md")["entries"]
    assert entry == {
        "at": at.isoformat(), "viewer": "ana@example.com", "action": "ask", "surface": "api",
        "documents": ["notes:leave.md"],
    }  # fmt: skip
    assert desk.json("audit", "--viewer", "carl@example.com", "--since", "2026-05-01")["entries"] == []
    assert desk.json("audit", "--since", "2026-06-01")["entries"] == []
    assert desk.run("audit", "--since", "yesterday")[0] == 2
    assert "notes:plan.md" in desk.run("audit", "--limit", "1")[1]
