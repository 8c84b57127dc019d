"""Which names the server answers to, and that no other site makes a browser speak to it.

A page elsewhere can send requests to a hub on this machine: by its address, or by a name of its own that it makes
point here (DNS rebinding). The first kind carries `Sec-Fetch-Site` or `Origin`, the second a foreign `Host`.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from knowhub.entrypoints.rest.problems import Refused

_READS = ("GET", "HEAD", "OPTIONS")
_PROBES = ("/health", "/ready")
_NAVIGATED = ("/api/login", "/api/login/callback")


def is_loopback(host: str) -> bool:
    """Of an address or a name, without a port."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Sites:
    """`host` is where the server listens; `allowed` are further names that it is known by."""

    def __init__(self, host: str, allowed: Iterable[str] = ()) -> None:
        names = {"localhost", "127.0.0.1", "::1", host, *allowed}
        if not is_loopback(host):
            names |= {socket.gethostname(), socket.getfqdn()}
        self._names = {name.casefold().strip("[]") for name in names} - {""}

    def check(self, scope: Scope, headers: Headers) -> None:
        """Raises 421 for a foreign name, 403 for a request that another site caused."""
        if scope["path"] in _PROBES:
            return
        self._check_host(scope, headers)
        if scope["path"] not in _NAVIGATED:
            _check_site(scope, headers)

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        name = host_name(headers)
        address = (scope.get("server") or ("",))[0]
        if name not in self._names and name != address:
            raise Refused(421, "This hub does not answer to that host name. Add it to server.allowed_hosts.")


def _check_site(scope: Scope, headers: Headers) -> None:
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    writes = scope["method"] not in _READS
    foreign = site in ("cross-site", "same-site") and (writes or scope["path"].startswith(("/api", "/mcp")))
    if not foreign and site is None and origin is not None:
        foreign = writes and urlsplit(origin).netloc.casefold() != headers.get("host", "").casefold()
    if foreign:
        raise Refused(403, "Another site's page sent this request. Use the hub's own page, or a program.")


def host_name(headers: Headers) -> str:
    """The `Host` without its port, in lower case; IPv6 without brackets. "" where there is none to be read."""
    try:
        return urlsplit(f"//{headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""
