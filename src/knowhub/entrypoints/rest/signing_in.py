"""Signing in with a browser, and out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from knowhub.access.identity import NotSignedIn
from knowhub.entrypoints.rest.described import refusals
from knowhub.entrypoints.rest.limits import Buckets
from knowhub.entrypoints.rest.problems import Refused, sentence
from knowhub.entrypoints.rest.who import COOKIE
from knowhub.wiring.app import App

PATH = "/api/login"
_CALLBACK = f"{PATH}/callback"
_BEGUN = "knowhub_signing_in"
_BEGUN_S = 600
_PER_MINUTE = 60
_REDIRECT: dict[int | str, dict[str, Any]] = {302: {"description": "To the identity provider, or back to the page."}}


def signing_in(hub: App) -> APIRouter:
    router = APIRouter(tags=["you"])
    attempts = Buckets(_PER_MINUTE)

    @router.get(
        PATH, summary="Sign in", status_code=302, response_class=RedirectResponse,
        responses={**_REDIRECT, **refusals(404, 422, 503)},
    )  # fmt: skip
    async def begin(request: Request, next: str = "/") -> Response:
        """Sends the browser to the identity provider; it comes back to `next`, a path of this page."""
        if not hub.offers_sign_in:
            raise Refused(404, "Nobody can sign in here with a browser. Use an API key.")
        attempts.take(_address(request))
        begun = await run_in_threadpool(hub.sign_in, f"{_origin(request)}{_CALLBACK}", next)
        response = RedirectResponse(begun.url, 302)
        response.set_cookie(
            _BEGUN, begun.browser.reveal(), _BEGUN_S, path=_CALLBACK, secure=_is_secure(request), httponly=True,
            samesite="lax",
        )  # fmt: skip
        return response

    @router.get(
        _CALLBACK, summary="Come back from signing in", status_code=302, response_class=RedirectResponse,
        responses={**_REDIRECT, **refusals(404, 503)},
    )  # fmt: skip
    async def come_back(request: Request) -> Response:
        """The identity provider sends the browser here."""
        if not hub.offers_sign_in:
            raise Refused(404, "Nobody can sign in here with a browser. Use an API key.")
        attempts.take(_address(request))
        browser = request.cookies.get(_BEGUN, "")
        try:
            found = await run_in_threadpool(hub.signed_in, dict(request.query_params), browser)
        except NotSignedIn as error:
            raise Refused(401, sentence(error), headers={"WWW-Authenticate": 'Bearer realm="knowhub"'}) from error
        response = RedirectResponse(found.next, 302)
        age_s = int((found.login.expires_at - datetime.now(UTC)).total_seconds())
        response.set_cookie(
            COOKIE, found.cookie.reveal(), age_s, secure=_is_secure(request), httponly=True, samesite="lax"
        )
        response.delete_cookie(_BEGUN, path=_CALLBACK)
        return response

    @router.post("/api/logout", summary="Sign out", status_code=204, responses=refusals(503))
    async def end(request: Request) -> Response:
        """This browser's session is void from now on."""
        if cookie := request.cookies.get(COOKIE):
            await run_in_threadpool(hub.sign_out, cookie)
        response = Response(status_code=204)
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")
        return response

    return router


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _origin(request: Request) -> str:
    """As the browser sees it. The identity provider sends nobody to an address that is not registered there."""
    return f"{'https' if _is_secure(request) else 'http'}://{request.headers.get('host', '')}"


def _is_secure(request: Request) -> bool:
    """A proxy before it may speak TLS."""
    return request.headers.get("x-forwarded-proto", request.url.scheme) == "https"
