"""A language model through strands' providers: Bedrock, Anthropic, OpenAI and whatever speaks like it.

    write ──▶ provider.stream (asynchronous, in one loop) ──events──▶ Said*, Usage

Providers are used without an agent: no tools, no memory, and none of the traces that would hold prompts.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from knowhub.core.errors import ConfigurationError, KnowhubError, MissingExtra, RateLimited
from knowhub.core.ports import Said, Usage
from knowhub.language.bridge import LoopThread
from knowhub.language.options import LanguageOptions, Prompt
from knowhub.language.refusals import Asked, Refusal, understand

if TYPE_CHECKING:
    from strands.types.streaming import StreamEvent

    from knowhub.language.providers import Provider

log = logging.getLogger(__name__)


class StrandsModel:
    """Implements `LanguageModel`, for any number of threads. Imports nothing heavy before the first call.

    While the model is silent, `write` yields `Said("")` every `beat_s`, so that its reader can close it.
    """

    def __init__(self, options: LanguageOptions) -> None:
        self._options = options
        self._loop = LoopThread(options.concurrent)
        self._lock = threading.Lock()
        self._connected: Provider | None = None

    def write(self, instructions: str, message: str, *, max_tokens: int) -> Generator[Said | Usage, None, None]:
        """A call that is throttled or breaks off in mid-stream is made again: then `Said` with `restart`."""
        stream = self._persistent(self.load(), Prompt(instructions, message, max_tokens))
        return self._loop.relay(stream, beat=Said(""), beat_s=self._options.beat_s)

    def load(self) -> Provider:
        """Import the provider and make its client: a second or two, once. Raises ConfigurationError, MissingExtra."""
        with self._lock:
            if self._connected is None:
                self._connected = _connected(self._options)
            return self._connected

    def check(self) -> list[str]:
        """What is wrong with key, model or reach, one sentence; [] if the model answers. Costs a few tokens."""
        try:
            for _ in self.write("Answer with one word.", "Say yes.", max_tokens=16):
                pass
        except KnowhubError as error:
            return [str(error)]
        return []

    def close(self) -> None:
        """End all calls and the thread behind them."""
        with self._lock:
            provider, self._connected = self._connected, None
        self._loop.close(provider.aclose if provider is not None else None)

    # ── in the loop ──────────────────────────────────────────────────────────────────────────────────

    async def _persistent(self, provider: Provider, prompt: Prompt) -> AsyncGenerator[Said | Usage, None]:
        said = False
        for attempt in range(1, self._options.attempts + 1):
            try:
                async with aclosing(self._bounded(provider, prompt)) as pieces:
                    async for piece in pieces:
                        said = said or isinstance(piece, Said)
                        yield piece
                return
            except _GaveUp as gave_up:
                refusal = gave_up.refusal
            if not refusal.again or attempt == self._options.attempts:
                raise refusal.error  # out here: inside, the SDK's error would hang on it, which quotes prompts and keys
            log.info("language model is asked again", extra={"attempt": attempt, "error": type(refusal.error).__name__})
            if said:
                said = False
                yield Said("", restart=True)
            await asyncio.sleep(self._patience_s(refusal.error, attempt))

    def _patience_s(self, error: KnowhubError, attempt: int) -> float:
        asked_for = error.wait_s if isinstance(error, RateLimited) else 0.0
        return max(asked_for, self._options.backoff_s * 2.0 ** (attempt - 1))

    async def _bounded(self, provider: Provider, prompt: Prompt) -> AsyncGenerator[Said | Usage, None]:
        """One call; every way in which it can fail is a _GaveUp. Time out on silence, and on the whole."""
        options = self._options
        latest = asyncio.get_running_loop().time() + options.longest_s
        try:
            async with aclosing(provider.stream(prompt)) as events:
                while True:
                    now = asyncio.get_running_loop().time()
                    async with asyncio.timeout_at(min(latest, now + options.timeout_s)):
                        event = await anext(events, None)
                    if event is None:
                        return
                    for piece in _pieces(event):
                        yield piece
        except GeneratorExit:
            raise
        except Exception as raised:
            raise _GaveUp(understand(raised, Asked(options.provider, options.model, provider.place))) from raised


class _GaveUp(Exception):
    def __init__(self, refusal: Refusal) -> None:
        super().__init__(type(refusal.error).__name__)
        self.refusal = refusal


def _connected(options: LanguageOptions) -> Provider:
    try:
        from knowhub.language.providers import connect

        return connect(options)
    except ImportError as error:
        raise MissingExtra(
            f"language models need a package that is not installed: {error.name}",
            cure="Install it: pip install 'knowhub[llm]'.",
        ) from error
    except ValueError as error:  # boto3, of a region or an endpoint that cannot be one
        raise ConfigurationError(
            f"{options.provider} cannot be set up ({type(error).__name__})",
            cure="Check `region` and `base_url` under [language].",
        ) from None


def _pieces(event: StreamEvent) -> Iterator[Said | Usage]:
    """Text and token counts; thoughts, tool calls and the rest are not for readers."""
    if text := event.get("contentBlockDelta", {}).get("delta", {}).get("text"):
        yield Said(text)
    if usage := event.get("metadata", {}).get("usage"):
        yield Usage(usage["inputTokens"], usage["outputTokens"])
