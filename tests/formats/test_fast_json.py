from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.formats import fast_json

# Half emojis included: chat clients cut them in two.
_TEXT = st.text(st.characters(categories=None))
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False, allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(_VALUES)
def test_what_was_encoded_decodes_to_itself_on_one_line(value: object) -> None:
    data = fast_json.encode(value)
    assert b"\n" not in data
    assert b"\r" not in data
    assert fast_json.decode(data) == value
    assert json.loads(data) == value


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(ValueError, match="line 1"):
        fast_json.decode(b'{"a": ')
    with pytest.raises(TypeError):
        fast_json.encode(object())
