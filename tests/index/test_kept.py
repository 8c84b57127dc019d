from __future__ import annotations

from knowhub.index.kept import Kept


def test_what_was_asked_for_lately_is_made_once_and_the_longest_unused_goes_first() -> None:
    made: list[str] = []
    kept = Kept[str, str](2)

    def make(key: str) -> str:
        made.append(key)
        return key.upper()

    def get(key: str) -> str:
        return kept.get(key, lambda: make(key))

    assert [get(key) for key in ("a", "b", "a", "c", "a", "b")] == ["A", "B", "A", "C", "A", "B"]
    assert made == ["a", "b", "c", "b"]
