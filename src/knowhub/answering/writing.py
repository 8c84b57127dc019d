"""What of a language model's text a person gets to see.

    text ──▶ sentences ──▶ plain words ──verify──▶ shown with the marks of where they stand, or left out

Nothing of the model's Markdown survives but paragraphs, list markers and code that stands in a passage; its own marks
are thrown away, and those shown are of the places that verification found.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from knowhub.answering.boundaries import MAX_CHARS
from knowhub.answering.passages import Excerpt
from knowhub.answering.pieces import Piece, PieceRole, Sentences
from knowhub.answering.quoting import escaped
from knowhub.answering.verification import Passage, Verdict, unmarked
from knowhub.core.types import Claim
from knowhub.formats.visible import partly_visible, visible

UNVERIFIED = "*(unverified)*"
"""What is put behind a sentence that stands in no source, where such are shown."""

_NOT_FOUND = re.compile(r"\W*NOT[ _]FOUND\b")
_ENDS = re.compile(r"[.!?…。！？｡:：][\"'”’»)\]】*_`]*(?:\s?[\[【][\d\s,;、]+[\]】])*$|(?:[\[【][\d\s,;、]+[\]】])+$")
_IMAGE = re.compile(r"!\[[^\]]*\](?:\([^)]*\)|\[[^\]]*\])?")
_LINKED_MARK = re.compile(r"\[(\d{1,4})\]\([^)]*\)")
_LINK = re.compile(r"\[([^\[\]]*)\]\([^)]*\)")
_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,300}>")
_EMPHASIS = re.compile(r"(?<![\w\\])(\*{1,3}|_{1,3}|~~)(?=\S)(.+?)(?<=\S)\1(?!\w)")
_WIDE_BRACKETS = str.maketrans("［］〔〕", "[][]")
_ORDERED = re.compile(r"(\d{1,3})[.)][ \t]")
_FENCED = re.compile(r"\s*(?:`{3,}|~{3,})[^\n]*\n(.*?)(?:\n[ \t]*(?:`{3,}|~{3,})\s*)?\Z", re.DOTALL)
_BACKTICKS = re.compile(r"`+")


class Verifies(Protocol):
    """Judges one sentence, marks included, against the passages; `asked` is the question."""

    def verify(self, sentence: str, passages: Sequence[Passage], *, role: PieceRole, asked: str) -> Verdict: ...


@dataclass(frozen=True, slots=True)
class _Line:
    """A sentence that may be shown: `lead` is the model's own white space and markers before it.

    `leads`: it is nothing without what follows, like a heading.
    """

    lead: str
    shown: str
    claim: Claim | None
    role: PieceRole

    @property
    def item(self) -> bool:
        return self.role == "item"

    @property
    def block(self) -> bool:
        return self.role in ("heading", "row", "code")

    @property
    def leads(self) -> bool:
        return self.claim is None and (self.role == "heading" or self.shown.rstrip().endswith((":", "：")))


class Writing:
    """Feed it what the model writes; it returns what may be shown, and remembers it.

    `places` are the spans of the documents that each cited number stands for, in order of appearance. Nothing is shown
    before something is supported: neither what claims nothing ("This is what I found:") nor, where `unsupported` is
    "mark", what stands nowhere.
    """

    def __init__(
        self, question: str, verifier: Verifies, excerpts: Sequence[Excerpt], *, unsupported: Literal["remove", "mark"]
    ) -> None:
        self._question = question
        self._verifier = verifier
        self._excerpts: Mapping[int, Excerpt] = {excerpt.number: excerpt for excerpt in excerpts}
        self._passages = [excerpt.passage for excerpt in excerpts]
        self._marks_unsupported = unsupported == "mark"
        self._sentences = Sentences()
        self._held: list[_Line] = []
        self._lead = ""
        self._in_list = False
        self._in_fragment = False
        self.text = ""
        self.claims: list[Claim] = []
        self.places: dict[int, list[tuple[int, int]]] = {}
        self.supported = 0
        self.judged = 0
        self.says_not_found = False

    def feed(self, text: str) -> Iterator[str]:
        """What may be shown now; "" where something was left out."""
        for piece in self._sentences.feed(partly_visible(text.replace("\r", ""))):
            yield self._write(piece)

    def close(self, *, cut: bool) -> Iterator[str]:
        """The rest. `cut`: the model was stopped, so that a last sentence without an end is none."""
        pieces = list(self._sentences.close())
        if cut and pieces and not _ENDS.search(pieces[-1].text.rstrip()):
            pieces.pop()
        for piece in pieces:
            yield self._write(piece)

    def _write(self, piece: Piece) -> str:
        self._lead += piece.lead
        piece = replace(piece, text=visible(piece.text))
        if _NOT_FOUND.match(piece.text):
            self.says_not_found = self.says_not_found or not self.supported
            return ""
        if piece.role == "rule" or self._is_fragment(piece) or self.says_not_found:
            return ""
        line = self._code(piece) if piece.role == "code" else self._sentence(piece)
        if line is None:
            return ""
        self._lead = ""
        self._held.append(line)
        if line.leads or not self.supported:
            return ""
        lines, self._held = self._held, []
        return "".join(map(self._show, lines))

    def _is_fragment(self, piece: Piece) -> bool:
        """Part of a run without end, which was cut for its length: half a sentence may say the opposite."""
        continues = self._in_fragment and "\n" not in piece.lead
        whole = len(piece.text) <= MAX_CHARS // 2 or _ENDS.search(piece.text) is not None
        self._in_fragment = piece.role in ("prose", "item") and not whole
        return continues or self._in_fragment

    # ── judge ────────────────────────────────────────────────────────────────────────────────────────

    def _sentence(self, piece: Piece) -> _Line | None:
        words = plain(piece.text)
        bare = _BACKTICKS.sub("", unmarked(words)).strip().strip("|").strip()
        if not any(map(str.isalnum, bare)):
            return None
        verdict = self._verifier.verify(words, self._passages, role=piece.role, asked=self._question)
        if verdict.supported and not verdict.asserts:
            return _Line(self._lead, escaped(bare), None, piece.role)
        self.judged += 1
        numbers = self._bind(verdict) if verdict.supported else ()
        if numbers:
            return _Line(self._lead, f"{escaped(bare)} {_marks(numbers)}", Claim(bare, numbers), piece.role)
        if not self._marks_unsupported:
            return None
        claim = Claim(bare, (), verdict.doubt or "it stands in no source")
        return _Line(self._lead, f"{escaped(bare)} {UNVERIFIED}", claim, piece.role)

    def _bind(self, verdict: Verdict) -> tuple[int, ...]:
        """The numbers of where it stands, of passages that there are."""
        places = [place for place in verdict.places if place.number in self._excerpts and place.start < place.end]
        for place in places:
            spans = self.places.setdefault(place.number, [])
            if (place.start, place.end) not in spans:
                spans.append((place.start, place.end))
        self.supported += bool(places)
        return tuple(dict.fromkeys(place.number for place in places))

    def _code(self, piece: Piece) -> _Line | None:
        """A block of code is shown only if it stands in a passage, character for character but for indentation."""
        inside = _FENCED.match(piece.text)
        words = inside[1].split() if inside else []
        if not words:
            return None
        self.judged += 1
        pattern = re.compile(r"\s+".join(map(re.escape, words)))
        for number, excerpt in self._excerpts.items():
            chunk = excerpt.passage.hit.chunk
            if found := pattern.search(chunk.text):
                self.supported += 1
                self.places.setdefault(number, []).append((chunk.start + found.start(), chunk.start + found.end()))
                return _Line(self._lead, _fenced(found.group(), number), Claim(found.group(), (number,)), "code")
        return None

    # ── show ─────────────────────────────────────────────────────────────────────────────────────────

    def _show(self, line: _Line) -> str:
        delta = self._join(line) + line.shown
        self._in_list = line.item or (self._in_list and "\n" not in line.lead and not line.block)
        self.text += delta
        if line.claim is not None:
            self.claims.append(line.claim)
        return delta

    def _join(self, line: _Line) -> str:
        """What comes between the text so far and this sentence."""
        marker = line.lead.rpartition("\n")[2]
        begins_item = line.item and any(map(str.strip, marker))
        bullet = ""
        if begins_item:
            bullet = f"{ordered[1]}. " if (ordered := _ORDERED.search(marker)) else "- "
        if not self.text:
            return bullet
        if begins_item:
            return f"\n{bullet}" if self._in_list else f"\n\n{bullet}"
        if line.block or "\n" in line.lead:
            return "\n\n"
        return " " if line.lead or line.shown[0] in "([:" else ""


def plain(text: str) -> str:
    """A sentence's words without its Markdown and HTML: of links their text, of images nothing; marks stay."""
    text = _IMAGE.sub("", text.translate(_WIDE_BRACKETS))
    text = _LINK.sub(r"\1", _LINKED_MARK.sub(r"[\1]", text))
    text = _TAG.sub("", text)
    for _ in range(3):
        text = _EMPHASIS.sub(r"\2", text)
    return " ".join(text.replace("|", " · ").split()).strip(" ·") if text.lstrip().startswith("|") else text


def _marks(numbers: Sequence[int]) -> str:
    return "".join(f"[{number}]" for number in numbers)


def _fenced(code: str, number: int) -> str:
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(code)), default=0))
    return f"{fence}\n{code}\n{fence}\n\n[{number}]"
