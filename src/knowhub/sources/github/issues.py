"""Issues and pull requests with all that is said about them.

A sync reads what changed since the last one: issues by their own time, and comments by theirs, because an edited
comment leaves its issue's time alone. What tells nothing of itself (a deleted comment, a changed label) and what is
gone is found by walking through all of them: when that is due, and whenever GitHub counts more or fewer than we hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from knowhub.connecting.versions import digest
from knowhub.core.types import Failed, Fetched, ItemId, Unchanged
from knowhub.http import Missing, Refused, Unavailable
from knowhub.sources.github.api import Json, earlier, iso, must_stop, refusal
from knowhub.sources.github.records import issue_item
from knowhub.sources.github.stream import OVERLAP_S, SAVE, UNREADABLE, Scope, Stream, is_older

_SAVE_EVERY = 20
_STARTED_EARLIER = timedelta(minutes=5)
_REMARKS = {"comments": ("issues/comments", "issue_url"), "reviews": ("pulls/comments", "pull_request_url")}


class Issues(Stream):
    name = "issue"

    def __init__(self, scope: Scope) -> None:
        super().__init__(scope)
        self._done: dict[ItemId, str] = {}
        self._refused = ""
        self._disabled = False
        self._unsaved = 0

    def sync(self) -> Iterator[Fetched]:
        state = self._at.state
        fresh = "since" not in state
        if fresh:
            # Comments that are written while the first walk goes on are found by their own walk afterwards.
            start = iso(self._at.api.now - _STARTED_EARLIER)
            state |= {"since": "", **{kind: {"since": start, "recent": {}} for kind in _REMARKS}}
        full = fresh or self._at.census_due
        yield from self._walk(full=full)
        yield from self._asked_again()
        for kind in _REMARKS:
            yield from self._remarks(kind)
        self.counted = self._count()
        if not full and self.counted != self._at.held.count(self.name):
            yield from self._walk(full=True)
        if full and self.listed is not None and (self.counted or 0) > len(self.listed):
            yield from self._walk(full=False)  # opened since the last page

    # ── walking through the list ─────────────────────────────────────────────────────────────────────

    def _walk(self, *, full: bool) -> Iterator[Fetched]:
        listed: set[ItemId] | None = set() if full else None
        reviewed = self._review_counts() if full and self._at.held.count(self.name) else None
        try:
            yield from self._issues(listed, reviewed)
        except Missing as error:
            if error.reply.status != 410:
                raise
            self._disabled = True  # https://docs.github.com/en/repositories: pull requests go on without issues
            yield from self._pulls(listed, reviewed)
        self.listed = listed if full else self.listed
        yield SAVE

    def _issues(self, listed: set[ItemId] | None, reviewed: dict[int, int] | None) -> Iterator[Fetched]:
        state = self._at.state
        floor = self._floor(full=listed is not None)
        conditional = listed is None and state.get("floor") == floor
        replies = self._at.api.walk(
            f"{self._at.repo.path}/issues", {"state": "all"}, floor, etag=state.get("etag", "") if conditional else ""
        )
        for n, reply in enumerate(replies):
            if reply.status == 304:
                return
            for issue in reply.data:
                if listed is not None:
                    listed.add(issue_item(issue))
                yield from self._changed(issue, reviewed)
                state["since"] = max(state["since"], issue["updated_at"])
                if self._unsaved >= _SAVE_EVERY:
                    self._unsaved = 0
                    yield SAVE
            if listed is None:
                whole = n == 0 and not reply.link("next")
                state |= {"etag": reply.etag if whole else "", "floor": floor}
            yield SAVE

    def _pulls(self, listed: set[ItemId] | None, reviewed: dict[int, int] | None) -> Iterator[Fetched]:
        """`/pulls` has no `since`: the newest change first, down to where the last sync was."""
        state = self._at.state
        floor, recent = self._floor(full=listed is not None), self._floor(full=False)
        held = {number: item for item, number in self._numbers().items()}
        newest = state["since"]
        for reply in self._at.api.pages(
            f"{self._at.repo.path}/pulls", {"state": "all", "sort": "updated", "direction": "desc"}
        ):
            for pull in reply.data:
                if pull["updated_at"] < floor:
                    state["since"] = newest
                    return
                newest = max(newest, pull["updated_at"])
                item = held.get(pull["number"])
                if item is None or pull["updated_at"] >= recent or reviewed is not None:
                    issue = self._issue(pull["number"])
                    item = issue_item(issue) if issue else None
                    yield from self._changed(issue, reviewed) if issue else ()
                if listed is not None and item:
                    listed.add(item)
        state["since"] = newest

    def _floor(self, *, full: bool) -> str:
        """From when on changes are asked for."""
        return self._at.since if full else max(earlier(self._at.state["since"], seconds=OVERLAP_S), self._at.since)

    def _changed(self, issue: Json, reviewed: dict[int, int] | None) -> Iterator[Fetched]:
        """Read the details unless what the list shows, and the number of review comments, are as they were."""
        item, listing = issue_item(issue), self._at.repo.listing(issue)
        if self._done.get(item) == listing:
            return
        version = self._at.held.version(item)
        before, count, *_ = [*version.split("."), "", ""]
        same = before == listing and item not in self._at.held.reread
        if same and reviewed is not None and "pull_request" in issue:
            same = count == str(reviewed.get(issue["number"], 0))
        if same:
            self._done[item] = listing
            yield Unchanged(self._at.repo.container, item, version)
        else:
            yield from self._read(issue)

    def _count(self) -> int | None:
        if not self._disabled:
            return self._at.api.count(f"{self._at.repo.path}/issues", {"state": "all", "since": self._at.since or None})
        # `/pulls` has no `since`, so that its number is not that of what is wanted.
        return None if self._at.since else self._at.api.count(f"{self._at.repo.path}/pulls", {"state": "all"})

    def _review_counts(self) -> dict[int, int] | None:
        """Review comments by pull request: a deleted one is told by nothing else."""
        counts: dict[int, int] = {}
        seen: set[int] = set()
        try:
            for reply in self._at.api.walk(f"{self._at.repo.path}/pulls/comments", {}, ""):
                for comment in reply.data:
                    if comment["id"] not in seen:
                        seen.add(comment["id"])
                        number = _number(comment, "pull_request_url")
                        counts[number] = counts.get(number, 0) + 1
        except UNREADABLE as error:
            if must_stop(error):
                raise
            return None
        return counts

    # ── comments by their own time ───────────────────────────────────────────────────────────────────

    def _remarks(self, kind: str) -> Iterator[Fetched]:
        """Comments written or edited since; those that the issues' own walk has brought are known by their digest."""
        path, key = _REMARKS[kind]
        state = self._at.state[kind]
        floor = earlier(state["since"], seconds=OVERLAP_S)
        etag = state.get("etag", "") if state.get("floor") == floor else ""
        try:
            for n, reply in enumerate(self._at.api.walk(f"{self._at.repo.path}/{path}", {}, floor, etag=etag)):
                if reply.status == 304:
                    return
                new = [one for one in reply.data if not self._met(kind, one)]
                for number in dict.fromkeys(_number(one, key) for one in new):
                    yield from self._reread(number)
                self._remember(kind, reply.data)
                if reply.data:
                    state["since"] = max(state["since"], reply.data[-1]["updated_at"])
                whole = n == 0 and not reply.link("next")
                state |= {"etag": reply.etag if whole else "", "floor": floor}
                yield SAVE
        except Missing as error:
            if error.reply.status != 410:
                raise
        keep = earlier(state["since"], seconds=OVERLAP_S)
        state["recent"] = {id: told for id, told in state["recent"].items() if told[0] >= keep}

    def _met(self, kind: str, comment: Json) -> bool:
        return bool(self._at.state[kind]["recent"].get(str(comment["id"])) == _told(comment))

    def _remember(self, kind: str, comments: list[Json]) -> None:
        state = self._at.state[kind]
        keep = earlier(state["since"], seconds=OVERLAP_S)
        state["recent"] |= {str(one["id"]): _told(one) for one in comments if one["updated_at"] >= keep}

    # ── one of them ──────────────────────────────────────────────────────────────────────────────────

    def _asked_again(self) -> Iterator[Fetched]:
        """What could not be read the last time, whether or not it has changed since."""
        for item, number in self._numbers(wanted=True).items():
            if item not in self._done:
                yield from self._reread(number, item)

    def _reread(self, number: int, wanted: ItemId | None = None) -> Iterator[Fetched]:
        """`wanted`: whatever its age, if it is still this one. One that we hold and cannot read keeps no other back."""
        try:
            issue = self._issue(number)
        except Unavailable as error:
            held = {number: item for item, number in self._numbers().items()}
            if not error.status or number not in held:
                raise
            yield Failed(self._at.repo.container, held[number], refusal(error), f"{self._at.repo.name}#{number}")
            return
        if issue is None or (wanted and issue_item(issue) != wanted):
            return
        if wanted or not is_older(issue["updated_at"], self._at.options.since):
            yield from self._read(issue)

    def _numbers(self, *, wanted: bool = False) -> dict[ItemId, int]:
        held = self._at.held
        return held.numbers(self.name, sorted(held.reread if wanted else held.ids(self.name)))

    def _issue(self, number: int) -> Json | None:
        """As it is now; None if it is gone, or lives in another repository."""
        try:
            issue: Json = self._at.api.get(f"{self._at.repo.path}/issues/{number}").data
        except Missing:
            return None
        home = str(issue.get("repository_url", ""))
        if home.lower().endswith(f"/{self._at.repo.path}".lower()):
            return issue
        # Either the issue was transferred, or the repository was renamed a moment ago.
        return issue if self._at.api.get(self._at.api.http.here(home)).data["id"] == self._at.repo.id else None

    def _read(self, issue: Json) -> Iterator[Fetched]:
        item, repo = issue_item(issue), self._at.repo
        location = f"{repo.name}#{issue['number']}"
        self._unsaved += 1
        # A review changes nothing that a list shows but the time, which is in whole seconds.
        soon = iso(self._at.api.now - timedelta(seconds=OVERLAP_S))
        settled = "pull_request" not in issue or issue["updated_at"] < soon
        try:
            if self._refused and "pull_request" in issue:
                yield Failed(repo.container, item, self._refused, location)
                return
            details = self._details(issue)
        except Missing:
            return
        except UNREADABLE as error:
            if must_stop(error):
                raise
            self._refused = refusal(error) if isinstance(error, Refused) and "/pulls/" in str(error) else self._refused
            yield Failed(repo.container, item, refusal(error), location)
            return
        record = repo.issue(details, settled=settled)
        self._done[item] = repo.listing(details["issue"])
        said = [one for key in ("comments", "reviews", "review_comments") for one in details.get(key, ())]
        yield from self._at.attach(item, repo.attached(record, [details["issue"], *said]), linked=True)
        yield self._at.settled(record)

    def _details(self, issue: Json) -> Json:
        path, number = self._at.repo.path, issue["number"]
        comments = self._at.api.list(f"{path}/issues/{number}/comments") if issue.get("comments") else []
        if len(comments) != issue.get("comments", 0):
            # One was written or deleted since the issue was listed, or between two pages of them: once more.
            issue = self._at.api.get(f"{path}/issues/{number}").data
            comments = self._at.api.list(f"{path}/issues/{number}/comments")
        self._remember("comments", comments)
        details: Json = {"issue": issue, "comments": comments}
        if "pull_request" in issue:
            pull = self._at.api.get(f"{path}/pulls/{number}").data
            reviews = self._at.api.list(f"{path}/pulls/{number}/reviews")
            remarks = self._at.api.list(f"{path}/pulls/{number}/comments") if pull.get("review_comments") else []
            self._remember("reviews", remarks)
            # A pending review is shown to its author alone, who may be us.
            shown = [review for review in reviews if review.get("state") != "PENDING"]
            details |= {"pull": pull, "reviews": shown, "review_comments": remarks}
        return details


def _number(comment: Json, key: str) -> int:
    return int(str(comment[key]).rpartition("/")[2])


def _told(comment: Json) -> list[Any]:
    return [comment["updated_at"], digest(comment.get("body"))]
