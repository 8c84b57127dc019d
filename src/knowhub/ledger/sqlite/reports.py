"""Implements `Reports`: coverage per container, problems, and the history of runs."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from knowhub.core.ports import ContainerCoverage, Run, RunState, StoredItem
from knowhub.core.types import ContainerId, SourceName
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.items import COLUMNS, stored_item

_RUNS_KEPT = 1_000


class SqliteReports:
    def __init__(self, database: Database) -> None:
        self._database = database

    def coverage(self, source: SourceName) -> list[ContainerCoverage]:
        counts: dict[str, dict[str, dict[str, int]]] = defaultdict(lambda: defaultdict(dict))
        for container, state, reason, parts in self._database.rows(
            "SELECT container, state, reason, sum(parts) FROM items WHERE source = ? AND deleted = 0"
            " GROUP BY container, state, reason",
            (source,),
        ):
            counts[container][state][reason] = parts
        known = {
            container: (name, expected, gap, seen_at)
            for container, name, expected, gap, seen_at in self._database.rows(
                "SELECT container, name, expected, gap, seen_at FROM containers WHERE source = ?", (source,)
            )
        }
        return [
            self._row(ContainerId(container), known.get(container), counts[container])
            for container in sorted(known.keys() | counts.keys())
        ]

    def container_names(self, source: SourceName) -> dict[ContainerId, str]:
        rows = self._database.rows("SELECT container, name FROM containers WHERE source = ?", (source,))
        return {ContainerId(container): name for container, name in rows}

    def read_at(self, source: SourceName) -> datetime | None:
        ((at,),) = self._database.rows("SELECT max(seen_at) FROM containers WHERE source = ?", (source,))
        return datetime.fromisoformat(at) if at else None

    @staticmethod
    def _row(
        container: ContainerId,
        row: tuple[str, int | None, str, str | None] | None,
        states: dict[str, dict[str, int]],
    ) -> ContainerCoverage:
        name, expected, gap, seen_at = row or (container, None, "", None)
        return ContainerCoverage(
            container=container,
            name=name,
            expected=expected,
            searchable=sum(states["searchable"].values()),
            filtered=states["filtered"],
            failed=states["failed"],
            pending=sum(states["pending"].values()),
            gap=gap,
            seen_at=datetime.fromisoformat(seen_at) if seen_at else None,
        )

    def problems(self, source: SourceName, limit: int) -> list[StoredItem]:
        rows = self._database.rows(
            f"SELECT {COLUMNS} FROM items WHERE source = ? AND state = 'failed' AND deleted = 0"
            " ORDER BY sequence DESC, item LIMIT ?",
            (source, limit),
        )
        return [stored_item(row) for row in rows]

    def start_run(self, source: SourceName, what: str, at: datetime) -> int:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE runs SET state = 'failed', summary = 'stopped before its end'"
                " WHERE source = ? AND state = 'running'",
                (source,),
            )
            connection.execute(
                "DELETE FROM runs WHERE source = ? AND id <= (SELECT max(id) FROM runs WHERE source = ?) - ?",
                (source, source, _RUNS_KEPT),
            )
            run = connection.execute(
                "INSERT INTO runs (source, what, state, started_at) VALUES (?, ?, 'running', ?)",
                (source, what, at.isoformat()),
            )
            return int(run.lastrowid or 0)

    def finish_run(self, run: int, state: RunState, summary: str, at: datetime) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE runs SET state = ?, summary = ?, finished_at = ? WHERE id = ?",
                (state, summary, at.isoformat(), run),
            )

    def runs(self, source: SourceName, limit: int) -> list[Run]:
        rows = self._database.rows(
            "SELECT id, source, what, state, started_at, finished_at, summary FROM runs WHERE source = ?"
            " ORDER BY id DESC LIMIT ?",
            (source, limit),
        )
        return [
            Run(id, SourceName(name), what, state, datetime.fromisoformat(started),
                datetime.fromisoformat(finished) if finished else None, summary)
            for id, name, what, state, started, finished, summary in rows
        ]  # fmt: skip
