"""What every move needs: the adapters, the settings, and the names of sources."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Self

from knowhub.core.errors import ConfigurationError, NotFound
from knowhub.core.ports import AuditAction, AuditEntry, Progress, Run
from knowhub.core.types import Acl, DocumentId, SourceName, SourceState, Viewer
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import Settings

REINDEX = "the index"
"""The lease that one rebuild holds at a time, and nothing is erased beside it; no source has such a name."""


class Silent:
    """Implements `Progress` for those who do not want to know."""

    def update(self, stage: str, label: str, done: int, total: int | None) -> None: ...


class Hub:
    """One hub. Close it when done; it is a context manager. Its moves are safe to make from several threads."""

    def __init__(self, adapters: Laptop, progress: Progress | None = None) -> None:
        self._adapters = adapters
        self._progress = progress or Silent()
        self._settings = adapters.configuration.settings

    @property
    def settings(self) -> Settings:
        return self._settings

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._adapters.close()

    def _chosen(self, names: Sequence[str]) -> list[SourceName]:
        chosen = [SourceName(name) for name in names] or self._adapters.source_names
        if not chosen:
            raise ConfigurationError(
                f"{self._adapters.configuration.file.name} names no sources", cure="Add a [sources.NAME] table to it."
            )
        return chosen

    def _known_sources(self) -> list[SourceName]:
        """Those configured, then those that are not any more and have left something."""
        configured = self._adapters.source_names
        return configured + [name for name in self._adapters.retention.sources() if name not in configured]

    @staticmethod
    def _require_known(name: str, known: Sequence[str]) -> None:
        if name not in known:
            raise NotFound(f"there is no source {name}", cure=f"Known: {', '.join(known) or 'none'}.")

    def _index_holes(self, name: SourceName) -> tuple[str, ...]:
        if self._adapters.reindexing:
            return ("a rebuild of the index has not come to its end; if none is running, run `knowhub reindex`",)
        covered = self._adapters.ledgers.reports.coverage(name)
        if any(row.searchable for row in covered) and self._adapters.index_is_lost():
            return ("the index is gone from its folder; run `knowhub reindex`",)
        return ()

    def _audit(self, viewer: Viewer, action: AuditAction, surface: str, documents: Sequence[DocumentId]) -> None:
        if documents:
            shown = tuple(dict.fromkeys(documents))
            self._adapters.audit.record(AuditEntry(self._adapters.clock(), viewer.name, action, surface, shown))

    def _is_open(self, source: SourceName, viewer: Viewer) -> bool:
        """Whether the `readers` that the configuration names of a source, where it does, include `viewer` now.

        Stored documents carry those of their sync: whoever was taken out since is out at once, not at the next.
        """
        readers = self._settings.sources.get(source, {}).get("readers")
        return readers is None or Acl.of(*readers).admits(viewer)

    def _counts(self, viewer: Viewer) -> dict[SourceName, int]:
        """How many documents of each source `viewer` may read."""
        counts = self._adapters.index.counts(viewer=viewer)
        return {source: count for source, count in counts.items() if self._is_open(source, viewer)}

    def _source_states(self, viewer: Viewer, chosen: Collection[SourceName]) -> tuple[SourceState, ...]:
        """How fresh the sources are that `viewer` may read something of; it says nothing of single documents."""
        seen = self._counts(viewer)
        return tuple(self._source_state(name) for name in sorted(seen) if not chosen or name in chosen)

    def _source_state(self, name: SourceName) -> SourceState:
        reports = self._adapters.ledgers.reports
        return SourceState(name, reports.read_at(name), _unreached(reports.runs(name, 1)))


def _unreached(runs: Sequence[Run]) -> str:
    return "could not be read at the last attempt" if runs and runs[0].state == "failed" else ""
