from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest

from knowhub.core.errors import CorruptObject
from knowhub.core.types import ItemId
from knowhub.formats.batches import decode_raw, iter_batches
from knowhub.pipelines.retention import Forgetting, forget_items, forget_source, prune
from tests.doubles.hub import NAME, Hub, Note
from tests.pipelines.test_reindex import rebuild, without_ledger


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    hub = Hub(tmp_path, {f"n{number:02}": Note(f"note {number} secret") for number in range(10)})
    hub.sync()
    return hub


def lake_text(hub: Hub) -> str:
    """Everything that the lake holds, readable."""
    import gzip

    raw = [str(decode_raw(hub.lake.get(key), key)) for key in iter_batches(hub.lake.list(""), "raw")]
    chunked = [gzip.decompress(hub.lake.get(key)).decode() for key in iter_batches(hub.lake.list(""), "chunked")]
    return "\n".join(raw + chunked)


def pruned(hub: Hub, days_later: int) -> int:
    now = hub.clock() + timedelta(days=days_later)
    return prune(NAME, keep_days=30, now=now, lake=hub.lake, items=hub.ledgers.items, ledger=hub.retention)


class Forgotten:
    """Remembers which texts the embedding cache was told to drop."""

    def __init__(self) -> None:
        self.texts: set[str] = set()

    def __call__(self, texts: Collection[str]) -> None:
        self.texts |= set(texts)


def forgetting(hub: Hub, cache: Forgotten) -> Forgetting:
    return Forgetting(NAME, hub.lake, hub.ledgers.items, hub.retention, hub.index, cache)


def test_superseded_versions_go_after_keep_days_and_the_newest_stay(hub: Hub) -> None:
    hub.write(n01="the new text")
    hub.sync()
    assert pruned(hub, 1) == 0
    assert pruned(hub, 40) == 1
    assert "note 1 secret" not in lake_text(hub)
    assert rebuild(without_ledger(hub)).texts() == hub.expected()


def test_a_deleted_document_leaves_the_lake_after_keep_days_and_does_not_come_back(hub: Hub) -> None:
    del hub.world["n02"]
    hub.sync()
    assert pruned(hub, 40) == 2
    assert "note 2 secret" not in lake_text(hub)
    assert rebuild(without_ledger(hub)).texts() == hub.expected()


def test_pruning_twice_finds_nothing_the_second_time(hub: Hub) -> None:
    hub.write(n01="the new text")
    hub.sync()
    pruned(hub, 40)
    assert pruned(hub, 40) == 0


def test_a_forgotten_document_is_gone_from_index_lake_and_cache_and_stays_away(hub: Hub) -> None:
    hub.write(n03="note 3 second secret")
    hub.sync()
    cache = Forgotten()
    forget_items(forgetting(hub, cache), [ItemId("n03")])
    assert "notes:n03" not in hub.index.texts()
    assert "note 3" not in lake_text(hub)
    assert cache.texts == {"note 3 secret", "note 3 second secret"}
    hub.write(n03="note 3 third secret")
    assert hub.sync().state == "ok"
    assert "notes:n03" not in hub.index.texts()
    assert "note 3" not in lake_text(hub)
    (row,) = hub.ledgers.reports.coverage(NAME)
    assert row.filtered == {"forgotten": 1}
    assert "notes:n03" not in rebuild(hub).texts()


def test_forgetting_what_was_deleted_at_the_source_removes_its_original(hub: Hub) -> None:
    del hub.world["n04"]
    hub.sync()
    assert "note 4 secret" in lake_text(hub)
    forget_items(forgetting(hub, Forgotten()), [ItemId("n04")])
    assert "note 4" not in lake_text(hub)


def test_a_forgotten_source_leaves_nothing_and_can_start_anew(hub: Hub) -> None:
    cache = Forgotten()
    forget_source(forgetting(hub, cache))
    assert not list(hub.lake.list(""))
    assert not hub.index.texts()
    assert len(cache.texts) == 10
    assert not list(hub.ledgers.items.stored(NAME))
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_forgotten_document_that_was_deleted_and_comes_back_stays_away(hub: Hub) -> None:
    forget_items(forgetting(hub, Forgotten()), [ItemId("n03")])
    note = hub.world.pop("n03")
    assert hub.sync().state == "ok"
    hub.world["n03"] = note
    assert hub.sync().state == "ok"
    assert "notes:n03" not in hub.index.texts()
    assert "note 3" not in lake_text(hub)


def test_a_forgotten_document_that_moves_and_changes_is_still_accounted_for(hub: Hub) -> None:
    forget_items(forgetting(hub, Forgotten()), [ItemId("n03")])
    hub.world["n03"] = Note("note 3 anew", container="random")
    assert hub.sync().state == "ok"
    hub.world["n03"].skip = "too large"
    assert hub.sync().state == "ok"
    assert "note 3" not in lake_text(hub)


def test_a_forgotten_document_stays_away_when_the_ledger_is_lost(hub: Hub) -> None:
    forget_items(forgetting(hub, Forgotten()), [ItemId("n03")])
    lost = without_ledger(hub)
    lost.index = rebuild(lost)
    assert lost.sync().state == "ok"
    assert "notes:n03" not in lost.index.texts()
    assert "note 3" not in lake_text(lost)


@pytest.mark.parametrize("stages", [["fetch"], ["fetch", "chunk"]])
def test_what_waits_in_a_batch_can_be_forgotten(hub: Hub, stages: list[str]) -> None:
    hub.write(n03="note 3 second secret", n04="fine")
    hub.sync(stages=stages)
    forget_items(forgetting(hub, Forgotten()), [ItemId("n03")])
    assert hub.sync().state == "ok"
    assert "notes:n03" not in hub.index.texts()
    assert "note 3" not in lake_text(hub)


def test_a_batch_that_cannot_be_read_is_named_after_all_else_was_erased(hub: Hub) -> None:
    hub.write(n03="note 3 second secret")
    hub.sync()
    key = list(iter_batches(hub.lake.list(""), "raw"))[1]
    hub.lake.put(key, b"nonsense")
    with pytest.raises(CorruptObject, match=key):
        forget_items(forgetting(hub, Forgotten()), [ItemId("n03")])
    hub.lake.delete([key])
    assert "note 3" not in lake_text(hub)


def test_a_lost_batch_does_not_bring_a_forgotten_document_back(hub: Hub) -> None:
    hub.write(n03="note 3 second secret", n04="fine")
    hub.sync(stages=["fetch"])
    forget_items(forgetting(hub, Forgotten()), [ItemId("n03")])
    hub.lake.put(list(iter_batches(hub.lake.list(""), "raw"))[-1], b"nonsense")
    hub.sync()
    assert hub.sync().state == "ok"
    assert "notes:n03" not in hub.index.texts()


def test_a_deletion_outlives_the_versions_it_deletes(hub: Hub) -> None:
    """A clock that was wrong dated the first batches into the future."""
    with hub.database.transaction() as connection:
        connection.execute("UPDATE batches SET timestamp = '2099-01-01T00:00:00+00:00'")
    del hub.world["n02"]
    hub.sync()
    pruned(hub, 40)
    assert rebuild(without_ledger(hub)).texts() == hub.expected()


def test_a_batch_that_cannot_be_read_does_not_stop_pruning(hub: Hub) -> None:
    hub.write(n01="new", n09="new")
    hub.sync()
    hub.lake.put(next(iter_batches(hub.lake.list(""), "raw")), b"nonsense")
    assert pruned(hub, 40) == 1


def test_a_forgotten_source_leaves_the_index_even_where_the_ledger_does_not_know(hub: Hub) -> None:
    lost = without_ledger(hub)
    lost.index = hub.index
    forget_source(forgetting(lost, Forgotten()))
    assert not lost.index.texts()
