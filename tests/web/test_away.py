from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.web.kit import answered, ask, files_hub, looking, serving_at


def test_a_hub_that_goes_away_and_comes_back_loses_nothing(browser: Browser, tmp_path: Path) -> None:
    with files_hub(tmp_path / "hub", {"leave.md": "# Leave\n\nEverybody has 27 days of leave.\n"}) as hub:
        with serving_at(hub, 0) as port:
            pass
        with looking(browser, f"http://127.0.0.1:{port}") as eyes:
            with serving_at(hub, port):
                page = eyes.open()
                answered(page, "How many days of leave?")
            turn = ask(page, "How many days of leave has everybody?")
            banner = page.get_by_text("The hub does not answer.").first
            expect(banner).to_be_visible()
            page.locator("#question").fill("What I typed meanwhile")
            with serving_at(hub, port):
                page.get_by_role("button", name="Try again").first.click()
                expect(turn).to_contain_text("27 days")
                expect(page.locator("section", has_text="Next try")).to_have_count(0)
                expect(page.locator("#question")).to_have_value("What I typed meanwhile")
                expect(page.get_by_role("article")).to_have_count(2)


def test_a_page_that_opens_while_the_hub_is_away_begins_when_it_is_back(browser: Browser, tmp_path: Path) -> None:
    with files_hub(tmp_path / "hub", {"leave.md": "# Leave\n\nEverybody has 27 days of leave.\n"}) as hub:
        with serving_at(hub, 0) as port:
            pass
        with serving_at(hub, port), looking(browser, f"http://127.0.0.1:{port}") as eyes:
            page = eyes.open()
            page.route("**/api/me", lambda route: route.abort())
            page.reload()
            expect(page.get_by_text("The hub does not answer.").first).to_be_visible()
            page.unroute("**/api/me")
            page.get_by_role("button", name="Try again").click()
            expect(page.locator("#question")).to_be_visible()
