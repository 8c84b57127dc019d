"""Real and awkward files that nobody here wrote, each through the sandbox."""

from __future__ import annotations

import re
import resource
from pathlib import Path

import pytest

from knowhub.core.errors import UnreadableContent
from knowhub.formats.parsed import Parsed
from knowhub.formats.sandbox import Sandbox

AUTOGEN = "AutoGen: Enabling Next-Gen LLM Applications via Multi-Agent Conversation"
Outcome = Parsed | UnreadableContent


@pytest.fixture(scope="module")
def outcomes(shared_data: Path) -> dict[str, Outcome]:
    """What becomes of each file, by name."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: dict[str, Outcome] = {}
    with Sandbox(timeout_s=10, memory_mb=1024) as sandbox:
        for path in sorted((shared_data / "files").glob("*/*.*")):
            try:
                found[path.name] = sandbox.parse(path.read_bytes(), path.name)
            except UnreadableContent as error:
                found[path.name] = error
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024 < 64, "the parent has grown, in MB"
    return found


def test_every_file_is_a_document_or_has_a_reason(outcomes: dict[str, Outcome]) -> None:
    assert len(outcomes) > 100
    for name, outcome in outcomes.items():
        if isinstance(outcome, UnreadableContent):
            assert 3 < len(outcome.message) < 300, name
            assert not re.search("crashed|longer than|more memory", outcome.message), (name, outcome.message)
        else:
            assert all(0 <= s.start <= s.end <= len(outcome.text) for s in outcome.sections), name
            outcome.text.encode()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("pass_protected.xlsx", "encrypted"),
        ("pass_protected.xlsb", "encrypted"),
        ("pass_protected.ods", "encrypted"),
        ("issue_385.xls", "encrypted"),
        ("OOM_alloc3.xls", "broken workbook"),
        ("issue_594_dos.ods", "broken workbook"),
        ("MEDRPT-2024-PAT-3847_medical_report_scan.pdf", "no text layer"),
        ("random.bin", "no text in .bin files"),
        ("test.mp3", "no text in .mp3 files"),
    ],
)
def test_what_cannot_be_read_says_why(outcomes: dict[str, Outcome], name: str, reason: str) -> None:
    outcome = outcomes[name]
    assert isinstance(outcome, UnreadableContent)
    assert outcome.message == reason


@pytest.mark.parametrize(
    ("name", "kind", "title", "expected"),
    [
        ("test.docx", "markdown", AUTOGEN, "Abstract"),
        ("test.pptx", "markdown", AUTOGEN, "AutoGen"),
        ("test.xlsx", "table", "", "Alpha: 89; Beta: 82; Gamma: 100; Delta: 12"),
        ("test.xls", "table", "", "Alpha: 89; Beta: 82; Gamma: 100; Delta: 12"),
        ("test.epub", "markdown", "Test EPUB Document", "# Chapter 1: Test Content"),
        ("test_mskanji.csv", "table", "", "名前: 髙橋淳; 年齢: 35; 住所: 名古屋"),
        ("test_outlook_msg.msg", "text", "Test Email Message", "This is the body of the test email message"),
        ("test_notebook.ipynb", "markdown", "Test Notebook Title", 'print("markitdown")'),
        ("test_rss.xml", "markdown", "The Official Microsoft Blog", "## Ignite 2024"),
        ("test_wikipedia.html", "markdown", "Microsoft", "Microsoft Corporation"),
        ("test_with_comment.docx", "markdown", AUTOGEN, "Comment by"),
        ("equations.docx", "markdown", "", "36.1.3"),
        ("any_sheets.ods", "table", "", "A: 1; B: 2"),
        ("date_1904.xlsb", "table", "", "2021-01-01"),
        ("biff5_write.xls", "table", "", "2014-02-19 14:30:00"),
        ("OOM_alloc.xls", "table", "", "Weekly Report"),
    ],
)  # fmt: skip
def test_what_can_be_read_is(outcomes: dict[str, Outcome], name: str, kind: str, title: str, expected: str) -> None:
    outcome = outcomes[name]
    assert isinstance(outcome, Parsed)
    assert (outcome.kind, outcome.title) == (kind, title)
    assert expected in outcome.text


@pytest.mark.parametrize(
    "name",
    [
        "RECEIPT-2024-TXN-98765_retail_purchase",
        "REPAIR-2022-INV-001_multipage",
        "SPARSE-2024-INV-1234_borderless_table",
        "movie-theater-booking-2024",
        "test",
    ],
)
def test_the_words_of_a_pdf_are_those_that_people_expect(
    outcomes: dict[str, Outcome], shared_data: Path, name: str
) -> None:
    outcome = outcomes[f"{name}.pdf"]
    assert isinstance(outcome, Parsed)
    expected = (shared_data / "files/office/expected_outputs" / f"{name}.md").read_text()
    wanted = words(expected.replace("-\n", ""))
    assert len(wanted & words(outcome.text)) >= 0.97 * len(wanted)


def words(text: str) -> set[str]:
    return set(re.findall(r"\w{2,}", text.lower()))
