from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.lexical import bm25, rarity

WORDS = st.lists(st.sampled_from(list("abcdef")), max_size=6)


@given(WORDS, st.lists(WORDS, max_size=8))
def test_the_best_sentence_has_one_and_sentences_without_the_words_nothing(
    question: list[str], sentences: list[list[str]]
) -> None:
    scores = bm25(rarity(question, sentences), sentences)
    assert len(scores) == len(sentences)
    assert all((score > 0) == bool(set(question) & set(words)) for score, words in zip(scores, sentences, strict=True))
    assert not any(scores) or max(scores) == pytest.approx(1.0)


def test_a_rare_word_says_more_than_a_common_one() -> None:
    sentences = [["common", "x"], ["common", "y"], ["rare", "z"]]
    scores = bm25(rarity(["common", "rare"], sentences), sentences)
    assert scores[2] == 1.0 > scores[0] == scores[1] > 0
