"""An API's answer: status, headers, bytes, and the JSON in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LINK = re.compile(r"<([^>]*)>([^,<]*)")
_REL = re.compile(r'\brel="?([^";]+)"?')
_TITLE = re.compile(rb"<title[^>]*>([^<]{1,200})", re.IGNORECASE)
_SAID = ("message", "error_description", "error", "errorMessages", "errors", "detail", "title")


@dataclass(frozen=True, slots=True)
class Reply:
    """`headers` have lower-case names. `data` is the decoded JSON, None where the body is empty or was not wanted."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    data: Any = field(repr=False, default=None)

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "")

    def link(self, rel: str) -> str:
        """The target of a `Link` header (RFC 8288), "" if there is none of this relation."""
        for target, parameters in _LINK.findall(self.headers.get("link", "")):
            found = _REL.search(parameters)
            if found and rel in found[1].split():
                return str(target)
        return ""

    @property
    def complaint(self) -> str:
        """What the other side says of a refusal, in a few words; "" if nothing can be read."""
        said = _words(self.data)
        if not said and (title := _TITLE.search(self.body[:4096])):
            said = title[1].decode("utf-8", "replace").strip()
        return said[:300]


def _words(data: Any) -> str:
    """The message in one of the shapes that APIs use: a text, a list of them, or an object that holds one."""
    if isinstance(data, str):
        return " ".join(data.split())
    if isinstance(data, list):
        return "; ".join(filter(None, (_words(part) for part in data[:3])))
    if isinstance(data, dict):
        return next(filter(None, (_words(data[key]) for key in _SAID if key in data)), "")
    return ""
