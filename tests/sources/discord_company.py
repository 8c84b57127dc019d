"""A small company on Discord and a hub that syncs it, for tests of one behaviour at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import Document, RawRecord, SourceName
from knowhub.sources.discord import DiscordOptions, DiscordParser, DiscordSource
from tests.contracts.api_source import ApiHub, Truth
from tests.servers.discord import (
    TOKEN,
    Channel,
    Discord,
)
from tests.servers.kit import Asked, VirtualClock
from tests.sources.test_discord import plain_file


class Company:
    """One server with one text channel; options as a test wants them."""

    def __init__(self, **options: Any) -> None:
        self.clock = VirtualClock()
        self.server = Discord(self.clock)
        self.name = SourceName("chat")
        self.secrets = (TOKEN,)
        self.options = {"census_hours": 1000, "reread_minutes": 60, "token": Secret(TOKEN), **options}
        self.ana, self.ben = (self.server.add_user(name).id for name in ("ana", "ben"))
        self.guild = self.server.add_guild("Acme", self.ana)
        self.server.join(self.guild, self.ben)
        self.general = self.server.add_channel(self.guild, "general")

    def source(self) -> DiscordSource:
        options = DiscordOptions(base_url=f"{self.server.url}/api/v10", **self.options)
        return DiscordSource(self.name, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        return DiscordParser(plain_file)(record, sequence)

    def asked(self, since: int, ending: str = "") -> list[str]:
        return [one.path for one in self.server.log[since:] if one.path.endswith(ending)]

    # what ApiHub does not need of a world
    def change(self, rng: Any) -> None: ...

    def truth(self) -> Truth:
        return Truth({}, frozenset())

    def settle(self) -> None: ...

    def page_of(self, asked: Asked) -> str | None:
        return None

    def idle_requests(self) -> int:
        return 0


class Running:
    """A company and a hub that has synced it."""

    def __init__(self, folder: Path, company: Company) -> None:
        self.company = company
        self.hub = ApiHub(folder, company)
        self.gaps: list[str] = []

    def sync(self, **later: float) -> dict[str, str]:
        """Texts by item, after a sync so much later."""
        self.company.clock.advance(**(later or {"minutes": 2}))
        self.gaps = self.hub.calm_sync().fetched.gaps
        return self.texts()

    def texts(self) -> dict[str, str]:
        return {id.removeprefix("chat:"): document.text for id, document in self.hub.documents().items()}

    def said(self) -> str:
        return "\n".join(self.texts().values())

    def row(self, channel: Channel) -> Any:
        rows = self.hub.ledgers.reports.coverage(self.company.name)
        return next(row for row in rows if row.container == channel.id)
