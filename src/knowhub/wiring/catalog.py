"""Type ▸ adapter: one entry each. Adapters are imported when they are chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from knowhub.connecting.options import ApiOptions
from knowhub.core.errors import ConfigurationError
from knowhub.core.ports import Parser, Source
from knowhub.core.types import Acl, SourceName
from knowhub.formats.parsed import Parsed
from knowhub.wiring.settings import Configuration

ParseFile = Callable[[bytes, str], Parsed]


@dataclasses.dataclass(frozen=True, slots=True)
class Connected:
    """A configured source with its parser, and the ACL of what carries none."""

    source: Source
    parse: Parser
    acl: Acl


@dataclasses.dataclass(frozen=True, slots=True)
class Connection:
    """What a connector is made from. `scratch` is a folder that it may use and lose."""

    name: SourceName
    table: Mapping[str, Any]
    configuration: Configuration
    scratch: Path
    parse_file: ParseFile

    def options(self, kind: type[Any], **given: Any) -> Any:
        """The source's table as its options dataclass; `given` are fields that wiring fills, not people."""
        table = {key: value for key, value in self.table.items() if key != "type"}
        for name in given.keys() & table.keys():
            raise ConfigurationError(f"sources.{self.name}.{name}: unknown key")
        required = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
        if "readers" in required:
            table.setdefault("readers", list(self.configuration.settings.access.readers))
        return self.configuration.options(f"sources.{self.name}", kind, {**table, **given})


def _api(name: str, prefix: str) -> Callable[[Connection], Connected]:
    """For a source behind an API: `knowhub.sources.{name}` has its Options, Source and Parser under that prefix."""

    def made(connection: Connection) -> Connected:
        module = import_module(f"knowhub.sources.{name}")
        options: ApiOptions = connection.options(getattr(module, f"{prefix}Options"))
        source = getattr(module, f"{prefix}Source")(connection.name, options)
        parser = getattr(module, f"{prefix}Parser")(connection.parse_file)
        return Connected(source, parser, options.acl(Acl()))

    return made


def _slack(connection: Connection) -> Connected:
    from knowhub.sources.slack import SlackOptions, SlackParser, SlackSource
    from knowhub.sources.slack_export import SlackExportOptions, SlackExportSource

    options: SlackOptions = connection.options(SlackOptions)
    export = None
    if options.export:
        chosen = SlackExportOptions(
            options.export, options.readers, include_dms=options.include_dms, bot_messages=options.bot_messages
        )
        export = SlackExportSource(connection.name, chosen)
    source = SlackSource(connection.name, options, backfill=export)
    return Connected(source, SlackParser(connection.parse_file), options.acl(Acl()))


def _files(connection: Connection) -> Connected:
    from knowhub.formats.files import unsupported_reason
    from knowhub.sources.files import FilesOptions, FilesParser, FilesSource

    options: FilesOptions = connection.options(FilesOptions)
    source = FilesSource(connection.name, options, unsupported=unsupported_reason)
    return Connected(source, FilesParser(options, connection.parse_file), Acl.of(*options.readers))


def _git(connection: Connection) -> Connected:
    from knowhub.sources.git import GitOptions, GitParser, GitSource

    options: GitOptions = connection.options(GitOptions, cache=connection.scratch)
    local = connection.configuration.path(Path(options.url))
    if "://" not in options.url and local.exists():
        options = dataclasses.replace(options, url=str(local))
    return Connected(
        GitSource(connection.name, options), GitParser(options, connection.parse_file), Acl.of(*options.readers)
    )


def _slack_export(connection: Connection) -> Connected:
    from knowhub.sources.slack_export import SlackExportOptions, SlackExportSource, parse_slack_export

    options: SlackExportOptions = connection.options(SlackExportOptions)
    return Connected(SlackExportSource(connection.name, options), parse_slack_export, Acl.of(*options.readers))


def _imported(connection: Connection) -> Connected:
    from knowhub.sources.imported import ImportedOptions, ImportedSource, parse_imported

    options: ImportedOptions = connection.options(ImportedOptions)
    return Connected(ImportedSource(connection.name), parse_imported, Acl.of(*options.readers))


SOURCES: Mapping[str, Callable[[Connection], Connected]] = {
    "slack": _slack,
    "gitlab": _api("gitlab", "GitLab"),
    "backlog": _api("backlog", "Backlog"),
    "discord": _api("discord", "Discord"),
    "confluence": _api("confluence", "Confluence"),
    "jira": _api("jira", "Jira"),
    "github": _api("github", "GitHub"),
    "wordpress": _api("wordpress", "WordPress"),
    "files": _files,
    "git": _git,
    "slack_export": _slack_export,
    "imported": _imported,
}


def connect(connection: Connection) -> Connected:
    """The source that a table of the configuration describes. Raises ConfigurationError."""
    kind = str(connection.table.get("type", ""))
    if kind not in SOURCES:
        known = ", ".join(sorted(SOURCES))
        problem = f"{kind!r} is not a type of source" if kind else "the type is missing"
        raise ConfigurationError(
            f"{connection.configuration.file.name}: sources.{connection.name}.type: {problem}",
            cure=f"Use one of {known}.",
        )
    return SOURCES[kind](connection)
