from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats.slack import message_speaker, person_name, render_message, system_subtype
from knowhub.formats.slack_blocks import render_blocks

NAMES = {"U1": "Ana", "C1": "general", "S1": "on-call", "B1": "Deploys"}


def said(text: str) -> str:
    return render_message({"text": text}, NAMES)


def blocks(*parts: dict[str, Any], text: str = "") -> str:
    return render_message({"text": text, "blocks": list(parts)}, NAMES)


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": list(elements)}


def section(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text_section", "elements": list(elements)}


def words(text: str, **style: bool) -> dict[str, Any]:
    return {"type": "text", "text": text} | ({"style": style} if style else {})


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def mrkdwn(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text}


# ── mrkdwn ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("*bold* _it_ ~gone~ and 2*3*4 a~b~c", "**bold** _it_ ~~gone~~ and 2*3*4 a~b~c"),
        ("`a *b* &lt;c&gt;`", "`a *b* <c>`"),
        ("run ```x = 1\nif *y*: &amp;``` now", "run \n```\nx = 1\nif *y*: &\n```\n now"),
        ("```curl <https://x.test/a_b|x.test/a_b>```", "```\ncurl x.test/a_b\n```"),
        ("&gt; quoted\nnot", "> quoted\nnot"),
        ("&gt;&gt;&gt; all\nof it", "> all\n> of it"),
        ("• one\n    ◦ two\n1. three", "- one\n    - two\n1. three"),
        ("<@U1> <@U2|bo> <@U3> <#C1> <#C2|dev>", "@Ana @bo @U3 #general #dev"),
        ("<!here> <!channel> <!subteam^S1|@x> <!subteam^S2|@ops>", "@here @channel @on-call @ops"),
        ("<!date^1392734382^{date}|Feb 18> <!date^1392734382^{time}>", "Feb 18 2014-02-18 14:39 UTC"),
        ("<https://x.test/a_b?c=1&amp;d=2>", "https://x.test/a_b?c=1&d=2"),
        ("*see <https://x.test/a_b|the _plan_ &amp; more>*", "**see [the _plan_ & more](https://x.test/a_b)**"),
        ("<https://x.test/(a)|wiki>", "[wiki](<https://x.test/(a)>)"),
        ("<mailto:a@x.test|a@x.test> <tel:+341|+341>", "a@x.test +341"),
        ("a &lt;b&gt; &amp;lt; :tada: 日本語", "a <b> &lt; :tada: 日本語"),
        ("1 < 2 <br> <> <@>", "1 < 2 <br> <> <@>"),
        ("\ue0000\ue001 *b*", "\ue0000\ue001 **b**"),
    ],
)
def test_mrkdwn_becomes_markdown(text: str, markdown: str) -> None:
    assert said(text) == markdown


@given(st.text())
def test_any_text_can_be_rendered_and_encoded(text: str) -> None:
    said(text).encode()


@given(st.text("ab*_~`> \n•<>@#!&;12."))
def test_no_letter_of_a_text_is_lost_whatever_marks_surround_it(text: str) -> None:
    assert [letter for letter in said(text) if letter in "ab"] == [letter for letter in text if letter in "ab"]


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────────


def test_rich_text_keeps_styles_mentions_lists_quotes_and_code() -> None:
    link = {"type": "link", "url": "https://x.test", "text": "plan"}
    text = blocks(
        rich(
            section(words("Hi ", bold=True), {"type": "user", "user_id": "U1"}, words(" see "), link, words(", ")),
            section({"type": "channel", "channel_id": "C1"}, {"type": "usergroup", "usergroup_id": "S1"}),
            section({"type": "emoji", "name": "tada"}, {"type": "broadcast", "range": "here"}),
            section({"type": "date", "timestamp": 1392734382, "format": "{date}"}, {"type": "color", "value": "#F40"}),
            {"type": "rich_text_list", "style": "ordered", "offset": 1, "elements": [section(words("two\nlines"))]},
            {"type": "rich_text_list", "style": "bullet", "indent": 1, "elements": [section(words("deep"))]},
            {"type": "rich_text_quote", "elements": [words("said\nso")]},
            {"type": "rich_text_preformatted", "elements": [words("a = `b`"), link]},
            section(words("all", bold=True, italic=True, strike=True, code=True)),
        )
    )
    assert text == (
        "**Hi** @Ana see [plan](https://x.test), \n#general@on-call\n:tada:@here\n2014-02-18 14:39 UTC#F40\n"
        "2. two\n   lines\n  - deep\n> said\n> so\n```\na = `b`plan\n```\n**_~~`all`~~_**"
    )


def _strings(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        if node.get("type") == "text":
            yield node["text"]
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list):
        for part in node:
            yield from _strings(part)


texts = st.builds(
    lambda text, style: words(text, **style),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), min_size=1),
    st.dictionaries(st.sampled_from(["bold", "italic", "strike", "code"]), st.booleans()),
)
inlines = st.lists(texts | st.just({"type": "emoji", "name": "x"}) | st.just({"type": "new_kind", "text": "y"}))
sections = st.builds(lambda elements: section(*elements), inlines)
parts = st.one_of(
    sections,
    st.builds(lambda e: {"type": "rich_text_quote", "elements": e}, inlines),
    st.builds(lambda e: {"type": "rich_text_preformatted", "elements": e}, inlines),
    st.builds(
        lambda e, style, indent: {"type": "rich_text_list", "elements": e, "style": style, "indent": indent},
        st.lists(sections),
        st.sampled_from(["ordered", "bullet"]),
        st.integers(0, 8),
    ),
    st.builds(lambda e: {"type": "rich_text_unheard_of", "elements": e}, inlines),
)


@given(st.lists(parts), st.sampled_from(["rich_text", "unheard_of"]))
def test_every_line_of_every_text_in_rich_text_is_in_the_output(elements: list[dict[str, Any]], kind: str) -> None:
    block = {"type": kind, "elements": elements}
    rendered = render_message({"blocks": [block]}, {})
    for text in _strings(block):
        for line in text.split("\n"):
            assert line.strip() in rendered


def test_blocks_of_apps_keep_all_that_a_person_reads() -> None:
    button = {"type": "button", "text": plain("Approve"), "url": "https://x.test/ok", "confirm": {"title": plain("?")}}
    option = {"text": plain("High"), "value": "p1"}
    text = blocks(
        {"type": "header", "text": plain("Deploy 7")},
        {
            "type": "section",
            "text": mrkdwn("by <@U1>"),
            "fields": [mrkdwn("*Env*"), plain("prod")],
            "accessory": button,
        },
        {"type": "context", "elements": [mrkdwn("_now_"), {"type": "image", "alt_text": "logo"}]},
        {
            "type": "actions",
            "elements": [button, {"type": "static_select", "placeholder": plain("Pick"), "options": [option]}],
        },
        {"type": "image", "title": plain("Chart"), "alt_text": "latency", "image_url": "https://x.test/i.png"},
        {"type": "video", "title": plain("Demo"), "title_url": "https://x.test/v", "description": plain("3 min")},
        {
            "type": "input",
            "label": plain("Reason"),
            "element": {"type": "plain_text_input", "placeholder": plain("why")},
        },
        {"type": "divider"},
        {"type": "markdown", "text": "# *As it is*"},
        {"type": "file", "external_id": "1", "source": "remote"},
        {"type": "card", "title": mrkdwn("*New*"), "body": plain("of a later day")},
    )
    for expected in (
        "**Deploy 7**\nby @Ana\n**Env**\nprod\n[Approve](https://x.test/ok)\n_now_ Image: logo\n",
        "Pick\n",
        "High",
        "Image: Chart — latency\nVideo: [Demo](https://x.test/v)\n3 min\nReason\nwhy\n# *As it is*\n",
        "**New**\nof a later day",
    ):
        assert expected in text
    assert "?" not in text


def test_a_table_becomes_a_table() -> None:
    rows = [
        [{"type": "raw_text", "text": "Env"}, {"type": "raw_text", "text": "a|b"}],
        [rich(section(words("prod", bold=True))), {"type": "raw_number", "value": 3, "text": "3"}],
        [{"type": "raw_text", "text": "x"}],
    ]
    assert blocks({"type": "table", "rows": rows}) == "| Env | a\\|b |\n| --- | --- |\n| **prod** | 3 |\n| x |  |"


@pytest.mark.parametrize("rows", [7, True, {"a": 1}, "ab", None])
def test_a_table_that_is_none_counts_as_absent(rows: object) -> None:
    assert blocks({"type": "table", "rows": rows, "caption": "Costs"}) == "Costs"


def test_text_beside_blocks_is_said_once_unless_it_says_more() -> None:
    block = rich(section(words("Ship it", bold=True), words(" on "), {"type": "user", "user_id": "U1"}))
    assert blocks(block, text="*Ship it* on <@U1>") == "**Ship it** on @Ana"
    assert blocks(block, text="Summary") == "Summary\n**Ship it** on @Ana"
    assert blocks(block, text="This content can't be displayed.") == "**Ship it** on @Ana"
    assert blocks({"type": "divider"}, text="alone") == "alone"
    assert blocks(rich(section(words("a depends on b"))), text="b depends on a").count("depends") == 2


# ── attachments and files ────────────────────────────────────────────────────────────────────────────


def test_the_body_of_an_alert_is_kept() -> None:
    alert = {
        "pretext": "*Firing*",
        "author_name": "Monitor",
        "title": "CPU high",
        "title_link": "https://x.test/a",
        "text": "db-1 at <https://x.test/g|97%>",
        "fields": [{"title": "Host", "value": "db-1"}, {"title": "", "value": "eu"}],
        "footer": "checked by probe",
        "fallback": "Firing CPU high",
        "actions": [{"type": "button", "text": "Silence"}],
        "blocks": [{"type": "section", "text": mrkdwn("*runbook*")}],
    }
    assert render_message({"text": "", "attachments": [alert]}, NAMES) == (
        "**Firing**\nMonitor\n[CPU high](https://x.test/a)\ndb-1 at [97%](https://x.test/g)\n**runbook**\n"
        "**Host**: db-1\neu\nSilence\nchecked by probe"
    )
    assert render_message({"attachments": [{"fallback": "only this"}]}, NAMES) == "only this"


def test_a_shared_message_is_quoted_under_what_was_said_and_not_doubled() -> None:
    shared = {
        "from_url": "https://acme.slack.com/archives/C1/p1",
        "is_msg_unfurl": True,
        "fallback": "[May 12th] ana: no",
        "text": "no",
        "author_name": "Ana",
        "message_blocks": [{"team": "T1", "message": {"blocks": [rich(section(words("no")))]}}],
    }
    assert render_message({"text": "no", "attachments": [shared]}, NAMES) == "no\n> Ana\n> no"


def test_files_are_named_and_their_words_kept() -> None:
    snippet = {
        "mode": "snippet",
        "name": "fix.sh",
        "title": "Fix",
        "preview": "rm *tmp*",
        "permalink": "https://x.test/f",
    }
    mail = {"name": "mail", "subject": "Invoice", "from": [{"original": "Bo <bo@x.test>"}], "plain_text": "Please pay"}
    voice = {"title": "memo", "transcription": {"status": "complete", "preview": {"content": "call me"}}}
    gone = {"mode": "tombstone", "name": "x"}
    assert render_message({"text": "see", "files": [snippet, mail, voice, gone]}, NAMES) == (
        "see\nFile: [Fix (fix.sh)](https://x.test/f)\n```\nrm *tmp*\n```\n"
        "File: mail\nInvoice\nBo <bo@x.test>\nPlease pay\nFile: memo\ncall me\nFile: no longer available"
    )


# ── messages ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("message", "speaker"),
    [
        ({"user": "U1"}, "Ana"),
        ({"user": "U9", "user_profile": {"display_name": "", "real_name": "Eva Stranger"}}, "Eva Stranger"),
        ({"user": "U9"}, "U9"),
        ({"subtype": "bot_message", "bot_id": "B9", "username": "Pager"}, "Pager"),
        ({"user": "U1", "bot_id": "B9", "bot_profile": {"name": "CI"}}, "CI"),
        ({"user": "U1", "bot_id": "B9"}, "Ana"),
        ({"bot_id": "B1"}, "Deploys"),
        ({"bot_id": "B9"}, "B9"),
        ({}, "unknown"),
    ],
)
def test_the_speaker_is_who_people_would_name(message: dict[str, Any], speaker: str) -> None:
    assert message_speaker(message, NAMES) == speaker


def test_a_person_is_called_by_display_name_then_real_name_then_handle() -> None:
    assert person_name({"name": "ana", "real_name": "Ana R", "profile": {"display_name": "Anita"}}) == "Anita"
    assert person_name({"name": "ana", "real_name": "Ana R", "profile": {"display_name": " "}}) == "Ana R"
    assert person_name({"name": "ana"}) == "ana"


def test_what_slack_says_of_the_channel_is_system_but_a_new_topic_is_something_said() -> None:
    assert system_subtype({"subtype": "channel_join"}) == "channel_join"
    assert system_subtype({"subtype": "channel_topic", "topic": ""}) == "channel_topic"
    assert system_subtype({"subtype": "channel_topic", "topic": "Freeze"}) == ""
    for kept in ("", "bot_message", "me_message", "thread_broadcast", "file_share", "unheard_of"):
        assert system_subtype({"subtype": kept}) == ""


def test_special_messages_keep_their_words() -> None:
    assert render_message({"subtype": "me_message", "text": "waves"}, {}) == "_waves_"
    assert render_message({"subtype": "tombstone", "text": "This message was deleted."}, {}) == ""
    topic = {"subtype": "channel_topic", "text": "<@U1> set the channel topic: Freeze", "topic": "Freeze"}
    assert render_message(topic, NAMES) == "@Ana set the channel topic: Freeze"
    assert render_message({"text": "cut \ud83d off"}, {}) == "cut \ufffd off"


def test_a_huddle_is_a_line_of_when_and_who() -> None:
    room = {"name": "Standup", "date_start": 1767000000, "date_end": 1767000600, "participant_history": ["U1", "U9"]}
    message = {"subtype": "huddle_thread", "text": "A huddle happened", "room": room}
    assert render_message(message, NAMES) == (
        "A huddle happened\nHuddle: Standup, 2025-12-29 09:20 UTC – 2025-12-29 09:30 UTC, with @Ana, @U9"
    )
    running = {"room": {"date_start": 1767000000, "date_end": 0, "participants": ["U1"]}}
    assert render_message(running, NAMES) == "Huddle: 2025-12-29 09:20 UTC, with @Ana"
    assert render_message({"text": "x", "room": {}}, NAMES) == "x"


def test_a_canvas_and_a_file_kept_elsewhere_are_named_with_their_link() -> None:
    canvas = {"title": "Plan", "filetype": "quip", "permalink": "https://acme.slack.com/docs/T1/F1"}
    drive = {
        "name": "Budget",
        "mode": "external",
        "external_url": "https://drive.example.com/1",
        "permalink": "https://x",
    }
    assert render_message({"files": [canvas, drive]}, {}) == (
        "Canvas: [Plan](https://acme.slack.com/docs/T1/F1)\nFile: [Budget](https://drive.example.com/1)"
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type",
                    "text",
                    "blocks",
                    "elements",
                    "attachments",
                    "files",
                    "fields",
                    "title",
                    "style",
                    "rows",
                    "value",
                ]
            )
            | st.text(max_size=3),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


@given(
    st.dictionaries(
        st.sampled_from(["text", "blocks", "attachments", "files", "subtype", "comment", "room"]), json_values
    )
)
def test_values_of_any_type_are_survived(message: dict[str, Any]) -> None:
    render_message(message, {}).encode()
    message_speaker(message, {})
    system_subtype(message)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    for part in node if isinstance(node, list) else ():
        yield from _objects(part)


def test_every_payload_that_slack_publishes_can_be_rendered(shared_data: Path) -> None:
    rendered = 0
    for path in sorted((shared_data / "api" / "slack" / "events").glob("*.json")):
        for found in _objects(json.loads(path.read_bytes())):
            render_message(found, NAMES)
            rendered += 1
    for name in ("conversations.history", "conversations.replies", "chat.postMessage"):
        page = json.loads((shared_data / "api" / "slack" / "responses" / f"{name}.json").read_bytes())
        for message in [*page.get("messages", []), page.get("message", {})]:
            render_message(message, NAMES)
            render_blocks(message.get("blocks"), NAMES)
            message_speaker(message, NAMES)
            rendered += 1
    assert rendered > 1000


def _filled(node: Any, key: str = "") -> Any:
    """Blanked values replaced by words that can be found again."""
    if isinstance(node, dict):
        return {k: _filled(v, k) for k, v in node.items()}
    if isinstance(node, list):
        return [_filled(part, key) for part in node]
    return "Findable" if node == "" and key == "text" else node


def test_no_published_block_type_swallows_its_text(shared_data: Path) -> None:
    page = json.loads((shared_data / "api" / "slack" / "responses" / "chat.postMessage.json").read_bytes())
    checked = set()
    for found in _objects(_filled(page)):
        for block in found.get("blocks") or [] if isinstance(found.get("blocks"), list) else []:
            if isinstance(block, dict) and "Findable" in json.dumps(block):
                assert "Findable" in render_blocks([block], {}), block["type"]
                checked.add(block["type"])
    assert {"rich_text", "section", "video", "actions"} <= checked
