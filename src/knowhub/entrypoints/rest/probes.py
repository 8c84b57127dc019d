"""Does it run, and can it answer? For whoever watches over the server; nobody has to sign in."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from knowhub.core.errors import KnowhubError
from knowhub.entrypoints.rest.bodies import CheckBody, HealthBody, ReadyBody
from knowhub.entrypoints.rest.desk import Desk
from knowhub.entrypoints.rest.rendering import now
from knowhub.wiring.app import App

_FRESH_S = 2.0
"""Anybody may ask for it: asking more often touches nothing."""


class Readiness:
    """The checks, made at most once in a while however many ask."""

    def __init__(self, hub: App, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._clock = clock
        self._lock = asyncio.Lock()
        self._checks: list[CheckBody] = []
        self._until = 0.0

    async def checks(self) -> list[CheckBody]:
        async with self._lock:
            if not self._checks or self._clock() >= self._until:
                self._checks = await run_in_threadpool(self._look)
                self._until = self._clock() + _FRESH_S
            return self._checks

    def _look(self) -> list[CheckBody]:
        try:
            return [CheckBody(name=one.subject, ok=not one.problem) for one in self._hub.ready()]
        except KnowhubError:
            return [CheckBody(name="hub", ok=False)]


def probes(hub: App, desk: Desk) -> APIRouter:
    router = APIRouter(tags=["probes"])
    readiness = Readiness(hub)

    @router.get("/health", summary="Does the server run?")
    async def health() -> HealthBody:
        """Touches nothing."""
        return HealthBody(status="ok", timestamp=now())

    @router.get(
        "/ready",
        summary="Can it answer?",
        response_model=ReadyBody,
        responses={503: {"description": "Something that it stands on is away, or it shuts down.", "model": ReadyBody}},
    )
    async def ready() -> Response:
        """Touches the ledger, the lake, the index and the model; says their names only."""
        checks = [*await readiness.checks(), CheckBody(name="server", ok=not desk.gate.closed)]
        fine = all(check.ok for check in checks)
        body = ReadyBody(status="ready" if fine else "not ready", checks=checks, timestamp=now())
        headers = None if fine else {"Retry-After": "5"}
        return JSONResponse(body.model_dump(mode="json"), 200 if fine else 503, headers)

    return router
