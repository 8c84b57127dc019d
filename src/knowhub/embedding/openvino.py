"""Texts to vectors on OpenVINO: any encoder that can describe itself as a graph and a tokenizer.

texts ─▶ token ids ─▶ batches of like length ─▶ one single-threaded stream a core ─▶ rows in input order
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Protocol

from knowhub.core.errors import PermanentError
from knowhub.core.types import ModelId
from knowhub.embedding.runtime import Precision, Purpose, compiled
from knowhub.embedding.tokens import TokenBatch, Tokens, batches

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from knowhub.embedding.runtime import InferRequest, Model

TOKEN_BUDGET = 2048
SLICE = 4096
TOKENIZED_AT_ONCE = 512


class Encoder(Protocol):
    """A sentence encoder before it is loaded. Reading its attributes reads no weights.

    `prefixes` are what the model was trained to see before a text of each purpose. `fingerprint` changes whenever
    the graph does.
    """

    model: ModelId
    dimensions: int
    max_tokens: int
    fingerprint: str
    prefixes: Mapping[Purpose, str]

    def tokenizer(self) -> Path:
        """Path of its `tokenizer.json`."""
        ...

    def graph(self) -> Model:
        """Inputs of `runtime.token_inputs`; output (texts, dimensions) float32, rows L2-normalised."""
        ...


class OpenVinoEmbedder:
    """Constructing it reads nothing; the first `embed` loads tokenizer and model. Threads may share one.

    `cache` holds the compiled model. `precision` None is the processor's own 16-bit type where it has one,
    else f32; it does not change the model's id: cosines between precisions are above .999.
    """

    def __init__(
        self, encoder: Encoder, cache: Path, *, precision: Precision | None = None, workers: int | None = None
    ) -> None:
        self.model = encoder.model
        self.dimensions = encoder.dimensions
        self._encoder = encoder
        self._cache = cache
        self._precision = precision
        self._workers = workers or _cores()
        self._loading = threading.Lock()
        self._session: _Session | None = None

    def embed(self, texts: Sequence[str], *, purpose: Purpose) -> NDArray[np.float32]:
        import numpy as np

        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        if len(texts):
            session, prefix = self._loaded(), self._encoder.prefixes[purpose]
            for start in range(0, len(texts), SLICE):
                part = [prefix + text for text in texts[start : start + SLICE]]
                session.embed(part, vectors[start : start + len(part)])
        return vectors

    def _loaded(self) -> _Session:
        with self._loading:
            if self._session is None:
                self._session = _Session(self._encoder, self._cache, self._precision, self._workers)
            return self._session


def _cores() -> int:
    """Those that this process may use, where the system can say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Session:
    """A loaded model: a tokenizer, and as many requests as workers."""

    def __init__(self, encoder: Encoder, cache: Path, precision: Precision | None, workers: int) -> None:
        self.name = encoder.model
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="embed")
        # Reading the tokenizer and readying the model each take some 30 ms of a cold start.
        tokens = self.pool.submit(Tokens, encoder.tokenizer(), encoder.max_tokens)
        self.max_width = encoder.max_tokens
        self.compiled = compiled(
            encoder.graph, cache, fingerprint=encoder.fingerprint, precision=precision, workers=workers
        )
        self.requests: SimpleQueue[InferRequest] = SimpleQueue()
        for _ in range(workers):
            self.requests.put(self.compiled.model.create_infer_request())
        self.tokens = tokens.result()

    def embed(self, texts: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Writes row i of `vectors` for text i."""
        ids: list[NDArray[np.int32]] = []
        for start in range(0, len(texts), TOKENIZED_AT_ONCE):
            ids += self.tokens.ids(texts[start : start + TOKENIZED_AT_ONCE])
        work = list(batches(ids, budget=TOKEN_BUDGET, max_width=self.max_width))
        run = map if len(work) == 1 else self.pool.map
        for batch, rows in zip(work, run(self._infer, work), strict=True):
            vectors[batch.rows] = rows

    def _infer(self, batch: TokenBatch) -> NDArray[np.float32]:
        request = self.requests.get()
        try:
            request.infer([batch.ids, batch.lengths], share_inputs=True)
            rows: NDArray[np.float32] = request.get_output_tensor(0).data.copy()
        except RuntimeError as error:
            raise PermanentError(f"{self.name}: the model failed on a batch of {batch.ids.shape}: {error}") from error
        else:
            return rows
        finally:
            self.requests.put(request)
