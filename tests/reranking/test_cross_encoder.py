from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from knowhub.core.errors import ConfigurationError
from knowhub.embedding.runtime import load_runtime
from knowhub.reranking.cross_encoder import CrossEncoder
from tests.embedding.onnx_writer import Node, model_bytes
from tests.embedding.tiny import WORDS, write_tokenizer

USUAL = ("input_ids", "attention_mask", "token_type_ids")
WORTH = {"a": 3.0, "b": 1.5, "c": -2.0, "[PAD]": 50.0}
TABLE = np.array([WORTH.get(word, 0.0) for word in WORDS], dtype=np.float32)
SUMMED = [
    # A word counts what it is worth, if it stands in the passage (type 1) and is not padding (mask 0).
    Node("Gather", ["table", "input_ids"], "worth"),
    Node("Gather", ["yes", "attention_mask"], "valid"),
    Node("Gather", ["yes", "token_type_ids"], "second"),
    Node("Mul", ["worth", "valid"], "kept"),
    Node("Mul", ["kept", "second"], "counted"),
    Node("ReduceSum", ["counted", "tokens"], "summed"),
]
TABLES = {
    "table": TABLE,
    "yes": np.array([0.0, 1.0], dtype=np.float32),
    "tokens": np.array([1]),
    "spread": np.ones((1, 3), dtype=np.float32),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "my-reranker"
    folder.mkdir()
    write_tokenizer(folder / "tokenizer.json")
    write_model(folder)
    return folder


def write_model(folder: Path, inputs: tuple[str, ...] = USUAL, *, wide: bool = False) -> None:
    """One logit a pair: the sum of what the passage's words are worth. `wide` gives three instead."""
    last = Node("MatMul", ["summed", "spread"], "logits") if wide else Node("Identity", ["summed"], "logits")
    model = model_bytes(inputs, [*SUMMED, last], TABLES, "logits", ["texts", 3 if wide else 1])
    (folder / "model.onnx").write_bytes(model)


def load(folder: Path, max_tokens: int = 512) -> CrossEncoder:
    return CrossEncoder(folder, openvino=load_runtime, precision="f32", max_tokens=max_tokens)


def share(logit: float) -> float:
    return float(1 / (1 + np.exp(-logit)))


def test_each_passage_is_scored_with_the_question_before_it(folder: Path) -> None:
    found = load(folder).scores("a a a", ["a", "b", "c c", ""])
    assert found == pytest.approx([share(3), share(1.5), share(-4), share(0)], abs=1e-5)


def test_padding_counts_for_nothing_and_places_are_kept_over_many_batches(folder: Path) -> None:
    passages = ["a " * (1 + place * 7 % 40) for place in range(300)]
    found = load(folder).scores("q", passages)
    assert found == pytest.approx([share(3 * len(passage.split())) for passage in passages], abs=1e-5)


def test_a_long_passage_is_cut_and_a_long_question_does_not_crowd_it_out(folder: Path) -> None:
    encoder = load(folder, max_tokens=9)  # [CLS] q [SEP] c b b b b [SEP]
    (cut,) = encoder.scores("q", ["c " + "b " * 3000])
    assert cut == pytest.approx(share(-2 + 4 * 1.5), abs=1e-4)
    (beside,) = encoder.scores("q " * 3000, ["b"])
    assert beside == pytest.approx(share(1.5), abs=1e-4)


def test_any_text_is_taken(folder: Path) -> None:
    assert len(load(folder).scores("\ud800 \x00", ["\udfff", "日本語", "🙂" * 20_000])) == 3


def test_no_passages_load_nothing(tmp_path: Path) -> None:
    assert load(tmp_path / "absent").scores("a", []) == []


def test_threads_may_share_one(folder: Path) -> None:
    encoder = load(folder)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda number: encoder.scores("q", ["a", "c"] * (1 + number)), range(16)))
    expected = pytest.approx([share(3), share(-2)], abs=1e-5)
    assert all(scores[:2] == expected and scores[-2:] == expected for scores in found)


def test_the_compiled_model_is_kept(folder: Path) -> None:
    cache = folder.parent / "cache"
    for _ in range(2):
        encoder = CrossEncoder(folder, openvino=load_runtime, cache=cache, precision="f32")
        assert encoder.scores("q", ["a"]) == pytest.approx([share(3)], abs=1e-5)
    assert list(cache.glob("*.blob"))


def test_padding_by_the_tokenizer_file_is_replaced_by_ours(folder: Path) -> None:
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    content["padding"] = {
        "strategy": {"Fixed": 64},
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 1,
        "pad_token": "[PAD]",
    }
    path.write_text(json.dumps(content), "utf-8")
    assert load(folder).scores("q", ["a", "a b"]) == pytest.approx([share(3), share(4.5)], abs=1e-5)


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_folder_without_a_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ConfigurationError, match=f"my-reranker: no {name}"):
        load(folder).scores("q", ["a"])


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_file_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    (folder / name).write_bytes(b"nothing of the kind")
    with pytest.raises(ConfigurationError, match=f"{name}: not a"):
        load(folder).scores("q", ["a"])


def test_a_model_of_several_numbers_a_pair_is_refused(folder: Path) -> None:
    write_model(folder, wide=True)
    with pytest.raises(ConfigurationError, match="6 numbers for 2 pairs"):
        load(folder).scores("q", ["a", "b"])


def test_an_input_that_nobody_can_fill_is_named(folder: Path) -> None:
    write_model(folder, (*USUAL, "pixel_values"))
    with pytest.raises(ConfigurationError, match="pixel_values"):
        load(folder).scores("q", ["a"])


def test_a_hopeless_passage_is_as_near_to_nothing_as_numbers_go(folder: Path) -> None:
    assert load(folder).scores("q", ["c " * 450, "a " * 450]) == pytest.approx([0.0, 1.0])
