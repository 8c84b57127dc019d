"""Hubs and servers for the tests of the API: real uvicorn on loopback, over real hubs or scripted ones."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx2

from knowhub.access.identity import Identity, NotSignedIn
from knowhub.core.errors import NotFound
from knowhub.core.types import (
    ANYONE,
    Answer,
    AnswerEvent,
    Citation,
    Delta,
    DocumentId,
    Done,
    Filters,
    Principal,
    Retrieved,
    SourceName,
    Status,
    Turn,
    Viewer,
)
from knowhub.entrypoints.rest.app import Served, create
from knowhub.entrypoints.rest.page import PAGE
from knowhub.entrypoints.rest.serve import Server, listen, server
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
from tests.embedding.onnx_writer import Node, model_bytes
from tests.embedding.tiny import DIMENSIONS, TABLE, write_tokenizer

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "examples" / "demo"
_PLENTY = "requests_per_minute = 100000\n"


def open_hub(folder: Path) -> App:
    return App(Laptop(load(folder / "knowhub.toml")))


def write_tiny_model(folder: Path) -> str:
    """A model whose vectors cost nothing; returns the lines of configuration that name it."""
    folder.mkdir(parents=True)
    write_tokenizer(folder / "tokenizer.json")
    lookup = Node("Gather", ["table", "input_ids"], "last_hidden_state")
    inputs = ("input_ids", "attention_mask", "token_type_ids")
    data = model_bytes(inputs, [lookup], {"table": TABLE}, "last_hidden_state", ["texts", "tokens", DIMENSIONS])
    (folder / "model.onnx").write_bytes(data)
    return f"[embedding]\nmodel = {json.dumps(str(folder))}\nmodels = {json.dumps(str(folder / 'cache'))}\n"


def build_demo(folder: Path, server: str = _PLENTY) -> Path:
    """The demo company, its three sources for three groups of readers, synced."""
    shutil.copytree(DEMO, folder, ignore=shutil.ignore_patterns(".knowhub", "builders", "office", "slack", "product"))
    file = folder / "knowhub.toml"
    text = file.read_text()
    for source, readers in {"handbook": "group:staff", "chat": "group:finance", "product": "group:makers"}.items():
        before, mark, after = text.partition(f"[sources.{source}]")
        text = before + mark + after.replace('readers = ["owner"]', f'readers = ["{readers}"]', 1)
    access = '[access]\nme = ["group:staff", "group:finance", "group:makers"]\n'
    file.write_text(f"{text}\n{access}\n[server]\n{server}\n{write_tiny_model(folder / 'tiny')}")
    with open_hub(folder) as hub:
        states = {report.source: report.state for report in hub.sync()}
    assert set(states.values()) == {"ok"}, states
    return folder


# ── scripted ─────────────────────────────────────────────────────────────────────────────────────────

Script = Callable[[str, Viewer], Iterator[AnswerEvent]]


def cited(document: str = "docs:a", quote: str = "27 days") -> Citation:
    return Citation(1, DocumentId(document), "Leave", "https://x.example/a", quote, 0, 7, SourceName("docs"))


def says(*texts: str) -> Script:
    """An answer that comes in these pieces."""

    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Status("searching")
        yield Retrieved((cited(),))
        for text in texts:
            yield Delta(text)
        yield Done(Answer(question, True, (cited(),), text="".join(texts), id="answer-1"))

    return script


class Scripted(App):
    """A hub that answers as it is told, for whoever sends their name as a token. It keeps a journal."""

    def __init__(self, folder: Path, script: Script, server: str = _PLENTY, more: str = "") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "knowhub.toml").write_text(f"[server]\n{server}\n{more}\n")
        super().__init__(Laptop(load(folder / "knowhub.toml")))
        self.script = script
        self.version = "1"
        self.asked: list[tuple[str, str]] = []
        self.again: list[tuple[str, tuple[DocumentId, ...]]] = []
        self.ended: list[str] = []
        self.hidden: set[str] = set()

    def identify(self, bearer: str | None, cookie: str | None, *, local: bool) -> Identity:
        name = bearer or cookie or ("me" if local else "")
        if not name or name == "nobody":
            raise NotSignedIn("you are not signed in", cure="Send a key.")
        scopes = frozenset(("read", "admin")) if name in ("me", "admin") else frozenset(("read",))
        return Identity(name, "owner" if name == "me" else "key", scopes)  # type: ignore[arg-type]  # literals

    def viewer(self, identity: Identity) -> Viewer:
        return Viewer(identity.name, frozenset((ANYONE, Principal(f"user:{identity.name}"))))

    def index_version(self, viewer: Viewer) -> str:
        return self.version

    def shown_again(self, documents: Sequence[DocumentId], *, viewer: Viewer, surface: str) -> bool:
        self.again.append((viewer.name, tuple(documents)))
        return not self.hidden & set(documents)

    def answering(
        self,
        question: str,
        *,
        viewer: Viewer,
        filters: Filters | None = None,
        turns: Sequence[Turn] = (),
        candidates: int | None = None,
        surface: str = "cli",
    ) -> Generator[AnswerEvent, None, None]:
        if filters and "nowhere" in filters.sources:
            raise NotFound("there is nothing for you in a source nowhere", cure="You can read none.")
        self.asked.append((viewer.name, question))
        return self._told(question, viewer)

    def _told(self, question: str, viewer: Viewer) -> Generator[AnswerEvent, None, None]:
        try:
            yield from self.script(question, viewer)
        finally:
            self.ended.append(question)


# ── serving ──────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Beside:
    """Implements `Background`: remembers what was asked of it."""

    known: tuple[str, ...] = ("handbook", "chat", "product")
    synced: list[str] = field(default_factory=list)
    directories: int = 0

    def sync(self, source: SourceName) -> None:
        if source not in self.known:
            raise NotFound(f"there is no source {source}")
        self.synced.append(source)

    def read_directories(self) -> None:
        self.directories += 1

    def next_sync_at(self, source: SourceName) -> datetime | None:
        return None


@dataclass
class Running:
    """A server that answers. `stop` begins its end, leaving the context waits for it."""

    url: str
    served: Served
    server: Server
    beside: Beside

    def client(self, token: str = "", headers: dict[str, str] | None = None) -> httpx2.Client:
        sent = {**(headers or {}), **({"authorization": f"Bearer {token}"} if token else {})}
        return httpx2.Client(base_url=self.url, headers=sent, timeout=60)

    def stop(self) -> None:
        self.server.should_exit = True

    @property
    def address(self) -> tuple[str, int]:
        url = httpx2.URL(self.url)
        return url.host, url.port or 0


@contextmanager
def serving(hub: App, *, grace_s: float = 10, page: Path = PAGE) -> Iterator[Running]:
    beside = Beside()
    served = create(hub, beside, page_folder=page)
    sock = listen("127.0.0.1", 0)
    sock.listen()
    running = server(served, host="127.0.0.1", port=0, grace_s=grace_s)
    thread = threading.Thread(target=lambda: running.run(sockets=[sock]))
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{sock.getsockname()[1]}", served, running, beside)
    finally:
        running.should_exit = True
        thread.join()
        sock.close()


def events(response: httpx2.Response) -> Iterator[tuple[str, Any]]:
    """Of a stream, as they come: name and data."""
    name = ""
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))


ASK = {"query": "How many days of leave?"}
STREAM = {"accept": "text/event-stream"}


def until(condition: Callable[[], object]) -> None:
    """Waits for what another thread does."""
    turn = threading.Event()
    while not condition():
        turn.wait(0.01)
