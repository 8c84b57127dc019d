from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from knowhub.core.errors import PermanentError
from knowhub.embedding.tokens import MAX_CHARS, WIDTH_STEP, Tokens, batches

MAX_TOKENS = 8
any_text = st.text(alphabet=st.characters(), max_size=40)


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> Tokens:
    path = tmp_path_factory.mktemp("tokens") / "tokenizer.json"
    words = ["[UNK]", "[CLS]", "[SEP]", *"abcdefgh"]
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 2), ("[CLS]", 1))
    tokenizer.save(str(path))
    return Tokens(path, MAX_TOKENS)


@settings(deadline=None)
@given(texts=st.lists(any_text | st.text(alphabet="\ud800\udfff\0 a", max_size=20), max_size=5))
def test_any_text_has_between_two_and_the_limit_of_tokens(tokens: Tokens, texts: list[str]) -> None:
    ids = tokens.ids(texts)
    assert len(ids) == len(texts)
    assert all(2 <= len(row) <= MAX_TOKENS and row[0] == 1 and row[-1] == 2 for row in ids)


@pytest.mark.parametrize("blank", [" " * 100, " " * 5000, "\n" * 500_000])
def test_words_behind_a_long_blank_are_still_read(tokens: Tokens, blank: str) -> None:
    assert tokens.ids([f"a {blank} b"])[0].tolist() == [1, 3, 4, 2]


def test_words_behind_the_last_character_that_is_read_do_not_count(tokens: Tokens) -> None:
    assert tokens.ids(["a" + " " * MAX_CHARS + "b"])[0].tolist() == [1, 3, 2]


def test_a_long_text_is_its_beginning(tokens: Tokens) -> None:
    assert tokens.ids(["a b c d e f g h a b " * 100_000])[0].tolist() == tokens.ids(["a b c d e f"])[0].tolist()


def test_a_broken_tokenizer_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(PermanentError, match="not a tokenizer"):
        Tokens(tmp_path / "tokenizer.json", 8)


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 64), max_size=60), budget=st.integers(1, 300))
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int) -> None:
    ids = [np.arange(1, length + 1, dtype=np.int32) for length in lengths]
    seen: list[int] = []
    for batch in batches(ids, budget=budget, max_width=64):
        count, width = batch.ids.shape
        assert count == 1 or count * width <= budget
        assert width % WIDTH_STEP == 0
        for row, padded, length in zip(batch.rows, batch.ids, batch.lengths, strict=True):
            assert padded[:length].tolist() == ids[row].tolist()
            assert not padded[length:].any()
            seen.append(int(row))
    assert sorted(seen) == list(range(len(lengths)))
