"""Discord's REST API, version 10, as far as reading needs it.

https://discord.com/developers/docs/reference, …/resources/channel, …/resources/message, …/topics/rate-limits
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from knowhub.core.errors import AccessDenied, PermanentError
from knowhub.http import Clock, Http, Pace, Refused, Reply, Undecodable, header
from knowhub.sources.discord.options import DiscordOptions

Json = dict[str, Any]

PAGE = 100
_GUILDS, _MEMBERS = 200, 1000
_USER_AGENT = "DiscordBot (https://github.com/knowhub/knowhub, 1)"
_CONTENT_FLAGS = 1 << 18 | 1 << 19
_MEMBER_FLAGS = 1 << 14 | 1 << 15
_ID = re.compile(r"/\d+")


class DiscordApi:
    """Each method is one kind of request. Raises the errors of `knowhub.http.errors`, RateLimited."""

    def __init__(self, options: DiscordOptions, clock: Clock) -> None:
        self.http = Http(
            options.base_url or "https://discord.com/api/v10",
            auth=header("Authorization", options.token, prefix="Bot "),
            clock=clock,
            pace=Pace(clock, options.requests_per_minute or None),
            limit_of=_limit_of,
            headers={"User-Agent": _USER_AGENT},
        )

    # ── the bot and its servers ──────────────────────────────────────────────────────────────────────

    def application(self) -> Json:
        return dict(self._get("applications/@me", "app"))

    def guilds(self) -> Iterator[Json]:
        after = "0"
        while True:
            page = self._get("users/@me/guilds", "me", {"limit": _GUILDS, "after": after})
            yield from page
            if len(page) < _GUILDS:
                return
            after = _further(after, max(page, key=_number)["id"], "guilds")

    def guild(self, guild: str) -> Json:
        return dict(self._get(f"guilds/{guild}", guild))

    def channels(self, guild: str) -> list[Json]:
        """All but threads, also those that the bot may not see."""
        return list(self._get(f"guilds/{guild}/channels", guild))

    def active_threads(self, guild: str) -> list[Json]:
        return list(self._get(f"guilds/{guild}/threads/active", guild)["threads"])

    def member(self, guild: str, user: str) -> Json:
        return dict(self._get(f"guilds/{guild}/members/{user}", guild))

    def members(self, guild: str) -> Iterator[Json]:
        """Needs the Server Members intent."""
        after = "0"
        while True:
            page = self._get(f"guilds/{guild}/members", guild, {"limit": _MEMBERS, "after": after})
            yield from page
            if len(page) < _MEMBERS:
                return
            after = _further(after, max(int(one["user"]["id"]) for one in page), "members")

    # ── channels and threads ─────────────────────────────────────────────────────────────────────────

    def channel(self, channel: str) -> Json | None:
        """A channel or thread; None where there is none. Raises Refused for one that the bot may not see."""
        return self._found(self._ask(f"channels/{channel}", channel, allow=(404,)))

    def messages(self, channel: str, after: int, known: int) -> Iterator[list[Json]]:
        """Pages of messages with greater ids than `after`, oldest first, until there are no more.

        A page that is not full is the last, unless it ends before `known`, up to where there once were messages.
        """
        while True:
            page = self._get(f"channels/{channel}/messages", channel, {"after": after, "limit": PAGE})
            page.sort(key=_number)
            if page:
                yield page
            if not page or (len(page) < PAGE and int(page[-1]["id"]) >= known):
                return
            after = int(_further(after, page[-1]["id"], f"messages of {channel}"))

    def message(self, channel: str, message: str) -> Json | None:
        """One message; None where there is none."""
        return self._found(self._ask(f"channels/{channel}/messages/{message}", channel, allow=(404,)))

    def archived(self, channel: str, kind: str, until: datetime | None) -> Iterator[Json]:
        """Archived threads, the latest archived first, as far back as `until`; None: all.

        `kind` is "public" or "private" (needs Manage Threads). Many are archived in one moment, and `before` leaves
        out that moment's others: each page begins a little after where the last one ended. Raises Unlistable where
        that is not enough.
        """
        seen: set[str] = set()
        before: str | None = None
        while True:
            params = {"before": before, "limit": PAGE}
            answer = self._get(f"channels/{channel}/threads/archived/{kind}", channel, params)
            fresh = [thread for thread in answer["threads"] if thread["id"] not in seen]
            seen.update(thread["id"] for thread in fresh)
            for thread in fresh:
                if until and archived_at(thread) < until:
                    return
                yield thread
            if not answer["has_more"] or not answer["threads"]:
                return
            if not fresh:
                raise Unlistable(f"more than {PAGE} threads of channel {channel} were archived in one moment")
            before = (archived_at(answer["threads"][-1]) + timedelta(milliseconds=1)).isoformat()

    def joined(self, channel: str) -> Iterator[Json]:
        """Archived private threads that the bot was added to, by id, the latest first."""
        before: str | None = None
        while True:
            params = {"before": before, "limit": PAGE}
            answer = self._get(f"channels/{channel}/users/@me/threads/archived/private", channel, params)
            yield from answer["threads"]
            if not answer["has_more"] or not answer["threads"]:
                return
            last = str(min(map(_number, answer["threads"])))
            if before is not None and int(last) >= int(before):
                raise Undecodable(f"the archived threads of {channel} run in a circle")
            before = last

    def thread_members(self, thread: str) -> Iterator[str]:
        """Ids of the users in a thread. Needs the Server Members intent."""
        after = "0"
        while True:
            params = {"with_member": True, "limit": PAGE, "after": after}
            page = self._get(f"channels/{thread}/thread-members", thread, params)
            yield from (str(one["user_id"]) for one in page)
            if len(page) < PAGE:
                return
            after = _further(after, max(int(one["user_id"]) for one in page), "thread members")

    # ── one request ──────────────────────────────────────────────────────────────────────────────────

    def _get(self, path: str, resource: str, params: Mapping[str, Any] | None = None) -> Any:
        return self._ask(path, resource, params).data

    @staticmethod
    def _found(reply: Reply) -> Json | None:
        return None if reply.status == 404 else reply.data

    def _ask(
        self, path: str, resource: str, params: Mapping[str, Any] | None = None, *, allow: tuple[int, ...] = ()
    ) -> Reply:
        """Limits count per route and top-level resource; 401 ends everything, whatever was asked."""
        route = _ID.sub("", path)
        try:
            return self.http.get(path, params, allow=allow, bucket=f"{route} {resource}")
        except Refused as error:
            if error.reply.status == 401:
                raise TokenRefused(error.message) from error
            raise


class TokenRefused(AccessDenied):
    """Asking on with a dead token would get the machine's address banned (10,000 invalid requests in 10 minutes)."""

    def __init__(self, message: str) -> None:
        super().__init__(message, cure="Reset the bot's token in the Developer Portal and put the new one in place.")


class Unlistable(PermanentError):
    """Discord has no page that would show the rest."""


def _limit_of(reply: Reply) -> float | None:
    """The body says how long to wait, to the millisecond."""
    if reply.status != 429:
        return None
    wait = reply.data.get("retry_after") if isinstance(reply.data, dict) else None
    return float(wait) if isinstance(wait, int | float) else 0.0


def archived_at(thread: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(thread["thread_metadata"]["archive_timestamp"])


def reads_content(application: Mapping[str, Any]) -> bool:
    """Whether Discord gives the bot the text of messages at all: the Message Content intent."""
    return bool(int(application.get("flags") or 0) & _CONTENT_FLAGS)


def lists_members(application: Mapping[str, Any]) -> bool:
    """Whether the bot may list a server's members: the Server Members intent."""
    return bool(int(application.get("flags") or 0) & _MEMBER_FLAGS)


def _number(thing: Mapping[str, Any]) -> int:
    return int(thing["id"])


def _further(before: str | int, after: str | int, what: str) -> str:
    if int(after) <= int(before):
        raise Undecodable(f"the {what} run in a circle at {after}")
    return str(after)
