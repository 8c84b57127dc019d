"""Signing in with a browser: authorization code with PKCE (RFC 6749, RFC 7636, RFC 9700; OpenID Connect Core 3.1).

begin ──▶ the issuer's page ──▶ callback: the same browser? our state? ──▶ code for tokens ──▶ Login in the ledger
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from knowhub.access.claims import Claims, at_path
from knowhub.access.identity import NotSignedIn
from knowhub.access.oidc import FORGED, SIGN_IN_AGAIN, Claimed, Issuer, Tokens
from knowhub.core.errors import ConfigurationError, KnowhubError, TransientError
from knowhub.core.ports import Login, LoginLedger
from knowhub.core.secret import Secret
from knowhub.http import SYSTEM_CLOCK, Clock, Http, Refused, Rejected, basic, bearer, no_auth
from knowhub.http.auth import Authorize

PENDING = timedelta(minutes=10)
"""How long somebody may take at the issuer's page."""
_MOST_PENDING = 10_000
_SCOPES = ("openid", "email", "profile")
_WORD = re.compile(r"[a-z_]{1,40}")
_PLACE = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,2000}")


@dataclass(frozen=True, slots=True)
class Begun:
    """Send the browser to `url`, with `browser` in a cookie that lives for `PENDING` (HttpOnly, SameSite=Lax)."""

    url: str
    browser: Secret


@dataclass(frozen=True, slots=True)
class SignedIn:
    """`cookie` is the session, to be set HttpOnly and SameSite=Lax until `login.expires_at`; `next` is a path here."""

    login: Login
    cookie: Secret
    next: str


@dataclass(frozen=True, slots=True)
class _Pending:
    browser: str
    nonce: str
    verifier: str = field(repr=False)
    redirect_uri: str
    next: str
    expires_at: datetime


class Logins:
    """Browsers' sessions. `hours` after signing in, one has to do so again: groups are as old as the sign-in."""

    def __init__(self, ledger: LoginLedger, clock: Clock = SYSTEM_CLOCK, hours: float = 12) -> None:
        self._ledger = ledger
        self._clock = clock
        self._hours = hours

    def start(self, claimed: Claimed) -> tuple[Login, Secret]:
        now, cookie = self._clock.now(), secrets.token_urlsafe(32)
        login = Login(_digest(cookie), claimed.email, claimed.groups, now + timedelta(hours=self._hours))
        self._ledger.sweep(now)
        self._ledger.put(login)
        return login, Secret(cookie)

    def find(self, cookie: str) -> Login:
        """Raises NotSignedIn."""
        login = self._ledger.get(_digest(cookie))
        if login is None or self._clock.now() >= login.expires_at:
            raise NotSignedIn("your sign-in has expired", cure=SIGN_IN_AGAIN)
        return login

    def end(self, cookie: str) -> None:
        self._ledger.delete(_digest(cookie))


class SigningIn:
    """The way to the issuer and back. Each `state` is taken once, by the browser that it was given to."""

    def __init__(self, issuer: Issuer, tokens: Tokens, logins: Logins, clock: Clock = SYSTEM_CLOCK) -> None:
        if not issuer.options.client_id:
            raise ConfigurationError(
                "signing in with a browser needs oidc.client_id", cure="Register this hub at the issuer."
            )
        self._issuer = issuer
        self._tokens = tokens
        self._logins = logins
        self._clock = clock
        self._pending: dict[str, _Pending] = {}
        self._lock = threading.Lock()

    def begin(self, redirect_uri: str, next: str = "/") -> Begun:
        """`redirect_uri` is this hub's callback, as registered. Raises TransientError, ConfigurationError."""
        endpoint = self._issuer.endpoint("authorization_endpoint")
        state, browser, verifier, nonce = (secrets.token_urlsafe(32) for _ in range(4))
        expires_at = self._clock.now() + PENDING
        with self._lock:
            self._clear()
            self._pending[state] = _Pending(
                _digest(browser), nonce, verifier, redirect_uri, safe_next(next), expires_at
            )
        asked = {
            "response_type": "code",
            "client_id": self._issuer.options.client_id,
            "redirect_uri": redirect_uri,
            "scope": " ".join(self._scopes()),
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        return Begun(f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(asked)}", Secret(browser))

    def _scopes(self) -> list[str]:
        """A scope for groups, where the issuer has one and groups are wanted."""
        wanted, offered = self._issuer.options.groups_claim, self._issuer.description().get("scopes_supported")
        extra = [wanted] if isinstance(offered, list) and wanted in offered and wanted not in _SCOPES else []
        return [*_SCOPES, *extra]

    def complete(self, query: Mapping[str, str], browser: str) -> SignedIn:
        """What came back to the callback. Raises NotSignedIn, TransientError, ConfigurationError."""
        pending = self._taken(query.get("state", ""), browser)
        if error := query.get("error"):
            why = f" ({error})" if _WORD.fullmatch(error) else ""
            raise NotSignedIn(f"the identity provider did not sign you in{why}", cure=SIGN_IN_AGAIN)
        self._check_sender(query)
        if not (code := query.get("code", "")) or len(code) > 4096:
            raise NotSignedIn(FORGED, cure=SIGN_IN_AGAIN)
        claimed = self._claimed(self._exchanged(code, pending), pending)
        if not claimed.email:
            raise NotSignedIn(
                "the identity provider does not say your e-mail address",
                cure="Ask its administrator to give this hub the scope email.",
            )
        login, cookie = self._logins.start(claimed)
        return SignedIn(login, cookie, pending.next)

    def _taken(self, state: str, browser: str) -> _Pending:
        with self._lock:
            self._clear()
            pending = self._pending.get(state)
            if pending is not None and hmac.compare_digest(pending.browser, _digest(browser)):
                return self._pending.pop(state)
        raise NotSignedIn("this sign-in was begun elsewhere, or too long ago", cure=SIGN_IN_AGAIN)

    def _clear(self) -> None:
        now = self._clock.now()
        for state in [state for state, one in self._pending.items() if one.expires_at <= now]:
            del self._pending[state]
        while len(self._pending) >= _MOST_PENDING:
            del self._pending[next(iter(self._pending))]

    def _check_sender(self, query: Mapping[str, str]) -> None:
        """Another issuer's answer sent here in this one's place (RFC 9207)."""
        announced = self._issuer.description().get("authorization_response_iss_parameter_supported") is True
        sender = query.get("iss", None if announced else self._issuer.options.issuer)
        if sender != self._issuer.options.issuer:
            raise NotSignedIn(FORGED, cure=SIGN_IN_AGAIN)

    def _exchanged(self, code: str, pending: _Pending) -> Mapping[str, Any]:
        """The issuer's answer to the code. Sent once: a code that comes twice is void, and all that it gave."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "client_id": self._issuer.options.client_id,
            "code_verifier": pending.verifier,
        }
        endpoint, auth = self._issuer.endpoint("token_endpoint"), self._proof_of_client(form)
        try:
            found = self._client(endpoint, auth).post(endpoint, form=form).data
        except (Refused, Rejected) as error:
            raise _refused(error.reply.data) from None
        except KnowhubError:
            raise TransientError("the identity provider does not answer", cure="Sign in again in a minute.") from None
        if not isinstance(found, dict) or not isinstance(found.get("id_token"), str):
            raise ConfigurationError("the identity provider gives no ID token", cure="Check that it speaks OIDC.")
        return found

    def _proof_of_client(self, form: dict[str, str]) -> Authorize:
        """Our secret, in a header (RFC 6749, 2.3.1: form-encoded first) or, where that is not taken, in the form."""
        options = self._issuer.options
        if options.client_secret is None:
            return no_auth
        secret = options.client_secret.reveal()
        methods = self._issuer.description().get("token_endpoint_auth_methods_supported")
        if isinstance(methods, list) and "client_secret_basic" not in methods:
            form["client_secret"] = secret
            return no_auth
        return basic(quote(options.client_id, safe=""), Secret(quote(secret, safe="")))

    def _client(self, endpoint: str, auth: Authorize) -> Http:
        return Http(endpoint, auth=auth, clock=self._clock, timeout_s=10, attempts=1, patience_s=0)

    def _claimed(self, tokens: Mapping[str, Any], pending: _Pending) -> Claimed:
        client = [self._issuer.options.client_id]
        claims = self._tokens.verified(tokens["id_token"], audience=client, nonce=pending.nonce)
        if claims.get("azp") not in (None, *client):
            raise NotSignedIn(FORGED, cure=SIGN_IN_AGAIN)
        return self._tokens.read({**claims, **self._told(claims, tokens)})

    def _told(self, claims: Claims, tokens: Mapping[str, Any]) -> Claims:
        """What the issuer says only when it is asked: some ID tokens hold hardly more than a subject."""
        options = self._issuer.options
        token, endpoint = tokens.get("access_token"), self._issuer.description().get("userinfo_endpoint")
        whole = all(at_path(claims, name) is not None for name in (options.email_claim, options.groups_claim) if name)
        if whole or not isinstance(token, str) or not isinstance(endpoint, str):
            return {}
        endpoint = self._issuer.endpoint("userinfo_endpoint")
        try:
            found = self._client(endpoint, bearer(Secret(token))).get(endpoint).data
        except (Refused, Rejected):
            return {}
        same = isinstance(found, dict) and found.get("sub") == claims.get("sub") and claims.get("sub")
        return found if same else {}


def safe_next(next: str) -> str:
    """A path of this hub to go to afterwards; `/` for anything that could lead elsewhere, or into the API."""
    return next if _PLACE.fullmatch(next) and not next.startswith(("/api/", "/mcp")) else "/"


def _refused(data: Any) -> KnowhubError:
    code = data.get("error") if isinstance(data, dict) else None
    if code in ("invalid_client", "unauthorized_client"):
        return ConfigurationError(
            "the identity provider does not accept this hub",
            cure="Check oidc.client_id and oidc.client_secret.",
        )
    return NotSignedIn("the identity provider did not sign you in", cure=SIGN_IN_AGAIN)


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
