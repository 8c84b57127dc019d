"""`sources/git`: real repositories, rewritten histories, and what must never run or be told."""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from collections.abc import Hashable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from knowhub.core.errors import AccessDenied, ConfigurationError, KnowhubError, NotFound, TransientError
from knowhub.core.types import (
    Acl,
    Census,
    Checkpoint,
    Document,
    Failed,
    Fetched,
    RawRecord,
    Skipped,
    SourceName,
    Unchanged,
)
from knowhub.formats.contents import unpack
from knowhub.formats.parsed import Parsed
from knowhub.sources.git import GitOptions, GitParser, GitSource
from knowhub.sources.git.command import Git, Remote, redact
from tests.contracts.source import LedgerModel, SourceContract

NAMES = [
    "a.md",
    "b.md",
    "-rf",
    "with space.md",
    "quote'\".md",
    "new\nline.md",
    "tab\t.md",
    "日本語.md",
    "a@2",
    "B/x.md",
]
NAMES += ["deep/er/x.md", "back\\slash.md", os.fsdecode(b"latin-\xe9.md"), "\x01mark.md", ":colon", "diff --git a"]


class Repository:
    """A repository that people commit to."""

    def __init__(self, path: Path, *options: str) -> None:
        self.path = path
        self.clock = 1_700_000_000
        path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", "--initial-branch=main", *options)

    def git(self, *arguments: str, input: bytes = b"") -> str:
        self.clock += 60
        who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in self.person().items()}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1", **who}
        command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(self.path), *arguments]
        return subprocess.run(command, env=environment, input=input, capture_output=True, check=True).stdout.decode(
            "utf-8", "replace"
        )

    def person(self) -> dict[str, str]:
        return {"NAME": "Ana Ñúñez", "EMAIL": "ana@example.com", "DATE": f"{self.clock} +0900"}

    def commit(self, message: str = "work", **files: str | bytes) -> str:
        for name, content in files.items():
            self.write(name, content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head()

    def write(self, name: str, content: str | bytes) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def head(self, ref: str = "HEAD") -> str:
        return self.git("rev-parse", ref).strip()


class RepositoryWorld:
    """A repository whose branch moves, is rewritten, and sometimes another one is configured."""

    def __init__(self, folder: Path) -> None:
        self.repository = Repository(folder / "work")
        self.folder = folder
        self.readers = ["group:staff"]
        self.branch = ""
        self.written = 0
        self.repository.commit("begin", **{"anchor.md": "always here"})

    def source(self) -> GitSource:
        return GitSource(
            SourceName("code"),
            GitOptions(str(self.repository.path), tuple(self.readers), self.folder / "cache", branch=self.branch),
        )

    def change(self, rng: random.Random) -> None:
        doing = [self.write, self.write, self.write, self.delete, self.move, self.move, self.touch, self.restrict]
        doing += [self.rewrite, self.merge, self.switch, self.lose_cache]
        rng.choice(doing)(rng)

    def files(self) -> list[Path]:
        top = self.repository.path
        return sorted(p for p in top.rglob("*") if p.is_file() and ".git" not in p.parts and p.name != "anchor.md")

    def place(self, rng: random.Random) -> Path:
        path = self.repository.path / rng.choice(NAMES)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, rng: random.Random) -> None:
        self.written += 1
        content = rng.choice([b"text %03d\n" % self.written, b"\xff\x00%03d" % self.written, b"the same\n" * 20])
        self.place(rng).write_bytes(content)
        self.repository.commit(f"write {self.written}\n\n\x01body\n:000 {'x' * rng.randrange(50)}")

    def delete(self, rng: random.Random) -> None:
        if files := self.files():
            rng.choice(files).unlink()
            self.repository.commit("delete")

    def move(self, rng: random.Random) -> None:
        if files := self.files():
            target = self.place(rng)
            rng.choice(files).replace(target)
            if rng.random() < 0.5:
                target.write_bytes(target.read_bytes() + b"and more\n")
            self.repository.commit("move")

    def touch(self, rng: random.Random) -> None:
        self.repository.commit("nothing")

    def restrict(self, rng: random.Random) -> None:
        self.readers = rng.choice([["group:staff"], ["owner"], ["owner", "group:staff"], []])

    def rewrite(self, rng: random.Random) -> None:
        self.repository.git("commit", "--quiet", "--amend", "--allow-empty", "--message", f"again {rng.random()}")

    def merge(self, rng: random.Random) -> None:
        repository = self.repository
        here = repository.git("symbolic-ref", "--short", "HEAD").strip()
        repository.git("checkout", "--quiet", "-b", "side")
        self.write(rng)
        repository.git("checkout", "--quiet", here)
        repository.git("merge", "--quiet", "--no-ff", "--message", "merge side", "side")
        repository.git("branch", "--quiet", "-D", "side")

    def switch(self, rng: random.Random) -> None:
        self.branch = rng.choice(["", "main", "other"])
        if self.branch == "other" and "other" not in self.repository.git("branch"):
            self.repository.git("branch", "other")
        self.repository.git("checkout", "--quiet", self.branch or "main")

    def lose_cache(self, rng: random.Random) -> None:
        subprocess.run(["rm", "-rf", str(self.folder / "cache")], check=True)

    def facts(self) -> Counter[Hashable]:
        acl = Acl.of(*self.readers).canonical() if self.readers else ()
        branch = self.branch or self.repository.git("symbolic-ref", "--short", "HEAD").strip()
        facts: Counter[Hashable] = Counter((sha, acl) for sha in self.repository.git("rev-list", branch).split())
        top = self.repository.path
        for path in [*self.files(), top / "anchor.md"]:
            name = os.fsencode(path.relative_to(top)).decode("utf-8", "backslashreplace")
            facts[name, branch, path.read_bytes(), acl] += 1
        return facts

    def fact(self, record: RawRecord) -> Hashable:
        assert record.payload is not None
        if record.kind == "git.commit":
            return record.payload["sha"], record.acl.canonical()
        return record.location, record.payload["branch"], unpack(record.payload), record.acl.canonical()


class TestGitSourceContract(SourceContract):
    examples = 6

    def world(self, folder: Path) -> RepositoryWorld:
        return RepositoryWorld(folder)


# ── what one fetch yields ────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "work")


def options_for(repository: Repository, **options: Any) -> GitOptions:
    usual: dict[str, Any] = {"url": str(repository.path), "readers": ("staff",), "cache": repository.path.parent / "c"}
    return GitOptions(**usual | options)


def fetch(repository: Repository, ledger: LedgerModel | None = None, **options: Any) -> list[Fetched]:
    return (ledger or LedgerModel()).fetch(GitSource(SourceName("code"), options_for(repository, **options)))


def records(seen: list[Fetched], kind: str = "git.file") -> list[RawRecord]:
    return [one for one in seen if isinstance(one, RawRecord) and one.kind == kind]


def payloads(seen: list[Fetched]) -> list[Any]:
    return [record.payload for record in records(seen, "git.commit")]


def skipped(seen: list[Fetched]) -> dict[str, str]:
    return {one.location: one.reason for one in seen if isinstance(one, Skipped)}


def test_files_and_commits_come_with_their_counts_and_a_cursor(repository: Repository) -> None:
    first = repository.commit("first", **{"a.md": "one"})
    second = repository.commit("second", **{"b.md": "two"})
    seen = fetch(repository)
    assert [record.item for record in records(seen)] == ["file:a.md", "file:b.md"]
    assert [record.item for record in records(seen, "git.commit")] == [f"commit:{first}", f"commit:{second}"]
    assert {c.container: c.expected for c in seen if isinstance(c, Census)} == {"files": 2, "commits": 2}
    assert seen[-1] == Checkpoint({"head": second, "branch": "main"})


def test_only_what_changed_is_mentioned_after_the_first_fetch(repository: Repository) -> None:
    repository.commit("first", **{"a.md": "one", "b.md": "two"})
    ledger = LedgerModel()
    fetch(repository, ledger)
    sha = repository.commit("second", **{"b.md": "three"})
    seen = fetch(repository, ledger)
    assert [one.item for one in seen if isinstance(one, RawRecord | Unchanged)] == ["file:b.md", f"commit:{sha}"]


def test_a_renamed_and_edited_file_keeps_its_id(repository: Repository) -> None:
    text = "".join(f"line {i}\n" for i in range(40))
    repository.commit("first", **{"old.md": text, "other.md": "x"})
    ledger = LedgerModel()
    fetch(repository, ledger)
    (repository.path / "old.md").unlink()
    repository.commit("move", **{"docs/new.md": text + "and one more\n"})
    (moved,) = records(fetch(repository, ledger))
    assert (moved.item, moved.location) == ("file:old.md", "docs/new.md")
    repository.commit("again", **{"old.md": "something else"})
    assert [record.item for record in records(fetch(repository, ledger))] == ["file:old.md@2"]


def test_a_force_push_deletes_the_commits_that_are_gone(repository: Repository) -> None:
    base = repository.commit("base", **{"a.md": "one"})
    repository.commit("regretted", **{"a.md": "secret"})
    ledger = LedgerModel()
    fetch(repository, ledger)
    repository.git("reset", "--quiet", "--hard", base)
    better = repository.commit("better", **{"a.md": "two"})
    fetch(repository, ledger)
    assert set(ledger.known) == {"file:a.md", f"commit:{base}", f"commit:{better}"}


def test_secrets_and_tool_folders_are_in_neither_files_nor_diffs(repository: Repository) -> None:
    leak = {".env": "TOKEN=hunter2\n", "node_modules/x/index.js": "hunter2\n", "deploy/id_rsa": "hunter2\n"}
    repository.commit("oops", **{"a.md": "public\n"}, **leak)
    seen = fetch(repository)
    assert [record.location for record in records(seen)] == ["a.md"]
    out = {".env": "secrets file", "deploy/id_rsa": "secrets file", "node_modules/": "tool folder"}
    assert skipped(seen) == out
    assert "hunter2" not in repr(seen)
    assert "+public" in repr(seen)


def test_what_holds_no_text_is_named_with_its_reason(repository: Repository) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n"
    repository.write("big.md", "x" * 101)
    (repository.path / "link.md").symlink_to("big.md")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    repository.git("add", "--all")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    repository.git("commit", "--quiet", "--message", "odd")
    repository.write("empty.md", "")
    repository.write("model.md", pointer)
    repository.git("add", "empty.md", "model.md")
    repository.git("commit", "--quiet", "--message", "odder")
    assert skipped(fetch(repository, max_file_bytes=100)) == {
        "big.md": "larger than the limit", "link.md": "symbolic link", "sub": "submodule", "empty.md": "empty file",
        "model.md": "LFS pointer",
    }  # fmt: skip


def test_a_first_fetch_that_was_cut_goes_on_where_it_stopped(repository: Repository) -> None:
    for number in range(8):
        repository.commit(f"commit {number}", **{f"f{number}.md": str(number)})
    ledger = LedgerModel()
    source = GitSource(SourceName("code"), options_for(repository))
    ledger.interrupted_fetch(source, batch=2, stop_after=12)
    assert len(ledger.records) == 11
    assert ledger.cursor is None
    assert len([one for one in ledger.fetch(source) if isinstance(one, RawRecord)]) == 5
    assert len(ledger.records) == 16


def test_commits_carry_message_people_times_and_bounded_diffs(repository: Repository) -> None:
    begin: dict[str, str | bytes] = {"a.md": "one\n", "yarn.lock": "1\n", "big.txt": "0\n", "img.png": b"\x89PNG\0\1"}
    repository.commit("begin", **begin)
    big = "".join(f"line {i} {'x' * 80}\n" for i in range(1000))
    change: dict[str, str | bytes] = {"a.md": "two\n", "yarn.lock": "v2\n", "img.png": b"\x89PNG\0\2", "big.txt": big}
    change["vendor/lib.js"] = "x\n"
    repository.commit("Subject line\n\nBody.\n\nCo-authored-by: Kei 田中 <kei@example.com>", **change)
    payload = payloads(fetch(repository))[1]
    assert payload["author"] == {"name": "Ana Ñúñez", "email": "ana@example.com", "time": payload["author"]["time"]}
    assert payload["author"]["time"].endswith("+09:00")
    files = {file["path"]: file for file in payload["files"]}
    assert files["a.md"]["diff"] == "@@ -1 +1 @@\n-one\n+two"
    assert (files["a.md"]["added"], files["a.md"]["deleted"]) == (1, 1)
    assert files["big.txt"]["note"].endswith("lines left out")
    assert len(files["big.txt"]["diff"]) < 21_000
    notes = {path: file["note"] for path, file in files.items() if "note" in file and path != "big.txt"}
    assert notes == {"img.png": "binary", "vendor/lib.js": "vendored", "yarn.lock": "lock file"}
    assert all("diff" not in files[path] for path in notes)


def test_a_merge_is_its_message_only(repository: Repository) -> None:
    repository.commit("base", **{"a.md": "one\n"})
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("side", **{"b.md": "two\n"})
    repository.git("checkout", "--quiet", "main")
    repository.git("merge", "--quiet", "--no-ff", "--message", "merge it", "side")
    merge = next(payload for payload in payloads(fetch(repository)) if len(payload["parents"]) == 2)
    assert merge["message"] == "merge it\n"
    assert merge["files"] == []


def test_a_message_in_another_encoding_is_read(repository: Repository) -> None:
    repository.write("a.md", "x")
    repository.git("add", "--all")
    message = "変更を加えた".encode("shift_jis")
    repository.git("-c", "i18n.commitEncoding=SHIFT_JIS", "commit", "--quiet", "--file=-", input=message)
    assert payloads(fetch(repository))[0]["message"] == "変更を加えた\n"


def test_times_that_no_calendar_holds_are_left_out(repository: Repository) -> None:
    tree = repository.git("mktree").strip()
    person = f"A <a@b> {10**17} +0000"
    commit = f"tree {tree}\nauthor {person}\ncommitter A <a@b> 253402300799 +0900\n\nfar away\n"
    sha = repository.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", input=commit.encode()).strip()
    repository.git("update-ref", "refs/heads/main", sha)
    (document,) = documents(fetch(repository), options_for(repository))
    assert (document.title, document.created_at, document.updated_at) == ("far away", None, None)


def test_older_commits_can_be_left_out(repository: Repository) -> None:
    repository.commit("old", **{"a.md": "one"})
    since = datetime.fromtimestamp(repository.clock + 30, UTC)
    new = repository.commit("new", **{"a.md": "two"})
    seen = fetch(repository, since=since)
    assert [payload["sha"] for payload in payloads(seen)] == [new]


def test_the_time_of_a_file_is_that_of_its_last_commit(repository: Repository) -> None:
    first = repository.commit("first", **{"a.md": "one", "b.md": "one"})
    repository.commit("second", **{"b.md": "two"})
    (record,) = [record for record in records(fetch(repository)) if record.location == "a.md"]
    assert record.payload is not None
    assert record.payload["commit"] == first
    assert record.payload["author"] == "Ana Ñúñez"


# ── the remote ───────────────────────────────────────────────────────────────────────────────────────


def test_bundles_bare_and_shallow_repositories_are_read(repository: Repository, tmp_path: Path) -> None:
    repository.commit("first", **{"a.md": "one"})
    repository.commit("second", **{"a.md": "two"})
    repository.git("bundle", "create", str(tmp_path / "repo.bundle"), "main")
    repository.git("clone", "--quiet", "--bare", str(repository.path), str(tmp_path / "bare.git"))
    repository.git("clone", "--quiet", "--depth=1", repository.path.as_uri(), str(tmp_path / "shallow"))
    addresses = [str(tmp_path / "repo.bundle"), str(tmp_path / "bare.git"), repository.path.as_uri()]
    for number, url in enumerate(addresses):
        assert len(payloads(fetch(repository, url=url, cache=tmp_path / f"cache{number}"))) == 2
    assert len(payloads(fetch(repository, url=str(tmp_path / "shallow"), cache=tmp_path / "cache-shallow"))) == 1


def test_a_wrong_address_or_branch_is_an_error_with_its_cure(repository: Repository, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="is empty"):
        fetch(repository)
    repository.commit("first", **{"a.md": "one"})
    with pytest.raises(NotFound, match=r"no branch 'missing'. It has main"):
        fetch(repository, branch="missing")
    with pytest.raises(NotFound, match="does not exist"):
        fetch(repository, url=str(tmp_path / "nowhere"))
    (tmp_path / "plain").mkdir()
    with pytest.raises(NotFound, match="Check the address"):
        fetch(repository, url=str(tmp_path / "plain"))
    with pytest.raises(TransientError):
        fetch(repository, url="http://127.0.0.1:9/x.git")
    source = GitSource(SourceName("code"), options_for(repository, branch="missing", readers=()))
    assert len(source.check()) == 2
    assert GitSource(SourceName("code"), options_for(repository)).check() == []


@pytest.mark.parametrize(
    "url", ["--upload-pack=touch pwned", "ext::sh -c 'touch pwned'", "", "ftp://x/y", "a\nb", "https://u:p/w@host/x"]
)
def test_addresses_that_could_run_something_are_refused(repository: Repository, url: str) -> None:
    with pytest.raises(ConfigurationError):
        fetch(repository, url=url)


def test_a_branch_that_looks_like_an_option_is_refused(repository: Repository) -> None:
    with pytest.raises(ConfigurationError):
        fetch(repository, branch="--output=pwned")


def test_nothing_configured_in_the_repository_or_by_the_person_runs(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither hooks, filters, text converters nor external diffs; and another repository's GIT_DIR is not ours."""
    touch = f"touch {tmp_path}/pwned"
    for key in ("core.fsmonitor", "diff.external", "diff.x.textconv", "filter.x.smudge", "filter.x.clean"):
        repository.git("config", key, touch)
    diff = f'[diff]\n\torderFile = /nowhere\n\texternal = {touch}\n[diff "x"]\n\ttextconv = {touch}\n'
    (tmp_path / ".gitconfig").write_text(f"{diff}[core]\n\thooksPath = {tmp_path}/hooks\n")
    (tmp_path / "hooks").mkdir()
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        (tmp_path / "hooks" / hook).write_text(f"#!/bin/sh\n{touch}\n")
        (tmp_path / "hooks" / hook).chmod(0o755)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", touch)
    repository.write(".gitattributes", "*.md diff=x filter=x\n")
    repository.git("-c", "filter.x.clean=cat", "add", ".gitattributes")
    repository.git("-c", "core.fsmonitor=false", "commit", "--quiet", "--message", "attributes")
    for name in ("a.md", "b.md"):
        blob = repository.git("hash-object", "-w", "--stdin", input=name.encode()).strip()
        repository.git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        repository.git("commit", "--quiet", "--message", name)
    (tmp_path / "pwned").unlink(missing_ok=True)
    seen = fetch(repository)
    assert (len(records(seen)), len(payloads(seen))) == (3, 3)
    assert not (tmp_path / "elsewhere").exists()
    assert not (tmp_path / "pwned").exists()


def test_a_password_reaches_neither_command_line_nor_messages(tmp_path: Path) -> None:
    remote = Remote.of("https://ana:s3cr%2Ft@example.invalid/x/y.git")
    assert (remote.address, remote.password) == ("https://example.invalid/x/y.git", "s3cr/t")
    git = Git(tmp_path / "c" / "mirror.git", remote, timeout_s=5)
    assert "s3cr" not in repr((git._credential_options(), remote, GitOptions("https://a:s3cr@h/x", (), tmp_path)))
    said = "fatal: Authentication failed for 'https://ana:s3cr%2Ft@example.invalid/x/y.git/' with s3cr/t"
    error = git._error(said)
    assert isinstance(error, AccessDenied)
    assert "s3cr" not in str(error)
    assert redact("clone ssh://bob:pw@h/x") == "clone ssh://***@h/x"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: could not read Username for 'https://h': terminal prompts disabled", AccessDenied),
        ("git@h: Permission denied (publickey).\nfatal: Could not read from remote repository.", AccessDenied),
        ("fatal: unable to access 'https://h/': The requested URL returned error: 503", TransientError),
        ("ssh: Could not resolve hostname h\nfatal: Could not read from remote repository.", TransientError),
        ("remote: Repository not found.\nfatal: repository 'https://h/x.git/' not found", NotFound),
    ],
)
def test_what_git_says_tells_whether_a_retry_helps(tmp_path: Path, said: str, kind: type[KnowhubError]) -> None:
    assert type(Git(tmp_path, Remote("https://h/x"), timeout_s=5)._error(said)) is kind


def test_what_a_killed_git_left_behind_is_cleared_away(repository: Repository, tmp_path: Path) -> None:
    repository.commit("first", **{"a.md": "one"})
    fetch(repository)
    mirror = tmp_path / "c" / "mirror.git"
    (mirror / "refs/knowhub/head.lock").touch()
    (mirror / "shallow.lock").touch()
    (mirror / "marker").touch()
    repository.commit("second", **{"a.md": "two"})
    assert len(payloads(fetch(repository))) == 2
    assert (mirror / "marker").exists()
    for pack in [*mirror.rglob("objects/??/*"), *mirror.rglob("*.pack")]:
        pack.chmod(0o644)
        pack.write_bytes(b"broken")
    repository.commit("third", **{"a.md": "three"})
    seen = fetch(repository)
    assert len(payloads(seen)) == 3
    assert not [one for one in seen if isinstance(one, Failed)]


# ── documents ────────────────────────────────────────────────────────────────────────────────────────


def documents(seen: list[Fetched], options: GitOptions) -> list[Document]:
    parser = GitParser(options, lambda data, name: Parsed(kind="code", text=data.decode()))
    return [parser(record, 3) for record in seen if isinstance(record, RawRecord)]


def test_a_commit_is_a_change_with_a_section_for_each_file(repository: Repository) -> None:
    sha = repository.commit("Subject\n\nWhy it was done.", **{"a.md": "one\n", "b.md": "two\n"})
    options = options_for(repository)
    document = documents(fetch(repository), options)[-1]
    assert (document.kind, document.title, document.authors) == ("change", "Subject", ("Ana Ñúñez",))
    assert document.url == f"git:code@{sha}"
    assert document.created_at == datetime.fromtimestamp(repository.clock - 60, UTC)
    parts = [(section.role, section.label, document.text[section.start : section.end]) for section in document.sections]
    assert parts == [
        ("title", "", "Subject"),
        ("body", "", "Why it was done."),
        ("file", "a.md", "a.md (added, +1 -0)\n@@ -0,0 +1 @@\n+one"),
        ("file", "b.md", "b.md (added, +1 -0)\n@@ -0,0 +1 @@\n+two"),
    ]


@pytest.mark.parametrize(
    ("url", "commit", "file"),
    [
        ("https://t:x@github.com/a/b.git", "https://github.com/a/b/commit/", "https://github.com/a/b/blob/main/d%20%231.py"),
        ("git@gitlab.example.com:g/s/p.git", "https://gitlab.example.com/g/s/p/-/commit/", "https://gitlab.example.com/g/s/p/-/blob/main/d%20%231.py"),
        ("ssh://git@codeberg.org:22/a/b", "https://codeberg.org/a/b/commit/", "https://codeberg.org/a/b/src/branch/main/d%20%231.py"),
        ("https://bitbucket.org/a/b", "https://bitbucket.org/a/b/commits/", "https://bitbucket.org/a/b/src/main/d%20%231.py"),
    ],
)  # fmt: skip
def test_links_open_at_the_forge(repository: Repository, url: str, commit: str, file: str) -> None:
    sha = repository.commit("first", **{"d #1.py": "one\n"})
    found = {d.kind: d.url for d in documents(fetch(repository), options_for(repository, url=url))}
    assert found == {"code": file, "change": commit + sha}


def test_link_templates_can_be_given(repository: Repository) -> None:
    sha = repository.commit("first", **{"a.py": "one\n"})
    own = options_for(
        repository, url_base="https://git.example/r", commit_url="{base}?h={sha}", file_url="{base}/{path}?at={branch}"
    )
    found = {d.kind: d.url for d in documents(fetch(repository), own)}
    assert found == {"code": "https://git.example/r/a.py?at=main", "change": f"https://git.example/r?h={sha}"}
