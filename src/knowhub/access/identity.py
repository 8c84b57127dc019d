"""Who somebody is, before it is known what they hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from knowhub.core.errors import AccessDenied
from knowhub.core.ports import Scope
from knowhub.core.types import Principal

How = Literal["owner", "key", "oidc", "public"]

_ADDRESS = re.compile(r"[^\s@<>,;:\"\\\x00-\x20]{1,128}@[^\s@<>,;:\"\\\x00-\x20]{1,190}")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


class NotSignedIn(AccessDenied):
    """No proof of who is asking, or none that holds. The message helps the honest, and not those who forge."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Proven to be somebody by `how`. `name` is theirs alone: audit, feedback and caches go by it.

    `email` is verified and folded, or "". `groups` are what a token claims; `principals` are held as they are.
    """

    name: str
    how: How
    scopes: frozenset[Scope]
    email: str = ""
    groups: tuple[str, ...] = ()
    principals: tuple[Principal, ...] = ()


def folded(email: str) -> str:
    """An address as it is compared. ASCII alone is folded: a look-alike letter must not become somebody else's."""
    return email.strip().translate(_ASCII_LOWER)


def is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None and text.isprintable()


def owner(principals: tuple[Principal, ...]) -> Identity:
    """Whoever sits at this machine."""
    return Identity("me", "owner", frozenset(("read", "admin")), principals=principals)


ANYBODY = Identity("anyone", "public", frozenset(("read",)))
"""Whoever comes to a public hub without a proof."""
