"""Log lines of a server: a time, a level, a constant message, and fields. No texts, no questions, no tokens."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

from knowhub.entrypoints.rest.problems import trace as traced

_OWN = frozenset(logging.LogRecord("", 0, "", 0, "", None, None).__dict__) | {"message", "asctime", "color_message"}


class Lines(logging.Formatter):
    """`2026-05-31T12:00:00.000Z INFO request status=200 ms=12.3`; a trace follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        given = {name: value for name, value in record.__dict__.items() if name not in _OWN}
        trace = given.pop("trace", "")
        fields = "".join(f" {name}={_plain(value)}" for name, value in given.items())
        line = f"{at} {record.levelname} {_plain(record.getMessage())}{fields}"
        error = record.exc_info[1] if record.exc_info else None
        failed = traced(error) if error else ""
        return "\n".join(part.rstrip() for part in (line, str(trace), failed) if part)


def to_stderr(level: int = logging.INFO) -> None:
    """For a server's process: all loggers, in this form."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # What uvicorn says at INFO is for those who run it by hand.
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    # Our own requests, and what tools were called with: that must not be written down.
    for name in ("httpx2", "mcp"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _plain(value: object) -> str:
    """One line, whatever is in it."""
    text = str(value)
    return text if text.isprintable() else repr(text)
