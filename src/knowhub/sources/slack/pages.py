"""Pages of a channel's history, newest first, and all of one thread.

History is paged by time: no token to expire, and nothing shifts while people write and delete.
https://docs.slack.dev/reference/methods/conversations.history, …/conversations.replies
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from knowhub.http import Undecodable
from knowhub.sources.slack.api import Json, SlackApi, SlackRefused, next_cursor
from knowhub.sources.slack.messages import has_replies, is_ts, order_of

_MAX_STUCK = 20


@dataclass
class Page:
    """One page of history, sorted: messages by ts, parents of threads, threads ▸ replies also sent to the channel.

    `lowest` is its oldest `ts`, "" if it has none. `more`: it is not the last. `hidden`: the plan's limit hides what
    is older.
    """

    messages: dict[str, Json] = field(default_factory=dict)
    roots: list[Json] = field(default_factory=list)
    elsewhere: dict[str, dict[str, Json]] = field(default_factory=dict)
    unreadable: list[tuple[object, str]] = field(default_factory=list)
    lowest: str = ""
    more: bool = False
    hidden: bool = False

    @classmethod
    def of(cls, listed: list[object]) -> Page:
        page = cls()
        stamps: list[str] = []
        for message in listed:
            ts = message.get("ts") if isinstance(message, dict) else None
            if not isinstance(message, dict) or not is_ts(ts):
                page.unreadable.append((message, stamps[-1] if stamps else ""))
                continue
            stamps.append(ts)
            root = message.get("thread_ts")
            if root is not None and root != ts and is_ts(root):
                page.elsewhere.setdefault(root, {})[ts] = message
            elif "reply_count" in message and has_replies(message):
                page.roots.append(message)
            else:
                page.messages[ts] = message
        page.lowest = min(stamps, key=order_of, default="")
        return page


def history(api: SlackApi, channel: str, oldest: int, before: int, page_size: int) -> Iterator[Page]:
    """Pages of what was said from the second `oldest` on and before the second `before`. Raises what `call` does."""
    latest, cursor, stuck = f"{before}.000000", "", 0
    while True:
        try:
            answer = api.call(
                "conversations.history", channel=channel, limit=page_size, latest=latest, cursor=cursor or None,
                oldest=f"{oldest - 1}.999999" if oldest else None,
            )  # fmt: skip
        except SlackRefused as error:
            if error.code != "invalid_cursor" or not cursor or (stuck := stuck + 1) > _MAX_STUCK:
                raise
            cursor = ""
            continue
        listed = answer.get("messages")
        if not isinstance(listed, list):
            raise Undecodable(f"conversations.history of {channel}: no list of messages")
        page = Page.of(listed)
        page.more, page.hidden = bool(answer.get("has_more")), bool(answer.get("is_limited"))
        yield page
        if not page.more:
            return
        if page.lowest and order_of(page.lowest) >= order_of(latest):
            raise Undecodable(f"conversations.history of {channel}: its pages do not go back in time")
        if page.lowest:
            latest, cursor = page.lowest, ""
        elif (stuck := stuck + 1) > _MAX_STUCK:
            raise Undecodable(f"conversations.history of {channel}: empty pages say that there is more")
        else:
            cursor = next_cursor(answer)


def replies(api: SlackApi, channel: str, ts: str, page_size: int) -> dict[str, Json]:
    """The whole thread by `ts`. Every page begins with the parent; a token that fails is replaced by the time."""
    found: dict[str, Json] = {}
    cursor, oldest, seen = "", "", set[str]()
    while True:
        try:
            page = api.call(
                "conversations.replies", channel=channel, ts=ts, limit=page_size, cursor=cursor or None,
                oldest=oldest or None,
            )  # fmt: skip
        except SlackRefused as error:
            if error.code != "invalid_cursor" or not cursor:
                raise
            cursor, oldest = "", max(found, key=order_of)
            continue
        before = len(found)
        listed = page.get("messages")
        for message in listed if isinstance(listed, list) else ():
            if isinstance(message, dict) and is_ts(message.get("ts")):
                found[message["ts"]] = message
        if not page.get("has_more"):
            return found
        if len(found) == before:
            raise Undecodable(f"conversations.replies of {ts}: its pages run in a circle")
        cursor = next_cursor(page)
        if not cursor or cursor in seen:
            cursor, oldest = "", max(found, key=order_of)
        seen.add(cursor)
