from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.formats.visible import partly_visible, visible

HIDDEN = (
    *(
        "\u202e",
        "\u200b",
        "\ufeff",
        "\u2066",
        "\x1b",
        "\x00",
        "\x7f",
        "\U000e0041",
        "\u00ad",
        "\u061c",
        "\u180e",
        "\ud800",
    ),
    *("\u3164", "\uffa0", "\u115f", "\u1160", "\u115f\u1160", "\u2800", "\u034f", "\u180b", "\ufe0f", "\U000e0100"),
    *("\u200d", "\u200c", "\u200d\u200c"),
)


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: "+".join(f"U+{ord(c):04X}" for c in one))
def test_what_no_reader_sees_is_taken_out(hidden: str) -> None:
    assert visible(f"pay{hidden} 5 EUR") == "pay 5 EUR"
    assert visible(f"pay 1{hidden}50") == "pay 150"


@pytest.mark.parametrize(
    "text",
    [
        *(
            "a\tb\r\nc",
            "می\u200cخواهم",
            "क्\u200dष",
            "日本語、ですか？",
            "葛\U000e0100城",
            "e\u0301",
            "ᄀ\u1160",
            "⠓\u2800⠓",
        ),
        *(
            "😀",
            "👍🏽",
            "👩\u200d💻",
            "❤\ufe0f",
            "❤\ufe0f\u200d🔥",
            "1\ufe0f\u20e3",
            "👨\u200d👩\u200d👧",
            "🏳\ufe0f\u200d🌈",
        ),
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    ],
)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("中\ufe00\ufe01\ufe02", "中"),
        ("葛\U000e0100\U000e0101", "葛"),
        ("🏴\U000e0064\U000e0065\U000e007f", "🏴"),
        ("١\u200d٥٠", "١٥٠"),
        ("می\u200c\u200c\u200dخواهم", "می\u200cخواهم"),
    ],
)
def test_what_scripts_and_emoji_need_hides_nothing_else(text: str, left: str) -> None:
    assert visible(text) == left


def test_an_unusual_end_of_a_line_is_one() -> None:
    assert visible("a\u2028b\x0bc\x85d") == "a\nb\nc\nd"


TEXTS = st.one_of(st.text(), st.lists(st.sampled_from([*"a1中😀❤ᄀم🏴⠓", *"".join(HIDDEN)])).map("".join))


@settings(deadline=None)
@given(TEXTS)
def test_nothing_is_left_to_take_out(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@settings(deadline=None)
@given(TEXTS, st.integers(0, 5))
def test_what_needs_no_neighbours_is_taken_out_alike_however_the_text_is_cut(text: str, cut: int) -> None:
    parts = partly_visible(text[:cut]) + partly_visible(text[cut:])
    assert parts == partly_visible(text)
