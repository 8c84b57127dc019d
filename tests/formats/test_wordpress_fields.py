"""Custom fields as labelled lines, and what people wrote about media."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.formats.wordpress_fields import field_lines
from knowhub.formats.wordpress_media import file_name, media_words, named_by_hand


@pytest.mark.parametrize(
    ("item", "lines"),
    [
        ({"acf": {"opening_hours": "10:00 - 20:00"}}, ["**Opening hours:** 10:00 - 20:00"]),
        ({"acf": []}, []),
        ({"meta": {"_edit_lock": "1", "phone": "030 1"}}, ["**Phone:** 030 1"]),
        ({"shop_number": 14, "open": True}, ["**Shop number:** 14", "**Open:** yes"]),
        ({"acf": {"start_date": "20261205", "code": "20261205"}}, ["**Start date:** 2026-12-05", "**Code:** 20261205"]),
        ({"acf": {"start_date": "20261399"}}, ["**Start date:** 20261399"]),
        ({"acf": {"at": {"address": "Am Platz 1", "lat": 52.5, "lng": 13.4}}}, ["**At:** Am Platz 1 (52.5, 13.4)"]),
        (
            {"acf": {"menu": {"title": "The menu", "url": "https://x.example/m", "target": ""}}},
            ["**Menu:** [The menu](https://x.example/m)"],
        ),
        ({"acf": {"shop": {"ID": 4, "post_title": "Ice &amp; co", "post_type": "stores"}}}, ["**Shop:** Ice & co"]),
        ({"acf": {"on": [{"term_id": 1, "name": "Up"}, {"term_id": 2, "name": "Down"}]}}, ["**On:** Up, Down"]),
        (
            {"acf": {"pictures": [{"url": "u", "mime_type": "image/png", "caption": "Ice", "alt": ""}]}},
            ["**Pictures:** Ice"],
        ),
        ({"acf": {"guide": {"ID": 1, "display_name": "Ann", "user_email": "ann@x.example"}}}, ["**Guide:** Ann"]),
        ({"acf": {"text": "<p>Bring <b>skates</b></p>"}}, ["**Text:** Bring **skates**"]),
        ({"acf": {"address": "Am Platz 1\n10115 Berlin"}}, ["**Address:**\n\nAm Platz 1\n10115 Berlin"]),
        (
            {"acf": {"hours": [{"day": "Mon", "open": "10"}, {"day": "Sun", "open": ""}]}},
            ["**Hours:**\n- Day: Mon; Open: 10\n- Day: Sun"],
        ),
        (
            {"acf": {"contact": {"phone": "1", "people": ["Ann", "Bob"], "none": ""}}},
            ["**Contact:**\n- Phone: 1\n- People: Ann, Bob"],
        ),
        ({"yoast_head": "<meta>", "_links": {}, "content": {"rendered": "x"}, "class_list": ["a"]}, []),
    ],
)  # fmt: skip
def test_fields_are_labelled_lines(item: dict[str, Any], lines: list[str]) -> None:
    assert field_lines(item) == lines


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("<p>a<"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=6), VALUES, max_size=4))
def test_odd_fields_never_raise(fields: dict[str, Any]) -> None:
    field_lines({"acf": fields, "meta": fields, **fields})


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.from_regex(r"[a-z]{3,8}q", fullmatch=True),
        lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(st.just("hall"), inner, min_size=1),
        max_leaves=8,
    )
)
def test_no_word_of_a_field_is_lost(value: Any) -> None:
    def words(one: Any) -> list[str]:
        if isinstance(one, str):
            return [one]
        return [word for inner in (one.values() if isinstance(one, dict) else one) for word in words(inner)]

    text = "\n".join(field_lines({"acf": {"field": value}}))
    assert [word for word in words(value) if word not in text] == []


def medium(**values: Any) -> dict[str, Any]:
    return {"source_url": "https://x.example/up/2026/10/ice-rink_2.jpg?sig=1", **values}


def test_a_picture_is_what_was_written_about_it() -> None:
    picture = medium(
        caption={"rendered": "<p>The rink</p>\n"},
        alt_text="Children &amp; skates",
        description={"rendered": '<p class="attachment"><a href="x"><img alt="Children"></a></p>\n<p>Since 1998</p>'},
    )
    assert media_words(picture) == "The rink\n\nChildren & skates\n\nSince 1998"
    assert media_words(medium(caption={"rendered": ""}, alt_text="")) == ""


def test_a_title_counts_as_words_only_if_a_person_gave_it() -> None:
    assert file_name(medium()) == "ice-rink_2.jpg"
    assert not named_by_hand(medium(title={"rendered": "Ice rink 2"}))
    assert named_by_hand(medium(title={"rendered": "Plan of the ground floor"}))
