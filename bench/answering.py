"""The benchmarks of answers, as rows: run by their command lines, on human conversations where those are at hand."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.hub import ROOT
from bench.process import run
from bench.rows import Found, Row, Setting, at_least, given

Counts = Sequence[int]
"""How many, of how many."""

_HARDER = " of the same passages"


def verification(setting: Setting) -> Found:
    data = _data(setting)
    if data is None:
        return _nothing("verification of generated answers")
    arguments = [
        str(data / "answers"),
        "--models",
        str(setting.models),
        "--cache",
        str(_place(setting, "verification") / "vectors.db"),
    ]
    found = _module("bench.verification", [*arguments, "--half", "reported", "--json"])
    half = found["reported"]
    rows = [_reached("verification: true sentences kept", half["kept"]["all"], 90)]
    for kind, counts in half["caught"].items():
        what = f"verification: caught, {kind}"
        rows.append(given(what, _share(counts)) if kind.endswith(_HARDER) else _reached(what, counts, 90))
    return Found(
        [*rows, given("verification: a sentence, words embedded before", f"{half['median_ms']:.1f} ms")], found
    )


def answers(setting: Setting) -> Found:
    data = _data(setting)
    if data is None:
        return _nothing("answers without a model")
    out = _place(setting, "answers") / "answers.json"
    _run("bench.answers", ["--data", str(data), "--models", str(setting.models), "--json", str(out)])
    found = json.loads(out.read_text("utf-8"))
    first = _over_sets(found, "completed", "answerable, first turn", "right")
    every = _over_sets(found, "completed", "answerable", "right")
    answered = _over_sets(found, "completed", "unanswerable", "answered")
    return Found(
        [
            _reached("answers without a model, first turns: right passage quoted", first, 65),
            given("answers without a model, all turns: right passage quoted", _share(every)),
            _reached("answers without a model: unanswerable refused", (answered[1] - answered[0], answered[1]), 80),
        ],
        found,
    )


def conversation(setting: Setting) -> Found:
    data = _data(setting)
    if data is None:
        return _nothing("questions in a conversation")
    arguments = [
        "--data",
        str(data),
        "--folder",
        str(_place(setting, "conversation")),
        "--models",
        str(setting.models),
        "--json",
    ]
    found = _module("bench.conversation", arguments)
    rows = []
    for name, figures in found.items():
        completed = figures["ndcg@10"]["completed"]
        note = f" (nDCG@10 {completed['half 1']:.3f}; all conversations {completed['all way']:.0%})"
        what = f"{name}, last turn completed: way to the human rewrite"
        rows.append(at_least(what, 100 * completed["half 1 way"], 50, unit="%", note=note))
    return Found(rows, found)


def _data(setting: Setting) -> Path | None:
    data = setting.retrieval.parent if setting.retrieval else None
    return data if data and (data / "answers").is_dir() else None


def _nothing(what: str) -> Found:
    return Found([given(what, "not measured: name a folder with --retrieval that `answers` lies beside")])


def _place(setting: Setting, name: str) -> Path:
    place = setting.work / name
    place.mkdir(exist_ok=True)
    return place


def _over_sets(found: Mapping[str, Any], form: str, what: str, figure: str) -> Counts:
    chosen = [each for name, groups in found.items() if name.endswith(form) for each in groups if each["what"] == what]
    return (round(sum(each[figure] * each["turns"] for each in chosen)), sum(each["turns"] for each in chosen))


def _reached(what: str, counts: Counts, target: float) -> Row:
    return at_least(what, 100 * counts[0] / counts[1], target, unit="%", note=f" of {counts[1]}")


def _share(counts: Counts) -> str:
    return f"{counts[0] / counts[1]:.1%} of {counts[1]}"


def _module(name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """The last line of its output is JSON."""
    found: dict[str, Any] = json.loads(_run(name, arguments).strip().splitlines()[-1])
    return found


def _run(name: str, arguments: Sequence[str]) -> str:
    return run([sys.executable, "-m", name, *arguments], environment={**os.environ, "PYTHONPATH": str(ROOT)}).output
