"""One branch of a remote repository, copied into a bare repository of ours, and questions about it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import IO, NamedTuple

from knowhub.core.errors import NotFound, PermanentError
from knowhub.sources.git.command import Git, Remote, redact
from knowhub.sources.git.diffs import COMMIT_MARK, LOG_OPTIONS, CommitChanges, read_changes, text_of, unquote

_REF = "refs/knowhub/head"
_LOG_COMMITS = 256


class Head(NamedTuple):
    branch: str
    sha: str


class Entry(NamedTuple):
    """A line of a tree: `mode` is git's, as text (`100644`)."""

    path: str
    oid: str
    mode: str


class Touch(NamedTuple):
    """The last commit that changed a path."""

    time: int
    author: str
    sha: str


class Mirror:
    """Lives in `cache` and may be thrown away at any time: the remote has it all."""

    def __init__(self, cache: Path, remote: Remote, *, timeout_s: float) -> None:
        self._remote = remote
        self._git = Git(cache / "mirror.git", remote, timeout_s=timeout_s)

    # ── the remote ───────────────────────────────────────────────────────────────────────────────────

    def branch_of(self, wanted: str) -> tuple[str, str]:
        """`wanted`, or the default branch if "", with its ref. Raises NotFound naming the branches there are."""
        refs, default = self._refs()
        branches = sorted(ref.removeprefix("refs/heads/") for ref in refs if ref.startswith("refs/heads/"))
        name = redact(self._remote.address)
        if wanted:
            if wanted not in branches:
                raise NotFound(f"{name} has no branch {wanted!r}", cure=f"It has {_some(branches)}.")
            return wanted, f"refs/heads/{wanted}"
        if not refs:
            raise NotFound(f"{name} is empty", cure="Commit something, or remove the source.")
        same = [branch for branch in branches if refs[f"refs/heads/{branch}"] == refs.get("HEAD")]
        guesses = [default, *(b for b in ("main", "master") if b in (same or branches)), *same]
        guesses += branches if len(branches) == 1 else []
        for guess in guesses:
            if guess in branches:
                return guess, f"refs/heads/{guess}"
        if "HEAD" in refs:
            return "HEAD", "HEAD"
        raise NotFound(f"{name} has no default branch", cure=f"Configure one of {_some(branches)}.")

    def _refs(self) -> tuple[dict[str, str], str]:
        listed = self._git.talk("ls-remote", "--symref", "--", self._remote.address, "HEAD", "refs/heads/*")
        refs, default = {}, ""
        for line in text_of(listed).splitlines():
            value, _, ref = line.partition("\t")
            if value.startswith("ref: "):
                default = value.removeprefix("ref: refs/heads/")
            else:
                refs[ref] = value
        return refs, default

    def update(self, wanted: str) -> Head:
        """Fetch what is new. A mirror that a killed run or a bad disk left broken is made again."""
        branch, ref = self.branch_of(wanted)
        try:
            self._fetch(ref)
        except PermanentError as error:
            # The remote has just answered, so what else is wrong is likely here.
            if type(error) is not PermanentError:
                raise
            self.distrust()
            self._fetch(ref)
        sha = self._git.run("rev-parse", "--verify", "--quiet", f"{_REF}^{{commit}}").decode().strip()
        return Head(branch, sha)

    def distrust(self) -> None:
        """Something that must be here is not, or is broken: the next update copies all again."""
        (self._git.folder / "HEAD").unlink(missing_ok=True)

    def _fetch(self, ref: str) -> None:
        folder = self._git.folder
        if not (folder / "HEAD").exists() or not (folder / "objects").is_dir():
            shutil.rmtree(folder, ignore_errors=True)
            self._git.run("init", "--bare", "--quiet", "--template=")
        for lock in chain(folder.glob("*.lock"), (folder / "refs").rglob("*.lock")):
            lock.unlink(missing_ok=True)  # of a killed git: the source's lease lets only one live here
        options = ("--quiet", "--no-tags", "--force", "--update-shallow", "--no-write-fetch-head")
        self._git.talk("fetch", *options, "--no-recurse-submodules", "--", self._remote.address, f"+{ref}:{_REF}")

    # ── what is in it ────────────────────────────────────────────────────────────────────────────────

    def tree(self, sha: str) -> Iterator[Entry]:
        """Every file, link and submodule, in git's order; paths are distinct."""
        taken: set[str] = set()
        for line in self._must("ls-tree", "-r", "-z", "--full-tree", sha).split(b"\0"):
            if not line:
                continue
            fields, _, raw = line.partition(b"\t")
            mode, _, oid = fields.decode("ascii").split(" ")
            path = text_of(raw)
            while path in taken:
                path += "~"
            taken.add(path)
            yield Entry(path, oid, mode)

    def commits(self, sha: str, since: datetime | None) -> list[str]:
        """Ids reachable from `sha`, oldest first."""
        limit = [f"--since={int(since.timestamp())}"] if since else []
        return self._must("rev-list", "--reverse", *limit, sha, "--").decode("ascii").split()

    def _must(self, *arguments: str) -> bytes:
        try:
            return self._git.run(*arguments)
        except PermanentError:
            self.distrust()
            raise

    def renames(self, old: str, new: str) -> dict[str, str]:
        """New paths to the old ones that git takes them for; {} if `old` is not known here any more."""
        try:
            printed = self._git.run("diff-tree", "-r", "-z", "-M", "--diff-filter=R", "--name-status", old, new, "--")
        except PermanentError:
            return {}
        fields = printed.split(b"\0")
        return {text_of(fields[i + 2]): text_of(fields[i + 1]) for i in range(0, len(fields) - 2, 3)}

    def sizes(self, oids: Sequence[str]) -> dict[str, int]:
        """Bytes of each object; those that are missing here are missing there."""
        if not oids:
            return {}
        printed = self._git.run("cat-file", "--batch-check=%(objectname) %(objectsize)", input="\n".join(oids).encode())
        pairs = (line.split(" ") for line in printed.decode("ascii", "replace").splitlines())
        return {oid: int(size) for oid, size in pairs if size.isdigit()}

    def last_touches(self, sha: str, paths: set[str]) -> dict[str, Touch]:
        """The newest commit before `sha` that changed each path; reads no further back than it must."""
        found: dict[str, Touch] = {}
        options = ("--format=%x01%ct%x09%H%x09%an", "--name-only", "--no-renames", "--diff-merges=off")
        with self._git.stream("log", *options, sha, "--") as (_, output):
            touch = Touch(0, "", "")
            for line in output:
                if line.startswith(COMMIT_MARK):
                    time, commit, author = text_of(line[1:].rstrip(b"\n")).split("\t", 2)
                    touch = Touch(int(time), author, commit)
                elif (path := unquote(line.rstrip(b"\n"))) in paths and path not in found:
                    found[path] = touch
                    if len(found) == len(paths):
                        break
        return found

    @contextmanager
    def contents(self) -> Iterator[Callable[[str], bytes | None]]:
        """A function from an object's id to its bytes, None if it is missing; one process for all."""
        with self._git.stream("cat-file", "--batch") as (requests, answers):
            yield lambda oid: _content(requests, answers, oid)

    def changes(self, shas: Sequence[str], unwanted: Callable[[str], str]) -> Iterator[CommitChanges]:
        """What each commit changed against its parent; nothing for merges."""
        for start in range(0, len(shas), _LOG_COMMITS):
            command = ("-c", "core.bigFileThreshold=1m", "log", *LOG_OPTIONS, "--no-walk=unsorted", "--stdin")
            with self._git.stream(*command) as (requests, output):
                requests.write("".join(f"{sha}\n" for sha in shas[start : start + _LOG_COMMITS]).encode("ascii"))
                requests.close()
                yield from read_changes(output, unwanted)


def _content(requests: IO[bytes], answers: IO[bytes], oid: str) -> bytes | None:
    requests.write(f"{oid}\n".encode("ascii"))
    requests.flush()
    header = answers.readline().split()
    if len(header) != 3:
        return None
    content = answers.read(int(header[2]) + 1)
    return content[:-1]


def _some(branches: Sequence[str]) -> str:
    return ", ".join(branches[:10]) + (" and more" if len(branches) > 10 else "") or "none"
