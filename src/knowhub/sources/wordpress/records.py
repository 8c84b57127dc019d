"""Items as the API returned them ▸ records: with names, comments and readers, or why there is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.connecting.versions import compared, digest
from knowhub.core.ports import Known
from knowhub.core.types import ContainerId, Failed, RawRecord, Skipped, SourceName, Unchanged
from knowhub.formats.markdown import parse_date
from knowhub.formats.wordpress import plain_title
from knowhub.formats.wordpress_media import file_name
from knowhub.sources.wordpress import items as wp
from knowhub.sources.wordpress.comments import UNKNOWN, Comments, comments_digest
from knowhub.sources.wordpress.listing import Page
from knowhub.sources.wordpress.names import Names
from knowhub.sources.wordpress.site import PostType, Site

Json = Mapping[str, Any]
Outcome = RawRecord | Unchanged | Skipped | Failed


class Records:
    """Makes records of one site's items."""

    def __init__(self, name: SourceName, site: Site, names: Names, comments: Comments, known: Known) -> None:
        self._name = name
        self._site = site
        self._names = names
        self._comments = comments
        self._known = known
        self.opened: dict[int, str] = {}
        """The access of posts that this sync met, by their number."""
        self.unread: set[ContainerId] = set()
        """Post types that this sync could not read: what hangs on their items is nobody's until it can."""
        self._files = Attachments(site.http, name, site.options.max_attachment_bytes)

    def reason(self, kind: PostType, item: Json, *, editing: bool) -> str:
        options = self._site.options
        return wp.left_out(
            kind, item, editing=editing, files=options.attachments, max_bytes=options.max_attachment_bytes
        )

    def skipped(self, kind: PostType, item: Json, reason: str) -> Skipped:
        return Skipped(ContainerId(kind.slug), wp.item_id(item["id"]), reason, _location(kind, item))

    def public(self, kind: PostType, items: Sequence[Json], language: str, *, anew: bool) -> set[int]:
        """Which of these a stranger is shown. `anew`: also of published ones that were shown when they were read."""
        if not self._site.options.signed_in:
            return set()
        if not kind.media:
            return self._published(kind, items, language, anew=anew)
        hanging = {one["id"]: one.get("post") for one in items}
        shown = self._site.shown(kind, sorted(hanging), language)
        if shown is None and self._site.admits_strangers():
            return set()
        if shown is None:  # all of the site is for its members: then what hangs on an open post is open to them
            shown = {number for number, post in hanging.items() if not post or self._is_open(post)}
        return shown

    def _published(self, kind: PostType, items: Sequence[Json], language: str, *, anew: bool) -> set[int]:
        there = {one["id"] for one in items if one.get("status") == "publish" and not wp.is_protected(one)}
        doubtful = there if anew else {number for number in there if self._access_of(number).startswith("h")}
        shown = self._site.shown(kind, sorted(doubtful), language)
        if shown is None:  # a route that only accounts may use, on a site for everybody or one for its members
            shown = set() if self._site.admits_strangers() else doubtful
        return shown | (there - doubtful)

    def _access_of(self, number: int) -> str:
        held = self._known.get(wp.item_id(number))
        version = wp.Version.parse(held.version) if held else None
        return self.opened.get(number, version.access if version else "")

    def _is_open(self, post: int) -> bool:
        """Whether the hub has this post as a published one. A password closes the post, not what hangs on it."""
        held = self._known.get(wp.item_id(post))
        version = wp.Version.parse(held.version) if held and held.container not in self.unread else None
        return self.opened.get(post, version.access if version else "").startswith("o")

    def access(self, item: Json, shown: set[int]) -> str:
        """The part of a version that stands for who may read. `o`: what hangs on it is open as well. `h`: published,
        and not shown to strangers."""
        hidden = not wp.is_protected(item) and not self._is_public(item, shown)
        mark = "c" if item.get("status") != "publish" else "h" if hidden else "o"
        return mark + digest(self._site.options.acl(self._acl(item, shown)))[:8]

    def light(self, kind: PostType, item: Json) -> str:
        return wp.light_digest(item, [taxonomy.field for taxonomy in self._names.taxonomies(kind)])

    def of(self, kind: PostType, page: Page, *, language: str, editing: bool) -> Iterator[Outcome]:
        """One outcome for each whole item of a page, and for each that the server cannot render."""
        taken = []
        for item in page.items:
            if reason := self.reason(kind, item, editing=editing):
                yield self.skipped(kind, item, reason)
            else:
                taken.append(item)
        comments = self._comments.of(wp.numbers(taken))
        self._names.prepare(kind, taken)
        shown = self.public(kind, taken, language, anew=True)
        for item in taken:
            said = None if comments is None else comments.get(item["id"], [])
            yield self._one(kind, item, said, shown, page.at, language)
        for number, why in page.broken.items():
            yield Failed(ContainerId(kind.slug), wp.item_id(number), why, f"{kind.slug}/{number}")

    def _acl(self, item: Json, shown: set[int]) -> Any:
        return wp.item_acl(self._name, item, public=self._is_public(item, shown))

    def _is_public(self, item: Json, shown: set[int]) -> bool:
        signed_in = self._site.options.signed_in
        return wp.is_public(item, signed_in=signed_in, shown_to_strangers=item.get("id") in shown)

    def _one(
        self,
        kind: PostType,
        item: Json,
        comments: list[dict[str, Any]] | None,
        shown: set[int],
        at: datetime | None,
        language: str,
    ) -> Outcome:
        edited = parse_date(str(item.get("modified_gmt") or ""))
        version = wp.Version(
            modified=str(item.get("modified_gmt") or ""),
            light=self.light(kind, item),
            body=wp.body_digest(item),
            comments=UNKNOWN if comments is None else comments_digest(comments),
            access=self.access(item, shown),
            fresh=wp.is_fresh((at - edited).total_seconds() if at and edited else None),
        )
        record = RawRecord(
            source=self._name,
            container=ContainerId(kind.slug),
            item=wp.item_id(item["id"]),
            kind=kind.slug,
            version=str(version),
            acl=self._site.options.acl(self._acl(item, shown)),
            payload={
                "site": {"url": self._site.url, "name": str(self._site.index.get("name") or "")},
                "type": {"slug": kind.slug, "name": kind.name},
                "item": wp.stored(item),
                "names": self._names.of(kind, item),
                "comments": comments or [],
                "language": language,
            },
            location=_location(kind, item),
        )
        if same := self._same(record, version):
            return same
        return self._file(record, item) if kind.media and wp.is_file(item) else compared(record, self._known)

    def _same(self, record: RawRecord, version: wp.Version) -> Unchanged | None:
        """Only the mark of freshness differs: nothing new for a reader."""
        before = self._known.get(record.item)
        held = wp.Version.parse(before.version) if before else None
        if held is None or before is None or held.settled() != version.settled():
            return None
        here = (before.container, before.location) == (record.container, record.location)
        return Unchanged(record.container, record.item, record.version) if here else None

    def _file(self, record: RawRecord, item: Json) -> Outcome:
        payload = dict(record.payload or {})
        title, written = item.get("title"), parse_date(str(item.get("date_gmt") or ""))
        url = str(item.get("source_url") or "")
        if fault := wp.address_fault(url, self._site.options.base_url):
            return Failed(record.container, record.item, fault, record.location)
        outcome = self._files.fetch(
            Attachment(
                item=record.item,
                container=record.container,
                name=file_name(item),
                url=url,
                link=str(item.get("link") or ""),
                version=record.version,
                acl=record.acl,
                parent=plain_title(str(title.get("rendered") or "")) if isinstance(title, Mapping) else "",
                author=str(payload["names"]["author"]),
                created_at=written.isoformat() if written else "",
            ),
            self._known,
        )
        if isinstance(outcome, RawRecord):
            return replace(
                outcome, kind=record.kind, location=record.location, payload={**payload, **(outcome.payload or {})}
            )
        return replace(outcome, location=record.location) if isinstance(outcome, (Skipped, Failed)) else outcome


def _location(kind: PostType, item: Json) -> str:
    return f"{kind.slug}/{item.get('slug') or item['id']}"
