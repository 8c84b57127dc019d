"""A language model that says what a script says: on OpenAI's, Anthropic's and Bedrock's wire.

with Wire() as wire:
    wire.script(Reply("The limit is 150 EUR [1]."))            # one reply a request; the last is repeated
    wire.url                                                    # http://127.0.0.1:…
    wire.requests                                               # what was asked, as it came
"""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import sys
import threading
from binascii import crc32
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

PATIENCE_S = 20
"""So that a test which fails does not hang."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Silence until the test opens it, or the client hangs up."""

    opened: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True, slots=True)
class Broken:
    """The stream fails here with the provider's own error; `code` in its spelling, such as `overloaded_error`."""

    code: str
    message: str = "scripted"


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes in the middle of the stream that no provider would send."""

    data: bytes


class HangUp:
    """The connection is lost here."""


Step = str | Gate | Broken | Raw | HangUp


@dataclass(frozen=True, slots=True)
class Reply:
    """What one request is answered with: a stream of `said`, or `status` with the provider's `code`.

    A `str` in `said` is one event; `thought` comes before, as the provider sends thoughts. `silent` waits even
    before the headers.
    """

    said: str | tuple[Step, ...] = ""
    status: int = 200
    code: str = ""
    message: str = "scripted"
    headers: Mapping[str, str] = field(default_factory=dict)
    usage: tuple[int, int] = (120, 7)
    thought: str = ""
    silent: Gate | None = None
    stop: str = ""

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(re.findall(r"\S+\s*", self.said)) if isinstance(self.said, str) else self.said


@dataclass(frozen=True, slots=True)
class Request:
    wire: str
    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]

    @property
    def system(self) -> str:
        if self.wire == "openai":
            return _text(self.body["messages"][0]["content"])
        return _text(self.body.get("system", ""))

    @property
    def user(self) -> str:
        return _text(self.body["messages"][-1]["content"])


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are what is tested here."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Wire:
    """A server on loopback. `hung_up` is set once a client closed its connection before the end."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.hung_up = threading.Event()
        self.waiting = threading.Event()
        self._replies: list[Reply] = [Reply("")]
        self._lock = threading.Lock()
        wire = self

        class Handler(_Handler):
            pass

        Handler.wire = wire
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def script(self, *replies: Reply) -> None:
        with self._lock:
            self._replies = list(replies)

    def take(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            return self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]

    def wait(self, gate: Gate, connection: socket.socket) -> bool:
        """Whether the gate was opened; False: the client hung up."""
        self.waiting.set()
        for _ in range(PATIENCE_S * 100):
            if gate.opened.is_set():
                return True
            readable, _, _ = select.select([connection], [], [], 0.01)
            if readable and not connection.recv(1, socket.MSG_PEEK):
                return False
        return False


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wire: Wire

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        wire = _wire_of(self.path)
        reply = self.wire.take(Request(wire, self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        try:
            if reply.silent is not None and not self.wire.wait(reply.silent, self.connection):
                raise ConnectionResetError
            if reply.status != 200:
                self._refuse(wire, reply)
            else:
                self._stream(wire, reply, str(body.get("model", "")))
        except (BrokenPipeError, ConnectionResetError):
            self.wire.hung_up.set()
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _refuse(self, wire: str, reply: Reply) -> None:
        body = json.dumps(_refusal(wire, reply)).encode()
        self.send_response(reply.status)
        headers = {"content-type": "application/json", "content-length": str(len(body)), **reply.headers}
        if wire == "bedrock":
            headers["x-amzn-errortype"] = reply.code
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _stream(self, wire: str, reply: Reply, model: str) -> None:
        self.send_response(200)
        kind = "application/vnd.amazon.eventstream" if wire == "bedrock" else "text/event-stream"
        self.send_header("content-type", kind)
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        for step in _WIRES[wire](reply, model):
            if isinstance(step, Gate):
                if not self.wire.wait(step, self.connection):
                    raise ConnectionResetError
            elif isinstance(step, HangUp):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            else:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(step), step))
        self.wfile.write(b"0\r\n\r\n")


Sent = Iterator[bytes | Gate | HangUp]


def _openai(reply: Reply, model: str) -> Sent:
    def event(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        return _sse({"id": "c-1", "created": 1, "model": model, "object": "chat.completion.chunk", "choices": [choice]})

    yield event({"role": "assistant", "content": ""})
    if reply.thought:
        yield event({"reasoning_content": reply.thought})
    for step in reply.steps:
        if isinstance(step, str):
            yield event({"content": step})
        elif isinstance(step, Broken):
            yield _sse({"error": {"message": step.message, "type": step.code, "code": None}})
            return
        else:
            yield step.data if isinstance(step, Raw) else step
    yield event({}, reply.stop or "stop")
    into, out = reply.usage
    usage = {"prompt_tokens": into, "completion_tokens": out, "total_tokens": into + out}
    yield _sse(
        {"id": "c-1", "created": 1, "model": model, "object": "chat.completion.chunk", "choices": [], "usage": usage}
    )
    yield b"data: [DONE]\n\n"


def _anthropic(reply: Reply, model: str) -> Sent:
    def event(name: str, **fields: Any) -> bytes:
        return f"event: {name}\n".encode() + _sse({"type": name, **fields})

    usage = {"input_tokens": reply.usage[0], "output_tokens": 1}
    message = {"id": "m-1", "type": "message", "role": "assistant", "model": model, "content": []}
    yield event("message_start", message={**message, "stop_reason": None, "stop_sequence": None, "usage": usage})
    index = 0
    if reply.thought:
        yield event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""})
        yield event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": reply.thought})
        yield event("content_block_stop", index=0)
        index = 1
    yield event("content_block_start", index=index, content_block={"type": "text", "text": ""})
    for step in reply.steps:
        if isinstance(step, str):
            yield event("content_block_delta", index=index, delta={"type": "text_delta", "text": step})
        elif isinstance(step, Broken):
            yield event("error", error={"type": step.code, "message": step.message})
            return
        else:
            yield step.data if isinstance(step, Raw) else step
    yield event("content_block_stop", index=index)
    stop = {"stop_reason": reply.stop or "end_turn", "stop_sequence": None}
    yield event("message_delta", delta=stop, usage={"output_tokens": reply.usage[1]})
    yield event("message_stop")


def _bedrock(reply: Reply, _model: str) -> Sent:
    yield _frame("messageStart", {"role": "assistant"})
    index = 0
    if reply.thought:
        thought = {"reasoningContent": {"text": reply.thought}}
        yield _frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": thought})
        yield _frame("contentBlockStop", {"contentBlockIndex": 0})
        index = 1
    for step in reply.steps:
        if isinstance(step, str):  # the real one sends no contentBlockStart for text
            yield _frame("contentBlockDelta", {"contentBlockIndex": index, "delta": {"text": step}})
        elif isinstance(step, Broken):
            yield _frame(step.code, {"message": step.message}, kind="exception")
            return
        else:
            yield step.data if isinstance(step, Raw) else step
    yield _frame("contentBlockStop", {"contentBlockIndex": index})
    yield _frame("messageStop", {"stopReason": reply.stop or "end_turn"})
    into, out = reply.usage
    usage = {"inputTokens": into, "outputTokens": out, "totalTokens": into + out}
    yield _frame("metadata", {"usage": usage, "metrics": {"latencyMs": 1}})


_WIRES = {"openai": _openai, "anthropic": _anthropic, "bedrock": _bedrock}


def _wire_of(path: str) -> str:
    if path.endswith("/converse-stream"):
        return "bedrock"
    return "anthropic" if path.endswith("/messages") else "openai"


def _refusal(wire: str, reply: Reply) -> dict[str, Any]:
    if wire == "bedrock":
        return {"message": reply.message}
    error = {"message": reply.message, "type": reply.code}
    return {"error": {**error, "code": reply.code}} if wire == "openai" else {"type": "error", "error": error}


def _sse(data: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(data)}\n\n".encode()


def _frame(event: str, payload: dict[str, Any], *, kind: str = "event") -> bytes:
    """One message of AWS's event stream: prelude, headers, payload, each with its CRC-32."""
    named = {":message-type": kind, f":{kind}-type": event, ":content-type": "application/json"}
    headers = b"".join(
        struct.pack("!B", len(name)) + name.encode() + b"\x07" + struct.pack("!H", len(value)) + value.encode()
        for name, value in named.items()
    )
    body = json.dumps(payload).encode()
    prelude = struct.pack("!II", 16 + len(headers) + len(body), len(headers))
    message = prelude + struct.pack("!I", crc32(prelude)) + headers + body
    return message + struct.pack("!I", crc32(message))


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
