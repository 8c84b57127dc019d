"""What the Slack source may and may not read: refusals, limits, scopes, files, exports, choices."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied, RateLimited
from knowhub.core.types import (
    Acl,
    Census,
    ContainerGone,
    Failed,
    Gap,
    RawRecord,
    Skipped,
    SourceName,
)
from knowhub.http import Undecodable
from knowhub.sources.slack.api import METHODS
from knowhub.sources.slack_export import SlackExportOptions, SlackExportSource
from tests.contracts.source import LedgerModel
from tests.docs.pages import ROOT
from tests.servers.kit import Limit
from tests.servers.slack import BOT_USER, METHODS_SERVED, PUBLIC_SECRET, TOKEN, Channel, Refused, SlackServer, User
from tests.servers.slack_client import asked, days_ago, only, source, texts, workspace


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with workspace() as server:
        yield server


# ── S10: refusals ────────────────────────────────────────────────────────────────────────────────────


def test_a_public_channel_without_the_app_is_a_gap_with_its_cure_and_stops_nothing(slack: SlackServer) -> None:
    slack.channels["C0"] = Channel("C0", "secretive", "public", {"U1"})
    slack.post("C1", "U1", "readable")
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack))
    (gap,) = only(seen, Gap)
    assert (gap.container, gap.name) == ("C0", "#secretive")
    assert "invite the app to #secretive" in gap.error
    assert "join_public" in gap.error
    assert "readable" in "".join(texts(ledger).values())
    slack.post("C0", "U1", "now readable too")
    seen = ledger.fetch(source(slack, join_public=True))
    assert only(seen, Gap) == []
    assert "now readable too" in "".join(texts(ledger).values())


def test_a_thread_that_cannot_be_found_ends_alone(slack: SlackServer) -> None:
    roots = [slack.post("C1", "U1", f"parent {n}") for n in range(3)]
    for root in roots:
        slack.reply("C1", root, "U1", "reply")
    slack.lost_threads.add(roots[1])
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack))
    assert [failed.item for failed in only(seen, Failed)] == [f"C1:{roots[1]}"]
    assert set(ledger.records) == {f"C1:{roots[0]}", f"C1:{roots[2]}"}
    slack.lost_threads.clear()
    ledger.fetch(source(slack))
    assert set(ledger.records) == {f"C1:{root}" for root in roots}


def test_an_answer_without_its_list_is_no_empty_list(slack: SlackServer) -> None:
    slack.post("C1", "U1", "said")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS_SERVED, "conversations.list", lambda *_: {})
        with pytest.raises(Undecodable, match="no list of channels"):
            ledger.fetch(source(slack))
    assert len(ledger.records) == 1


def test_a_refusal_with_status_200_is_no_empty_answer(slack: SlackServer) -> None:
    slack.post("C1", "U1", "said")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.scopes.discard("channels:history")
    slack.clock.advance(hours=1)
    (gap,) = only(ledger.fetch(source(slack)), Gap)
    assert "channels:history" in gap.error
    assert len(ledger.records) == 1
    revoked = source(slack)
    slack.token = "another"
    with pytest.raises(AccessDenied, match="invalid_auth"):
        ledger.fetch(revoked)


def test_a_token_that_is_revoked_meanwhile_ends_the_sync_and_is_no_gap(slack: SlackServer) -> None:
    for n in range(5):
        slack.channels[f"C{n}"] = Channel(f"C{n}", f"channel-{n}", "public", {BOT_USER})

    def revoke() -> None:
        if len(asked(slack, "conversations.history")) == 2:
            slack.token = "another"

    revoked = source(slack)
    slack.disturb = revoke
    with pytest.raises(AccessDenied, match="invalid_auth"):
        LedgerModel().fetch(revoked)


def test_an_internal_error_with_status_200_is_asked_again(slack: SlackServer) -> None:
    slack.passing = 0.3
    for n in range(30):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n))
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack, page_size=5))
    assert only(seen, Gap) == []
    assert len(ledger.records) == 30


def test_a_missing_scope_for_private_channels_is_named_and_deletes_nothing(slack: SlackServer) -> None:
    slack.channels["G1"] = Channel("G1", "board", "private", {"U1", BOT_USER})
    slack.post("G1", "U1", "private words")
    slack.post("C1", "U1", "public words")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.scopes.discard("groups:read")
    seen = ledger.fetch(source(slack))
    (gap,) = only(seen, Gap)
    assert gap.name == "private channels"
    assert "groups:read" in gap.error
    assert only(seen, ContainerGone) == []
    assert len(ledger.records) == 2
    slack.scopes.add("groups:read")
    seen = ledger.fetch(source(slack))
    assert [gone.container for gone in only(seen, ContainerGone)] == ["private_channel"]


def test_retry_after_is_obeyed_and_the_allowed_rate_is_used(slack: SlackServer) -> None:
    for n in range(300):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, 400 - n))
    slack.latency_s = 0.2
    slack.tiers["conversations.history"] = limit = Limit(slack.clock, 50)
    begun = slack.clock.now()
    ledger = LedgerModel()
    ledger.fetch(source(slack, page_size=1))
    minutes = (slack.clock.now() - begun).total_seconds() / 60
    assert len(ledger.records) == 300
    assert limit.accepted / minutes >= 0.9 * 50
    assert limit.refused <= minutes + 1


def test_patience_has_an_end_that_says_so(slack: SlackServer) -> None:
    slack.limit = Limit(slack.clock, 2, seconds=86_400)
    with pytest.raises(RateLimited):
        LedgerModel().fetch(source(slack))


# ── S11, S12, S14 ────────────────────────────────────────────────────────────────────────────────────


def many_channels(slack: SlackServer, count: int) -> None:
    for n in range(count):
        slack.channels[f"C{n:05d}"] = Channel(f"C{n:05d}", f"channel-{n}", "public", {BOT_USER})
        slack.post(f"C{n:05d}", "U1", f"hello {n}", at_s=days_ago(slack, 3))


def test_checking_a_workspace_with_thousands_of_channels_takes_two_requests(slack: SlackServer) -> None:
    many_channels(slack, 2000)
    assert source(slack).check() == []
    assert len(slack.log) == 2


def test_an_unchanged_workspace_of_500_channels_costs_one_page_a_channel(slack: SlackServer) -> None:
    many_channels(slack, 500)
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.clock.advance(minutes=10)
    slack.log.clear()
    seen = ledger.fetch(source(slack))
    assert only(seen, RawRecord) == []
    assert len(asked(slack, "conversations.history")) == 501
    assert len(slack.log) == 501 + 3
    assert sum(census.expected for census in only(seen, Census)) == 500


def test_check_names_the_missing_scopes(slack: SlackServer) -> None:
    slack.scopes -= {"groups:history", "users:read.email", "channels:join", "im:read"}
    found = source(slack).check()
    assert [re.findall(r"scope (\S+);", sentence) for sentence in found] == [["groups:history"], ["users:read.email"]]
    assert len(source(slack, join_public=True, include_dms=True).check()) == 4


def test_the_manifest_has_the_scope_of_every_method_that_is_called() -> None:
    manifest = (ROOT / "docs" / "sources" / "slack-app-manifest.yaml").read_text("utf-8")
    given = set(re.findall(r"^ +- (\S+)$", manifest, re.MULTILINE))
    offered = set(re.findall(r"^ +# - (\S+)$", manifest, re.MULTILINE))
    needed = {scope for scopes in METHODS.values() for scope in scopes}
    assert given | offered == needed
    assert offered == {"channels:join", "im:history", "im:read", "mpim:history", "mpim:read"}
    code = "".join(file.read_text("utf-8") for file in (ROOT / "src/knowhub/sources/slack").glob("*.py"))
    called = set(re.findall(r'"((?:auth|bots|conversations|files|team|usergroups|users)\.[a-zA-Z.]+)"', code))
    assert called - {"users:read.email"} == METHODS.keys()


def test_an_app_with_fifteen_messages_a_page_reads_everything_too(slack: SlackServer) -> None:
    slack.page_cap = 15
    for n in range(50):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    assert len(ledger.records) == 50


def test_nothing_older_than_since_is_asked_for_or_expected(slack: SlackServer) -> None:
    since = slack.clock.now() - timedelta(days=10)
    old = slack.post("C1", "U1", "too old", at_s=days_ago(slack, 11))
    slack.post("C1", "U1", "just too old", at_s=days_ago(slack, 10.01))
    slack.post("C1", "U1", "new enough", at_s=days_ago(slack, 9.99))
    slack.reply("C1", old, "U1", "in an old thread", broadcast=True)
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack, since=since))
    assert all(float(one["oldest"]) >= since.timestamp() - 1 for one in asked(slack, "conversations.history"))
    assert asked(slack, "conversations.replies") == []
    (text,) = texts(ledger).values()
    assert "new enough" in text
    assert "too old" not in text
    assert [census.expected for census in only(seen, Census)] == [1]


# ── people ───────────────────────────────────────────────────────────────────────────────────────────


def test_accounts_are_people_who_can_sign_in_and_addresses_those_of_the_workspace(slack: SlackServer) -> None:
    slack.users["U3"] = User("U3", "Del", deleted=True)
    slack.users["U4"] = User("U4", "Sol", team="T0OTHER")
    slack.users["U5"] = User("U5", "Gus", guest=True)
    slack.channels["C1"].members |= {"U3", "U5"}
    slack.channels["G1"] = Channel("G1", "board", "private", {"U2", "U3", "U5", BOT_USER})
    slack.groups["S1"] = {"id": "S1", "handle": "ops", "users": ["U1", "U3"]}
    people = {str(one.principal): one.email for one in source(slack).people()}
    assert people == {
        "chat:user:U1": "ana@example.com", "chat:user:U2": "bo@example.com", "chat:user:U4": "",
        "chat:user:U5": "gus@example.com",
    }  # fmt: skip
    held = {str(one.principal): set(one.members) for one in source(slack).memberships()}
    assert held == {
        "chat:member": {"chat:user:U1", "chat:user:U2"},
        "chat:usergroup:S1": {"chat:user:U1"},
        "chat:channel:C1": {"chat:member", "chat:user:U5"},
        "chat:channel:G1": {"chat:user:U2", "chat:user:U5"},
    }


def test_members_that_cannot_be_listed_are_nobody(slack: SlackServer) -> None:
    slack.channels["G1"] = Channel("G1", "board", "private", {"U1", BOT_USER})
    with pytest.MonkeyPatch.context() as patch:
        refused = Refused("fetch_members_failed")

        def members(*_: object) -> dict[str, object]:
            raise refused

        patch.setitem(METHODS_SERVED, "conversations.members", members)
        held = {str(one.principal) for one in source(slack).memberships()}
    assert "chat:channel:G1" not in held
    assert "chat:channel:C1" in held


def test_names_of_private_channels_are_not_told_elsewhere(slack: SlackServer) -> None:
    slack.channels["G1"] = Channel("G1", "layoffs", "private", {"U1", BOT_USER})
    slack.post("C1", "U1", "see <#G1> and <#C1>")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    (text,) = texts(ledger).values()
    assert text.endswith("see #G1 and #ops")
    assert "layoffs" not in str(list(ledger.records.values()))


@pytest.mark.parametrize("origin", [{"channel_id": "G1"}, {"channel_id": "C1", "private_channel_prompt": True}, {}])
def test_a_preview_of_a_message_that_not_all_readers_may_read_is_its_link(
    slack: SlackServer, origin: dict[str, Any]
) -> None:
    slack.channels["G1"] = Channel("G1", "layoffs", "private", {"U1", BOT_USER})
    slack.channels["C2"] = Channel("C2", "dev", "public", {"U1", BOT_USER})
    address = "https://acme.slack.com/archives/G1/p1767000000000001"
    preview = {"is_msg_unfurl": True, "from_url": address, "author_name": "Bo", "text": "Fire them", **origin}
    slack.post("C2", "U1", "Look", attachments=[preview])
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    (text,) = texts(ledger).values()
    assert text.endswith(f"Look\n> [Message in another channel]({address})")


@pytest.mark.parametrize("origin", ["C1", "G1"])
def test_a_preview_of_a_message_that_all_readers_may_read_is_kept(slack: SlackServer, origin: str) -> None:
    here = Channel("G1", "board", "private", {"U1", BOT_USER})
    slack.channels["G1"] = here
    preview = {"is_share": True, "channel_id": origin, "private_channel_prompt": origin == "G1", "text": "Ship it"}
    slack.post("G1", "U1", "Look", attachments=[preview])
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    (text,) = texts(ledger).values()
    assert text.endswith("Look\n> Ship it")


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


def test_files_are_fetched_with_the_token_from_slack_only_and_no_address_opens_them(slack: SlackServer) -> None:
    shared = [
        slack.share("gone.txt", b"1", mode="tombstone"),
        slack.share("hidden.txt", b"2", mode="hidden_by_limit"),
        slack.share("drive.txt", b"3", mode="external"),
        slack.share("here.txt", b"here it is"),
        slack.share("movie.mp4", b"4", "video/mp4", "mp4"),
        slack.share("large.txt", b"5" * 100),
    ]
    slack.post("C1", "U1", "files", files=shared)
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack, max_attachment_bytes=50))
    reasons = {str(one.item).rpartition(":")[2]: one.reason for one in only(seen, Skipped)}
    assert reasons.keys() == {shared[n]["id"] for n in (1, 2, 4, 5)}
    assert [item for item in ledger.records if item.endswith(shared[3]["id"])]
    assert len([one for one in slack.log if one.parts[0] == "files-pri"]) == 1
    assert [census.expected for census in only(seen, Census)] == [1 + 5]
    stored = json.dumps([dict(record.payload or {}) for record in ledger.records.values()])
    assert PUBLIC_SECRET not in stored
    assert TOKEN not in stored


@pytest.mark.parametrize(
    ("code", "left"), [("file_deleted", []), ("file_not_found", ["file that the app may not open"])]
)
def test_a_file_that_another_company_took_away_is_not_asked_for_for_ever(
    slack: SlackServer, code: str, left: list[str]
) -> None:
    slack.post("C1", "U1", "Look", files=[slack.share("theirs.txt", b"x", asks=True)])
    refused = Refused(code)

    def info(*_: object) -> dict[str, object]:
        raise refused

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS_SERVED, "files.info", info)
        seen = LedgerModel().fetch(source(slack))
    assert only(seen, Failed) == []
    assert [one.reason for one in only(seen, Skipped)] == left


def test_a_file_whose_address_is_none_fails_alone(slack: SlackServer) -> None:
    slack.post("C1", "U1", "Look", files=[slack.share("odd.txt", b"x")])
    slack._file = lambda file, **_: {"id": file.id, "url_private": "https://[files.slack.com/"}  # type: ignore[method-assign]
    assert [one.reason for one in only(LedgerModel().fetch(source(slack)), Skipped)] == ["file kept outside Slack"]


def test_a_file_at_another_host_never_sees_the_token(slack: SlackServer) -> None:
    shared = slack.share("odd.txt", b"x")
    slack.post("C1", "U1", "files", files=[shared])
    file = slack._file
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slack, "_file", lambda *a, **k: {**file(*a, **k), "url_private_download": "http://127.0.0.2:9/x"})
        seen = LedgerModel().fetch(source(slack))
    assert [one.reason for one in only(seen, Skipped)] == ["file kept outside Slack"]


def test_a_sign_in_page_is_not_stored_as_the_file(slack: SlackServer) -> None:
    slack.scopes.discard("files:read")
    shared = slack.share("plan.txt", b"the plan")
    slack.post("C1", "U1", "see", files=[shared])
    ledger = LedgerModel()
    (failed,) = only(ledger.fetch(source(slack)), Failed)
    assert "HTML page" in failed.error
    assert any("files:read" in sentence for sentence in source(slack).check())
    slack.scopes.add("files:read")
    ledger.fetch(source(slack))
    assert "the plan" in "".join(texts(ledger).values())


# ── the export as a beginning ────────────────────────────────────────────────────────────────────────


def write_export(slack: SlackServer, folder: Path) -> SlackExportSource:
    """What Slack's own export would hold now, of public channels."""
    (folder / "ops").mkdir(parents=True)
    (folder / "channels.json").write_text(json.dumps([{"id": "C1", "name": "ops", "members": ["U1"]}]))
    (folder / "users.json").write_text(json.dumps([user.shown() for user in slack.users.values()]))
    days: dict[str, list[Any]] = {}
    for message in slack.channels["C1"].in_order():
        day = f"{datetime.fromtimestamp(int(message['ts'].partition('.')[0]), UTC):%Y-%m-%d}"
        shown = slack._message(slack.channels["C1"], message, within=True)
        days.setdefault(day, []).append({**shown, "user_team": "T0TEAM", "source_team": "T0TEAM"})
    for day, messages in days.items():
        (folder / "ops" / f"{day}.json").write_text(json.dumps(messages))
    return SlackExportSource(SourceName("chat"), SlackExportOptions(folder, ()))


def test_an_export_is_the_beginning_and_the_api_goes_on_at_its_end(slack: SlackServer, tmp_path: Path) -> None:
    for n in range(200, 400):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n))
    root = slack.post("C1", "U1", "old thread", at_s=days_ago(slack, 300))
    slack.reply("C1", root, "U2", "old answer", at_s=days_ago(slack, 299))
    export = write_export(slack, tmp_path / "export")
    for n in range(1, 200):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n))
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack, page_size=100, backfill=export))
    assert len(ledger.records) == 400
    assert {record.acl for record in ledger.records.values()} == {Acl.of("chat:channel:C1")}
    assert asked(slack, "conversations.replies") == []
    assert len(asked(slack, "conversations.history")) == 2
    assert [census.expected for census in only(seen, Census)] == [401]
    slack.reply("C1", root, "U2", "late answer")
    slack.clock.advance(days=2)
    again = ledger.fetch(source(slack, page_size=999, backfill=export))
    assert [record.item for record in only(again, RawRecord)] == [f"C1:{root}"]
    assert "late answer" in texts(ledger)[f"C1:{root}"]


def test_an_export_gives_what_a_free_plan_hides(slack: SlackServer, tmp_path: Path) -> None:
    for n in range(1, 200):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n))
    export = write_export(slack, tmp_path / "export")
    slack.horizon = timedelta(days=90)
    ledger = LedgerModel()
    for _ in range(3):
        ledger.fetch(source(slack, backfill=export))
        assert len(ledger.records) == 199
        slack.clock.advance(days=8)


def test_a_message_that_an_export_holds_broken_is_read_by_the_api(slack: SlackServer, tmp_path: Path) -> None:
    slack.post("C1", "U1", "fine", at_s=days_ago(slack, 41))
    slack.post("C1", "U1", "whole only here", at_s=days_ago(slack, 40))
    slack.post("C1", "U1", "newest", at_s=days_ago(slack, 3))
    export = write_export(slack, tmp_path / "export")
    (broken,) = [day for day in (tmp_path / "export" / "ops").iterdir() if "only here" in day.read_text()]
    broken.write_text(broken.read_text().replace('"ts": "', '"ts": "x'))
    ledger = LedgerModel()
    ledger.fetch(source(slack, backfill=export))
    assert "whole only here" in "".join(texts(ledger).values())


def test_a_backfill_that_was_cut_begins_again_without_overwriting(slack: SlackServer, tmp_path: Path) -> None:
    for n in range(20, 40):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n))
    export = write_export(slack, tmp_path / "export")
    ledger = LedgerModel()
    ledger.interrupted_fetch(source(slack, backfill=export), batch=4, stop_after=9)
    ledger.fetch(source(slack, backfill=export))
    assert len(ledger.records) == 20
    assert only(ledger.fetch(source(slack, backfill=export)), RawRecord) == []


# ── selection ────────────────────────────────────────────────────────────────────────────────────────


def test_channels_are_chosen_by_name_and_id_and_what_is_left_out_is_counted(slack: SlackServer) -> None:
    slack.channels["C2"] = Channel("C2", "random", "public", {BOT_USER})
    slack.post("C2", "U1", "noise")
    slack.post("C1", "U1", "signal")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    assert len(ledger.records) == 2
    seen = ledger.fetch(source(slack, exclude=("#rand*",)))
    assert [(one.item, one.reason) for one in only(seen, Skipped)] == [("C2", "excluded by configuration")]
    assert len(ledger.records) == 1
    ledger.fetch(source(slack, include=("C2",)))
    assert "noise" in "".join(texts(ledger).values())


def test_readers_in_the_configuration_replace_slacks_own(slack: SlackServer) -> None:
    slack.post("C1", "U1", "said")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    ledger.fetch(source(slack, readers=("owner",)))
    assert [record.acl for record in ledger.records.values()] == [Acl.of("owner")]
