"""The moves that a person can make. Entry points translate to and from these; nothing else decides."""

from __future__ import annotations

from knowhub.wiring.asking import AskMoves
from knowhub.wiring.reporting import ReportMoves
from knowhub.wiring.syncing import SyncMoves


class App(SyncMoves, AskMoves, ReportMoves):
    """One hub with all its moves."""
