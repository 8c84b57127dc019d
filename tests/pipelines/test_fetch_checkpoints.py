"""What a cursor promises: it is never ahead of what was stored, nor of deletions that wait for a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerId,
    Counted,
    Cursor,
    Fetched,
    Gap,
    ItemId,
    RawRecord,
)
from tests.doubles.hub import NAME, Hub

ROOM = ContainerId("room")


class Died(BaseException):
    pass


@dataclass
class Scripted:
    """Implements `Source` by yielding what a test wrote down; an exception among it is raised."""

    script: list[Fetched | type[BaseException]] = field(default_factory=list)
    name = NAME

    def check(self) -> list[str]:
        return []

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        for one in self.script:
            if isinstance(one, type):
                raise one
            yield one


def record(item: str) -> RawRecord:
    return RawRecord(NAME, ROOM, ItemId(item), "note", "1", Acl.of("owner"), {"text": item})


def census(*items: str) -> Census:
    return Census(ROOM, "Room", frozenset(map(ItemId, items)), len(items))


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path)


def run(hub: Hub, *script: Fetched | type[BaseException], confirm: bool = False) -> None:
    hub.source = Scripted(list(script))  # type: ignore[assignment]  # another Source than the hub's own notes
    hub.sync(confirm_deletes=confirm)


def cursor(hub: Hub) -> Cursor | None:
    return hub.ledgers.fetching.cursor(NAME).value


def test_a_count_outlives_a_fetch_that_dies_after_the_checkpoint(hub: Hub) -> None:
    with pytest.raises(Died):
        run(hub, record("a"), Counted(ROOM, "Room", 2), Checkpoint({"at": 1}), record("b"), Died)
    (row,) = hub.ledgers.reports.coverage(NAME)
    assert (row.expected, row.accounted, row.whole) == (2, 1, False)
    assert cursor(hub) == {"at": 1}


def test_a_count_that_agrees_closes_a_gap(hub: Hub) -> None:
    run(hub, record("a"), Gap(ROOM, "Room", "the door was shut"))
    assert not hub.ledgers.reports.coverage(NAME)[0].whole
    run(hub, Counted(ROOM, "Room", 1))
    assert hub.ledgers.reports.coverage(NAME)[0].whole


def test_a_count_deletes_nothing(hub: Hub) -> None:
    run(hub, record("a"), record("b"), census("a", "b"))
    run(hub, Counted(ROOM, "Room", 1))
    assert len(hub.index.entries) == 2
    assert not hub.ledgers.reports.coverage(NAME)[0].whole


def test_the_last_cursor_waits_with_the_deletions_that_wait(hub: Hub) -> None:
    items = [f"n{n:02}" for n in range(20)]
    run(hub, *map(record, items), census(*items), Checkpoint({"at": 1}, last=True))
    assert cursor(hub) == {"at": 1}
    run(hub, census("n00"), Checkpoint({"at": 2}, last=True))
    assert cursor(hub) == {"at": 1}
    assert len(hub.index.entries) == 20
    run(hub, census("n00"), Checkpoint({"at": 2}, last=True), confirm=True)
    assert cursor(hub) == {"at": 2}
    assert len(hub.index.entries) == 1


def test_the_last_cursor_is_not_ahead_of_a_fetch_that_dies(hub: Hub) -> None:
    run(hub, record("a"), record("b"), census("a", "b"), Checkpoint({"at": 1}, last=True))
    with pytest.raises(Died):
        run(hub, census("a"), Checkpoint({"at": 2}, last=True), Died)
    assert cursor(hub) == {"at": 1}
