"""A passage as verification compares sentences with it: split into stretches, each read once, with their offsets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from knowhub.answering.lexical import Terms
from knowhub.answering.reading import Reading, read
from knowhub.answering.sentences import split
from knowhub.answering.wording import Wording
from knowhub.core.types import Hit


@dataclass(frozen=True, slots=True)
class Place:
    """`document.text[start:end]` of passage `number` holds (a part of) the sentence."""

    number: int
    start: int
    end: int


@dataclass(frozen=True)
class Stretch:
    """A sentence of a passage: `start` and `end` are offsets in the document."""

    reading: Reading
    start: int
    end: int
    lead: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Prepared:
    """A passage, split and read once. `about` is its title, context, author and date."""

    number: int
    stretches: tuple[Stretch, ...]
    about: Reading
    text: str

    @cached_property
    def folded(self) -> str:
        return squashed(f"{self.about.text}\n{self.text}")

    @cached_property
    def collapsed(self) -> str:
        return collapsed(self.text)

    @property
    def whole(self) -> Place:
        return Place(self.number, self.stretches[0].start, self.stretches[-1].end)

    @cached_property
    def wordings(self) -> tuple[Wording, ...]:
        return tuple(Wording(stretch.reading) for stretch in self.stretches)

    @cached_property
    def acronyms(self) -> frozenset[str]:
        """What capitalised words in a row may be shortened to."""
        readings = [self.about, *(stretch.reading for stretch in self.stretches)]
        return frozenset(acronym for reading in readings for acronym in acronyms(reading))


def prepare(number: int, hit: Hit, terms: Terms) -> Prepared:
    chunk = hit.chunk
    stretches = [
        Stretch(
            read(sentence.text, terms),
            chunk.start + sentence.start,
            chunk.start + sentence.end,
            read(f"{sentence.lead} {sentence.speaker}", terms).terms
            if sentence.lead or sentence.speaker
            else frozenset(),
        )
        for sentence in split(chunk.text, hit.kind)
    ]
    about = [hit.title, chunk.context, chunk.author, *hit.authors, *(place.author for place in chunk.places)]
    times = {time.date() for time in (chunk.time, hit.updated_at, *(place.time for place in chunk.places)) if time}
    about += [f"{time.isoformat()} {time:%-d %B %Y}" for time in sorted(times)]
    return Prepared(number, tuple(stretches), read("\n".join(dict.fromkeys(filter(None, about))), terms), chunk.text)


def squashed(text: str) -> str:
    """Letters and digits with single spaces between, for verbatim comparison."""
    return " ".join(re.findall(r"\w+", text.casefold()))


def collapsed(text: str) -> str:
    """With single spaces, for comparing code."""
    return " ".join(text.split())


def acronyms(reading: Reading) -> Iterator[str]:
    run: list[str] = []
    for word in (*reading.words, None):
        if word and word.text[:1].isupper():
            run.append(word.text[0].casefold())
            continue
        if word and word.text in ("of", "the", "and", "de", "for") and run:
            continue
        if len(run) > 1:
            yield "".join(run)
        run = []
