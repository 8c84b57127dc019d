"""OpenID Connect: what the issuer publishes about itself, its keys, and tokens that it signed.

https://openid.net/specs/openid-connect-discovery-1_0.html · RFC 7517 (keys) · RFC 8725 (what to refuse)
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from knowhub.access.claims import Claims, Forged, check_audience, check_times, groups_of, verified_email
from knowhub.access.identity import NotSignedIn
from knowhub.core.errors import ConfigurationError, KnowhubError, TransientError
from knowhub.core.secret import Secret
from knowhub.http import SYSTEM_CLOCK, Clock, Http

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger(__name__)

ALGORITHMS = {
    "RS256": ("RSA", None), "RS384": ("RSA", None), "RS512": ("RSA", None),
    "PS256": ("RSA", None), "PS384": ("RSA", None), "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"), "ES384": ("EC", "P-384"), "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}  # fmt: skip
"""What a token may be signed with ▸ type and curve that the key must have. No secret is shared with an issuer."""

_TYPES = frozenset(("", "jwt", "at+jwt", "application/at+jwt", "application/jwt"))
_MOST_CHARS = 16_384
_MOST_KEYS = 100
_FRESH = timedelta(hours=1)
_KEPT = timedelta(hours=24)
_ASK_AGAIN = timedelta(minutes=1)
_ASK_AGAIN_WITHOUT_KEYS = timedelta(seconds=5)
_TIMEOUT_S = 5
_LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))

FORGED = "this sign-in is not accepted here"
SIGN_IN_AGAIN = "Sign in again."


@dataclass(frozen=True, slots=True)
class OidcOptions:
    """An issuer, and how its tokens are read. `audience` () means the client's id."""

    issuer: str
    audience: tuple[str, ...] = ()
    client_id: str = ""
    client_secret: Secret | None = None
    email_claim: str = "email"
    require_verified_email: bool = True
    groups_claim: str = "groups"

    @property
    def audiences(self) -> frozenset[str]:
        return frozenset(filter(None, self.audience or (self.client_id,)))

    @property
    def parties(self) -> frozenset[str]:
        """Who may have obtained a token that is for others as well."""
        return self.audiences | frozenset(filter(None, (self.client_id,)))


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a token that holds says of somebody. `email` is verified and folded, or ""."""

    subject: str
    email: str
    groups: tuple[str, ...]
    nonce: str


class Issuer:
    """The issuer's own description and keys, asked for when they are needed and kept for an hour.

    While it does not answer, keys that are known hold for a day. An unknown key makes it be asked again, at most once
    a minute, whatever strangers send.
    """

    def __init__(self, options: OidcOptions, clock: Clock = SYSTEM_CLOCK) -> None:
        if not options.issuer or not options.audiences:
            raise ConfigurationError(
                "signing in needs oidc.issuer and oidc.client_id (or audience)",
                cure="Fill in both, or leave [oidc] away.",
            )
        self.options = options
        self._clock = clock
        self._http = Http(options.issuer, clock=clock, timeout_s=_TIMEOUT_S, attempts=1, patience_s=0)
        self._asking = threading.Lock()
        self._description: Mapping[str, Any] = {}
        self._keys: tuple[Mapping[str, Any], ...] = ()
        self._asked_at: datetime | None = None
        self._read_at: datetime | None = None
        self._endpoint("issuer", options.issuer)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────

    def keys(self, id: str | None, algorithm: str) -> list[PyJWK]:
        """Those that a token of this header may be signed with; [] if there is none.

        Raises TransientError while no keys are known that may still be believed.
        """
        if found := self._fitting(id, algorithm) if self._age() < _FRESH else []:
            return found
        with self._asking:
            if not self._fitting(id, algorithm) or self._age() >= _FRESH:
                self._refresh()
            if self._age() >= _KEPT:
                raise TransientError("the identity provider does not answer", cure="Try again in a minute.")
            return self._fitting(id, algorithm)

    def _age(self) -> timedelta:
        # A clock that was put back makes them old, not young for a year.
        return abs(self._clock.now() - self._read_at) if self._read_at else timedelta.max

    def _refresh(self) -> None:
        """Ask for the keys unless that was just done; a failure leaves those that are known."""
        now = self._clock.now()
        pause = _ASK_AGAIN if self._keys else _ASK_AGAIN_WITHOUT_KEYS
        if self._asked_at and timedelta() <= now - self._asked_at < pause:
            return
        self._asked_at = now
        try:
            self._keys = self._fetched_keys()
            self._read_at = now
        except KnowhubError as error:
            log.warning("keys of the identity provider cannot be read", extra={"reason": error.message})

    def _fetched_keys(self) -> tuple[Mapping[str, Any], ...]:
        self._description = {}
        listed = self._http.get(self.endpoint("jwks_uri")).data
        keys = listed.get("keys") if isinstance(listed, dict) else None
        found = tuple(key for key in keys if isinstance(key, dict)) if isinstance(keys, list) else ()
        if not found:
            raise TransientError("the identity provider lists no keys")
        return found[:_MOST_KEYS]

    def _fitting(self, id: str | None, algorithm: str) -> list[PyJWK]:
        """By id, or all where the token names none; only keys made for this algorithm (RFC 8725, 3.1)."""
        from jwt import PyJWK
        from jwt.exceptions import PyJWTError

        found = []
        for key in self._keys:
            if (id is None or key.get("kid") == id) and _is_for(key, algorithm):
                try:
                    found.append(PyJWK(dict(key), algorithm))
                except (PyJWTError, ValueError, TypeError):
                    log.warning("a key of the identity provider cannot be read")
        return found

    # ── description ──────────────────────────────────────────────────────────────────────────────────

    def endpoint(self, name: str) -> str:
        """An address that the issuer publishes, over TLS. Raises TransientError, ConfigurationError."""
        url = self.description().get(name)
        if not isinstance(url, str) or not url:
            raise ConfigurationError(f"the identity provider {self.options.issuer} publishes no {name}")
        return self._endpoint(name, url)

    def description(self) -> Mapping[str, Any]:
        """Its OpenID configuration. Raises TransientError, ConfigurationError if it calls itself something else."""
        if not self._description:
            try:
                found = self._http.get(".well-known/openid-configuration").data
            except KnowhubError as error:
                raise TransientError(
                    f"the identity provider {self.options.issuer} cannot be asked ({error.message})",
                    cure="Try again in a minute; if it stays so, check oidc.issuer.",
                ) from error
            said = found.get("issuer") if isinstance(found, dict) else None
            if said != self.options.issuer:
                raise ConfigurationError(
                    f"the identity provider at {self.options.issuer} calls itself {str(said)[:200]}",
                    cure="Set oidc.issuer to exactly what it calls itself, if that is the one you mean.",
                )
            self._description = found
        return self._description

    def _endpoint(self, name: str, url: str) -> str:
        parts, at_home = urlsplit(url), urlsplit(self.options.issuer).hostname in _LOOPBACK
        if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK and at_home):
            return url
        raise ConfigurationError(f"the identity provider's {name} {url[:200]} is not an https address")


class Tokens:
    """Tokens that an issuer signed ▸ what they say."""

    def __init__(self, issuer: Issuer, clock: Clock = SYSTEM_CLOCK) -> None:
        self._issuer = issuer
        self._clock = clock

    def claimed(self, token: str, *, audience: Sequence[str] = (), nonce: str | None = None) -> Claimed:
        """Who a token is about. Raises NotSignedIn, and TransientError while the issuer's keys cannot be had.

        `audience` narrows whom it must be for; a `nonce` that is given must be in it.
        """
        return self.read(self.verified(token, audience=audience, nonce=nonce))

    def verified(self, token: str, *, audience: Sequence[str] = (), nonce: str | None = None) -> Claims:
        """The claims of a token that holds. Raises as `claimed`."""
        options = self._issuer.options
        try:
            claims = self._signed(token)
            if claims.get("iss") != options.issuer:
                raise Forged("another issuer")
            if "cnf" in claims or "events" in claims:
                raise Forged("not a bearer token")
            if nonce is not None and claims.get("nonce") != nonce:
                raise Forged("another nonce")
            check_times(claims, self._clock.now())
        except Forged as error:
            log.info("a token was refused", extra={"reason": error.reason})
            raise NotSignedIn(FORGED, cure=SIGN_IN_AGAIN) from None
        check_audience(claims, frozenset(audience) or options.audiences, frozenset(audience) or options.parties)
        return claims

    def read(self, claims: Claims) -> Claimed:
        """Raises NotSignedIn for an address that nobody vouches for."""
        options = self._issuer.options
        email = verified_email(claims, options.email_claim, require_verified=options.require_verified_email)
        subject, nonce = claims.get("sub"), claims.get("nonce")
        return Claimed(
            subject if isinstance(subject, str) else "",
            email,
            groups_of(claims, options.groups_claim),
            nonce if isinstance(nonce, str) else "",
        )

    def _signed(self, token: str) -> Claims:
        """The payload, if one of the issuer's own keys signed it; keys that a token brings along are not looked at."""
        from jwt import PyJWS
        from jwt.exceptions import PyJWTError

        if len(token) > _MOST_CHARS or token.count(".") != 2 or not token.isascii():
            raise Forged("not a token")
        signatures = PyJWS(algorithms=list(ALGORITHMS), options={"enforce_minimum_key_length": True})
        try:
            header = signatures.get_unverified_header(token)
        except PyJWTError as error:
            raise Forged("unreadable") from error
        algorithm, id = _checked_header(header)
        for key in self._issuer.keys(id, algorithm):
            try:
                return _object(signatures.decode(token, key, algorithms=[algorithm]))
            except PyJWTError:
                continue
        raise Forged("not signed with a key of the issuer")


def _checked_header(header: Mapping[str, Any]) -> tuple[str, str | None]:
    algorithm, id, kind = header.get("alg"), header.get("kid"), header.get("typ", "")
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Forged("algorithm")
    if not isinstance(kind, str) or kind.lower() not in _TYPES:
        raise Forged("type")
    if "crit" in header or "b64" in header:
        raise Forged("critical extensions")
    if id is not None and (not isinstance(id, str) or len(id) > 512):
        raise Forged("key id")
    return algorithm, id


def _is_for(key: Mapping[str, Any], algorithm: str) -> bool:
    kind, curve = ALGORITHMS[algorithm]
    operations = key.get("key_ops")
    return (
        key.get("kty") == kind
        and (curve is None or key.get("crv") == curve)
        and key.get("alg") in (None, algorithm)
        and key.get("use") in (None, "sig")
        and (not isinstance(operations, list) or "verify" in operations)
    )


def _object(payload: bytes) -> Claims:
    try:
        claims = json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise Forged("unreadable") from error
    if not isinstance(claims, dict):
        raise Forged("unreadable")
    return claims
