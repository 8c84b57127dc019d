from __future__ import annotations

from pathlib import Path
from typing import Any

import lancedb
import pytest

from knowhub.core.ports import Index
from knowhub.core.types import Acl, ModelId
from knowhub.index.lancedb import LanceIndex
from tests.contracts.index import IndexContract
from tests.contracts.index_entries import ANYBODY, DIMENSIONS, MODEL, documents, entry, query, removal


class TestLanceIndex(IndexContract):
    def open(self, folder: Path, model: ModelId = MODEL) -> Index:
        return LanceIndex(str(folder), dimensions=DIMENSIONS, model=model, beside_rows=-1)


@pytest.fixture
def index(tmp_path: Path) -> LanceIndex:
    return LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL)


def test_constructing_one_touches_nothing(tmp_path: Path, index: LanceIndex) -> None:
    assert list(tmp_path.iterdir()) == []


def test_an_access_list_that_nobody_wrote_down_admits_nobody(index: LanceIndex, tmp_path: Path) -> None:
    index.replace([entry("wiki:1", "alpha", acl=Acl.of("everybody", "x")), entry("wiki:2", "alpha beta")])
    assert set(documents(index.search(query("alpha"), viewer=ANYBODY))) == {"wiki:1", "wiki:2"}
    _drop_acls_naming(tmp_path / "index", "x")
    again = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL)
    assert documents(again.search(query("alpha"), viewer=ANYBODY)) == ["wiki:2"]


def _drop_acls_naming(folder: Path, principal: str) -> None:
    import lancedb

    lancedb.connect(str(folder)).open_table("acls").delete(f"layers LIKE '%\"{principal}\"%'")


def test_a_purge_leaves_nothing_of_what_was_removed_in_any_file(index: LanceIndex, tmp_path: Path) -> None:
    kept = [entry(f"wiki:{i}", f"ordinary text {i}") for i in range(50)]
    index.replace([*kept, entry("wiki:secret", "zanzibarcodename is the codename")])
    index.maintain(purge=False)
    assert _files_with(tmp_path, b"zanzibarcodenam")
    index.replace([removal("wiki:secret")])
    index.maintain(purge=True)
    assert _files_with(tmp_path, b"zanzibarcodenam") == []
    assert len(index.search(query("ordinary", "lexical", 60), viewer=ANYBODY)) == 50


def _files_with(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]


def test_clearing_makes_room_for_another_model(index: LanceIndex, tmp_path: Path) -> None:
    index.replace([entry("wiki:1", "alpha")])
    other = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=ModelId("another@2"))
    other.clear()
    assert other.search(query("alpha"), viewer=ANYBODY) == []
    other.replace([entry("wiki:2", "alpha")])
    assert documents(other.search(query("alpha"), viewer=ANYBODY)) == ["wiki:2"]


def test_an_index_written_anew_in_its_place_shows_nothing_by_what_was_known_of_the_old_one(
    index: LanceIndex, tmp_path: Path
) -> None:
    index.replace([entry("wiki:1", "alpha one"), entry("wiki:2", "alpha two")])
    assert len(index.search(query("alpha"), viewer=ANYBODY)) == 2
    other = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL)
    other.clear()
    other.replace([entry("wiki:3", "alpha secret", acl=Acl.of("board")), entry("wiki:4", "alpha four")])
    for _ in range(2):
        assert set(documents(index.search(query("alpha"), viewer=ANYBODY))) <= {"wiki:4"}
    again = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL)
    assert documents(again.search(query("alpha"), viewer=ANYBODY)) == ["wiki:4"]


def test_one_that_has_read_all_along_finds_what_one_that_opens_now_does(tmp_path: Path) -> None:
    index = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL)
    for turn in range(25):
        texts = [f"alpha number{turn % 3}", f"beta number{turn}", "gamma"][: turn % 4]
        index.replace([entry(f"wiki:{turn % 7}", *texts, sequence=turn), entry(f"wiki:late{turn}", "alpha beta")])
        if turn % 10 == 9:
            index.maintain(purge=turn == 19)
        asked = query(f"alpha beta number{turn - 1}", top_k=60)
        afresh = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL)
        assert index.search(asked, viewer=ANYBODY) == afresh.search(asked, viewer=ANYBODY)


def test_vectors_of_another_shape_are_refused(index: LanceIndex) -> None:
    wrong = entry("wiki:1", "alpha", "beta")
    with pytest.raises(ValueError, match="wiki:1"):
        index.replace([type(wrong)(wrong.chunked, wrong.vectors[:1])])


def test_a_few_changes_are_searched_beside_the_indices_and_many_are_taken_into_them(tmp_path: Path) -> None:
    index = LanceIndex(str(tmp_path / "index"), dimensions=DIMENSIONS, model=MODEL, beside_rows=10)
    index.replace([entry(f"page{number}", f"text number{number}") for number in range(20)])
    index.maintain(purge=False)
    before = _versions(tmp_path)
    index.replace([entry("page3", "another wording")])
    index.maintain(purge=False)
    assert _versions(tmp_path) == before + 1
    assert documents(index.search(query("wording", "lexical"), viewer=ANYBODY)) == ["page3"]
    for number in range(60):
        index.replace([entry(f"page{number % 20}", f"later number{number}")])
        index.maintain(purge=False)
    table = lancedb.connect(tmp_path / "index").open_table("chunks")
    stats: Any = table.stats()  # a dict, whatever its annotation says
    assert stats["fragment_stats"]["num_fragments"] <= 20
    assert documents(index.search(query("number59", "lexical"), viewer=ANYBODY)) == ["page19"]


def _versions(folder: Path) -> int:
    return lancedb.connect(folder / "index").open_table("chunks").version
