"""Where questions are answered: the gate before it, the threads behind it, the answers it remembers.

query ──place──▶ gate ──turn──▶ worker: remembered? ─▶ frames ──▶ one JSON object, or a stream
                  └─ full: 429 · closing: 503
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Generator, Hashable, Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request
from pydantic import BaseModel, TypeAdapter
from starlette.responses import Response

from knowhub.core.types import AnswerEvent, Delta, Done, Reset, Retrieved, Status, Viewer
from knowhub.entrypoints.rest.bodies import CitationBody, QuerySent
from knowhub.entrypoints.rest.cache import Answers, Kept
from knowhub.entrypoints.rest.hub import SURFACE, Caller
from knowhub.entrypoints.rest.limits import Gate, Streams
from knowhub.entrypoints.rest.problems import Refused, busy, refusal, request_id, trace
from knowhub.entrypoints.rest.rendering import (
    Seen,
    answer_body,
    citation_bodies,
    filters_of,
    source_types,
    turns_of,
)
from knowhub.entrypoints.rest.streaming import Channel, EventStream, Gone, frame
from knowhub.entrypoints.rest.workers import Workers
from knowhub.pipelines.ask import shown_in
from knowhub.wiring.app import App

log = logging.getLogger(__name__)

Result = TypeVar("Result")
Frame = tuple[str, bytes]
_CITATIONS = TypeAdapter(list[CitationBody])
_THREADS_PER_CORE_WAITING = 8
"""A language model is waited for, not computed here."""
_LAST_WORDS_S = 2.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """How much is taken on at once; `streams` of one caller."""

    at_once: int
    waiting: int
    streams: int
    cache_entries: int
    cache_seconds: float


def at_once(configured: int, *, waits: bool) -> int:
    """How many queries run side by side; 0 is one a core, and more where a language model is waited for."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return configured or cores * (_THREADS_PER_CORE_WAITING if waits else 1)


class Desk:
    """Answers callers. Belongs to one event loop; `hub` is used from its threads."""

    def __init__(self, hub: App, capacity: Capacity) -> None:
        self._hub = hub
        self.gate = Gate(capacity.at_once, capacity.waiting)
        self._streams = Streams(capacity.streams)
        self._workers = Workers(capacity.at_once)
        self._answers = Answers(capacity.cache_entries, capacity.cache_seconds)
        self._remembers = bool(capacity.cache_entries and capacity.cache_seconds)
        self._channels: set[Channel] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # ── one JSON object ──────────────────────────────────────────────────────────────────────────────

    async def answer(self, request: Request, caller: Caller, sent: QuerySent) -> bytes:
        """The JSON of an `AnswerBody`. Stops when the client leaves."""

        def last(check: Callable[[], None]) -> bytes:
            body = b""
            with closing(self._frames(caller, sent)) as frames:
                for made in frames:
                    check()
                    body = made[1]
            return body

        return await self.work(request, last)

    async def work(self, request: Request, work: Callable[[Callable[[], None]], Result]) -> Result:
        """What `work` returns, done in a worker at its turn. It is given a check that raises Gone.

        Raises 429 at once where too many wait, 503 at shutdown.
        """
        gone = threading.Event()

        def check() -> None:
            if gone.is_set():
                raise Gone

        async def leaving() -> None:
            while (await request.receive())["type"] != "http.disconnect":
                pass
            gone.set()

        with self.gate.place():
            watching = asyncio.create_task(leaving())
            try:
                async with self.gate.turn():
                    check()
                    return await self._workers.run(lambda: work(check))
            except Gone:
                raise Refused(408, "You left before the answer was there.") from None
            finally:
                watching.cancel()

    # ── a stream ─────────────────────────────────────────────────────────────────────────────────────

    def stream(self, request: Request, caller: Caller, sent: QuerySent) -> Response:
        """The same, as it comes about. Raises 429 and 503 like `work`, also for too many streams of one caller."""
        with ExitStack() as places:
            places.enter_context(self._streams.place(caller.bucket))
            places.enter_context(self.gate.place())
            held = places.pop_all()
        channel = Channel(asyncio.get_running_loop())
        self._channels.add(channel)

        async def work() -> None:
            with held:
                held.callback(self._channels.discard, channel)
                async with self.gate.turn():
                    await self._workers.run(lambda: self._fill(channel, request, caller, sent))

        return EventStream(channel, work, keep=self._keep)

    def _keep(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _fill(self, channel: Channel, request: Request, caller: Caller, sent: QuerySent) -> None:
        """In a worker. Whatever happens, the channel gets an end."""
        with suppress(Gone):
            try:
                channel.check()
                with closing(self._frames(caller, sent)) as frames:
                    for event, data in frames:
                        channel.send(frame(event, data))
                channel.send(None)
            except Gone:
                raise
            except Exception as error:  # noqa: BLE001  # it is told to the client, and written down if it is ours
                refused = refusal(error, frank="admin" in caller.scopes)
                if refused.status_code >= 500:
                    log.error("stream failed", extra={"request": request_id(request.scope), "trace": trace(error)})
                channel.send(refused)

    # ── frames ───────────────────────────────────────────────────────────────────────────────────────

    def _frames(self, caller: Caller, sent: QuerySent) -> Generator[Frame, None, None]:
        """Events with their JSON, the last one `done`; remembered answers as they were."""
        viewer = caller.viewer
        seen = seen_by(viewer, self._hub)
        key = _key(caller, sent, seen.version)
        kept = self._answers.get(key) if self._remembers else None
        if kept and self._hub.shown_again(kept.shown, viewer=viewer, surface=SURFACE):
            yield from _again(kept)
            return
        self._answers.drop(key)
        events = self._hub.answering(
            sent.query,
            viewer=viewer,
            filters=filters_of(sent),
            turns=turns_of(sent),
            candidates=sent.top_k,
            surface=SURFACE,
        )
        with closing(events):
            for event in events:
                if not isinstance(event, Done):
                    yield _frame(event, seen)
                    continue
                kept = _kept(event, seen)
                # What was said with a reservation may be said without it next time.
                if self._remembers and not event.answer.notice:
                    self._answers.put(key, kept)
                yield "done", kept.body

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────

    async def drain(self, grace_s: float) -> None:
        """Take nothing new, finish what runs; after `grace_s` streams are told that this is all."""
        self.gate.close()
        try:
            async with asyncio.timeout(grace_s):
                await self.gate.idle()
        except TimeoutError:
            for channel in list(self._channels):
                channel.interrupt(busy(503, "The hub is shutting down. Ask again in a moment.", wait_s=5))
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORDS_S):
                    await self.gate.idle()
        self._workers.close()


def seen_by(viewer: Viewer, hub: App) -> Seen:
    return Seen(source_types(hub.settings), hub.index_version(viewer))


def _key(caller: Caller, sent: QuerySent, version: str) -> Hashable:
    return (
        caller.how,
        caller.viewer,
        caller.scopes,
        version,
        sent.query,
        sent.top_k,
        filters_of(sent),
        turns_of(sent),
    )


def _again(kept: Kept) -> Iterator[Frame]:
    yield "citations", kept.citations
    if kept.text:
        yield "delta", _json(_Text(text=kept.text))
    yield "done", kept.body


def _kept(done: Done, seen: Seen) -> Kept:
    body = answer_body(done.answer, seen)
    return Kept(body.model_dump_json().encode(), _sources(body.sources), done.answer.text, tuple(shown_in(done.answer)))


class _Stage(BaseModel):
    stage: str


class _Text(BaseModel):
    text: str


class _Reason(BaseModel):
    reason: str


def _frame(event: AnswerEvent, seen: Seen) -> Frame:
    match event:
        case Status(stage):
            return "status", _json(_Stage(stage=stage))
        case Retrieved(citations):
            return "citations", _sources(citation_bodies(citations, seen.types))
        case Delta(text):
            return "delta", _json(_Text(text=text))
        case Reset(reason):
            return "reset", _json(_Reason(reason=reason))
    raise TypeError(type(event))


def _json(body: BaseModel) -> bytes:
    return body.model_dump_json().encode()


def _sources(citations: list[CitationBody]) -> bytes:
    return b'{"sources":%s}' % _CITATIONS.dump_json(citations)
