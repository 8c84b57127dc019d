"""Why somebody may read a document, or not: layer by layer, with the chain of memberships."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from knowhub.access.identity import Identity
from knowhub.access.resolving import Resolver, source_of
from knowhub.core.ports import DirectoryLedger, DirectoryState
from knowhub.core.types import Acl, Principal

_SHOWN = 8


@dataclass(frozen=True, slots=True)
class LayerExplained:
    """`wanted` is the layer. `chain` leads from the principal that admits to one that is held because of `ground`.

    () means that nothing the viewer holds is in the layer.
    """

    wanted: tuple[Principal, ...]
    chain: tuple[Principal, ...] = ()
    ground: str = ""

    @property
    def passed(self) -> bool:
        return bool(self.chain)

    def __str__(self) -> str:
        """`chat:channel:C1 ← chat:user:U7 (e-mail ana@x.y)`"""
        if self.passed:
            return f"{' ← '.join(self.chain)} ({self.ground})"
        if not self.wanted:
            return "a layer that nobody passes"
        more = f" and {len(self.wanted) - _SHOWN} more" if len(self.wanted) > _SHOWN else ""
        return f"holds none of {', '.join(self.wanted[:_SHOWN])}{more}"


@dataclass(frozen=True, slots=True)
class Explanation:
    """`visible`: every layer is passed, and there is one. `stale` are directories of the layers not passed."""

    viewer: str
    visible: bool
    layers: tuple[LayerExplained, ...]
    stale: tuple[DirectoryState, ...] = ()

    def lines(self) -> list[str]:
        """For people, first the verdict."""
        said = [f"{self.viewer} {'can' if self.visible else 'cannot'} read it."]
        if not self.layers:
            said.append("nobody may: the document names no readers")
        said += [f"{'passed' if layer.passed else 'NOT passed'}: {layer}" for layer in self.layers]
        said += [_stale(state) for state in self.stale]
        return said


def explain(identity: Identity, acl: Acl, *, resolver: Resolver, ledger: DirectoryLedger) -> Explanation:
    """As things stand now."""
    viewer, grounds = resolver.viewer(identity), resolver.grounds(identity)
    layers = tuple(_layer(tuple(sorted(layer)), viewer.principals, grounds, ledger) for layer in acl.layers)
    missed = {source_of(principal) for layer in layers if not layer.passed for principal in layer.wanted}
    stale = tuple(state for state in resolver.stale_directories() if state.source in missed)
    return Explanation(viewer.name, acl.admits(viewer), layers, stale)


def _layer(
    wanted: Sequence[Principal],
    held: frozenset[Principal],
    grounds: Mapping[Principal, str],
    ledger: DirectoryLedger,
) -> LayerExplained:
    """The shortest chain, from what the layer wants down to what is held without a membership."""
    paths: deque[tuple[Principal, ...]] = deque((principal,) for principal in wanted if principal in held)
    seen = {path[0] for path in paths}
    while paths:
        path = paths.popleft()
        if path[-1] in grounds:
            return LayerExplained(tuple(wanted), path, grounds[path[-1]])
        for member in ledger.members(path[-1]):
            if member in held and member not in seen:
                seen.add(member)
                paths.append((*path, member))
    return LayerExplained(tuple(wanted))


def _stale(state: DirectoryState) -> str:
    if state.read_at is None:
        since = "has never been read"
    else:
        since = f"was last read at {state.read_at:%Y-%m-%d %H:%M} UTC and is too old to grant anything"
    return f"the directory of {state.source} {since}" + (f" ({state.error})" if state.error else "")
