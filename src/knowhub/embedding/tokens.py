"""Any text to token ids, and ids to batches of nearly equal length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.core.errors import PermanentError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from tokenizers import Encoding

CHARS_PER_TOKEN = 16
"""Prose has 4 to 5 characters a token. A text cut here nearly always fills the model's limit all the same."""
MAX_CHARS = 1 << 20
"""Nothing is read of a text beyond this."""
WIDTH_STEP = 8
"""Batches are padded to multiples of this, so that few shapes have kernels generated for them."""


class Tokens:
    """A tokenizer file with a limit. Takes every `str`: lone surrogates become `?`."""

    def __init__(self, path: Path, max_tokens: int) -> None:
        from tokenizers import Tokenizer

        self.max_tokens = max_tokens
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises nothing narrower
            raise PermanentError(f"{path}: not a tokenizer ({error})", cure="Delete it and obtain it anew") from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max_tokens)

    def ids(self, texts: Sequence[str]) -> list[NDArray[np.int32]]:
        """int32 ids with the model's special tokens, 1 to `max_tokens` a text."""
        import numpy as np

        limit = self.max_tokens * CHARS_PER_TOKEN
        encodings = self._encode([text[:limit] for text in texts])
        for row, text in enumerate(texts):
            # Cut short of the limit by our own hand: read on.
            if len(text) > limit and not encodings[row].overflowing:
                encodings[row] = self._encode([text[:MAX_CHARS]])[0]
        return [np.array(encoding.ids, dtype=np.int32) for encoding in encodings]

    def _encode(self, texts: Sequence[str]) -> list[Encoding]:
        return self._tokenizer.encode_batch_fast([_encodable(text) for text in texts])


def _encodable(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@dataclass(frozen=True, slots=True)
class TokenBatch:
    """`rows` are positions in the list that was batched; ids (len(rows), width) padded with 0."""

    rows: NDArray[np.intp]
    ids: NDArray[np.int32]
    lengths: NDArray[np.int32]


def batches(ids: Sequence[NDArray[np.int32]], *, budget: int, max_width: int) -> Iterator[TokenBatch]:
    """All rows once, longest first, each batch at most `budget` tokens with its padding (or a single row)."""
    import numpy as np

    lengths = np.array([len(row) for row in ids], dtype=np.int32)
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        width = min(-(-int(lengths[order[start]]) // WIDTH_STEP) * WIDTH_STEP, max_width)
        rows = order[start : start + max(1, budget // width)]
        padded = np.zeros((len(rows), width), dtype=np.int32)
        for place, row in enumerate(rows):
            padded[place, : lengths[row]] = ids[row]
        yield TokenBatch(rows, padded, lengths[rows])
        start += len(rows)
