from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.answering.boundaries import MAX_CHARS, sentences

SCRIPTS = st.text(st.sampled_from("aB1 .!?。！？¿¡\n\"')(*_、日本é\u3000"), max_size=300)


def cut(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text, 0, len(text))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two words. Then more! Really? Yes.", ["Two words.", "Then more!", "Really?", "Yes."]),
        ("Pay 3.50 EUR. See https://a.example/b.c. Go.", ["Pay 3.50 EUR.", "See https://a.example/b.c.", "Go."]),
        ("Use version 2.1.0 of it. See e.g. Annex B.", ["Use version 2.1.0 of it.", "See e.g. Annex B."]),
        ("Ask Dr. Ito or J. Smith. They know.", ["Ask Dr. Ito or J. Smith.", "They know."]),
        ("See No. 5 for that. Is it so? No. Never.", ["See No. 5 for that.", "Is it so?", "No.", "Never."]),
        ("¿Cuándo abre? Abre a las 9. ¡Hasta luego! Fin.", ["¿Cuándo abre?", "Abre a las 9.", "¡Hasta luego!", "Fin."]),
        ("La Sra. Gómez paga 1.200 EUR. Gracias.", ["La Sra. Gómez paga 1.200 EUR.", "Gracias."]),
        ("会議は十時。「神戸。」です！本当？はい", ["会議は十時。", "「神戸。」", "です！", "本当？", "はい"]),
        ('He said "Stop." Then he left.', ['He said "Stop."', "Then he left."]),
        ("**Bold end.** Next one.", ["**Bold end.**", "Next one."]),
        ("wrapped\nover lines. Next", ["wrapped\nover lines.", "Next"]),
        ("it happened at 5 p.m. and then stopped", ["it happened at 5 p.m. and then stopped"]),
    ],
)  # fmt: skip
def test_prose_is_cut_where_a_reader_would_cut_it(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@given(st.one_of(st.text(max_size=200), SCRIPTS))
def test_no_character_is_lost_or_repeated(text: str) -> None:
    assert "".join("".join(cut(text)).split()) == "".join(text.split())


@given(st.text(st.sampled_from("ab \n、"), min_size=1, max_size=60).map(lambda part: part * 60))
def test_no_piece_is_longer_than_a_quote_may_be(text: str) -> None:
    assert all(0 < len(piece) <= MAX_CHARS for piece in cut(text))
