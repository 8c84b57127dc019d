"""What search is measured on: BEIR-style folders, and a project's own question files.

    folder/  corpus.jsonl  {"_id", "title", "text"}      file.toml  [[question]]
             queries.jsonl {"_id", "text"}                          text = "…"
             qrels/test.tsv  query-id corpus-id score               answer = "…"; document = "…"  ("": there is none)

BEIR: https://github.com/beir-cellar/beir/wiki/Load-your-custom-dataset
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from knowhub.core.errors import NotFound, UnreadableContent


@dataclass(frozen=True, slots=True)
class Entry:
    """One text to be found."""

    id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A collection with judged queries: `judgements[query][entry]` is 1 or more where the entry answers the query."""

    name: str
    corpus: tuple[Entry, ...]
    queries: Mapping[str, str]
    judgements: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Question:
    """`answers`: texts of which one stands in a right quote. `documents`: ids, their ends, or titles.

    `wrong`: texts that no quote may hold; with nothing else said, a refusal is as right as another quote.
    With none of them, the hub's documents do not answer it, unless one is `expected`.
    """

    text: str
    answers: tuple[str, ...] = ()
    documents: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    expected: bool = False

    @property
    def answerable(self) -> bool:
        return bool(self.answers or self.documents or self.expected)

    @property
    def undecided(self) -> bool:
        """Only what is wrong is known."""
        return bool(self.wrong) and not self.answerable


@dataclass(frozen=True, slots=True)
class QuestionSet:
    name: str
    questions: tuple[Question, ...]


def read_beir(folder: Path, queries: str | Path | None = None) -> Dataset:
    """A BEIR-style folder; `queries` names another queries file, in it or anywhere.

    Queries without a judgement are left out. Raises NotFound for a missing file, UnreadableContent naming file
    and line for what cannot be used.
    """
    queries_file = _queries_file(folder, queries)
    judgements = _judgements(folder / "qrels" / "test.tsv")
    texts = {_string(row, "_id", place): _string(row, "text", place) for row, place in _rows(queries_file)}
    judged = {query: text for query, text in texts.items() if query in judgements}
    if not judged:
        raise UnreadableContent(
            f"{queries_file}: none of its queries is judged in qrels/test.tsv",
            cure="Name the queries file that belongs to it",
        )
    corpus = tuple(
        Entry(_string(row, "_id", place), _string(row, "title", place, default=""), _string(row, "text", place))
        for row, place in _rows(folder / "corpus.jsonl")
    )
    return Dataset(folder.name, corpus, judged, {query: judgements[query] for query in judged})


def read_questions(file: Path) -> QuestionSet:
    """A TOML file of `[[question]]` tables. Raises NotFound, or UnreadableContent naming file and line or question."""
    try:
        content = tomllib.loads(_existing(file).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableContent(f"{file}: {error}", cure="Correct the TOML") from error
    tables = content.get("question")
    if not isinstance(tables, list) or not tables:
        raise UnreadableContent(f"{file}: no [[question]] in it", cure="Begin each question with a line [[question]]")
    questions = {
        _identity(table, number): _question(table, f"{file}: question {number}")
        for number, table in enumerate(tables, 1)
    }
    return QuestionSet(file.stem, tuple(questions.values()))


def _identity(table: Any, number: int) -> str:
    """Of two cases with one `id`, which feedback writes, the later counts."""
    return str(table["id"]) if isinstance(table, dict) and table.get("id") else f"#{number}"


def _question(table: Any, place: str) -> Question:
    if not isinstance(table, dict):
        raise UnreadableContent(f"{place}: not a table")
    refused = table.get("answerable") is False
    answers, documents, wrong = (
        () if refused else _strings(table, key, place) for key in ("answer", "document", "wrong")
    )
    return Question(_string(table, "text", place), answers, documents, wrong, table.get("answerable") is True)


def _queries_file(folder: Path, queries: str | Path | None) -> Path:
    if queries is not None:
        inside = folder / queries
        return _existing(inside if inside.is_file() else Path(queries))
    if not (folder / "queries.jsonl").is_file() and (others := sorted(folder.glob("queries*.jsonl"))):
        names = ", ".join(other.name for other in others)
        raise NotFound(f"{folder / 'queries.jsonl'} does not exist", cure=f"Choose one with --queries: {names}")
    return _existing(folder / "queries.jsonl")


def _judgements(file: Path) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for number, line in enumerate(_existing(file).read_text("utf-8").splitlines(), 1):
        fields = line.split("\t")
        if not line.strip() or (number == 1 and not fields[-1].strip().lstrip("-").isdigit()):
            continue
        try:
            query, entry, score = fields
            relevance = int(score)
        except ValueError as error:
            raise UnreadableContent(
                f"{file}:{number}: not query-id, corpus-id and a whole score between tabs: {line[:80]!r}"
            ) from error
        found.setdefault(query, {})[entry] = relevance
    return {query: entries for query, entries in found.items() if any(score > 0 for score in entries.values())}


def _rows(file: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    with _existing(file).open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield _row(line, f"{file}:{number}"), f"{file}:{number}"


def _row(line: str, place: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise UnreadableContent(f"{place}: not JSON: {error}") from error
    if not isinstance(row, dict):
        raise UnreadableContent(f"{place}: not a JSON object")
    return row


def _string(row: Mapping[str, Any], key: str, place: str, default: str | None = None) -> str:
    value = row.get(key, default)
    if isinstance(value, int) and key == "_id":
        return str(value)
    if not isinstance(value, str):
        raise UnreadableContent(f'{place}: "{key}" is {"missing" if value is None else "not a text"}')
    return value


def _strings(row: Mapping[str, Any], key: str, place: str) -> tuple[str, ...]:
    value = row.get(key, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
        raise UnreadableContent(f'{place}: "{key}" is neither a text nor a list of texts')
    return tuple(each for each in values if each)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise NotFound(
            f"{file} does not exist", cure="Name a folder with corpus.jsonl, queries.jsonl and qrels/test.tsv"
        )
    return file
