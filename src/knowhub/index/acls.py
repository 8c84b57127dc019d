"""Which access lists admit a viewer: each distinct list has an id, chunks carry the id.

`Acl.admits` is asked once per distinct list and set of principals, not once per chunk. A list is written down
before the first chunk that carries its id; an id that nobody wrote down admits nobody.
"""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from threading import Lock

from knowhub.core.errors import CorruptObject
from knowhub.core.types import Acl, Principal, Viewer

NOBODY = Acl()
_REMEMBERED_VIEWERS = 64


def acl_text(acl: Acl) -> str:
    """Equal text for equal meaning."""
    return json.dumps(acl.canonical(), ensure_ascii=False, separators=(",", ":"))


def acl_id(acl: Acl) -> int:
    """63 bits of SHA-256 of the canonical list, so that writers agree without talking to one another."""
    return int.from_bytes(hashlib.sha256(acl_text(acl).encode()).digest()[:8], "big") >> 1


class KnownAcls:
    """The access lists of one index as far as they were read; they are only ever added. Thread-safe."""

    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._acls: list[tuple[int, Acl]] = []
        self._admitted: OrderedDict[frozenset[Principal], tuple[int, list[int]]] = OrderedDict()
        self._lock = Lock()

    def __contains__(self, identity: object) -> bool:
        return identity in self._texts

    def __len__(self) -> int:
        return len(self._acls)

    def add(self, rows: Iterable[tuple[int, str]]) -> None:
        """Raises CorruptObject if an id stands for two lists: reading on could show one's chunks to the other's."""
        with self._lock:
            for identity, text in rows:
                if self._texts.setdefault(identity, text) != text:
                    raise CorruptObject(f"access list {identity} has two meanings", cure="Run `knowhub reindex`")
                if len(self._acls) < len(self._texts):
                    self._acls.append((identity, _read(text)))

    def admitting(self, viewer: Viewer) -> list[int]:
        """Ids of the lists that admit the viewer, ascending."""
        with self._lock:
            seen, admitted = self._admitted.pop(viewer.principals, (0, []))
            if seen < len(self._acls):
                fresh = [identity for identity, acl in self._acls[seen:] if acl.admits(viewer)]
                admitted = sorted(admitted + fresh)
            self._admitted[viewer.principals] = (len(self._acls), admitted)
            while len(self._admitted) > _REMEMBERED_VIEWERS:
                self._admitted.popitem(last=False)
            return admitted


def new_acls(acls: Iterable[Acl], known: KnownAcls) -> Iterator[tuple[int, str]]:
    """Id and text of each list that `known` lacks, once."""
    fresh = {acl_id(acl): acl_text(acl) for acl in acls}
    return ((identity, text) for identity, text in sorted(fresh.items()) if identity not in known)


def _read(text: str) -> Acl:
    return Acl(tuple(frozenset(Principal(name) for name in layer) for layer in json.loads(text)))
