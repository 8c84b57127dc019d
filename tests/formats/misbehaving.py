"""A parser for tests of the sandbox only: does what its input names. No file can reach it."""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from knowhub.formats.parsed import Parsed


def parse(data: bytes, name: str) -> Parsed:
    order, _, argument = data.decode().partition(" ")
    return Parsed("text", str(_DEEDS[order](argument)))


def _write(path: str) -> str:
    try:
        Path(path).write_text("x")
    except OSError as error:
        return type(error).__name__
    return "written"


def _connect(address: str) -> str:
    try:
        socket.socket()
    except OSError as error:
        return type(error).__name__
    return "connected"


def _start(program: str) -> str:
    try:
        subprocess.run([program], check=False)
    except OSError as error:
        return type(error).__name__
    return "started"


def _native(call: str) -> str:
    """Past Python: what the C library's own functions return."""
    libc = ctypes.CDLL(None)
    if call == "socket":
        return str(libc.socket(2, 1, 0))
    if call == "fork":
        pid = int(libc.fork())
        if pid == 0:
            os._exit(0)
        return str(pid)
    if call.startswith("delete "):
        return str(libc.unlink(call.removeprefix("delete ").encode()))
    if call.startswith("empty "):
        return str(libc.open(call.removeprefix("empty ").encode(), os.O_WRONLY | os.O_TRUNC))
    if call.startswith("rename "):
        name = call.removeprefix("rename ").encode()
        return str(libc.rename(name, name + b".taken"))
    return str(libc.open(b"/proc/self/status", 0) >= 0)


def _spin(_: str) -> str:
    while True:
        pass


def _chatter(_: str) -> str:
    for _round in range(2000):
        sys.stdout.write("x" * 1000)
        with contextlib.suppress(BlockingIOError):
            os.write(2, b"y" * 1000)
        sys.stderr.write("z" * 1000)
    return "said"


_DEEDS = {
    "echo": lambda argument: argument,
    "pid": lambda _: os.getpid(),
    "environment": lambda _: sorted(os.environ),
    "exit": lambda status: os._exit(int(status)),
    "segfault": lambda _: ctypes.string_at(0),
    "abort": lambda _: os.abort(),
    "spin": _spin,
    "sleep": lambda _: time.sleep(1000),
    "memory": lambda size: len(bytearray(int(size))),
    "text": lambda size: "x" * int(size),
    "forge": lambda _: os.write(3, b"\0" * 7 + b"\x05{oops"),
    "write": _write,
    "connect": _connect,
    "start": _start,
    "native": _native,
    "chatter": _chatter,
}
