from __future__ import annotations

from datetime import UTC, datetime

import pytest

from knowhub.connecting.selection import Selection
from knowhub.connecting.versions import digest, due
from knowhub.core.types import Acl

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_digest_sees_content_and_readers_and_no_order() -> None:
    assert digest({"a": 1, "b": [2]}, Acl.of("x", "y")) == digest({"b": [2], "a": 1}, Acl.of("y", "x"))
    assert digest({"a": 1}, Acl.of("x")) != digest({"a": 1}, Acl.of("y"))
    assert digest({"a": 1}) != digest({"a": "1"})
    assert len(digest("half an emoji \ud83d")) == 16


@pytest.mark.parametrize(
    ("last", "is_due"),
    [(None, True), ("2026-02-28T12:00:00+00:00", True), ("2026-02-28T12:00:01+00:00", False)],
)
def test_what_was_never_done_or_long_ago_is_due(last: str | None, is_due: bool) -> None:
    assert due(last, 24, NOON) is is_due


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [((), (), True), (("ops*",), (), True), (("#OPS",), (), True), (("dev",), (), False),
     ((), ("c0*",), False), (("ops",), ("ops",), False)],
)  # fmt: skip
def test_containers_are_chosen_by_patterns_over_all_their_names(
    include: tuple[str, ...], exclude: tuple[str, ...], taken: bool
) -> None:
    assert Selection(include, exclude).takes("ops", "C012") is taken
