"""An OpenID provider: discovery, keys that rotate, sign-in pages that ask nothing, tokens signed well or badly.

It is strict where providers are: codes are taken once, PKCE and redirect addresses must match, clients prove who
they are. https://openid.net/specs/openid-connect-core-1_0.html
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.servers.kit import Answer, Asked, SimulatedApi, VirtualClock

CLIENT, SECRET = "hub", "s3cret/with+odd=signs"


@cache
def rsa_key(name: str, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One a name and process: making them takes a moment."""
    return rsa.generate_private_key(65537, bits)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with what the issuer publishes of it."""

    id: str
    private: Any = field(repr=False)
    algorithm: str = "RS256"
    published: Mapping[str, Any] = field(default_factory=dict)

    @property
    def jwk(self) -> dict[str, Any]:
        kinds: dict[str, Any] = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm, "Ed": OKPAlgorithm}
        kind = kinds[self.algorithm[:2]]
        found = json.loads(kind.to_jwk(self.private.public_key()))
        shown = {**found, "kid": self.id, "use": "sig", "alg": self.algorithm, **self.published}
        return {name: value for name, value in shown.items() if value is not None}

    @property
    def public_pem(self) -> bytes:
        return bytes(self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def rsa_signing(id: str, algorithm: str = "RS256", **published: Any) -> SigningKey:
    return SigningKey(id, rsa_key(id), algorithm, published)


def ec_signing(id: str, algorithm: str = "ES256") -> SigningKey:
    curves = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
    return SigningKey(id, ec.generate_private_key(curves[algorithm]), algorithm)


def ed_signing(id: str) -> SigningKey:
    return SigningKey(id, ed25519.Ed25519PrivateKey.generate(), "EdDSA")


@dataclass(slots=True)
class _Grant:
    query: dict[str, str]
    subject: str
    expires: float


class IssuerServer(SimulatedApi):
    """`accounts`: subject ▸ claims. `subject` is whoever sits at the browser. `down`: nothing answers but 503."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__(clock)
        self.keys = [rsa_signing("first")]
        self.accounts: dict[str, dict[str, Any]] = {
            "u-ana": {"email": "ana@example.com", "email_verified": True, "groups": ["staff", "platform"]}
        }
        self.subject = "u-ana"
        self.redirects = {"http://127.0.0.1:8765/api/login/callback"}
        self.described: dict[str, Any] = {}
        self.thin = False
        """ID tokens hold no more than a subject; the rest is told at the userinfo endpoint."""
        self.down = False
        self.spoil: dict[str, Any] = {}
        """Claims put into ID tokens in place of the right ones; None leaves one away."""
        self._grants: dict[str, _Grant] = {}
        self._access: dict[str, str] = {}

    # ── for tests ────────────────────────────────────────────────────────────────────────────────────

    def asked(self, path: str) -> int:
        """How often a place was asked for."""
        return sum(one.path == path for one in self.log)

    def claims(self, subject: str = "u-ana", **other: Any) -> dict[str, Any]:
        """Those of a good token; None leaves one away."""
        now = int(self.clock.now().timestamp())
        good = {
            "iss": self.url, "aud": CLIENT, "sub": subject, "iat": now, "exp": now + 300, **self.accounts[subject]
        }  # fmt: skip
        return {name: value for name, value in {**good, **other}.items() if value is not None}

    def token(self, *, key: SigningKey | None = None, headers: Mapping[str, Any] | None = None, **claims: Any) -> str:
        """A token of these claims, signed by the issuer's newest key or by another one."""
        signing = key or self.keys[-1]
        return self.signed(self.claims(**claims), signing, headers)

    @staticmethod
    def signed(claims: Mapping[str, Any], key: SigningKey, headers: Mapping[str, Any] | None = None) -> str:
        algorithm = str((headers or {}).get("alg", key.algorithm))
        named = {"kid": key.id, **(headers or {})}
        shown = {name: value for name, value in named.items() if value is not None}
        return jwt.encode(dict(claims), key.private, algorithm=algorithm, headers=shown)

    def visit(self, url: str) -> dict[str, str]:
        """Go to the sign-in page as a browser would; the query that the callback is then asked with."""
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port or 80, timeout=10)
        connection.request("GET", f"{parts.path}?{parts.query}")
        location = connection.getresponse().getheader("Location")
        connection.close()
        assert location, "the issuer sent the browser nowhere"
        return dict(parse_qsl(urlsplit(location).query))

    # ── the provider ─────────────────────────────────────────────────────────────────────────────────

    def answer(self, asked: Asked) -> Answer:
        if self.down:
            return Answer({"error": "temporarily_unavailable"}, 503)
        match asked.path:
            case "/.well-known/openid-configuration":
                return Answer(self._description())
            case "/keys":
                return Answer({"keys": [key.jwk for key in self.keys]})
            case "/authorize":
                return self._authorize({name: values[-1] for name, values in asked.query.items()})
            case "/token":
                return self._token(asked)
            case "/userinfo":
                return self._userinfo(asked)
        return Answer({"error": "not_found"}, 404)

    def _description(self) -> dict[str, Any]:
        shown = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "jwks_uri": f"{self.url}/keys",
            "scopes_supported": ["openid", "email", "profile", "groups"],
            "authorization_response_iss_parameter_supported": True,
            **self.described,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _authorize(self, query: dict[str, str]) -> Answer:
        good = (
            query.get("response_type") == "code"
            and query.get("client_id") == CLIENT
            and query.get("redirect_uri") in self.redirects
            and query.get("code_challenge_method") == "S256"
            and "openid" in query.get("scope", "").split()
        )
        if not good:
            return Answer({"error": "invalid_request"}, 400)
        code = secrets.token_urlsafe(16)
        expires = (self.clock.now() + timedelta(minutes=1)).timestamp()
        self._grants[code] = _Grant(query, self.subject, expires)
        back = {"code": code, "state": query["state"], "iss": self.url}
        return Answer(status=302, headers={"Location": f"{query['redirect_uri']}?{urlencode(back)}"})

    def _token(self, asked: Asked) -> Answer:
        form = asked.form
        if not self._is_client(asked, form):
            return Answer({"error": "invalid_client"}, 401)
        grant = self._grants.pop(form.get("code", ""), None)
        challenge = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        good = (
            grant is not None
            and grant.expires > self.clock.now().timestamp()
            and form.get("grant_type") == "authorization_code"
            and form.get("redirect_uri") == grant.query["redirect_uri"]
            and base64.urlsafe_b64encode(challenge).rstrip(b"=").decode() == grant.query["code_challenge"]
        )
        if not good or grant is None:
            return Answer({"error": "invalid_grant"}, 400)
        access = secrets.token_urlsafe(16)
        self._access[access] = grant.subject
        claims = self.claims(grant.subject, **{"nonce": grant.query["nonce"], **self.spoil})
        if self.thin:
            claims = {name: claims[name] for name in ("iss", "aud", "sub", "iat", "exp", "nonce")}
        id_token = self.signed(claims, self.keys[-1])
        return Answer({"access_token": access, "token_type": "Bearer", "expires_in": 300, "id_token": id_token})

    @staticmethod
    def _is_client(asked: Asked, form: Mapping[str, str]) -> bool:
        header = asked.headers.get("authorization", "")
        if not header:
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, SECRET)
        user, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return (unquote(user), unquote(password)) == (CLIENT, SECRET)

    def _userinfo(self, asked: Asked) -> Answer:
        subject = self._access.get(asked.headers.get("authorization", "").removeprefix("Bearer "))
        return Answer({"sub": subject, **self.accounts[subject]}) if subject else Answer({"error": "x"}, 401)


def compact(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, signature: bytes = b"") -> str:
    """The three parts of a token, whatever is in them."""
    parts = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in (header, payload)]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (*parts, signature))
