"""Ids and versions of what a Confluence holds: a version says all that a listing can be compared with.

7.3f2a….91bc….i98:3,77:x
│  │     │      └ included pages: their version, `x` where our readers may not see them, `?` where there is none
│  │     └ who may read it, its state
│  └ its comments: ids, versions, resolved or not; 0 if there are none
└ the page's own version number
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from knowhub.connecting.versions import digest
from knowhub.core.types import Acl, ItemId
from knowhub.sources.confluence.wiki import Content, Json, Kind

UNKNOWN_INCLUDE = "?"
_PREFIX: Mapping[str, str] = {"page": "page", "blogpost": "blog"}


@dataclass(frozen=True, slots=True)
class Version:
    """`includes` are pairs of page id and what is shown of it."""

    number: int
    comments: str
    context: str
    includes: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        shown = ",".join(f"{id}:{what}" for id, what in self.includes)
        return f"{self.number}.{self.comments}.{self.context}{f'.i{shown}' if shown else ''}"


def includes_in(version: str) -> tuple[tuple[str, str], ...]:
    """What `str(Version)` said of included pages."""
    _, found, shown = version.partition(".i")
    pairs = (one.partition(":") for one in shown.split(",")) if found else ()
    return tuple((id, what) for id, _, what in pairs)


def item_of(kind: str, id: str) -> ItemId:
    return ItemId(f"{_PREFIX[kind]}:{id}")


def attachment_item(page: ItemId, id: str) -> ItemId:
    return ItemId(f"{page}:file:{id}")


def content_ids(item: str) -> tuple[Kind, str, str] | None:
    """Kind and id of a page, and the id of the file on it ("" for the page itself); None for what has no text."""
    prefix, _, rest = item.partition(":")
    page, _, file = rest.partition(":file:")
    kinds: dict[str, Kind] = {"page": "page", "blog": "blogpost"}
    return (kinds[prefix], page, file) if prefix in kinds else None


def comments_digest(comments: Iterable[Json]) -> str:
    told = sorted((str(c["id"]), int((c.get("version") or {}).get("number") or 0), resolved(c)) for c in comments)
    return digest(told) if told else "0"


def resolved(comment: Json) -> bool:
    """Of inline comments alone. v2 says `resolutionStatus`, v1 `extensions.resolution.status`."""
    told = ((comment.get("extensions") or {}).get("resolution") or {}).get("status")
    return (comment.get("resolutionStatus") or told) == "resolved"


def context_digest(content: Content, acl: Acl) -> str:
    return digest(acl, content.status)


def attachment_version(raw: Json, acl: Acl) -> str:
    return f"{int((raw.get('version') or {}).get('number') or 0)}.{digest(acl)}"


def attachment_size(raw: Json) -> int | None:
    size: Any = raw.get("fileSize") or (raw.get("extensions") or {}).get("fileSize")
    return int(size) if size is not None else None
