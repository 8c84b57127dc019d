"""A browser's way to a real issuer on loopback and back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from knowhub.access.identity import NotSignedIn
from knowhub.access.login import Logins, SignedIn, SigningIn, safe_next
from knowhub.access.oidc import Issuer, OidcOptions, Tokens
from knowhub.core.errors import ConfigurationError, TransientError
from knowhub.core.ports import LoginLedger
from knowhub.core.secret import Secret
from knowhub.ledger.sqlite.database import Database
from knowhub.ledger.sqlite.keys import SqliteLoginLedger
from tests.servers.issuer import CLIENT, SECRET, IssuerServer, rsa_signing
from tests.servers.kit import VirtualClock

CALLBACK = "http://127.0.0.1:8765/api/login/callback"


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def server(clock: VirtualClock) -> Iterator[IssuerServer]:
    with IssuerServer(clock) as running:
        yield running


@pytest.fixture
def ledger(tmp_path: Path) -> LoginLedger:
    return SqliteLoginLedger(Database(tmp_path / "ledger.db"))


@pytest.fixture
def logins(ledger: LoginLedger, clock: VirtualClock) -> Logins:
    return Logins(ledger, clock)


@pytest.fixture
def options(server: IssuerServer) -> OidcOptions:
    return OidcOptions(issuer=server.url, client_id=CLIENT, client_secret=Secret(SECRET))


@pytest.fixture
def signing_in(options: OidcOptions, logins: Logins, clock: VirtualClock) -> SigningIn:
    return made(options, logins, clock)


def made(options: OidcOptions, logins: Logins, clock: VirtualClock) -> SigningIn:
    issuer = Issuer(options, clock)
    return SigningIn(issuer, Tokens(issuer, clock), logins, clock)


def sign_in(server: IssuerServer, signing_in: SigningIn, next: str = "/") -> SignedIn:
    begun = signing_in.begin(CALLBACK, next)
    return signing_in.complete(server.visit(begun.url), begun.browser.reveal())


def refusal(signing_in: SigningIn, query: dict[str, str], browser: str) -> str:
    with pytest.raises(NotSignedIn) as caught:
        signing_in.complete(query, browser)
    return str(caught.value)


ELSEWHERE = "this sign-in was begun elsewhere, or too long ago. Sign in again."
FORGED = "this sign-in is not accepted here. Sign in again."


def test_who_comes_back_is_signed_in(
    server: IssuerServer, signing_in: SigningIn, logins: Logins, ledger: LoginLedger
) -> None:
    done = sign_in(server, signing_in, "/search?q=leave")
    assert done.next == "/search?q=leave"
    assert (done.login.email, done.login.groups) == ("ana@example.com", ("staff", "platform"))
    assert logins.find(done.cookie.reveal()) == done.login
    assert ledger.get(done.cookie.reveal()) is None, "the ledger has digests only"


def test_the_address_of_the_sign_in_page_asks_for_what_is_needed(server: IssuerServer, signing_in: SigningIn) -> None:
    query = parse_qs(urlsplit(signing_in.begin(CALLBACK).url).query)
    assert query["scope"] == ["openid email profile groups"]
    assert query["code_challenge_method"] == ["S256"]
    assert len(query["state"][0]) == len(query["nonce"][0]) == 43
    assert SECRET not in str(query)


def test_a_scope_that_the_issuer_does_not_have_is_not_asked_for(
    server: IssuerServer, options: OidcOptions, logins: Logins, clock: VirtualClock
) -> None:
    server.described["scopes_supported"] = ["openid"]
    assert "groups" not in made(options, logins, clock).begin(CALLBACK).url


@pytest.mark.parametrize("methods", [None, ["client_secret_basic"], ["client_secret_post"]])
def test_the_client_proves_itself_as_the_issuer_wants_it(
    server: IssuerServer, signing_in: SigningIn, methods: list[str] | None
) -> None:
    server.described["token_endpoint_auth_methods_supported"] = methods
    assert sign_in(server, signing_in).login.email == "ana@example.com"
    (asked,) = (one for one in server.log if one.path == "/token")
    assert ("authorization" in asked.headers) == (methods != ["client_secret_post"])


def test_what_an_id_token_leaves_out_is_asked_for(server: IssuerServer, signing_in: SigningIn) -> None:
    server.thin = True
    done = sign_in(server, signing_in)
    assert (done.login.email, done.login.groups) == ("ana@example.com", ("staff", "platform"))


def test_what_is_told_about_somebody_else_is_not_believed(server: IssuerServer, signing_in: SigningIn) -> None:
    server.thin = True
    server.accounts["u-ana"]["sub"] = "u-ben"
    server.spoil = {"sub": "u-ana"}
    begun = signing_in.begin(CALLBACK)
    assert "does not say your e-mail" in refusal(signing_in, server.visit(begun.url), begun.browser.reveal())


# ── forged ways back ─────────────────────────────────────────────────────────────────────────────────


def test_a_state_is_taken_once(server: IssuerServer, signing_in: SigningIn) -> None:
    begun = signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    signing_in.complete(query, begun.browser.reveal())
    assert refusal(signing_in, query, begun.browser.reveal()) == ELSEWHERE


@pytest.mark.parametrize("browser", ["", "x", "another"])
def test_a_way_back_in_another_browser_is_refused_and_spoils_nothing(
    server: IssuerServer, signing_in: SigningIn, browser: str
) -> None:
    begun, other = signing_in.begin(CALLBACK), signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    used = other.browser.reveal() if browser == "another" else browser
    assert refusal(signing_in, query, used) == ELSEWHERE
    assert signing_in.complete(query, begun.browser.reveal()).login.email == "ana@example.com"


def test_a_state_that_nobody_was_given_is_refused(server: IssuerServer, signing_in: SigningIn) -> None:
    begun = signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    for state in ("", "x", query["state"][:-1]):
        assert refusal(signing_in, {**query, "state": state}, begun.browser.reveal()) == ELSEWHERE
    assert refusal(signing_in, {}, "") == ELSEWHERE
    assert server.asked("/token") == 0


def test_a_state_lives_for_ten_minutes(server: IssuerServer, signing_in: SigningIn, clock: VirtualClock) -> None:
    begun = signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    clock.advance(minutes=10)
    assert refusal(signing_in, query, begun.browser.reveal()) == ELSEWHERE


def test_many_that_never_come_back_take_no_endless_room(signing_in: SigningIn, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("knowhub.access.login._MOST_PENDING", 5)
    for _ in range(20):
        signing_in.begin(CALLBACK)
    assert len(signing_in._pending) == 5


def test_a_code_for_another_verifier_is_refused(server: IssuerServer, signing_in: SigningIn) -> None:
    mine, others = signing_in.begin(CALLBACK), signing_in.begin(CALLBACK)
    query, stolen = server.visit(mine.url), server.visit(others.url)
    refused = refusal(signing_in, {**query, "code": stolen["code"]}, mine.browser.reveal())
    assert refused == "the identity provider did not sign you in. Sign in again."


@pytest.mark.parametrize(
    "spoil",
    [{"nonce": "another"}, {"nonce": None}, {"aud": "payroll", "azp": CLIENT}, {"azp": "payroll"},
     {"iss": "https://issuer.example"}, {"aud": [CLIENT, "payroll"]}],
)  # fmt: skip
def test_an_id_token_that_is_not_for_this_sign_in_is_refused(
    server: IssuerServer, signing_in: SigningIn, spoil: dict[str, Any]
) -> None:
    server.spoil = spoil
    begun = signing_in.begin(CALLBACK)
    assert refusal(signing_in, server.visit(begun.url), begun.browser.reveal()).endswith((FORGED, "audience."))


def test_an_id_token_of_an_audience_that_only_programs_use_is_refused(
    server: IssuerServer, options: OidcOptions, logins: Logins, clock: VirtualClock
) -> None:
    signing_in = made(replace(options, audience=("api://hub",)), logins, clock)
    assert sign_in(server, signing_in).login.email == "ana@example.com"
    server.spoil = {"aud": "api://hub"}
    begun = signing_in.begin(CALLBACK)
    assert "another service" in refusal(signing_in, server.visit(begun.url), begun.browser.reveal())


@pytest.mark.parametrize("sender", ["https://evil.example", "", None])
def test_another_issuers_answer_is_refused(server: IssuerServer, signing_in: SigningIn, sender: str | None) -> None:
    begun = signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    if sender is None:
        del query["iss"]
    else:
        query["iss"] = sender
    assert refusal(signing_in, query, begun.browser.reveal()) == FORGED
    assert server.asked("/token") == 0


def test_an_issuer_that_does_not_say_who_it_is_in_answers_need_not(
    server: IssuerServer, options: OidcOptions, logins: Logins, clock: VirtualClock
) -> None:
    server.described["authorization_response_iss_parameter_supported"] = None
    signing_in = made(options, logins, clock)
    begun = signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    del query["iss"]
    assert signing_in.complete(query, begun.browser.reveal()).login.email == "ana@example.com"


@pytest.mark.parametrize(
    ("error", "said"),
    [("access_denied", "did not sign you in (access_denied)."), ("<script>alert(1)</script>", "did not sign you in.")],
)
def test_what_the_issuer_refuses_is_said_without_repeating_markup(
    server: IssuerServer, signing_in: SigningIn, error: str, said: str
) -> None:
    begun = signing_in.begin(CALLBACK)
    query = {"state": server.visit(begun.url)["state"], "error": error, "error_description": "<b>no</b>"}
    assert said in refusal(signing_in, query, begun.browser.reveal())


@pytest.mark.parametrize("code", ["", "x" * 5000])
def test_a_way_back_without_a_code_is_refused(server: IssuerServer, signing_in: SigningIn, code: str) -> None:
    begun = signing_in.begin(CALLBACK)
    query = {**server.visit(begun.url), "code": code}
    assert refusal(signing_in, query, begun.browser.reveal()) == FORGED


def test_an_unverified_address_signs_nobody_in(server: IssuerServer, signing_in: SigningIn) -> None:
    server.accounts["u-ana"]["email_verified"] = False
    begun = signing_in.begin(CALLBACK)
    assert "not verified" in refusal(signing_in, server.visit(begun.url), begun.browser.reveal())


# ── faults that are an administrator's, or pass ──────────────────────────────────────────────────────


def test_a_wrong_client_secret_points_at_the_configuration(
    server: IssuerServer, options: OidcOptions, logins: Logins, clock: VirtualClock
) -> None:
    signing_in = made(replace(options, client_secret=Secret("wr0ng")), logins, clock)
    begun = signing_in.begin(CALLBACK)
    with pytest.raises(ConfigurationError, match=r"oidc\.client_secret") as caught:
        signing_in.complete(server.visit(begun.url), begun.browser.reveal())
    assert "wr0ng" not in str(caught.value)


def test_an_issuer_that_goes_away_in_the_middle_is_an_outage(server: IssuerServer, signing_in: SigningIn) -> None:
    begun = signing_in.begin(CALLBACK)
    query = server.visit(begun.url)
    server.down = True
    with pytest.raises(TransientError, match="Sign in again in a minute") as caught:
        signing_in.complete(query, begun.browser.reveal())
    assert query["code"] not in str(caught.value)
    assert server.asked("/token") == 1


def test_an_issuer_that_is_down_at_the_beginning_is_an_outage(server: IssuerServer, signing_in: SigningIn) -> None:
    server.down = True
    with pytest.raises(TransientError, match="cannot be asked"):
        signing_in.begin(CALLBACK)


def test_a_hub_without_a_client_id_has_no_browser_sign_in(
    server: IssuerServer, logins: Logins, clock: VirtualClock
) -> None:
    with pytest.raises(ConfigurationError, match=r"oidc\.client_id"):
        made(OidcOptions(server.url, audience=("api://hub",)), logins, clock)


def test_keys_that_rotate_during_a_sign_in_do_no_harm(
    server: IssuerServer, signing_in: SigningIn, clock: VirtualClock
) -> None:
    sign_in(server, signing_in)
    clock.advance(minutes=3)
    server.keys = [rsa_signing("second")]
    assert sign_in(server, signing_in).login.email == "ana@example.com"


# ── sessions ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_session_ends(
    server: IssuerServer, signing_in: SigningIn, logins: Logins, ledger: LoginLedger, clock: VirtualClock
) -> None:
    first, second = sign_in(server, signing_in), sign_in(server, signing_in)
    logins.end(first.cookie.reveal())
    with pytest.raises(NotSignedIn, match=r"expired\. Sign in again"):
        logins.find(first.cookie.reveal())
    clock.advance(hours=12)
    with pytest.raises(NotSignedIn, match=r"expired\. Sign in again"):
        logins.find(second.cookie.reveal())
    sign_in(server, signing_in)
    assert ledger.get(second.login.digest) is None, "ended sessions are swept"


@pytest.mark.parametrize("cookie", ["", "x", "a" * 10_000, "\ud800", "';--"])
def test_a_made_up_session_is_nobodys(logins: Logins, cookie: str) -> None:
    with pytest.raises(NotSignedIn):
        logins.find(cookie)


def test_nothing_that_is_printed_holds_a_secret(server: IssuerServer, signing_in: SigningIn) -> None:
    begun = signing_in.begin(CALLBACK)
    assert begun.browser.reveal() not in repr(begun)
    assert sign_in(server, signing_in).cookie.reveal() not in repr(sign_in(server, signing_in))
    (pending, *_) = signing_in._pending.values()
    assert pending.verifier not in repr(pending)


@pytest.mark.parametrize("good", ["/", "/search?q=a%20b#top", "/sources", "/ask/é"])
def test_a_path_of_this_hub_is_gone_back_to(good: str) -> None:
    assert safe_next(good) == good


@pytest.mark.parametrize(
    "bad",
    ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\t/evil.example",
     "/\n/evil.example", "/a\r\nSet-Cookie: x", "\\\\evil.example", "evil.example", "/api/login", "/mcp", " /x",
     "/\x00", "/a b", "/" + "a" * 3000, "/x\\..\\y"],
)  # fmt: skip
def test_anything_else_leads_to_the_start(bad: str) -> None:
    assert safe_next(bad) == "/"
