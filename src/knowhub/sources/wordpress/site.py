"""A WordPress site's REST API: where it is, which post types it shows, and how it says no.

The API lies at `/wp-json/`, at `/?rest_route=/` where permalinks are plain, or where the `Link` of any page says:
https://developer.wordpress.org/rest-api/using-the-rest-api/discovery/
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from knowhub.core.errors import AccessDenied, ConfigurationError, KnowhubError, NotFound, PermanentError
from knowhub.http import Clock, Http, Missing, Pace, Refused, Rejected, Reply, Undecodable, basic, no_auth
from knowhub.sources.wordpress.errors import code_of, plainly
from knowhub.sources.wordpress.listing import MOST, Collection, PageLimit
from knowhub.sources.wordpress.options import WordPressOptions, faults

log = logging.getLogger(__name__)

Json = dict[str, Any]

_API_RELATION = "https://api.w.org/"
_API_LINK = re.compile(rb"<link\b[^<>]*\brel=[\"']https://api\.w\.org/[\"'][^<>]*>", re.IGNORECASE)
_HREF = re.compile(rb"\bhref=[\"']([^\"']+)[\"']", re.IGNORECASE)
_INDEX_FIELDS = "name,url,home,gmt_offset,timezone_string,namespaces"
_INTERNAL = frozenset(
    ("nav_menu_item", "revision", "custom_css", "customize_changeset", "oembed_cache", "user_request",
     "elementor_library", "acf-field-group", "acf-field", "acf-post-type", "acf-taxonomy", "acf-ui-options-page")
)  # fmt: skip
"""Post types that themes and plugins keep their own matters in; so are all that begin with `wp_`."""
ATTACHMENT = "attachment"


@dataclass(frozen=True, slots=True)
class PostType:
    """`route` lists its items. `taxonomies` are the fields that hold terms, with the route and name of each."""

    slug: str
    name: str
    route: str
    taxonomies: tuple[str, ...] = ()

    @property
    def internal(self) -> bool:
        return self.slug.startswith("wp_") or self.slug in _INTERNAL

    @property
    def media(self) -> bool:
        return self.slug == ATTACHMENT


DEFAULT_TYPES = (
    PostType("post", "Posts", "/wp/v2/posts", ("category", "post_tag")),
    PostType("page", "Pages", "/wp/v2/pages"),
    PostType(ATTACHMENT, "Media", "/wp/v2/media"),
)


@dataclass(frozen=True, slots=True)
class Taxonomy:
    """`field` is what an item's list of terms is called, `route` where the terms are."""

    slug: str
    name: str
    field: str
    route: str


class Site:
    """Two doors to one API: with our credentials, and as a stranger who sees what everybody sees."""

    def __init__(self, options: WordPressOptions, clock: Clock) -> None:
        self.options = options
        pace = Pace(clock, options.requests_per_minute or None)
        signed_in = options.application_password if options.signed_in else None
        auth = basic(options.username, signed_in) if signed_in else no_auth
        self.http = Http(options.base_url, auth=auth, clock=clock, pace=pace)
        self._stranger = Http(options.base_url, clock=clock, pace=pace)
        self.limit = PageLimit(MOST)
        self.root = ""
        self.index: Json = {}
        self._taxonomies: dict[str, Taxonomy] | None = None
        self._admits_strangers: bool | None = None

    @property
    def url(self) -> str:
        return str(self.index.get("home") or self.options.base_url).rstrip("/")

    @property
    def offset(self) -> str:
        """The site's distance from UTC in hours as it is now, summer time included."""
        return str(self.index.get("gmt_offset", ""))

    def connect(self, remembered: str = "") -> None:
        """Find the API. Raises ConfigurationError, AccessDenied or NotFound with what the site said of it."""
        if wrong := faults(self.options):
            raise ConfigurationError(wrong[0])
        told: list[KnowhubError] = []
        tried: set[str] = set()
        for root in self._candidates(remembered, told):
            if "?" not in root and not root.endswith("/"):
                root += "/"
            if root in tried:
                continue
            tried.add(root)
            try:
                reply = self.http.get(root, {"_fields": _INDEX_FIELDS}, attempts=3)
            except (Missing, Refused, Rejected, Undecodable) as error:
                told.append(error)
                continue
            if isinstance(reply.data, dict) and "wp/v2" in (reply.data.get("namespaces") or ()):
                self.root, self.index = root, reply.data
                return
            told.append(NotFound(f"{root} is not the REST API of WordPress"))
        raise self._closed(told)

    def _candidates(self, remembered: str, told: list[KnowhubError]) -> Iterator[str]:
        if remembered:
            yield remembered
        yield "wp-json/"
        # Every page of WordPress, "not found" too, names the API in a header, unless a proxy strips it.
        for error in list(told):
            if isinstance(error, (Missing, Refused, Rejected)) and (link := error.reply.link(_API_RELATION)):
                yield self.http.here(link)
        yield "?rest_route=/"
        if link := self._linked_from_home():
            yield self.http.here(link)

    def _linked_from_home(self) -> str:
        try:
            page = self.http.download(f"{self.options.base_url.rstrip('/')}/", max_bytes=8 * 2**20).data
        except KnowhubError:
            return ""
        found = _API_LINK.search(page)
        href = _HREF.search(found[0]) if found else None
        return href[1].decode("utf-8", "replace").replace("&#038;", "&").replace("&amp;", "&") if href else ""

    def _closed(self, told: list[KnowhubError]) -> PermanentError:
        refused = next((error for error in told if isinstance(error, Refused)), None)
        if refused and self.options.signed_in and code_of(refused) in ("incorrect_password", "invalid_username"):
            return AccessDenied(
                f"the site does not take this user name and application password ({plainly(refused)})",
                cure="Make a new application password under Users ▸ Profile and put it where the reference points.",
            )
        if refused:
            return AccessDenied(f"the site's REST API is closed ({plainly(refused)})", cure=_OPEN)
        said = plainly(told[0]) if told else "no answer"
        return NotFound(f"no REST API of WordPress at {self.options.base_url} ({said})", cure=_OPEN)

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def get(self, route: str, params: Mapping[str, Any] | None = None, *, attempts: int | None = None) -> Reply:
        """`route` as WordPress names it (`/wp/v2/posts`). Lists are joined with commas, as PHP needs them."""
        return self.http.get(f"{self.root}{route.lstrip('/')}", _joined(params), attempts=attempts)

    def get_as_stranger(self, route: str, params: Mapping[str, Any], *, attempts: int | None = None) -> Reply:
        return self._stranger.get(f"{self.root}{route.lstrip('/')}", _joined(params), attempts=attempts)

    def collection(self, route: str, params: Mapping[str, Any]) -> Collection:
        return Collection(self.get, route, params, self.limit)

    def types(self) -> list[PostType]:
        """All post types that the API shows."""
        listed = self.get("/wp/v2/types").data
        if not isinstance(listed, dict):
            raise Undecodable("GET /wp/v2/types: not a list of post types")
        return [post_type(slug, one) for slug, one in listed.items() if isinstance(one, dict)]

    def taxonomies(self) -> Mapping[str, Taxonomy]:
        """By slug; none where the site does not tell."""
        if self._taxonomies is None:
            try:
                listed = self.get("/wp/v2/taxonomies").data
            except (Missing, Refused, Rejected) as error:
                log.info("terms stay without names", extra={"reason": error.message})
                listed = {}
            found = listed.items() if isinstance(listed, dict) else ()
            self._taxonomies = {slug: taxonomy(slug, one) for slug, one in found if isinstance(one, dict)}
        return self._taxonomies

    def shown(self, kind: PostType, ids: list[int], language: str) -> set[int] | None:
        """Which of these items a stranger is shown; None where strangers may not ask."""
        if not ids:
            return set()
        asked = {"_fields": "id", "lang": language or None}
        try:
            page = Collection(self.get_as_stranger, kind.route, asked, self.limit).named(ids)
        except (Missing, Refused, Rejected):
            return None
        return {one["id"] for one in page.items}

    def admits_strangers(self) -> bool:
        """Whether those who are not signed in may use the API at all."""
        if self._admits_strangers is None:
            try:
                self.get_as_stranger("/wp/v2/types", {"_fields": "post.slug"})
                self._admits_strangers = True
            except (Refused, Missing, Rejected):
                self._admits_strangers = False
        return self._admits_strangers


_OPEN = (
    "Allow the REST API for reading in the site's security plugin, or give knowhub a username and an "
    "application_password."
)


def _joined(params: Mapping[str, Any] | None) -> dict[str, Any]:
    return {
        name: ",".join(map(str, value)) if isinstance(value, (list, tuple)) else value
        for name, value in (params or {}).items()
    }


def post_type(slug: str, told: Json) -> PostType:
    """As `/wp/v2/types` tells of it."""
    route = f"/{told.get('rest_namespace') or 'wp/v2'}/{told.get('rest_base') or slug}"
    return PostType(slug, str(told.get("name") or slug), route, tuple(told.get("taxonomies") or ()))


def taxonomy(slug: str, told: Json) -> Taxonomy:
    """As `/wp/v2/taxonomies` tells of it."""
    field = str(told.get("rest_base") or slug)
    route = f"/{told.get('rest_namespace') or 'wp/v2'}/{field}"
    return Taxonomy(slug, str(told.get("name") or slug), field, route)
