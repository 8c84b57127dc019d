"""Slack's exports as they lie on disk: a ZIP or an unpacked folder ▸ its lists and its day files, within bounds.

    users.json | org_users.json, channels.json, groups.json, dms.json, mpims.json
    {channel}/{YYYY-MM-DD}.json

Layout: https://slack.com/help/articles/220556107-How-to-read-Slack-data-exports. Nothing is ever unpacked to disk.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from knowhub.core.errors import AccessDenied, NotFound, TransientError, UnreadableContent

CONVERSATION_LISTS = {"channels.json": "channel", "groups.json": "group", "dms.json": "dm", "mpims.json": "mpim"}
USER_LISTS = ("users.json", "org_users.json")
MAX_RATIO = 500
RATIO_FROM_BYTES = 16 * 2**20

_DAY_FILE = re.compile(r"([^/]+)/(\d{4}-\d{2}-\d{2})\.json")
_NO_DATE = datetime(1981, 1, 1, tzinfo=UTC)
_BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)


@dataclass(frozen=True)
class Export:
    """One export. `made_at` orders exports: what a later one says of a message holds."""

    name: str
    made_at: tuple[datetime, int, str]
    files: frozenset[str]
    read: Callable[[str], bytes]
    days: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @cached_property
    def first_day(self) -> str:
        return min((days[0] for days in self.days.values()), default="")

    @cached_property
    def last_day(self) -> str:
        return max((days[-1] for days in self.days.values()), default="")

    def json(self, path: str) -> Any:
        """Raises UnreadableContent naming the file."""
        data = self.read(path)
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as error:
            raise UnreadableContent(f"{path} in {self.name} is not JSON ({error})") from error

    def objects(self, path: str) -> list[dict[str, Any]]:
        """The objects of a list file; [] where the export has no such file."""
        if path not in self.files:
            return []
        entries = self.json(path)
        if not isinstance(entries, list):
            raise UnreadableContent(f"{path} in {self.name} is not a list")
        return [entry for entry in entries if isinstance(entry, dict)]


def locate(path: Path) -> list[Path]:
    """The ZIPs and unpacked exports at `path`. Raises NotFound if there is nothing there."""
    if path.is_file() or (path.is_dir() and _is_unpacked(path)):
        return [path]
    if not path.is_dir():
        raise NotFound(f"{path} does not exist", cure="Name the ZIP that Slack's export made, or a folder of them.")
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    found = [entry for entry in entries if _is_zip(entry) or (entry.is_dir() and _is_unpacked(entry))]
    if not found:
        raise NotFound(f"{path} holds no Slack export", cure="Put the ZIPs that Slack's export made into it.")
    return found


def fingerprint(exports: list[Path]) -> dict[str, str]:
    """File names ▸ sizes and times: equal while nothing was touched. Opens nothing."""
    return {export.name: _stamp(export) for export in exports}


def survey(path: Path) -> tuple[list[Path], dict[str, str]]:
    """What `locate` finds, with its `fingerprint`. Raises AccessDenied; TransientError if the disk does not answer."""
    try:
        places = locate(path)
        return places, fingerprint(places)
    except PermissionError as error:
        raise AccessDenied(f"{path} may not be read ({error})", cure="Give knowhub's user the right to.") from error
    except OSError as error:
        raise TransientError(f"{path} cannot be read ({error})", cure="Is the disk mounted?") from error


def open_export(path: Path, stack: ExitStack, max_file_bytes: int) -> list[Export]:
    """The exports in a ZIP or folder, held open by `stack`; [] if it is intact and no Slack export.

    Raises UnreadableContent for a ZIP that is truncated or encrypted.
    """
    try:
        if path.is_dir():
            return [_open_folder(path, max_file_bytes)]
        return list(_open_zip(path, stack, max_file_bytes))
    except OSError as error:
        raise UnreadableContent(f"{path.name} cannot be read ({error})", cure="Check its permissions.") from error
    except _BROKEN_ZIP as error:
        raise UnreadableContent(
            f"{path.name} is not a readable ZIP ({error})", cure="Download the export again: it may be cut off."
        ) from error


def _is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip" and path.is_file()


def _is_unpacked(folder: Path) -> bool:
    lists = [folder / name for name in CONVERSATION_LISTS]
    return any(file.is_file() and not file.is_symlink() for file in lists)


def _stamp(path: Path) -> str:
    if path.is_file():
        status = path.stat()
        return f"{status.st_size}-{status.st_mtime_ns}"
    digest = hashlib.sha256()
    for name, status in sorted((name, file.stat()) for name, file in _walk(path)):
        digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()[:32]


# ── folders ──────────────────────────────────────────────────────────────────────────────────────────


def _walk(root: Path) -> Iterator[tuple[str, Path]]:
    """JSON files of the export and of its folders. A link could lead anywhere and is not followed."""
    for entry in os.scandir(root):
        if entry.is_file(follow_symlinks=False) and entry.name.endswith(".json"):
            yield _normal(entry.name), Path(entry.path)
        elif entry.is_dir(follow_symlinks=False):
            for inner in os.scandir(entry.path):
                if inner.is_file(follow_symlinks=False) and inner.name.endswith(".json"):
                    yield f"{_normal(entry.name)}/{_normal(inner.name)}", Path(inner.path)


def _open_folder(root: Path, max_file_bytes: int) -> Export:
    files = dict(_walk(root))
    newest = max(files[name].stat().st_mtime_ns for name in files if name in CONVERSATION_LISTS)

    def read(name: str) -> bytes:
        try:
            with files[name].open("rb") as file:
                return _bounded(file.read(max_file_bytes + 1), name, max_file_bytes)
        except OSError as error:
            raise UnreadableContent(f"{name} in {root.name} cannot be read ({error})") from error

    made_at = (datetime.fromtimestamp(newest // 10**9, UTC), newest, root.name)
    return Export(root.name, made_at, frozenset(files), read, _days(files))


# ── ZIPs ─────────────────────────────────────────────────────────────────────────────────────────────


def _open_zip(path: Path, stack: ExitStack, max_file_bytes: int) -> Iterator[Export]:
    archive = stack.enter_context(zipfile.ZipFile(path))
    members = {name: info for info in archive.infolist() if (name := _member_name(info))}
    changed = path.stat().st_mtime_ns
    for root in _roots(members):
        files = {name.removeprefix(root): info for name, info in members.items() if name.startswith(root)}
        name = f"{path.name}/{root}".rstrip("/")
        if any(files[listed].flag_bits & 1 for listed in files if listed in CONVERSATION_LISTS):
            raise UnreadableContent(f"{path.name} is encrypted", cure="Unpack it and name the folder instead.")
        made_at = (_made_at(files, changed), changed, name)
        yield Export(name, made_at, frozenset(files), _reader(archive, files, name, max_file_bytes), _days(files))


def _member_name(info: zipfile.ZipInfo) -> str:
    """A clean relative path; "" for folders, for what macOS adds, and for names that climb out of the archive."""
    name = info.filename
    if not info.flag_bits & 0x800:
        # Without the flag, names are read as code page 437, and those that are UTF-8 all the same come out garbled.
        try:
            name = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            name = info.filename
    parts = name.replace("\\", "/").split("/")
    if name.endswith("/") or "__MACOSX" in parts or any(part in ("", ".", "..") for part in parts):
        return ""
    return _normal(name)


def _roots(members: Mapping[str, zipfile.ZipInfo]) -> list[str]:
    """Folders that hold the lists: the archive's top, or a folder in it where somebody packed the export again."""
    found = {name.removesuffix(listed) for name in members for listed in CONVERSATION_LISTS if _ends_in(name, listed)}
    roots: list[str] = []
    for root in sorted(found, key=lambda root: (root.count("/"), root)):
        if not any(root.startswith(outer) for outer in roots):
            roots.append(root)
    return roots


def _ends_in(name: str, file: str) -> bool:
    return name == file or name.endswith("/" + file)


def _made_at(files: Mapping[str, zipfile.ZipInfo], changed_ns: int) -> datetime:
    """When the export was made: its members carry that, where a copied file's own time is that of the copy."""
    newest = max((info.date_time for name, info in files.items() if name in CONVERSATION_LISTS), default=None)
    try:
        made = datetime(*newest, tzinfo=UTC) if newest else _NO_DATE
    except ValueError:
        made = _NO_DATE
    return made if made > _NO_DATE else datetime.fromtimestamp(changed_ns // 10**9, UTC)


def _reader(
    archive: zipfile.ZipFile, files: Mapping[str, zipfile.ZipInfo], export: str, max_file_bytes: int
) -> Callable[[str], bytes]:
    def read(name: str) -> bytes:
        info = files[name]
        if info.file_size > RATIO_FROM_BYTES and info.file_size > MAX_RATIO * info.compress_size:
            raise UnreadableContent(f"{name} in {export} is packed more than {MAX_RATIO} times: a ZIP bomb?")
        try:
            with archive.open(info) as file:
                return _bounded(file.read(max_file_bytes + 1), f"{name} in {export}", max_file_bytes)
        except _BROKEN_ZIP as error:
            raise UnreadableContent(f"{name} in {export} cannot be unpacked ({error})") from error

    return read


def _bounded(data: bytes, name: str, max_file_bytes: int) -> bytes:
    if len(data) > max_file_bytes:
        raise UnreadableContent(f"{name} is larger than {max_file_bytes} bytes", cure="Raise max_file_bytes.")
    return data


def _days(files: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """Folders ▸ their days, in order."""
    days: dict[str, list[str]] = {}
    for found in filter(None, map(_DAY_FILE.fullmatch, files)):
        days.setdefault(found[1], []).append(found[2])
    return {folder: tuple(sorted(listed)) for folder, listed in days.items()}


def _normal(name: str) -> str:
    return unicodedata.normalize("NFC", name)
