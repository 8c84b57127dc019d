"""A browser signs in at a real issuer on loopback, and out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx2
import pytest

from tests.entrypoints.rest.kit import Running, open_hub, serving
from tests.servers.issuer import CLIENT, SECRET, IssuerServer
from tests.servers.kit import VirtualClock


@pytest.fixture
def issuer() -> Iterator[IssuerServer]:
    with IssuerServer(VirtualClock(datetime.now(UTC))) as server:
        yield server


@pytest.fixture
def hub(issuer: IssuerServer, tmp_path: Path) -> Iterator[Running]:
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    oidc = f'issuer = "{issuer.url}"\nclient_id = "{CLIENT}"\nclient_secret = "file:secret"\n'
    text = f'[server]\nlocal_owner = false\n[access]\nadmins = ["group:platform"]\n[oidc]\n{oidc}'
    (tmp_path / "knowhub.toml").write_text(text)
    with open_hub(tmp_path) as opened, serving(opened) as running:
        issuer.redirects = {f"{running.url}/api/login/callback"}
        yield running


def signed_in(hub: Running, issuer: IssuerServer, client: httpx2.Client, next: str = "/") -> httpx2.Response:
    begun = client.get("/api/login", params={"next": next})
    assert begun.status_code == 302
    return client.get("/api/login/callback", params=issuer.visit(begun.headers["location"]))


def test_whoever_is_not_signed_in_is_told_where_to(hub: Running) -> None:
    with hub.client() as client:
        refused = client.get("/api/me")
    assert refused.status_code == 401
    assert refused.json()["sign_in"] == "/api/login"
    assert refused.headers["www-authenticate"] == 'Bearer realm="knowhub"'


def test_a_browser_signs_in_and_out(hub: Running, issuer: IssuerServer) -> None:
    with hub.client() as client:
        back = signed_in(hub, issuer, client, next="/#/search")
        assert (back.status_code, back.headers["location"]) == (302, "/#/search")
        cookie = back.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        me = client.get("/api/me").json()
        assert (me["name"], me["mode"]) == ("ana@example.com", "oidc")
        assert me["scopes"] == ["read", "admin"]
        kept = client.cookies["knowhub_session"]
        assert client.post("/api/logout").status_code == 204
        assert client.get("/api/me").status_code == 401
        again = client.get("/api/me", headers={"cookie": f"knowhub_session={kept}"})
        assert again.status_code == 401, "the session outlived the sign-out"


def test_the_way_back_works_once_and_for_the_browser_that_began(hub: Running, issuer: IssuerServer) -> None:
    with hub.client() as client, hub.client() as other:
        query = issuer.visit(client.get("/api/login").headers["location"])
        assert other.get("/api/login/callback", params=query).status_code == 401
        assert client.get("/api/login/callback", params=query).status_code == 302
        assert client.get("/api/login/callback", params=query).status_code == 401
        assert client.get("/api/login/callback").status_code == 401


@pytest.mark.parametrize("next", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_afterwards(hub: Running, issuer: IssuerServer, next: str) -> None:
    with hub.client() as client:
        assert signed_in(hub, issuer, client, next).headers["location"] == "/"


def test_behind_tls_the_cookie_is_for_tls_alone(hub: Running, issuer: IssuerServer) -> None:
    issuer.redirects = {url.replace("http://", "https://") for url in issuer.redirects}
    with hub.client(headers={"x-forwarded-proto": "https"}) as client:
        begun = client.get("/api/login")
        assert "Secure" in begun.headers["set-cookie"]
        assert "https%3A%2F%2F" in begun.headers["location"]


def test_another_site_can_link_to_the_sign_in_and_sign_nobody_out(hub: Running, issuer: IssuerServer) -> None:
    elsewhere = {"sec-fetch-site": "cross-site"}
    with hub.client() as client:
        assert client.get("/api/login", headers=elsewhere).status_code == 302
        signed_in(hub, issuer, client)
        assert client.post("/api/logout", headers=elsewhere).status_code == 403
        assert client.get("/api/me").status_code == 200


def test_a_hub_without_an_identity_provider_says_so(demo: Running) -> None:
    with demo.client() as client:
        for path in ("/api/login", "/api/login/callback"):
            assert client.get(path).status_code == 404
        assert client.get("/api/me").json()["sign_in"] is None


def test_an_issuer_that_is_away_is_told_as_that(hub: Running, issuer: IssuerServer) -> None:
    issuer.down = True
    with hub.client() as client:
        refused = client.get("/api/login")
    assert refused.status_code == 503
    assert "retry-after" in refused.headers
