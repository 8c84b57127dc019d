"""What a text says word by word, with the places where it denies."""

from __future__ import annotations

from collections.abc import Sequence

from knowhub.answering.reading import Denial, Reading

_FILLERS = frozenset(["do", "does", "did", "the", "a", "an", "not", "never", "no", "longer"])
_LEFT, _RIGHT = 3, 6
"""Words before and behind a denial that are compared."""


class Wording:
    """Words in a row, without denials and fillers; `denied` are where these stood."""

    def __init__(self, reading: Reading) -> None:
        self.words: list[str] = []
        self.content: list[bool] = []
        self.denied: list[tuple[int, Denial]] = []
        waiting = list(reading.denials)
        for word in reading.words:
            while waiting and waiting[0].start < word.end:
                self.denied.append((len(self.words) + (waiting[0].start > word.start), waiting.pop(0)))
            bare = _undenied(word.text.casefold())
            if bare not in _FILLERS:
                self.words.append(word.terms[0] if word.terms else bare)
                self.content.append(bool(word.terms))

    def affirms(self, source: Wording, gap: int) -> int:
        """As many of the words around a gap of the source as stand together here, undenied."""
        best = 0
        before, after = source.words[max(0, gap - _LEFT) : gap][::-1], source.words[gap : gap + _RIGHT]
        if not after:
            return 0
        for at, word in enumerate(self.words):
            if word != after[0] or any(at - 2 <= denied <= at + 1 for denied, _ in self.denied):
                continue
            right, left = _run(after, self.words[at:]), _run(before, self.words[:at][::-1])
            if any(self.content[at : at + right]):
                best = max(best, right + left)
        return best


def _run(one: Sequence[str], other: Sequence[str]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _undenied(word: str) -> str:
    if word == "cannot":
        return "can"
    return word[:-3] if word.endswith(("n't", "n’t")) else word
