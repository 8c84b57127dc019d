from __future__ import annotations

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.feed import parse_feed
from tests.formats.samples import FEED


def test_each_entry_of_rss_is_a_heading_with_its_facts_and_text() -> None:
    parsed = parse_feed(FEED)
    assert parsed.text == (
        "# News\n\n## Hub ships\n\nWed, 31 Jan 2024 09:30:00 GMT · Ana · https://example.com/1\n\nAt **last**."
    )
    assert parsed.title == "News"


def test_atom_is_read() -> None:
    feed = (
        b'<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title><entry><title>One</title>'
        b'<link href="https://example.com/1"/><updated>2024-01-31</updated><author><name>Bo</name></author>'
        b'<content type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><p>Body</p></div></content></entry></feed>'
    )
    assert parse_feed(feed).text == "# News\n\n## One\n\n2024-01-31 · Bo · https://example.com/1\n\nBody"


def test_entities_are_refused() -> None:
    with pytest.raises(UnreadableContent, match="entities"):
        parse_feed(b'<!DOCTYPE rss [<!ENTITY a "b">]><rss>&a;</rss>')
