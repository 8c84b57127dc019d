"""GitLab passes what every source behind an API must."""

from __future__ import annotations

import random

from knowhub.core.secret import Secret
from knowhub.core.types import Document, RawRecord, SourceName
from knowhub.formats.files import parse_file
from knowhub.sources.gitlab import GitLabOptions, GitLabParser, GitLabSource
from knowhub.sources.gitlab.options import KINDS, USUAL
from tests.contracts.api_source import ApiSourceContract, ApiWorld, Marks
from tests.servers.gitlab import TOKEN, GitLab
from tests.servers.gitlab_world import Life
from tests.servers.kit import Asked, VirtualClock

_LISTS = ("issues", "merge_requests", "epics", "wikis", "releases", "snippets", "tree", "commits")


class GitLabWorld:
    """Small pages, counts that are sometimes hidden, censuses each time or once a day."""

    def __init__(self, rng: random.Random) -> None:
        self.clock = VirtualClock()
        self.server = GitLab(self.clock)
        self.server.most_per_page = rng.choice([2, 3, 100])
        self.server.counted = rng.choice([10_000, 1])
        self.server.most_changes = rng.choice([2, 100])
        self.name = SourceName("forge")
        self.secrets = (TOKEN, "GR-a-secret-of-the-project", "a-signed-avatar")
        self.marks = Marks()
        self.kinds = rng.choice([(), KINDS])
        self.census_hours = rng.choice([0, 24])
        self.life = Life(self.server, self.marks, self.name, frozenset(self.kinds or USUAL))
        self.life.populate(rng)

    def source(self) -> GitLabSource:
        options = GitLabOptions(
            base_url=self.server.url,
            token=Secret(TOKEN),
            groups=("acme",),
            kinds=self.kinds,
            census_hours=self.census_hours,
        )
        return GitLabSource(self.name, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return GitLabParser(parse_file)(record, sequence)

    def change(self, rng: random.Random) -> None:
        self.life.change(rng)

    def truth(self):  # type: ignore[no-untyped-def]
        return self.life.truth()

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        parts = asked.parts
        if len(parts) < 5 or parts[-1] not in _LISTS or asked.one("per_page") == "1":
            return None
        return f"{parts[2]}:{parts[3]}"

    def idle_requests(self) -> int:
        """A group, its projects and groups; then one cheap question for each kind of each place."""
        pages = 3 + len(self.server.projects) + len(self.server.groups)
        return pages + 7 * len(self.server.projects) + len(self.server.groups)


class TestGitLab(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return GitLabWorld(rng)
