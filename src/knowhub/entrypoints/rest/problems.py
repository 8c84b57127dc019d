"""What goes wrong, as `application/problem+json` (RFC 9457): one sentence with its cure, and the request's id."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from math import ceil
from traceback import format_tb
from typing import Any
from urllib.parse import quote

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from knowhub.core.errors import (
    AccessDenied,
    KnowhubError,
    LeaseHeld,
    ModelChanged,
    NotFound,
    RateLimited,
    TransientError,
)

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
_OURS = "The hub could not do this. Ask whoever runs it to look for this request's id in its log."


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    field: str = Field(description="Where it stands: `top_k`, `conversation.0.question`.")
    message: str


class Problem(BaseModel):
    """Every answer that is not a success."""

    type: str = Field("about:blank", description="Always `about:blank`: the status says which problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong and what to do, for a person.")
    instance: str = Field(description="The path that was asked for.")
    request_id: str = Field(description="Of this request; the server's log names it too.")
    errors: list[FieldProblem] | None = Field(None, description="Every field that is wrong, for status 422.")
    sign_in: str | None = Field(None, description="Where a browser can sign in, for status 401.")


class Refused(HTTPException):
    """A request that is answered with a problem document."""

    def __init__(
        self, status: int, detail: str, *, headers: Mapping[str, str] | None = None, errors: Sequence[FieldProblem] = ()
    ) -> None:
        super().__init__(status, detail, dict(headers or {}))
        self.errors = list(errors)
        self.sign_in: str | None = None


def busy(status: int, detail: str, *, wait_s: float) -> Refused:
    return Refused(status, detail, headers={"Retry-After": str(max(1, ceil(wait_s)))})


def refusal(error: Exception, *, frank: bool = False) -> Refused:
    """Any error as what the client is told of it. `frank`: to administrators, whom the hub's own troubles concern."""
    match error:
        case Refused():
            return error
        case HTTPException():
            return Refused(error.status_code, _sentence(error.status_code), headers=error.headers)
        case RequestValidationError():
            return _invalid(error)
        case NotFound():
            return Refused(404, sentence(error))
        case AccessDenied():
            return Refused(403, sentence(error) if frank else "You may not do this.")
        case LeaseHeld():
            return Refused(409, sentence(error) if frank else "Something else is at work on this. Try again later.")
        case TransientError():
            wait_s = error.wait_s if isinstance(error, RateLimited) else 5.0
            detail = (
                sentence(error) if frank else "Something that the hub needs is away for now. Try again in a moment."
            )
            return busy(503, detail, wait_s=wait_s)
        case ModelChanged():
            detail = sentence(error) if frank else "The hub's index has to be rebuilt first. Ask whoever runs it."
            return busy(503, detail, wait_s=60)
        case KnowhubError():
            return Refused(500, sentence(error) if frank else _OURS)
    return Refused(500, _OURS)


def sentence(error: KnowhubError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _sentence(status: int) -> str:
    return {
        400: "The request cannot be read.",
        404: "There is nothing at this path. /api/openapi.json lists what there is.",
        405: "This path does not take this method. The header Allow lists those it takes.",
    }.get(status, f"{HTTPStatus(status).phrase}.")


def _invalid(error: RequestValidationError) -> Refused:
    """Names the fields; what was sent is not repeated."""
    found = [FieldProblem(field=_field(one["loc"]), message=_message(one)) for one in error.errors()]
    first = found[0]
    more = f" ({len(found) - 1} more in errors)" if len(found) > 1 else ""
    where = first.field or "The body"
    return Refused(422, f"{where}: {first.message}{more}", errors=found)


def _field(location: Sequence[Any]) -> str:
    """`("body", "conversation", 0, "question")` without where it came from."""
    return ".".join(str(part) for part in location[1:])


def _message(found: Mapping[str, Any]) -> str:
    if found["type"] == "missing":
        return "is missing."
    if found["type"] == "extra_forbidden":
        return "is not a known field."
    return str(found["msg"]).removeprefix("Value error, ").rstrip(".") + "."


def document(refused: Refused, scope: Scope) -> Problem:
    return Problem(
        title=HTTPStatus(refused.status_code).phrase,
        status=refused.status_code,
        detail=refused.detail,
        # Quoted: even an undecoded path may hold what no URL has.
        instance=quote(scope.get("raw_path") or scope["path"], safe="/:@!$&'()*+,;=~%"),
        request_id=request_id(scope),
        errors=refused.errors or None,
        sign_in=refused.sign_in,
    )


def respond(refused: Refused, scope: Scope) -> Response:
    content = document(refused, scope).model_dump_json(exclude_none=True)
    return Response(content, refused.status_code, refused.headers, media_type=MEDIA_TYPE)


async def handle(request: Request, error: Exception) -> Response:
    """The handler of every exception that a route raises on purpose."""
    refused = refusal(error, frank=getattr(request.state, "frank", False))
    if refused.status_code >= 500 and isinstance(error, KnowhubError):
        log.warning("request failed", extra={"request": request_id(request.scope), "trace": trace(error)})
    return respond(refused, request.scope)


def trace(error: BaseException) -> str:
    """Where it happened and of what kind, without its words: they may hold a question, or a text."""
    told = f"{type(error).__name__}\n{''.join(format_tb(error.__traceback__))}"
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return f"{told}after {trace(before)}" if before else told


def request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))
