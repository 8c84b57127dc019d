from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowhub.core.types import Acl, Document, RawRecord
from knowhub.formats.batches import iter_batches
from knowhub.pipelines.reindex import Reindexing, reindex, write_off_source
from knowhub.pipelines.sync import find_differences
from tests.doubles.hub import NAME, Hub, MemoryIndex, Note, Quiet, by_paragraph, parse_note


def rebuild(hub: Hub) -> MemoryIndex:
    index = MemoryIndex()
    items, mine = hub.ledgers.items, Acl.of("owner")
    reindex(Reindexing(NAME, parse_note, by_paragraph, hub.lake, items, hub.embedder, index, mine, Quiet()))
    return index


def without_ledger(hub: Hub) -> Hub:
    """The same lake with an empty ledger, as after a lost disk."""
    other = Hub(hub.folder, hub.world)
    other.database.path = hub.folder / "other.db"
    other.database.path.unlink(missing_ok=True)
    return other


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    hub = Hub(tmp_path, {f"n{number:02}": Note(f"note {number}\nsecond line") for number in range(10)})
    hub.sync()
    hub.write(n03="changed")
    del hub.world["n04"]
    hub.world["n05"].skip = "left out"
    hub.write(n06="unreadable")
    hub.sync()
    return hub


def test_the_index_comes_back_from_the_lake(hub: Hub) -> None:
    assert rebuild(hub).texts() == hub.index.texts() == hub.expected()


def test_the_index_comes_back_from_the_lake_alone_and_so_does_the_ledger(hub: Hub) -> None:
    lost = without_ledger(hub)
    lost.index = rebuild(lost)
    assert lost.index.texts() == hub.expected()
    assert not find_differences(lost.index, lost.ledgers.items, NAME)
    report = lost.sync()
    assert lost.index.texts() == hub.expected()
    assert report.fetched.changed == 0


def test_states_in_the_ledger_survive_a_rebuild(hub: Hub) -> None:
    before = hub.ledgers.reports.coverage(NAME)
    rebuild(hub)
    assert hub.ledgers.reports.coverage(NAME) == before


def test_what_the_lake_lost_is_fetched_again(hub: Hub) -> None:
    key = next(iter_batches(hub.lake.list(""), "raw"))
    hub.lake.put(key, hub.lake.get(key)[:-9])
    hub.index = rebuild(hub)
    assert set(hub.index.texts()) < set(hub.expected())
    hub.sync()
    assert hub.index.texts() == hub.expected()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_a_rebuilt_index_equals_the_grown_one(seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    rng = random.Random(seed)
    hub = Hub(tmp_path_factory.mktemp("hub"))
    for _ in range(rng.randrange(1, 6)):
        for _ in range(rng.randrange(1, 6)):
            item = f"n{rng.randrange(8)}"
            if rng.random() < 0.3:
                hub.world.pop(item, None)
            else:
                hub.world[item] = Note(rng.choice(["unreadable", " ", f"text {rng.random()}"]))
        hub.sync(confirm_deletes=True)
    assert rebuild(without_ledger(hub)).texts() == hub.index.texts()
    assert rebuild(hub).texts() == hub.index.texts()


def test_a_deleted_document_that_could_not_be_parsed_then_stays_deleted_when_it_can(hub: Hub) -> None:
    del hub.world["n06"]
    hub.sync()
    for here in (hub, without_ledger(hub)):
        assert "notes:n06" not in rebuild_with_better_parser(here).texts()


def test_a_document_that_is_left_out_now_stays_out_of_a_rebuilt_index(hub: Hub) -> None:
    hub.world["n06"].skip = "excluded"
    hub.sync()
    for here in (hub, without_ledger(hub)):
        assert "notes:n06" not in rebuild_with_better_parser(here).texts()


def rebuild_with_better_parser(hub: Hub) -> MemoryIndex:
    def parse(record: RawRecord, sequence: int) -> Document:
        payload = {"text": str((record.payload or {})["text"]).replace("unreadable", "readable")}
        return parse_note(replace(record, payload=payload), sequence)

    index = MemoryIndex()
    items, mine = hub.ledgers.items, Acl.of("owner")
    reindex(Reindexing(NAME, parse, by_paragraph, hub.lake, items, hub.embedder, index, mine, Quiet()))
    return index


def test_a_newest_version_that_the_lake_lost_is_fetched_again(hub: Hub) -> None:
    """The older one serves until then; it must not pass for the newest."""
    hub.write(n00="the newest")
    hub.sync()
    key = list(iter_batches(hub.lake.list(""), "raw"))[-1]
    hub.lake.put(key, b"nonsense")
    hub.index = rebuild(hub)
    assert hub.index.texts()["notes:n00"].startswith("note 0")
    hub.sync()
    assert hub.index.texts() == hub.expected()


def test_a_source_that_was_not_configured_during_a_rebuild_comes_back_whole(hub: Hub) -> None:
    write_off_source(hub.ledgers.items, NAME)
    hub.index = MemoryIndex()
    hub.sync()
    assert hub.index.texts() == hub.expected()
