"""Type ▸ adapter: one entry each. Adapters are imported when they are chosen."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

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


def _gitlab(connection: Connection) -> Connected:
    from knowhub.sources.gitlab import GitLabOptions, GitLabParser, GitLabSource

    options: GitLabOptions = connection.options(GitLabOptions)
    parser = GitLabParser(connection.parse_file)
    return Connected(GitLabSource(connection.name, options), parser, options.acl(Acl()))


def _backlog(connection: Connection) -> Connected:
    from knowhub.sources.backlog import BacklogOptions, BacklogParser, BacklogSource

    options: BacklogOptions = connection.options(BacklogOptions)
    parser = BacklogParser(connection.parse_file)
    return Connected(BacklogSource(connection.name, options), parser, options.acl(Acl()))


def _discord(connection: Connection) -> Connected:
    from knowhub.sources.discord import DiscordOptions, DiscordParser, DiscordSource

    options: DiscordOptions = connection.options(DiscordOptions)
    parser = DiscordParser(connection.parse_file)
    return Connected(DiscordSource(connection.name, options), parser, options.acl(Acl()))


def _confluence(connection: Connection) -> Connected:
    from knowhub.sources.confluence import ConfluenceOptions, ConfluenceParser, ConfluenceSource

    options: ConfluenceOptions = connection.options(ConfluenceOptions)
    parser = ConfluenceParser(connection.parse_file)
    return Connected(ConfluenceSource(connection.name, options), parser, options.acl(Acl()))


def _jira(connection: Connection) -> Connected:
    from knowhub.sources.jira import JiraOptions, JiraParser, JiraSource

    options: JiraOptions = connection.options(JiraOptions)
    parser = JiraParser(connection.parse_file)
    return Connected(JiraSource(connection.name, options), parser, options.acl(Acl()))


def _github(connection: Connection) -> Connected:
    from knowhub.sources.github import GitHubOptions, GitHubParser, GitHubSource

    options: GitHubOptions = connection.options(GitHubOptions)
    parser = GitHubParser(connection.parse_file)
    return Connected(GitHubSource(connection.name, options), parser, options.acl(Acl()))


def _wordpress(connection: Connection) -> Connected:
    from knowhub.sources.wordpress import WordPressOptions, WordPressParser, WordPressSource

    options: WordPressOptions = connection.options(WordPressOptions)
    parser = WordPressParser(connection.parse_file)
    return Connected(WordPressSource(connection.name, options), parser, options.acl(Acl()))


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
    "gitlab": _gitlab,
    "backlog": _backlog,
    "discord": _discord,
    "confluence": _confluence,
    "jira": _jira,
    "github": _github,
    "wordpress": _wordpress,
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
