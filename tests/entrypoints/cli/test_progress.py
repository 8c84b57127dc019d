from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

_WORK = """
import logging, sys, time
from knowhub.entrypoints.cli import progress
progress._PATIENCE_S = 0.05
with progress.Bars(quiet="quiet" in sys.argv) as bars:
    bars.update("embed", "handbook", 0, 3)
    if "limited" in sys.argv:
        logging.getLogger("knowhub.http.client").info("waiting", extra={"seconds": 42, "request": "GET /x"})
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass
"""


def drawn(*words: str, terminal: bool) -> str:
    """What a program that says one thing and then works in silence leaves on standard error."""
    if not terminal:
        return subprocess.run([sys.executable, "-c", _WORK, *words], capture_output=True, text=True, check=True).stderr
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen([sys.executable, "-c", _WORK, *words], stderr=theirs, env=environment) as process:
        os.close(theirs)
        read = b""
        try:
            while part := os.read(ours, 65536):
                read += part
        except OSError:  # how Linux says that the other side is closed
            pass
        finally:
            os.close(ours)
        process.wait()
    return read.decode()


def test_silent_work_is_shown_once_it_takes_long() -> None:
    assert "embed handbook" in drawn(terminal=True)


def test_pipes_and_machines_see_no_bars() -> None:
    assert drawn(terminal=False) == ""
    assert drawn("quiet", terminal=True) == ""


def test_waiting_for_a_limit_is_said_beside_the_bar() -> None:
    assert "waiting 42 s for the rate limit" in drawn("limited", terminal=True)
