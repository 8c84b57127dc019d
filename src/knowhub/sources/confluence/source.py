"""Confluence ▸ records: a first walk through each space, then what CQL says has changed, and a census by the clock.

space ─first time─▶ walk: pages with bodies, checkpoint after each ─▶ census
      └afterwards─▶ CQL `lastmodified` (26 h of overlap) ─▶ pages touched ─▶ read by id ─▶ census when due, else count
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest, due
from knowhub.core.errors import AccessDenied, KnowhubError
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Counted,
    Cursor,
    Fetched,
    Gap,
    Membership,
    Person,
    SourceName,
)
from knowhub.http import SYSTEM_CLOCK, Clock, Http, Pace, Rejected, Reply, Unavailable, Undecodable, basic, bearer
from knowhub.sources.confluence import directory
from knowhub.sources.confluence.census import SpaceCensus
from knowhub.sources.confluence.cloud import Cloud
from knowhub.sources.confluence.datacenter import DataCenter
from knowhub.sources.confluence.items import content_ids, includes_in
from knowhub.sources.confluence.options import ConfluenceOptions, Edition
from knowhub.sources.confluence.reading import Reading
from knowhub.sources.confluence.wiki import (
    BATCH,
    KINDS,
    UNKNOWN_SHAPE,
    Json,
    Kind,
    Listing,
    Space,
    Wiki,
    one_item,
)  # fmt: skip

_OVERLAP = timedelta(hours=26)
"""CQL reads dates in the instance's zone, which is 14 hours from UTC at most, and its index lags."""
_HOME = ".atlassian.net"
_GATEWAY = "api.atlassian.com"


@dataclass(slots=True)
class _State:
    """The cursor. `census` is when each space was last listed: new times are saved with the last checkpoint only."""

    edition: str
    options: str
    spaces: dict[str, dict[str, Any]]
    census: dict[str, str]
    taken: dict[str, str] = field(default_factory=dict)

    def checkpoint(self, *, last: bool = False) -> Checkpoint:
        census = self.census | self.taken if last else self.census
        cursor = {"edition": self.edition, "options": self.options, "spaces": self.spaces, "census": census}
        return Checkpoint(copy.deepcopy(cursor), last)


class ConfluenceSource:
    """Implements `Source` and `Directory`. One space is one container."""

    def __init__(self, name: SourceName, options: ConfluenceOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._clock = clock
        self._selection = Selection(options.include, options.exclude)
        self._base_url = Cloud.base_url(options)
        self._pace = Pace(clock, options.requests_per_minute or None)
        token = options.token
        auth = basic(options.email, token) if options.email else bearer(token)
        self._http = self._client(auth=auth)

    def _client(self, **given: Any) -> Http:
        # A browser's cross-site check of POSTs does not concern us: https://developer.atlassian.com/server/confluence/
        headers = {"X-Atlassian-Token": "no-check"}
        return Http(self._base_url, clock=self._clock, pace=self._pace, limit_of=too_fast, headers=headers, **given)

    # ── what is wrong ────────────────────────────────────────────────────────────────────────────────

    def check(self) -> list[str]:
        if not self._base_url:
            return [f"{self.name}: base_url is missing; give the address of the wiki, https://acme.atlassian.net."]
        try:
            wiki = self._wiki("")
            spaces = self._chosen(wiki)
            if not spaces:
                return [f"{self.name}: the token's user sees no space that is chosen; add it to the spaces."]
            return list(self._lacking(wiki, spaces[0]))
        except AccessDenied as error:
            cure = "Make a new API token, and give the e-mail address of its account as `email`."
            return [f"{self.name}: {error.message}. {cure}"]
        except KnowhubError as error:
            return [f"{self.name}: {error}"]

    def _lacking(self, wiki: Wiki, space: Space) -> Iterator[str]:
        attempts = (
            (lambda: next(wiki.search("type = page", "version", 1), None), "search (search:confluence)"),
            (lambda: next(wiki.groups(), None), "list groups (read:confluence-groups)"),
            (lambda: wiki.grants(space), f"read the permissions of {space.key} (space administrators may)"),
        )
        for attempt, ability in attempts:
            try:
                attempt()
            except AccessDenied as error:
                yield f"{self.name}: the token may not {ability}: {error.message}. Allow it, or set `readers`."

    # ── reading ──────────────────────────────────────────────────────────────────────────────────────

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        state = self._state(cursor)
        wiki = self._wiki(state.edition)
        state.edition = edition_of(wiki)
        spaces = {space.id: space for space in self._chosen(wiki)}
        known_spaces = {item.container for item in known.items()} | set(map(ContainerId, state.spaces))
        lost = known_spaces - spaces.keys()
        if lost or any(self._is_census_due(space, state) for space in spaces.values()):
            wiki.require_account()
        reading = Reading(self.name, self._options, edition_of(wiki), wiki, known, spaces)
        for space in spaces.values():
            try:
                yield from self._space(space, state, reading)
            except KnowhubError as error:
                if not one_item(error):
                    raise
                yield Gap(ContainerId(space.id), space.key, str(error))
            except UNKNOWN_SHAPE as error:
                yield Gap(ContainerId(space.id), space.key, f"an answer of unexpected shape: {error!r}")
        for container in sorted(lost):
            yield ContainerGone(container)
            for per_space in (state.spaces, state.census):
                per_space.pop(container, None)
        yield state.checkpoint(last=True)

    def _state(self, cursor: Cursor | None) -> _State:
        options = self._options
        choices = digest(
            options.acl(Acl()), options.attachments, options.max_attachment_bytes, options.archived,
            str(options.since), self._base_url, options.edition,
        )  # fmt: skip
        if cursor is None:
            return _State("", choices, {}, {})
        kept = copy.deepcopy(dict(cursor))
        if kept["options"] != choices:  # what other options leave out or let in, only a census finds
            return _State("", choices, kept["spaces"], {})
        return _State(kept["edition"], choices, kept["spaces"], kept["census"])

    def _space(self, space: Space, state: _State, reading: Reading) -> Iterator[Fetched]:
        now = self._clock.now()
        own = state.spaces.setdefault(space.id, {"begun": now.isoformat(), "recent": {}})
        if "since" not in own:
            yield from self._walk(space, own, state, reading)
        else:
            yield from self._changes(space, own, state, reading)
        if self._is_census_due(space, state):
            for fetched in SpaceCensus(reading, space).take():
                if isinstance(fetched, Census):
                    state.taken[space.id] = now.isoformat()
                yield fetched
        else:
            yield Counted(ContainerId(space.id), space.key, _count(ContainerId(space.id), reading))

    def _is_census_due(self, space: Space, state: _State) -> bool:
        return due(state.census.get(space.id), self._options.census_hours, self._clock.now())

    # ── the first time ───────────────────────────────────────────────────────────────────────────────

    def _walk(self, space: Space, own: dict[str, Any], state: _State, reading: Reading) -> Iterator[Fetched]:
        at = own.setdefault("walk", {"kind": KINDS[0], "token": ""})
        seen, renewed = set[str](), set[str]()
        while True:
            before = at["token"]
            listing = self._listed(space, at, reading)
            if before and not at["token"]:
                if at["kind"] in renewed:
                    raise Undecodable(f"the list of {at['kind']}s of {space.key} does not take its own page tokens")
                renewed.add(at["kind"])
                seen.clear()
            if at["kind"] + listing.token in seen:
                raise Undecodable(f"the list of {at['kind']}s of {space.key} runs in a circle")
            seen |= {at["kind"] + listing.token} if listing.token else set()
            if listing.contents and not _has_body(listing):
                ids = [(content.kind, content.id) for content in listing.contents]
                yield from reading.load(space, ids)
            else:
                yield from reading.read(listing.contents)
            following = KINDS[KINDS.index(at["kind"]) + 1 :]
            if listing.token:
                at["token"] = listing.token
            elif following:
                at.update(kind=following[0], token="")
            else:
                break
            yield state.checkpoint()
        del own["walk"]
        own["since"] = own.pop("begun")
        yield state.checkpoint()

    def _listed(self, space: Space, at: dict[str, Any], reading: Reading) -> Listing:
        """One page of the walk, without bodies if one of them breaks it; the first if its token is no longer good."""
        kind: Kind = at["kind"]
        try:
            return reading.wiki.listing(space, kind, at["token"], bodies=True)
        except Rejected:
            if not at["token"]:
                raise
            at["token"] = ""  # what was stored before it expired is not stored again
            return reading.wiki.listing(space, kind, "", bodies=True)
        except (Unavailable, Undecodable) as error:
            if not one_item(error):
                raise
            return reading.wiki.listing(space, kind, at["token"], bodies=False)

    # ── afterwards ───────────────────────────────────────────────────────────────────────────────────

    def _changes(self, space: Space, own: dict[str, Any], state: _State, reading: Reading) -> Iterator[Fetched]:
        """Everything in the window; what was read in this version already is passed over."""
        now = self._clock.now()
        hits = list(self._hits(space, datetime.fromisoformat(own["since"]), reading.wiki))
        recent: dict[str, int] = own["recent"]
        pages: dict[tuple[Kind, str], dict[str, int]] = {}
        for page, id, number in hits:
            if recent.get(id) != number:
                pages.setdefault(page, {})[id] = number
        for page in self._to_repeat(ContainerId(space.id), {id for _, id in pages}, reading.known):
            pages.setdefault(page, {})
        touched = list(pages)
        for start in range(0, len(touched), BATCH):
            part = touched[start : start + BATCH]
            yield from reading.load(space, part)
            for page in part:
                recent |= pages[page]
            yield state.checkpoint()
        own["since"] = now.isoformat()
        own["recent"] = {id: number for _, id, number in hits}

    def _hits(self, space: Space, since: datetime, wiki: Wiki) -> Iterator[tuple[tuple[Kind, str], str, int]]:
        """(the page that it concerns, id, version number) of what was edited; comments and files have their own."""
        from_minute = f"{since - _OVERLAP:%Y-%m-%d %H:%M}"
        cql = (
            f'space = "{space.key}" and type in (page, blogpost, comment, attachment)'
            f' and lastmodified >= "{from_minute}" order by lastmodified'
        )
        for raw in wiki.search(cql, "version,container"):
            about: Json = raw if raw["type"] in KINDS else raw.get("container") or {}
            if about.get("type") in KINDS:
                number = int((raw.get("version") or {}).get("number") or 0)
                yield (about["type"], str(about["id"])), str(raw["id"]), number

    def _to_repeat(self, container: ContainerId, touched: set[str], known: Known) -> Iterator[tuple[Kind, str]]:
        """Pages that failed, or whose files did, and those that show a page that was touched."""
        for item in known.in_container(container):
            ids = content_ids(item.item)
            if ids and (not item.version or touched & {id for id, _ in includes_in(item.version)}):
                yield ids[0], ids[1]

    # ── people ───────────────────────────────────────────────────────────────────────────────────────

    def people(self) -> Iterator[Person]:
        return directory.people(self.name, self._wiki(""))

    def memberships(self) -> Iterator[Membership]:
        wiki = self._wiki("")
        return directory.memberships(self.name, wiki, self._chosen(wiki))

    # ── which Confluence it is ───────────────────────────────────────────────────────────────────────

    def _chosen(self, wiki: Wiki) -> list[Space]:
        takes = self._selection.takes
        spaces = (space for space in wiki.spaces() if self._options.personal_spaces or not space.personal)
        return [space for space in spaces if takes(space.key, space.name, space.id)]

    def _wiki(self, edition: str) -> Wiki:
        """`edition` is what an earlier sync found out."""
        chosen = self._options.edition if self._options.edition != "auto" else edition or self._detected()
        anonymous = self._client()
        if chosen == "data_center":
            return DataCenter(self._http, anonymous, self._base_url)
        return Cloud(self._http, anonymous, self._site())

    def _detected(self) -> Edition:
        host = urlsplit(self._base_url).hostname or ""
        if host.endswith(_HOME) or host == _GATEWAY:
            return "cloud"
        reply = self._http.get("wiki/api/v2/spaces", {"limit": 1}, allow=(401, 403, 404))
        return "data_center" if reply.status == 404 else "cloud"

    def _site(self) -> str:
        if urlsplit(self._base_url).hostname != _GATEWAY:
            return f"{self._base_url}/wiki"
        links = self._http.get("wiki/api/v2/spaces", {"limit": 1}).data.get("_links") or {}
        return str(links.get("base") or f"{self._base_url}/wiki")


def edition_of(wiki: Wiki) -> Edition:
    return "cloud" if isinstance(wiki, Cloud) else "data_center"


def too_fast(reply: Reply) -> float | None:
    """429, and the 403 that some proxies before a wiki give instead."""
    limited = reply.status == 429 or (
        reply.status == 403 and ("retry-after" in reply.headers or "rate limit" in reply.complaint.lower())
    )
    return 0.0 if limited else None


def _has_body(listing: Listing) -> bool:
    return all("storage" in (content.raw.get("body") or {}) for content in listing.contents)


def _count(container: ContainerId, reading: Reading) -> int:
    """What the last census and the changes since then say exists."""
    items = {item.item for item in reading.known.in_container(container)}
    here = {item for item, (where, _) in reading.met.items() if where == container}
    return len((items - reading.met.keys()) | here)
