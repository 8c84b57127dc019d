"""The notice boards of `examples/connector/noticeboard.py`: pages of three, the oldest edit first."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

TOKEN = "a-noticeboard-token"
_PAGE = 3


@dataclass
class Board:
    name: str
    readers: set[str]
    closed: bool = False
    notices: dict[int, dict[str, str]] = field(default_factory=dict)


class Noticeboard(SimulatedApi):
    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.boards: dict[str, Board] = {}
        self.people = ("ann", "bob", "cid")
        self._ids = 0

    def write(self, board: str, title: str, body: str, author: str, notice: int | None = None) -> None:
        self._ids += 1
        self.clock.advance(seconds=1)
        edited = self.clock.now().isoformat()
        self.boards[board].notices[notice or self._ids] = {
            "title": title, "body": body, "author": author, "edited": edited
        }  # fmt: skip

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer({"message": "Bad token"}, 401)
        match asked.parts:
            case ["boards"]:
                return Answer(
                    [{"id": id, "name": b.name, "readers": sorted(b.readers)} for id, b in self.boards.items()]
                )
            case ["people"]:
                return Answer([{"id": one, "name": one.title(), "email": f"{one}@example.com"} for one in self.people])
            case ["boards", id, *rest] if id in self.boards:
                board = self.boards[id]
                if board.closed:
                    return Answer({"message": "You may not read this board"}, 403)
                return Answer(sorted(board.notices)) if rest[-1] == "ids" else self._page(board, asked)
        return Answer({"message": "Not found"}, 404)

    @staticmethod
    def _page(board: Board, asked: Asked) -> Answer:
        since = asked.one("since")
        found = sorted(({"id": id, **n} for id, n in board.notices.items() if str(n["edited"]) >= since),
                       key=lambda n: str(n["edited"]))  # fmt: skip
        return Answer({"total": len(board.notices), "notices": found[:_PAGE]})


def random_change(api: Noticeboard, rng: random.Random, fresh: str) -> None:
    """Somebody writes, edits, takes down, opens, closes, renames."""
    id = rng.choice(sorted(api.boards))
    board = api.boards[id]
    match rng.choice(["write", "write", "edit", "take down", "readers", "rename", "close"]):
        case "write":
            api.write(id, f"News {fresh}", f"Read this: {fresh}!", rng.choice(api.people))
        case "edit" if board.notices:
            api.write(id, f"News {fresh}", f"Changed: {fresh}", "ann", rng.choice(sorted(board.notices)))
        case "take down" if board.notices:
            del board.notices[rng.choice(sorted(board.notices))]
        case "readers":
            board.readers ^= {rng.choice(api.people)}
        case "rename":
            board.name = f"Board {rng.randrange(100)}"
        case "close":
            board.closed = not board.closed
