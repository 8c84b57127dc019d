"""What every Index does, whatever stores it. A test class inherits `IndexContract` and says how to open one."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import ModelChanged
from knowhub.core.ports import Index
from knowhub.core.types import (
    Acl,
    ContainerId,
    DocumentId,
    ModelId,
    SearchMode,
    SourceName,
)
from tests.contracts.index_entries import (
    ANYBODY,
    EVERYBODY,
    MODEL,
    MODES,
    NOW,
    documents,
    entry,
    query,
    removal,
    slow_build,
    vector_of,
)
from tests.contracts.index_secrecy import SecrecyContract


class IndexContract(SecrecyContract):
    """Inherit and implement `open`."""

    def open(self, folder: Path, model: ModelId = MODEL) -> Index:
        """The index kept in `folder`, which may be empty, for vectors of `DIMENSIONS`."""
        raise NotImplementedError

    @pytest.fixture
    def index(self, tmp_path: Path) -> Index:
        return self.open(tmp_path / "index")

    @pytest.fixture
    def fresh(self, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Index]:
        return lambda: self.open(tmp_path_factory.mktemp("index"))

    # ── replace ──────────────────────────────────────────────────────────────────────────────────────

    def test_an_index_that_was_never_written_is_empty(self, index: Index) -> None:
        assert index.search(query("anything"), viewer=ANYBODY) == []
        assert index.read(DocumentId("wiki:1"), viewer=ANYBODY) == []
        assert index.contents(SourceName("wiki")) == {}
        index.maintain(purge=True)

    @pytest.mark.parametrize("mode", MODES)
    def test_what_was_written_is_found_at_once(self, index: Index, mode: SearchMode) -> None:
        index.replace(
            [entry("wiki:1", "the holiday allowance is thirty days"), entry("wiki:2", "coffee machine manual")]
        )
        assert documents(index.search(query("holiday allowance", mode), viewer=ANYBODY))[0] == "wiki:1"
        index.replace([entry("wiki:3", "parking permits are issued at reception")])
        assert documents(index.search(query("parking permits", mode), viewer=ANYBODY))[0] == "wiki:3"

    def test_a_hit_carries_all_that_was_written(self, index: Index) -> None:
        time = datetime(2026, 3, 4, 5, 6, 7, 89, tzinfo=UTC)
        own: dict[str, Any] = {"context": "Handbook > Leave", "anchor": "#leave", "author": "Ana O'Hara", "time": time}
        fields: dict[str, Any] = {
            "authors": ("Ana O'Hara", "北村"),
            "updated_at": time + timedelta(days=1),
            "kind": "issue",
        }
        index.replace([entry("wiki:1", "first part", "second part 二", chunk=own, **fields)])
        hits = index.read(DocumentId("wiki:1"), viewer=ANYBODY)
        expected = entry("wiki:1", "first part", "second part 二", chunk=own, **fields).chunked
        assert tuple(hit.chunk for hit in hits) == expected.chunks
        assert {hit.score for hit in hits} == {0.0}
        found = index.search(query("second"), viewer=ANYBODY)[0]
        assert found.chunk == expected.chunks[1]
        assert (found.source, found.container, found.kind) == ("wiki", "general", "issue")
        assert (found.title, found.link) == ("Title of wiki:1", "https://wiki.example/wiki:1#leave")
        assert (found.authors, found.updated_at) == (("Ana O'Hara", "北村"), time + timedelta(days=1))

    def test_a_shortened_document_leaves_no_old_chunks(self, index: Index) -> None:
        index.replace([entry("wiki:1", "alpha", "beta", "gamma")])
        index.replace([entry("wiki:1", "alpha", sequence=2)])
        assert [hit.chunk.text for hit in index.read(DocumentId("wiki:1"), viewer=ANYBODY)] == ["alpha"]
        assert index.search(query("gamma", "lexical"), viewer=ANYBODY) == []
        assert index.contents(SourceName("wiki")) == {"wiki:1": 2}

    def test_a_removed_document_is_gone_and_its_neighbours_stay(self, index: Index) -> None:
        index.replace([entry("wiki:1", "alpha", "beta"), entry("wiki:10", "alpha")])
        index.replace([removal("wiki:1"), removal("wiki:never-there"), entry("wiki:2", "alpha")])
        assert set(documents(index.search(query("alpha"), viewer=ANYBODY)[:1])) < {"wiki:10", "wiki:2"}
        assert index.read(DocumentId("wiki:1"), viewer=ANYBODY) == []
        assert index.contents(SourceName("wiki")).keys() == {"wiki:10", "wiki:2"}
        index.replace([removal("wiki:10"), removal("wiki:2")])
        assert index.contents(SourceName("wiki")) == {}

    def test_writing_the_same_twice_is_writing_it_once(self, index: Index) -> None:
        entries = [entry("wiki:1", "alpha one", "alpha two"), entry("wiki:2", "alpha three"), removal("wiki:3")]
        index.replace(entries)
        once = index.search(query("alpha", "vector"), viewer=ANYBODY)
        index.replace(entries)
        assert index.search(query("alpha", "vector"), viewer=ANYBODY) == once
        assert len(index.read(DocumentId("wiki:1"), viewer=ANYBODY)) == 2

    def test_writing_nothing_does_nothing(self, index: Index) -> None:
        index.replace([])
        index.replace([removal("wiki:1")])
        assert index.contents(SourceName("wiki")) == {}

    def test_a_document_without_chunks_is_counted_and_never_found(self, index: Index) -> None:
        index.replace([entry("wiki:1", sequence=7), entry("wiki:2", "alpha")])
        assert index.contents(SourceName("wiki")) == {"wiki:1": 7, "wiki:2": 1}
        assert index.read(DocumentId("wiki:1"), viewer=ANYBODY) == []
        for mode in MODES:
            assert documents(index.search(query("alpha wiki", mode), viewer=ANYBODY)) == ["wiki:2"]

    def test_contents_are_those_of_one_source(self, index: Index) -> None:
        index.replace([entry("wiki:1", "a", "b", sequence=3), entry("wi'ki:1", "a", sequence=4), entry("chat:1", "a")])
        assert index.contents(SourceName("wiki")) == {"wiki:1": 3}
        assert index.contents(SourceName("wi'ki")) == {"wi'ki:1": 4}
        assert index.contents(SourceName("other")) == {}

    @slow_build
    @given(data=st.data())
    def test_after_any_history_the_index_is_what_a_dictionary_would_be(
        self, fresh: Callable[[], Index], data: st.DataObject
    ) -> None:
        names = [f"wiki:{i}" for i in range(4)] + ["chat:it's"]
        change = st.tuples(st.sampled_from(names), st.integers(-1, 3), st.sampled_from(("red", "blue")), st.booleans())
        index, model = fresh(), dict[str, tuple[int, list[str], bool]]()
        history = data.draw(st.lists(st.lists(change, max_size=4, unique_by=lambda c: c[0]), max_size=8))
        for sequence, batch in enumerate(history, start=1):
            entries = []
            for name, count, word, readable in batch:
                texts = [f"{word} text {sequence} {i}" for i in range(count)]
                acl = EVERYBODY if readable else Acl()
                entries.append(removal(name) if count < 0 else entry(name, *texts, acl=acl, sequence=sequence))
                model.pop(name, None)
                if count >= 0:
                    model[name] = (sequence, texts, readable)
            index.replace(entries)
            if data.draw(st.integers(0, 4)) == 0:
                index.maintain(purge=data.draw(st.booleans()))
        held = {**index.contents(SourceName("wiki")), **index.contents(SourceName("chat"))}
        assert held == {name: number for name, (number, _, _) in model.items()}
        visible = {name: texts for name, (_, texts, readable) in model.items() if readable and texts}
        for name in names:
            read = [hit.chunk.text for hit in index.read(DocumentId(name), viewer=ANYBODY)]
            assert read == visible.get(name, [])
        for mode in MODES:
            hits = index.search(query("red blue text", mode, top_k=50), viewer=ANYBODY)
            found = {hit.chunk.text for hit in hits}
            assert found == {text for texts in visible.values() for text in texts}

    def test_a_reader_sees_the_old_or_the_new_and_never_a_mix(self, index: Index) -> None:
        versions = [[f"old number {w}" for w in ("one", "two", "three", "four")], ["new word", "new letter"]]
        index.replace([entry("wiki:1", *versions[0])])
        done, seen, failures = threading.Event(), set[tuple[str, ...]](), list[BaseException]()

        def watch() -> None:
            try:
                while not done.is_set():
                    hits = index.search(query("old new number", top_k=20), viewer=ANYBODY)
                    seen.add(tuple(sorted(hit.chunk.text for hit in hits)))
                    seen.add(tuple(sorted(hit.chunk.text for hit in index.read(DocumentId("wiki:1"), viewer=ANYBODY))))
            except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
                failures.append(error)

        reader = threading.Thread(target=watch)
        reader.start()
        for turn in range(12):
            index.replace([entry("wiki:1", *versions[turn % 2], sequence=turn)])
            if turn % 5 == 4:
                index.maintain(purge=False)
        done.set()
        reader.join()
        assert not failures
        assert seen <= {tuple(sorted(texts)) for texts in versions}

    # ── the model ────────────────────────────────────────────────────────────────────────────────────

    def test_another_models_index_is_refused_with_the_cure(self, tmp_path: Path) -> None:
        self.open(tmp_path / "index").replace([entry("wiki:1", "alpha")])
        other = self.open(tmp_path / "index", ModelId("another@2"))
        uses: list[Callable[[], object]] = [
            lambda: other.search(query("alpha"), viewer=ANYBODY),
            lambda: other.read(DocumentId("wiki:1"), viewer=ANYBODY),
            lambda: other.contents(SourceName("wiki")),
            lambda: other.replace([entry("wiki:2", "beta")]),
            lambda: other.maintain(purge=False),
        ]
        for use in uses:
            with pytest.raises(ModelChanged, match="knowhub reindex"):
                use()
        assert documents(self.open(tmp_path / "index").search(query("alpha"), viewer=ANYBODY)) == ["wiki:1"]

    # ── filters ──────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("mode", MODES)
    def test_filters_hold_together_and_any_value_of_one_does(self, index: Index, mode: SearchMode) -> None:
        index.replace(
            [
                entry("wiki:1", "alpha", kind="code", container=ContainerId("a")),
                entry("wiki:2", "alpha beta", kind="issue", container=ContainerId("b")),
                entry("chat:3", "alpha gamma", kind="issue", container=ContainerId("b")),
            ]
        )

        def found(**filters: Any) -> set[str]:
            return set(documents(index.search(query("alpha", mode, **filters), viewer=ANYBODY)))

        assert found(sources=(SourceName("wiki"),)) == {"wiki:1", "wiki:2"}
        assert found(kinds=("issue",)) == {"wiki:2", "chat:3"}
        assert found(containers=(ContainerId("a"), ContainerId("b"))) == {"wiki:1", "wiki:2", "chat:3"}
        assert found(sources=(SourceName("wiki"),), kinds=("issue",)) == {"wiki:2"}
        assert found(sources=(SourceName("none"),)) == set()

    def test_an_author_is_the_chunks_own_or_else_any_of_the_documents(self, index: Index) -> None:
        both = ("ana", "bo")
        index.replace(
            [
                entry("chat:1", "alpha", chunk={"author": "ana"}, authors=both),
                entry("wiki:2", "alpha beta", authors=both),
                entry("wiki:3", "alpha gamma", authors=("cy",)),
            ]
        )
        for name, expected in (("ana", {"chat:1", "wiki:2"}), ("bo", {"wiki:2"}), ("cy", {"wiki:3"}), ("", set())):
            hits = index.search(query("alpha", authors=(name,)), viewer=ANYBODY)
            assert set(documents(hits)) == expected

    def test_times_bound_the_chunk_or_else_its_document(self, index: Index) -> None:
        day = timedelta(days=1)
        index.replace(
            [
                entry("chat:1", "alpha", chunk={"time": NOW - 3 * day}, updated_at=NOW),
                entry("wiki:2", "alpha beta", updated_at=NOW - day),
                entry("wiki:3", "alpha gamma"),
            ]
        )

        def found(**bounds: Any) -> set[str]:
            return set(documents(index.search(query("alpha", **bounds), viewer=ANYBODY)))

        assert found(since=NOW - 3 * day) == {"chat:1", "wiki:2"}
        assert found(since=NOW - 2 * day) == {"wiki:2"}
        assert found(until=NOW - day) == {"chat:1"}
        assert found(since=NOW - 3 * day, until=NOW - 3 * day + timedelta(microseconds=1)) == {"chat:1"}

    @slow_build
    @given(values=st.lists(st.text(st.sampled_from("ab'\"\\`%_;-)(\n\0é日🙂")), min_size=2, max_size=8, unique=True))
    def test_no_value_breaks_out_of_its_filter(self, fresh: Callable[[], Index], values: Sequence[str]) -> None:
        index = fresh()
        index.replace(
            [
                entry(f"wiki:{v}", f"alpha {i}", container=ContainerId(v), authors=(v,), sequence=i)
                for i, v in enumerate(values)
            ]
        )
        for value in values:
            for filters in ({"containers": (ContainerId(value),)}, {"authors": (value,)}):
                assert documents(index.search(query("alpha", **filters), viewer=ANYBODY)) == [f"wiki:{value}"]
            assert len(index.read(DocumentId(f"wiki:{value}"), viewer=ANYBODY)) == 1
        index.replace([removal(f"wiki:{values[0]}")])
        assert len(index.contents(SourceName("wiki"))) == len(values) - 1

    # ── words ────────────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize(
        ("text", "asked"),
        [
            ("Deployments are running nightly", "run deployment"),
            ("Las reuniones del equipo son los lunes", "reunión equipos"),
            ("La política de vacaciones cambió", "politica vacacion"),
            ("経費の締め切りは毎月二十五日です", "締め切り"),
            ("ＡＢＣ社のサーバーを再起動してください", "サーバー 再起動"),
            ("휴가 신청은 포털에서 합니다", "휴가"),
            ("请提交报销单", "报销"),
            ("crashes with ERR_CONN_42 since v1.2.3", "err_conn_42"),
            ("see src/core/ports.py for details", "ports.py"),
            ("the parseHTMLFile function", "parseHTMLFile"),
            ("the parseHTMLFile function", "parse file"),
            ("set retry_count to 3", "retry_count"),
        ],
    )
    @pytest.mark.parametrize("maintained", [False, True])
    def test_words_are_found_in_other_forms_and_other_scripts(
        self, index: Index, text: str, asked: str, maintained: bool
    ) -> None:
        index.replace([entry("wiki:1", text), entry("wiki:2", "nothing of the kind 無関係 otra cosa")])
        if maintained:
            index.maintain(purge=False)
        found = index.search(query(asked, "lexical"), viewer=ANYBODY)
        assert documents(found) == ["wiki:1"]
        assert found[0].bm25 > 0

    @slow_build
    @given(repeats=st.integers(1, 30), filler=st.integers(0, 400), others=st.integers(1, 130))
    def test_an_identifier_never_ranks_below_one_that_resembles_it(
        self, fresh: Callable[[], Index], repeats: int, filler: int, others: int
    ) -> None:
        index = fresh()
        exact = " ".join(["PROJ-777", *(f"word{i}" for i in range(filler))])
        similar = [entry(f"wiki:{i}", "PROJ-7777 proj 777x PROJ " * repeats + str(i)) for i in range(others)]
        index.replace([*similar, entry("wiki:exact", exact)])
        for mode in ("lexical", "hybrid"):
            assert documents(index.search(query("PROJ-777", mode), viewer=ANYBODY))[0] == "wiki:exact"

    @pytest.mark.parametrize("asked", ["", "  ", "the of and", "?!", "'", '"', "AND OR NOT", "a:b^2~*", "\\", "+-"])
    def test_any_question_is_only_words(self, index: Index, asked: str) -> None:
        index.replace([entry("wiki:1", "alpha")])
        for mode in MODES:
            index.search(query(asked, mode), viewer=ANYBODY)

    # ── order ────────────────────────────────────────────────────────────────────────────────────────

    def test_hybrid_hits_know_both_their_scores(self, index: Index) -> None:
        index.replace([entry("wiki:1", "alpha beta"), entry("wiki:2", "gamma delta"), entry("wiki:3", "alpha epsilon")])
        asked = query("alpha")
        assert asked.vector is not None
        for hit in index.search(asked, viewer=ANYBODY):
            assert hit.cosine == pytest.approx(float(vector_of(hit.chunk.embedded_text) @ asked.vector), abs=5e-4)
            assert (hit.bm25 > 0) == ("alpha" in hit.chunk.text)
        lexical = index.search(query("alpha", "lexical"), viewer=ANYBODY)
        assert {hit.cosine for hit in lexical} == {None}
        assert [hit.score for hit in lexical] == [hit.bm25 for hit in lexical]
        vector = index.search(query("alpha", "vector"), viewer=ANYBODY)
        assert [hit.score for hit in vector] == pytest.approx([hit.cosine for hit in vector], abs=1e-6)

    @pytest.mark.parametrize("mode", MODES)
    def test_scores_descend_and_ties_have_one_order(self, fresh: Callable[[], Index], mode: SearchMode) -> None:
        """More equals than are looked at, written in another order each time."""
        entries = [entry(f"wiki:{i}", f"alpha word{i}") for i in range(130)]
        entries = [replace(one, vectors=entries[0].vectors) for one in entries]
        found = []
        for seed in range(3):
            index = fresh()
            random.Random(seed).shuffle(entries)
            for start in range(0, len(entries), 50):
                index.replace(entries[start : start + 50])
            hits = index.search(query("alpha", mode, 7), viewer=ANYBODY)
            assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
            assert len({hit.score for hit in hits}) == 1
            found.append(hits)
        assert found[0] == found[1] == found[2]

    def test_of_equals_the_newer_comes_first(self, index: Index) -> None:
        older = entry("wiki:a", "the limit is 5", updated_at=NOW - timedelta(days=900))
        newer = entry("wiki:b", "the limit is 6", updated_at=NOW)
        index.replace([older, replace(newer, vectors=older.vectors)])
        assert documents(index.search(query("limit"), viewer=ANYBODY)) == ["wiki:b", "wiki:a"]

    def test_fewer_are_returned_when_fewer_are_asked_for(self, index: Index) -> None:
        index.replace([entry("wiki:1", *(f"alpha number {i}" for i in range(300)))])
        for mode in MODES:
            assert [len(index.search(query("alpha", mode, top_k=k), viewer=ANYBODY)) for k in (0, 1, 7, 250)] == [
                0,
                1,
                7,
                250,
            ]

    # ── duplicates ───────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("mode", MODES)
    def test_copies_are_folded_into_the_newest_and_named_on_it(self, index: Index, mode: SearchMode) -> None:
        text = "All expenses above the limit need approval by the head of the team and by finance before travel"
        index.replace(
            [
                entry("wiki:old", text, updated_at=NOW - timedelta(days=300)),
                entry("wiki:new", f"**{text.upper()}**", updated_at=NOW),
                entry("wiki:forbidden", text, acl=Acl.of("board"), updated_at=NOW),
                entry("wiki:other", "expenses of another kind", updated_at=NOW),
            ]
        )
        hits = index.search(query("expenses approval limit", mode), viewer=ANYBODY)
        assert {hit.chunk.document: hit.duplicates for hit in hits} == {"wiki:new": ("wiki:old",), "wiki:other": ()}

    def test_a_changed_figure_makes_another_statement_of_a_long_text(self, index: Index) -> None:
        text = " ".join(f"clause {w} of the policy applies" for w in ("ab", "cd", "ef", "gh", "ij", "kl", "mn"))
        index.replace([entry("wiki:1", f"{text} limit 500"), entry("wiki:2", f"{text} limit 700")])
        assert len(index.search(query("policy limit"), viewer=ANYBODY)) == 2

    @pytest.mark.parametrize("mode", MODES)
    def test_a_thousand_copies_do_not_push_out_the_rest(self, index: Index, mode: SearchMode) -> None:
        copies = [entry(f"wiki:{i}", "alpha alpha footer") for i in range(1000)]
        index.replace([*copies, entry("wiki:other", "alpha and something that is said only here")])
        hits = index.search(query("alpha footer", mode, top_k=2), viewer=ANYBODY)
        assert len(hits) == 2
        assert hits[1].chunk.document == "wiki:other"
        assert len(hits[0].duplicates) == 999

    # ── maintenance ──────────────────────────────────────────────────────────────────────────────────

    @pytest.mark.parametrize("purge", [False, True])
    def test_maintenance_changes_nothing_that_is_found(self, index: Index, purge: bool) -> None:
        index.replace([entry(f"wiki:{i}", f"alpha number{i}") for i in range(30)])
        index.replace([removal(f"wiki:{i}") for i in range(5)])

        def found() -> list[set[str]]:
            return [set(documents(index.search(query("alpha", mode, 50), viewer=ANYBODY))) for mode in MODES]

        before = found()
        index.maintain(purge=purge)
        assert found() == before
        index.maintain(purge=purge)
        index.replace([entry("wiki:new", "alpha afterwards")])
        assert found() == [names | {"wiki:new"} for names in before]

    def test_what_another_process_wrote_is_seen_by_one_that_has_already_read(self, tmp_path: Path) -> None:
        one, other = self.open(tmp_path / "index"), self.open(tmp_path / "index")
        assert other.search(query("alpha"), viewer=ANYBODY) == []
        one.replace([entry("wiki:1", "alpha")])
        assert documents(other.search(query("alpha"), viewer=ANYBODY)) == ["wiki:1"]
        one.replace([entry("wiki:2", "alpha beta", acl=Acl.of("everybody", "more"))])
        one.maintain(purge=True)
        assert set(documents(other.search(query("alpha"), viewer=ANYBODY))) == {"wiki:1", "wiki:2"}
