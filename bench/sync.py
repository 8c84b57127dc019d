"""Whole syncs of Markdown documents: first, unchanged, and with 1 % changed, beside three peers with the same model.

    first      an empty hub, every process from its start to its end, embeddings included
    unchanged  the same again
    changed    after a sentence was added to 1 % of the documents

Peers take ten minutes each for a first sync of 5,000, so they run on fewer documents, in two sizes: what they cost is
fixed + documents × each, and that line is drawn on to our number; `--whole` has them do all. Ours runs at that number
and at the peers' larger one, where nothing is drawn on. Contestants take turns.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import documents
from bench.hub import Hub
from bench.process import Spent, median, run
from bench.rows import Found, Row, Setting, at_least, at_most, given

DOCUMENTS = 5000
PEER_SIZES = (200, 1500)
CHANGED = 0.01
PEERS = {"LlamaIndex": "llamaindex_sync.py", "LangChain": "langchain_sync.py", "CocoIndex": "cocoindex_sync.py"}
FASTER = {
    ("first", "LlamaIndex"): 5,
    ("first", "LangChain"): 5,
    ("unchanged", "LlamaIndex"): 20,
    ("unchanged", "LangChain"): 20,
    ("unchanged", "CocoIndex"): 3,
    ("changed", "LlamaIndex"): 20,
    ("changed", "LangChain"): 20,
    ("changed", "CocoIndex"): 3,
}
STATES = ("first", "unchanged", "changed")
CHUNKING_SHARE = 0.03
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "ANONYMIZED_TELEMETRY": "False",
    "COCOINDEX_DISABLE_USAGE_TRACKING": "1",
    "TOKENIZERS_PARALLELISM": "true",
}

Taken = dict[str, list[Spent]]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Somebody who can sync a folder of `count` documents, again and again."""

    name: str
    count: int
    folder: Path
    sync: Callable[[], Spent]


def measure(setting: Setting) -> Found:
    ours_at = max(20, round(DOCUMENTS * setting.scale))
    peers_at = tuple(max(10, round(size * setting.scale)) for size in PEER_SIZES)
    if setting.documents:
        ours_at = len(list(setting.documents.rglob("*.md")))
        peers_at = (max(1, ours_at // 4), min(ours_at, PEER_SIZES[1]))
    if setting.whole:
        peers_at = (peers_at[0], ours_at)
    contestants = list(_contestants(setting, ours_at, peers_at))
    taken = _take_turns(contestants, setting.rounds)
    whole = {state: median(taken["knowhub", ours_at][state]) for state in STATES}
    lines = {
        name: {state: _line([(size, median(taken[name, size][state])) for size in peers_at]) for state in STATES}
        for name in PEERS
    }
    equal = {state: median(taken["knowhub", peers_at[1]][state]) for state in STATES}
    rows = [_ratio(state, name, whole[state], lines[name][state], ours_at, peers_at[1]) for state, name in FASTER]
    if peers_at[1] < ours_at:
        rows += [
            _equal(state, name, equal[state], median(taken[name, peers_at[1]][state]), peers_at[1])
            for state, name in FASTER
        ]
    proportion, observed = _proportional(setting, peers_at[1])
    rows += proportion
    figures = {
        "ours": {state: _plain(spent) for state, spent in whole.items()},
        "peers": {name: {state: asdict(line) for state, line in states.items()} for name, states in lines.items()},
        "runs": {f"{n} {c}": {s: [_plain(x) for x in v] for s, v in t.items()} for (n, c), t in taken.items()},
        "observed": observed,
    }
    return Found([*rows, *_seconds(whole, ours_at)], figures)


def _contestants(setting: Setting, ours_at: int, peers_at: tuple[int, ...]) -> list[Contestant]:
    work = setting.work / "sync"
    found = []
    for count in sorted({ours_at, *peers_at}):
        folder = work / f"documents-{count}"
        _lay_out(setting, folder, count)
        if count in (ours_at, peers_at[-1]):
            hub = Hub.over(folder, work / f"hub-{count}", setting.models)
            found.append(Contestant("knowhub", count, folder, hub.sync))
        if count in peers_at:
            found += [_peer(setting, name, folder, work / f"{name}-{count}", count) for name in PEERS]
    return found


def _lay_out(setting: Setting, folder: Path, count: int) -> None:
    if setting.documents is None:
        documents.write(folder, count)
        return
    for path in sorted(setting.documents.rglob("*.md"))[:count]:
        target = folder / path.relative_to(setting.documents)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


def _peer(setting: Setting, name: str, folder: Path, state: Path, count: int) -> Contestant:
    script = str(Path(__file__).parent / "peers" / PEERS[name])
    command = [setting.peer_python, script, str(folder), str(state), str(setting.peer_model)]
    return Contestant(name, count, folder, lambda: run(command, environment={**os.environ, **_QUIET}))


def _take_turns(contestants: list[Contestant], rounds: int) -> Mapping[tuple[str, int], Taken]:
    taken: dict[tuple[str, int], Taken] = {(c.name, c.count): {state: [] for state in STATES} for c in contestants}
    for contestant in contestants:
        taken[contestant.name, contestant.count]["first"].append(contestant.sync())
    for turn in range(rounds):
        for state in ("unchanged", "changed"):
            if state == "changed":
                for folder in {contestant.folder for contestant in contestants}:
                    documents.change(folder, CHANGED, turn=turn)
            for contestant in contestants:
                taken[contestant.name, contestant.count][state].append(contestant.sync())
    return taken


# ── what it would have cost ──────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds of a sync as `fixed + documents × each`, by wall clock and by CPU."""

    fixed_wall_s: float
    each_wall_s: float
    fixed_cpu_s: float
    each_cpu_s: float

    def wall_s(self, count: int) -> float:
        return self.fixed_wall_s + count * self.each_wall_s

    def cpu_s(self, count: int) -> float:
        return self.fixed_cpu_s + count * self.each_cpu_s


def _line(points: list[tuple[int, Spent]]) -> Line:
    """Through two points; one that would fall with the number of documents is noise, and flat."""
    (few, less), (many, more) = points
    each_wall_s = max(0.0, (more.wall_s - less.wall_s) / (many - few))
    each_cpu_s = max(0.0, (more.cpu_s - less.cpu_s) / (many - few))
    return Line(more.wall_s - many * each_wall_s, each_wall_s, more.cpu_s - many * each_cpu_s, each_cpu_s)


def _ratio(state: str, name: str, ours: Spent, line: Line, count: int, measured: int) -> Row:
    drawn = f", drawn on from {measured:,}" if measured < count else ""
    by_cpu = line.cpu_s(count) / ours.cpu_s
    note = f" ({by_cpu:.3g}x by CPU; {ours.wall_s:.3g} s to {line.wall_s(count):.3g} s{drawn})"
    what = f"sync, {state}, {count:,} documents: {name}"
    return at_least(what, line.wall_s(count) / ours.wall_s, FASTER[state, name], note=note)


def _equal(state: str, name: str, ours: Spent, theirs: Spent, count: int) -> Row:
    figure = f"{theirs.wall_s / ours.wall_s:.3g}x ({theirs.cpu_s / ours.cpu_s:.3g}x by CPU; "
    return given(
        f"sync, {state}, {count:,} documents: {name}", f"{figure}{ours.wall_s:.3g} s to {theirs.wall_s:.3g} s)"
    )


def _seconds(whole: Mapping[str, Spent], count: int) -> list[Row]:
    return [
        given(
            f"sync, {state}, {count:,} documents: ours", f"{s.wall_s:.3g} s, CPU {s.cpu_s:.3g} s, {s.peak_mib:.0f} MiB"
        )
        for state, s in whole.items()
    ]


def _plain(spent: Spent) -> dict[str, float]:
    return {"wall_s": spent.wall_s, "cpu_s": spent.cpu_s, "peak_mib": spent.peak_mib}


# ── work in proportion to the change ─────────────────────────────────────────────────────────────────


def _proportional(setting: Setting, count: int) -> tuple[list[Row], dict[str, Any]]:
    """Syncs taken apart: what share chunking has, and that nothing is done for documents that did not change."""
    work = setting.work / "observed"
    _lay_out(setting, work / "documents", count)
    hub = Hub.over(work / "documents", work / "hub", setting.models)
    found = {"first": hub.observed_sync(), "unchanged": hub.observed_sync()}
    changed = documents.change(work / "documents", CHANGED, turn=0)
    found["changed"] = hub.observed_sync()
    whole_s, seconds = found["first"]["whole_s"], found["first"]["seconds"]
    shares = ", ".join(f"{step} {part / whole_s:.1%}" for step, part in seconds.items())
    chunked = found["changed"]["report"]["chunked"]
    rows = [
        at_most("chunking, share of a first sync", 100 * seconds["chunking"] / whole_s, 100 * CHUNKING_SHARE, unit="%"),
        given("where a first sync's time goes", shares),
        at_most("texts embedded for an unchanged sync", found["unchanged"]["texts_embedded"], 0),
        at_most(f"documents chunked after {changed} changed", chunked["documents"], changed),
        at_most(f"texts embedded of their {chunked['chunks']} chunks", found["changed"]["texts_embedded"], 2 * changed),
    ]
    return rows, found
