"""How WordPress says no: `{"code", "message", "data": {"status", "params"}}`."""

from __future__ import annotations

import re
from urllib.parse import unquote

from knowhub.core.errors import KnowhubError
from knowhub.http import Missing, Refused, Rejected

_QUERY = re.compile(r"\?(?:rest_route=(?P<route>[^&\s:]*))?\S*?(?=: |\s|$)")


def plainly(error: KnowhubError) -> str:
    """What went wrong, without the many parameters that no person needs to read."""
    return _QUERY.sub(lambda found: unquote(found["route"] or ""), error.message)


def code_of(error: Refused | Missing | Rejected) -> str:
    """WordPress' own name of an error: `rest_forbidden_context`."""
    data = error.reply.data
    return str(data.get("code", "")) if isinstance(data, dict) else ""


def faulty_parameters(error: Rejected) -> set[str]:
    """Names of parameters that the site does not take with these values."""
    data = error.reply.data
    details = data.get("data") if isinstance(data, dict) else None
    named = details.get("params") if isinstance(details, dict) else None
    return set(named) if isinstance(named, dict) else set()
