"""Implements `Progress` with one Rich bar a stage, shown only for work that takes over a second."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_PATIENCE_S = 1.0
_REFRESH_S = 0.1
_WAITS = "knowhub.http.client"
"""Who says in its log that it waits, with the fields `request` and `seconds`."""


class Bars:
    """Draws on standard error, and nothing at all when that is no terminal, when quiet, or in the first second.

    A stage that says nothing for long is shown too: what it said last is drawn when the first second is over.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._started = time.monotonic()
        self._drawn = 0.0
        self._lock = threading.RLock()
        self._latest: tuple[str, str, int, int | None] | None = None
        self._timer: threading.Timer | None = None
        self._progress: RichProgress | None = None
        self._tasks: dict[tuple[str, str], TaskID] = {}
        self._waits = _Waits(self)

    def __enter__(self) -> Bars:
        if not self._quiet:
            self._waits.listen()
            self._timer = threading.Timer(_PATIENCE_S, self._draw)
            self._timer.daemon = True
            self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._quiet = True
            self._waits.stop()
            if self._timer is not None:
                self._timer.cancel()
            if self._progress is not None:
                self._progress.stop()

    def update(self, stage: str, label: str, done: int, total: int | None) -> None:
        self._latest = (stage, label, done, total)
        now = time.monotonic()
        ended = total is not None and done >= total
        if now - self._started >= _PATIENCE_S and (now - self._drawn >= _REFRESH_S or ended):
            self._drawn = now
            self._draw()

    def waits(self, seconds: float) -> None:
        """Say beside the bar that nothing moves for so long because a limit is used up."""
        self._draw(f"waiting {seconds:.0f} s for the rate limit")

    def _draw(self, note: str = "") -> None:
        with self._lock:
            if self._quiet or self._latest is None:
                return
            stage, label, done, total = self._latest
            progress = self._shown()
            if (stage, label) not in self._tasks:
                self._tasks[stage, label] = progress.add_task(f"{stage} {label}", total=total, note=note)
            progress.update(self._tasks[stage, label], completed=done, total=total, note=note)

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
                TextColumn("[dim]{task.fields[note]}"),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
            self._progress.start()
        return self._progress


class _Waits(logging.Handler):
    """Tells the bars what the HTTP client logs about waiting."""

    def __init__(self, bars: Bars) -> None:
        super().__init__(logging.INFO)
        self._bars = bars
        self._logger = logging.getLogger(_WAITS)
        self._before = self._logger.level

    def listen(self) -> None:
        self._before = self._logger.level
        self._logger.addHandler(self)
        self._logger.setLevel(logging.INFO)

    def stop(self) -> None:
        self._logger.removeHandler(self)
        self._logger.setLevel(self._before)

    def emit(self, record: logging.LogRecord) -> None:
        if (seconds := getattr(record, "seconds", 0)) >= 2:
            self._bars.waits(seconds)
