"""Releases with the files that they offer: all are listed each time, conditionally where one page holds them."""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.core.types import Fetched, ItemId, Skipped
from knowhub.http import Missing
from knowhub.sources.github.api import Json
from knowhub.sources.github.held import FILE
from knowhub.sources.github.records import release_item
from knowhub.sources.github.stream import SAVE, Stream, is_older


class Releases(Stream):
    name = "release"

    def sync(self) -> Iterator[Fetched]:
        state, held = self._at.state, self._at.held
        asked_again = any(item.startswith("release:") for item in held.wanted)
        trusted = state.get("count") == held.count(self.name) and not asked_again and not self._at.census_due
        listed: set[ItemId] = set()
        etags: list[str] = []
        for reply in self._at.api.pages(
            f"{self._at.repo.path}/releases", etag=state.get("etag", "") if trusted else ""
        ):
            if reply.status == 304:
                return
            etags.append(reply.etag)
            for release in reply.data:
                if self._is_wanted(release):
                    listed.add(release_item(release))
                    yield from self._release(release)
        if len(etags) > 1:
            yield from self._moved(listed)
        self.listed = listed
        # The tag of the first page stands for all of them only where it is the last one too.
        state |= {"etag": etags[0] if len(etags) == 1 else "", "count": len(listed)}
        yield SAVE

    def _moved(self, listed: set[ItemId]) -> Iterator[Fetched]:
        """One that is deleted while pages are read moves another one to a page that was read before."""
        held = (item for item in sorted(self._at.held.ids(self.name)) if FILE not in item)
        for item in [item for item in held if item not in listed]:
            try:
                release = self._at.api.get(f"{self._at.repo.path}/releases/{item.partition(':')[2]}").data
            except Missing:
                continue
            if self._is_wanted(release):
                listed.add(item)
                yield from self._release(release)

    def _is_wanted(self, release: Json) -> bool:
        published = str(release.get("published_at") or release.get("created_at") or "")
        return not is_older(published, self._at.options.since)

    def _release(self, release: Json) -> Iterator[Fetched]:
        repo, record = self._at.repo, self._at.repo.release(release)
        if release.get("draft"):
            yield from self._at.attach(record.item, ())
            # Shown to those who may write only.
            yield Skipped(repo.container, record.item, "draft of a release", record.location)
            return
        yield from self._at.attach(record.item, (repo.asset(release, one) for one in release.get("assets") or ()))
        yield self._at.settled(record)
