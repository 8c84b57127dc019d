from __future__ import annotations

from datetime import UTC, datetime

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.mail import parse_eml
from tests.formats.samples import mail


def test_headers_body_author_and_time() -> None:
    parsed = parse_eml(mail().as_bytes())
    assert parsed.text == (
        "From: Ana <ana@example.com>\nTo: bo@example.com\nDate: Wed, 31 Jan 2024 09:30:00 +0900\n"
        "Subject: Lunch\n\nAt noon?"
    )
    assert (parsed.title, parsed.authors) == ("Lunch", ("Ana",))
    assert parsed.created_at == datetime(2024, 1, 31, 0, 30, tzinfo=UTC)
    assert [(s.role, s.label, s.author) for s in parsed.sections] == [("message", "Lunch", "Ana")]


def test_the_html_body_is_read_where_there_is_no_plain_one() -> None:
    message = mail()
    message.set_content("<p>At <b>noon</b>?</p><style>p{}</style>", subtype="html")
    assert parse_eml(message.as_bytes()).text.endswith("\n\nAt **noon**?")


def test_the_plain_body_is_preferred_with_its_quoted_replies() -> None:
    message = mail()
    message.set_content("Yes.\n\n> At noon?\n")
    message.add_alternative("<p>Other</p>", subtype="html")
    assert parse_eml(message.as_bytes()).text.endswith("Yes.\n\n> At noon?")


@pytest.mark.parametrize("charset", ["iso-2022-jp", "shift_jis", "euc-jp", "utf-8"])
def test_japanese_mail_is_read(charset: str) -> None:
    message = mail(Subject="会議のお知らせ", From="佐藤 <sato@example.com>")
    message.set_content("明日の会議は三時からです。", charset=charset)
    parsed = parse_eml(message.as_bytes())
    assert parsed.text.endswith("明日の会議は三時からです。")
    assert (parsed.title, parsed.authors) == ("会議のお知らせ", ("佐藤",))


def test_a_body_of_no_declared_character_set_is_recognised() -> None:
    raw = b"From: a@b.c\r\nSubject: x\r\n\r\n" + "明日の会議は三時からです。".encode("cp932")
    assert parse_eml(raw).text.endswith("明日の会議は三時からです。")


def test_small_attached_texts_are_read_and_others_named() -> None:
    message = mail()
    message.add_attachment("Item,Price\nBolt,2\n", filename="stock.csv")
    message.add_attachment(bytes(1000), maintype="image", subtype="png", filename="logo.png")
    parsed = parse_eml(message.as_bytes())
    assert "Attachment: stock.csv (18 bytes)\nItem,Price\nBolt,2" in parsed.text
    assert parsed.text.endswith("Attachment: logo.png (1,000 bytes)")
    assert [s.role for s in parsed.sections] == ["message", "file", "file"]


def test_a_forwarded_message_is_read() -> None:
    message = mail()
    message.add_attachment(mail(Subject="Inner"))
    assert "Attached message\nFrom: Ana <ana@example.com>" in parse_eml(message.as_bytes()).text


def test_text_without_headers_is_no_mail() -> None:
    with pytest.raises(UnreadableContent, match="no headers"):
        parse_eml(b"just some text\n")


@pytest.mark.parametrize("date", ["", "tomorrow", "Wed, 99 Foo 99999 99:99:99 +9999"])
def test_a_broken_date_is_none(date: str) -> None:
    assert parse_eml(f"From: a@b.c\nDate: {date}\n\nx".encode()).created_at is None
