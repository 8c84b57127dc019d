"""Where credentials are added: below the client, which logs and raises errors with the URL that it knows."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Collection
from functools import cache
from urllib.request import getproxies, proxy_bypass

import httpx2

from knowhub.http.auth import Authorize


class _WithoutQueries(logging.Filter):
    """The client logs every URL, those of redirects too, and a query may be a signature that opens a file."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(
                one.copy_with(query=None) if isinstance(one, httpx2.URL) else one for one in record.args
            )
        return True


logging.getLogger("httpx2").addFilter(_WithoutQueries())
# Its traces hold whole headers: cookies, and the signed addresses of redirects.
logging.getLogger("httpcore2").setLevel(logging.WARNING)


class AuthorisingTransport(httpx2.BaseTransport):
    """Sends what belongs to `home` (origins) with credentials, all else without: a redirect takes none along.

    Proxies are those of the system's settings.
    """

    def __init__(self, auth: Authorize, home: Collection[str]) -> None:
        self._auth = auth
        self._home = frozenset(home)
        self._transports: dict[str, httpx2.HTTPTransport] = {}
        self._ways: dict[tuple[str, str], str] = {}

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        return self._towards(request.url).handle_request(self._authorised(request))

    def close(self) -> None:
        for transport in self._transports.values():
            transport.close()

    def _authorised(self, request: httpx2.Request) -> httpx2.Request:
        url = request.url
        if f"{url.scheme}://{url.netloc.decode('ascii')}".lower() not in self._home:
            return request
        auth = self._auth()
        headers = request.headers.copy()
        headers.update(auth.headers)
        return httpx2.Request(
            request.method,
            url.copy_merge_params(auth.query) if auth.query else url,
            headers=headers,
            stream=request.stream,
            extensions=request.extensions,
        )

    def _towards(self, url: httpx2.URL) -> httpx2.HTTPTransport:
        place = (url.scheme, url.host)
        if place not in self._ways:
            self._ways[place] = "" if proxy_bypass(url.host) else getproxies().get(url.scheme, "")
        proxy = self._ways[place]
        if proxy not in self._transports:
            self._transports[proxy] = httpx2.HTTPTransport(verify=_tls(), proxy=httpx2.Proxy(proxy) if proxy else None)
        return self._transports[proxy]


@cache
def _tls() -> ssl.SSLContext:
    """One for all clients: reading the system's certificates takes longer than many a sync."""
    return httpx2.create_ssl_context()
