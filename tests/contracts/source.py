"""What every Source must do, whatever its world goes through, against a small faithful ledger.

A test class inherits `SourceContract` and says how to build its world. Use:

    class TestFilesSource(SourceContract):
        def world(self, folder: Path) -> World: ...
"""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowhub.core.ports import KnownItem, Source
from knowhub.core.types import (
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Counted,
    Cursor,
    Failed,
    Fetched,
    Gap,
    ItemId,
    RawRecord,
    Skipped,
    Unchanged,
)


class World(Protocol):
    """A system that documents come from, which a test can change. It must never become wholly empty."""

    def source(self) -> Source:
        """A new object each time, as in a new process."""
        ...

    def change(self, rng: random.Random) -> None:
        """One random thing that people do: create, edit, delete, rename, move, touch, restrict."""
        ...

    def facts(self) -> Counter[Hashable]:
        """What exists and should be readable now: content, place and readers of each item."""
        ...

    def fact(self, record: RawRecord) -> Hashable:
        """The same of a record that was yielded."""
        ...


@dataclass
class LedgerModel:
    """The pipeline's rules in a few lines: what was committed comes back as `Known`."""

    known: dict[ItemId, KnownItem] = field(default_factory=dict)
    records: dict[ItemId, RawRecord] = field(default_factory=dict)
    cursor: Cursor | None = None

    def items(self) -> Iterator[KnownItem]:
        return iter(list(self.known.values()))

    def in_container(self, container: ContainerId) -> list[KnownItem]:
        return [known for known in self.known.values() if known.container == container]

    def get(self, item: ItemId) -> KnownItem | None:
        return self.known.get(item)

    def fetch(self, source: Source, *, batch: int = 3) -> list[Fetched]:
        """Run to the end, commit all, delete what complete listings no longer name; return what was yielded."""
        seen = self._read(source, batch, None)
        self._settle(seen)
        return seen

    def interrupted_fetch(self, source: Source, *, batch: int, stop_after: int) -> None:
        """As if killed: what came after the last whole batch or checkpoint never happened."""
        self._read(source, batch, stop_after)

    def _read(self, source: Source, batch: int, stop_after: int | None) -> list[Fetched]:
        seen: list[Fetched] = []
        waiting: list[Fetched] = []
        fetched = source.fetch(self.cursor, self)
        for one in fetched:
            if stop_after is not None and len(seen) >= stop_after:
                close = getattr(fetched, "close", None)
                if close:
                    close()
                return seen
            seen.append(one)
            waiting.append(one)
            if isinstance(one, Checkpoint) or len(waiting) >= batch:
                self._commit(waiting)
                waiting = []
        if stop_after is None:
            self._commit(waiting)
        return seen

    def _commit(self, waiting: list[Fetched]) -> None:
        for one in waiting:
            match one:
                case RawRecord(payload=None):
                    self._forget(one.item)
                case RawRecord():
                    self._know(one.item, one.container, one.version, one.location)
                    self.records[one.item] = one
                case Skipped():
                    self._know(one.item, one.container, "left out", one.location)
                    self.records.pop(one.item, None)
                case Failed():
                    self._know(one.item, one.container, "", one.location)
                case Unchanged():
                    old = self.known[one.item]
                    self._know(one.item, old.container, one.version, old.location)
                case Checkpoint():
                    self.cursor = one.cursor
                case Census() | Counted() | ContainerGone() | Gap():
                    pass

    def _settle(self, seen: list[Fetched]) -> None:
        met = {one.item for one in seen if isinstance(one, RawRecord | Skipped | Failed | Unchanged)}
        listed = met | {item for one in seen if isinstance(one, Census) for item in one.items}
        complete = {one.container for one in seen if isinstance(one, Census | ContainerGone)}
        complete -= {one.container for one in seen if isinstance(one, Gap)}
        for item in [k for k in self.known.values() if k.container in complete and k.item not in listed]:
            self._forget(item.item)

    def _know(self, item: ItemId, container: ContainerId, version: str, location: str) -> None:
        self.known[item] = KnownItem(item, container, version, location)

    def _forget(self, item: ItemId) -> None:
        self.known.pop(item, None)
        self.records.pop(item, None)


@dataclass(frozen=True)
class Round:
    """Some changes, then perhaps a fetch that is killed, then one that is not."""

    changes: list[int]
    stop_after: int | None
    batch: int


ROUNDS = st.lists(
    st.builds(
        Round,
        changes=st.lists(st.integers(0, 2**32 - 1), max_size=6),
        stop_after=st.none() | st.integers(0, 25),
        batch=st.integers(1, 6),
    ),
    min_size=1,
    max_size=5,
)


class SourceContract:
    """Inherit, and give a world. `examples` is how many histories are tried."""

    examples = 25

    def world(self, folder: Path) -> World:
        raise NotImplementedError

    def test_after_any_history_exactly_what_exists_is_known(self) -> None:
        @settings(max_examples=self.examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(rounds=ROUNDS)
        def holds(rounds: list[Round]) -> None:
            with tempfile.TemporaryDirectory() as folder:
                self._live(self.world(Path(folder)), rounds)

        holds()

    def test_a_ledger_that_was_lost_is_rebuilt_by_one_fetch(self, tmp_path: Path) -> None:
        world = self.world(tmp_path)
        rng, ledger = random.Random(7), LedgerModel()
        for _ in range(8):
            world.change(rng)
            ledger.fetch(world.source())
        rebuilt = LedgerModel()
        rebuilt.fetch(world.source())
        assert_whole(world, rebuilt)

    def test_an_item_without_version_is_fetched_again(self, tmp_path: Path) -> None:
        world, ledger = self.world(tmp_path), LedgerModel()
        ledger.fetch(world.source())
        asked = sorted(ledger.records)[0]
        known = ledger.known[asked]
        ledger.known[asked] = KnownItem(asked, known.container, "", known.location)
        records = [one for one in ledger.fetch(world.source()) if isinstance(one, RawRecord)]
        assert [record.item for record in records] == [asked]

    def _live(self, world: World, rounds: list[Round]) -> None:
        ledger = LedgerModel()
        for one in rounds:
            for seed in one.changes:
                world.change(random.Random(seed))
            if one.stop_after is not None:
                ledger.interrupted_fetch(world.source(), batch=one.batch, stop_after=one.stop_after)
            first = ledger.fetch(world.source(), batch=one.batch)
            assert_orderly(first, ledger)
            assert_whole(world, ledger)
            again = ledger.fetch(world.source())
            assert_orderly(again, ledger)
            assert [seen for seen in again if isinstance(seen, RawRecord)] == []
            assert_whole(world, ledger)


def assert_whole(world: World, ledger: LedgerModel) -> None:
    """The ledger holds what exists: nothing lost, nothing doubled, nothing stale."""
    assert Counter(world.fact(record) for record in ledger.records.values()) == world.facts()


def assert_orderly(seen: list[Fetched], ledger: LedgerModel) -> None:
    """One outcome an item, one listing a container, and the counts of both agree."""
    outcomes = [one for one in seen if isinstance(one, RawRecord | Skipped | Failed | Unchanged)]
    assert [item for item, count in Counter(one.item for one in outcomes).items() if count > 1] == []
    listings = Counter(one.container for one in seen if isinstance(one, Census | ContainerGone | Gap))
    assert [container for container, count in listings.items() if count > 1] == []
    for census in (one for one in seen if isinstance(one, Census)):
        held = {known.item for known in ledger.known.values() if known.container == census.container}
        assert held == census.items
        assert census.expected >= len(census.items)
    for one in outcomes:
        _assert_valid_text(one.item, one.container, getattr(one, "location", ""))


def _assert_valid_text(*texts: str) -> None:
    for text in texts:
        text.encode("utf-8")
