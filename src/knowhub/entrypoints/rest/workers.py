"""Threads that answer questions, apart from those that serve everything else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import TypeVar

Result = TypeVar("Result")
Told = TypeVar("Told")
_Job = Callable[[], None]


class Workers:
    """`count` threads that die with the process: a question that hangs must not keep it from ending."""

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._work, name=f"query-{number}", daemon=True) for number in range(count)
        ]
        for thread in self._threads:
            thread.start()

    async def run(self, work: Callable[[], Result]) -> Result:
        """What `work` returns or raises, done in one of the threads."""
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Result] = loop.create_future()

        def job() -> None:
            try:
                result = work()
            except BaseException as error:  # noqa: BLE001  # it is raised where it was asked for
                _tell(loop, done, done.set_exception, error)
            else:
                _tell(loop, done, done.set_result, result)

        self._jobs.put(job)
        return await done

    def close(self) -> None:
        """Threads end after the work they are at; nobody waits for them."""
        for _ in self._threads:
            self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            job()
            del job  # it holds an answer until the next one comes


def _tell(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[Result], settle: Callable[[Told], None], what: Told
) -> None:
    def tell() -> None:
        if not done.cancelled():
            settle(what)

    try:
        loop.call_soon_threadsafe(tell)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more
