"""One kind of thing in one repository: what all of them do the same way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from knowhub.connecting.attachments import Attachment, Attachments
from knowhub.core.ports import Known
from knowhub.core.types import Checkpoint, Failed, Fetched, ItemId, RawRecord, Skipped, Unchanged
from knowhub.http import Missing, Refused, Rejected, Unavailable, Undecodable
from knowhub.sources.github.api import Api, iso
from knowhub.sources.github.held import Held
from knowhub.sources.github.options import GitHubOptions
from knowhub.sources.github.records import UNSETTLED, Repository

UNREADABLE = (Missing, Refused, Rejected, Unavailable, Undecodable)
"""What one item or one listing can answer; a rate limit that outlasts patience is for the whole source."""
OVERLAP_S = 10.0
"""Lists by time are read from a little before the last change: GitHub's replicas may lag behind one another."""


_BROWSERS_ONLY = "attachment that GitHub gives to browsers only"
SAVE = Checkpoint({})
"""What a stream yields when its part of the cursor is true to all that it has yielded; the source fills it in."""


@dataclass(frozen=True, slots=True)
class Scope:
    """All that a stream works with. `state` is its part of the cursor."""

    api: Api
    repo: Repository
    options: GitHubOptions
    state: dict[str, Any]
    held: Held
    known: Known
    census_due: bool

    @property
    def since(self) -> str:
        """Nothing that was last changed before is wanted; "": everything."""
        return iso(self.options.since) if self.options.since else ""

    def settled(self, record: RawRecord) -> RawRecord | Unchanged:
        """The record, unless the ledger has it in this version."""
        before = self.held.version(record.item)
        same = before.removesuffix(UNSETTLED) == record.version.removesuffix(UNSETTLED)
        if same and record.item not in self.held.wanted:
            return Unchanged(record.container, record.item, record.version)
        return record

    def attach(
        self, parent: ItemId, found: Iterable[Attachment | Skipped], *, linked: bool = False
    ) -> Iterator[Fetched]:
        """The files that hang on something now, and the removal of those that did.

        `linked`: by people, in a text. In a public repository those are fetched as a stranger, because what is linked
        may hang on a private one.
        """
        as_stranger = linked and self.repo.public and self.api.shows_strangers(self.repo.path)
        http = self.api.stranger if as_stranger else self.api.files
        fetcher = Attachments(http, self.repo.source, self.options.max_attachment_bytes)
        there: set[ItemId] = set()
        for one in found if self.options.attachments else ():
            there.add(one.item)
            yield one if isinstance(one, Skipped) else _or_left_out(fetcher.fetch(one, self.known))
        for item in self.held.attachments(parent):
            if item not in there:
                yield self.repo.removal(item)


def _or_left_out(fetched: Fetched) -> Fetched:
    """No documented API has what people attach: the site gives it to some tokens, and to others says 404 for ever."""
    if isinstance(fetched, Failed) and "/files/" in fetched.error and ": 404" in fetched.error:
        return Skipped(fetched.container, fetched.item, _BROWSERS_ONLY, fetched.location)
    return fetched


class Stream:
    """After `sync`, `listed` is every id there is (None: this time not all were listed), `counted` GitHub's own number
    of them (None where it tells none of what is wanted)."""

    name = ""

    def __init__(self, scope: Scope) -> None:
        self._at = scope
        self.listed: set[ItemId] | None = None
        self.counted: int | None = None

    def sync(self) -> Iterator[Fetched]:
        raise NotImplementedError

    @property
    def items(self) -> set[ItemId]:
        """All ids in this stream by the best that is known now, attachments included."""
        held = self._at.held
        return held.ids(self.name) if self.listed is None else self.listed | held.hanging_on(self.listed)

    @property
    def expected(self) -> int:
        held = self._at.held
        if self.counted is None:
            return len(self.items)
        if self.listed is None:
            return self.counted + len(held.ids(self.name)) - held.count(self.name)
        # What GitHub counts and did not list is missing; what was listed and is not counted was deleted meanwhile.
        return max(self.counted - len(self.listed), 0) + len(self.items)


def is_older(time: str, since: datetime | None) -> bool:
    return bool(since and time and datetime.fromisoformat(time) < since)


SAME = ("", "")
_EMPTY = 409


def head_of(scope: Scope, etag: str) -> tuple[str, str] | None:
    """The newest commit of the default branch with its ETag; None of an empty repository; SAME as at `etag`.

    Raises Missing where there were files and is no branch: it was renamed a moment ago, or is hidden from the token.
    """
    path = scope.repo.path
    try:
        reply = scope.api.get(f"{path}/git/ref/heads/{quote(scope.repo.branch)}", etag=etag)
    except Rejected as error:
        if error.reply.status == _EMPTY:
            return None
        raise
    except Missing:
        shown = scope.api.get(path).data  # raises where the repository itself is missing
        if shown.get("size") or scope.held.count("file") or scope.held.count("commit"):
            raise
        return None
    return SAME if reply.status == 304 else (str(reply.data["object"]["sha"]), reply.etag)
