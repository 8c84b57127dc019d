"""A Git bundle from a series of patches: the same patches give the same commit ids on every machine."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

# Nothing of the person's own Git configuration may reach the commits.
_SETTINGS = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_COMMITTER_NAME": "Tidewatch",
    "GIT_COMMITTER_EMAIL": "git@brinewick.example",
}


def bundle(folder: Path) -> bytes:
    """What `git clone` reads: branch `main` with one commit for each `*.patch`, in the order of their names."""
    patches = [str(path) for path in sorted(folder.glob("*.patch"))]
    with tempfile.TemporaryDirectory() as place:
        _git(place, "init", "--quiet", "--initial-branch=main")
        _git(place, "am", "--quiet", "--committer-date-is-author-date", "--no-gpg-sign", *patches)
        _git(place, "-c", "pack.threads=1", "bundle", "create", "--quiet", "made.bundle", "HEAD", "main")
        return Path(place, "made.bundle").read_bytes()


def _git(place: str, *arguments: str) -> None:
    # Variables such as GIT_DIR, which Git sets for its hooks, would point at another repository.
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    subprocess.run(["git", "-C", place, *arguments], check=True, env=inherited | _SETTINGS)
