"""What every Index keeps to itself: an adapter inherits this with `IndexContract`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from knowhub.core.ports import Index, IndexEntry
from knowhub.core.types import (
    Acl,
    DocumentId,
    Principal,
    SearchMode,
    SourceName,
    Viewer,
)
from tests.contracts.index_entries import (
    ANYBODY,
    EVERYBODY,
    MODES,
    NOW,
    documents,
    entry,
    query,
    removal,
    slow_build,
    viewer,
)


class SecrecyContract:
    """Needs the fixtures `index` and `fresh`."""

    # ── permissions ──────────────────────────────────────────────────────────────────────────────────

    @slow_build
    @given(data=st.data())
    def test_a_viewer_finds_what_the_acl_admits_and_nothing_else(
        self, fresh: Callable[[], Index], data: st.DataObject
    ) -> None:
        people = ["ana", "bo", "it's", 'a"b', "日本", "group:staff"]
        layer = st.frozensets(st.sampled_from(people).map(Principal), max_size=4)
        acls = data.draw(st.lists(st.lists(layer, max_size=3).map(lambda ls: Acl(tuple(ls))), min_size=1, max_size=25))
        index = fresh()
        index.replace([entry(f"wiki:{i}", f"salary of person number{i}", acl=acl) for i, acl in enumerate(acls)])
        index.maintain(purge=False)
        late = [entry(f"wiki:late{i}", f"salary of late number{i}", acl=acl) for i, acl in enumerate(acls[:3])]
        index.replace(late)
        for _ in range(4):
            who = Viewer("x", data.draw(st.frozensets(st.sampled_from(people).map(Principal), max_size=4)))
            expected = {f"wiki:{i}" for i, acl in enumerate(acls) if acl.admits(who)}
            expected |= {f"wiki:late{i}" for i, acl in enumerate(acls[:3]) if acl.admits(who)}
            for mode in MODES:
                assert set(documents(index.search(query("salary", mode, top_k=99), viewer=who))) == expected
            assert {n for n in [f"wiki:{i}" for i in range(len(acls))] if index.read(DocumentId(n), viewer=who)} == {
                name for name in expected if "late" not in name
            }

    @pytest.mark.parametrize("mode", MODES)
    def test_a_thousand_better_forbidden_chunks_do_not_hide_one_that_is_admitted(
        self, index: Index, mode: SearchMode
    ) -> None:
        secrets = [f"salary salary secret {i}" for i in range(1000)]
        index.replace(
            [entry("wiki:secret", *secrets, acl=Acl.of("board")), entry("wiki:open", "about salary and much else")]
        )
        for limit in (1, 5):
            found = index.search(query("salary secret", mode, top_k=limit), viewer=ANYBODY)
            assert documents(found) == ["wiki:open"]

    @settings(slow_build, max_examples=4, phases=[Phase.generate])  # a smaller seed is no simpler case
    @given(seed=st.integers(0, 2**32))
    def test_what_a_viewer_may_not_read_changes_nothing_that_they_see(
        self, fresh: Callable[[], Index], seed: int
    ) -> None:
        """Two indices with one history, from one of which all that the viewer may not read is left out."""
        dice, whole, bare = random.Random(seed), fresh(), fresh()
        for sequence in range(1, 12):
            changes = _changes(dice, sequence)
            whole.replace(changes)
            for part in _parted(dice, [_as_seen(change, _STAFF) for change in changes]):
                bare.replace(part)
            for index in (whole, bare):
                if dice.random() < 0.2:
                    index.maintain(purge=dice.random() < 0.3)
            if sequence % 3 == 2:
                assert _seen(whole, dice, _STAFF) == _seen(bare, dice, _STAFF)

    @pytest.mark.parametrize("mode", MODES)
    def test_a_thousand_hidden_chunks_leave_every_score_among_a_thousand_as_it_was(
        self, fresh: Callable[[], Index], mode: SearchMode
    ) -> None:
        dice = random.Random(5)
        shown = [entry(f"wiki:{i}", *(_text(dice) for _ in range(30))) for i in range(40)]
        hidden = [entry(f"wiki:h{i}", *(_text(dice) for _ in range(25)), acl=Acl.of("board")) for i in range(40)]
        asked = [query(_text(dice), mode, top_k) for top_k in (5, 120) for _ in range(4)]
        index = fresh()
        index.replace(shown)
        before = [index.search(one, viewer=ANYBODY) for one in asked]
        index.replace(hidden)
        assert [index.search(one, viewer=ANYBODY) for one in asked] == before
        index.maintain(purge=False)
        assert [index.search(one, viewer=ANYBODY) for one in asked] == before
        index.replace([removal(one.chunked.id) for one in hidden])
        assert [index.search(one, viewer=ANYBODY) for one in asked] == before

    def test_a_filter_leaves_the_score_of_what_it_admits_as_it_was(self, index: Index) -> None:
        index.replace([entry("wiki:1", "alpha beta"), entry("chat:1", "alpha gamma"), entry("chat:2", "alpha delta")])
        every = index.search(query("alpha beta", "lexical"), viewer=ANYBODY)
        chats = index.search(query("alpha beta", "lexical", sources=(SourceName("chat"),)), viewer=ANYBODY)
        assert len(chats) == 2
        assert chats == [hit for hit in every if hit.source == "chat"]

    # ── counts and version ───────────────────────────────────────────────────────────────────────────

    def test_counts_are_of_documents_of_which_something_may_be_read(self, index: Index) -> None:
        assert index.counts(viewer=ANYBODY) == {}
        index.replace(
            [
                entry("wiki:1", "a", "b"),
                entry("wiki:2", "a", acl=Acl.of("everybody", "board")),
                entry("wiki:empty"),
                entry("chat:1", "a", acl=Acl.of("board")),
            ]
        )
        assert index.counts(viewer=ANYBODY) == {"wiki": 2}
        assert index.counts(viewer=viewer("board")) == {"chat": 1, "wiki": 1}
        assert index.counts(viewer=viewer()) == {}
        index.replace([removal("wiki:2"), entry("wiki:1", "a", acl=Acl.of("board"), sequence=2)])
        assert index.counts(viewer=ANYBODY) == {}
        assert index.counts(viewer=viewer("board")) == {"chat": 1, "wiki": 1}

    def test_a_version_changes_with_what_may_be_read_and_with_nothing_else(self, index: Index) -> None:
        def versions() -> tuple[str, str]:
            return index.version(viewer=ANYBODY), index.version(viewer=viewer("board"))

        index.replace([entry("wiki:1", "a"), entry("chat:1", "a", acl=Acl.of("board"))])
        everybodys, boards = versions()
        assert everybodys != boards
        index.replace([entry("chat:1", "b", acl=Acl.of("board"), sequence=2)])
        assert versions()[0] == everybodys
        assert versions()[1] != boards
        boards = versions()[1]
        index.maintain(purge=True)
        index.replace([entry("wiki:1", "a", sequence=3)])
        assert versions() == (everybodys, boards)
        for change in (entry("wiki:1", "c"), entry("wiki:1", "a", url="https://moved.example"), removal("wiki:1")):
            index.replace([change])
            assert versions()[0] != everybodys
            assert versions()[1] == boards
        index.replace([entry("wiki:1", "a")])
        assert versions() == (everybodys, boards)

    def test_a_narrowed_acl_counts_from_the_next_search_on(self, index: Index) -> None:
        index.replace([entry("wiki:1", "alpha")])
        index.replace([entry("wiki:1", "alpha", acl=EVERYBODY & Acl.of("board"), sequence=2)])
        assert index.search(query("alpha"), viewer=ANYBODY) == []
        assert documents(index.search(query("alpha"), viewer=viewer("board", "everybody"))) == ["wiki:1"]


# ── two histories ────────────────────────────────────────────────────────────────────────────────────

_STAFF = viewer("staff", "everybody")
_ACLS = (EVERYBODY, Acl.of("staff"), Acl.of("staff", "board"), Acl.of("board"), EVERYBODY & Acl.of("board"), Acl())
_FREQUENT, _RARE = ("salary", "holiday", "server", "run"), ("PROJ-7", "zebra", "quota", "reunión", "経費", "parse_file")


def _text(dice: random.Random) -> str:
    return " ".join(dice.choices(_FREQUENT, k=dice.randint(1, 5)) + dice.sample(_RARE, dice.randint(0, 2)))


def _changes(dice: random.Random, sequence: int) -> list[IndexEntry]:
    names = [f"{source}:{number}" for source in ("wiki", "chat") for number in range(8)]
    return [_change(dice, name, sequence) for name in dice.sample(names, dice.randint(1, 6))]


def _change(dice: random.Random, name: str, sequence: int) -> IndexEntry:
    if dice.random() < 0.15:
        return removal(name, sequence)
    texts = [_text(dice) for _ in range(dice.choice((0, 1, 3, 60)))]
    return entry(
        name,
        *texts,
        acl=dice.choice(_ACLS),
        sequence=sequence,
        kind=dice.choice(("issue", "code")),
        authors=dice.choice(((), ("ana",), ("bo", "ana"))),
        updated_at=dice.choice((None, NOW, NOW - timedelta(days=200))),
    )


def _as_seen(change: IndexEntry, who: Viewer) -> IndexEntry:
    holder = change.chunked.document
    return change if holder is not None and holder.acl.admits(who) else removal(change.chunked.id)


def _parted(dice: random.Random, entries: Sequence[IndexEntry]) -> list[Sequence[IndexEntry]]:
    cut = dice.randint(0, len(entries))
    return [entries[:cut], entries[cut:]]


def _seen(index: Index, dice: random.Random, who: Viewer) -> list[Any]:
    """All that the port tells a viewer; the same questions for the same seed."""
    asked = random.Random(dice.getstate()[1][0])
    filters: tuple[dict[str, Any], ...] = (
        {},
        {"sources": (SourceName("chat"),)},
        {"kinds": ("issue",), "authors": ("ana",)},
        {"since": NOW - timedelta(days=1)},
    )
    hits = [
        index.search(query(_text(asked), mode, top_k, **asked.choice(filters)), viewer=who)
        for mode in MODES
        for top_k in (1, 10, 150)
    ]
    read = [index.read(DocumentId(f"wiki:{number}"), viewer=who) for number in range(8)]
    return [hits, read, index.counts(viewer=who), index.version(viewer=who)]
