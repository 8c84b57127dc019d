"""The providers that strands speaks to, each made with our timeouts, without retries and without ambient credentials.

This is the only file that knows their SDKs; it is imported when the first answer is asked for.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from knowhub.core.errors import ConfigurationError
from knowhub.language.options import LanguageOptions, Prompt

if TYPE_CHECKING:
    from strands.models.model import Model
    from strands.types.content import Messages
    from strands.types.streaming import StreamEvent

OPENAI_URL = "https://api.openai.com/v1"
ANTHROPIC_URL = "https://api.anthropic.com"
_CONNECT_S = 10.0
_NO_KEY = "none"
"""For servers of one's own: without it the SDK would send them the key of the environment."""
_TALKATIVE = ("strands", "openai", "anthropic", "botocore", "urllib3", "httpx", "httpcore")
"""At DEBUG these log whole requests, which hold what people ask and what documents say."""


class Call:
    """One call in the making, and how it is broken off from another thread."""

    def __init__(self) -> None:
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._response: Any = None

    def reads(self, response: Any) -> None:
        """`response` (urllib3's) is what a thread waits for from now on."""
        with self._lock:
            self._response = response
        if self.stopped.is_set():
            self.stop()

    def fail(self) -> None:
        """Nobody reads any more, and the response may be half read."""
        with self._lock:
            response, self._response = self._response, None
        if response is not None:
            response.close()

    def stop(self) -> None:
        """End the reading, wherever it stands; nothing once it has ended."""
        self.stopped.set()
        with self._lock:
            response, self._response = self._response, None
        if response is not None:
            try:
                response.shutdown()  # wakes the thread that reads, which then closes the connection
            except (OSError, RuntimeError, ValueError):
                return  # it is over already


_CALL: ContextVar[Call] = ContextVar("call")


@dataclass(slots=True)
class Provider:
    """Models of one provider, one for each length of answer. `client` is what they share; `place` is for messages."""

    place: str
    make: Callable[[int], Model]
    client: Any = None
    _made: dict[int, Model] = field(default_factory=dict)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[StreamEvent, None]:
        """Bedrock's events, whoever speaks. Closing it, or cancelling its task, ends the request."""
        if prompt.max_tokens not in self._made:
            self._made[prompt.max_tokens] = self.make(prompt.max_tokens)
        model = self._made[prompt.max_tokens]
        call = Call()
        _CALL.set(call)  # copied into the thread that Bedrock's blocking client gets
        messages: Messages = [{"role": "user", "content": [{"text": prompt.message}]}]
        try:
            events = model.stream(messages, None, prompt.instructions, cancel_signal=call.stopped)
            async with aclosing(events) as events:  # type: ignore[type-var] # declared as an iterator, is a generator
                async for event in events:
                    yield event
        except Exception:
            call.fail()
            raise
        finally:
            call.stop()

    async def aclose(self) -> None:
        """Close all connections."""
        if self.client is not None:
            await self.client.close()
        for model in self._made.values():
            if self.client is None:
                model.client.close()  # type: ignore[attr-defined] # Bedrock's, one a model


def connect(options: LanguageOptions) -> Provider:
    """Raises ConfigurationError where a key, a region or a model is missing, ImportError without the extra."""
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger(name).level))
    return {"openai": _openai, "anthropic": _anthropic, "bedrock": _bedrock}[options.provider](options)


def _openai(options: LanguageOptions) -> Provider:
    import httpx
    import openai
    from strands.models.openai import OpenAIModel

    client = openai.AsyncOpenAI(
        api_key=_key(options),
        base_url=options.base_url or OPENAI_URL,
        max_retries=0,
        http_client=openai.DefaultAsyncHttpxClient(
            timeout=httpx.Timeout(options.timeout_s, connect=_CONNECT_S), follow_redirects=False
        ),
    )
    # OpenAI's newer models know only the one name, most compatible servers only the other
    limit = "max_tokens" if options.base_url else "max_completion_tokens"

    def make(max_tokens: int) -> Model:
        return OpenAIModel(client, model_id=options.model, params={limit: max_tokens, **_temperature(options)})

    return Provider(_host(options.base_url or OPENAI_URL), make, client)


def _anthropic(options: LanguageOptions) -> Provider:
    import anthropic
    import httpx
    from strands.models.anthropic import AnthropicModel

    url, key = options.base_url or ANTHROPIC_URL, _key(options)
    client = anthropic.AsyncAnthropic(
        api_key=key,
        base_url=url,
        max_retries=0,
        http_client=anthropic.DefaultAsyncHttpxClient(
            timeout=httpx.Timeout(options.timeout_s, connect=_CONNECT_S), follow_redirects=False
        ),
    )

    def make(max_tokens: int) -> Model:
        model = AnthropicModel(
            client_args={"api_key": key}, model_id=options.model, max_tokens=max_tokens, params=_temperature(options)
        )
        model.client = client
        return model

    return Provider(_host(url), make, client)


def _bedrock(options: LanguageOptions) -> Provider:
    import boto3
    from botocore.config import Config  # type: ignore[import-untyped] # as boto3 is
    from strands.models.bedrock import BedrockModel

    session = boto3.Session(region_name=options.region or os.environ.get("AWS_REGION"))
    if session.region_name is None:
        raise ConfigurationError("Bedrock has no region", cure="Set `region` under [language], such as `eu-west-1`.")
    config = Config(
        connect_timeout=_CONNECT_S,
        read_timeout=options.timeout_s,
        retries={"total_max_attempts": 1},
        max_pool_connections=options.concurrent,
    )

    def make(max_tokens: int) -> Model:
        model = BedrockModel(
            boto_session=session,
            boto_client_config=config,
            endpoint_url=options.base_url or None,
            api_key=options.key.reveal() if options.key else None,
            model_id=options.model,
            max_tokens=max_tokens,
            **_temperature(options),
        )
        model.client.meta.events.register("after-call.bedrock-runtime.ConverseStream", _note_response)
        return model

    return Provider(f"Bedrock in {session.region_name}", make)


def _note_response(http_response: Any, **_: Any) -> None:
    _CALL.get().reads(http_response.raw)


def _key(options: LanguageOptions) -> str:
    if options.key is not None:
        return options.key.reveal()
    if options.base_url:
        return _NO_KEY
    raise ConfigurationError(
        f"there is no key for {options.provider}",
        cure=f'Set `key` under [language] to a secret reference, such as "env:{options.provider.upper()}_API_KEY".',
    )


def _temperature(options: LanguageOptions) -> dict[str, Any]:
    return {} if options.temperature is None else {"temperature": options.temperature}


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2] or url
