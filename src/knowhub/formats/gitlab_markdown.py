"""GitLab Flavored Markdown to plain Markdown: references become links that open, HTML becomes Markdown, code stays.

    #12 !34 &5 %6 ~label @user group/project#3, /uploads/…, wiki links ──▶ [#12](https://…/-/issues/12) …

Specification: https://docs.gitlab.com/user/markdown/. Whether a reference exists is not known here, so forms that
mostly mean something else (`$5`, `~5`, `C#7`) are left as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import normpath
from urllib.parse import quote

from knowhub.formats.html import html_to_markdown

_FENCE = re.compile(r"[ \t>]*(?:[-*+][ \t]+|\d{1,9}[.)][ \t]+)?(?P<fence>`{3,}(?=[^`]*$)|~{3,})")
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TABLE = re.compile(r"<table\b(?:(?!<table\b).)*?</table\s*>", re.DOTALL | re.IGNORECASE)
_CONTENTS = re.compile(r"^[ \t]*(?:\[\[_TOC_\]\]|\[TOC\])[ \t]*$", re.MULTILINE)
_QUOTE_MARK = re.compile(r"[ \t]*>>>[ \t]*$")
_PATH = r"[A-Za-z0-9_][\w.-]*(?:/[A-Za-z0-9_][\w.-]*)*"
_DESTINATION = r"(?:[^()\n\"<>]|\([^()\n\"<>]{0,200}\)){1,2000}?|<[^<>\n]{1,2000}>"
_TITLE = r"[ \t]+(?:\"[^\"\n]{0,300}\"|'[^'\n]{0,300}')"
_TOKEN = re.compile(
    r"(?P<code>(?P<ticks>`+)(?!`)[^\n]{0,2000}?(?<!`)(?P=ticks)(?!`))"
    r"|(?P<escape>\\[#!&%~@\[<])"
    r"|(?P<wiki>\[\[(?P<wiki_text>[^\[\]\n|]{1,300})(?:\|(?P<wiki_page>[^\[\]\n|]{1,300}))?\]\])"
    rf"|(?P<image>!\[(?P<alt>[^\[\]\n]{{0,500}})\]\((?P<src>{_DESTINATION})(?P<image_title>{_TITLE})?\)"
    r"(?:\{[^{}\n]{0,200}\})?)"
    r"|(?P<link>\[(?P<text>(?:[^\[\]\n]|\[[^\[\]\n]{0,200}\]){0,1000})\]"
    rf"\((?P<to>{_DESTINATION})(?P<title>{_TITLE})?\))"
    r"|(?P<definition>^[ ]{0,3}\[[^\[\]\n]{1,300}\]:[ \t]*(?P<defined>\S{1,2000}))"
    r"|(?P<auto><?\b(?:https?|ftp|mailto):[^\s<>]{1,2000}>?)"
    r"|(?P<anchor><[aA][ \t\n](?P<anchor_attributes>[^<>]{0,1000})>(?P<inner>[^<>\n]{0,1000})</[aA][ \t]*>)"
    r"|(?P<tag></?(?P<name>[A-Za-z][A-Za-z0-9]{0,15})(?P<attributes>(?:[ \t\n][^<>]{0,1000})?)/?>)"
    rf"|(?<![\w/.@&-])(?P<full>(?P<path>{_PATH})(?P<full_sign>[#!&$])(?P<full_number>\d{{1,18}}))(?![\w/])"
    rf"|(?<![\w/.@&-])(?P<commit>(?P<commit_path>{_PATH}/[A-Za-z0-9_][\w.-]*)@(?P<sha>[0-9a-f]{{7,40}}))(?!\w)"
    r"|(?<![\w/&#!%~$@.-])(?P<short>(?P<sign>[#!&%])(?P<number>\d{1,18}))(?![\w/]|\.\d)"
    rf"|(?<![\w/.@`~-])(?P<mention>@(?P<who>{_PATH}))"
    r'|(?<![\w/~])(?P<label>~(?:"(?P<quoted>[^"\n]{1,255})"|(?P<bare>[^\W\d](?:[\w:.?&-]{0,253}\w)?)))(?![\w/~])',
    re.MULTILINE,
)
_ATTRIBUTE = re.compile(r"""([a-zA-Z-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:|//|#|\{|<")
_MARKS = {"b": "**", "strong": "**", "i": "*", "em": "*", "del": "~~", "s": "~~", "strike": "~~"}
_CODE = frozenset(("code", "kbd", "samp", "tt", "var"))
_BREAKING = frozenset(("p", "div", "ul", "ol", "dl", "blockquote", "section", "center", "details", "tr", "table"))
_DROPPED = _BREAKING | frozenset(
    ("span", "sup", "sub", "ins", "mark", "small", "big", "font", "u", "q", "abbr", "cite", "dfn", "ruby", "rt", "rp",
     "a", "thead", "tbody", "tfoot", "td", "th", "dt", "dd", "li", "pre", "picture", "source", "figure", "figcaption",
     "wbr")
)  # fmt: skip
_KINDS = {"#": "issues", "!": "merge_requests", "$": "snippets", "%": "milestones"}
_TRAILING = ".,;:!?-"


@dataclass(frozen=True, slots=True)
class Home:
    """Where a text stands: `path` is its project's (or, with `group`, its group's) full path under `site`.

    `wiki` is the slug of the wiki page that holds the text, None outside wikis. `branch` is what relative links to
    files of the repository open at.
    """

    site: str
    path: str
    group: bool = False
    wiki: str | None = None
    branch: str = "HEAD"

    @classmethod
    def of(cls, web_url: str, path: str, *, wiki: str | None = None, branch: str = "HEAD") -> Home:
        """From the `web_url` and the full path of a project or a group, as the API gives them."""
        url = web_url.rstrip("/")
        group = url.endswith(f"/groups/{path}")
        site = url.removesuffix(path).rstrip("/")
        return cls(site.removesuffix("/groups") if group else site, path, group, wiki, branch)

    @property
    def url(self) -> str:
        """The page of the project or group itself."""
        return _group(self.site, self.path) if self.group else f"{self.site}/{_quoted(self.path)}"

    @property
    def groups(self) -> str:
        """The full path of the group that epics without a path belong to."""
        return self.path if self.group else self.path.rpartition("/")[0]


def render_gitlab_markdown(text: str, home: Home) -> str:
    """The text as plain Markdown, lines ended by `\\n`. Never raises; code is kept as it was written."""
    out: list[str] = []
    prose: list[str] = []
    fence = ""
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        found = _FENCE.match(line)
        if fence:
            out.append(line)
            if found and found["fence"].startswith(fence) and not line[found.end() :].strip():
                fence = ""
        elif found and not _inside_comment(prose):
            _flush(prose, out, home)
            fence = found["fence"]
            out.append(line)
        else:
            prose.append(line)
    _flush(prose, out, home)
    return "\n".join(out).strip("\n")


def upload_links(text: str) -> list[str]:
    """The `/uploads/{secret}/{file}` of a text, each once, in order. Code is not searched."""
    found: dict[str, None] = {}
    for part in _outside_code(text):
        found.update(dict.fromkeys(match[0].rstrip(_TRAILING) for match in _UPLOAD.finditer(part)))
    return [link for link in found if not link.endswith("/")]


# One name and no path: whoever writes `/uploads/…/../../` must not choose what is asked for with our token.
_UPLOAD = re.compile(r"(?<![\w.])/uploads/[0-9a-f]{32}/[^\s()<>\"'\]/\\]{1,500}")


def _outside_code(text: str) -> list[str]:
    parts: list[str] = []
    fence = ""
    for line in text.replace("\r", "").split("\n"):
        found = _FENCE.match(line)
        if not found and not fence:
            parts.append(line)
        elif found and not fence:
            fence = found["fence"]
        elif found and found["fence"].startswith(fence):
            fence = ""
    return parts


def _inside_comment(prose: list[str]) -> bool:
    for line in reversed(prose):
        if "-->" in line and line.rfind("-->") > line.rfind("<!--"):
            return False
        if "<!--" in line:
            return True
    return False


def _flush(prose: list[str], out: list[str], home: Home) -> None:
    if prose:
        out.append(_prose("\n".join(_quoted_lines(prose)), home))
        prose.clear()


def _quoted_lines(lines: list[str]) -> list[str]:
    """Multi-line quotes (`>>>` above and below) as lines that begin with `>`."""
    out: list[str] = []
    opened: int | None = None
    for line in lines:
        if not _QUOTE_MARK.match(line):
            out.append(line)
        elif opened is None:
            opened = len(out)
        else:
            out[opened:] = [f"> {quoted}".rstrip() for quoted in out[opened:]]
            opened = None
    return out


def _prose(text: str, home: Home) -> str:
    text = _CONTENTS.sub("", text)
    if "<" in text:
        text = _COMMENT.sub("", text)
        text = _TABLE.sub(_table, text)
    return _TOKEN.sub(lambda match: _token(match, home), text)


def _table(match: re.Match[str]) -> str:
    return f"\n{html_to_markdown(match[0])}\n"


def _token(match: re.Match[str], home: Home) -> str:
    return _TOKENS[match.lastgroup or "code"](match, home)


# ── references ───────────────────────────────────────────────────────────────────────────────────────


def _short(match: re.Match[str], home: Home) -> str:
    sign, number = match["sign"], match["number"]
    if sign == "&":
        return _linked(match[0], f"{_group(home.site, home.groups)}/-/epics/{number}") if home.groups else match[0]
    if home.group:
        return match[0]
    return _linked(match[0], f"{home.url}/-/{_KINDS[sign]}/{number}")


def _full(match: re.Match[str], home: Home) -> str:
    path, sign, number = match["path"], match["full_sign"], match["full_number"]
    if sign == "&":
        return _linked(match[0], f"{_group(home.site, path)}/-/epics/{number}")
    if "/" not in path:
        return match[0]
    return _linked(match[0], f"{home.site}/{_quoted(path)}/-/{_KINDS[sign]}/{number}")


def _commit(match: re.Match[str], home: Home) -> str:
    return _linked(match[0], f"{home.site}/{_quoted(match['commit_path'])}/-/commit/{match['sha']}")


def _mention(match: re.Match[str], home: Home) -> str:
    who = match["who"].rstrip(_TRAILING)
    rest = match["who"][len(who) :]
    return match[0] if who == "all" else f"{_linked(f'@{who}', f'{home.site}/{_quoted(who)}')}{rest}"


def _label(match: re.Match[str], home: Home) -> str:
    name = match["quoted"] or match["bare"]
    return _linked(f"~{name}", f"{home.url}/-/issues?label_name={quote(name, safe='')}")


def _linked(text: str, url: str) -> str:
    return f"[{text}]({url})"


# ── links ────────────────────────────────────────────────────────────────────────────────────────────


def _link(match: re.Match[str], home: Home) -> str:
    return f"[{match['text']}]({_target(match['to'], home)}{match['title'] or ''})"


def _image(match: re.Match[str], home: Home) -> str:
    """An image opens as a link: what it is called is all of it that can be read."""
    target = _target(match["src"], home)
    name = match["alt"].strip() or match["src"].strip("<>").rpartition("/")[2]
    title = (match["image_title"] or "").strip().strip("\"'")
    return _linked(f"{name} {title}".strip(), target)


def _definition(match: re.Match[str], home: Home) -> str:
    head = match[0][: len(match[0]) - len(match["defined"])]
    return f"{head}{_target(match['defined'], home)}"


def _wiki(match: re.Match[str], home: Home) -> str:
    if match["wiki_text"] == "_TOC_":
        return ""
    text = match["wiki_text"].strip()
    page = (match["wiki_page"] or match["wiki_text"]).strip()
    if _SCHEME.match(page):
        return _linked(text, page)
    return _linked(text, f"{home.url}/-/wikis/{_quoted(page.replace(' ', '-').lstrip('/'))}")


def _target(given: str, home: Home) -> str:
    """An address that opens from anywhere. What has a scheme or is an anchor stays."""
    target = (given[1:-1] if given.startswith("<") and given.endswith(">") else given).strip()
    if _SCHEME.match(target) or not target:
        return given
    path, mark, rest = _divided(target)
    if path.startswith("/uploads/"):
        return f"{home.url}{'/-' if home.group else ''}{_safe(path)}{mark}{rest}"
    if home.wiki is not None:
        return f"{home.url}/-/wikis/{_safe(_within_wiki(path, home.wiki))}{mark}{rest}"
    if path.startswith("/"):
        return f"{home.site}{_safe(path)}{mark}{rest}"
    if home.group or not path:
        return given
    inside = normpath(path).removeprefix("../")
    return f"{home.url}/-/blob/{_quoted(home.branch)}/{_safe(inside)}{mark}{rest}"


def _divided(target: str) -> tuple[str, str, str]:
    for mark in ("#", "?"):
        if mark in target:
            return target.partition(mark)
    return target, "", ""


def _within_wiki(path: str, page: str) -> str:
    """https://docs.gitlab.com/user/project/wiki/markdown/: `/x` and `x` from the root, `./x`, `../x` from the page."""
    if path.startswith("."):
        return normpath(f"/{page.rpartition('/')[0]}/{path}").lstrip("/")
    return path.lstrip("/")


# ── HTML ─────────────────────────────────────────────────────────────────────────────────────────────


def _tag(match: re.Match[str], home: Home) -> str:
    """What GitLab shows of a tag; names that are no HTML (`<your-token>`, `<T>`) are words."""
    name, closing = match["name"].lower(), match[0].startswith("</")
    if name in _MARKS:
        return _MARKS[name]
    if name in _CODE:
        return "`"
    if name == "img":
        return _picture(match, home)
    if name == "br":
        line = match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]
        return " " if line.lstrip().startswith("|") else "\n"
    if name == "hr":
        return "\n---\n"
    if name == "summary":
        return "**\n" if closing else "**"
    if len(name) == 2 and name[0] == "h" and name[1] in "123456":
        return "\n" if closing else f"\n{'#' * int(name[1])} "
    if name == "li":
        return "" if closing else "\n- "
    if name in _DROPPED:
        return "\n" if name in _BREAKING else "" if name not in ("td", "th") else " "
    return match[0]


def _anchor(match: re.Match[str], home: Home) -> str:
    href = _attributes(match["anchor_attributes"]).get("href", "")
    return _linked(match["inner"], _target(href, home)) if href else match["inner"]


def _picture(match: re.Match[str], home: Home) -> str:
    attributes = _attributes(match["attributes"])
    source = attributes.get("src", "")
    name = attributes.get("alt", "").strip() or source.rpartition("/")[2]
    return _linked(name, _target(source, home)) if source and name else name


def _attributes(text: str) -> dict[str, str]:
    found = _ATTRIBUTE.findall(text or "")
    return {name.lower(): double or single or bare for name, double, single, bare in found}


# ── addresses ────────────────────────────────────────────────────────────────────────────────────────


def _group(site: str, path: str) -> str:
    return f"{site}/groups/{_quoted(path)}"


def _quoted(path: str) -> str:
    return quote(path, safe="/-._~")


def _safe(path: str) -> str:
    """Without what would end a Markdown link; what is escaped already stays."""
    return quote(path, safe="/-._~%!$&'*+,;=:@?")


def _kept(match: re.Match[str], _home: Home) -> str:
    return match[0]


_TOKENS: dict[str, Callable[[re.Match[str], Home], str]] = {
    "code": _kept,
    "escape": _kept,
    "wiki": _wiki,
    "image": _image,
    "link": _link,
    "definition": _definition,
    "auto": _kept,
    "anchor": _anchor,
    "tag": _tag,
    "full": _full,
    "commit": _commit,
    "short": _short,
    "mention": _mention,
    "label": _label,
}
