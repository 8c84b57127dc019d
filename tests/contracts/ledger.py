"""What every ledger must do, through its ports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from knowhub.core.errors import CursorMoved, LeaseHeld
from knowhub.core.ports import (
    ContainerCount,
    FetchCommit,
    FetchLedger,
    ItemChange,
    ItemLedger,
    ItemState,
    LeaseToken,
    OpenBatch,
    Outcome,
    PendingBatch,
    Reports,
    RetentionLedger,
    StageLedger,
)
from knowhub.core.types import ContainerId, ItemId, ObjectKey, SourceName
from knowhub.pipelines.sync import Ledgers

NAME = SourceName("notes")
NOON = datetime(2026, 5, 31, 12, tzinfo=UTC)
GENERAL = ContainerId("general")


@dataclass(frozen=True)
class Books:
    """All ports of one ledger, and a lease on the source."""

    fetching: FetchLedger
    stages: StageLedger
    items: ItemLedger
    reports: Reports
    retention: RetentionLedger
    lease: LeaseToken

    def commit(self, *changes: ItemChange, **other: Any) -> OpenBatch | None:
        batch = None
        if any(change.in_batch for change in changes):
            batch = self.fetching.open_batch(NAME, self.lease, NOON)
        fields: dict[str, Any] = {
            "source": NAME,
            "batch": batch,
            "key": ObjectKey(f"raw/{batch.sequence}") if batch else None,
            "stage": "chunk",
            "items": changes,
            "counts": (),
            "gone": (),
            "cursor": None,
            "revision": self.fetching.cursor(NAME).revision,
            "at": NOON,
        }
        self.fetching.commit_fetch(self.lease, FetchCommit(**{**fields, **other}))
        return batch

    def next(self, stage: Any = "chunk") -> PendingBatch:
        return self.stages.pending(stage, NAME)[0]

    def index(self, sequence: int, item: str = "a") -> None:
        """Take the oldest batch through both stages."""
        self.stages.finish("chunk", self.next(), [], next_key=ObjectKey("chunked"))
        outcome = Outcome(ItemId(item), sequence, "searchable", title="Title", indexed=True)
        self.stages.finish("embed", self.next("embed"), [outcome], next_key=None)

    def states(self) -> dict[str, str]:
        return {item.item: item.state for item in self.items.stored(NAME) if not item.deleted}


def change(item: str = "a", state: ItemState | None = "pending", **fields: Any) -> ItemChange:
    given = {"version": "v1", "location": item, "parts": 1, "in_batch": state == "pending", **fields}
    return ItemChange(ItemId(item), GENERAL, state=state, **given)


class LedgerContract:
    """Inherit, and give the fixture `ledgers`: (Ledgers, RetentionLedger) of an empty ledger."""

    @pytest.fixture
    def books(self, ledgers: tuple[Ledgers, RetentionLedger]) -> Iterator[Books]:
        all, retention = ledgers
        lease = all.leases.acquire(NAME)
        yield Books(all.fetching, all.stages, all.items, all.reports, retention, lease)
        all.leases.release(lease)

    def test_a_cursor_moves_with_its_items_or_not_at_all(self, books: Books) -> None:
        books.commit(change(), cursor={"page": 1})
        assert books.fetching.cursor(NAME).value == {"page": 1}
        with pytest.raises(CursorMoved):
            books.commit(change("b"), cursor={"page": 2}, revision=0)
        assert books.fetching.cursor(NAME).value == {"page": 1}
        assert books.states() == {"a": "pending"}

    def test_a_commit_without_a_cursor_keeps_the_stored_one(self, books: Books) -> None:
        books.commit(change(), cursor={"page": 1})
        books.commit(change("b"))
        assert books.fetching.cursor(NAME).value == {"page": 1}

    def test_whoever_lost_the_lease_changes_nothing(self, books: Books) -> None:
        stranger = LeaseToken(NAME, "somebody/1/2/else")
        with pytest.raises(LeaseHeld):
            books.fetching.open_batch(NAME, stranger, NOON)
        with pytest.raises(LeaseHeld):
            books.fetching.commit_fetch(
                stranger, FetchCommit(NAME, None, None, "chunk", [change()], (), (), {"x": 1}, 0, NOON)
            )
        assert books.states() == {}

    def test_sequences_never_repeat_even_when_batches_are_dropped(self, books: Books) -> None:
        first = books.fetching.open_batch(NAME, books.lease, NOON)
        assert books.fetching.abandoned(NAME) == [first]
        books.fetching.drop(NAME, first)
        assert books.fetching.abandoned(NAME) == []
        assert books.fetching.open_batch(NAME, books.lease, NOON).sequence > first.sequence

    def test_a_committed_batch_is_not_abandoned_and_cannot_be_dropped(self, books: Books) -> None:
        batch = books.commit(change())
        assert batch
        assert books.fetching.abandoned(NAME) == []
        books.fetching.drop(NAME, batch)
        assert books.next().sequence == batch.sequence

    def test_work_goes_from_stage_to_stage_in_order(self, books: Books) -> None:
        books.commit(change("a"))
        books.commit(change("b"))
        first, second = books.stages.pending("chunk", NAME)
        assert first.sequence < second.sequence
        books.stages.finish("chunk", first, [], next_key=ObjectKey("chunked/1"))
        assert books.stages.pending("chunk", NAME) == [second]
        assert [batch.key for batch in books.stages.pending("embed", NAME)] == ["chunked/1"]

    def test_an_outcome_of_an_older_version_does_not_speak_for_the_newer_one(self, books: Books) -> None:
        old = books.commit(change())
        books.commit(change(version="v2"))
        assert old
        books.index(old.sequence)
        (item,) = books.items.stored(NAME)
        assert (item.state, item.indexed, item.indexed_sequence) == ("pending", True, old.sequence)

    def test_an_older_batch_does_not_take_back_what_the_index_holds(self, books: Books) -> None:
        old, new = books.commit(change()), books.commit(change(version="v2"))
        assert old
        assert new
        first, second = books.stages.pending("chunk", NAME)
        for batch in (second, first):
            outcome = Outcome(ItemId("a"), batch.sequence, "searchable", indexed=True)
            books.stages.finish("chunk", batch, [outcome], next_key=None)
        assert books.stages.indexed(NAME, [ItemId("a"), ItemId("never")]) == {"a": new.sequence}

    def test_what_could_not_be_read_since_is_not_green_because_an_older_version_arrives(self, books: Books) -> None:
        batch = books.commit(change())
        assert batch
        books.commit(change(state="failed", reason="403", version=""))
        books.index(batch.sequence)
        (item,) = books.items.stored(NAME)
        assert (item.state, item.reason, item.indexed) == ("failed", "403", True)

    def test_finishing_twice_counts_once(self, books: Books) -> None:
        batch = books.commit(change())
        assert batch
        waiting = books.next()
        books.stages.finish("chunk", waiting, [], next_key=ObjectKey("c"))
        books.stages.finish("chunk", waiting, [Outcome(ItemId("a"), batch.sequence, "failed", "late")], next_key=None)
        assert books.states() == {"a": "pending"}
        assert books.next("embed").key == "c"

    def test_a_deleted_item_is_not_brought_back_by_a_late_outcome(self, books: Books) -> None:
        batch = books.commit(change())
        assert batch
        books.commit(change(state=None, deleted=True, in_batch=True))
        books.index(batch.sequence)
        assert books.states() == {}

    def test_an_item_that_comes_back_lives_again(self, books: Books) -> None:
        books.commit(change())
        books.commit(change(state=None, deleted=True, in_batch=True))
        books.commit(change(version="v3"))
        assert books.states() == {"a": "pending"}

    def test_dead_letters_wait_until_they_are_revived(self, books: Books) -> None:
        books.commit(change())
        books.stages.fail(books.next(), "it broke", dead=False, lost=False)
        assert books.next().attempts == 1
        books.stages.fail(books.next(), "it broke", dead=True, lost=False)
        assert books.stages.pending("chunk", NAME) == []
        (batch,) = books.retention.batches(NAME)
        assert (batch.dead, batch.error, batch.attempts) == (True, "it broke", 2)
        assert books.stages.revive(NAME) == 1
        assert books.next().attempts == 0

    def test_items_of_a_lost_object_are_to_be_fetched_again(self, books: Books) -> None:
        books.commit(change())
        books.stages.fail(books.next(), "it is corrupt", dead=True, lost=True)
        (item,) = books.items.stored(NAME)
        assert (item.state, item.reason, item.version) == ("failed", "it is corrupt", "")

    def test_coverage_counts_parts_by_state_and_reason(self, books: Books) -> None:
        batch = books.commit(change("a", parts=3), counts=[ContainerCount(GENERAL, "#general", 7)])
        assert batch
        books.index(batch.sequence)
        books.commit(change("b", "filtered", reason="too large"), change("c", "failed", reason="403", parts=2))
        books.commit(change("d"))
        (row,) = books.reports.coverage(NAME)
        assert (row.name, row.expected, row.searchable, row.pending) == ("#general", 7, 3, 1)
        assert (row.filtered, row.failed) == ({"too large": 1}, {"403": 2})
        assert row.accounted == 7
        assert not row.whole

    def test_a_gap_keeps_the_last_known_count(self, books: Books) -> None:
        books.commit(counts=[ContainerCount(GENERAL, "#general", 7)])
        books.commit(counts=[ContainerCount(GENERAL, "#general", None, "403")])
        (row,) = books.reports.coverage(NAME)
        assert (row.expected, row.gap) == (7, "403")

    def test_a_fetch_that_came_to_its_end_makes_all_but_gaps_fresh(self, books: Books) -> None:
        other = ContainerId("other")
        books.commit(counts=[ContainerCount(GENERAL, "#general", 7), ContainerCount(other, "#other", None, "403")])
        books.commit(at=NOON + timedelta(hours=1), complete=True)
        fresh, stale = books.reports.coverage(NAME)
        assert (fresh.seen_at, stale.gap) == (NOON + timedelta(hours=1), "403")
        assert stale.seen_at != fresh.seen_at

    def test_a_container_that_is_gone_is_not_shown(self, books: Books) -> None:
        books.commit(counts=[ContainerCount(GENERAL, "#general", 0)])
        books.commit(gone=[GENERAL])
        assert books.reports.coverage(NAME) == []

    def test_documents_are_found_by_id_place_and_title(self, books: Books) -> None:
        batch = books.commit(change("a", location="policies/leave.md"))
        assert batch
        books.index(batch.sequence)
        for name in ("notes:a", "policies/leave.md", "Title", "leave.md"):
            assert [item.item for item in books.items.find(name)] == ["a"]
        assert books.items.find("nothing") == []

    def test_forgotten_items_keep_no_title_and_say_so(self, books: Books) -> None:
        batch = books.commit(change())
        assert batch
        books.index(batch.sequence)
        books.items.forget(NAME, [ItemId("a")])
        (item,) = books.items.stored(NAME)
        assert (item.state, item.reason, item.title, item.indexed) == ("filtered", "forgotten", "", False)

    def test_a_forgotten_source_keeps_only_its_place_in_line(self, books: Books) -> None:
        batch = books.commit(change(), cursor={"page": 1}, counts=[ContainerCount(GENERAL, "g", 1)])
        assert batch
        books.items.forget_source(NAME)
        assert books.fetching.cursor(NAME).value is None
        assert (list(books.items.stored(NAME)), books.reports.coverage(NAME)) == ([], [])
        assert books.fetching.open_batch(NAME, books.lease, NOON).sequence > batch.sequence

    def test_runs_are_listed_newest_first_and_a_killed_one_is_not_running_for_ever(self, books: Books) -> None:
        books.reports.start_run(NAME, "fetch", NOON)
        second = books.reports.start_run(NAME, "fetch+chunk", NOON)
        books.reports.finish_run(second, "ok", "", NOON)
        newest, killed = books.reports.runs(NAME, 5)
        assert (newest.state, newest.what) == ("ok", "fetch+chunk")
        assert (killed.state, killed.summary) == ("failed", "stopped before its end")

    def test_sources_do_not_mix(self, books: Books) -> None:
        books.commit(change())
        assert list(books.items.stored(SourceName("other"))) == []
        assert books.stages.pending("chunk", SourceName("other")) == []
