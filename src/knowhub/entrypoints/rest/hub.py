"""What the API asks of the hub, as `wiring.app.App` has it; tests have smaller ones."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from knowhub.core.ports import AuditEntry, DirectoryState, Run, Scope, StoredBatch, StoredKey
from knowhub.core.types import (
    AnswerEvent,
    ContainerId,
    Document,
    DocumentId,
    Filters,
    Hit,
    SearchMode,
    SourceName,
    Turn,
    Viewer,
)

if TYPE_CHECKING:
    from knowhub.access.explaining import Explanation
    from knowhub.access.identity import Identity
    from knowhub.access.keys import MadeKey
    from knowhub.access.login import Begun, SignedIn
    from knowhub.pipelines.gaps import Gap
    from knowhub.wiring.reporting import Finding, SourceOverview
    from knowhub.wiring.settings import Settings

SURFACE = "rest"
"""How the audit trail names this way of reading."""


class Doors(Protocol):
    """Proof of who asks ▸ who it is ▸ what they hold now."""

    def identify(self, bearer: str | None, cookie: str | None, *, local: bool) -> Identity:
        """`local`: whoever has no proof is this machine's owner. Raises NotSignedIn."""
        ...

    def viewer(self, identity: Identity) -> Viewer: ...


class FrontDoor(Protocol):
    """Signing in with a browser."""

    @property
    def offers_sign_in(self) -> bool: ...

    def sign_in(self, redirect_uri: str, next: str) -> Begun: ...

    def signed_in(self, query: Mapping[str, str], browser: str) -> SignedIn:
        """Raises NotSignedIn."""
        ...

    def sign_out(self, cookie: str) -> None: ...


class Library(Protocol):
    """What a viewer may read, and what they think of it."""

    def answering(
        self,
        question: str,
        *,
        viewer: Viewer,
        filters: Filters | None = None,
        turns: Sequence[Turn] = (),
        candidates: int | None = None,
        surface: str = "cli",
    ) -> Generator[AnswerEvent, None, None]:
        """Raises NotFound before the first event for a source that the viewer may read nothing of."""
        ...

    def shown_again(self, documents: Sequence[DocumentId], *, viewer: Viewer, surface: str) -> bool:
        """Whether all may still be read; if so it is on record that they are shown once more."""
        ...

    def search(
        self,
        text: str,
        *,
        viewer: Viewer,
        mode: SearchMode = "hybrid",
        top_k: int = 10,
        filters: Filters | None = None,
        surface: str = "cli",
    ) -> list[Hit]: ...

    def document(self, id: DocumentId, *, viewer: Viewer, surface: str = "cli") -> Document:
        """Raises NotFound alike for what is hidden and what is not there."""
        ...

    def feedback(self, id: str, *, viewer: Viewer, useful: bool, reason: str) -> None:
        """Raises NotFound unless this viewer asked."""
        ...


class Catalogue(Protocol):
    """What there is, and how fresh."""

    def index_version(self, viewer: Viewer) -> str:
        """Opaque; changes whenever what this viewer can find may have."""
        ...

    def container_names(self) -> Mapping[tuple[SourceName, ContainerId], str]: ...

    def overview(self, *, viewer: Viewer, admin: bool) -> Sequence[SourceOverview]:
        """The sources that the viewer may read something of; all of them for an administrator."""
        ...

    def ready(self) -> Iterable[Finding]:
        """What an answer depends on, each touched."""
        ...

    @property
    def settings(self) -> Settings: ...


class Operations(Protocol):
    """What administrators do with sources. Raises NotFound for one that nobody knows."""

    def pause(self, name: str, *, paused: bool) -> None: ...

    def runs(self, names: Sequence[str] = (), *, limit: int = 100) -> list[Run]: ...

    def failed_batches(self) -> list[StoredBatch]: ...

    def reprocess(self, names: Sequence[str] = ()) -> int: ...


class Offices(Protocol):
    """What administrators see of people."""

    def gaps(self, *, viewer: Viewer, days: int | None = None) -> list[Gap]: ...

    def audit(
        self, *, viewer: str = "", document: str = "", since: datetime | None = None, limit: int = 100
    ) -> list[AuditEntry]: ...

    def why_visible(self, who: str, document: str) -> Explanation:
        """Raises NotFound, and ConfigurationError for somebody who cannot be."""
        ...

    def directories(self) -> list[tuple[DirectoryState, bool]]: ...


class KeyRing(Protocol):
    """API keys."""

    def keys(self) -> list[StoredKey]: ...

    def add_key(
        self,
        name: str,
        *,
        scopes: frozenset[Scope] = frozenset(("read",)),
        email: str = "",
        principals: Sequence[str] = (),
        days: int | None = None,
    ) -> MadeKey:
        """Raises ConfigurationError for a key that would be nobody's."""
        ...

    def revoke_key(self, id: str) -> None:
        """Raises NotFound."""
        ...


class Background(Protocol):
    """What runs beside the server."""

    def sync(self, source: SourceName) -> None:
        """Sync it next, whether it is paused or not. Raises NotFound."""
        ...

    def read_directories(self) -> None:
        """Read people and memberships of all sources next."""
        ...

    def next_sync_at(self, source: SourceName) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sends a request, resolved to what they hold now. `bucket` is whom limits are counted for."""

    viewer: Viewer
    name: str
    scopes: frozenset[Scope]
    how: str
    bucket: str
