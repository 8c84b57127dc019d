"""Who sends a request: a bearer token, a browser's cookie, this machine's owner, or anybody."""

from __future__ import annotations

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from knowhub.access.identity import Identity, NotSignedIn
from knowhub.core.ports import Scope
from knowhub.entrypoints.rest.hub import Caller, Doors
from knowhub.entrypoints.rest.limits import Buckets
from knowhub.entrypoints.rest.problems import Refused, sentence
from knowhub.entrypoints.rest.sites import is_loopback

COOKIE = "knowhub_session"
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
_MOST_TOKEN_CHARS = 8192


class Reception:
    """Identifies and counts. `local_owner`: programs of this machine are its owner, if it listens to nobody else."""

    def __init__(
        self, doors: Doors, *, host: str, local_owner: bool, per_minute: int, sign_in: str | None = None
    ) -> None:
        self._doors = doors
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
            identity = self._doors.identify(bearer, cookie or None, local=local)
            viewer = self._doors.viewer(identity)
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
    """From this machine, and not handed on by a proxy on it for somebody else."""
    forwarded = any(name in request.headers for name in _FORWARDED)
    return request.client is not None and is_loopback(request.client.host) and not forwarded


def require(caller: Caller, scope: Scope) -> None:
    if scope not in caller.scopes:
        raise Refused(403, f"This needs the scope {scope}. Ask an administrator of the hub.")
