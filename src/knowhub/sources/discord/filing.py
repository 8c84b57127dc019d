"""Files of messages: fetched when the message is read, and once more when that failed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from knowhub.connecting.attachments import Attachment
from knowhub.core.types import Failed, Fetched, ItemId
from knowhub.sources.discord.holdings import FileAt, file_at
from knowhub.sources.discord.messages import Json
from knowhub.sources.discord.places import Place, Thread, thread_of
from knowhub.sources.discord.records import Records
from knowhub.sources.discord.visit import Visit


@dataclass(frozen=True, slots=True)
class Filing:
    """The files of one channel and its `threads`."""

    visit: Visit
    place: Place
    records: Records
    threads: Mapping[str, Thread]

    def of_message(self, stream: str, message: Json, thread: Thread | None) -> Iterator[tuple[ItemId, Fetched]]:
        if self.visit.options.attachments:
            for attachment in self.records.files(stream, message, thread):
                yield attachment.item, self._fetch(stream, attachment)

    def again(self, item: ItemId) -> Fetched | None:
        """A file that could not be had the last time; None where its message has it no longer. Raises Refused."""
        at = file_at(item)
        if at is None or not self.visit.options.attachments:
            return None
        found = self._find(item, at, self._thread(at))
        return self._fetch(at.stream, found) if found else None

    def _fetch(self, stream: str, attachment: Attachment) -> Fetched:
        """The address that came with the message is signed and expires: a refusal is worth a second look."""
        fetched = self.visit.attachments.fetch(attachment, self.visit.known)
        at = file_at(attachment.item)
        if isinstance(fetched, Failed) and at:
            fresh = self._find(attachment.item, at, self.threads.get(stream))
            if fresh and fresh.url != attachment.url:
                fetched = self.visit.attachments.fetch(fresh, self.visit.known)
        return fetched

    def _thread(self, at: FileAt) -> Thread | None:
        if at.stream == self.place.id or at.stream in self.threads:
            return self.threads.get(at.stream)
        answer = self.visit.api.channel(at.stream)
        return thread_of(answer, self.place) if answer else None

    def _find(self, item: ItemId, at: FileAt, thread: Thread | None) -> Attachment | None:
        if thread is None and at.stream != self.place.id:
            return None
        message = self.visit.api.message(at.stream, at.message)
        found = self.records.files(at.stream, message, thread) if message else ()
        return next((attachment for attachment in found if attachment.item == item), None)
