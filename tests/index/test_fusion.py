from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from knowhub.index.fusion import Matches, Ranking, Text, fuse, recent, same
from knowhub.index.rows import fingerprint

NOW = datetime(2026, 6, 1, tzinfo=UTC)
scores = st.dictionaries(st.integers(0, 30), st.floats(0.01, 20), max_size=12)


def listed(found: dict[int, float]) -> dict[int, float]:
    return dict(sorted(found.items(), key=lambda item: -item[1]))


@given(scores, scores)
def test_everything_that_matched_has_a_score_and_the_best_comes_first(
    words: dict[int, float], vectors: dict[int, float]
) -> None:
    fused = fuse(Matches(listed(words), {}, listed(vectors), vectors), Ranking())
    assert fused.keys() == words.keys() | vectors.keys()
    assert list(fused.values()) == sorted(fused.values(), reverse=True)


@given(scores, scores)
def test_what_is_better_in_both_is_better(words: dict[int, float], vectors: dict[int, float]) -> None:
    best = {row: found | {99: 21.0} for row, found in enumerate((words, vectors))}
    assert next(iter(fuse(Matches(listed(best[0]), {}, listed(best[1]), best[1]), Ranking()))) == 99


def test_one_kind_alone_keeps_its_own_scores() -> None:
    assert fuse(Matches(vectors={3: 0.9, 1: 0.8}), Ranking()) == {3: 0.9, 1: 0.8}
    assert fuse(Matches(words={3: 9.0, 1: 8.0}), Ranking()) == {3: 9.0, 1: 8.0}


def test_equal_scores_are_in_order_of_row() -> None:
    assert list(fuse(Matches(words={5: 1.0, 2: 1.0, 4: 1.0}), Ranking())) == [2, 4, 5]


def test_who_asks_for_a_name_alone_gets_what_bears_it_first() -> None:
    matches = Matches(words={1: 9.0, 2: 2.0}, names={2: 1.0}, vectors={1: 0.9, 3: 0.8}, cosines={}, only_names=True)
    assert next(iter(fuse(matches, Ranking()))) == 2


def test_recency_raises_a_little_and_fades() -> None:
    ranking = Ranking(recency=0.1, half_life_days=100)
    ages = [recent(1.0, NOW - timedelta(days=days), NOW, ranking) for days in (-5, 0, 100, 200, 10_000)]
    assert [round(score, 3) for score in ages] == [1.1, 1.1, 1.05, 1.025, 1.0]
    assert recent(1.0, None, NOW, ranking) == 1.0
    assert recent(1.0, NOW, NOW, Ranking(recency=0)) == 1.0


def leaders(*texts: str) -> list[int]:
    together = np.ones((len(texts), 1), np.float32)
    return same([Text(text, fingerprint(text)) for text in texts], together)


LONG = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")


def test_copies_differ_in_case_markup_and_one_word_in_twenty() -> None:
    assert leaders("Hello *World*", "hello world!", "goodbye") == [0, 0, 2]
    assert leaders(LONG.replace("1", ""), f"{LONG} appendix") == [0, 0]


def test_a_different_figure_is_not_a_copy() -> None:
    assert leaders(f"{LONG} 500", f"{LONG} 700", f"{LONG} 500") == [0, 1, 0]


def test_texts_that_mean_different_things_are_not_compared_by_their_words() -> None:
    texts = [Text(LONG, 1), Text(f"{LONG} appendix", 2)]
    assert same(texts, np.eye(2, dtype=np.float32)) == [0, 1]
