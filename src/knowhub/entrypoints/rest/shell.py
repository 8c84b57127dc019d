"""What surrounds every request, whatever answers it: its id, who it was meant for, its size, its headers, its line
in the log.

Pure ASGI: nothing is held back, so that streams pass through as they come.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from knowhub.entrypoints.rest.problems import Refused, refusal, request_id, respond, trace
from knowhub.entrypoints.rest.sites import Sites

log = logging.getLogger(__name__)

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")
_CLOSE = {"Connection": "close"}


@dataclass(frozen=True, slots=True)
class Limits:
    """`body_s` is how long a whole body may take to arrive."""

    max_body_bytes: int
    body_s: float = 20.0


@dataclass(slots=True)
class _Exchange:
    """One request and what has been answered to it."""

    scope: Scope
    began: float
    status: int = 0
    started: bool = False
    headers: Headers = field(init=False)

    def __post_init__(self) -> None:
        self.headers = Headers(scope=self.scope)


class Shell:
    """Wraps the whole application."""

    def __init__(
        self, app: ASGIApp, *, sites: Sites, limits: Limits, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._sites = sites
        self._limits = limits
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, self._clock())
        id = scope.setdefault("state", {})["request_id"] = _id(exchange.headers)

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.started, exchange.status = True, message["status"]
                _dress(MutableHeaders(scope=message), scope["path"], id)
            await send(message)

        try:
            await self._guarded(exchange, self._metered(receive), answer)
        finally:
            self._log(exchange, id)

    async def _guarded(self, exchange: _Exchange, receive: Receive, send: Send) -> None:
        """The application, and a problem document for whatever it lets through."""
        try:
            self._sites.check(exchange.scope, exchange.headers)
            self._check_length(exchange.headers)
            await self._app(exchange.scope, receive, send)
        except Exception as error:  # noqa: BLE001  # nothing may leave without a problem document
            if not isinstance(error, Refused):
                log.error("unexpected error", extra={"request": request_id(exchange.scope), "trace": trace(error)})
            # What was begun cannot be taken back: the server cuts it off.
            if not exchange.started:
                await respond(refusal(error), exchange.scope)(exchange.scope, receive, send)

    def _check_length(self, headers: Headers) -> None:
        if "content-length" in headers and "transfer-encoding" in headers:
            # A proxy that reads the other one of the two would take a part of this body for the next request.
            raise Refused(400, "The body has two lengths. Send Content-Length or Transfer-Encoding.", headers=_CLOSE)
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length) > self._limits.max_body_bytes:
            raise self._too_large()

    def _too_large(self) -> Refused:
        return Refused(
            413, f"The body is larger than {self._limits.max_body_bytes} bytes. Send a shorter one.", headers=_CLOSE
        )

    def _metered(self, receive: Receive) -> Receive:
        """Counts the body while it arrives, and does not wait for it for ever."""
        size, whole = 0, False
        until: float | None = None

        async def read() -> Message:
            nonlocal size, whole, until
            if whole:
                return await receive()
            until = until or asyncio.get_running_loop().time() + self._limits.body_s
            try:
                async with asyncio.timeout_at(until):
                    message = await receive()
            except TimeoutError:
                raise Refused(
                    408, f"The body took longer than {self._limits.body_s:g} seconds to arrive.", headers=_CLOSE
                ) from None
            size += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if size > self._limits.max_body_bytes:
                raise self._too_large()
            return message

        return read

    def _log(self, exchange: _Exchange, id: str) -> None:
        """The route's pattern, not the path: a path may name a document."""
        route = exchange.scope.get("route")
        fields = {
            "request": id,
            "method": exchange.scope["method"],
            "route": getattr(route, "path", "-"),
            "status": exchange.status,
            "ms": round(1000 * (self._clock() - exchange.began), 1),
        }
        log.info("request", extra=fields)


def _id(headers: Headers) -> str:
    given = headers.get("x-request-id", "")
    return given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex


def _dress(headers: MutableHeaders, path: str, id: str) -> None:
    headers["x-request-id"] = id
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if path.startswith(("/api", "/health", "/ready", "/mcp")):
        headers["cache-control"] = "no-store"
