"""GitHub's Markdown (https://github.github.com/gfm) as people write it ▸ Markdown whose references are links.

Code, tables, task lists and quotes stay as they are. Comments of templates go, HTML that GitHub renders becomes
Markdown, and what GitHub links by itself (`#12`, `@ada`, a commit's SHA) becomes a link that opens from anywhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from knowhub.core.errors import UnreadableContent
from knowhub.formats.html import html_to_markdown

_FENCE = re.compile(r"^(?P<indent>[ >]*)(?P<fence>`{3,}|~{3,})(?P<info>[^\n]*)$")
_TICKS = re.compile(r"`+")
_TABLE = re.compile(r"<table\b[^<>]*>", re.IGNORECASE)
_ALERT = re.compile(
    r"^(?P<quote>(?:[ ]{0,3}>[ ]?)+)\[!(?P<kind>NOTE|TIP|IMPORTANT|WARNING|CAUTION)\][ \t]*$",
    re.IGNORECASE | re.MULTILINE,
)
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})"
_REPOSITORY = r"[A-Za-z0-9._-]{1,100}"
# What must stay as it is comes first; then what becomes something else. Every part is linear.
_TOKEN = re.compile(
    r"(?P<definition>^ {0,3}\[[^\[\]\n]+\]:[ \t]*\S+[^\n]*)"
    r"|(?P<link>!?\[(?:[^\[\]\n\\]|\\.|\[[^\[\]\n]*\])*\](?:\((?:[^()\n]|\([^()\n]*\))*\)|\[[^\[\]\n]*\]))"
    r"|(?P<autolink><(?:https?://|mailto:)[^<>\s]*>)"
    r"|(?P<url>\b(?:https?|ftp)://[^\s<>\"'`|]+|\bwww\.[^\s<>\"'`|]+)"
    r"|(?P<tag></?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>]*)?/?>)"
    rf"|(?<![\w/.@-])(?P<mail>[\w.+-]{{1,64}}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+)"
    rf"|(?<![\w/.#@&-])(?P<other>(?P<owner>{_NAME})/(?P<repo>{_REPOSITORY})(?:#(?P<number>\d{{1,10}})\b"
    r"|@(?P<at>[0-9a-f]{7,40})\b))"
    r"|(?<![\w/#&@-])(?:#|GH-)(?P<issue>\d{1,10})(?![\w-])"
    rf"|(?<![\w/@.`-])@(?P<user>{_NAME})(?:/(?P<team>[A-Za-z0-9][\w-]{{0,99}}))?(?![\w/@-])"
    r"|(?<![\w/.@#&-])(?P<sha>(?=[0-9a-f]*[a-f])(?=[0-9a-f]*[0-9])(?:[0-9a-f]{7,12}|[0-9a-f]{40}))(?![\w/-])",
    re.MULTILINE | re.ASCII,
)
_ATTRIBUTE = re.compile(r"""([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "del": "~~", "s": "~~", "code": "`", "kbd": "`", "tt": "`"}
_BLOCKS = frozenset(
    {"p", "div", "center", "details", "figure", "figcaption", "section", "ul", "ol", "dl", "dd", "blockquote", "pre"}
)
_RENDERED = _BLOCKS | {
    "a", "b", "strong", "i", "em", "del", "s", "ins", "code", "kbd", "tt", "br", "hr", "span", "summary", "sub", "sup",
    "img", "picture", "source", "video", "h1", "h2", "h3", "h4", "h5", "h6", "li", "dt", "q", "samp", "var", "small",
    "big",
}  # fmt: skip
_SIGNED = re.compile(
    r"(?P<url>https?://(?:private-user-images\.githubusercontent\.com|raw\.githubusercontent\.com|media\.githubusercontent"
    r"\.com|github-production-user-asset-[\w-]+\.s3\.amazonaws\.com|objects\.githubusercontent\.com"
    r"|release-assets\.githubusercontent\.com)/[^\s<>\"')?#]*)\?[^\s<>\"')#]*"
)
_BLANK_LINES = re.compile(r"\n[ \t]*\n(?:[ \t]*\n)+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text stands: `web` is the site (`https://github.com`), `repository` its `owner/name`."""

    web: str
    repository: str

    def issue(self, number: str, repository: str = "") -> str:
        """Opens pull requests as well: GitHub redirects to them."""
        return f"{self.web}/{repository or self.repository}/issues/{number}"

    def commit(self, sha: str, repository: str = "") -> str:
        return f"{self.web}/{repository or self.repository}/commit/{sha}"

    def person(self, login: str) -> str:
        return f"{self.web}/{login}"

    def team(self, organization: str, team: str) -> str:
        return f"{self.web}/orgs/{organization}/teams/{team}"


def github_markdown(text: str, place: Place) -> str:
    """A body or comment as Markdown; never raises, and every word that a reader of GitHub sees is kept."""
    source = unsigned(text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", ""))
    parts = [
        part if is_code else _prose(part, place)
        for is_code, part in _fences(_without_comments(source) if "<!--" in source else source)
    ]
    return _BLANK_LINES.sub("\n\n", "".join(parts)).strip("\n") if "<" in source else "".join(parts).strip("\n")


def unsigned(text: str) -> str:
    """Without the signatures of addresses that open a private image to whoever has them."""
    return _SIGNED.sub(lambda found: found["url"], text) if "githubusercontent" in text or "amazonaws" in text else text


# ── code and what is around it ───────────────────────────────────────────────────────────────────────


def _fences(text: str) -> Iterator[tuple[bool, str]]:
    """(is code, text) in order; together they are the whole text, but for a line before suggestions."""
    prose: list[str] = []
    code: list[str] = []
    fence = ""
    for line in text.splitlines(keepends=True):
        found = _FENCE.match(line.rstrip("\n"))
        if fence:
            code.append(line)
            if found and found["fence"].startswith(fence) and not found["info"].strip():
                yield True, "".join(code)
                fence, code = "", []
        elif found and not (found["fence"][0] == "`" and "`" in found["info"]):
            yield False, "".join(prose)
            prose, fence = [], found["fence"]
            told = f"{found['indent']}Suggested change:\n" if found["info"].strip() == "suggestion" else ""
            code = [told + line]
        else:
            prose.append(line)
    yield bool(code), "".join(code or prose)


def _without_comments(text: str) -> str:
    """HTML comments that stand outside code are instructions of a template, which GitHub shows to nobody."""
    parts = []
    fence, inside = "", False
    for line in text.splitlines(keepends=True):
        found = None if inside else _FENCE.match(line.rstrip("\n"))
        if fence or found:
            parts.append(line)
            if found and not fence:
                fence = found["fence"]
            elif found and found["fence"].startswith(fence) and not found["info"].strip():
                fence = ""
            continue
        kept, inside = _outside(line, inside)
        if kept.strip() or not line.strip():
            parts.append(kept)
    # A comment that is never closed would take the rest of the text with it.
    return text if inside else "".join(parts)


def _outside(line: str, inside: bool) -> tuple[str, bool]:
    """What of a line is not in a comment, and whether one is open at its end."""
    kept = ""
    code = _spans(line) if not inside and "`" in line else []
    at = 0
    while at < len(line):
        mark = line.find("-->" if inside else "<!--", at)
        if mark < 0:
            return (kept + ("\n" if line.endswith("\n") else ""), True) if inside else (kept + line[at:], False)
        if not inside and any(start <= mark < end for start, end in code):
            kept, at = kept + line[at : mark + 4], mark + 4
            continue
        kept += "" if inside else line[at:mark]
        at = mark + (3 if inside else 4)
        inside = not inside
    return kept, inside


def _spans(text: str) -> list[tuple[int, int]]:
    """Where code spans are: a run of backticks up to the next of the same length in the same paragraph."""
    runs = [(found.start(), found.end()) for found in _TICKS.finditer(text)]
    following: dict[int, int] = {}
    closing: list[int | None] = [None] * len(runs)
    for i in range(len(runs) - 1, -1, -1):
        length = runs[i][1] - runs[i][0]
        closing[i] = following.get(length)
        following[length] = i
    spans: list[tuple[int, int]] = []
    i = 0
    while i < len(runs):
        end = closing[i]
        if end is not None and "\n\n" not in text[runs[i][1] : runs[end][0]]:
            spans.append((runs[i][0], runs[end][1]))
            i = end
        i += 1
    return spans


# ── prose ────────────────────────────────────────────────────────────────────────────────────────────


def _prose(text: str, place: Place) -> str:
    if "<table" in text or "<TABLE" in text:
        text = _tables(text)
    if "[!" in text:
        text = _ALERT.sub(lambda found: f"{found['quote']}**{found['kind'].capitalize()}**", text)
    replaced = _replacement(place)
    parts, at = [], 0
    for start, end in _spans(text):
        parts += [_TOKEN.sub(replaced, text[at:start]), text[start:end]]
        at = end
    parts.append(_TOKEN.sub(replaced, text[at:]))
    return "".join(parts)


def _tables(text: str) -> str:
    """Tables written as HTML, as Markdown ones."""
    parts, at = [], 0
    for found in _TABLE.finditer(text):
        end = text.lower().find("</table>", found.end())
        if found.start() < at or end < 0:
            continue
        end += len("</table>")
        try:
            table = html_to_markdown(text[found.start() : end])
        except UnreadableContent:
            continue
        parts += [text[at : found.start()], f"\n\n{table}\n\n"]
        at = end
    return "".join([*parts, text[at:]])


def _replacement(place: Place) -> Callable[[re.Match[str]], str]:
    tags = _Tags()

    def replaced(found: re.Match[str]) -> str:
        kind, whole = found.lastgroup, found[0]
        if found["tag"]:
            return tags.markdown(whole, in_table=_in_table(found))
        if tags.anchors:
            return whole  # the text of a link
        if found["other"]:
            repository = f"{found['owner']}/{found['repo']}"
            target = (
                place.issue(found["number"], repository) if found["number"] else place.commit(found["at"], repository)
            )
            return f"[{whole}]({target})"
        if found["issue"]:
            return f"[{whole}]({place.issue(found['issue'])})"
        if found["user"]:
            login, team = found["user"], found["team"]
            return f"[{whole}]({place.team(login, team) if team else place.person(login)})"
        return f"[{whole}]({place.commit(whole)})" if kind == "sha" else whole

    return replaced


def _in_table(found: re.Match[str]) -> bool:
    line = found.string.rfind("\n", 0, found.start()) + 1
    return found.string[line : line + 1000].lstrip().startswith("|")


class _Tags:
    """Turns HTML tags into Markdown one by one, remembering the links that are open."""

    def __init__(self) -> None:
        self.anchors: list[str] = []

    def markdown(self, tag: str, *, in_table: bool) -> str:
        name = re.split(r"[\s/>]", tag.strip("</"), maxsplit=1)[0].lower()
        closing = tag.startswith("</")
        if name not in _RENDERED:
            return tag  # `List<String>`, or something that GitHub shows as it is
        if name in _MARKS:
            return _MARKS[name]
        if name == "a":
            return self._anchor(tag, closing=closing)
        if name == "img":
            return _image(tag)
        if name == "br":
            return " " if in_table else "\n"
        if name == "hr":
            return "\n\n---\n\n"
        if name == "summary":
            return "**\n\n" if closing else "\n\n**"
        if name[0] == "h" and name[1:].isdigit():
            return "\n\n" if closing else f"\n\n{'#' * int(name[1:])} "
        if name in ("li", "dt"):
            return "" if closing else "\n- "
        return "\n\n" if name in _BLOCKS and not in_table else ""

    def _anchor(self, tag: str, *, closing: bool) -> str:
        if closing:
            target = self.anchors.pop() if self.anchors else ""
            return f"]({target})" if target else ""
        target = _attributes(tag).get("href", "")
        self.anchors.append(target)
        return "[" if target else ""


def _image(tag: str) -> str:
    attributes = _attributes(tag)
    alt, target = attributes.get("alt", ""), attributes.get("src", "")
    return f"![{alt}]({target})" if target else alt


def _attributes(tag: str) -> dict[str, str]:
    return {
        found[1].lower(): html.unescape(found[2] or found[3] or found[4] or "") for found in _ATTRIBUTE.finditer(tag)
    }
