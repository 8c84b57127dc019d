"""The built page, from the package: `/` and `/assets/…`."""

from __future__ import annotations

import re
from pathlib import Path

from fastapi import APIRouter
from starlette.responses import FileResponse, PlainTextResponse, Response

from knowhub.entrypoints.rest.problems import Refused

PAGE = Path(__file__).parents[1] / "web"
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable"}
_ASK_EACH_TIME = {"cache-control": "no-cache"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,120}")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
_NOT_BUILT = "This hub was installed without its page. The API is at /api/openapi.json; `make page` builds the page.\n"


def page(folder: Path = PAGE) -> APIRouter:
    """Names of assets hold a hash of their content, and so they never change."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/", methods=["GET", "HEAD"])
    def index() -> Response:
        file = folder / "index.html"
        if not file.is_file():
            return PlainTextResponse(_NOT_BUILT, headers=_ASK_EACH_TIME)
        return FileResponse(file, media_type=_TYPES[".html"], headers=_ASK_EACH_TIME)

    @router.api_route("/assets/{name}", methods=["GET", "HEAD"])
    def asset(name: str) -> Response:
        return _file(folder / "assets", name, _FOR_EVER)

    @router.api_route("/{name}", methods=["GET", "HEAD"])
    def beside(name: str) -> Response:
        """The icon and the like, which browsers ask for by name."""
        return _file(folder, name, _ASK_EACH_TIME)

    return router


def _file(folder: Path, name: str, headers: dict[str, str]) -> Response:
    """One of the folder's own files, of a type that a page has."""
    file = folder / name
    if not _NAME.fullmatch(name) or file.suffix not in _TYPES or not file.is_file():
        raise Refused(404, "There is nothing at this path. The page is at /, the API below /api.")
    return FileResponse(file, media_type=_TYPES[file.suffix], headers=headers)
