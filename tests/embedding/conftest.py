"""The tiny encoder, and the published model where it can be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from knowhub.embedding.weights import obtain
from tests.embedding.tiny import TinyEncoder


@pytest.fixture
def tiny(tmp_path: Path) -> TinyEncoder:
    return TinyEncoder(tmp_path)


@pytest.fixture(scope="session")
def model_directory() -> Path:
    """Where the published files lie, obtained once per machine."""
    directory = Path(os.environ.get("KNOWHUB_TEST_MODELS", Path.home() / ".cache" / "knowhub" / "models"))
    obtain(directory)
    return directory
