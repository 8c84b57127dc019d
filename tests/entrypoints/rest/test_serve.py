"""The server itself: connections that misbehave, and its end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from knowhub.core.errors import ConfigurationError
from knowhub.core.types import Answer, AnswerEvent, Delta, Done, Viewer
from knowhub.entrypoints.rest.serve import MAX_HEAD_BYTES, Connection, listen
from tests.entrypoints.rest.conftest import Serve
from tests.entrypoints.rest.kit import ASK, STREAM, Running, events, until


def answer_to(running: Running, request: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(running.address) as raw:
        raw.sendall(request)
        return b"".join(iter(lambda: raw.recv(65536), b""))


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"hello\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * MAX_HEAD_BYTES, 431),
        (b"POST /api/query HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    ],
)
def test_what_is_not_http_is_refused_in_json(serve: Serve, request_: bytes, status: int) -> None:
    _, running = serve()
    head, _, body = answer_to(running, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == status


def test_a_body_with_two_lengths_is_refused_and_nothing_after_it_is_read(serve: Serve) -> None:
    _, running = serve()
    with socket.create_connection(running.address) as raw:
        lengths = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        raw.sendall(b"POST /api/query HTTP/1.1\r\nHost: localhost\r\n" + lengths)
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        with contextlib.suppress(ConnectionError):
            while more := raw.recv(65536):
                said += more
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_a_path_that_is_not_ascii_harms_nobody(serve: Serve) -> None:
    _, running = serve()
    answer_to(running, b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    with running.client() as client:
        assert client.get("/health").status_code == 200


def test_a_head_that_does_not_arrive_is_not_waited_for(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "head_s", 0.05)
    _, running = serve()
    assert answer_to(running, b"GET /health HTTP/1.1\r\nHost: loc") == b""
    assert answer_to(running, b"") == b""


def test_more_connections_than_allowed_are_closed_at_once(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    _, running = serve()
    monkeypatch.setattr(Connection, "max_connections", 1)
    with socket.create_connection(running.address) as first:
        first.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert first.recv(65536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(running.address) as second:
            assert _closed(second)


def _closed(raw: socket.socket) -> bool:
    try:
        raw.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return raw.recv(65536) == b""
    except ConnectionError:
        return True


# ── its end ──────────────────────────────────────────────────────────────────────────────────────────


class Paused:
    """Answers in two halves, the second when it is let on; `patient` yields while it waits."""

    def __init__(self) -> None:
        self.begun, self.let_on = threading.Event(), threading.Event()

    def __call__(self, question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Delta("27 ")
        self.begun.set()
        while not self.let_on.wait(0.01):
            yield Delta("")
        yield Delta("days")
        yield Done(Answer(question, True, text="27 days", id="a"))


def refused(client: httpx2.Client) -> httpx2.Response:
    """The first answer after the server has begun to end."""
    while (response := client.post("/api/search", json={"query": "x"})).status_code == 200:
        pass
    return response


def test_streams_are_finished_at_shutdown_and_new_questions_sent_away(serve: Serve) -> None:
    script = Paused()
    _, running = serve(script, "concurrent_queries = 2")
    with (
        running.client("ana") as ana,
        running.client("ben") as ben,
        ana.stream("POST", "/api/query", json=ASK, headers=STREAM) as response,
    ):
        found = events(response)
        next(found)
        running.stop()
        away = refused(ben)
        assert away.status_code == 503
        assert int(away.headers["retry-after"]) >= 1
        assert ben.get("/ready").status_code == 503
        assert ben.get("/health").status_code == 200
        assert ben.post("/api/query", json=ASK, headers=STREAM).status_code == 503
        script.let_on.set()
        assert list(found)[-1][0] == "done"


def test_streams_that_do_not_end_in_time_are_told_so(serve: Serve) -> None:
    script = Paused()
    hub, running = serve(script, grace_s=0.05)
    with running.client("ana") as client, client.stream("POST", "/api/query", json=ASK, headers=STREAM) as response:
        found = events(response)
        next(found)
        running.stop()
        name, last = list(found)[-1]
    assert (name, last["status"]) == ("error", 503)
    assert "shutting down" in last["detail"]
    until(lambda: hub.ended)


def test_a_port_in_use_is_one_sentence() -> None:
    with listen("127.0.0.1", 0) as taken:
        taken.listen()
        with pytest.raises(ConfigurationError, match=r"cannot be listened on: .*Choose another"):
            listen("127.0.0.1", taken.getsockname()[1])


def test_a_served_hub_ends_at_sigterm(tmp_path: Path) -> None:
    """The whole program: the schedule's thread, the server, and nothing that keeps the process alive."""
    (tmp_path / "knowhub.toml").write_text("[server]\nport = 0\n")
    program = (
        "from pathlib import Path\n"
        "from tests.entrypoints.rest.kit import open_hub\n"
        "from knowhub.entrypoints.rest.serve import serve\n"
        f"folder = Path({str(tmp_path)!r})\n"
        "with open_hub(folder) as hub:\n"
        "    serve(hub, folder / 'knowhub.toml', started=lambda url: print(url, flush=True))\n"
        "print('syncs are stopped', flush=True)\n"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        url = process.stdout.readline().strip()
        assert httpx2.get(f"{url}/health").json()["status"] == "ok"
        os.kill(process.pid, signal.SIGTERM)
        said, errors = process.communicate()
    assert "Traceback" not in errors
    assert (process.returncode, said.strip()) == (0, "syncs are stopped")
