"""uvicorn around the application: patience with slow connections, and an orderly end.

SIGTERM ▸ new questions get 503, /ready says so ▸ what runs is finished, up to a grace time ▸ connections close
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from knowhub.core.errors import ConfigurationError
from knowhub.entrypoints.rest import app as api
from knowhub.entrypoints.rest.app import Mounted, Served
from knowhub.entrypoints.rest.background import Scheduler, SyncProcess
from knowhub.wiring.app import App

log = logging.getLogger(__name__)

GRACE_S = 25.0
HEAD_S = 15.0
"""How long a request's head may take to arrive, counted from when nothing else is under way on its connection."""
MAX_CONNECTIONS = 1000
MAX_HEAD_BYTES = 16 * 1024
_BACKLOG = 1024


def serve(
    hub: App,
    configuration: Path,
    *,
    scheduled: bool = True,
    mounts: Sequence[Mounted] = (),
    started: Callable[[str], object] = log.info,
) -> None:
    """Serve until a signal; `started` is told the address. `configuration` is the hub's file, for syncs beside it.

    `scheduled` False: sources are synced only when an administrator asks. Raises ConfigurationError.
    """
    settings = hub.settings.server
    scheduler = Scheduler(hub, SyncProcess(configuration), scheduled=scheduled)
    served = api.create(hub, scheduler, mounts=mounts)
    with listen(settings.host, settings.port) as sock:
        host = f"[{settings.host}]" if ":" in settings.host else settings.host
        started(f"http://{host}:{sock.getsockname()[1]}")
        scheduler.start()
        try:
            server(served, host=settings.host, port=settings.port).run(sockets=[sock])
        finally:
            scheduler.stop()


class Connection(H11Protocol):
    """One that must say what it wants in time, and is told in JSON what was wrong with it."""

    head_s = HEAD_S
    max_connections = MAX_CONNECTIONS
    _hurry: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        if len(self.connections) > self.max_connections:
            transport.abort()
        else:
            self._expect()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._is_answering():
            self._expected()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._is_answering():
            self._expect()

    def _is_answering(self) -> bool:
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and not cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._expected()
        super().connection_lost(exc)

    def _expect(self) -> None:
        self._expected()
        self._hurry = self.loop.call_later(self.head_s, self.transport.abort)

    def _expected(self) -> None:
        if self._hurry is not None:
            self._hurry.cancel()
            self._hurry = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # uvicorn's signature
        """uvicorn's, as a problem document. What was sent is not repeated."""
        hint = getattr(sys.exc_info()[1], "error_status_hint", 400)
        status, title, detail = 400, "Bad Request", "This is not HTTP/1.1. Use an HTTP client."
        if hint == 431:
            status, title, detail = 431, "Request Header Fields Too Large", "Send fewer or shorter headers."
        problem = {"type": "about:blank", "title": title, "status": status, "detail": detail}
        headers = [(b"content-type", b"application/problem+json"), (b"connection", b"close")]
        reply = h11.Response(status_code=status, headers=headers, reason=title.encode())
        for event in (reply, h11.Data(data=json.dumps(problem).encode()), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class Server(uvicorn.Server):
    """Finishes what runs before it stops listening, so that whoever comes meanwhile is told to come back."""

    def __init__(self, config: uvicorn.Config, served: Served, *, grace_s: float = GRACE_S) -> None:
        super().__init__(config)
        self._served = served
        self._grace_s = grace_s

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn's, without raising them again: SIGTERM would end the process before its syncs are stopped."""
        with super().capture_signals():
            yield
            self._captured_signals.clear()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._served.desk.drain(self._grace_s)
        await super().shutdown(sockets)


def server(served: Served, *, host: str, port: int, grace_s: float = GRACE_S) -> Server:
    """Not started; `run(sockets=[listen(…)])` serves until a signal."""
    config = uvicorn.Config(
        served.app,
        host=host,
        port=port,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        # Headers of a proxy are believed by nobody here: anybody can send them.
        proxy_headers=False,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=5,
    )
    return Server(config, served, grace_s=grace_s)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket, so that its port is known before anything is served. Raises ConfigurationError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigurationError(
            f"{host}:{port} cannot be listened on: {error.strerror}",
            cure="Choose another server.port, or stop what uses it.",
        ) from error
    sock.set_inheritable(False)
    return sock
