from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from knowhub.core.errors import ConfigurationError, CorruptObject, LeaseHeld, NotFound
from knowhub.core.types import Acl, ContainerId, ItemId, RawRecord, SourceName
from knowhub.formats.batches import chunked_key, encode_raw, encode_record, raw_key
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
from tests.torture.test_kills import KilledHub

DOCS, OLD = SourceName("docs"), SourceName("old")


class Opened:
    """A hub with the tiny model, its adapters at hand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docs = KilledHub(folder, Random(1)).docs
        self.configure('[sources.old]\ntype = "imported"\n')

    def configure(self, more: str) -> None:
        with (self.folder / "knowhub.toml").open("a") as file:
            file.write(more)

    def open(self) -> tuple[App, Laptop]:
        adapters = Laptop(load(self.folder / "knowhub.toml"))
        return App(adapters), adapters

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.docs / f"{name}.md").write_text(text)

    def batch(self, source: str = "old", **metadata: Any) -> Path:
        chunk = {"text": f"words {metadata}", "metadata": {"id": "a", **metadata}}
        fields = {"batch_id": "1", "timestamp": "2026-05-31T12:00:00Z", "source": source, "chunk_count": 1}
        file = self.folder / "batch.json"
        file.write_text(json.dumps({**fields, "chunks": [chunk]}))
        return file


@pytest.fixture
def hub(tmp_path: Path) -> Opened:
    hub = Opened(tmp_path)
    hub.write(a="# A\n\nwords of a\n", b="# B\n\nwords of b\n")
    return hub


@pytest.fixture
def opened(hub: Opened) -> Iterator[tuple[App, Laptop]]:
    app, adapters = hub.open()
    with app:
        yield app, adapters


def states(app: App, *names: str, **options: Any) -> dict[str, str]:
    return {report.source: report.state for report in app.sync(names, **options)}


@pytest.mark.parametrize("stages", [["fetch"], ["fetch", "chunk"], ["fetch", "chunk", "embed"]])
def test_a_stranger_is_shown_nothing_at_any_stage(opened: tuple[App, Laptop], stages: list[str]) -> None:
    app, _ = opened
    states(app, stages=stages)
    assert app.show("a.md", viewer=app.me()).item.item == "a.md"
    with pytest.raises(NotFound, match="there is no document"):
        app.show("a.md", viewer=app.me(["stranger"]))


def test_a_stranger_is_shown_nothing_of_what_failed_or_is_gone(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, _ = opened
    (hub.docs / "broken.pdf").write_bytes(b"%PDF-1.7 and then nothing")
    states(app)
    (hub.docs / "a.md").unlink()
    states(app)
    for name in ("broken.pdf", "a.md"):
        assert app.show(name, viewer=app.me()).item.item == name
        with pytest.raises(NotFound, match="there is no document"):
            app.show(name, viewer=app.me(["stranger"]))


def test_what_could_be_meant_is_told_only_to_those_who_may_read_it(opened: tuple[App, Laptop]) -> None:
    app, _ = opened
    states(app)
    with pytest.raises(NotFound, match="could be 2 documents"):
        app.show("md", viewer=app.me())
    with pytest.raises(NotFound, match="there is no document") as refused:
        app.show("md", viewer=app.me(["stranger"]))
    assert "a.md" not in str(refused.value)


def test_only_a_whole_name_is_forgotten(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, _ = opened
    (hub.docs / "sub").mkdir()
    (hub.docs / "sub" / "only.md").write_text("# Only\n\nwords\n")
    states(app)
    with pytest.raises(NotFound, match="there is no document"):
        app.forget("")
    with pytest.raises(NotFound, match=r"docs:sub/only\.md"):
        app.forget("only.md")
    assert app.forget("sub/only.md") == 1


def test_an_exact_id_wins_over_a_title_that_says_the_same(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, _ = opened
    hub.write(c="# docs:a.md\n\nan impostor\n")
    states(app)
    assert app.show("docs:a.md", viewer=app.me()).item.item == "a.md"


def test_handing_in_twice_replaces(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    for title in ("one", "two"):
        app.hand_in(hub.batch(title=title))
        assert states(app, "old") == {"old": "ok"}
    assert [hit.title for hit in app.search("words", viewer=app.me())] == ["two"]
    assert list(adapters.index.contents(OLD).values()) == [2]


def test_what_was_forgotten_cannot_be_handed_in_again(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    app.hand_in(hub.batch())
    states(app, "old")
    app.forget("old:a")
    app.hand_in(hub.batch())
    assert states(app, "old") == {"old": "ok"}
    assert not adapters.index.contents(OLD)


def test_handing_in_for_a_source_that_fetches_is_refused(hub: Opened, opened: tuple[App, Laptop]) -> None:
    """Its next listing would delete them."""
    with pytest.raises(ConfigurationError, match="imported"):
        opened[0].hand_in(hub.batch("docs"))


@pytest.mark.parametrize("metadata", [{"title": "\ud800"}, {"time": 7}, {"url": ["\udfff"]}, {"time": "yesterday"}])
def test_hostile_metadata_is_refused_and_leaves_nothing(
    hub: Opened, opened: tuple[App, Laptop], metadata: dict[str, Any]
) -> None:
    app, adapters = opened
    with pytest.raises(CorruptObject):
        app.hand_in(hub.batch(**metadata))
    assert states(app, "old") == {"old": "ok"}
    assert not list(adapters.lake.list("old/"))


def test_a_batch_cannot_speak_for_another_source(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    states(app)
    key = next(key for key in adapters.lake.list("docs/chunked/"))
    forged = json.loads(gzip.decompress(adapters.lake.get(key)))
    (hub.folder / "forged.json").write_text(json.dumps({**forged, "source": "old"}))
    with pytest.raises(CorruptObject, match="no document of old"):
        app.hand_in(hub.folder / "forged.json")


def test_an_abandoned_hand_in_is_swept_away(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    lease = adapters.ledgers.leases.acquire(OLD)
    batch = adapters.ledgers.fetching.open_batch(OLD, lease, adapters.clock())
    adapters.ledgers.leases.release(lease)
    adapters.lake.put(chunked_key(OLD, batch.id, batch.timestamp), b"half a thought")
    assert app.reindex().errors == ()
    assert not list(adapters.lake.list("old/"))


def test_a_rebuild_does_not_take_in_what_a_killed_sync_never_committed(opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    states(app)
    lease = adapters.ledgers.leases.acquire(DOCS)
    batch = adapters.ledgers.fetching.open_batch(DOCS, lease, adapters.clock())
    adapters.ledgers.leases.release(lease)
    key = raw_key(DOCS, batch.id, batch.timestamp)
    removal = RawRecord(DOCS, ContainerId("."), ItemId("a.md"), "removal", "", Acl(), None)
    adapters.lake.put(key, encode_raw(batch.id, DOCS, batch.sequence, batch.timestamp, [encode_record(removal)]))
    app.reindex()
    assert "docs:a.md" in adapters.index.contents(DOCS)


def test_a_source_taken_out_of_the_configuration_is_still_shown_and_can_be_forgotten(hub: Opened) -> None:
    with hub.open()[0] as app:
        states(app)
    file = hub.folder / "knowhub.toml"
    whole = file.read_text()
    file.write_text(whole.replace("[sources.docs]", "[sources.other]"))
    app, adapters = hub.open()
    with app:
        assert {one.source: one.configured for one in app.status()}[DOCS] is False
        app.reindex()
        assert not adapters.index.contents(DOCS)
    file.write_text(whole)
    app, adapters = hub.open()
    with app:
        assert states(app, "docs") == {"docs": "ok"}
        assert len(adapters.index.contents(DOCS)) == 2
        app.forget("docs")
        assert not list(adapters.lake.list("docs/"))


def test_one_source_that_another_process_syncs_does_not_keep_the_others_waiting(opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    token = adapters.ledgers.leases.acquire(DOCS)
    assert states(app) == {"docs": "failed", "old": "ok"}
    with pytest.raises(LeaseHeld):
        states(app, "docs")
    adapters.ledgers.leases.release(token)


def test_a_second_rebuild_does_not_touch_what_the_first_is_building(opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    states(app)
    token = adapters.ledgers.leases.acquire(DOCS)
    building = adapters.open_index(adapters.generation + 1)
    building.replace([])
    place = adapters.configuration.data / "index" / "1"
    place.mkdir(parents=True, exist_ok=True)
    with pytest.raises(LeaseHeld):
        app.reindex()
    assert place.exists()
    adapters.ledgers.leases.release(token)


def test_a_rebuild_that_was_stopped_keeps_every_run_from_being_green(opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    states(app)
    adapters.begin_reindex()
    assert states(app, "docs") == {"docs": "incomplete"}
    app.reindex()
    assert states(app, "docs") == {"docs": "ok"}


def test_a_hub_that_is_open_follows_a_rebuild_by_another(hub: Opened, opened: tuple[App, Laptop]) -> None:
    app, adapters = opened
    states(app)
    assert len(adapters.index.contents(DOCS)) == 2
    with hub.open()[0] as other:
        other.reindex()
    hub.write(c="# C\n\nwords of c\n")
    assert states(app, "docs") == {"docs": "ok"}
    with hub.open()[0] as other:
        assert any(hit.title == "C" for hit in other.search("words", viewer=other.me()))


def test_pruning_waits_for_whoever_is_at_work_on_the_source(hub: Opened) -> None:
    hub.configure("[lake]\nkeep_days = 0\n")
    app, adapters = hub.open()
    with app:
        states(app, "docs")
        token = adapters.ledgers.leases.acquire(DOCS)
        adapters.database.set_fact("pruned/docs", "")
        with pytest.raises(LeaseHeld):
            app._prune(DOCS)
        adapters.ledgers.leases.release(token)


def test_readers_that_change_take_effect_with_the_next_sync(hub: Opened) -> None:
    with hub.open()[0] as app:
        states(app)
        assert app.search("words", viewer=app.me(["staff"])) == []
    hub.configure('[access]\nreaders = ["staff"]\nme = ["owner"]\n')
    with hub.open()[0] as app:
        assert states(app, "docs") == {"docs": "ok"}
        assert len(app.search("words", viewer=app.me(["staff"]))) == 2
        assert app.search("words", viewer=app.me()) == []
        assert list(app.documents(["docs"], viewer=app.me())) == []
