"""GitHub and GitHub Enterprise Server ▸ issues, pull requests, discussions, releases, files and commits.

    repositories ─▶ one at a time: issues ▸ discussions ▸ releases ▸ files ▸ commits ─▶ Census | Counted | Gap

The cursor holds, for each repository by its number, how far each of these came. It is saved while they go on, so that
a killed sync goes on where it was; the times of censuses are saved at the end, with the deletions that they imply.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterable, Iterator
from typing import Any

from knowhub.connecting.versions import digest, due
from knowhub.core.errors import KnowhubError, TransientError
from knowhub.core.ports import Known
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    ContainerGone,
    ContainerId,
    Counted,
    Cursor,
    Failed,
    Fetched,
    Gap,
    ItemId,
    Membership,
    Person,
    RawRecord,
    Skipped,
    SourceName,
)
from knowhub.http import SYSTEM_CLOCK, Clock
from knowhub.sources.github.api import Api, must_stop, refusal
from knowhub.sources.github.checks import check
from knowhub.sources.github.commits import Commits
from knowhub.sources.github.directory import memberships, people
from knowhub.sources.github.discussions import Discussions
from knowhub.sources.github.files import Files
from knowhub.sources.github.held import Held
from knowhub.sources.github.issues import Issues
from knowhub.sources.github.options import GitHubOptions
from knowhub.sources.github.records import Repository
from knowhub.sources.github.releases import Releases
from knowhub.sources.github.repositories import Found, find_repositories, still_there
from knowhub.sources.github.stream import UNREADABLE, Scope, Stream

log = logging.getLogger(__name__)

_WIKI = "wiki: read it with a git source"
_DEAD_AFTER = 3


class GitHubSource:
    """One repository is one container. Implements `Source` and `Directory`."""

    def __init__(self, name: SourceName, options: GitHubOptions, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self.name = name
        self._options = options
        self._clock = clock

    def check(self) -> list[str]:
        try:
            return check(self._api(), self.name, self._options)
        except KnowhubError as error:
            return [f"{self.name}: {error}"]

    def people(self) -> Iterator[Person]:
        return people(self._api(), self.name, self._options)

    def memberships(self) -> Iterator[Membership]:
        return memberships(self._api(), self.name, self._options)

    def fetch(self, cursor: Cursor | None, known: Known) -> Iterator[Fetched]:
        api = self._api()
        progress = _Progress(cursor, self._settings(), api.sizes)
        found = find_repositories(api, self.name, self._options)
        failures = 0
        for repo in found.repositories.values():
            failed = False
            for fetched in self._repository(api, repo, progress, known):
                failed |= isinstance(fetched, Gap) and progress.unreachable
                yield fetched
            failures = failures + 1 if failed else 0
            if failures >= _DEAD_AFTER:
                raise TransientError(f"{self._options.base_url} does not answer", cure="Sync again later.")
        yield from self._others(api, known, found, progress)
        yield progress.last()

    def _api(self) -> Api:
        return Api(self._options, self._clock)

    def _settings(self) -> str:
        """What makes everything be looked at again when it changes."""
        options = self._options
        chosen = [options.since, options.attachments, options.discussions, options.releases, options.files]
        return digest([*map(str, chosen), options.commits, options.max_attachment_bytes], Acl.of(*options.readers))

    def _others(self, api: Api, known: Known, found: Found, progress: _Progress) -> Iterator[Fetched]:
        """Repositories that the ledger knows and that were not listed, and what could not be listed itself."""
        missing = found.missing
        unlisted = {item.container for item in known.items()} | progress.containers()
        unlisted -= {repo.container for repo in found.repositories.values()}
        for container in sorted(unlisted):
            name = progress.name(container)
            if missing:
                yield Gap(container, name, "; ".join(missing.values()))
            elif "/" in name and still_there(api, self._options, name, container):
                yield Gap(container, name, "it is there and was not in the list; sync again")
            else:
                progress.forget(container)
                yield ContainerGone(container)
        told = {progress.name(container) for container in unlisted}
        unseen = {ContainerId(name): sentence for name, sentence in missing.items() if name not in told}
        for container, sentence in unseen.items():
            yield Gap(container, container, sentence)
        yield from map(ContainerGone, progress.healed(unseen))

    # ── one repository ───────────────────────────────────────────────────────────────────────────────

    def _repository(self, api: Api, repo: Repository, progress: _Progress, known: Known) -> Iterator[Fetched]:
        state = progress.of(repo)
        held = Held(known.in_container(repo.container))
        now = self._clock.now()
        census_due = progress.census_due(repo, self._options.census_hours, now)
        problems: list[str] = []
        streams: list[Stream] = []
        progress.unreachable = False
        for kind, name in self._streams(repo):
            if api.anonymous and name == "discussions":
                problems.append(
                    "GitHub shows discussions to none but those who sign in. Set a token, or discussions = false."
                )
                continue
            part = state.setdefault(name, {})
            scope = Scope(api, repo, self._options, part, held, known, census_due)
            stream = kind(scope)
            streams.append(stream)
            try:
                for fetched in stream.sync():
                    if not isinstance(fetched, Checkpoint):
                        held.note(fetched)
                        yield fetched
                    elif progress.moved():
                        yield progress.saved()
                    progress.note(fetched)
            except UNREADABLE as error:
                if must_stop(error):
                    raise
                progress.unreachable |= isinstance(error, TransientError)
                problems.append(refusal(error))
        log.info("repository read", extra={"repository": repo.id, "problems": len(problems)})
        if problems:
            yield Gap(repo.container, repo.name, " ".join(dict.fromkeys(problems)))
            return
        yield from self._told(repo, streams, held)
        progress.census(repo, now, due=census_due)

    def _told(self, repo: Repository, streams: list[Stream], held: Held) -> Iterator[Fetched]:
        """What there is in the repository by all that is known now."""
        items: set[ItemId] = set()
        if repo.shown.get("has_wiki"):
            wiki = ItemId(f"wiki:{repo.id}")
            items.add(wiki)
            yield Skipped(repo.container, wiki, _WIKI, f"{repo.name}.wiki")
        items = items.union(*(stream.items for stream in streams))
        expected = sum(stream.expected for stream in streams) + bool(repo.shown.get("has_wiki"))
        surplus = held.all() - items
        if surplus or any(stream.listed is not None for stream in streams):
            yield Census(repo.container, repo.name, frozenset(items), expected)
        else:
            yield Counted(repo.container, repo.name, expected)

    def _streams(self, repo: Repository) -> Iterator[tuple[type[Stream], str]]:
        options = self._options
        yield Issues, "issues"
        if options.discussions and repo.shown.get("has_discussions"):
            yield Discussions, "discussions"
        if options.releases:
            yield Releases, "releases"
        if options.files:
            yield Files, "files"
        if options.commits:
            yield Commits, "commits"


class _Progress:
    """The cursor while it moves."""

    def __init__(self, cursor: Cursor | None, settings: str, sizes: dict[str, int]) -> None:
        held: dict[str, Any] = copy.deepcopy(dict(cursor or {}))
        self._settings = settings
        same = held.get("settings") == settings
        self._repositories: dict[str, dict[str, Any]] = held.get("repositories", {}) if same else {}
        self._before: dict[str, str] = held.get("censuses", {}) if same else {}
        self._censuses = dict(self._before)
        self._sizes = sizes
        self._sizes |= held.get("sizes", {})
        self._unseen: list[str] = held.get("unseen", [])
        self._moved = False
        self.unreachable = False

    def of(self, repo: Repository) -> dict[str, Any]:
        state = self._repositories.setdefault(repo.container, {})
        state["name"] = repo.name
        return state

    def census_due(self, repo: Repository, hours: float, now: Any) -> bool:
        """A first reading is a census of its own, also when it was cut: then the counts have to agree."""
        last = self._before.get(repo.container)
        return last is not None and due(last, hours, now)

    def census(self, repo: Repository, now: Any, *, due: bool) -> None:
        if due:
            self._forget_sizes(repo)
        if due or repo.container not in self._censuses:
            self._censuses[repo.container] = now.isoformat()

    def containers(self) -> set[ContainerId]:
        return {ContainerId(id) for id in self._repositories}

    def name(self, container: ContainerId) -> str:
        return str(self._repositories.get(container, {}).get("name", container))

    def forget(self, container: ContainerId) -> None:
        self._repositories.pop(container, None)
        self._censuses.pop(container, None)

    def _forget_sizes(self, repo: Repository) -> None:
        """What was too large once may have been so on a bad day."""
        for path in [path for path in self._sizes if path.startswith(f"{repo.path}/")]:
            del self._sizes[path]

    def healed(self, unseen: Iterable[ContainerId]) -> list[ContainerId]:
        """What could not be listed the last time and is no longer amiss."""
        before, self._unseen = self._unseen, sorted(unseen)
        return [ContainerId(name) for name in before if name not in self._unseen]

    def note(self, fetched: Fetched) -> None:
        self._moved |= isinstance(fetched, RawRecord | Skipped | Failed)

    def moved(self) -> bool:
        """Whether there is anything new that a checkpoint would keep."""
        return self._moved

    def saved(self) -> Checkpoint:
        self._moved = False
        return Checkpoint(self._cursor(self._before))

    def last(self) -> Checkpoint:
        return Checkpoint(self._cursor(self._censuses), last=True)

    def _cursor(self, censuses: dict[str, str]) -> Cursor:
        repositories = copy.deepcopy(self._repositories)
        return {
            "settings": self._settings,
            "repositories": repositories,
            "censuses": dict(censuses),
            "sizes": dict(self._sizes),
            "unseen": list(self._unseen),
        }
