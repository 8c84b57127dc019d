"""What other systems that read Slack lose or loop on in its history, one test each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from knowhub.core.types import (
    Census,
    ContainerGone,
    Failed,
    Gap,
    ItemId,
)
from tests.contracts.source import LedgerModel
from tests.servers.slack import BOT_USER, METHODS_SERVED, Channel, SlackServer, User
from tests.servers.slack_client import asked, days_ago, only, parsed, source, texts, workspace


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    with workspace() as server:
        yield server


# ── S1, S3, S13: history ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("short", [0.0, 0.6])
def test_every_page_of_history_is_read_also_when_slack_cuts_pages_short(slack: SlackServer, short: float) -> None:
    slack.short = short
    for n in range(70):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, 70 - n))
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack, page_size=7))
    whole = "\n".join(texts(ledger).values())
    assert all(re.search(rf"message-{n}\b", whole) for n in range(70))
    assert [census.expected for census in only(seen, Census)] == [70]


def test_a_first_sync_that_was_cut_goes_on_downwards_and_new_messages_arrive_too(slack: SlackServer) -> None:
    for n in range(40):
        slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, 100 - n))
    ledger = LedgerModel()
    ledger.interrupted_fetch(source(slack, page_size=10), batch=3, stop_after=18)
    first = len(asked(slack, "conversations.history"))
    assert 0 < len(ledger.records) < 40
    slack.clock.advance(hours=3)
    slack.post("C1", "U1", "message-new")
    ledger.fetch(source(slack, page_size=10))
    assert len(ledger.records) == 41
    assert first + len(asked(slack, "conversations.history")[first:]) <= 4 + 3


def test_a_late_reply_does_not_hide_older_messages_of_the_channel(slack: SlackServer) -> None:
    old = slack.post("C1", "U1", "parent", at_s=days_ago(slack, 30))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.clock.advance(days=3)
    slack.reply("C1", old, "U2", "late", broadcast=True)
    slack.post("C1", "U1", "posted before the sync", at_s=days_ago(slack, 2.5))
    ledger.fetch(source(slack))
    assert "posted before the sync" in "".join(texts(ledger).values())
    assert "late" in texts(ledger)[f"C1:{old}"]


def test_two_messages_of_one_second_are_two_and_a_ts_is_never_rounded(slack: SlackServer) -> None:
    slack.channels["C1"].messages = {
        ts: {"type": "message", "user": "U1", "text": f"said at {ts}", "ts": ts}
        for ts in ("1767000000.000001", "1767000000.000010", "1767000000.999999", "1767000001.000000")
    }
    ledger = LedgerModel()
    ledger.fetch(source(slack, page_size=2))
    (document,) = [parsed(ledger, item) for item in ledger.records]
    assert [section.anchor for section in document.sections] == [
        "/p1767000000000001", "/p1767000000000010", "/p1767000000999999", "/p1767000001000000"
    ]  # fmt: skip


def test_a_history_of_empty_pages_without_end_is_a_gap(slack: SlackServer) -> None:
    empty = {"messages": [], "has_more": True, "response_metadata": {"next_cursor": "bmV4dF90czox"}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS_SERVED, "conversations.history", lambda *_: empty)
        (gap,) = only(LedgerModel().fetch(source(slack)), Gap)
    assert "empty pages" in gap.error


def test_a_history_that_does_not_go_back_in_time_is_a_gap(slack: SlackServer) -> None:
    slack.post("C1", "U1", "Hello", at_s=days_ago(slack, 3))
    answer = slack.conversations_history

    def newest(_: SlackServer, asked: dict[str, Any]) -> dict[str, Any]:
        del asked["latest"]
        return {**answer(asked), "has_more": True}

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS_SERVED, "conversations.history", newest)
        (gap,) = only(LedgerModel().fetch(source(slack)), Gap)
    assert "go back in time" in gap.error


def test_a_message_without_a_ts_fails_alone(slack: SlackServer) -> None:
    slack.post("C1", "U1", "fine")
    slack.channels["C1"].messages["9.000001"] = {
        "type": "message",
        "text": "odd",
        "ts": "9.000001",
        "user": 7,
        "blocks": 1,
    }
    answer = slack.conversations_history
    broken = {"type": "message", "text": "broken", "ts": 1767000000.5}

    def history(asked: dict[str, Any]) -> dict[str, Any]:
        page = answer(asked)
        page["messages"] = [broken, None, *page["messages"]]
        return page

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(METHODS_SERVED, "conversations.history", lambda _, asked: history(asked))
        ledger = LedgerModel()
        seen = ledger.fetch(source(slack))
    assert len(only(seen, Failed)) == 2
    assert {"fine", "odd"} <= set(" ".join(texts(ledger).values()).split())
    assert [census.expected for census in only(seen, Census)] == [4]
    seen = ledger.fetch(source(slack, census_hours=0))
    assert [item for item in ledger.known if "?" in item] == []


# ── S2, S8: threads, edits, deletes by age ───────────────────────────────────────────────────────────


def late_reply(slack: SlackServer, age_days: float) -> tuple[LedgerModel, str]:
    old = slack.post("C1", "U1", "parent", at_s=days_ago(slack, age_days))
    slack.reply("C1", old, "U2", "first", at_s=days_ago(slack, age_days - 0.01))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.clock.advance(minutes=5)
    slack.reply("C1", old, "U2", "late")
    return ledger, f"C1:{old}"


@pytest.mark.parametrize(("age_days", "after_hours"), [(10, 0), (60, 25), (400, 24 * 7 + 1)])
def test_a_late_reply_arrives_with_the_tier_of_its_parent(
    slack: SlackServer, age_days: float, after_hours: int
) -> None:
    ledger, item = late_reply(slack, age_days)
    if after_hours:
        ledger.fetch(source(slack))
        assert "late" not in texts(ledger)[item]
        slack.clock.advance(hours=after_hours)
    ledger.fetch(source(slack))
    assert "late" in texts(ledger)[item]


def test_replies_are_read_only_where_the_parent_looks_different(slack: SlackServer) -> None:
    roots = [slack.post("C1", "U1", f"parent {n}", at_s=days_ago(slack, 5)) for n in range(20)]
    for root in roots:
        slack.reply("C1", root, "U2", "reply")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.clock.advance(hours=1)
    slack.reply("C1", roots[4], "U2", "late")
    slack.edit("C1", roots[7], "edited parent")
    slack.log.clear()
    ledger.fetch(source(slack))
    assert {one["ts"] for one in asked(slack, "conversations.replies")} == {roots[4], roots[7]}
    assert "edited parent" in texts(ledger)[f"C1:{roots[7]}"]


@pytest.mark.parametrize(("age_days", "after_hours"), [(3, 0), (60, 25), (400, 24 * 7 + 1)])
def test_an_edit_and_a_deletion_arrive_with_the_tier_of_their_day(
    slack: SlackServer, age_days: float, after_hours: int
) -> None:
    edited = slack.post("C1", "U1", "as it was", at_s=days_ago(slack, age_days))
    deleted = slack.post("C1", "U1", "regretted", at_s=days_ago(slack, age_days))
    alone = slack.post("C1", "U1", "alone on its day", at_s=days_ago(slack, age_days + 2))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.clock.advance(hours=1)
    slack.edit("C1", edited, "as it is")
    slack.delete("C1", deleted)
    slack.delete("C1", alone)
    slack.clock.advance(hours=after_hours)
    ledger.fetch(source(slack))
    (text,) = texts(ledger).values()
    assert "as it is" in text
    assert "regretted" not in text


def test_an_edited_reply_is_found_although_no_parent_shows_it(slack: SlackServer) -> None:
    root = slack.post("C1", "U1", "parent", at_s=days_ago(slack, 5))
    reply = slack.reply("C1", root, "U2", "as it was")
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.edit("C1", reply, "as it is")
    slack.clock.advance(hours=25)
    ledger.fetch(source(slack))
    assert "as it is" in texts(ledger)[f"C1:{root}"]


def test_deletions_that_wait_for_a_person_are_named_again_at_the_next_sync(slack: SlackServer) -> None:
    posted = [slack.post("C1", "U1", f"day {n}", at_s=days_ago(slack, n)) for n in range(40, 60)]
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    for ts in posted[:15]:
        slack.delete("C1", ts)
    slack.clock.advance(days=1, hours=1)
    held = LedgerModel(dict(ledger.known), dict(ledger.records), ledger.cursor)
    held._read(source(slack), 3, None)  # nothing is deleted: the guard held the deletions back
    assert len(held.known) == 20
    (census,) = only(held.fetch(source(slack)), Census)
    assert len(census.items) == 5
    assert len(held.known) == 5


def test_a_thread_whose_replies_are_not_all_listed_yet_is_incomplete_and_read_again(slack: SlackServer) -> None:
    root = slack.post("C1", "U1", "parent")
    slack.reply("C1", root, "U2", "first")
    slack.lagging = {slack.reply("C1", root, "U2", "second")}
    ledger = LedgerModel()
    (census,) = only(ledger.fetch(source(slack)), Census)
    assert census.expected == 3
    assert ledger.records[ItemId(f"C1:{root}")].parts == 2
    slack.lagging.clear()
    (census,) = only(ledger.fetch(source(slack)), Census)
    assert census.expected == ledger.records[ItemId(f"C1:{root}")].parts == 3


def test_a_channels_own_canvas_is_a_document_and_goes_when_it_is_removed(slack: SlackServer) -> None:
    shared = slack.share("Canvas", b"<h1>How we work</h1>", "application/vnd.slack-docs", "quip")
    slack.channels["C1"].canvas = str(shared["id"])
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    assert "How we work" in texts(ledger)[f"C1:canvas:file:{shared['id']}"]
    slack.log.clear()
    ledger.fetch(source(slack))
    assert asked(slack, "files.info") == []
    slack.channels["C1"].canvas = ""
    ledger.fetch(source(slack))
    assert ledger.records == {}


# ── S4 to S7, S9: what belongs in ────────────────────────────────────────────────────────────────────


def test_an_archived_channel_keeps_its_knowledge_and_costs_no_request(slack: SlackServer) -> None:
    slack.post("C1", "U1", "decided long ago", at_s=days_ago(slack, 100))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.channels["C1"].archived = True
    ledger.fetch(source(slack))
    slack.log.clear()
    slack.clock.advance(hours=1)
    seen = ledger.fetch(source(slack))
    assert "decided long ago" in "".join(texts(ledger).values())
    assert [len(census.items) for census in only(seen, Census)] == [1]
    assert asked(slack, "conversations.history") == []


def test_what_was_written_between_two_archivings_is_read(slack: SlackServer) -> None:
    channel = slack.channels["C1"]
    slack.post("C1", "U1", "before")
    channel.archived = True
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.post("C1", "U1", "between")
    channel.updated += 1
    ledger.fetch(source(slack))
    assert "between" in "".join(texts(ledger).values())


def test_an_archived_channel_that_the_app_is_no_longer_in_stays_as_it_was_read(slack: SlackServer) -> None:
    slack.post("C1", "U1", "decided long ago", at_s=days_ago(slack, 100))
    slack.channels["C0"] = Channel("C0", "never-read", "public", {"U1"}, archived=True)
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.channels["C1"].archived = True
    ledger.fetch(source(slack))
    slack.channels["C1"].members.discard(BOT_USER)
    for _ in range(3):
        slack.clock.advance(days=9)
        (gap,) = only(ledger.fetch(source(slack, join_public=True)), Gap)
        assert gap.container == "C0"
        assert "unarchive it" in gap.error
    assert "decided long ago" in "".join(texts(ledger).values())


@pytest.mark.parametrize("bot_messages", [True, False])
def test_an_alert_stays_the_head_of_the_thread_in_which_people_answered(slack: SlackServer, bot_messages: bool) -> None:
    alert = slack.post("C1", "", "disk full", bot_id="B1", subtype="bot_message", username="Alerts")
    slack.reply("C1", alert, "U1", "on it")
    slack.reply("C1", alert, "", "recovered", bot_id="B1")
    slack.post("C1", "", "disk fine", bot_id="B1", subtype="bot_message", username="Alerts")
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack, bot_messages=bot_messages))
    text = texts(ledger)[f"C1:{alert}"]
    assert "disk full" in text
    assert "on it" in text
    assert ("recovered" in text) == bot_messages
    assert len(ledger.records) == 1 + bot_messages
    assert [census.expected for census in only(seen, Census)] == [4]
    before = len(asked(slack, "conversations.replies"))
    ledger.fetch(source(slack, bot_messages=bot_messages))
    assert len(asked(slack, "conversations.replies")) == before


def test_a_thread_in_which_all_is_left_out_is_not_read_again_and_again(slack: SlackServer) -> None:
    alert = slack.post("C1", "", "disk full", bot_id="B1", subtype="bot_message")
    slack.reply("C1", alert, "", "recovered", bot_id="B1")
    ledger = LedgerModel()
    for _ in range(3):
        seen = ledger.fetch(source(slack, bot_messages=False))
        assert [census.expected for census in only(seen, Census)] == [2]
    assert len(asked(slack, "conversations.replies")) == 1
    slack.reply("C1", alert, "U1", "what was it?")
    ledger.fetch(source(slack, bot_messages=False))
    assert "what was it?" in texts(ledger)[f"C1:{alert}"]


def test_blocks_attachments_and_files_of_a_bot_are_text(slack: SlackServer) -> None:
    for _ in range(30):
        slack.post(
            "C1", "", "", bot_id="B1", subtype="bot_message",
            blocks=[{"type": "section", "text": {"type": "mrkdwn", "text": "*Incident* 42"}}],
            attachments=[
                {"title": "Runbook", "title_link": "https://x.test/r", "fields": [{"title": "Sev", "value": "1"}]}
            ],
            files=[slack.share("report.txt", b"uptime was 99.9")],
        )  # fmt: skip
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    day = next(text for item, text in texts(ledger).items() if ":file:" not in item)
    assert day.count("**Incident** 42") == 30
    assert "[Runbook](https://x.test/r)" in day
    assert "**Sev**: 1" in day
    assert sum("uptime was 99.9" in text for item, text in texts(ledger).items() if ":file:" in item) == 30


def test_a_channel_that_the_app_comes_to_later_is_read_from_its_beginning(slack: SlackServer) -> None:
    slack.channels["G1"] = Channel("G1", "board", "private", {"U1"})
    slack.post("G1", "U1", "founded", at_s=days_ago(slack, 500))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    assert ledger.records == {}
    slack.channels["G1"].members.add(BOT_USER)
    ledger.fetch(source(slack))
    assert "founded" in "".join(texts(ledger).values())
    slack.channels["G1"].members.discard(BOT_USER)
    assert [gone.container for gone in only(ledger.fetch(source(slack)), ContainerGone)] == ["G1"]


# ── S15: the rest ────────────────────────────────────────────────────────────────────────────────────


def test_a_reply_that_was_also_sent_to_the_channel_is_one_message(slack: SlackServer) -> None:
    root = slack.post("C1", "U1", "parent", at_s=days_ago(slack, 3))
    slack.reply("C1", root, "U2", "for all to see", broadcast=True)
    ledger = LedgerModel()
    seen = ledger.fetch(source(slack))
    assert "".join(texts(ledger).values()).count("for all to see") == 1
    assert set(ledger.records) == {f"C1:{root}"}
    assert [census.expected for census in only(seen, Census)] == [2]


def test_a_reply_that_the_channel_shows_is_kept_where_a_plan_hides_its_parent(slack: SlackServer) -> None:
    slack.horizon = timedelta(days=90)
    root = slack.post("C1", "U1", "parent", at_s=days_ago(slack, 100))
    slack.reply("C1", root, "U2", "for all to see", at_s=days_ago(slack, 2), broadcast=True)
    ledger = LedgerModel()
    for _ in range(3):
        seen = ledger.fetch(source(slack))
        assert "for all to see" in "".join(texts(ledger).values())
        assert [census.expected for census in only(seen, Census)] == [1]
        slack.clock.advance(days=8)


def test_replies_under_a_deleted_parent_live_on_and_go_with_the_last_of_them(slack: SlackServer) -> None:
    root = slack.post("C1", "U1", "regretted")
    reply = slack.reply("C1", root, "U2", "still of use")
    slack.delete("C1", root)
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    text = texts(ledger)[f"C1:{root}"]
    assert "(message deleted)" in text
    assert "still of use" in text
    slack.delete("C1", reply)
    ledger.fetch(source(slack))
    assert ledger.records == {}


def test_what_a_free_plan_hides_is_not_deleted(slack: SlackServer) -> None:
    slack.horizon = timedelta(days=90)
    posted = [slack.post("C1", "U1", f"message-{n}", at_s=days_ago(slack, n)) for n in range(1, 80)]
    root = slack.post("C1", "U1", "thread", at_s=days_ago(slack, 79))
    slack.reply("C1", root, "U2", "answer", at_s=days_ago(slack, 78))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    before = texts(ledger)
    for days in (9, 20, 70):
        slack.clock.advance(days=days)
        seen = ledger.fetch(source(slack))
        assert only(seen, Gap) == []
        assert texts(ledger) == before, days
    slack.delete("C1", posted[0])
    slack.horizon = None
    slack.clock.advance(days=8)
    ledger.fetch(source(slack))
    assert len(ledger.records) == len(before) - 1


def test_a_free_plan_that_hides_old_messages_does_not_freeze_new_ones(slack: SlackServer) -> None:
    slack.horizon = timedelta(days=90)
    slack.post("C1", "U1", "hidden", at_s=days_ago(slack, 200))
    posted = [slack.post("C1", "U1", f"message-{n}") for n in range(3)]
    alone = slack.post("C1", "U1", "alone", at_s=days_ago(slack, 3))
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.clock.advance(minutes=5)
    slack.post("C1", "U1", "newer")
    slack.delete("C1", posted[0])
    slack.delete("C1", posted[1])
    slack.delete("C1", alone)
    ledger.fetch(source(slack))
    (text,) = texts(ledger).values()
    assert "newer" in text
    assert "message-0" not in text


def test_people_of_other_companies_and_strangers_have_names_and_are_asked_for_once(slack: SlackServer) -> None:
    slack.post("C1", "", "from an app", bot_id="B1")
    slack.post("C1", "U0AWAY", "hello <@U0GONE>", user_profile={"display_name": "Sol"})
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    slack.users["U0LATER"] = User("U0LATER", "Lea", team="T0OTHER")
    slack.post("C1", "U0LATER", "me too, says <@U0LATER>")
    ledger.fetch(source(slack))
    (text,) = texts(ledger).values()
    assert "**Sol**" in text
    assert "hello @U0GONE" in text
    assert "**Lea**" in text
    assert sorted(one["user"] for one in asked(slack, "users.info")) == ["U0AWAY", "U0GONE", "U0LATER"]


def test_direct_messages_are_read_only_when_asked_for(slack: SlackServer) -> None:
    slack.channels["D1"] = Channel("D1", "", "im", {"U1", BOT_USER})
    slack.post("D1", "U1", "between us")
    slack.channels["G2"] = Channel("G2", "mpdm-ana--bo-1", "mpim", {"U1", "U2", BOT_USER})
    slack.post("G2", "U2", "among us")
    slack.scopes -= {"im:read", "im:history", "mpim:read", "mpim:history"}
    ledger = LedgerModel()
    assert only(ledger.fetch(source(slack)), Gap) == []
    assert ledger.records == {}
    slack.scopes |= {"im:read", "im:history", "mpim:read", "mpim:history"}
    ledger.fetch(source(slack, include_dms=True))
    assert {parsed(ledger, item).title.partition(",")[0] for item in ledger.records} == {"Ana", "mpdm-ana--bo-1"}
    held = {m.principal: m.members for m in source(slack, include_dms=True).memberships()}
    assert held["chat:channel:D1"] == {"chat:user:U1"}  # type: ignore[index]  # principals are texts


def test_a_huddle_says_when_it_was_and_who_took_part(slack: SlackServer) -> None:
    room = {"date_start": 1767000000, "date_end": 1767000600, "participant_history": ["U1", "U2"], "name": ""}
    root = slack.post("C1", "USLACKBOT", "A huddle happened", subtype="huddle_thread", room=room)
    notes = slack.share("notes", b"<h1>Huddle notes</h1><p>We ship.</p>", "application/vnd.slack-docs", "quip")
    slack.reply("C1", root, "U1", "notes", files=[notes])
    ledger = LedgerModel()
    ledger.fetch(source(slack))
    assert "Huddle: 2025-12-29 09:20 UTC – 2025-12-29 09:30 UTC, with @Ana, @Bo" in texts(ledger)[f"C1:{root}"]
    assert "We ship." in texts(ledger)[f"C1:{root}:file:{notes['id']}"]
