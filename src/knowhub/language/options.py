"""Which language model writes, how long it may take, and what one call of it asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from knowhub.core.errors import ConfigurationError
from knowhub.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Prompt:
    """What one call asks."""

    instructions: str
    message: str
    max_tokens: int


@dataclass(frozen=True, slots=True)
class LanguageOptions:
    """`provider` `openai` also is Ollama, vLLM, llama.cpp and others at `base_url`.

    `timeout_s` is the longest silence, `longest_s` the longest answer. A throttled or broken call is made `attempts`
    times, after `backoff_s`, then twice as long. `temperature` None leaves it to the model: some refuse any.
    `beat_s` is how often a silent call gives its reader the chance to close it. `concurrent` bounds Bedrock's
    connections.
    """

    provider: Literal["openai", "anthropic", "bedrock"]
    model: str
    key: Secret | None = None
    base_url: str = ""
    region: str = ""
    timeout_s: float = 60.0
    longest_s: float = 300.0
    attempts: int = 3
    backoff_s: float = 0.5
    temperature: float | None = None
    beat_s: float = 1.0
    concurrent: int = 32

    def __post_init__(self) -> None:
        if not self.model:
            raise ConfigurationError(
                f"`model` under [language] is empty, and {self.provider} has many", cure="Set it to the id of one."
            )
        if self.base_url and not self.base_url.startswith(("http://", "https://")):
            raise ConfigurationError(
                f"`base_url` under [language] is no web address: {self.base_url}", cure="Begin it with https://."
            )
