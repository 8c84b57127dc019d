"""The OpenAPI document: what FastAPI derives from the routes, and that every refusal is a problem document."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from knowhub.entrypoints.rest.problems import MEDIA_TYPE, Problem
from knowhub.entrypoints.rest.streaming import MEDIA_TYPE as EVENTS
from knowhub.entrypoints.rest.who import COOKIE

_REFERENCE = "#/components/schemas/{model}"
_RETRY = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}}
_CHALLENGE = {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}}
_ALWAYS = (401, 403, 421, 429)
_SAID = {
    400: "The body is not JSON.",
    401: "Nobody is signed in, or the proof does not hold.",
    403: "You may not do this, or another site's page sent it.",
    404: "There is no such thing for you.",
    408: "The body did not arrive in time.",
    409: "Something else is at work on this.",
    413: "The body is too large.",
    415: "The body is not sent as JSON.",
    421: "The hub does not answer to this host name.",
    422: "A field is wrong; `errors` names each.",
    429: "Too many requests, or too many that wait. Come back after `Retry-After`.",
    503: "Something that the hub needs is away, or it is shutting down. Come back after `Retry-After`.",
}
_STREAM_EXAMPLE = (
    'event: status\ndata: {"stage":"searching"}\n\nevent: citations\ndata: {"sources":[…]}\n\n'
    'event: delta\ndata: {"text":"…"}\n\nevent: done\ndata: {"id":"…","answer":"…"}\n\n'
)
ANSWERS: dict[str, Any] = {
    "description": "The answer; as a stream for those who accept one.",
    "content": {EVENTS: {"schema": {"type": "string"}, "example": _STREAM_EXAMPLE}},
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that refuses with these, and with those that every route does."""
    return {status: _refusal(status) for status in sorted({*_ALWAYS, *statuses})}


def _refusal(status: int) -> dict[str, Any]:
    said: dict[str, Any] = {
        "description": _SAID[status],
        "content": {MEDIA_TYPE: {"schema": {"$ref": _REFERENCE.format(model="Problem")}}},
    }
    if status in (429, 503):
        said["headers"] = _RETRY
    if status == 401:
        said["headers"] = _CHALLENGE
    return said


def describe(app: FastAPI) -> dict[str, Any]:
    """The whole document."""
    found = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = found.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    for operation in (one for path in found["paths"].values() for one in path.values()):
        # What FastAPI adds for any parameter: a path's text cannot be wrong.
        if MEDIA_TYPE not in operation["responses"].get("422", {}).get("content", {}):
            operation["responses"].pop("422", None)
    problem = Problem.model_json_schema(ref_template=_REFERENCE)
    schemas.update(problem.pop("$defs", {}))
    schemas["Problem"] = problem
    components["securitySchemes"] = {
        "bearer": {"type": "http", "scheme": "bearer", "description": "An API key, or your identity provider's token."},
        "browser": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "Signed in at /api/login."},
    }
    # {}: on this machine, and where the hub is public, nobody has to prove anything.
    found["security"] = [{"bearer": []}, {"browser": []}, {}]
    return found
