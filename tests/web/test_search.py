from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.web.kit import Looking, highlighted


def test_a_search_by_keys_alone_opens_the_passage_and_returns(visitor: Looking) -> None:
    page = visitor.open("/#/search")
    field = page.get_by_role("searchbox")
    expect(field).to_be_focused()
    page.keyboard.type("anode hull")
    page.keyboard.press("Enter")
    rows = page.locator("[data-row]")
    expect(rows.first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("j")
    expect(rows.nth(1)).to_be_focused()
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    assert "anode" in highlighted(page)
    page.keyboard.press("Escape")
    expect(rows.nth(0)).to_be_focused()
    page.keyboard.press("/")
    expect(field).to_be_focused()


def test_the_address_holds_the_search_and_going_back_restores_it(visitor: Looking) -> None:
    page = visitor.open("/#/search?q=hotel&source=handbook")
    expect(page.locator("[data-row]").first).to_contain_text("handbook")
    expect(page.locator("[data-row]", has_text="#finance")).to_have_count(0)
    page.locator("summary").click()
    expect(page.get_by_role("button", name="handbook", exact=True)).to_have_attribute("aria-pressed", "true")
    page.get_by_role("button", name="handbook", exact=True).click()
    expect(page.locator("[data-row]", has_text="#finance").first).to_be_visible()
    expect(page).to_have_url(visitor.url + "/#/search?q=hotel")
    page.go_back()
    expect(page.locator("[data-row]", has_text="#finance")).to_have_count(0)


def test_the_words_are_marked_in_the_results(visitor: Looking) -> None:
    page = visitor.open("/#/search?q=hotel")
    expect(page.locator("[data-row] mark").first).to_have_text("hotel", ignore_case=True)


def test_a_kind_and_days_narrow_a_search(visitor: Looking) -> None:
    page = visitor.open("/#/search?q=backup&kind=change&since=2026-03-01&until=2026-12-31")
    expect(page.locator("[data-row]").first).to_contain_text("Change")
    page.goto(visitor.url + "/#/search?q=backup&kind=change&until=1999-01-01")
    expect(page.get_by_role("paragraph").filter(has_text="Nothing that you may read matches.")).to_be_visible()
    page.locator("summary").click()
    page.get_by_role("button", name="Clear the filters").click()
    expect(page.locator("[data-row]").first).to_be_visible()


def test_a_search_for_nothing_says_how_to_begin(visitor: Looking) -> None:
    page: Page = visitor.open("/#/search")
    expect(page.get_by_text("Find passages in everything that you may read.")).to_be_visible()
