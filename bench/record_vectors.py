"""Records what sentence-transformers makes of the texts in tests/embedding/recorded_texts.json.

    <python with sentence-transformers> bench/record_vectors.py MODEL_DIRECTORY

MODEL_DIRECTORY is the published folder of all-MiniLM-L6-v2. Writes tests/embedding/recorded_vectors.npy,
float32 (texts, 384).
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "tests" / "embedding"


def main() -> None:
    import numpy as np

    # It lives in the peer's environment only.
    from sentence_transformers import SentenceTransformer  # type: ignore[import-not-found]

    texts = json.loads((FOLDER / "recorded_texts.json").read_text(encoding="utf-8"))
    model = SentenceTransformer(sys.argv[1], device="cpu")
    vectors = model.encode(texts, batch_size=1, normalize_embeddings=True)
    np.save(FOLDER / "recorded_vectors.npy", vectors.astype(np.float32))
    print(f"{len(texts)} vectors, at most {model.max_seq_length} tokens")


if __name__ == "__main__":
    main()
