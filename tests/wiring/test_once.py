from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from knowhub.core.ports import Index
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.once import once
from knowhub.wiring.settings import load

THREADS = 8


def asked_at_once(ask: Callable[[], object]) -> list[object]:
    """What each of some threads got that asked at the same moment."""
    ready = threading.Barrier(THREADS)

    def one(_: int) -> object:
        ready.wait()
        return ask()

    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(one, range(THREADS)))


class Slow:
    """Making a part takes until somebody else could have begun to."""

    def __init__(self) -> None:
        self.made = 0

    @once
    def part(self) -> object:
        self.made += 1
        threading.Event().wait(0.05)
        return object()

    @once
    def whole(self) -> list[object]:
        return [self.part]


def test_a_part_is_made_once_however_many_ask_for_it() -> None:
    slow = Slow()
    found = asked_at_once(lambda: slow.part)
    assert slow.made == 1
    assert len({id(part) for part in found}) == 1
    assert slow.whole == [slow.part]
    assert Slow().part is not slow.part


def test_a_part_that_could_not_be_made_is_tried_again() -> None:
    class Failing:
        tries = 0

        @once
        def part(self) -> int:
            self.tries += 1
            if self.tries == 1:
                raise OSError("not yet")
            return self.tries

    failing = Failing()
    with pytest.raises(OSError, match="not yet"):
        _ = failing.part
    assert failing.part == 2


def test_threads_that_look_for_the_index_at_once_open_it_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "knowhub.toml").write_text("")
    laptop = Laptop(load(tmp_path / "knowhub.toml"))
    opened: list[Index] = []

    def slowly(place: str) -> Index:
        threading.Event().wait(0.02)
        opened.append(object())  # type: ignore[arg-type]  # nobody searches it
        return opened[-1]

    monkeypatch.setattr(laptop, "index_at", slowly)
    found = asked_at_once(lambda: laptop.index)
    assert len(opened) == 1
    assert len({id(index) for index in found}) == 1
    laptop.close()
