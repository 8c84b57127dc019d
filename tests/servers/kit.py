"""What every simulated vendor stands on: real HTTP on loopback, a clock that tests turn, and bad weather by seed.

class Wiki(SimulatedApi):
    def answer(self, asked: Asked) -> Answer: ...          # the vendor's behaviour, in state of its own

with Wiki(clock) as wiki:                                   # wiki.url is http://127.0.0.1:…
    wiki.weather = Weather(random.Random(7), chance=0.2)    # 429s, 5xx, cut bodies, HTML pages, lost connections
    wiki.kill_after = 12                                    # from the 13th request on, nobody answers: Killed
"""

from __future__ import annotations

import json
import random
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, parse_qsl, urlsplit


class Killed(BaseException):
    """The process under test died here. Not an Exception: nothing may catch it."""


class VirtualClock:
    """Time that passes only when somebody waits or a test says so. Server and client share it."""

    def __init__(self, start: datetime = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)) -> None:
        self._now = start
        self.slept_s = 0.0
        self.doomed = False

    def now(self) -> datetime:
        return self._now

    __call__ = now

    def sleep(self, seconds: float) -> None:
        if self.doomed:
            raise Killed
        assert seconds >= 0
        self.slept_s += seconds
        self._now += timedelta(seconds=seconds)

    def advance(self, **span: float) -> None:
        """`advance(days=1, minutes=5)`."""
        self._now += timedelta(**span)


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. `query` has each name's values in order; header names are in lower case."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def one(self, name: str, default: str = "") -> str:
        return self.query.get(name, [default])[-1]

    def number(self, name: str, default: int) -> int:
        return int(self.one(name, str(default)))

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def parts(self) -> list[str]:
        return [part for part in self.path.split("/") if part]


@dataclass(frozen=True, slots=True)
class Answer:
    """`data` is sent as JSON; or give `body` and its `content_type`."""

    data: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    content_type: str = "application/json; charset=utf-8"

    def encoded(self) -> bytes:
        if self.body is not None:
            return self.body
        return b"" if self.status in (204, 304) else json.dumps(self.data, ensure_ascii=False).encode()


_FOR_JSON = ("throttled", "throttled without a word", "unavailable", "failed", "lost", "cut", "half", "html", "slow")
_FOR_FILES = ("throttled", "unavailable", "lost", "cut", "slow")


@dataclass(slots=True)
class Weather:
    """What the network and the vendor's machines do beside answering, `in_a_row` times at most."""

    rng: random.Random
    chance: float = 0.0
    in_a_row: int = 2
    _struck: int = 0

    def strike(self, *, of: tuple[str, ...]) -> str:
        if self._struck < self.in_a_row and self.rng.random() < self.chance:
            self._struck += 1
            return self.rng.choice(of)
        self._struck = 0
        return ""


@dataclass(slots=True)
class Limit:
    """At most `requests` in any `seconds`; refused ones count as well, as with most vendors they do not help."""

    clock: VirtualClock
    requests: int
    seconds: float = 60
    accepted: int = 0
    refused: int = 0
    _times: deque[datetime] = field(default_factory=deque)

    def wait_s(self) -> float:
        """0 if one more may pass now (and it is counted), else the seconds until it might."""
        now = self.clock.now()
        while self._times and (now - self._times[0]).total_seconds() >= self.seconds:
            self._times.popleft()
        if len(self._times) >= self.requests:
            self.refused += 1
            return self.seconds - (now - self._times[0]).total_seconds()
        self._times.append(now)
        self.accepted += 1
        return 0.0


class SimulatedApi:
    """A vendor's API in this process. Subclasses answer; state may be changed by the test between requests."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.weather = Weather(random.Random(0))
        self.limit: Limit | None = None
        self.latency_s = 0.0
        self.kill_after: int | None = None
        self.disturb: Callable[[], None] = lambda: None
        """Called after each answer: what people do while somebody reads."""
        self.log: list[Asked] = []
        self._lock = threading.Lock()
        self._server: _Server | None = None

    # ── for subclasses ───────────────────────────────────────────────────────────────────────────────

    def answer(self, asked: Asked) -> Answer:
        raise NotImplementedError

    def too_fast(self, wait_s: float) -> Answer:
        """How this vendor refuses; `wait_s` 0: without saying for how long."""
        headers = {"Retry-After": str(int(wait_s) + 1)} if wait_s else {}
        return Answer({"message": "Too many requests"}, 429, headers)

    # ── for tests ────────────────────────────────────────────────────────────────────────────────────

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def revive(self) -> None:
        """After a kill: the server answers again and the clock lets the next process wait."""
        self.kill_after = None
        self.clock.doomed = False

    def __enter__(self) -> Self:
        self._server = _Server(self)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        assert self._server
        self._server.shutdown()
        self._server.server_close()

    # ── one request ──────────────────────────────────────────────────────────────────────────────────

    def serve(self, asked: Asked) -> tuple[Answer, str]:
        """The answer, and what the weather does to it."""
        with self._lock:
            if self.kill_after is not None and len(self.log) >= self.kill_after:
                self.clock.doomed = True
                return Answer(), "lost"
            self.log.append(asked)
            if self.latency_s:
                self.clock.advance(seconds=self.latency_s)
            if self.limit and (wait_s := self.limit.wait_s()):
                return self.too_fast(wait_s), ""
            strike = self.weather.strike(of=_FOR_JSON)
            if struck := self._struck(strike):
                return struck, ""
            if strike == "lost":
                return Answer(), strike
            answer = self.answer(asked)
            self.disturb()
        if answer.body is not None and strike not in _FOR_FILES:
            strike = ""
        return answer, strike

    def _struck(self, strike: str) -> Answer | None:
        page = b"<html><head><title>Please log in</title></head><body>Log in</body></html>"
        match strike:
            case "throttled":
                return self.too_fast(self.weather.rng.randrange(1, 30))
            case "throttled without a word":
                return self.too_fast(0)
            case "unavailable":
                return Answer(status=503, body=b"<html><title>503 Service Unavailable</title></html>",
                              content_type="text/html")  # fmt: skip
            case "failed":
                return Answer({"message": "Internal Server Error"}, 500)
            case "html":
                return Answer(body=page, content_type="text/html")
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, api: SimulatedApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:  # the method's name is the standard library's
        api: SimulatedApi = self.server.api  # type: ignore[attr-defined]  # it is our _Server
        target = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(
            self.command,
            target.path,
            parse_qs(target.query, keep_blank_values=True),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        answer, strike = api.serve(asked)
        self._send(answer, strike, api.clock)

    do_POST = do_GET  # noqa: N815  # so is this one

    def _send(self, answer: Answer, strike: str, clock: VirtualClock) -> None:
        body = answer.encoded()
        if strike == "lost":
            self.close_connection = True
            return
        if strike == "half":
            body = body[: len(body) // 2]
        self.send_response_only(answer.status)
        for name, value in {"Date": format_datetime(clock.now(), usegmt=True), **answer.headers}.items():
            self.send_header(name, value)
        if body:
            self.send_header("Content-Type", answer.content_type)
        if answer.status != 304:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if strike == "cut":
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif strike == "slow":
            for start in range(0, len(body), max(1, len(body) // 3)):
                self.wfile.write(body[start : start + max(1, len(body) // 3)])
                self.wfile.flush()
        else:
            self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None: ...
