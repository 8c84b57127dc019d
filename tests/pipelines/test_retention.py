from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from pathlib import Path

import pytest

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
