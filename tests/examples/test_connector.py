"""The connector of docs/writing-a-source.md passes what every connector must."""

from __future__ import annotations

import importlib.util
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from knowhub.core.secret import Secret
from knowhub.core.types import ContainerId, Document, ItemId, Principal, RawRecord, SourceName
from tests.contracts.api_source import ApiSourceContract, ApiWorld, Marks, Seen, Truth
from tests.servers.kit import Asked, VirtualClock
from tests.servers.noticeboard import TOKEN, Board, Noticeboard, random_change

FILE = Path(__file__).parents[2] / "examples" / "connector" / "noticeboard.py"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("noticeboard", FILE)
    assert spec
    assert spec.loader
    module = sys.modules["noticeboard"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


EXAMPLE = load()


class NoticeboardWorld:
    def __init__(self, rng: random.Random) -> None:
        self.clock = VirtualClock()
        self.server = Noticeboard(self.clock)
        self.name = SourceName("boards")
        self.secrets = (TOKEN,)
        self.marks = Marks()
        self.census_hours = rng.choice([0, 24])
        self.server.boards = {id: Board(id.title(), {"ann", rng.choice(["bob", "cid"])}) for id in ("hall", "yard")}
        for _ in range(8):
            fresh = self.marks.fresh()
            self.server.write(rng.choice(["hall", "yard"]), f"Title {fresh}", f"Text {fresh}", "bob")

    def source(self) -> Any:
        options = EXAMPLE.NoticeboardOptions(
            base_url=self.server.url, token=Secret(TOKEN), census_hours=self.census_hours
        )
        return EXAMPLE.NoticeboardSource(self.name, options, clock=self.clock)

    def parse(self, record: RawRecord, sequence: int) -> Document:
        document: Document = EXAMPLE.parse_noticeboard(record, sequence)
        return document

    def change(self, rng: random.Random) -> None:
        random_change(self.server, rng, self.marks.fresh())

    def settle(self) -> None:
        self.clock.advance(hours=25)

    def page_of(self, asked: Asked) -> str | None:
        return asked.parts[1] if asked.parts[-1] == "notices" else None

    def idle_requests(self) -> int:
        return 1 + 2 * len(self.server.boards)

    def truth(self) -> Truth:
        items = {}
        for id, board in self.server.boards.items():
            readers = frozenset(Principal(f"boards:user:{one}") for one in board.readers)
            for number, notice in board.notices.items():
                mark = frozenset(word.strip("!") for word in notice["body"].split() if word.startswith("mark"))
                items[ItemId(f"notice:{number}")] = Seen(ContainerId(id), mark, readers)
        closed = frozenset(ContainerId(id) for id, board in self.server.boards.items() if board.closed)
        people = frozenset(Principal(f"boards:user:{one}") for one in self.server.people)
        return Truth(items, people, closed)


class TestNoticeboard(ApiSourceContract):
    def world(self, rng: random.Random) -> ApiWorld:
        return NoticeboardWorld(rng)
