"""The adapters of one machine: a folder (or a bucket), one SQLite file, LanceDB, a local model."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.chunking.router import Chunker, ChunkingOptions
from knowhub.core.errors import NotFound
from knowhub.core.ports import (
    Answerer,
    AuditLedger,
    DirectoryLedger,
    Embedder,
    Index,
    KeyLedger,
    LoginLedger,
    QuestionLedger,
    RetentionLedger,
)
from knowhub.core.types import SourceName, Turn
from knowhub.formats.parsed import Parsed
from knowhub.lake.object_store import ObjectStoreLake
from knowhub.ledger.sqlite.audit import SqliteAuditLedger
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.directories import SqliteDirectoryLedger
from knowhub.ledger.sqlite.fetching import SqliteFetchLedger
from knowhub.ledger.sqlite.items import SqliteItemLedger, SqliteRetentionLedger
from knowhub.ledger.sqlite.keys import SqliteKeyLedger, SqliteLoginLedger
from knowhub.ledger.sqlite.leases import SqliteLeases
from knowhub.ledger.sqlite.questions import SqliteQuestionLedger
from knowhub.ledger.sqlite.reports import SqliteReports
from knowhub.ledger.sqlite.stages import SqliteStageLedger
from knowhub.pipelines.sync import Ledgers
from knowhub.wiring.catalog import Connected, Connection, connect
from knowhub.wiring.doors import Doors
from knowhub.wiring.once import once
from knowhub.wiring.settings import Configuration

if TYPE_CHECKING:
    from knowhub.embedding.cache import CachedEmbedder
    from knowhub.formats.sandbox import Sandbox
    from knowhub.language.strands import StrandsModel
    from knowhub.pipelines.ask import Rerank, Sought

_GENERATION = "index_generation"
_REINDEXING = "index_generation_being_built"


@dataclass
class Laptop:
    """Adapters, each made when it is first asked for; nothing is opened before."""

    configuration: Configuration
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _opened: dict[int, Index] = field(default_factory=dict, init=False)
    _opening: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    # ── lake and ledger ──────────────────────────────────────────────────────────────────────────────

    @once
    def lake(self) -> ObjectStoreLake:
        settings = self.configuration.settings.lake
        options = self._secrets_in("lake.options", settings.options)
        return ObjectStoreLake(self.configuration.place(settings.url, "lake"), options)

    def _secrets_in(self, key: str, options: Mapping[str, str]) -> dict[str, str]:
        """Options of an object store: those that hold a credential are references, the others are plain."""

        def plain(name: str, value: str) -> str:
            reference = value.startswith(("env:", "file:", "aws-secret:"))
            if reference or any(word in name.lower() for word in ("secret", "token", "password")):
                return self.configuration.secret(f"{key}.{name}", value).reveal()
            return value

        return {name: plain(name, value) for name, value in options.items()}

    @once
    def database(self) -> Database:
        return Database(self.configuration.data / "ledger.db")

    @once
    def ledgers(self) -> Ledgers:
        return Ledgers(
            fetching=SqliteFetchLedger(self.database),
            stages=SqliteStageLedger(self.database),
            items=SqliteItemLedger(self.database),
            leases=SqliteLeases(self.database),
            reports=SqliteReports(self.database),
        )

    @once
    def retention(self) -> RetentionLedger:
        return SqliteRetentionLedger(self.database)

    # ── who asks, and what was asked ─────────────────────────────────────────────────────────────────

    @once
    def directories(self) -> DirectoryLedger:
        return SqliteDirectoryLedger(self.database)

    @once
    def keys(self) -> KeyLedger:
        return SqliteKeyLedger(self.database)

    @once
    def logins(self) -> LoginLedger:
        return SqliteLoginLedger(self.database)

    @once
    def audit(self) -> AuditLedger:
        return SqliteAuditLedger(self.database)

    @once
    def questions(self) -> QuestionLedger:
        return SqliteQuestionLedger(self.database)

    @once
    def doors(self) -> Doors:
        return Doors(self.configuration, self.directories, self.keys, self.logins, self.clock)

    # ── sources ──────────────────────────────────────────────────────────────────────────────────────

    @property
    def source_names(self) -> list[SourceName]:
        return [SourceName(name) for name in self.configuration.settings.sources]

    def connect(self, name: SourceName) -> Connected:
        """Raises NotFound for a name that is not configured, ConfigurationError for one that is configured wrongly."""
        table = self.configuration.settings.sources.get(name)
        if table is None:
            known = ", ".join(self.source_names) or "none"
            raise NotFound(f"there is no source {name}", cure=f"Configured: {known}.")
        return connect(Connection(name, table, self.configuration, self._scratch(name), self._parse_file))

    def _parse_file(self, data: bytes, name: str) -> Parsed:
        return self._sandbox.parse(data, name)

    @once
    def _sandbox(self) -> Sandbox:
        from knowhub.formats.sandbox import Sandbox

        settings = self.configuration.settings.sync
        return Sandbox(timeout_s=settings.parse_timeout_s, memory_mb=settings.parse_memory_mb)

    @once
    def chunking(self) -> Chunker:
        table = self.configuration.settings.chunking
        return Chunker(self.configuration.options("chunking", ChunkingOptions, table))

    # ── model and index ──────────────────────────────────────────────────────────────────────────────

    @once
    def query_embedder(self) -> Embedder:
        """Questions are not worth remembering."""
        from knowhub.embedding.openvino import OpenVinoEmbedder

        settings = self.configuration.settings.embedding
        models = self.configuration.path(settings.models)
        if settings.model == "all-MiniLM-L6-v2":
            from knowhub.embedding.minilm import MiniLm

            return OpenVinoEmbedder(MiniLm(models), models)
        from knowhub.embedding.onnx import OnnxEncoder, OnnxOptions

        options = OnnxOptions(
            pooling=settings.pooling,
            max_tokens=settings.max_tokens,
            query_prefix=settings.query_prefix,
            document_prefix=settings.document_prefix,
        )
        return OpenVinoEmbedder(OnnxEncoder(self.configuration.path(Path(settings.model)), models, options), models)

    @once
    def document_embedder(self) -> CachedEmbedder:
        from knowhub.embedding.cache import CachedEmbedder

        return CachedEmbedder(self.query_embedder, self.configuration.data / "embeddings.db")

    def forget_texts(self, texts: Collection[str]) -> None:
        self.document_embedder.forget(list(texts))

    @property
    def index(self) -> Index:
        """The one that answers now: another process may have rebuilt it since this one last looked."""
        generation = self.generation
        with self._opening:
            if generation not in self._opened:
                self._opened.clear()
                self._opened[generation] = self.open_index(generation)
            return self._opened[generation]

    def index_is_lost(self) -> bool:
        """The ledger knows of an index and its folder is gone; buckets are taken at their word."""
        place = self._index_place(self.generation)
        return "://" not in place and not Path(place).exists()

    def open_index(self, generation: int) -> Index:
        """The index of one rebuild; each has a place of its own, so that readers keep the old one meanwhile."""
        return self.index_at(self._index_place(generation))

    def index_at(self, place: str) -> Index:
        from knowhub.index.fusion import Ranking
        from knowhub.index.lancedb import LanceIndex

        search = self.configuration.settings.search
        return LanceIndex(
            place,
            dimensions=self.query_embedder.dimensions,
            model=self.query_embedder.model,
            storage_options=self._secrets_in("index.options", self.configuration.settings.index.options),
            ranking=Ranking(recency=search.recency_weight, half_life_days=search.recency_half_life_days),
        )

    def _index_place(self, generation: int) -> str:
        return f"{self.configuration.place(self.configuration.settings.index.url, 'index')}/{generation}"

    @property
    def generation(self) -> int:
        return int(self.database.fact(_GENERATION) or 0)

    def switch_index(self, generation: int) -> None:
        """Answer from another generation from now on, and clear away the one before."""
        before = self.generation
        self.database.set_fact(_GENERATION, str(generation))
        self.clear_index(before)

    @property
    def reindexing(self) -> bool:
        """A rebuild began to write its rows into the ledger and has not switched to its index."""
        return self.database.fact(_REINDEXING) == str(self.generation + 1)

    def begin_reindex(self) -> int:
        """Clear what an unfinished rebuild left, and return the generation to build. Under all leases only."""
        generation = self.generation + 1
        self.clear_index(generation)
        self.database.set_fact(_REINDEXING, str(generation))
        return generation

    def clear_scratch(self, name: SourceName) -> None:
        """Remove what a connector keeps beside the lake, such as a mirror of a repository."""
        shutil.rmtree(self._scratch(name), ignore_errors=True)

    def _scratch(self, name: SourceName) -> Path:
        return self.configuration.data / "scratch" / name

    def clear_index(self, generation: int) -> None:
        """Remove what an unfinished or superseded rebuild left; object stores expire it by their own rules."""
        place = self._index_place(generation)
        if "://" not in place:
            shutil.rmtree(place, ignore_errors=True)

    # ── answers ──────────────────────────────────────────────────────────────────────────────────────

    @once
    def answerer(self) -> Answerer:
        from knowhub.wiring.models import make_answerer

        return make_answerer(self.configuration, self.query_embedder, self.language_model)

    @once
    def language_model(self) -> StrandsModel | None:
        """None: answers are quotes."""
        from knowhub.wiring.models import make_language_model

        return make_language_model(self.configuration)

    def complete(self, question: str, turns: Sequence[Turn]) -> Sought:
        """A question of a conversation as one that stands alone."""
        from knowhub.wiring.models import completed

        return completed(question, turns, self.language_model, self.query_embedder)

    @once
    def rerank(self) -> Rerank | None:
        from knowhub.wiring.models import make_rerank

        return make_rerank(self.configuration)

    def close(self) -> None:
        """Stop child processes and close files; safe to call at any time."""
        for name in ("_sandbox", "document_embedder", "language_model"):
            part = self.__dict__.pop(name, None)
            if part is not None:
                part.close()
        if "database" in self.__dict__:
            self.database.close()
