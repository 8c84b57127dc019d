"""Document ──▶ chunks: the strategy is chosen by the document's kind, numbers and ids are given here."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Final

from knowhub.chunking.change import chunk_change
from knowhub.chunking.code import chunk_code
from knowhub.chunking.conversation import chunk_conversation
from knowhub.chunking.issue import chunk_issue
from knowhub.chunking.markdown import chunk_markdown
from knowhub.chunking.options import ChunkingOptions
from knowhub.chunking.pieces import Piece
from knowhub.chunking.table import chunk_table
from knowhub.core.types import Chunk, ChunkId, Document, DocumentKind, Place

__all__ = ["Chunker", "ChunkingOptions"]

Strategy = Callable[[Document, ChunkingOptions], Iterable[Piece]]

STRATEGIES: Final[dict[DocumentKind, Strategy]] = {
    "text": chunk_markdown,
    "markdown": chunk_markdown,
    "code": chunk_code,
    "conversation": chunk_conversation,
    "issue": chunk_issue,
    "table": chunk_table,
    "change": chunk_change,
}


class Chunker:
    """A pure function of the document and the options: the same chunks today, tomorrow and elsewhere."""

    def __init__(self, options: ChunkingOptions | None = None) -> None:
        self.options = options or ChunkingOptions()

    def __call__(self, document: Document) -> tuple[Chunk, ...]:
        """Chunks in order of their start, numbered from 0; () if the text is only white space.

        Each is a slice of the text that holds something, no longer than its kind's limit, and together they
        hold every character that is not white space. Only conversations, code and cut rows overlap.
        """
        if not document.text.strip():
            return ()
        text, document_id = document.text, document.id
        pieces = STRATEGIES[document.kind](document, self.options)
        places = [
            Place(section.start, section.anchor, section.author, section.time)
            for section in document.sections
            if section.anchor
        ]
        starts = [place.start for place in places]
        return tuple(
            Chunk(
                ChunkId(f"{document_id}#{ordinal}"),
                document_id,
                ordinal,
                text[start:end],
                start,
                end,
                context,
                anchor,
                author,
                time,
                # A section that begins with the piece is what the piece's own anchor says.
                tuple(places[bisect_right(starts, start) : bisect_left(starts, end)]) if places else (),
            )
            for ordinal, (start, end, context, anchor, author, time) in enumerate(pieces)
        )
