"""Discord's Markdown to ours: `<@1> said ||boo|| at <t:0:F>` ▸ `@Ana said boo at 1970-01-01 00:00 UTC`.

Reference: https://discord.com/developers/docs/reference#message-formatting
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from knowhub.formats.markdown_pieces import fenced, quoted

Names = Mapping[str, str]
"""`@1` users, `@&2` roles, `#3` channels and threads ▸ what people call them, without the sign.

The sign is part of the key because an old server's first channel and its @everyone role share the server's id.
"""

# Marks must not reach into code and mentions: they are set aside under a number between two private-use characters,
# and those characters themselves are set aside where a message contains them.
_ASIDE = re.compile(
    r"```.*?```|``[^\n]+?``|`[^`\n]+`"
    r"|<@[!&]?\d+>|<#\d+>|<a?:\w+:\d+>|<t:-?\d+(?::[A-Za-z])?>|</[^:<>\n]+:\d+>|<id:[\w:-]+>|<https?://[^<>\s]+>"
    r"|[\ue000\ue001]",
    re.DOTALL,
)
_PLACE = re.compile("\ue000(\\d+)\ue001")
_FENCE = re.compile(r"```(?:([\w+#.-]+)\n)?(.*?)```", re.DOTALL)
_SPOILER = re.compile(r"\|\|(.+?)\|\|", re.DOTALL)
_HEADING = re.compile(r"^#{1,3} +(\S.*?)\s*$", re.MULTILINE)
_SUBTEXT = re.compile(r"^-# +", re.MULTILINE)
_LONG_QUOTE = re.compile(r"^>>> ?(.*)\Z", re.MULTILINE | re.DOTALL)
_PAGES = {"customize": "Channels & Roles", "browse": "Browse Channels", "guide": "Server Guide"}


def to_markdown(text: str, names: Names) -> str:
    """Markdown of a message's content; every word of it is kept, headings become bold lines."""
    asides: list[str] = []

    def set_aside(found: re.Match[str]) -> str:
        asides.append(_aside(found.group(), names))
        return f"\ue000{len(asides) - 1}\ue001"

    marked = _ASIDE.sub(set_aside, text)
    marked = _SPOILER.sub(r"\1", marked)
    marked = _HEADING.sub(_bold, marked)
    marked = _SUBTEXT.sub("", marked)
    marked = _LONG_QUOTE.sub(lambda found: quoted(found[1]), marked)
    return _put_back(marked, asides)


def moment(seconds: str) -> str:
    """A `<t:…>` mention, whatever its style, as the moment in UTC."""
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return seconds


def _bold(found: re.Match[str]) -> str:
    words = found[1]
    return words if "**" in words else f"**{words}**"


def _aside(token: str, names: Names) -> str:
    if token.startswith("```") and (fence := _FENCE.fullmatch(token)):
        code = fence[2].strip("\n")
        return fenced(code, fence[1] or "") if code.strip() else token
    if not token.startswith("<"):
        return token
    render = next((render for start, render in _TOKENS if token.startswith(start)), None)
    return render(token[1:-1], names) if render else token


def _user(token: str, names: Names) -> str:
    number = token.lstrip("@!")
    return "@" + names.get(f"@{number}", number)


_TOKENS: tuple[tuple[str, Callable[[str, Names], str]], ...] = (
    ("<@&", lambda token, names: "@" + names.get(token, token[2:]).removeprefix("@")),
    ("<@", _user),
    ("<#", lambda token, names: "#" + names.get(token, token[1:])),
    ("<t:", lambda token, _: moment(token.split(":")[1])),
    ("</", lambda token, _: token.rpartition(":")[0]),
    ("<id:", lambda token, _: _PAGES.get(token[3:], token[3:])),
    ("<http", lambda token, _: token),
    ("<:", lambda token, _: f":{token.split(':')[1]}:"),
    ("<a:", lambda token, _: f":{token.split(':')[1]}:"),
)


def _put_back(marked: str, asides: list[str]) -> str:
    def restore(found: re.Match[str]) -> str:
        aside = asides[int(found[1])]
        if not aside.startswith("```") or "\n" not in aside:
            return aside
        before, after = marked[: found.start()], marked[found.end() :]
        aside = aside if not before or before.endswith("\n") else "\n" + aside
        return aside if not after or after.startswith("\n") else aside + "\n"

    return _PLACE.sub(restore, marked)
