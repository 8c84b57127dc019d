from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from knowhub.chunking.router import Chunker, ChunkingOptions
from knowhub.core.types import Document
from tests.chunking.documents import NOON, conversation, make

NAMES = [f"message {i}" for i in range(30)]


def test_a_window_has_ten_messages_and_repeats_two() -> None:
    windows = [chunk.text.split("\n") for chunk in Chunker()(conversation(*NAMES))]
    assert windows == [NAMES[0:10], NAMES[8:18], NAMES[16:26], NAMES[24:30]]


def test_a_window_has_the_author_time_and_anchor_of_its_first_message() -> None:
    second = Chunker()(conversation(*NAMES))[1]
    assert (second.author, second.anchor, second.time) == ("author 8", "?ts=8", NOON + timedelta(minutes=8))


def test_no_window_crosses_a_long_silence_or_repeats_what_was_said_before_it() -> None:
    chunks = Chunker()(conversation(*NAMES[:3], gap=timedelta(hours=5)))
    assert [chunk.text for chunk in chunks] == NAMES[:3]


def test_a_short_pause_is_no_silence() -> None:
    assert len(Chunker()(conversation(*NAMES[:3], gap=timedelta(hours=3)))) == 1


def test_a_window_ends_early_rather_than_grow_too_long() -> None:
    chunks = Chunker()(conversation(*["word " * 60] * 10))
    assert [c.text.count("\n") + 1 for c in chunks] == [3] * 4 + [2]
    assert all(len(chunk.text) <= 1000 for chunk in chunks)


def test_a_very_long_message_is_cut_and_each_part_names_its_speaker() -> None:
    chunks = Chunker()(conversation("Hi.", "word " * 500, "Bye."))
    assert [chunk.anchor for chunk in chunks] == ["?ts=0", "?ts=1", "?ts=1", "?ts=1", "?ts=2"]
    assert chunks[2].context == "Handbook › Ann, 1"


def test_text_without_messages_is_still_found() -> None:
    assert [c.text for c in Chunker()(make("conversation", "Just text."))] == ["Just text."]


@given(
    st.lists(st.tuples(st.integers(1, 400), st.integers(0, 300)), min_size=1, max_size=60),
    st.sampled_from([ChunkingOptions(), ChunkingOptions(conversation_messages=4, conversation_overlap=3)]),
)
@settings(deadline=None)
def test_a_new_message_changes_only_the_last_windows(said: list[tuple[int, int]], options: ChunkingOptions) -> None:
    whole, before = (timed(part) for part in (said, said[:-1]))
    kept = len(Chunker(options)(before)) - 1
    assert Chunker(options)(whole)[: max(kept, 0)] == Chunker(options)(before)[: max(kept, 0)]


def timed(said: list[tuple[int, int]]) -> Document:
    """Messages of so many characters, so many minutes after one another."""
    document = conversation(*("x" * length for length, _ in said))
    pauses = accumulate(pause for _, pause in said)
    times = (NOON + timedelta(minutes=minutes) for minutes in pauses)
    sections = zip(document.sections, times, strict=False)
    return replace(document, sections=tuple(replace(section, time=time) for section, time in sections))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
@settings(deadline=None)
def test_every_message_is_whole_in_some_window(lengths: list[int]) -> None:
    document = conversation(*("x" * length for length in lengths))
    chunks = Chunker()(document)
    for message in document.sections:
        assert any(chunk.start <= message.start and message.end <= chunk.end for chunk in chunks)
