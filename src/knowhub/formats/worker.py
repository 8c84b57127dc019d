"""The child process of `sandbox.Sandbox`: frames of bytes in, frames of JSON out, until its parent is gone.

    parent                                    child
      │◀── BEGUN ─────────────────────────────  │  confined, ready
      │─── length, name length, name, data ──▶  │
      │◀── BEGUN ─────────────────────────────  │  what ends the child from here on is this file's doing
      │◀── length, last, {"parsed"|"error"} ──  │  parsed under the kernel's timers; after `last` it ends

A reply is JSON and not a pickle: whoever takes over the child must not gain the parent.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from knowhub.core.errors import UnreadableContent
from knowhub.core.types import Section
from knowhub.formats.parsed import Parsed

HEADER = struct.Struct(">Q")
REPLY = struct.Struct(">Q?")
BEGUN = b"+"
NAME = struct.Struct(">I")
_RECEIVE_BYTES = 1 << 20
_WORKING_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """`cpu_s` of processor time and `wall_s` on the clock for one file; `memory_bytes` of address space."""

    cpu_s: float
    wall_s: float
    memory_bytes: int
    max_reply_bytes: int


def main(parent: int, parser: str, limits: Limits) -> None:
    """Serve the socket on file descriptor 0 with `parser` (`module:function`) until its other end is closed."""
    from knowhub.formats import confinement

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    confinement.die_with_parent(parent)
    channel = os.dup(0)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(nowhere, descriptor)  # what a library prints must not end up in a reply
    module, _, function = parser.partition(":")
    parse = getattr(importlib.import_module(module), function)
    confinement.limit_resources(limits.memory_bytes)
    bytearray(_WORKING_BYTES)  # fails now, as a matter of configuration, rather than later in a file's name
    confinement.deny_system()
    sys.stderr = sys.stdout  # descriptor 2 is for native code's last words
    _write(channel, BEGUN)
    last = False
    while not last and (request := _receive(channel)) is not None:
        _write(channel, BEGUN)
        confinement.limit_time(limits.cpu_s, limits.wall_s)
        reply, last = _answer(parse, request, limits)
        del request
        confinement.limit_time(0, 0)
        _write(channel, REPLY.pack(len(reply), last) + reply)


def _answer(parse: Callable[[bytes, str], Parsed], request: bytearray, limits: Limits) -> tuple[bytes, bool]:
    """The reply, and whether this process has grown too much to go on."""
    (length,) = NAME.unpack_from(request)
    name = bytes(request[NAME.size : NAME.size + length]).decode("utf-8", "surrogateescape")
    data = bytes(memoryview(request)[NAME.size + length :])
    try:
        encoded = json.dumps({"parsed": to_json(parse(data, name))}, ensure_ascii=False).encode()
    except UnreadableContent as error:
        return _refusal(error.message), False
    except MemoryError:
        return _refusal("needs more memory than allowed"), True
    if len(encoded) > limits.max_reply_bytes:
        return _refusal("too much text"), True
    return encoded, _peak_bytes() > limits.memory_bytes // 2


def _refusal(reason: str) -> bytes:
    return json.dumps({"error": reason}).encode()


def _peak_bytes() -> int:
    """Of this process alone: Linux counts what the parent held when it forked into `ru_maxrss`."""
    import resource

    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def to_json(parsed: Parsed) -> dict[str, Any]:
    return {
        "kind": parsed.kind,
        "text": parsed.text,
        "title": parsed.title,
        "language": parsed.language,
        "authors": parsed.authors,
        "created_at": _from_time(parsed.created_at),
        "updated_at": _from_time(parsed.updated_at),
        "sections": [
            (s.start, s.end, s.role, s.anchor, s.label, s.author, _from_time(s.time), s.level) for s in parsed.sections
        ],
    }


def from_json(value: dict[str, Any]) -> Parsed:
    """Raises KeyError, TypeError or ValueError for what `to_json` did not write."""
    return Parsed(
        value["kind"],
        value["text"],
        value["title"],
        value["language"],
        tuple(value["authors"]),
        _to_time(value["created_at"]),
        _to_time(value["updated_at"]),
        tuple(
            Section(start, end, role, anchor, label, author, _to_time(time), level)
            for start, end, role, anchor, label, author, time, level in value["sections"]
        ),
    )


def _from_time(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _to_time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _write(channel: int, payload: bytes) -> None:
    view = memoryview(payload)
    while view:
        view = view[os.write(channel, view) :]


def _receive(channel: int) -> bytearray | None:
    """One frame; None when the parent has closed its end."""
    header = _exactly(channel, HEADER.size)
    return None if header is None else _exactly(channel, HEADER.unpack(header)[0])


def _exactly(channel: int, length: int) -> bytearray | None:
    received = bytearray()
    while len(received) < length:
        piece = os.read(channel, min(_RECEIVE_BYTES, length - len(received)))
        if not piece:
            return None
        received += piece
    return received
