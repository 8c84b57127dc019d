"""How well generated sentences are verified: human answers with their passages, and the same made wrong.

    python -m bench.verification FOLDER [--cache FILE] [--seed 1] [--half report] [--show KIND]

FOLDER holds `*.jsonl` of turns with `agent.text` and `agent.contexts` (IBM/mt-rag-benchmark). Sentences of answerable
turns count as supported, although some say what their passages do not. Each is then changed in one place, or read
against the passages of another conversation; how many are caught is given by kind. Limits were fitted on one half of
the conversations; the other half is what counts.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowhub.answering.pieces import Sentences
from knowhub.answering.reading import read
from knowhub.answering.values import Value, values
from knowhub.answering.verification import Passage, Verdict, Verifier
from knowhub.answering.vocabulary import MONTHS, WEEKDAYS
from knowhub.core.ports import Embedder
from knowhub.core.types import Chunk, ChunkId, ContainerId, DocumentId, Hit, SourceName
from knowhub.index.words import terms

KINDS = (
    "number",
    "number of the same passages",
    "date",
    "name",
    "name of the same passages",
    "negation added",
    "negation removed",
    "other question's passages",
)
_ENGLISH_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_ENGLISH_DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
_YEAR = re.compile(r"\b(?:1[5-9]|20)\d\d\b")
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|can|will|would|should|could|may|might|must|has|have|had|does|do|did)\b(?! not\b|n[’']t)(?= \w)"
)
_NEGATED = re.compile(
    r"\b(?P<aux>is|are|was|were|can|will|would|should|could|may|might|must|has|have|had)(?P<not> not|n[’']t)\b"
    r"|\b(?P<do>do|does|did)(?:n[’']t| not) |\b(?P<cannot>cannot|can[’']t)\b|\b(?P<never>never |no longer )"
)
_NAME = re.compile(r"(?<![.!?:“\"] )\b[A-Z][\w’'-]+(?: (?:[A-Z][\w’'-]+|of(?= [A-Z])))*")


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence of a human answer. `domain` and `conversation` say whose; `passages` are its turn's."""

    domain: str
    conversation: str
    text: str
    passages: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Corrupted:
    kind: str
    original: Example
    text: str
    passages: tuple[Passage, ...]


# ── data ─────────────────────────────────────────────────────────────────────────────────────────────


def examples(folder: Path) -> list[Example]:
    """Every sentence of every answerable turn."""
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            turn = json.loads(line)
            if turn["user"]["enrichments"]["Answerability"] == ["ANSWERABLE"]:
                passages = tuple(_passages(turn["agent"]["contexts"]))
                conversation = f"{path.stem}:{turn['conversation_id']}"
                found += [Example(path.stem, conversation, s, passages) for s in split(turn["agent"]["text"])]
    return found


def split(text: str) -> Iterator[str]:
    pieces = Sentences()
    for piece in (*pieces.feed(text), *pieces.close()):
        if re.search(r"\w", piece.text):
            yield piece.text


def _passages(contexts: Sequence[dict[str, Any]]) -> Iterator[Passage]:
    for number, context in enumerate(contexts, 1):
        document, text = DocumentId(f"answers:{context['document_id']}"), context["text"]
        chunk = Chunk(ChunkId(f"{document}#0"), document, 0, text, 0, len(text))
        title = context.get("title") or ""
        hit = Hit(chunk, SourceName("answers"), ContainerId(""), "text", title, "", (), None, 1.0)
        yield Passage(number, hit)


def halves(found: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """By whole conversations: to fit on, and to report on."""
    conversations = sorted({example.conversation for example in found})
    random.Random(seed).shuffle(conversations)
    fitted = set(conversations[: len(conversations) // 2])
    return [e for e in found if e.conversation in fitted], [e for e in found if e.conversation not in fitted]


# ── corruption ───────────────────────────────────────────────────────────────────────────────────────


class Corruptor:
    """Makes one thing of a sentence wrong; None where the sentence has nothing of the kind. Always alike for a seed."""

    def __init__(self, everything: Sequence[Example], seed: int) -> None:
        self._random = random.Random(seed)
        self._everything = everything
        self._names: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for example in everything:
            for match in _names(example):
                self._names[example.domain][_sort_of_name(example.text, match)].append(match.group())

    def all(self, chosen: Sequence[Example]) -> Iterator[Corrupted]:
        for example in chosen:
            for kind, text in (
                ("number", self.number(example, from_passages=False)),
                ("number of the same passages", self.number(example, from_passages=True)),
                ("date", self.date(example)),
                ("name", self.name(example)),
                ("name of the same passages", self.swapped_name(example)),
                ("negation added", self.negation_added(example)),
                ("negation removed", self.negation_removed(example)),
            ):
                if text is not None and text != example.text:
                    yield Corrupted(kind, example, text, example.passages)
            yield Corrupted(KINDS[-1], example, example.text, self._elsewhere(example))

    def number(self, example: Example, *, from_passages: bool) -> str | None:
        """Another number of the same size and unit, or one of the same kind that the passages state elsewhere."""
        found = [v for v in values(example.text) if v.kind == "number" and not _is_year(example.text, v)]
        found = [v for v in found if re.search(r"\d", example.text[v.start : v.end])]
        if not found:
            return None
        value = self._random.choice(found)
        written = example.text[value.start : value.end]
        digits = re.search(r"\d[\d,.]*\d|\d", written)
        assert digits is not None
        other = self._from_passages(example, value) if from_passages else self._other_number(digits.group())
        if other is None or other == digits.group():
            return None
        at = value.start + digits.start()
        return example.text[:at] + other + example.text[at + len(digits.group()) :]

    def _other_number(self, number: str) -> str:
        plain = number.replace(",", "")
        for _ in range(20):
            factor = self._random.choice((0.5, 0.6, 0.8, 1.2, 1.5, 2, 3))
            if "." in plain:
                other = f"{float(plain) * factor:.{len(plain.rsplit('.', 1)[1])}f}" if plain.count(".") == 1 else plain
            else:
                other = str(max(1, round(int(plain) * factor) if int(plain) > 9 else self._random.randint(2, 12)))
            if other != plain:
                return f"{int(other):,}" if "," in number and "." not in other else other
        return f"{plain}7"

    def _from_passages(self, example: Example, value: Value) -> str | None:
        said = {v.key for v in values(example.text)}
        others = [
            digits.group()
            for passage in example.passages
            for other in values(passage.hit.chunk.text)
            if other.kind == "number" and other.key not in said and other.unit == value.unit
            if not _is_year(passage.hit.chunk.text, other)
            if (digits := re.search(r"\d[\d,.]*\d|\d", passage.hit.chunk.text[other.start : other.end]))
        ]
        return self._random.choice(others) if others else None

    def date(self, example: Example) -> str | None:
        """Another year near by, month, or day of the week."""
        spots = [
            (match, [str(int(match.group()) + years) for years in (-12, -7, -3, -2, -1, 1, 2, 4, 9)])
            for match in _YEAR.finditer(example.text)
        ]
        for names in (_ENGLISH_MONTHS, _ENGLISH_DAYS):
            spots += [
                (match, [name for name in names if name != match.group()])
                for match in re.finditer(rf"\b(?:{'|'.join(names)})\b", example.text)
                if match.group() not in ("May", "March") or re.match(r"\s+\d", example.text[match.end() :])
            ]
        if not spots:
            return None
        match, others = self._random.choice(spots)
        return example.text[: match.start()] + self._random.choice(others) + example.text[match.end() :]

    def name(self, example: Example) -> str | None:
        """A name of the same form from another conversation of the same field, which this sentence does not hold."""
        found = _names(example)
        if not found:
            return None
        match = self._random.choice(found)
        pool = self._names[example.domain][_sort_of_name(example.text, match)]
        own = {word for m in found for word in m.group().casefold().split()}
        others = [name for name in pool if own.isdisjoint(name.casefold().split()) and not _is_date_word(name)]
        return self._replaced(example.text, match, others)

    def swapped_name(self, example: Example) -> str | None:
        """A name of the same form that the passages speak of, but this sentence does not."""
        found = _names(example)
        if not found:
            return None
        match = self._random.choice(found)
        own = set(re.findall(r"\w+", example.text.casefold()))
        sort = _sort_of_name(example.text, match).split(":")[0]
        others = [
            other.group()
            for passage in example.passages
            for other in _NAME.finditer(passage.hit.chunk.text)
            if other.start()
            if _sort_of_name(passage.hit.chunk.text, other).split(":")[0] == sort
            if own.isdisjoint(re.findall(r"\w+", other.group().casefold())) and not _is_date_word(other.group())
        ]
        return self._replaced(example.text, match, others)

    def _replaced(self, text: str, match: re.Match[str], others: Sequence[str]) -> str | None:
        if not others:
            return None
        return text[: match.start()] + self._random.choice(others) + text[match.end() :]

    def negation_added(self, example: Example) -> str | None:
        """`not` at the first auxiliary of a sentence that denies nothing."""
        if _NEGATED.search(example.text) or read(example.text, terms).denials:
            return None
        match = _AUXILIARY.search(example.text)
        if match is None:
            return None
        word = "cannot" if match.group() == "can" else f"{match.group()} not"
        return example.text[: match.start()] + word + example.text[match.end() :]

    def negation_removed(self, example: Example) -> str | None:
        """The same sentence without the first denial at its verb."""
        match = _NEGATED.search(example.text)
        if match is None:
            return None
        kept = "can" if match["cannot"] else "" if match["do"] or match["never"] else match["aux"]
        return example.text[: match.start()] + (kept or "") + example.text[match.end() :]

    def _elsewhere(self, example: Example) -> tuple[Passage, ...]:
        while True:
            other = self._random.choice(self._everything)
            if other.domain == example.domain and other.conversation != example.conversation:
                return other.passages


def _names(example: Example) -> list[re.Match[str]]:
    """Names of a sentence; of its first words those that are capitalised in the middle of a passage's sentence too."""
    texts = " ".join(passage.hit.chunk.text for passage in example.passages)
    return [
        match
        for match in _NAME.finditer(example.text)
        if not _is_date_word(match.group())
        if match.start() or re.search(rf"[a-z,] {re.escape(match.group())}\b", texts)
    ]


def _sort_of_name(text: str, match: re.Match[str]) -> str:
    """Names of one sort may stand for one another: as many words, an acronym or not, and after the same preposition."""
    before = text[: match.start()].rstrip().rsplit(" ", 1)[-1].casefold()
    acronym = "acronym" if match.group().isupper() else str(min(match.group().count(" "), 2))
    return f"{acronym}:{before if before in ('in', 'at', 'by', 'from', 'to', 'of', 'with') else ''}"


def _is_date_word(name: str) -> bool:
    return name.casefold() in MONTHS or name.casefold() in WEEKDAYS or name in ("I", "It", "The")


def _is_year(text: str, value: Value) -> bool:
    return _YEAR.fullmatch(text[value.start : value.end].strip()) is not None


# ── measuring ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Figures:
    """`kept` and `caught` as (how many, of how many), by domain and by kind."""

    kept: dict[str, tuple[int, int]]
    caught: dict[str, tuple[int, int]]
    caught_of_kept: dict[str, tuple[int, int]]
    dropped_for: Counter[str]
    dropped: list[tuple[Example, Verdict]]
    missed: list[Corrupted]
    median_ms: float


def measure(verifier: Verifier, chosen: Sequence[Example], corruptor: Corruptor) -> Figures:
    verdicts: dict[int, Verdict] = {}
    took: list[float] = []
    for example in chosen:
        verifier.support(example.text, example.passages)  # embeds what was not seen before: that is not timed
        began = time.perf_counter()
        verdicts[id(example)] = verifier.verify(example.text, example.passages)
        took.append(time.perf_counter() - began)
    dropped = [(e, v) for e in chosen if not (v := verdicts[id(e)]).supported]
    kept: dict[str, tuple[int, int]] = {}
    for domain in sorted({example.domain for example in chosen}):
        mine = [verdicts[id(e)].supported for e in chosen if e.domain == domain]
        kept[domain] = (sum(mine), len(mine))
    kept["all"] = (len(chosen) - len(dropped), len(chosen))
    caught, caught_of_kept = Counter[str](), Counter[str]()
    total, total_of_kept = Counter[str](), Counter[str]()
    missed = []
    for case in corruptor.all(chosen):
        wrong = not verifier.verify(case.text, case.passages).supported
        was_kept = verdicts[id(case.original)].supported
        total[case.kind] += 1
        caught[case.kind] += wrong
        total_of_kept[case.kind] += was_kept
        caught_of_kept[case.kind] += wrong and was_kept
        if not wrong:
            missed.append(case)
    return Figures(
        kept,
        {kind: (caught[kind], total[kind]) for kind in KINDS},
        {kind: (caught_of_kept[kind], total_of_kept[kind]) for kind in KINDS},
        Counter(verdict.flaw for _, verdict in dropped),
        dropped,
        missed,
        statistics.median(took) * 1000,
    )


def share(counts: tuple[int, int]) -> str:
    return f"{counts[0] / counts[1]:6.1%} of {counts[1]}" if counts[1] else "none"


def main() -> None:
    arguments = _arguments()
    everything = examples(arguments.folder)
    fitted, reported = halves(everything, arguments.seed)
    verifier = Verifier(terms, None if arguments.words_only else embedder(arguments.models, arguments.cache))
    found = {}
    for name, chosen in (("fitted", fitted), ("reported", reported)):
        if arguments.half in ("both", name):
            figures = measure(verifier, chosen, Corruptor(everything, arguments.seed))
            found[name] = {"kept": figures.kept, "caught": figures.caught, "median_ms": figures.median_ms}
            _print(name, figures)
            if arguments.show:
                _show(figures, arguments.show)
    if arguments.json:
        print(json.dumps(found))


def _print(name: str, figures: Figures) -> None:
    print(f"== {name}: {figures.median_ms:.1f} ms a sentence (median)")
    for domain, counts in figures.kept.items():
        print(f"kept, {domain:28} {share(counts)}")
    for kind in KINDS:
        print(
            f"caught, {kind:28} {share(figures.caught[kind])}   of sentences that were kept: "
            f"{share(figures.caught_of_kept[kind])}"
        )
    print("dropped for:", dict(figures.dropped_for))


def _show(figures: Figures, kind: str) -> None:
    for example, verdict in figures.dropped:
        if kind == "dropped" or verdict.flaw == kind:
            print(f"DROPPED [{verdict.flaw}] {verdict.doubt} | {example.text}")
    for case in figures.missed:
        if case.kind == kind:
            print(f"MISSED {case.text}\n    of {case.original.text}")


def embedder(models: Path, cache: Path) -> Embedder:
    from knowhub.embedding.cache import CachedEmbedder
    from knowhub.embedding.minilm import MiniLm
    from knowhub.embedding.openvino import OpenVinoEmbedder

    inner = OpenVinoEmbedder(MiniLm(models), cache=cache.parent / "graphs")
    return CachedEmbedder(inner, cache, symmetric=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.verification", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--models", type=Path, default=Path("~/.cache/knowhub/models").expanduser())
    parser.add_argument("--cache", type=Path, default=Path("~/.cache/knowhub/verification.db").expanduser())
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--half", choices=["both", "fitted", "reported"], default="both")
    parser.add_argument("--words-only", action="store_true", help="without an embedding model")
    parser.add_argument("--json", action="store_true", help="the figures once more, as the last line")
    parser.add_argument("--show", help="print what was dropped (`dropped`, or for a reason) or missed (of a kind)")
    return parser.parse_args()


if __name__ == "__main__":
    main()
