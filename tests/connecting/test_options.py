from __future__ import annotations

from datetime import UTC, datetime

from knowhub.connecting.options import ApiOptions
from knowhub.core.types import Acl


def test_a_day_without_a_time_zone_begins_in_utc() -> None:
    assert ApiOptions(since=datetime(2026, 1, 1)).since == datetime(2026, 1, 1, tzinfo=UTC)


def test_readers_stand_in_place_of_the_sources_permissions_only_where_they_are_named() -> None:
    own = Acl.of("wiki:space:1")
    assert ApiOptions().acl(own) == own
    assert ApiOptions(readers=("owner",)).acl(own) == Acl.of("owner")
