"""Parsing in a child process that may die: whatever a file does to its parser, the caller gets an answer.

Sandbox.parse ──▶ cheap and safe? ──▶ here
                      └──▶ child (confinement.py, worker.py) ──▶ Parsed | UnreadableContent
                             replaced after a crash, a time-out, many files or growth
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from types import TracebackType
from typing import Any, Self

from knowhub.core.errors import ConfigurationError, UnreadableContent
from knowhub.formats.files import is_cheap, parse_file
from knowhub.formats.parsed import Parsed
from knowhub.formats.worker import BEGUN, HEADER, NAME, REPLY, from_json

_START_S = 60.0
_WALL_PER_CPU = 4.0
_KEPT_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ")
_RECEIVE_BYTES = 1 << 20
_MEBIBYTE = 1 << 20
_BOOT = """
import json, sys
start = json.loads(sys.argv[1])
sys.path[:] = start["path"]
from knowhub.formats.worker import Limits, main
main(start["parent"], start["parser"], Limits(**start["limits"]))
"""


class Sandbox:
    """Parses files under limits; a context manager, for one thread at a time.

    `timeout_s` is processor time a file (on the clock: four times that, so that a busy machine does not change
    what is readable), `memory_mb` the child's whole address space. The child starts with the first file that needs
    it, inherits no environment, and cannot open a socket, start a program or write a file. It ends with its parent.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 30.0,
        memory_mb: int = 1024,
        max_input_mb: int = 200,
        max_output_mb: int = 100,
        files_per_child: int = 1000,
        parser: str = "knowhub.formats.files:parse_file",
    ) -> None:
        self._timeout_s = timeout_s
        self._memory_mb = memory_mb
        self._max_input_mb = max_input_mb
        self._max_output_bytes = max_output_mb * _MEBIBYTE
        self._files_per_child = files_per_child
        self._parser = parser
        self._child: _Child | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child, if there is one. The next `parse` starts another."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def parse(self, data: bytes, name: str) -> Parsed:
        """As `files.parse_file`, which small files of text are given to at once, without a child.

        Raises UnreadableContent also for a file that takes too long, needs too much memory, has too much text or
        crashes its parser; ConfigurationError if no child can be started under these limits.
        """
        if self._parser == "knowhub.formats.files:parse_file" and is_cheap(data, name):
            return parse_file(data, name)
        if len(data) > self._max_input_mb * _MEBIBYTE:
            raise UnreadableContent(f"larger than {self._max_input_mb} MB")
        reply = self._ask(data, name)
        if "error" in reply:
            raise UnreadableContent(str(reply["error"])[:1000])
        try:
            return from_json(reply["parsed"])
        except (KeyError, TypeError, ValueError, IndexError) as error:
            self.close()
            raise UnreadableContent("the parser's process was corrupted") from error

    def _ask(self, data: bytes, name: str) -> dict[str, Any]:
        request = _request(data, name)
        for _ in range(2):
            child = self._ready()
            try:
                reply = child.ask(request, self._timeout_s * _WALL_PER_CPU + 1.0)
            except _NotItsDoing:
                self.close()
                continue
            except BaseException:
                self.close()  # also an interrupt: half a reply must not meet the next request
                raise
            if child.last or child.files >= self._files_per_child:
                self.close()
            return reply
        raise UnreadableContent("the parser's process did not live to begin with it")

    def _ready(self) -> _Child:
        if self._child is not None and self._child.ended():
            self.close()
        if self._child is None:
            limits = {
                "cpu_s": self._timeout_s,
                "wall_s": self._timeout_s * _WALL_PER_CPU,
                "memory_bytes": self._memory_mb * _MEBIBYTE,
                "max_reply_bytes": self._max_output_bytes,
            }
            self._child = _Child(self._parser, limits)
        return self._child


class _NotItsDoing(Exception):
    """The child ended before it began with the file, or because the thread that had started it did."""


class _Child:
    def __init__(self, parser: str, limits: dict[str, Any]) -> None:
        self.files = 0
        self.last = False
        self._begun = False
        self._limits = limits
        start = {"path": sys.path, "parent": os.getpid(), "parser": parser, "limits": limits}
        ours, theirs = socket.socketpair()
        errors, errors_in = os.pipe()
        os.set_blocking(errors, False)
        os.set_blocking(errors_in, False)  # a library that complains a lot must not be stopped by a full pipe
        self._socket, self._errors = ours, errors
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", _BOOT, json.dumps(start)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=errors_in,
                cwd="/",
                env={"LANG": "C.UTF-8", **{k: os.environ[k] for k in _KEPT_ENVIRONMENT if k in os.environ}},
            )
        except BaseException:
            ours.close()
            os.close(errors)
            raise
        finally:
            theirs.close()
            os.close(errors_in)
        self._greet()

    def _greet(self) -> None:
        try:
            self._exactly(len(BEGUN), time.monotonic() + _START_S)
        except OSError as error:
            complaint = self._complaint()
            self.kill()
            megabytes = self._limits["memory_bytes"] // _MEBIBYTE
            raise ConfigurationError(
                f"the parsers' process did not start under a limit of {megabytes} MB: {complaint[-300:]}",
                cure="Allow it more memory",
            ) from error

    def ask(self, request: bytes, wall_s: float) -> dict[str, Any]:
        """Raises UnreadableContent with the reason if the child does not live to reply."""
        self.files += 1
        deadline = time.monotonic() + wall_s
        try:
            self._begun = False
            self._socket.settimeout(wall_s)
            self._socket.sendall(request)
            self._exactly(len(BEGUN), deadline)
            self._begun = True
            reply = json.loads(self._receive(deadline, limit=self._limits["max_reply_bytes"] + 1024))
        except TimeoutError as error:
            raise UnreadableContent(self._too_long()) from error
        except OSError as error:
            raise self._died() from error
        except ValueError as error:
            raise UnreadableContent("the parser's process was corrupted") from error
        if not isinstance(reply, dict):
            raise UnreadableContent("the parser's process was corrupted")
        return reply

    def ended(self) -> bool:
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        self._socket.close()
        with contextlib.suppress(OSError):
            os.close(self._errors)

    def _receive(self, deadline: float, *, limit: int) -> bytearray:
        length, self.last = REPLY.unpack(self._exactly(REPLY.size, deadline))
        if length > limit:
            raise UnreadableContent("too much text")
        return self._exactly(length, deadline)

    def _exactly(self, length: int, deadline: float) -> bytearray:
        received = bytearray()
        while len(received) < length:
            self._socket.settimeout(max(0.001, deadline - time.monotonic()))
            piece = self._socket.recv(min(_RECEIVE_BYTES, length - len(received)))
            if not piece:
                raise ConnectionResetError("the child closed its end")
            received += piece
        return received

    def _died(self) -> Exception:
        """What ended the child, by its exit status and its last words."""
        status = self._process.wait()
        if status == -signal.SIGHUP or not self._begun:
            return _NotItsDoing()
        if status in (-signal.SIGPROF, -signal.SIGALRM, -signal.SIGXCPU):
            return UnreadableContent(self._too_long())
        complaint = self._complaint()
        if status == -signal.SIGKILL or "memory allocation" in complaint or "out of memory" in complaint.lower():
            return UnreadableContent("needs more memory than allowed")
        name = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return UnreadableContent(f"crashed its parser ({name})")

    def _too_long(self) -> str:
        return f"takes longer than {self._limits['cpu_s']:g} s to parse"

    def _complaint(self) -> str:
        try:
            return os.read(self._errors, 65_536).decode("utf-8", "replace").strip()
        except OSError:
            return ""


def _request(data: bytes, name: str) -> bytes:
    encoded = name.encode("utf-8", "surrogateescape")
    body = NAME.size + len(encoded) + len(data)
    return b"".join((HEADER.pack(body), NAME.pack(len(encoded)), encoded, data))
