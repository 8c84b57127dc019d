"""The sizes that chunking keeps to. All lengths are characters of the document's text, without the context."""

from __future__ import annotations

from dataclasses import dataclass

from knowhub.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ChunkingOptions:
    """Defaults suit an embedding model that reads about 256 tokens: what is longer, it does not see.

    A limit ends in `_chars` and holds for every chunk: what is longer is cut, at the best place there is.
    `conversation_silence_s` is the pause, in seconds, that ends a window. Markdown sections shorter than
    `text_min_chars` look for company under the same parent. Code longer than `code_parse_chars` is split by
    lines: generated files of that size have no structure worth the time. Raises ConfigurationError.
    """

    conversation_messages: int = 10
    conversation_overlap: int = 2
    conversation_silence_s: float = 4 * 3600
    conversation_chars: int = 1000
    code_chars: int = 1200
    code_overlap_chars: int = 200
    code_parse_chars: int = 500_000
    text_chars: int = 900
    text_min_chars: int = 200
    issue_chars: int = 900
    table_chars: int = 800
    table_overlap_chars: int = 100
    change_chars: int = 1200
    context_chars: int = 200

    def __post_init__(self) -> None:
        for name in ("conversation_chars", "code_chars", "text_chars", "issue_chars", "table_chars", "change_chars"):
            _require(getattr(self, name) >= 20, f"chunking.{name} is {getattr(self, name)}", "Set it to 20 or more")
        _require(self.conversation_messages >= 1, "chunking.conversation_messages is below 1", "Set it to 1 or more")
        _require(self.context_chars >= 20, f"chunking.context_chars is {self.context_chars}", "Set it to 20 or more")
        self._require_overlap("conversation_overlap", "conversation_messages", self.conversation_messages)
        self._require_overlap("code_overlap_chars", "code_chars", self.code_chars // 2 + 1)
        self._require_overlap("table_overlap_chars", "table_chars", self.table_chars // 2 + 1)

    def _require_overlap(self, overlap: str, of: str, below: int) -> None:
        value = getattr(self, overlap)
        _require(0 <= value < below, f"chunking.{overlap} is {value}", f"Set it from 0 to {below - 1}, to go with {of}")


def _require(holds: bool, problem: str, cure: str) -> None:
    if not holds:
        raise ConfigurationError(problem, cure=cure)
