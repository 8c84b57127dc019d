"""What `serve` does: one process that answers, and says where."""

from __future__ import annotations

import dataclasses
import sys
import threading
from collections.abc import Sequence

from knowhub.entrypoints.rest.app import Mounted
from knowhub.entrypoints.rest.logs import to_stderr
from knowhub.entrypoints.rest.serve import serve
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import Configuration


def run(configuration: Configuration, *, host: str | None, port: int | None, scheduled: bool) -> None:
    """Serve until a signal. `host` and `port` replace what the file says."""
    given = {key: value for key, value in (("host", host), ("port", port)) if value is not None}
    server = configuration.settings.server.model_copy(update=given)
    settings = configuration.settings.model_copy(update={"server": server})
    configuration = dataclasses.replace(configuration, settings=settings)
    to_stderr()
    with App(Laptop(configuration)) as app:
        # The first question should not wait for the model.
        threading.Thread(target=lambda: list(app.ready()), name="warming", daemon=True).start()
        serve(app, configuration.file, scheduled=scheduled, mounts=_mounts(app), started=_announce)


def _mounts(app: App) -> Sequence[Mounted]:
    from knowhub.entrypoints.mcp import mounted

    return (mounted(app),)


def _announce(url: str) -> None:
    """On standard output, where nothing else goes: people click it, programs read it."""
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
