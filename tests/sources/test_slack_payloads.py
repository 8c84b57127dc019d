"""Every message that Slack publishes passes through the source: nothing fails, and no word is dropped."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.secret import Secret
from knowhub.core.types import Acl, SourceName
from knowhub.formats.slack_conversation import slack_conversation
from knowhub.http import SYSTEM_CLOCK
from knowhub.sources.slack.api import SlackApi
from knowhub.sources.slack.channels import Channel
from knowhub.sources.slack.messages import left_out, parts_of, read, state_of_thread, without_secrets
from knowhub.sources.slack.pages import Page
from knowhub.sources.slack.people import Names
from knowhub.sources.slack.records import Recorder

NAMES = Names(SlackApi("http://127.0.0.1:9", Secret("x"), clock=SYSTEM_CLOCK), {"names": {"U00000000": "Ana"}})
CHANNEL = Channel("C1", "channel", "ops", "#ops", True, "", False, "", "")
RECORDER = Recorder(SourceName("chat"), CHANNEL, "https://acme.slack.com", Acl.of("x"), True, NAMES)


def objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from objects(part)


def published(shared_data: Path) -> Iterator[dict[str, Any]]:
    for file in sorted((shared_data / "api" / "slack").glob("*/*.json")):
        if not file.parent.name.startswith("spec"):
            for found in objects(json.loads(file.read_bytes())):
                if "ts" in found and "text" in found:
                    yield found


def test_every_published_message_becomes_part_of_a_document(shared_data: Path) -> None:
    seen = 0
    for number, message in enumerate(published(shared_data)):
        message = {**message, "ts": f"1767000000.{number:06d}", "text": f"word{number}", "subtype": ""}
        message.pop("thread_ts", None)
        page = Page.of([message])
        assert len(page.messages) + len(page.roots) == 1
        left_out(message, bot_messages=False)
        people = [one for one in read([message]).people if one not in NAMES.names]
        NAMES.names.update(dict.fromkeys(people, ""))
        record = RECORDER.day("2025-12-29", without_secrets([message]), "s")
        document = slack_conversation(record, 1)
        assert f"word{number}" in document.text
        seen += 1
    assert seen > 50


def test_what_changes_by_itself_changes_no_version_and_what_people_change_does() -> None:
    message: dict[str, Any] = {
        "type": "message", "user": "U1", "text": "hello", "ts": "1767000000.000001",
        "files": [{"id": "F1", "title": "Plan", "url_private": "https://files.slack.com/1", "thumb_64": "a"}],
    }  # fmt: skip
    same = copy.deepcopy(message) | {"reactions": [{"name": "+1"}], "reply_count": 3, "is_starred": True}
    same["files"][0] |= {"url_private": "https://files.slack.com/2", "thumb_64": "b", "shares": {}}
    assert read([message]).digest == read([same]).digest
    changes: list[dict[str, Any]] = [{"text": "bye"}, {"edited": {"ts": "1.000000"}}, {"blocks": [{}]}, {"user": "U2"}]
    for change in changes:
        assert read([message | change]).digest != read([message]).digest
    renamed = copy.deepcopy(message)
    renamed["files"][0]["title"] = "Plan B"
    assert read([renamed]).digest != read([message]).digest


def test_half_an_emoji_is_digested_stored_and_read() -> None:
    message = {"type": "message", "user": "U1", "text": "cut \ud83d off", "ts": "1767000000.000001"}
    NAMES.names["U1"] = "Ana"
    record = RECORDER.day("2025-12-29", [message], "s")
    assert json.loads(json.dumps(record.payload)) == record.payload
    assert "cut \ufffd off" in slack_conversation(record, 1).text


def test_ids_in_text_and_blocks_are_found_and_words_are_not() -> None:
    said = {"user": "U1", "text": "WARNING <@U2|bo> <#C7|dev> <!subteam^S5> UTF8", "bot_id": "B3", "ts": "1.000001"}
    block = {"type": "user", "user_id": "U4"}
    reading = read([said | {"blocks": [{"elements": [block, {"usergroup_id": "S6"}]}]}])
    assert reading.named == {"U1", "U2", "U4", "B3", "C7", "S5", "S6"}
    assert reading.people == {"U1", "U2", "U4"}


KEYS = st.text(max_size=4) | st.sampled_from(["text", "files", "blocks", "user", "room", "ts"])
VALUES = st.none() | st.integers() | st.text(max_size=6) | st.lists(st.text(max_size=3), max_size=2)


@given(st.dictionaries(KEYS, VALUES))
def test_messages_of_any_shape_are_survived(message: dict[str, Any]) -> None:
    page = Page.of([message])
    assert len(page.messages) + len(page.roots) + len(page.elsewhere) + len(page.unreadable) == 1
    read([message])
    state_of_thread(message, "s")
    left_out(message, bot_messages=False)
    without_secrets([message])


def test_parts_are_read_from_our_own_versions_only() -> None:
    assert parts_of("scope/12-abcdef") == 12
    assert parts_of("3/1767000000.000001/abcd/scope/4-abcdef") == 4
    assert parts_of("?2/3/1767000000.000001/abcd/scope/2-abcdef") == 4
    assert [parts_of(version) for version in ("left out", "", "f0123456789", "f12-34")] == [1, 1, 1, 1]


@pytest.mark.parametrize("key", ["file", "files"])
def test_addresses_that_open_a_file_without_signing_in_are_not_stored(key: str) -> None:
    file = {
        "id": "F1",
        "permalink_public": "https://slack-files.com/T1-F1-secret",
        "url_private": "https://files.slack.com/files-pri/T1-F1/plan.pdf?t=xoxe-secret",
    }
    stored = repr(without_secrets([{"ts": "1.000001", "text": "a plan", key: [file] if key == "files" else file}]))
    assert "secret" not in stored
    assert "plan.pdf" in stored
