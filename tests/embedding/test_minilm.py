"""Against vectors that sentence-transformers made in fp32 (bench/record_vectors.py)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from knowhub.core.errors import PermanentError
from knowhub.embedding.minilm import MiniLm
from knowhub.embedding.openvino import OpenVinoEmbedder
from knowhub.embedding.runtime import Precision

pytestmark = pytest.mark.model
FOLDER = Path(__file__).parent
TEXTS: list[str] = json.loads((FOLDER / "recorded_texts.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def recorded() -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors: np.ndarray[tuple[int, int], np.dtype[np.float32]] = np.load(FOLDER / "recorded_vectors.npy")
    return vectors


@pytest.mark.parametrize(("precision", "agreement"), [("f32", 0.9999), (None, 0.999)])
def test_vectors_agree_with_sentence_transformers(
    model_directory: Path,
    recorded: np.ndarray[tuple[int, int], np.dtype[np.float32]],
    precision: Precision | None,
    agreement: float,
) -> None:
    embedder = OpenVinoEmbedder(MiniLm(model_directory), model_directory, precision=precision)
    vectors = embedder.embed(TEXTS, purpose="document")
    cosines = (vectors * recorded).sum(axis=1)
    assert cosines.min() >= agreement, TEXTS[int(cosines.argmin())][:80]
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_texts_that_are_no_text_have_a_vector_too(model_directory: Path) -> None:
    hostile = ["", "\0", "\ud800", "a\udfffb", "x" * 1_000_000, " " * 1_000_000, "\u0301" * 5000, "あ" * 100_000]
    vectors = OpenVinoEmbedder(MiniLm(model_directory), model_directory).embed(hostile, purpose="query")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)


def test_the_order_and_company_of_a_text_hardly_change_its_vector(model_directory: Path) -> None:
    embedder = OpenVinoEmbedder(MiniLm(model_directory), model_directory)
    together = embedder.embed(TEXTS, purpose="document")
    alone = np.concatenate([embedder.embed([text], purpose="document") for text in TEXTS])
    assert (together * alone).sum(axis=1).min() > 0.9999


def test_weights_that_were_altered_are_refused_when_they_are_converted(model_directory: Path, tmp_path: Path) -> None:
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copyfile(model_directory / name, tmp_path / name)
    with (tmp_path / "model.safetensors").open("r+b") as file:
        file.seek(50_000_000)
        file.write(b"\1\2\3\4")
    with pytest.raises(PermanentError, match=r"model\.safetensors: SHA-256 is .*53aa5117"):
        OpenVinoEmbedder(MiniLm(tmp_path), tmp_path).embed(["a"], purpose="query")
    assert not list(tmp_path.glob("*.blob"))


def test_the_id_names_the_published_weights(tmp_path: Path) -> None:
    assert MiniLm(tmp_path).model == "all-MiniLM-L6-v2@53aa5117"
