"""Reads a channel written as a play: days, speakers, replies.

    # finance                            the channel's name
    id: C0BWFINAN2                       its facts, one a line

    ## 2026-03-12                        a day (UTC)

    10:02 lucia: a message
        which goes on, indented
    > 10:09 owen [edited 10:11]: a reply in its thread
    > 2026-03-19 11:30 declan [broadcast]: a reply on a later day, also sent to the channel

Tags: `[edited HH:MM]`, `[broadcast]`, `[joined]`, `[file NAME]`, `[react EMOJI USER…]`, `[alert COLOUR]`, `[deploy]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

_LINE = re.compile(
    r"(?P<reply>> )?(?:(?P<day>\d{4}-\d\d-\d\d) )?(?P<time>\d\d:\d\d) (?P<user>[a-z-]+)"
    r"(?P<tags>(?: \[[^\]]+\])*): ?(?P<text>.*)"
)
_INDENT = "    "


@dataclass(frozen=True, slots=True)
class Message:
    """What somebody said. `tags` are (name, words after it) in the order written."""

    user: str
    time: datetime
    text: str
    tags: tuple[tuple[str, tuple[str, ...]], ...]
    reply: bool

    def tag(self, name: str) -> tuple[str, ...] | None:
        return next((words for tag, words in self.tags if tag == name), None)


@dataclass(frozen=True, slots=True)
class Channel:
    name: str
    facts: dict[str, str]
    messages: tuple[Message, ...]

    @property
    def id(self) -> str:
        return self.facts["id"]


def channel(text: str) -> Channel:
    """The channel that this text is the transcript of; a line that fits nowhere is a ValueError."""
    head, *days = text.split("\n## ")
    title, *facts = head.strip().splitlines()
    return Channel(
        name=title.removeprefix("# "),
        facts=dict(fact.split(": ", 1) for fact in facts),
        messages=tuple(message for day in days for message in _day(day)),
    )


def _day(text: str) -> Iterator[Message]:
    date, *lines = text.splitlines()
    entries: list[list[str]] = []
    for line in filter(None, lines):
        if line.startswith(_INDENT):
            entries[-1].append(line.removeprefix(_INDENT))
        else:
            entries.append([line])
    yield from (_message(date, first, rest) for first, *rest in entries)


def _message(date: str, first: str, rest: list[str]) -> Message:
    match = _LINE.fullmatch(first)
    if match is None:
        raise ValueError(f"not a line of a transcript: {first}")
    tags = [tag.split() for tag in re.findall(r"\[([^\]]+)\]", match["tags"])]
    return Message(
        user=match["user"],
        time=datetime.fromisoformat(f"{match['day'] or date}T{match['time']}").replace(tzinfo=UTC),
        text="\n".join(filter(None, [match["text"], *rest])),
        tags=tuple((name, tuple(words)) for name, *words in tags),
        reply=match["reply"] is not None,
    )
