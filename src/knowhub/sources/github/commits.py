"""Commits of the default branch with what they do to files: https://docs.github.com/en/rest/commits/commits"""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.core.types import Failed, Fetched, Unchanged
from knowhub.http import Missing
from knowhub.sources.github.api import Json, iso, must_stop, refusal
from knowhub.sources.github.stream import SAME, SAVE, UNREADABLE, Stream, head_of

_SAVE_EVERY = 20


class Commits(Stream):
    """While history only grows, what was added is asked for; when it was rewritten, all of it is listed again."""

    name = "commit"

    def sync(self) -> Iterator[Fetched]:
        state, held = self._at.state, self._at.held
        asked_again = any(item.startswith("commit:") for item in held.wanted)
        same = state.get("count") == held.count(self.name) and not asked_again and not self._at.census_due
        found = head_of(self._at, state.get("etag", "") if same else "")
        if found == SAME:
            return
        head, etag = found or ("", "")
        added = self._added(state["head"], head) if same and state.get("head") and head else None
        if added is None:
            shas = list(self._all(head)) if head else []
            self.listed = {self._at.repo.commit_item(sha) for sha in shas}
        else:
            shas = added
        for n, sha in enumerate(shas):
            yield self._commit(sha)
            if n % _SAVE_EVERY == _SAVE_EVERY - 1:
                yield SAVE
        total = len(self.listed) if self.listed is not None else held.count(self.name)
        state |= {"head": head, "count": total, "etag": etag}
        yield SAVE

    def _added(self, before: str, head: str) -> list[str] | None:
        """Commits that came since, None if `before` is no ancestor of `head` any more."""
        found: list[Json] = []
        try:
            for reply in self._at.api.pages(f"{self._at.repo.path}/compare/{before}...{head}"):
                if reply.data.get("status") not in ("ahead", "identical"):
                    return None
                found += reply.data["commits"]
        except Missing:
            return None
        return [str(one["sha"]) for one in found if not self._is_old(one)]

    def _all(self, head: str) -> Iterator[str]:
        """From a fixed commit down: pages that no push moves."""
        since = iso(self._at.options.since) if self._at.options.since else None
        for reply in self._at.api.pages(f"{self._at.repo.path}/commits", {"sha": head, "since": since}):
            yield from (str(one["sha"]) for one in reply.data)

    def _is_old(self, commit: Json) -> bool:
        since = self._at.options.since
        return bool(since and commit["commit"]["committer"]["date"] < iso(since))

    def _commit(self, sha: str) -> Fetched:
        repo, held = self._at.repo, self._at.held
        item = repo.commit_item(sha)
        if item not in held.wanted and held.version(item) == repo.commit_version():
            return Unchanged(repo.container, item, repo.commit_version())
        try:
            return repo.commit(self._at.api.get(f"{repo.path}/commits/{sha}").data)
        except UNREADABLE as error:
            if must_stop(error):
                raise
            return Failed(repo.container, item, refusal(error), f"{repo.name}@{sha[:12]}")
