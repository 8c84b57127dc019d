"""The moves that answer: search and ask, and measuring both."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from knowhub.answering.question import is_small_talk
from knowhub.core.errors import NotFound
from knowhub.core.ports import AskedQuestion
from knowhub.core.types import (
    Answer,
    AnswerEvent,
    DocumentId,
    Done,
    Filters,
    Hit,
    ItemId,
    Retrieved,
    SearchMode,
    SourceName,
    Turn,
    Viewer,
    document_id,
    source_and_item,
)
from knowhub.pipelines.ask import Asking, Readable, Retrieval, answer_of, ask, search, shown_in
from knowhub.pipelines.feedback import append_case
from knowhub.pipelines.gaps import Gap, find_gaps
from knowhub.wiring.people import PeopleMoves

if TYPE_CHECKING:
    from knowhub.pipelines.evaluate import Evaluation
    from knowhub.pipelines.evaluate_questions import QuestionEvaluation


class AskMoves(PeopleMoves):
    """Find and answer, for one viewer at a time."""

    def search(
        self,
        text: str,
        *,
        viewer: Viewer,
        mode: SearchMode = "hybrid",
        top_k: int = 10,
        filters: Filters | None = None,
        surface: str = "cli",
    ) -> list[Hit]:
        """The best chunks that `viewer` may read. `surface` is how they asked, for the audit trail."""
        chosen = self._resolved(filters or Filters(), viewer)
        hits = search(text, mode=mode, top_k=top_k, filters=chosen, viewer=viewer, retrieval=self._retrieval())
        self._audit(viewer, "search", surface, [hit.chunk.document for hit in hits])
        return hits

    def around(self, hit: Hit, *, viewer: Viewer, radius: int) -> list[Hit]:
        """The chunks of a hit's document from `radius` before it to `radius` after it, itself included, in order."""
        chunks = self._adapters.index.read(hit.chunk.document, viewer=viewer)
        return [one for one in chunks if abs(one.chunk.ordinal - hit.chunk.ordinal) <= radius]

    def _resolved(self, filters: Filters, viewer: Viewer) -> Filters:
        """Containers by the names that people know them by.

        Raises NotFound for a source of which `viewer` may read nothing, whether there is one or not.
        """
        if filters.sources:
            seen = self._counts(viewer)
            for name in filters.sources:
                if name not in seen:
                    raise NotFound(
                        f"there is nothing for you in a source {name}",
                        cure=f"You can read {', '.join(sorted(seen)) or 'none'}.",
                    )
        if not filters.containers:
            return filters
        reports = self._adapters.ledgers.reports
        meant = {_plain(name) for name in filters.containers}
        named = tuple(
            (source, container)
            for source in self._known_sources()
            for container, name in reports.container_names(source).items()
            if {container, _plain(name)} & meant
        )
        # Beside the ids, and each of its own source: a name that is used where the viewer may not read adds nothing.
        return replace(filters, places=named)

    def ask(
        self,
        question: str,
        *,
        viewer: Viewer,
        filters: Filters | None = None,
        turns: Sequence[Turn] = (),
        candidates: int | None = None,
        surface: str = "cli",
    ) -> Answer:
        """The whole answer."""
        return answer_of(
            self.answering(
                question, viewer=viewer, filters=filters, turns=turns, candidates=candidates, surface=surface
            )
        )

    def answering(
        self,
        question: str,
        *,
        viewer: Viewer,
        filters: Filters | None = None,
        turns: Sequence[Turn] = (),
        candidates: int | None = None,
        surface: str = "cli",
    ) -> Generator[AnswerEvent, None, None]:
        """The answer as it comes about; close it to stop. Raises NotFound before the first event, for the filters.

        `candidates` are the passages that it is looked for in, `surface` is how they asked, for the audit trail.
        """
        chosen = self._resolved(filters or Filters(), viewer)
        events = ask(
            question,
            turns=turns,
            candidates=candidates or self._settings.search.candidates,
            filters=chosen,
            viewer=viewer,
            asking=Asking(self._retrieval(), self._adapters.answerer, self._adapters.complete),
        )
        return self._recorded(events, chosen, viewer, surface)

    def _recorded(
        self, events: Generator[AnswerEvent, None, None], filters: Filters, viewer: Viewer, surface: str
    ) -> Generator[AnswerEvent, None, None]:
        """The same events; what the answer shows is on record before it leaves."""
        recorded: set[DocumentId] = set()
        with closing(events):
            for event in events:
                if isinstance(event, Retrieved):
                    recorded.update(one.document for one in event.citations)
                    self._audit(viewer, "ask", surface, [one.document for one in event.citations])
                if isinstance(event, Done):
                    states = self._source_states(viewer, filters.sources)
                    answer = replace(event.answer, id=secrets.token_urlsafe(16), sources=states)
                    self._audit(viewer, "ask", surface, [one for one in shown_in(answer) if one not in recorded])
                    self._record_question(answer, viewer)
                    event = Done(answer)
                yield event

    def _record_question(self, answer: Answer, viewer: Viewer) -> None:
        """For feedback and gaps; nobody has to write an answer to a greeting."""
        if is_small_talk(answer.question):
            return
        cited = tuple(dict.fromkeys(one.document for one in answer.citations))
        self._adapters.questions.record(
            AskedQuestion(
                id=answer.id,
                at=self._adapters.clock(),
                viewer=viewer.name,
                question=answer.question,
                found=answer.found,
                documents=cited,
                quote=answer.citations[0].quote if answer.citations else "",
            )
        )

    def index_version(self, viewer: Viewer) -> str:
        """Opaque; changes whenever what `viewer` can find may have."""
        return self._adapters.index.version(viewer=viewer)

    def shown_again(self, documents: Sequence[DocumentId], *, viewer: Viewer, surface: str) -> bool:
        """Whether all of them may still be read; if so, it is on record that they are shown once more."""
        readable = self._readable(viewer)(documents) >= set(documents)
        if readable:
            self._audit(viewer, "ask", surface, documents)
        return readable

    # ── what becomes of questions ────────────────────────────────────────────────────────────────────

    def feedback(self, id: str, *, viewer: Viewer, useful: bool, reason: str) -> None:
        """What `viewer` says of an answer of theirs; it becomes a case of the evaluation file. Raises NotFound."""
        asked = self._adapters.questions.judge(id, viewer.name, useful=useful, reason=reason)
        if asked is None:
            raise NotFound("there is no such answer of yours", cure="Ask again, and judge that answer.")
        append_case(self._adapters.configuration.path(self._settings.answers.feedback), asked)

    def gaps(self, *, viewer: Viewer, days: int | None = None) -> list[Gap]:
        """What nobody could answer, with authors of what `viewer` may read that comes nearest."""
        adapters = self._adapters
        since = adapters.clock() - timedelta(days=days or self._settings.answers.keep_days)
        retrieval = self._retrieval()

        def nearest(question: str) -> list[Hit]:
            return search(question, mode="hybrid", top_k=10, filters=Filters(), viewer=viewer, retrieval=retrieval)

        return find_gaps(adapters.questions.unanswered(since), embedder=adapters.query_embedder, search=nearest)

    def sweep_records(self) -> None:
        """Forget questions and audit entries that are older than they are kept."""
        before = self._adapters.clock() - timedelta(days=self._settings.answers.keep_days)
        self._adapters.questions.sweep(before)
        self._adapters.audit.sweep(before)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────────

    def _retrieval(self) -> Retrieval:
        adapters = self._adapters
        return Retrieval(
            embedder=lambda: adapters.query_embedder,
            index=adapters.index,
            clock=adapters.clock,
            readable=self._readable,
            rerank=adapters.rerank,
            rerank_candidates=self._settings.reranking.candidates,
        )

    def _readable(self, viewer: Viewer) -> Readable:
        """By the ledger: what is deleted is not, and what has a newer version must admit by that one too."""
        items = self._adapters.ledgers.items

        def may_read(documents: Sequence[DocumentId]) -> frozenset[DocumentId]:
            by_source: dict[SourceName, list[ItemId]] = {}
            for document in documents:
                source, item = source_and_item(document)
                by_source.setdefault(source, []).append(item)
            stored = [row for source, ids in by_source.items() for row in items.get(source, ids)]
            return frozenset(
                document_id(row.source, row.item)
                for row in stored
                if not row.deleted and self._still_admits(row, viewer)
            )

        return may_read

    def evaluate(self, folder: Path, queries: Path | None) -> Evaluation:
        """Index a BEIR-style folder in a place of its own, and measure search in it."""
        from knowhub.pipelines.datasets import read_beir
        from knowhub.pipelines.evaluate import evaluate

        dataset = read_beir(folder, queries)
        with tempfile.TemporaryDirectory(prefix="knowhub-eval-") as place:
            return evaluate(
                dataset,
                index=self._adapters.index_at(place),
                embedder=self._adapters.document_embedder,
                viewer=self.me(),
                progress=self._progress,
                now=self._adapters.clock(),
            )

    def evaluate_questions(self, file: Path, *, viewer: Viewer) -> QuestionEvaluation:
        """Ask this hub the questions of a file, and measure what it says."""
        from knowhub.pipelines.datasets import read_questions
        from knowhub.pipelines.evaluate_questions import evaluate_questions

        return evaluate_questions(
            read_questions(file),
            search=lambda text, mode: self.search(text, viewer=viewer, mode=mode),
            ask=lambda text: self.ask(text, viewer=viewer),
            progress=self._progress,
        )


def _plain(name: str) -> str:
    return name.removeprefix("#").casefold()
