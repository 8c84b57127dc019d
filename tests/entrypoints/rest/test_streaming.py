"""Streams: their order, their end, and what happens when somebody leaves."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from starlette.types import Message

from knowhub.core.errors import ConfigurationError, ModelChanged, RateLimited
from knowhub.core.types import Answer, AnswerEvent, Delta, Done, Reset, Retrieved, Status, Viewer
from knowhub.entrypoints.rest.problems import MEDIA_TYPE, Refused
from knowhub.entrypoints.rest.streaming import Channel, EventStream, Gone
from tests.entrypoints.rest.conftest import Serve
from tests.entrypoints.rest.kit import ASK, STREAM, Running, cited, events, says, until


def stream(running: Running, **body: Any) -> list[tuple[str, Any]]:
    asked = {**ASK, **body}
    with running.client("ana") as client, client.stream("POST", "/api/query", json=asked, headers=STREAM) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response))


def second_thoughts(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
    yield Status("searching")
    yield Status("answering")
    yield Retrieved((cited(),))
    yield Delta("It was 2")
    yield Reset("the model began again")
    yield Delta("27 days\n")
    yield Delta("of \x00 leave 🦭")
    yield Done(Answer(question, True, (cited(),), text="27 days\nof \x00 leave 🦭", id="a"))


def test_events_come_in_their_order_and_their_deltas_are_the_answer(serve: Serve) -> None:
    _, running = serve(second_thoughts)
    found = stream(running)
    assert [name for name, _ in found] == ["status", "status", "citations", "delta", "reset", "delta", "delta", "done"]
    after = [name for name, _ in found].index("reset")
    done = found[-1][1]
    assert "".join(data["text"] for name, data in found[after:] if name == "delta") == done["answer"]
    assert found[2][1]["sources"] == done["sources"]
    assert found[0][1] == {"stage": "searching"}
    assert found[4][1] == {"reason": "the model began again"}


def test_a_remembered_answer_streams_the_same_without_being_made_again(serve: Serve) -> None:
    hub, running = serve(second_thoughts)
    first, second = stream(running), stream(running)
    assert [name for name, _ in second] == ["citations", "delta", "done"]
    assert second[-1] == first[-1]
    assert second[1][1]["text"] == first[-1][1]["answer"]
    assert len(hub.asked) == 1


class Waiting:
    """A script that says something and waits to be let on."""

    def __init__(self) -> None:
        self.speaking, self.let_on = threading.Event(), threading.Event()

    def __call__(self, question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Retrieved((cited(),))
        yield Delta("27 ")
        self.speaking.set()
        while not self.let_on.wait(0.01):
            yield Delta("")
        yield Delta("days")
        yield Done(Answer(question, True, (cited(),), text="27 days", id="a"))


def test_a_client_that_leaves_stops_the_work(serve: Serve) -> None:
    script = Waiting()
    hub, running = serve(script)
    with running.client("ana") as client, client.stream("POST", "/api/query", json=ASK, headers=STREAM) as response:
        found = events(response)
        next(found)
        script.speaking.wait()
        assert hub.ended == []
    until(lambda: hub.ended)
    until(lambda: running.served.desk.gate._inside == 0)
    assert not running.served.desk._channels


def test_a_client_that_leaves_without_streaming_stops_the_work_too(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    script = Waiting()
    hub, running = serve(script)
    with socket.create_connection(running.address) as raw:
        body = json.dumps(ASK).encode()
        head = "POST /api/query HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ana\r\n"
        kind = f"Content-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
        raw.sendall(f"{head}{kind}".encode() + body)
        script.speaking.wait()
    until(lambda: hub.ended)
    until(lambda: any(record.getMessage() == "request" for record in caplog.records))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING], "leaving is no fault"


def test_an_error_before_the_first_event_is_a_status(serve: Serve) -> None:
    _, running = serve()
    with running.client("ana") as client:
        response = client.post("/api/query", json={**ASK, "source_filter": ["nowhere"]}, headers=STREAM)
    assert response.status_code == 404
    assert response.headers["content-type"] == MEDIA_TYPE


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (RateLimited("the model wants patience", wait_s=7), 503, "away"),
        (ConfigurationError("SECRET is wrong"), 500, "could not do this"),
        (ModelChanged("the index was built by SECRET"), 503, "rebuilt"),
        (ValueError("SECRET question"), 500, "could not do this"),
    ],
)
def test_an_error_in_mid_stream_is_the_last_event(
    serve: Serve, caplog: pytest.LogCaptureFixture, error: Exception, status: int, detail: str
) -> None:
    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Delta("27")
        raise error

    _, running = serve(script)
    found = stream(running)
    assert [name for name, _ in found] == ["delta", "error"]
    assert found[-1][1]["status"] == status
    assert detail in found[-1][1]["detail"]
    assert "SECRET" not in json.dumps(found)
    for record in caplog.records:
        assert "SECRET" not in str(record.__dict__)
    assert stream(running)[-1][0] == "error", "an error was remembered"


def test_administrators_are_told_what_failed(serve: Serve) -> None:
    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        raise ConfigurationError("the model's key is wrong", cure="Set language.key.")
        yield

    _, running = serve(script)
    with running.client("admin") as admin, running.client("ana") as ana:
        assert admin.post("/api/query", json=ASK).json()["detail"] == "The model's key is wrong. Set language.key."
        assert "key" not in ana.post("/api/query", json=ASK).json()["detail"]


def test_streams_of_one_caller_are_limited_and_those_of_others_are_not(serve: Serve) -> None:
    script = Waiting()
    _, running = serve(script, "concurrent_streams = 1\nconcurrent_queries = 3")
    with running.client("ana") as ana, running.client("ben") as ben:
        with ana.stream("POST", "/api/query", json=ASK, headers=STREAM) as first:
            mine = events(first)
            next(mine)
            refused = ana.post("/api/query", json=ASK, headers=STREAM)
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            with ben.stream("POST", "/api/query", json=ASK, headers=STREAM) as other:
                theirs = events(other)
                next(theirs)
                script.let_on.set()
                assert list(theirs)[-1][0] == "done"
            assert list(mine)[-1][0] == "done"
        assert ana.post("/api/query", json={"query": "again"}, headers=STREAM).status_code == 200


# ── parts ────────────────────────────────────────────────────────────────────────────────────────────


def test_a_stream_that_has_nothing_to_say_is_kept_open_by_comments() -> None:
    sent: list[bytes] = []

    async def run() -> None:
        channel = Channel(asyncio.get_running_loop())
        beats = asyncio.Event()

        async def send(message: Message) -> None:
            sent.append(message.get("body", b""))
            if sent.count(b": still here\n\n") == 2 and not beats.is_set():
                beats.set()
                channel._frames.put_nowait(None)

        async def work() -> None: ...

        response = EventStream(channel, work, keep=lambda task: None, heartbeat_s=0.001)
        await response({"type": "http"}, _never, send)

    asyncio.run(run())
    assert sent == [b"", b": still here\n\n", b": still here\n\n", b""]


async def _never() -> Message:
    await asyncio.Event().wait()
    raise AssertionError


def test_a_thread_that_is_ahead_waits_and_is_let_go_when_the_reader_leaves() -> None:
    told: list[int] = []

    def talk(channel: Channel) -> None:
        with suppress(Gone):
            for number in range(1000):
                channel.send(b"x")
                told.append(number)

    async def run() -> None:
        channel = Channel(asyncio.get_running_loop())
        talking = asyncio.get_running_loop().run_in_executor(None, talk, channel)
        for _ in range(3):
            assert await channel.receive() == b"x"
        while not channel._frames.full():
            await asyncio.sleep(0)
        channel.leave()
        await talking

    asyncio.run(run())
    assert len(told) < 40


def test_a_reader_that_does_not_read_keeps_no_thread_from_others() -> None:
    def talk(channel: Channel) -> None:
        for _ in range(1000):
            channel.send(b"x")

    async def run() -> None:
        loop = asyncio.get_running_loop()
        channel = Channel(loop, patience_s=0.01)
        with pytest.raises(Gone):
            await loop.run_in_executor(None, talk, channel)
        last = await channel.receive()
        assert isinstance(last, Refused)
        assert last.status_code == 408

    asyncio.run(run())


def test_an_interrupted_stream_ends_with_the_reason() -> None:
    async def run() -> bytes | Refused | None:
        channel = Channel(asyncio.get_running_loop())
        await channel._frames.put(b"unread")
        channel.interrupt(Refused(503, "The end."))
        with pytest.raises(Gone):
            channel.check()
        return await channel.receive()

    found = asyncio.run(run())
    assert isinstance(found, Refused)


def test_says_is_a_whole_answer() -> None:
    """The scripts that other tests stand on keep the promise of the events."""
    found = list(says("a", "b")("q", Viewer("ana", frozenset())))
    last = found[-1]
    assert isinstance(last, Done)
    assert last.answer.text == "".join(event.text for event in found if isinstance(event, Delta))
