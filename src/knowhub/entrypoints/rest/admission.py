"""What a route of the API does before its own work: who asks, may they, and is this JSON?"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from knowhub.core.ports import Scope
from knowhub.entrypoints.rest.hub import Caller
from knowhub.entrypoints.rest.problems import Refused
from knowhub.entrypoints.rest.who import Reception, require

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Admitted(APIRoute):
    """A route for callers with the scope `read`. The caller is `caller_of(request)`."""

    scope: Scope | None = "read"

    def get_route_handler(self) -> Handler:
        handle = super().get_route_handler()

        async def admitted(request: Request) -> Response:
            reception: Reception = request.app.state.reception
            caller = await reception.admit(request)
            request.state.caller, request.state.frank = caller, "admin" in caller.scopes
            if self.scope:
                require(caller, self.scope)
            if self.body_field:
                _check_type(request)
            return await handle(_Strict(request.scope, request.receive))

        return admitted


class AdmittedAny(Admitted):
    """A route for everybody who is somebody, whatever their scopes."""

    scope = None


class AdmittedAdmin(Admitted):
    """A route for administrators."""

    scope = "admin"


def caller_of(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


def _check_type(request: Request) -> None:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().casefold()
    has_body = request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers
    if has_body and kind != "application/json":
        raise Refused(415, "The body must be JSON. Send it with `Content-Type: application/json`.")


class _Strict(Request):
    async def json(self) -> Any:
        return parsed(await self.body())


def parsed(body: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, no key twice, no NaN. Raises 400."""
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_distinct, parse_constant=_no_constant)
    except UnicodeDecodeError:
        raise Refused(400, "The body is not UTF-8. Send JSON in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise Refused(400, f"The body is not JSON: it breaks at character {error.pos}.") from None
    except RecursionError:
        raise Refused(400, "The body is nested too deeply.") from None
    except _Ambiguous as error:
        raise Refused(400, f"The body is not JSON that has one meaning: {error}.") from None
    except ValueError:
        raise Refused(400, "A number in the body is too long.") from None


class _Ambiguous(ValueError):
    """JSON that parsers disagree on."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Ambiguous("an object names a key twice")
    return found


def _no_constant(name: str) -> Any:
    raise _Ambiguous(f"{name} is no number")
