"""Asynchronous streams for synchronous callers: one event loop in a thread of its own.

caller's thread ◀──queue── loop's thread ◀── vendor's asynchronous iterator
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import aclosing
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from knowhub.core.errors import TransientError

T = TypeVar("T")


class LoopThread:
    """An event loop that runs for as long as it is needed. `threads` is how many blocking calls it can have at once."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._farewell: Callable[[], Coroutine[Any, Any, None]] | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin `work` in the loop. Cancelling the future cancels the work where it stands."""
        return asyncio.run_coroutine_threadsafe(work, self._running())

    def relay(self, stream: AsyncGenerator[T, None], *, beat: T, beat_s: float) -> Generator[T, None, None]:
        """What `stream` yields, and raises; `beat` after each `beat_s` seconds of silence.

        Closing this iterator cancels the stream where it stands.
        """
        arrived: SimpleQueue[T | _End] = SimpleQueue()
        pulling = self.submit(_pull(stream, arrived))
        try:
            while not isinstance(item := _next(arrived, beat, beat_s), _End):
                yield item
            if item.error is not None:
                raise item.error
        finally:
            pulling.cancel()

    def close(self, farewell: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
        """Cancel what runs, then run `farewell` in the loop, and end the thread; the next call starts another."""
        with self._lock:
            loop, thread, self._loop, self._thread = self._loop, self._thread, None, None
            self._farewell = farewell
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._loop.set_default_executor(ThreadPoolExecutor(self._threads, "language"))
                self._thread = threading.Thread(target=self._run, args=(self._loop,), name="language", daemon=True)
                self._thread.start()
            return self._loop

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
            tasks = asyncio.all_tasks(loop)
            for task in tasks:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
            if self._farewell is not None:
                loop.run_until_complete(self._farewell())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            loop.close()


class _End:
    """The stream is over, or it broke."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


async def _pull(stream: AsyncGenerator[T, None], arrived: SimpleQueue[T | _End]) -> None:
    error: Exception | None = TransientError("the language model was closed before it had answered", cure="Ask again.")
    try:
        async with aclosing(stream):
            async for item in stream:
                arrived.put(item)
        error = None
    except Exception as raised:  # noqa: BLE001 - it is raised in the thread that reads
        error = raised
    finally:
        arrived.put(_End(error))


def _next(arrived: SimpleQueue[T | _End], beat: T, beat_s: float) -> T | _End:
    try:
        return arrived.get(timeout=beat_s)
    except Empty:
        return beat
