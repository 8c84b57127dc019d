"""One API's door: `get` and `post` give a decoded reply or raise one of our errors; waiting is done here.

request ▸ pace ▸ transport (adds credentials, only at home) ▸ reply ▸ limits? wait and ask again
                                                                   ▸ 5xx, no answer, half an answer? back off, again
                                                                   ▸ other status ▸ Refused | Missing | Rejected
"""

from __future__ import annotations

import logging
import random
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from json import loads
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

from knowhub.core.errors import NotFound, RateLimited
from knowhub.http.auth import Auth, Authorize, no_auth
from knowhub.http.clock import SYSTEM_CLOCK, Clock
from knowhub.http.errors import TooLarge, Unavailable, Undecodable, rejection
from knowhub.http.pacing import Pace, nothing_remains, reset_s, retry_after_s
from knowhub.http.reply import Reply

if TYPE_CHECKING:
    import httpx2

log = logging.getLogger(__name__)

_USER_AGENT = "knowhub"
_MAX_BODY = 256 * 2**20
_FIRST_WAIT_S, _LONGEST_WAIT_S = 1.0, 60.0
_SHORTEST_WAIT_S = 0.1
_NOT_MODIFIED = 304
_COME_BACK_LATER = 503
_DOT_SEGMENTS = frozenset((".", ".."))
_SIGNED = "signed"
"""Marks a request whose query may be a signature."""

LimitOf = Callable[[Reply], float | None]
"""Seconds to wait if a reply is a refusal for asking too much (0: unknown, back off), None if it is something else."""


def status_429(reply: Reply) -> float | None:
    return 0.0 if reply.status == 429 else None


@dataclass(frozen=True, slots=True)
class Download:
    """A file's bytes, whole."""

    data: bytes = field(repr=False)
    content_type: str


class Http:
    """Everything relative to `base_url`; credentials go to its origin and to `trusted` origins only.

    `limit_of` recognises a vendor's own way to say "too fast" beside what headers say. `patience_s` is the longest
    time that one request waits for limits before RateLimited is raised; `attempts` is for everything else that may
    pass by itself. Connections close with the object.
    """

    def __init__(
        self,
        base_url: str,
        *,
        auth: Authorize = no_auth,
        clock: Clock = SYSTEM_CLOCK,
        pace: Pace | None = None,
        limit_of: LimitOf = status_429,
        trusted: Collection[str] = (),
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 60,
        attempts: int = 6,
        patience_s: float = 2 * 3600,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._auth = _Remembered(auth)
        self._clock = clock
        self._pace = pace or Pace(clock)
        self._limit_of = limit_of
        self._home = {_origin(base_url), *map(_origin, trusted)}
        self._headers = {"User-Agent": _USER_AGENT, "Accept": "application/json", **(headers or {})}
        self._timeout_s = timeout_s
        self._attempts = attempts
        self._patience_s = patience_s

    # ── asking ───────────────────────────────────────────────────────────────────────────────────────

    def get(
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        *,
        allow: Collection[int] = (),
        etag: str = "",
        bucket: str = "",
        attempts: int | None = None,
    ) -> Reply:
        """A 2xx reply with its JSON decoded, or one whose status is in `allow`.

        `etag` makes the request conditional: then the status may be 304. Parameters that are None are left out,
        lists are repeated, booleans are `true` and `false`. Raises the errors of `knowhub.http.errors`, RateLimited.
        """
        headers = {"If-None-Match": etag} if etag else {}
        allowed = {*allow, _NOT_MODIFIED} if etag else set(allow)
        request = self._request("GET", path, params, headers=headers)
        return self._send(request, allowed, bucket, attempts)

    def post(
        self,
        path: str,
        *,
        json: Any = None,
        form: Mapping[str, str] | None = None,
        params: Mapping[str, Any] | None = None,
        allow: Collection[int] = (),
        bucket: str = "",
        attempts: int | None = None,
    ) -> Reply:
        """As `get`. Only for requests that may be repeated: a lost reply is asked for again."""
        data = dict(form) if form is not None else None
        request = self._request("POST", path, params, json=json, data=data)
        return self._send(request, set(allow), bucket, attempts)

    def download(self, url: str, *, max_bytes: int, bucket: str = "") -> Download:
        """A file, at home or elsewhere. Raises TooLarge as soon as it is known, before the rest is read."""
        headers, signed = {"Accept": "*/*"}, {_SIGNED: True}
        request = self._request("GET", url, None, headers=headers, extensions=signed)
        reply = self._send(request, set(), bucket, None, limit=max_bytes, decode=False)
        return Download(reply.body, reply.headers.get("content-type", "").partition(";")[0].strip().lower())

    def here(self, url: str) -> str:
        """A link of a reply (RFC 3986) at our own origin: behind a proxy the server names itself otherwise."""
        base, target = urlsplit(self.base_url), urlsplit(urljoin(f"{self.base_url}/", url))
        return urlunsplit((base.scheme, base.netloc, target.path, target.query, ""))

    def scrub(self, text: str) -> str:
        """`text` without our credentials, should the other side have repeated them."""
        for secret in self._auth.secrets:
            for form in {secret, quote(secret, safe="")}:
                text = text.replace(form, "***") if len(form) > 3 else text
        return text

    # ── one request ──────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _client(self) -> httpx2.Client:
        import httpx2

        from knowhub.http.transport import AuthorisingTransport

        client = httpx2.Client(
            transport=AuthorisingTransport(self._auth, self._home),
            timeout=self._timeout_s,
            headers=self._headers,
            follow_redirects=True,
            max_redirects=5,
        )
        weakref.finalize(self, client.close)
        return client

    def _request(self, method: str, path: str, params: Mapping[str, Any] | None, **parts: Any) -> httpx2.Request:
        import httpx2

        try:
            return self._client.build_request(method, self._target(path, params), **parts)
        except (httpx2.InvalidURL, ValueError) as error:
            raise NotFound(f"{self.scrub(path.partition('?')[0])[:200]}: this is no address ({error})") from error

    def _target(self, path: str, params: Mapping[str, Any] | None) -> str:
        url = path if path.startswith(("http://", "https://")) else f"{self.base_url}/{path.lstrip('/')}"
        if not _DOT_SEGMENTS.isdisjoint(unquote(urlsplit(url).path).split("/")):
            # Clients resolve these in silence: what somebody wrote would choose what our credentials ask for.
            raise NotFound(f"{self.scrub(path)[:200]}: a path with dots for parts leads nowhere")
        pairs = [(key, one) for key, value in (params or {}).items() for one in _values(value)]
        if not pairs:
            return url
        return f"{url}{'&' if '?' in url else '?'}{urlencode(pairs)}"

    def _send(
        self,
        request: httpx2.Request,
        allowed: set[int],
        bucket: str,
        attempts: int | None,
        *,
        limit: int = _MAX_BODY,
        decode: bool = True,
    ) -> Reply:
        failures, refusals, waited = 0, 0, 0.0
        while True:
            self._pace.wait(bucket)
            try:
                reply = self._exchange(request, limit, bucket, decode=decode)
                limited = self._limited_s(reply, refusals)
                if limited is None:
                    return self._judged(request, reply, allowed)
            except (Unavailable, Undecodable) as error:
                failures += 1
                if failures >= (attempts or self._attempts):
                    raise
                self._wait(_backoff_s(failures), request, error.message)
                continue
            refusals += 1
            waited += limited
            if waited > self._patience_s:
                raise RateLimited(
                    f"{self._name(request)}: the limit is used up for {limited:.0f} seconds more",
                    wait_s=limited,
                    cure="Sync again later; it goes on where it stopped.",
                )
            log.info("waiting for a rate limit", extra={"request": self._name(request), "seconds": round(limited)})
            self._pace.pause(limited, bucket)

    def _exchange(self, request: httpx2.Request, limit: int, bucket: str, *, decode: bool) -> Reply:
        """One try. Raises Unavailable where there is no whole answer, Undecodable for a 2xx that is no JSON."""
        import httpx2

        try:
            response = self._client.send(request, stream=True)
            try:
                body = self._body(request, response, limit)
            finally:
                response.close()
        except (httpx2.TransportError, httpx2.DecodingError, httpx2.TooManyRedirects) as error:
            raise Unavailable(f"{self._name(request)}: {self.scrub(str(error)) or type(error).__name__}") from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        self._pace.observe(headers, bucket)
        return Reply(response.status_code, headers, body, self._decoded(request, response, body, decode=decode))

    def _body(self, request: httpx2.Request, response: httpx2.Response, limit: int) -> bytes:
        length = response.headers.get("content-length", "")
        if response.is_success and length.isdigit() and int(length) > limit:
            raise self._too_large(request, limit)
        parts, size = [], 0
        for part in response.iter_bytes():
            parts.append(part)
            size += len(part)
            if size > limit:
                raise self._too_large(request, limit)
        return b"".join(parts)

    def _too_large(self, request: httpx2.Request, limit: int) -> TooLarge:
        return TooLarge(f"{self._name(request)}: more than {limit:,} bytes", limit=limit)

    def _decoded(self, request: httpx2.Request, response: httpx2.Response, body: bytes, *, decode: bool) -> Any:
        if not body or (response.is_success and not decode):
            return None
        try:
            return _from_json(body)
        except ValueError as error:
            if not response.is_success:
                return None
            what = Reply(response.status_code, {}, body).complaint or f"{len(body)} bytes"
            raise Undecodable(f"{self._name(request)}: the answer is not JSON ({self.scrub(what)})") from error

    def _limited_s(self, reply: Reply, refusals: int) -> float | None:
        """How long to wait if this is a refusal for asking too much; what the reply itself names is believed."""
        wait, now = self._limit_of(reply), self._clock.now()
        told = wait or retry_after_s(reply.headers, now)
        if wait is None:
            # "Come back then" is waited for as a limit is, not tried again and again meanwhile.
            return told if reply.status == _COME_BACK_LATER else None
        if not told and nothing_remains(reply.headers):
            told = reset_s(reply.headers, now)
        return max(told, _SHORTEST_WAIT_S) if told else _backoff_s(refusals + 2)

    def _judged(self, request: httpx2.Request, reply: Reply, allowed: set[int]) -> Reply:
        if 200 <= reply.status < 300 or reply.status in allowed:
            return reply
        if reply.status >= 500:
            raise Unavailable(self._sentence(request, reply), status=reply.status)
        raise rejection(self._sentence(request, reply), reply)

    def _wait(self, seconds: float, request: httpx2.Request, why: str) -> None:
        log.info("asking again", extra={"request": self._name(request), "seconds": round(seconds, 1), "reason": why})
        self._clock.sleep(seconds)

    def _sentence(self, request: httpx2.Request, reply: Reply) -> str:
        complaint = self.scrub(reply.complaint)
        return f"{self._name(request)}: {reply.status}{', ' if complaint else ''}{complaint}"

    def _name(self, request: httpx2.Request) -> str:
        """Method and place for people: no host at home, and no query elsewhere, where it may be a signature."""
        url = urlsplit(str(request.url))
        home = urlsplit(self.base_url)
        if (url.scheme, url.netloc) != (home.scheme, home.netloc):
            return f"{request.method} {url.scheme}://{url.netloc}{url.path}"
        query = f"?{url.query}" if url.query and not request.extensions.get(_SIGNED) else ""
        return self.scrub(f"{request.method} {url.path.removeprefix(home.path) or '/'}{query}"[:300])


@dataclass(slots=True)
class _Remembered:
    """Credentials as they are asked for, and every secret that was ever among them."""

    authorize: Authorize
    secrets: set[str] = field(default_factory=set, repr=False)

    def __call__(self) -> Auth:
        auth = self.authorize()
        self.secrets.update(auth.secrets)
        return auth


def _values(value: Any) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return ["true" if value else "false"]
    if isinstance(value, list | tuple):
        return [text for one in value for text in _values(one)]
    return [str(value)]


def _from_json(body: bytes) -> Any:
    from pydantic_core import from_json  # several times the speed of the standard library's

    try:
        return from_json(body)
    except ValueError:
        return loads(body)  # half an emoji, which some clients cut out, is JSON for all but the fast parser


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _backoff_s(failures: int) -> float:
    """Doubling from one second to a minute, with jitter, so that many clients do not come back together."""
    return float(min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (failures - 1)) * random.uniform(0.75, 1.0))
