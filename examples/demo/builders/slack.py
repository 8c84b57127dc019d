"""Slack's export, as https://slack.com/help/articles/220556107 and api.slack.com describe its parts.

users.json  channels.json  groups.json  integration_logs.json
{channel}/{YYYY-MM-DD}.json      a day's messages, replies on the day that they were written
"""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from builders.archive import zipped
from builders.transcript import Channel, Message, channel

Json = dict[str, Any]

_TEAM = "T0BRINEWCK"
_CODE = re.compile(r"(```.*?```|`[^`]*`)", re.DOTALL)
_COLOURS = {"danger": "d0393b", "warning": "e8a33d"}


def export(folder: Path) -> bytes:
    """The ZIP for the transcripts (`*.md`) and `users.csv` in `folder`."""
    with (folder / "users.csv").open(encoding="utf-8", newline="") as lines:
        users = {row["name"]: row for row in csv.DictReader(lines)}
    channels = [channel(path.read_text("utf-8")) for path in sorted(folder.glob("*.md"))]
    entries: dict[str, object] = {
        "users.json": [_user(row) for row in users.values()],
        "channels.json": [_channel(c, users) for c in channels if "private" not in c.facts],
        "groups.json": [_channel(c, users) for c in channels if "private" in c.facts],
        "integration_logs.json": [],
    }
    ids = {c.name: c.id for c in channels}
    for one in channels:
        for day, messages in _days(_Writer(one, users, ids).messages()).items():
            entries[f"{one.name}/{day}.json"] = messages
    return zipped({name: json.dumps(value, ensure_ascii=False, indent=1) for name, value in entries.items()})


def _user(row: Mapping[str, str]) -> Json:
    bot = row["title"] == "bot"
    profile = {"real_name": row["real_name"], "display_name": "" if bot else row["name"], "title": row["title"]}
    if not bot:
        profile["email"] = row["email"]
    return {
        "id": row["id"],
        "team_id": _TEAM,
        "name": row["name"],
        "deleted": False,
        "real_name": row["real_name"],
        "tz": row["tz"],
        "tz_offset": int(row["tz_offset"]),
        "profile": profile,
        "is_bot": bot,
        "updated": 1772000000,
    }


def _channel(one: Channel, users: Mapping[str, Mapping[str, str]]) -> Json:
    created = int(datetime.fromisoformat(f"{one.facts['created']}T09:00:00+00:00").timestamp())
    members = one.facts["private"].split() if "private" in one.facts else list(users)
    owner = users[one.facts["creator"]]["id"]
    return {
        "id": one.id,
        "name": one.name,
        "created": created,
        "creator": owner,
        "is_archived": False,
        "is_general": one.name == "general",
        "members": [users[name]["id"] for name in members],
        "topic": {"value": one.facts.get("topic", ""), "creator": owner, "last_set": created},
        "purpose": {"value": one.facts["purpose"], "creator": owner, "last_set": created},
    }


def _days(messages: Iterable[Json]) -> dict[str, list[Json]]:
    days: defaultdict[str, list[Json]] = defaultdict(list)
    for message in sorted(messages, key=lambda m: str(m["ts"])):
        days[_day(message["ts"])].append(message)
    return dict(sorted(days.items()))


def _day(ts: str) -> str:
    return f"{datetime.fromisoformat('1970-01-01') + timedelta(seconds=int(ts.split('.')[0])):%Y-%m-%d}"


class _Writer:
    """Turns one channel's transcript into message objects; `ts` is unique in the channel by its microseconds."""

    def __init__(self, one: Channel, users: Mapping[str, Mapping[str, str]], channels: Mapping[str, str]) -> None:
        self.channel = one
        self.users = users
        self.channels = channels

    def messages(self) -> Iterator[Json]:
        threads: list[list[tuple[Message, Json]]] = []
        for number, message in enumerate(self.channel.messages):
            pair = (message, self._message(message, number))
            if message.reply:
                threads[-1].append(pair)
            else:
                threads.append([pair])
        for thread in threads:
            yield from _threaded(thread)

    def _message(self, message: Message, number: int) -> Json:
        ts = f"{int(message.time.timestamp())}.{100_000 + number * 1009:06}"
        if message.tag("alert") is not None or message.tag("deploy") is not None:
            return {"type": "message", "subtype": "bot_message", "ts": ts, **self._bot(message)}
        user = self.users[message.user]["id"]
        found: Json = {"type": "message", "user": user, "ts": ts, "text": self._markup(message.text), "team": _TEAM}
        if message.tag("joined") is not None:
            return {**found, "subtype": "channel_join"}
        if message.text and not re.search(r"[`*@#:<\[]", message.text):
            found["blocks"] = [_rich_text(message.text)]
        return {**found, **self._extras(message, user, ts)}

    def _extras(self, message: Message, user: str, ts: str) -> Json:
        extras: Json = {}
        if edited := message.tag("edited"):
            moment = message.time.replace(hour=int(edited[0][:2]), minute=int(edited[0][3:]))
            extras["edited"] = {"user": user, "ts": f"{int(moment.timestamp())}.000000"}
        if names := [words[0] for tag, words in message.tags if tag == "file"]:
            extras["files"] = [_file(name, user, ts) for name in names]
            extras["upload"] = False
        if reactions := [words for tag, words in message.tags if tag == "react"]:
            extras["reactions"] = [
                {"name": emoji, "users": [self.users[name]["id"] for name in names], "count": len(names)}
                for emoji, *names in reactions
            ]
        return extras

    def _bot(self, message: Message) -> Json:
        title, *lines = message.text.splitlines()
        fields = dict(line.split(": ", 1) for line in lines)
        link = fields.pop("Link")
        user = self.users[message.user]
        body: Json = {"bot_id": f"B{user['id'][1:]}", "username": user["real_name"], "text": title}
        header = {"type": "header", "text": {"type": "plain_text", "text": title}}
        pairs = [{"type": "mrkdwn", "text": f"*{name}*\n{_escaped(value)}"} for name, value in fields.items()]
        context = {"type": "context", "elements": [{"type": "mrkdwn", "text": f"<{link}|Open>"}]}
        if message.tag("deploy") is not None:
            return {**body, "blocks": [header, {"type": "section", "fields": pairs}, context]}
        (grade,) = message.tag("alert") or ("warning",)
        attachment = {
            "id": 1,
            "color": _COLOURS[grade],
            "fallback": f"{title}: {fields['Station']}",
            "title": fields["Station"],
            "title_link": link,
            "fields": [{"title": name, "value": value, "short": True} for name, value in fields.items()],
        }
        return {**body, "blocks": [header], "attachments": [attachment]}

    def _markup(self, text: str) -> str:
        parts = _CODE.split(_escaped(text))
        return "".join(part if index % 2 else self._linked(part) for index, part in enumerate(parts))

    def _linked(self, text: str) -> str:
        text = re.sub(r"\[([^\]]+)\]\((https://[^)]+)\)", r"<\2|\1>", text)
        text = re.sub(r"@([a-z]+)", lambda m: f"<@{self.users[m[1]]['id']}>", text)
        return re.sub(
            r"#([a-z-]+[a-z])", lambda m: f"<#{self.channels[m[1]]}|{m[1]}>" if m[1] in self.channels else m[0], text
        )


def _threaded(thread: list[tuple[Message, Json]]) -> Iterator[Json]:
    (_, root), *replies = thread
    if replies:
        authors = list(dict.fromkeys(reply["user"] for _, reply in replies))
        root |= {
            "thread_ts": root["ts"],
            "reply_count": len(replies),
            "reply_users_count": len(authors),
            "latest_reply": replies[-1][1]["ts"],
            "reply_users": authors,
            "replies": [{"user": reply["user"], "ts": reply["ts"]} for _, reply in replies],
        }
    yield root
    for message, reply in replies:
        reply |= {"thread_ts": root["ts"], "parent_user_id": root.get("user", "USLACKBOT")}
        if message.tag("broadcast") is not None:
            reply |= {"subtype": "thread_broadcast", "root": {"ts": root["ts"], "text": root["text"]}}
        yield reply


def _rich_text(text: str) -> Json:
    section = {"type": "rich_text_section", "elements": [{"type": "text", "text": text}]}
    return {"type": "rich_text", "block_id": f"b{len(text)}", "elements": [section]}


def _file(name: str, user: str, ts: str) -> Json:
    kind = name.rsplit(".", 1)[1]
    return {
        "id": f"F0{ts.split('.')[1]}BW",
        "created": int(ts.split(".")[0]),
        "name": name,
        "title": name,
        "filetype": kind,
        "user": user,
        "mode": "hosted",
        "url_private": f"https://files.brinewick.example/{name}",
        "permalink": f"https://brinewick.example/files/{user}/{name}",
    }


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
