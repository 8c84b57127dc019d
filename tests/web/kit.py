"""The page in a browser: who looks at it, what must never happen in it, and hubs behind it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

from knowhub.core.types import Answer, AnswerEvent, Delta, Done, Retrieved, Status, Viewer
from knowhub.entrypoints.rest.app import create
from knowhub.entrypoints.rest.serve import listen, server
from knowhub.wiring.app import App
from tests.entrypoints.rest.kit import Beside, cited, open_hub, write_tiny_model

CHROMIUM = Path("/usr/bin/chromium")
HOTEL = "What is the limit for a hotel per night?"
LIMIT = "Decision: from 1 April 2026 the hotel limit is 150 EUR per night, breakfast included, in every city."


@dataclass
class Looking:
    """One person's browser. `faults` is what a page must never do."""

    context: BrowserContext
    url: str
    faults: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.faults.append(f"error in the script: {error}"))
        page.on("console", self._hear)
        page.on("request", lambda request: self._watch(request.url))
        page.on("dialog", lambda dialog: self._alerted(dialog))
        page.goto(self.url + path)
        return page

    def _alerted(self, dialog: Any) -> None:
        self.faults.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def _hear(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text or "Refused to" in message.text:
            self.faults.append(message.text)

    def _watch(self, url: str) -> None:
        if urlsplit(url).netloc != urlsplit(self.url).netloc:
            self.faults.append(f"a request to elsewhere: {url}")


@contextmanager
def looking(
    browser: Browser,
    url: str,
    *,
    language: str = "en-IE",
    width: int = 1280,
    height: int = 800,
) -> Iterator[Looking]:
    """Ends with the check that nothing happened that must not."""
    context = browser.new_context(
        color_scheme="light", locale=language, viewport={"width": width, "height": height}, reduced_motion="reduce"
    )
    context.set_default_timeout(10_000)
    eyes = Looking(context, url)
    try:
        yield eyes
        assert eyes.faults == []
    finally:
        context.close()


def ask(page: Page, question: str) -> Locator:
    """Types the question and sends it; returns where its answer comes."""
    turns = page.get_by_role("article")
    before = turns.count()
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    expect(turns).to_have_count(before + 1)
    return turns.last


def answered(page: Page, question: str) -> Locator:
    turn = ask(page, question)
    expect(turn).to_have_attribute("aria-busy", "false")
    return turn


def highlighted(page: Page) -> str:
    """The passage that is marked in the preview."""
    marks = page.get_by_role("dialog").locator("mark")
    expect(marks.first).to_be_in_viewport()
    return "".join(marks.all_inner_texts())


# ── hubs ─────────────────────────────────────────────────────────────────────────────────────────────


class Stepwise:
    """A script whose answer comes one sentence at a time, each when it is let."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        self._steps = threading.Semaphore(0)
        self._free = False

    def let(self, count: int = 1) -> None:
        self._steps.release(count)

    def free(self) -> None:
        """All that is left, so that no thread waits after the test."""
        self._free = True
        self._steps.release(len(self.sentences) + 1)

    def __call__(self, question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Status("searching")
        yield Retrieved((cited(),))
        for sentence in self.sentences:
            if not self._free:
                self._steps.acquire()
            yield Delta(sentence)
        if not self._free:
            self._steps.acquire()
        yield Done(Answer(question, True, (cited(),), text="".join(self.sentences)))


@contextmanager
def files_hub(folder: Path, texts: dict[str, str]) -> Iterator[App]:
    """A hub over a folder of these files."""
    (folder / "texts").mkdir(parents=True)
    for name, text in texts.items():
        (folder / "texts" / name).write_text(text, encoding="utf-8")
    source = '[sources.docs]\ntype = "files"\npath = "texts"\nreaders = ["owner"]\n'
    plenty = "[server]\nrequests_per_minute = 100000\n"
    (folder / "knowhub.toml").write_text(f"{source}\n{plenty}\n{write_tiny_model(folder / 'tiny')}")
    with open_hub(folder) as hub:
        assert {report.state for report in hub.sync()} == {"ok"}
        yield hub


@contextmanager
def serving_at(hub: App, port: int) -> Iterator[int]:
    """The real server on this port, 0 for a free one, which it yields. Leaving ends it at once."""
    sock = listen("127.0.0.1", port)
    sock.listen()
    running = server(create(hub, Beside()), host="127.0.0.1", port=0, grace_s=0)
    thread = threading.Thread(target=lambda: running.run(sockets=[sock]))
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        running.should_exit = True
        thread.join()
        sock.close()
