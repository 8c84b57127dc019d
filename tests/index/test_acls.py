from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import CorruptObject
from knowhub.core.types import Acl, Principal, Viewer
from knowhub.index.acls import KnownAcls, acl_id, acl_text

names = st.text("ab\"',]日", max_size=3).map(Principal)
acls = st.lists(st.frozensets(names, max_size=3), max_size=3).map(lambda layers: Acl(tuple(layers)))


@given(st.lists(acls, max_size=20), st.lists(st.frozensets(names, max_size=4), min_size=1, max_size=4))
def test_ids_admit_as_the_lists_do_however_late_they_are_added(
    lists: list[Acl], viewers: list[frozenset[Principal]]
) -> None:
    known = KnownAcls()
    for acl in lists:
        known.add([(acl_id(acl), acl_text(acl))])
        for principals in viewers:
            viewer = Viewer("x", principals)
            expected = {acl_id(one) for one in lists[: lists.index(acl) + 1] if one.admits(viewer)}
            assert set(known.admitting(viewer)) >= expected
    for principals in viewers:
        viewer = Viewer("x", principals)
        assert known.admitting(viewer) == sorted({acl_id(one) for one in lists if one.admits(viewer)})


@given(acls, acls)
def test_an_id_is_equal_exactly_for_equal_meaning(one: Acl, other: Acl) -> None:
    assert (acl_id(one) == acl_id(other)) == (one.canonical() == other.canonical())


def test_two_lists_under_one_id_are_refused() -> None:
    known = KnownAcls()
    known.add([(1, acl_text(Acl.of("ana")))])
    known.add([(1, acl_text(Acl.of("ana")))])
    with pytest.raises(CorruptObject, match="knowhub reindex"):
        known.add([(1, acl_text(Acl.of("bo")))])
    assert known.admitting(Viewer("bo", frozenset({Principal("bo")}))) == []
