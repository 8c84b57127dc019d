"""What machines and people do to a hub, on purpose: full disks, read-only folders, damaged files, two at once."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from knowhub.core.types import SourceName
from knowhub.entrypoints.cli import main
from knowhub.formats.batches import decode_raw, iter_batches
from knowhub.lake.object_store import ObjectStoreLake
from knowhub.wiring.app import App
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
from tests.torture.test_kills import NAME, KilledHub

_SECRET = "quetzalcoatlus"


class Here(KilledHub):
    """Runs commands in this process, which spares most of their time."""

    def run(self, *words: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main.run(list(words))
        return code, out.getvalue(), err.getvalue()

    def done(self, *words: str) -> str:
        code, out, err = self.run(*words)
        assert code == 0, out + err
        return out

    def fails(self, *words: str) -> str:
        """The one sentence of a command that cannot do its work, which is in its JSON too."""
        code, out, err = self.run(*words, "--json")
        assert code == 1, out + err
        assert "Traceback" not in err
        return str(json.loads(out)["error"])


@pytest.fixture
def hub(tmp_path: Path) -> Here:
    """A folder of ten documents, not synced yet."""
    hub = Here(tmp_path, random.Random(7))
    for number in range(10):
        (hub.docs / f"{number}.md").write_text(f"# Page {number}\n\nwords of page {number}\n")
    return hub


def in_lake(hub: Here, kind: str) -> list[Path]:
    lake = hub.folder / ".knowhub" / "lake"
    return [lake / key for key in iter_batches(ObjectStoreLake(str(lake)).list(""), kind)]


def damage(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])


# ── disk and permissions ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def small_disk(hub: Here) -> Iterator[Path]:
    """The data folder on a file system of six mebibytes."""
    data = hub.folder / ".knowhub"
    data.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(data)], capture_output=True)
    if mounted.returncode:
        pytest.skip("mounting a small disk is not permitted here")
    yield data
    subprocess.run(["umount", "-l", str(data)], check=True)


def test_a_full_disk_is_one_sentence_and_room_heals_it(hub: Here, small_disk: Path) -> None:
    hub.done("sync")
    ballast = small_disk / "ballast"
    (hub.docs / "large.md").write_text("".join(f"# {n}\n\n{hub.rng.random()} words\n" for n in range(30_000)))
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(os.urandom(4096)):
                pass
        except OSError:
            pass
    code, out, err = hub.run("sync")
    assert code in (1, 3), out + err
    ballast.unlink()
    (hub.docs / "large.md").write_text("# Large\n\nsmall after all\n")
    if hub.run("sync")[0]:
        hub.done("sync", "--retry-failed")
    hub.prove()


@pytest.mark.torture
@pytest.mark.parametrize("free_kib", [0, 16, 64, 128, 256, 512, 1024, 2048, 3072])
def test_a_disk_that_fills_at_any_moment_loses_nothing(hub: Here, small_disk: Path, free_kib: int) -> None:
    hub.done("sync")
    left = os.statvfs(small_disk)
    size = max(0, left.f_bavail * left.f_frsize - free_kib * 1024)
    (small_disk / "ballast").write_bytes(bytes(size))
    for _ in range(4):
        hub.change()
    for _ in range(3):
        hub.run("sync")
    (small_disk / "ballast").unlink()
    hub.done("sync", "--retry-failed")
    hub.prove()
    grown = hub.indexed()
    hub.done("reindex")
    assert hub.indexed() == grown


def test_a_folder_that_cannot_be_written_is_one_sentence(hub: Here) -> None:
    hub.done("sync")
    data = hub.folder / ".knowhub"
    for words in (["mount", "--bind", str(data), str(data)], ["mount", "-o", "remount,ro,bind", str(data)]):
        if subprocess.run(words, capture_output=True).returncode:
            pytest.skip("a read-only mount is not permitted here")
    try:
        (hub.docs / "new.md").write_text("# New\n\nwords\n")
        assert "ledger" in hub.fails("sync")
    finally:
        subprocess.run(["umount", "-l", str(data)], check=True)
    hub.prove()


# ── damaged files ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("stages", "kind"), [(["fetch"], "raw"), (["fetch", "chunk"], "chunked")])
def test_a_damaged_batch_is_said_and_fetched_again(hub: Here, stages: list[str], kind: str) -> None:
    for stage in stages:
        hub.done(stage)
    damage(in_lake(hub, kind)[0])
    code, out, _ = hub.run("sync")
    assert code == 3
    assert "not a batch that can be read" in out
    hub.prove()


def test_a_damaged_batch_found_by_a_rebuild_is_fetched_again(hub: Here) -> None:
    hub.done("sync")
    damage(in_lake(hub, "raw")[0])
    code, out, _ = hub.run("reindex")
    assert (code, "not a batch that can be read" in out) == (3, True)
    hub.prove()


@pytest.mark.parametrize("damaged", [b"", b"this is no database " * 400])
def test_a_lost_ledger_comes_back_from_the_lake(hub: Here, damaged: bytes) -> None:
    hub.done("sync")
    (hub.docs / "0.md").write_text("# Page 0\n\nnewer words\n")
    (hub.docs / "1.md").unlink()
    hub.done("sync")
    ledger = hub.folder / ".knowhub" / "ledger.db"
    ledger.write_bytes(damaged)
    for rest in hub.folder.glob(".knowhub/ledger.db-*"):
        rest.unlink()
    if damaged:
        assert "knowhub reindex" in hub.fails("sync")
        ledger.rename(ledger.with_suffix(".broken"))
    code, out, _ = hub.run("sync")
    assert (code, "knowhub reindex" in out) == (1, True)
    hub.done("reindex")
    hub.prove()


def test_a_truncated_ledger_comes_back_from_the_lake(hub: Here) -> None:
    hub.done("sync")
    ledger = hub.folder / ".knowhub" / "ledger.db"
    damage(ledger)
    assert "knowhub reindex" in hub.fails("status", "docs")
    ledger.rename(ledger.with_suffix(".broken"))
    hub.done("reindex")
    hub.prove()


def test_an_index_that_was_thrown_away_is_noticed_and_rebuilt(hub: Here) -> None:
    import shutil

    hub.done("sync")
    shutil.rmtree(hub.folder / ".knowhub" / "index")
    code, out, _ = hub.run("sync")
    assert (code, "knowhub reindex" in out) == (3, True)
    hub.done("reindex")
    hub.prove()


# ── two at once ──────────────────────────────────────────────────────────────────────────────────────

_HOLD = """
import sys
from pathlib import Path
from knowhub.wiring.laptop import Laptop
from knowhub.wiring.settings import load
token = Laptop(load(Path("knowhub.toml"))).ledgers.leases.acquire("docs")
print("held", flush=True)
sys.stdin.read()
"""


def test_of_two_syncs_of_one_source_the_second_is_told_so(hub: Here) -> None:
    command = [sys.executable, "-c", _HOLD]
    with subprocess.Popen(command, cwd=hub.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout
        assert first.stdout.readline() == b"held\n"
        for words in (["sync"], ["reindex"], ["forget", "docs", "--yes"]):
            sentence = hub.fails(*words)
            assert f"pid {first.pid}" in sentence
    hub.prove()


def test_two_sources_synced_at_once_into_one_index_are_both_whole(hub: Here) -> None:
    (hub.folder / "more").mkdir()
    for number in range(30):
        (hub.folder / "more" / f"{number}.md").write_text(f"# More {number}\n\nfurther words {number}\n")
    with (hub.folder / "knowhub.toml").open("a") as file:
        file.write('[sources.more]\ntype = "files"\npath = "more"\n')
    both = [hub.knowhub("sync", name) for name in ("docs", "more")]
    for process in both:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
    assert len(hub.indexed()) == 10
    code, out, _ = hub.run("status", "--verify", "--json")
    assert [(one["source"], one["whole"]) for one in json.loads(out)["sources"]] == [("docs", True), ("more", True)]
    assert code == 0


# ── time, models, deletions ──────────────────────────────────────────────────────────────────────────


def test_a_clock_that_jumps_neither_reorders_nor_loses(hub: Here) -> None:
    for year, text in ((2026, "first"), (2031, "second"), (1999, "third"), (2026, "fourth")):
        (hub.docs / "0.md").write_text(f"# Page 0\n\n{text} words, written in {year}\n")
        (hub.docs / f"{year}-{text}.md").write_text(f"# {year}\n\n{text}\n")
        now = datetime(year, 1, 1, tzinfo=UTC)
        with App(Laptop(load(hub.folder / "knowhub.toml"), clock=lambda now=now: now)) as app:  # type: ignore[misc]
            assert [report.state for report in app.sync()] == ["ok"]
    grown = hub.indexed()
    hub.done("reindex")
    assert hub.indexed() == grown
    hub.prove()


def test_another_model_is_refused_until_the_index_is_rebuilt(hub: Here) -> None:
    from tests.embedding.tiny import TABLE

    hub.done("sync")
    model = hub.folder / "model" / "model.onnx"
    data = model.read_bytes()
    table = TABLE.tobytes()
    assert table in data
    model.write_bytes(data.replace(table, (TABLE * 2 + 1).astype(TABLE.dtype).tobytes()))
    (hub.docs / "0.md").write_text("# Page 0\n\nnewer\n")
    assert "knowhub reindex" in hub.fails("sync")
    assert "knowhub reindex" in hub.fails("search", "page")
    hub.done("reindex")
    hub.prove()


def holding(folder: Path, word: str) -> list[str]:
    """Files under the data folder that hold the word, also inside batches."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        data = path.read_bytes()
        if path.name.endswith(".json.gz"):
            data += gzip.decompress(data)
        if path.name.endswith(".jsonl.zst"):
            data += repr(decode_raw(data, str(path))).encode()  # type: ignore[arg-type]  # a path serves as a key
        if word.encode() in data:
            found.append(str(path.relative_to(folder)))
    return found


def test_what_is_deleted_at_the_source_is_not_found_and_what_is_forgotten_is_nowhere(hub: Here) -> None:
    page = hub.docs / "page.md"
    page.write_text(f"# {_SECRET}\n\nThe {_SECRET} flies at night, words.\n")
    hub.done("sync")
    page.write_text(f"# {_SECRET}\n\nThe {_SECRET} flies by day, words.\n")
    hub.done("sync")
    data = hub.folder / ".knowhub"
    assert holding(data, _SECRET)
    page.unlink()
    hub.done("sync")
    assert not any(_SECRET in text for texts in hub.indexed().values() for text in texts)
    hub.done("forget", "page.md", "--yes")
    assert holding(data, _SECRET) == []
    page.write_text(f"# {_SECRET}\n\nback\n")
    hub.done("sync")
    assert holding(data, _SECRET) == []
    hub.done("reindex")
    assert holding(data, _SECRET) == []


def test_a_forgotten_source_is_nowhere(hub: Here) -> None:
    (hub.docs / "page.md").write_text(f"# {_SECRET}\n\nwords\n")
    hub.done("sync")
    hub.done("forget", "docs", "--yes")
    assert holding(hub.folder / ".knowhub", _SECRET) == []
    assert hub.indexed() == {}
    assert not list(Laptop(load(hub.folder / "knowhub.toml")).ledgers.items.stored(SourceName(NAME)))
