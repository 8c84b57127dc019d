"""A source that nobody fetches: chunked batches handed in by `knowhub chunk FILE`, from systems used before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from knowhub.core.errors import UnreadableContent
from knowhub.core.ports import Known
from knowhub.core.types import Cursor, Document, Fetched, RawRecord, SourceName


@dataclass(frozen=True, slots=True)
class ImportedOptions:
    """`readers`: the principals that may read what is handed in."""

    readers: tuple[str, ...]


class ImportedSource:
    def __init__(self, name: SourceName) -> None:
        self.name = name

    def check(self) -> list[str]:
        return []

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:  # noqa: ARG002  # the port's signature
        """What was handed in stays until it is forgotten."""
        return iter(())


def parse_imported(record: RawRecord, sequence: int) -> Document:  # noqa: ARG001  # the port's signature
    raise UnreadableContent(f"{record.item} was handed in as chunks and has no raw form")
