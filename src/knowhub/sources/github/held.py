"""What the ledger holds of one repository, kept up to date while new things are yielded."""

from __future__ import annotations

from collections.abc import Iterable

from knowhub.core.ports import KnownItem
from knowhub.core.types import Failed, Fetched, ItemId, RawRecord, Skipped, Unchanged
from knowhub.sources.github.records import UNSETTLED

FILE = ":file:"


class Held:
    """Ids by stream: the word before the first colon, which attachments share with what they hang on."""

    def __init__(self, known: Iterable[KnownItem]) -> None:
        self._known = {item.item: item for item in known}
        self._ids: dict[str, set[ItemId]] = {}
        self.wanted = {item.item for item in self._known.values() if not item.version}
        """Items to yield again whatever they are like."""
        self.reread = self.wanted | {ItemId(item.partition(FILE)[0]) for item in self.wanted}
        """Those, what holds the attachments among them, and what was read too soon: whatever a listing says."""
        self.reread |= {item.item for item in self._known.values() if item.version.endswith(UNSETTLED)}
        for item in self._known:
            self._of(item).add(item)

    def note(self, fetched: Fetched) -> None:
        if isinstance(fetched, RawRecord) and fetched.payload is None:
            self._of(fetched.item).discard(fetched.item)
        elif isinstance(fetched, RawRecord | Skipped | Failed | Unchanged):
            self._of(fetched.item).add(fetched.item)

    def ids(self, stream: str) -> set[ItemId]:
        """Of everything in a stream, attachments too."""
        return self._ids.setdefault(stream, set())

    def all(self) -> set[ItemId]:
        return set().union(*self._ids.values())

    def count(self, stream: str) -> int:
        """Without attachments."""
        return sum(FILE not in item for item in self.ids(stream))

    def attachments(self, parent: ItemId) -> list[ItemId]:
        return [item for item in self.ids(_stream(parent)) if item.startswith(f"{parent}{FILE}")]

    def hanging_on(self, parents: Iterable[ItemId]) -> set[ItemId]:
        """All attachments of these."""
        wanted = set(parents)
        streams = {_stream(parent) for parent in wanted}
        return {
            item
            for stream in streams
            for item in self.ids(stream)
            if FILE in item and ItemId(item.partition(FILE)[0]) in wanted
        }

    def version(self, item: ItemId) -> str:
        return self._known[item].version if item in self._known else ""

    def numbers(self, stream: str, items: Iterable[ItemId]) -> dict[ItemId, int]:
        """Issues and discussions are asked for by the number in what people call them: `owner/name#12`."""
        found = {}
        for item in items:
            number = self._known[item].location.rpartition("#")[2] if item in self._known else ""
            if item.startswith(f"{stream}:") and FILE not in item and number.isdigit():
                found[item] = int(number)
        return found

    def _of(self, item: ItemId) -> set[ItemId]:
        return self._ids.setdefault(_stream(item), set())


def _stream(item: ItemId) -> str:
    return item.partition(":")[0]
