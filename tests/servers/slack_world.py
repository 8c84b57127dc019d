"""A small company in the simulated Slack: what its people do, and what each of them can read."""

from __future__ import annotations

import random
import re
from datetime import UTC, datetime
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from knowhub.formats.files import parse_file
from knowhub.formats.slack import system_subtype
from knowhub.sources.slack import SlackOptions, SlackParser, SlackSource
from tests.contracts.api_source import Marks, Seen, Truth
from tests.servers.kit import Asked, VirtualClock
from tests.servers.slack import BOT_USER, TOKEN, Channel, SlackServer, User

_MARK = re.compile(r"mark\d+x")
_DAY_S = 86_400
STAFF = (User("U1", "Ana"), User("U2", "Bo"), User("U3", "Cid"))
GUEST, STRANGER = User("U4", "Gus", guest=True), User("U5", "Sol", team="T0OTHER")


class SlackWorld:
    """Options, paging and schedules differ by seed."""

    def __init__(self, rng: random.Random, **options: Any) -> None:
        self.clock = VirtualClock()
        self.server = SlackServer(self.clock)
        self.server.rng = random.Random(rng.random())
        self.name = SourceName("chat")
        self.secrets = (TOKEN,)
        self.marks = Marks()
        self.options: dict[str, Any] = {
            "page_size": rng.choice([9, 999]),
            "hot_days": rng.choice([0, 2]),
            "warm_days": rng.choice([4, 90]),
            "warm_hours": rng.choice([0, 24]),
            "census_hours": rng.choice([0, 24]),
            "thread_census_hours": rng.choice([0, 24]),
            "join_public": rng.random() < 0.2,
            "bot_messages": rng.random() < 0.8,
            **options,
        }
        self.server.expiring = rng.random() < 0.3
        self._people()
        self._begin(rng)

    def _people(self) -> None:
        self.server.users |= {user.id: User(**vars(user)) for user in (*STAFF, GUEST, STRANGER)}
        self.server.groups["S1"] = {"id": "S1", "name": "On call", "handle": "on-call", "users": ["U1", "U2"]}

    def _begin(self, rng: random.Random) -> None:
        self._create("C1", "public", {"U1", "U2", "U4", BOT_USER})
        self._create("C2", "private", {"U1", "U3", "U4", BOT_USER})
        self._create("C3", "public", {"U2", "U5", BOT_USER}).external = True
        now = self.clock.now().timestamp()
        times = sorted(now - rng.randrange(3 * _DAY_S, 60 * _DAY_S) for _ in range(36))
        for at_s in times:
            channel = rng.choice(sorted(self.server.channels))
            ts = self.server.post(channel, rng.choice(["U1", "U2", "U3"]), self._text(), at_s=at_s)
            for later_s in range(rng.choice([0, 0, 1, 3])):
                self.server.reply(channel, ts, "U2", self._text(), at_s=at_s + 60 * (later_s + 1))

    def _create(self, id: str, kind: str, members: set[str]) -> Channel:
        channel = Channel(id, f"{kind}-{self.marks.fresh()}", kind, members)
        self.server.channels[id] = channel
        return channel

    def _text(self) -> str:
        return f"Hello <@U1>, {self.marks.fresh()} &amp; more"

    # ── what the contract asks for ───────────────────────────────────────────────────────────────────

    def source(self) -> SlackSource:
        options = SlackOptions(token=Secret(TOKEN), base_url=f"{self.server.url}/api", **self.options)
        return SlackSource(self.name, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return SlackParser(parse_file)(record, sequence)

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        return asked.one("channel") if asked.parts[-1] == "conversations.history" else None

    def idle_requests(self) -> int:
        pages, threads = 0, 0
        for channel in self.server.channels.values():
            tops = [m for m in channel.messages.values() if m.get("thread_ts", m["ts"]) == m["ts"]]
            census = 0 in (self.options["census_hours"], self.options["thread_census_hours"])
            pages += 1 + (len(tops) // int(self.options["page_size"]) if census else 0)
            threads += sum(1 for m in tops if channel.replies(m["ts"]))
        again = 0 in (self.options["warm_hours"], self.options["thread_census_hours"])
        return 1 + pages + (threads if again else 0)

    def truth(self) -> Truth:
        items: dict[ItemId, Seen] = {}
        unreachable = set()
        for channel in self.server.channels.values():
            if BOT_USER in channel.members:
                items |= self._readable(channel)
            elif channel.kind == "public":
                unreachable.add(ContainerId(channel.id))
        people = frozenset(
            self._principal(user) for user in self.server.users.values() if not user.bot and not user.deleted
        )
        return Truth(items, people, frozenset(unreachable))

    def _principal(self, user: User) -> Principal:
        return Principal(f"{self.name}:user:{user.id}")

    def readers(self, channel: Channel) -> frozenset[Principal]:
        found = set()
        for user in self.server.users.values():
            full = not (user.guest or user.stranger)
            if not (user.bot or user.deleted) and (user.id in channel.members or (channel.kind == "public" and full)):
                found.add(self._principal(user))
        return frozenset(found)

    def _readable(self, channel: Channel) -> dict[ItemId, Seen]:
        words: dict[str, set[str]] = {}
        for message in channel.messages.values():
            root = str(message.get("thread_ts") or message["ts"])
            threaded = bool(channel.replies(root))
            if self._left_out(message) and not (threaded and root == message["ts"] and self._spoken(channel, root)):
                continue
            day = f"{datetime.fromtimestamp(int(message['ts'].partition('.')[0]), UTC):%Y-%m-%d}"
            key = root if threaded else day
            there = words.setdefault(f"{channel.id}:{key}", set())
            there |= set(_MARK.findall(message["text"]))
            for shared in message.get("files", ()):
                file = self.server.files[shared["id"]]
                if file.mode == "hosted" and "files:read" in self.server.scopes:
                    item = f"{channel.id}:{root if threaded else message['ts']}:file:{file.id}"
                    words[item] = set(_MARK.findall(file.data.decode()))
        if channel.canvas:
            canvas = self.server.files[channel.canvas]
            if canvas.mode == "hosted":
                words[f"{channel.id}:canvas:file:{canvas.id}"] = set(_MARK.findall(canvas.data.decode()))
        also = frozenset(_MARK.findall(channel.name))
        readers = self.readers(channel)
        return {
            ItemId(item): Seen(ContainerId(channel.id), frozenset(found), readers, also)
            for item, found in words.items()
        }

    def _spoken(self, channel: Channel, root: str) -> bool:
        thread = [channel.messages[root], *channel.replies(root)]
        return not all(self._left_out(message) for message in thread)

    def _left_out(self, message: dict[str, Any]) -> bool:
        return bool(system_subtype(message)) or ("bot_id" in message and not self.options["bot_messages"])

    # ── what people do ───────────────────────────────────────────────────────────────────────────────

    def change(self, rng: random.Random) -> None:
        self.server.short, self.server.passing = rng.choice([0, 0, 0.3]), rng.choice([0, 0.05])
        channel = self.server.channels[rng.choice(sorted(self.server.channels))]
        deeds = [self._post, self._post, self._post, self._reply, self._reply, self._reply, self._edit, self._edit,
                 self._delete, self._delete, self._broadcast, self._share, self._bot, self._join, self._people_change,
                 self._settings, self._create_channel]  # fmt: skip
        rng.choice(deeds)(channel, rng)

    def _post(self, channel: Channel, rng: random.Random) -> None:
        if not channel.archived:
            self.server.post(channel.id, rng.choice(["U1", "U2", "U3", "U5"]), self._text())

    def _any(self, channel: Channel, rng: random.Random) -> str | None:
        """Some message, the newer ones more often."""
        ordered = [m["ts"] for m in channel.in_order() if m.get("subtype") not in ("tombstone", "channel_join")]
        return rng.choice(ordered[-rng.choice([2, 100]) :]) if ordered and not channel.archived else None

    def _reply(self, channel: Channel, rng: random.Random) -> None:
        if ts := self._any(channel, rng):
            root = channel.messages[ts].get("thread_ts", ts)
            self.server.reply(channel.id, root, rng.choice(["U1", "U3"]), self._text())

    def _broadcast(self, channel: Channel, rng: random.Random) -> None:
        if ts := self._any(channel, rng):
            root = channel.messages[ts].get("thread_ts", ts)
            self.server.reply(channel.id, root, "U2", self._text(), broadcast=True)

    def _edit(self, channel: Channel, rng: random.Random) -> None:
        if ts := self._any(channel, rng):
            self.server.edit(channel.id, ts, self._text())

    def _delete(self, channel: Channel, rng: random.Random) -> None:
        if ts := self._any(channel, rng):
            self.server.delete(channel.id, ts)

    def _bot(self, channel: Channel, rng: random.Random) -> None:
        if channel.archived:
            return
        fields: dict[str, Any] = {"bot_id": "B7", "subtype": "bot_message", "username": "Alerts"}
        ts = self._any(channel, rng)
        if ts and rng.random() < 0.3:
            self.server.reply(channel.id, channel.messages[ts].get("thread_ts", ts), "", self._text(), bot_id="B7")
        else:
            ts = self.server.post(channel.id, "", self._text(), **fields)
            if rng.random() < 0.3:
                self.server.reply(channel.id, ts, "U1", self._text())

    def _share(self, channel: Channel, rng: random.Random) -> None:
        if rng.random() < 0.3 and self.server.files:
            file = self.server.files[rng.choice(sorted(self.server.files))]
            file.mode = rng.choice(["tombstone", "hosted"])
            return
        mark = self.marks.fresh().encode()
        kinds: list[tuple[str, bytes, str, str]] = [
            ("notes.txt", b"Notes " + mark, "text/plain", "txt"),
            ("Plan", b"<p>Plan <b>" + mark + b"</b></p>", "application/vnd.slack-docs", "quip"),
        ]
        name, data, mimetype, filetype = rng.choice(kinds)
        if channel.archived:
            return
        shared = self.server.share(name, data, mimetype, filetype, asks=rng.random() < 0.2)
        root = self._any(channel, rng)
        if root and rng.random() < 0.5:
            root = channel.messages[root].get("thread_ts", root)
            self.server.reply(channel.id, root, "U1", self._text(), files=[shared])
        else:
            self.server.post(channel.id, "U2", self._text(), files=[shared])

    def _join(self, channel: Channel, rng: random.Random) -> None:
        who = rng.choice(["U1", "U2", "U3", "U4", "U5", BOT_USER])
        if channel.archived or (who == "U5" and not channel.external):
            return
        channel.members ^= {who}
        self.server.system(channel.id, who, "channel_join" if who in channel.members else "channel_leave")

    def _people_change(self, channel: Channel, rng: random.Random) -> None:
        user = self.server.users[rng.choice(["U1", "U2", "U3", "U4"])]
        if rng.random() < 0.5:
            user.guest = not user.guest
        else:
            user.deleted = not user.deleted

    def _settings(self, channel: Channel, rng: random.Random) -> None:
        match rng.choice(["rename", "archive", "archive", "private", "canvas"]):
            case "canvas":
                self._draw(channel)
            case "rename":
                channel.name = f"renamed-{self.marks.fresh()}"
            case "archive":
                channel.archived = not channel.archived
                channel.updated += 1
            case "private" if not channel.external:
                channel.kind = "private"

    def _draw(self, channel: Channel) -> None:
        data = b"<p>" + self.marks.fresh().encode() + b"</p>"
        if channel.canvas:
            file = self.server.files[channel.canvas]
            file.data, file.updated = data, file.updated + 1
        else:
            shared = self.server.share("Canvas", data, "application/vnd.slack-docs", "quip")
            channel.canvas = str(shared["id"])

    def _create_channel(self, channel: Channel, rng: random.Random) -> None:
        if len(self.server.channels) > 7:
            del self.server.channels[channel.id]
            return
        id = f"C{self.marks.fresh().removeprefix('mark').rstrip('x')}0"
        members = {"U1", BOT_USER} if rng.random() < 0.8 else {"U1"}
        made = self._create(id, rng.choice(["public", "private"]), members)
        self._post(made, rng)
