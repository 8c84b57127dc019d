"""The whole application, put together: `create(hub, background)` ▸ something that uvicorn serves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp

from knowhub.core.errors import KnowhubError
from knowhub.entrypoints.rest import problems
from knowhub.entrypoints.rest.administration import keys, operating, overseeing
from knowhub.entrypoints.rest.described import describe
from knowhub.entrypoints.rest.desk import Capacity, Desk, at_once
from knowhub.entrypoints.rest.hub import Background
from knowhub.entrypoints.rest.page import PAGE, page
from knowhub.entrypoints.rest.probes import probes
from knowhub.entrypoints.rest.questions import asking, identity, reading
from knowhub.entrypoints.rest.shell import Limits, Shell
from knowhub.entrypoints.rest.signing_in import PATH as SIGN_IN
from knowhub.entrypoints.rest.signing_in import signing_in
from knowhub.entrypoints.rest.sites import Sites
from knowhub.entrypoints.rest.who import Reception
from knowhub.wiring.app import App
from knowhub.wiring.settings import Settings

_ABOUT = """Questions answered from what a company writes, with what the one who asks may read.

Every failure is an `application/problem+json` document whose `detail` says what to do. Every answer has an
`X-Request-ID`, taken from the request if it has one."""


@dataclass(frozen=True, slots=True)
class Mounted:
    """Another application at a path, such as MCP at /mcp; `running` is entered while the server runs."""

    path: str
    app: ASGIApp
    running: Callable[[], AbstractAsyncContextManager[Any]] | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """`app` is for uvicorn; `desk` finishes what runs when the server ends."""

    app: ASGIApp
    desk: Desk
    api: FastAPI


def create(hub: App, background: Background, *, mounts: Sequence[Mounted] = (), page_folder: Path = PAGE) -> Served:
    settings = hub.settings
    desk = Desk(hub, _capacity(settings))
    sign_in = SIGN_IN if hub.offers_sign_in else None
    api = FastAPI(
        title="knowhub",
        version=version("knowhub"),
        description=_ABOUT,
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan(mounts),
    )
    api.state.reception = Reception(
        hub,
        host=settings.server.host,
        local_owner=settings.server.local_owner,
        per_minute=settings.server.requests_per_minute,
        sign_in=sign_in,
    )
    _route(api, hub, background, desk, sign_in)
    for mounted in mounts:
        api.router.routes.append(Route(mounted.path, mounted.app))
    api.include_router(page(page_folder))
    _refuse(api)
    sites = Sites(settings.server.host, settings.server.allowed_hosts)
    return Served(Shell(api, sites=sites, limits=Limits(settings.server.max_body_bytes)), desk, api)


def _capacity(settings: Settings) -> Capacity:
    server = settings.server
    return Capacity(
        at_once=at_once(server.concurrent_queries, waits=bool(settings.language.provider)),
        waiting=server.waiting_queries,
        streams=server.concurrent_streams,
        cache_entries=server.cache_entries,
        cache_seconds=server.cache_seconds,
    )


def _route(api: FastAPI, hub: App, background: Background, desk: Desk, sign_in: str | None) -> None:
    api.include_router(asking(desk, hub))
    api.include_router(reading(hub, background))
    language = bool(hub.settings.language.provider)
    api.include_router(identity(sign_in=sign_in, language_model=language, version=api.version))
    api.include_router(signing_in(hub))
    api.include_router(operating(hub, background))
    api.include_router(overseeing(hub, background))
    api.include_router(keys(hub))
    api.include_router(probes(hub, desk))


def _refuse(api: FastAPI) -> None:
    for kind in (HTTPException, RequestValidationError, KnowhubError, Exception):
        api.add_exception_handler(kind, problems.handle)
    described: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        if not described:
            described.append(describe(api))
        return described[0]

    # FastAPI's documented way to change the document.
    api.openapi = openapi  # type: ignore[method-assign]


def _lifespan(mounts: Sequence[Mounted]) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def running(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            for mounted in mounts:
                if mounted.running:
                    await stack.enter_async_context(mounted.running())
            yield

    return running
