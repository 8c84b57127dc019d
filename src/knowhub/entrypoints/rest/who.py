"""Who sends a request: a bearer token, a browser's cookie, this machine's owner, or anybody."""

from __future__ import annotations

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from knowhub.access.identity import Identity, NotSignedIn
from knowhub.core.ports import Scope
from knowhub.entrypoints.rest.hub import Caller
from knowhub.entrypoints.rest.limits import Buckets
from knowhub.entrypoints.rest.problems import Refused, sentence
from knowhub.entrypoints.rest.sites import host_name, is_loopback
from knowhub.wiring.app import App

COOKIE = "knowhub_session"
_FORWARDED = ("x-forwarded-", "x-real-ip", "x-client-ip", "x-original-", "true-client-ip", "cf-", "forwarded", "via")
"""How the names of headers begin that proxies add, "via" and "forwarded" among them."""
_MOST_TOKEN_CHARS = 8192


class Reception:
    """Identifies and counts. `local_owner`: programs of this machine are its owner, if it listens to nobody else."""

    def __init__(self, hub: App, *, host: str, local_owner: bool, per_minute: int, sign_in: str | None = None) -> None:
        self._hub = hub
        self.sign_in = sign_in
        self._local_owner = local_owner and is_loopback(host)
        self._asked = Buckets(per_minute)

    async def admit(self, request: Request) -> Caller:
        """Raises 401, and 429 for those who ask too often."""
        caller = await run_in_threadpool(self._identify, request)
        self._asked.take(caller.bucket)
        return caller

    def _identify(self, request: Request) -> Caller:
        header, cookie = request.headers.get("authorization"), request.cookies.get(COOKIE)
        try:
            bearer = None if header is None else _bearer(header)
            unproved = bearer is None and not cookie
            local = unproved and self._local_owner and _is_local(request)
            identity = self._hub.identify(bearer, cookie or None, local=local)
            viewer = self._hub.viewer(identity)
        except NotSignedIn as error:
            raise self._unauthorised(error, header=header, cookie=cookie) from error
        return Caller(viewer, identity.name, identity.scopes, identity.how, _bucket(request, identity, viewer.name))

    def _unauthorised(self, error: NotSignedIn, *, header: str | None, cookie: str | None) -> Refused:
        headers = {"WWW-Authenticate": 'Bearer realm="knowhub"' + (', error="invalid_token"' if header else "")}
        if cookie and header is None:
            # Or whoever was signed in would be refused for ever, even what anybody may see.
            headers["Set-Cookie"] = f"{COOKIE}=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax"
        refused = Refused(401, sentence(error), headers=headers)
        refused.sign_in = self.sign_in
        return refused


def _bucket(request: Request, identity: Identity, viewer: str) -> str:
    """Those who are nobody are counted by their address."""
    if identity.how == "public":
        return f"public {request.client.host if request.client else ''}"
    return f"{identity.how} {viewer}"


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.casefold() != "bearer" or not token.strip() or len(token) > _MOST_TOKEN_CHARS:
        raise NotSignedIn("the header Authorization holds no bearer token", cure="Send `Bearer` and the key.")
    return token.strip()


def _is_local(request: Request) -> bool:
    """From this machine, by a name of this machine, and not handed on by a proxy on it for somebody else.

    Proxies that add no header pass on the name that people type, or speak HTTP/1.0 as nginx does by itself.
    """
    forwarded = any(name.startswith(_FORWARDED) for name in request.headers) or request.scope["http_version"] == "1.0"
    here = request.client is not None and is_loopback(request.client.host)
    return here and is_loopback(host_name(request.headers)) and not forwarded


def require(caller: Caller, scope: Scope) -> None:
    if scope not in caller.scopes:
        raise Refused(403, f"This needs the scope {scope}. Ask an administrator of the hub.")
