from __future__ import annotations

import contextlib
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import UnreadableContent
from knowhub.formats.charset import decode

JAPANESE = [
    "名前,年齢,住所\n佐藤太郎,30,東京\n髙橋淳,35,名古屋",
    "休暇は年に三十日です。",
    "会議室の予約は総務部まで。",
    "アイスコーヒー",
    "ソフトウェア開発部 予定表 2024年",
    "メールアドレスを変更しました。ご確認をお願いいたします。",
    "Release 2.1: ログイン画面の不具合を修正 (issue #42)",
    "東京",
    "売上表",
    "「承知しました」と返信した。",
    "第1章 はじめに\n\n本書では、社内の手続きについて説明する。" * 20,
]
LATIN = [
    "Café crème, déjà vu",
    "Der Bär läuft über die Straße nach Österreich",
    "El niño comió piñata mañana",
    "naïve coöperation",
    "It’s a “quoted” phrase – with a dash…",
    "We’re here. Don’t go. It’s the team’s plan.",
    "Straße",
    "Ärger",
    "100 € pour l’été",
    "São Paulo, Brasília e Goiânia: reuniões às três",
    "Åse Ødegård på jordbærtur",
    "Price: £20 ± 5%, temperature 21°C",
]


@pytest.mark.parametrize("encoding", ["cp932", "euc_jp", "iso2022_jp", "utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("text", JAPANESE)
def test_japanese_is_read_in_each_of_its_encodings(text: str, encoding: str) -> None:
    data = text.encode(encoding, errors="ignore")
    assert decode(data) == data.decode(encoding)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8", "utf-16-le", "utf-16-be", "utf-16"])
@pytest.mark.parametrize("text", LATIN)
def test_western_text_is_not_taken_for_japanese(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize(
    "text", ["会議は三時からです。\n次回は来週の火曜日に行います。", "Plain English\nin two lines"]
)
def test_utf_16_is_read_without_a_byte_order_mark(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Сегодня в офисе состоится собрание сотрудников отдела продаж. Приходите вовремя!", "cp1251"),
        ("오늘 회의는 오후 세 시에 시작합니다. 자료를 미리 읽어 주세요. 감사합니다. 내일 다시 만나요.", "euc_kr"),
        ("今天下午三点在会议室开会，请大家准时参加，并带上上周的销售报告和下个月的计划。谢谢大家的配合。", "gb18030"),
    ],
)
def test_other_scripts_are_recognised_from_a_sentence_or_two(text: str, encoding: str) -> None:
    assert decode(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "data",
    [
        bytes(range(256)) * 8,
        b"\x7fELF\x02\x01\x01" + bytes(200),
        zlib.compress(random.Random(1).randbytes(5000)),
        random.Random(2).randbytes(3000),
        b"text with a NUL \0 in it and caf\xe9",
    ],
)
def test_binary_data_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableContent, match="binary"):
        decode(data)


def test_every_line_end_becomes_one_newline() -> None:
    assert decode(b"a\r\nb\rc\n\r\nd") == "a\nb\nc\n\nd"


def test_composed_and_decomposed_letters_stay_as_they_were_written() -> None:
    assert decode("e\u0301 \u00e9 ガ".encode()) == "e\u0301 \u00e9 ガ"


@given(st.text(st.characters(exclude_categories=("Cc", "Cs"), exclude_characters="\ufeff")))
def test_utf_8_is_read_exactly(text: str) -> None:
    assert decode(text.encode()) == text


@given(st.binary(max_size=300))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    with contextlib.suppress(UnreadableContent):
        decode(data).encode("utf-8", "surrogatepass")
