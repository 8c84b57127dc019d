"""Comments: parts of the documents of their posts, found by their numbers, their count and a census.

No listing tells which comments were edited, moderated or deleted: `after` is by the date of writing. So each sync looks
at the newest numbers and the total, and a census compares what a digest of each post's comments says.
https://developer.wordpress.org/rest-api/reference/comments/
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from knowhub.connecting.versions import digest
from knowhub.http import Missing, Refused, Rejected, Unavailable, Undecodable
from knowhub.sources.wordpress.errors import plainly
from knowhub.sources.wordpress.site import Site

log = logging.getLogger(__name__)

Json = dict[str, Any]

ROUTE = "/wp/v2/comments"
NONE = "0"
UNKNOWN = "?"
_FIELDS = "id,post,parent,author,author_name,date_gmt,content,link"
_SHOWN = ("id", "parent", "author_name", "date_gmt", "content")


class Comments:
    """One sync's view of the comments. `gap` says why there is none."""

    def __init__(self, site: Site, state: Mapping[str, Any], *, wanted: bool) -> None:
        self._site = site
        self._before: int | None = state.get("newest")
        self._counted: int | None = state.get("total")
        self._wanted = wanted
        self._params: dict[str, Any] = {"_fields": _FIELDS}
        self.gap = ""
        self.total: int | None = None
        self.newest = self._before or 0
        self.touched: set[int] = set()
        self.doubtful = False
        """The count says that comments came or went which their numbers do not show."""
        if site.options.signed_in:
            self._params["context"] = "edit"

    def look(self) -> None:
        """The newest comments and how many there are: one request where nothing is new."""
        if not self._wanted:
            return
        try:
            self._look()
        except (Refused, Missing, Rejected) as error:
            if self._params.pop("context", None):  # may not moderate: comments on protected posts stay out
                self.look()
                return
            self.gap = f"comments cannot be read ({plainly(error)}); allow /wp/v2/comments for reading"
        except (Unavailable, Undecodable) as error:
            self.gap = f"comments cannot be read now ({plainly(error)})"

    def _look(self) -> None:
        new: set[int] = set()
        for page in self._site.collection(ROUTE, self._params).downwards("id"):
            self.total = page.total if page.total is not None else self.total
            self.newest = max([self.newest, *(one["id"] for one in page.items)])
            if self._before is None:  # the first time: all are read with their posts
                return
            found = [one for one in page.items if one["id"] > self._before]
            new |= {one["id"] for one in found}
            self.touched |= {one["post"] for one in _said(found)}
            if len(found) < len(page.items):
                break
        self.doubtful = self.total is not None and self._counted is not None and self.total != self._counted + len(new)

    def of(self, posts: list[int]) -> dict[int, list[Json]] | None:
        """All comments of each of these posts, oldest first; None where they cannot be read."""
        if self.gap:
            return None
        if not self._wanted or self.total == 0 or not posts:
            return {}
        try:
            return self._of(posts)
        except (Refused, Missing, Rejected) as error:
            if len(posts) == 1:
                log.info("comments of a post are refused", extra={"post": posts[0], "reason": error.message})
                return {}
        # One post that strangers may not read any more closes the whole request.
        half = len(posts) // 2
        first, second = self.of(posts[:half]), self.of(posts[half:])
        return None if first is None or second is None else {**first, **second}

    def _of(self, posts: list[int]) -> dict[int, list[Json]]:
        found: dict[int, list[Json]] = {}
        for page in self._site.collection(ROUTE, {**self._params, "post": posts}).upwards():
            for one in _said(page.items):
                found.setdefault(one["post"], []).append(one)
        return found

    def census(self) -> dict[int, str] | None:
        """A digest of each post's comments now; None where they cannot be read."""
        if self.gap or not self._wanted:
            return None
        found: dict[int, list[str]] = {}
        try:
            for page in self._site.collection(ROUTE, self._params).upwards():
                for one in _said(page.items):
                    found.setdefault(one["post"], []).append(one_digest(one))
        except (Refused, Missing, Rejected, Unavailable, Undecodable) as error:
            self.gap = f"comments cannot be listed ({plainly(error)})"
            return None
        return {post: _together(ones) for post, ones in found.items()}

    def state(self, census: str | None) -> Json:
        return {"newest": self.newest, "total": self.total, "census": census, "gap": bool(self.gap)}


def _said(comments: Iterable[Json]) -> list[Json]:
    """Those that name their post, as all of WordPress itself do."""
    return [one for one in comments if isinstance(one.get("post"), int)]


def one_digest(comment: Mapping[str, Any]) -> str:
    return digest({key: comment.get(key) for key in _SHOWN if key != "content"}, _markup(comment))


def comments_digest(comments: Iterable[Mapping[str, Any]]) -> str:
    """What `census` says of the same comments."""
    return _together([one_digest(one) for one in comments])


def _markup(comment: Mapping[str, Any]) -> str:
    content = comment.get("content")
    return str(content.get("rendered", "")) if isinstance(content, Mapping) else ""


def _together(digests: list[str]) -> str:
    return digest(digests) if digests else NONE
