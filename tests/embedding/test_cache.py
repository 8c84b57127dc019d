from __future__ import annotations

import hashlib
import logging
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from knowhub.core.errors import TransientError
from knowhub.core.ports import Embedder
from knowhub.core.types import ModelId
from knowhub.embedding import cache
from knowhub.embedding.cache import CachedEmbedder
from knowhub.embedding.runtime import Purpose

DIMENSIONS = 384


class Counting:
    """A vector from the text's hash and the purpose; remembers what it was asked."""

    dimensions = DIMENSIONS

    def __init__(self, model: str = "counting@1") -> None:
        self.model = ModelId(model)
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> NDArray[np.float32]:
        self.asked += texts
        return np.stack([vector(text, purpose, self.model) for text in texts])


def vector(text: str, purpose: Purpose = "document", model: str = "counting@1") -> NDArray[np.float32]:
    digest = hashlib.sha256(f"{model}{purpose}{text}".encode("utf-8", "surrogatepass")).digest()
    row = np.random.default_rng(list(digest)).standard_normal(DIMENSIONS).astype(np.float32)
    unit: NDArray[np.float32] = row / np.linalg.norm(row)
    return unit


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "embeddings.db"


@pytest.fixture
def inner() -> Counting:
    return Counting()


@pytest.fixture
def cached(inner: Counting, path: Path) -> Iterator[CachedEmbedder]:
    embedder = CachedEmbedder(inner, path)
    yield embedder
    embedder.close()


def test_it_is_an_embedder_and_constructing_it_opens_nothing(cached: CachedEmbedder, tmp_path: Path) -> None:
    port: Embedder = cached
    assert (port.model, port.dimensions) == ("counting@1", DIMENSIONS)
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=30, deadline=None)
@given(
    calls=st.lists(st.lists(st.text(max_size=6) | st.sampled_from(["", "\ud800", "a", "\0"]), max_size=12), max_size=4)
)
def test_vectors_are_the_inner_ones_and_each_text_is_embedded_once(calls: list[list[str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        inner = Counting()
        for texts in calls:
            # A new instance each time: what is known lies in the file.
            cached = CachedEmbedder(inner, Path(folder) / "c.db")
            vectors = cached.embed(texts, purpose="document")
            cached.close()
            assert vectors.shape == (len(texts), DIMENSIONS)
            assert vectors.dtype == np.float32
            for row, text in zip(vectors, texts, strict=True):
                assert float(row @ vector(text)) > 0.99999
                assert float(np.linalg.norm(row)) == pytest.approx(1, abs=1e-6)
        assert sorted(inner.asked) == sorted({text for texts in calls for text in texts})


def test_the_first_answer_equals_every_later_one_bit_by_bit(cached: CachedEmbedder) -> None:
    texts = [f"text {n}" for n in range(50)]
    first = cached.embed(texts, purpose="document")
    assert (cached.embed(texts[::-1], purpose="document")[::-1] == first).all()


def test_slices_keep_order_and_know_what_earlier_ones_embedded(
    cached: CachedEmbedder, inner: Counting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "SLICE", 3)
    texts = [f"text {n % 5}" for n in range(20)]
    vectors = cached.embed(texts, purpose="document")
    assert [float(row @ vector(text)) > 0.99999 for row, text in zip(vectors, texts, strict=True)] == [True] * 20
    assert sorted(inner.asked) == sorted(set(texts))


def test_purposes_are_kept_apart_unless_the_model_treats_them_alike(
    cached: CachedEmbedder, inner: Counting, path: Path
) -> None:
    cached.embed(["a"], purpose="document")
    cached.embed(["a"], purpose="query")
    assert inner.asked == ["a", "a"]
    alike = CachedEmbedder(inner, path, symmetric=True)
    alike.embed(["a"], purpose="document")
    alike.embed(["a"], purpose="query")
    alike.close()
    assert inner.asked == ["a", "a", "a"]


def test_vectors_of_two_models_never_meet(cached: CachedEmbedder, path: Path) -> None:
    cached.embed(["a"], purpose="document")
    other = CachedEmbedder(Counting("counting@2"), path)
    (row,) = other.embed(["a"], purpose="document")
    other.close()
    assert float(row @ vector("a", model="counting@2")) > 0.99999


def test_what_is_forgotten_is_embedded_anew_and_its_bytes_are_gone(
    cached: CachedEmbedder, inner: Counting, path: Path
) -> None:
    cached.embed(["secret", "public"], purpose="document")
    cached.embed(["secret"], purpose="query")
    traces = [hashlib.sha256(b"secret").digest(), vector("secret").astype("<f2").tobytes()]
    written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert all(trace in written for trace in traces)
    assert cached.forget(["secret", "never seen"]) == 2
    files = list(path.parent.iterdir())
    assert not any(trace in file.read_bytes() for trace in traces for file in files)
    inner.asked.clear()
    cached.embed(["secret", "public"], purpose="document")
    assert inner.asked == ["secret"]


def test_forgetting_in_a_cache_that_never_was_is_nothing(cached: CachedEmbedder, tmp_path: Path) -> None:
    assert cached.forget(["a"]) == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", ["garbage", "holed", "cut"])
def test_a_corrupt_file_is_set_aside_with_a_warning_and_begun_anew(
    inner: Counting, path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    texts = [f"text {n}" for n in range(300)]
    first = CachedEmbedder(inner, path)
    first.embed(texts, purpose="document")
    first.close()
    content = path.read_bytes()
    damaged = {
        "garbage": b"this is no database" * 1000,
        "holed": content[:100] + b"\xff" * (len(content) - 100),
        "cut": content[: len(content) // 3 // 4096 * 4096],
    }[damage]
    path.write_bytes(damaged)
    cached = CachedEmbedder(inner, path)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            vectors = cached.embed(texts, purpose="document")
            assert all(float(row @ vector(text)) > 0.99999 for row, text in zip(vectors, texts, strict=True))
    inner.asked.clear()
    cached.embed(texts, purpose="document")
    cached.close()
    assert inner.asked == []
    assert "embedding cache was corrupt and begins anew" in caplog.messages
    assert path.with_name(path.name + ".corrupt").read_bytes()[:100] == damaged[:100]


def test_forgetting_destroys_what_was_set_aside(cached: CachedEmbedder, path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    assert cached.forget(["a"]) == 0
    assert not path.with_name(path.name + ".corrupt").exists()


@pytest.mark.parametrize("blob", [b"", b"short", b"\0" * 768, b"\xff" * 768])
def test_an_entry_that_can_be_no_vector_is_made_again(
    cached: CachedEmbedder, inner: Counting, path: Path, blob: bytes
) -> None:
    cached.embed(["a", "b"], purpose="document")
    cached.close()
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE vector SET vector = ? WHERE text = ?", (blob, hashlib.sha256(b"a").digest()))
    connection.close()
    for _ in range(2):
        rows = cached.embed(["a", "b"], purpose="document")
        assert float(rows[0] @ vector("a")) > 0.99999
        assert float(rows[1] @ vector("b")) > 0.99999
    assert sorted(inner.asked) == ["a", "a", "b"]


def test_a_file_that_cannot_be_opened_is_done_without(
    inner: Counting, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "folder.db").mkdir()
    cached = CachedEmbedder(inner, tmp_path / "folder.db")
    with caplog.at_level(logging.WARNING):
        (row,) = cached.embed(["a"], purpose="document")
    assert float(row @ vector("a")) > 0.99999
    assert "embedding cache not usable now" in caplog.messages
    with pytest.raises(TransientError, match=r"folder\.db"):
        cached.forget(["a"])


def test_forgetting_that_another_writer_prevents_is_an_error_and_not_a_success(
    cached: CachedEmbedder, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "BUSY_TIMEOUT_S", 0.01)
    cached.embed(["a"], purpose="document")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TransientError, match="locked"):
        cached.forget(["a"])
    other.close()
    assert cached.forget(["a"]) == 1


def test_processes_share_a_file(path: Path) -> None:
    script = f"""
from pathlib import Path
from knowhub.embedding.cache import CachedEmbedder
import numpy as np
class Fixed:
    model, dimensions = "fixed@1", 4
    def embed(self, texts, *, purpose):
        return np.tile(np.array([[0.6, 0.8, 0, 0]], np.float32), (len(texts), 1))
for n in range(20):
    cached = CachedEmbedder(Fixed(), Path({str(path)!r}))
    assert cached.embed([f"{{n}} {{m}}" for m in range(50)], purpose="query").shape == (50, 4)
    cached.close()
"""
    processes = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", script], stderr=subprocess.PIPE) for _ in range(3)
    ]
    outputs = [process.communicate()[1] for process in processes]
    assert outputs == [b"", b"", b""]
    assert [process.returncode for process in processes] == [0, 0, 0]
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM vector").fetchone() == (1000,)
    connection.close()
