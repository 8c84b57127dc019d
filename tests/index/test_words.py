from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.index.words import LONGEST_TERM, identifiers, terms


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("deployments", "deployment"),
        ("Running", "runs"),
        ("reuniones", "reunión"),
        ("políticas", "politica"),
        ("contratos", "CONTRATO"),
        ("ｻｰﾊﾞｰ", "サーバー"),
        ("ＰＲＯＪ－７７", "proj-77"),
        ("Müller", "muller"),
        ("re\u0301sume\u0301", "résumé"),
        ("Москва", "москва"),
    ],
)
def test_forms_of_one_word_share_their_terms(written: str, asked: str) -> None:
    assert set(terms(asked)) & set(terms(written))


@pytest.mark.parametrize(
    ("text", "whole", "parts"),
    [
        ("PROJ-123", "proj-123", {"proj", "123"}),
        ("snake_case", "snake_case", {"snake", "case"}),
        ("camelCase", "camelcase", {"camel", "case"}),
        ("parseHTMLFile", "parsehtmlfile", {"pars", "html", "file"}),
        ("a/b/c.py", "a/b/c.py", {"c.py", "py"}),
        ("ERR_CONN_42", "err_conn_42", {"err", "conn", "42"}),
        ("v1.2.3", "v1.2.3", {"v1", "2", "3"}),
        ("E1234", "e1234", set()),
        ("C++", "c++", {"c"}),
        ("user@example.com", "user@example.com", {"user"}),
    ],
)
def test_an_identifier_is_one_term_and_its_parts(text: str, whole: str, parts: set[str]) -> None:
    assert {whole, *parts} <= set(terms(f"see {text}, please"))
    assert identifiers(f"({text})") == [whole]


@pytest.mark.parametrize(
    "text", ["well-known and/or so-called", "Plain words. Another sentence!", "日本語の文章", "don't"]
)
def test_ordinary_words_are_no_identifiers(text: str) -> None:
    assert identifiers(text) == []


def test_text_without_spaces_gives_every_two_characters_and_one_that_stands_alone() -> None:
    assert terms("東京都。税、휴가") == ["東京", "京都", "税", "휴가"]


def test_what_only_glues_sentences_together_is_left_out() -> None:
    assert terms("What is the of and; la de los que") == []
    assert terms("It's what we don't do") == []


def test_words_of_english_are_not_lost_to_spanish() -> None:
    assert terms("the van has ten once") == ["van", "ten"]


def test_plain_english_gives_no_spanish_stems() -> None:
    assert terms("the data of the schema") == ["data", "schema"]


def test_numbers_are_kept() -> None:
    assert {"2026", "30", "3.5"} <= set(terms("30 days in 2026 at 3.5 percent"))


def test_a_blob_is_no_term() -> None:
    assert max(map(len, terms("see " + "a1/" * 100 + "b and https://x.example/" + "q_" * 200 + "q"))) <= LONGEST_TERM


@given(st.text())
def test_terms_are_folded_hold_no_space_and_are_the_same_every_time(text: str) -> None:
    found = terms(text)
    assert all(term and not any(character.isspace() for character in term) for term in found)
    assert found == terms(text)


@given(st.text(), st.text())
def test_a_text_is_found_by_what_its_paragraphs_are_found_by(one: str, other: str) -> None:
    plain = {term for term in terms(one) + terms(other) if not term.startswith("ñ")}
    assert {term for term in terms(f"{one}\n{other}") if not term.startswith("ñ")} == plain
