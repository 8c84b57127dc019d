"""What `git log --raw --numstat -p` prints, line by line, to the files that a commit changed; bounded in size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field

from knowhub.formats.selection import is_lock_file

COMMIT_MARK = b"\x01"
"""Before each commit's id. No other line of the output can begin with it: git quotes it in paths."""
LOG_OPTIONS = (
    *("--format=%x01%H", "--raw", "--numstat", "--patch", "--find-renames", "--no-abbrev", "--no-color"),
    *("--no-ext-diff", "--no-textconv", "--diff-merges=off", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"),
)
FILE_CHARS = 20_000
COMMIT_CHARS = 200_000
COMMIT_FILES = 200
LINE_CHARS = 2_000

_STATUS = {"A": "added", "D": "deleted", "M": "modified", "R": "renamed", "C": "copied", "T": "type changed"}
_NUMSTAT = re.compile(rb"(\d+|-)\t(\d+|-)\t")
_VENDORED = re.compile(r"(?:^|/)(?:vendor|third_party|node_modules|bower_components|Pods)/")
_GENERATED = re.compile(
    r"\.min\.(?:js|css)$|\.(?:js|css)\.map$|\.pb\.go$|_pb2(?:_grpc)?\.pyi?$|\.g\.dart$|\.designer\.cs$|(?:^|/)dist/"
    r"|\.snap$|\.svg$",
    re.IGNORECASE,
)
_ESCAPE = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_ESCAPED = dict(zip(b'abtnvfr"\\', b'\a\b\t\n\v\f\r"\\', strict=True))


@dataclass(slots=True)
class FileChange:
    """`diff` is hunks only; `note` says why it is shorter than the truth. Counts are lines, None if binary."""

    path: str
    status: str
    old_path: str = ""
    added: int | None = None
    deleted: int | None = None
    diff: str = ""
    note: str = ""


@dataclass(slots=True)
class CommitChanges:
    """`omitted` counts the files beyond COMMIT_FILES."""

    sha: str
    files: list[FileChange] = field(default_factory=list)
    omitted: int = 0

    def payload(self) -> list[dict[str, object]]:
        return [{key: value for key, value in asdict(file).items() if value not in ("", None)} for file in self.files]


def read_changes(lines: Iterable[bytes], unwanted: Callable[[str], str]) -> Iterator[CommitChanges]:
    """One per commit, in the order printed. `unwanted` says why a path's diff must not be kept, or ""."""
    reader: _Reader | None = None
    for line in lines:
        if line.startswith(COMMIT_MARK):
            if reader:
                yield reader.finish()
            reader = _Reader(line[1:].strip().decode("ascii"), unwanted)
        elif reader:
            reader.take(line)
    if reader:
        yield reader.finish()


class _Reader:
    """One commit: raw lines name the files, numstat lines and patches follow in the same order."""

    def __init__(self, sha: str, unwanted: Callable[[str], str]) -> None:
        self._changes = CommitChanges(sha)
        self._unwanted = unwanted
        self._counted = 0
        self._patches: list[FileChange] = []
        self._patch = -1
        self._in_hunk = False
        self._lines: list[str] = []
        self._chars = 0
        self._cut = 0
        self._left = COMMIT_CHARS

    def take(self, line: bytes) -> None:
        if line.startswith(b"diff --git "):
            self._close()
            self._patch += 1
        elif self._patch >= 0:
            self._take_patch(line)
        elif line.startswith(b":"):
            self._take_raw(line)
        elif match := _NUMSTAT.match(line):
            if self._counted < len(self._changes.files) and match[1] != b"-":
                file = self._changes.files[self._counted]
                file.added, file.deleted = int(match[1]), int(match[2])
            self._counted += 1

    def finish(self) -> CommitChanges:
        self._close()
        return self._changes

    def _take_raw(self, line: bytes) -> None:
        fields, *paths = line.rstrip(b"\n").split(b"\t")
        if len(self._changes.files) >= COMMIT_FILES:
            self._changes.omitted += 1
            return
        letter = fields.split(b" ")[-1][:1].decode("ascii")
        file = FileChange(unquote(paths[-1]), _STATUS.get(letter, "modified"))
        if len(paths) > 1:
            file.old_path = unquote(paths[0])
        file.note = self._why_without_diff(file)
        self._changes.files.append(file)
        # A file that becomes a link, or the reverse, is printed as a deletion and an addition.
        self._patches += [file] * (2 if letter == "T" else 1)

    def _why_without_diff(self, file: FileChange) -> str:
        for path in filter(None, (file.path, file.old_path)):
            if reason := self._unwanted(path):
                return reason
            if is_lock_file(path.rpartition("/")[2]):
                return "lock file"
            if _VENDORED.search(path):
                return "vendored"
            if _GENERATED.search(path):
                return "generated"
        return ""

    def _take_patch(self, line: bytes) -> None:
        if line.startswith(b"@@"):
            self._in_hunk = True
        elif line.startswith(b"Binary files") and not self._in_hunk:
            self._note("binary")
        if not self._in_hunk:
            return
        if self._chars >= min(FILE_CHARS, self._left) or len(line) > LINE_CHARS * 4:
            self._cut += 1
            return
        text = line.decode("utf-8", "replace").rstrip("\r\n")[:LINE_CHARS].replace("\0", "")
        self._lines.append(text)
        self._chars += len(text) + 1

    def _note(self, note: str) -> None:
        if self._patch < len(self._patches):
            file = self._patches[self._patch]
            file.note = file.note or note

    def _close(self) -> None:
        if self._patch < len(self._patches) and self._patch >= 0:
            file = self._patches[self._patch]
            if not file.note and self._lines:
                file.diff = "\n".join(filter(None, (file.diff, *self._lines)))
                self._left -= self._chars
            if self._cut:
                self._note(f"{self._cut} lines left out")
        self._lines, self._chars, self._cut, self._in_hunk = [], 0, 0, False


def unquote(path: bytes) -> str:
    """A path as git prints it (https://git-scm.com/docs/git-config, core.quotePath), valid Unicode in any case."""
    if path.startswith(b'"') and path.endswith(b'"') and len(path) > 1:
        path = _ESCAPE.sub(_unescape, path[1:-1])
    return text_of(path)


def _unescape(match: re.Match[bytes]) -> bytes:
    code = match[1]
    return bytes([int(code, 8) & 255]) if len(code) == 3 else bytes([_ESCAPED[code[0]]])


def text_of(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
