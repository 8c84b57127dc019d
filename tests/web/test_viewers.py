from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.entrypoints.rest.kit import build_demo, open_hub, serving
from tests.web.kit import HOTEL, answered, looking


@dataclass(frozen=True)
class Company:
    """A hub where everybody needs a key."""

    url: str
    finance: str
    staff: str


@pytest.fixture(scope="module")
def company(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    folder = build_demo(tmp_path_factory.mktemp("keys") / "demo", "requests_per_minute = 100000\nlocal_owner = false\n")
    with open_hub(folder) as hub, serving(hub) as running:
        finance = hub.add_key("finance", scopes=frozenset({"read"}), principals=["group:finance"]).token.reveal()
        staff = hub.add_key("staff", scopes=frozenset({"read"}), principals=["group:staff"]).token.reveal()
        yield Company(running.url, finance, staff)


def enter(page: Page, key: str) -> None:
    page.get_by_label("API key", exact=True).fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#question")).to_be_visible()


def test_two_viewers_see_nothing_of_what_only_the_other_may_read(browser: Browser, company: Company) -> None:
    with looking(browser, company.url) as one, looking(browser, company.url) as two:
        finance, staff = one.open(), two.open()
        enter(finance, company.finance)
        enter(staff, company.staff)
        expect(answered(finance, HOTEL)).to_contain_text("150 EUR")
        expect(answered(staff, HOTEL)).to_contain_text("120 EUR")
        expect(finance.locator("body")).not_to_contain_text("120 EUR per night, breakfast included")
        expect(finance.get_by_text("complete as of")).not_to_contain_text("handbook")
        expect(staff.locator("body")).not_to_contain_text("finance")
        staff.goto(company.url + "/#/search?q=hotel")
        expect(staff.get_by_role("listitem").first).to_contain_text("handbook")
        expect(staff.locator("body")).not_to_contain_text("#finance")
        staff.goto(company.url + "/#/sources")
        expect(staff.get_by_role("heading", level=2)).to_have_text(["handbook"])


def test_a_wrong_key_is_refused_in_words_that_help(browser: Browser, company: Company) -> None:
    with looking(browser, company.url) as eyes:
        page = eyes.open()
        page.get_by_label("API key", exact=True).fill("kh_wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("This key is not valid here")


def test_signing_out_forgets_the_key_and_what_was_asked(browser: Browser, company: Company) -> None:
    with looking(browser, company.url) as eyes:
        page = eyes.open()
        enter(page, company.finance)
        answered(page, HOTEL)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("heading", name="Who is asking?")).to_be_visible()
        assert "EUR" not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        assert company.finance not in page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})")
        page.reload()
        expect(page.get_by_role("heading", name="Who is asking?")).to_be_visible()


def test_each_viewer_has_a_history_of_their_own(browser: Browser, company: Company) -> None:
    with looking(browser, company.url) as eyes:
        page = eyes.open()
        enter(page, company.finance)
        answered(page, HOTEL)
        other = eyes.open()
        enter(other, company.staff)
        expect(other.get_by_role("complementary")).to_contain_text("What you ask is listed here")


def test_the_key_is_not_kept_beyond_the_tab(browser: Browser, company: Company) -> None:
    with looking(browser, company.url) as eyes:
        enter(eyes.open(), company.finance)
        expect(eyes.open().get_by_role("heading", name="Who is asking?")).to_be_visible()


def test_gaps_are_for_administrators_and_others_are_told_why(browser: Browser, company: Company) -> None:
    with looking(browser, company.url) as eyes:
        page = eyes.open("/#/gaps")
        page.get_by_label("API key", exact=True).fill(company.staff)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("Only those who run this hub")).to_be_visible()
        page.goto(company.url + "/#/sources")
        expect(page.get_by_text("26 documents").first).to_be_visible()
        expect(page.get_by_role("button", name="Read now")).to_have_count(0)
