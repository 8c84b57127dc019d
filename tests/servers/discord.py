"""Discord's REST API v10 as its documents describe it, with servers, people, roles, channels, threads and a CDN.

Written from https://discord.com/developers/docs: reference, topics/{permissions,threads,rate-limits},
resources/{channel,guild,message,user,application}. Awkward on purpose: pages newest first, archived threads by the time
of archiving with many in one moment, empty pages instead of a refusal without Read Message History, empty texts without
the Message Content intent, `last_message_id` of deleted messages, files behind addresses that expire.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

TOKEN = "MTA1-a-bot-token.Gx-not-real"
EPOCH_MS = 1_420_070_400_000
TEXT, VOICE, ANNOUNCEMENT, STAGE, FORUM, MEDIA = 0, 2, 5, 13, 15, 16
ANNOUNCEMENT_THREAD, PUBLIC_THREAD, PRIVATE_THREAD = 10, 11, 12
ADMINISTRATOR, VIEW, SEND, HISTORY = 1 << 3, 1 << 10, 1 << 11, 1 << 16
CONNECT, MANAGE_THREADS = 1 << 20, 1 << 34
EVERYTHING = (1 << 50) - 1
ORDINARY = VIEW | SEND | HISTORY | CONNECT
MEMBERS_INTENT, CONTENT_INTENT = 1 << 15, 1 << 19
_LIFE = timedelta(hours=24)
_ARCHIVED_PAGE, _MESSAGES_PAGE, _MEMBERS_PAGE = 100, 100, 1000


@dataclass
class User:
    id: str
    username: str
    global_name: str | None
    bot: bool = False

    def json(self) -> dict[str, Any]:
        return {"id": self.id, "username": self.username, "global_name": self.global_name, "avatar": None, "flags": 0,
                "discriminator": "0", "public_flags": 0, "bot": self.bot, "primary_guild": None}  # fmt: skip


@dataclass
class Member:
    roles: set[str] = field(default_factory=set)
    timeout: datetime | None = None
    flags: int = 0
    nick: str | None = None


@dataclass
class Message:
    id: int
    author: str
    content: str
    type: int = 0
    edited: datetime | None = None
    refers: tuple[str, int] | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Channel:
    """A channel or a thread."""

    id: str
    guild: str
    name: str
    type: int = TEXT
    topic: str | None = None
    overwrites: dict[str, dict[str, Any]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    last: int | None = None
    messages: dict[int, Message] = field(default_factory=dict)
    parent: str | None = None
    members: set[str] = field(default_factory=set)
    archived: bool = False
    archived_at: datetime | None = None
    locked: bool = False
    applied: list[str] = field(default_factory=list)
    count: int = 0
    total: int = 0

    @property
    def is_thread(self) -> bool:
        return self.type in (ANNOUNCEMENT_THREAD, PUBLIC_THREAD, PRIVATE_THREAD)


@dataclass
class Guild:
    id: str
    name: str
    owner: str
    roles: dict[str, dict[str, Any]]
    members: dict[str, Member] = field(default_factory=dict)


class Refusal(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        self.answer = Answer({"message": message, "code": code}, status)


class Discord(SimulatedApi):
    """The vendor, and what people do with it: `post`, `edit`, `delete`, `start_thread`, `archive`, …"""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.users: dict[str, User] = {}
        self.guilds: dict[str, Guild] = {}
        self.channels: dict[str, Channel] = {}
        self.blobs: dict[str, bytes] = {}
        self.intents = MEMBERS_INTENT | CONTENT_INTENT
        self.bucket_size, self.bucket_s = 50, 1.0
        self.global_limit = False
        self._buckets: dict[tuple[str, str], tuple[datetime, int]] = {}
        self._last_id = 0
        self.bot = self.add_user("hub", bot=True).id

    # ── ids and people ───────────────────────────────────────────────────────────────────────────────

    def fresh_id(self) -> int:
        """Milliseconds since 2015, then a number that only grows: ids made in one moment are in order too."""
        now = (round(self.clock.now().timestamp() * 1000) - EPOCH_MS) << 22
        self._last_id = max(now, self._last_id + 1)
        return self._last_id

    def add_user(self, name: str, *, bot: bool = False) -> User:
        user = User(str(self.fresh_id()), name, None if bot else name.title(), bot)
        self.users[user.id] = user
        return user

    def add_guild(self, name: str, owner: str) -> Guild:
        id = str(self.fresh_id())
        guild = Guild(id, name, owner, {id: {"name": "@everyone", "permissions": ORDINARY}})
        self.guilds[id] = guild
        guild.members[owner] = Member()
        guild.members[self.bot] = Member({self.add_role(guild, "hub", VIEW | HISTORY | CONNECT | MANAGE_THREADS)})
        return guild

    def join(self, guild: Guild, user: str) -> None:
        guild.members.setdefault(user, Member())

    def add_role(self, guild: Guild, name: str, permissions: int) -> str:
        id = str(self.fresh_id())
        guild.roles[id] = {"name": name, "permissions": permissions}
        return id

    # ── channels and threads ─────────────────────────────────────────────────────────────────────────

    def add_channel(self, guild: Guild, name: str, type: int = TEXT, tags: Iterable[str] = ()) -> Channel:
        channel = Channel(str(self.fresh_id()), guild.id, name, type)
        channel.tags = {str(self.fresh_id()): tag for tag in tags}
        self.channels[channel.id] = channel
        return channel

    def remove_channel(self, channel: Channel) -> None:
        """A channel with its threads, or a thread."""
        for thread in self.threads(channel):
            del self.channels[thread.id]
        del self.channels[channel.id]

    def threads(self, channel: Channel) -> list[Channel]:
        return [one for one in self.channels.values() if one.parent == channel.id]

    def overwrite(self, channel: Channel, id: str, *, allow: int = 0, deny: int = 0) -> None:
        kind = 0 if id in self.guilds[channel.guild].roles else 1
        channel.overwrites[id] = {"id": id, "type": kind, "allow": str(allow), "deny": str(deny)}

    def start_thread(
        self, channel: Channel, name: str, author: str, *, of: Message | None = None, private: bool = False
    ) -> Channel:
        """From a message (then both share one id), or without one: public, or private with its author inside."""
        kind = ANNOUNCEMENT_THREAD if channel.type == ANNOUNCEMENT else PRIVATE_THREAD if private else PUBLIC_THREAD
        thread = self._new_thread(channel, name, author, str(of.id) if of else str(self.fresh_id()), kind)
        if of:
            starter = Message(self.fresh_id(), author, "", 21, refers=(channel.id, of.id))
            thread.messages[starter.id] = starter
            thread.last = starter.id
        return thread

    def post_in_forum(self, forum: Channel, name: str, author: str, content: str, tags: Iterable[str] = ()) -> Channel:
        """The first message has the thread's id; the forum's `last_message_id` is its newest thread."""
        id = self.fresh_id()
        thread = self._new_thread(forum, name, author, str(id), PUBLIC_THREAD)
        thread.messages[id] = Message(id, author, content)
        thread.last = forum.last = id
        thread.applied = [key for key, tag in forum.tags.items() if tag in tags]
        return thread

    def _new_thread(self, channel: Channel, name: str, author: str, id: str, kind: int) -> Channel:
        thread = Channel(id, channel.guild, name, kind, parent=channel.id, members={author})
        thread.archived_at = self.clock.now()
        self.channels[id] = thread
        return thread

    def archive(self, thread: Channel) -> None:
        thread.archived, thread.archived_at = True, self.clock.now()

    def unarchive(self, thread: Channel) -> None:
        thread.archived, thread.archived_at = False, self.clock.now()

    # ── messages ─────────────────────────────────────────────────────────────────────────────────────

    def post(
        self, channel: Channel, author: str, content: str, *, reply_to: Message | None = None, type: int = 0,
        files: dict[str, bytes] | None = None, **extra: Any,
    ) -> Message:  # fmt: skip
        """Writing into an archived thread unarchives it, and makes its author a member."""
        message = Message(self.fresh_id(), author, content, 19 if reply_to else type, extra=extra)
        if reply_to:
            message.refers = (channel.id, reply_to.id)
        message.files = [self._upload(channel, name, data) for name, data in (files or {}).items()]
        channel.messages[message.id] = message
        channel.last = message.id
        if channel.is_thread:
            channel.members.add(author)
            channel.count += 1
            channel.total += 1
            if channel.archived:
                self.unarchive(channel)
        return message

    def _upload(self, channel: Channel, name: str, data: bytes) -> dict[str, Any]:
        id = str(self.fresh_id())
        self.blobs[f"/attachments/{channel.id}/{id}/{name}"] = data
        return {"id": id, "filename": name, "size": len(data)}

    def edit(self, channel: Channel, message: Message, content: str) -> None:
        """Nothing in an archived thread can be edited (50083): somebody has to open it first."""
        if channel.archived:
            self.unarchive(channel)
        message.content, message.edited = content, self.clock.now()

    def delete(self, channel: Channel, message: Message) -> None:
        """Also in archived threads. `last_message_id` goes on naming it; the first message is not counted."""
        del channel.messages[message.id]
        if channel.is_thread and str(message.id) != channel.id and message.type != 21:
            channel.count -= 1

    # ── permissions, from the pseudocode of topics/permissions ───────────────────────────────────────

    def compute(self, user: str, channel: Channel) -> int:
        guild = self.guilds[channel.guild]
        member = guild.members.get(user)
        channel = self.channels[channel.parent] if channel.parent else channel
        if member is None or member.flags & 1 << 4:
            return 0
        everyone = guild.roles[guild.id]["permissions"]
        base = EVERYTHING if user == guild.owner else everyone
        for role in member.roles:
            base |= guild.roles[role]["permissions"]
        if base & ADMINISTRATOR:
            return EVERYTHING
        if guild.id in channel.overwrites:
            base = self._overwritten(base, [channel.overwrites[guild.id]])
        base = self._overwritten(base, [channel.overwrites[r] for r in member.roles if r in channel.overwrites])
        if user in channel.overwrites:
            base = self._overwritten(base, [channel.overwrites[user]])
        timed_out = member.timeout is not None and member.timeout > self.clock.now()
        return base & (VIEW | HISTORY) if timed_out else base

    @staticmethod
    def _overwritten(bits: int, overwrites: list[dict[str, Any]]) -> int:
        deny = allow = 0
        for one in overwrites:
            deny |= int(one["deny"])
            allow |= int(one["allow"])
        return bits & ~deny | allow

    def sees(self, user: str, channel: Channel) -> bool:
        bits = self.compute(user, channel)
        spoken = self.channels[channel.parent] if channel.parent else channel
        if not bits & VIEW or (spoken.type in (VOICE, STAGE) and not bits & CONNECT):
            return False
        return channel.type != PRIVATE_THREAD or user in channel.members or bool(bits & MANAGE_THREADS)

    def reads(self, user: str, channel: Channel) -> bool:
        return self.sees(user, channel) and bool(self.compute(user, channel) & HISTORY)

    # ── the API ──────────────────────────────────────────────────────────────────────────────────────

    def too_fast(self, wait_s: float) -> Answer:
        wait = wait_s or 1.337
        headers = {"Retry-After": str(int(wait) + 1)} if wait_s else {}
        if self.global_limit:
            headers |= {"X-RateLimit-Global": "true", "X-RateLimit-Scope": "global"}
        body = {"message": "You are being rate limited.", "retry_after": wait, "global": self.global_limit}
        return Answer(body, 429, headers)

    def answer(self, asked: Asked) -> Answer:
        if asked.parts[:1] == ["attachments"]:
            return self._file(asked)
        if asked.headers.get("authorization") != f"Bot {TOKEN}":
            return Answer({"message": "401: Unauthorized", "code": 0}, 401)
        if not asked.headers.get("user-agent", "").startswith("DiscordBot ("):
            return Answer({"message": "Cloudflare is blocking your request.", "code": 40333}, 403)
        limited, headers = self._bucket(asked)
        if limited:
            return limited
        try:
            found = self._route(asked)
        except Refusal as refusal:
            found = refusal.answer
        return Answer(found.data, found.status, {**found.headers, **headers})

    def _bucket(self, asked: Asked) -> tuple[Answer | None, dict[str, str]]:
        """A fixed window a route and channel or server."""
        parts = asked.parts[2:]
        major = next((part for part in parts if part.isdigit()), "")
        route = "/".join("{id}" if part.isdigit() else part for part in parts)
        now = self.clock.now()
        begun, used = self._buckets.get((route, major), (now, 0))
        if (now - begun).total_seconds() >= self.bucket_s:
            begun, used = now, 0
        left = self.bucket_s - (now - begun).total_seconds()
        headers = {
            "X-RateLimit-Limit": str(self.bucket_size),
            "X-RateLimit-Remaining": str(max(0, self.bucket_size - used - 1)),
            "X-RateLimit-Reset": f"{now.timestamp() + left:.3f}",
            "X-RateLimit-Reset-After": f"{left:.3f}",
            "X-RateLimit-Bucket": route,
        }
        if used >= self.bucket_size:
            body = {"message": "You are being rate limited.", "retry_after": left, "global": False}
            return Answer(body, 429, {**headers, "X-RateLimit-Scope": "user", "Retry-After": str(int(left) + 1)}), {}
        self._buckets[route, major] = (begun, used + 1)
        return None, headers

    def _route(self, asked: Asked) -> Answer:
        if asked.parts[:2] != ["api", "v10"] or asked.method != "GET":
            raise Refusal(404, 0, "404: Not Found")
        match asked.parts[2:]:
            case ["applications", "@me"]:
                return Answer({"id": "1", "name": "hub", "flags": self.intents, "bot": self.users[self.bot].json()})
            case ["users", "@me", "guilds"]:
                return self._guilds(asked)
            case ["guilds", id, *rest]:
                return self._guild(self._guild_of(id), rest, asked)
            case ["channels", id, *rest]:
                return self._channel(self._channel_of(id), rest, asked)
        raise Refusal(404, 0, "404: Not Found")

    def _guilds(self, asked: Asked) -> Answer:
        limit = _within(asked, 200, 200, least=1)
        after = asked.number("after", 0)
        mine = [g for g in self.guilds.values() if self.bot in g.members and int(g.id) > after]
        mine.sort(key=lambda guild: int(guild.id))
        return Answer([{"id": g.id, "name": g.name, "owner": False, "permissions": "0"} for g in mine[:limit]])

    def _guild_of(self, id: str) -> Guild:
        guild = self.guilds.get(id)
        if guild is None or self.bot not in guild.members:
            raise Refusal(404, 10004, "Unknown Guild")
        return guild

    def _guild(self, guild: Guild, rest: list[str], asked: Asked) -> Answer:
        match rest:
            case []:
                roles = [
                    {"id": id, **role, "permissions": str(role["permissions"])} for id, role in guild.roles.items()
                ]
                return Answer({"id": guild.id, "name": guild.name, "owner_id": guild.owner, "roles": roles})
            case ["channels"]:
                mine = [c for c in self.channels.values() if c.guild == guild.id and not c.is_thread]
                return Answer([self._channel_json(channel) for channel in mine])
            case ["threads", "active"]:
                active = [c for c in self.channels.values() if c.guild == guild.id and c.is_thread and not c.archived]
                return self._threads([c for c in active if self.sees(self.bot, c)], by_id=True)
            case ["members", id] if id.isdigit():
                if id not in guild.members:
                    raise Refusal(404, 10007, "Unknown Member")
                return Answer(self._member_json(id, guild.members[id]))
            case ["members"]:
                self._need_intent(MEMBERS_INTENT)
                limit, after = _within(asked, 1, _MEMBERS_PAGE, least=1), asked.number("after", 0)
                ids = sorted((id for id in guild.members if int(id) > after), key=int)[:limit]
                return Answer([self._member_json(id, guild.members[id]) for id in ids])
        raise Refusal(404, 0, "404: Not Found")

    def _need_intent(self, intent: int) -> None:
        if not self.intents & intent:
            raise Refusal(403, 50001, "Missing Access")

    def _channel_of(self, id: str) -> Channel:
        channel = self.channels.get(id)
        if channel is None or self.bot not in self.guilds[channel.guild].members:
            raise Refusal(404, 10003, "Unknown Channel")
        if not self.sees(self.bot, channel):
            raise Refusal(403, 50001, "Missing Access")
        return channel

    def _channel(self, channel: Channel, rest: list[str], asked: Asked) -> Answer:
        match rest:
            case []:
                return Answer(self._channel_json(channel))
            case ["messages"]:
                return self._messages(channel, asked)
            case ["messages", id]:
                if int(id) not in channel.messages or not self.reads(self.bot, channel):
                    raise Refusal(404, 10008, "Unknown Message")
                return Answer(self._message_json(channel, channel.messages[int(id)]))
            case ["threads", "archived", "public"]:
                kind = ANNOUNCEMENT_THREAD if channel.type == ANNOUNCEMENT else PUBLIC_THREAD
                return self._archived(channel, [c for c in self.threads(channel) if c.type == kind], asked)
            case ["threads", "archived", "private"]:
                if not self.compute(self.bot, channel) & MANAGE_THREADS:
                    raise Refusal(403, 50013, "Missing Permissions")
                return self._archived(channel, [c for c in self.threads(channel) if c.type == PRIVATE_THREAD], asked)
            case ["users", "@me", "threads", "archived", "private"]:
                return self._joined(channel, asked)
            case ["thread-members"] if channel.is_thread:
                return self._thread_members(channel, asked)
        raise Refusal(404, 0, "404: Not Found")

    def _messages(self, channel: Channel, asked: Asked) -> Answer:
        if channel.type in (FORUM, MEDIA):
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if len({"before", "after", "around"} & asked.query.keys()) > 1:
            raise Refusal(400, 50035, "Invalid Form Body")
        limit = _within(asked, 50, _MESSAGES_PAGE, least=1)
        if not self.compute(self.bot, channel) & HISTORY:
            return Answer([])
        ids = list(channel.messages)
        if "after" in asked.query:
            at = bisect.bisect_right(ids, asked.number("after", 0))
            ids = ids[at : at + limit]
        elif "before" in asked.query:
            ids = ids[: bisect.bisect_left(ids, asked.number("before", 0))][-limit:]
        else:
            ids = ids[-limit:]
        return Answer([self._message_json(channel, channel.messages[id]) for id in reversed(ids)])

    def _archived(self, channel: Channel, threads: list[Channel], asked: Asked) -> Answer:
        """Newest archived first; `before` is exclusive, and several may be archived in one moment."""
        if channel.type not in (TEXT, ANNOUNCEMENT, FORUM, MEDIA):
            raise Refusal(400, 50024, "Cannot execute action on this channel type")
        if not self.compute(self.bot, channel) & HISTORY:
            raise Refusal(403, 50013, "Missing Permissions")
        limit = _within(asked, _ARCHIVED_PAGE, _ARCHIVED_PAGE, least=2)
        before = datetime.fromisoformat(asked.one("before")) if asked.one("before") else None
        found = [t for t in threads if t.archived and (before is None or (t.archived_at or before) < before)]
        found.sort(key=lambda thread: thread.archived_at or self.clock.now(), reverse=True)
        return self._threads(found[:limit], has_more=len(found) > limit)

    def _joined(self, channel: Channel, asked: Asked) -> Answer:
        limit = _within(asked, _ARCHIVED_PAGE, _ARCHIVED_PAGE, least=2)
        before = asked.number("before", 1 << 63)
        mine = [t for t in self.threads(channel) if t.type == PRIVATE_THREAD and t.archived and self.bot in t.members]
        found = sorted((t for t in mine if int(t.id) < before), key=lambda thread: -int(thread.id))
        return self._threads(found[:limit], has_more=len(found) > limit)

    def _threads(self, threads: list[Channel], *, by_id: bool = False, has_more: bool | None = None) -> Answer:
        if by_id:
            threads = sorted(threads, key=lambda thread: -int(thread.id))
        mine = [self._thread_member(t, self.bot) for t in threads if self.bot in t.members]
        answer: dict[str, Any] = {"threads": [self._channel_json(t) for t in threads], "members": mine}
        return Answer(answer if has_more is None else {**answer, "has_more": has_more})

    def _thread_members(self, thread: Channel, asked: Asked) -> Answer:
        self._need_intent(MEMBERS_INTENT)
        ids = sorted(thread.members, key=int)
        if asked.one("with_member") in ("true", "True", "1"):
            limit, after = _within(asked, 100, 100, least=1), asked.number("after", 0)
            ids = [id for id in ids if int(id) > after][:limit]
        return Answer([self._thread_member(thread, id) for id in ids])

    # ── JSON ─────────────────────────────────────────────────────────────────────────────────────────

    @staticmethod
    def _thread_member(thread: Channel, user: str) -> dict[str, Any]:
        return {"id": thread.id, "user_id": user, "join_timestamp": "2026-01-01T00:00:00+00:00", "flags": 0}

    def _member_json(self, id: str, member: Member) -> dict[str, Any]:
        until = member.timeout.isoformat() if member.timeout else None
        return {"user": self.users[id].json(), "nick": member.nick, "roles": sorted(member.roles),
                "flags": member.flags, "communication_disabled_until": until, "deaf": False,
                "joined_at": "2026-01-01T00:00:00+00:00", "mute": False, "pending": False}  # fmt: skip

    def _channel_json(self, channel: Channel) -> dict[str, Any]:
        last = str(channel.last) if channel.last else None
        found = {"id": channel.id, "guild_id": channel.guild, "name": channel.name, "type": channel.type,
                 "last_message_id": last, "parent_id": channel.parent, "flags": 0}  # fmt: skip
        if not channel.is_thread:
            tags = [{"id": id, "name": name, "moderated": False} for id, name in channel.tags.items()]
            return {**found, "topic": channel.topic, "available_tags": tags,
                    "permission_overwrites": list(channel.overwrites.values())}  # fmt: skip
        assert channel.archived_at
        metadata = {"archived": channel.archived, "archive_timestamp": channel.archived_at.isoformat(),
                    "auto_archive_duration": 1440, "locked": channel.locked}  # fmt: skip
        return {**found, "owner_id": min(channel.members, default=""), "thread_metadata": metadata,
                "message_count": channel.count, "total_message_sent": channel.total,
                "member_count": min(50, len(channel.members)), "applied_tags": channel.applied}  # fmt: skip

    def _message_json(self, channel: Channel, message: Message, *, nested: bool = False) -> dict[str, Any]:
        author = self.users[message.author]
        mentioned = [user.json() for user in self.users.values() if f"<@{user.id}>" in message.content]
        thread = self.channels.get(str(message.id))
        found = {
            "id": str(message.id), "channel_id": channel.id, "type": message.type, "author": author.json(),
            "content": message.content, "mentions": mentioned, "mention_roles": [], "mention_everyone": False,
            "attachments": [self._attachment_json(channel, file) for file in message.files], "embeds": [],
            "components": [], "timestamp": _time_of(message.id).isoformat(), "tts": False, "pinned": False, "flags": 0,
            "edited_timestamp": message.edited.isoformat() if message.edited else None, **message.extra,
        }  # fmt: skip
        if thread is not None and thread.parent == channel.id and not nested:
            found |= {"flags": 1 << 5, "thread": self._channel_json(thread)}
        if not self.intents & CONTENT_INTENT and message.author != self.bot and f"<@{self.bot}>" not in message.content:
            found |= {"content": "", "attachments": [], "embeds": [], "components": []}
            found.pop("poll", None)
        if message.refers and not nested:
            found |= self._referenced(message)
        return found

    def _referenced(self, message: Message) -> dict[str, Any]:
        assert message.refers
        place, id = message.refers
        channel = self.channels.get(place)
        original = channel.messages.get(id) if channel else None
        refers = {"type": 0, "channel_id": place, "message_id": str(id)}
        shown = self._message_json(channel, original, nested=True) if channel and original else None
        return {"message_reference": refers, "referenced_message": shown}

    # ── the CDN: another host, whose addresses are signed and expire ─────────────────────────────────

    def _attachment_json(self, channel: Channel, file: dict[str, Any]) -> dict[str, Any]:
        until = int((self.clock.now() + _LIFE).timestamp())
        path = f"/attachments/{channel.id}/{file['id']}/{file['filename']}"
        signature = f"ex={until:x}&is={int(self.clock.now().timestamp()):x}&hm={SIGNATURE}{until:x}&"
        host = f"http://localhost:{urlsplit(self.url).port}"
        return {**file, "url": f"{host}{path}?{signature}", "proxy_url": f"{host}/proxied{path}?{signature}"}

    def _file(self, asked: Asked) -> Answer:
        assert "authorization" not in asked.headers, "the bot's token was sent to the CDN"
        until = int(asked.one("ex", "0"), 16)
        fresh = self.clock.now().timestamp() <= until and asked.one("hm") == f"{SIGNATURE}{until:x}"
        data = self.blobs.get(asked.path)
        if data is None or not fresh:
            return Answer(status=404, body=b"This content is no longer available.", content_type="text/plain")
        return Answer(body=data, content_type="application/octet-stream")


SIGNATURE = "5igna7ure0f"


def _time_of(id: int) -> datetime:
    return datetime.fromtimestamp(((id >> 22) + EPOCH_MS) / 1000, UTC)


def _within(asked: Asked, default: int, most: int, *, least: int) -> int:
    limit = asked.number("limit", default)
    if not least <= limit <= most:
        raise Refusal(400, 50035, "Invalid Form Body: limit")
    return limit
