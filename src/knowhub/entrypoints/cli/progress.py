"""Implements `Progress` with one Rich bar a stage, shown only for work that takes over a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_S = 1.0
_REFRESH_S = 0.1


class Bars:
    """Draws on standard error, and nothing at all when that is no terminal, when quiet, or in the first second."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self._drawn = 0.0
        self._progress: RichProgress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def __enter__(self) -> Bars:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def update(self, stage: str, label: str, done: int, total: int | None) -> None:
        now = time.monotonic()
        ended = total is not None and done >= total
        if self._quiet or now - self._started < _PATIENCE_S or (now - self._drawn < _REFRESH_S and not ended):
            return
        self._drawn = now
        progress = self._shown()
        key = (stage, label)
        if key not in self._tasks:
            self._tasks[key] = progress.add_task(f"{stage} {label}", total=total)
        progress.update(self._tasks[key], completed=done, total=total)

    def _shown(self) -> RichProgress:
        if self._progress is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            console = Console(stderr=True)
            self._progress = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
            self._progress.start()
        return self._progress
