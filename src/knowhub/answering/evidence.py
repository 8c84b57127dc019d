"""How sure one may be that a quote answers the question: from 0.0, nothing speaks of it, to 1.0.

A logistic curve over the quote's cosine and the share of the question's content words, weighted by rarity, that
its chunk holds. Fitted on 500 XQuAD questions, each asked with the paragraph that answers it and without.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping

from knowhub.answering.question import Question, folded, missing

_BIAS, _COSINE, _COVERAGE, _MISSING_NAME = -8.2, 9.0, 6.5, -1.0
_WORDS_ALONE_BIAS, _WORDS_ALONE = -5.0, 10.0
"""For scripts that the model does not read: half of the question's words, rare ones first, are the threshold."""
REFUSED = 0.1
"""The most that is said of an answer to a question whose number or identifier stands nowhere."""


def confidence(
    question: Question,
    *,
    cosine: float | None,
    coverage: float,
    document: str,
    everything: str,
) -> float:
    """`document` is what was found of the quote's document, `everything` of all; `cosine` None: words alone."""
    if cosine is None:
        strength = _WORDS_ALONE_BIAS + _WORDS_ALONE * coverage
    else:
        strength = _BIAS + _COSINE * cosine + _COVERAGE * coverage
    if missing(question.names, folded(document)):
        strength += _MISSING_NAME
    sure = 1 / (1 + math.exp(-strength))
    unheard_of = missing(question.identifiers, folded(document)) or missing(question.numbers, folded(everything))
    return min(sure, REFUSED) if unheard_of else sure


def covered(weights: Mapping[str, float], words: Collection[str]) -> float:
    """The share of `weights` that falls on `words`; 0.0 where the question has no content word."""
    total = sum(weights.values())
    held = frozenset(words)
    return sum(weight for word, weight in weights.items() if word in held) / total if total else 0.0
