"""Contents as listed ▸ records: with comments, names, included pages and files, under the ACL of their whole way up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.connecting.versions import compared
from knowhub.core.errors import KnowhubError, PermanentError
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    ContainerId,
    Failed,
    ItemId,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
)
from knowhub.formats.confluence_storage import page_name, storage_references
from knowhub.formats.markdown import parse_date
from knowhub.http import Undecodable
from knowhub.sources.confluence.document import people_in
from knowhub.sources.confluence.items import (
    UNKNOWN_INCLUDE,
    Version,
    attachment_item,
    attachment_size,
    attachment_version,
    comments_digest,
    context_digest,
    item_of,
)
from knowhub.sources.confluence.options import ConfluenceOptions, Edition
from knowhub.sources.confluence.permissions import Permissions
from knowhub.sources.confluence.wiki import BATCH, UNKNOWN_SHAPE, Content, Described, Json, Kind, Space, Wiki, one_item

Outcome = RawRecord | Unchanged | Skipped | Failed
ARCHIVED = "archived"


class Reading:
    """What one sync reads. `met` is each item's container and version as this sync yielded it ("" if it failed)."""

    def __init__(
        self, name: SourceName, options: ConfluenceOptions, edition: Edition, wiki: Wiki, known: Known,
        spaces: Mapping[str, Space],
    ) -> None:  # fmt: skip
        self.wiki = wiki
        self.known = known
        self.met: dict[ItemId, tuple[ContainerId, str]] = {}
        self._name = name
        self._options = options
        self._edition = edition
        self._spaces = spaces
        self._permissions = Permissions(name, wiki)
        self.with_files = options.attachments
        self._files = Attachments(wiki.http, name, options.max_attachment_bytes)

    def version(self, item: ItemId) -> tuple[ContainerId, str] | None:
        """Where an item lies and in which version, by this sync or by the ledger."""
        if item in self.met:
            return self.met[item]
        before = self.known.get(item)
        return (before.container, before.version) if before else None

    def learn(self, contents: Sequence[Content]) -> dict[str, Described]:
        return self._permissions.learn(contents) if contents else {}

    def acl(self, content: Content) -> Acl:
        """Of a content that was learnt about."""
        return self._options.acl(self._permissions.acl(content))

    def wanted(self, content: Content) -> bool:
        """In a space that was chosen, and not older than `since`."""
        since, edited = self._options.since, parse_date(content.edited_at)
        if since is not None and edited is not None:
            since = since if since.tzinfo else since.replace(tzinfo=UTC)
            return content.space in self._spaces and edited >= since
        return content.space in self._spaces

    def location(self, content: Content) -> str:
        return f"{self._spaces[content.space].key}/{content.title}"

    # ── many ─────────────────────────────────────────────────────────────────────────────────────────

    def load(self, space: Space, wanted: Iterable[tuple[Kind, str]]) -> Iterator[Outcome]:
        """Contents by kind and id, wherever they are now; those that are gone are passed over."""
        by_kind: dict[Kind, list[str]] = {}
        for kind, id in wanted:
            by_kind.setdefault(kind, []).append(id)
        for kind, ids in by_kind.items():
            for start in range(0, len(ids), BATCH):
                yield from self._loaded(space, kind, ids[start : start + BATCH])

    def _loaded(self, space: Space, kind: Kind, ids: list[str]) -> Iterator[Outcome]:
        try:
            contents = self.wiki.by_ids(kind, ids)
        except KnowhubError as error:
            if not one_item(error):
                raise
            if len(ids) > 1:  # one page that the server cannot or will not show must not hide the others
                yield from self._loaded(space, kind, ids[: len(ids) // 2])
                yield from self._loaded(space, kind, ids[len(ids) // 2 :])
                return
            item = item_of(kind, ids[0])
            before = self.known.get(item)
            failed = Failed(ContainerId(space.id), item, error.message, before.location if before else "")
            yield from self._noted(iter((failed,)))
            return
        yield from self.read(contents)

    def read(self, contents: Sequence[Content]) -> Iterator[Outcome]:
        """The outcomes of contents that came with their bodies, and of the files on them."""
        wanted = [content for content in contents if self.wanted(content)]
        described = self.learn(wanted)
        for content in wanted:
            yield from self._noted(self._content(content, described[content.id]))

    def _noted(self, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
        for outcome in outcomes:
            version = outcome.version if isinstance(outcome, RawRecord | Unchanged) else ""
            if version and self.met.get(outcome.item) == (outcome.container, version):
                continue  # the list shifted, or two lists have it
            self.met[outcome.item] = (outcome.container, version)
            yield outcome

    # ── one ──────────────────────────────────────────────────────────────────────────────────────────

    def _content(self, content: Content, described: Described) -> Iterator[Outcome]:
        container, item = ContainerId(content.space), item_of(content.kind, content.id)
        if self.left_out(content):
            yield Skipped(container, item, ARCHIVED, self.location(content))
            return
        acl = self.acl(content)
        with_files = self.with_files and described.attachments
        try:
            record = self._record(content, described, acl)
            files = self.wiki.attachments(content) if with_files else []
        except KnowhubError as error:
            if not one_item(error):
                raise
            yield Failed(container, item, error.message, self.location(content))
            return
        except UNKNOWN_SHAPE as error:
            yield Failed(container, item, _unexpected(error), self.location(content))
            return
        yield compared(record, self.known)
        for file in files:
            yield self._fetched(content, acl, file)

    def left_out(self, content: Content) -> bool:
        return content.status == ARCHIVED and not self._options.archived

    def file(self, content: Content, acl: Acl, raw: Json) -> Iterator[Outcome]:
        """One file of a content that has not changed itself."""
        return self._noted(self._fetched(content, acl, one) for one in (raw,))

    def _fetched(self, content: Content, acl: Acl, raw: Json) -> Outcome:
        try:
            attachment = self._attachment(content, acl, raw)
        except UNKNOWN_SHAPE as error:
            item = attachment_item(item_of(content.kind, content.id), str(raw["id"]))
            return Failed(ContainerId(content.space), item, _unexpected(error), self.location(content))
        return self._files.fetch(attachment, self.known)

    def _record(self, content: Content, described: Described, acl: Acl) -> RawRecord:
        if "storage" not in (content.raw.get("body") or {}):
            raise Undecodable("the page came without its text")
        space = self._spaces[content.space]
        comments = self.wiki.comments(content) if described.comments else []
        told = [storage_references(_body(one), space.key) for one in (content.raw, *comments)]
        includes = dict.fromkeys(page for references in told for page in references.includes)
        included, shown = self._included(content, space, acl, includes)
        told += [storage_references(body, space.key) for body in included.values()]
        people = people_in((content.raw, *comments)).union(*(references.users for references in told))
        return RawRecord(
            source=self._name,
            container=ContainerId(content.space),
            item=item_of(content.kind, content.id),
            kind=content.kind,
            version=str(Version(content.number, comments_digest(comments), context_digest(content, acl), shown)),
            acl=acl,
            payload={
                "edition": self._edition,
                "site": self.wiki.site,
                "space": {"key": space.key, "name": space.name},
                "content": content.raw,
                "comments": comments,
                "names": self._names(people),
                "included": included,
            },
            location=self.location(content),
        )

    def _names(self, people: set[str]) -> dict[str, str]:
        try:
            return self.wiki.names(people) if people else {}
        except PermanentError:  # a token without the scope for people: their ids are shown
            return {}

    def _included(
        self, content: Content, space: Space, acl: Acl, includes: Iterable[tuple[str, str]]
    ) -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
        """Bodies to show, and what the version says of each. Pages of other spaces stay links."""
        bodies: dict[str, str] = {}
        shown: dict[str, str] = {}
        for key, title in includes:
            page = self.wiki.titled(space, title) if key == space.key else None
            if page is None:
                shown |= {UNKNOWN_INCLUDE: "0"} if key == space.key else {}
            elif page.id != content.id:
                self.learn([page])
                shown[page.id] = self.shown(page, acl)
                if shown[page.id].isdigit():
                    bodies[page_name(key, title)] = _body(page.raw)
        return bodies, tuple(sorted(shown.items()))

    def shown(self, page: Content, acl: Acl) -> str:
        """What a page under `acl` shows of another: its version, or `x` unless all its readers may read that too.

        An archived page is shown by none.
        """
        readable = set(self.acl(page).layers) <= set(acl.layers) and acl.layers
        return str(page.number) if readable and page.status != ARCHIVED else "x"

    def _attachment(self, content: Content, acl: Acl, raw: Json) -> Attachment:
        version = raw.get("version") or {}
        return Attachment(
            item=attachment_item(item_of(content.kind, content.id), str(raw["id"])),
            container=ContainerId(content.space),
            name=raw.get("title") or "",
            url=self.wiki.download_url(content.id, raw).lstrip("/"),
            link=self.wiki.site + str(raw.get("webuiLink") or (raw.get("_links") or {}).get("webui") or ""),
            version=attachment_version(raw, acl),
            acl=acl,
            parent=self.location(content),
            size_bytes=attachment_size(raw),
            created_at=str(version.get("createdAt") or version.get("when") or ""),
        )


def _unexpected(error: Exception) -> str:
    return f"unexpected shape: {error!r}"


def _body(content: Json) -> str:
    return str(((content.get("body") or {}).get("storage") or {}).get("value") or "")
