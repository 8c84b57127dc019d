"""What commands print: tables and sentences for people, JSON for machines."""

from __future__ import annotations

import json as jsonlib
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from knowhub.core.types import document_id

if TYPE_CHECKING:
    from knowhub.core.ports import ContainerCoverage
    from knowhub.core.types import ObjectKey
    from knowhub.pipelines.chunk import StageReport
    from knowhub.pipelines.evaluate import Evaluation
    from knowhub.pipelines.evaluate_questions import QuestionEvaluation
    from knowhub.pipelines.sync import SyncReport
    from knowhub.wiring.documents import Shown
    from knowhub.wiring.reporting import Finding, SourceStatus

_SNIPPET = 240
_PIPE_WIDTH = 200
_IF_ANY = ("filtered", "failed", "pending", "unreachable")
_NUMBERS = ("exists", "searchable", *_IF_ANY)
_COLUMNS = ("source", "container", *_NUMBERS, "as of", "last run")
_STATES = {"ok": "[green]ok[/]", "incomplete": "[yellow]incomplete[/]", "failed": "[red]failed[/]"}


def print_json(value: Any) -> None:
    """One JSON document on standard output; nothing else goes there with --json."""
    text = jsonlib.dumps(plain(value), ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = jsonlib.dumps(plain(value), allow_nan=False)
    sys.stdout.write(f"{text}\n")


def plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(item) for item in value)
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, datetime) else value


def console_here() -> Console:
    """A terminal's width for people who read in one; lines as they are for pipes and files.

    Without emoji: a quote that says `:warning:` is shown as it stands.
    """
    console = Console(highlight=False, emoji=False)
    return console if console.is_terminal else Console(highlight=False, emoji=False, soft_wrap=True, width=_PIPE_WIDTH)


def shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SNIPPET else f"{flat[:_SNIPPET]}…"


# ── set up and sync ──────────────────────────────────────────────────────────────────────────────────


def findings(found: Sequence[Finding], *, json: bool) -> None:
    if json:
        return print_json({"findings": found, "ok": not any(one.problem for one in found)})
    for one in found:
        mark = "[red]✗[/]" if one.problem else "[green]✓[/]"
        console_here().print(f"{mark} {escape(one.subject)}" + (f": {escape(one.problem)}" if one.problem else ""))
    return None


def syncs(reports: Sequence[SyncReport], *, json: bool) -> None:
    if json:
        return print_json({"runs": reports})
    console = console_here()
    for report in reports:
        fetched, embedded = report.fetched, report.embedded
        facts = [f"{fetched.changed} changed", f"{fetched.deleted} deleted"]
        facts += [f"{fetched.skipped} left out"] if fetched.skipped else []
        if embedded.documents:
            documents, chunks = _count(embedded.documents, "document"), _count(embedded.chunks, "chunk")
            facts.append(f"{documents} in {chunks} made searchable")
        console.print(f"{_STATES[report.state]} [bold]{escape(report.source)}[/]: {', '.join(facts)}")
        if report.error:
            console.print(f"   [red]{escape(report.error)}[/]")
        for hole in report.holes[:10]:
            console.print(f"   [yellow]{escape(hole)}[/]")
        if len(report.holes) > 10:
            console.print(f"   and {len(report.holes) - 10} more: `knowhub status {escape(report.source)}`")
    return None


def keys(written: Sequence[ObjectKey], *, json: bool) -> None:
    if json:
        return print_json({"keys": written})
    for key in written:
        console_here().print(f"Taken in as {escape(key)}. Next: `knowhub embed`.")
    return None


def rebuilt(report: StageReport, *, json: bool) -> None:
    if json:
        return print_json(report)
    console = console_here()
    done = f"{_count(report.documents, 'document')}, {_count(report.chunks, 'chunk')}, {report.failed} failed"
    console.print(f"Rebuilt the index: {done}.")
    for error in report.errors:
        console.print(f"   [yellow]{escape(error)}[/]")
    return None


# ── status ───────────────────────────────────────────────────────────────────────────────────────────


def status(found: Sequence[SourceStatus], *, detailed: bool, json: bool) -> None:
    if json:
        return print_json({"sources": [_status_json(one) for one in found]})
    console = console_here()
    rows = [row for one in found for row in _status_rows(one, detailed)]
    # A column of nothing but zeros would only push the others off a narrow screen.
    shown = [i for i, title in enumerate(_COLUMNS) if title not in _IF_ANY or any(row[i] != "0" for row in rows)]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in (_COLUMNS[i] for i in shown):
        table.add_column(title, justify="right" if title in _NUMBERS else "left", no_wrap=title != "container")
    for row in rows:
        table.add_row(*(row[i] for i in shown))
    console.print(table)
    for one in found:
        _reasons(console, one)
    return None


def _status_rows(one: SourceStatus, detailed: bool) -> Iterator[tuple[str, ...]]:
    ran = _STATES.get(one.run.state, one.run.state) if one.run else "[dim]never[/]"
    name = f"[bold]{escape(one.source)}[/]"
    if not one.coverage:
        yield name, "", "?", "0", "0", "0", "0", "0", "", ran
        return
    yield _row(name, f"{len(one.coverage)} in all", one.coverage, ran)
    for row in one.coverage if detailed else [row for row in one.coverage if not row.whole]:
        yield _row("", escape(row.name), [row], "" if row.whole else "[yellow]not whole[/]")


def _row(source: str, container: str, rows: Sequence[ContainerCoverage], ran: str) -> tuple[str, ...]:
    expected = [row.expected for row in rows]
    known = [count for count in expected if count is not None]
    times = [row.seen_at for row in rows if row.seen_at]
    failed = sum(sum(row.failed.values()) for row in rows)
    return (
        source,
        container,
        "?" if not known else f"{sum(known):,}" + ("+?" if None in expected else ""),
        f"{sum(row.searchable for row in rows):,}",
        f"{sum(sum(row.filtered.values()) for row in rows):,}",
        f"[red]{failed:,}[/]" if failed else "0",
        f"{sum(row.pending for row in rows):,}",
        f"{sum(bool(row.gap) for row in rows):,}",
        age(min(times)) if times else "",
        ran,
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def age(time: datetime | None) -> str:
    if time is None:
        return "never"
    seconds = int((datetime.now(UTC) - time).total_seconds())
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return "just now"


def _reasons(console: Console, one: SourceStatus) -> None:
    filtered: dict[str, int] = {}
    for row in one.coverage:
        for reason, count in row.filtered.items():
            filtered[reason] = filtered.get(reason, 0) + count
    if filtered:
        listed = ", ".join(f"{count} {reason}" for reason, count in sorted(filtered.items(), key=lambda p: -p[1]))
        console.print(f"[bold]{escape(one.source)}[/] left out: {escape(listed)}")
    for item in one.problems:
        name = item.location or item.item
        console.print(f"[bold]{escape(one.source)}[/] [red]failed[/] {escape(name)}: {escape(item.reason)}")
    for batch in one.dead_letters:
        console.print(
            f"[bold]{escape(one.source)}[/] [red]dead letter[/]: {escape(batch.error)}."
            f" After the cure: `knowhub sync {escape(one.source)} --retry-failed`."
        )
    for hole in one.holes:
        if "failed:" not in hole:
            console.print(f"[bold]{escape(one.source)}[/] [yellow]{escape(hole)}[/]")


def _status_json(one: SourceStatus) -> dict[str, Any]:
    return {
        "source": one.source,
        "whole": not one.holes,
        "containers": [{**plain(row), "accounted": row.accounted, "whole": row.whole} for row in one.coverage],
        "holes": one.holes,
        "failed": one.problems,
        "dead_letters": one.dead_letters,
        "last_run": one.run,
    }


# ── documents ────────────────────────────────────────────────────────────────────────────────────────


def shown(found: Shown, *, json: bool) -> None:
    item, chunked = found.item, found.chunked
    if json:
        return print_json({"item": item, "stored": chunked})
    console = console_here()
    console.print(f"[bold]{escape(document_id(item.source, item.item))}[/] {escape(item.title)}")
    state = f"{item.state}: {item.reason}" if item.reason else item.state
    console.print(f"   state      {escape('deleted at the source' if item.deleted else state)}")
    console.print(
        f"   location   {escape(item.location)}   version {escape(item.version[:40])}   batch {item.sequence}"
    )
    if chunked is None or chunked.document is None:
        return None
    document = chunked.document
    readers = " and ".join("(" + " or ".join(layer) + ")" for layer in document.acl.canonical()) or "nobody"
    console.print(f"   readable   by {escape(readers)}")
    console.print(f"   kind       {document.kind}, {len(document.text):,} characters, {len(chunked.chunks)} chunks")
    console.print(f"   link       {escape(document.url)}", soft_wrap=True)
    for chunk in chunked.chunks:
        console.rule(f"{escape(str(chunk.ordinal))} · {chunk.start}–{chunk.end} · {escape(chunk.anchor)}", align="left")
        if chunk.context:
            console.print(f"[dim]{escape(chunk.context)}[/]")
        console.print(escape(chunk.text))
    return None


def exported(out: Path, count: int, *, json: bool) -> None:
    if json:
        return print_json({"file": str(out), "documents": count})
    return console_here().print(f"Wrote {_count(count, 'document')} to {escape(str(out))}.")


def exported_files(folder: Path, files: Sequence[Path], *, json: bool) -> None:
    if json:
        return print_json({"folder": str(folder), "files": [str(file.relative_to(folder)) for file in files]})
    return console_here().print(f"Wrote {_count(len(files), 'table')} to {escape(str(folder))}.")


def forgotten(name: str, objects: int, *, json: bool) -> None:
    if json:
        return print_json({"forgotten": name, "objects_changed": objects})
    return console_here().print(
        f"Erased {escape(name)} from the index and from {_count(objects, 'object')} of the lake."
    )


# ── evaluation ───────────────────────────────────────────────────────────────────────────────────────


def evaluation(figures: Evaluation, *, json: bool) -> None:
    if json:
        return print_json(figures.as_json())
    console = console_here()
    console.print(
        f"[bold]{escape(figures.dataset)}[/]: {figures.documents:,} documents, {figures.queries:,} queries,"
        f" {escape(figures.model)}, indexed in {figures.seconds:.1f} s"
    )
    names = ("ndcg_at_10", "recall_at_10", "recall_at_100", "mrr_at_10", "p50_ms", "p99_ms")
    console.print(_figures(names, {mode: asdict(row) for mode, row in figures.modes.items()}))
    return None


def question_evaluation(figures: QuestionEvaluation, *, json: bool) -> None:
    if json:
        return print_json(figures.as_json())
    console = console_here()
    console.print(f"[bold]{escape(figures.dataset)}[/]: {figures.questions} questions")
    names = ("hit_at_1", "hit_at_5", "hit_at_10", "p50_ms", "p99_ms")
    console.print(_figures(names, {mode: asdict(row) for mode, row in figures.modes.items()}))
    shares = {
        "answerable questions answered": figures.answered,
        "with the answer in the first quote": figures.answer_first,
        "with the answer in any quote": figures.answer_quoted,
        "quoting the right document": figures.document_quoted,
        "unanswerable questions refused": figures.refused,
    }
    for name, share in shares.items():
        console.print(f"   {name}: {'–' if share is None else f'{share:.0%}'}")
    for outcome in figures.outcomes:
        if not outcome.right:
            console.print(
                f"   [yellow]✗[/] {escape(outcome.question)} → {escape(shortened(outcome.quote) or 'not found')}"
            )
    return None


def _figures(names: Sequence[str], rows: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in names:
        table.add_column(name.replace("_", " "), justify="right")
    for mode, row in rows.items():
        table.add_row(mode, *(f"{row[name]:.1f}" if name.endswith("_ms") else f"{row[name]:.3f}" for name in names))
    return table
