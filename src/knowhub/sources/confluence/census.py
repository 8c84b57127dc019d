"""A space's census: every id from lists read to their end, and what changed without a trace in the edit times.

contents, without bodies ──┐
restrictions of each ──────┼─▶ the version that each should have ─▶ differs from the ledger's? read it
comments and files by CQL ─┘
known, but in no list ─▶ asked for by id ─▶ only then gone
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

from knowhub.core.types import Census, ContainerId, Fetched, ItemId, Skipped
from knowhub.http import Rejected, Undecodable
from knowhub.sources.confluence.items import (
    UNKNOWN_INCLUDE,
    Version,
    attachment_item,
    comments_digest,
    content_ids,
    context_digest,
    includes_in,
    item_of,
)
from knowhub.sources.confluence.reading import ARCHIVED, Reading
from knowhub.sources.confluence.wiki import KINDS, Content, Json, Kind, Space

log = logging.getLogger(__name__)

_OF_PAGES = ("comment", "attachment")
_NO_TEXT = {kind: f"{kind}: the API gives no text" for kind in ("whiteboard", "database", "embed", "folder")}


@dataclass(slots=True)
class _Found:
    """What hangs on pages, by page id, and what has a title alone."""

    comments: dict[str, list[Json]] = field(default_factory=dict)
    files: dict[str, list[Json]] = field(default_factory=dict)
    titles: list[Json] = field(default_factory=list)


class SpaceCensus:
    """Of one space, in one sync."""

    def __init__(self, reading: Reading, space: Space) -> None:
        self._reading = reading
        self._space = space
        self._container = ContainerId(space.id)
        self._contents: dict[str, Content] = {}

    def take(self) -> Iterator[Fetched]:
        """Yields what changed, then the Census. An error on the way means that there is none."""
        self._list()
        found = self._found()
        items: set[ItemId] = set()
        touched: list[tuple[Kind, str]] = []
        for content in self._contents.values():
            items.add(item_of(content.kind, content.id))
            if not self._as_known(content, found.comments.get(content.id, [])):
                touched.append((content.kind, content.id))
        yield from self._reading.load(self._space, touched)
        read = {id for _, id in touched}
        yield from self._files(found, read, items)
        for raw in found.titles:
            item = ItemId(f"{raw['type']}:{raw['id']}")
            items.add(item)
            location = f"{self._space.key}/{raw.get('title') or ''}"
            yield Skipped(self._container, item, _NO_TEXT[raw["type"]], location)
        yield from self._missing(items)
        items |= {item for item, (container, _) in self._reading.met.items() if container == self._container}
        items -= {item_of(kind, id) for kind, id in touched} - self._reading.met.keys()
        items -= {item for item in items if self._elsewhere(item)}
        log.info("space listed", extra={"space": self._space.key, "items": len(items), "changed": len(touched)})
        yield Census(self._container, self._space.key, frozenset(items), len(items))

    def _elsewhere(self, item: ItemId) -> bool:
        met = self._reading.met.get(item)
        return met is not None and met[0] != self._container

    def _list(self) -> None:
        for kind in KINDS:
            token, seen = "", set[str]()
            while True:
                listing = self._reading.wiki.listing(self._space, kind, token, bodies=False)
                wanted = [content for content in listing.contents if self._reading.wanted(content)]
                self._reading.learn(wanted)
                # Who reads what is learnt: ten thousand listed pages need not lie in memory.
                self._contents |= {content.id: dataclasses.replace(content, raw={}) for content in wanted}
                token = listing.token
                if not token:
                    break
                if token in seen:
                    raise Undecodable(f"the list of {kind}s of {self._space.key} runs in a circle")
                seen.add(token)

    def _found(self) -> _Found:
        found = _Found()
        for raw in self._hanging():
            if raw["type"] in _NO_TEXT:
                found.titles.append({"id": raw["id"], "type": raw["type"], "title": raw.get("title")})
                continue
            page = str((raw.get("container") or {}).get("id") or "")
            if page in self._contents:
                kind = found.comments if raw["type"] == "comment" else found.files
                kind.setdefault(page, []).append(raw)
        for listed in (found.comments, found.files):
            for page, raws in listed.items():
                listed[page] = list({raw["id"]: raw for raw in raws}.values())
        return found

    def _hanging(self) -> Iterator[Json]:
        types = (*_OF_PAGES, *self._reading.wiki.tree_types)
        expand = "version,container,extensions.resolution"
        cql = f'space = "{self._space.key}" and type in ({{}})'
        try:
            yield from self._reading.wiki.search(cql.format(", ".join(types)), expand)
        except Rejected:  # a site that does not know one of the types
            yield from self._reading.wiki.search(cql.format(", ".join(_OF_PAGES)), expand)

    def _as_known(self, content: Content, comments: list[Json]) -> bool:
        """The ledger has it as it should be now, included pages and all."""
        reading, item = self._reading, item_of(content.kind, content.id)
        told = reading.version(item)
        if item in reading.met:
            return True  # read a moment ago in this very sync
        before = reading.known.get(item)
        if told is None or before is None or reading.left_out(content):
            return False
        acl = reading.acl(content)
        # Archived pages are read-only, and what hangs on them is not in the index.
        archived = content.status == ARCHIVED and before.version.count(".") > 1
        told_comments = before.version.split(".")[1] if archived else comments_digest(comments)
        expected = str(Version(content.number, told_comments, context_digest(content, acl)))
        if told != (self._container, before.version) or before.location != reading.location(content):
            return False
        if before.version.partition(".i")[0] != expected:
            return False
        return all(
            id != UNKNOWN_INCLUDE and id in self._contents and reading.shown(self._contents[id], acl) == shown
            for id, shown in includes_in(before.version)
        )

    def _files(self, found: _Found, read: set[str], items: set[ItemId]) -> Iterator[Fetched]:
        if not self._reading.with_files:
            return
        for page, raws in found.files.items():
            content = self._contents[page]
            if page in read or self._reading.left_out(content):
                continue
            acl = self._reading.acl(content)
            for raw in raws:
                items.add(attachment_item(item_of(content.kind, page), str(raw["id"])))
                yield from self._reading.file(content, acl, raw)

    def _missing(self, items: set[ItemId]) -> Iterator[Fetched]:
        """Lists shift while people write, and the index lags: what no list names is asked for by its id."""
        gone: list[tuple[Kind, str]] = []
        for before in self._reading.known.in_container(self._container):
            ids = content_ids(before.item)
            if ids is None or before.item in items or before.item in self._reading.met:
                continue
            kind, page, file = ids
            if not file:
                gone.append((kind, page))
            elif self._reading.with_files and self._still_on(page, file):
                items.add(before.item)
        yield from self._reading.load(self._space, gone)

    def _still_on(self, page: str, file: str) -> bool:
        content = self._contents.get(page)
        if content is None or self._reading.left_out(content):
            return False
        if content.status == ARCHIVED and item_of(content.kind, page) not in self._reading.met:
            return True
        return self._reading.wiki.attached_to(file) == page
