"""What of an item a reader sees, cheaply told: whether it changed, who may read it, and why it is left out.

A version is `{modified_gmt}/{light}/{body}/{comments}/{access}`. `light` digests all that a listing without content
shows, so that one cheap listing finds edits, changed terms and custom fields. A `~` at its end says that the item was
read within seconds of its edit: times have whole seconds, so that one more edit in the same second would not show.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from knowhub.connecting.versions import digest
from knowhub.core.types import Acl, ItemId, SourceName
from knowhub.formats.files import unsupported_reason
from knowhub.formats.wordpress_fields import fields_of
from knowhub.formats.wordpress_media import file_name, media_words, named_by_hand
from knowhub.sources.wordpress.site import PostType, Taxonomy

Json = Mapping[str, Any]

PROTECTED = "password protected"
WORDLESS = "picture or film without words"
NO_FILES = "attachments are not fetched"
TOO_LARGE = "attachment too large"
LEFT_OUT = "left out"

_LIGHT = (
    "id", "date_gmt", "modified", "modified_gmt", "slug", "status", "type", "link", "title", "author", "parent", "lang",
    "meta", "acf", "content.protected",
)  # fmt: skip
_LIGHT_MEDIA = ("caption", "description", "alt_text", "media_type", "mime_type", "media_details", "post", "source_url")
_SEEN = ("slug", "status", "link", "title", "author", "lang", "parent", *_LIGHT_MEDIA[:5], "post", "source_url")
_HEAVY = frozenset(("content", "excerpt", "guid", "_links", "_embedded", "class_list"))
_FRESH_S = 5
_INNER = frozenset(("internal", "local", "localhost", "lan", "home", "corp", "intranet", "svc"))


@dataclass(frozen=True, slots=True)
class Version:
    """The parts of a version; two are equal when a reader sees the same."""

    modified: str
    light: str
    body: str
    comments: str
    access: str
    fresh: bool = False

    def __str__(self) -> str:
        parts = (self.modified, self.light, self.body, self.comments, self.access)
        return "/".join(parts) + ("~" if self.fresh else "")

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """None for what is no version of ours: an item that was skipped, or is to be fetched again."""
        parts = text.removesuffix("~").split("/")
        if len(parts) != 5:
            return None
        modified, light, body, comments, access = parts
        return cls(modified, light, body, comments, access, text.endswith("~"))

    def settled(self) -> Version:
        return replace(self, fresh=False)


def item_id(number: int) -> ItemId:
    """WordPress numbers posts, pages, media and all other types in one row: the number stays when the type changes."""
    return ItemId(f"post:{number}")


def number_of(item: ItemId) -> int:
    return int(item.partition(":")[2] or 0)


def light_fields(kind: PostType, taxonomies: Iterable[Taxonomy], learned: Iterable[str], *, editing: bool) -> str:
    """The `_fields` of a listing that renders no content."""
    names = [*_LIGHT, *(taxonomy.field for taxonomy in taxonomies), *learned]
    names += _LIGHT_MEDIA if kind.media else ()
    return ",".join(dict.fromkeys([*names, "password"] if editing else names))


def learned_from(item: Json) -> set[str]:
    """Names of fields that plugins registered, for the next light listing to ask for."""
    shown = fields_of({key: value for key, value in item.items() if key not in ("acf", "meta")})
    return {key for key in shown if "," not in key}


def light_digest(item: Json, terms: Iterable[str]) -> str:
    """The same from a light listing and from the whole item."""
    seen = {key: item[key] for key in (*_SEEN, *terms) if key in item}
    seen["source_url"] = str(item.get("source_url") or "").partition("?")[0]
    seen["title"] = _words(item.get("title"))
    seen |= {key: _words(item[key]) for key in ("caption", "description") if key in item}
    size = _size(item)
    return digest(seen, fields_of(item, frozenset(terms)), size)


def _words(value: Any) -> Any:
    """A text field without what only some contexts add to it."""
    return value.get("raw", value.get("rendered")) if isinstance(value, Mapping) else value


def body_digest(item: Json) -> str:
    return digest(_words(item.get("content")), item.get("content"), _words(item.get("excerpt")))


def is_protected(item: Json) -> bool:
    content = item.get("content")
    return bool(item.get("password")) or (isinstance(content, Mapping) and bool(content.get("protected")))


def is_public(item: Json, *, signed_in: bool, shown_to_strangers: bool) -> bool:
    """Whether everybody may read it: what is not certainly public is not. A stranger is shown nothing else.

    To an account WordPress also shows what plugins keep from strangers, with the same status.
    """
    if is_protected(item):
        return False
    return item.get("status") in ("publish", "inherit") and (not signed_in or shown_to_strangers)


def item_acl(source: SourceName, item: Json, *, public: bool) -> Acl:
    """What is not public is for editors and its author: https://wordpress.org/documentation/article/post-status/"""
    site = Acl.of(f"{source}:site")
    if public:
        return site
    author = item.get("author")
    own = [f"{source}:user:{author}"] if isinstance(author, int) and author > 0 else []
    return site & Acl.of(f"{source}:editors", *own)


def left_out(kind: PostType, item: Json, *, editing: bool, files: bool, max_bytes: int) -> str:
    """Why an item is not fetched, from what a light listing says; "" if it is."""
    if is_protected(item) and not editing:
        return PROTECTED
    if not kind.media:
        return ""
    if is_file(item):
        if not files:
            return NO_FILES
        size = _size(item)
        return TOO_LARGE if size is not None and size > max_bytes else unsupported_reason(file_name(item))
    return "" if media_words(item) or named_by_hand(item) else WORDLESS


def is_file(item: Json) -> bool:
    """A document, to be read as such; pictures, sound and films are only what was written about them."""
    mime = str(item.get("mime_type") or "")
    return not mime.startswith(("image/", "video/", "audio/"))


def address_fault(url: str, home: str) -> str:
    """Why a file's address is not asked for, "" if it is: plugins let authors write any, that of an inner host too."""
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "the file's address is none"
    if not parts.netloc or host == urlsplit(home).hostname:
        return ""
    try:
        outside = ip_address(host).is_global
    except ValueError:
        # A last part that begins with a digit is a number in another notation (WHATWG URL, 3.5).
        name, last = host.rpartition(".")[::2]
        outside = bool(name) and not last[:1].isdigit() and last not in _INNER
    return "" if outside else f"the file's address leads to {host}, which is no public host"


def _size(item: Json) -> int | None:
    details = item.get("media_details")
    size = details.get("filesize") if isinstance(details, Mapping) else None
    return size if isinstance(size, int) else None


def stored(item: Json) -> dict[str, Any]:
    """The item as the API returned it, without its password, links into the API, and the addresses' secrets."""
    kept = {key: value for key, value in item.items() if key not in ("password", "_links", "_embedded")}
    if isinstance(kept.get("source_url"), str):
        kept["source_url"] = kept["source_url"].partition("?")[0]
    if isinstance(kept.get("media_details"), Mapping):
        kept["media_details"] = {key: value for key, value in kept["media_details"].items() if key != "sizes"}
    return kept


def is_fresh(seconds_since_edit: float | None) -> bool:
    return seconds_since_edit is not None and seconds_since_edit <= _FRESH_S


def numbers(items: Sequence[Json]) -> list[int]:
    return [item["id"] for item in items if isinstance(item.get("id"), int)]
