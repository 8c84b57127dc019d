from __future__ import annotations

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from knowhub.core.errors import ConfigurationError, UnreadableContent
from knowhub.core.types import Section
from knowhub.formats import sandbox as sandbox_module
from knowhub.formats.files import parse_file
from knowhub.formats.parsed import Parsed
from knowhub.formats.sandbox import Sandbox
from knowhub.formats.worker import from_json, to_json
from tests.formats.samples import each, outcome, pdf, repacked, word, workbook, zipped

MISBEHAVING = "tests.formats.misbehaving:parse"
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def misbehave(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """What the misbehaving parser answers to an order, in a child with little time and memory."""
    monkeypatch.syspath_prepend(ROOT)
    with Sandbox(timeout_s=0.2, memory_mb=300, max_output_mb=2, files_per_child=50, parser=MISBEHAVING) as sandbox:
        yield lambda order: sandbox.parse(order.encode(), "order").text


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(timeout_s=10, memory_mb=1024) as shared:
        yield shared


# ── what a parser may do to itself ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ("spin", "takes longer than 0.2 s"),
        ("sleep", "takes longer than 0.2 s"),
        ("exit 3", "crashed its parser .exit status 3."),
        ("exit 0", "crashed its parser .exit status 0."),
        ("segfault", "crashed its parser .SIGSEGV."),
        ("abort", "crashed its parser .SIGABRT."),
        ("memory 1000000000", "needs more memory than allowed"),
        ("text 5000000", "too much text"),
    ],
)
def test_a_parser_that_fails_is_told_apart_and_replaced(
    misbehave: Callable[[str], str], order: str, reason: str
) -> None:
    with pytest.raises(UnreadableContent, match=reason):
        misbehave(order)
    assert misbehave("echo still here") == "still here"


def test_processor_time_is_bounded_for_itself(misbehave: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox_module, "_WALL_PER_CPU", 10_000.0)
    with pytest.raises(UnreadableContent, match="takes longer"):
        misbehave("spin")


def test_a_forged_reply_is_refused(misbehave: Callable[[str], str]) -> None:
    with pytest.raises(UnreadableContent):
        misbehave("forge")
    assert misbehave("echo still here") == "still here"


def test_what_a_library_prints_stops_nothing(misbehave: Callable[[str], str]) -> None:
    assert misbehave("chatter") == "said"


# ── what a parser may not do to anybody else ─────────────────────────────────────────────────────────


def test_the_child_inherits_no_environment(misbehave: Callable[[str], str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_TOKEN", "xoxb-secret")
    assert "SLACK_TOKEN" not in misbehave("environment")


@pytest.mark.parametrize("order", ["connect x", "start true"])
def test_the_child_reaches_nothing(misbehave: Callable[[str], str], order: str) -> None:
    assert misbehave(order) == "PermissionError"


def test_the_child_writes_no_file(misbehave: Callable[[str], str], tmp_path: Path) -> None:
    assert misbehave(f"write {tmp_path / 'x'}") == "PermissionError"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("call", ["socket", "fork"])
def test_native_code_in_the_child_reaches_nothing_either(misbehave: Callable[[str], str], call: str) -> None:
    if sys.platform == "linux":
        assert misbehave(f"native {call}") == "-1"


@pytest.mark.parametrize("call", ["delete", "empty", "rename"])
def test_native_code_in_the_child_harms_no_file(misbehave: Callable[[str], str], call: str, tmp_path: Path) -> None:
    if sys.platform == "linux":
        victim = tmp_path / "victim.txt"
        victim.write_text("still here")
        assert misbehave(f"native {call} {victim}") == "-1"
        assert victim.read_text() == "still here"


# ── the life of a child ──────────────────────────────────────────────────────────────────────────────


def test_one_child_reads_many_files_and_is_then_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    with Sandbox(parser=MISBEHAVING, files_per_child=3) as sandbox:
        pids = [sandbox.parse(b"pid", "x").text for _ in range(6)]
    assert len(set(pids[:3])) == len(set(pids[3:])) == 1
    assert pids[0] != pids[3]


def test_a_parent_that_is_large_does_not_make_its_child_look_grown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    ballast = b"x" * 250_000_000
    with Sandbox(parser=MISBEHAVING, memory_mb=300) as sandbox:
        pids = {sandbox.parse(b"pid", "x").text for _ in range(3)}
    assert len(pids) == 1
    assert ballast


def test_a_child_that_has_grown_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT)
    with Sandbox(parser=MISBEHAVING, memory_mb=200) as sandbox:
        first = sandbox.parse(b"pid", "x").text
        assert sandbox.parse(b"memory 120000000", "x").text == "120000000"
        assert sandbox.parse(b"pid", "x").text != first


def test_a_child_killed_between_two_files_costs_no_file(misbehave: Callable[[str], str]) -> None:
    os.kill(int(misbehave("pid")), signal.SIGKILL)
    assert misbehave("echo next") == "next"


def test_a_child_that_ended_with_the_thread_that_started_it_costs_no_file(misbehave: Callable[[str], str]) -> None:
    thread = threading.Thread(target=misbehave, args=("echo first",))
    thread.start()
    thread.join()
    assert misbehave("echo next") == "next"


def test_too_little_memory_to_start_is_a_matter_of_configuration() -> None:
    with Sandbox(memory_mb=1) as sandbox, pytest.raises(ConfigurationError, match="1 MB"):
        sandbox.parse(workbook(), "a.xlsx")


def test_no_child_outlives_its_parent() -> None:
    program = (
        "import sys; from knowhub.formats.sandbox import Sandbox\n"
        f"s = Sandbox(parser={MISBEHAVING!r})\n"
        "print(s.parse(b'pid', 'x').text, flush=True)\n"
        "s.parse(b'sleep', 'x')\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([ROOT, *sys.path])},
    )
    assert parent.stdout is not None
    with parent.stdout:
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
        parent.wait()
        try:
            # A pidfd is readable once its process has ended; the limit is no measure, only an end for a failure.
            assert _ended(child)
        finally:
            os.close(child)


def _ended(pidfd: int) -> bool:
    import select

    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(120_000))


# ── small text needs no child ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("name", ["page.md", "main.py", "stock.csv", "notes.txt", "settings.toml"])
def test_small_utf_8_text_is_read_without_a_child(name: str) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    with Sandbox(memory_mb=1) as sandbox:
        assert sandbox.parse(b"a,b\n1,2\n", name).text
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss == before


@pytest.mark.parametrize(
    ("data", "name"),
    [(b"x" * 2_000_000, "a.md"), ("日本".encode("cp932"), "a.md"), (b"<rss/>", "a.xml"), (b"{}", "a.ipynb")],
)
def test_all_else_needs_a_child(data: bytes, name: str) -> None:
    with Sandbox(memory_mb=1) as sandbox, pytest.raises(ConfigurationError):
        sandbox.parse(data, name)


# ── files ────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("name", "data"), each().items())
def test_the_child_reads_as_parse_file_does(sandbox: Sandbox, name: str, data: bytes) -> None:
    assert sandbox.parse(data, name) == parse_file(data, name)


def zip_bomb() -> bytes:
    """80 MB of one word in a document of 80 kB."""
    body = b"<w:r><w:t>" + b"bomb" * 20_000_000 + b"</w:t></w:r>"
    return repacked(word(), {"word/document.xml": lambda c: c.replace(b"<w:r>", body + b"<w:r>", 1)})


def lying_zip() -> bytes:
    data = bytearray(zipped({"word/document.xml": b"0" * 50_000_000}))
    size = (50_000_000).to_bytes(4, "little")
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = (100).to_bytes(4, "little")
    return bytes(data)


def entities() -> bytes:
    levels = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
    return f'<!DOCTYPE rss [<!ENTITY l0 "lol">{levels}]><rss>&l11;</rss>'.encode()


def far_cell() -> bytes:
    """A workbook whose last cell is the last that there can be: 17 billion cells."""

    def far(content: bytes) -> bytes:
        return content.replace(b'<row r="3"', b'<row r="1048576"').replace(b'r="B3"', b'r="XFD1048576"')

    return repacked(workbook(), {"xl/worksheets/sheet1.xml": far})


def endless_pdf() -> bytes:
    """A page drawn by a form that draws itself."""
    return pdf(["x"]).replace(b"/Font << /F1 3 0 R >>", b"/XObject << /Q 4 0 R >> ")


HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip bomb": (zip_bomb, "bomb.docx"),
    "ZIP that lies about its size": (lying_zip, "lies.docx"),
    "many entries": (lambda: zipped({f"word/{i}.xml": b"" for i in range(21_000)}), "many.docx"),
    "billion laughs": (entities, "laughs.rss"),
    "nested elements": (lambda: b"<div>" * 100_000, "deep.html"),
    "nested JSON": (lambda: b'{"cells":' * 100_000, "deep.ipynb"),
    "nested parts of mail": (
        lambda: (
            b"Subject: x\nContent-Type: multipart/mixed; boundary=b\n\n"
            + b"--b\nContent-Type: message/rfc822\n\n" * 20_000
        ),
        "deep.eml",
    ),
    "far cell": (far_cell, "far.xlsx"),
    "garbage in a PDF": (lambda: b"%PDF-1.4\n" + random.Random(3).randbytes(200_000), "garbage.pdf"),
    "PDF that draws itself": (endless_pdf, "endless.pdf"),
    "quotes without end": (lambda: b'a,b\n"' + b'x""' * 1_000_000, "open.csv"),
    "empty": (bytes, "empty.pdf"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_files_come_back_and_leave_the_parent_as_it_was(sandbox: Sandbox, case: str) -> None:
    make, name = HOSTILE[case]
    data = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    result = outcome(sandbox.parse, data, name)
    if isinstance(result, Parsed):
        assert len(result.text) <= 10 * len(data)
    else:
        assert 3 < len(result.message) < 300
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 64
    assert sandbox.parse(workbook(), "a.xlsx").kind == "table"


SAMPLES = each()


@given(name=st.sampled_from(sorted(SAMPLES)), seed=st.integers(0, 2**32), cut=st.booleans())
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(sandbox: Sandbox, name: str, seed: int, cut: bool) -> None:
    random_ = random.Random(seed)
    data = bytearray(SAMPLES[name])
    if cut:
        del data[random_.randrange(len(data)) :]
    else:
        for _ in range(random_.randint(1, 20)):
            data[random_.randrange(len(data))] ^= 1 << random_.randrange(8)
    result = outcome(sandbox.parse, bytes(data), name)
    if isinstance(result, Parsed):
        assert all(0 <= s.start <= s.end <= len(result.text) for s in result.sections)
    else:
        assert result.message


@given(inner=st.integers(0, 2**32), name=st.sampled_from(["travel.docx", "deck.pptx", "stock.xlsx", "manual.epub"]))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_damage_within_a_sound_zip_is_survived_too(sandbox: Sandbox, inner: int, name: str) -> None:
    random_ = random.Random(inner)
    with zipfile.ZipFile(BytesIO(SAMPLES[name])) as archive:
        part = random_.choice([n for n in archive.namelist() if n.endswith((".xml", ".rels", ".opf", ".xhtml"))])

    def damage(content: bytes) -> bytes:
        start = random_.randrange(len(content) + 1)
        return content[:start] + random_.choice([b"", b"<a>", b"\0", b"&x;", b"99999999999"]) + content[start + 3 :]

    result = outcome(sandbox.parse, repacked(SAMPLES[name], {part: damage}), name)
    assert isinstance(result, Parsed) or result.message


TIMES = st.none() | st.datetimes(timezones=st.just(UTC))
TEXT = st.text(st.characters(codec="utf-8"))


@given(
    st.builds(
        Parsed,
        kind=st.just("text"),
        text=TEXT,
        title=TEXT,
        authors=st.lists(TEXT).map(tuple),
        created_at=TIMES,
        sections=st.lists(
            st.builds(Section, st.integers(0), st.integers(0), TEXT, TEXT, TEXT, TEXT, TIMES, st.integers(0, 6))
        ).map(tuple),
    )
)
def test_what_the_child_sends_is_what_the_parent_gets(parsed: Parsed) -> None:
    assert from_json(json.loads(json.dumps(to_json(parsed)))) == parsed
