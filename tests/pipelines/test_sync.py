from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowhub.core.errors import (
    AccessDenied,
    LeaseHeld,
    NotFound,
    TransientError,
)
from knowhub.core.ports import IndexEntry
from knowhub.core.types import Checkpoint, ContainerId, Document, ItemId, RawRecord, Skipped
from knowhub.formats.batches import iter_batches
from knowhub.pipelines.sync import find_differences, sync
from tests.doubles.hub import NAME, Hub, MemoryIndex, Note, NotesSource, parse_note

HISTORIES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture
def hub(tmp_path: Path) -> Hub:
    return Hub(tmp_path, {f"n{number:02}": Note(f"note {number}\nsecond line") for number in range(10)})


def test_a_first_sync_makes_everything_searchable(hub: Hub) -> None:
    report = hub.sync()
    assert report.state == "ok"
    assert hub.index.texts() == hub.expected()
    (row,) = hub.ledgers.reports.coverage(NAME)
    assert (row.expected, row.searchable, row.pending) == (10, 10, 0)


def test_an_unchanged_sync_embeds_nothing_and_writes_no_batch(hub: Hub) -> None:
    hub.sync()
    embedded, objects = hub.embedder.texts, list(hub.lake.list(""))
    report = hub.sync()
    assert report.state == "ok"
    assert report.fetched.unchanged == 10
    assert (hub.embedder.texts, list(hub.lake.list(""))) == (embedded, objects)


def test_edits_and_deletes_arrive(hub: Hub) -> None:
    hub.sync()
    hub.write(n03="shorter")
    del hub.world["n04"]
    report = hub.sync()
    assert (report.fetched.changed, report.fetched.deleted) == (1, 1)
    assert hub.index.texts() == hub.expected()


def test_an_item_that_is_left_out_later_leaves_the_index(hub: Hub) -> None:
    hub.sync()
    hub.world["n05"].skip = "too large"
    report = hub.sync()
    assert "notes:n05" not in hub.index.texts()
    (row,) = hub.ledgers.reports.coverage(NAME)
    assert (report.state, row.filtered, row.expected, row.accounted) == ("ok", {"too large": 1}, 10, 10)


def test_an_item_that_cannot_be_read_any_more_keeps_what_is_known_and_the_run_is_not_green(hub: Hub) -> None:
    hub.sync()
    hub.world["n05"].text = None
    report = hub.sync()
    assert report.state == "incomplete"
    assert "notes:n05" in hub.index.texts()
    assert report.holes == ("general: 1 failed: permission denied",)


def test_one_unparsable_item_fails_alone_and_says_why(hub: Hub) -> None:
    hub.write(n02="unreadable bytes")
    report = hub.sync()
    assert report.state == "incomplete"
    assert hub.index.texts() == hub.expected()
    (problem,) = hub.ledgers.reports.problems(NAME, 10)
    assert (problem.item, problem.reason) == ("n02", "it is unreadable")


def test_a_document_that_becomes_unparsable_is_not_quoted_any_more(hub: Hub) -> None:
    hub.sync()
    hub.write(n02="unreadable now")
    hub.sync()
    assert "notes:n02" not in hub.index.texts()


def test_one_text_that_the_model_refuses_fails_its_document_alone(hub: Hub) -> None:
    hub.write(n02="unembeddable words")
    report = hub.sync()
    assert report.state == "incomplete"
    assert set(hub.index.texts()) == set(hub.expected()) - {"notes:n02"}


def test_a_document_without_text_is_filtered_by_that_reason(hub: Hub) -> None:
    hub.write(n02="  \n ")
    assert hub.sync().state == "ok"
    (row,) = hub.ledgers.reports.coverage(NAME)
    assert row.filtered == {"no text": 1}


def test_a_container_that_cannot_be_listed_loses_nothing_and_is_a_hole(hub: Hub) -> None:
    hub.sync()
    hub.source.gaps = {"general"}
    report = hub.sync()
    assert report.state == "incomplete"
    assert hub.index.texts() == hub.expected()
    hub.source.gaps = set()
    assert hub.sync().state == "ok"


def test_a_mass_delete_waits_for_a_person(tmp_path: Path) -> None:
    hub = Hub(tmp_path, {f"n{number:02}": Note("text") for number in range(40)})
    hub.sync()
    for number in range(20):
        del hub.world[f"n{number:02}"]
    report = hub.sync()
    assert (report.state, report.fetched.held, len(hub.index.texts())) == ("incomplete", 20, 40)
    assert "--confirm-deletes" in report.holes[0]
    assert hub.sync(confirm_deletes=True).state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_source_that_goes_away_keeps_what_was_read_and_the_next_sync_completes_it(hub: Hub) -> None:
    hub.source.stop_after = 5
    report = hub.sync()
    assert (report.state, report.error) == ("failed", "the source went away")
    assert 0 < len(hub.index.texts()) < 10
    hub.source = NotesSource(hub.world)
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_two_syncs_of_one_source_cannot_both_run(hub: Hub) -> None:
    token = hub.ledgers.leases.acquire(NAME)
    with pytest.raises(LeaseHeld, match="being synced by another process"):
        hub.sync()
    hub.ledgers.leases.release(token)
    assert hub.sync().state == "ok"


def test_a_sync_that_lost_its_lease_changes_nothing(hub: Hub) -> None:
    class Thief(NotesSource):
        def fetch(self, cursor, known):  # type: ignore[no-untyped-def]  # as in the port
            with hub.database.transaction() as connection:
                connection.execute("UPDATE leases SET owner = 'm/1/2/3'")
            yield from super().fetch(cursor, known)

    hub.source = Thief(hub.world)
    assert "taken over" in hub.sync().error
    assert hub.ledgers.fetching.cursor(NAME).value is None
    assert not list(hub.ledgers.items.stored(NAME))


def test_a_corrupt_raw_batch_is_a_dead_letter_and_its_items_are_fetched_again(hub: Hub) -> None:
    hub.sync(stages=["fetch"])
    key = next(iter_batches(hub.lake.list(""), "raw"))
    hub.lake.put(key, hub.lake.get(key)[:-9])
    report = hub.sync()
    assert report.state == "incomplete"
    assert any(key in hole for hole in report.holes)
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_dead_letter_that_newer_versions_replaced_is_cleared_away(hub: Hub) -> None:
    hub.sync(stages=["fetch"])
    key = next(iter_batches(hub.lake.list(""), "raw"))
    hub.lake.put(key, hub.lake.get(key)[:-9])
    hub.sync()
    hub.sync()
    assert hub.sync(retry_failed=True).state == "ok"
    assert key not in set(hub.lake.list(""))
    assert not any(batch.dead for batch in hub.retention.batches(NAME))
    assert hub.index.texts() == hub.expected()


def test_a_corrupt_chunked_batch_heals_too(hub: Hub) -> None:
    hub.sync(stages=["fetch", "chunk"])
    key = next(iter_batches(hub.lake.list(""), "chunked"))
    hub.lake.put(key, b"\x1f\x8b nonsense")
    assert hub.sync().state == "incomplete"
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_failing_index_leaves_work_that_the_next_sync_does(hub: Hub) -> None:
    hub.index.error = TransientError("the store is away")
    assert hub.sync().state == "incomplete"
    hub.index.error = None
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_batch_that_keeps_failing_is_set_aside_until_it_is_offered_again(hub: Hub) -> None:
    hub.index.error = TransientError("the store is away")
    for _ in range(6):
        hub.sync()
    assert all(batch.dead for batch in hub.retention.batches(NAME))
    hub.index.error = None
    assert hub.sync().state == "incomplete"
    assert hub.sync(stages=["embed"], retry_failed=True).state == "ok"
    assert hub.index.texts() == hub.expected()


def test_what_is_wrong_with_the_embedder_as_a_whole_is_raised_and_loses_nothing(hub: Hub) -> None:
    hub.embedder.error = AccessDenied("the key was refused")
    with pytest.raises(AccessDenied):
        hub.sync()
    hub.embedder.error = None
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_late_batch_cannot_bring_back_a_deleted_document(hub: Hub) -> None:
    """A queue delivers the first batch again after the document was deleted."""
    hub.sync()
    first = hub.retention.batches(NAME)[0]
    del hub.world["n00"]
    hub.sync()
    with hub.database.transaction() as connection:
        connection.execute("UPDATE batches SET stage = 'embed' WHERE sequence = ?", (first.sequence,))
    hub.sync(stages=["embed"])
    assert hub.index.texts() == hub.expected()


def test_a_clock_that_jumps_back_does_not_reorder_versions(hub: Hub) -> None:
    hub.sync()
    hub.clock.now = hub.clock.now.replace(year=2001)
    hub.write(n01="after the jump")
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_the_stages_alone_add_up_to_a_sync(hub: Hub) -> None:
    assert hub.sync(stages=["fetch"]).state == "ok"
    assert not hub.index.texts()
    hub.sync(stages=["chunk"])
    assert hub.sync(stages=["embed"]).state == "ok"
    assert hub.index.texts() == hub.expected()


def test_the_history_of_runs_says_how_each_ended(hub: Hub) -> None:
    hub.sync()
    hub.source.gaps = {"general"}
    hub.sync()
    newest, oldest = hub.ledgers.reports.runs(NAME, 5)
    assert (newest.state, oldest.state) == ("incomplete", "ok")
    assert "listing refused" in newest.summary


def test_an_index_that_lost_documents_is_noticed(hub: Hub) -> None:
    hub.sync()
    del hub.index.entries[next(iter(hub.index.entries))]
    assert "missing from the index" in find_differences(hub.index, hub.ledgers.items, NAME)[0]


class _Killed(BaseException):
    """Stands for SIGKILL: nothing of ours catches it."""


def _kill_at(hub: Hub, countdown: int) -> None:
    """Die at the `countdown`th of the moments that leave a mark outside: objects, index, and the ledger around them."""
    left = countdown

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise _Killed

    put, replace, finish = hub.lake.put, hub.index.replace, hub.ledgers.stages.finish
    commit = hub.ledgers.fetching.commit_fetch

    def stepping(call: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any, **options: Any) -> Any:
            step()
            result = call(*args, **options)
            step()
            return result

        return around

    hub.lake.put = stepping(put)  # type: ignore[method-assign]
    hub.index.replace = stepping(replace)  # type: ignore[method-assign]
    hub.ledgers.stages.finish = stepping(finish)  # type: ignore[method-assign]
    hub.ledgers.fetching.commit_fetch = stepping(commit)  # type: ignore[method-assign]
    try:
        hub.sync(confirm_deletes=True)
    except _Killed:
        pass
    finally:
        hub.lake.put, hub.index.replace = put, replace  # type: ignore[method-assign]
        hub.ledgers.stages.finish, hub.ledgers.fetching.commit_fetch = finish, commit  # type: ignore[method-assign]


def _change(rng: random.Random, hub: Hub) -> None:
    item = f"n{rng.randrange(12):02}"
    move = rng.choice(["write", "write", "delete", "skip", "move", "break", "empty"])
    if move == "delete":
        hub.world.pop(item, None)
    elif move == "move" and item in hub.world:
        hub.world[item].container = rng.choice(["general", "random"])
    else:
        texts = {"write": f"text {rng.random()}\nmore", "break": "unreadable", "empty": " "}
        hub.world[item] = Note(texts.get(move, "kept"), skip="left out" if move == "skip" else "")
    hub.world.setdefault("stays", Note("here"))


@HISTORIES
@given(seed=st.integers(0, 2**32))
def test_after_any_history_with_kills_the_hub_holds_exactly_what_the_source_shows(
    seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    rng = random.Random(seed)
    hub = Hub(tmp_path_factory.mktemp("hub"))
    for _ in range(rng.randrange(1, 6)):
        for _ in range(rng.randrange(1, 8)):
            _change(rng, hub)
        for _ in range(rng.randrange(3)):
            _kill_at(hub, rng.randrange(1, 30))
        hub.sync(confirm_deletes=True)
        assert hub.index.texts() == hub.expected()
        assert not find_differences(hub.index, hub.ledgers.items, NAME)
        for row in hub.ledgers.reports.coverage(NAME):
            assert row.expected == row.accounted
            assert row.pending == 0
        assert not hub.ledgers.fetching.abandoned(NAME)
        committed = {b.id for b in hub.retention.batches(NAME)}
        assert {key.rpartition("_")[2].partition(".")[0] for key in iter_batches(hub.lake.list(""), "raw")} <= committed


def test_a_deletion_lost_in_a_corrupt_batch_is_made_again(hub: Hub) -> None:
    hub.sync()
    del hub.world["n04"]
    hub.sync(stages=["fetch"])
    key = list(iter_batches(hub.lake.list(""), "raw"))[-1]
    hub.lake.put(key, b"nonsense")
    assert hub.sync(stages=["chunk", "embed"]).state == "incomplete"
    assert hub.sync().state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_deletion_that_was_set_aside_keeps_every_run_from_being_green(hub: Hub) -> None:
    hub.sync()
    del hub.world["n04"]
    hub.index.error = TransientError("the store is away")
    for _ in range(6):
        hub.sync()
    hub.index.error = None
    report = hub.sync()
    assert report.state == "incomplete"
    assert "--retry-failed" in report.holes[0]
    assert hub.sync(retry_failed=True).state == "ok"
    assert hub.index.texts() == hub.expected()


def test_a_fault_in_a_parser_costs_one_item_and_is_said(hub: Hub) -> None:
    def faulty(record: RawRecord, sequence: int) -> Document:
        if record.item == "n02":
            raise KeyError("a bug")
        return parse_note(record, sequence)

    report = sync(replace(hub.parts(), parse=faulty))
    assert report.state == "incomplete"
    assert "KeyError" in report.holes[0]
    assert set(hub.index.texts()) == set(hub.expected()) - {"notes:n02"}


def test_a_batch_that_trips_the_index_does_not_stop_those_behind_it(hub: Hub) -> None:
    class Tripping(MemoryIndex):
        def replace(self, entries: Sequence[IndexEntry]) -> None:
            if any(entry.chunked.id == "notes:n00" for entry in entries):
                raise OverflowError("too wide")
            super().replace(entries)

    hub.index = Tripping()
    report = hub.sync()
    assert report.state == "incomplete"
    assert any("OverflowError" in hole for hole in report.holes)
    assert len(hub.index.texts()) == 7


def test_an_error_of_the_embedder_does_not_condemn_the_batch(hub: Hub) -> None:
    hub.embedder.error = NotFound("the model's folder is away")
    with pytest.raises(NotFound):
        hub.sync()
    assert not any(batch.dead for batch in hub.retention.batches(NAME))


def test_a_sync_whose_lease_was_taken_leaves_the_later_stages_to_the_other(hub: Hub) -> None:
    hub.sync(stages=["fetch"])

    class Thief(NotesSource):
        def fetch(self, cursor: Any, known: Any) -> Any:
            with hub.database.transaction() as connection:
                connection.execute("UPDATE leases SET owner = 'm/1/2/3'")
            yield from super().fetch(cursor, known)

    hub.source = Thief(hub.world)
    hub.write(n01="changed")
    assert hub.sync().state == "failed"
    assert not hub.index.texts()


def test_an_empty_ledger_beside_a_full_lake_is_refused_with_the_cure(hub: Hub) -> None:
    """Numbering from 1 again would let old versions win in the next reindex."""
    hub.sync()
    hub.database.close()
    hub.database.path = hub.folder / "other.db"
    hub.source = NotesSource(hub.world)
    report = hub.sync()
    assert report.state == "failed"
    assert "knowhub reindex" in report.error
    assert not hub.retention.batches(NAME)


def test_an_item_stored_and_left_out_in_one_fetch_is_left_out(hub: Hub) -> None:
    class Changing(NotesSource):
        def fetch(self, cursor: Any, known: Any) -> Any:
            yield from super().fetch(cursor, known)
            yield Checkpoint({})
            yield Skipped(ContainerId("general"), ItemId("n01"), "too large after all")

    hub.source = Changing(hub.world)
    assert hub.sync().state == "ok"
    assert "notes:n01" not in hub.index.texts()


def test_a_container_that_empties_as_the_sync_is_killed_is_not_expected_to_hold_anything(hub: Hub) -> None:
    hub.world["n04"].container = "random"
    hub.sync()
    hub.world["n04"].container = "general"
    hub.source.stop_after = 7
    hub.sync()
    hub.source.stop_after = 99
    assert hub.sync().state == "ok"
