"""A Slack workspace behind its Web API, as https://docs.slack.dev/reference/methods describes it.

Awkward on purpose: history is newest first and cut into pages, `oldest` and `latest` are exclusive, refusals have
status 200, a page may hold fewer messages than asked for (or none) although there are more, page tokens expire, the
parent stands on every page of a thread, a deleted parent leaves a tombstone, a reply sent to the channel is listed
twice, a free plan hides what is old, and a file without the right to it is a sign-in page with status 200.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import quote

from tests.servers.kit import Answer, Asked, Limit, SimulatedApi, VirtualClock

TOKEN = "xoxb-0000000000-simulated"
TEAM = "T0TEAM"
BOT_USER, BOT_ID = "U0HUB", "B0HUB"
PUBLIC_SECRET = "8004f6dd21"
ALL_SCOPES = frozenset(
    f"{kind}:{what}" for kind in ("channels", "groups", "im", "mpim") for what in ("read", "history")
) | {"channels:join", "users:read", "users:read.email", "usergroups:read", "files:read"}

_TS = re.compile(r"\d{1,12}(\.\d{1,6})?")
_PREFIX = {"public": "channels", "private": "groups", "im": "im", "mpim": "mpim"}
_TYPES = {"public_channel": "public", "private_channel": "private", "im": "im", "mpim": "mpim"}
_MAX_HISTORY, _MAX_LIST = 999, 1000

Json = dict[str, Any]


@dataclass
class User:
    """`guest`: a restricted account. `team` other than ours: somebody of another company in a shared channel."""

    id: str
    name: str
    guest: bool = False
    deleted: bool = False
    bot: bool = False
    team: str = TEAM

    @property
    def stranger(self) -> bool:
        return self.team != TEAM

    def shown(self) -> Json:
        found: Json = {
            "id": self.id, "team_id": self.team, "name": self.name.lower(), "deleted": self.deleted,
            "real_name": self.name, "is_bot": self.bot, "is_email_confirmed": not self.bot,
            "profile": {"real_name": self.name, "display_name": self.name, "team": self.team},
        }  # fmt: skip
        if not self.bot:
            found["profile"]["email"] = f"{self.name.lower()}@example.com"
        if not self.deleted:
            found |= {"is_restricted": self.guest, "is_ultra_restricted": False}
        if self.stranger:
            found["is_stranger"] = True
        return found


@dataclass
class File:
    id: str
    name: str
    data: bytes
    mimetype: str
    filetype: str
    mode: str = "hosted"
    title: str = ""
    updated: int = 0
    asks: bool = False


@dataclass
class Channel:
    """`messages` by ts, replies among them."""

    id: str
    name: str
    kind: str
    members: set[str] = field(default_factory=set)
    archived: bool = False
    updated: int = 1
    external: bool = False
    canvas: str = ""
    messages: dict[str, Json] = field(default_factory=dict)

    def replies(self, ts: str) -> list[Json]:
        return [m for m in self.in_order() if m.get("thread_ts") == ts and m["ts"] != ts]

    def in_order(self) -> list[Json]:
        return sorted(self.messages.values(), key=lambda message: _order(message["ts"]))


class Refused(Exception):
    def __init__(self, error: str, **more: Any) -> None:
        self.answer = {"ok": False, "error": error, **more}


class SlackServer(SimulatedApi):
    """`horizon`: a free plan, on which everything older is hidden. `short`: how often a page is cut short.

    `page_cap` is the most that history gives at once (15 for apps that are sold outside the Marketplace); `expiring`
    makes every page token fail once; `passing` is how often a call fails with `internal_error` and status 200;
    `lagging` replies are counted and not listed yet.
    """

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.token = TOKEN
        self.scopes = set(ALL_SCOPES)
        self.users: dict[str, User] = {BOT_USER: User(BOT_USER, "Hub", bot=True)}
        self.channels: dict[str, Channel] = {}
        self.groups: dict[str, Json] = {}
        self.files: dict[str, File] = {}
        self.horizon: timedelta | None = None
        self.rng = random.Random(0)
        self.short = 0.0
        self.passing = 0.0
        self.expiring = False
        self.page_cap = _MAX_HISTORY
        self.tiers: dict[str, Limit] = {}
        self.lost_threads: set[str] = set()
        self.lagging: set[str] = set()
        self._expired: set[str] = set()
        self._made = 0

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def new_ts(self, at_s: float | None = None) -> str:
        self._made += 1
        return f"{int(at_s if at_s is not None else self.clock.now().timestamp())}.{self._made % 1_000_000:06d}"

    def post(self, channel: str, user: str, text: str, *, at_s: float | None = None, **more: Any) -> str:
        ts = self.new_ts(at_s)
        self.channels[channel].messages[ts] = {"type": "message", "user": user, "text": text, "ts": ts, **more}
        return ts

    def system(self, channel: str, user: str, subtype: str) -> str:
        return self.post(channel, user, f"<@{user}> {subtype}", subtype=subtype)

    def reply(self, channel: str, thread_ts: str, user: str, text: str, *, broadcast: bool = False, **more: Any) -> str:
        parent = self.channels[channel].messages[thread_ts]
        parent["thread_ts"] = thread_ts
        if broadcast:
            more["subtype"] = "thread_broadcast"
        at_s = more.pop("at_s", None)
        return self.post(
            channel, user, text, at_s=at_s, thread_ts=thread_ts, parent_user_id=parent.get("user", ""), **more
        )

    def edit(self, channel: str, ts: str, text: str) -> None:
        message = self.channels[channel].messages[ts]
        message["text"] = text
        message["edited"] = {"user": message.get("user"), "ts": f"{int(self.clock.now().timestamp())}.000000"}

    def delete(self, channel: str, ts: str) -> None:
        """A parent with replies leaves a tombstone, which goes with the last of them."""
        there = self.channels[channel]
        message = there.messages.pop(ts)
        root = message.get("thread_ts")
        if root == ts and there.replies(ts):
            there.messages[ts] = {
                "type": "message", "subtype": "tombstone", "text": "This message was deleted.", "user": "USLACKBOT",
                "hidden": True, "ts": ts, "thread_ts": ts,
            }  # fmt: skip
        elif root and root != ts and root in there.messages and not there.replies(root):
            parent = there.messages[root]
            if parent.get("subtype") == "tombstone":
                del there.messages[root]
            elif int(root[-1]) % 2:
                del parent["thread_ts"]

    def share(self, name: str, data: bytes, mimetype: str = "text/plain", filetype: str = "txt", **more: Any) -> Json:
        """A file to be put into a message's `files`."""
        self._made += 1
        file = File(f"F{self._made:04d}", name, data, mimetype, filetype, **more)
        self.files[file.id] = file
        return {"id": file.id}

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────

    def too_fast(self, wait_s: float) -> Answer:
        headers = {"Retry-After": str(int(wait_s) + 1)} if wait_s else {}
        return Answer({"ok": False, "error": "ratelimited"}, 429, headers)

    def answer(self, asked: Asked) -> Answer:
        if asked.parts[:1] == ["files-pri"]:
            return self._download(asked)
        if asked.parts == ["signin"]:
            return Answer(body=b"<!DOCTYPE html><html><title>Slack</title>Sign in</html>", content_type="text/html")
        if asked.parts[:1] != ["api"] or len(asked.parts) != 2:
            return Answer(status=404, body=b"<html>not found</html>", content_type="text/html")
        method = asked.parts[1]
        tier = self.tiers.get(method)
        if tier and (wait_s := tier.wait_s()):
            return self.too_fast(wait_s)
        if self.rng.random() < self.passing:
            return Answer({"ok": False, "error": "internal_error"})
        headers = {"X-OAuth-Scopes": ",".join(sorted(self.scopes))}
        try:
            return Answer({"ok": True, **self._call(method, asked)}, headers=headers)
        except Refused as refused:
            return Answer(refused.answer, headers=headers)

    def _call(self, method: str, asked: Asked) -> Json:
        call = METHODS_SERVED.get(method)
        if call is None:
            raise Refused("unknown_method", req_method=method)
        self._authenticate(asked)
        return call(self, _arguments(asked))

    def _authenticate(self, asked: Asked) -> None:
        given = asked.headers.get("authorization", "")
        if not given:
            raise Refused("not_authed")
        if given != f"Bearer {self.token}":
            raise Refused("invalid_auth")

    def _need(self, *scopes: str) -> None:
        lacking = [scope for scope in scopes if scope not in self.scopes]
        if lacking:
            raise Refused("missing_scope", needed=",".join(lacking), provided=",".join(sorted(self.scopes)))

    def auth_test(self, _: Json) -> Json:
        return {
            "url": "https://acme.slack.com/", "team": "Acme", "user": "hub", "team_id": TEAM, "user_id": BOT_USER,
            "bot_id": BOT_ID, "is_enterprise_install": False,
        }  # fmt: skip

    def conversations_list(self, asked: Json) -> Json:
        kinds = []
        for one in str(asked.get("types", "public_channel")).split(","):
            if one not in _TYPES:
                raise Refused("invalid_types")
            kinds.append(_TYPES[one])
        self._need(*(f"{_PREFIX[kind]}:read" for kind in kinds))
        archived = str(asked.get("exclude_archived", "false")).lower() not in ("true", "1")
        shown = [
            self._shown(channel)
            for _, channel in sorted(self.channels.items())
            if channel.kind in kinds and self._sees(channel) and (archived or not channel.archived)
        ]
        return self._paged(shown, "channels", asked)

    def users_conversations(self, asked: Json) -> Json:
        self._need("channels:read")
        user = asked.get("user", BOT_USER)
        kinds = [_TYPES[one] for one in str(asked.get("types", "public_channel")).split(",") if one in _TYPES]
        there = [c for _, c in sorted(self.channels.items()) if c.kind in kinds and user in c.members and self._sees(c)]
        return self._paged([self._shown(channel) for channel in there], "channels", asked)

    def conversations_members(self, asked: Json) -> Json:
        channel = self._channel(asked, "read")
        return self._paged(sorted(channel.members), "members", asked)

    def conversations_join(self, asked: Json) -> Json:
        self._need("channels:join")
        channel = self._channel(asked, "read")
        if channel.kind != "public":
            raise Refused("method_not_supported_for_channel_type")
        if channel.archived:
            raise Refused("is_archived")
        channel.members.add(BOT_USER)
        self.system(channel.id, BOT_USER, "channel_join")
        return {"channel": self._shown(channel)}

    def conversations_history(self, asked: Json) -> Json:
        channel = self._channel(asked, "history", inside=True)
        limit = self._limit(asked, 100, self.page_cap)
        oldest, latest, inclusive = self._range(asked)
        listed = [m for m in channel.in_order() if not _is_reply(m) or m.get("subtype") == "thread_broadcast"]
        found = [m for m in reversed(listed) if _within(m["ts"], oldest, latest, inclusive=inclusive)]
        if asked.get("cursor"):
            below = self._token(str(asked["cursor"]), "next_ts:")
            found = [m for m in found if _order(m["ts"]) <= _order(below)]
        visible = [m for m in found if not self._hidden(m["ts"])]
        count = self.rng.randrange(limit + 1) if self.rng.random() < self.short else limit
        page = visible[:count]
        more = len(visible) > count
        answer: Json = {"messages": [self._message(channel, m) for m in page], "has_more": more, "pin_count": 0}
        if more:
            answer["response_metadata"] = {"next_cursor": _encoded(f"next_ts:{visible[count]['ts']}")}
        elif any(self._hidden(m["ts"]) for m in listed):
            answer["is_limited"] = True
        return answer

    def conversations_replies(self, asked: Json) -> Json:
        channel = self._channel(asked, "history", inside=True)
        ts = str(asked.get("ts", ""))
        limit = self._limit(asked, 1000, _MAX_LIST)
        oldest, latest, inclusive = self._range(asked)
        if ts not in channel.messages or self._hidden(ts) or ts in self.lost_threads:
            raise Refused("thread_not_found")
        root = channel.messages[ts].get("thread_ts", ts)
        replies = [m for m in channel.replies(root) if _within(m["ts"], oldest, latest, inclusive=inclusive)]
        replies = [m for m in replies if m["ts"] not in self.lagging]
        if asked.get("cursor"):
            above = self._token(str(asked["cursor"]), "next_ts:")
            replies = [m for m in replies if _order(m["ts"]) >= _order(above)]
        page = replies[: max(1, limit - 1)]
        more = len(replies) > len(page)
        shown = [self._message(channel, m, within=True) for m in [channel.messages[root], *page]]
        answer: Json = {"messages": shown, "has_more": more}
        if more:
            answer["response_metadata"] = {"next_cursor": _encoded(f"next_ts:{replies[len(page)]['ts']}")}
        return answer

    def users_list(self, asked: Json) -> Json:
        self._need("users:read")
        return self._paged([self._person(user) for _, user in sorted(self.users.items())], "members", asked)

    def users_info(self, asked: Json) -> Json:
        self._need("users:read")
        if asked.get("user") not in self.users:
            raise Refused("user_not_found")
        return {"user": self._person(self.users[asked["user"]])}

    def usergroups_list(self, asked: Json) -> Json:
        self._need("usergroups:read")
        keys = {"users"} if str(asked.get("include_users", "")).lower() not in ("true", "1") else set()
        return {"usergroups": [{k: v for k, v in g.items() if k not in keys} for _, g in sorted(self.groups.items())]}

    def files_info(self, asked: Json) -> Json:
        self._need("files:read")
        if asked.get("file") not in self.files:
            raise Refused("file_not_found")
        return {"file": self._file(self.files[asked["file"]], whole=True)}

    # ── how things are shown ─────────────────────────────────────────────────────────────────────────

    def _shown(self, channel: Channel) -> Json:
        found: Json = {
            "id": channel.id,
            "created": 1,
            "is_archived": channel.archived,
            "updated": channel.updated,
            "is_im": channel.kind == "im",
        }
        if channel.kind == "im":
            return found | {"user": min(channel.members - {BOT_USER})}
        return found | {
            "name": channel.name, "name_normalized": channel.name, "is_channel": channel.kind == "public",
            "is_group": channel.kind == "private", "is_mpim": channel.kind == "mpim",
            "is_private": channel.kind != "public", "is_member": BOT_USER in channel.members,
            "is_shared": channel.external, "is_ext_shared": channel.external, "num_members": len(channel.members),
            "topic": {"value": ""}, "purpose": {"value": ""}, "previous_names": [],
            "properties": {"canvas": {"file_id": channel.canvas, "is_empty": False}} if channel.canvas else {},
        }  # fmt: skip

    def _message(self, channel: Channel, message: Json, *, within: bool = False) -> Json:
        shown = dict(message)
        ts = message["ts"]
        replies = [] if _is_reply(message) else channel.replies(ts)
        if replies:
            shown |= {
                "thread_ts": ts, "reply_count": len(replies), "latest_reply": replies[-1]["ts"], "subscribed": False,
                "reply_users": sorted({m.get("user", "") for m in replies}), "is_locked": False,
            }  # fmt: skip
        if "files" in message:
            shown["files"] = [self._file(self.files[file["id"]]) for file in message["files"]]
        if _is_reply(message) and not within:
            shown["root"] = {k: v for k, v in channel.messages[message["thread_ts"]].items() if k != "files"}
        return shown

    def _file(self, file: File, *, whole: bool = False) -> Json:
        if file.mode == "tombstone":
            return {"id": file.id, "mode": "tombstone"}
        if file.mode == "hidden_by_limit":
            return {"id": file.id, "mode": "hidden_by_limit", "name": file.name}
        if file.asks and not whole:
            return {"id": file.id, "mode": "file_access", "file_access": "check_file_info", "created": 1}
        address = f"{self.url}/files-pri/{TEAM}-{file.id}"
        shown: Json = {
            "id": file.id, "created": 1_700_000_000, "timestamp": 1_700_000_000, "name": file.name,
            "title": file.title or file.name, "mimetype": file.mimetype, "filetype": file.filetype, "user": "U1",
            "mode": file.mode, "size": len(file.data), "is_external": file.mode == "external",
            "url_private": f"{address}/{quote(file.name)}",
            "url_private_download": f"{address}/download/{quote(file.name)}",
            "permalink": f"https://acme.slack.com/files/U1/{file.id}/{quote(file.name)}",
            "permalink_public": f"https://slack-files.com/{TEAM}-{file.id}-{PUBLIC_SECRET}",
            "updated": file.updated,
        }  # fmt: skip
        if file.mode == "external":
            shown["url_private"] = shown["external_url"] = f"https://drive.example.com/{file.id}"
            del shown["url_private_download"]
        return shown

    def _person(self, user: User) -> Json:
        shown = user.shown()
        if "users:read.email" not in self.scopes:
            shown["profile"].pop("email", None)
        return shown

    def _download(self, asked: Asked) -> Answer:
        file = self.files.get(asked.parts[1].removeprefix(f"{TEAM}-")) if len(asked.parts) > 1 else None
        allowed = asked.headers.get("authorization") == f"Bearer {self.token}" and "files:read" in self.scopes
        if not allowed:
            return Answer(status=302, headers={"Location": f"{self.url}/signin"}, body=b"")
        if file is None:
            return Answer(status=404, body=b"<html>not found</html>", content_type="text/html")
        return Answer(
            body=file.data, content_type=file.mimetype if "/" in file.mimetype else "application/octet-stream"
        )

    # ── arguments ────────────────────────────────────────────────────────────────────────────────────

    def _channel(self, asked: Json, what: str, *, inside: bool = False) -> Channel:
        channel = self.channels.get(str(asked.get("channel", "")))
        if channel is None or not self._sees(channel):
            raise Refused("channel_not_found")
        self._need(f"{_PREFIX[channel.kind]}:{what}")
        if inside and BOT_USER not in channel.members:
            raise Refused("not_in_channel")
        return channel

    def _sees(self, channel: Channel) -> bool:
        return channel.kind == "public" or BOT_USER in channel.members

    def _hidden(self, ts: str) -> bool:
        return self.horizon is not None and _order(ts)[0] < (self.clock.now() - self.horizon).timestamp()

    def _limit(self, asked: Json, default: int, most: int) -> int:
        given = str(asked.get("limit", default))
        if not given.isdigit() or not 1 <= int(given) <= _MAX_LIST:
            raise Refused("invalid_limit")
        return min(int(given), most)

    def _range(self, asked: Json) -> tuple[str, str, bool]:
        for name in ("oldest", "latest"):
            if name in asked and not _TS.fullmatch(str(asked[name])):
                raise Refused(f"invalid_ts_{name}")
        inclusive = str(asked.get("inclusive", "")).lower() in ("true", "1")
        return str(asked.get("oldest", "")), str(asked.get("latest", "")), inclusive

    def _paged(self, everything: list[Any], key: str, asked: Json) -> Json:
        """By the id that comes next, so that what is new or gone shifts nothing."""
        limit = self._limit(asked, 100, _MAX_LIST)
        if asked.get("cursor"):
            begin = self._token(str(asked["cursor"]), "from:")
            everything = [one for one in everything if _id(one) >= begin]
        page, rest = everything[:limit], everything[limit:]
        cursor = _encoded(f"from:{_id(rest[0])}") if rest else ""
        return {key: page, "response_metadata": {"next_cursor": cursor}}

    def _token(self, token: str, prefix: str) -> str:
        try:
            text = base64.b64decode(token, validate=True).decode()
        except ValueError:
            raise Refused("invalid_cursor") from None
        if not text.startswith(prefix) or (self.expiring and token not in self._expired):
            self._expired.add(token)
            raise Refused("invalid_cursor")
        return text.removeprefix(prefix)


METHODS_SERVED: dict[str, Callable[[SlackServer, Json], Json]] = {
    "auth.test": SlackServer.auth_test,
    "conversations.list": SlackServer.conversations_list,
    "conversations.members": SlackServer.conversations_members,
    "conversations.join": SlackServer.conversations_join,
    "conversations.history": SlackServer.conversations_history,
    "conversations.replies": SlackServer.conversations_replies,
    "users.list": SlackServer.users_list,
    "users.info": SlackServer.users_info,
    "users.conversations": SlackServer.users_conversations,
    "usergroups.list": SlackServer.usergroups_list,
    "files.info": SlackServer.files_info,
}


def _arguments(asked: Asked) -> Json:
    """Query, then form or JSON body, as Slack takes them."""
    given: Json = {name: values[-1] for name, values in asked.query.items()}
    if asked.headers.get("content-type", "").startswith("application/json"):
        given |= asked.json or {}
    elif asked.body:
        given |= asked.form
    return given


def _is_reply(message: Json) -> bool:
    return bool(message.get("thread_ts", message["ts"]) != message["ts"])


def _within(ts: str, oldest: str, latest: str, *, inclusive: bool) -> bool:
    at = _order(ts)
    if oldest and (at < _order(oldest) or (at == _order(oldest) and not inclusive)):
        return False
    return bool(not latest or at < _order(latest) or (inclusive and at == _order(latest)))


def _order(ts: str) -> tuple[int, str]:
    whole, _, fraction = ts.partition(".")
    return int(whole), fraction.ljust(6, "0")


def _id(one: Any) -> str:
    return str(one["id"] if isinstance(one, dict) else one)


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
