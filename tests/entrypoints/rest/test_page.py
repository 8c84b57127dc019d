from __future__ import annotations

from pathlib import Path

import pytest

from tests.entrypoints.rest.conftest import Serve


@pytest.fixture
def built(tmp_path: Path) -> Path:
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>hub")
    (folder / "icon.svg").write_text("<svg/>")
    (folder / "notes.py").write_text("SECRET")
    (folder / ".hidden.js").write_text("SECRET")
    (folder / "assets" / "app-1a2b3c.js").write_text("1")
    (tmp_path / "outside.js").write_text("SECRET")
    return folder


def test_the_page_is_asked_for_each_time_and_its_assets_once(serve: Serve, built: Path) -> None:
    _, running = serve(page=built)
    with running.client() as client:
        index, asset = client.get("/"), client.get("/assets/app-1a2b3c.js")
        assert index.headers["content-type"] == "text/html; charset=utf-8"
        assert index.headers["cache-control"] == "no-cache"
        assert index.headers["x-content-type-options"] == "nosniff"
        assert asset.headers["content-type"].startswith("text/javascript")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert client.get("/icon.svg").headers["content-type"] == "image/svg+xml"
        assert client.get("/", headers={"if-none-match": index.headers["etag"]}).status_code in (200, 304)


@pytest.mark.parametrize(
    "path",
    [
        "/notes.py",
        "/.hidden.js",
        "/assets/..%2f..%2foutside.js",
        "/..%2foutside.js",
        "/%2e%2e/outside.js",
        "/assets/none.js",
        "/assets/",
        "/index.html%00.js",
    ],
)
def test_only_what_belongs_to_the_page_is_served(serve: Serve, built: Path, path: str) -> None:
    _, running = serve(page=built)
    with running.client() as client:
        response = client.get(path)
        assert response.status_code == 404
        assert "SECRET" not in response.text


def test_a_hub_without_its_page_says_so(serve: Serve, tmp_path: Path) -> None:
    _, running = serve(page=tmp_path)
    with running.client() as client:
        assert "without its page" in client.get("/").text
