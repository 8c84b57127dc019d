from __future__ import annotations

from pathlib import Path
from typing import Any

import axe_playwright_python  # type: ignore[import-untyped]  # it has no types, and only its folder is asked for
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.entrypoints.rest.kit import Running
from tests.web.kit import HOTEL, Looking, answered, looking

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
LANGUAGES = {"en-IE": "Ask", "ja-JP": "質問", "es-ES": "Preguntar"}


def violations(page: Page) -> list[str]:
    """All of axe's rules, those of good practice too; and once more in the dark, which changes colours alone."""
    page.evaluate(f"window.axe || (() => {{ {AXE} }})()")
    found = broken(page, "{resultTypes: ['violations']}")
    page.emulate_media(color_scheme="dark")
    dark = broken(page, "{resultTypes: ['violations'], runOnly: ['color-contrast']}")
    page.emulate_media(color_scheme="light")
    return found + dark


def broken(page: Page, options: str) -> list[str]:
    found: dict[str, Any] = page.evaluate(f"axe.run(document, {options})")
    return [f"{one['id']}: {at['target']} {at['failureSummary']}" for one in found["violations"] for at in one["nodes"]]


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_in_any_view_light_or_dark(browser: Browser, demo: Running, language: str) -> None:
    with looking(browser, demo.url, language=language) as eyes:
        page = eyes.open()
        expect(page.get_by_role("link", name=LANGUAGES[language], exact=True)).to_be_visible()
        assert violations(page) == []
        answered(page, HOTEL)
        assert violations(page) == []
        page.locator(".chip").first.click()
        expect(page.get_by_role("dialog").locator("mark").first).to_be_focused()
        assert violations(page) == []
        page.keyboard.press("Escape")
        page.goto(f"{demo.url}/#/search?q=hotel&kind=markdown")
        expect(page.locator("[data-row]").first).to_be_visible()
        page.locator("summary").click()
        assert violations(page) == []
        page.goto(f"{demo.url}/#/sources")
        expect(page.locator("h2").nth(2)).to_be_visible()
        for summary in page.locator("summary").all():
            summary.click()
        assert violations(page) == []
        page.goto(f"{demo.url}/#/gaps")
        expect(page.locator("h1")).to_be_visible()
        assert violations(page) == []


def test_axe_finds_nothing_where_one_signs_in(browser: Browser, demo: Running) -> None:
    with looking(browser, demo.url) as eyes:
        page = eyes.open()
        page.evaluate("sessionStorage.setItem('knowhub.key', 'kh_wrong')")
        page.reload()
        expect(page.get_by_role("heading", name="Who is asking?")).to_be_visible()
        assert violations(page) == []


def test_everything_is_reached_by_keys(page: Page) -> None:
    expect(page.locator("#question")).to_be_focused()
    page.keyboard.type(HOTEL)
    page.keyboard.press("Enter")
    turn = page.get_by_role("article")
    expect(turn.get_by_role("button", name="Copy")).to_be_visible()
    mark = turn.get_by_label("Answer").get_by_role("button", name="Source 1")
    for _ in range(20):
        page.keyboard.press("Shift+Tab")
        if mark.evaluate("one => one === document.activeElement"):
            break
    expect(mark).to_be_focused()
    assert mark.evaluate("one => getComputedStyle(one).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog").locator("mark").first).to_be_focused()


def test_a_screen_reader_is_told_once_when_the_answer_is_ready(page: Page) -> None:
    answered(page, HOTEL)
    expect(page.get_by_role("status")).to_have_count(1)
    expect(page.get_by_role("status")).to_have_text("The answer is ready, with 2 sources.")


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_is_wider_than_a_phone(browser: Browser, demo: Running, language: str) -> None:
    with looking(browser, demo.url, language=language, width=360, height=740) as eyes:
        page = eyes.open()
        answered(page, HOTEL)
        answered(page, "What does error E-99812 mean?")
        for path in ("ask", "search?q=hotel", "sources", "gaps"):
            page.goto(f"{demo.url}/#/{path}")
            expect(page.locator("h1")).to_be_attached()
            page.wait_for_load_state("networkidle")
            assert wider(page) == []


def wider(page: Page) -> list[str]:
    """What can be scrolled sideways, other than what is made for it."""
    return page.evaluate(  # type: ignore[no-any-return]  # a list of strings
        """[...document.querySelectorAll('body, main, main *')]
        .filter(one => one.scrollWidth > one.clientWidth + 1 && one.clientWidth > 0)
        .filter(one => ['auto', 'scroll'].includes(getComputedStyle(one).overflowX))
        .filter(one => !one.matches('.cards, .scroll, textarea, pre'))
        .map(one => one.className)"""
    )


def test_the_theme_and_the_language_are_chosen_and_kept(page: Page) -> None:
    page.get_by_role("button", name="Theme").click()
    page.get_by_role("button", name="Theme: Light").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Language").select_option("ja")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    expect(page.get_by_role("heading", level=1)).to_have_text("社内で書かれたことを質問できます")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_role("heading", level=1)).to_have_text("社内で書かれたことを質問できます")


def test_earlier_questions_are_behind_a_button_on_a_phone(browser: Browser, demo: Running) -> None:
    with looking(browser, demo.url, width=360, height=740) as eyes:
        page = eyes.open()
        answered(page, HOTEL)
        page.get_by_role("button", name="Earlier questions").click()
        drawer = page.get_by_role("dialog", name="Earlier questions")
        expect(drawer.get_by_role("listitem")).to_have_count(1)
        page.keyboard.press("Escape")
        expect(drawer).to_be_hidden()


def test_dates_are_written_as_the_reader_writes_them(visitor: Looking) -> None:
    page = visitor.open()
    turn = answered(page, HOTEL)
    expect(turn.get_by_label("Two sources disagree")).to_contain_text("19 Mar 2026")
    page.get_by_label("Language").select_option("es")
    expect(turn.get_by_label("Dos fuentes no coinciden")).to_contain_text("19 mar 2026")
