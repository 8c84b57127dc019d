"""Conversations: a few messages at a time, with the last of them repeated in the next chunk.

m1 … m10 │ m9 … m18 │ m17 …   ── a silence ──   m19 … m28 │ …

Windows are laid from the oldest message on, so that a new message changes only the last of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import Piece, Stretch, context_of, is_blank, split_prose, stretches, trim
from knowhub.core.types import Document


def chunk_conversation(document: Document, options: ChunkingOptions) -> Iterator[Piece]:
    """Windows over the sections with role `message`; author, time and anchor are the first message's.

    A message that is longer than a chunk is cut, and its later parts name its speaker in their context.
    """
    messages = [m for m in stretches(document, ("message",)) if not is_blank(document.text, m)]
    context = context_of(document.title, limit=options.context_chars)
    for first, stop in _windows(messages, options):
        start, end = trim(document.text, messages[first].start, messages[stop - 1].end)
        if end - start > options.conversation_chars:
            yield from _long_message(document, messages[first], options)
        elif start < end:
            yield _piece(start, end, context, messages[first], document)


def _windows(messages: list[Stretch], options: ChunkingOptions) -> Iterator[tuple[int, int]]:
    first, done = 0, 0
    while done < len(messages):
        stop = first + 1
        while stop < len(messages) and _continues(messages, first, stop, options):
            stop += 1
        yield first, stop
        done = stop
        first = _next_first(messages, first, stop, options)


def _continues(messages: list[Stretch], first: int, stop: int, options: ChunkingOptions) -> bool:
    return (
        stop - first < options.conversation_messages
        and messages[stop].end - messages[first].start <= options.conversation_chars
        and not _silence(messages[stop - 1], messages[stop], options)
    )


def _silence(before: Stretch, after: Stretch, options: ChunkingOptions) -> bool:
    if before.section is None or after.section is None:
        return False
    if before.section.time is None or after.section.time is None:
        return False
    return (after.section.time - before.section.time).total_seconds() > options.conversation_silence_s


def _next_first(messages: list[Stretch], first: int, stop: int, options: ChunkingOptions) -> int:
    """The overlap, made smaller until the next message fits behind it.

    Of a few long messages only a third is repeated: two of three would store everything three times.
    """
    if stop == len(messages) or _silence(messages[stop - 1], messages[stop], options):
        return stop
    size = stop - first
    overlap = options.conversation_overlap if size == options.conversation_messages else size // 3
    candidate = stop - min(overlap, options.conversation_overlap)
    while candidate < stop and messages[stop].end - messages[candidate].start > options.conversation_chars:
        candidate += 1
    return candidate


def _long_message(document: Document, message: Stretch, options: ChunkingOptions) -> Iterator[Piece]:
    label = message.section.label if message.section else ""
    context = context_of(document.title, label, limit=options.context_chars)
    for start, end in split_prose(document.text, message.start, message.end, options.conversation_chars):
        yield _piece(start, end, context, message, document)


def _piece(start: int, end: int, context: str, message: Stretch, document: Document) -> Piece:
    section = message.section
    if section is None:
        return Piece(start, end, context, "", "", document.created_at)
    return Piece(start, end, context, section.anchor, section.author, section.time)
