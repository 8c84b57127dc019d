"""Commands about people: keys, memberships, who may read a document and who did. `register` adds them to the others."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from knowhub.access.explaining import Explanation
    from knowhub.core.ports import AuditEntry, DirectoryState, Scope, StoredKey
    from knowhub.pipelines.directories import DirectoryReport
    from knowhub.wiring.people import PeopleMoves

INCOMPLETE, MAY_NOT = 3, 4
"""Exit codes: a directory is old or could not be read; the viewer may not read the document."""


class KeyScope(StrEnum):
    """What a key may be used for."""

    read = "read"
    admin = "admin"


OpenApp = Callable[[bool], "AbstractContextManager[PeopleMoves]"]
"""Opens the hub; the argument says to show no progress."""

Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
KeyEmail = Annotated[str, typer.Option("--email", metavar="ADDRESS", help="The person whom it acts as.")]
KeyPrincipals = Annotated[
    list[str] | None, typer.Option("--principal", metavar="PRINCIPAL", help="For a service: what it holds; repeatable.")
]
KeyScopes = Annotated[
    list[KeyScope] | None, typer.Option("--scope", help="read (the default) or admin; may be repeated.")
]
KeyDays = Annotated[int | None, typer.Option("--days", min=1, help="When it expires; never if not given.")]
Sources = Annotated[list[str] | None, typer.Argument(metavar="[SOURCE]...", help="Names of sources; all if none.")]
ReadNow = Annotated[bool, typer.Option("--sync", help="Read them from the sources now.")]
Who = Annotated[str, typer.Argument(metavar="VIEWER", help="An address, me, anyone, or principals with commas.")]
Document = Annotated[str, typer.Argument(metavar="DOCUMENT", help="Its id, location or title.")]
ByViewer = Annotated[str, typer.Option("--viewer", metavar="NAME", help="Only what this one was shown.")]
ByDocument = Annotated[str, typer.Option("--document", metavar="ID", help="Only whom this document was shown to.")]
Since = Annotated[
    datetime | None, typer.Option("--since", formats=["%Y-%m-%d"], metavar="DATE", help="Only from this day on.")
]
Limit = Annotated[int, typer.Option("--limit", min=1, help="How many entries.")]


def register(cli: typer.Typer, open_app: OpenApp) -> None:
    """Add the commands, which open the hub with `open_app`."""
    commands = AccessCommands(open_app)
    keys = typer.Typer(no_args_is_help=True, help="API keys: for programs, and for people who use them.")
    keys.command("list")(commands.list_keys)
    keys.command("add")(commands.add_key)
    keys.command("revoke")(commands.revoke_key)
    cli.add_typer(keys, name="keys")
    cli.command("memberships")(commands.memberships)
    cli.command("why-visible")(commands.why_visible)
    cli.command("audit")(commands.audit)


@dataclass(frozen=True, slots=True)
class AccessCommands:
    """One method a command."""

    open_app: OpenApp

    def list_keys(self, json: Json = False) -> None:
        """List API keys; their secrets are not stored."""
        with self.open_app(json) as app:
            found = app.keys()
        _print([_key(key) for key in found], "keys", "No API keys.", json=json)

    def add_key(
        self,
        name: Annotated[str, typer.Argument(help="What it is for.")],
        email: KeyEmail = "",
        principal: KeyPrincipals = None,
        scope: KeyScopes = None,
        days: KeyDays = None,
        json: Json = False,
    ) -> None:
        """Make an API key, and show it once."""
        from knowhub.entrypoints.cli.output import print_json

        scopes: frozenset[Scope] = frozenset(
            "admin" if one is KeyScope.admin else "read" for one in scope or [KeyScope.read]
        )
        with self.open_app(json) as app:
            made = app.add_key(name, scopes=scopes, email=email, principals=principal or (), days=days)
        if json:
            return print_json({**_key(made.stored), "key": made.token.reveal()})
        typer.echo(made.token.reveal())
        typer.echo(f"Keep it now: it is shown only this once. Its id is {made.stored.id}.", err=True)
        return None

    def revoke_key(
        self, id: Annotated[str, typer.Argument(metavar="ID", help="As `keys list` shows it.")], json: Json = False
    ) -> None:
        """Make an API key worthless from now on."""
        from knowhub.entrypoints.cli.output import print_json

        with self.open_app(json) as app:
            app.revoke_key(id)
        if json:
            return print_json({"revoked": id})
        typer.echo(f"The key {id} is refused from now on.")
        return None

    def memberships(self, sources: Sources = None, sync: ReadNow = False, json: Json = False) -> None:
        """Show how old people and memberships of the sources are; the old ones grant nothing."""
        with self.open_app(json) as app:
            reports = app.read_directories(sources or ()) if sync else []
            found = [(state, stale) for state, stale in app.directories() if not sources or state.source in sources]
        _print([_directory(state, stale) for state, stale in found], "directories", "No directories.", json=json)
        if not json:
            _say_dropped(reports)
        if any(stale or state.error for state, stale in found):
            raise typer.Exit(INCOMPLETE)

    def why_visible(self, viewer: Who, document: Document, json: Json = False) -> None:
        """Explain, layer by layer, why somebody may read a document, or may not."""
        from knowhub.entrypoints.cli.output import print_json

        with self.open_app(json) as app:
            told = app.why_visible(viewer, document)
        if json:
            print_json(_explanation(told))
        else:
            typer.echo("\n".join(told.lines()))
        if not told.visible:
            raise typer.Exit(MAY_NOT)

    def audit(
        self, viewer: ByViewer = "", document: ByDocument = "", since: Since = None, limit: Limit = 100,
        json: Json = False,
    ) -> None:  # fmt: skip
        """List who was shown what and when: ids, never texts."""
        from datetime import UTC

        start = since.replace(tzinfo=UTC) if since else None
        with self.open_app(json) as app:
            found = app.audit(viewer=viewer, document=document, since=start, limit=limit)
        _print([_entry(one) for one in found], "entries", "Nothing on record.", json=json)


# ── what is printed ──────────────────────────────────────────────────────────────────────────────────


def _print(rows: list[dict[str, Any]], name: str, empty: str, *, json: bool) -> None:
    """A table whose columns are the rows' keys, or one JSON object."""
    from knowhub.entrypoints.cli.output import console_here, print_json

    if json:
        return print_json({name: rows})
    console: Console = console_here()
    if not rows:
        return console.print(empty)
    from rich.markup import escape
    from rich.table import Table

    table = Table(*rows[0], box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(escape(_cell(value)) for value in row.values()))
    return console.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "\n".join(value)
    return "" if value is None else str(value)


def _key(key: StoredKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "acts as": key.email or ", ".join(key.principals),
        "scopes": ", ".join(sorted(key.scopes)),
        "created": key.created_at,
        "expires": key.expires_at,
        "last used": key.used_at,
    }


def _directory(state: DirectoryState, stale: bool) -> dict[str, Any]:
    return {
        "source": state.source,
        "people": state.people,
        "memberships": state.memberships,
        "read at": state.read_at,
        "grants": not stale,
        "last try": state.tried_at,
        "error": state.error,
    }


def _say_dropped(reports: list[DirectoryReport]) -> None:
    for report in reports:
        for what, count in report.dropped.items():
            typer.echo(f"{report.source}: left out {count} times {what}.", err=True)


def _explanation(told: Explanation) -> dict[str, Any]:
    layers = [
        {"passed": one.passed, "wanted": list(one.wanted), "chain": list(one.chain), "because": one.ground}
        for one in told.layers
    ]
    stale = [state.source for state in told.stale]
    return {"viewer": told.viewer, "visible": told.visible, "layers": layers, "stale_directories": stale}


def _entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "at": entry.at,
        "viewer": entry.viewer,
        "action": entry.action,
        "surface": entry.surface,
        "documents": list(entry.documents),
    }
