from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from knowhub.core.errors import ConfigurationError
from knowhub.embedding.onnx import OnnxEncoder, OnnxOptions
from knowhub.embedding.openvino import OpenVinoEmbedder
from tests.embedding.onnx_writer import Node, model_bytes
from tests.embedding.tiny import DIMENSIONS, MAX_TOKENS, TABLE, tiny_vector, write_tokenizer

USUAL = ("input_ids", "attention_mask", "token_type_ids")
LOOKUP = Node("Gather", ["table", "input_ids"], "last_hidden_state")
STATES: list[int | str] = ["texts", "tokens", DIMENSIONS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model that looks rows of TABLE up, as `tiny_vector` does."""
    folder = tmp_path / "my-encoder"
    folder.mkdir()
    write_tokenizer(folder / "tokenizer.json")
    (folder / "model.onnx").write_bytes(model_bytes(USUAL, [LOOKUP], {"table": TABLE}, "last_hidden_state", STATES))
    return folder


def load(folder: Path, options: OnnxOptions | None = None) -> OpenVinoEmbedder:
    cache = folder.parent / "cache"
    return OpenVinoEmbedder(OnnxEncoder(folder, cache, options), cache, precision="f32")


def test_a_folder_with_a_model_and_a_tokenizer_is_an_encoder(folder: Path) -> None:
    embedder = load(folder, OnnxOptions(max_tokens=MAX_TOKENS))
    texts = ["a b c", "", "x " * 50]
    assert embedder.dimensions == DIMENSIONS
    assert embedder.model.startswith("my-encoder@")
    vectors = embedder.embed(texts, purpose="document")
    assert vectors == pytest.approx(np.stack([tiny_vector(text) for text in texts]), abs=1e-5)


def test_cls_pooling_takes_the_first_token(folder: Path) -> None:
    (row,) = load(folder, OnnxOptions(pooling="cls")).embed(["a b c"], purpose="document")
    assert row == pytest.approx(TABLE[2] / np.linalg.norm(TABLE[2]), abs=1e-5)


def test_prefixes_stand_before_the_texts_of_their_purpose(folder: Path) -> None:
    embedder = load(folder, OnnxOptions(query_prefix="query ", document_prefix="passage "))
    for purpose, prefixed in (("query", "query a"), ("document", "passage a")):
        (row,) = embedder.embed(["a"], purpose="query" if purpose == "query" else "document")
        assert row == pytest.approx(tiny_vector(prefixed), abs=1e-5)


def test_an_output_without_a_fixed_width_is_refused(folder: Path) -> None:
    nodes = [LOOKUP, Node("Flatten", ["last_hidden_state"], "flat")]
    (folder / "model.onnx").write_bytes(model_bytes(USUAL, nodes, {"table": TABLE}, "flat", ["texts", "wide"]))
    with pytest.raises(ConfigurationError, match="no fixed width"):
        load(folder)


def test_files_and_options_are_part_of_the_id(folder: Path) -> None:
    ids = {load(folder).model, load(folder, OnnxOptions(pooling="cls")).model}
    ids |= {load(folder, OnnxOptions(query_prefix="query ")).model}
    other = {"table": TABLE * np.float32(2)}
    (folder / "model.onnx").write_bytes(model_bytes(USUAL, [LOOKUP], other, "last_hidden_state", STATES))
    ids |= {load(folder).model}
    assert len(ids) == 4
    assert load(folder).model in ids


def test_a_folder_without_a_file_is_named(folder: Path) -> None:
    (folder / "model.onnx").unlink()
    with pytest.raises(ConfigurationError, match=r"my-encoder: no model\.onnx"):
        load(folder)


def test_a_file_that_is_no_model_is_named(folder: Path) -> None:
    (folder / "model.onnx").write_bytes(b"no model at all")
    with pytest.raises(ConfigurationError, match=r"model\.onnx: not a model"):
        load(folder)


def test_an_input_that_nobody_can_fill_is_named(folder: Path) -> None:
    inputs = (*USUAL, "pixel_values")
    (folder / "model.onnx").write_bytes(model_bytes(inputs, [LOOKUP], {"table": TABLE}, "last_hidden_state", STATES))
    with pytest.raises(ConfigurationError, match="pixel_values"):
        load(folder).embed(["a"], purpose="query")
