from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from knowhub.wiring.app import App
from tests.entrypoints.rest.kit import Running, Script, Scripted, build_demo, open_hub, says, serving


@pytest.fixture(scope="session")
def demo_hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """The demo company, synced. Tests may ask and add keys, and change nothing else."""
    with open_hub(build_demo(tmp_path_factory.mktemp("rest") / "demo")) as hub:
        yield hub


@pytest.fixture(scope="session")
def demo(demo_hub: App) -> Iterator[Running]:
    with serving(demo_hub) as running:
        yield running


Serve = Callable[..., tuple[Scripted, Running]]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """`hub, running = serve(script, server="…")`: a scripted hub, served until the test ends."""
    with ExitStack() as stack:

        def start(
            script: Script | None = None, server: str = "", more: str = "", **options: Any
        ) -> tuple[Scripted, Running]:
            plenty = "" if "requests_per_minute" in server else "requests_per_minute = 100000\n"
            folder = tmp_path / f"hub-{len(list(tmp_path.iterdir()))}"
            hub = stack.enter_context(Scripted(folder, script or says("27", " days"), plenty + server, more))
            return hub, stack.enter_context(serving(hub, **options))

        yield start
