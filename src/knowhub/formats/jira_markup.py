"""Jira's wiki markup ▸ Markdown, for Jira Data Center and for what Cloud's second API version returns.

    text ─▶ code, links, images and escapes are set aside as marks ─▶ blocks ─▶ emphasis ─▶ marks are put back

Notation: https://jira.atlassian.com/secure/WikiRendererHelpAction.jspa?section=all
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from knowhub.formats import markdown_pieces as md

_OPEN, _BLOCK, _CLOSE = "\ue000", "\ue001", "\ue002"
_MARK = re.compile(f"{_OPEN}{_BLOCK}?([0-9]+){_CLOSE}")
_BLOCK_MARK = re.compile(f"({_OPEN}{_BLOCK}[0-9]+{_CLOSE})")
_PRIVATE = re.compile("[\ue000-\ue002]")

_VERBATIM = re.compile(r"\{(code|noformat)(?::([^}\n]*))?\}(.*?)\{\1\}", re.DOTALL | re.IGNORECASE)
_FRAME = re.compile(r"\{(quote|panel)(?::([^}\n]*))?\}(.*?)\{\1\}", re.DOTALL | re.IGNORECASE)
_TAGS = re.compile(r"\{color(?::[^}\n]*)?\}|\{anchor(?::[^}\n]*)?\}", re.IGNORECASE)
_FORCED = re.compile(r"\{(\*|_|-|\+|\^|~|\?\?)\}(?=\S)(.+?)\{\1\}")

_MONO = re.compile(r"\{\{(?=\S)(.+?)\}\}(?!\})")
_LINK = re.compile(r"(?<!\\)\[(?=[^\s\]])([^\[\]\n]*)\]")
_IMAGE = re.compile(r"(?<![\w!\\])!(?=[^\s!|])((?:https?://[^!|\n]+|[^!|\n]+?\.\w{2,5}))(?:\|([^!\n]*))?!(?!\w)")
_URL = re.compile(r"(?:https?|ftp|file)://[^\s|\]}{\ue000-\ue002]+")
_BREAK = re.compile(r"(?<!\\)\\\\(?=\s|$)")
_ESCAPE = re.compile(r"\\([{}\[\]*_\-+^~?!|#()])")

_HEADING = re.compile(r"\s*h([1-6])\.\s*(.*)")
_BQ = re.compile(r"\s*bq\.\s+(.*)")
_RULE = re.compile(r"\s*-{4,}\s*")
_ITEM = re.compile(r"\s*([*#-]{1,12})\s+(\S.*)")
_ROW = re.compile(r"\s*\|")
_CELL = re.compile(r"(\|{1,2})")

_KEY = re.compile(r"(?<![\w/#.-])([A-Z][A-Z0-9_]+-[1-9]\d{0,9})(?![\w-])")
_ALT = re.compile(r"(?:^|[,|])\s*alt=\"?([^\",|]*)")


def _phrase(mark: str) -> re.Pattern[str]:
    """Words between two marks that stand at the edges of words."""
    m, first = re.escape(mark), re.escape(mark[0])
    return re.compile(rf"(?<![\w\\{first}]){m}(?=[^\s{first}])([^\n]*?[^\s{first}])??{m}(?![\w{first}])")


_PHRASES: Sequence[tuple[re.Pattern[str], str]] = [
    (_phrase("*"), "**"),
    (_phrase("_"), "*"),
    (_phrase("??"), "*"),
    (_phrase("-"), "~~"),
    (_phrase("+"), ""),
    (_phrase("^"), "^"),
    (_phrase("~"), "_"),
]
_FORCED_MARKS = {"*": "**", "_": "*", "??": "*", "-": "~~", "+": "", "^": "^", "~": "_"}
_BEFORE_ONLY = frozenset(("^", "_"))


def jira_markup_to_markdown(
    source: str,
    *,
    names: Mapping[str, str] | None = None,
    files: Mapping[str, str] | None = None,
    issue_url: Callable[[str], str] | None = None,
) -> str:
    """Wiki markup as Markdown. Never raises; text is not escaped, and macros that are not known stay as they are.

    `names` tells people by user name, key or `accountid:…`; `files` addresses by attachment's name; `issue_url` the
    address of what looks like an issue's key, "" if it is none.
    """
    return _Writer(names or {}, files or {}, issue_url or (lambda _: "")).document(source)


class _Writer:
    def __init__(self, names: Mapping[str, str], files: Mapping[str, str], issue_url: Callable[[str], str]) -> None:
        self._names = names
        self._files = files
        self._issue_url = issue_url
        self._kept: list[str] = []
        self._spans: dict[str, str] = {}

    def document(self, source: str) -> str:
        text = _PRIVATE.sub("", source).replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ")
        text = _VERBATIM.sub(self._verbatim, text)
        text = _MONO.sub(lambda found: self._keep(md.code_span(self._restored(found[1]))), text)
        text = _TAGS.sub("", text)
        text = _IMAGE.sub(self._image, text)
        text = _LINK.sub(self._link, text)
        text = _URL.sub(lambda found: self._keep(found[0]), text)
        text = _BREAK.sub("\n", text)
        text = _ESCAPE.sub(lambda found: self._keep(found[1]), text)
        text = _KEY.sub(self._key, text)
        return "\n\n".join(self._restored(block) for block in self._framed(text))

    # ── what is set aside ────────────────────────────────────────────────────────────────────────────

    def _keep(self, text: str, *, block: bool = False) -> str:
        self._kept.append(text)
        return f"{_OPEN}{_BLOCK if block else ''}{len(self._kept) - 1}{_CLOSE}"

    def _restored(self, text: str) -> str:
        """What was set aside holds only what was set aside before it, so this ends."""
        while _OPEN in text:
            text = _MARK.sub(lambda found: self._kept[int(found[1])], text)
        return text

    def _verbatim(self, found: re.Match[str]) -> str:
        code = found[3].strip("\n").rstrip()
        if not code.strip():
            return "\n"
        language, title = "", ""
        for i, option in enumerate((found[2] or "").split("|")):
            key, equals, value = option.partition("=")
            if not equals and i == 0 and found[1].lower() == "code":
                language = key.strip()
            elif key.strip().lower() == "language":
                language = value.strip()
            elif key.strip().lower() == "title":
                title = value.strip()
        caption = f"**{title}**\n\n" if title else ""
        before, after = _beside(found)
        if "\n" not in code and (before or after):
            return self._keep(f"**{title}** {md.code_span(code)}" if title else md.code_span(code))
        mark = self._keep(caption + md.fenced(code, language.lower()), block=True)
        self._spans[mark] = "\n".join(map(md.code_span, code.split("\n")))
        return mark

    def _image(self, found: re.Match[str]) -> str:
        name = self._restored(found[1]).strip()
        alt = next(iter(_ALT.findall(found[2] or "")), "").strip()
        return self._keep(f"![{alt}]({md.address(self._files.get(name, name))})")

    def _link(self, found: re.Match[str]) -> str:
        parts = [part.strip() for part in found[1].split("|")]
        target = parts[1] if len(parts) > 1 else parts[0]
        label = parts[0] if len(parts) > 1 else ""
        if shown := self._reference(label, target):
            return self._keep(shown)
        if not _is_address(target):
            return found[0]  # brackets in a text: [sic], a[0]
        return self._keep(md.link(self._spoken(label), target))

    def _reference(self, label: str, target: str) -> str:
        """People, files, anchors and issues, which only a wiki's brackets can name."""
        if target.startswith("~") and len(target) > 1:
            return f"@{self._names.get(target[1:], '') or target[1:]}"
        if target.startswith("^") and len(target) > 1:
            name = target[1:]
            return md.link(label or name, self._files.get(name, "" if not label or label == name else name))
        if target.startswith("#"):
            return self._spoken(label) or target
        if _KEY.fullmatch(target):
            return md.link(self._spoken(label) or target, self._issue_url(target)) or target
        return ""

    def _key(self, found: re.Match[str]) -> str:
        url = self._issue_url(found[1])
        return self._keep(f"[{found[1]}]({url})") if url else found[0]

    # ── blocks ───────────────────────────────────────────────────────────────────────────────────────

    def _framed(self, text: str) -> list[str]:
        """Blocks, with what stands in quotes and panels as Markdown's quotes."""
        out: list[str] = []
        end = 0
        for frame in _FRAME.finditer(text):
            out += self._blocks(text[end : frame.start()].split("\n"))
            end = frame.end()
            inner = self._framed(frame[3])
            title = next((o[6:].strip() for o in (frame[2] or "").split("|") if o.startswith("title=")), "")
            blocks = [f"**{title}**", *inner] if title else inner
            if blocks:
                out.append(md.quoted(self._restored("\n\n".join(blocks))))
        return out + self._blocks(text[end:].split("\n"))

    def _blocks(self, lines: Sequence[str]) -> list[str]:
        out: list[str] = []
        at = 0
        while at < len(lines):
            line = lines[at]
            if not line.strip():
                at += 1
            elif _ROW.match(line):
                rows, at = _rows(lines, at)
                out.append(self._table(rows))
            elif _is_item(line):
                items, at = _items(lines, at)
                out.append(self._list(items))
            elif found := _HEADING.fullmatch(line):
                words = " ".join(self._spoken(found[2]).split())
                out.append(f"{'#' * int(found[1])} {words}" if words else "")
                at += 1
            elif found := _BQ.fullmatch(line):
                out.append(md.quoted(self._spoken(found[1])))
                at += 1
            elif _RULE.fullmatch(line):
                out.append("---")
                at += 1
            else:
                words, at = _paragraph(lines, at)
                out += self._mixed(words)
        return [block for block in out if block]

    def _mixed(self, text: str) -> list[str]:
        """Paragraphs and the code blocks between them."""
        parts = (part for part in _BLOCK_MARK.split(text) if part.strip())
        return [self._restored(p) if _BLOCK_MARK.fullmatch(p) else md.paragraph(self._spoken(p)) for p in parts]

    def _list(self, items: Iterable[tuple[str, str]]) -> str:
        lines: list[str] = []
        levels: list[tuple[str, int]] = []  # a mark and how many items it has had, from the outermost list inwards
        for marks, text in items:
            blocks = self._mixed(text)
            del levels[len(marks) :]
            if len(levels) == len(marks) and levels[-1][0] == marks[-1]:
                levels[-1] = (marks[-1], levels[-1][1] + 1)
            else:
                del levels[len(marks) - 1 :]
                levels.append((marks[-1], 1))
            indent = " " * sum(len(_bullet(*level)) for level in levels[:-1])
            lines.append(md.indented(md.list_item(blocks, _bullet(*levels[-1])), indent, indent))
        return "\n".join(lines)

    def _table(self, rows: Iterable[str]) -> str:
        grid = [self._row(row, head=i == 0) for i, row in enumerate(rows)]
        return md.table(grid)

    def _row(self, row: str, *, head: bool) -> list[str]:
        parts = _CELL.split(row.strip())[1:]  # a separator, then the cell that it begins
        separators, texts = parts[::2], parts[1::2]
        if len(texts) > 1 and not texts[-1].strip():
            separators, texts = separators[:-1], texts[:-1]
        cells = []
        for separator, text in zip(separators, texts, strict=True):
            text = _BLOCK_MARK.sub(lambda mark: self._keep(self._spans[mark[0]]), text)
            shown = md.cell([self._restored(block) for block in self._blocks(text.split("\n"))])
            cells.append(md.wrapped(shown, "**") if separator == "||" and not head else shown)
        return cells

    # ── within a line ────────────────────────────────────────────────────────────────────────────────

    def _spoken(self, text: str) -> str:
        """Emphasis, then everything that was set aside."""
        text = _FORCED.sub(lambda found: _emphasised(found[2], _FORCED_MARKS[found[1]]), text)
        for pattern, mark in _PHRASES:
            text = pattern.sub(lambda found, mark=mark: _emphasised(found[1] or "", mark), text)  # type: ignore[misc]  # mypy reads no defaults of lambdas
        return self._restored(text)


def _emphasised(text: str, mark: str) -> str:
    if mark in _BEFORE_ONLY:
        return f"{mark}{text}"
    return md.wrapped(text, mark) if mark else text


def _bullet(mark: str, number: int) -> str:
    return f"{number}. " if mark == "#" else "- "


def _beside(found: re.Match[str]) -> tuple[str, str]:
    """What stands before and after it on its lines."""
    text = found.string
    end = text.find("\n", found.end())
    before = text[text.rfind("\n", 0, found.start()) + 1 : found.start()]
    return before.strip(), text[found.end() : len(text) if end < 0 else end].strip()


def _is_address(target: str) -> bool:
    return bool(_URL.match(target)) or target.lower().startswith(("mailto:", "tel:", "//", "/", "\\\\"))


def _is_item(line: str) -> bool:
    found = _ITEM.match(line)
    return bool(found) and not (set(found[1]) == {"-"} and len(found[1]) > 2)  # type: ignore[index]  # found is not None where bool(found)


def _starts_block(line: str) -> bool:
    return bool(
        not line.strip()
        or _ROW.match(line)
        or _is_item(line)
        or _HEADING.fullmatch(line)
        or _BQ.fullmatch(line)
        or _RULE.fullmatch(line)
    )


def _paragraph(lines: Sequence[str], at: int) -> tuple[str, int]:
    end = at + 1
    while end < len(lines) and not _starts_block(lines[end]):
        end += 1
    return "\n".join(lines[at:end]), end


def _items(lines: Sequence[str], at: int) -> tuple[list[tuple[str, str]], int]:
    """Items with their marks; a line that begins nothing belongs to the item before it."""
    items: list[tuple[str, str]] = []
    while at < len(lines) and (found := _ITEM.match(lines[at])) and _is_item(lines[at]):
        rest, at = _paragraph(lines, at)
        items.append((found[1], "\n".join([found[2], *rest.split("\n")[1:]])))
    return items, at


def _rows(lines: Sequence[str], at: int) -> tuple[list[str], int]:
    """Rows of a table; a row that is not closed by a bar goes on in the next lines."""
    rows: list[str] = []
    while at < len(lines) and _ROW.match(lines[at]):
        row = lines[at]
        at += 1
        while at < len(lines) and not row.rstrip().endswith("|") and lines[at].strip() and not _ROW.match(lines[at]):
            row += "\n" + lines[at]
            at += 1
        rows.append(row)
    return rows, at
