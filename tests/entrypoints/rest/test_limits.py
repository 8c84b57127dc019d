from __future__ import annotations

import asyncio
from contextlib import ExitStack

import pytest

from knowhub.entrypoints.rest.limits import Buckets, Gate, Streams
from knowhub.entrypoints.rest.problems import Refused


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def refused(status: int) -> pytest.RaisesExc[Refused]:
    return pytest.raises(Refused, check=lambda error: error.status_code == status)


def test_a_bucket_gives_as_many_as_it_holds_and_then_says_how_long_to_wait() -> None:
    clock = Clock()
    buckets = Buckets(60, clock=clock)
    for _ in range(60):
        buckets.take("ana")
    with refused(429) as error:
        buckets.take("ana")
    assert error.value.headers == {"Retry-After": "1"}
    buckets.take("ben")
    clock.now += 1
    buckets.take("ana")
    with refused(429):
        buckets.take("ana")


def test_a_bucket_never_holds_more_than_a_minute_of_requests() -> None:
    clock = Clock()
    buckets = Buckets(2, clock=clock)
    clock.now += 3600
    buckets.take("ana")
    buckets.take("ana")
    with refused(429):
        buckets.take("ana")


def test_what_is_refused_costs_nothing() -> None:
    clock = Clock()
    buckets = Buckets(60, clock=clock)
    for _ in range(60):
        buckets.take("ana")
    for _ in range(100):
        with refused(429):
            buckets.take("ana")
    clock.now += 1
    buckets.take("ana")


def test_ten_thousand_strangers_do_not_fill_the_memory() -> None:
    buckets = Buckets(1, clock=Clock())
    for number in range(10_001):
        buckets.take(f"stranger {number}")
    assert len(buckets._levels) == 10_000


def test_a_full_gate_sends_away_at_once_and_lets_in_again() -> None:
    gate = Gate(1, 2)
    with ExitStack() as held:
        for _ in range(3):
            held.enter_context(gate.place())
        with refused(429) as error, gate.place():
            pass
        assert error.value.headers is not None
        assert int(error.value.headers["Retry-After"]) >= 1
    with gate.place():
        pass


def test_a_gate_lets_run_as_many_as_it_says_in_order_of_arrival() -> None:
    order: list[int] = []
    running: list[int] = []

    async def work(gate: Gate, number: int) -> None:
        with gate.place():
            async with gate.turn():
                order.append(number)
                running.append(number)
                assert len(running) <= 2
                await asyncio.sleep(0)
                running.remove(number)

    async def all_of_them() -> None:
        gate = Gate(2, 10)
        await asyncio.gather(*(work(gate, number) for number in range(10)))

    asyncio.run(all_of_them())
    assert order == list(range(10))


def test_a_closed_gate_lets_nobody_in_and_tells_when_the_last_has_left() -> None:
    async def closing() -> None:
        gate = Gate(1, 1)
        place = gate.place()
        place.__enter__()
        gate.close()
        with refused(503), gate.place():
            pass
        waiting = asyncio.create_task(gate.idle())
        await asyncio.sleep(0)
        assert not waiting.done()
        place.__exit__(None, None, None)
        await waiting

    asyncio.run(closing())


def test_streams_are_counted_by_name() -> None:
    streams = Streams(1)
    with streams.place("ana"):
        with refused(429), streams.place("ana"):
            pass
        with streams.place("ben"):
            pass
    with streams.place("ana"):
        pass
    assert not streams._open
