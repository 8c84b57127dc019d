"""What documents and answers say is text, whatever it looks like."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from playwright.sync_api import Browser, expect

from knowhub.core.types import Answer, AnswerEvent, Delta, Done, Retrieved, Viewer
from tests.entrypoints.rest.kit import cited
from tests.web.conftest import Scripting
from tests.web.kit import answered, files_hub, highlighted, looking, serving_at

MARKUP = "<img src=x onerror=alert(1)> <script>alert(2)</script> <iframe src=https://evil.example></iframe>"
LINKS = (
    "[press](javascript:alert(3)) ![seen](https://evil.example/pixel.png) <https://evil.example> [so](data:text/html,x)"
)
WIDE = "W" * 4000
RIGHT_TO_LEFT = "مرحبا بالعالم \u202e gnihtyna \u202c 👩‍👩‍👧 𝒳"
TABLE = f"| a | {MARKUP} |\n|---|---|\n| `{MARKUP}` | **{LINKS}** |"
SAID = "The 𝒳 zanzibar passage is exactly this. And more."
EVIL = "\n\n".join((f"# {MARKUP}", LINKS, WIDE, RIGHT_TO_LEFT, SAID, TABLE)) + "\n"


def test_a_hostile_document_is_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    with (
        files_hub(tmp_path / "hub", {"evil.md": EVIL}) as hub,
        serving_at(hub, 0) as port,
        looking(browser, f"http://127.0.0.1:{port}", width=360, height=740) as eyes,
    ):
        page = eyes.open("/#/search?q=zanzibar+passage")
        page.locator("[data-row]").first.click()
        passage = page.get_by_role("dialog")
        assert "zanzibar passage is exactly this" in highlighted(page)
        expect(passage).to_contain_text("<script>alert(2)</script>")
        expect(page.locator("dialog :is(img, script, iframe), dialog .body a")).to_have_count(0)
        body = passage.locator(".body")
        assert body.evaluate("one => one.scrollWidth <= one.clientWidth")


def test_the_highlight_is_right_behind_characters_outside_the_basic_plane(browser: Browser, tmp_path: Path) -> None:
    text = "# Signs\n\n" + "𝒳👩‍👩‍👧 " * 200 + "\n\nThe limit in Zanzibar is 42 EUR. It rains.\n"
    with (
        files_hub(tmp_path / "hub", {"signs.md": text}) as hub,
        serving_at(hub, 0) as port,
        looking(browser, f"http://127.0.0.1:{port}") as eyes,
    ):
        page = eyes.open()
        turn = answered(page, "What is the limit in Zanzibar?")
        turn.locator(".chip").first.click()
        assert highlighted(page) == "The limit in Zanzibar is 42 EUR."


def test_a_hostile_answer_is_shown_as_text_and_links_only_to_what_it_cites(scripted: Scripting) -> None:
    there = "https://x.example/a"
    text = f"{MARKUP} {LINKS} [out](https://evil.example) [in]({there}) {WIDE} [1]"
    source = replace(cited(), title=MARKUP, quote=MARKUP)

    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Retrieved((source,))
        yield Delta(text)
        yield Done(Answer(question, True, (source,), text=text, notice=MARKUP, conflict=MARKUP, searched=MARKUP))

    _, page = scripted(script, width=360, height=740)
    turn = answered(page, MARKUP)
    expect(page.locator("article :is(img, script, iframe)")).to_have_count(0)
    links = turn.get_by_role("link")
    expect(links).to_have_count(1)
    expect(links).to_have_attribute("href", there)
    expect(links).to_have_attribute("rel", "noopener noreferrer")
    assert page.locator(".scroller").evaluate("one => one.scrollWidth <= one.clientWidth")


def test_an_address_that_no_browser_should_open_is_no_link(scripted: Scripting) -> None:
    source = replace(cited(), link="javascript:alert(1)")

    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Retrieved((source,))
        yield Delta("See [this](javascript:alert(1)) [1]")
        yield Done(Answer(question, True, (source,), text="See [this](javascript:alert(1)) [1]"))

    _, page = scripted(script)
    turn = answered(page, "Where?")
    expect(turn.get_by_role("link")).to_have_count(0)
    turn.locator(".chip").click()
    preview = page.get_by_role("dialog")
    expect(preview.get_by_text("This document is not there any more")).to_be_visible()
    expect(preview.get_by_role("link")).to_have_count(0)
