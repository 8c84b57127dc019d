"""A token, a cookie, this machine or nothing ▸ who is asking."""

from __future__ import annotations

from knowhub.access.identity import ANYBODY, Identity, NotSignedIn, owner
from knowhub.access.keys import PREFIX, Keys
from knowhub.access.login import Logins
from knowhub.access.oidc import Tokens
from knowhub.access.resolving import Resolver
from knowhub.core.types import Principal


class Authenticator:
    """Every way in. `tokens` None: nobody signs in with an identity provider."""

    def __init__(
        self,
        *,
        keys: Keys,
        logins: Logins,
        tokens: Tokens | None,
        resolver: Resolver,
        me: tuple[Principal, ...],
        public: bool,
    ) -> None:
        self._keys = keys
        self._logins = logins
        self._tokens = tokens
        self._resolver = resolver
        self._me = me
        self._public = public

    def by_token(self, token: str) -> Identity:
        """An API key, or a token of the identity provider. Raises NotSignedIn, TransientError."""
        if token.startswith(PREFIX) or self._tokens is None:
            return self._keys.identity(token)
        claimed = self._tokens.claimed(token)
        if not claimed.email:
            raise NotSignedIn("this token names no e-mail address", cure="Ask for one with the scope email.")
        return self._signed_in(claimed.email, claimed.groups)

    def by_cookie(self, cookie: str) -> Identity:
        """A browser that signed in. Raises NotSignedIn."""
        login = self._logins.find(cookie)
        if self._tokens is None:
            # Signing in was switched off since: what it once granted ended with it.
            raise NotSignedIn("your sign-in has expired", cure="Use an API key: this hub has no sign-in any more.")
        return self._signed_in(login.email, login.groups)

    def owner(self) -> Identity:
        """Whoever sits at this machine. Whether somebody does is for the server to judge."""
        return owner(self._me)

    def anybody(self) -> Identity | None:
        """Whoever has no proof; None where the hub is not public."""
        return ANYBODY if self._public else None

    def _signed_in(self, email: str, groups: tuple[str, ...]) -> Identity:
        return Identity(email, "oidc", self._resolver.scopes(email, groups), email=email, groups=groups)
