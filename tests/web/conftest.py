"""One browser for all, and the demo company behind the real server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from knowhub.wiring.app import App
from tests.entrypoints.rest.kit import Running, Script, Scripted, build_demo, open_hub, serving
from tests.web.kit import CHROMIUM, Looking, looking


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])


@pytest.fixture(scope="session")
def demo_hub(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    with open_hub(build_demo(tmp_path_factory.mktemp("web") / "demo")) as hub:
        yield hub


@pytest.fixture(scope="session")
def demo(demo_hub: App) -> Iterator[Running]:
    with serving(demo_hub) as running:
        yield running


@pytest.fixture
def visitor(browser: Browser, demo: Running) -> Iterator[Looking]:
    """Somebody new at the demo company."""
    with looking(browser, demo.url) as eyes:
        yield eyes


@pytest.fixture
def page(visitor: Looking) -> Page:
    return visitor.open()


Scripting = Callable[..., tuple[Scripted, Page]]


@pytest.fixture
def scripted(browser: Browser, tmp_path: Path) -> Iterator[Scripting]:
    """`hub, page = scripted(script)`: the page over a hub that answers as it is told."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> tuple[Scripted, Page]:
            hub = stack.enter_context(Scripted(tmp_path / "hub", script))
            running = stack.enter_context(serving(hub, grace_s=0))
            return hub, stack.enter_context(looking(browser, running.url, **options)).open()

        yield start
