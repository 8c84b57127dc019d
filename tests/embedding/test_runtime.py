from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from knowhub.embedding.openvino import OpenVinoEmbedder
from knowhub.embedding.runtime import load_runtime, native_precision
from tests.embedding.tiny import TinyEncoder, tiny_vector


def embed(encoder: TinyEncoder, cache: Path) -> None:
    vector = OpenVinoEmbedder(encoder, cache, precision="f32").embed(["a b c"], purpose="query")[0]
    assert vector == pytest.approx(tiny_vector("a b c"), abs=1e-5)


def test_a_model_is_compiled_once_and_kept_whole(tmp_path: Path) -> None:
    encoder = TinyEncoder(tmp_path)
    for _ in range(2):
        embed(encoder, tmp_path / "cache")
    assert encoder.graphs_built == 1
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".blob"]


@pytest.mark.parametrize("content", [b"", b"not a model", b"\0" * 4096])
def test_a_kept_model_that_the_runtime_refuses_is_compiled_again(tmp_path: Path, content: bytes) -> None:
    encoder = TinyEncoder(tmp_path)
    embed(encoder, tmp_path / "cache")
    (blob,) = (tmp_path / "cache").iterdir()
    blob.write_bytes(content)
    embed(encoder, tmp_path / "cache")
    assert encoder.graphs_built == 2
    embed(encoder, tmp_path / "cache")
    assert encoder.graphs_built == 2


def test_another_graph_or_precision_is_another_kept_model(tmp_path: Path) -> None:
    encoder = TinyEncoder(tmp_path)
    embed(encoder, tmp_path / "cache")
    encoder.fingerprint = "other"
    embed(encoder, tmp_path / "cache")
    OpenVinoEmbedder(encoder, tmp_path / "cache", precision="bf16").embed(["a"], purpose="query")
    assert len(list((tmp_path / "cache").iterdir())) == 3


def test_the_precision_of_this_processor_is_one_that_can_be_asked_for() -> None:
    assert native_precision(load_runtime().Core()) in {"bf16", "f16", "f32"}


def test_running_a_model_never_loads_the_client_that_reports_usage() -> None:
    script = """
import sys
from knowhub.embedding.runtime import load_runtime
load_runtime().Core().get_property("CPU", "FULL_DEVICE_NAME")
assert not [name for name in sys.modules if "telemetry" in name or name.startswith("openvino.tools")]
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = """
import sys
import knowhub.embedding.cache, knowhub.embedding.minilm, knowhub.embedding.onnx, knowhub.embedding.openvino
assert not {"numpy", "openvino", "tokenizers", "urllib.request"} & sys.modules.keys()
"""
    subprocess.run([sys.executable, "-c", script], check=True)
