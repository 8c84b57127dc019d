"""What a benchmark finds: rows of a table, each with what was to be reached."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Row:
    """`met` None: a figure without a target."""

    what: str
    target: str
    figure: str
    met: bool | None = None


def at_least(what: str, figure: float, target: float, *, unit: str = "x", note: str = "") -> Row:
    return Row(what, f"≥ {target:g}{unit}", f"{figure:.3g}{unit}{note}", figure >= target)


def at_most(what: str, figure: float, target: float, *, unit: str = "", note: str = "") -> Row:
    return Row(what, f"≤ {target:g}{unit}", f"{figure:.3g}{unit}{note}", figure <= target)


def given(what: str, figure: str) -> Row:
    return Row(what, "", figure)


@dataclass(frozen=True, slots=True)
class Found:
    """Rows for people and the figures behind them for machines."""

    rows: Sequence[Row]
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Setting:
    """What every benchmark is given. `peer_model` is the model's folder as sentence-transformers reads it;
    `documents` a folder of Markdown to sync instead of generated pages; `scale` below 1 is for trying things out;
    `whole` has peers sync every document too."""

    peer_python: str
    models: Path
    peer_model: Path
    work: Path
    documents: Path | None = None
    retrieval: Path | None = None
    scale: float = 1.0
    rounds: int = 3
    whole: bool = False
