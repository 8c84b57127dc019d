"""Any other sentence encoder: a folder with `model.onnx` and `tokenizer.json`, and how its author pools.

The graph's token inputs are replaced by ours and our pooling is put behind its token states, so that it runs as
the default model does.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from knowhub.core.errors import ConfigurationError
from knowhub.core.types import ModelId
from knowhub.embedding.runtime import Pooling, Purpose, load_runtime, normalised, pooled, token_inputs
from knowhub.embedding.weights import sha256_of

if TYPE_CHECKING:
    from knowhub.embedding.runtime import Model

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
_STATES = ("last_hidden_state", "token_embeddings")


@dataclass(frozen=True, slots=True)
class OnnxOptions:
    """What the files do not say. `pooling` is ignored by a model that pools by itself (output of rank 2).

    The prefixes are what the model was trained to see before a text (`query: `, `passage: `).
    """

    pooling: Pooling = "mean"
    max_tokens: int = 512
    query_prefix: str = ""
    document_prefix: str = ""


class OnnxEncoder:
    """An encoder by folder. Its id is the folder's name and a hash of its files and options.

    The files are read whole when they are first seen; `cache` keeps what was found until their size or time of
    change differs. Raises ConfigurationError if the folder is not such a model.
    """

    def __init__(self, folder: Path, cache: Path, options: OnnxOptions | None = None) -> None:
        self.folder = folder
        self.options = options or OnnxOptions()
        self.max_tokens = self.options.max_tokens
        self.prefixes: Mapping[Purpose, str] = {
            "document": self.options.document_prefix,
            "query": self.options.query_prefix,
        }
        for name in (MODEL_FILE, TOKENIZER_FILE):
            if not (folder / name).is_file():
                raise ConfigurationError(f"{folder}: no {name} in it", cure="Name a folder that holds both files")
        facts = self._kept_facts(cache)
        self.fingerprint = hashlib.sha256(f"{facts['sha256']}\n{self.options!r}".encode()).hexdigest()
        self.model = ModelId(f"{folder.resolve().name}@{self.fingerprint[:8]}")
        self.dimensions = int(facts["dimensions"])

    def tokenizer(self) -> Path:
        return self.folder / TOKENIZER_FILE

    def graph(self) -> Model:
        ov = load_runtime()
        inputs = token_inputs()
        model = self._read()
        _connect(model, inputs, self.folder)
        states = _states(model)
        rank = states.get_partial_shape().rank.get_length()
        vector = pooled(states, inputs, self.options.pooling) if rank == 3 else normalised(states)
        return ov.Model([ov.opset13.result(vector)], inputs.parameters, self.folder.name)

    def _read(self) -> Model:
        path = self.folder / MODEL_FILE
        try:
            model: Model = load_runtime().Core().read_model(path)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ConfigurationError(
                f"{path}: not a model that can be read ({reason})", cure="Export it again"
            ) from error
        return model

    def _kept_facts(self, cache: Path) -> dict[str, Any]:
        files = sorted(path for path in self.folder.iterdir() if path.name.startswith((MODEL_FILE, TOKENIZER_FILE)))
        states = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        kept = cache / f"onnx-{hashlib.sha256(repr(states).encode()).hexdigest()[:16]}.json"
        try:
            facts: dict[str, Any] = json.loads(kept.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            digest = hashlib.sha256("".join(sha256_of(path) for path in files).encode()).hexdigest()
            facts = {"sha256": digest, "dimensions": self._measured_dimensions()}
            _write_whole(kept, json.dumps(facts))
        return facts

    def _measured_dimensions(self) -> int:
        width = _states(self._read()).get_partial_shape()[-1]
        if width.is_dynamic:
            raise ConfigurationError(
                f"{self.folder / MODEL_FILE}: its output has no fixed width", cure="Export it with a static last axis"
            )
        return int(width.get_length())


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=".partial-", delete=False, encoding="utf-8") as file:
        file.write(text)
    os.replace(file.name, path)


def _states(model: Model) -> Any:
    """The output that holds token states, else one that is pooled already, before its Result node."""
    outputs = list(model.outputs)
    named = [output for output in outputs if output.get_names() & set(_STATES)]
    deep = [output for output in outputs if output.get_partial_shape().rank.get_length() == 3]
    return (named or deep or outputs)[0].get_node().input_value(0)


def _connect(model: Model, inputs: Any, folder: Path) -> None:
    op = load_runtime().opset13
    sources = {
        "input_ids": inputs.ids,
        "attention_mask": inputs.valid,
        "token_type_ids": op.subtract(inputs.ids, inputs.ids),
    }
    for parameter in model.get_parameters():
        names = parameter.output(0).get_names() | {parameter.get_friendly_name()}
        known = names & sources.keys()
        if not known:
            raise ConfigurationError(
                f"{folder / MODEL_FILE}: input {sorted(names)[0]} is unknown",
                cure=f"Export the model with only {', '.join(sources)}",
            )
        kind = parameter.get_element_type().to_string()
        parameter.output(0).replace(op.convert(sources[known.pop()], kind).output(0))
