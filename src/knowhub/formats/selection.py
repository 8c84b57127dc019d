"""Which files of a tree are read, and the short reason why the others are not: names and patterns, no bytes.

Paths are relative, with `/`. A reason is "" where the file or folder is wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

SECRETS_FILE = "secrets file"
TEMPORARY_FILE = "temporary file"
EXCLUDED = "excluded"
NOT_INCLUDED = "not included"
LFS_POINTER = "LFS pointer"

_TOOL_FOLDERS = re.compile(
    r"\.(?:git|hg|svn|bzr|jj|venv|(?:mypy|ruff|pytest)_cache|tox|nox|hypothesis|cache|gradle|eggs|terraform|next|nuxt)"
    r"|\.(?:svelte-kit|direnv|ipynb_checkpoints|idea|trash(?:es)?|spotlight-v100|fseventsd|temporaryitems)"
    r"|node_modules|bower_components|venv|__pycache__|.*\.egg-info"
    r"|\$recycle\.bin|system volume information|lost\+found",
    re.IGNORECASE | re.DOTALL,
)
_SECRETS_FOLDERS = frozenset({".ssh", ".gnupg", ".aws", ".kube", ".password-store"})
_SECRETS = re.compile(
    r"\.env(?!\.(?:example|sample|template|dist|defaults)$)(?:\..*)?"
    r"|.*\.env"
    r"|id_(?:rsa|dsa|ecdsa|ed25519).*"
    r"|.*\.(?:pem|key|p12|pfx|p8|jks|keystore|kdbx?|ppk|tfstate|ovpn)"
    r"|[._]netrc|\.npmrc|\.pypirc|\.pgpass|\.htpasswd|\.dockercfg|\.git-credentials|\.boto|\.s3cfg"
    r"|credentials(?:\.(?:json|ya?ml|toml|ini|csv|xml))?"
    r"|\.?secrets?\.(?:json|ya?ml|toml|ini)",
    re.IGNORECASE | re.DOTALL,
)
_TEMPORARY = re.compile(
    r"~\$.*|\.ds_store|thumbs\.db|desktop\.ini|\._.*|\.~lock\..*#|\..*\.sw[opx]|.*~", re.IGNORECASE | re.DOTALL
)
_LOCK_FILES = re.compile(
    r"package-lock\.json|npm-shrinkwrap\.json|pnpm-lock\.yaml|go\.sum|packages\.lock\.json"
    r"|(?:yarn|bun|poetry|uv|pdm|pipfile|cargo|gemfile|composer|flake|mix|pubspec|podfile)\.lock",
    re.IGNORECASE,
)


def is_secret(name: str) -> bool:
    """Whether files called `name` hold keys or passwords by custom. `*.pem` asks the same of a pattern."""
    return _SECRETS.fullmatch(name) is not None


def is_lock_file(name: str) -> bool:
    return _LOCK_FILES.fullmatch(name) is not None


def is_lfs_pointer(data: bytes) -> bool:
    """Whether Git LFS stands in for the real content (https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md)."""
    return len(data) < 1024 and data.startswith(b"version https://git-lfs.github.com/spec/")


def ignore_rules(lines: Sequence[str]) -> Callable[[str], bool | None]:
    """A path (folders end with `/`) to True: ignored, False: wanted by a `!` line, None: not named.

    The syntax is that of https://git-scm.com/docs/gitignore. Lines that it does not allow are passed over.
    """
    spec = _spec(lines)
    return lambda path: spec.check_file(path).include


class Selection:
    """What a person asked for: `include` and `exclude` are lines as in a .gitignore at the root.

    Without `include` all is wanted. Secrets are never wanted, unless a line of `include` ends with a name that
    can only mean a secrets file (`.env`, `certs/*.pem`; `*` does not).
    """

    def __init__(self, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = tuple(include)
        self._exclude = tuple(exclude)
        self._left_out: dict[str, tuple[str, str]] = {"": ("", "")}

    def folder(self, path: str, ignored: bool | None = None) -> str:
        """Why nothing under `path` is read. `ignored` is what ignore files in the tree say of it."""
        name = path.rpartition("/")[2].lower()
        if name == ".git":
            return "tool folder"
        if name in _SECRETS_FOLDERS and not self._secrets(path + "/x"):
            return "secrets folder"
        if ignored or (self._exclude and self._excluded(path + "/")):
            return EXCLUDED
        if ignored is None and _TOOL_FOLDERS.fullmatch(name):
            return "tool folder"
        return ""

    def file(self, path: str, ignored: bool | None = None) -> str:
        """Why the file is not read. `ignored` is what ignore files in the tree say of it."""
        name = path.rpartition("/")[2]
        if is_secret(name) and not self._secrets(path):
            return SECRETS_FILE
        if _TEMPORARY.fullmatch(name):
            return TEMPORARY_FILE
        if ignored or (self._exclude and self._excluded(path)):
            return EXCLUDED
        if self._include and not self._included(path):
            return NOT_INCLUDED
        if ignored is None and is_lock_file(name) and not self._include:
            return "lock file"
        return ""

    def listed(self, path: str) -> tuple[str, str]:
        """For listings without folders: what is left out because of `path` (a folder ends with `/`) and why."""
        parent = path.rpartition("/")[0]
        if parent not in self._left_out:
            self._left_out[parent] = self._first_left_out(parent.split("/"))
        folder, reason = self._left_out[parent]
        return (folder, reason) if reason else (path, self.file(path))

    def _first_left_out(self, names: Sequence[str]) -> tuple[str, str]:
        for count in range(1, len(names) + 1):
            folder = "/".join(names[:count])
            if reason := self.folder(folder):
                return f"{folder}/", reason
        return "", ""

    @cached_property
    def _excluded(self) -> Callable[[str], bool | None]:
        return ignore_rules(self._exclude)

    @cached_property
    def _included(self) -> Callable[[str], bool | None]:
        return ignore_rules(self._include)

    @cached_property
    def _secrets(self) -> Callable[[str], bool | None]:
        return ignore_rules([line for line in self._include if _names_secrets(line)])


def _names_secrets(line: str) -> bool:
    *folders, name = line.rstrip("/").split("/")
    return is_secret(name.replace("*", "x").replace("?", "x")) or not _SECRETS_FOLDERS.isdisjoint((*folders, name))


def _spec(lines: Sequence[str]) -> GitIgnoreSpec:
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines(lines)
    except ValueError:
        return GitIgnoreSpec.from_lines([line for line in lines if _valid(line)])


def _valid(line: str) -> bool:
    from pathspec import GitIgnoreSpec

    try:
        GitIgnoreSpec.from_lines([line])
    except ValueError:
        return False
    return True
