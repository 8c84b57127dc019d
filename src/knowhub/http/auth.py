"""Credentials of one request. They are added below the client, so that no URL that is logged or stored has them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from knowhub.core.secret import Secret


@dataclass(frozen=True, slots=True)
class Auth:
    """Headers and query parameters to add, in the clear; never printed. `secrets` are what errors must not show."""

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


Authorize = Callable[[], Auth]
"""Asked before every request, so that a token that expires can be renewed."""


def no_auth() -> Auth:
    return Auth()


def bearer(token: Secret) -> Authorize:
    return header("Authorization", token, prefix="Bearer ")


def header(name: str, token: Secret, prefix: str = "") -> Authorize:
    auth = Auth(headers={name: prefix + token.reveal()}, secrets=(token.reveal(),))
    return lambda: auth


def query(name: str, token: Secret) -> Authorize:
    auth = Auth(query={name: token.reveal()}, secrets=(token.reveal(),))
    return lambda: auth


def basic(user: str, password: Secret) -> Authorize:
    """RFC 7617, in UTF-8."""
    pair = base64.b64encode(f"{user}:{password.reveal()}".encode()).decode("ascii")
    auth = Auth(headers={"Authorization": f"Basic {pair}"}, secrets=(password.reveal(), pair))
    return lambda: auth
