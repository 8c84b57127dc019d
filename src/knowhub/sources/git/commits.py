"""The commits of a branch to records: message and bounded diff of those that the ledger does not know."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta, timezone

from knowhub.core.ports import KnownItem
from knowhub.core.types import Census, Failed, Fetched, ItemId, RawRecord, Unchanged
from knowhub.sources.git.diffs import CommitChanges
from knowhub.sources.git.options import COMMITS, Scope

_PERSON = re.compile(r"(?P<name>.*?) ?<(?P<email>[^>]*)> (?P<time>-?\d+) (?P<zone>[+-]\d{4})")
MESSAGE_CHARS = 100_000


class CommitsOfBranch:
    """One fetch. A commit never changes: its version is that of its readers."""

    def __init__(self, scope: Scope, known: Iterable[KnownItem]) -> None:
        self._scope = scope
        self._known = {item.item: item.version for item in known}
        self._version = f"1.{hashlib.sha256(json.dumps(scope.acl.canonical()).encode()).hexdigest()[:16]}"

    def fetch(self) -> Iterator[Fetched]:
        shas = self._scope.mirror.commits(self._scope.head.sha, self._scope.options.since)
        needed = [sha for sha in shas if self._known.get(item_of(sha)) != self._version]
        if not self._scope.old_head:
            for sha in sorted(set(shas) - set(needed)):
                yield Unchanged(COMMITS, item_of(sha), self._version)
        if needed:
            yield from self._read(needed)
        yield Census(COMMITS, "commits", frozenset(map(item_of, shas)), len(shas))

    def _read(self, needed: list[str]) -> Iterator[Fetched]:
        missing = set(needed)
        with self._scope.mirror.contents() as content:
            for changes in self._scope.mirror.changes(needed, lambda path: self._scope.selection.listed(path)[1]):
                record = self._record(changes, content)
                if record:
                    missing.discard(changes.sha)
                    yield record
        for sha in sorted(missing):
            self._scope.mirror.distrust()
            yield Failed(COMMITS, item_of(sha), "the commit could not be read")

    def _record(self, changes: CommitChanges, content: Callable[[str], bytes | None]) -> RawRecord | None:
        data = content(changes.sha)
        if data is None:
            return None
        payload = {"sha": changes.sha, **parse_commit(data), "files": changes.payload()}
        if changes.omitted:
            payload["omitted_files"] = changes.omitted
        item = item_of(changes.sha)
        return RawRecord(self._scope.name, COMMITS, item, "git.commit", self._version, self._scope.acl, payload)


def item_of(sha: str) -> ItemId:
    return ItemId(f"commit:{sha}")


def parse_commit(data: bytes) -> dict[str, object]:
    """A commit object (https://git-scm.com/docs/git-commit, "DISCUSSION" on its encoding) as JSON."""
    head, _, body = data.partition(b"\n\n")
    fields: dict[str, list[bytes]] = {}
    for line in head.split(b"\n"):
        name, _, value = line.partition(b" ")
        fields.setdefault(name.decode("ascii", "replace"), []).append(value)
    encoding = fields.get("encoding", [b"utf-8"])[0].decode("ascii", "replace")
    return {
        "parents": [parent.decode("ascii", "replace") for parent in fields.get("parent", [])],
        "author": _person(fields.get("author", [b""])[0], encoding),
        "committer": _person(fields.get("committer", [b""])[0], encoding),
        "message": _text(body, encoding)[:MESSAGE_CHARS],
    }


def _person(line: bytes, encoding: str) -> dict[str, str]:
    match = _PERSON.match(_text(line, encoding))
    if not match:
        return {"name": _text(line, encoding)}
    return {"name": match["name"], "email": match["email"], "time": iso_time(int(match["time"]), match["zone"])}


def iso_time(seconds: int, zone: str = "+0000") -> str:
    """ "" for times that no calendar holds: some histories have them."""
    try:
        offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:]))
        return datetime.fromtimestamp(seconds, timezone(-offset if zone[0] == "-" else offset)).isoformat()
    except (ValueError, OverflowError, OSError):
        return ""


def _text(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        text = data.decode("utf-8", "replace")
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
