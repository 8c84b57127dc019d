"""Exports are built here as Slack documents them; a small ledger applies what the source yields."""

from __future__ import annotations

import json
import os
import random
import zipfile
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowhub.core.errors import AccessDenied, NotFound, UnreadableContent
from knowhub.core.ports import KnownItem
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Cursor,
    Document,
    Failed,
    Fetched,
    Gap,
    ItemId,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
)
from knowhub.sources.slack_export import SlackExportOptions, SlackExportSource, parse_slack_export
from tests.contracts.source import SourceContract

Message = dict[str, Any]

USERS = [
    {"id": "U1", "name": "ana", "profile": {"display_name": "Ana", "real_name": "Ana Ruiz"}},
    {"id": "U2", "name": "bo", "real_name": "Bo Li", "profile": {"display_name": ""}},
]
GENERAL = {"id": "C1", "name": "general", "members": ["U1", "U2"]}
DAY = 86400
MAY_12 = 1778544000  # 2026-05-12 00:00 UTC


def at(seconds: int, micros: int = 0) -> str:
    return f"{MAY_12 + seconds}.{micros:06d}"


def say(ts: str, text: str, user: str = "U1", **more: Any) -> Message:
    return {"type": "message", "user": user, "text": text, "ts": ts, **more}


def day_of(ts: str) -> str:
    return f"{datetime.fromtimestamp(int(ts.split('.')[0]), UTC):%Y-%m-%d}"


def layout(folders: Mapping[str, list[Message]], **lists: list[dict[str, Any]]) -> dict[str, bytes]:
    """Paths ▸ contents of an export; without lists, of the channel #general alone."""
    named: dict[str, list[dict[str, Any]]] = {"users": USERS, "channels": [GENERAL], **lists}
    files = {f"{name}.json": json.dumps(entries).encode() for name, entries in named.items()}
    for folder, messages in folders.items():
        days: dict[str, list[Message]] = {}
        for message in messages:
            days.setdefault(day_of(message.get("ts") or at(0)), []).append(message)
        files |= {f"{folder}/{day}.json": json.dumps(entries).encode() for day, entries in days.items()}
    return files


def pack(path: Path, files: Mapping[str, bytes], *, made: int = 1, root: str = "") -> Path:
    """A ZIP whose members say that it was made on day `made` of June 2026."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(root + name, (2026, 6, made, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return path


@dataclass
class Hub:
    """What a pipeline makes of a fetch: items by id, deletions from complete listings, a cursor."""

    records: dict[ItemId, RawRecord] = field(default_factory=dict)
    rest: dict[ItemId, Skipped | Failed] = field(default_factory=dict)
    counts: dict[ContainerId, Census | Gap] = field(default_factory=dict)
    cursor: Cursor | None = None
    again: set[ItemId] = field(default_factory=set)
    last: list[Fetched] = field(default_factory=list)

    def items(self) -> Iterator[KnownItem]:
        for item, record in self.records.items():
            yield KnownItem(item, record.container, "" if item in self.again else record.version, record.location)
        for item, other in self.rest.items():
            version = "left out" if isinstance(other, Skipped) else ""
            yield KnownItem(item, other.container, version, other.location)

    def in_container(self, container: ContainerId) -> list[KnownItem]:
        return [known for known in self.items() if known.container == container]

    def get(self, item: ItemId) -> KnownItem | None:
        return next((known for known in self.items() if known.item == item), None)

    def fetch(self, options: SlackExportOptions) -> Hub:
        self.last = list(SlackExportSource(SourceName("chat"), options).fetch(self.cursor, self))
        seen: set[ItemId] = set()
        for found in self.last:
            self._take(found)
            if isinstance(found, (RawRecord, Skipped, Failed, Unchanged)):
                assert found.item not in seen, "an item must not be yielded twice"
                seen.add(found.item)
        for found in self.last:
            if isinstance(found, Census):
                assert found.items == {i for i in seen if i in found.items}, "the census names what was not yielded"
                self._keep_only(found.container, found.items)
            if isinstance(found, ContainerGone):
                self._keep_only(found.container, frozenset())
        self.again.clear()
        return self

    def _take(self, found: Fetched) -> None:
        match found:
            case RawRecord():
                self.rest.pop(found.item, None)
                self.records[found.item] = found
            case Skipped() | Failed():
                self.records.pop(found.item, None)
                self.rest[found.item] = found
            case Unchanged():
                assert found.item in self.records
            case Census() | Gap():
                self.counts[found.container] = found
            case Checkpoint():
                self.cursor = json.loads(json.dumps(found.cursor))
            case ContainerGone():
                self.counts.pop(found.container, None)

    def _keep_only(self, container: ContainerId, items: frozenset[ItemId]) -> None:
        for store in (self.records, self.rest):
            for item in [i for i, held in store.items() if held.container == container and i not in items]:
                del store[item]

    def document(self, item: str) -> Document:
        return parse_slack_export(self.records[ItemId(item)], 1)

    def reasons(self) -> dict[str, str]:
        return {i: found.reason for i, found in self.rest.items() if isinstance(found, Skipped)}

    def accounted(self, container: str = "C1") -> bool:
        census = self.counts[ContainerId(container)]
        assert isinstance(census, Census)
        parts = sum(held.parts for held in (*self.records.values(), *self.rest.values()) if held.container == container)
        return parts == census.expected


def options(path: Path, **more: Any) -> SlackExportOptions:
    return SlackExportOptions(path, ("group:staff",), **more)


def fetched(path: Path, messages: list[Message], **more: Any) -> Hub:
    pack(path / "a.zip", layout({"general": messages}))
    return Hub().fetch(options(path, **more))


# ── items ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_thread_is_one_item_and_the_rest_of_a_day_another(tmp_path: Path) -> None:
    root = at(600)
    hub = fetched(
        tmp_path,
        [
            say(at(60), "Good morning"),
            say(root, "Who deploys <@U2>?", thread_ts=root),
            say(at(700), "Bye"),
            say(at(DAY + 60), "I do", user="U2", thread_ts=root),
            say(at(DAY + 90), "New day"),
        ],
    )
    assert set(hub.records) == {"C1:2026-05-12", "C1:2026-05-13", f"C1:{root}"}
    assert hub.accounted()
    thread = hub.document(f"C1:{root}")
    assert thread.text == "**Ana** (2026-05-12 00:10): Who deploys @Bo Li?\n**Bo Li** (2026-05-13 00:01): I do"
    assert (thread.title, thread.authors) == ("#general: Who deploys @Bo Li?", ("Ana", "Bo Li"))
    assert hub.document("C1:2026-05-12").title == "#general, 2026-05-12"
    assert thread.acl == Acl.of("group:staff")


def test_each_message_opens_at_its_own_permalink(tmp_path: Path) -> None:
    root, reply = at(600, 42), at(660, 7)
    thread = fetched(
        tmp_path,
        [say(root, "Q", thread_ts=root), say(reply, "A", thread_ts=root)],
        workspace_url="https://acme.slack.com/",
    ).document(f"C1:{root}")
    assert [thread.url + section.anchor for section in thread.sections] == [
        "https://acme.slack.com/archives/C1/p1778544600000042",
        "https://acme.slack.com/archives/C1/p1778544660000007?thread_ts=1778544600.000042&cid=C1",
    ]
    assert [thread.text[section.start : section.end] for section in thread.sections] == thread.text.split("\n")
    assert thread.sections[1].time == datetime(2026, 5, 12, 0, 11, 0, 7, UTC)


def test_without_a_workspace_links_open_the_app(tmp_path: Path) -> None:
    day = fetched(tmp_path, [say(at(5), "Q")]).document("C1:2026-05-12")
    assert day.url + day.sections[0].anchor == f"slack://channel?id=C1&message={at(5)}"


def test_an_edited_message_says_so_and_dates_the_document(tmp_path: Path) -> None:
    day = fetched(tmp_path, [say(at(5), "Final", edited={"user": "U1", "ts": at(300)})]).document("C1:2026-05-12")
    assert day.text == "**Ana** (2026-05-12 00:00, edited): Final"
    assert day.updated_at == datetime(2026, 5, 12, 0, 5, tzinfo=UTC)


def test_a_deleted_parent_keeps_the_thread_of_its_replies(tmp_path: Path) -> None:
    root = at(1)
    gone = say(root, "This message was deleted.", "USLACKBOT", subtype="tombstone", thread_ts=root)
    hub = fetched(tmp_path, [gone, say(at(2), "Still here", thread_ts=root)])
    assert hub.document(f"C1:{root}").title == "#general: Still here"
    assert hub.document(f"C1:{root}").authors == ("Ana",)
    assert hub.accounted()


def test_a_reply_shown_in_the_channel_too_stands_once_in_its_thread(tmp_path: Path) -> None:
    root = at(1)
    reply = say(at(2), "Told all", subtype="thread_broadcast", thread_ts=root, root=say(root, "Q"))
    hub = fetched(tmp_path, [say(root, "Q", thread_ts=root), reply, reply])
    assert set(hub.records) == {f"C1:{root}"}
    assert hub.document(f"C1:{root}").text.count("Told all") == 1
    assert hub.accounted()


def test_system_messages_are_left_out_and_counted_but_a_topic_is_kept(tmp_path: Path) -> None:
    hub = fetched(
        tmp_path,
        [
            say(at(1), "<@U1> has joined the channel", subtype="channel_join"),
            say(at(2), "set the topic: No deploys on Friday", subtype="channel_topic", topic="No deploys on Friday"),
            say(at(3), "cleared the topic", subtype="channel_topic", topic=""),
            say(at(4), "", "USLACKBOT", subtype="tombstone"),
        ],
    )
    assert hub.reasons() == {
        f"C1:{at(1)}": "system message: channel_join",
        f"C1:{at(3)}": "system message: channel_topic",
        f"C1:{at(4)}": "system message: tombstone",
    }
    assert "No deploys on Friday" in hub.document("C1:2026-05-12").text
    assert hub.accounted()


def test_a_system_message_that_people_replied_to_stays_with_their_replies(tmp_path: Path) -> None:
    root = at(1)
    joined = say(root, "<@U2> has joined", subtype="channel_join", thread_ts=root)
    hub = fetched(tmp_path, [joined, say(at(2), "Welcome", thread_ts=root)])
    assert hub.records[ItemId(f"C1:{root}")].parts == 2
    assert hub.accounted()


def test_bots_are_kept_by_name_or_left_out_on_request_save_where_people_answered(tmp_path: Path) -> None:
    root = at(1)
    messages = [
        {
            "type": "message",
            "subtype": "bot_message",
            "bot_id": "B1",
            "ts": root,
            "thread_ts": root,
            "username": "Pager",
        }
        | {"text": "", "attachments": [{"fallback": "CPU high", "title": "CPU high", "text": "db-1 at *97%*"}]},
        say(at(2), "On it", thread_ts=root),
        {"type": "message", "bot_id": "B2", "ts": at(3), "text": "build ok", "bot_profile": {"name": "CI"}},
    ]
    hub = fetched(tmp_path, messages)
    assert "**Pager** (2026-05-12 00:00): CPU high\ndb-1 at **97%**" in hub.document(f"C1:{root}").text
    assert hub.document("C1:2026-05-12").authors == ("CI",)
    quiet = fetched(tmp_path, messages, bot_messages=False)
    assert quiet.reasons() == {f"C1:{at(3)}": "bot message"}
    assert quiet.records[ItemId(f"C1:{root}")].parts == 2
    assert quiet.accounted()


def test_a_message_without_ts_fails_by_itself(tmp_path: Path) -> None:
    files = layout({})
    entries: list[Any] = [{"text": "lost"}, None, say(at(1), "kept"), {"ts": 1778544001.5, "text": "a number"}]
    files["general/2026-05-12.json"] = json.dumps([*entries, {"ts": "9" * 30 + ".0"}]).encode()
    pack(tmp_path / "a.zip", files)
    hub = Hub().fetch(options(tmp_path))
    failed = [item for item, found in hub.rest.items() if isinstance(found, Failed)]
    assert failed == [f"C1:2026-05-12#{number}" for number in (0, 1, 3, 4)]
    assert hub.document("C1:2026-05-12").text.endswith("kept")
    assert hub.accounted()


def test_order_is_that_of_ts_whatever_the_file_says(tmp_path: Path) -> None:
    day = fetched(tmp_path, [say(at(9), "third"), say(at(1), "first"), say(at(5), "second")]).document("C1:2026-05-12")
    assert [line.rsplit(" ", 1)[1] for line in day.text.split("\n")] == ["first", "second", "third"]


def test_half_an_emoji_and_a_files_token_do_not_reach_the_lake(tmp_path: Path) -> None:
    url = "https://files.slack.com/files-pri/T1-F1/plan.pdf?t=xoxe-12-ab-CD"
    hub = fetched(tmp_path, [say(at(1), "cut \ud83d", files=[{"name": "plan.pdf", "url_private": url}])])
    stored = json.dumps(hub.records[ItemId("C1:2026-05-12")].payload, ensure_ascii=False).encode()
    assert b"xoxe" not in stored
    assert b"files-pri/T1-F1/plan.pdf" in stored


# ── incremental ──────────────────────────────────────────────────────────────────────────────────────


def test_unchanged_files_are_not_read_again(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi"), say(at(2), "joined", subtype="channel_join")])
    hub.fetch(options(tmp_path))
    assert [type(found) for found in hub.last] == [Checkpoint]


def test_an_item_that_is_asked_for_again_is_fetched_though_no_file_changed(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi"), say(at(DAY), "ho")])
    hub.again = {ItemId("C1:2026-05-12")}
    hub.fetch(options(tmp_path))
    assert [found.item for found in hub.last if isinstance(found, RawRecord)] == ["C1:2026-05-12"]


def test_deletions_that_were_held_back_are_offered_again(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi"), say(at(DAY), "ho")])
    ghost = replace(hub.records[ItemId("C1:2026-05-12")], item=ItemId("C1:2020-01-01"))
    hub.records[ghost.item] = ghost
    hub.fetch(options(tmp_path))
    assert ghost.item not in hub.records
    gone = replace(ghost, item=ItemId("C9:2020-01-01"), container=ContainerId("C9"))
    hub.records[gone.item] = gone
    hub.fetch(options(tmp_path))
    assert gone.item not in hub.records


def test_a_new_reply_changes_its_thread_alone(tmp_path: Path) -> None:
    root = at(1)
    first = [say(root, "Q", thread_ts=root, reply_count=1), say(at(2), "A", thread_ts=root), say(at(3), "else")]
    hub = fetched(tmp_path, first)
    pack(tmp_path / "b.zip", layout({"general": [say(at(DAY), "Late", thread_ts=root)]}), made=2)
    hub.fetch(options(tmp_path))
    assert [found.item for found in hub.last if isinstance(found, RawRecord)] == [f"C1:{root}"]
    assert hub.document(f"C1:{root}").text.endswith("Late")
    assert hub.accounted()


def test_a_first_reply_moves_a_message_from_its_day_to_a_thread(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "Q"), say(at(2), "else")])
    pack(tmp_path / "b.zip", layout({"general": [say(at(DAY), "A", thread_ts=at(1))]}), made=2)
    hub.fetch(options(tmp_path))
    assert hub.records[ItemId(f"C1:{at(1)}")].parts == 2
    assert hub.document("C1:2026-05-12").text == "**Ana** (2026-05-12 00:00): else"
    assert hub.accounted()


def test_counters_reactions_and_signed_addresses_are_no_change(tmp_path: Path) -> None:
    def message(token: str, likes: int) -> Message:
        file = {"name": "a.png", "url_private": f"https://x.test/a?t=xoxe-{token}", "thumb_64": token}
        return say(at(1), "hi", files=[file], reactions=[{"name": "+1", "count": likes}], reply_users_count=likes)

    hub = fetched(tmp_path, [message("1", 1)])
    pack(tmp_path / "b.zip", layout({"general": [message("2", 2)]}), made=2)
    hub.fetch(options(tmp_path))
    assert not [found for found in hub.last if isinstance(found, RawRecord)]


def test_a_person_renamed_changes_what_names_them(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi"), say(at(DAY), "ho", "U2")])
    users = [{"id": "U1", "profile": {"display_name": "Anita"}}, USERS[1]]
    pack(tmp_path / "b.zip", layout({"general": []}, users=users), made=2)
    hub.fetch(options(tmp_path))
    assert [found.item for found in hub.last if isinstance(found, RawRecord)] == ["C1:2026-05-12"]
    assert hub.document("C1:2026-05-12").authors == ("Anita",)


def test_other_readers_change_every_item(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi")])
    hub.fetch(replace(options(tmp_path), readers=("owner",)))
    assert hub.records[ItemId("C1:2026-05-12")].acl == Acl.of("owner")


# ── several exports ──────────────────────────────────────────────────────────────────────────────────


def test_the_later_export_wins_whatever_the_files_are_called(tmp_path: Path) -> None:
    pack(tmp_path / "a-newer.zip", layout({"general": [say(at(1), "new words")]}), made=9)
    pack(tmp_path / "b-older.zip", layout({"general": [say(at(1), "old words")]}), made=2)
    assert "new words" in Hub().fetch(options(tmp_path)).document("C1:2026-05-12").text


def test_a_later_export_of_fewer_days_deletes_nothing_that_it_does_not_cover(tmp_path: Path) -> None:
    before = [say(at(day * DAY + hour * 3600), f"d{day}h{hour}") for day in range(4) for hour in (1, 5, 9)]
    hub = fetched(tmp_path, before)
    later = [message for message in before if at(DAY + 3600) <= message["ts"] <= at(2 * DAY + 5 * 3600)]
    pack(tmp_path / "b.zip", layout({"general": later}), made=2)
    hub.fetch(options(tmp_path))
    assert sum(record.parts for record in hub.records.values()) == 12


def test_a_message_that_a_later_export_lacks_between_two_that_it_has_was_deleted(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "one"), say(at(2), "regretted"), say(at(3), "three")])
    pack(tmp_path / "b.zip", layout({"general": [say(at(1), "one"), say(at(3), "three")]}), made=2)
    hub.fetch(options(tmp_path))
    assert "regretted" not in hub.document("C1:2026-05-12").text
    assert hub.accounted()


def test_a_renamed_channel_stays_one_container_under_its_new_name(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi")])
    renamed = [{"id": "C1", "name": "alle-日本語"}]
    pack(tmp_path / "b.zip", layout({"alle-日本語": [say(at(DAY), "ho")]}, channels=renamed), made=2)
    hub.fetch(options(tmp_path))
    assert {hub.document(item).title for item in hub.records} == {
        "#alle-日本語, 2026-05-12",
        "#alle-日本語, 2026-05-13",
    }


def test_a_channel_that_no_export_lists_any_more_is_gone(tmp_path: Path) -> None:
    other: dict[str, Any] = {"id": "C2", "name": "other"}
    pack(
        tmp_path / "a.zip",
        layout({"general": [say(at(1), "a")], "other": [say(at(1), "b")]}, channels=[GENERAL, other]),
    )
    hub = Hub().fetch(options(tmp_path))
    pack(tmp_path / "a.zip", layout({"general": [say(at(1), "a")]}), made=2)
    hub.fetch(options(tmp_path))
    assert [found for found in hub.last if isinstance(found, ContainerGone)] == [ContainerGone(ContainerId("C2"))]
    assert set(hub.records) == {"C1:2026-05-12"}


# ── conversations ────────────────────────────────────────────────────────────────────────────────────


def private_export(path: Path) -> Path:
    lists: dict[str, list[dict[str, Any]]] = {
        "groups": [{"id": "G1", "name": "board"}],
        "dms": [{"id": "D1", "members": ["U1", "U2"]}],
        "mpims": [{"id": "G2", "name": "mpdm-ana--bo-1", "members": ["U1", "U2"]}],
        "integration_logs": [],
        "canvases": [],
    }
    folders = {name: [say(at(1), f"in {name}")] for name in ("general", "board", "D1", "mpdm-ana--bo-1")}
    return pack(path, layout(folders, **lists))


def test_direct_messages_are_left_out_unread_unless_asked_for(tmp_path: Path) -> None:
    path = private_export(tmp_path / "a.zip")
    hub = Hub().fetch(options(path))
    assert hub.reasons() == {"D1": "direct message", "G2": "direct message"}
    assert set(hub.records) == {"C1:2026-05-12", "G1:2026-05-12"}
    assert all(hub.accounted(container) for container in ("C1", "G1", "D1", "G2"))
    hub.fetch(options(path, include_dms=True))
    assert {hub.document(item).title for item in ("D1:2026-05-12", "G2:2026-05-12")} == {"Ana, Bo Li, 2026-05-12"}
    assert hub.reasons() == {}


def test_names_of_private_channels_are_not_told_elsewhere(tmp_path: Path) -> None:
    files = layout({"general": [say(at(1), "see <#G1> and <#C1>")]}, groups=[{"id": "G1", "name": "board"}])
    pack(tmp_path / "a.zip", files)
    assert Hub().fetch(options(tmp_path)).document("C1:2026-05-12").text.endswith("see #G1 and #general")


@pytest.mark.parametrize(
    ("include", "exclude", "kept"),
    [(("gen*",), (), {"C1"}), ((), ("#general",), {"C2"}), (("*",), ("C2",), {"C1"}), (("no",), (), set())],
)
def test_channels_are_chosen_by_pattern_and_the_rest_is_on_record(
    tmp_path: Path, include: tuple[str, ...], exclude: tuple[str, ...], kept: set[str]
) -> None:
    channels: list[dict[str, Any]] = [GENERAL, {"id": "C2", "name": "other"}]
    files = layout({"general": [say(at(1), "a")], "other": [say(at(1), "b")]}, channels=channels)
    hub = Hub().fetch(options(pack(tmp_path / "a.zip", files), include=include, exclude=exclude))
    assert {record.container for record in hub.records.values()} == kept
    assert hub.reasons() == dict.fromkeys({"C1", "C2"} - kept, "excluded by configuration")


def test_a_folder_that_no_list_names_is_a_gap_and_comments_on_canvases_are_left_out(tmp_path: Path) -> None:
    files = layout({"general": [], "stray": [say(at(1), "?")], "FC:F07ABCDEF:Plan": [say(at(1), "note")]})
    hub = Hub().fetch(options(pack(tmp_path / "a.zip", files)))
    assert isinstance(hub.counts[ContainerId("stray")], Gap)
    assert hub.reasons() == {"F07ABCDEF": "comments on a canvas"}


def test_two_channels_of_one_name_are_a_gap_rather_than_a_guess(tmp_path: Path) -> None:
    files = layout({"general": [say(at(1), "whose?")]}, groups=[{"id": "G1", "name": "general"}])
    hub = Hub().fetch(options(pack(tmp_path / "a.zip", files)))
    assert hub.records == {}
    assert all(isinstance(hub.counts[ContainerId(i)], Gap) for i in ("C1", "G1"))


# ── what is broken ───────────────────────────────────────────────────────────────────────────────────


def test_a_broken_day_is_a_gap_and_nothing_of_its_channel_is_lost(tmp_path: Path) -> None:
    root = at(1)
    thread = [say(root, "Q", thread_ts=root), say(at(DAY), "A", thread_ts=root)]
    hub = fetched(tmp_path, [*thread, say(at(DAY + 1), "second day")])
    files = layout({"general": [*thread, say(at(2 * DAY), "third day")]})
    files["general/2026-05-13.json"] = b'[{"ts": "17'
    pack(tmp_path / "a.zip", files, made=2)
    hub.fetch(options(tmp_path))
    assert isinstance(hub.counts[ContainerId("C1")], Gap)
    assert "2026-05-13.json" in hub.counts[ContainerId("C1")].error  # type: ignore[union-attr]  # a Gap, see above
    assert hub.records[ItemId(f"C1:{root}")].parts == 2
    assert {"C1:2026-05-13", "C1:2026-05-14"} <= set(hub.records)


def test_a_truncated_zip_among_others_deletes_nothing(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "old")])
    second = pack(tmp_path / "b.zip", layout({"general": [say(at(DAY), "new")]}), made=2)
    hub.fetch(options(tmp_path))
    second.write_bytes(second.read_bytes()[:-40])
    hub.fetch(options(tmp_path))
    assert set(hub.records) == {"C1:2026-05-12", "C1:2026-05-13"}
    assert isinstance(hub.counts[ContainerId("C1")], Gap)
    assert "b.zip is not a readable ZIP" in SlackExportSource(SourceName("chat"), options(tmp_path)).check()[0]


def test_what_only_a_truncated_zip_held_is_a_gap_and_not_gone(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "public")])
    lists: dict[str, Any] = {"channels": [], "groups": [{"id": "G1", "name": "board"}]}
    second = pack(tmp_path / "b.zip", layout({"board": [say(at(1), "private")]}, **lists), made=2)
    hub.fetch(options(tmp_path))
    second.write_bytes(second.read_bytes()[:-40])
    hub.fetch(options(tmp_path))
    assert isinstance(hub.counts[ContainerId("G1")], Gap)
    assert ItemId("G1:2026-05-12") in hub.records


def test_a_folder_that_may_not_be_read_is_no_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi")])

    def refuse(self: Path) -> Iterator[Path]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(AccessDenied, match="may not be read"):
        hub.fetch(options(tmp_path))


def test_a_later_export_with_an_unreadable_message_deletes_nothing(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "one"), say(at(2), "two"), say(at(3), "three")])
    files = layout({"general": [say(at(1), "one"), say(at(3), "three")]})
    day = json.loads(files["general/2026-05-12.json"])
    files["general/2026-05-12.json"] = json.dumps([*day, {"text": "two", "ts": None}]).encode()
    pack(tmp_path / "b.zip", files, made=2)
    hub.fetch(options(tmp_path))
    assert hub.records[ItemId("C1:2026-05-12")].parts == 3


def test_a_lone_truncated_zip_is_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", layout({"general": [say(at(1), "old")]}))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(UnreadableContent, match=r"a\.zip is not a readable ZIP"):
        Hub().fetch(options(tmp_path))


def encrypted(path: Path) -> Path:
    """Sets the bit that says so in every local and central header."""
    pack(path, layout({"general": [say(at(1), "x")]}))
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        start = data.find(signature)
        while start >= 0:
            data[start + offset] |= 1
            start = data.find(signature, start + 4)
    path.write_bytes(data)
    return path


def test_an_encrypted_zip_is_refused_with_the_cure(tmp_path: Path) -> None:
    path = encrypted(tmp_path / "a.zip")
    with pytest.raises(UnreadableContent, match="encrypted") as caught:
        Hub().fetch(options(path))
    assert "name the folder" in caught.value.cure


def test_a_bomb_is_a_gap_and_is_not_unpacked(tmp_path: Path) -> None:
    files = layout({"general": [say(at(1), "fine")]})
    files["general/2026-05-13.json"] = b"[" + b" " * (20 * 2**20) + b"]"
    hub = Hub().fetch(options(pack(tmp_path / "a.zip", files)))
    gap = hub.counts[ContainerId("C1")]
    assert isinstance(gap, Gap)
    assert "ZIP bomb" in gap.error
    small = Hub().fetch(options(tmp_path / "a.zip", max_file_bytes=64))
    assert isinstance(small.counts[ContainerId("C1")], Gap)


def test_nested_beyond_reason_is_a_gap(tmp_path: Path) -> None:
    files = layout({"general": []}) | {"general/2026-05-12.json": b"[" * 200_000}
    assert isinstance(Hub().fetch(options(pack(tmp_path / "a.zip", files))).counts[ContainerId("C1")], Gap)


def test_names_that_climb_out_of_the_archive_are_ignored(tmp_path: Path) -> None:
    files = layout({"general": [say(at(1), "in")]})
    outside = {"../general/2026-05-13.json": json.dumps([say(at(DAY), "out")]).encode(), "/etc/2026-05-12.json": b"[]"}
    outside["../2026-05-13.json"] = b"[]"
    hub = Hub().fetch(options(pack(tmp_path / "a.zip", files | outside)))
    assert set(hub.records) == {"C1:2026-05-12"}
    assert set(hub.counts) == {"C1"}


def test_without_users_json_profiles_and_then_ids_are_shown(tmp_path: Path) -> None:
    files = layout({"general": [say(at(1), "a", "U7"), say(at(2), "b", "U8", user_profile={"real_name": "Eva"})]})
    del files["users.json"]
    path = pack(tmp_path / "a.zip", files)
    assert Hub().fetch(options(path)).document("C1:2026-05-12").authors == ("U7", "Eva")
    assert "has no users.json" in SlackExportSource(SourceName("chat"), options(path)).check()[0]


def test_an_export_packed_again_in_a_folder_or_unpacked_reads_the_same(tmp_path: Path) -> None:
    files = layout({"général": [say(at(1), "hi")]}, channels=[{"id": "C1", "name": "général"}])
    flat = Hub().fetch(options(pack(tmp_path / "flat.zip", files)))
    again = files | {"__MACOSX/._general": b"x"}
    nested = Hub().fetch(options(pack(tmp_path / "nested.zip", again, root="Acme Slack export/")))
    for name, data in files.items():
        target = tmp_path / "open" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    unpacked = Hub().fetch(options(tmp_path / "open"))
    assert flat.records == nested.records == unpacked.records != {}


def test_names_without_the_utf8_flag_are_read_all_the_same(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", layout({"d\u00e9v": [say(at(1), "hi")]}, channels=[{"id": "C1", "name": "dév"}]))
    data = path.read_bytes()
    for signature, offset in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
        parts = data.split(signature)
        head = [bytes((*part[: offset - 4], part[offset - 4] & ~0x08, *part[offset - 3 :])) for part in parts[1:]]
        data = signature.join([parts[0], *head])
    path.write_bytes(data)
    assert set(Hub().fetch(options(path)).records) == {"C1:2026-05-12"}


def test_links_in_an_unpacked_export_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "export" / "general").mkdir(parents=True)
    for name, data in layout({}).items():
        (tmp_path / "export" / name).write_bytes(data)
    (tmp_path / "secret.json").write_text(json.dumps([say(at(1), "secret")]))
    (tmp_path / "export" / "general" / "2026-05-12.json").symlink_to(tmp_path / "secret.json")
    (tmp_path / "export" / "general" / "2026-05-13.json").write_text(json.dumps([say(at(DAY), "own")]))
    (tmp_path / "people.json").write_text(json.dumps([{"id": "U1", "name": "secret"}]))
    (tmp_path / "export" / "users.json").unlink()
    (tmp_path / "export" / "users.json").symlink_to(tmp_path / "people.json")
    hub = Hub().fetch(options(tmp_path / "export"))
    assert [hub.document(item).text for item in hub.records] == ["**U1** (2026-05-13 00:00): own"]


# ── check ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_good_export_passes_the_check(tmp_path: Path) -> None:
    path = private_export(tmp_path / "a.zip")
    assert SlackExportSource(SourceName("chat"), options(path)).check() == []


def test_check_names_what_is_wrong_and_the_cure(tmp_path: Path) -> None:
    def check(chosen: SlackExportOptions) -> str:
        return " ".join(SlackExportSource(SourceName("chat"), chosen).check())

    assert "does not exist. Name the ZIP" in check(options(tmp_path / "none.zip"))
    assert "holds no Slack export. Put the ZIPs" in check(options(tmp_path))
    pack(tmp_path / "photos.zip", {"a.jpg": b"x"})
    assert "photos.zip is not a Slack export: it has no channels.json" in check(options(tmp_path))
    private_export(tmp_path / "a.zip")
    assert "take it away" in check(options(tmp_path))
    (tmp_path / "photos.zip").unlink()
    assert "readers is empty" in check(replace(options(tmp_path), readers=()))
    assert "acme.slack.com; correct it" in check(options(tmp_path, workspace_url="acme"))
    broken = layout({}) | {"groups.json": b"{"}
    pack(tmp_path / "a.zip", broken)
    assert "groups.json in a.zip is not JSON" in check(options(tmp_path))


def test_an_emptied_folder_is_an_error_and_no_mass_deletion(tmp_path: Path) -> None:
    hub = fetched(tmp_path, [say(at(1), "hi")])
    (tmp_path / "a.zip").unlink()
    with pytest.raises(NotFound):
        hub.fetch(options(tmp_path))


# ── histories ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Said:
    text: str
    thread_ts: str = ""
    subtype: str = ""

    def exported(self, ts: str) -> Message:
        more = {key: value for key, value in (("thread_ts", self.thread_ts), ("subtype", self.subtype)) if value}
        return say(ts, self.text, **more)


Workspace = dict[str, Said]


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Workspace, int, int]]:
    """Snapshots of one channel over time, each with the days (first, last) that were exported of it."""
    now: Workspace = {}
    exports = []
    clock = 0
    for _ in range(draw(st.integers(1, 4))):
        for _ in range(draw(st.integers(1, 8))):
            clock += draw(st.integers(1, DAY))
            _act(draw, now, at(clock))
        last = clock // DAY
        first = draw(st.integers(0, last))
        exports.append((dict(now), first, draw(st.integers(first, last))))
    return exports


def _act(draw: st.DrawFn, now: Workspace, ts: str) -> None:
    kind = draw(st.sampled_from(["say", "say", "reply", "reply", "edit", "delete", "join"]))
    old = draw(st.sampled_from(sorted(now))) if now else ""
    if kind == "join":
        now[ts] = Said("joined", subtype="channel_join")
    elif kind == "say" or not old:
        now[ts] = Said(f"m{ts}")
    elif kind == "reply":
        root = now[old].thread_ts or old
        if root in now:
            now[root] = replace(now[root], thread_ts=root)
        now[ts] = Said(f"r{ts}", thread_ts=root)
    elif kind == "edit" and not now[old].subtype:
        now[old] = replace(now[old], text=f"{now[old].text}+")
    elif kind == "delete":
        _delete(now, old)


def _delete(now: Workspace, old: str) -> None:
    if any(said.thread_ts == old and ts != old for ts, said in now.items()):
        now[old] = Said("deleted", thread_ts=old, subtype="tombstone")
    else:
        del now[old]


def union(exports: list[tuple[Workspace, int, int]]) -> Workspace:
    """What the exports together say, day by day: an export's whole days replace what was known of them."""
    merged: Workspace = {}
    for now, first, last in exports:
        part = {ts: said for ts, said in now.items() if first <= day_number(ts) <= last}
        days = sorted({day_number(ts) for ts in part})
        for ts in list(merged):
            same = sorted(other for other in part if day_number(other) == day_number(ts))
            if ts not in part and same and (days[0] < day_number(ts) < days[-1] or same[0] < ts < same[-1]):
                del merged[ts]
        merged |= part
    return merged


def day_number(ts: str) -> int:
    return (int(ts.split(".")[0]) - MAY_12) // DAY


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories())
def test_the_hub_holds_exactly_what_the_exports_say_together(
    tmp_path_factory: pytest.TempPathFactory, exports: list[tuple[Workspace, int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("exports")
    hub = Hub()
    for number, (now, first, last) in enumerate(exports):
        part = [said.exported(ts) for ts, said in now.items() if first <= day_number(ts) <= last]
        pack(folder / f"{9 - number}.zip", layout({"general": part}), made=number + 1)
        hub.fetch(options(folder))
        assert hub.accounted()
    assert hub.records == Hub().fetch(options(folder)).records
    expected = union(exports)
    roots = {said.thread_ts for said in expected.values()}
    held: dict[str, str] = {}
    for record in hub.records.values():
        assert record.payload is not None
        held |= {message["ts"]: message["text"] for message in record.payload["messages"]}
        parse_slack_export(record, 1)
    kept = {ts: said.text for ts, said in expected.items() if not said.subtype or ts in roots}
    assert {ts for ts, said in expected.items() if not said.subtype} <= held.keys() <= kept.keys()
    assert all(held[ts] == kept[ts] for ts in held)
    assert {item.partition(":")[2] for item in hub.reasons()} == expected.keys() - held.keys()


# ── contract ─────────────────────────────────────────────────────────────────────────────────────────


class ExportedWorkspace:
    """Two channels whose whole history is exported again after each change, into one ZIP or a further one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.channels: dict[str, Workspace] = {"C1": {at(1): Said("first")}, "C2": {at(1): Said("second")}}
        self.names = {"C1": "general", "C2": "other"}
        self.clock = self.exports = 0
        self.export("export.zip")

    def source(self) -> SlackExportSource:
        return SlackExportSource(SourceName("chat"), options(self.folder))

    def change(self, rng: random.Random) -> None:
        channel = rng.choice(("C1", "C2"))
        now = self.channels[channel]
        self.clock += rng.randrange(1, DAY)
        ts, old = at(self.clock), rng.choice(sorted(now))
        kind = rng.choice(("say", "reply", "edit", "delete", "join", "rename"))
        if kind == "reply":
            root = now[old].thread_ts or old
            if root in now:
                now[root] = replace(now[root], thread_ts=root)
            now[ts] = Said(f"r{ts}", thread_ts=root)
        elif kind == "edit" and not now[old].subtype:
            now[old] = replace(now[old], text=f"{now[old].text}+")
        elif kind == "delete" and len(now) > 1 and old != at(1):
            _delete(now, old)
        elif kind == "rename":
            self.names[channel] = f"{self.names[channel]}é"
        else:
            now[ts] = Said("joined", subtype="channel_join") if kind == "join" else Said(f"m{ts}")
        self.export("export.zip")

    def export(self, name: str) -> None:
        self.exports += 1
        folders = {self.names[c]: [said.exported(ts) for ts, said in now.items()] for c, now in self.channels.items()}
        channels = [{"id": identity, "name": label} for identity, label in self.names.items()]
        path = pack(self.folder / name, layout(folders, channels=channels))
        os.utime(path, ns=(0, MAY_12 * 10**9 + self.exports))  # clocks tick coarser than this test writes

    def facts(self) -> Counter[Hashable]:
        return Counter(fact for channel, now in self.channels.items() for fact in self._facts(channel, now))

    def _facts(self, channel: str, now: Workspace) -> Iterator[Hashable]:
        roots = {said.thread_ts for said in now.values() if said.thread_ts}
        places: dict[str, list[tuple[str, str]]] = {}
        living: set[str] = set()
        for ts in sorted(now):
            said = now[ts]
            place = said.thread_ts or (ts if ts in roots else day_of(ts))
            if not said.subtype:
                living.add(place)
            if not said.subtype or ts == place:
                places.setdefault(place, []).append((ts, said.text))
        for place in living:
            yield f"#{self.names[channel]}", tuple(places[place]), ("group:staff",)

    def fact(self, record: RawRecord) -> Hashable:
        assert record.payload is not None
        said = tuple((message["ts"], message["text"]) for message in record.payload["messages"])
        return record.payload["channel"]["label"], said, *record.acl.canonical()


class TestSlackExportSource(SourceContract):
    def world(self, folder: Path) -> ExportedWorkspace:
        return ExportedWorkspace(folder)
