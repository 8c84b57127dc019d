"""What surrounds every request: ids, names, sites, sizes, headers, and what the log says."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from knowhub.core.types import Answer, AnswerEvent, Done, Viewer
from knowhub.entrypoints.rest.logs import Lines
from knowhub.entrypoints.rest.problems import MEDIA_TYPE, Refused
from knowhub.entrypoints.rest.shell import CONTENT_SECURITY_POLICY, Limits, Shell
from knowhub.entrypoints.rest.sites import Sites
from tests.entrypoints.rest.conftest import Serve
from tests.entrypoints.rest.kit import ASK, STREAM


def test_a_sane_request_id_is_kept_and_any_other_replaced(serve: Serve) -> None:
    _, running = serve()
    with running.client() as client:
        for given in ("0f8fad5b-d9cb-469f-a165-70867728950e", "trace.1_x"):
            assert client.get("/health", headers={"x-request-id": given}).headers["x-request-id"] == given
        for given in ("short", "x" * 65, "a b c d e f", "<script>", "ÿÿÿÿÿÿÿÿÿ"):
            made = client.get("/health", headers={b"x-request-id": given.encode("latin-1")}).headers["x-request-id"]
            assert re.fullmatch("[0-9a-f]{32}", made)


@pytest.mark.parametrize("path", ["/", "/health", "/api/me", "/api/nothing", "/api/openapi.json"])
def test_every_answer_has_the_headers_that_keep_browsers_in_bounds(serve: Serve, path: str) -> None:
    _, running = serve()
    with running.client() as client:
        headers = client.get(path).headers
    assert headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"
    assert ("no-store" in headers.get("cache-control", "")) == (path not in ("/",))
    assert "server" not in headers
    assert not any(name.startswith("access-control") for name in headers)


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::", "10.0.0.1"]
)
def test_a_foreign_host_name_is_refused(serve: Serve, host: str) -> None:
    """Else a page elsewhere could point its own name here and read what the owner may read."""
    _, running = serve()
    with running.client() as client:
        assert client.get("/api/me", headers={"host": host}).status_code == 421
        assert client.get("/health", headers={"host": host}).status_code == 200


def test_this_machine_and_names_that_are_allowed_are_answered(serve: Serve) -> None:
    _, running = serve(server='allowed_hosts = ["hub.example"]')
    with running.client("ana") as client:
        for host in ("localhost", "LOCALHOST:8765", "127.0.0.1", "[::1]:80", "hub.example", "Hub.Example:443"):
            assert client.get("/api/me", headers={"host": host}).status_code == 200


FOREIGN = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"origin": "http://127.0.0.1:1"},
    {"sec-fetch-site": "cross-site", "authorization": "Bearer ana"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_what_another_site_sends_changes_nothing(serve: Serve, headers: dict[str, str]) -> None:
    hub, running = serve()
    with running.client() as client:
        refused = client.post("/api/query", json=ASK, headers=headers)
        assert refused.status_code == 403
        assert client.post("/api/sources/handbook/sync", headers=headers).status_code == 403
    assert hub.asked == []
    assert running.beside.synced == []


def test_the_page_of_this_hub_may_ask(serve: Serve) -> None:
    _, running = serve()
    with running.client() as client:
        for headers in ({"sec-fetch-site": "same-origin"}, {"origin": running.url}, {"sec-fetch-site": "none"}):
            assert client.post("/api/query", json=ASK, headers=headers).status_code == 200
        assert client.get("/", headers={"sec-fetch-site": "cross-site"}).status_code == 200, "a link to the page"
        assert client.get("/api/me", headers={"sec-fetch-site": "cross-site"}).status_code == 403


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────────


def chunks(total: int) -> Iterator[bytes]:
    for _ in range(total // 1024):
        yield b" " * 1024


def test_a_body_that_is_too_large_is_refused_by_its_header_and_while_it_arrives(serve: Serve) -> None:
    _, running = serve(server="max_body_bytes = 4096")
    kind = {"content-type": "application/json"}
    with running.client("ana") as client:
        for content in (b" " * 5000, chunks(1024 * 1024)):
            refused = client.post("/api/query", content=content, headers=kind)
            assert refused.status_code == 413
            assert refused.headers["content-type"] == MEDIA_TYPE
            assert refused.headers["connection"] == "close"
        assert client.post("/api/query", content=b" " * 4000 + b'{"query": "x"}', headers=kind).status_code == 200


async def reading(scope: Scope, receive: Receive, send: Send) -> None:
    await Response(await Request(scope, receive).body())(scope, receive, send)


def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    sent: list[Message] = []

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [(b"host", b"localhost")]}
    shell = Shell(reading, sites=Sites("127.0.0.1"), limits=Limits(1000, body_s=0.001))
    asyncio.run(shell(scope, never, send))
    assert sent[0]["status"] == 408


# ── what is written down ─────────────────────────────────────────────────────────────────────────────


def fails(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
    raise ValueError(f"no idea about {question}")
    yield


def test_the_log_names_requests_and_no_texts(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    _, running = serve(fails)
    with running.client("ana-s-token") as client:
        secret = {"query": "what does SECRET mean?"}
        failed = client.post("/api/query", json=secret)
        assert failed.status_code == 500
        assert failed.headers["content-type"] == MEDIA_TYPE
        client.post("/api/query", json=secret, headers=STREAM)
        client.get("/api/documents/docs%3ASECRET?token=SECRET")
        client.post("/api/query", json={"query": "SECRET", "top_k": "SECRET"})
    ours = [record for record in caplog.records if not record.name.startswith("httpx2")]
    lines = "\n".join(map(Lines().format, ours))
    assert "SECRET" not in lines
    assert "ana-s-token" not in lines
    assert failed.json()["request_id"] in lines
    assert "ValueError" in lines
    assert "route=/api/documents/{id:path} status=404" in lines


def test_a_line_of_the_log_is_one_line_whatever_is_in_it() -> None:
    record = logging.LogRecord("x", logging.INFO, "f", 1, "request", None, None)
    record.route = "/a\nFAKE 2026 INFO"
    assert "\n" not in Lines().format(record)


def test_a_fault_that_somebody_else_writes_down_loses_its_words() -> None:
    """uvicorn and libraries log exceptions whole; what these say may be a question, or hold a token."""
    try:
        try:
            raise KeyError("SECRET")
        except KeyError as inner:
            raise ValueError("SECRET") from inner
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", None, sys.exc_info())
    line = Lines().format(record)
    assert "SECRET" not in line.replace('("SECRET")', "")
    assert "ValueError" in line
    assert "KeyError" in line
    assert "test_shell.py" in line


def test_what_fails_after_the_answer_has_begun_is_cut_off_and_written_down(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise ValueError("SECRET")

    async def receive() -> Message:
        return {"type": "http.request", "body": b""}

    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [(b"host", b"localhost")]}
    asyncio.run(Shell(broken, sites=Sites("localhost"), limits=Limits(10))(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start"]
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["unexpected error"]


def test_a_listener_on_all_addresses_knows_this_machines_name() -> None:
    import socket

    def answered(host: str, name: str, server: tuple[str, int] = ("192.0.2.7", 80)) -> bool:
        scope: dict[str, Any] = {"path": "/", "method": "GET", "server": server}
        from starlette.datastructures import Headers

        try:
            Sites(host).check(scope, Headers({"host": name}))
        except Refused:
            return False
        return True

    assert answered("0.0.0.0", socket.gethostname())
    assert answered("0.0.0.0", "192.0.2.7:8765"), "the address that the request came to"
    assert not answered("0.0.0.0", "192.0.2.8")
    assert not answered("0.0.0.0", "evil.example")


def test_an_answer_is_remembered_for_its_viewer_alone(serve: Serve) -> None:
    hub, running = serve()
    with running.client("ana") as ana, running.client("ben") as ben:
        ids = [client.post("/api/query", json=ASK).status_code for client in (ana, ben, ana, ben)]
    assert ids == [200] * 4
    assert hub.asked == [("ana", ASK["query"]), ("ben", ASK["query"])]
    assert [name for name, _ in hub.again] == ["ana", "ben"]


CHANGES: list[dict[str, Any]] = [
    {"query": "How many days of leave"},
    {"top_k": 3},
    {"source_filter": ["docs"]},
    {"kinds": ["text"]},
    {"containers": ["x"]},
    {"authors": ["ana"]},
    {"since": "2026-01-01"},
    {"until": "2026-01-01"},
    {"conversation": [{"question": "And sick leave?", "answer": "10"}]},
    {"conversation": [{"question": "And sick leave?", "answer": "11"}]},
]


def test_whatever_differs_in_a_question_makes_it_another_one(serve: Serve) -> None:
    hub, running = serve()
    with running.client("ana") as client:
        for change in [{}, *CHANGES]:
            assert client.post("/api/query", json={**ASK, **change}).status_code == 200
        assert len(hub.asked) == 1 + len(CHANGES)
        hub.version = "2"
        client.post("/api/query", json=ASK)
        assert len(hub.asked) == 2 + len(CHANGES)


def test_a_remembered_answer_is_made_again_when_what_it_shows_was_closed(serve: Serve) -> None:
    hub, running = serve()
    with running.client("ana") as client:
        client.post("/api/query", json=ASK)
        hub.hidden = {"docs:a"}
        client.post("/api/query", json=ASK)
    assert len(hub.asked) == 2


def test_an_answer_with_a_reservation_is_not_remembered(serve: Serve) -> None:
    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Done(Answer(question, False, notice="the reranker was away"))

    hub, running = serve(script)
    with running.client("ana") as client:
        client.post("/api/query", json=ASK)
        client.post("/api/query", json=ASK)
    assert len(hub.asked) == 2


def test_nothing_is_remembered_where_that_is_switched_off(serve: Serve) -> None:
    for off in ("cache_entries = 0", "cache_seconds = 0"):
        hub, running = serve(server=off)
        with running.client("ana") as client:
            client.post("/api/query", json=ASK)
            client.post("/api/query", json=ASK)
        assert len(hub.asked) == 2


def test_who_asks_too_often_is_told_when_to_come_back(serve: Serve) -> None:
    _, running = serve(server="requests_per_minute = 2")
    with running.client("ana") as ana, running.client("ben") as ben:
        assert [ana.get("/api/me").status_code for _ in range(3)] == [200, 200, 429]
        refused = ana.get("/api/me")
        assert refused.headers["content-type"] == MEDIA_TYPE
        assert 1 <= int(refused.headers["retry-after"]) <= 30
        assert ben.get("/api/me").status_code == 200
        assert ana.get("/health").status_code == 200
