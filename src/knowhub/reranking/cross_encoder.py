"""A cross-encoder on this machine: a folder with `model.onnx` and `tokenizer.json`, run by OpenVINO.

question + passage ──▶ token pair ──▶ batches of like length ──▶ one logit a pair ──▶ 0 to 1
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from knowhub.core.errors import ConfigurationError, PermanentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Encoding

MODEL_FILE = "model.onnx"
TOKENIZER_FILE = "tokenizer.json"
TOKEN_BUDGET = 4096
"""Of one batch, its padding included."""
_MAX_CHARS = 16_384
"""More than fills 512 tokens of any script; the rest would be tokenized to be cut off."""
_INPUTS: dict[str, Callable[[Encoding], list[int]]] = {
    "input_ids": lambda pair: pair.ids,
    "attention_mask": lambda pair: pair.attention_mask,
    "token_type_ids": lambda pair: pair.type_ids,
}

Precision = Literal["f32", "f16", "bf16"]
OpenVino = Callable[[], Any]
"""Loads the `openvino` module."""


class CrossEncoder:
    """Constructing it reads nothing; the first `scores` loads the model. Threads may share one.

    A pair is cut at `max_tokens`, the longer text first. `cache` holds the compiled model. `precision` None: the
    processor's own. Raises ConfigurationError if the folder holds no model that gives one number a pair.
    """

    def __init__(
        self,
        folder: Path,
        *,
        openvino: OpenVino,
        cache: Path | None = None,
        max_tokens: int = 512,
        precision: Precision | None = None,
    ) -> None:
        self._folder = folder
        self._openvino = openvino
        self._cache = cache
        self._max_tokens = max_tokens
        self._precision = precision
        self._loading = Lock()
        self._session: _Session | None = None

    def scores(self, question: str, passages: Sequence[str]) -> list[float]:
        if not passages:
            return []
        return [_share(logit) for logit in self._loaded().logits(question, passages)]

    def _loaded(self) -> _Session:
        with self._loading:
            if self._session is None:
                for name in (MODEL_FILE, TOKENIZER_FILE):
                    if not (self._folder / name).is_file():
                        raise ConfigurationError(f"{self._folder}: no {name} in it", cure="Set reranking.model to one")
                self._session = _Session(self._folder, self._compiled(), self._max_tokens)
            return self._session

    def _compiled(self) -> Any:
        workers = _cores()
        config: dict[str, Any] = {"NUM_STREAMS": workers, "INFERENCE_NUM_THREADS": workers}
        if self._precision:
            config["INFERENCE_PRECISION_HINT"] = self._precision
        core = self._openvino().Core()
        if self._cache:
            core.set_property({"CACHE_DIR": str(self._cache)})
        try:
            return core.compile_model(self._folder / MODEL_FILE, "CPU", config)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ConfigurationError(
                f"{self._folder / MODEL_FILE}: not a model that can be read ({reason})", cure="Export it again"
            ) from error


@dataclass(frozen=True, slots=True)
class _Batch:
    """Pairs of like length, and their places among all."""

    places: Sequence[int]
    pairs: Sequence[Encoding]


class _Session:
    """A loaded model: a tokenizer, and as many requests as the model has streams."""

    def __init__(self, folder: Path, compiled: Any, max_tokens: int) -> None:
        self.folder = folder
        self.compiled = compiled
        self.tokenizer = _tokenizer(folder / TOKENIZER_FILE, max_tokens)
        self.padding = _padding_id(self.tokenizer)
        self.inputs = [(self._known(each.get_names()), each.get_element_type().to_dtype()) for each in compiled.inputs]
        workers = int(compiled.get_property("NUM_STREAMS"))
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="rerank")
        self.requests: SimpleQueue[Any] = SimpleQueue()
        for _ in range(workers):
            self.requests.put(compiled.create_infer_request())

    def logits(self, question: str, passages: Sequence[str]) -> list[float]:
        """One a passage, in their order."""
        asked = _encodable(question)
        pairs = self.tokenizer.encode_batch([(asked, _encodable(passage)) for passage in passages])
        found = [0.0] * len(pairs)
        work = list(_batches(pairs))
        for batch, logits in zip(work, self.pool.map(self._infer, work), strict=True):
            for place, logit in zip(batch.places, logits, strict=True):
                found[place] = logit
        return found

    def _infer(self, batch: _Batch) -> list[float]:
        width = max(len(pair.ids) for pair in batch.pairs)
        arrays = [self._array(batch.pairs, name, kind, width) for name, kind in self.inputs]
        request = self.requests.get()
        try:
            request.infer(arrays)
            output = request.get_output_tensor(0).data
            logits = [float(logit) for logit in output.reshape(-1)]
        except RuntimeError as error:
            raise PermanentError(f"{self.folder}: the model failed on {len(batch.pairs)} pairs: {error}") from error
        finally:
            self.requests.put(request)
        if len(logits) != len(batch.pairs):
            raise ConfigurationError(
                f"{self.folder / MODEL_FILE}: {len(logits)} numbers for {len(batch.pairs)} pairs",
                cure="Name a model for relevance, which gives one number a pair",
            )
        return logits

    def _array(self, pairs: Sequence[Encoding], name: str, kind: Any, width: int) -> NDArray[np.generic]:
        """(pairs, width), padded behind."""
        import numpy as np

        array = np.full((len(pairs), width), self.padding if name == "input_ids" else 0, dtype=kind)
        for row, pair in enumerate(pairs):
            values = _INPUTS[name](pair)
            array[row, : len(values)] = values
        return array

    def _known(self, names: set[str]) -> str:
        known = names & _INPUTS.keys()
        if not known:
            raise ConfigurationError(
                f"{self.folder / MODEL_FILE}: input {sorted(names)[0]} is unknown",
                cure=f"Export the model with only {', '.join(_INPUTS)}",
            )
        return known.pop()


def _tokenizer(path: Path, max_tokens: int) -> Any:
    from tokenizers import Tokenizer

    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises nothing narrower
        raise ConfigurationError(f"{path}: not a tokenizer ({error})", cure="Export it again") from error
    tokenizer.enable_truncation(max_tokens, strategy="longest_first")
    return tokenizer


def _padding_id(tokenizer: Any) -> int:
    """Some models tell padding by its id and not by the mask alone. Our own padding replaces the file's."""
    given = tokenizer.padding
    tokenizer.no_padding()
    if given:
        return int(given["pad_id"])
    return next((found for name in ("[PAD]", "<pad>") if (found := tokenizer.token_to_id(name)) is not None), 0)


def _batches(pairs: Sequence[Encoding]) -> Iterator[_Batch]:
    """All pairs once, longest first, each batch within the budget (or a single pair)."""
    order = sorted(range(len(pairs)), key=lambda place: -len(pairs[place].ids))
    while order:
        many = max(1, TOKEN_BUDGET // max(1, len(pairs[order[0]].ids)))
        places, order = order[:many], order[many:]
        yield _Batch(places, [pairs[place] for place in places])


def _encodable(text: str) -> str:
    """Lone surrogates become `?`."""
    return text[:_MAX_CHARS].encode("utf-8", "replace").decode()


def _share(logit: float) -> float:
    """The logistic function, for any logit."""
    return 1 / (1 + math.exp(-logit)) if logit >= 0 else (power := math.exp(logit)) / (1 + power)


def _cores() -> int:
    """Those that this process may use, where the system can say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
