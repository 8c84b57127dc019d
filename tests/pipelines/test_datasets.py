from __future__ import annotations

import json
from pathlib import Path

import pytest

from knowhub.core.errors import NotFound, UnreadableContent
from knowhub.pipelines.datasets import Entry, Question, read_beir, read_questions


def beir(folder: Path, *, queries: str = "queries.jsonl", qrels: str = "q1\td1\t1\nq2\td2\t2\n") -> Path:
    corpus = [{"_id": "d1", "title": "One", "text": "first"}, {"_id": "d2", "text": "second"}]
    asked = [{"_id": "q1", "text": "which?"}, {"_id": "q2", "text": "what?"}, {"_id": "q3", "text": "not judged"}]
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)), "utf-8")
    (folder / queries).write_text("\n".join(map(json.dumps, asked)), "utf-8")
    (folder / "qrels" / "test.tsv").write_text(f"query-id\tcorpus-id\tscore\n{qrels}", "utf-8")
    return folder


def test_a_folder_is_read_with_the_queries_that_are_judged(tmp_path: Path) -> None:
    dataset = read_beir(beir(tmp_path / "small"))
    assert dataset.name == "small"
    assert dataset.corpus == (Entry("d1", "One", "first"), Entry("d2", "", "second"))
    assert dataset.queries == {"q1": "which?", "q2": "what?"}
    assert dataset.judgements == {"q1": {"d1": 1}, "q2": {"d2": 2}}


def test_judgements_without_a_header_line_are_all_read(tmp_path: Path) -> None:
    folder = beir(tmp_path)
    (folder / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t0\n", "utf-8")
    assert read_beir(folder).judgements == {"q1": {"d1": 1}}


@pytest.mark.parametrize("inside", [True, False])
def test_another_queries_file_may_be_named(tmp_path: Path, inside: bool) -> None:
    folder = beir(tmp_path, queries="queries_rewrite.jsonl")
    name = "queries_rewrite.jsonl" if inside else tmp_path / "queries_rewrite.jsonl"
    assert len(read_beir(folder, name).queries) == 2


def test_without_queries_the_error_lists_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"--queries: queries_rewrite\.jsonl"):
        read_beir(beir(tmp_path, queries="queries_rewrite.jsonl"))


def test_a_folder_that_is_none_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"queries\.jsonl does not exist"):
        read_beir(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("corpus.jsonl", '{"_id": "a", "text": "x"}\n\n{broken', r"corpus\.jsonl:3: not JSON"),
        ("corpus.jsonl", '{"_id": "a"}', r'corpus\.jsonl:1: "text" is missing'),
        ("corpus.jsonl", "[1]", r"corpus\.jsonl:1: not a JSON object"),
        ("queries.jsonl", '{"_id": "a", "text": 5}', r'queries\.jsonl:1: "text" is not a text'),
        ("queries.jsonl", '{"_id": "a", "text": "x"}', r"queries\.jsonl: none of its queries is judged"),
        ("qrels/test.tsv", "query-id\tcorpus-id\tscore\nq1 d1 1", r"test\.tsv:2: not query-id"),
        ("qrels/test.tsv", "q1\td1\t1\nq1\td2\tmany", r"test\.tsv:2: not query-id"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, file: str, content: str, message: str) -> None:
    (beir(tmp_path) / file).write_text(content, "utf-8")
    with pytest.raises(UnreadableContent, match=message):
        read_beir(tmp_path)


def test_a_projects_questions_are_read(tmp_path: Path) -> None:
    file = tmp_path / "questions.toml"
    file.write_text(
        '[[question]]\ntext = "a?"\nanswer = "yes"\ndocument = ["x", "y"]\nkind = "chat"\n'
        '[[question]]\ntext = "b?"\nanswer = ""\n'
        '[[question]]\ntext = "c?"\nanswer = "ignored"\nanswerable = false\n',
        "utf-8",
    )
    questions = read_questions(file)
    assert questions.name == "questions"
    assert questions.questions == (Question("a?", ("yes",), ("x", "y")), Question("b?"), Question("c?"))
    assert [question.answerable for question in questions.questions] == [True, False, False]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[[question]]\ntext = \n", r"questions\.toml: .*line 2"),
        ("", r"no \[\[question\]\]"),
        ('[[question]]\ntext = "a"\n[[question]]\nanswer = "b"', r'question 2: "text" is missing'),
        ('[[question]]\ntext = "a"\nanswer = 5', r'question 1: "answer" is neither'),
        ("question = [1]", r"question 1: not a table"),
    ],
)
def test_a_question_that_cannot_be_used_is_named(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "questions.toml"
    file.write_text(content, "utf-8")
    with pytest.raises(UnreadableContent, match=message):
        read_questions(file)


def test_the_shared_collections_are_read(shared_data: Path) -> None:
    retrieval = shared_data / "retrieval"
    assert len(read_beir(retrieval / "scifact").queries) == 300
    assert len(read_beir(retrieval / "mtrag-fiqa", "queries_rewrite.jsonl").queries) == 180
