"""Text as a reader sees it: without what has no width, no shape, or turns the writing direction.

Hidden tags and joiners carry instructions that people do not see to machines that do; marks of direction show one
thing and mean another (Boucher, Anderson, "Trojan Source", 2021). What scripts and emoji need stays where they need it.
"""

from __future__ import annotations

import re

_HIDDEN = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u17b4\u17b5\u180e\u200b\u200e\u200f\u202a-\u202e"
    "\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
)
"""Controls except tab and line ends, marks of direction, empty spaces, fillers, halves of characters."""
_BY_PLACE = "\u115f\u1160\u180b-\u180d\u180f\u200c\u200d\u2800\ufe00-\ufe0f\U000e0000-\U000e0fff"
"""Joiners, selectors of variants, fillers of syllables, the empty Braille cell, tags."""

_EMOJI = "\u00a9\u00ae\u203c\u2049\u2070-\u27bf\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
_IDEOGRAPHS = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U000323af"
_JOINED = (
    "\u0600-\u061b\u061d-\u109f\u1780-\u17b3\u17b6-\u17ff\u1820-\u18af\u1900-\u1cff"
    "\ua800-\uabff\ufb50-\ufdff\ufe70-\ufefc"
)
"""Scripts whose letters joiners hold together or apart: Arabic's, India's, South-East Asia's, Mongolian."""
_FLAGS = "|".join(
    "".join(chr(0xE0000 + ord(c)) for c in region) + "\U000e007f" for region in ("gbeng", "gbsct", "gbwls")
)
_NEEDED = "|".join(
    (
        f"\U0001f3f4(?:{_FLAGS})",
        f"(?:(?<=[{_EMOJI}])|(?<=[{_EMOJI}]\ufe0f))\u200d(?=[{_EMOJI}])",
        rf"(?<=[{_JOINED}])(?<!\d)[\u200c\u200d]",
        "(?<=[0-9#*])\ufe0f(?=\u20e3)",
        f"(?<=[\u2010-\u2027\u2030-\u205e{_EMOJI}{_IDEOGRAPHS}])[\ufe00-\ufe0f](?![\ufe00-\ufe0f\U000e0100-\U000e01ef])",
        f"(?<=[{_IDEOGRAPHS}])[\U000e0100-\U000e01ef](?![\ufe00-\ufe0f\U000e0100-\U000e01ef])",
        "(?<=[\u1820-\u18aa])[\u180b-\u180d\u180f]",
        "\u115f(?=[\u1161-\u11a7])|(?<=[\u1100-\u115e])\u1160",
        "(?<=[\u2801-\u28ff])\u2800|\u2800(?=[\u2801-\u28ff])",
    )
)
_ALWAYS_HIDDEN = re.compile(f"[{_HIDDEN}]")
_UNSEEN = re.compile(f"({_NEEDED})|[{_HIDDEN}{_BY_PLACE}]")
_LINE_ENDS = re.compile("[\x0b\x0c\x85\u2028\u2029]")


def visible(text: str) -> str:
    """The same without them; lines stay lines, and what ends one by an unusual character does so by a usual one."""
    return _UNSEEN.sub(lambda match: match[1] or "", _LINE_ENDS.sub("\n", text))


def partly_visible(text: str) -> str:
    """As much of `visible` as needs no neighbours: for text that comes in pieces, of which the whole is made later."""
    return _ALWAYS_HIDDEN.sub("", _LINE_ENDS.sub("\n", text))
