"""A folder tree to the files in it, in a stable order, without opening one or leaving the folder."""

from __future__ import annotations

import errno
import os
import stat
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from knowhub.core.errors import AccessDenied, NotFound, PermanentError, TransientError
from knowhub.formats.selection import Selection, ignore_rules

IGNORE_FILES = (".gitignore", ".knowhubignore")
_MAX_IGNORE_FILE_BYTES = 1 << 20
MOUNTED = "Is the volume mounted, and the path right?"


class Met(NamedTuple):
    """A file, or a folder left out (its `location` ends with `/`).

    `location` is the path below the root for people and links: NFC, valid Unicode, unique in the tree.
    `reason` says why it is left out, `error` why it cannot be read; `size` and times (ns) are of the file itself.
    """

    location: str
    path: str
    reason: str = ""
    error: str = ""
    size: int = 0
    modified: int = 0
    changed: int = 0


class Unlisted(NamedTuple):
    """A folder that exists and could not be listed."""

    location: str
    error: str


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder to list. `rules` are the ignore files above it, outermost first, with the length of their prefix."""

    path: str
    prefix: str
    rules: tuple[tuple[int, Callable[[str], bool | None]], ...] = ()
    parents: tuple[str, ...] = ()

    def ignored(self, path: str) -> bool | None:
        for length, rule in reversed(self.rules):
            verdict = rule(path[length:])
            if verdict is not None:
                return verdict
        return None


class Tree:
    """One walk. `folders` are the top folders seen by it, "." for the root itself.

    `doubtful` are entries met as files with an error that may as well be folders: nothing below them is gone.
    """

    def __init__(self, root: Path, selection: Selection, *, follow_symlinks: bool = False) -> None:
        self._root = os.path.realpath(root.expanduser())
        self._selection = selection
        self._follow = follow_symlinks
        self._linked: set[str] = set()
        self.folders: set[str] = {"."}
        self.doubtful: list[Unlisted] = []

    def walk(self) -> Iterator[Met | Unlisted]:
        """Every file, sorted by name within each folder. Raises NotFound, AccessDenied if the root cannot be listed."""
        stack: list[Iterator[Met | Unlisted | _Folder]] = [iter(self._list_root())]
        while stack:
            for met in stack[-1]:
                if not isinstance(met, _Folder):
                    yield met
                    continue
                stack.append(iter(self._list(met)))
                break
            else:
                stack.pop()

    def _list_root(self) -> list[Met | Unlisted | _Folder]:
        root = _Folder(self._root, "", (), (self._root,))
        try:
            return self._entries(root)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise NotFound(f"{self._root} is not a folder", cure=MOUNTED) from error
        except PermissionError as error:
            raise AccessDenied(f"{self._root} may not be listed", cure="Give knowhub's user read access.") from error
        except OSError as error:
            raise TransientError(f"{self._root} could not be listed: {reason_of(error)}", cure=MOUNTED) from error

    def _list(self, folder: _Folder) -> list[Met | Unlisted | _Folder]:
        try:
            return self._entries(folder)
        except (FileNotFoundError, NotADirectoryError):
            return []  # deleted between its parent's listing and now
        except OSError as error:
            return [Unlisted(folder.prefix, reason_of(error))]

    def _entries(self, folder: _Folder) -> list[Met | Unlisted | _Folder]:
        with os.scandir(folder.path) as listing:
            entries = list(listing)
        if not entries:
            return []
        labels = label_names([entry.name for entry in entries])
        if any(name in labels for name in IGNORE_FILES):
            folder = self._with_rules(folder, labels)
        entries.sort(key=lambda entry: labels[entry.name])
        found = (self._entry(folder, entry, folder.prefix + labels[entry.name]) for entry in entries)
        return [met for met in found if met is not None]

    def _with_rules(self, folder: _Folder, labels: dict[str, str]) -> _Folder:
        lines = [line for name in IGNORE_FILES if name in labels for line in _ignore_lines(folder.path, name)]
        rules = (*folder.rules, (len(folder.prefix), ignore_rules(lines)))
        return _Folder(folder.path, folder.prefix, rules, folder.parents)

    def _entry(self, folder: _Folder, entry: os.DirEntry[str], location: str) -> Met | Unlisted | _Folder | None:
        try:
            if entry.is_symlink():
                return self._link(folder, entry.path, location)
            if entry.is_dir(follow_symlinks=False):
                return self._folder(folder, entry.path, location)
            return self._file(folder, entry.path, location, entry.stat(follow_symlinks=False))
        except FileNotFoundError:
            return None
        except OSError as error:
            self.doubtful.append(Unlisted(location + "/", reason_of(error)))
            return Met(location, entry.path, error=reason_of(error))

    def _folder(self, parent: _Folder, path: str, location: str) -> Met | _Folder:
        reason = self._selection.folder(location, parent.ignored(location + "/"))
        if reason:
            return Met(location + "/", path, reason=reason)
        self.folders.add(location.partition("/")[0])
        return _Folder(path, location + "/", parent.rules, (*parent.parents, path) if self._follow else ())

    def _file(self, folder: _Folder, path: str, location: str, status: os.stat_result) -> Met:
        if not stat.S_ISREG(status.st_mode):
            return Met(location, path, reason="not a regular file")
        reason = self._selection.file(location, folder.ignored(location) if folder.rules else None)
        return Met(location, path, reason, "", status.st_size, status.st_mtime_ns, status.st_ctime_ns)

    def _link(self, folder: _Folder, path: str, location: str) -> Met | _Folder:
        """Links are followed on request only, never out of the root, and each folder through one link at most."""
        target = os.path.realpath(path)
        if not self._follow:
            return Met(location, path, reason="symbolic link")
        if os.path.commonpath((target, self._root)) != self._root:
            return Met(location, path, reason="symbolic link out of the folder")
        try:
            status = os.stat(target)
        except OSError:
            return Met(location, path, reason="broken symbolic link")
        if not stat.S_ISDIR(status.st_mode):
            return self._file(folder, target, location, status)
        if target in folder.parents or target in self._linked:
            return Met(location, path, reason="symbolic link to a folder already read")
        self._linked.add(target)
        return self._folder(folder, target, location)


def name_of(container: str) -> str:
    """What people read in place of ".", which says nothing to them."""
    return "(top folder)" if container == "." else container


def container_of(location: str) -> str:
    """The first folder of a location, "." for what lies in the root itself."""
    top, _, rest = location.partition("/")
    return top if rest else "."


def label_names(names: Sequence[str]) -> dict[str, str]:
    """The names of one folder to what they are called here: NFC, valid Unicode, distinct, whatever the order given.

    macOS hands out names decomposed (NFD), and a name on Linux is any bytes; the bytes that are not UTF-8 are
    written `\\xNN`.
    """
    if all(map(str.isascii, names)):
        return dict(zip(names, names, strict=True))
    labels = {name: name for name in names if _label(name) == name}
    taken = set(labels.values())
    for name in sorted(set(names) - labels.keys()):
        label, (stem, extension), count = _label(name), os.path.splitext(_label(name)), 1
        while label in taken:
            count += 1
            label = f"{stem}~{count}{extension}"
        labels[name] = label
        taken.add(label)
    return labels


def _label(name: str) -> str:
    if not name.isascii():
        name = os.fsencode(name).decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", name)


def _ignore_lines(folder: str, name: str) -> list[str]:
    """Raises OSError if it is there and cannot be read: then nobody knows what it would have hidden."""
    try:
        data, _ = read_file(os.path.join(folder, name), _MAX_IGNORE_FILE_BYTES)
    except (FileNotFoundError, NotRegular):
        return []
    return data.decode("utf-8", "replace").splitlines()


class NotRegular(PermanentError):
    """A link, a pipe, a socket or a device stands where a file was."""


def read_file(path: str, limit: int) -> tuple[bytes, os.stat_result]:
    """The first `limit` + 1 bytes and the status before they were read. Never blocks on a pipe, never follows a link.

    Raises OSError, NotRegular.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise NotRegular("not a regular file any more") from error
        raise
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NotRegular("not a regular file any more")
        return _read_all(file.read, min(limit, status.st_size) + 1), status


def _read_all(read: Callable[[int], bytes | None], wanted: int) -> bytes:
    """Reads stop short on some network drives; only an empty one is the end."""
    data = read(wanted) or b""
    while data and len(data) < wanted:
        more = read(wanted - len(data))
        if not more:
            break
        data += more
    return data


def reason_of(error: OSError) -> str:
    """Without the path: a message goes into the ledger, and the item is named there already."""
    return (error.strerror or type(error).__name__).lower()
