"""What other systems lost of Discord, trap by trap."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied, KnowhubError, TransientError
from knowhub.core.secret import Secret
from knowhub.core.types import ItemId, RawRecord
from knowhub.formats.discord_conversation import moment_of
from tests.contracts.source import LedgerModel
from tests.servers.discord import (
    CONTENT_INTENT,
    FORUM,
    HISTORY,
    MEDIA,
    MEMBERS_INTENT,
    SIGNATURE,
    STAGE,
    VIEW,
    VOICE,
)
from tests.servers.kit import Answer, Asked, Limit
from tests.sources.discord_company import Company, Running


@pytest.fixture
def company() -> Iterator[Company]:
    made = Company()
    with made.server:
        yield made


@pytest.fixture
def running(tmp_path: Path, company: Company) -> Running:
    return Running(tmp_path, company)


def day(company: Company) -> str:
    return f"{company.clock.now():%Y-%m-%d}"


# ── D1, D2, D7: what is read ─────────────────────────────────────────────────────────────────────────


def test_replies_slash_answers_and_thread_starters_are_kept(running: Running) -> None:
    company = running.company
    question = company.server.post(company.general, company.ana, "Where is the runbook?")
    company.server.post(company.general, company.ben, "In the wiki", reply_to=question)
    company.server.post(company.general, company.server.bot, "Deployed", type=20,
                        interaction={"name": "deploy", "user": {"username": "ana"}})  # fmt: skip
    thread = company.server.start_thread(company.general, "Runbook", company.ben, of=question)
    texts = running.sync()
    assert texts[f"{company.general.id}:{day(company)}"].splitlines()[1:] == [
        "**Ben** (2026-03-02 09:30):", "> **Ana**: Where is the runbook?", "In the wiki",
        "**hub** (2026-03-02 09:30):", "> **ana** used /deploy", "Deployed",
    ]  # fmt: skip
    assert texts[f"thread:{thread.id}"] == "**Ana** (2026-03-02 09:30): Where is the runbook?"


@pytest.mark.parametrize("type", [FORUM, MEDIA])
def test_posts_of_forums_are_read_and_their_channel_is_never_asked_for_messages(running: Running, type: int) -> None:
    company = running.company
    forum = company.server.add_channel(company.guild, "help", type, tags=("solved",))
    post = company.server.post_in_forum(forum, "Printer", company.ana, "It burns", ["solved"])
    company.server.post(post, company.ben, "Use water")
    assert running.sync()[f"thread:{post.id}"].endswith("Use water")
    assert running.hub.documents()["chat:thread:" + post.id].title == "#help: Printer [solved]"  # type: ignore[index]
    assert f"/api/v10/channels/{forum.id}/messages" not in company.asked(0)


@pytest.mark.parametrize("type", [VOICE, STAGE])
def test_text_in_voice_and_stage_channels_is_read(running: Running, type: int) -> None:
    company = running.company
    lounge = company.server.add_channel(company.guild, "lounge", type)
    company.server.post(lounge, company.ana, "The link is in the wiki")
    assert "The link is in the wiki" in running.sync()[f"{lounge.id}:{day(company)}"]


def test_a_day_is_one_document_and_every_message_has_its_link(running: Running) -> None:
    company = running.company
    first = company.server.post(company.general, company.ana, "yes?")
    company.clock.advance(hours=20)
    second = company.server.post(company.general, company.ben, "+1")
    running.sync()
    documents = running.hub.documents()
    links = {d.url + s.anchor for d in documents.values() for s in d.sections}
    place = f"https://discord.com/channels/{company.guild.id}/{company.general.id}"
    assert links == {f"{place}/{first.id}", f"{place}/{second.id}"}
    assert len(documents) == 2


def test_messages_that_discord_wrote_are_counted_and_not_searched(running: Running) -> None:
    company = running.company
    company.server.post(company.general, company.ana, "Hello")
    for _ in range(3):
        company.server.post(company.general, company.ben, "", type=7)
    assert list(running.sync().values()) == ["**Ana** (2026-03-02 09:30): Hello"]
    row = running.row(company.general)
    assert (row.expected, row.searchable, dict(row.filtered)) == (4, 1, {"written by Discord itself": 3})


def test_topics_of_channels_and_guidelines_of_forums_are_read_and_followed(running: Running) -> None:
    company = running.company
    forum = company.server.add_channel(company.guild, "help", FORUM)
    forum.topic, company.general.topic = "Search <#" + company.general.id + "> first", "Be kind"
    assert running.sync() == {f"{forum.id}:topic": "Search #general first", f"{company.general.id}:topic": "Be kind"}
    forum.topic, company.general.topic = None, "Be **very** kind"
    assert running.sync() == {f"{company.general.id}:topic": "Be **very** kind"}
    assert running.row(forum).whole


# ── D3: archived threads ─────────────────────────────────────────────────────────────────────────────


def test_threads_archived_in_one_moment_are_all_found(running: Running) -> None:
    company = running.company
    threads = [company.server.start_thread(company.general, f"Thread {n}", company.ana) for n in range(130)]
    for n, thread in enumerate(threads):
        company.server.archive(thread)
        if n == 65:
            company.clock.advance(seconds=1)
    late = company.server.start_thread(company.general, "Later", company.ana)
    company.clock.advance(minutes=1)
    company.server.archive(late)
    assert running.sync().keys() == {f"thread:{thread.id}" for thread in (*threads, late)}


def test_more_threads_in_one_moment_than_a_page_holds_are_a_gap(running: Running) -> None:
    company = running.company
    for n in range(102):
        company.server.archive(company.server.start_thread(company.general, f"Thread {n}", company.ana))
    running.sync()
    assert "more than 100 threads" in running.gaps[0]


def test_a_thread_archived_between_two_syncs_is_found_without_a_census(running: Running) -> None:
    company = running.company
    old = company.server.start_thread(company.general, "Old", company.ana)
    company.server.archive(old)
    running.sync()
    company.server.post(old, company.ben, "One more thing")
    company.server.archive(old)
    unseen = company.server.start_thread(company.general, "Opened and closed", company.ben)
    company.server.archive(unseen)
    assert "One more thing" in running.sync()[f"thread:{old.id}"]
    assert f"thread:{unseen.id}" in running.texts()


def test_a_deletion_in_an_archived_thread_is_found_without_a_census(running: Running) -> None:
    company = running.company
    thread = company.server.start_thread(company.general, "Old", company.ana)
    messages = [company.server.post(thread, company.ana, f"word{n}") for n in range(3)]
    company.server.archive(thread)
    running.sync()
    company.server.delete(thread, messages[1])
    text = running.sync()[f"thread:{thread.id}"]
    assert ("word0" in text, "word1" in text, "word2" in text) == (True, False, True)


def test_a_deleted_thread_is_gone_at_the_next_sync(running: Running) -> None:
    company = running.company
    thread = company.server.start_thread(company.general, "Secret plans", company.ana)
    company.server.post(thread, company.ana, "plan", files={"plan.txt": b"the plan"})
    assert len(running.sync()) == 2
    company.server.remove_channel(thread)
    assert running.sync() == {}
    assert running.row(company.general).whole


def test_archived_private_threads_are_read_with_and_without_the_right_to_manage_threads(tmp_path: Path) -> None:
    for manages in (True, False):
        company = Company()
        with company.server:
            if not manages:
                bot = company.guild.members[company.server.bot]
                company.guild.roles[next(iter(bot.roles))]["permissions"] = VIEW | HISTORY
            inside = company.server.start_thread(company.general, "Inside", company.ana, private=True)
            inside.members.add(company.server.bot)
            outside = company.server.start_thread(company.general, "Outside", company.ana, private=True)
            for thread in (inside, outside):
                company.server.archive(thread)
            running = Running(tmp_path / str(manages), company)
            seen = {f"thread:{inside.id}"} | ({f"thread:{outside.id}"} if manages else set())
            assert running.sync().keys() == seen
            assert running.gaps == []
            told = [sentence for sentence in company.source().check() if "Manage Threads" in sentence]
            assert len(told) == (0 if manages else 1)


def test_a_private_thread_that_the_bot_was_removed_from_is_a_failure_and_stays(running: Running) -> None:
    company = running.company
    company.guild.roles[next(iter(company.guild.members[company.server.bot].roles))]["permissions"] = VIEW | HISTORY
    thread = company.server.start_thread(company.general, "Inside", company.ana, private=True)
    thread.members.add(company.server.bot)
    company.server.post(thread, company.ana, "hush")
    running.sync()
    thread.members.remove(company.server.bot)
    assert "hush" in running.sync()[f"thread:{thread.id}"]
    row = running.row(company.general)
    assert sum(row.failed.values()) == 1


# ── D4, D6: edits and deletions ──────────────────────────────────────────────────────────────────────


def test_an_edit_of_a_young_message_is_found_when_it_is_read_again(running: Running) -> None:
    company = running.company
    message = company.server.post(company.general, company.ana, "The port is 80")
    running.sync()
    company.server.edit(company.general, message, "The port is 443")
    assert "443" not in "".join(running.sync(minutes=5).values()), "nothing tells that something was edited"
    assert "443" in "".join(running.sync(minutes=61).values())


def test_an_edit_of_an_old_message_is_found_by_the_census(tmp_path: Path) -> None:
    company = Company(census_hours=24 * 7, reread_hours=24)
    with company.server:
        running = Running(tmp_path, company)
        message = company.server.post(company.general, company.ana, "The port is 80")
        running.sync()
        company.clock.advance(days=3)
        company.server.edit(company.general, message, "The port is 443")
        assert "443" not in "".join(running.sync(hours=2).values())
        assert "443" in "".join(running.sync(days=5).values())


def test_a_young_message_that_was_deleted_goes_with_its_files_and_its_day(running: Running) -> None:
    company = running.company
    only = company.server.post(company.general, company.ana, "oops", files={"keys.txt": b"secret"})
    running.sync()
    company.clock.advance(hours=15)
    other = company.server.post(company.general, company.ana, "fine")
    company.server.delete(company.general, only)
    assert list(running.sync(minutes=61).values()) == [f"**Ana** ({_time(other.id)}): fine"]
    assert running.row(company.general).whole


def test_a_bulk_deletion_and_a_deleted_channel_leave_nothing(running: Running) -> None:
    company = running.company
    other = company.server.add_channel(company.guild, "other")
    for n in range(5):
        company.server.post(company.general, company.ana, f"word{n}")
        company.server.post(other, company.ana, f"other{n}")
    running.sync()
    company.general.messages.clear()
    company.server.remove_channel(other)
    assert running.sync(minutes=61) == {}


def test_what_a_thread_shows_of_its_first_message_follows_that_message(running: Running) -> None:
    company = running.company
    question = company.server.post(company.general, company.ana, "How old?")
    thread = company.server.start_thread(company.general, "Age", company.ben, of=question)
    company.server.post(thread, company.ben, "42")
    company.server.archive(thread)
    assert "How old?" in running.sync()[f"thread:{thread.id}"]
    company.server.edit(company.general, question, "How young?")
    assert "How young?" in running.sync(minutes=61)[f"thread:{thread.id}"]
    company.server.delete(company.general, question)
    assert "was deleted" in running.sync(minutes=61)[f"thread:{thread.id}"]


@pytest.mark.parametrize("place", ["channel", "thread"])
@pytest.mark.parametrize("census_hours", [0, 1000])
def test_what_suddenly_looks_empty_is_not_believed(running: Running, place: str, census_hours: float) -> None:
    """Read Message History is taken away after the permissions were read: then all pages are empty."""
    company = running.company
    company.options["census_hours"] = census_hours
    thread = company.server.start_thread(company.general, "T", company.ana)
    company.server.post(company.general if place == "channel" else thread, company.ana, "Keep me")
    running.sync()

    def forbid() -> None:
        if company.server.log[-1].path.endswith("/threads/archived/private"):
            company.server.overwrite(company.general, company.server.bot, deny=HISTORY)

    company.server.disturb = forbid
    assert "Keep me" in "".join(running.sync(minutes=61).values())
    assert "lost Read Message History" in running.gaps[0]


def test_what_was_edited_while_a_channel_was_closed_to_the_bot_is_found_when_it_is_open_again(tmp_path: Path) -> None:
    company = Company(reread_hours=24)
    with company.server:
        running = Running(tmp_path, company)
        message = company.server.post(company.general, company.ana, "The port is 80")
        running.sync()
        company.server.overwrite(company.general, company.server.bot, deny=VIEW)
        assert "80" in "".join(running.sync().values())
        company.server.edit(company.general, message, "The port is 443")
        company.general.overwrites.clear()
        assert "443" in "".join(running.sync(days=3).values())


def test_a_census_that_was_cut_remembers_what_it_missed_before(company: Company) -> None:
    company.options["census_hours"] = 0
    old = company.server.post(company.general, company.ana, "old")
    company.clock.advance(days=1)
    for n in range(120):
        company.server.post(company.general, company.ana, f"word{n}")
    ledger = LedgerModel()
    ledger.fetch(company.source())
    assert len(ledger.known) == 3
    company.server.delete(company.general, old)
    ledger.interrupted_fetch(company.source(), batch=1, stop_after=2)
    ledger.fetch(company.source())
    assert len(ledger.known) == 2


def test_what_came_back_while_deletions_are_held_is_not_deleted_with_them(tmp_path: Path) -> None:
    company = Company(census_hours=0, reread_hours=0)
    with company.server:
        for _ in range(20):
            company.server.post(company.general, company.ana, "an old day")
            company.clock.advance(days=1)
        old = dict(company.general.messages)
        first = company.server.post(company.general, company.ana, "first of the day")
        running = Running(tmp_path, company)
        assert len(running.sync()) == 21
        for message in [*list(old.values())[:15], first]:
            company.server.delete(company.general, message)
        company.clock.advance(hours=1)
        assert running.hub.sync().fetched.held == 16
        company.server.post(company.general, company.ana, "came later")
        running.hub.sync()
        running.hub.sync()
        assert "came later" in "\n".join(running.sync().values())
        assert len(running.texts()) == 6


def test_a_page_that_is_cut_short_is_no_evidence_of_deletion(running: Running) -> None:
    company = running.company
    for n in range(150):
        company.server.post(company.general, company.ana, f"word{n}")
    texts = running.sync()
    answer = company.server.answer

    def short(asked: Asked) -> Answer:
        found = answer(asked)
        return Answer(found.data[-50:]) if asked.path.endswith("/messages") else found

    company.server.answer = short  # type: ignore[method-assign]  # a cache gives less than was asked for
    assert running.sync(minutes=61) == texts


# ── D5: the intents ──────────────────────────────────────────────────────────────────────────────────


def test_without_the_message_content_intent_there_is_a_gap_and_no_empty_document(running: Running) -> None:
    company = running.company
    company.server.post(company.general, company.ana, "Keep me")
    company.server.intents = MEMBERS_INTENT
    assert running.sync() == {}
    assert "Message Content intent" in running.gaps[0]
    assert any("Message Content intent" in sentence for sentence in company.source().check())
    company.server.intents |= CONTENT_INTENT
    assert "Keep me" in "".join(running.sync().values())
    company.server.intents = MEMBERS_INTENT
    assert "Keep me" in "".join(running.sync(minutes=61).values())


def test_texts_that_all_arrive_empty_are_a_gap_whatever_the_flags_say(running: Running) -> None:
    company = running.company
    for _ in range(3):
        company.server.post(company.general, company.ana, "")
    assert running.sync() == {}
    assert "Message Content intent" in running.gaps[0]


def test_without_the_members_intent_nobody_reads_and_check_says_why(running: Running) -> None:
    company = running.company
    company.server.post(company.general, company.ana, "Hello")
    company.server.intents = CONTENT_INTENT
    running.sync()
    assert list(company.source().people()) == []
    assert list(company.source().memberships()) == []
    assert any("Server Members intent" in sentence for sentence in company.source().check())
    company.options["readers"] = ("owner",)
    assert company.source().check() == []


# ── D8: attachments ──────────────────────────────────────────────────────────────────────────────────


def test_an_attachment_is_fetched_at_once_and_its_signed_address_is_nowhere(
    running: Running, caplog: pytest.LogCaptureFixture
) -> None:
    company = running.company
    with caplog.at_level(logging.DEBUG):
        message = company.server.post(company.general, company.ana, "see", files={"plan.txt": b"the plan"})
        pasted = f"https://cdn.discordapp.com/attachments/1/2/a.png?ex=1&is=2&hm={SIGNATURE}& and more"
        company.server.post(company.general, company.ben, pasted, embeds=[{"type": "image", "url": pasted[:80]}])
        texts = running.sync()
    item = f"{company.general.id}:{message.id}:file:{message.files[0]['id']}"
    assert texts[item] == "the plan"
    assert "https://cdn.discordapp.com/attachments/1/2/a.png and more" in running.said()
    document = running.hub.documents()["chat:" + item]  # type: ignore[index]
    assert document.url == f"https://discord.com/channels/{company.guild.id}/{company.general.id}/{message.id}"
    assert not [data for data in running.hub.stored_bytes() if SIGNATURE.encode() in data]
    assert SIGNATURE not in caplog.text
    assert not [said for said in running.hub.said if SIGNATURE in said]


def test_files_of_forwarded_messages_and_of_components_are_read(running: Running) -> None:
    company, server = running.company, running.company.server
    source = server.post(company.general, company.ana, "x", files={"a.txt": b"forwarded", "b.txt": b"shown"})
    first, second = (server._attachment_json(company.general, file) for file in source.files)
    source.files.clear()
    forward = server.post(company.general, company.ben, "", message_snapshots=[{"message": {"attachments": [first]}}])
    shown = {"type": 13, "file": {"url": second["url"], "attachment_id": second["id"]}, "name": "b.txt", "size": 5}
    card = server.post(company.general, server.bot, "", components=[{"type": 17, "components": [shown]}])
    texts = running.sync()
    assert texts[f"{company.general.id}:{forward.id}:file:{first['id']}"] == "forwarded"
    assert texts[f"{company.general.id}:{card.id}:file:{second['id']}"] == "shown"


def test_an_address_that_expired_is_renewed_by_reading_the_message_again(running: Running) -> None:
    company = running.company
    company.server.post(company.general, company.ana, "see", files={"plan.txt": b"the plan"})

    def dawdle() -> None:
        if company.server.log[-1].path.endswith("/messages"):
            company.clock.advance(hours=30)

    company.server.disturb = dawdle
    assert "the plan" in running.sync().values()


def test_a_file_that_cannot_be_had_is_tried_again(running: Running) -> None:
    company = running.company
    message = company.server.post(company.general, company.ana, "see", files={"plan.txt": b"the plan"})
    path = next(iter(company.server.blobs))
    data = company.server.blobs.pop(path)
    running.sync()
    assert sum(running.row(company.general).failed.values()) == 1
    company.server.blobs[path] = data
    assert "the plan" in running.sync().values()
    company.server.blobs.pop(path)
    message.files.clear()
    assert "the plan" not in running.sync(minutes=61).values()


def test_large_and_unsupported_files_are_left_out_by_name(tmp_path: Path) -> None:
    company = Company(max_attachment_bytes=10)
    with company.server:
        running = Running(tmp_path, company)
        files = {"big.txt": b"x" * 11, "movie.mp4": b"x", "ok.txt": b"fine"}
        company.server.post(company.general, company.ana, "see", files=files)
        assert "fine" in running.sync().values()
        row = running.row(company.general)
        assert (row.expected, row.searchable, sum(dict(row.filtered).values())) == (4, 2, 2)
        company.options["attachments"] = False
        assert len(running.sync()) == 1
        assert running.row(company.general).whole


# ── D9: limits and refusals ──────────────────────────────────────────────────────────────────────────


def test_no_request_is_sent_on_an_exhausted_bucket(running: Running) -> None:
    company = running.company
    company.server.bucket_size, company.server.bucket_s = 3, 5.0
    for n in range(1000):
        company.server.post(company.general, company.ana, f"word{n}")
    refused: list[str] = []
    answer = company.server.answer

    def watch(asked: Asked) -> Answer:
        answered = answer(asked)
        refused.extend([asked.path] if answered.status == 429 else [])
        return answered

    company.server.answer = watch  # type: ignore[method-assign]  # listening in
    assert "word999" in "".join(running.sync().values())
    assert refused == []
    assert company.clock.slept_s >= 3 * 4


@pytest.mark.parametrize("everywhere", [True, False])
def test_the_allowed_rate_is_used_and_refusals_are_rare(company: Company, everywhere: bool) -> None:
    company.server.global_limit = everywhere
    for n in range(9_000):
        company.server.post(company.general, company.ana, f"word{n}")
    company.server.latency_s = 0.05
    company.server.limit = limit = Limit(company.clock, 20)
    begun = company.clock.now()
    LedgerModel().fetch(company.source())
    minutes = (company.clock.now() - begun).total_seconds() / 60
    assert limit.accepted / minutes >= 20 * 0.9
    assert limit.refused <= minutes + 1


def test_a_dead_token_ends_everything_with_one_request(running: Running) -> None:
    company = running.company
    company.options["token"] = Secret("revoked")
    with pytest.raises(AccessDenied, match="Developer Portal"):
        list(company.source().fetch(None, LedgerModel()))
    assert len(company.server.log) == 1
    assert "Developer Portal" in company.source().check()[0]


def test_a_token_that_dies_on_the_way_ends_the_sync_at_once(running: Running) -> None:
    company = running.company
    for n in range(5):
        company.server.post(company.server.add_channel(company.guild, f"c{n}"), company.ana, "x")
    answer = company.server.answer

    def revoked(asked: Asked) -> Answer:
        return answer(asked) if len(company.server.log) < 9 else Answer({"message": "401: Unauthorized"}, 401)

    company.server.answer = revoked  # type: ignore[method-assign]  # the administrator resets the token
    with pytest.raises(KnowhubError):
        list(company.source().fetch(None, LedgerModel()))
    assert len(company.server.log) == 9


def test_channels_that_the_bot_may_not_read_are_gaps_and_are_never_asked(running: Running) -> None:
    company = running.company
    hidden = company.server.add_channel(company.guild, "hidden")
    mute = company.server.add_channel(company.guild, "no-history")
    company.server.overwrite(hidden, company.guild.id, deny=VIEW)
    company.server.overwrite(mute, company.server.bot, deny=HISTORY)
    company.server.post(company.general, company.ana, "Hello")
    running.sync()
    assert sorted(running.gaps) == [
        "Acme/#hidden: the bot lacks View Channel; give its role that permission here",
        "Acme/#no-history: the bot lacks Read Message History; give its role that permission here",
    ]
    assert not [path for path in company.asked(0) if hidden.id in path or mute.id in path]
    assert "Hello" in running.said()


def test_one_server_that_cannot_be_read_does_not_stop_the_other(running: Running) -> None:
    company = running.company
    other = company.server.add_guild("Club", company.ana)
    hall = company.server.add_channel(other, "hall")
    company.server.post(hall, company.ana, "In the club")
    company.server.post(company.general, company.ana, "In the company")
    running.sync()
    answer = company.server.answer

    def down(asked: Asked) -> Answer:
        return Answer({"message": "Missing Access", "code": 50001}, 403) if other.id in asked.path else answer(asked)

    company.server.answer = down  # type: ignore[method-assign]  # the other server refuses
    company.server.post(company.general, company.ana, "Still here")
    assert "In the club" in "".join(running.sync().values())
    assert "Still here" in running.said()
    assert running.row(hall).gap
    del company.server.answer
    running.sync()
    assert not running.row(hall).gap
    del other.members[company.server.bot]
    assert "In the club" not in "".join(running.sync().values())


def test_a_server_that_does_not_answer_is_a_gap_until_it_does(running: Running) -> None:
    company = running.company
    other = company.server.add_guild("Club", company.ana)
    hall = company.server.add_channel(other, "hall")
    company.server.post(hall, company.ana, "In the club")
    running.sync()
    answer = company.server.answer
    company.server.answer = lambda asked: (  # type: ignore[method-assign]  # one of Discord's machines is down
        Answer(status=503) if f"guilds/{other.id}" in asked.path else answer(asked)
    )
    company.server.post(company.general, company.ana, "Still here")
    assert "Still here" in "".join(running.sync().values())
    assert "In the club" in running.said()
    assert running.row(hall).gap
    company.server.answer = lambda asked: Answer(status=503)  # type: ignore[method-assign]  # all of them are
    with pytest.raises(TransientError):
        list(company.source().fetch(None, LedgerModel()))
    del company.server.answer
    running.sync()
    assert not running.row(hall).gap


@pytest.mark.parametrize("what", ["channel", "thread"])
def test_what_is_deleted_while_it_is_read_does_not_stop_the_others(running: Running, what: str) -> None:
    company = running.company
    doomed = company.server.add_channel(company.guild, "doomed")
    company.server.post(doomed, company.ana, "gone soon")
    last = company.server.add_channel(company.guild, "last")
    thread = company.server.start_thread(doomed, "Doomed", company.ana)
    company.server.post(last, company.ana, "still read")

    def delete() -> None:
        if company.server.log[-1].path.endswith("/threads/active"):
            company.server.remove_channel(doomed if what == "channel" else thread)

    company.server.disturb = delete
    assert "still read" in "".join(running.sync().values())
    company.server.disturb = lambda: None
    assert "Doomed" not in "".join(running.sync().values())
    assert running.gaps == []


# ── requests follow changes ──────────────────────────────────────────────────────────────────────────


def test_an_unchanged_sync_asks_one_listing_a_channel(running: Running) -> None:
    company = running.company
    for n in range(8):
        channel = company.server.add_channel(company.guild, f"c{n}", VOICE if n % 2 else 0)
        company.server.post(channel, company.ana, "x")
    thread = company.server.start_thread(company.general, "T", company.ana)
    company.server.post(thread, company.ana, "y")
    running.sync()
    before = len(company.server.log)
    running.sync()
    assert len(company.server.log) - before == 2 + 4 + 5
    assert company.asked(before, "/messages") == []


def test_a_new_message_in_a_long_channel_and_a_long_thread_costs_one_page_each(running: Running) -> None:
    company = running.company
    thread = company.server.start_thread(company.general, "Long", company.ana)
    for n in range(250):
        company.server.post(company.general, company.ana, f"word{n}")
        company.server.post(thread, company.ana, f"thread{n}")
    texts = running.sync()
    assert len(texts) == 6
    assert sum(text.count("\n") + 1 for text in texts.values()) == 500
    for place in (company.general, thread):
        company.server.post(place, company.ben, "the newest")
    before = len(company.server.log)
    assert "".join(running.sync().values()).count("the newest") == 2
    assert len(company.asked(before, "/messages")) == 2
    row = running.row(company.general)
    assert (row.expected, row.searchable) == (502, 502)


def test_items_keep_their_ids_when_messages_before_them_are_deleted(running: Running) -> None:
    company = running.company
    messages = [company.server.post(company.general, company.ana, f"word{n}") for n in range(250)]
    items = set(running.sync())
    for message in messages[10:60]:
        company.server.delete(company.general, message)
    texts = running.sync(minutes=61)
    assert set(texts) == items
    assert sum(text.count("\n") + 1 for text in texts.values()) == 200
    company.server.post(company.general, company.ana, "one more")
    assert set(running.sync()) == items


def test_a_killed_backfill_goes_on_within_a_channel(tmp_path: Path) -> None:
    company = Company()
    with company.server:
        for n in range(1000):
            company.server.post(company.general, company.ana, f"word{n}")
        ledger = LedgerModel()
        ledger.interrupted_fetch(company.source(), batch=1, stop_after=9)
        before = len(company.server.log)
        ledger.fetch(company.source())
        assert len(company.asked(before, "/messages")) <= 11 - 4
        words = [m["content"] for r in ledger.records.values() for m in (r.payload or {})["messages"]]
        assert sorted(words) == sorted(f"word{n}" for n in range(1000))


def test_an_item_that_the_ledger_lost_is_read_again(company: Company) -> None:
    for n in range(3):
        company.server.post(company.general, company.ana, f"word{n}")
        company.clock.advance(days=2)
    thread = company.server.start_thread(company.general, "T", company.ana)
    ledger = LedgerModel()
    ledger.fetch(company.source())
    for item in (min(ledger.known), ItemId(f"thread:{thread.id}")):
        ledger.known[item] = dataclasses.replace(ledger.known[item], version="")
        again = [one.item for one in ledger.fetch(company.source()) if isinstance(one, RawRecord)]
        assert again == [item]


def _time(id: int) -> str:
    return f"{moment_of(str(id)):%Y-%m-%d %H:%M}"


def test_a_message_that_nobody_could_have_written_does_not_stop_its_channel(running: Running) -> None:
    company = running.company
    odd: dict[str, Any] = {
        "author": None,
        "mentions": 7,
        "attachments": [3],
        "embeds": {"a": []},
        "poll": [],
        "components": 1,
    }
    company.server.post(company.general, company.ana, "odd").extra.update(odd)
    company.clock.advance(days=1)
    company.server.post(company.general, company.ana, "fine")
    assert "fine" in "".join(running.sync().values())


@pytest.mark.parametrize("odd", [{"attachments": [{"filename": "a.txt"}]}, {"flags": "many"}, {"id": "x"}])
def test_an_answer_that_discord_does_not_document_is_a_gap_of_its_channel(
    running: Running, odd: dict[str, Any]
) -> None:
    company = running.company
    other = company.server.add_channel(company.guild, "other")
    company.server.post(company.general, company.ana, "odd", **odd)
    company.server.post(other, company.ana, "Hello")
    running.sync()
    assert running.said().endswith("Hello")
    assert "not what it documents" in running.gaps[0]


def test_check_is_silent_when_all_is_well(company: Company) -> None:
    assert company.source().check() == []


def test_a_server_that_was_renamed_keeps_what_it_has_and_says_how_to_name_it(tmp_path: Path) -> None:
    company = Company(guilds=("Acme",))
    with company.server:
        running = Running(tmp_path, company)
        company.server.post(company.general, company.ana, "Where is the runbook?")
        before = running.sync()
        assert before
        company.guild.name = "Acme & Sons"
        assert running.sync() == before
        assert running.gaps == [
            "Acme/#general: the bot is in no server 'Acme'; if it is called 'Acme & Sons' now, write its id "
            + company.guild.id
        ]
        company.options["guilds"] = (company.guild.id,)
        assert running.sync() == before
        assert running.gaps == []


def test_a_list_of_servers_that_is_cut_short_deletes_nothing(running: Running) -> None:
    company = running.company
    company.server.post(company.general, company.ana, "Where is the runbook?")
    before = running.sync()
    whole = company.server.answer
    company.server.answer = (  # type: ignore[method-assign]  # a page that lost what was on it
        lambda asked: Answer([]) if asked.path.endswith("/@me/guilds") else whole(asked)
    )
    assert running.sync() == before
    assert "Discord did not list the server 'Acme'" in running.gaps[0]


def test_a_server_that_the_bot_was_thrown_out_of_takes_its_messages_along(running: Running) -> None:
    company = running.company
    company.server.post(company.general, company.ana, "Where is the runbook?")
    assert running.sync()
    company.server.guilds.pop(company.guild.id)
    assert running.sync() == {}
