"""Tokens of a real issuer on loopback, signed well and badly."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from knowhub.access.identity import NotSignedIn
from knowhub.access.oidc import ALGORITHMS, Claimed, Issuer, OidcOptions, Tokens
from knowhub.core.errors import ConfigurationError, TransientError
from tests.servers.issuer import (
    CLIENT,
    IssuerServer,
    SigningKey,
    compact,
    ec_signing,
    ed_signing,
    rsa_key,
    rsa_signing,
)
from tests.servers.kit import VirtualClock

REFUSED = "this sign-in is not accepted here. Sign in again."


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def server(clock: VirtualClock) -> Iterator[IssuerServer]:
    with IssuerServer(clock) as running:
        yield running


@pytest.fixture
def options(server: IssuerServer) -> OidcOptions:
    return OidcOptions(issuer=server.url, client_id=CLIENT)


@pytest.fixture
def tokens(options: OidcOptions, clock: VirtualClock) -> Tokens:
    return reader(options, clock)


def reader(options: OidcOptions, clock: VirtualClock) -> Tokens:
    return Tokens(Issuer(options, clock), clock)


def refusal(tokens: Tokens, token: str) -> str:
    with pytest.raises(NotSignedIn) as caught:
        tokens.claimed(token)
    return str(caught.value)


# ── what is accepted ─────────────────────────────────────────────────────────────────────────────────


def test_a_good_token_says_who_somebody_is(server: IssuerServer, tokens: Tokens) -> None:
    assert tokens.claimed(server.token()) == Claimed("u-ana", "ana@example.com", ("staff", "platform"), "")


def make(algorithm: str) -> SigningKey:
    if algorithm.startswith("ES"):
        return ec_signing(algorithm, algorithm)
    return ed_signing("ed") if algorithm == "EdDSA" else rsa_signing("first", algorithm)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_that_is_allowed_works(server: IssuerServer, tokens: Tokens, algorithm: str) -> None:
    server.keys = [make(algorithm)]
    assert tokens.claimed(server.token()).subject == "u-ana"


def test_a_key_that_names_no_algorithm_serves_all_of_its_kind(server: IssuerServer, tokens: Tokens) -> None:
    key = rsa_signing("first", "RS256", alg=None, use=None)
    server.keys = [key]
    assert tokens.claimed(server.token(key=replace(key, algorithm="PS256"))).subject == "u-ana"


def test_a_token_without_a_key_id_is_checked_with_the_keys_that_fit(server: IssuerServer, tokens: Tokens) -> None:
    server.keys = [ec_signing("other"), rsa_signing("second"), rsa_signing("first")]
    assert tokens.claimed(server.token(headers={"kid": None})).subject == "u-ana"


def test_keys_are_asked_for_once_an_hour(server: IssuerServer, tokens: Tokens, clock: VirtualClock) -> None:
    for _ in range(5):
        tokens.claimed(server.token())
    assert server.asked("/keys") == 1
    clock.advance(minutes=61)
    tokens.claimed(server.token())
    assert server.asked("/keys") == 2


def test_clocks_a_minute_apart_do_no_harm(server: IssuerServer, tokens: Tokens, clock: VirtualClock) -> None:
    now = int(clock.now().timestamp())
    tokens.claimed(server.token(exp=now - 55))
    tokens.claimed(server.token(nbf=now + 55, iat=now + 55))


# ── whom it is about ─────────────────────────────────────────────────────────────────────────────────


def test_addresses_are_folded_and_only_in_ascii(server: IssuerServer, tokens: Tokens) -> None:
    assert tokens.claimed(server.token(email="Ana@Example.COM")).email == "ana@example.com"
    kelvin = tokens.claimed(server.token(email="\u212aen@example.com")).email
    assert kelvin == "\u212aen@example.com"


@pytest.mark.parametrize("flag", [None, False, "false", "yes", 1, "1", 1.5, [True], {"a": 1}])
def test_an_address_that_is_not_verified_is_refused_with_the_cure(
    server: IssuerServer, tokens: Tokens, flag: object
) -> None:
    assert "not verified at the identity provider. Verify it there" in refusal(
        tokens, server.token(email_verified=flag)
    )


def test_some_issuers_write_the_flag_as_a_text(server: IssuerServer, tokens: Tokens) -> None:
    assert tokens.claimed(server.token(email_verified="true")).email == "ana@example.com"


@pytest.mark.parametrize(
    ("flag", "good"), [(True, True), ("1", True), (1, True), ("0", False), (0, False), (None, False)]
)
def test_entra_says_in_a_claim_of_its_own_that_a_domain_is_its_owners(
    server: IssuerServer, tokens: Tokens, flag: object, good: bool
) -> None:
    token = server.token(email_verified=None, xms_edov=flag)
    if good:
        assert tokens.claimed(token).email == "ana@example.com"
    else:
        assert "not verified" in refusal(tokens, token)
    assert "not verified" in refusal(tokens, server.token(email_verified=False, xms_edov=flag))


def test_a_flag_about_the_address_says_nothing_about_another_claim(
    server: IssuerServer, options: OidcOptions, clock: VirtualClock
) -> None:
    other = reader(replace(options, email_claim="upn"), clock)
    token = server.token(upn="boss@example.com")
    assert "not verified" in refusal(other, token)
    trusting = reader(replace(options, email_claim="upn", require_verified_email=False), clock)
    assert trusting.claimed(token).email == "boss@example.com"


@pytest.mark.parametrize(
    "email", [None, 7, "", "ana", "ana@", "@x.y", "a na@example.com", "a@b@c", "a\ud800@x.y", "a\x7f@x.y", ["ana@x.y"]]
)
def test_what_is_no_address_is_nobodys(server: IssuerServer, tokens: Tokens, email: object) -> None:
    assert tokens.claimed(server.token(email=email)).email == ""


@pytest.mark.parametrize(
    ("claim", "given", "groups"),
    [
        ("groups", {"groups": "staff"}, ("staff",)),
        ("groups", {"groups": ["a", 7, "", None, "a", "b", "\ud800", "c\x00"]}, ("a", "b")),
        ("groups", {"groups": {"staff": True}}, ()),
        ("realm_access.roles", {"realm_access": {"roles": ["admin"]}}, ("admin",)),
        ("realm_access.roles", {"realm_access": ["admin"]}, ()),
        ("https://hub.example/groups", {"https://hub.example/groups": ["x"]}, ("x",)),
        ("", {}, ()),
    ],
)
def test_groups_are_a_list_or_one_and_may_lie_deep(
    server: IssuerServer, options: OidcOptions, clock: VirtualClock, claim: str, given: dict[str, Any], groups: Any
) -> None:
    assert reader(replace(options, groups_claim=claim), clock).claimed(server.token(**given)).groups == groups


# ── what is refused, and what the honest are told ────────────────────────────────────────────────────


def test_an_expired_token_says_sign_in_again(server: IssuerServer, tokens: Tokens, clock: VirtualClock) -> None:
    token = server.token()
    clock.advance(minutes=7)
    assert refusal(tokens, token) == "your sign-in has expired. Sign in again."


def test_a_token_from_the_future_points_at_the_clocks(
    server: IssuerServer, tokens: Tokens, clock: VirtualClock
) -> None:
    later = int(clock.now().timestamp()) + 120
    for token in (server.token(nbf=later), server.token(iat=later)):
        assert "not valid yet. Check the clocks" in refusal(tokens, token)


@pytest.mark.parametrize(
    "other",
    [{"aud": "payroll"}, {"aud": ["payroll"]}, {"aud": []}, {"aud": None}, {"aud": {"hub": 1}}, {"aud": "hub2"},
     {"aud": "HUB"}, {"aud": ["hub", "payroll"]}, {"aud": ["hub", "payroll"], "azp": "payroll"}],
)  # fmt: skip
def test_a_token_for_another_service_says_so(server: IssuerServer, tokens: Tokens, other: dict[str, Any]) -> None:
    assert refusal(tokens, server.token(**other)).startswith("this sign-in was made for another service.")


def test_a_token_for_several_services_that_we_obtained_is_ours(server: IssuerServer, tokens: Tokens) -> None:
    assert tokens.claimed(server.token(aud=["account", CLIENT], azp=CLIENT)).subject == "u-ana"


def test_a_configured_audience_takes_the_place_of_the_client(
    server: IssuerServer, options: OidcOptions, clock: VirtualClock
) -> None:
    api = reader(replace(options, audience=("api://hub",)), clock)
    assert api.claimed(server.token(aud="api://hub")).subject == "u-ana"
    assert "another service" in refusal(api, server.token())


def spoiled(server: IssuerServer, name: str) -> str:
    """One forgery of each kind."""
    key, stranger = server.keys[0], SigningKey("first", rsa_key("stranger"))
    good, claims = server.token(), server.claims()
    head, body, signature = good.split(".")
    own = {"alg": "RS256", "kid": "first", "jwk": stranger.jwk}
    kinds: dict[str, Callable[[], str]] = {
        "unsigned": lambda: f"{head}.{body}.",
        "alg none": lambda: compact({"alg": "none", "typ": "JWT"}, claims),
        "alg None": lambda: compact({"alg": "nOnE", "kid": "first"}, claims, b"x"),
        "no alg": lambda: compact({"typ": "JWT", "kid": "first"}, claims, b"x"),
        "alg list": lambda: compact({"alg": ["RS256"], "kid": "first"}, claims, b"x"),
        "alg null": lambda: compact({"alg": None, "kid": "first"}, claims, b"x"),
        "key confusion, pem": lambda: hmac_signed(claims, key.public_pem),
        "key confusion, modulus": lambda: hmac_signed(claims, key.jwk["n"].encode()),
        "key confusion, jwk": lambda: hmac_signed(claims, json.dumps(key.jwk).encode()),
        "signed by a stranger": lambda: server.signed(claims, stranger),
        "signed by a stranger, no kid": lambda: server.signed(claims, stranger, {"kid": None}),
        "jwk in the header": lambda: server.signed(claims, stranger, own),
        "jku in the header": lambda: server.signed(claims, stranger, {"jku": f"{server.url}/evil"}),
        "x5u in the header": lambda: server.signed(claims, stranger, {"x5u": f"{server.url}/evil"}),
        "x5c in the header": lambda: server.signed(claims, stranger, {"x5c": ["MIIB"]}),
        "kid is a path": lambda: server.signed(claims, stranger, {"kid": "../../../../dev/null"}),
        "kid is an address": lambda: server.signed(claims, stranger, {"kid": f"{server.url}/evil"}),
        "kid is a query": lambda: server.signed(claims, stranger, {"kid": "' UNION SELECT 'x"}),
        "kid is huge": lambda: server.signed(claims, key, {"kid": "k" * 5000}),
        "kid is a number": lambda: signed_bytes(key, json.dumps(claims).encode(), kid=7),
        "unknown kid": lambda: server.signed(claims, key, {"kid": "nobody's"}),
        "another algorithm of the same key": lambda: server.signed(claims, key, {"alg": "PS256"}),
        "critical extensions": lambda: signed_bytes(key, json.dumps(claims).encode(), crit=["exp"]),
        "critical extensions that are known": lambda: signed_bytes(
            key, json.dumps(claims).encode(), crit=["b64"], b64=True
        ),
        "detached payload": lambda: compact({"alg": "RS256", "b64": False, "crit": ["b64"]}, b"", b"x"),
        "changed payload": lambda: f"{head}.{compact({}, {**claims, 'email': 'boss@example.com'}).split('.')[1]}."
        f"{signature}",
        "truncated": lambda: good[:-10],
        "half": lambda: good[: len(good) // 2],
        "two parts": lambda: f"{head}.{body}",
        "four parts": lambda: f"{good}.{signature}",
        "encrypted": lambda: f"{good}.a.b",
        "empty": lambda: "",
        "dots": lambda: "..",
        "words": lambda: "let me in",
        "binary": lambda: "\x00\xff.\x01.\x02",
        "huge": lambda: server.token(padding="x" * 20_000),
        "deeply nested": lambda: compact(b"[" * 10_000, claims, b"x"),
        "payload is a list": lambda: signed_bytes(key, b"[1]"),
        "payload is deep": lambda: signed_bytes(key, b"[" * 9_000),
        "payload is no JSON": lambda: signed_bytes(key, b"\xff\xfe"),
        "another issuer": lambda: server.token(iss="https://issuer.example"),
        "issuer with a slash": lambda: server.token(iss=f"{server.url}/"),
        "no issuer": lambda: server.token(iss=None),
        "never expires": lambda: server.token(exp=None),
        "expiry is a text": lambda: server.token(exp="tomorrow"),
        "expiry is true": lambda: server.token(exp=True),
        "expiry is endless": lambda: server.token(exp=1e300),
        "expiry is no number": lambda: server.token(exp=float("nan")),
        "begin is a text": lambda: server.token(nbf="now"),
        "bound to a key": lambda: server.token(cnf={"jkt": "x"}),
        "a logout token": lambda: server.token(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
        "a token of another type": lambda: server.token(headers={"typ": "logout+jwt"}),
    }  # fmt: skip
    return kinds[name]()


KINDS = [
    "unsigned", "alg none", "alg None", "no alg", "alg list", "alg null", "key confusion, pem",
    "key confusion, modulus", "key confusion, jwk", "signed by a stranger", "signed by a stranger, no kid",
    "jwk in the header", "jku in the header", "x5u in the header", "x5c in the header", "kid is a path",
    "kid is an address", "kid is a query", "kid is huge", "kid is a number", "unknown kid",
    "another algorithm of the same key", "critical extensions", "critical extensions that are known",
    "detached payload", "changed payload", "truncated",
    "half", "two parts", "four parts", "encrypted", "empty", "dots", "words", "binary", "huge", "deeply nested",
    "payload is a list", "payload is deep", "payload is no JSON", "another issuer", "issuer with a slash", "no issuer",
    "never expires", "expiry is a text", "expiry is true", "expiry is endless", "expiry is no number",
    "begin is a text", "bound to a key", "a logout token", "a token of another type",
]  # fmt: skip


def hmac_signed(claims: dict[str, Any], secret: bytes) -> str:
    signing = compact({"alg": "HS256", "typ": "JWT", "kid": "first"}, claims).rpartition(".")[0]
    mac = hmac.new(secret, signing.encode(), hashlib.sha256).digest()
    return f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def signed_bytes(key: SigningKey, payload: bytes, **header: Any) -> str:
    """Signed well, whatever is in it."""
    parts = compact({"alg": "RS256", "kid": key.id, **header}, payload).rpartition(".")[0]
    signature = key.private.sign(parts.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{parts}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def test_what_is_signed_by_hand_is_signed_well(server: IssuerServer, tokens: Tokens) -> None:
    assert tokens.claimed(signed_bytes(server.keys[0], json.dumps(server.claims()).encode())).subject == "u-ana"


@pytest.mark.parametrize("kind", KINDS)
def test_a_forgery_is_refused_and_told_nothing(
    server: IssuerServer, tokens: Tokens, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = spoiled(server, kind)
    assert refusal(tokens, token) == REFUSED
    assert server.asked("/evil") == 0
    assert len(token) < 20 or token not in caplog.text


def test_a_key_that_is_too_short_signs_nothing(server: IssuerServer, tokens: Tokens) -> None:
    server.keys = [SigningKey("short", rsa_key("short", 1024))]
    with pytest.warns(UserWarning, match="1024 bits"):
        token = server.token()
    assert refusal(tokens, token) == REFUSED


@pytest.mark.parametrize("published", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "RSA-OAEP"}, {"kty": "oct"}])
def test_a_key_that_is_not_for_signatures_signs_nothing(
    server: IssuerServer, tokens: Tokens, published: dict[str, Any]
) -> None:
    server.keys = [rsa_signing("first", "RS256", **published)]
    assert refusal(tokens, server.token()) == REFUSED


def test_a_secret_among_the_published_keys_signs_nothing(server: IssuerServer, tokens: Tokens) -> None:
    shared = SigningKey("shared", rsa_key("first"), "RS256", {"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"})
    server.keys = [shared]
    forged = hmac_signed(server.claims(), b"secret").replace("first", "shared")
    assert refusal(tokens, forged) == REFUSED


# ── keys that change, and an issuer that does not answer ─────────────────────────────────────────────


def test_a_new_key_is_known_at_its_first_token(server: IssuerServer, tokens: Tokens, clock: VirtualClock) -> None:
    tokens.claimed(server.token())
    clock.advance(minutes=2)
    server.keys.append(rsa_signing("second"))
    assert tokens.claimed(server.token()).subject == "u-ana"
    assert server.asked("/keys") == 2


def test_unknown_keys_make_the_issuer_be_asked_once_a_minute(
    server: IssuerServer, tokens: Tokens, clock: VirtualClock
) -> None:
    tokens.claimed(server.token())
    for _ in range(3):
        clock.advance(seconds=61)
        for number in range(5):
            refusal(tokens, server.token(headers={"kid": f"made up {number}"}))
    assert server.asked("/keys") == 4


def test_a_withdrawn_key_signs_nothing_after_an_hour(server: IssuerServer, tokens: Tokens, clock: VirtualClock) -> None:
    old = server.keys[0]
    tokens.claimed(server.token())
    server.keys = [rsa_signing("second")]
    clock.advance(minutes=61)
    assert refusal(tokens, server.token(key=old)) == REFUSED


def test_an_outage_is_bridged_for_a_day_and_no_longer(
    server: IssuerServer, tokens: Tokens, clock: VirtualClock
) -> None:
    tokens.claimed(server.token())
    server.down = True
    clock.advance(hours=23)
    assert tokens.claimed(server.token()).subject == "u-ana"
    clock.advance(hours=2)
    with pytest.raises(TransientError, match="does not answer"):
        tokens.claimed(server.token())
    server.down = False
    clock.advance(minutes=2)
    assert tokens.claimed(server.token()).subject == "u-ana"


def test_an_issuer_that_is_down_from_the_start_is_an_outage_not_a_refusal(
    server: IssuerServer, tokens: Tokens, clock: VirtualClock
) -> None:
    server.down = True
    for _ in range(10):
        with pytest.raises(TransientError):
            tokens.claimed(server.token())
    assert len(server.log) == 1
    server.down = False
    clock.advance(seconds=6)
    assert tokens.claimed(server.token()).subject == "u-ana"


def test_a_clock_that_was_put_back_does_not_keep_keys_for_ever(
    server: IssuerServer, tokens: Tokens, clock: VirtualClock
) -> None:
    tokens.claimed(server.token())
    clock.advance(days=-400)
    tokens.claimed(server.token())
    assert server.asked("/keys") == 2


def test_many_at_once_ask_the_issuer_once(server: IssuerServer, tokens: Tokens) -> None:
    token, found = server.token(), []
    threads = [threading.Thread(target=lambda: found.append(tokens.claimed(token).subject)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["u-ana"] * 8
    assert server.asked("/keys") == 1


@pytest.mark.parametrize("keys", [None, {"keys": []}, {"keys": "all"}, {"keys": [7]}, [1]])
def test_a_list_of_keys_that_makes_no_sense_is_an_outage(
    server: IssuerServer, tokens: Tokens, monkeypatch: pytest.MonkeyPatch, keys: Any
) -> None:
    token = server.token()
    server.described["jwks_uri"] = f"{server.url}/odd"
    answer = server.answer
    from tests.servers.kit import Answer

    monkeypatch.setattr(server, "answer", lambda asked: Answer(keys) if asked.path == "/odd" else answer(asked))
    with pytest.raises(TransientError):
        tokens.claimed(token)


# ── configuration ────────────────────────────────────────────────────────────────────────────────────


def test_an_issuer_that_calls_itself_something_else_is_a_mistake_to_correct(
    server: IssuerServer, options: OidcOptions, clock: VirtualClock
) -> None:
    server.described["issuer"] = "https://login.example/{tenant}/v2.0"
    with pytest.raises(ConfigurationError, match=r"Set oidc.issuer to exactly"):
        Issuer(options, clock).endpoint("jwks_uri")
    with pytest.raises(TransientError):
        reader(options, clock).claimed(server.token())


def test_endpoints_must_be_https(server: IssuerServer, options: OidcOptions, clock: VirtualClock) -> None:
    server.described["token_endpoint"] = "http://issuer.example/token"
    with pytest.raises(ConfigurationError, match="not an https address"):
        Issuer(options, clock).endpoint("token_endpoint")
    with pytest.raises(ConfigurationError, match="not an https address"):
        Issuer(OidcOptions("http://issuer.example", client_id=CLIENT))


@pytest.mark.parametrize("options", [OidcOptions("https://issuer.example"), OidcOptions("", client_id="hub")])
def test_an_issuer_without_an_audience_is_no_configuration(options: OidcOptions) -> None:
    with pytest.raises(ConfigurationError, match=r"oidc\.issuer"):
        Issuer(options)
