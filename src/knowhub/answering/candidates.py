"""Hits to sentences that may be quoted, each once, although chunks overlap and documents repeat one another."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from knowhub.answering.sentences import Sentence, split
from knowhub.core.types import Citation, Hit, Place

SHORT_CHARS = 60
"""A shorter sentence rarely says what it is about: its heading or question is read with it."""


_OVERVIEW = re.compile(r'(?:Sheet ".*"|Table): [\d,]+ rows?, [\d,]+ columns?\.')


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sentence in the chunk that it stands in. `rank` is the hit's place in the search, 0 first."""

    hit: Hit
    sentence: Sentence
    rank: int

    @property
    def start(self) -> int:
        return self.hit.chunk.start + self.sentence.start

    @property
    def end(self) -> int:
        return self.hit.chunk.start + self.sentence.end

    @property
    def time(self) -> datetime | None:
        return self.place.time or self.sentence.time or self.hit.chunk.time or self.hit.updated_at

    @property
    def place(self) -> Place:
        """The message, row or heading that the sentence stands under, where its chunk knows several."""
        return self.hit.chunk.place_at(self.start)

    @property
    def author(self) -> str:
        """Whoever wrote the sentence, or its chunk, or the document."""
        return self.place.author or self.sentence.speaker or self.hit.chunk.author or ", ".join(self.hit.authors)

    @property
    def is_overview(self) -> bool:
        """A sheet's summary names samples of everything; a row says what is asked."""
        return self.hit.kind == "table" and _OVERVIEW.match(self.sentence.text) is not None

    @property
    def read_text(self) -> str:
        """What is embedded and compared by words: the sentence, behind its lead where it needs one."""
        sentence = self.sentence
        if sentence.role == "message":  # a thread's title is its first message, which would speak for all others
            lead = sentence.lead if sentence.follows_question else ""
        elif sentence.follows_question or sentence.role in ("item", "row") or len(sentence.text) < SHORT_CHARS:
            lead = sentence.lead or _innermost(self.hit.chunk.context) or self.hit.title
        else:
            lead = ""
        return f"{lead}: {sentence.text}" if lead else sentence.text

    def cite(self, number: int) -> Citation:
        hit, chunk = self.hit, self.hit.chunk
        return Citation(
            number=number,
            document=chunk.document,
            title=hit.title,
            link=f"{hit.url}{self.place.anchor}",
            quote=self.sentence.text,
            start=self.start,
            end=self.end,
            source=hit.source,
            author=self.author,
            time=self.time,
            kind=hit.kind,
            score=hit.score,
        )


def candidates(hits: Iterable[Hit]) -> list[Candidate]:
    """All sentences of the hits, in the order of the hits; of overlapping ones the longest."""
    return _distinct(
        [
            Candidate(hit, sentence, rank)
            for rank, hit in enumerate(hits)
            for sentence in split(hit.chunk.text, hit.kind)
        ]
    )


def _distinct(found: Sequence[Candidate]) -> list[Candidate]:
    longest_first = sorted(found, key=lambda c: (c.hit.chunk.document, c.start - c.end, c.rank))
    kept: dict[str, list[Candidate]] = {}
    for candidate in longest_first:
        others = kept.setdefault(candidate.hit.chunk.document, [])
        if not any(candidate.start < other.end and other.start < candidate.end for other in others):
            others.append(candidate)
    distinct = [candidate for others in kept.values() for candidate in others]
    return sorted(distinct, key=lambda c: (c.rank, c.start))


def _innermost(context: str) -> str:
    """The last heading of a path."""
    return re.split(r"\n| [›>] ", context.strip())[-1].strip()
