"""Walking through pages without walking in circles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

from knowhub.http.client import Http
from knowhub.http.errors import Undecodable
from knowhub.http.reply import Reply

Token = TypeVar("Token")


def linked_pages(
    http: Http, path: str, params: Mapping[str, Any] | None = None, *, bucket: str = ""
) -> Iterator[Reply]:
    """Pages by their `Link: <…>; rel="next"`. Raises Undecodable when a page names itself or an earlier one as next."""
    reply = http.get(path, params, bucket=bucket)
    yield reply
    seen: set[str] = set()
    while target := reply.link("next"):
        if target in seen:
            raise Undecodable(f"GET {path}: the list of pages runs in a circle")
        seen.add(target)
        reply = http.get(http.here(target), bucket=bucket)
        yield reply


def unrepeated(tokens: Iterable[Token], what: str) -> Iterator[Token]:
    """The tokens as they come. Raises Undecodable at the first that was there before."""
    seen: set[Token] = set()
    for token in tokens:
        if token in seen:
            raise Undecodable(f"{what}: a page token came twice")
        seen.add(token)
        yield token
