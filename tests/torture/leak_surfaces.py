"""Every way in which the hub says something, as one call: a caller, a probe ▸ all that came out of it, as text."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import typer.main
from starlette.types import ASGIApp, Message

from knowhub.access.identity import ANYBODY, Identity, owner
from knowhub.access.oidc import Claimed
from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Scope
from knowhub.core.types import ContainerId, DocumentId, Filters, Principal, SourceName, Turn, Viewer
from knowhub.entrypoints.cli import main
from knowhub.entrypoints.mcp import mounted
from knowhub.entrypoints.rest.app import create
from knowhub.wiring.app import App
from tests.entrypoints.rest.kit import Beside
from tests.torture.leak_world import Caller, Company, CompanyLaptop

ADMIN = (
    ("GET", "/api/gaps"), ("GET", "/api/audit"), ("GET", "/api/memberships"), ("GET", "/api/keys"),
    ("GET", "/api/runs"), ("GET", "/api/batches/failed"), ("POST", "/api/memberships/sync"),
)  # fmt: skip
_COMMANDS = typer.main.get_command(main.cli)
_KEY = re.compile(r"key:[0-9a-f]{16}")
_MASKED = frozenset(("timestamp", "read_at", "complete_as_of", "sequence", "indexed_sequence"))
_WEIGHTS = {
    "app.search": 9, "app.ask": 3, "app.document": 12, "app.overview": 11, "rest.query": 9, "rest.stream": 6,
    "rest.search": 9, "rest.documents": 14, "rest.sources": 11, "rest.me": 3, "rest.feedback": 4, "rest.admin": 4,
    "mcp.search": 3, "mcp.ask": 2, "mcp.read_document": 3, "mcp.list_sources": 3, "cli.search": 1.5, "cli.ask": 1.5,
    "cli.show": 1.5, "cli.export": 1.5,
}  # fmt: skip
SURFACES, WEIGHTS = tuple(_WEIGHTS), tuple(_WEIGHTS.values())


@dataclass(frozen=True)
class Probe:
    """What is asked, whichever way. `document` is an id, `answer` that of an answer somebody was given."""

    surface: str
    question: str
    document: str
    mode: str = "hybrid"
    top_k: int = 10
    narrowed: Mapping[str, list[str]] = field(default_factory=dict)
    turns: tuple[str, ...] = ()
    answer: str = "none"
    path: tuple[str, str] = ADMIN[0]

    @property
    def said(self) -> str:
        """All that the caller has named."""
        return f"{self.question} {self.document} {json.dumps(self.narrowed)} {self.turns} {self.path}"


@dataclass
class Reply:
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes

    @property
    def text(self) -> str:
        shown = b"\n".join(b"%s: %s" % pair for pair in self.headers)
        return f"{self.status}\n{shown.decode()}\n\n{self.body.decode()}"


class Site:
    """One hub and its doors. `tokens` are of the company's callers."""

    def __init__(self, company: Company, app: App, adapters: CompanyLaptop) -> None:
        self.company = company
        self.app = app
        self.adapters = adapters
        self._headers = {caller: self._credentials(caller) for caller in company.callers}
        self._served = create(app, Beside(tuple(company.places)), mounts=[mounted(app)])

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        api = self._served.api
        with _command_line(self.app):
            async with api.router.lifespan_context(api):
                yield
        await self._served.desk.drain(1)

    def _credentials(self, caller: Caller) -> dict[str, str]:
        if caller.way == "key":
            made = self.app.add_key("test", email=caller.email, principals=caller.given)
            return {"authorization": f"Bearer {made.token.reveal()}"}
        if caller.way == "cookie":
            claimed = Claimed("somebody", caller.email, caller.groups, "")
            _, cookie = self.adapters.doors.browser_logins.start(claimed)
            return {"cookie": f"knowhub_session={cookie.reveal()}"}
        return {}

    # ── all ways ─────────────────────────────────────────────────────────────────────────────────────

    async def reply(self, caller: Caller, probe: Probe) -> str:
        way, _, what = probe.surface.partition(".")
        match way:
            case "app":
                return self._by_app(caller, probe, what)
            case "rest":
                return (await self.rest(caller, probe, what)).text
            case "mcp":
                return (await self._by_mcp(caller, probe, what)).text
            case "cli":
                return self._by_command(caller, probe, what)
        raise ValueError(probe.surface)

    def viewer(self, caller: Caller) -> Viewer:
        given = tuple(map(Principal, caller.given))
        reads = frozenset[Scope](("read",))
        name = caller.email or f"key:{caller.given}"
        identity = {
            "public": ANYBODY,
            "owner": owner(given),
            "key": Identity(name, "key", reads, email=caller.email, principals=given),
            "cookie": Identity(caller.email, "oidc", reads, email=caller.email, groups=caller.groups),
        }[caller.way]
        return self.app.viewer(identity)

    def _by_app(self, caller: Caller, probe: Probe, what: str) -> str:
        viewer, filters = self.viewer(caller), _filters(probe.narrowed)
        turns = [Turn(one) for one in probe.turns]
        moves: dict[str, Callable[[], Any]] = {
            "search": lambda: [
                asdict(hit)
                for hit in self.app.search(
                    probe.question, viewer=viewer, mode=probe.mode, top_k=probe.top_k, filters=filters  # type: ignore[arg-type]  # one of the modes
                )
            ],
            "ask": lambda: asdict(self.app.ask(probe.question, viewer=viewer, filters=filters, turns=turns)),
            "document": lambda: _document(self.app, probe.document, viewer),
            "overview": lambda: [asdict(one) for one in self.app.overview(viewer=viewer, admin=False)],
        }  # fmt: skip
        try:
            return json.dumps(moves[what](), default=str)
        except KnowhubError as error:
            return json.dumps({"error": str(error)})

    # ── REST ─────────────────────────────────────────────────────────────────────────────────────────

    async def rest(self, caller: Caller, probe: Probe, what: str) -> Reply:
        query = {"query": probe.question, "top_k": probe.top_k, **probe.narrowed}
        asked = {**query, "conversation": [{"question": one, "answer": ""} for one in probe.turns]}
        match what:
            case "query":
                return await self._call(caller, "POST", "/api/query", asked)
            case "stream":
                return await self._call(caller, "POST", "/api/query", asked, accept="text/event-stream")
            case "search":
                return await self._call(caller, "POST", "/api/search", {**query, "mode": probe.mode})
            case "documents":
                return await self._call(caller, "GET", f"/api/documents/{quote(probe.document, safe='')}")
            case "feedback":
                sent = {"id": probe.answer, "useful": False, "reason": "none"}
                return await self._call(caller, "POST", "/api/feedback", sent)
            case "admin":
                return await self._call(caller, *probe.path)
        return await self._call(caller, "GET", f"/api/{what}")

    async def _by_mcp(self, caller: Caller, probe: Probe, what: str) -> Reply:
        sources = {"sources": probe.narrowed["source_filter"]} if "source_filter" in probe.narrowed else {}
        arguments: dict[str, dict[str, Any]] = {
            "search": {"query": probe.question, "top_k": probe.top_k, **sources},
            "ask": {"question": probe.question, **sources},
            "read_document": {"document": probe.document},
            "list_sources": {},
        }
        asked = {"name": what, "arguments": arguments[what]}
        call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": asked}
        return await self._call(caller, "POST", "/mcp", call, accept="application/json, text/event-stream")

    async def _call(
        self, caller: Caller, method: str, target: str, sent: Any = None, *, accept: str = "application/json"
    ) -> Reply:
        headers = {"host": "localhost", "accept": accept, "x-request-id": "the-same-request", **self._headers[caller]}
        if sent is not None:
            headers["content-type"] = "application/json"
        address = "127.0.0.1" if caller.way == "owner" else "198.51.100.7"
        body = b"" if sent is None else json.dumps(sent).encode()
        return await asgi(self._served.app, method, target, headers, body, address)

    # ── the command line ─────────────────────────────────────────────────────────────────────────────

    def _by_command(self, caller: Caller, probe: Probe, what: str) -> str:
        names = [caller.email] if caller.email else list(caller.given)
        as_ = [word for name in ([] if caller.way == "owner" else names or ["anyone"]) for word in ("--as", name)]
        narrowed = {"source_filter": "--source", "containers": "--container", "authors": "--author"}
        more = [w for key, flag in narrowed.items() for one in probe.narrowed.get(key, ()) for w in (flag, one)]
        words = {
            "search": ["search", *more, "--mode", probe.mode, "--around", "1", *as_, "--json", "--", probe.question],
            "ask": ["ask", *more, *as_, "--json", "--", probe.question],
            "show": ["show", *as_, "--json", "--", probe.document],
            "export": [],
        }[what]
        if what == "export":
            viewer = self.app.me(names if names else ["anyone"]) if caller.way != "owner" else self.app.me()
            found = [asdict(one.document) for one in self.app.documents((), viewer=viewer) if one.document]
            # They come in the order in which they were stored.
            return json.dumps(sorted((_without_readers(one) for one in found), key=lambda one: one["id"]), default=str)
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(words)
        assert code in (0, 1, main.NOTHING_FOUND), err.getvalue()
        if what == "show" and code == 0:
            told = json.loads(out.getvalue())
            if stored := told["stored"]:
                stored["document"] = _without_readers(stored["document"] or {})
            return json.dumps(told)
        return out.getvalue() + ("" if code == 0 else err.getvalue())


def _document(app: App, id: str, viewer: Viewer) -> Any:
    return _without_readers(asdict(app.document(DocumentId(id), viewer=viewer)))


def _without_readers(document: dict[str, Any]) -> dict[str, Any]:
    """Who else may read a document is for the hub itself, and for whoever runs its command line."""
    return {key: value for key, value in document.items() if key not in ("acl", "readers")}


def _filters(narrowed: Mapping[str, list[str]]) -> Filters:
    return Filters(
        sources=tuple(map(SourceName, narrowed.get("source_filter", ()))),
        containers=tuple(map(ContainerId, narrowed.get("containers", ()))),
        authors=tuple(narrowed.get("authors", ())),
    )


@contextmanager
def _command_line(app: App) -> Iterator[None]:
    """Commands run on the hub that is open, and are put together once: which spares most of their time."""
    before = main._app, main.cli

    @contextmanager
    def opened(**_: bool) -> Iterator[App]:
        yield app

    main._app, main.cli = opened, _COMMANDS  # type: ignore[assignment]  # a Typer is called like its commands
    try:
        yield
    finally:
        main._app, main.cli = before


async def asgi(app: ASGIApp, method: str, target: str, headers: Mapping[str, str], body: bytes, address: str) -> Reply:
    """One request, as a server would hand it on."""
    parts = urlsplit(target)
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": unquote(parts.path), "raw_path": parts.path.encode(), "query_string": parts.query.encode(),
        "root_path": "", "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
        "client": (address, 50_000), "server": ("127.0.0.1", 80), "state": {},
    }  # fmt: skip
    sent, over = [body], asyncio.Event()
    reply = Reply(0, [], b"")

    async def receive() -> Message:
        if sent:
            return {"type": "http.request", "body": sent.pop(), "more_body": False}
        await over.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply.status, reply.headers = message["status"], list(message["headers"])
        else:
            reply.body += message.get("body", b"")
            if not message.get("more_body", False):
                over.set()

    await app(scope, receive, send)
    return reply


# ── what may differ ──────────────────────────────────────────────────────────────────────────────────


def masked(text: str) -> Any:
    """A reply without ids of answers and of keys, and without times and numbers of the hub's own doing."""
    lines = [_line(line) for line in _KEY.sub("key:", text).split("\n")]
    return [line for line in lines if not (isinstance(line, str) and line.startswith("content-length"))]


def _line(line: str) -> Any:
    start = "data: " if line.startswith("data: ") else ""
    with contextlib.suppress(json.JSONDecodeError):
        return start, _masked(json.loads(line.removeprefix(start)))
    return line


def _masked(value: Any) -> Any:
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if isinstance(value, str) and value.startswith("{"):
        with contextlib.suppress(json.JSONDecodeError):
            return _masked(json.loads(value))
    if not isinstance(value, dict):
        return value
    answer = "confidence" in value
    return {key: "masked" if key in _MASKED or (answer and key == "id") else _masked(one) for key, one in value.items()}
