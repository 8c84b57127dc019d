"""The command line: words to calls of `App`, and what comes back to tables, JSON and exit codes.

    0 done · 1 an error · 2 wrong usage · 3 something is missing (status, sync) · 4 nothing found · 130 interrupted

With --json, standard output is one JSON document also then: `{"error": …}`.

Nothing heavy is imported before a command runs: `knowhub --help` is read more often than anything else.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from knowhub.entrypoints.cli import access

if TYPE_CHECKING:
    from datetime import datetime

    from knowhub.core.types import Filters
    from knowhub.wiring.app import App
    from knowhub.wiring.settings import Configuration

WRONG_USAGE, INCOMPLETE, NOTHING_FOUND, INTERRUPTED = 2, 3, 4, 130

cli = typer.Typer(
    name="knowhub",
    help="Fetch what your company writes, keep it, and answer questions with quotes that exist.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Mode(StrEnum):
    """How to search."""

    lexical = "lexical"
    vector = "vector"
    hybrid = "hybrid"


class ExportFormat(StrEnum):
    """What `export` writes."""

    jsonl = "jsonl"
    csv = "csv"
    wordpress = "wordpress"


@dataclass(slots=True)
class _Global:
    config: Path | None = None
    debug: bool = False


_chosen = _Global()

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Sources = Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Names of sources; all if none.")]
As = Annotated[
    list[str] | None, typer.Option("--as", metavar="PRINCIPAL", help="Ask as somebody with just these principals.")
]
Source = Annotated[list[str] | None, typer.Option("--source", help="Only this source; may be repeated.")]
Kind = Annotated[list[str] | None, typer.Option("--kind", help="Only this kind: markdown, conversation, table, …")]
Container = Annotated[list[str] | None, typer.Option("--container", help="Only this channel, project or folder.")]
Author = Annotated[list[str] | None, typer.Option("--author", help="Only what this person wrote.")]
Since = Annotated[str | None, typer.Option("--since", metavar="DATE", help="Only from this day on (2026-05-31).")]
Until = Annotated[str | None, typer.Option("--until", metavar="DATE", help="Only before this day.")]


@cli.callback()
def options(
    config: Annotated[
        Path | None, typer.Option("--config", help="The knowhub.toml to use.", envvar="KNOWHUB_CONFIG")
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole traceback of an error.")] = False,
) -> None:
    _chosen.config, _chosen.debug = config, debug


@contextmanager
def _app(*, quiet: bool, needs_file: bool = True) -> Iterator[App]:
    from knowhub.entrypoints.cli.progress import Bars
    from knowhub.wiring.app import App
    from knowhub.wiring.laptop import Laptop

    with Bars(quiet=quiet) as bars, App(Laptop(_configuration(needs_file=needs_file)), bars) as app:
        yield app


def _configuration(*, needs_file: bool = True) -> Configuration:
    from knowhub.wiring.settings import default, find_file, load

    if _chosen.config is None and not needs_file:
        return default(Path.cwd())
    return load(_chosen.config or find_file(Path.cwd()))


def _filters(
    source: list[str] | None,
    kind: list[str] | None,
    container: list[str] | None,
    author: list[str] | None,
    since: str | None,
    until: str | None,
) -> Filters:
    from typing import cast, get_args

    from knowhub.core.types import ContainerId, DocumentKind, Filters, SourceName

    for name in kind or ():
        if name not in get_args(DocumentKind):
            raise typer.BadParameter(f"{name} is not a kind; use {', '.join(get_args(DocumentKind))}")
    return Filters(
        sources=tuple(SourceName(name) for name in source or ()),
        kinds=tuple(cast("DocumentKind", name) for name in kind or ()),
        containers=tuple(ContainerId(name) for name in container or ()),
        authors=tuple(author or ()),
        since=_day(since, "--since"),
        until=_day(until, "--until"),
    )


def _day(text: str | None, option: str) -> datetime | None:
    from datetime import UTC, datetime

    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{option} {text} is not a date like 2026-05-31") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


# ── set up ───────────────────────────────────────────────────────────────────────────────────────────


@cli.command()
def init(
    places: Annotated[
        list[Path] | None, typer.Argument(help="Folders, Git repositories or Slack export ZIPs to start with.")
    ] = None,
) -> None:
    """Write a commented knowhub.toml here."""
    from knowhub.entrypoints.cli.template import write

    file = write(Path.cwd(), places or [])
    typer.echo(f"Wrote {file.name}. Next: look at it, then `knowhub check` and `knowhub sync`.")


@cli.command()
def check(json: Json = False) -> None:
    """Look at configuration, credentials and reach of everything, and say what to fix."""
    from knowhub.entrypoints.cli import output

    with _app(quiet=json) as app:
        findings = list(app.check())
    output.findings(findings, json=json)
    if any(finding.problem for finding in findings):
        raise typer.Exit(1)


# ── stages ───────────────────────────────────────────────────────────────────────────────────────────

Confirm = Annotated[
    bool, typer.Option("--confirm-deletes", help="Delete what is gone at the source, however much it is.")
]
Retry = Annotated[bool, typer.Option("--retry-failed", help="Offer dead letters again.")]


@cli.command()
def sync(
    sources: Sources = None, confirm_deletes: Confirm = False, retry_failed: Retry = False, json: Json = False
) -> None:
    """Fetch, chunk and embed what changed."""
    _stages(sources, ("fetch", "chunk", "embed"), json, confirm_deletes=confirm_deletes, retry_failed=retry_failed)


@cli.command()
def fetch(sources: Sources = None, confirm_deletes: Confirm = False, json: Json = False) -> None:
    """Read sources into the lake, and no further."""
    _stages(sources, ("fetch",), json, confirm_deletes=confirm_deletes)


@cli.command()
def chunk(
    sources: Sources = None,
    file: Annotated[
        list[Path] | None, typer.Option("--file", help="Hand in a chunked batch that was written elsewhere.")
    ] = None,
    json: Json = False,
) -> None:
    """Turn fetched batches into documents and chunks."""
    if file:
        from knowhub.entrypoints.cli import output

        with _app(quiet=json) as app:
            output.keys([app.hand_in(one) for one in file], json=json)
        return
    _stages(sources, ("chunk",), json)


@cli.command()
def embed(sources: Sources = None, retry_failed: Retry = False, json: Json = False) -> None:
    """Turn chunks into vectors and put them into the index."""
    _stages(sources, ("embed",), json, retry_failed=retry_failed)


def _stages(
    sources: list[str] | None,
    stages: tuple[str, ...],
    json: bool,
    *,
    confirm_deletes: bool = False,
    retry_failed: bool = False,
) -> None:
    from knowhub.entrypoints.cli import output

    with _app(quiet=json) as app:
        reports = list(
            app.sync(sources or (), stages=stages, confirm_deletes=confirm_deletes, retry_failed=retry_failed)
        )
    output.syncs(reports, json=json)
    states = {report.state for report in reports}
    if states != {"ok"}:
        raise typer.Exit(1 if "failed" in states else INCOMPLETE)


@cli.command()
def reindex(json: Json = False) -> None:
    """Rebuild the index from the lake alone; the old one answers meanwhile."""
    from knowhub.entrypoints.cli import output

    with _app(quiet=json) as app:
        report = app.reindex()
    output.rebuilt(report, json=json)
    if report.errors:
        raise typer.Exit(INCOMPLETE)


# ── ask ──────────────────────────────────────────────────────────────────────────────────────────────


@cli.command()
def search(
    text: str,
    mode: Annotated[Mode, typer.Option("--mode", help="By words, by meaning, or both.")] = Mode.hybrid,
    top: Annotated[int, typer.Option("--top", min=1, max=1000, help="How many hits.")] = 10,
    around: Annotated[int, typer.Option("--around", min=0, max=20, help="Show so many chunks before and after.")] = 0,
    source: Source = None,
    kind: Kind = None,
    container: Container = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Find passages."""
    from knowhub.entrypoints.cli import answers

    filters = _filters(source, kind, container, author, since, until)
    with _app(quiet=json) as app:
        viewer = app.me(as_ or ())
        hits = app.search(text, viewer=viewer, mode=mode.value, top_k=top, filters=filters)
        joined = [app.around(hit, viewer=viewer, radius=around) if around else [] for hit in hits]
    answers.hits(text, hits, joined, json=json)
    if not hits:
        raise typer.Exit(NOTHING_FOUND)


@cli.command()
def ask(
    text: str,
    source: Source = None,
    kind: Kind = None,
    container: Container = None,
    author: Author = None,
    since: Since = None,
    until: Until = None,
    as_: As = None,
    json: Json = False,
) -> None:
    """Answer a question with quotes, or say that it is not written down."""
    from knowhub.entrypoints.cli import answers

    filters = _filters(source, kind, container, author, since, until)
    with _app(quiet=json) as app:
        answer = app.ask(text, viewer=app.me(as_ or ()), filters=filters)
    answers.answer(answer, json=json)
    if not answer.found:
        raise typer.Exit(NOTHING_FOUND)


@cli.command()
def gaps(
    days: Annotated[
        int | None, typer.Option("--days", min=1, help="Of so many days; all that are kept if none.")
    ] = None,
    json: Json = False,
) -> None:
    """What people asked and nobody had written down, and who might know."""
    from knowhub.entrypoints.cli import answers

    with _app(quiet=json) as app:
        answers.gaps(app.gaps(viewer=app.me(), days=days), json=json)


# ── serve ────────────────────────────────────────────────────────────────────────────────────────────


@cli.command()
def serve(
    host: Annotated[str | None, typer.Option("--host", help="Where to listen, instead of server.host.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Instead of server.port; 0 takes a free one.")] = None,
    schedule: Annotated[bool, typer.Option("--schedule/--no-schedule", help="Also sync the sources in time.")] = True,
) -> None:
    """Answer by web page, REST and MCP, and keep the sources fresh."""
    from knowhub.entrypoints.cli.serving import run

    run(_configuration(), host=host, port=port, scheduled=schedule)


@cli.command()
def mcp(as_: As = None) -> None:
    """Serve the Model Context Protocol on standard input and output."""
    from knowhub.entrypoints.mcp import serve_stdio

    with _app(quiet=True) as app:
        serve_stdio(app, as_ or [])


# ── look ─────────────────────────────────────────────────────────────────────────────────────────────


@cli.command()
def status(
    sources: Sources = None,
    verify: Annotated[bool, typer.Option("--verify", help="Also compare the index with the ledger.")] = False,
    json: Json = False,
) -> None:
    """What exists, what is searchable, what is missing and why, and how fresh it is."""
    from knowhub.entrypoints.cli import output

    with _app(quiet=True) as app:
        found = app.status(sources or (), verify=verify)
    output.status(found, detailed=bool(sources), json=json)
    if any(one.holes or one.dead_letters or one.run is None or one.run.state != "ok" for one in found):
        raise typer.Exit(INCOMPLETE)


@cli.command()
def show(document: str, as_: As = None, json: Json = False) -> None:
    """What was stored of a document, how it was chunked, and who may read it."""
    from knowhub.entrypoints.cli import output

    with _app(quiet=True) as app:
        output.shown(app.show(document, viewer=app.me(as_ or ())), json=json)


@cli.command()
def export(
    out: Annotated[Path, typer.Argument(help="The file to write, or the folder of a WordPress export.")],
    source: Source = None,
    format: Annotated[
        ExportFormat,
        typer.Option("--format", help="One document a line, a row, or a folder of tables by WordPress post type."),
    ] = ExportFormat.jsonl,
    as_: As = None,
    json: Json = False,
) -> None:
    """Write every searchable document to a file."""
    from knowhub.entrypoints.cli import exporting, output

    with _app(quiet=json) as app:
        viewer = app.me(as_ or ())
        if format is ExportFormat.wordpress:
            tables = exporting.write_files(out, app.wordpress_tables(source or (), viewer=viewer))
            output.exported_files(out, tables, json=json)
        else:
            count = exporting.write(out, format.value, app.documents(source or (), viewer=viewer))
            output.exported(out, count, json=json)


@cli.command()
def forget(
    name: Annotated[str, typer.Argument(metavar="DOCUMENT|SOURCE")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase a document or a whole source from index and lake."""
    from knowhub.entrypoints.cli import output

    if not yes:
        _confirm(f"Erase {name} from index and lake, all versions of it?")
    with _app(quiet=json) as app:
        output.forgotten(name, app.forget(name), json=json)


def _confirm(question: str) -> None:
    from knowhub.core.errors import ConfigurationError

    try:
        agreed = typer.confirm(question, err=True)
    except typer.Abort:
        agreed = False
    if not agreed:
        raise ConfigurationError("nothing was erased", cure="Say yes, or give --yes.")


@cli.command(name="eval")
def evaluate(
    place: Annotated[Path, typer.Argument(metavar="DIR|FILE", help="A BEIR-style folder, or a file of questions.")],
    queries: Annotated[Path | None, typer.Option("--queries", help="Another queries file of the folder.")] = None,
    json: Json = False,
) -> None:
    """Measure search by words, by meaning and by both."""
    from knowhub.entrypoints.cli import output

    with _app(quiet=json, needs_file=place.is_file()) as app:
        if place.is_file():
            output.question_evaluation(app.evaluate_questions(place, viewer=app.me()), json=json)
        else:
            output.evaluation(app.evaluate(place, queries), json=json)


access.register(cli, lambda quiet: _app(quiet=quiet))


def main() -> None:
    """The console script."""
    # A sync makes millions of small objects that live for a page: looking them through every 700 costs a tenth of it.
    gc.set_threshold(50_000, 20, 50)
    sys.exit(run(sys.argv[1:]))


def run(words: list[str]) -> int:
    """Run one command line and return its exit code; every failure is one sentence on standard error."""
    from knowhub.core.errors import KnowhubError

    json = "--json" in words
    try:
        cli(_global_first(words))
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if code == INTERRUPTED:  # what Typer makes of an interrupt
            return _ended("Stopped. What was done is kept; the same command goes on from there.", code, json=json)
        # Typer has said what was wrong.
        return _ended("wrong usage", code, json=json, said=True) if code == WRONG_USAGE else code
    except KnowhubError as error:
        return _failed(str(error), error, json=json)
    except Exception as error:  # noqa: BLE001  # the last place that can turn a fault of ours into a sentence
        sentence = f"Unexpected {type(error).__name__}: {error}. Run again with --debug to see where"
        return _failed(sentence, error, json=json)
    return 0


def _global_first(words: list[str]) -> list[str]:
    """`knowhub status --config FILE` as people type it: what is meant for all commands goes before the command."""
    moved, rest = [], []
    left = iter(words)
    for word in left:
        if word == "--":
            rest += [word, *left]
        elif word == "--config":
            moved += [word, *([value] if (value := next(left, None)) is not None else [])]
        elif word == "--debug" or word.startswith("--config="):
            moved.append(word)
        else:
            rest.append(word)
    return moved + rest


def _failed(sentence: str, error: Exception, *, json: bool) -> int:
    if _chosen.debug:
        raise error
    return _ended(f"{sentence.removesuffix('.')}.", 1, json=json)


def _ended(sentence: str, code: int, *, json: bool, said: bool = False) -> int:
    """The one sentence to people, and to machines that asked for JSON."""
    if not said:
        sys.stderr.write(f"{sentence}\n")
    if json:
        import json as jsonlib

        sys.stdout.write(jsonlib.dumps({"error": sentence}) + "\n")
    return code


if __name__ == "__main__":
    main()
