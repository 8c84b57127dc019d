from __future__ import annotations

from playwright.sync_api import expect

from tests.entrypoints.rest.kit import Running
from tests.web.kit import Looking


def test_coverage_is_shown_by_source_and_by_container_with_what_is_missing(visitor: Looking) -> None:
    page = visitor.open("/#/sources")
    expect(page.get_by_text("357 of 358 can be found").first).to_be_visible()
    chat = page.get_by_role("region", name="chat")
    expect(chat.get_by_role("img", name="297 of 298 can be found").first).to_be_visible()
    expect(chat.get_by_text("system message: channel_join")).to_be_visible()
    chat.get_by_text("Look at 8 parts").click()
    row = chat.get_by_role("row", name="#general")
    expect(
        row.get_by_role("img", name="47 of 48 can be found. Can be found: 47, Left out on purpose: 1")
    ).to_be_visible()
    expect(page.get_by_role("region", name="handbook").get_by_text("Nothing is missing.")).to_be_visible()


def test_the_runs_are_a_plot_and_a_table(visitor: Looking) -> None:
    page = visitor.open("/#/sources")
    chat = page.get_by_role("region", name="chat")
    expect(chat.get_by_role("img", name="The last 1 run of chat")).to_be_visible()
    chat.get_by_text("The same as a table").click()
    expect(chat.get_by_role("cell", name="Complete")).to_be_visible()


def test_a_source_is_read_now_paused_and_resumed(visitor: Looking, demo: Running) -> None:
    page = visitor.open("/#/sources")
    product = page.get_by_role("region", name="product")
    product.get_by_role("button", name="Read now").click()
    expect(page.get_by_role("status")).to_have_text("Reading product has begun.")
    assert demo.beside.synced == ["product"]
    product.get_by_role("button", name="Pause").click()
    expect(product.get_by_text("Paused")).to_be_visible()
    product.get_by_role("button", name="Go on").click()
    expect(product.get_by_role("button", name="Pause")).to_be_visible()


def test_gaps_show_a_question_that_found_no_answer(visitor: Looking) -> None:
    page = visitor.open()
    page.locator("#question").fill("What does error E-77123 mean?")
    page.locator("#question").press("Enter")
    expect(page.get_by_text("Nothing here answers that.")).to_be_visible()
    page.get_by_role("link", name="Gaps").click()
    card = page.locator("main li").filter(has_text="What does error E-77123 mean?").first
    expect(card.get_by_text("asked ").first).to_be_visible()
    expect(card.get_by_role("heading", name="May know")).to_be_visible()
