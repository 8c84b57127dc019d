from __future__ import annotations

from knowhub.entrypoints.rest import cache
from knowhub.entrypoints.rest.cache import Answers, Kept


def kept(body: bytes = b"{}") -> Kept:
    return Kept(body, b"[]", "", ())


def test_an_answer_is_kept_until_its_time_is_over() -> None:
    now = [0.0]
    answers = Answers(10, 5, clock=lambda: now[0])
    answers.put("a", kept())
    now[0] = 4.9
    assert answers.get("a") == kept()
    now[0] = 5.0
    assert answers.get("a") is None
    assert answers.get("b") is None


def test_the_answer_longest_unused_makes_room() -> None:
    answers = Answers(2, 5, clock=lambda: 0.0)
    answers.put("a", kept())
    answers.put("b", kept())
    answers.get("a")
    answers.put("c", kept())
    assert [name for name in "abc" if answers.get(name)] == ["a", "c"]


def test_large_answers_make_room_by_their_size() -> None:
    answers = Answers(100, 5, clock=lambda: 0.0)
    big = kept(b"x" * (cache._MOST_BYTES // 2))
    for name in "abc":
        answers.put(name, big)
    assert [name for name in "abc" if answers.get(name)] == ["b", "c"]
    answers.put("b", kept())
    answers.drop("c")
    assert answers._bytes == len(kept().body)


def test_an_answer_larger_than_everything_is_not_kept() -> None:
    answers = Answers(100, 5, clock=lambda: 0.0)
    answers.put("a", kept(b"x" * (cache._MOST_BYTES + 1)))
    assert answers.get("a") is None
    assert answers._bytes == 0
