"""Whether a sentence that a language model wrote stands in the retrieved passages, and where.

    sentence ──marks, words, values, names, denials──▶ the cited passages, else all ──▶ Verdict

Rules about words and values, not understanding: docs/answers.md says what they catch and what they miss.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from knowhub.answering.alignment import Thresholds
from knowhub.answering.lexical import Terms
from knowhub.answering.pieces import MARK, PieceRole
from knowhub.answering.prepared import Place, Prepared, collapsed, prepare
from knowhub.answering.reading import Reading, read
from knowhub.answering.support import Support
from knowhub.core.types import Hit

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from knowhub.core.ports import Embedder

Flaw = Literal["", "number", "identifier", "quote", "name", "content", "denial", "overlooked", "code", "bare"]

_SPACED_MARK = re.compile(rf"\s?{MARK.pattern}")
_LINK = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*\)")
_EMPHASIS = re.compile(r"(?<![\w\\])[*_]{1,3}(?=\S)|(?<=\S)[*_]{1,3}(?!\w)|\*\*|~~")
_BARE = re.compile(r"\W*(?:yes|no|sí|correct|true|false|はい|いいえ)\W*", re.IGNORECASE)
_COURTESY = re.compile(
    r"\b(?:here(?:'s| is| are) (?:what|how|the|some|a)|i hope (?:this|that) helps|let me know|feel free to ask"
    r"|you(?:'re| are) welcome|(?:based on|according to) (?:the|these|your)(?: \w+)? "
    r"(?:documents?|sources?|passages?|context|information)|i found|(?:the )?following"
    r"|(?:more )?(?:details?|information|questions?|help)|if you|would you like|do you (?:want|need)|shall i"
    r"|in (?:short|summary))\b",
    re.IGNORECASE,
)
_ADMITS = re.compile(
    r"\b(?:sources?|documents?|passages?|context|i|we|there)\b[^.;:,]{0,40}?"
    r"(?:\b(?:do(?:es)? not|cannot|could not|did not|(?:is|are) no)\b|n[’']t\b)[^.;:,]{0,30}?"
    r"\b(?:mention|say|specify|provide|contain|state|find|found|information|details?|know|answer)",
    re.IGNORECASE,
)
_TURNS = re.compile(r"[;:—]|,|\b(?:but|however|although|though|yet|because|since|as|while|which|and)\b", re.IGNORECASE)
_OFFERS = re.compile(
    r"\b(?:would you like|do you want|shall i|should i|can i help|anything else)\b[^.]*\?\W*$", re.IGNORECASE
)
_LEAD_WORDS, _HEADING_WORDS = 5, 8
"""As many content words a line that ends with a colon, or a heading, may have that the sources do not."""
_KEPT_PASSAGES = 256


@dataclass(frozen=True, slots=True)
class Passage:
    """What may be cited as `number`."""

    number: int
    hit: Hit


@dataclass(frozen=True, slots=True)
class Verdict:
    """`places` are where it stands, best first, one a passage. `doubt` is for people, `flaw` for counting.

    `asserts` False: it claims nothing (a heading, an offer, "the sources do not say"), and needs no place.
    """

    supported: bool
    places: tuple[Place, ...] = ()
    doubt: str = ""
    flaw: Flaw = ""
    asserts: bool = True

    @property
    def citations(self) -> tuple[int, ...]:
        return tuple(place.number for place in self.places)

    @property
    def span(self) -> tuple[int, int]:
        """The best stretch in its document; (0, 0) where there is none."""
        return (self.places[0].start, self.places[0].end) if self.places else (0, 0)


@dataclass(frozen=True, slots=True)
class _Known:
    prepared: Prepared
    vectors: NDArray[np.float32] | None


class Verifier:
    """`terms` is how the index reads words; an embedder recognises more paraphrases. Threads may share one."""

    def __init__(self, terms: Terms, embedder: Embedder | None = None, limits: Thresholds | None = None) -> None:
        self._terms = terms
        self._embedder = embedder
        self._limits = limits or Thresholds(content_bias=-0.6 if embedder else -0.5)
        self._known: OrderedDict[tuple[int, str, str, str], _Known] = OrderedDict()
        self._lock = threading.Lock()

    def verify(
        self, sentence: str, passages: Sequence[Passage], *, role: PieceRole = "prose", asked: str = ""
    ) -> Verdict:
        """Whether it stands in the passages that it cites, or failing that in any. Marks of others count for nothing.

        `asked` is the question: what is admitted not to be found may name what was asked for. Costs one embedding of
        the sentence, and one of each passage's sentences at first sight. Raises what the embedder raises.
        """
        known = [self._know(passage) for passage in passages]
        if role == "code":
            return _code(sentence, [k.prepared for k in known])
        reading = read(bare(sentence), self._terms)
        vector = self._embed([reading.text])[0] if self._embedder and known else None
        cited = marks(sentence)
        first = [k for k in known if k.prepared.number in cited]
        for chosen in filter(None, (first, known)):
            verdict = self._judge(reading, self._support(reading, chosen, vector), role, asked)
            if verdict.supported or chosen is known:
                return verdict
        return self._judge(reading, self._support(reading, (), None), role, asked)

    def support(self, sentence: str, passages: Sequence[Passage]) -> Support:
        """The checks one by one, for measuring them."""
        reading = read(bare(sentence), self._terms)
        vector = self._embed([reading.text])[0] if self._embedder else None
        return self._support(reading, [self._know(passage) for passage in passages], vector)

    def _judge(self, reading: Reading, support: Support, role: PieceRole, asked: str) -> Verdict:
        if _BARE.fullmatch(reading.text):
            return Verdict(False, doubt="an answer without its reason", flaw="bare")
        if _admits(reading.text):
            return self._admission(reading, support, asked)
        flaw, doubt = _stated(support, initials=role != "heading") or _denied(support) or ("", "")
        if doubt:
            return Verdict(False, doubt=doubt, flaw=flaw)
        if self._claims_nothing(reading, role):
            return Verdict(True, asserts=False)
        if support.content < 0:
            return Verdict(False, doubt="too little of it stands in the sources", flaw="content")
        return Verdict(True, support.places())

    def _admission(self, reading: Reading, support: Support, asked: str) -> Verdict:
        """What is said not to be found may name what the question named, and nothing else that no source names."""
        question = read(asked, self._terms)
        named = question.terms | {word.text.casefold() for word in question.words}
        flawed = _stated(support)
        if flawed and not (reading.terms <= named | support.known_terms and _values_asked(reading, question, support)):
            return Verdict(False, doubt=flawed[1], flaw=flawed[0])
        return Verdict(True, asserts=False)

    def _claims_nothing(self, reading: Reading, role: PieceRole) -> bool:
        if reading.values or reading.identifiers or reading.quotations or reading.denials:
            return False
        said = read(_COURTESY.sub(" ", reading.text), self._terms)
        content = sum(bool(word.terms) for word in said.words)
        if role == "heading":
            return content <= _HEADING_WORDS and not reading.text.rstrip().endswith((".", "!", "。"))
        if reading.text.rstrip("*_ ").endswith((":", "：")):
            return content <= _LEAD_WORDS
        return content == 0 or _OFFERS.search(reading.text) is not None

    # ── passages and vectors ─────────────────────────────────────────────────────────────────────────

    def _support(self, reading: Reading, known: Sequence[_Known], vector: NDArray[np.float32] | None) -> Support:
        vectors = {k.prepared.number: k.vectors for k in known}

        def cosines(passage: Prepared) -> Sequence[float]:
            rows = vectors[passage.number]
            if rows is None or vector is None:
                return [0.0] * len(passage.stretches)
            return [float(cosine) for cosine in rows @ vector]

        return Support(reading, [k.prepared for k in known], self._limits, cosines)

    def _know(self, passage: Passage) -> _Known:
        chunk = passage.hit.chunk
        key = (passage.number, chunk.id, chunk.context, chunk.text)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                return self._known[key]
        prepared = prepare(passage.number, passage.hit, self._terms)
        texts = [stretch.reading.text for stretch in prepared.stretches]
        known = _Known(prepared, self._embed(texts) if self._embedder and texts else None)
        with self._lock:
            self._known[key] = known
            while len(self._known) > _KEPT_PASSAGES:
                self._known.popitem(last=False)
        return known

    def _embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert self._embedder is not None
        return self._embedder.embed(texts, purpose="document")


def _stated(support: Support, *, initials: bool = True) -> tuple[Flaw, str] | None:
    """The first number, identifier, quotation or name that stands nowhere."""
    sentence = support.sentence
    for value in support.stray_values():
        return "number", f"{sentence.text[value.start : value.end].strip()} stands in no source like this"
    for identifier in support.stray_identifiers():
        return "identifier", f"{identifier} stands in no source"
    for quotation in support.stray_quotations():
        return "quote", f"no source says “{quotation}”"
    for word in support.stray_names(initials=initials):
        return "name", f"{word.text} stands in no source like this"
    return None


def _denied(support: Support) -> tuple[Flaw, str] | None:
    if support.stray_denial():
        return "denial", "no source denies this"
    if support.overlooked_denial():
        return "overlooked", "a source denies this"
    return None


def _values_asked(reading: Reading, question: Reading, support: Support) -> bool:
    asked = {value.key for value in question.values}
    return all(value.key in asked or value.key in support.known_values for value in reading.values)


def _admits(text: str) -> bool:
    """`The documents do not say …` and nothing after it: a second clause might say something."""
    match = _ADMITS.search(text)
    return match is not None and not _TURNS.search(text, match.end()) and len(text[: match.start()].split()) <= 3


def _code(block: str, passages: Sequence[Prepared]) -> Verdict:
    """Code is quoted or not shown: each line must stand in one and the same passage."""
    lines = [line for line in block.splitlines() if not re.match(r"\s*(?:`{3,}|~{3,})", line)]
    wanted = [collapsed(line) for line in lines if line.strip()]
    if not wanted:
        return Verdict(True, asserts=False)
    for passage in passages:
        if all(line in passage.collapsed for line in wanted):
            return Verdict(True, (passage.whole,))
    return Verdict(False, doubt="this code stands in no source", flaw="code")


def marks(sentence: str) -> tuple[int, ...]:
    """Numbers of its citation marks, each once, in order."""
    found = (number for match in MARK.finditer(sentence) for number in re.findall(r"\d+", match.group()))
    return tuple(dict.fromkeys(map(int, found)))


def unmarked(sentence: str) -> str:
    return _SPACED_MARK.sub("", sentence)


def marked(sentence: str, citations: Collection[int]) -> str:
    """The sentence with exactly these marks, before its full stop or the end of its row."""
    plain = unmarked(sentence).rstrip()
    added = "".join(f"[{number}]" for number in citations)
    if not added:
        return plain
    end = re.search(r"[ \t]*(?:[.!?…。！？]+[\"'”’»)\]*_`]*|\|)?$", plain)
    at = end.start() if end else len(plain)
    return f"{plain[:at]} {added}{plain[at:]}"


def bare(sentence: str) -> str:
    """What it says, without marks, emphasis and addresses."""
    return _EMPHASIS.sub("", _LINK.sub(r"\1", unmarked(sentence))).replace("|", " ; ").strip(" ;\n\t")
