"""Hits to numbered passages: chunks beside one another joined, neighbours read with the best, all within a budget.

hits, best first ──▶ + neighbours ──▶ runs of one document ──▶ Excerpt 1, 2, 3 … ──▶ what a citation quotes
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from knowhub.answering.boundaries import trimmed
from knowhub.answering.verification import Passage
from knowhub.core.ports import Neighbours
from knowhub.core.types import Chunk, Citation, DocumentId, Hit, Place

_WIDEST_GAP = 8
"""Between chunks that are joined: white space that chunking left out. It is read as line breaks, and never quoted."""


@dataclass(frozen=True, slots=True)
class PassageLimits:
    """How much of what was found is read; in bytes, which follow a model's tokens more closely than characters do.

    The best `widened` hits bring their neighbours; a thread comes as whole as a passage may be.
    """

    passages: int = 12
    size_bytes: int = 24_000
    passage_bytes: int = 4_000
    widened: int = 5
    preview_chars: int = 300
    quote_chars: int = 800


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A passage and the chunks it was joined from, in order. `best` is the hit that brought it."""

    passage: Passage
    parts: tuple[Hit, ...]
    best: Hit

    @property
    def number(self) -> int:
        return self.passage.number

    def place(self, start: int) -> Place:
        """Where the character at `start` stands: its link, who wrote it and when, as far as anything says so."""
        hit = self.passage.hit
        place = hit.chunk.place_at(start)
        author = place.author or hit.chunk.author or ", ".join(hit.authors)
        return Place(place.start, place.anchor, author, place.time or hit.chunk.time or hit.updated_at)

    def cite(self, start: int, end: int) -> Citation:
        """`document.text[start:end]`, as far as one chunk holds it."""
        part = max(self.parts, key=lambda hit: min(end, hit.chunk.end) - max(start, hit.chunk.start))
        start = min(max(start, part.chunk.start), part.chunk.end)
        end = max(start, min(end, part.chunk.end))
        place, hit = self.place(start), self.passage.hit
        return Citation(
            number=self.number,
            document=hit.chunk.document,
            title=hit.title,
            link=f"{hit.url}{place.anchor}",
            quote=part.chunk.text[start - part.chunk.start : end - part.chunk.start],
            start=start,
            end=end,
            source=hit.source,
            author=place.author,
            time=place.time,
            kind=hit.kind,
            score=self.best.score,
        )

    def preview(self, max_chars: int) -> Citation:
        """The beginning of what was found, before anybody knows what of it will be quoted."""
        chunk = self.best.chunk
        start, end = trimmed(chunk.text, 0, min(len(chunk.text), max_chars))
        return self.cite(chunk.start + start, chunk.start + end)

    def quote(self, spans: Sequence[tuple[int, int]], max_chars: int) -> Citation:
        """All of `spans` and what lies between, or only the first where that is too much."""
        start, end = min(a for a, _ in spans), max(b for _, b in spans)
        return self.cite(start, end) if end - start <= max_chars else self.cite(*spans[0])


def gather(hits: Sequence[Hit], neighbours: Neighbours, limits: PassageLimits) -> tuple[Excerpt, ...]:
    """Passages in the order of their best hits, numbered from 1. Only hits and their neighbours are in them."""
    chosen: dict[DocumentId, dict[int, Hit]] = {}
    rank: dict[str, int] = {}
    left = limits.size_bytes
    for at, hit in enumerate(hits):
        around = _around(hit, neighbours, limits) if at < limits.widened else [hit]
        known = chosen.setdefault(hit.chunk.document, {})
        new = [each for each in around if each.chunk.ordinal not in known]
        size = sum(map(_size, new))
        if size > left:
            new = [hit] if hit in new and _size(hit) <= left else []
            size = sum(map(_size, new))
        known.update((each.chunk.ordinal, each) for each in new)
        rank.setdefault(hit.chunk.id, at)
        left -= size
    runs = [run for known in chosen.values() for run in _runs([known[at] for at in sorted(known)])]
    runs.sort(key=lambda run: min(rank.get(hit.chunk.id, len(hits)) for hit in run))
    return tuple(_excerpt(number, run, rank) for number, run in enumerate(runs[: limits.passages], start=1))


def _around(hit: Hit, neighbours: Neighbours, limits: PassageLimits) -> list[Hit]:
    """The hit with the chunks beside it: one on each side, of a conversation as many as a passage may have."""
    by_ordinal = {each.chunk.ordinal: each for each in neighbours(hit)}
    reach = len(by_ordinal) if hit.kind == "conversation" else 1
    found, size = [hit], _size(hit)
    for distance in range(1, reach + 1):
        beside = [by_ordinal.get(hit.chunk.ordinal + side * distance) for side in (-1, 1)]
        for each in filter(None, beside):
            size += _size(each)
            if size > limits.passage_bytes:
                return found
            found.append(each)
    return found


def _size(hit: Hit) -> int:
    return len(hit.chunk.text.encode("utf-8", "replace"))


def _runs(hits: Sequence[Hit]) -> Iterator[list[Hit]]:
    run: list[Hit] = []
    for hit in hits:
        if run and not 0 <= hit.chunk.start - run[-1].chunk.end <= _WIDEST_GAP and not _overlap(run[-1], hit):
            yield run
            run = []
        run.append(hit)
    if run:
        yield run


def _overlap(before: Hit, after: Hit) -> bool:
    return before.chunk.start <= after.chunk.start < before.chunk.end < after.chunk.end


def _excerpt(number: int, run: Sequence[Hit], rank: dict[str, int]) -> Excerpt:
    best = min(run, key=lambda hit: rank.get(hit.chunk.id, len(rank) + hit.chunk.ordinal))
    return Excerpt(Passage(number, replace(best, chunk=_joined([hit.chunk for hit in run]))), tuple(run), best)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    first = chunks[0]
    text, end = first.text, first.end
    places = list(first.places)
    for chunk in chunks[1:]:
        text += "\n" * (chunk.start - end) + chunk.text[max(0, end - chunk.start) :]
        begun = Place(chunk.start, chunk.anchor, chunk.author, chunk.time)
        places += [place for place in (begun, *chunk.places) if place.start >= end]
        end = chunk.end
    return replace(first, text=text, end=end, places=tuple(places))
