"""`sources/files`: real folders, hostile names, and what must never be read."""

from __future__ import annotations

import errno
import os
import random
import socket
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowhub.core.errors import NotFound
from knowhub.core.types import (
    Acl,
    Census,
    ContainerGone,
    Failed,
    Fetched,
    Gap,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
)
from knowhub.formats.contents import pack, unpack
from knowhub.formats.parsed import Parsed
from knowhub.sources.files import FilesOptions, FilesParser, FilesSource
from tests.contracts.source import LedgerModel, SourceContract

NAMES = [
    "a.md", "b.md", "notes.txt", "-rf", "with space.md", "quote'\".md", "new\nline.md", "percent%20.md", "a@2",
    "tilde~name", "日本語.md", unicodedata.normalize("NFD", "ガイド.md"), "emoji🎉.md", "#hash?.md", "back\\slash.md",
    os.fsdecode(b"latin-\xe9.md"), "b.md@2", "UPPER.MD", "dot.", "[x].md",
]  # fmt: skip
FOLDERS = ["", "team", "team/deep/er", unicodedata.normalize("NFD", "資料がある"), "-x", os.fsdecode(b"\xff\xfe")]
HOUR_NS = 3600 * 10**9


def label(path: str) -> str:
    return unicodedata.normalize("NFC", os.fsencode(path).decode("utf-8", "backslashreplace"))


class FolderWorld:
    """A folder that people work in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.readers = ["group:staff"]
        self.written = 0
        (root / "anchor.md").write_text("always here")

    def source(self) -> FilesSource:
        return FilesSource(SourceName("docs"), FilesOptions(self.root, tuple(self.readers)))

    def change(self, rng: random.Random) -> None:
        doing = [self.create, self.create, self.edit, self.edit, self.delete, self.move, self.move, self.touch]
        doing += [self.restrict, self.move_folder, self.copy, self.swap]
        rng.choice(doing)(rng)

    def files(self) -> list[Path]:
        return sorted(p for p in self.root.rglob("*") if p.is_file() and p.name != "anchor.md")

    def place(self, rng: random.Random) -> Path:
        path = self.root / rng.choice(FOLDERS) / rng.choice(NAMES)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def create(self, rng: random.Random) -> None:
        self.written += 1
        content = rng.choice([b"text %03d" % self.written, b"\xff\x00binary %03d" % self.written, b"the same"])
        self.place(rng).write_bytes(content)

    def edit(self, rng: random.Random) -> None:
        if files := self.files():
            path, self.written = rng.choice(files), self.written + 1
            before = path.stat()
            path.write_bytes(b"edit %03d" % self.written)
            if rng.random() < 0.3:
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    def delete(self, rng: random.Random) -> None:
        if files := self.files():
            rng.choice(files).unlink()

    def move(self, rng: random.Random) -> None:
        if files := self.files():
            rng.choice(files).replace(self.place(rng))

    def copy(self, rng: random.Random) -> None:
        if files := self.files():
            self.place(rng).write_bytes(rng.choice(files).read_bytes())

    def swap(self, rng: random.Random) -> None:
        if len(files := self.files()) > 1:
            one, two = rng.sample(files, 2)
            aside = one.with_name("aside")
            one.replace(aside)
            two.replace(one)
            aside.replace(two)

    def touch(self, rng: random.Random) -> None:
        if files := self.files():
            rng.choice(files).touch()

    def move_folder(self, rng: random.Random) -> None:
        folders = sorted(p for p in self.root.iterdir() if p.is_dir())
        if folders:
            target = self.root / f"moved{rng.randrange(3)}"
            if not target.exists():
                rng.choice(folders).rename(target)

    def restrict(self, rng: random.Random) -> None:
        self.readers = rng.choice([["group:staff"], ["owner"], ["owner", "group:staff"], []])

    def facts(self) -> Counter[Hashable]:
        acl = Acl.of(*self.readers).canonical() if self.readers else ()
        return Counter(
            (label(os.path.relpath(path, self.root)), path.read_bytes(), acl)
            for path in self.root.rglob("*")
            if path.is_file()
        )

    def fact(self, record: RawRecord) -> Hashable:
        assert record.payload is not None
        assert record.payload["path"] == record.location
        return record.location, unpack(record.payload), record.acl.canonical()


class TestFilesSourceContract(SourceContract):
    examples = 60

    def world(self, folder: Path) -> FolderWorld:
        return FolderWorld(folder)


# ── what one fetch yields ────────────────────────────────────────────────────────────────────────────


def fetch(root: Path, ledger: LedgerModel | None = None, **options: object) -> list[Fetched]:
    settings = FilesOptions(root, ("staff",), **options)  # type: ignore[arg-type]  # tests name options freely
    return (ledger or LedgerModel()).fetch(FilesSource(SourceName("docs"), settings))


def records(seen: list[Fetched]) -> dict[str, RawRecord]:
    return {one.location: one for one in seen if isinstance(one, RawRecord)}


def skipped(seen: list[Fetched]) -> dict[str, str]:
    return {one.location: one.reason for one in seen if isinstance(one, Skipped)}


def write(root: Path, *paths: str, content: str = "") -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content or f"content of {path}")


def later(root: Path, reader: str = "staff") -> FilesSource:
    """A source whose clock is an hour ahead: nothing is racy any more."""
    options = FilesOptions(root, (reader,))
    return FilesSource(SourceName("docs"), options, now_ns=lambda: time.time_ns() + HOUR_NS)


def test_a_moved_and_a_renamed_file_keep_their_id(tmp_path: Path) -> None:
    write(tmp_path, "a/plan.md", "b/x.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    (tmp_path / "a/plan.md").rename(tmp_path / "b/strategy.md")
    seen = fetch(tmp_path, ledger)
    moved = records(seen)["b/strategy.md"]
    assert (moved.item, moved.container) == ("a/plan.md", "b")
    assert moved.version != ""
    assert {k.item: k.location for k in ledger.items()} == {"a/plan.md": "b/strategy.md", "b/x.md": "b/x.md"}


def test_a_new_file_at_the_old_path_of_a_moved_one_gets_an_id_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, "plan.md", "x.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    (tmp_path / "plan.md").rename(tmp_path / "old-plan.md")
    fetch(tmp_path, ledger)
    write(tmp_path, "plan.md", content="a new plan")
    assert records(fetch(tmp_path, ledger))["plan.md"].item == "plan.md@2"
    assert ledger.known["plan.md"].location == "old-plan.md"  # type: ignore[index]  # a literal for an id


def test_a_file_is_read_again_until_its_times_can_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")
    opened: list[str] = []
    real = os.open

    def counted(path: str, *rest: int) -> int:
        opened.append(path)
        return real(path, *rest)

    monkeypatch.setattr(os, "open", counted)
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    assert len(opened) == 1
    assert [type(one) for one in ledger.fetch(later(tmp_path))] == [Unchanged, Census]
    assert len(opened) == 2
    assert [type(one) for one in ledger.fetch(later(tmp_path))] == [Unchanged, Census]
    assert len(opened) == 2


def test_new_readers_reach_files_that_did_not_change(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    ledger = LedgerModel()
    ledger.fetch(later(tmp_path))
    (record,) = records(ledger.fetch(later(tmp_path, "owner"))).values()
    assert record.acl == Acl.of("owner")


def test_a_second_write_in_the_same_tick_as_the_first_is_found(tmp_path: Path) -> None:
    write(tmp_path, "a.md", content="one")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    write(tmp_path, "a.md", content="two")
    assert unpack(records(fetch(tmp_path, ledger))["a.md"].payload or {}) == b"two"


def test_a_touched_file_is_unchanged_with_a_fresher_version(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    ledger = LedgerModel()
    ledger.fetch(later(tmp_path))
    before = ledger.known["a.md"].version  # type: ignore[index]  # a literal for an id
    os.utime(tmp_path / "a.md", ns=(0, 10**18))
    seen = ledger.fetch(later(tmp_path))
    (touched,) = [one for one in seen if isinstance(one, Unchanged)]
    assert touched.version != before
    assert ".1000000000000000000." in touched.version


@given(data=st.binary(max_size=300))
def test_bytes_survive_the_payload_exactly(data: bytes) -> None:
    assert unpack(pack(data)) == data


# ── what is left out ─────────────────────────────────────────────────────────────────────────────────


def test_secrets_are_left_out_and_their_examples_are_not(tmp_path: Path) -> None:
    secret = [
        ".env",
        ".env.production",
        "id_rsa",
        "id_ed25519.pub",
        "server.pem",
        "TLS.KEY",
        "x.kdbx",
        ".netrc",
        ".npmrc",
    ]
    secret += ["credentials", "credentials.json", "deep/er/.env.local", "secrets.yaml", "terraform.tfstate"]
    public = [".env.example", "environment.md", "keys.md", "credentials.md", "npmrc.md"]
    write(tmp_path, *secret, *public, ".ssh/config")
    seen = fetch(tmp_path)
    assert set(records(seen)) == set(public)
    assert skipped(seen) == dict.fromkeys(secret, "secrets file") | {".ssh/": "secrets folder"}


def test_only_an_include_that_names_secrets_lets_them_in(tmp_path: Path) -> None:
    write(tmp_path, "a.md", ".env", "certs/public.pem")
    assert set(records(fetch(tmp_path, include=("*",)))) == {"a.md"}
    assert set(records(fetch(tmp_path, include=("**/*.*", "certs/*.pem")))) == {"a.md", "certs/public.pem"}


def test_ignore_files_nest_and_negate_as_git_does(tmp_path: Path) -> None:
    write(tmp_path, ".gitignore", content="*.log\nbuild/\n/only-root.md\n!keep.log\n")
    write(tmp_path, "sub/.knowhubignore", content="!debug.log\ndraft*\n")
    write(
        tmp_path,
        "a.log",
        "keep.log",
        "build/out.md",
        "only-root.md",
        "sub/only-root.md",
        "sub/debug.log",
        "sub/draft.md",
    )
    write(tmp_path, "sub/build/deep/x.md", "sub/other.log", "draft.md")
    seen = fetch(tmp_path)
    names = {".gitignore", "sub/.knowhubignore", "keep.log", "sub/only-root.md", "sub/debug.log", "draft.md"}
    assert set(records(seen)) == names
    out = ["a.log", "build/", "only-root.md", "sub/draft.md", "sub/build/", "sub/other.log"]
    assert skipped(seen) == dict.fromkeys(out, "excluded")


def test_tool_folders_count_once_whatever_is_inside(tmp_path: Path) -> None:
    write(tmp_path, "a.md", *(f"{tool}/x{i}.md" for tool in (".git", "node_modules", "p/.venv") for i in range(9)))
    seen = fetch(tmp_path)
    assert skipped(seen) == dict.fromkeys([".git/", "node_modules/", "p/.venv/"], "tool folder")
    assert {c.container: c.expected for c in seen if isinstance(c, Census)} == {".": 3, "p": 1}


def test_include_and_exclude_narrow_what_is_read(tmp_path: Path) -> None:
    write(tmp_path, "docs/a.md", "docs/b.txt", "docs/old/c.md", "src/x.md")
    seen = fetch(tmp_path, include=("docs/**/*.md",), exclude=("old/",))
    assert set(records(seen)) == {"docs/a.md"}
    assert skipped(seen) == {"docs/b.txt": "not included", "docs/old/": "excluded", "src/x.md": "not included"}


def test_what_holds_no_text_is_named_with_its_reason(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "~$report.docx", ".DS_Store", "big.md", "yarn.lock", "movie.mp4")
    (tmp_path / "empty.md").touch()
    (tmp_path / "big.md").write_bytes(b"x" * 101)
    (tmp_path / "lfs.md").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert skipped(fetch(tmp_path, max_file_bytes=100)) == {
        "~$report.docx": "temporary file", ".DS_Store": "temporary file", "big.md": "larger than the limit",
        "yarn.lock": "lock file", "movie.mp4": "no text in .mp4 files", "empty.md": "empty file",
        "lfs.md": "LFS pointer",
    }  # fmt: skip


def test_a_file_that_becomes_unwanted_keeps_its_id(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    (tmp_path / "a.md").rename(tmp_path / "c.md")
    fetch(tmp_path, ledger)
    write(tmp_path, ".gitignore", content="c.md")
    assert [one.item for one in fetch(tmp_path, ledger) if isinstance(one, Skipped)] == ["a.md"]


# ── links, pipes, permissions ────────────────────────────────────────────────────────────────────────


def test_pipes_and_sockets_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.md")
    os.mkfifo(tmp_path / "pipe.md")
    os.mkfifo(tmp_path / ".knowhubignore")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket.md")
        seen = fetch(tmp_path)
    names = ["pipe.md", "socket.md", ".knowhubignore"]
    assert skipped(seen) == dict.fromkeys(names, "not a regular file")
    assert set(records(seen)) == {"a.md"}


def test_links_are_followed_on_request_only_and_never_out_of_the_folder(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    write(root, "real/a.md")
    write(outside, "secret.md")
    (root / "up").symlink_to(outside)
    (root / "file.md").symlink_to(outside / "secret.md")
    (root / "real/loop").symlink_to(root)
    (root / "again").symlink_to(root / "real")
    (root / "broken").symlink_to(root / "nowhere")
    (root / "self").symlink_to(root / "self")
    assert set(records(fetch(root))) == {"real/a.md"}
    followed = fetch(root, follow_symlinks=True)
    assert set(records(followed)) == {"real/a.md", "again/a.md"}
    assert set(skipped(followed).values()) == {
        "symbolic link out of the folder", "symbolic link to a folder already read", "broken symbolic link",
    }  # fmt: skip


def test_two_names_that_are_one_in_nfc_stay_two_items(tmp_path: Path) -> None:
    nfc, nfd = unicodedata.normalize("NFC", "ガ.md"), unicodedata.normalize("NFD", "ガ.md")
    (tmp_path / nfc).write_text("composed")
    (tmp_path / nfd).write_text("decomposed")
    found = {location: unpack(one.payload or {}) for location, one in records(fetch(tmp_path)).items()}
    assert found == {nfc: b"composed", "ガ~2.md": b"decomposed"}


@contextmanager
def unreadable(path: Path) -> Iterator[None]:
    """`path` without permissions; root, whom they do not stop, is refused by hand."""
    denied = PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    mode = path.stat().st_mode
    with pytest.MonkeyPatch.context() as patch:
        for name in ("open", "scandir"):
            real = getattr(os, name)
            patch.setattr(os, name, partial(_refusing, real, path, denied))
        path.chmod(0)
        try:
            yield
        finally:
            path.chmod(mode)


def _refusing(
    real: Callable[..., object], path: Path, denied: OSError, asked: str, *rest: object, **more: object
) -> object:
    if asked == str(path):
        raise denied
    return real(asked, *rest, **more)


def test_a_file_that_cannot_be_read_is_a_failure_and_not_a_deletion(tmp_path: Path) -> None:
    write(tmp_path, "a.md", "b.md")
    source = FilesSource(SourceName("docs"), FilesOptions(tmp_path, ("staff",)))
    ledger = LedgerModel()
    ledger.fetch(source)
    write(tmp_path, "a.md", content="changed")
    with unreadable(tmp_path / "a.md"):
        seen = ledger.fetch(source)
    assert [(one.item, one.error) for one in seen if isinstance(one, Failed)] == [("a.md", "permission denied")]
    assert set(records(ledger.fetch(source))) == {"a.md"}


def test_a_folder_that_cannot_be_listed_is_a_gap_and_nothing_in_it_is_deleted(tmp_path: Path) -> None:
    write(tmp_path, "a/one.md", "a/deep/two.md", "b/three.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    write(tmp_path, "b/copy.md", content="content of a/deep/two.md")
    with unreadable(tmp_path / "a/deep"):
        seen = fetch(tmp_path, ledger)
    assert [(one.container, one.error) for one in seen if isinstance(one, Gap)] == [("a", "a/deep/: permission denied")]
    assert [one.container for one in seen if isinstance(one, Census)] == ["b"]
    locations = {item.item: item.location for item in ledger.items()}
    assert locations == {name: name for name in ("a/one.md", "a/deep/two.md", "b/three.md", "b/copy.md")}


def test_an_entry_of_unknown_kind_may_be_a_folder_whose_items_are_not_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network drives do not say what an entry is, and then fail to answer when asked."""
    write(tmp_path, "a/one.md", "b/two.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    real = os.scandir

    class Stale:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self.path = entry.name, entry.path

        def is_symlink(self) -> bool:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))

    @contextmanager
    def listing(path: str) -> Iterator[list[object]]:
        with real(path) as entries:
            yield [Stale(entry) if entry.name == "a" else entry for entry in entries]

    monkeypatch.setattr(os, "scandir", listing)
    seen = fetch(tmp_path, ledger)
    assert [one.item for one in seen if isinstance(one, Failed)] == ["a"]
    assert [one.container for one in seen if isinstance(one, Gap)] == ["a"]
    assert {"a/one.md", "b/two.md"} <= set(ledger.known)


def test_a_time_that_no_calendar_holds_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.md")
    (record,) = records(fetch(tmp_path)).values()
    undated = replace(record, payload={**(record.payload or {}), "modified": ""})
    assert FilesParser(FilesOptions(tmp_path, ("staff",)), parse_text)(undated, 1).updated_at is None


def test_a_missing_folder_is_an_error_with_its_cure(tmp_path: Path) -> None:
    write(tmp_path, "file")
    for path in (tmp_path / "gone", tmp_path / "file"):
        with pytest.raises(NotFound, match="Is the volume mounted"):
            fetch(path)
        assert any(
            "Is the volume mounted" in wrong for wrong in FilesSource(SourceName("d"), FilesOptions(path, ())).check()
        )


def test_an_emptied_folder_deletes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "a/one.md", "two.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    (tmp_path / "a/one.md").unlink()
    (tmp_path / "a").rmdir()
    (tmp_path / "two.md").rename(tmp_path / ".DS_Store")
    seen = fetch(tmp_path, ledger)
    assert {one.container for one in seen if isinstance(one, Gap)} == {".", "a"}
    assert not [one for one in seen if isinstance(one, Census | ContainerGone)]
    assert {"a/one.md", "two.md"} <= set(ledger.known)


def test_a_top_folder_that_vanished_is_said_to_be_gone(tmp_path: Path) -> None:
    write(tmp_path, "a/one.md", "b/two.md")
    ledger = LedgerModel()
    fetch(tmp_path, ledger)
    (tmp_path / "a/one.md").unlink()
    (tmp_path / "a").rmdir()
    assert ContainerGone("a") in fetch(tmp_path, ledger)  # type: ignore[arg-type]  # a literal for an id
    assert set(ledger.known) == {"b/two.md"}


# ── documents ────────────────────────────────────────────────────────────────────────────────────────


def parse_text(data: bytes, name: str) -> Parsed:
    return Parsed(kind="text", text=data.decode())


def test_a_document_links_to_its_file_and_the_lake_holds_no_path_of_the_machine(tmp_path: Path) -> None:
    write(tmp_path, "team/日本 #1.md", content="hello")
    (record,) = records(fetch(tmp_path)).values()
    assert str(tmp_path) not in repr(record)
    document = FilesParser(FilesOptions(tmp_path, ("staff",)), parse_text)(record, 7)
    assert document.url == (tmp_path / "team/日本 #1.md").as_uri()
    assert (document.title, document.text, document.sequence) == ("日本 #1.md", "hello", 7)
    assert document.acl == Acl.of("staff")
    served = FilesOptions(tmp_path, ("staff",), url_base="https://files.example/docs")
    assert (
        FilesParser(served, parse_text)(record, 1).url == "https://files.example/docs/team/%E6%97%A5%E6%9C%AC%20%231.md"
    )
    assert document.updated_at is not None
    assert abs(document.updated_at.timestamp() - (tmp_path / "team/日本 #1.md").stat().st_mtime) < 1e-3
