"""A token, or a GitHub App that makes itself one for an hour at a time.

https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app
"""

from __future__ import annotations

from datetime import datetime, timedelta

from knowhub.core.errors import ConfigurationError, MissingExtra
from knowhub.core.secret import Secret
from knowhub.http import Auth, Clock, Http, bearer, no_auth
from knowhub.http.auth import Authorize
from knowhub.sources.github.options import GitHubOptions

API_VERSION = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"}
_EARLY = timedelta(minutes=5)
_LIFE = timedelta(minutes=9)
_SKEW = timedelta(minutes=1)


def credentials(options: GitHubOptions, clock: Clock) -> Authorize:
    """What to send with each request. Raises ConfigurationError where half of an app is given."""
    if options.token is not None:
        return bearer(options.token)
    if options.app_id and options.private_key is not None:
        return _App(options.app_id, options.private_key, options, clock)
    if options.app_id or options.private_key is not None:
        raise ConfigurationError("a GitHub App needs app_id and private_key", cure="Set both, or a token.")
    return no_auth


class _App:
    """Asked before each request; its installation's token is renewed some minutes before it expires."""

    def __init__(self, app_id: str, key: Secret, options: GitHubOptions, clock: Clock) -> None:
        self._app_id = app_id
        self._key = key
        self._installation = options.installation_id
        self._clock = clock
        self._http = Http(options.base_url, auth=self._as_app, clock=clock, headers=API_VERSION)
        self._auth = Auth()
        self._until: datetime | None = None

    def __call__(self) -> Auth:
        if self._until is None or self._clock.now() >= self._until - _EARLY:
            made = self._http.post(f"app/installations/{self._installed()}/access_tokens").data
            token = str(made["token"])
            self._auth = Auth(headers={"Authorization": f"Bearer {token}"}, secrets=(token,))
            self._until = datetime.fromisoformat(made["expires_at"])
        return self._auth

    def _installed(self) -> str:
        if not self._installation:
            found = self._http.get("app/installations", {"per_page": 100}).data
            if len(found) != 1:
                raise ConfigurationError(
                    f"the GitHub App {self._app_id} is installed {len(found)} times",
                    cure="Install it, or say which installation by installation_id (the number in its settings' URL).",
                )
            self._installation = str(found[0]["id"])
        return self._installation

    def _as_app(self) -> Auth:
        try:
            import jwt
        except ImportError as error:
            raise MissingExtra(
                "a GitHub App signs its requests with PyJWT, which is not installed",
                cure="Run `pip install 'knowhub[github]'`, or use a token.",
            ) from error
        now = self._clock.now()
        claims = {"iat": int((now - _SKEW).timestamp()), "exp": int((now + _LIFE).timestamp()), "iss": self._app_id}
        try:
            signed = jwt.encode(claims, self._key.reveal(), algorithm="RS256")
        except (ValueError, TypeError, jwt.PyJWTError) as error:
            raise ConfigurationError(
                "private_key is no RSA key in PEM form", cure="Give the .pem file that GitHub made for the App."
            ) from error
        return Auth(headers={"Authorization": f"Bearer {signed}"}, secrets=(signed,))
