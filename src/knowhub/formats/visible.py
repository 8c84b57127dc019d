"""Text as a reader sees it: without what has no width, no shape, or turns the writing direction.

Hidden tags and joiners carry instructions that people do not see to machines that do; marks of direction show one
thing and mean another (Boucher, Anderson, "Trojan Source", 2021).
"""

from __future__ import annotations

import re

UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
)
"""Controls except tab and line ends, marks of direction, empty spaces, tags. Joiners stay: scripts need them."""


def visible(text: str) -> str:
    """The same without them; lines stay lines."""
    return UNSEEN.sub("", text)
