"""What every Lake must do."""

from __future__ import annotations

import pytest

from knowhub.core.errors import NotFound
from knowhub.core.ports import Lake
from knowhub.core.types import ObjectKey


def key(text: str) -> ObjectKey:
    return ObjectKey(text)


class LakeContract:
    """Inherit, and give the fixture `lake`: an empty one."""

    def test_what_was_put_is_got(self, lake: Lake) -> None:
        lake.put(key("s/raw/a"), b"\x00one")
        lake.put(key("s/raw/empty"), b"")
        assert (lake.get(key("s/raw/a")), lake.get(key("s/raw/empty"))) == (b"\x00one", b"")

    def test_a_second_put_replaces(self, lake: Lake) -> None:
        lake.put(key("s/raw/a"), b"one, which is longer")
        lake.put(key("s/raw/a"), b"two")
        assert lake.get(key("s/raw/a")) == b"two"

    def test_what_is_not_there_is_not_found(self, lake: Lake) -> None:
        with pytest.raises(NotFound, match="s/raw/nothing"):
            lake.get(key("s/raw/nothing"))

    def test_keys_are_listed_in_order_under_their_prefix_only(self, lake: Lake) -> None:
        for name in ("s/raw/year=2026/b", "s/raw/year=2026/a", "s/chunked/a", "s2/raw/a"):
            lake.put(key(name), b"x")
        assert list(lake.list("s/raw/")) == ["s/raw/year=2026/a", "s/raw/year=2026/b"]
        assert list(lake.list("s/")) == ["s/chunked/a", "s/raw/year=2026/a", "s/raw/year=2026/b"]
        assert list(lake.list("nothing/")) == []

    def test_deleting_is_idempotent(self, lake: Lake) -> None:
        lake.put(key("s/raw/a"), b"x")
        lake.delete([key("s/raw/a"), key("s/raw/never")])
        lake.delete([key("s/raw/a")])
        assert list(lake.list("s/")) == []
