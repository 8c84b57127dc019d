from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.core.ports import Embedder
from knowhub.embedding import openvino
from knowhub.embedding.openvino import OpenVinoEmbedder
from tests.embedding.tiny import DIMENSIONS, TinyEncoder, tiny_vector

some_text = st.text(alphabet="abcxyz ", max_size=60)


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> OpenVinoEmbedder:
    folder = tmp_path_factory.mktemp("tiny")
    return OpenVinoEmbedder(TinyEncoder(folder), folder, precision="f32", workers=2)


def test_it_is_an_embedder_and_constructing_it_reads_nothing(tmp_path: Path) -> None:
    lazy: Embedder = OpenVinoEmbedder(TinyEncoder(tmp_path / "absent"), tmp_path / "cache")
    assert (lazy.model, lazy.dimensions) == ("tiny@1", DIMENSIONS)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)
@given(texts=st.lists(some_text, max_size=40))
def test_rows_are_each_texts_own_vector_in_input_order(embedder: OpenVinoEmbedder, texts: list[str]) -> None:
    vectors = embedder.embed(texts, purpose="document")
    assert vectors.dtype == np.float32
    assert vectors.shape == (len(texts), DIMENSIONS)
    for row, text in zip(vectors, texts, strict=True):
        assert row == pytest.approx(tiny_vector(text), abs=1e-5)


def test_more_texts_than_a_slice_keep_their_order(embedder: OpenVinoEmbedder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "SLICE", 7)
    texts = [" ".join("abcdefghij"[: 1 + n % 10]) for n in range(60)]
    assert embedder.embed(texts, purpose="document") == pytest.approx(
        np.stack([tiny_vector(t) for t in texts]), abs=1e-5
    )


def test_a_purpose_puts_its_prefix_before_the_text(tmp_path: Path) -> None:
    encoder = TinyEncoder(tmp_path)
    encoder.prefixes = {"document": "passage ", "query": "query "}
    embedder = OpenVinoEmbedder(encoder, tmp_path, precision="f32")
    assert embedder.embed(["a"], purpose="query")[0] == pytest.approx(tiny_vector("query a"), abs=1e-5)
    assert embedder.embed(["a"], purpose="document")[0] == pytest.approx(tiny_vector("passage a"), abs=1e-5)


def test_threads_share_one_and_the_model_is_loaded_once(tmp_path: Path) -> None:
    encoder = TinyEncoder(tmp_path)
    embedder = OpenVinoEmbedder(encoder, tmp_path, precision="f32", workers=2)
    texts = [["a b", "c"], ["d"], ["e f g"] * 9, ["h"]] * 5
    with ThreadPoolExecutor(6) as pool:
        for part, vectors in zip(
            texts, pool.map(lambda part: embedder.embed(part, purpose="query"), texts), strict=True
        ):
            assert vectors == pytest.approx(np.stack([tiny_vector(text) for text in part]), abs=1e-5)
    assert encoder.graphs_built == 1
