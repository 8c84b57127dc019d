from __future__ import annotations

import json
from collections.abc import Iterator

from playwright.sync_api import Page, Request, expect

from knowhub.core.types import Answer, AnswerEvent, Claim, Delta, Done, Reset, Retrieved, Status, Viewer
from tests.entrypoints.rest.kit import Running, cited, says
from tests.web.conftest import Scripting
from tests.web.kit import HOTEL, LIMIT, Looking, Stepwise, answered, ask, highlighted


def test_a_first_question_leads_to_the_passage_that_was_quoted(page: Page) -> None:
    expect(page.get_by_text("It searches 137 documents")).to_be_visible()
    turn = answered(page, HOTEL)
    expect(turn.get_by_label("Answer")).to_contain_text("150 EUR per night")
    turn.get_by_label("Answer").get_by_role("button", name="Source 1").click()
    assert highlighted(page) == LIMIT
    expect(page.get_by_role("dialog")).to_contain_text("The seagulls thank you.")


def test_closing_the_passage_gives_the_focus_back_to_its_mark(page: Page) -> None:
    turn = answered(page, HOTEL)
    mark = turn.get_by_label("Answer").get_by_role("button", name="Source 2")
    mark.click()
    expect(page.get_by_role("dialog").locator("mark").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(mark).to_be_focused()


def test_one_steps_from_one_cited_passage_to_the_next(page: Page) -> None:
    turn = answered(page, HOTEL)
    turn.get_by_label("Answer").get_by_role("button", name="Source 1").click()
    assert highlighted(page) == LIMIT
    page.get_by_role("button", name="Next source").click()
    expect(page.get_by_role("dialog").get_by_role("heading", name="Expenses", level=2)).to_be_visible()
    assert highlighted(page) == "The hotel limit is 120 EUR per night, breakfast included, in every city."


def test_sources_that_disagree_are_shown_with_their_dates(page: Page) -> None:
    turn = answered(page, HOTEL)
    rows = turn.get_by_label("Two sources disagree").get_by_role("listitem")
    expect(rows.nth(0)).to_contain_text("Newer")
    expect(rows.nth(0)).to_contain_text("19 Mar 2026")
    expect(rows.nth(0)).to_contain_text("by declan")
    expect(rows.nth(1)).to_contain_text("5 Jan 2026")


def test_the_footer_says_what_was_searched_and_how_fresh_it_is(page: Page) -> None:
    turn = answered(page, HOTEL)
    expect(turn.get_by_text("complete as of")).to_contain_text("handbook")


def test_what_is_not_written_down_is_not_found_and_what_came_nearest_is_named(page: Page) -> None:
    turn = answered(page, "What does error E-99812 mean?")
    expect(turn.get_by_text("Nothing here answers that.")).to_be_visible()
    expect(turn.get_by_role("heading", name="What came nearest")).to_be_visible()
    turn.get_by_role("button", name="Open the passage in").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_follow_up_is_sent_with_what_was_said_before(page: Page) -> None:
    first = answered(page, HOTEL).get_by_label("Answer").inner_text()
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request) if request.url.endswith("/api/query") else None)
    answered(page, "And before April?")
    turns = json.loads(sent[0].post_data or "")["conversation"]
    assert [turn["question"] for turn in turns] == [HOTEL]
    assert "150 EUR" in first
    assert "150 EUR" in turns[0]["answer"]


def test_an_answer_is_copied_with_its_links(visitor: Looking) -> None:
    visitor.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = visitor.open()
    turn = answered(page, HOTEL)
    turn.get_by_role("button", name="Copy").click()
    expect(turn.get_by_role("button", name="Copied")).to_be_visible()
    text = page.evaluate("navigator.clipboard.readText()")
    assert LIMIT in text
    assert "[1] #finance: " in text
    assert "slack://channel" in text


def test_an_answer_is_judged_with_a_reason(page: Page, demo: Running) -> None:
    turn = answered(page, "How many unused holiday days can I carry over into the next year?")
    turn.get_by_role("button", name="Not useful").click()
    turn.get_by_label("What was wrong with it?").fill("It is six by now.")
    with page.expect_response("**/api/feedback") as told:
        turn.get_by_role("button", name="Send").click()
    assert told.value.status == 204
    expect(turn.get_by_text("Thank you, that is kept.")).to_be_visible()


def test_a_stream_that_is_stopped_ends_at_the_server_and_keeps_what_was_said(scripted: Scripting) -> None:
    script = Stepwise(["One stands here [1]. ", "Two stands here [1]. ", "Three stands here [1]."])
    hub, page = scripted(script)
    turn = ask(page, "How many?")
    script.let()
    expect(turn).to_contain_text("One stands here")
    page.get_by_role("button", name="Stop").click()
    expect(turn).to_contain_text("Stopped.")
    script.free()
    expect(turn).to_have_attribute("aria-busy", "false")
    expect(turn.get_by_label("Answer")).to_have_text("One stands here 1.")
    expect(page.get_by_role("button", name="Ask", exact=True)).to_be_visible()
    expect(turn.get_by_role("button", name="Try again")).to_be_visible()
    turn.get_by_role("button", name="Try again").click()
    expect(turn.get_by_role("button", name="Copy")).to_be_visible()
    assert len(hub.ended) == 2


def test_a_text_that_is_taken_back_is_not_shown_any_more(scripted: Scripting) -> None:
    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Status("searching")
        yield Retrieved((cited(),))
        yield Delta("A wrong start")
        yield Reset("something changed")
        yield Delta("The right answer [1]")
        yield Done(Answer(question, True, (cited(),), text="The right answer [1]"))

    _, page = scripted(script)
    turn = answered(page, "What?")
    expect(turn.get_by_label("Answer")).to_have_text("The right answer 1")


def test_a_sentence_in_doubt_is_marked_and_says_why(scripted: Scripting) -> None:
    text = "Leave is 27 days [1]. It grows every year."
    claims = (Claim("Leave is 27 days [1].", (1,)), Claim("It grows every year.", (), doubt="every year"))

    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Retrieved((cited(),))
        yield Delta(text)
        yield Done(Answer(question, True, (cited(),), text=text, claims=claims))

    _, page = scripted(script)
    turn = answered(page, "What?")
    expect(turn.get_by_label("Answer").locator("mark")).to_have_text("It grows every year.")
    expect(turn.get_by_label("In doubt")).to_contain_text("Found in no source: every year")


def test_what_the_question_was_completed_to_and_a_notice_are_shown(scripted: Scripting) -> None:
    def script(question: str, viewer: Viewer) -> Iterator[AnswerEvent]:
        yield Delta("27 days [1]")
        told = Answer(question, True, (cited(),), text="27 days [1]", searched="Leave in Kobe?", notice="Not reranked.")
        yield Done(told)

    _, page = scripted(script)
    turn = answered(page, "And there?")
    expect(turn.get_by_text("Searched for:")).to_contain_text("Leave in Kobe?")
    expect(turn.get_by_text("Not reranked.")).to_be_visible()


def test_a_mark_that_was_not_retrieved_opens_nothing(scripted: Scripting) -> None:
    _, page = scripted(says("It is 27 days [1], or so [7]."))
    answer = answered(page, "What?").get_by_label("Answer")
    expect(answer).to_have_text("It is 27 days 1, or so [7].")
    expect(answer.get_by_role("button")).to_have_count(1)


def test_earlier_questions_are_found_again_and_deleted(page: Page) -> None:
    answered(page, HOTEL)
    page.get_by_role("button", name="New question").click()
    answered(page, "How long are the recordings of the security cameras kept?")
    page.reload()
    pane = page.get_by_role("complementary")
    expect(pane.get_by_role("listitem")).to_have_count(2)
    pane.get_by_label("Search earlier questions").fill("150 eur")
    expect(pane.get_by_role("listitem")).to_have_count(1)
    pane.get_by_role("button", name=HOTEL).first.click()
    expect(page.get_by_role("article")).to_contain_text("breakfast included")
    pane.get_by_role("button", name=f"Delete “{HOTEL}”").click()
    expect(pane.get_by_text("None of your questions matches.")).to_be_visible()
    page.reload()
    expect(pane.get_by_role("listitem")).to_have_count(1)
    expect(pane.get_by_role("listitem")).to_contain_text("recordings")


def test_what_is_being_typed_outlives_a_reload(page: Page) -> None:
    page.locator("#question").fill("Half a question")
    page.reload()
    expect(page.locator("#question")).to_have_value("Half a question")


def test_a_question_that_is_too_long_is_not_sent(page: Page) -> None:
    page.locator("#question").fill("w" * 4001)
    expect(page.get_by_text("4,001 of 4,000 characters")).to_be_visible()
    page.locator("#question").press("Enter")
    expect(page.get_by_role("article")).to_have_count(0)
