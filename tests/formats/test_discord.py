"""Discord messages and conversations to Markdown: by example, by property, and over the published schema."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Acl, ContainerId, Document, ItemId, RawRecord, SourceName
from knowhub.formats.discord import is_noise, message_speaker, render_message
from knowhub.formats.discord_conversation import discord_conversation, moment_of, snowflake_at
from knowhub.formats.discord_markdown import to_markdown

NAMES = {"@1": "Ana", "@&2": "mods", "#3": "general", "@&3": "everyone"}
ANA = {"id": "1", "username": "ana", "global_name": "Ana"}
BEN = {"id": "7", "username": "ben", "global_name": None}


def message(content: str = "", **more: Any) -> dict[str, Any]:
    return {"id": "175928847299117063", "type": 0, "author": ANA, "content": content, **more}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("<@1> <@!1> <@&2> <#3> <@&3>", "@Ana @Ana @mods #general @everyone"),
        ("<@99> <@&98> <#97>", "@99 @98 #97"),
        ("<:ok:12> <a:wave:13>", ":ok: :wave:"),
        ("<t:1618953630:F> or <t:1618953630>", "2021-04-20 21:20 UTC or 2021-04-20 21:20 UTC"),
        ("in <t:1618953630:R>", "in 2021-04-20 21:20 UTC"),
        ("the killer is ||the butler||", "the killer is the butler"),
        ("run </deploy now:42> in <id:browse>", "run /deploy now in Browse Channels"),
        ("# Big\ntext\n-# small", "**Big**\ntext\nsmall"),
        ("a\n>>> b\nc", "a\n> b\n> c"),
        ("> b\nc", "> b\nc"),
        ("`<@1>` and ```py\n<@1> || x ||\n```", "`<@1>` and \n```py\n<@1> || x ||\n```"),
        ("[docs](https://x.test/a) <https://y.test>", "[docs](https://x.test/a) https://y.test"),
        ("1 < 2 <@ 3 <#x> <t:x>", "1 < 2 <@ 3 <#x> <t:x>"),
        ("<t:99999999999999999999>", "99999999999999999999"),
        ("a \ue0000\ue001 b", "a \ue0000\ue001 b"),
    ],
)  # fmt: skip
def test_content_is_rendered(content: str, expected: str) -> None:
    assert to_markdown(content, NAMES) == expected


def test_the_message_brings_names_for_its_own_mentions() -> None:
    assert render_message(message("<@7>", mentions=[BEN]), {}) == "@ben"


def test_a_reply_quotes_what_it_answers_in_one_line() -> None:
    original = message("Where is the *runbook*?\nI cannot find it.", author=BEN)
    reply = message("In the wiki.", type=19, referenced_message=original)
    assert render_message(reply, {}) == "> **ben**: Where is the *runbook*? I cannot find it.\nIn the wiki."


def test_a_reply_to_a_deleted_message_says_so() -> None:
    reply = message("Yes!", type=19, referenced_message=None)
    assert render_message(reply, {}) == "> (the message it answers was deleted)\nYes!"
    assert render_message(message("Yes!", type=19), {}) == "Yes!"


def test_a_slash_answer_names_the_command_and_who_used_it() -> None:
    answer = message("Deployed 1.2", type=20, interaction={"name": "deploy", "user": ANA}, author=BEN)
    assert render_message(answer, {}) == "> **Ana** used /deploy\nDeployed 1.2"
    assert render_message(message("Done", type=20, interaction_metadata={"name": "go", "user": BEN}), {}) == (
        "> **ben** used /go\nDone"
    )


def test_a_thread_starter_is_the_message_that_it_was_started_from() -> None:
    starter = message("", type=21, author=ANA, referenced_message=message("How do I reset it?", author=BEN))
    assert render_message(starter, {}) == "How do I reset it?"
    assert message_speaker(starter) == "ben"
    assert "deleted" in render_message(message("", type=21, referenced_message=None), {})


def test_a_forwarded_message_is_quoted() -> None:
    forwarded = message("", message_snapshots=[{"message": {"type": 0, "content": "The key is <@&2>", "embeds": []}}])
    assert render_message(forwarded, NAMES) == "Forwarded:\n> The key is @mods"


def test_an_embed_keeps_title_text_fields_and_footer() -> None:
    embed = {
        "type": "rich", "title": "Alert", "url": "https://grafana.test/a", "author": {"name": "Grafana"},
        "description": "CPU is **high** for <@1>", "footer": {"text": "eu-1"},
        "fields": [{"name": "Host", "value": "db1"}, {"name": "Steps", "value": "- a\n- b"}],
    }  # fmt: skip
    assert render_message(message("", embeds=[embed]), NAMES) == (
        "Grafana\n[Alert](https://grafana.test/a)\nCPU is **high** for @Ana\n**Host**: db1\n**Steps**:\n- a\n- b\neu-1"
    )


def test_what_a_link_unfolded_to_is_a_quote() -> None:
    embed = {"type": "article", "provider": {"name": "Blog"}, "title": "News", "url": "https://b.test"}
    assert render_message(message("https://b.test", embeds=[embed]), {}) == (
        "https://b.test\n> Blog\n> [News](https://b.test)"
    )


def test_a_poll_shows_votes_once_they_are_final() -> None:
    poll: dict[str, Any] = {
        "question": {"text": "Lunch?"},
        "answers": [
            {"answer_id": 1, "poll_media": {"text": "Soup", "emoji": {"name": "🍲"}}},
            {"answer_id": 2, "poll_media": {"text": "Rice"}},
        ],
        "results": {"is_finalized": False, "answer_counts": [{"id": 1, "count": 3}]},
    }
    assert render_message(message("", poll=poll), {}) == "Poll: Lunch?\n- 🍲 Soup\n- Rice"
    poll["results"]["is_finalized"] = True
    assert render_message(message("", poll=poll), {}) == "Poll: Lunch?\n- 🍲 Soup: 3 votes\n- Rice: 0 votes"


def test_the_result_of_a_poll_is_said() -> None:
    told = {
        "poll_question_text": "Lunch?",
        "victor_answer_text": "Soup",
        "victor_answer_votes": "3",
        "total_votes": "4",
    }
    embed = {"type": "poll_result", "fields": [{"name": name, "value": value} for name, value in told.items()]}
    assert render_message(message("", type=46, embeds=[embed]), {}) == "Poll result: Lunch?\nSoup (3 of 4 votes)"


def test_components_keep_their_words() -> None:
    components = [
        {"type": 17, "components": [
            {"type": 10, "content": "# Release <@1>"},
            {"type": 9, "components": [{"type": 10, "content": "notes"}],
             "accessory": {"type": 11, "description": "logo"}},
            {"type": 12, "items": [{"description": "chart"}]}, {"type": 14}, {"type": 13, "name": "log.txt"},
            {"type": 1, "components": [{"type": 2, "label": "Open", "url": "https://o.test"}]},
            {"type": 3, "placeholder": "Pick", "options": [{"label": "A", "description": "first"}]},
        ]},
        {"type": 18, "label": "Name", "description": "yours", "component": {"type": 4, "value": "Eve"}},
        {"type": 4711, "content": "tomorrow"},
    ]  # fmt: skip
    assert render_message(message("", components=components), NAMES) == (
        "**Release @Ana**\nnotes\nImage: logo\nImage: chart\nFile: log.txt\n[Open](https://o.test)\nPick\n"
        "- A\n  first\nName\nyours\nEve\ntomorrow"
    )


def test_stickers_and_files_are_named_without_their_addresses() -> None:
    shown = render_message(
        message(
            "look",
            sticker_items=[{"name": "Wave"}],
            attachments=[{"filename": "a.png", "description": "a chart", "url": "https://cdn.test/a.png?hm=secret"}],
        ),
        {},
    )
    assert shown == "look\nSticker: Wave\nFile: a.png — a chart"


def test_joins_and_pins_are_noise_and_answers_are_not() -> None:
    assert [kind for kind in range(60) if is_noise({"type": kind})] == [
        1, 2, 3, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 16, 17, 22, 25, 26, 28, 29, 32, 36, 37, 38, 39, 44, 55,
    ]  # fmt: skip


@given(st.text(alphabet=st.sampled_from("ab 1\n<>@#&:|*_~`>-[]()t\ue000\ue001"), max_size=60))
def test_no_word_of_a_content_is_lost(content: str) -> None:
    kept = re.sub(r"<@[!&]?\d+>|<#\d+>|<a?:\w+:\d+>|<t:-?\d+(:[A-Za-z])?>|</[^:<>\n]+:\d+>|<id:[\w:-]+>", " ", content)
    shown = to_markdown(content, {})
    assert re.findall(r"[ab1]", shown).count("a") >= kept.count("a")
    assert [word for word in re.findall(r"[ab1]+", kept) if word not in shown] == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "type", "author", "content", "mentions", "embeds", "components", "poll", "sticker_items", "stickers", "activity",
    "attachments", "message_snapshots", "referenced_message", "interaction", "interaction_metadata", "mention_channels",
)  # fmt: skip


@given(st.dictionaries(st.sampled_from(FIELDS), JSON | st.integers(0, 60)))
def test_odd_values_never_raise(odd: dict[str, Any]) -> None:
    render_message(odd, {}).encode()
    message_speaker(odd).encode()


def test_deep_nesting_ends() -> None:
    components: list[Any] = []
    snapshots: list[Any] = []
    for _ in range(400):
        components = [{"type": 17, "components": components}]
        snapshots = [{"message": {"content": "x", "message_snapshots": snapshots}}]
    render_message(message("", components=components, message_snapshots=snapshots), {})


# ── the published schema ─────────────────────────────────────────────────────────────────────────────


class Schema:
    """Makes an instance of every schema that the OpenAPI file has, all fields filled, each text with its own word."""

    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas
        self.words: dict[str, str] = {}

    def make(self, schema: dict[str, Any], path: str, open_refs: tuple[str, ...] = ()) -> Any:
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[1]
            if name in open_refs:
                return None
            if name == "SnowflakeType":
                return "175928847299117063"
            return self.make(self.schemas[name], path, (*open_refs, name))
        if "const" in schema or "enum" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        for key in ("oneOf", "anyOf", "allOf"):
            if key in schema and "properties" not in schema:
                filled = [one for one in schema[key] if one.get("type") != "null"]
                return self.make(filled[0], path, open_refs)
        return self._typed(schema, path, open_refs)

    def _typed(self, schema: dict[str, Any], path: str, open_refs: tuple[str, ...]) -> Any:
        kinds = schema.get("type", "object")
        kind = next((k for k in ([kinds] if isinstance(kinds, str) else kinds) if k != "null"), "null")
        if kind == "object":
            return {k: self.make(v, f"{path}.{k}", open_refs) for k, v in schema.get("properties", {}).items()}
        if kind == "array":
            return [one for choice in self._choices(schema["items"]) if (one := self.make(choice, path, open_refs))]
        if kind == "string":
            if schema.get("format") == "date-time":
                return "2024-05-01T10:00:00+00:00"
            return self.words.setdefault(path, f"word{len(self.words)}")
        return {"integer": 1, "number": 1.5, "boolean": True}.get(kind)

    def _choices(self, schema: dict[str, Any]) -> list[dict[str, Any]]:
        return list(schema.get("oneOf", [schema]))


@pytest.fixture
def schema(shared_data: Path) -> Schema:
    text = (shared_data / "api/discord/openapi/openapi.json").read_text(encoding="utf-8")
    return Schema(json.loads(text)["components"]["schemas"])


MESSAGES = (
    "MessageResponse", "BasicMessageResponse", "LobbyMessageResponse", "SearchMessageResponse",
    "MinimalContentMessageResponse", "SDKMessageRequest", "MessageCreateRequest", "BaseCreateMessageCreateRequest",
)  # fmt: skip
READ = (
    "content", "embeds.title", "embeds.description", "embeds.fields.name", "embeds.fields.value", "embeds.footer.text",
    "embeds.author.name", "embeds.provider.name", "attachments.filename", "attachments.title",
    "attachments.description", "sticker_items.name", "poll.question.text", "poll.answers.poll_media.text",
    "components.components.label", "components.components.placeholder",
)  # fmt: skip


@pytest.mark.parametrize("name", MESSAGES)
def test_every_message_of_the_published_schema_is_rendered_with_its_words(schema: Schema, name: str) -> None:
    made = schema.make({"$ref": f"#/components/schemas/{name}"}, "")
    made["type"] = 0
    shown = render_message(made, {})
    asked = {path: schema.words[f".{path}"] for path in READ if f".{path}" in schema.words}
    assert asked
    assert {path for path, word in asked.items() if not re.search(rf"\b{word}\b", shown)} == set()
    for kind in range(60):
        render_message({**made, "type": kind}, {})


def test_a_reply_and_a_forward_of_the_published_schema_show_the_other_message(schema: Schema) -> None:
    made = schema.make({"$ref": "#/components/schemas/MessageResponse"}, "")
    for kind in (19, 21, 23):
        assert schema.words[".referenced_message.content"] in render_message({**made, "type": kind}, {})
    assert schema.words[".message_snapshots.message.content"] in render_message(made, {})
    assert schema.words[".interaction.name"] in render_message({**made, "type": 20}, {})


# ── conversations ────────────────────────────────────────────────────────────────────────────────────


def conversation(**changes: Any) -> Document:
    payload: dict[str, Any] = {
        "guild": {"id": "10", "name": "Acme"},
        "channel": {"id": "30", "name": "help"},
        "thread": {"id": "40", "name": "Printer on fire", "tags": ["solved"], "locked": False},
        "day": "",
        "names": NAMES,
        "messages": [
            message("Help <@1>", author=BEN),
            message("", type=7, id="175928847299117064"),
            message("> no\nyes", id="175928847299117065", edited_timestamp="2016-05-01T00:00:00+00:00"),
        ],
        **changes,
    }
    record = RawRecord(
        SourceName("chat"), ContainerId("30"), ItemId("thread:40"), "thread", "v", Acl.of("x"), payload, "help/40"
    )
    return discord_conversation(record, 1)


def test_a_conversation_has_a_section_a_message_that_opens_at_it() -> None:
    document = conversation()
    assert document.text == ("**ben** (2016-04-30 11:18): Help @Ana\n**Ana** (2016-04-30 11:18, edited):\n> no\nyes")
    assert [document.text[s.start : s.end] for s in document.sections] == [
        "**ben** (2016-04-30 11:18): Help @Ana",
        "**Ana** (2016-04-30 11:18, edited):\n> no\nyes",
    ]
    assert [document.url + s.anchor for s in document.sections] == [
        "https://discord.com/channels/10/40/175928847299117063",
        "https://discord.com/channels/10/40/175928847299117065",
    ]
    assert (document.title, document.kind, document.authors) == (
        "#help: Printer on fire [solved]", "conversation", ("ben", "Ana"),
    )  # fmt: skip


def test_a_day_is_named_by_its_channel_and_date() -> None:
    document = conversation(thread=None, day="2016-04-30")
    assert document.title == "#help, 2016-04-30"
    assert document.url == "https://discord.com/channels/10/30"


def test_a_thread_in_which_nothing_was_said_still_has_its_name() -> None:
    assert conversation(messages=[]).text == "#help: Printer on fire [solved]"


@pytest.mark.parametrize("broken", [{"messages": [{"id": "x"}]}, {"channel": None}, {"names": 3}])
def test_what_is_no_conversation_is_refused(broken: dict[str, Any]) -> None:
    with pytest.raises(UnreadableContent):
        conversation(**broken)


def test_ids_tell_their_time() -> None:
    moment = moment_of("175928847299117063")
    assert f"{moment:%Y-%m-%dT%H:%M:%S.%f}" == "2016-04-30T11:18:25.796000"
    assert moment_of(str(snowflake_at(moment))) == moment
