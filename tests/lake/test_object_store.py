from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from knowhub.core.errors import AccessDenied, ConfigurationError, KnowhubError, TransientError
from knowhub.core.ports import Lake
from knowhub.core.types import ObjectKey
from knowhub.lake.object_store import ObjectStoreLake
from tests.contracts.lake import LakeContract
from tests.doubles.s3 import s3_server


class TestInMemory(LakeContract):
    @pytest.fixture
    def lake(self) -> Lake:
        return ObjectStoreLake("memory:")


class TestInAFolder(LakeContract):
    @pytest.fixture
    def lake(self, tmp_path: Path) -> Lake:
        return ObjectStoreLake(str(tmp_path / "deep" / "lake"))


def test_a_folder_holds_whole_objects_only(tmp_path: Path) -> None:
    lake = ObjectStoreLake(str(tmp_path))
    lake.put(ObjectKey("s/raw/a"), b"x" * 100_000)
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["a"]


def test_making_a_lake_touches_nothing(tmp_path: Path) -> None:
    ObjectStoreLake(str(tmp_path / "lake"))
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_cannot_be_opened_says_so_without_showing_options() -> None:
    lake = ObjectStoreLake("nonsense://bucket", {"secret_access_key": "hunter2"})
    with pytest.raises(ConfigurationError, match="nonsense://bucket") as caught:
        lake.put(ObjectKey("a"), b"")
    assert "hunter2" not in str(caught.value)


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("a file")
    with pytest.raises(KnowhubError, match="lake"):
        ObjectStoreLake(str(tmp_path / "lake")).put(ObjectKey("a/b"), b"")


def test_a_full_disk_is_worth_another_try() -> None:
    """/dev/full refuses every write as a full disk does."""
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with pytest.raises((TransientError, AccessDenied)):
        ObjectStoreLake("/dev/full").put(ObjectKey("a"), b"x")


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server("hub") as options:
        yield options


class TestOnS3(LakeContract):
    @pytest.fixture
    def lake(self, s3: dict[str, str], request: pytest.FixtureRequest) -> Lake:
        return ObjectStoreLake(f"s3://hub/{request.node.name}", s3)


def test_a_bucket_that_is_not_there_is_named(s3: dict[str, str]) -> None:
    with pytest.raises(KnowhubError, match="s/raw/a"):
        ObjectStoreLake("s3://other/prefix", s3).put(ObjectKey("s/raw/a"), b"")


@pytest.mark.parametrize("move", ["put", "delete"])
def test_what_a_killed_write_left_goes_with_its_object(tmp_path: Path, move: str) -> None:
    lake = ObjectStoreLake(str(tmp_path))
    key = ObjectKey("notes/raw/batch_1.jsonl.zst")
    (tmp_path / "notes" / "raw").mkdir(parents=True)
    (tmp_path / "notes" / "raw" / "batch_1.jsonl.zst#1").write_bytes(b"half")
    if move == "put":
        lake.put(key, b"whole")
    else:
        lake.delete([key])
    assert not list(tmp_path.rglob("*#*"))
