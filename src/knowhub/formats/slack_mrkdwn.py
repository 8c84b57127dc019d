"""Slack's mrkdwn to Markdown: `*bold* <@U1> &amp; <https://x.test|link>` ▸ `**bold** @Ana & [link](https://x.test)`.

Reference: https://docs.slack.dev/messaging/formatting-message-text
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

Names = Mapping[str, str]
"""Ids of users, bots, channels and user groups ▸ what people call them, without `@` and `#`."""

# Emphasis must not reach into code, links and mentions, but may span them: they are set aside under a number between
# two private-use characters, and those characters themselves are set aside where a message contains them.
_ASIDE = re.compile(r"```.*?```|`[^`\n]+`|<[^<>\n]+>|[\ue000\ue001]", re.DOTALL)
_PLACE = re.compile("\ue000(\\d+)\ue001")
_BOLD = re.compile(r"(?<![\w*])\*(?=[^\s*])([^*\n]+?)(?<=\S)\*(?![\w*])")
_STRIKE = re.compile(r"(?<![\w~])~(?=[^\s~])([^~\n]+?)(?<=\S)~(?![\w~])")
_BULLET = re.compile(r"^([ \t]*)([•◦▪▫‣⁃])\ufe0e?[ \t]*", re.MULTILINE)
_QUOTE = re.compile(r"^(?:&gt;|>) ?", re.MULTILINE)
_LONG_QUOTE = re.compile(r"^(?:&gt;|>){3} ?(.*)\Z", re.MULTILINE | re.DOTALL)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def to_markdown(text: str, names: Names) -> str:
    """Markdown of a mrkdwn string; every word of it is kept."""
    asides: list[str] = []

    def set_aside(found: re.Match[str]) -> str:
        asides.append(_aside(found.group(), names))
        return f"\ue000{len(asides) - 1}\ue001"

    marked = _ASIDE.sub(set_aside, text)
    marked = _BOLD.sub(r"**\1**", marked)
    marked = _STRIKE.sub(r"~~\1~~", marked)
    marked = _LONG_QUOTE.sub(lambda found: quote(found.group(1)), marked)
    marked = _QUOTE.sub("> ", marked)
    marked = unescape(_BULLET.sub(r"\1- ", marked))
    return _put_back(marked, asides)


def unescape(text: str) -> str:
    """The three entities that Slack escapes, and no others."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def quote(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))


def fence(code: str, language: str = "") -> str:
    """A code block whose fence is longer than any run of backticks within."""
    longest = max((len(run) for run in re.findall(r"`{3,}", code)), default=2)
    ticks = "`" * (longest + 1)
    return f"{ticks}{language}\n{code}\n{ticks}"


def code_span(code: str) -> str:
    if "`" not in code:
        return f"`{code}`"
    ticks = "`" * (max(len(run) for run in re.findall(r"`+", code)) + 1)
    return f"{ticks} {code} {ticks}"


def link(url: str, label: str) -> str:
    """`[label](url)`; the URL alone where the label says nothing more."""
    label = label.strip()
    if not url or not label or label == url:
        return url or label
    if label in (url.removeprefix("mailto:"), url.removeprefix("tel:")):
        return label
    target = f"<{url}>" if re.search(r"[\s()]", url) else url
    return f"[{label}]({target})"


def user(user_id: str, names: Names, label: str = "") -> str:
    return "@" + (names.get(user_id) or label.removeprefix("@") or user_id)


def channel(channel_id: str, names: Names, label: str = "") -> str:
    return "#" + (label.removeprefix("#") or names.get(channel_id) or channel_id)


def moment(timestamp: str | int | float, fallback: str = "") -> str:
    """A `date` mention: its fallback text, or the moment in UTC."""
    try:
        return fallback or f"{datetime.fromtimestamp(int(timestamp), UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return str(timestamp)


def _aside(token: str, names: Names) -> str:
    if token.startswith("```") and len(token) >= 6:
        return fence(_plain(token[3:-3].strip("\n"), names))
    if token.startswith("`"):
        return f"`{_plain(token[1:-1], names)}`"
    return _bracket(token, names) if token.startswith("<") else token


def _plain(code: str, names: Names) -> str:
    """Code: Slack wraps the addresses in it in brackets, which people never see."""
    bare = re.sub(r"<([^<>\n]+)>", lambda found: _code_bracket(found.group(), names), code)
    return unescape(bare)


def _code_bracket(token: str, names: Names) -> str:
    target, _, label = token[1:-1].partition("|")
    return (label or target) if _SCHEME.match(target) else _bracket(token, names)


def _bracket(token: str, names: Names) -> str:
    target, _, label = token[1:-1].partition("|")
    label = unescape(label)
    if _SCHEME.match(target):
        return link(unescape(target), label)
    render = _BRACKETS.get(target[:1])
    return render(target[1:], label, names) if render and target[1:] else unescape(token)


def _special(target: str, label: str, names: Names) -> str:
    kind, _, rest = target.partition("^")
    if kind == "subteam":
        return user(rest, names, label)
    if kind == "date":
        timestamp, _, form = rest.partition("^")
        address = form.partition("^")[2]
        return link(unescape(address), moment(timestamp, label)) if address else moment(timestamp, label)
    return "@" + (label.removeprefix("@") or kind)


_BRACKETS: dict[str, Callable[[str, str, Names], str]] = {
    "@": lambda target, label, names: user(target, names, label),
    "#": lambda target, label, names: channel(target, names, label),
    "!": _special,
}


def _put_back(marked: str, asides: list[str]) -> str:
    def restore(found: re.Match[str]) -> str:
        aside = asides[int(found.group(1))]
        if not aside.startswith("```"):
            return aside
        before, after = marked[: found.start()], marked[found.end() :]
        aside = aside if not before or before.endswith("\n") else "\n" + aside
        return aside if not after or after.startswith("\n") else aside + "\n"

    return _PLACE.sub(restore, marked)
