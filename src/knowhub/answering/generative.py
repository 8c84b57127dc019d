"""Answers that a language model writes and that are shown only as far as they stand in what was found.

hits ──▶ numbered passages ──model──▶ text ──sentence by sentence──▶ verified deltas ──▶ Answer
                                └─ fails ──▶ the extractive answer, with a notice
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Literal

from knowhub.answering.disagreement import Conflict, Disagreement
from knowhub.answering.passages import Excerpt, PassageLimits, gather
from knowhub.answering.prompting import INSTRUCTIONS, message
from knowhub.answering.writing import Verifies, Writing
from knowhub.core.errors import KnowhubError, TransientError
from knowhub.core.ports import Answerer, LanguageModel, Neighbours, Usage
from knowhub.core.types import Answer, AnswerEvent, Citation, Delta, Done, Hit, Reset, Retrieved

log = logging.getLogger(__name__)

FELL_BACK = "The language model did not answer, so these are quotes."
CUT = "The answer reached its longest length and was cut off."
_LONGEST_TOKEN = 12
"""Characters a token at most: a model that goes on beyond its limit is stopped."""


@dataclass(frozen=True, slots=True)
class GenerativeOptions:
    """`unsupported`: a sentence that stands in no passage is left out, or shown as unverified. `nearest` documents are
    named where nothing was found."""

    unsupported: Literal["remove", "mark"] = "remove"
    max_tokens: int = 1024
    limits: PassageLimits = field(default_factory=PassageLimits)
    nearest: int = 3


@dataclass(slots=True)
class _Heard:
    """What became of one call of the model."""

    chars: int = 0
    usage: Usage = field(default_factory=lambda: Usage(0, 0))
    stopped: bool = False


class GenerativeAnswerer:
    """Implements `Answerer`. Between sentences, and while the model is silent, it yields an empty `Delta`: its reader
    may close it there."""

    def __init__(
        self,
        model: LanguageModel,
        verifier: Verifies,
        fallback: Answerer,
        options: GenerativeOptions | None = None,
        *,
        disagreement: Disagreement | None = None,
        nonce: Callable[[], str] = lambda: f"==={secrets.token_hex(6)}===",
    ) -> None:
        self._model = model
        self._verifier = verifier
        self._fallback = fallback
        self._options = options or GenerativeOptions()
        self._disagreement = disagreement
        self._nonce = nonce

    def stream(
        self, question: str, hits: Sequence[Hit], *, neighbours: Neighbours
    ) -> Generator[AnswerEvent, None, None]:
        """`Retrieved` at once, with the beginnings of all passages.

        A model that begins again, or fails, voids its text by a `Reset`; the extractive answer that follows a failure
        has a `Retrieved` of its own. Raises what the fallback and the verifier's embedder raise.
        """
        try:
            yield from self._generated(question, hits, neighbours)
        except KnowhubError as error:
            log.warning("language model did not answer", extra={"error": type(error).__name__, "reason": str(error)})
            yield Reset("the language model did not answer")
            for event in self._fallback.stream(question, hits, neighbours=neighbours):
                yield _with_notice(event, FELL_BACK) if isinstance(event, Done) else event

    def _generated(
        self, question: str, hits: Sequence[Hit], neighbours: Neighbours
    ) -> Generator[AnswerEvent, None, None]:
        excerpts = gather(hits, neighbours, self._options.limits)
        yield Retrieved(tuple(excerpt.preview(self._options.limits.preview_chars) for excerpt in excerpts))
        if not excerpts:
            yield Done(self._not_found(question, hits))
            return
        heard = _Heard()
        writing = yield from self._listen(question, excerpts, heard)
        cut = heard.stopped or heard.usage.output_tokens >= self._options.max_tokens
        for delta in writing.close(cut=cut):
            yield Delta(delta)
        _note(writing, heard)
        if not heard.chars:
            raise TransientError("the language model wrote nothing")
        if not writing.supported:
            yield Done(self._not_found(question, hits))
            return
        yield Done(self._answer(question, writing, excerpts, CUT if cut else ""))

    def _listen(
        self, question: str, excerpts: Sequence[Excerpt], heard: _Heard
    ) -> Generator[AnswerEvent, None, Writing]:
        """What the model says, as far as it may be shown. Ends early where it says that it found nothing."""
        writing = self._new(question, excerpts)
        prompt = message(question, excerpts, self._nonce())
        pieces = self._model.write(INSTRUCTIONS, prompt, max_tokens=self._options.max_tokens)
        with closing(pieces):
            for piece in pieces:
                if isinstance(piece, Usage):
                    heard.usage = piece
                    continue
                if piece.restart:
                    if writing.text:
                        yield Reset("the language model began again")
                    writing, heard.chars = self._new(question, excerpts), 0
                if not piece.text:
                    yield Delta("")
                heard.chars += len(piece.text)
                for delta in writing.feed(piece.text):
                    yield Delta(delta)
                heard.stopped = heard.chars > self._options.max_tokens * _LONGEST_TOKEN
                if writing.says_not_found or heard.stopped:
                    break
        return writing

    def _new(self, question: str, excerpts: Sequence[Excerpt]) -> Writing:
        return Writing(question, self._verifier, excerpts, unsupported=self._options.unsupported)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────

    def _answer(self, question: str, writing: Writing, excerpts: Sequence[Excerpt], notice: str) -> Answer:
        by_number = {excerpt.number: excerpt for excerpt in excerpts}
        cited = [(by_number[number], spans) for number, spans in writing.places.items()]
        conflict = self._disagreement.find(question, cited) if self._disagreement else None
        quotes = [excerpt.quote(spans, self._options.limits.quote_chars) for excerpt, spans in cited]
        return Answer(
            question,
            found=True,
            text=writing.text,
            citations=_newer_first(quotes, conflict),
            claims=tuple(writing.claims),
            conflict=conflict.sentence if conflict else "",
            confidence=writing.supported / writing.judged,
            notice=notice,
        )

    def _not_found(self, question: str, hits: Sequence[Hit]) -> Answer:
        first: dict[str, Hit] = {}
        for hit in hits:
            first.setdefault(hit.chunk.document, hit)
        return Answer(question, found=False, nearest=tuple(first.values())[: self._options.nearest])


def _newer_first(citations: Sequence[Citation], conflict: Conflict | None) -> tuple[Citation, ...]:
    """In the order of the text, but of two that contradict the newer leads."""
    leads = conflict.newer if conflict else 0
    return tuple(sorted(citations, key=lambda citation: citation.number != leads)) if leads else tuple(citations)


def _with_notice(done: Done, notice: str) -> Done:
    return Done(replace(done.answer, notice=" ".join(filter(None, (notice, done.answer.notice)))))


def _note(writing: Writing, heard: _Heard) -> None:
    log.info(
        "language model answered",
        extra={
            "input_tokens": heard.usage.input_tokens,
            "output_tokens": heard.usage.output_tokens,
            "sentences": writing.judged,
            "supported": writing.supported,
        },
    )
