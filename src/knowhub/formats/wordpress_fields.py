"""Custom fields of a WordPress item (`acf`, `meta`, any field that a plugin registers) ▸ labelled lines of Markdown.

Shapes that Advanced Custom Fields returns are shown as what they mean: an image by its caption, a map by its address,
a link by its text, a chosen post or term by its name: https://www.advancedcustomfields.com/resources/wp-rest-api-integration/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from knowhub.formats.wordpress import plain_title, rendered_to_markdown

Json = Mapping[str, Any]

CORE = frozenset(
    {"id", "date", "date_gmt", "guid", "modified", "modified_gmt", "slug", "status", "type", "link", "title", "content",
     "excerpt", "author", "featured_media", "comment_status", "ping_status", "sticky", "template", "format",
     "permalink_template", "generated_slug", "password", "parent", "menu_order", "block_version", "lang",
     "translations", "description", "caption", "alt_text", "media_type", "mime_type", "media_details", "post",
     "source_url", "missing_image_sizes", "class_list", "guest_author", "comment_count", "wpml_current_locale",
     "wpml_translations", "polylang_current_lang", "polylang_translations", "image_meta", "filename", "filesize",
     "has_blocks"}
)  # fmt: skip
"""Fields of WordPress itself, which the document shows in other ways or a reader never sees."""
_TECHNICAL = re.compile(
    r"_|yoast_|jetpack[_-]|aioseo_|rank_math|uagb_|amp_|featured_image|featured_media|better_featured|fimg_|post-meta-fields"
    r"|acf_fc_layout$|footnotes$|spay_email$|nonce|_wp_|et_pb_|_et_|inline_featured_image$|wp_?rocket|swift|rttpg_|site-"
)
_TAGS = re.compile(r"</?[a-z][a-z0-9]*\b[^<>]*>|<!-- wp:", re.IGNORECASE)
_WORDS = re.compile(r"[\s_-]+")
_COMPACT_DATE = re.compile(r"(19|20)\d{6}")
_DATED = re.compile(r"date|day|start|end|from|until|till|begin|open|clos|valid|expir", re.IGNORECASE)
_MAX_DEPTH = 8
_MAX_INLINE_CHARS = 200


def field_lines(item: Json, taxonomies: frozenset[str] = frozenset()) -> list[str]:
    """One Markdown block a field that holds something: `**Opening hours:** 10:00`, nested ones as lists."""
    return [block for key, value in fields_of(item, taxonomies).items() if (block := _block(key, value))]


def fields_of(item: Json, taxonomies: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Custom fields by name: those of `acf` and `meta` beside those registered on the item itself."""
    fields: dict[str, Any] = {}
    for key, value in item.items():
        if key in ("acf", "meta"):
            inner = value if isinstance(value, Mapping) else {}
            fields.update({name: one for name, one in inner.items() if not _TECHNICAL.match(name)})
        elif key not in CORE and key not in taxonomies and not _TECHNICAL.match(key):
            fields[key] = value
    return fields


def label_of(key: str) -> str:
    """`opening_hours` is `Opening hours`."""
    words = _WORDS.sub(" ", key).strip() or key
    return words[:1].upper() + words[1:]


def _block(key: str, value: Any) -> str:
    lines = list(_lines(key, value, 0))
    if not lines:
        return ""
    label = f"**{label_of(key)}:**"
    if len(lines) == 1 and not lines[0].startswith("- ") and "\n" not in lines[0]:
        return f"{label} {lines[0]}"
    joint = "\n" if lines[0].startswith("- ") else "\n\n"
    return f"{label}{joint}" + "\n".join(lines)


def _lines(key: str, value: Any, depth: int) -> Iterator[str]:
    """A value as lines: one for what is simple, `- ` items for what is nested."""
    if depth > _MAX_DEPTH:
        if text := _simple(key, str(value)):
            yield text
    elif isinstance(value, Mapping):
        known = _known_shape(value)
        if known is not None:
            if known:
                yield known
        else:
            yield from _entries(value, depth)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield from _listed(key, value, depth)
    elif text := _simple(key, value):
        yield text


def _listed(key: str, values: Sequence[Any], depth: int) -> Iterator[str]:
    parts = [lines for value in values if (lines := list(_lines(key, value, depth + 1)))]
    plain = all(len(lines) == 1 and "\n" not in lines[0] and not lines[0].startswith("- ") for lines in parts)
    if plain and sum(len(lines[0]) for lines in parts) <= _MAX_INLINE_CHARS:
        if parts:
            yield ", ".join(lines[0] for lines in parts)
        return
    for lines in parts:
        yield from _as_item(lines)


def _as_item(lines: list[str]) -> Iterator[str]:
    """Lines as one list item; entries of a record stand on one line where they are short."""
    entries = [line[2:] if line.startswith("- ") else line for line in lines]
    flat = all("\n" not in entry and not entry.startswith(("- ", "  ")) for entry in entries)
    if flat and sum(map(len, entries)) <= _MAX_INLINE_CHARS:
        yield "- " + "; ".join(entries)
        return
    yield "- " + _indented("\n".join(lines))


def _entries(value: Json, depth: int) -> Iterator[str]:
    for key, inner in value.items():
        if _TECHNICAL.match(str(key)):
            continue
        lines = list(_lines(str(key), inner, depth + 1))
        if not lines:
            continue
        if len(lines) == 1 and not lines[0].startswith("- "):
            yield f"- {label_of(str(key))}: {_indented(lines[0])}"
        else:
            yield f"- {label_of(str(key))}:\n  " + _indented("\n".join(lines))


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")


def _simple(key: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return _dated(key, str(value))
    if not isinstance(value, str) or not value.strip():
        return ""
    if _TAGS.search(value):
        return rendered_to_markdown(value)
    return _dated(key, "\n".join(line.rstrip() for line in plain_lines(value)))


def plain_lines(value: str) -> list[str]:
    """The lines of a text field, without entities."""
    return [plain_title(line) if "&" in line else line for line in value.strip().splitlines()]


def _dated(key: str, text: str) -> str:
    """ACF stores dates as 20261205; under a name that speaks of time it is shown as 2026-12-05."""
    if not (_COMPACT_DATE.fullmatch(text) and _DATED.search(key)):
        return text
    try:
        return date(int(text[:4]), int(text[4:6]), int(text[6:])).isoformat()
    except ValueError:
        return text


def _known_shape(value: Json) -> str | None:
    """A record that stands for one thing, as the thing's name; None for any other record."""
    if "post_title" in value and ("ID" in value or "post_type" in value):
        return plain_title(str(value["post_title"]))
    if "term_id" in value and "name" in value:
        return plain_title(str(value["name"]))
    if "display_name" in value and ("ID" in value or "user_email" in value):
        return str(value["display_name"])
    if "rendered" in value and not value.keys() - {"rendered", "raw", "protected", "block_version"}:
        return rendered_to_markdown(str(value["rendered"]))
    if "lat" in value and "lng" in value:
        return _place(value)
    if value.keys() >= {"title", "url", "target"} and len(value) == 3:
        return _link(str(value["title"]), str(value["url"]))
    if "mime_type" in value and "url" in value:
        return _media(value)
    if value.keys() == {"value", "label"}:
        return str(value["label"])
    return None


def _place(value: Json) -> str:
    where = f"{value['lat']}, {value['lng']}"
    address = str(value.get("address") or value.get("name") or "").strip()
    return f"{address} ({where})" if address else where


def _link(title: str, url: str) -> str:
    title = plain_title(title)
    return f"[{title}]({url})" if title and url else title or url


def _media(value: Json) -> str:
    """A picture or a file: what was said of it, else its name."""
    said = (value.get(key) for key in ("caption", "alt", "description"))
    words = [rendered_to_markdown(one) for one in said if isinstance(one, str) and one.strip()]
    return ". ".join(dict.fromkeys(words)) or plain_title(str(value.get("title") or value.get("filename") or ""))
