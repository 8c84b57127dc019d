"""Confluence's storage format ▸ Markdown: what a reader of the page sees, and what its macros were told.

storage ─parse_storage─▶ tree of ac:, ri: and HTML ─this file─▶ tree of HTML alone ─MarkdownWriter─▶ Markdown

https://confluence.atlassian.com/doc/confluence-storage-format-790796544.html names the elements. Macros that nobody
here knows keep their body and what their parameters say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from knowhub.formats.confluence_xml import Element, append_text, parse_storage, text_of
from knowhub.formats.markdown_writer import to_markdown

_MACROS = ("ac-structured-macro", "ac-macro")
_ADMONITIONS = {"info": "Info", "note": "Note", "warning": "Warning", "tip": "Tip", "panel": ""}
_INCLUDES = ("include", "excerpt-include")
_MAY_REFER = re.compile(r"<ri:user|include", re.IGNORECASE)
_LISTINGS = frozenset(
    ("toc", "children", "pagetree", "pagetreesearch", "recently-updated", "livesearch", "attachments", "gallery",
     "anchor", "blog-posts", "popular-labels", "related-labels", "navmap", "contributors", "space-attachments",
     "change-history", "create-from-template", "page-index", "index", "listlabels")
)  # fmt: skip
"""Macros that show what is found elsewhere anyway, and nothing that the page's author wrote."""
_CONTAINERS = frozenset(
    (
        "section",
        "column",
        "excerpt",
        "details",
        "toc-zone",
        "div",
        "span",
        "multiexcerpt",
        "multiexcerpt-macro",
        "align",
    )
)
_FORMULAS = ("mathblock", "mathinline", "latex", "eazy-math-inline", "easy-math-block", "eazy-math-block", "math")
_UNSPOKEN = frozenset(
    ("width", "height", "bgcolor", "bordercolor", "borderwidth", "borderstyle", "titlecolor", "titlebgcolor", "icon",
     "panelicon", "paneliconid", "panelicontext", "linenumbers", "theme", "firstline", "collapse", "zoom", "align",
     "nopanel", "hidden", "atlassian-macro-output-type", "serverid", "columnids", "maximumissues", "simple", "border",
     "layout", "breakoutmode", "breakoutwidth", "toolbar", "compressed", "originalwidth", "originalheight", "revision",
     "data", "style", "class", "subtle", "viewer", "lbox", "diagramwidth", "tbstyle", "links", "custcontentid",
     "pageid", "contentver", "inherit", "aspecthash", "aspect", "tempflag", "hiresaspect", "cloudid", "datasource",
     "panelcolor", "local-id", "macro-id")
)  # fmt: skip
"""Parameters that say how a macro looks, in lower case."""
_DROPPED = frozenset(("ac-placeholder", "ac-task-id", "ac-task-uuid", "ac-task-status", "ac-adf-attribute"))
_KEPT = frozenset(
    ("a", "b", "blockquote", "br", "caption", "center", "code", "dd", "del", "div", "dl", "dt", "em", "figcaption",
     "figure", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "i", "img", "kbd", "li", "ol", "p", "pre", "s", "samp",
     "section", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "tr",
     "tt", "u", "ul")
)  # fmt: skip
_ATTRIBUTES = ("href", "colspan", "rowspan", "start", "alt")
_BLOCKS = frozenset(
    ("ac-layout", "ac-layout-section", "ac-layout-cell", "ac-rich-text-body", "article", "aside", "summary", "details")
)
_LIST = (frozenset(("li", "ul", "ol", "ac-task", "ac-task-list")), ("li",))
_ROWS = (frozenset(("tr", "thead", "tbody", "tfoot", "caption")), ("tr", "td"))
_PARTS = {
    "ul": _LIST,
    "ol": _LIST,
    **dict.fromkeys(("table", "thead", "tbody", "tfoot"), _ROWS),
    "tr": (frozenset(("td", "th")), ("td",)),
}
"""What may stand in lists and tables, and what to put around all else."""
_EMOTICONS = {
    "smile": "🙂", "sad": "🙁", "cheeky": "😛", "laugh": "😀", "wink": "😉", "thumbs-up": "👍", "thumbs-down": "👎",
    "information": "ℹ️", "tick": "✅", "cross": "❌", "warning": "⚠️", "plus": "➕", "minus": "➖", "question": "❓",
    "light-on": "💡", "light-off": "💡", "yellow-star": "⭐", "red-star": "⭐", "green-star": "⭐", "blue-star": "⭐",
    "heart": "❤️", "broken-heart": "💔",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class StorageContext:
    """Where a body stands. `site` is the URL that `/display/…` follows; `names` are people's by account id, user key
    or user name; `included` are the bodies of other pages that this one shows, by `page_name`."""

    site: str = ""
    space: str = ""
    page: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    included: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StorageReferences:
    """What a body needs from elsewhere to be shown whole: people's ids, and (space key, title) of included pages."""

    users: frozenset[str]
    includes: tuple[tuple[str, str], ...]


def page_name(space: str, title: str) -> str:
    """How `StorageContext.included` names a page."""
    return f"{space}:{title}"


def storage_to_markdown(storage: str, context: StorageContext | None = None) -> str:
    """The whole body as Markdown. Never raises; broken mark-up loses its effect, not its words."""
    context = context or StorageContext()
    return to_markdown(_Conversion(context).tree(parse_storage(storage)))


def storage_references(storage: str, space: str) -> StorageReferences:
    """Who and what `storage`, a body in the space `space`, names."""
    if not _MAY_REFER.search(storage):  # most pages: reading them twice would double the time of a sync
        return StorageReferences(frozenset(), ())
    root = parse_storage(storage)
    users = {id for user in root.iter("ri-user") if (id := _user_id(user))}
    macros = (macro for macro in root.iter(*_MACROS) if macro.get("ac-name") in _INCLUDES)
    pages = (_included_page(macro, space) for macro in macros)
    return StorageReferences(frozenset(users), tuple(dict.fromkeys(page for page in pages if page[1])))


def _user_id(user: Element) -> str:
    return user.get("ri-account-id") or user.get("ri-userkey") or user.get("ri-username") or ""


def _included_page(macro: Element, space: str) -> tuple[str, str]:
    page = next(macro.iter("ri-page", "ri-blog-post"), None)
    if page is not None:
        return page.get("ri-space-key") or space, page.get("ri-content-title") or ""
    default = _parameters(macro).get("")
    named = text_of(default).strip() if default is not None else macro.get("ac-default-parameter", "")
    before, colon, title = named.partition(":")
    return (before, title) if colon else (space, named)


def _parameters(macro: Element) -> dict[str, Element]:
    return {child.get("ac-name", ""): child for child in macro if child.tag in ("ac-parameter", "ac-default-parameter")}


class _Conversion:
    """Writes a tree of HTML that says what a tree of storage format shows."""

    def __init__(self, context: StorageContext, *, including: bool = False) -> None:
        self._context = context
        self._including = including
        self._cells = 0
        self._handlers: dict[str, Callable[[Element, Element], None]] = {
            **dict.fromkeys(_MACROS, self._macro),
            "ac-link": self._link,
            "ac-image": self._image,
            "ac-emoticon": self._emoticon,
            "ac-task-list": self._task_list,
            "ac-task": self._task,
            "ac-adf-extension": self._adf,
            "time": self._time,
        }

    def tree(self, root: Element) -> Element:
        out = root.makeelement("div", {})
        self._inside(root, out)
        return out

    # ── walking ──────────────────────────────────────────────────────────────────────────────────────

    def _inside(self, node: Element, out: Element) -> None:
        append_text(out, node.text or "")
        for child in node:
            self._element(child, out)
            append_text(out, child.tail or "")

    def _element(self, node: Element, out: Element) -> None:
        tag = node.tag
        if tag in _DROPPED:
            return
        handler = self._handlers.get(tag)
        if handler:
            handler(node, out)
        elif tag.startswith("ri-"):
            self._reference(node, out)
        else:
            self._html(node, out)

    def _html(self, node: Element, out: Element) -> None:
        tag = node.tag if node.tag in _KEPT else "div" if node.tag in _BLOCKS else "span"
        copy = _child(out, tag, {name: node.get(name) for name in _ATTRIBUTES if node.get(name)})
        cell = tag in ("td", "th")
        self._cells += cell
        if tag == "li" and self._cells:
            append_text(copy, "• ")
        if tag in _PARTS:
            self._in_order(node, copy)
        else:
            self._inside(node, copy)
        self._cells -= cell

    def _in_order(self, node: Element, out: Element) -> None:
        """Of a list or table, where only its own parts may stand: what else stands there gets a part around it."""
        parts, wrappers = _PARTS[node.tag if node.tag in _PARTS else "ul"]
        for text, child in ((node.text, None), *((child.tail, child) for child in node)):
            if child is not None and child.tag in parts:
                self._element(child, out)
            elif child is not None and child.tag not in ("col", "colgroup"):
                self._element(child, _wrapped(out, wrappers))
            if text and text.strip():
                append_text(_wrapped(out, wrappers), text)

    # ── macros ───────────────────────────────────────────────────────────────────────────────────────

    def _macro(self, macro: Element, out: Element) -> None:
        name = (macro.get("ac-name") or "").lower()
        parameters = _parameters(macro)
        body, plain = macro.find("ac-rich-text-body"), macro.find("ac-plain-text-body")
        if name in _ADMONITIONS:
            self._admonition(_ADMONITIONS[name], self._said(parameters.get("title")), body, plain, out)
        elif name in _INCLUDES:
            self._include(macro, name, out)
        elif name == "status":
            _child(out, "strong", text=self._said(parameters.get("title")) or self._said(parameters.get("colour")))
        elif name == "jira":
            self._jira(parameters, out)
        elif name in _FORMULAS and plain is None and body is None:
            _child(out, "code", text=text_of(parameters.get("body", parameters.get(""))).strip())
        elif body is None and plain is None:
            self._bodyless(name, parameters, out)
        else:
            self._with_body(name, parameters, body, plain, out)
        self._strays(macro, out)

    def _strays(self, macro: Element, out: Element) -> None:
        """What stands in a macro and in none of its parts: only broken pages have it."""
        for text in (macro.text, *(child.tail for child in macro)):
            append_text(out, f" {text} " if text and text.strip() else "")
        known = ("ac-parameter", "ac-default-parameter", "ac-rich-text-body", "ac-plain-text-body")
        bodies = [child for child in macro if child.tag in known[2:]]
        for child in macro:
            if child.tag not in known or (child in bodies and child is not macro.find(child.tag)):
                self._element(child, out)

    def _with_body(
        self, name: str, parameters: Mapping[str, Element], body: Element | None, plain: Element | None, out: Element
    ) -> None:
        title = self._said(parameters.get("title"))
        spoken = [] if name in _CONTAINERS else list(self._spoken(parameters, skip=("title", "language", "")))
        box = _child(out, "div" if not self._cells else "span")
        if title:
            _child(_child(box, "p"), "strong", text=title)
        if spoken:
            _child(box, "p", text=f"{name}: {'; '.join(spoken)}")
        if plain is not None:
            self._preformatted(name, parameters, text_of(plain), box)
        if body is not None:
            self._inside(body, _child(box, "div"))

    def _preformatted(self, name: str, parameters: Mapping[str, Element], text: str, out: Element) -> None:
        if self._cells:
            _child(out, "code", text=" ".join(text.split()))
            return
        language = self._said(parameters.get("language")) or ("" if name in ("code", "noformat") else name)
        language = "" if language.lower() in ("none", "text", "plain") or not language.strip() else language.split()[0]
        _child(out, "pre", {"class": f"language-{language}"} if language else {}, text=text)

    def _bodyless(self, name: str, parameters: Mapping[str, Element], out: Element) -> None:
        if name in _LISTINGS:
            return
        targets = [value for value in parameters.values() if any(_is_reference(child) for child in value)]
        said = list(self._spoken(parameters, skip=()))
        if not (targets or said):
            return
        box = self._block(out)
        append_text(box, f"({name or 'macro'}: ")
        for number, target in enumerate(targets):
            append_text(box, ", " if number else "")
            self._inside(target, box)
        append_text(box, ("; " if targets and said else "") + "; ".join(said) + ")")

    def _spoken(self, parameters: Mapping[str, Element], skip: tuple[str, ...]) -> Iterator[str]:
        for name, value in parameters.items():
            if name in skip or name.lower() in _UNSPOKEN or any(_is_reference(child) for child in value):
                continue
            if text := " ".join(text_of(value).split()):
                yield f"{name} {text}" if name else text

    def _said(self, parameter: Element | None) -> str:
        return " ".join(text_of(parameter).split())

    def _admonition(self, label: str, title: str, body: Element | None, plain: Element | None, out: Element) -> None:
        quote_box = _child(out, "blockquote" if not self._cells else "span")
        heading = ": ".join(filter(None, (label, title)))
        if heading:
            _child(_child(quote_box, "p" if not self._cells else "span"), "strong", text=f"{heading} ".strip())
            append_text(quote_box, " ")
        if plain is not None:
            _child(quote_box, "pre", text=text_of(plain))
        if body is not None:
            self._inside(body, _child(quote_box, "div"))

    def _include(self, macro: Element, name: str, out: Element) -> None:
        space, title = _included_page(macro, self._context.space)
        body = self._context.included.get(page_name(space, title))
        if not title:
            return
        link = _child(_child(out, "p" if not self._cells else "span"), "a", {"href": self._page_url(space, title)})
        append_text(link, title)
        if body is None or self._including:
            return
        root = parse_storage(body)
        if name == "excerpt-include":
            root = _excerpt(root, self._said(_parameters(macro).get("name")))
        shown = _Conversion(self._context, including=True)
        shown._cells = self._cells
        shown._inside(root, _child(out, "div"))

    def _jira(self, parameters: Mapping[str, Element], out: Element) -> None:
        key = self._said(parameters.get("key"))
        query = self._said(parameters.get("jqlQuery")) or self._said(parameters.get("jqlquery"))
        rest = list(self._spoken(parameters, skip=("key", "jqlQuery", "jqlquery", "columns", "count")))
        said = [key] if key else ["Jira", query] if query else []
        _child(out, "span", text=" ".join([*said, *(f"({one})" for one in rest)]))

    # ── links, images, people ────────────────────────────────────────────────────────────────────────

    def _link(self, link: Element, out: Element) -> None:
        target = next((child for child in link if child.tag.startswith("ri-")), None)
        text, href = self._target(target)
        body = next((c for c in link if c.tag in ("ac-link-body", "ac-plain-text-link-body")), None)
        anchor = link.get("ac-anchor") or ""
        said = _child(
            out, "a" if href else "span", {"href": f"{href}#{quote(anchor)}" if anchor else href} if href else {}
        )
        if body is not None and (len(body) or (body.text or "").strip()):
            self._inside(body, said)
        else:
            append_text(said, text or anchor)
        if target is not None and target.tag == "ri-user" and body is not None and text not in text_of(said):
            append_text(out, f" ({text})")
        for child in link:
            if child is not body and child is not target:
                self._element(child, out)
        for stray in (link.text, *(child.tail for child in link), text_of(target)):
            append_text(out, f" {stray}" if stray and stray.strip() else "")

    def _block(self, out: Element) -> Element:
        """A paragraph of its own where `out` holds blocks, else a piece of the line."""
        return _child(out, "p" if out.tag == "div" and not self._cells else "span")

    def _reference(self, node: Element, out: Element) -> None:
        text, href = self._target(node)
        _child(out, "a" if href else "span", {"href": href} if href else {}, text=text)
        inside = text_of(node)
        append_text(out, f" {inside}" if inside.strip() else "")

    def _target(self, node: Element | None) -> tuple[str, str]:
        """How a resource is called, and where it opens ("" if nobody can tell)."""
        if node is None:
            return "", ""
        space = node.get("ri-space-key") or self._context.space
        title = node.get("ri-content-title") or ""
        match node.tag:
            case "ri-page":
                return title, self._page_url(space, title)
            case "ri-blog-post":
                return title, self._page_url(space, title, node.get("ri-posting-day") or "")
            case "ri-attachment":
                return self._attachment(node)
            case "ri-user":
                id = _user_id(node)
                return f"@{self._context.names.get(id) or node.get('ri-username') or id or 'unknown user'}", ""
            case "ri-url":
                return node.get("ri-value") or "", node.get("ri-value") or ""
            case "ri-space":
                return space, f"{self._context.site}/display/{quote(space)}" if self._context.site else ""
            case "ri-content-entity":
                id = node.get("ri-content-id") or ""
                return f"page {id}", f"{self._context.site}/pages/viewpage.action?pageId={quote(id)}"
            case "ri-shortcut":
                return f"{node.get('ri-parameter') or ''}@{node.get('ri-key') or ''}", ""
        return " ".join(node.attrib.values()), ""

    def _attachment(self, node: Element) -> tuple[str, str]:
        name = node.get("ri-filename") or ""
        elsewhere = next((child for child in node if _is_reference(child)), None)
        if elsewhere is not None:
            text, href = self._target(elsewhere)
            return f"{name} ({text})" if text else name, href
        page = self._context.page
        return name, f"{self._context.site}/download/attachments/{page}/{quote(name)}" if page and name else ""

    def _page_url(self, space: str, title: str, day: str = "") -> str:
        if not (self._context.site and space and title):
            return ""
        date = f"{day}/" if day else ""
        return f"{self._context.site}/display/{quote(space)}/{date}{quote_plus(title)}"

    def _image(self, image: Element, out: Element) -> None:
        target = next((child for child in image if _is_reference(child)), None)
        said = image.get("ac-alt") or image.get("ac-title") or self._target(target)[0]
        caption = image.find("ac-caption")
        box = self._block(out)
        _child(box, "img", {"alt": said} if said else {})
        if image.get("ac-title") and image.get("ac-title") not in said:
            append_text(box, f" {image.get('ac-title')} ")
        if caption is not None and " ".join(text_of(caption).split()) not in said:
            self._inside(caption, _child(box, "span"))
        for child in image:
            if child is not target and child is not caption:
                self._element(child, out)

    def _emoticon(self, node: Element, out: Element) -> None:
        name = node.get("ac-name") or ""
        sign = node.get("ac-emoji-fallback") or _EMOTICONS.get(name) or node.get("ac-emoji-shortname") or f":{name}:"
        append_text(out, sign)
        self._inside(node, _child(out, "span"))

    def _time(self, node: Element, out: Element) -> None:
        self._inside(node, _child(out, "span"))
        if not text_of(node).strip():
            append_text(out, node.get("datetime") or "")

    # ── tasks and what the new editor wrote ──────────────────────────────────────────────────────────

    def _task_list(self, node: Element, out: Element) -> None:
        self._in_order(node, _child(out, "ul"))

    def _task(self, task: Element, out: Element) -> None:
        item = _child(out, "li")
        status = " ".join(text_of(task.find("ac-task-status")).split())
        append_text(item, f"{'• ' if self._cells else ''}[{'x' if status == 'complete' else ' '}] ")
        self._inside(task, item)

    def _adf(self, node: Element, out: Element) -> None:
        """The content of the node where there is one; else what the server wrote for those who cannot show it."""
        contents = [content for content in node.iter("ac-adf-content") if not _within(content, "ac-adf-content", node)]
        fallback = node.find("ac-adf-fallback")
        box = _child(out, "div" if not self._cells else "span")
        if any(text_of(content).strip() or len(content) for content in contents):
            for content in contents:
                self._inside(content, _child(box, "div" if not self._cells else "span"))
        elif fallback is not None:
            self._inside(fallback, box)


def _excerpt(root: Element, name: str) -> Element:
    """The part of a page that others show: its (named) excerpt macro, or the page if there is none."""
    macros = [macro for macro in root.iter(*_MACROS) if (macro.get("ac-name") or "").lower() == "excerpt"]
    named = [macro for macro in macros if text_of(_parameters(macro).get("name")).strip() == name]
    body = next((b for macro in (named or macros) if (b := macro.find("ac-rich-text-body")) is not None), None)
    return root if body is None else body


def _within(node: Element, tag: str, top: Element) -> bool:
    parent = node.getparent()
    while parent is not None and parent is not top:
        if parent.tag == tag:
            return True
        parent = parent.getparent()
    return False


def _is_reference(node: Element) -> bool:
    return bool(node.tag.startswith("ri-") or node.tag == "ac-link")


def _wrapped(parent: Element, tags: tuple[str, ...]) -> Element:
    for tag in tags:
        parent = _child(parent, tag)
    return parent


def _child(parent: Element, tag: str, attributes: Mapping[str, str] | None = None, *, text: str = "") -> Element:
    child = parent.makeelement(tag, dict(attributes or {}))
    parent.append(child)
    append_text(child, text)
    return child
