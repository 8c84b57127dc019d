"""Words of a question against a handful of sentences: BM25 (Robertson, Zaragoza 2009) within the candidates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

Terms = Callable[[str], list[str]]
"""Text to the words that search compares: normalised and stemmed, Japanese found without spaces."""

_K1, _B = 1.2, 0.4


def bm25(weights: Mapping[str, float], sentences: Sequence[Sequence[str]]) -> list[float]:
    """One score a sentence by the question's words and their rarity, the best 1.0; all 0.0 where no word occurs."""
    average = sum(map(len, sentences)) / max(len(sentences), 1) or 1.0
    scores = [_score(weights, Counter(words), len(words) / average) for words in sentences]
    best = max(scores, default=0.0)
    return [score / best for score in scores] if best else scores


def rarity(words: Iterable[str], sentences: Sequence[Sequence[str]]) -> dict[str, float]:
    """Inverse document frequency of each word, the sentences taken as the collection."""
    holding = Counter(word for sentence in sentences for word in set(sentence))
    total = len(sentences)
    return {word: math.log(1 + (total - holding[word] + 0.5) / (holding[word] + 0.5)) for word in set(words)}


def weighted(rarities: Mapping[str, float]) -> dict[str, float]:
    """Rarity made gentle, for a few sentences say little about how rare a word is."""
    return {word: 1 + rarity for word, rarity in rarities.items()}


def _score(weights: Mapping[str, float], counts: Counter[str], length: float) -> float:
    norm = _K1 * (1 - _B + _B * length)
    return sum(weight * counts[word] * (_K1 + 1) / (counts[word] + norm) for word, weight in weights.items())
