from __future__ import annotations

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.epub import parse_epub
from tests.formats.samples import epub, repacked


def test_chapters_follow_the_reading_order() -> None:
    parsed = parse_epub(epub())
    assert parsed.text == "# First\n\nBegin.\n\n# Second\n\nEnd."
    assert (parsed.title, parsed.authors, parsed.language) == ("The Manual", ("Bo",), "en")


def test_a_broken_container_is_refused() -> None:
    with pytest.raises(UnreadableContent, match="broken XML"):
        parse_epub(repacked(epub(), {"META-INF/container.xml": lambda content: content[:40]}))
