"""The pictures of docs/page.md, taken from a hub that serves the demo company.

    knowhub --config examples/demo/knowhub.toml serve &
    python web/screenshots.py http://127.0.0.1:8765

Needs the `dev` extra, Chromium, and for the Japanese one a font that has its characters.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
CHROMIUM = "/usr/bin/chromium"
HOTEL = "What is the limit for a hotel per night?"
UNANSWERED = (
    "How much does Brinewick pay into our pension?",
    "What is the pension contribution of Brinewick?",
    "What does error E-999 mean?",
)


def main(url: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        with window(browser, url) as page:
            ask(page, HOTEL)
            picture(page, "page-ask")
            page.locator(".chip").first.click()
            expect(page.get_by_role("dialog").locator("mark").first).to_be_focused()
            picture(page, "page-passage")
            page.keyboard.press("Escape")
            page.goto(f"{url}/#/search?q=mooring+buoy")
            expect(page.locator("[data-row]").first).to_be_visible()
            picture(page, "page-search")
        with window(browser, url) as page:
            for question in UNANSWERED:
                ask(page, question)
            page.goto(f"{url}/#/gaps")
            expect(page.get_by_role("listitem").first).to_be_visible()
            picture(page, "page-gaps")
        with window(browser, url, dark=True) as page:
            page.goto(f"{url}/#/sources")
            expect(page.get_by_role("heading", level=2).first).to_be_visible()
            page.get_by_role("region", name="chat").locator("summary").first.click()
            page.get_by_role("region", name="chat").scroll_into_view_if_needed()
            picture(page, "page-sources")
        with window(browser, url, width=390, height=780, language="ja-JP", dark=True) as page:
            ask(page, "青波防波堤のゲートウェイが止まった原因は何でしたか。")
            picture(page, "page-phone")
        browser.close()


@contextmanager
def window(
    browser: Browser, url: str, *, width: int = 1280, height: int = 800, language: str = "en-IE", dark: bool = False
) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": width, "height": height},
        locale=language,
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(url)
    yield page
    context.close()


def ask(page: Page, question: str) -> None:
    page.locator("#question").fill(question)
    page.locator("#question").press("Enter")
    expect(page.get_by_role("article").last).to_have_attribute("aria-busy", "false", timeout=30_000)


def picture(page: Page, name: str) -> None:
    """In 128 colours, which is enough for a page and a third of the bytes."""
    PICTURES.mkdir(exist_ok=True)
    with Image.open(BytesIO(page.screenshot(caret="hide"))) as image:
        image.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(PICTURES / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main(sys.argv[1])
