"""What WordPress renders ▸ Markdown: leftover shortcodes, embeds, lazy accordions and galleries made readable.

`content.rendered` is the HTML that a theme prints, after blocks and most shortcodes were expanded. Shortcodes of
plugins that are switched off stay in it as `[name attr="…"]`: https://developer.wordpress.org/plugins/shortcodes/
"""

from __future__ import annotations

import html
import re
from urllib.parse import urljoin, urlsplit

from knowhub.core.errors import UnreadableContent
from knowhub.formats.html import html_to_markdown

_VERBATIM = re.compile(r"<(pre|code|textarea)\b", re.IGNORECASE)
_CLOSES = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("pre", "code", "textarea")}
_TAG = re.compile(r"<[^<>]*>")
_SHORTCODE = re.compile(r"\[(?P<close>/?)(?P<name>[A-Za-z][\w-]{1,60})(?P<attributes>(?:\s[^\[\]<>]{0,4000})?)/?\]")
_QUOTE = r"(?:&quot;|&#34;|&#39;|&#8216;|&#8217;|&#8220;|&#8221;|&#8242;|&#8243;|[\"'“”″‘’′])"
_ATTRIBUTE = re.compile(rf"([\w-]+)=(?:{_QUOTE}(?P<quoted>.*?){_QUOTE}(?=\s|/?$)|(?P<bare>[^\s\"']+))", re.DOTALL)
_SPOKEN = frozenset(("title", "caption", "label", "text", "heading", "alt", "name", "subtitle", "description"))
_LINKS = frozenset(("link", "url", "href", "src"))
_STANDALONE = frozenset(("gallery", "playlist", "audio", "video", "embed", "caption", "sitemap"))
_EMBED = re.compile(
    r"<(iframe|video|audio|embed)\b([^<>]*)(?:/>|>(?:(?!</?\1\b).)*</\1\s*>)", re.IGNORECASE | re.DOTALL
)
_HTML_ATTRIBUTE = re.compile(r"([\w-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_SOURCE = re.compile(r"<source\b[^<>]*\bsrc=[\"']([^\"']+)", re.IGNORECASE)
_BUTTON = re.compile(r"<(/?)button\b", re.IGNORECASE)
_COVERED = re.compile(
    r"(<(?:div|section|article|p|ul|ol|dl|dd|li|table|tr|td|h[1-6])\b[^<>]*?)"
    r"\s(?:aria-hidden\s*=\s*[\"']?true[\"']?|hidden(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'))?)(?=[\s>/])",
    re.IGNORECASE,
)
_RELATIVE = re.compile(r"(<a\b[^<>]*?\shref\s*=\s*[\"'])([^\"'#][^\"']*)", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[A-Za-z]{2,10});")
_SPACE = re.compile(r"\s+")
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)


def rendered_to_markdown(source: str, base: str = "") -> str:
    """HTML as WordPress rendered it (or stored it: block comments go) to Markdown. Links are made whole from `base`.

    Never raises: what no parser takes comes out as its text.
    """
    readable = _readable(source, base)
    try:
        return html_to_markdown(readable)
    except (UnreadableContent, RecursionError):
        return _SPACE.sub(" ", html.unescape(_TAG.sub(" ", _COMMENT.sub(" ", readable)))).strip()


def plain_title(rendered: str) -> str:
    """A title as a reader sees it: `Caf&eacute; &#8211; <em>open</em>` is `Café – open`, on one line."""
    text = html.unescape(_TAG.sub("", _COMMENT.sub("", rendered)) if "<" in rendered else rendered)
    if _ENTITY.search(text):  # stored escaped and escaped again by the theme
        text = html.unescape(text)
    return _SPACE.sub(" ", text).strip()


def _readable(source: str, base: str) -> str:
    parts = _parted(source)
    names = _shortcodes_in(parts[0::2])
    return "".join(
        part if i % 2 else _without_shortcodes(_opened_up(part, base), names) for i, part in enumerate(parts)
    )


def _parted(source: str) -> list[str]:
    """Text, code, text, …: in code, brackets are the author's own."""
    parts, position = [], 0
    while found := _VERBATIM.search(source, position):
        close = _CLOSES[found[1].lower()].search(source, found.end())
        if close is None:
            break
        parts += [source[position : found.start()], source[found.start() : close.start()]]
        position = close.start()
    return [*parts, source[position:]]


def _opened_up(text: str, base: str) -> str:
    text = _EMBED.sub(_embed_link, text)
    text = _BUTTON.sub(r"<\1span", text)
    for _ in range(2):  # an element may have both attributes
        text = _COVERED.sub(r"\1", text)
    if not base:
        return text
    return _RELATIVE.sub(lambda found: found[1] + _whole(base, found[2]), text)


def _whole(base: str, href: str) -> str:
    try:
        return urljoin(base, html.unescape(href)) if not urlsplit(href).scheme else href
    except ValueError:
        return href


def _embed_link(found: re.Match[str]) -> str:
    """A player or a map as a link to it, named as its author named it."""
    attributes = {name.lower(): one or other for name, one, other in _HTML_ATTRIBUTE.findall(found[2])}
    target = attributes.get("src") or next(iter(_SOURCE.findall(found[0])), "")
    title = attributes.get("title") or attributes.get("aria-label") or ""
    if not target.startswith(("http://", "https://", "/")):
        return f"<p>{title}</p>" if title else ""
    return f'<p><a href="{target}">{title or _last_of(target)}</a></p>'


def _last_of(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    return parts.path.rstrip("/").rpartition("/")[2] or parts.netloc


# ── shortcodes ───────────────────────────────────────────────────────────────────────────────────────


def _shortcodes_in(texts: list[str]) -> frozenset[str]:
    """Names that are certainly shortcodes here: with attributes, with an end, or with a name that no prose has."""
    names: set[str] = set()
    for text in texts:
        for found in _SHORTCODE.finditer(_TAG.sub("\x00", text)):
            name = found["name"]
            # Prose in brackets is kept: [sic], [note], [see page 3].
            if found["close"] or "=" in found["attributes"] or "_" in name or name.lower() in _STANDALONE:
                names.add(name)
    return frozenset(names)


def _without_shortcodes(text: str, names: frozenset[str]) -> str:
    if not names:
        return text
    # Only text between tags: an attribute's value may hold brackets of its own.
    position, out = 0, []
    for tag in _TAG.finditer(text):
        out += [_spoken(text[position : tag.start()], names), tag[0]]
        position = tag.end()
    return "".join([*out, _spoken(text[position:], names)])


def _spoken(text: str, names: frozenset[str]) -> str:
    def replaced(found: re.Match[str]) -> str:
        if found["name"] not in names:
            return found[0]
        return " " if found["close"] else _said_by(found["attributes"])

    return _SHORTCODE.sub(replaced, text) if "[" in text else text


def _said_by(attributes: str) -> str:
    """What of a shortcode's attributes is meant for readers: titles, captions, and where a button leads."""
    words, target = [], ""
    for found in _ATTRIBUTE.finditer(attributes.rstrip("/ ")):
        value = (found["quoted"] if found["quoted"] is not None else found["bare"]).strip()
        if found[1].lower() in _SPOKEN and value:
            words.append(value)
        elif found[1].lower() in _LINKS and value.startswith(("http://", "https://")):
            target = html.unescape(value)
    said = " ".join([*words, target])
    return f" {said} "
