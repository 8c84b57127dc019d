"""A tiny encoder whose vectors can be worked out by hand: the mean of its words' rows in TABLE."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from knowhub.core.types import ModelId
from knowhub.embedding.runtime import Purpose, constant, load_runtime, pooled, token_inputs

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "query", "passage", *"abcdefghijklmnopqrstuvwxyz"]
DIMENSIONS = 8
MAX_TOKENS = 16
# Weights are kept with 16 bits: these lose nothing by it.
TABLE = np.random.default_rng(7).standard_normal((len(WORDS), DIMENSIONS)).astype(np.float16).astype(np.float32)


def write_tokenizer(path: Path) -> Path:
    """One token a word, between [CLS] and [SEP]."""
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(path))
    return path


class TinyEncoder:
    model = ModelId("tiny@1")
    dimensions = DIMENSIONS
    max_tokens = MAX_TOKENS
    fingerprint = "tiny-fingerprint"
    prefixes: Mapping[Purpose, str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.prefixes = {"document": "", "query": ""}
        self.graphs_built = 0

    def tokenizer(self) -> Path:
        return write_tokenizer(self.folder / "tokenizer.json")

    def graph(self) -> Any:
        self.graphs_built += 1
        ov = load_runtime()
        inputs = token_inputs()
        states = ov.opset13.gather(constant(TABLE), inputs.ids, constant(0))
        return ov.Model([ov.opset13.result(pooled(states, inputs, "mean"))], inputs.parameters, "tiny")


def tiny_vector(text: str) -> NDArray[np.float32]:
    """What `TinyEncoder` must make of a text."""
    known = {word: number for number, word in enumerate(WORDS)}
    words = [known.get(word, 1) for word in text.split()][: MAX_TOKENS - 2]
    mean = TABLE[[2, *words, 3]].mean(axis=0)
    unit: NDArray[np.float32] = mean / np.linalg.norm(mean)
    return unit
