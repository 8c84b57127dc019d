"""The moves about people: who is asking, what they hold, keys, directories, and who read what."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from knowhub.access.explaining import Explanation, explain
from knowhub.access.identity import Identity, NotSignedIn
from knowhub.access.keys import MadeKey
from knowhub.access.resolving import named_person
from knowhub.core.errors import ConfigurationError, KnowhubError
from knowhub.core.ports import AuditEntry, Directory, DirectoryState, Scope, StoredKey
from knowhub.core.types import SourceName, Viewer
from knowhub.pipelines.directories import DirectoryReport, read_directory
from knowhub.wiring.documents import DocumentMoves

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from knowhub.access.login import Begun, SignedIn


class PeopleMoves(DocumentMoves):
    """Resolve people, and account for them."""

    # ── who is asking ────────────────────────────────────────────────────────────────────────────────

    def identify(self, bearer: str | None, cookie: str | None, *, local: bool) -> Identity:
        """Who proves to be somebody; `local` says that whoever sits at this machine needs no proof.

        Raises NotSignedIn, and TransientError while the identity provider cannot be asked.
        """
        authenticator = self._adapters.doors.authenticator
        if bearer:
            return authenticator.by_token(bearer)
        if cookie:
            return authenticator.by_cookie(cookie)
        identity = authenticator.owner() if local else authenticator.anybody()
        if identity is None:
            raise NotSignedIn("you are not signed in", cure="Sign in, or send an API key as a bearer token.")
        return identity

    def viewer(self, identity: Identity) -> Viewer:
        """What they hold now."""
        return self._adapters.doors.resolver.viewer(identity)

    def me(self, names: Sequence[str] = ()) -> Viewer:
        """Whoever uses this machine's command line; or somebody by address, or with just these principals."""
        return self.viewer(named_person(",".join(names) or "me", self._adapters.doors.owner_principals))

    def sign_in(self, redirect_uri: str, next: str) -> Begun:
        """The way to the identity provider. Raises ConfigurationError where there is none."""
        return self._adapters.doors.signing_in.begin(redirect_uri, next)

    def signed_in(self, query: Mapping[str, str], browser: str) -> SignedIn:
        """What came back from it. Raises NotSignedIn."""
        return self._adapters.doors.signing_in.complete(query, browser)

    def sign_out(self, cookie: str) -> None:
        self._adapters.doors.browser_logins.end(cookie)

    @property
    def offers_sign_in(self) -> bool:
        oidc = self._settings.oidc
        return bool(oidc.issuer and oidc.client_id)

    # ── keys ─────────────────────────────────────────────────────────────────────────────────────────

    def keys(self) -> list[StoredKey]:
        return self._adapters.doors.api_keys.all()

    def add_key(
        self,
        name: str,
        *,
        scopes: frozenset[Scope] = frozenset(("read",)),
        email: str = "",
        principals: Sequence[str] = (),
        days: int | None = None,
    ) -> MadeKey:
        """A key that acts as `email`, or holds just `principals`. Raises ConfigurationError."""
        return self._adapters.doors.api_keys.make(name, scopes=scopes, email=email, principals=principals, days=days)

    def revoke_key(self, id: str) -> None:
        """Raises NotFound."""
        self._adapters.doors.api_keys.revoke(id)

    # ── directories ──────────────────────────────────────────────────────────────────────────────────

    def directories(self) -> list[tuple[DirectoryState, bool]]:
        """What is stored of each, and whether it is too old to grant anything."""
        resolver = self._adapters.doors.resolver
        return [(state, resolver.is_stale(state)) for state in self._adapters.directories.states()]

    def read_directories(self, names: Sequence[str] = ()) -> list[DirectoryReport]:
        """Read people and memberships of the named sources, or of all that have a directory. None stops another."""
        reports = [self._read_directory(name) for name in self._chosen(names)]
        found = [report for report in reports if report is not None]
        if names and not found:
            raise ConfigurationError(
                f"{', '.join(names)} has no permissions of its own to read", cure="Its documents are for its readers."
            )
        return found

    def _read_directory(self, name: SourceName) -> DirectoryReport | None:
        """None for a source without one, and for one with `readers`, of which nobody's membership counts."""
        ledger, clock = self._adapters.directories, self._adapters.clock
        try:
            connected = self._adapters.connect(name)
            if connected.acl.layers or not isinstance(connected.source, Directory):
                return None
            return read_directory(name, connected.source, ledger, clock)
        except KnowhubError as error:
            ledger.note_failure(name, str(error), clock())
            return DirectoryReport(name, error=str(error))
        except Exception as error:
            log.exception("fault while a directory was read", extra={"source": name})
            return DirectoryReport(name, error=f"Unexpected {type(error).__name__}")

    # ── who may, and who did ─────────────────────────────────────────────────────────────────────────

    def why_visible(self, who: str, document: str) -> Explanation:
        """Layer by layer, for administrators: `who` is an address, `me`, `anyone` or principals. Raises NotFound."""
        item = self.find(document)
        person = named_person(who, self._adapters.doors.owner_principals)
        return explain(
            person, self._acl(item), resolver=self._adapters.doors.resolver, ledger=self._adapters.directories
        )

    def audit(
        self, *, viewer: str = "", document: str = "", since: datetime | None = None, limit: int = 100
    ) -> list[AuditEntry]:
        """Who was shown what, newest first."""
        return self._adapters.audit.entries(viewer=viewer, document=document, since=since, limit=limit)
