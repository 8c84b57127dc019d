"""A language model in this process that says what it is told to, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import repeat

from knowhub.core.errors import KnowhubError
from knowhub.core.ports import Said, Usage

Step = str | Said | KnowhubError


@dataclass
class ScriptedModel:
    """Implements `LanguageModel`: text, `Said`, or an error to raise at that point; then the usage.

    `calls` keeps what it returned, so that only an explicit close ends it: `closed` says that it came.
    """

    script: Sequence[Step] = ()
    usage: Usage = field(default_factory=lambda: Usage(100, 20))
    instructions: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    calls: list[Generator[Said | Usage, None, None]] = field(default_factory=list)
    said: int = 0
    closed: bool = False

    def write(self, instructions: str, message: str, *, max_tokens: int) -> Generator[Said | Usage, None, None]:
        self.instructions.append(instructions)
        self.messages.append(message)
        self.calls.append(self._say())
        return self.calls[-1]

    def _say(self) -> Generator[Said | Usage, None, None]:
        try:
            for step in self._steps():
                if isinstance(step, KnowhubError):
                    raise step
                self.said += 1
                yield Said(step) if isinstance(step, str) else step
            yield self.usage
        except GeneratorExit:
            self.closed = True
            raise

    def _steps(self) -> Iterable[Step]:
        return self.script


class EndlessModel(ScriptedModel):
    """Says the same for as long as anybody listens."""

    def _steps(self) -> Iterable[Step]:
        return repeat(self.script[0])
