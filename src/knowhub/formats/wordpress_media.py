"""A WordPress attachment's words: its caption, alternative text and description, and the name of its file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from knowhub.formats.wordpress import plain_title, rendered_to_markdown

_PREVIEW = re.compile(r"<p class=[\"']attachment[\"'][^<>]*>.*?</p>|<div[^<>]*class=[\"']wp-video.*\Z", re.DOTALL)
_NAME = re.compile(r"[\W_]+")


def file_name(item: Mapping[str, Any]) -> str:
    """`menu.pdf`, from where the file lies."""
    try:
        return unquote(urlsplit(str(item.get("source_url") or "")).path).rpartition("/")[2]
    except ValueError:
        return ""


def media_words(item: Mapping[str, Any]) -> str:
    """What people wrote about a picture, film or file, as Markdown; "" where nobody wrote anything."""
    caption, description = _markup(item.get("caption")), _PREVIEW.sub("", _markup(item.get("description")))
    alternative = plain_title(str(item.get("alt_text") or ""))
    words = [rendered_to_markdown(caption), alternative, rendered_to_markdown(description)]
    return "\n\n".join(dict.fromkeys(filter(None, words)))


def named_by_hand(item: Mapping[str, Any]) -> bool:
    """Whether the title says more than the file's name, from which WordPress makes it."""
    stem = file_name(item).rpartition(".")[0] or file_name(item)
    return _NAME.sub("", plain_title(_markup(item.get("title")))).lower() != _NAME.sub("", stem).lower()


def _markup(value: Any) -> str:
    """A text as rendered, in which `[caption]` and the like are done."""
    if isinstance(value, Mapping):
        value = value.get("rendered", value.get("raw"))
    return value if isinstance(value, str) else ""
