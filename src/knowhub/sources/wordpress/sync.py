"""One sync of a site: which post types it has, what happened to comments, then each type in turn, media last."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest, due
from knowhub.core.errors import KnowhubError, RateLimited
from knowhub.core.ports import Known
from knowhub.core.types import Checkpoint, ContainerGone, ContainerId, Cursor, Fetched, Gap, ItemId, SourceName
from knowhub.http import Clock, Missing, Refused, Rejected, Unavailable, Undecodable
from knowhub.sources.wordpress import items as wp
from knowhub.sources.wordpress.comments import NONE, Comments
from knowhub.sources.wordpress.container import Context, PostTypeSync
from knowhub.sources.wordpress.errors import plainly
from knowhub.sources.wordpress.names import Names
from knowhub.sources.wordpress.records import Records
from knowhub.sources.wordpress.site import DEFAULT_TYPES, PostType, Site
from knowhub.sources.wordpress.state import State

COMMENTS = ContainerId("comments")
TYPES = ContainerId("types")


class Sync:
    """State of one fetch. `run` yields what `Source.fetch` promises."""

    def __init__(self, name: SourceName, site: Site, clock: Clock, cursor: Cursor | None, known: Known) -> None:
        options = site.options
        self._site = site
        self._known = known
        self._first = cursor is None
        choices = digest(
            options.since.isoformat() if options.since else "", options.readers, options.languages,
            options.attachments, options.max_attachment_bytes, options.comments, options.signed_in,
        )  # fmt: skip
        self._state = State.read(cursor, choices)
        self._comments = Comments(site, self._state.comments, wanted=options.comments)
        names = Names(site)
        self._context = Context(
            site=site,
            known=known,
            names=names,
            records=Records(name, site, names, self._comments, known),
            state=self._state,
            now=clock.now().astimezone(UTC),
        )
        self._troubles: list[KnowhubError] = []
        self._until = ""

    def run(self) -> Iterator[Fetched]:
        self._site.connect(self._state.root)
        self._state.root = self._site.root
        self._site.limit.most = self._state.most or self._site.limit.most
        self._state.offset = self._state.offset or self._site.offset
        self._context.moved_clock = self._clock_went_back()
        kinds, complete = yield from self._kinds()
        comments = yield from self._look_at_comments()
        for kind in sorted(kinds, key=lambda one: one.media):
            yield from self._guarded(kind)
        if kinds and len(self._troubles) == len(kinds):
            raise self._troubles[0]
        if complete:
            yield from self._gone({kind.slug for kind in kinds})
        told = self._comments.state(comments)
        self._state.most, self._state.until = self._site.limit.most, self._until
        yield Checkpoint(self._state.json(last=True, comments=told, offset=self._site.offset), last=True)

    def _clock_went_back(self) -> bool:
        """Whether edits since the last sync may stand below older ones: then only a census finds them all."""
        before, now = _hours(self._state.offset), _hours(self._site.offset)
        wanted = bool(self._state.until) or before != now
        until = self._context.now + timedelta(hours=max(0.0, before - now))
        if self._state.until:
            until = max(until, datetime.fromisoformat(self._state.until))
        self._until = until.isoformat() if until > self._context.now else ""
        return wanted

    def _gone(self, chosen: set[str]) -> Iterator[Fetched]:
        for container in sorted({one.container for one in self._known.items()} | self._state.types.keys()):
            if container not in chosen:
                self._state.types.pop(container, None)
                yield ContainerGone(ContainerId(container))

    def _kinds(self) -> Generator[Fetched, None, tuple[list[PostType], bool]]:
        """The chosen post types, and whether the site told of all."""
        try:
            listed, complete = self._site.types(), True
            if self._state.types_closed:
                yield ContainerGone(TYPES)
        except (Refused, Missing, Rejected) as error:
            listed, complete = list(DEFAULT_TYPES), False
            why = f"{plainly(error)}; allow /wp/v2/types for reading: other post types are not seen"
            yield Gap(TYPES, "post types", why)
        self._state.types_closed = not complete
        selection, named = Selection(self._site.options.include, self._site.options.exclude), self._site.options.include
        chosen = [
            kind
            for kind in listed
            if selection.takes(kind.slug, kind.name) and (not kind.internal or kind.slug in named)
        ]
        return chosen, complete

    def _guarded(self, kind: PostType) -> Iterator[Fetched]:
        """One post type that cannot be read does not stop the others."""
        try:
            yield from PostTypeSync(self._context, kind).run()
        except RateLimited:
            raise
        except (Refused, Missing, Rejected) as error:
            self._troubles.append(error)
            self._context.records.unread.add(ContainerId(kind.slug))
            yield Gap(ContainerId(kind.slug), kind.name, f"{plainly(error)}; allow {kind.route} for reading")
        except (Unavailable, Undecodable) as error:
            self._troubles.append(error)
            self._context.records.unread.add(ContainerId(kind.slug))
            yield Gap(ContainerId(kind.slug), kind.name, plainly(error))

    # ── comments ─────────────────────────────────────────────────────────────────────────────────────

    def _look_at_comments(self) -> Generator[Fetched, None, str | None]:
        """Note whose comments changed; when all of them were last compared."""
        before = dict(self._state.comments)
        self._comments.look()
        self._context.dirty |= {wp.item_id(post) for post in self._comments.touched}
        last: str | None = before.get("census")
        if self._first and not self._comments.gap:
            last = self._context.now.isoformat()
            self._state.comments = self._comments.state(None)
        elif self._wants_census(before) and (found := self._comments.census()) is not None:
            self._context.dirty |= self._differing(found)
            last = self._context.now.isoformat()
        if self._comments.gap:
            yield Gap(COMMENTS, "comments", self._comments.gap)
        elif before.get("gap"):
            yield ContainerGone(COMMENTS)
        return last

    def _wants_census(self, before: dict[str, object]) -> bool:
        options, last = self._site.options, before.get("census")
        overdue = due(str(last) if last else None, options.census_hours, self._context.now)
        return not self._comments.gap and (bool(before.get("gap")) or self._comments.doubtful or overdue)

    def _differing(self, found: dict[int, str]) -> set[ItemId]:
        """Items whose comments are others than those that the hub has."""
        differing = set()
        for one in self._known.items():
            version = wp.Version.parse(one.version)
            if version and found.get(wp.number_of(one.item), NONE) != version.comments:
                differing.add(one.item)
        return differing


def _hours(offset: str) -> float:
    try:
        return float(offset)
    except ValueError:
        return 0.0
