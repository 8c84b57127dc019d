"""Markdown that a model wrote to Markdown that can do nothing: it links only to what is cited, and hides nothing.

    "see [this](https://evil.example) <img src=x>" ──▶ "see this"

What is written out again is so plain that every Markdown reader agrees on it: code between matching backticks, links
to allowed addresses, emphasis, lists, tables. Everything else is text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection

_ANSI = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d)[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)?|\x1b[@-_]?")
_INVISIBLE = frozenset("\u115f\u1160\u3164\uffa0\u2800\u034f\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})[ \t]*([\w+#.-]*)[^\n]*$")
_CODE_SPAN = re.compile(r"(?<![`\\])(`+)(?!`)([^\n]+?)(?<!`)\1(?!`)")
_LINK = re.compile(
    r"!?\[((?:[^\[\]\\\n]|\\.)*)\]\(\s*<?([^\s<>()]*(?:\([^\s<>()]*\)[^\s<>()]*)*)>?(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*\)"
)
_AUTOLINK = re.compile(r"<([a-zA-Z][a-zA-Z0-9+.-]*:[^\s<>\x00]*)>")
_COMMENT = re.compile(r"<!--.*?(?:-->|$)|<!\[CDATA\[.*?(?:\]\]>|$)|<\?.*?(?:\?>|$)", re.DOTALL)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<![a-zA-Z][^<>]*>")
_ADDRESS = re.compile(
    r"(?:[a-zA-Z][a-zA-Z0-9+.-]{0,20}://|\bwww\.|\b(?:mailto|xmpp|javascript|data|vbscript|tel):)[^\s<>`|\x00]*",
    re.IGNORECASE,
)
_TRAILING = ".,;:!?)]}\"'*_~”’»。、"


def visible(text: str) -> str:
    """Without what a person cannot see: control characters, terminal codes, zero-width, bidi and tag characters."""
    text = _ANSI.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub("[\u2028\u2029\u0085\x0b\x0c]", "\n", text)
    return "".join(c for c in text if c in "\n\t" or not _hides(c))


def _hides(character: str) -> bool:
    return (
        unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn")
        or character in _INVISIBLE
        or "\ufe00" <= character <= "\ufe0f"
        or "\U000e0100" <= character <= "\U000e01ef"
    )


def inert(text: str, allowed_links: Collection[str]) -> str:
    """The same text to read, whose only links lead to exactly `allowed_links`; no image, no HTML, nothing hidden.

    Other links keep their words and lose their address; a bare address becomes code, which nothing makes a link of.
    Applied to its own result it changes nothing.
    """
    allowed = frozenset(link for link in allowed_links if re.fullmatch(r"https?://[^\s<>\"'`]+", link))
    lines = visible(text).split("\n")
    written: list[str] = []
    prose: list[str] = []
    at = 0
    while at < len(lines):
        fence = _FENCE.match(lines[at])
        if fence is None or (fence[1][0] == "`" and "`" in lines[at].strip()[len(fence[1]) :]):
            prose.append(lines[at])
            at += 1
            continue
        written += _prose(prose, allowed)
        prose = []
        end = _closing(lines, at + 1, fence[1])
        written += _block(lines[at + 1 : end], fence[2])
        at = end + 1
    return "\n".join(written + _prose(prose, allowed))


def _closing(lines: list[str], start: int, fence: str) -> int:
    closing = re.compile(rf"[ \t]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    return next((at for at in range(start, len(lines)) if closing.match(lines[at])), len(lines))


def _block(lines: list[str], language: str) -> list[str]:
    """Code behind a fence that nothing inside can close, at the beginning of its line."""
    longest = max((len(run) for line in lines for run in re.findall(r"`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}{language}", *lines, fence]


def _prose(lines: list[str], allowed: frozenset[str]) -> list[str]:
    return [_line(line, allowed) for line in _COMMENT.sub("", "\n".join(lines)).split("\n")] if lines else []


def _line(line: str, allowed: frozenset[str]) -> str:
    """Code spans as they are, what is between them made plain."""
    written, at = [], 0
    for span in _CODE_SPAN.finditer(line):
        written += [_plain(line[at : span.start()], allowed), _code(span[2])]
        at = span.end()
    together = "".join([*written, _plain(line[at:], allowed)])
    return together.replace("\x02\x02", " ").replace("\x02", "")  # two spans side by side would open one another


def _code(text: str) -> str:
    inner = text.replace("`", "'").strip() or " "
    return f"\x02`{inner}`\x02"


def _plain(text: str, allowed: frozenset[str]) -> str:
    text = text.replace("`", "")
    held: list[str] = []

    def hold(written: str) -> str:
        held.append(written)
        return f"\x00{len(held) - 1}\x01"

    def keep(label: str, address: str) -> str:
        return hold(f"[{_words(label) or _encoded(address)}]({_encoded(address)})")

    def link(match: re.Match[str]) -> str:
        label, address = match[1], match[2]
        return keep(label, address) if _decoded(address, allowed) else _words(label)

    def autolink(match: re.Match[str]) -> str:
        return keep("", match[1]) if match[1] in allowed else match[1]

    def address(match: re.Match[str]) -> str:
        found = match.group().rstrip(_TRAILING)
        rest = match.group()[len(found) :]
        if not found:
            return rest
        return (keep("", found) if found in allowed else hold(_code(found))) + rest

    text = _LINK.sub(link, text)
    text = _AUTOLINK.sub(autolink, text)
    text = _without_tags(text)
    text = _ADDRESS.sub(address, text)
    text = re.sub(r"~{3,}", "~~", text)  # a fence
    text = re.sub("!+(?=\\[|\x00)", "", text)  # an image
    text = re.sub(r"\](?=[(:])", "] ", text)
    text = re.sub(r"<(?=[a-zA-Z/!?])", "< ", text)
    text = re.sub(r"\\+(?=\x00|$)", "", text)  # it would escape what is written out next
    return re.sub("\x00(\\d+)\x01", lambda match: held[int(match[1])], text)


def _decoded(address: str, allowed: frozenset[str]) -> bool:
    return address in allowed or any(_encoded(link) == address for link in allowed)


def _encoded(address: str) -> str:
    return address.replace("(", "%28").replace(")", "%29")


def _without_tags(text: str) -> str:
    while (stripped := _TAG.sub("", text)) != text:
        text = stripped
    return text


def _words(label: str) -> str:
    """A link's words, unable to be anything else."""
    return re.sub(r"[\[\]<>`!\\]", "", _ADDRESS.sub("", label)).strip()
