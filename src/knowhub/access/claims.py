"""What a verified token says: for whom it was issued, when, and who it is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from knowhub.access.identity import NotSignedIn, folded, is_address

Claims = Mapping[str, Any]

LEEWAY_S = 60.0
"""How far two clocks may be apart."""
_MOST_GROUPS = 2_000
_AGAIN = "Sign in again."


class Forged(Exception):
    """A token that its issuer did not issue like this. `reason` is a short constant phrase, for the log alone."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def check_times(claims: Claims, now: datetime) -> None:
    """`exp`, `nbf` and `iat` (RFC 7519, 4.1). Raises NotSignedIn, Forged where they cannot be read."""
    at = now.timestamp()
    expires, begins, issued = (_seconds(claims, name) for name in ("exp", "nbf", "iat"))
    if expires is None:
        raise Forged("it never expires")
    if at >= expires + LEEWAY_S:
        raise NotSignedIn("your sign-in has expired", cure=_AGAIN)
    if any(start is not None and at < start - LEEWAY_S for start in (begins, issued)):
        raise NotSignedIn(
            "your sign-in is not valid yet", cure="Check the clocks of this hub and of the identity provider."
        )


def check_audience(claims: Claims, audience: Collection[str], parties: Collection[str]) -> None:
    """For us, and where for others as well: obtained by one of ours (`azp`). Raises NotSignedIn."""
    named = claims.get("aud")
    meant = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    ours = any(isinstance(one, str) and one in audience for one in meant)
    if not ours or (len(meant) > 1 and claims.get("azp") not in parties):
        raise NotSignedIn(
            "this sign-in was made for another service", cure="Sign in here, or ask for a token of this hub's audience."
        )


def verified_email(claims: Claims, claim: str, *, require_verified: bool) -> str:
    """The folded address, if the issuer vouches for it or is trusted to; "" if there is none. Raises NotSignedIn.

    Its own flag must be true: one about another claim says nothing of it.
    """
    email = at_path(claims, claim)
    if not isinstance(email, str) or not is_address(email.strip()):
        return ""
    if require_verified and not _is_vouched_for(claims, claim):
        raise NotSignedIn(
            "your e-mail address is not verified at the identity provider", cure="Verify it there, then sign in again."
        )
    return folded(email)


def _is_vouched_for(claims: Claims, claim: str) -> bool:
    """Some issuers write the flag as a text. Entra has one of its own, which only applications that ask for it get:
    https://learn.microsoft.com/entra/identity-platform/optional-claims-reference
    """
    flag = at_path(claims, f"{claim}_verified")
    if flag is None and claim == "email":
        return claims.get("xms_edov") in (True, "true", "1")
    return flag is True or flag == "true"


def groups_of(claims: Claims, claim: str) -> tuple[str, ...]:
    """A list of names or a single one; what is no name is left out."""
    found = at_path(claims, claim) if claim else None
    listed = found if isinstance(found, list) else [found]
    named = (one for one in listed[:_MOST_GROUPS] if isinstance(one, str) and one and one.isprintable())
    return tuple(dict.fromkeys(named))


def at_path(claims: Claims, path: str) -> Any:
    """The claim of this very name, else what lies that deep: `realm_access.roles`."""
    if path in claims:
        return claims[path]
    here: Any = claims
    for name in path.split("."):
        here = here.get(name) if isinstance(here, Mapping) else None
    return here


def _seconds(claims: Claims, name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise Forged(f"{name} is no time")
    return float(value)
