"""Server-sent events that a thread writes and a client reads at its own pace.

worker thread ──send()──▶ channel (bounded) ──▶ response ──▶ client
             ◀── Gone ── the client left, or the server ends
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from knowhub.entrypoints.rest.problems import Refused, document, respond

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0
PATIENCE_S = 30.0
_AHEAD = 32
_BEAT = b": still here\n\n"
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


class Gone(Exception):
    """Nobody reads any more."""


def frame(event: str, data: bytes) -> bytes:
    """One event. `data` is JSON, which holds no line breaks."""
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)


class Channel:
    """Frames from one thread to the event loop. `send` blocks while the reader is `_AHEAD` frames behind.

    Who reads nothing for `patience_s` is taken for gone: the thread is wanted by others.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, patience_s: float = PATIENCE_S) -> None:
        self._loop = loop
        self._patience_s = patience_s
        self._frames: asyncio.Queue[bytes | Refused | None] = asyncio.Queue(_AHEAD)
        self._gone = threading.Event()

    def send(self, item: bytes | Refused | None) -> None:
        """From the thread. None is the end, a refusal an end with an error. Raises Gone."""
        self.check()
        put = self._put(item)
        try:
            asyncio.run_coroutine_threadsafe(put, self._loop).result()
        except TimeoutError:
            late = Refused(408, "You read too slowly. Ask again.")
            self._loop.call_soon_threadsafe(self.interrupt, late)
            raise Gone from None
        except RuntimeError:  # the loop has ended
            put.close()
            raise Gone from None
        self.check()

    async def _put(self, item: bytes | Refused | None) -> None:
        async with asyncio.timeout(self._patience_s):
            await self._frames.put(item)

    def check(self) -> None:
        """Raises Gone."""
        if self._gone.is_set():
            raise Gone

    async def receive(self) -> bytes | Refused | None:
        return await self._frames.get()

    def leave(self) -> None:
        """From the loop: nothing is read from here on, and whoever waits to send is let go."""
        self._gone.set()
        while not self._frames.empty():
            self._frames.get_nowait()

    def interrupt(self, refused: Refused) -> None:
        """From the loop: the reader is told why this is all."""
        self.leave()
        self._frames.put_nowait(refused)


class EventStream(Response):
    """Sends what comes through the channel. The status is decided by what comes first: a refusal is no stream.

    `work` runs beside it and fills the channel; it may outlive the response by what it is at when the client leaves.
    """

    def __init__(
        self,
        channel: Channel,
        work: Callable[[], Coroutine[Any, Any, None]],
        *,
        keep: Callable[[asyncio.Task[None]], None],
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        super().__init__(media_type=MEDIA_TYPE, headers=_HEADERS)
        del self.headers["content-length"]
        self._channel, self._work, self._keep, self._heartbeat_s = channel, work, keep, heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._keep(asyncio.create_task(self._work()))
        pumping = asyncio.create_task(self._pump(scope, receive, send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({pumping, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._channel.leave()
            leaving.cancel()
            if not pumping.done():
                pumping.cancel()
        with suppress(asyncio.CancelledError):
            await pumping

    async def _pump(self, scope: Scope, receive: Receive, send: Send) -> None:
        item = await self._next()
        if isinstance(item, Refused):
            await respond(item, scope)(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        while item is not None:
            data = item if isinstance(item, bytes) else _error(item, scope)
            await send({"type": "http.response.body", "body": data, "more_body": True})
            item = None if isinstance(item, Refused) else await self._next()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _next(self) -> bytes | Refused | None:
        try:
            async with asyncio.timeout(self._heartbeat_s):
                return await self._channel.receive()
        except TimeoutError:
            return _BEAT


def _error(refused: Refused, scope: Scope) -> bytes:
    return frame("error", document(refused, scope).model_dump_json(exclude_none=True).encode())


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
