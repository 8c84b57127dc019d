"""Who may come in: what `[access]` and `[oidc]` say, as the adapters that decide it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from knowhub.access.keys import Keys
from knowhub.access.resolving import AccessRules, Resolver
from knowhub.core.errors import ConfigurationError
from knowhub.core.ports import DirectoryLedger, KeyLedger, LoginLedger
from knowhub.core.types import Principal
from knowhub.wiring.once import once
from knowhub.wiring.settings import Configuration

if TYPE_CHECKING:
    from knowhub.access.authenticating import Authenticator
    from knowhub.access.login import Logins, SigningIn
    from knowhub.access.oidc import Issuer, Tokens


class Doors:
    """Each part is made when it is first asked for."""

    def __init__(
        self,
        configuration: Configuration,
        directories: DirectoryLedger,
        keys: KeyLedger,
        logins: LoginLedger,
        clock: Callable[[], datetime],
    ) -> None:
        self._configuration = configuration
        self._directories = directories
        self._keys = keys
        self._logins = logins
        self._clock = clock

    @property
    def owner_principals(self) -> tuple[Principal, ...]:
        return tuple(Principal(one) for one in self._configuration.settings.access.me)

    @once
    def resolver(self) -> Resolver:
        settings = self._configuration.settings.access
        rules = AccessRules(
            people=settings.people,
            admins=settings.admins,
            distrust_emails=frozenset(settings.distrust_emails),
            max_age_hours=settings.max_age_hours,
        )
        return Resolver(self._directories, rules, self._clock)

    @once
    def api_keys(self) -> Keys:
        return Keys(self._keys, self._clock)

    @once
    def browser_logins(self) -> Logins:
        from knowhub.access.login import Logins

        return Logins(self._logins)

    @once
    def _issuer(self) -> Issuer | None:
        settings = self._configuration.settings.oidc
        if not settings.issuer:
            return None
        from knowhub.access.oidc import Issuer, OidcOptions

        secret = settings.client_secret
        return Issuer(
            OidcOptions(
                issuer=settings.issuer,
                audience=settings.audience,
                client_id=settings.client_id,
                client_secret=self._configuration.secret("oidc.client_secret", secret) if secret else None,
                email_claim=settings.email_claim,
                require_verified_email=settings.require_verified_email,
                groups_claim=settings.groups_claim,
            )
        )

    @once
    def _tokens(self) -> Tokens | None:
        from knowhub.access.oidc import Tokens

        return Tokens(self._issuer) if self._issuer else None

    @once
    def authenticator(self) -> Authenticator:
        from knowhub.access.authenticating import Authenticator

        return Authenticator(
            keys=self.api_keys,
            logins=self.browser_logins,
            tokens=self._tokens,
            resolver=self.resolver,
            me=self.owner_principals,
            public=self._configuration.settings.access.public,
        )

    @once
    def signing_in(self) -> SigningIn:
        from knowhub.access.login import SigningIn

        if self._issuer is None or self._tokens is None:
            raise ConfigurationError(
                "nobody can sign in here with a browser", cure="Name an identity provider in [oidc], or use an API key."
            )
        return SigningIn(self._issuer, self._tokens, self.browser_logins)

    def check(self) -> None:
        """Ask the identity provider what signing in needs. Raises with a sentence and its cure."""
        if self._issuer:
            self._issuer.description()
            self._issuer.endpoint("jwks_uri")
