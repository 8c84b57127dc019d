"""What a vendor's API can answer instead of data, as our errors.

TransientError ◀─ Unavailable   no answer, or 5xx, after all attempts
               ◀─ Undecodable   an answer that is not what was asked for (half a JSON, an HTML page)
AccessDenied   ◀─ Refused       401, 403
NotFound       ◀─ Missing       404, 410
PermanentError ◀─ Rejected      any other status that was not allowed for
               ◀─ TooLarge      a download beyond its limit
"""

from __future__ import annotations

from knowhub.core.errors import AccessDenied, NotFound, PermanentError, TransientError
from knowhub.http.reply import Reply


class Unavailable(TransientError):
    """`status` is 0 where there was no answer at all."""

    def __init__(self, message: str, *, status: int = 0) -> None:
        super().__init__(message, cure="Sync again later; it goes on where it stopped.")
        self.status = status


class Undecodable(TransientError):
    """The answer arrived and cannot be read as JSON."""


class Refused(AccessDenied):
    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class Missing(NotFound):
    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class Rejected(PermanentError):
    def __init__(self, message: str, reply: Reply) -> None:
        super().__init__(message)
        self.reply = reply


class TooLarge(PermanentError):
    """`limit` bytes were not enough."""

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


def rejection(message: str, reply: Reply) -> Refused | Missing | Rejected:
    if reply.status in (401, 403):
        return Refused(message, reply)
    return Missing(message, reply) if reply.status in (404, 410) else Rejected(message, reply)
