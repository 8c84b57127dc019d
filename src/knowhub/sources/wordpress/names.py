"""Names of authors and terms, asked for by the page and remembered for one sync."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from knowhub.formats.wordpress import plain_title
from knowhub.http import Missing, Refused, Rejected, Unavailable, Undecodable
from knowhub.sources.wordpress.listing import MOST
from knowhub.sources.wordpress.site import PostType, Site, Taxonomy

log = logging.getLogger(__name__)

Json = Mapping[str, Any]


class Names:
    """What numbers of people and terms are called. A name that cannot be read is left out."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._known: dict[str, dict[int, str]] = {}
        self._closed: set[str] = set()

    def taxonomies(self, kind: PostType) -> list[Taxonomy]:
        if not kind.taxonomies:
            return []
        known = self._site.taxonomies()
        return [known[slug] for slug in kind.taxonomies if slug in known]

    def prepare(self, kind: PostType, items: Iterable[Json]) -> None:
        """Ask for all that these items will need: one request a taxonomy and one for authors."""
        items = list(items)
        self._ask("/wp/v2/users", {one["author"] for one in items if isinstance(one.get("author"), int)})
        for taxonomy in self.taxonomies(kind):
            self._ask(taxonomy.route, {term for one in items for term in _numbers(one.get(taxonomy.field))})

    def of(self, kind: PostType, item: Json) -> Json:
        """`{"author": "Ann", "terms": [{"field", "label", "names"}]}` of one item."""
        terms = []
        for taxonomy in self.taxonomies(kind):
            known = self._known.get(taxonomy.route, {})
            names = [known[term] for term in _numbers(item.get(taxonomy.field)) if term in known]
            terms.append({"field": taxonomy.field, "label": taxonomy.name, "names": names})
        number = item.get("author")
        author = self._known.get("/wp/v2/users", {}).get(number, "") if isinstance(number, int) else ""
        return {"author": author, "terms": terms}

    def _ask(self, route: str, wanted: set[int]) -> None:
        known = self._known.setdefault(route, {})
        missing = sorted(wanted - known.keys() - {0})
        if not missing or route in self._closed:
            return
        try:
            for start in range(0, len(missing), MOST):
                some = missing[start : start + MOST]
                page = self._site.collection(route, {"_fields": "id,name"}).named(some)
                known.update({one["id"]: plain_title(str(one.get("name") or "")) for one in page.items})
                # What is not shown (authors without public posts, where only those are) is not asked for again.
                known.update({number: "" for number in some if number not in known})
        except (Refused, Missing, Rejected, Unavailable, Undecodable) as error:
            log.info("names stay numbers", extra={"route": route, "reason": error.message})
            self._closed.add(route)


def _numbers(value: Any) -> list[int]:
    return [one for one in value if isinstance(one, int)] if isinstance(value, list) else []
