"""Text is embedded once: an Embedder around another, with a SQLite file of vectors between them.

    texts ─▶ SHA-256 ─▶ looked up ─▶ what is missing is embedded once, stored ─▶ vectors as stored

Vectors lie as float16 (half the bytes; cosine to float32 above .9999999) and leave as float32 of length 1. A
vector that was just made is returned as the file will return it, so that every run sees the same numbers.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from knowhub.core.errors import TransientError
from knowhub.core.ports import Embedder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

log = logging.getLogger(__name__)

SLICE = 4096
BUSY_TIMEOUT_S = 30.0
_LENGTH_TOLERANCE = 0.01
_CORRUPT = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_SCHEMA = """
CREATE TABLE IF NOT EXISTS space (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS vector (
    text BLOB NOT NULL, space INTEGER NOT NULL, vector BLOB NOT NULL, UNIQUE (text, space) ON CONFLICT REPLACE
);
"""


class CachedEmbedder:
    """Wraps `inner`; constructing it opens nothing. Threads and processes may share one file.

    `symmetric` says that `inner` embeds a text alike for both purposes, which then share an entry. A file that
    is not a sound database is set aside and begun anew; one that cannot be read or written is done without.
    """

    def __init__(self, inner: Embedder, path: Path, *, symmetric: bool = False) -> None:
        self.model = inner.model
        self.dimensions = inner.dimensions
        self._inner = inner
        self._store = _Store(path)
        self._symmetric = symmetric

    def embed(self, texts: Sequence[str], *, purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        import numpy as np

        vectors = np.empty((len(texts), self.dimensions), dtype=np.float32)
        for start in range(0, len(texts), SLICE):
            part = texts[start : start + SLICE]
            vectors[start : start + len(part)] = self._embed_slice(part, purpose)
        return vectors

    def forget(self, texts: Sequence[str]) -> int:
        """Delete what is kept of these texts, for every model; return how many vectors went.

        The bytes are overwritten, not only unlinked. Raises TransientError if the file cannot be changed now.
        """
        return sum(
            self._store.delete([_key(text) for text in texts[start : start + SLICE]])
            for start in range(0, len(texts), SLICE)
        )

    def close(self) -> None:
        """Let go of the file. The next call opens it again."""
        self._store.close()

    def _embed_slice(self, texts: Sequence[str], purpose: Literal["document", "query"]) -> NDArray[np.float32]:
        import numpy as np

        space = self.model if self._symmetric else f"{self.model} {purpose}"
        keys = [_key(text) for text in texts]
        distinct = dict(zip(keys, texts, strict=True))
        places = {key: place for place, key in enumerate(distinct)}
        vectors = np.empty((len(distinct), self.dimensions), dtype=np.float32)
        found = _decoded(self._store.read(space, list(distinct)), self.dimensions)
        vectors[[places[key] for key in found.keys]] = found.vectors
        hits = set(found.keys)
        missing = [key for key in distinct if key not in hits]
        if missing:
            made = self._inner.embed([distinct[key] for key in missing], purpose=purpose).astype("<f2")
            self._store.write(space, [(key, row.tobytes()) for key, row in zip(missing, made, strict=True)])
            vectors[[places[key] for key in missing]], _ = _read_back(made.tobytes(), self.dimensions)
        return vectors[[places[key] for key in keys]]


@dataclass(frozen=True, slots=True)
class _Found:
    keys: list[bytes]
    vectors: NDArray[np.float32]


def _key(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _decoded(rows: Sequence[tuple[bytes, bytes]], dimensions: int) -> _Found:
    """Only rows that can be a vector of this model: anything else counts as missing and is replaced."""
    import numpy as np

    whole = [(key, blob) for key, blob in rows if len(blob) == 2 * dimensions]
    vectors, lengths = _read_back(b"".join([blob for _, blob in whole]), dimensions)
    sound = np.abs(lengths - 1) < _LENGTH_TOLERANCE
    if sound.all():
        return _Found([key for key, _ in whole], vectors)
    return _Found([key for (key, _), good in zip(whole, sound, strict=True) if good], vectors[sound])


def _read_back(stored: bytes, dimensions: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors (n, dimensions) of length 1, and the length that each had as it lay there."""
    import numpy as np

    vectors = np.frombuffer(stored, dtype="<f2").reshape(-1, dimensions).astype(np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    vectors /= np.maximum(lengths, np.finfo(np.float32).tiny)[:, None]
    return vectors, lengths


class _Store:
    """One SQLite file, opened when first needed. Every use goes through `_attempt`, which knows its faults."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.aside = path.with_name(f"{path.name}.corrupt")
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._opened_file: int | None = None

    def read(self, space: str, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        """Rows of (key, float16 bytes) for the keys that are there; [] if the file cannot be used."""
        marks = ",".join("?" * len(keys))
        query = (
            f"SELECT text, vector FROM vector WHERE text IN ({marks}) AND space = (SELECT id FROM space WHERE name = ?)"
        )
        return self._attempt(lambda connection: connection.execute(query, (*keys, space)).fetchall(), otherwise=[])

    def write(self, space: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Keep them all, or, if the file cannot be used, none."""

        def insert(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("INSERT OR IGNORE INTO space (name) VALUES (?)", (space,))
                (number,) = connection.execute("SELECT id FROM space WHERE name = ?", (space,)).fetchone()
                entries = ((key, number, blob) for key, blob in rows)
                connection.executemany("INSERT INTO vector (text, space, vector) VALUES (?, ?, ?)", entries)

        self._attempt(insert, otherwise=None)

    def delete(self, keys: Sequence[bytes]) -> int:
        """Raises TransientError if it did not happen."""
        # A corrupt file cannot be searched for what must go.
        self.aside.unlink(missing_ok=True)
        if not self.path.exists():
            return 0

        def remove(connection: sqlite3.Connection) -> int:
            with connection:
                removed = connection.executemany("DELETE FROM vector WHERE text = ?", ((key,) for key in keys)).rowcount
            # Until the log is folded in, the main file still holds the old pages.
            (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy:
                raise sqlite3.OperationalError("another process reads the old pages")
            return removed

        removed = self._attempt(remove, otherwise=-1, required=True)
        return removed if removed >= 0 else self.delete(keys)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _attempt(self, work: Callable[[sqlite3.Connection], T], *, otherwise: T, required: bool = False) -> T:
        with self._lock:
            try:
                return work(self._open())
            except sqlite3.Error as error:
                self.close()
                # The low byte is the primary code (https://www.sqlite.org/rescode.html).
                if getattr(error, "sqlite_errorcode", 0) & 0xFF in _CORRUPT:
                    self._set_aside(error)
                elif required:
                    raise TransientError(f"{self.path}: {error}", cure="Run again when nobody else uses it") from error
                else:
                    log.warning("embedding cache not usable now", extra={"path": str(self.path), "error": str(error)})
                return otherwise

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_S, check_same_thread=False)
            self._connection = connection
            self._opened_file = self.path.stat().st_ino
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")
            connection.execute("PRAGMA secure_delete=ON")
            connection.executescript(_SCHEMA)
        return self._connection

    def _set_aside(self, error: sqlite3.Error) -> None:
        """A sound file that another process has begun in the meantime stays where it is."""
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_ino == self._opened_file:
                os.replace(self.path, self.aside)
                for suffix in ("-wal", "-shm"):
                    self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)
                log.warning(
                    "embedding cache was corrupt and begins anew", extra={"aside": str(self.aside), "error": str(error)}
                )
