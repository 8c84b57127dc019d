"""Backlog's own wiki notation to Markdown, and the links of a project whose text is Markdown already.

    `* Head`, `-- item`, `++ item`, `|a|b|h`, `{code:java}…{/code}`, `''bold''`, `[[label>https://x.test]]`, `BLG-12`

Reference: https://support-ja.backlog.com/hc/ja/articles/360035641594 (Backlog notation), …/360036145833 (Markdown)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote as quoted

from knowhub.formats.slack_mrkdwn import fence, link, quote

_BLOCK_OPENS = re.compile(r"\{(code|quote)(?::([A-Za-z0-9#+._-]{0,20}))?\}")
_COLOR = re.compile(r"&color\([A-Za-z0-9#, ]{0,60}\)[ \t]*\{([^{}]*)\}")
_HEADING = re.compile(r"(\*+)[ \t\u3000]*(\S.*)")
_ITEM = re.compile(r"([-+]+)[ \t\u3000]*(\S.*)")
_RULE = re.compile(r"-{2,}[ \t]*")
_ROW = re.compile(r"[ \t]*\|.*\|[ \t]*(h?)[ \t]*")
_CELL_BAR = re.compile(r"(?<!\\)\|")
_QUOTED = re.compile(r"(>+)[ \t]?(.*)")
_CONTENTS = re.compile(r"#contents[ \t]*")
_WOULD_BE_MARKUP = re.compile(r"(?=#{1,6}(?:\s|$)|`{3}|~{3}|=+[ \t]*$|-+[ \t]*$|<!--)")
_MAX_HEADING = 6
_MAX_COLORS = 8

# Emphasis must not reach into these, but may span them: they are set aside under a number between two private-use
# characters, and those characters themselves are set aside where a text contains them.
_ASIDE = re.compile(
    r"\\(?P<escaped>[^\w\s])"
    r"|\[\[(?P<target>[^\[\]\n]+)\]\]"
    r"|#(?P<macro>image|thumbnail|attach|rev|cacoo)\((?P<given>[^()\n]*)\)"
    r"|(?P<url>https?://[^\s<>\"'|\[\]{}、。「」（）]+)"
    r"|(?P<private>[\ue000\ue001])"
)
_PLACE = re.compile("\ue000(\\d+)\ue001")
_ITALIC = re.compile(r"'''([^'\n](?:[^'\n]|'(?!''))*?)'''")
_BOLD = re.compile(r"''([^'\n](?:[^'\n]|'(?!'))*?)''")
_STRIKE = re.compile(r"%%([^%\n](?:[^%\n]|%(?!%))*?)%%")
_BREAK = "&br;"
_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"))
_LABELLED = re.compile(r"(.+?)[:>]((?:https?|ftp|file|mailto):.*|/[\w/].*)")
_KEY = re.compile(r"(?<![A-Za-z0-9_/-])([A-Z][A-Z0-9_]*)-([1-9][0-9]*)(?![A-Za-z0-9_-])")
_WHOLE_KEY = re.compile(r"[A-Z][A-Z0-9_]*-[1-9][0-9]*")
_MARKDOWN_CODE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^(?P=fence)[`~]*[ \t]*$|\Z)"
    r"|(?P<ticks>`+)[^`\n](?:[^\n]*?[^`\n])?(?P=ticks)(?!`)"
    r"|!?\[[^\[\]\n]*\]\([^()\n]*\)|<[^<>\n]+>|https?://[^\s<>]+"
    r"|\[\[(?P<target>[^\[\]\n]+)\]\]",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Places:
    """Where links of a text lead: the space's address, the key of the text's project, and all projects' keys.

    Only keys of known projects become links: `UTF-8` is none.
    """

    space_url: str = ""
    project: str = ""
    projects: frozenset[str] = field(default=frozenset())

    def issue(self, key: str) -> str:
        return f"{self.space_url}/view/{key}" if self.space_url else ""

    def wiki(self, page: str) -> str:
        known = self.space_url and self.project
        return f"{self.space_url}/wiki/{self.project}/{quoted(page, safe='/')}" if known else ""

    def revision(self, repository: str, revision: str) -> str:
        if not (self.space_url and self.project and revision):
            return ""
        if repository:
            return f"{self.space_url}/git/{self.project}/{quoted(repository)}/commit/{quoted(revision)}"
        return f"{self.space_url}/rev/{self.project}/{quoted(revision)}"

    def knows(self, project: str) -> bool:
        return project == self.project or project in self.projects


NOWHERE = Places()


def to_markdown(text: str, places: Places = NOWHERE) -> str:
    """Markdown of a text in Backlog's notation; every word of it is kept but colours and languages of code."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    blocks: list[str] = []
    for kind, argument, content in _pieces(text):
        if kind == "code":
            blocks.append(fence(content.strip("\n"), argument))
        elif kind == "quote":
            blocks.append(quote(to_markdown(content, places)))
        else:
            blocks.extend(_Writer(places).blocks(_without_colors(content)))
    return "\n\n".join(block for block in blocks if block.strip())


def link_keys(text: str, places: Places) -> str:
    """Markdown of a project that writes Markdown: issue keys and `[[names]]` outside of code and links become links."""
    out: list[str] = []
    start = 0
    for found in _MARKDOWN_CODE.finditer(text):
        out.append(_linked(text[start : found.start()], places))
        target = found["target"]
        out.append(_bracket(target, places) if target is not None else found.group())
        start = found.end()
    out.append(_linked(text[start:], places))
    return "".join(out)


def mentioned_keys(text: str) -> set[str]:
    """What in a text looks like an issue key: `BLG-12`, and also `UTF-8`."""
    return {found.group() for found in _KEY.finditer(text)}


# ── blocks ───────────────────────────────────────────────────────────────────────────────────────────


def _pieces(text: str) -> Iterator[tuple[str, str, str]]:
    """`(kind, argument, content)`: text, code and quotes in order. What is never closed is text."""
    start = 0
    unclosed: set[str] = set()
    for opened in _BLOCK_OPENS.finditer(text):
        kind = opened[1]
        if opened.start() < start or kind in unclosed:
            continue
        closed = text.find(f"{{/{kind}}}", opened.end())
        if closed < 0:
            unclosed.add(kind)
            continue
        yield "text", "", text[start : opened.start()]
        yield kind, opened[2] or "", text[opened.end() : closed]
        start = closed + len(kind) + 3
    yield "text", "", text[start:]


def _without_colors(text: str) -> str:
    """Colours may be nested: the inner ones go first, but not without end."""
    for _ in range(_MAX_COLORS):
        text, replaced = _COLOR.subn(lambda found: found[1].strip(" \t"), text)
        if not replaced:
            break
    return text


class _Writer:
    """Lines of one text to Markdown blocks."""

    def __init__(self, places: Places) -> None:
        self._places = places

    def blocks(self, text: str) -> Iterator[str]:
        lines = text.split("\n")
        at = 0
        while at < len(lines):
            kind = _kind(lines[at])
            end = at + 1
            while end < len(lines) and kind != "heading" and _kind(lines[end]) == kind:
                end += 1
            yield self._block(kind, lines[at:end])
            at = end

    def _block(self, kind: str, lines: Sequence[str]) -> str:
        match kind:
            case "blank" | "contents":
                return ""
            case "rule":
                return "---"
            case "heading":
                found = _HEADING.fullmatch(lines[0])
                stars, title = (found[1], found[2]) if found else ("*", lines[0])
                return f"{'#' * min(len(stars), _MAX_HEADING)} {self._line(title)}"
            case "list":
                return "\n".join(self._items(lines))
            case "table":
                return self._table(lines)
            case "quote":
                found_lines = (_QUOTED.fullmatch(line) for line in lines)
                return "\n".join(
                    f"{'> ' * len(found[1])}{self._inline(found[2], ' ')}".rstrip() for found in found_lines if found
                )
            case _:
                said = "\n".join(self._inline(line, "\n").strip() for line in lines).split("\n")
                return "\n".join(_WOULD_BE_MARKUP.sub(r"\\", line, count=1) for line in said)

    def _items(self, lines: Sequence[str]) -> Iterator[str]:
        """`-` and `+` give each level its mark; a level that was skipped is not made up."""
        marks: list[str] = []
        numbers: list[int] = []
        for line in lines:
            found = _ITEM.fullmatch(line)
            if not found:
                continue
            level = min(len(found[1]), len(marks) + 1)
            mark = found[1][-1]
            if len(marks) >= level and marks[level - 1] == mark:
                del marks[level:], numbers[level:]
                numbers[level - 1] += 1
            else:
                del marks[level - 1 :], numbers[level - 1 :]
                marks.append(mark)
                numbers.append(1)
            indent = " " * sum(2 if above == "-" else 3 for above in marks[:-1])
            yield f"{indent}{f'{numbers[-1]}.' if mark == '+' else '-'} {self._line(found[2])}"

    def _table(self, lines: Sequence[str]) -> str:
        rows = [[self._cell(cell) for cell in _cells(line)] for line in lines]
        width = max(map(len, rows))
        written = [f"| {' | '.join(row + [''] * (width - len(row)))} |" for row in rows]
        written.insert(1, "|" + " --- |" * width)
        return "\n".join(written)

    def _cell(self, cell: str) -> str:
        cell = cell.strip().removeprefix("~").strip()
        return "" if cell == ">" else self._line(cell).replace("|", "\\|")

    # ── within a line ────────────────────────────────────────────────────────────────────────────────

    def _line(self, text: str) -> str:
        return " ".join(self._inline(text, " ").split())

    def _inline(self, text: str, line_end: str) -> str:
        asides: list[str] = []

        def set_aside(found: re.Match[str]) -> str:
            asides.append(self._aside(found))
            return f"\ue000{len(asides) - 1}\ue001"

        marked = _ASIDE.sub(set_aside, text)
        marked = _ITALIC.sub(_emphasis("*"), marked)
        marked = _BOLD.sub(_emphasis("**"), marked)
        marked = _STRIKE.sub(_emphasis("~~"), marked).replace(_BREAK, line_end)
        for entity, character in _ENTITIES:
            marked = marked.replace(entity, character)
        marked = _linked(marked, self._places)
        return _PLACE.sub(lambda found: asides[int(found[1])], marked)

    def _aside(self, found: re.Match[str]) -> str:
        if found["target"] is not None:
            return _bracket(found["target"], self._places)
        if found["macro"]:
            return _macro(found["macro"], found["given"].strip(), self._places)
        return found["escaped"] or found.group()


def _kind(line: str) -> str:
    if not line.strip():
        return "blank"
    if _RULE.fullmatch(line):
        return "rule"
    if _HEADING.fullmatch(line):
        return "heading"
    if _ITEM.fullmatch(line):
        return "list"
    if _ROW.fullmatch(line):
        return "table"
    if _QUOTED.fullmatch(line):
        return "quote"
    return "contents" if _CONTENTS.fullmatch(line) else "paragraph"


def _cells(line: str) -> list[str]:
    row = line.strip()
    row = row[1 : row.rindex("|")]
    return _CELL_BAR.split(row)


def _emphasis(mark: str) -> str:
    return rf"{mark}\1{mark}"


def _bracket(target: str, places: Places) -> str:
    """`[[BLG-1]]`, `[[https://…]]`, `[[label>https://…]]`, `[[label:https://…]]`, `[[Page]]`, `[[label>Page]]`."""
    target = target.strip()
    if _WHOLE_KEY.fullmatch(target):
        return link(places.issue(target), target)
    if re.match(r"https?://\S+$", target):
        return target
    labelled = _LABELLED.fullmatch(target)
    if labelled:
        label, address = labelled[1].strip(), labelled[2].strip()
        return link(f"{places.space_url}{address}" if address.startswith("/") else address, label)
    label, arrow, page = target.rpartition(">")
    if arrow and label.strip() and page.strip():
        page = page.strip()
        address = places.issue(page) if _WHOLE_KEY.fullmatch(page) else places.wiki(page)
        return link(address, label) if address else f"{label.strip()} ({page})"
    return link(places.wiki(target), target)


def _macro(name: str, given: str, places: Places) -> str:
    if name == "rev":
        repository, colon, revision = given.rpartition(":")
        return link(places.revision(repository if colon else "", revision), f"rev {given}") if given else ""
    if name == "attach":
        return given.partition(":")[0].strip() if re.fullmatch(r"[^:]+:[0-9]+", given) else given
    shown = given.split(",")[0].strip() if name == "cacoo" else given
    return shown if shown.startswith(("http://", "https://")) or not shown else f"[image: {shown}]"


def _linked(text: str, places: Places) -> str:
    """Issue keys of known projects as links."""
    if not places.space_url:
        return text
    return _KEY.sub(lambda f: link(places.issue(f.group()), f.group()) if places.knows(f[1]) else f.group(), text)
